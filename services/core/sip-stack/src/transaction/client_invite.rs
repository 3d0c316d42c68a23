//! The INVITE client transaction: RFC 3261 17.1.1 with the Accepted state of RFC 6026.
//!
//! ```text
//!              start: send, arm A B
//!                      |
//!                      v            1xx: pass, stop A B
//!     A: send  <---- Calling ------------------------------> Proceeding -- 1xx: pass
//!     B: timed out,    |  \ 300-699: pass, send ACK,            |     |
//!     end              |   \  arm D                             |     | 300-699: pass, send ACK, arm D
//!                      |    \------------> Completed <----------+-----+
//!        2xx: pass,    |                    | 300-699: send ACK |
//!        arm M         |                    | D: end            | 2xx: pass, arm M
//!                      +-------> Accepted <---------------------+
//!                                 | 2xx of a known To-tag: send its ACK
//!                                 | 2xx of another To-tag: pass
//!                                 | M: end
//! ```
//!
//! An abandoned transaction (its session has gone) in Proceeding has B once more, and ends with it.
//!
//! The ACK of a 2xx is the session's; it leaves it here (`acknowledge`), so that repeated 2xx are acknowledged even when the
//! call has gone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Route, Step, Timing};
use crate::timers::Timer;

/// More To-tags than this answer one INVITE only in an attack.
const MOST_FORKS: usize = 16;

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ClientInvite {
    /// Nothing came back yet; `interval` is the present value of timer A.
    Calling {
        /// Timer A.
        interval: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// Refused.
    Completed {
        /// Sent again for each repeated final response.
        #[serde(with = "serde_bytes")]
        ack: Vec<u8>,
    },
    /// Answered 2xx at least once.
    Accepted {
        /// One per To-tag.
        acks: Vec<Acknowledged>,
    },
}

/// The ACK of one 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acknowledged {
    /// The 2xx's To-tag.
    pub(crate) tag: String,
    /// Where the ACK goes: the dialog's next hop, not the INVITE's.
    pub(crate) route: Route,
    /// The whole ACK.
    pub(crate) bytes: Vec<u8>,
}

impl ClientInvite {
    /// Begins.
    pub(crate) fn start(timing: &Timing) -> (ClientInvite, Vec<Step>) {
        let steps = vec![Step::SendRequest, Step::Arm(Timer::A, timing.t1), Step::Arm(Timer::B, timing.b)];
        (ClientInvite::Calling { interval: timing.t1 }, steps)
    }

    /// A response came; `ack` makes the ACK of a refusal.
    pub(crate) fn on_response(&mut self, code: u16, tag: &str, ack: impl FnOnce() -> Vec<u8>, timing: &Timing) -> Vec<Step> {
        match self {
            ClientInvite::Calling { .. } | ClientInvite::Proceeding => self.on_first(code, ack, timing),
            ClientInvite::Completed { ack } if code >= 300 => vec![Step::Send(ack.clone())],
            ClientInvite::Accepted { acks } if (200..300).contains(&code) => match acks.iter().find(|known| known.tag == tag) {
                Some(known) => vec![Step::SendTo(known.route, known.bytes.clone())],
                None if acks.len() < MOST_FORKS => vec![Step::Pass],
                None => Vec::new(),
            },
            ClientInvite::Completed { .. } | ClientInvite::Accepted { .. } => Vec::new(),
        }
    }

    fn on_first(&mut self, code: u16, ack: impl FnOnce() -> Vec<u8>, timing: &Timing) -> Vec<Step> {
        let mut steps = vec![Step::Disarm(Timer::A), Step::Disarm(Timer::B), Step::Pass];
        match code {
            0..200 => *self = ClientInvite::Proceeding,
            200..300 => {
                *self = ClientInvite::Accepted { acks: Vec::new() };
                steps.push(Step::Arm(Timer::M, timing.b.max(timing.sixty_four_t1())));
            }
            300.. => {
                let ack = ack();
                *self = ClientInvite::Completed { ack: ack.clone() };
                steps.insert(0, Step::Send(ack));
                steps.push(Step::Arm(Timer::D, timing.d));
            }
        }
        steps
    }

    /// The session's ACK of a 2xx: kept for its repetitions.
    pub(crate) fn acknowledge(&mut self, ack: Acknowledged) {
        if let ClientInvite::Accepted { acks } = self {
            acks.retain(|known| known.tag != ack.tag);
            acks.push(ack);
        }
    }

