//! Calls of others that are sent elsewhere: all, those that find the line in use, those that nobody answers. The caller's server
//! makes the new call (302); this phone is out of it then. Where the line's server forwards by itself, this phone does not.

use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use sip_stack::{Command, Diverted};

use super::Phone;
use crate::call::{Call, State};

impl Phone {
    /// Where a call that comes in goes at once.
    pub(super) fn forwarding(&self, line: LineNumber) -> Option<(String, Diverted)> {
        let own = self.acting(line).forwarding;
        let in_use = self.is_busy() || self.is_in_use(line);
        let all = own.all.destination().map(|to| (to, Diverted::Unconditional));
        let busy = || own.busy.destination().filter(|_| in_use).map(|to| (to, Diverted::Busy));
        let unheard = || own.no_answer.destination().filter(|_| own.rings == 0).map(|to| (to, Diverted::NoAnswer));
        all.or_else(busy).or_else(unheard).map(|(to, why)| (to.to_owned(), why))
    }

    /// How long one rings here before it goes elsewhere.
    pub(super) fn patience(&self, line: LineNumber) -> Option<Duration> {
        self.acting(line).forwarding.patience()
    }

    /// It has rung long enough; unless a person, or the server, has thought better of it meanwhile.
    pub(super) fn forward_unanswered(&mut self, identity: CallIdentity) {
        let line = self.call(identity).filter(|call| Call::wants_answer(call)).map(|call| call.line);
        let own = line.map(|line| self.acting(line).forwarding.no_answer);
        let to = own.as_ref().and_then(|own| own.destination()).map(str::to_owned);
        if let Some(State::Incoming { forward_at, .. }) = self.call_mut(identity).map(|call| &mut call.state) {
            *forward_at = None;
        }
        if let Some(to) = to {
            self.decide(identity, Command::Forward { call: identity, to, why: Diverted::NoAnswer });
        }
    }
}
