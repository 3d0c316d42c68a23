//! re-INVITEs of ours (RFC 3261 section 14.1, RFC 3264 section 8): hold and resume.
//!
//! ```text
//!   Idle -- wish: INVITE --> Sent -- 2xx: ACK, in effect --> Idle
//!    ^                        |  491: Backoff (by Call-ID owner) -- Glare: wish again
//!    |                        |  481, 408, no answer: BYE, the call ends
//!    +------------------------+  other: HoldFailed; a refresh (`refresh`): again a little later
//!    |
//!    +-- refresh: UPDATE --> Updating, as `refresh` has it
//!    +-- another address of ours --> Moving, as `moving` has it
//! ```
//!
//! Only one INVITE runs at a time: ours waits for theirs and for the ACK of our answer.

use std::time::Duration;

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Method, Request, Response, StatusCode};

use super::body::{add_sdp, answer_of};
use super::talking::HoldView;
use super::{Call, State};
use crate::auth::is_challenge;
use crate::client::{Outcome, Told};
use crate::interface::{Direction, EndedBy, Event, StackSettings};
use crate::media::{hold_offer, sends};
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
        why: Why,
    },
    /// A refresh without an offer: theirs may come meanwhile.
    Updating {
        transaction: TransactionId,
    },
    Backoff {
        hold: bool,
        why: Why,
    },
    /// Its address is another, and the far end does not know yet (`moving`).
    Moving,
}

