//! Refreshing a session (RFC 4028 sections 7.4, 8 and 10): when, by what, and its end when nobody refreshes.
//!
//! ```text
//!   2xx with Session-Expires --> SessionRefresh (ours, half the interval) -- free: UPDATE or re-INVITE -- 2xx: from the top
//!                           \                                                    |  481, 408, no answer: BYE
//!                            \--> SessionEnds: BYE                               |  422: again, longer; 491: Backoff
//!                                                                                |  405, 501: no more UPDATE; other: a little later
//! ```

use std::time::Duration;

use agreements::CallIdentity;
use sip_wire::{HeaderName, Headers, Method, Request, Response, StatusCode};

use super::interval::Agreed;
use super::reinvite::{Ours, Why};
use super::{Call, SessionInterval, State};
use crate::auth::is_challenge;
use crate::client::{Outcome, Told};
use crate::interface::{EndedBy, SessionSettings, StackSettings};
use crate::registration::in_words;
use crate::servers::retry_after;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, TransactionId};

/// How long a refresh waits that was refused for the moment.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// When to try again what was refused for the moment: when the far end says (RFC 3261 20.33), but while there is a session to
/// refresh, for a try is worth more than the call's end.
fn wait_for(refusal: &Response, interval: &SessionInterval) -> Duration {
    let longest = interval.agreed().map_or(TRY_AGAIN, Agreed::longest_silence);
    retry_after(refusal).map_or(TRY_AGAIN, |wait| wait.clamp(TRY_AGAIN.min(longest), longest))
}

impl Stack {
    /// The interval begins anew, as a 2xx has just agreed it.
    pub(super) fn keep_session(&mut self, call: &Call) {
        let owner = TimerOwner::Call(call.identity);
        self.core.timers.disarm(owner, Timer::SessionRefresh);
        self.core.timers.disarm(owner, Timer::SessionEnds);
        let Some(agreed) = call.interval.agreed() else { return };
        if let Some(wait) = agreed.refresh_after() {
            self.arm(owner, Timer::SessionRefresh, wait);
        }
        self.arm(owner, Timer::SessionEnds, agreed.end_after());
    }

    /// The 2xx to a session request of ours.
    pub(super) fn take_interval(&mut self, call: &mut Call, answer: &Headers, settings: &StackSettings) {
        if let Some(own) = line_of(settings, call.line) {
            call.interval.take_answer(answer, &own.sessions);
            self.keep_session(call);
        }
    }

    /// Our 2xx to a session request of theirs.
    pub(super) fn answer_interval(&mut self, call: &mut Call, request: &Request, answer: &mut Response, settings: &StackSettings) {
        if let Some(own) = line_of(settings, call.line) {
            call.interval.answer(&request.headers, &mut answer.headers, &own.sessions);
            self.keep_session(call);
        }
    }

    /// 422 with the least that is taken (RFC 4028 section 9). False: nothing is wrong with the interval that is asked for.
    pub(super) fn refuse_interval(
        &mut self,
        id: TransactionId,
        request: &Request,
        tag: &str,
        interval: &SessionInterval,
        own: &SessionSettings,
    ) -> bool {
        let small = interval.is_too_small(&request.headers, own);
        if small {
            let mut response = self.response(request, StatusCode::SESSION_INTERVAL_TOO_SMALL, tag);
            response.headers.push(HeaderName::MIN_SE, SessionInterval::LEAST);
            self.respond(id, &response);
        }
        small
    }

    /// Half the interval is over, and refreshing is ours.
    pub(super) fn on_session_refresh(&mut self, mut call: Call, settings: &StackSettings) {
        call.interval.due = true;
        self.go_on(call, settings);
    }

    /// Nobody has refreshed.
    pub(super) fn on_session_ends(&mut self, call: Call) {
        self.leave(call, 408, "the session was not refreshed", EndedBy::Network);
    }

    /// Nothing is in the way of the refresh that is due.
    pub(super) fn refresh(&mut self, mut call: Call, settings: &StackSettings) {
        let Some(own) = line_of(settings, call.line) else { return self.put_call(call) };
        call.interval.due = false;
        call.auth.begin();
        if call.interval.refreshes_by_update(&own.sessions) {
            self.send_update(call, settings);
        } else {
            let hold = call.media.as_ref().is_some_and(|media| media.held_by_us);
            self.send_reinvite(call, (hold, Why::Refresh), settings);
        }
    }

