//! re-INVITEs of theirs (RFC 3261 section 14.2, RFC 3264 section 8): hold, codec, address, or no SDP at all.
//!
//! ```text
//!   INVITE --> ours is out: 491; another of theirs is open: 500, Retry-After
//!      |  no SDP: 200 with our offer, the ACK answers
//!      |  no common codec: 488, nothing changes
//!      v
//!   media asked --> Preparing -- ready: 200, repeated until its ACK
//!                       |  no media: 500, CANCEL or BYE: 487; everything as it was
//! ```

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Request, RetryAfter, StatusCode};

use super::body::{add_sdp, sdp_of};
use super::reinvite::Ours;
use super::talking::{Answered, HoldView};
use super::{Call, Leaving, State};
use crate::interface::StackSettings;
use crate::media::{MediaSession, usable_codecs};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, TransactionId};

/// Theirs, before its answer; also the offer of an UPDATE (`update`) or of a late PRACK (`reliable`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Theirs {
    pub(super) invite: TransactionId,
    body: Vec<u8>,
    /// In effect again when it fails.
    before: Box<MediaSession>,
}

impl Stack {
    /// An INVITE in a dialog.
    pub(super) fn on_reinvite(&mut self, id: TransactionId, mut call: Call, request: &Request) {
        self.respond_status(id, StatusCode::TRYING, "");
        let Some(settings) = self.settings() else { return self.put_call(call) };
        let tag = call.local_tag.clone();
        let talking = match &mut call.state {
            State::Talking(talking) => talking,
            // An INVITE before the answer to the first one (RFC 3261 14.2).
            State::Offered(_) => {
                self.put_call(call);
                return self.come_again_later(id, request, &tag);
            }
            State::Leaving(Leaving::AwaitingAck { .. } | Leaving::Bye { .. })
            | State::Locating { .. }
            | State::Preparing { .. }
            | State::Inviting(_) => {
                self.put_call(call);
                return self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &tag);
            }
        };
        if talking.theirs.is_some() {
            self.put_call(call);
            return self.come_again_later(id, request, &tag);
        }
        let own = line_of(&settings, call.line).map(|own| &own.sessions);
        if own.is_some_and(|own| self.refuse_interval(id, request, &tag, &call.interval, own)) {
            return self.put_call(call);
        }
        let offer_open = talking.unacked.as_ref().is_some_and(|unacked| unacked.offer_open);
        if matches!(talking.ours, Ours::Sent { .. } | Ours::Moving) || offer_open {
            self.put_call(call);
            return self.respond_status(id, StatusCode::REQUEST_PENDING, &tag);
        }
        if !may_reinvite(&call, request, &settings) {
            self.put_call(call);
            return self.refuse_while_held(id, request, &tag);
        }
        // Whoever sends the next INVITE has our 2xx, whatever became of its ACK.
        if let State::Talking(talking) = &mut call.state {
            talking.unacked = None;
        }
        self.stop_repeating(call.identity);
        self.take_reinvite(id, call, request, &settings);
    }

    /// RFC 3261 14.2: 500 with Retry-After of 0 to 10 s.
    pub(super) fn come_again_later(&mut self, id: TransactionId, request: &Request, tag: &str) {
        let mut response = self.response(request, StatusCode::SERVER_INTERNAL_ERROR, tag);
        let seconds = u32::try_from(self.random.below(11)).unwrap_or_default();
        let again = RetryAfter { seconds, comment: String::new(), params: sip_wire::Params::new() };
        response.headers.push(HeaderName::RETRY_AFTER, again);
        self.respond(id, &response);
    }

    fn take_reinvite(&mut self, id: TransactionId, mut call: Call, request: &Request, settings: &StackSettings) {
        let (line, identity) = (call.line, call.identity);
        if let Some(transaction) = self.core.transactions.find_mut(id) {
            transaction.owner = Owner::Reinvite(identity);
        }
        if let State::Talking(talking) = &mut call.state
            && talking.dialog.refresh_target(&request.headers)
        {
            self.settle_peer(line, identity, &mut talking.dialog);
        }
        match sdp_of(&request.headers, &request.body) {
            Ok(Some(sdp)) => self.take_offer(id, call, request, &sdp, settings),
            Ok(None) => self.offer_in_answer(id, call, request, settings),
            Err(()) => {
                self.refuse_body(id, request, &call.local_tag);
                self.go_on(call, settings);
            }
        }
    }

    /// Their offer, in an INVITE, UPDATE or PRACK: the sockets must fit before our answer leaves.
    pub(super) fn take_offer(
        &mut self,
        id: TransactionId,
        mut call: Call,
        request: &Request,
        sdp: &[u8],
        settings: &StackSettings,
    ) {
        let (Some(own), Some(media)) = (line_of(settings, call.line), &mut call.media) else { return self.put_call(call) };
        let offer = match media.read_offer(sdp, &usable_codecs(settings, own)) {
            Ok(offer) => offer,
            Err(mismatch) => {
                let response = self.not_acceptable(request, &call.local_tag, call.line, &mismatch);
                self.respond(id, &response);
                return self.go_on(call, settings);
            }
        };
        let before = Box::new(media.clone());
        let body = media.answer(&offer, settings, own).unwrap_or_default();
        let same = media.sounds_as(&before, settings);
        if let State::Talking(talking) = &mut call.state {
            talking.theirs = Some(Theirs { invite: id, body, before });
        }
        if same {
            self.accept_reinvite(call, settings);
        } else {
            self.desire_and_wait(&mut call, settings);
            self.put_call(call);
        }
    }

    /// No SDP: our 2xx offers, the ACK answers.
    fn offer_in_answer(&mut self, id: TransactionId, mut call: Call, request: &Request, settings: &StackSettings) {
        let (Some(own), Some(media)) = (line_of(settings, call.line), &mut call.media) else { return self.put_call(call) };
        let body = media.offer(settings, own, media.wish());
        self.answer_reinvite(&mut call, (id, request), body, Answered { offer_open: true }, settings);
        self.put_call(call);
    }

    fn answer_reinvite(
        &mut self,
        call: &mut Call,
        (id, request): (TransactionId, &Request),
        body: Vec<u8>,
        answered: Answered,
        settings: &StackSettings,
    ) {
        let mut response = self.response(request, StatusCode::OK, &call.local_tag);
        self.add_dialog_headers(&mut response, request, call);
        add_sdp(&mut response.headers, &mut response.body, body);
        self.answer_interval(call, request, &mut response, settings);
        let unacked = self.answer_and_repeat(call.identity, id, request, &response, answered);
        if let State::Talking(talking) = &mut call.state {
            talking.unacked = unacked;
        }
    }

    /// Media is ready for what they want: 200. That of an UPDATE or PRACK has no ACK to wait for.
    pub(super) fn accept_reinvite(&mut self, mut call: Call, settings: &StackSettings) {
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        let Some(theirs) = talking.theirs.take() else { return self.put_call(call) };
        let request = self.core.transactions.find(theirs.invite).map(|transaction| transaction.request.clone());
        let Some(request) = request else { return self.go_on(call, settings) };
        let before = HoldView::of_media(Some(&theirs.before));
        if !request.method.is_invite() {
            self.answer_update(&mut call, theirs.invite, &request, Some(theirs.body), settings);
            self.tell_hold(&call, &before);
            return self.go_on(call, settings);
        }
        self.answer_reinvite(&mut call, (theirs.invite, &request), theirs.body, Answered { offer_open: false }, settings);
        self.tell_hold(&call, &before);
        self.put_call(call);
    }

    /// Media cannot: 500, and everything as it was.
    pub(super) fn fail_reinvite(&mut self, call: Call) {
        self.undo_reinvite(call, StatusCode::SERVER_INTERNAL_ERROR);
    }

    /// They take it back before our answer.
    pub(super) fn on_reinvite_cancelled(&mut self, identity: CallIdentity, invite: TransactionId) {
        let Some(call) = self.take_call(identity) else { return };
        match &call.state {
            State::Talking(talking) if talking.theirs.as_ref().is_some_and(|theirs| theirs.invite == invite) => {
                self.undo_reinvite(call, StatusCode::REQUEST_TERMINATED);
            }
            State::Talking(_) | State::Leaving(_) | State::Offered(_) | State::Inviting(_) => self.put_call(call),
            State::Locating { .. } | State::Preparing { .. } => self.put_call(call),
        }
    }

    fn undo_reinvite(&mut self, mut call: Call, status: StatusCode) {
        let Some(settings) = self.settings() else { return self.put_call(call) };
        self.core.timers.disarm(TimerOwner::Call(call.identity), Timer::MediaAnswer);
        let theirs = match &mut call.state {
            State::Talking(talking) => talking.theirs.take(),
            State::Leaving(_) | State::Offered(_) | State::Inviting(_) => None,
            State::Locating { .. } | State::Preparing { .. } => None,
        };
        if let Some(theirs) = theirs {
            let tag = call.local_tag.clone();
            self.respond_status(theirs.invite, status, &tag);
            let generation = call.media.as_ref().map_or(0, |media| media.generation);
            call.media = Some(theirs.before.at_generation(generation));
            self.desire(&mut call, &settings);
        }
        self.go_on(call, &settings);
    }
}

/// Whether a re-INVITE of theirs is taken in a call as it is (SIP_HOLD_HOLDRECEIVE_n): one that only refreshes the session always
/// is, or the session's end would end the call (RFC 4028 10). Such a one brings no other description (7.4), or none.
fn may_reinvite(call: &Call, request: &Request, settings: &StackSettings) -> bool {
    let (Some(own), Some(media)) = (line_of(settings, call.line), &call.media) else { return true };
    if own.details.reinvite_while_held || !media.held_by_us {
        return true;
    }
    match sdp_of(&request.headers, &request.body) {
        Ok(Some(sdp)) => {
            let offer = media.read_offer(&sdp, &usable_codecs(settings, own));
            offer.is_ok_and(|offer| media.is_unchanged_by(&offer, settings, own))
        }
        Ok(None) => call.interval.agreed().is_some(),
        // Refused for what it is.
        Err(()) => true,
    }
}
