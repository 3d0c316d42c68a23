//! The client transaction of every other request: RFC 3261 17.1.2.
//!
//! ```text
//!     start: send, arm E F
//!            |
//!            v          1xx: pass          200-699: pass, stop E F, arm K
//!         Trying ----------------> Proceeding ------------------------> Completed -- K: end
//!            |   E: send, double       |   E: send, T2                      ^
//!            |   F: timed out, end     |   F: timed out, end                |
//!            +--------------------------------------------------------------+
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Step, Timing};
use crate::timers::Timer;

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ClientRequest {
    /// Nothing came back yet; `interval` is the present value of timer E.
    Trying {
        /// Timer E.
        interval: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// Answered.
    Completed,
}

impl ClientRequest {
    /// Begins.
    pub(crate) fn start(timing: &Timing) -> (ClientRequest, Vec<Step>) {
        let steps = vec![Step::SendRequest, Step::Arm(Timer::E, timing.t1), Step::Arm(Timer::F, timing.f)];
        (ClientRequest::Trying { interval: timing.t1 }, steps)
    }

    /// A response came.
    pub(crate) fn on_response(&mut self, code: u16, timing: &Timing) -> Vec<Step> {
        match (&*self, code) {
            (ClientRequest::Trying { .. } | ClientRequest::Proceeding, 0..200) => {
                *self = ClientRequest::Proceeding;
                vec![Step::Arm(Timer::E, timing.t2), Step::Pass]
            }
            (ClientRequest::Trying { .. } | ClientRequest::Proceeding, 200..) => {
                *self = ClientRequest::Completed;
                vec![Step::Disarm(Timer::E), Step::Disarm(Timer::F), Step::Arm(Timer::K, timing.t4), Step::Pass]
            }
            (ClientRequest::Completed, _) => Vec::new(),
        }
    }

    /// One of its timers has fired.
    pub(crate) fn on_timer(&mut self, timer: Timer, timing: &Timing) -> Vec<Step> {
        match (&mut *self, timer) {
            (ClientRequest::Trying { interval }, Timer::E) => {
                *interval = interval.saturating_mul(2).min(timing.t2);
                vec![Step::SendRequest, Step::Arm(Timer::E, *interval)]
            }
            (ClientRequest::Proceeding, Timer::E) => vec![Step::SendRequest, Step::Arm(Timer::E, timing.t2)],
            (ClientRequest::Trying { .. } | ClientRequest::Proceeding, Timer::F) => vec![Step::TimedOut, Step::End],
            (ClientRequest::Completed, Timer::K) => vec![Step::End],
            (ClientRequest::Trying { .. } | ClientRequest::Proceeding | ClientRequest::Completed, _) => Vec::new(),
        }
    }

    /// The network cannot deliver.
    pub(crate) fn on_unreachable(&self) -> Vec<Step> {
        match self {
            ClientRequest::Trying { .. } => vec![Step::Unreachable, Step::End],
            ClientRequest::Proceeding | ClientRequest::Completed => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::timing;
    use super::*;

    /// RFC 3261 17.1.2.2: E doubles up to T2.
    #[test]
    fn timer_e_doubles_up_to_t2_until_timer_f_ends_it() {
        let (mut machine, _) = ClientRequest::start(&timing());
        for expected in [1000, 2000, 4000, 4000, 4000] {
            let steps = machine.on_timer(Timer::E, &timing());
            assert_eq!(steps, [Step::SendRequest, Step::Arm(Timer::E, Duration::from_millis(expected))]);
        }
        assert_eq!(machine.on_timer(Timer::F, &timing()), [Step::TimedOut, Step::End]);
    }

    /// RFC 3261 17.1.2.2: once proceeding it is sent again every T2.
    #[test]
    fn a_provisional_response_slows_it_down_to_t2() {
        let (mut machine, _) = ClientRequest::start(&timing());
        assert_eq!(machine.on_response(100, &timing()), [Step::Arm(Timer::E, timing().t2), Step::Pass]);
        assert_eq!(machine.on_timer(Timer::E, &timing()), [Step::SendRequest, Step::Arm(Timer::E, timing().t2)]);
    }

    /// RFC 3261 17.1.2.2: repeated answers are absorbed until K.
    #[test]
    fn repeated_answers_are_absorbed_until_timer_k() {
        let (mut machine, _) = ClientRequest::start(&timing());
        let steps = machine.on_response(200, &timing());
        assert!(steps.contains(&Step::Pass) && steps.contains(&Step::Arm(Timer::K, timing().t4)));
        assert_eq!(machine.on_response(200, &timing()), []);
        assert_eq!(machine.on_timer(Timer::F, &timing()), []);
        assert_eq!(machine.on_timer(Timer::K, &timing()), [Step::End]);
    }
}
