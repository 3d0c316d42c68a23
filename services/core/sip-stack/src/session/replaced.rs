//! A call of theirs that takes the place of another one (RFC 3891): what attended transfer and call pickup are made of.
//!
//! ```text
//!   INVITE with Replaces --> malformed, several: 400; no such dialog, one that rings here: 481; one that ends: 603
//!      |                     answered, and only an early one is meant: 486; not from whom it concerns: 403
//!      v
//!   Offered (told with the call that it replaces) -- Answer: 200, then BYE or CANCEL of that call --> Talking
//!      | Reject, no media: refused, the old call goes on
//!      | the old call ends meanwhile: 603
//! ```
//!
//! Who knows a dialog's names could take it over, and they are no secret to anything on its way. So the INVITE must come from a
//! server of the line, which knows whom it lets call, or from where the old call's messages come; and the old call must be of the
//! line that is called, for what one line's server vouches for says nothing of another's calls.

use agreements::CallIdentity;
use sip_wire::{Replaces, StatusCode};

use super::{Call, Cancel, State};
use crate::interface::EndedBy;
use crate::receive::Arrived;
use crate::stack::Stack;

/// What people are told of the old call's end.
const REPLACED: &str = "another call has taken its place";

/// How a dialog of a call fits what Replaces names.
enum Match {
    No,
    /// Ours, and not answered.
    Early,
    Confirmed,
    /// Theirs, and not answered: only its caller may give it up.
    Ringing,
    Ending,
}

impl Stack {
    /// The call that a first INVITE names in Replaces; the status to refuse it with where that cannot be.
    pub(super) fn call_to_replace(&self, arrived: &Arrived) -> Result<Option<CallIdentity>, StatusCode> {
        let replaces = arrived.request.headers.replaces().map_err(|_| StatusCode::BAD_REQUEST)?;
        let Some(replaces) = replaces else { return Ok(None) };
        let calls = self.core.calls.values().filter(|call| call.line == arrived.line);
        let mut fitting = calls.map(|call| (call, call.fits(&replaces))).filter(|(_, fit)| !matches!(fit, Match::No));
        let (Some((call, fit)), None) = (fitting.next(), fitting.next()) else {
            return Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST);
        };
        match fit {
            Match::No | Match::Ringing => Err(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            Match::Ending => Err(StatusCode::DECLINE),
            Match::Early | Match::Confirmed if !self.concerns(arrived, call) => Err(StatusCode::FORBIDDEN),
            Match::Confirmed if replaces.early_only => Err(StatusCode::BUSY_HERE),
            Match::Early | Match::Confirmed => Ok(Some(call.identity)),
        }
    }

    /// Whether a request comes from where a call's messages come, or from a server of its line.
    pub(crate) fn concerns(&self, arrived: &Arrived, call: &Call) -> bool {
        let source = arrived.source.remote.ip();
        let known = match &call.state {
            State::Inviting(inviting) => inviting.route.remote.ip() == source,
            State::Talking(talking) => talking.dialog.peer.remote.ip() == source,
            State::Locating { .. } | State::Preparing { .. } | State::Offered(_) | State::Leaving(_) => false,
        };
        known || self.is_server_of(arrived.line, source)
    }

    /// Whether a call still is one that may be replaced.
    pub(super) fn can_give_way(&self, call: CallIdentity) -> bool {
        self.core.calls.get(&call).is_some_and(|call| match &call.state {
            State::Talking(_) => true,
            State::Inviting(inviting) => !call.ended && inviting.cancel == Cancel::No,
            State::Locating { .. } | State::Preparing { .. } | State::Offered(_) | State::Leaving(_) => false,
        })
    }

    /// The new call is answered: the old one ends by BYE or CANCEL (RFC 3891 3).
    pub(super) fn give_way(&mut self, identity: CallIdentity) {
        let Some(call) = self.take_call(identity) else { return };
        match &call.state {
            State::Talking(_) => self.leave(call, 0, REPLACED, EndedBy::Remote),
            State::Inviting(_) => {
                // Who has referred us here hears that we talk: with whom is its own affair.
                self.note_referred(identity, StatusCode::OK);
                self.take_back(call, 0, REPLACED, EndedBy::Remote);
            }
            State::Locating { .. } | State::Preparing { .. } | State::Offered(_) | State::Leaving(_) => self.put_call(call),
        }
    }
}

impl Call {
    fn fits(&self, replaces: &Replaces) -> Match {
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        if self.sip_call_id != *call_id || self.local_tag != *to_tag {
            return Match::No;
        }
        // RFC 3891 3: "0" is also a far end of RFC 2543, which has none.
        let is_theirs = |tag: &str| tag == from_tag || (tag.is_empty() && from_tag == "0");
        let theirs = self.dialog().map(|dialog| dialog.remote.tag().unwrap_or_default());
        match (&self.state, theirs) {
            (State::Inviting(_), _) if !self.has_early(from_tag) => Match::No,
            (State::Inviting(inviting), _) if self.ended || inviting.cancel != Cancel::No => Match::Ending,
            (State::Inviting(_), _) => Match::Early,
            (State::Talking(_), Some(tag)) if is_theirs(tag) => Match::Confirmed,
            (State::Offered(_), Some(tag)) if is_theirs(tag) => Match::Ringing,
            (State::Leaving(_), Some(tag)) if is_theirs(tag) => Match::Ending,
            (State::Talking(_) | State::Offered(_) | State::Leaving(_), _) => Match::No,
            (State::Locating { .. } | State::Preparing { .. }, _) => Match::No,
        }
    }
}
