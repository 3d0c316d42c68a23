//! Referrals: REFER in both roles (RFC 3515, with RFC 3892, 4488, 4538, 5589 and 7647). `sending` asks the far end of a call to
//! call somebody else, `taking` is asked that, `notifying` tells how it goes. That a new call takes the place of an old one (RFC
//! 3891) is the session's affair.
//!
//! A REFER in a call's dialog shares it with the call (RFC 5057): sequence numbers and tags are the call's as long as there is one,
//! and when the call has ended first, its dialog is left to the referrals for their last NOTIFYs. RFC 7647 wants a dialog of its
//! own only between ends with GRUUs, and this end has none.

mod notifying;
mod sending;
mod taking;
mod wish;

use std::collections::BTreeMap;

use agreements::{CallIdentity, LineNumber};
use serde::{Deserialize, Serialize};
use sip_wire::{Method, Request, StatusCode};

use crate::dialog::Dialog;
use crate::receive::Arrived;
use crate::session::Call;
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Route, TransactionId};

use sending::Sent;
use taking::Taken;

pub(crate) use taking::{Referred, add_referred};
pub use wish::{ReferProgress, ReferTarget, ReferralId};

/// The event package of the subscription that a REFER makes (RFC 3515 section 3).
pub(crate) const PACKAGE: &str = "refer";
/// Referrals at a time in each role.
const MOST: usize = 16;

/// Whose dialog a referral's messages go in.
#[derive(Clone, Serialize, Deserialize)]
enum Usage {
    /// A call's, also after its end.
    Call(CallIdentity),
    /// Its own.
    Own(Box<Dialog>),
}

impl Usage {
    fn is_of(&self, call: CallIdentity) -> bool {
        matches!(self, Usage::Call(of) if *of == call)
    }
}

/// All referrals.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct ReferralTable {
    next: u64,
    sent: BTreeMap<ReferralId, Sent>,
    taken: BTreeMap<ReferralId, Taken>,
    /// Dialogs of calls that have ended, while a referral needs them.
    left: BTreeMap<CallIdentity, Dialog>,
}

impl ReferralTable {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sent.len() + self.taken.len()
    }

    fn name(&mut self) -> ReferralId {
        self.next += 1;
        ReferralId(self.next)
    }

    fn any_of(&self, call: CallIdentity) -> bool {
        self.sent.values().any(|one| one.call == call) || self.taken.values().any(|one| one.usage.is_of(call))
    }
}

impl Stack {
    /// The next request in a dialog of a line and its way; none when the dialog is gone. A dialog that no call moves any more may
    /// outlive its socket: then the line's own takes its place.
    fn request_in(&mut self, line: LineNumber, usage: &mut Usage, method: Method) -> Option<(Request, Route)> {
        let dialog = match usage {
            Usage::Own(dialog) => dialog,
            Usage::Call(call) => self.call_dialog(*call)?,
        };
        let (request, peer) = (dialog.request(method), dialog.peer);
        let other = self.is_gone(peer.flow).then(|| self.route_to(line, peer.remote)).flatten();
        Some((request, other.unwrap_or(peer)))
    }

    fn call_dialog(&mut self, call: CallIdentity) -> Option<&mut Dialog> {
        match self.core.calls.get_mut(&call) {
            Some(call) => call.dialog_mut(),
            None => self.core.referrals.left.get_mut(&call),
        }
    }

    /// Nothing of a call is left but its dialog, where referrals go on in it.
    pub(crate) fn leave_dialog_to_referrals(&mut self, call: &Call) {
        self.drop_waiting_referral(call.identity, 0, "the call has ended");
        if self.core.referrals.any_of(call.identity)
            && let Some(dialog) = call.dialog()
        {
            self.core.referrals.left.insert(call.identity, dialog.clone());
        }
    }

    /// A request in a dialog that was left to referrals. False: there is none.
    pub(crate) fn on_referral_request(&mut self, id: TransactionId, arrived: &Arrived) -> bool {
        let request = &arrived.request;
        let headers = &request.headers;
        let (Ok(call_id), Ok(to), Ok(from)) = (headers.call_id(), headers.to(), headers.from()) else { return false };
        let (ours, theirs) = (to.tag().unwrap_or_default(), from.tag().unwrap_or_default());
        let mut left = self.core.referrals.left.iter_mut();
        let Some((call, dialog)) = left.find(|(_, dialog)| dialog.is(call_id, ours, theirs)) else { return false };
        let (call, in_order) = (*call, dialog.accepts(headers.cseq().map(|cseq| cseq.number).unwrap_or_default()));
        self.touch();
        match request.method {
            _ if !in_order => self.respond_status(id, StatusCode::SERVER_INTERNAL_ERROR, ours),
            Method::NOTIFY if is_about_referral(request) => self.on_refer_notify(id, call, request, ours),
            _ => self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, ours),
        }
        true
    }

    /// One of a referral's timers.
    pub(crate) fn on_referral_timer(&mut self, id: ReferralId, timer: Timer) {
        match timer {
            Timer::ReferLost => self.on_refer_silent(id),
            Timer::ReferUndecided => self.decline_referral(id),
            Timer::ReferExpires => self.on_refer_expired(id),
            _ => {}
        }
    }

    fn forget_referral(&mut self, id: ReferralId) {
        self.core.timers.disarm_all(TimerOwner::Referral(id));
        self.core.referrals.sent.remove(&id);
        self.core.referrals.taken.remove(&id);
        let left: Vec<CallIdentity> = self.core.referrals.left.keys().copied().collect();
        for call in left {
            if !self.core.referrals.any_of(call) {
                self.core.referrals.left.remove(&call);
            }
        }
        self.touch();
    }
}

/// Whether a NOTIFY is of the package.
pub(crate) fn is_about_referral(request: &Request) -> bool {
    request.headers.event().ok().flatten().is_some_and(|event| event.package.eq_ignore_ascii_case(PACKAGE))
}