/// What a re-INVITE is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Why {
    /// The user holds or resumes.
    Wish,
    /// The session's interval; hold stays as it is.
    Refresh,
    /// Our address is another; hold stays as it is.
    Move,
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
        let home = self.new_home(&call);
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        let free = talking.unacked.is_none() && talking.theirs.is_none() && matches!(talking.ours, Ours::Idle | Ours::Moving);
        if !free {
            return self.put_call(call);
        }
        if home.is_some() || matches!(talking.ours, Ours::Moving) {
            return self.move_on(call, home, settings);
        }
        match talking.wish.take() {
            Some(hold) if hold != in_effect => {
                call.auth.begin();
                self.send_reinvite(call, (hold, Why::Wish), settings);
            }
            Some(_) | None if call.interval.due => self.refresh(call, settings),
            Some(_) | None => {
                let waiting = self.waiting_referral(call.identity);
                self.put_call(call);
                if let Some(id) = waiting {
                    self.send_refer(id);
                }
            }
        }
    }

    /// Something else waits for its turn.
    pub(crate) fn go_on_with(&mut self, identity: CallIdentity) {
        let (Some(settings), Some(call)) = (self.settings(), self.take_call(identity)) else { return };
        self.go_on(call, &settings);
    }

    pub(super) fn send_reinvite(&mut self, mut call: Call, (hold, why): (bool, Why), settings: &StackSettings) {
        let identity = call.identity;
        let sent = self.start_reinvite(&mut call, (hold, why), settings);
        match (&mut call.state, sent, why) {
            (State::Talking(talking), Some((transaction, sends)), _) => {
                talking.ours = Ours::Sent { transaction, hold, sends, why };
                self.put_call(call);
            }
            (_, _, Why::Refresh) => self.refresh_session_later(call, settings),
            (_, _, Why::Move) => self.back_off(call, (hold, why)),
            (_, _, Why::Wish) => {
                let reason = "it cannot be sent".to_owned();
                self.tell(Event::HoldFailed { call: call.identity, status: 0, reason: reason.clone() });
                self.put_call(call);
                self.drop_waiting_referral(identity, 0, &reason);
            }
        }
    }

    /// The transaction, and whether its offer sends.
    fn start_reinvite(&mut self, call: &mut Call, what: (bool, Why), settings: &StackSettings) -> Option<(TransactionId, bool)> {
        let (request, sends) = self.reinvite_request(call, what, settings)?;
        let peer = call.dialog()?.peer;
        let transaction = self.start_client(Owner::Reinvite(call.identity), call.line, peer, request)?;
        Some((transaction, sends))
    }

    fn reinvite_request(&mut self, call: &mut Call, (hold, why): (bool, Why), settings: &StackSettings) -> Option<(Request, bool)> {
        let own = line_of(settings, call.line)?;
        let contact = self.contact_of_call(call.line, call.flow?, call.anonymous)?;
        let media = call.media.as_mut()?;
        let again = if why == Why::Refresh { media.offer_again() } else { None };
        let (sdp, direction) = again.unwrap_or_else(|| {
            let direction = if hold { hold_offer(media.held_by_them) } else { Direction::SendRecv };
            (media.offer(settings, own, direction), direction)
        });
        let dialog = call.dialog_mut()?;
        let peer = dialog.peer;
        let mut request = dialog.request(Method::INVITE);
        request.headers.push(HeaderName::CONTACT, contact);
        self.add_abilities(&mut request.headers);
        self.declare(&mut request.headers, call.line, call.anonymous, peer);
        self.name_appearance(&mut request.headers, call);
        call.interval.ask_again(&mut request.headers, &own.sessions);
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
            (Ours::Sent { transaction, hold, sends, why }, outcome) if transaction == told.id => match outcome {
                Outcome::Response(response) if response.status.is_provisional() => self.put_call(call),
                Outcome::Lost(reason) => self.on_unanswered(call, told, reason, &settings),
                Outcome::Response(response) if response.status.is_success() => {
                    self.on_reinvite_accepted(call, told, response, (hold, sends), &settings);
                }
                Outcome::Response(response) => self.on_reinvite_refused(call, told, response, (hold, why), &settings),
            },
            (_, Outcome::Response(response)) if response.status.is_success() => {
                // The call is leaving: the 2xx still wants its ACK.
                if let Some(dialog) = call.dialog() {
                    self.acknowledge(told, &dialog.clone(), response);
                }
                self.put_call(call);
            }
            (_, outcome @ (Outcome::Response(_) | Outcome::Lost(_))) => {
                self.put_call(call);
                self.on_orphan_outcome(told, outcome);
            }
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
        self.note_reached(&mut call, told.route.remote.ip(), &response.headers);
        self.take_interval(&mut call, &response.headers, settings);
        let sdp = answer_of(&response.headers, &response.body);
        let agreed = match (&mut call.media, sdp) {
            (Some(media), Some(sdp)) => {
                media.held_by_us = hold;
                let agreed = media.take_answer(0, &sdp, sends).map_err(|mismatch| mismatch.to_string());
                media.close_offer();
                agreed
            }
            (Some(_) | None, _) => Err("the answer to the re-INVITE brings no session description".to_owned()),
        };
        self.conclude_exchange(call, &before, agreed, settings);
    }

    fn on_reinvite_refused(
        &mut self,
        mut call: Call,
        told: &Told,
        response: &Response,
        (hold, why): (bool, Why),
        settings: &StackSettings,
    ) {
        let status = response.status;
        if let Some(media) = &mut call.media {
            media.close_offer();
        }
        if let State::Talking(talking) = &mut call.state {
            talking.ours = Ours::Idle;
        }
        if is_challenge(status) {
            return self.on_reinvite_challenge(call, response, (hold, why), settings);
        }
        if why == Why::Refresh {
            return self.on_refresh_refused(call, told, response, settings);
        }
        match status {
            StatusCode::REQUEST_PENDING => self.back_off(call, (hold, why)),
            StatusCode::SESSION_INTERVAL_TOO_SMALL if call.interval.raise(&response.headers, &told.request.headers) => {
                call.auth.begin();
                self.send_reinvite(call, (hold, why), settings);
            }
            // RFC 3261 14.1: the dialog is gone at the far end.
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.leave(call, status.code(), &in_words(response), EndedBy::Network);
            }
            // RFC 3261 14.1: everything stays as it was, as far as the far end is concerned.
            _ if why == Why::Move => self.go_on(call, settings),
            _ => self.hold_failed(call, status.code(), in_words(response), settings),
        }
    }

    pub(super) fn hold_failed(&mut self, call: Call, status: u16, reason: String, settings: &StackSettings) {
        self.drop_waiting_referral(call.identity, status, &format!("the call cannot be held: {reason}"));
        self.tell(Event::HoldFailed { call: call.identity, status, reason });
        self.go_on(call, settings);
    }

    fn on_reinvite_challenge(&mut self, mut call: Call, response: &Response, (hold, why): (bool, Why), settings: &StackSettings) {
        let Some(own) = line_of(settings, call.line) else { return self.put_call(call) };
        match call.auth.on_challenge(response, own) {
            Ok(()) => self.send_reinvite(call, (hold, why), settings),
            Err(_) if why == Why::Refresh => self.refresh_session_later(call, settings),
            Err(_) if why == Why::Move => self.go_on(call, settings),
            Err(failure) => self.hold_failed(call, response.status.code(), failure.to_string(), settings),
        }
    }

    /// RFC 3261 14.1: who made the Call-ID waits 2.1 to 4 s, the other one 0 to 2 s, in steps of 10 ms.
    pub(super) fn back_off(&mut self, mut call: Call, (hold, why): (bool, Why)) {
        let milliseconds = if call.outgoing { 2100 + 10 * self.random.below(191) } else { 10 * self.random.below(201) };
        if let State::Talking(talking) = &mut call.state {
            talking.ours = Ours::Backoff { hold, why };
        }
        self.arm(TimerOwner::Call(call.identity), Timer::Glare, Duration::from_millis(milliseconds));
        self.put_call(call);
    }

    /// Once more, unless the user wants something else by now.
    pub(super) fn on_glare_over(&mut self, mut call: Call, settings: &StackSettings) {
        if let State::Talking(talking) = &mut call.state
            && let Ours::Backoff { hold, why } = talking.ours
        {
            talking.ours = Ours::Idle;
            match why {
                Why::Wish => talking.wish = talking.wish.or(Some(hold)),
                Why::Refresh => call.interval.due = true,
                Why::Move => talking.ours = Ours::Moving,
            }
        }
        self.go_on(call, settings);
    }
}
