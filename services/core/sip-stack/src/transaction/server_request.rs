//! The server transaction of every other request: RFC 3261 17.2.2.
//!
//! ```text
//!     request: up
//!         |
//!         v        1xx: send                  200-699: send, settle
//!      Trying ----------------> Proceeding ------------------------> Completed: in the table of the settled ones until J
//!         |  again: absorbed       again: send the last 1xx
//!         +--------------------------------------------------------------^
//! ```

use serde::{Deserialize, Serialize};

use super::{Step, Timing};

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerRequest {
    /// No response yet.
    Trying,
    /// A provisional one.
    Proceeding {
        /// The last.
        #[serde(with = "serde_bytes")]
        last: Vec<u8>,
    },
}

impl ServerRequest {
    /// Begins; the request goes up by itself.
    pub(crate) fn start() -> ServerRequest {
        ServerRequest::Trying
    }

    /// The answer.
    pub(crate) fn respond(&mut self, code: u16, bytes: Vec<u8>, timing: &Timing) -> Vec<Step> {
        match code {
            0..200 => {
                *self = ServerRequest::Proceeding { last: bytes.clone() };
                vec![Step::Send(bytes)]
            }
            200.. => vec![Step::Send(bytes.clone()), Step::Settle(bytes, timing.j)],
        }
    }

    /// The same request once more.
    pub(crate) fn on_repeated(&self) -> Vec<Step> {
        match self {
            ServerRequest::Trying => Vec::new(),
            ServerRequest::Proceeding { last } => vec![Step::Send(last.clone())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::timing;
    use super::*;

    /// RFC 3261 17.2.2.
    #[test]
    fn the_answer_is_kept_until_timer_j() {
        let mut machine = ServerRequest::start();
        assert_eq!(machine.on_repeated(), []);
        let steps = machine.respond(200, b"200".to_vec(), &timing());
        assert_eq!(steps, [Step::Send(b"200".to_vec()), Step::Settle(b"200".to_vec(), timing().j)]);
    }

    #[test]
    fn a_repeated_request_gets_the_last_provisional_answer_while_proceeding() {
        let mut machine = ServerRequest::start();
        machine.respond(100, b"100".to_vec(), &timing());
        assert_eq!(machine.on_repeated(), [Step::Send(b"100".to_vec())]);
    }
}
