//! When to try a peer again that is away: at once when its socket is made, else after a back-off. Both are needed: a peer that
//! starts is reached without a moment's delay, and one that lives and does not answer is not left for ever.

use std::path::PathBuf;
use std::time::Duration;

use crate::arrival::Arrival;
use crate::backoff::Backoff;

/// Only for a peer that has its socket and does not answer: everything else is heard of.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The absence of one peer.
pub struct Outage {
    socket: PathBuf,
    arrival: Option<Arrival>,
    backoff: Backoff,
    begun: bool,
}

impl Outage {
    /// Of the peer that serves the socket at this path; it has not begun.
    pub fn of(socket: PathBuf) -> Outage {
        Outage { socket, arrival: None, backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE), begun: false }
    }

    /// The peer does not answer. Whether that is new: worth a line in the log, and only then.
    pub fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    /// The peer answers.
    pub fn ends(&mut self) {
        self.begun = false;
        self.arrival = None;
        self.backoff.reset();
    }

    /// Waits until another try is worth while.
    pub async fn next_try(&mut self) {
        let Some(arrival) = &mut self.arrival else {
            self.arrival = Arrival::watch(&self.socket).ok();
            if self.arrival.is_none() {
                tokio::time::sleep(self.backoff.delay()).await;
            }
            // What was made before the watch began is not heard of, so the first try follows at once.
            return;
        };
        tokio::select! {
            appeared = arrival.appears() => if appeared.is_err() { self.arrival = None },
            () = tokio::time::sleep(self.backoff.delay()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_begins_once_until_it_has_ended() {
        let mut outage = Outage::of("/nowhere/settings.sock".into());
        assert_eq!([outage.begins(), outage.begins()], [true, false]);
        outage.ends();
        assert!(outage.begins());
    }

    /// The back-off alone would be half an hour: a socket that is made ends the wait before it.
    #[tokio::test]
    async fn a_socket_that_is_made_ends_the_wait() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("settings.sock");
        let mut outage = Outage::of(socket.clone());
        outage.backoff = Backoff::new(Duration::from_secs(3600), Duration::from_secs(3600));
        outage.next_try().await;
        std::fs::write(&socket, "").unwrap();
        outage.next_try().await;
    }
}
