//! The lab exchange as a far end that says what it saw: in a thread of its own, so that nothing that a test does delays its
//! packets. The calling thread's network namespace is the exchange's too.

use testbed::exchange::{Algorithm, Exchange, ExchangeOptions};
use tokio::sync::oneshot;

use crate::namespace::REGISTRAR;
use crate::registrar::PHONE_ACCOUNT;

/// A running exchange at [`REGISTRAR`] with the phone's account; ends with this value.
pub struct FarExchange {
    exchange: Exchange,
    /// Its thread ends when this goes.
    _stop: oneshot::Sender<()>,
}

impl FarExchange {
    /// Starts it; it offers SHA-256 and MD5.
    pub fn start() -> FarExchange {
        FarExchange::offering(ExchangeOptions::default().algorithms)
    }

    /// Starts it with challenges of these kinds: some phones read only the first, and only MD5.
    pub fn offering(algorithms: Vec<Algorithm>) -> FarExchange {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let (user, password) = PHONE_ACCOUNT;
                let exchange = Exchange::start(ExchangeOptions {
                    address: (REGISTRAR.parse::<std::net::IpAddr>().expect("an address"), 5060).into(),
                    accounts: vec![(user.to_owned(), password.to_owned())],
                    algorithms,
                    ..ExchangeOptions::default()
                });
                tell.send(exchange.expect("the exchange")).expect("somebody who wants it");
                // Ends with an error when the value goes: that is the sign.
                let _ = stopped.await;
            });
        });
        FarExchange { exchange: told.recv().expect("the exchange"), _stop: stop }
    }
}

impl std::ops::Deref for FarExchange {
    type Target = Exchange;
    fn deref(&self) -> &Exchange {
        &self.exchange
    }
}
