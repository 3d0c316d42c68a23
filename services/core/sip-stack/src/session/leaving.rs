//! The end of calls (RFC 3261 section 15): for people at once, for the network when its last answer is there.

use agreements::CallIdentity;
use sip_wire::{Method, StatusCode};

use super::{Call, Leaving, State};
use crate::addresses;
use crate::auth::is_challenge;
use crate::caller::wants_privacy;
use crate::client::{Outcome, Told};
use crate::dialog::Dialog;
use crate::interface::{EndedBy, Event};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Owner;

/// How long the answers to the last requests are waited for after `Command::Stop`.
const STOP_PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

impl Stack {
    /// `Command::Hangup`: CANCEL, 603 or BYE as fits.
    pub(super) fn hang_up(&mut self, identity: CallIdentity) {
        let Some(call) = self.take_call(identity) else { return };
        if call.ended {
            return self.put_call(call);
        }
        match &call.state {
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => {
                self.take_back(call, 0, "ended here", EndedBy::Local);
            }
            State::Offered(_) => self.refuse_offered(call, StatusCode::DECLINE, "declined here", EndedBy::Local),
            State::Talking(_) => self.leave(call, 0, "ended here", EndedBy::Local),
            State::Leaving(_) => self.put_call(call),
        }
    }

    /// The far end does not know a call any more (481; RFC 5057 5.1).
    pub(crate) fn leave_forgotten(&mut self, identity: CallIdentity, reason: &str) {
        let Some(call) = self.take_call(identity) else { return };
        if call.is_talking() {
            return self.leave(call, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST.code(), reason, EndedBy::Network);
        }
        self.put_call(call);
    }

    /// Ends an answered call by BYE; not before the ACK of our 2xx (RFC 3261 15).
    pub(super) fn leave(&mut self, mut call: Call, code: u16, reason: &str, by: EndedBy) {
        self.tell_ended(&mut call, code, reason, by);
        for timer in [Timer::Glare, Timer::MediaAnswer, Timer::SessionRefresh, Timer::SessionEnds] {
            self.core.timers.disarm(TimerOwner::Call(call.identity), timer);
        }
        let State::Talking(talking) = &mut call.state else { return self.let_go(call) };
        if let Some(theirs) = talking.theirs.take() {
            let tag = call.local_tag.clone();
            self.respond_status(theirs.invite, StatusCode::REQUEST_TERMINATED, &tag);
        }
        let dialog = talking.dialog.clone();
        match talking.unacked.take() {
            Some(unacked) => {
                call.state = State::Leaving(Leaving::AwaitingAck { dialog, unacked });
                self.put_call(call);
            }
            None => {
                call.auth.begin();
                self.say_bye(call, dialog);
            }
        }
    }

    /// Sends the BYE.
    pub(super) fn say_bye(&mut self, mut call: Call, mut dialog: Dialog) {
        let Some(settings) = self.settings() else { return self.let_go(call) };
        let Some(own) = line_of(&settings, call.line) else { return self.let_go(call) };
        let mut bye = dialog.request(Method::BYE);
        self.declare(&mut bye.headers, call.line, call.anonymous, dialog.peer);
        call.auth.sign(&mut bye, own, &mut self.random);
        match self.start_client(Owner::Bye(call.identity), call.line, dialog.peer, bye) {
            Some(transaction) => {
                call.state = State::Leaving(Leaving::Bye { dialog, transaction });
                self.put_call(call);
            }
            None => self.let_go(call),
        }
    }

    /// What became of the BYE: credentials where they are asked for, else whatever it is, it is over.
    pub(crate) fn on_bye_outcome(&mut self, identity: CallIdentity, told: &Told, outcome: Outcome<'_>) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let State::Leaving(Leaving::Bye { dialog, transaction }) = call.state.clone() else { return self.put_call(call) };
        if transaction != told.id {
            return self.put_call(call);
        }
        match (outcome, line_of(&settings, call.line)) {
            (Outcome::Response(response), _) if response.status.is_provisional() => self.put_call(call),
            (Outcome::Response(response), Some(own)) if is_challenge(response.status) => {
                match call.auth.on_challenge(response, own) {
                    Ok(()) => self.say_bye(call, dialog),
                    Err(_) => self.let_go(call),
                }
            }
            (Outcome::Response(_) | Outcome::Lost(_), _) => self.let_go(call),
        }
    }

