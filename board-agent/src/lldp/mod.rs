//! Rules lldpd: whether it sends and reads LLDP frames, how often, and what it says of the unit (B285). The frames are lldpd's
//! business. The settings of a boot count until the next one, for the rows take effect by a restart of the unit (B158); an lldpd that
//! starts anew is told again.

mod ruler;
mod wish;

use std::path::PathBuf;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use ruler::Ruler;
pub use wish::Wish;

/// How far lldpd does what it shall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The settings are not known yet.
    Unknown,
    /// This board rules no lldpd.
    Nobody,
    /// It is not there.
    Absent,
    /// It sends and reads frames.
    On,
    /// It neither sends nor reads any.
    Off,
    /// It is there and cannot be told.
    Failed,
}

impl State {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Nobody => "none",
            State::Absent => "absent",
            State::On => "on",
            State::Off => "off",
            State::Failed => "failed",
        }
    }
}

/// The hold on lldpd. It is let go with this value.
pub struct Lldp {
    state: watch::Receiver<State>,
    publish: watch::Sender<State>,
    ruler: Option<JoinHandle<()>>,
}

impl Lldp {
    /// Nothing is ruled yet.
    pub fn new() -> Lldp {
        let (publish, state) = watch::channel(State::Unknown);
        Lldp { state, publish, ruler: None }
    }

    /// Whether [`Lldp::begin`] is still to come.
    pub fn awaits_settings(&self) -> bool {
        *self.state.borrow() == State::Unknown && self.ruler.is_none()
    }

    /// Makes the lldpd whose control socket is at this path do it, for good.
    pub fn begin(&mut self, socket: Option<PathBuf>, wish: Wish) {
        match socket {
            Some(socket) => self.ruler = Some(tokio::spawn(Ruler::new(socket).rule(wish, self.publish.clone()))),
            None => drop(self.publish.send_replace(State::Nobody)),
        }
    }

    /// What is known.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until it is something else. Dropping it half way loses nothing.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Lldp {
    fn drop(&mut self) {
        if let Some(ruler) = &self.ruler {
            ruler.abort();
        }
    }
}
