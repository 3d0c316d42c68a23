//! The socket behind "the port is open": follows what is wanted, the port number and the phone's address, and tries again where the
//! address is not there yet or the port is taken.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use service_kit::backoff::Backoff;
use tokio::time::Instant;

use crate::http::listener::Listener;

/// See the module.
pub struct Port {
    router: Router,
    wanted: bool,
    address: Option<IpAddr>,
    number: u16,
    listener: Option<Listener>,
    backoff: Backoff,
    /// What was tried in vain, and when it is tried again.
    failed: Option<(SocketAddr, Instant)>,
    /// The last failure that was logged; the same one is said once.
    said: String,
}

impl Port {
    /// A closed one for this interface.
    pub fn new(router: Router) -> Port {
        Port {
            router,
            wanted: false,
            address: None,
            number: 0,
            listener: None,
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(30)),
            failed: None,
            said: String::new(),
        }
    }

    /// Whether it shall be open.
    pub fn want(&mut self, open: bool) {
        self.wanted = open;
    }

    /// WEB_SERVER_PORT.
    pub fn number(&mut self, number: u16) {
        self.number = number;
    }

    /// The phone's address; an unknown one changes nothing, so that the page outlives hal-agent.
    pub fn address(&mut self, address: &str) {
        self.address = address.parse().ok().or(self.address);
    }

    /// It is open.
    pub fn is_open(&self) -> bool {
        self.listener.is_some()
    }

    /// It is as it shall be, as far as the address is known.
    pub fn is_settled(&self) -> bool {
        match self.target() {
            Some(target) => self.listener.as_ref().is_some_and(|listener| listener.address == target),
            None => self.listener.is_none(),
        }
    }

    /// When [`Port::settle`] wants to be called again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.failed.map(|(_, at)| at)
    }

    /// Opens, moves or closes it, unless the same has just failed.
    pub async fn settle(&mut self) {
        let target = self.target();
        if self.failed.is_some_and(|(tried, at)| Some(tried) == target && Instant::now() < at) {
            return;
        }
        self.failed = None;
        if self.is_settled() {
            return;
        }
        self.listener = None;
        let Some(target) = target else { return };
        match Listener::open(target, self.router.clone()).await {
            Ok(listener) => {
                tracing::info!(address = %listener.address, "the web port is open");
                self.listener = Some(listener);
                self.backoff.reset();
                self.said.clear();
            }
            Err(error) => {
                let text = format!("{target}: {error}");
                if self.said != text {
                    tracing::warn!(reason = text, "the web port cannot be opened; trying again");
                }
                self.said = text;
                self.failed = Some((target, Instant::now() + self.backoff.delay()));
            }
        }
    }

    fn target(&self) -> Option<SocketAddr> {
        let address = self.address.filter(|_| self.wanted && self.number != 0)?;
        Some(SocketAddr::new(address, self.number))
    }
}
