//! The server transaction of every other request: RFC 3261 17.2.2.
//!
//! ```text
//!     request: up
//!         |
//!         v        1xx: send                  200-699: send, arm J
//!      Trying ----------------> Proceeding ------------------------> Completed -- J: end
//!         |  again: absorbed       again: send the last 1xx              again: send the answer
//!         +--------------------------------------------------------------^
//! ```

use serde::{Deserialize, Serialize};

use super::{Step, Timing};
use crate::timers::Timer;

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerRequest {
    /// No response yet.
    Trying,
    /// A provisional one.
    Proceeding {
        /// The last.
        last: Vec<u8>,
    },
    /// Answered.
    Completed {
        /// The answer.
        response: Vec<u8>,
    },
}

impl ServerRequest {
    /// Begins; the request goes up by itself.
    pub(crate) fn start() -> ServerRequest {
        ServerRequest::Trying
    }

    /// The answer.
    pub(crate) fn respond(&mut self, code: u16, bytes: Vec<u8>, timing: &Timing) -> Vec<Step> {
        match (&*self, code) {
            (ServerRequest::Trying | ServerRequest::Proceeding { .. }, 0..200) => {
                *self = ServerRequest::Proceeding { last: bytes.clone() };
                vec![Step::Send(bytes)]
            }
            (ServerRequest::Trying | ServerRequest::Proceeding { .. }, 200..) => {
                *self = ServerRequest::Completed { response: bytes.clone() };
                vec![Step::Send(bytes), Step::Arm(Timer::J, timing.j)]
            }
            (ServerRequest::Completed { .. }, _) => Vec::new(),
        }
    }

    /// The same request once more.
    pub(crate) fn on_repeated(&self) -> Vec<Step> {
        match self {
            ServerRequest::Trying => Vec::new(),
            ServerRequest::Proceeding { last } => vec![Step::Send(last.clone())],
            ServerRequest::Completed { response } => vec![Step::Send(response.clone())],
        }
    }

    /// One of its timers has fired.
    pub(crate) fn on_timer(&mut self, timer: Timer) -> Vec<Step> {
        match (&*self, timer) {
            (ServerRequest::Completed { .. }, Timer::J) => vec![Step::End],
            (ServerRequest::Trying | ServerRequest::Proceeding { .. } | ServerRequest::Completed { .. }, _) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::timing;
    use super::*;

    /// RFC 3261 17.2.2: a repeated request gets the answer again, the second answer is not sent.
    #[test]
    fn a_repeated_request_gets_the_same_answer_until_timer_j() {
        let mut machine = ServerRequest::start();
        assert_eq!(machine.on_repeated(), []);
        let steps = machine.respond(200, b"200".to_vec(), &timing());
        assert_eq!(steps, [Step::Send(b"200".to_vec()), Step::Arm(Timer::J, timing().j)]);
        assert_eq!(machine.on_repeated(), [Step::Send(b"200".to_vec())]);
        assert_eq!(machine.respond(500, b"500".to_vec(), &timing()), []);
        assert_eq!(machine.on_timer(Timer::J), [Step::End]);
    }

    #[test]
    fn a_repeated_request_gets_the_last_provisional_answer_while_proceeding() {
        let mut machine = ServerRequest::start();
        machine.respond(100, b"100".to_vec(), &timing());
        assert_eq!(machine.on_repeated(), [Step::Send(b"100".to_vec())]);
    }
}
