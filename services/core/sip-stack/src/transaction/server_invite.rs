//! The INVITE server transaction: RFC 3261 17.2.1 with the Accepted state of RFC 6026.
//!
//! ```text
//!        INVITE: up
//!            |
//!            v      1xx: send         300-699: send, arm G H
//!       Proceeding -------------+--------------------------> Completed -- ACK: settle (Confirmed, until I)
//!            |   INVITE: send the last 1xx                     |  INVITE: send
//!            |                                                 |  G: send, double up to T2
//!            | 2xx: send, arm L                                |  H: timed out, end
//!            v
//!        Accepted -- INVITE: absorbed; 2xx: send (the session repeats it until its ACK); L: end
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Step, Timing};
use crate::timers::Timer;

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerInvite {
    /// No final response yet.
    Proceeding {
        /// The last provisional one.
        #[serde(with = "serde_bytes")]
        last: Option<Vec<u8>>,
    },
    /// Refused.
    Completed {
        /// The refusal.
        #[serde(with = "serde_bytes")]
        response: Vec<u8>,
        /// The present value of timer G.
        interval: Duration,
    },
    /// Answered 2xx.
    Accepted,
}

impl ServerInvite {
    /// Begins; the request goes up by itself.
    pub(crate) fn start() -> ServerInvite {
        ServerInvite::Proceeding { last: None }
    }

    /// Whether a final response has been given.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            ServerInvite::Proceeding { .. } => false,
            ServerInvite::Completed { .. } | ServerInvite::Accepted => true,
        }
    }

    /// The session answers.
    pub(crate) fn respond(&mut self, code: u16, bytes: Vec<u8>, timing: &Timing) -> Vec<Step> {
        match (&*self, code) {
            (ServerInvite::Proceeding { .. }, 0..200) => {
                *self = ServerInvite::Proceeding { last: Some(bytes.clone()) };
                vec![Step::Send(bytes)]
            }
            (ServerInvite::Proceeding { .. }, 200..300) => {
                *self = ServerInvite::Accepted;
                vec![Step::Send(bytes), Step::Arm(Timer::L, timing.h.max(timing.sixty_four_t1()))]
            }
            (ServerInvite::Proceeding { .. }, 300..) => {
                *self = ServerInvite::Completed { response: bytes.clone(), interval: timing.t1 };
                vec![Step::Send(bytes), Step::Arm(Timer::G, timing.t1), Step::Arm(Timer::H, timing.h), Step::Refused]
            }
            (ServerInvite::Accepted, 200..300) => vec![Step::Send(bytes)],
            (ServerInvite::Completed { .. } | ServerInvite::Accepted, _) => Vec::new(),
        }
    }

    /// The same INVITE once more.
    pub(crate) fn on_repeated(&self) -> Vec<Step> {
        match self {
            ServerInvite::Proceeding { last: Some(bytes) } => vec![Step::Send(bytes.clone())],
            ServerInvite::Completed { response, .. } => vec![Step::Send(response.clone())],
            ServerInvite::Proceeding { last: None } | ServerInvite::Accepted => Vec::new(),
        }
    }

    /// The ACK of a refusal.
    pub(crate) fn on_ack(&self, timing: &Timing) -> Vec<Step> {
        match self {
            ServerInvite::Completed { .. } => vec![Step::Settle(Vec::new(), timing.t4)],
            ServerInvite::Accepted => vec![Step::Pass],
            ServerInvite::Proceeding { .. } => Vec::new(),
        }
    }

    /// One of its timers has fired.
    pub(crate) fn on_timer(&mut self, timer: Timer, timing: &Timing) -> Vec<Step> {
        match (&mut *self, timer) {
            (ServerInvite::Completed { response, interval }, Timer::G) => {
                *interval = interval.saturating_mul(2).min(timing.t2);
                vec![Step::Send(response.clone()), Step::Arm(Timer::G, *interval)]
            }
            (ServerInvite::Completed { .. }, Timer::H) => vec![Step::TimedOut, Step::End],
            (ServerInvite::Accepted, Timer::L) => vec![Step::End],
            (ServerInvite::Proceeding { .. } | ServerInvite::Completed { .. } | ServerInvite::Accepted, _) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::timing;
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    /// RFC 3261 17.2.1: a repeated INVITE gets the newest provisional response.
    #[test]
    fn a_repeated_invite_gets_the_last_provisional_response() {
        let mut machine = ServerInvite::start();
        assert_eq!(machine.on_repeated(), []);
        machine.respond(100, bytes("100"), &timing());
        machine.respond(180, bytes("180"), &timing());
        assert_eq!(machine.on_repeated(), [Step::Send(bytes("180"))]);
    }

    /// RFC 3261 17.2.1: G doubles up to T2, the ACK stops it.
    #[test]
    fn a_refusal_is_repeated_until_its_ack() {
        let mut machine = ServerInvite::start();
        machine.respond(486, bytes("486"), &timing());
        for expected in [1000, 2000, 4000, 4000] {
            let steps = machine.on_timer(Timer::G, &timing());
            assert_eq!(steps, [Step::Send(bytes("486")), Step::Arm(Timer::G, Duration::from_millis(expected))]);
        }
        assert_eq!(machine.on_repeated(), [Step::Send(bytes("486"))]);
        assert_eq!(machine.on_ack(&timing()), [Step::Settle(Vec::new(), timing().t4)]);
    }

    /// RFC 3261 17.2.1: without an ACK it ends by H, and says so.
    #[test]
    fn a_refusal_without_ack_ends_by_timer_h() {
        let mut machine = ServerInvite::start();
        machine.respond(486, bytes("486"), &timing());
        assert_eq!(machine.on_timer(Timer::H, &timing()), [Step::TimedOut, Step::End]);
    }

    /// RFC 6026 7.1: after a 2xx repeated INVITEs are absorbed and the session may repeat its 2xx.
    #[test]
    fn after_a_2xx_repeated_invites_are_absorbed_until_timer_l() {
        let mut machine = ServerInvite::start();
        assert_eq!(machine.respond(200, bytes("200"), &timing()), [Step::Send(bytes("200")), Step::Arm(Timer::L, timing().h)]);
        assert!(machine.is_final());
        assert_eq!(machine.on_repeated(), []);
        assert_eq!(machine.respond(200, bytes("200"), &timing()), [Step::Send(bytes("200"))]);
        assert_eq!(machine.respond(486, bytes("486"), &timing()), []);
        assert_eq!(machine.on_timer(Timer::L, &timing()), [Step::End]);
    }
}
