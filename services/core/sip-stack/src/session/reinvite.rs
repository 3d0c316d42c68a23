//! re-INVITEs of both sides (RFC 3261 section 14, RFC 3264 section 8): hold and resume of ours, whatever theirs wants.
//!
//! ```text
//!   ours:    Idle -- wish: INVITE --> Sent -- 2xx: ACK, in effect --> Idle
//!             ^                        |  491: Backoff (by Call-ID owner) -- Glare: wish again
//!             |                        |  481, 408, no answer: BYE, the call ends
//!             +------------------------+  other: HoldFailed
//!   theirs:  -- INVITE --> media asked --> Preparing -- ready: 2xx, until its ACK
//! ```
//!
//! Only one runs at a time (14.1, 14.2): ours waits for theirs and its ACK; theirs meets 491 while ours is out.

use std::time::Duration;

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Method, Request, Response, RetryAfter, StatusCode};

use super::talking::{Answered, HoldView};
use super::{Call, Leaving, State, add_sdp, sdp_of};
use crate::auth::is_challenge;
use crate::client::{Outcome, Told};
use crate::interface::{Direction, EndedBy, Event, StackSettings};
use crate::media::{MediaSession, hold_offer, sends, usable_codecs};
use crate::registration::in_words;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, TransactionId};

/// See the diagram.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ours {
    Idle,
    Sent {
        transaction: TransactionId,
        hold: bool,
        /// Whether the offer sends; else their silence says nothing.
        sends: bool,
    },
    Backoff {
        hold: bool,
    },
}

/// Theirs, before its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Theirs {
    pub(super) invite: TransactionId,
    body: Vec<u8>,
    /// In effect again when it fails.
    before: Box<MediaSession>,
}