    /// An answer to an INVITE whose call has gone, or goes on with another To-tag. A 2xx gets its ACK, and a BYE where the INVITE
    /// began a dialog (RFC 3261 13.2.2.4); after a provisional one the rest is not waited for without end.
    pub(super) fn on_orphan_outcome(&mut self, told: &Told, outcome: Outcome<'_>) {
        let Outcome::Response(response) = outcome else { return };
        if response.status.is_provisional() {
            return self.abandon(told.id);
        }
        if !response.status.is_success() {
            return;
        }
        let read = Dialog::as_caller(&told.request, response, told.route);
        let readable = read.is_ok();
        let read = read.or_else(|_| Dialog::as_far_as_readable(&told.request, response, told.route));
        let Ok(mut dialog) = read else { return };
        let began = told.request.headers.to().is_ok_and(|to| to.tag().is_none());
        if !began {
            dialog.route_set = told.request.headers.route().unwrap_or_default();
        }
        if readable
            && let Some(address) = dialog.next_hop().and_then(|hop| hop.host.socket(hop.port.unwrap_or(5060)))
            && let Some(route) = self.route_to(told.line, address)
        {
            dialog.peer = route;
        }
        self.acknowledge(told, &dialog, response);
        if began {
            self.leave_unwanted(told, dialog);
        }
    }

    /// A dialog that no call wants: a call of its own that is over for people already sees its BYE through.
    fn leave_unwanted(&mut self, told: &Told, mut dialog: Dialog) {
        let counted = self.core.transactions.find(told.id).map(|invite| &invite.counted);
        let last = counted.and_then(|counted| counted.get(dialog.remote.tag().unwrap_or_default())).copied();
        dialog.local_seq = dialog.local_seq.max(last.unwrap_or_default());
        let bye = Leaving::Bye { dialog: dialog.clone(), transaction: told.id };
        let mut call = Call::new(self.name_call(), told.line, true, State::Leaving(bye));
        call.sip_call_id.clone_from(&dialog.call_id);
        call.local_tag = dialog.local.tag().unwrap_or_default().to_owned();
        call.flow = Some(dialog.peer.flow);
        call.anonymous = wants_privacy(&told.request.headers) || addresses::party(&dialog.local).is_anonymous();
        call.ended = true;
        self.say_bye(call, dialog);
    }

    /// `Command::Stop`: calls end, lines say goodbye where they shall; then `Event::Stopped`.
    pub(super) fn stop(&mut self) {
        if std::mem::replace(&mut self.core.stopping, true) {
            return;
        }
        let calls: Vec<CallIdentity> = self.core.calls.keys().copied().collect();
        for call in calls {
            self.hang_up(call);
        }
        for line in agreements::LineNumber::all() {
            self.unregister(line);
        }
        self.end_subscriptions();
        self.arm(TimerOwner::Stack, Timer::StopGrace, STOP_PATIENCE);
        self.touch();
    }

    /// Enough waited.
    pub(crate) fn on_stop_grace(&mut self) {
        self.tell(Event::Stopped);
    }

    /// Tells that everything is said.
    pub(crate) fn tell_stopped(&mut self) {
        let waiting = self.core.timers.is_armed(TimerOwner::Stack, Timer::StopGrace);
        if waiting && self.core.calls.is_empty() && !self.is_unregistering() && !self.is_unsubscribing() {
            self.core.timers.disarm(TimerOwner::Stack, Timer::StopGrace);
            self.tell(Event::Stopped);
        }
    }
}
