//! Calls of others that are sent elsewhere: all, those that find the line in use, those that nobody answers. The caller's server
//! makes the new call (302); this phone is out of it then.

use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use sip_stack::{Command, Diverted};

use super::Phone;
use crate::call::{Call, State};
use crate::forwarding::{LineForwarding, NoAnswer};

impl Phone {
    fn forwarding_of(&self, line: LineNumber) -> Option<&LineForwarding> {
        self.settings.forwarding.get(line.index())
    }

    /// Where a call that comes in goes at once.
    pub(super) fn forwarding(&self, line: LineNumber) -> Option<(String, Diverted)> {
        let own = self.forwarding_of(line)?;
        let in_use = self.is_busy() || self.is_in_use(line);
        let all = own.all.clone().map(|to| (to, Diverted::Unconditional));
        let busy = || own.busy.clone().filter(|_| in_use).map(|to| (to, Diverted::Busy));
        let unheard = || own.no_answer.as_ref().filter(|no_answer| no_answer.rings == 0);
        all.or_else(busy).or_else(|| Some((unheard()?.to.clone(), Diverted::NoAnswer)))
    }

    /// How long one rings here before it goes elsewhere.
    pub(super) fn patience(&self, line: LineNumber) -> Option<Duration> {
        self.forwarding_of(line)?.no_answer.as_ref().map(NoAnswer::patience)
    }

    /// It has rung long enough; unless a person has thought better of it meanwhile.
    pub(super) fn forward_unanswered(&mut self, identity: CallIdentity) {
        let line = self.call(identity).filter(|call| Call::wants_answer(call)).map(|call| call.line);
        let to = line.and_then(|line| self.forwarding_of(line)).and_then(|own| own.no_answer.as_ref()).map(|own| own.to.clone());
        if let Some(State::Incoming { forward_at, .. }) = self.call_mut(identity).map(|call| &mut call.state) {
            *forward_at = None;
        }
        if let Some(to) = to {
            self.decide(identity, Command::Forward { call: identity, to, why: Diverted::NoAnswer });
        }
    }
}
