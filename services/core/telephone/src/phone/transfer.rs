//! Calls that come instead of others: who is transferred calls on (RFC 5589), and a call takes the place of another one (RFC 3891);
//! and what becomes of a call whose far end was sent to somebody else.

use agreements::{CallIdentity, LineNumber, Tick};
use sip_stack::{Command, Party, ReferProgress, ReferralId};

use super::sip::BUSY;
use super::{CALLS_MAX, Phone};
use crate::call::Call;
use crate::desk::Desk;
use crate::interface::CallDirection;

impl Phone {
    /// The far end of a call wants it to go on with somebody else, as its own or its server's user has said: there is nobody to
    /// be asked here. What is about no call that is up is not followed: nobody has picked up this phone for it.
    pub(super) fn handle_referred(
        &mut self,
        now: Tick,
        referral: ReferralId,
        line: LineNumber,
        about: Option<CallIdentity>,
        to: Party,
    ) {
        let about = about.filter(|call| self.call(*call).is_some_and(|call| call.answered.is_some() && call.is_up()));
        // One at a time: who has been called instead is not yet given up.
        let followed = |about: CallIdentity| self.calls.iter().any(|call| call.instead_of == Some(about) && call.is_up());
        let Some(about) = about.filter(|about| self.calls_up() < CALLS_MAX && !followed(*about)) else {
            return self.stack(Command::DeclineReferral(referral));
        };
        let identity = self.identities.next(now);
        self.stack(Command::AcceptReferral { referral, call: identity });
        let call = Call::new(identity, line, CallDirection::Outgoing, to, now);
        self.keep_instead(call, about);
    }

    /// The far end talks with somebody else, or will: this phone is out of it. In every other case the call stays, on hold; of one
    /// that was to be joined with another, see [`Phone::give_back`].
    pub(super) fn handle_transferred(&mut self, identity: CallIdentity, progress: &ReferProgress) {
        let over = match progress {
            ReferProgress::Accepted { followed: true } | ReferProgress::Progress { .. } => return,
            ReferProgress::Succeeded | ReferProgress::Accepted { followed: false } => true,
            ReferProgress::Unasked { .. } | ReferProgress::Failed { .. } => false,
        };
        let other = self.call_mut(identity).and_then(|call| call.sent_to.take());
        let is_up = |phone: &Phone, call: CallIdentity| phone.call(call).is_some_and(Call::is_up);
        if over && is_up(self, identity) {
            self.end_call(identity);
        }
        match (other, progress) {
            // Its far end has ended it, or is about to.
            (Some(other), ReferProgress::Succeeded) if is_up(self, other) => self.end_call(other),
            // It makes room for the far end's call some time, and not if it has ended before.
            (Some(other), ReferProgress::Accepted { .. }) => self.give_back(other, other),
            (Some(other), _) if !over => self.give_back(identity, other),
            (Some(_) | None, _) => {}
        }
    }

    /// Two calls that were to be joined are not: whoever is still at the phone hears the one that is in the ear, also where it was
    /// put on hold for this; what is in nobody's ear is on hold.
    fn give_back(&mut self, identity: CallIdentity, other: CallIdentity) {
        for call in [identity, other] {
            let (held, open) = self.call(call).map_or((false, false), |call| (call.is_held(), call.is_open()));
            match self.desk.call() == Some(call) {
                true if held => self.resume(call),
                false if open => self.hold(call),
                true | false => {}
            }
        }
    }

    /// The other one of two calls that are about to be joined; none: this one is not.
    pub(super) fn partner(&self, identity: CallIdentity) -> Option<CallIdentity> {
        let sent_to = |call: &&Call| call.is_up() && call.sent_to == Some(identity);
        let sent = self.calls.iter().find(sent_to).map(|call| call.identity);
        self.call(identity)?.sent_to.or(sent)
    }

    /// One of two calls that are about to be joined has ended, in the ear: what becomes of the other one is heard there. Where it is
    /// the one that was to be joined to the other, nothing is heard until its outcome is known.
    pub(super) fn move_to_partner(&mut self, identity: CallIdentity) -> bool {
        let Some(near) = self.desk.near() else { return false };
        let Some(partner) = self.partner(identity).filter(|partner| self.call(*partner).is_some_and(Call::is_up)) else {
            return false;
        };
        if self.call(identity).is_some_and(|call| call.sent_to.is_some()) {
            self.take(partner, near);
        } else {
            self.desk = Desk::Call { near, call: partner };
        }
        true
    }

    /// It does not ring: nobody has to decide anything.
    pub(super) fn handle_replacing(
        &mut self,
        now: Tick,
        (identity, old): (CallIdentity, CallIdentity),
        line: LineNumber,
        remote: Party,
        sip_call_id: String,
    ) {
        let mut call = Call::new(identity, line, CallDirection::Incoming, remote, now);
        call.sip_call_id = sip_call_id;
        // The old call makes room for it.
        if self.calls_up() > CALLS_MAX {
            self.keep(call);
            return self.decide(identity, Command::Reject(identity, BUSY));
        }
        self.keep_instead(call, old);
        self.decide(identity, Command::Answer(identity));
    }

    /// Whoever has the old call in the ear has the new one there.
    fn keep_instead(&mut self, mut call: Call, old: CallIdentity) {
        call.instead_of = Some(old);
        if let Desk::Call { near, call: heard } = self.desk
            && heard == old
        {
            self.desk = Desk::Call { near, call: call.identity };
        }
        self.keep(call);
    }

    /// Who hangs up during a transfer means the whole of it: the call before has nobody in front of it either.
    pub(super) fn end_call_before(&mut self, identity: CallIdentity) {
        let before = self.call(identity).and_then(|call| call.instead_of);
        if let Some(before) = before.filter(|before| self.call(*before).is_some_and(Call::is_up)) {
            self.decide(before, Command::Hangup(before));
        }
    }

    /// Instead of a call that was on hold here: nobody is in front of the new one either.
    pub(super) fn hold_unheard(&mut self, identity: CallIdentity) {
        let instead = self.call(identity).is_some_and(|call| call.instead_of.is_some());
        if instead && self.desk.call() != Some(identity) {
            self.hold(identity);
        }
    }

    /// A transfer has failed: the person is back with who wanted it.
    pub(super) fn to_go_back_to(&self, identity: CallIdentity, was_answered: bool) -> Option<CallIdentity> {
        let before = self.call(identity)?.instead_of.filter(|_| !was_answered)?;
        self.call(before).filter(|before| before.is_up()).map(|before| before.identity)
    }
}
