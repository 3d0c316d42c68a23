//! Calls of ours that are taken back before they are answered (RFC 3261 section 9.1), and those whose answer is never heard.

use agreements::CallIdentity;
use sip_wire::{Method, Request, StatusCode};

use super::{Call, Cancel, State, follow_up};
use crate::client::Outcome;
use crate::interface::EndedBy;
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, TransactionId};

impl Stack {
    /// The user ends a call that is not answered: for people it is over at once.
    pub(super) fn take_back(&mut self, mut call: Call, code: u16, reason: &str, by: EndedBy) {
        self.tell_ended(&mut call, code, reason, by);
        self.core.timers.disarm(TimerOwner::Call(call.identity), Timer::DialExpires);
        match &mut call.state {
            State::Inviting(inviting) if inviting.provisional => self.send_cancel(&mut call),
            State::Inviting(inviting) => inviting.cancel = Cancel::WhenProvisional,
            State::Locating { query, .. } => {
                let query = *query;
                self.forget_query(query);
                return self.let_go(call);
            }
            State::Preparing { .. } | State::Offered(_) | State::Talking(_) | State::Leaving(_) => return self.let_go(call),
        }
        self.put_call(call);
    }

    /// RFC 3261 9.1: the CANCEL has the INVITE's branch and goes the same way.
    pub(super) fn send_cancel(&mut self, call: &mut Call) {
        let State::Inviting(inviting) = &mut call.state else { return };
        if inviting.cancel == Cancel::Sent {
            return;
        }
        inviting.cancel = Cancel::Sent;
        let (invite, route) = (inviting.invite, inviting.route);
        let Some(transaction) = self.core.transactions.find(invite) else { return };
        let patience = transaction.timing.sixty_four_t1();
        let mut cancel = follow_up(&transaction.request, Method::CANCEL);
        self.add_user_agent(&mut cancel.headers);
        self.start_prepared(Owner::Cancel(call.identity), call.line, route, cancel);
        self.arm(TimerOwner::Call(call.identity), Timer::CancelLost, patience);
    }

    /// The CANCEL's own answer says nothing about the INVITE.
    pub(crate) fn on_cancel_outcome(&mut self, _call: CallIdentity, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Response(_) | Outcome::Lost(_) => {}
        }
    }

    /// 64*T1 after the CANCEL without a final response (RFC 3261 9.1).
    pub(super) fn on_cancel_lost(&mut self, call: Call) {
        if let State::Inviting(inviting) = &call.state {
            let invite = inviting.invite;
            self.end_transaction(invite);
        }
        self.let_go(call);
    }

    /// A BYE for an INVITE of ours that seems unanswered here: the far end has answered, its 2xx were all lost, and it has given
    /// up. Without this the call would ring on for ever. True when it was for such a call.
    pub(super) fn on_bye_of_unheard_answer(&mut self, id: TransactionId, request: &Request) -> bool {
        let headers = &request.headers;
        let (Ok(call_id), Ok(to), Ok(from)) = (headers.call_id(), headers.to(), headers.from()) else { return false };
        let (ours, theirs) = (to.tag().unwrap_or_default(), from.tag().unwrap_or_default());
        let fits = |call: &&Call| matches!(call.state, State::Inviting(_)) && call.sip_call_id == call_id && call.local_tag == ours;
        let Some(identity) = self.core.calls.values().find(fits).map(|call| call.identity) else { return false };
        let Some(mut call) = self.take_call(identity) else { return false };
        self.respond_status(id, StatusCode::OK, "");
        let State::Inviting(inviting) = &mut call.state else { return true };
        inviting.early.retain(|early| early.tag != theirs);
        inviting.provisional = true;
        if inviting.early.is_empty() && !call.ended {
            self.take_back(call, 0, "the far end has hung up", EndedBy::Remote);
        } else {
            // Other branches of the fork may still answer.
            self.put_call(call);
        }
        true
    }

    /// SIP_INVITE_EXPIRE_n has passed.
    pub(super) fn on_dial_expired(&mut self, call: Call) {
        self.take_back(call, 408, "nobody has answered in time", EndedBy::Network);
    }
}