impl Stack {
    /// `Command::Hold` and `Command::Resume`: the newest wish counts.
    pub(super) fn wish_hold(&mut self, identity: CallIdentity, hold: bool) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        if let State::Talking(talking) = &mut call.state {
            talking.wish = Some(hold);
        }
        self.go_on(call, &settings);
    }

    /// Does what waits, if nothing is in the way; puts the call back.
    pub(super) fn go_on(&mut self, mut call: Call, settings: &StackSettings) {
        let in_effect = call.media.as_ref().is_some_and(|media| media.held_by_us);
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        let free = talking.unacked.is_none() && talking.theirs.is_none() && matches!(talking.ours, Ours::Idle);
        let wish = talking.wish.filter(|_| free);
        if wish.is_some() {
            talking.wish = None;
        }
        match wish {
            Some(hold) if hold != in_effect => {
                call.auth.begin();
                self.send_reinvite(call, hold, settings);
            }
            Some(_) | None => self.put_call(call),
        }
    }

    fn send_reinvite(&mut self, mut call: Call, hold: bool, settings: &StackSettings) {
        let Some((request, sends)) = self.reinvite_request(&mut call, hold, settings) else { return self.put_call(call) };
        let Some(peer) = call.dialog().map(|dialog| dialog.peer) else { return self.put_call(call) };
        let sent = self.start_client(Owner::Reinvite(call.identity), call.line, peer, request);
        match (&mut call.state, sent) {
            (State::Talking(talking), Some(transaction)) => talking.ours = Ours::Sent { transaction, hold, sends },
            (_, _) => {
                self.tell(Event::HoldFailed { call: call.identity, status: 0, reason: "it cannot be sent".to_owned() });
            }
        }
        self.put_call(call);
    }

    fn reinvite_request(&mut self, call: &mut Call, hold: bool, settings: &StackSettings) -> Option<(Request, bool)> {
        let own = line_of(settings, call.line)?;
        let contact = self.contact_on(call.line, call.flow?)?;
        let media = call.media.as_mut()?;
        let direction = if hold { hold_offer(media.held_by_them) } else { Direction::SendRecv };
        let sdp = media.offer(settings, own, direction);
        let mut request = call.dialog_mut()?.request(Method::INVITE);
        request.headers.push(HeaderName::CONTACT, contact);
        self.add_abilities(&mut request.headers);
        add_sdp(&mut request.headers, &mut request.body, sdp);
        call.auth.sign(&mut request, own, &mut self.random);
        Some((request, sends(direction)))
    }

    /// What became of ours.
    pub(crate) fn on_reinvite_outcome(&mut self, identity: CallIdentity, told: &Told, outcome: Outcome<'_>) {
        let Some(settings) = self.settings() else { return };
        let Some(call) = self.take_call(identity) else { return self.on_orphan_outcome(told, outcome) };
        let ours = match &call.state {
            State::Talking(talking) => talking.ours.clone(),
            State::Leaving(_) | State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Offered(_) => {
                Ours::Idle
            }
        };
        match (ours, outcome) {
            (_, Outcome::Response(response)) if response.status.is_provisional() => self.put_call(call),
            (Ours::Sent { transaction, hold, sends }, outcome) if transaction == told.id => match outcome {
                Outcome::Lost(reason) => self.leave(call, 408, reason, EndedBy::Network),
                Outcome::Response(response) if response.status.is_success() => {
                    self.on_reinvite_accepted(call, told, response, (hold, sends), &settings);
                }
                Outcome::Response(response) => self.on_reinvite_refused(call, response, hold, &settings),
            },
            (_, Outcome::Response(response)) if response.status.is_success() => {
                // The call is leaving: the 2xx still wants its ACK.
                if let Some(dialog) = call.dialog() {
                    self.acknowledge(told, &dialog.clone(), response);
                }
                self.put_call(call);
            }
            (_, Outcome::Response(_) | Outcome::Lost(_)) => self.put_call(call),
        }
    }

    /// 2xx: only now does the hold state change.
    fn on_reinvite_accepted(
        &mut self,
        mut call: Call,
        told: &Told,
        response: &Response,
        (hold, sends): (bool, bool),
        settings: &StackSettings,
    ) {
        let before = HoldView::of(&call);
        let (line, identity) = (call.line, call.identity);
        if let State::Talking(talking) = &mut call.state {
            talking.ours = Ours::Idle;
            if talking.dialog.refresh_target(&response.headers) {
                self.settle_peer(line, identity, &mut talking.dialog);
            }
        }
        if let Some(dialog) = call.dialog() {
            self.acknowledge(told, &dialog.clone(), response);
        }
        let sdp = sdp_of(&response.headers, &response.body).ok().flatten();
        let agreed = match (&mut call.media, sdp) {
            (Some(media), Some(sdp)) => {
                media.held_by_us = hold;
                let agreed = media.take_answer(0, sdp, sends).map_err(|mismatch| mismatch.to_string());
                media.close_offer();
                agreed
            }
            (Some(_) | None, _) => Err("the answer to the re-INVITE brings no session description".to_owned()),
        };
        match agreed {
            Ok(()) => {
                self.desire(&mut call, settings);
                self.tell_hold(&call, &before);
                self.go_on(call, settings);
            }
            Err(reason) => self.leave(call, 488, &reason, EndedBy::Local),
        }
    }

    fn on_reinvite_refused(&mut self, mut call: Call, response: &Response, hold: bool, settings: &StackSettings) {
        let status = response.status;
        if let Some(media) = &mut call.media {
            media.close_offer();
        }
        if let State::Talking(talking) = &mut call.state {
            talking.ours = Ours::Idle;
        }
        if is_challenge(status) {
            return self.on_reinvite_challenge(call, response, hold, settings);
        }
        match status {
            StatusCode::REQUEST_PENDING => self.back_off(call, hold),
            // RFC 3261 14.1: the dialog is gone at the far end.
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.leave(call, status.code(), &in_words(response), EndedBy::Network);
            }
            _ => self.hold_failed(call, status.code(), in_words(response), settings),
        }
    }

    fn hold_failed(&mut self, call: Call, status: u16, reason: String, settings: &StackSettings) {
        self.tell(Event::HoldFailed { call: call.identity, status, reason });
        self.go_on(call, settings);
    }

    fn on_reinvite_challenge(&mut self, mut call: Call, response: &Response, hold: bool, settings: &StackSettings) {
        let Some(own) = line_of(settings, call.line) else { return self.put_call(call) };
        match call.auth.on_challenge(response, own) {
            Ok(()) => self.send_reinvite(call, hold, settings),
            Err(failure) => self.hold_failed(call, response.status.code(), failure.to_string(), settings),
        }
    }

    /// RFC 3261 14.1: who made the Call-ID waits 2.1 to 4 s, the other one 0 to 2 s, in steps of 10 ms.
    fn back_off(&mut self, mut call: Call, hold: bool) {
        let milliseconds = if call.outgoing { 2100 + 10 * self.random.below(191) } else { 10 * self.random.below(201) };
        if let State::Talking(talking) = &mut call.state {
            talking.ours = Ours::Backoff { hold };
        }
        self.arm(TimerOwner::Call(call.identity), Timer::Glare, Duration::from_millis(milliseconds));
        self.put_call(call);
    }

    /// Once more, unless the user wants something else by now.
    pub(super) fn on_glare_over(&mut self, mut call: Call, settings: &StackSettings) {
        if let State::Talking(talking) = &mut call.state
            && let Ours::Backoff { hold } = talking.ours
        {
            talking.ours = Ours::Idle;
            talking.wish = talking.wish.or(Some(hold));
        }
        self.go_on(call, settings);
    }

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
        let offer_open = talking.unacked.as_ref().is_some_and(|unacked| unacked.offer_open);
        if matches!(talking.ours, Ours::Sent { .. }) || offer_open {
            self.put_call(call);
            return self.respond_status(id, StatusCode::REQUEST_PENDING, &tag);
        }
        // Whoever sends the next INVITE has our 2xx, whatever became of its ACK.
        talking.unacked = None;
        self.stop_repeating(call.identity);
        self.take_reinvite(id, call, request, &settings);
    }

    /// RFC 3261 14.2: 500 with Retry-After of 0 to 10 s.
    fn come_again_later(&mut self, id: TransactionId, request: &Request, tag: &str) {
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
            Ok(Some(sdp)) => self.take_offer(id, call, request, sdp, settings),
            Ok(None) => self.offer_in_answer(id, call, request, settings),
            Err(()) => {
                self.refuse_in_dialog(id, request, &call, StatusCode::UNSUPPORTED_MEDIA_TYPE);
                self.put_call(call);
            }
        }
    }

    fn refuse_in_dialog(&mut self, id: TransactionId, request: &Request, call: &Call, status: StatusCode) {
        let mut response = self.response(request, status, &call.local_tag);
        response.headers.push(HeaderName::ACCEPT, crate::transport::ACCEPT);
        self.respond(id, &response);
    }

    /// Their offer: the sockets must fit before our answer leaves.
    fn take_offer(&mut self, id: TransactionId, mut call: Call, request: &Request, sdp: &[u8], settings: &StackSettings) {
        let (Some(own), Some(media)) = (line_of(settings, call.line), &mut call.media) else { return self.put_call(call) };
        let offer = match MediaSession::read_offer(sdp, &usable_codecs(settings, own)) {
            Ok(offer) => offer,
            Err(mismatch) => {
                let response = self.not_acceptable(request, &call.local_tag, call.line, &mismatch.to_string());
                self.respond(id, &response);
                return self.put_call(call);
            }
        };
        let before = Box::new(media.clone());
        let body = media.answer(&offer, settings, own).unwrap_or_default();
        let legs = |media: &MediaSession| media.desired(call.identity, call.line, settings).legs;
        let same = legs(media) == legs(&before);
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
        self.answer_reinvite(&mut call, id, request, body, true);
        self.put_call(call);
    }

    fn answer_reinvite(&mut self, call: &mut Call, id: TransactionId, request: &Request, body: Vec<u8>, offer_open: bool) {
        let mut response = self.response(request, StatusCode::OK, &call.local_tag);
        self.add_dialog_headers(&mut response, request, call.line, call.flow);
        add_sdp(&mut response.headers, &mut response.body, body);
        let unacked = self.answer_and_repeat(call.identity, id, request, &response, Answered { offer_open });
        if let State::Talking(talking) = &mut call.state {
            talking.unacked = unacked;
        }
    }

    /// Media is ready for what they want: 200.
    pub(super) fn accept_reinvite(&mut self, mut call: Call, settings: &StackSettings) {
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        let Some(theirs) = talking.theirs.take() else { return self.put_call(call) };
        let request = self.core.transactions.find(theirs.invite).map(|transaction| transaction.request.clone());
        let Some(request) = request else { return self.go_on(call, settings) };
        self.answer_reinvite(&mut call, theirs.invite, &request, theirs.body, false);
        self.tell_hold(&call, &HoldView::of_media(Some(&theirs.before)));
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
