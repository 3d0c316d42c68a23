//! From digits to a call: what the line's dial plan makes of them, and the INVITE.

use std::time::Duration;

use agreements::{CallIdentity, LineNumber, Tick};
use sip_stack::{Command, Party};

use super::{CALLS_MAX, Phone};
use crate::call::{Call, State};
use crate::desk::Desk;
use crate::dial_plan::{DialPlan, Pause, Ruling};
use crate::interface::{CallDirection, Near};

impl Phone {
    /// One more digit has been keyed, or they are for another line now: the line's plan says what is done with `digits`. A wait
    /// begins anew with each digit (C23).
    pub(super) fn collect(&mut self, now: Tick, near: Near, line: LineNumber, digits: String) {
        match self.plan_of(line).map_or(Ruling::Wait(Pause::InterDigit), |plan| plan.while_keying(&digits)) {
            Ruling::Call(number) => self.call_keyed(now, near, line, digits, number),
            Ruling::Deny => self.desk = self.disconnect_tone(now, near),
            Ruling::Wait(pause) => {
                let until = now + self.length(pause);
                self.desk = Desk::Collecting { near, line, digits, until };
            }
        }
    }

    /// The digits are whole (B241): nothing more came, somebody said so, or they were keyed or called before.
    pub(super) fn dial_keyed(&mut self, now: Tick, near: Near, line: LineNumber, digits: String) {
        match self.planned(line, &digits) {
            Some(number) => self.call_keyed(now, near, line, digits, number),
            None => self.desk = self.disconnect_tone(now, near),
        }
    }

    /// What is called for a whole number; none: the line's plan denies it.
    pub(super) fn planned(&self, line: LineNumber, number: &str) -> Option<String> {
        self.plan_of(line).map_or_else(|| Some(number.to_owned()), |plan| plan.when_whole(number))
    }

    fn plan_of(&self, line: LineNumber) -> Option<&DialPlan> {
        self.settings.dial_plans.get(line.index())
    }

    fn length(&self, pause: Pause) -> Duration {
        match pause {
            Pause::InterDigit => self.settings.inter_digit,
            Pause::Macro => self.settings.macro_digit,
            Pause::Seconds(seconds) => Duration::from_secs(seconds.into()),
        }
    }

    fn call_keyed(&mut self, now: Tick, near: Near, line: LineNumber, keyed: String, number: String) {
        if self.can_call(line) {
            self.place(now, near, line, number);
            self.last_dialed = Some((line, keyed));
        } else {
            self.desk = self.disconnect_tone(now, near);
        }
    }

    pub(super) fn can_call(&self, line: LineNumber) -> bool {
        self.usable(line) && self.calls_up() < CALLS_MAX
    }

    /// Sends the INVITE, on a shared line as soon as it is seized, and puts the desk to the new call.
    pub(super) fn place(&mut self, now: Tick, near: Near, line: LineNumber, target: String) -> CallIdentity {
        let identity = self.identities.next(now);
        let remote = Party { number: target.clone(), ..Party::default() };
        let mut call = Call::new(identity, line, CallDirection::Outgoing, remote, now);
        if self.is_shared(line) {
            call.state = State::Seizing { target, left: false };
        } else {
            self.stack(Command::Dial { call: identity, line, target, appearance: None });
        }
        self.keep(call);
        self.keyed_on_hook.clear();
        self.desk = Desk::Call { near, call: identity };
        identity
    }
}