    fn send_update(&mut self, mut call: Call, settings: &StackSettings) {
        let transaction = self.start_update(&mut call, settings);
        match (&mut call.state, transaction) {
            (State::Talking(talking), Some(transaction)) => {
                talking.ours = Ours::Updating { transaction };
                self.put_call(call);
            }
            (_, _) => self.refresh_session_later(call, settings),
        }
    }

    /// Without an offer: the session stays as it is (RFC 4028 section 7.4).
    fn start_update(&mut self, call: &mut Call, settings: &StackSettings) -> Option<TransactionId> {
        let own = line_of(settings, call.line)?;
        let contact = self.contact_of_call(call.line, call.flow?, call.anonymous)?;
        let dialog = call.dialog_mut()?;
        let peer = dialog.peer;
        let mut request = dialog.request(Method::UPDATE);
        request.headers.push(HeaderName::CONTACT, contact);
        self.add_abilities(&mut request.headers);
        self.declare(&mut request.headers, call.line, call.anonymous, peer);
        call.interval.ask_again(&mut request.headers, &own.sessions);
        call.auth.sign(&mut request, own, &mut self.random);
        self.start_client(Owner::Update(call.identity), call.line, peer, request)
    }

    /// What became of our UPDATE.
    pub(crate) fn on_update_outcome(&mut self, identity: CallIdentity, told: &Told, outcome: Outcome<'_>) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        if !matches!(talking.ours, Ours::Updating { transaction } if transaction == told.id) {
            return self.put_call(call);
        }
        match outcome {
            Outcome::Response(response) if response.status.is_provisional() => self.put_call(call),
            Outcome::Lost(reason) => self.on_unanswered(call, told, reason, &settings),
            Outcome::Response(response) => {
                talking.ours = Ours::Idle;
                if response.status.is_success() {
                    self.on_update_accepted(call, told, response, &settings);
                } else {
                    self.on_update_refused(call, told, response, &settings);
                }
            }
        }
    }

    fn on_update_accepted(&mut self, mut call: Call, told: &Told, response: &Response, settings: &StackSettings) {
        let (line, identity) = (call.line, call.identity);
        if let State::Talking(talking) = &mut call.state
            && talking.dialog.refresh_target(&response.headers)
        {
            self.settle_peer(line, identity, &mut talking.dialog);
        }
        self.note_reached(&mut call, told.route.remote.ip(), &response.headers);
        self.take_interval(&mut call, &response.headers, settings);
        self.go_on(call, settings);
    }

    fn on_update_refused(&mut self, mut call: Call, told: &Told, response: &Response, settings: &StackSettings) {
        let Some(own) = line_of(settings, call.line) else { return self.put_call(call) };
        match response.status {
            status if is_challenge(status) => match call.auth.on_challenge(response, own) {
                Ok(()) => self.send_update(call, settings),
                Err(_) => self.refresh_session_later(call, settings),
            },
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                call.interval.update_refused();
                self.refresh(call, settings);
            }
            _ => self.on_refresh_refused(call, told, response, settings),
        }
    }

    /// What a refresh meets by either method.
    pub(super) fn on_refresh_refused(&mut self, mut call: Call, told: &Told, response: &Response, settings: &StackSettings) {
        match response.status {
            StatusCode::SESSION_INTERVAL_TOO_SMALL if call.interval.raise(&response.headers, &told.request.headers) => {
                self.refresh(call, settings);
            }
            StatusCode::REQUEST_PENDING => {
                let hold = call.media.as_ref().is_some_and(|media| media.held_by_us);
                self.back_off(call, (hold, Why::Refresh));
            }
            status @ (StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT) => {
                self.leave(call, status.code(), &in_words(response), EndedBy::Network);
            }
            _ => {
                let (identity, wait) = (call.identity, wait_for(response, &call.interval));
                self.go_on(call, settings);
                self.arm(TimerOwner::Call(identity), Timer::SessionRefresh, wait);
            }
        }
    }

    /// Not now; the end of the session stays where it is.
    pub(super) fn refresh_session_later(&mut self, call: Call, settings: &StackSettings) {
        self.arm(TimerOwner::Call(call.identity), Timer::SessionRefresh, TRY_AGAIN);
        // What has waited for the refresh waits no longer.
        self.go_on(call, settings);
    }
}
