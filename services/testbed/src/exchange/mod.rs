//! The lab exchange: a registrar with digest authentication and a few extensions, so that a phone on a PC has somebody to talk to.
//!
//! 100 sends back what it hears, 101 answers briefly and calls back, 102 rings and never answers, 103 is busy; other accounts are
//! reached through it as through a proxy. It is a test peer: never part of the image, and it shares nothing with the phone's stack
//! but the wire format, so that a fault there does not hide behind the same fault here. UDP only; every table is bounded.

mod answers;
mod authentication;
mod bindings;
mod call;
mod calls;
mod description;
mod echo;
mod engine;
mod proxy;
mod random;
mod registrar;
mod requests;
mod transactions;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use authentication::Algorithm;
pub use bindings::Binding;

/// How an exchange is set up.
#[derive(Clone, Debug)]
pub struct ExchangeOptions {
    /// Where it listens; port 0 takes a free one. Its media are on the same address.
    pub address: SocketAddr,
    /// The realm of its challenges, and the domain of its accounts.
    pub realm: String,
    /// User and password of each account.
    pub accounts: Vec<(String, String)>,
    /// What is offered in challenges, in this order. Old clients take the first one or nothing: for them, MD5 alone.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce is good; after that the answer is `stale=true`.
    pub nonce_lifetime: Duration,
    /// The shortest registration in seconds; shorter ones get 423.
    pub min_expires: u32,
    /// The longest registration in seconds; longer ones are cut.
    pub max_expires: u32,
    /// How long 101 talks before it hangs up, and waits before it calls back.
    pub call_back_after: Duration,
}

impl Default for ExchangeOptions {
    fn default() -> ExchangeOptions {
        ExchangeOptions {
            address: SocketAddr::from(([127, 0, 0, 2], 5060)),
            realm: "deskphone.lab".to_owned(),
            accounts: Vec::new(),
            // The better one first (RFC 8760 section 2.4).
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            min_expires: 10,
            max_expires: 7200,
            call_back_after: Duration::from_secs(1),
        }
    }
}

/// What the exchange could not do.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The socket could not be bound.
    #[error("the exchange cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no random octets.
    #[error("no random octets: {0}")]
    Random(String),
    /// Nobody is registered under that user.
    #[error("{0} is not registered at the exchange")]
    NotRegistered(String),
    /// A bound is reached, or no media socket could be had.
    #[error("the exchange cannot take another call")]
    Full,
    /// It has been stopped.
    #[error("the exchange is stopped")]
    Stopped,
}

/// What has happened so far. Only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages received that could be read.
    pub received: u64,
    /// Datagrams received that could not.
    pub malformed: u64,
    /// Messages sent.
    pub sent: u64,
    /// Requests seen a second time.
    pub retransmissions_seen: u64,
    /// Messages sent a second time.
    pub retransmissions_sent: u64,
    /// Challenges sent.
    pub challenges: u64,
    /// Credentials that were wrong.
    pub refused_credentials: u64,
    /// REGISTER requests granted.
    pub registrations: u64,
    /// Calls that came in and were answered.
    pub answered: u64,
    /// Calls that went out.
    pub dialled: u64,
    /// Requests handed on between phones.
    pub proxied: u64,
}

/// One call of the exchange's own extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallReport {
    /// Names it from now on.
    pub number: u64,
    /// The phone's user.
    pub user: String,
    /// Our extension.
    pub extension: String,
    /// How far it is.
    pub progress: Progress,
    /// RTP packets that were sent back. The view follows the first one after each change of direction at once, others with
    /// the next message.
    pub echoed: u64,
    /// RTP packets that came while we may not send.
    pub swallowed: u64,
    /// RTP packets that never came, by their sequence numbers; those around a change of direction are not counted.
    pub missing: u64,
    /// INVITEs of the phone inside the call.
    pub reinvites: u64,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Our INVITE is out.
    Dialling,
    /// The far end rings.
    Ringing,
    /// Answered; not acknowledged yet where they called.
    Answered,
    /// Answered and acknowledged.
    Talking,
    /// Over: the final status, 200 after a talk.
    Ended(u16),
}

/// All that can be seen from outside, always the newest.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Registered contacts.
    pub bindings: Vec<Binding>,
    /// Calls under way and the last ones that ended, oldest first.
    pub calls: Vec<CallReport>,
    /// Counts.
    pub counters: Counters,
}

enum Command {
    Call { user: String, reply: oneshot::Sender<Result<u64, ExchangeError>> },
    HangUp { number: u64 },
    Stop,
}

/// A running exchange; ends when it is dropped.
#[derive(Debug)]
pub struct Exchange {
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<View>,
    task: JoinHandle<()>,
}

impl Exchange {
    /// Binds the socket and starts. Needs a tokio runtime around it.
    pub fn start(options: ExchangeOptions) -> Result<Exchange, ExchangeError> {
        let (commands, orders) = mpsc::channel(16);
        let (shown, view) = watch::channel(View::default());
        let engine = engine::Engine::bind(options, orders, shown)?;
        let address = engine.address();
        Ok(Exchange { address, commands, view, task: tokio::spawn(engine.run()) })
    }
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
    /// Rings a registered user from extension 101; gives the call's number at once. What becomes of it is in the view.
    pub async fn call(&self, user: &str) -> Result<u64, ExchangeError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Call { user: user.to_owned(), reply };
        self.commands.send(command).await.map_err(|_| ExchangeError::Stopped)?;
        answer.await.map_err(|_| ExchangeError::Stopped)?
    }
    /// Ends a call in any state; does nothing when it is over.
    pub async fn hang_up(&self, number: u64) -> Result<(), ExchangeError> {
        self.commands.send(Command::HangUp { number }).await.map_err(|_| ExchangeError::Stopped)
    }
    /// The registered contacts.
    pub fn bindings(&self) -> Vec<Binding> {
        self.view.borrow().bindings.clone()
    }
    /// The counts.
    pub fn counters(&self) -> Counters {
        self.view.borrow().counters
    }
    /// Everything, as it is now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }
    /// Waits until the view fulfils a condition, and gives it.
    pub async fn until(&self, condition: impl FnMut(&View) -> bool) -> Result<View, ExchangeError> {
        let mut view = self.view.clone();
        let shown = view.wait_for(condition).await.map_err(|_| ExchangeError::Stopped)?;
        Ok(shown.clone())
    }
    /// Hangs up every call and stops.
    pub async fn stop(mut self) {
        // Nobody listens any more when it has stopped by itself: nothing to do then.
        let _ = self.commands.send(Command::Stop).await;
        let _ = (&mut self.task).await;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.task.abort();
    }
}