    /// One of its timers has fired.
    pub(crate) fn on_timer(&mut self, timer: Timer) -> Vec<Step> {
        match (&mut *self, timer) {
            (ClientInvite::Calling { interval }, Timer::A) => {
                *interval = interval.saturating_mul(2);
                vec![Step::SendRequest, Step::Arm(Timer::A, *interval)]
            }
            (ClientInvite::Calling { .. }, Timer::B) => vec![Step::TimedOut, Step::End],
            (ClientInvite::Completed { .. }, Timer::D) | (ClientInvite::Accepted { .. }, Timer::M) => vec![Step::End],
            (ClientInvite::Proceeding, Timer::B) => vec![Step::End],
            (
                ClientInvite::Calling { .. }
                | ClientInvite::Proceeding
                | ClientInvite::Completed { .. }
                | ClientInvite::Accepted { .. },
                _,
            ) => Vec::new(),
        }
    }

    /// Its session has gone: a final response is waited for no longer than a first one would be. The RFC leaves this state
    /// without a timer; a 2xx that was lost is not repeated once the far end has heard our BYE.
    pub(crate) fn abandon(&self, timing: &Timing) -> Vec<Step> {
        match self {
            ClientInvite::Proceeding => vec![Step::Arm(Timer::B, timing.b)],
            ClientInvite::Calling { .. } | ClientInvite::Completed { .. } | ClientInvite::Accepted { .. } => Vec::new(),
        }
    }

    /// The network cannot deliver. Only a request that was never answered is lost by it.
    pub(crate) fn on_unreachable(&self) -> Vec<Step> {
        match self {
            ClientInvite::Calling { .. } => vec![Step::Unreachable, Step::End],
            ClientInvite::Proceeding | ClientInvite::Completed { .. } | ClientInvite::Accepted { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{route, timing};
    use super::*;

    fn no_ack() -> Vec<u8> {
        panic!("no ACK is due here")
    }

    /// RFC 3261 17.1.1.2: A doubles without a ceiling, B ends it.
    #[test]
    fn timer_a_doubles_until_timer_b_ends_it() {
        let (mut machine, steps) = ClientInvite::start(&timing());
        assert!(steps.contains(&Step::Arm(Timer::A, Duration::from_millis(500))));
        for expected in [1000, 2000, 4000, 8000, 16000] {
            let steps = machine.on_timer(Timer::A);
            assert_eq!(steps, [Step::SendRequest, Step::Arm(Timer::A, Duration::from_millis(expected))]);
        }
        assert_eq!(machine.on_timer(Timer::B), [Step::TimedOut, Step::End]);
    }

    /// RFC 3261 17.1.1.2: a refusal is acknowledged by the transaction, each time it comes.
    #[test]
    fn each_repeated_refusal_is_acknowledged_and_passed_once() {
        let (mut machine, _) = ClientInvite::start(&timing());
        machine.on_response(180, "a", no_ack, &timing());
        assert_eq!(machine, ClientInvite::Proceeding);
        let steps = machine.on_response(486, "a", || b"ACK".to_vec(), &timing());
        assert_eq!(steps.first(), Some(&Step::Send(b"ACK".to_vec())));
        assert!(steps.contains(&Step::Pass) && steps.contains(&Step::Arm(Timer::D, timing().d)));
        assert_eq!(machine.on_response(486, "a", no_ack, &timing()), [Step::Send(b"ACK".to_vec())]);
        assert_eq!(machine.on_timer(Timer::D), [Step::End]);
    }

    /// RFC 6026 7.2: a 2xx does not end the transaction; repetitions get the same ACK, another To-tag goes up.
    #[test]
    fn repeated_2xx_gets_its_ack_and_a_forked_one_goes_up() {
        let (mut machine, _) = ClientInvite::start(&timing());
        assert!(machine.on_response(200, "a", no_ack, &timing()).contains(&Step::Pass));
        machine.acknowledge(Acknowledged { tag: "a".into(), route: route(), bytes: b"ACK a".to_vec() });
        assert_eq!(machine.on_response(200, "a", no_ack, &timing()), [Step::SendTo(route(), b"ACK a".to_vec())]);
        assert_eq!(machine.on_response(200, "b", no_ack, &timing()), [Step::Pass]);
        assert_eq!(machine.on_response(486, "c", no_ack, &timing()), []);
        assert_eq!(machine.on_timer(Timer::M), [Step::End]);
    }

    #[test]
    fn an_abandoned_transaction_ends_by_timer_b_without_a_word() {
        let (mut machine, _) = ClientInvite::start(&timing());
        assert_eq!(machine.abandon(&timing()), []);
        machine.on_response(180, "a", no_ack, &timing());
        assert_eq!(machine.abandon(&timing()), [Step::Arm(Timer::B, timing().b)]);
        assert_eq!(machine.on_timer(Timer::B), [Step::End]);
    }

    #[test]
    fn unreachable_ends_only_an_unanswered_request() {
        let (mut machine, _) = ClientInvite::start(&timing());
        assert_eq!(machine.on_unreachable(), [Step::Unreachable, Step::End]);
        machine.on_response(100, "", no_ack, &timing());
        assert_eq!(machine.on_unreachable(), []);
        assert_eq!(machine.on_timer(Timer::A), []);
    }
}
