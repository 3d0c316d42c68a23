//! A call of theirs until it is answered or refused (RFC 3261 section 13.3, CANCEL as in 9.2).

use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use sip_wire::{HeaderName, Method, Request, Response, RetryAfter, StatusCode, Warning};

use super::body::{add_sdp, sdp_of};
use super::reinvite::Ours;
use super::reliable::{knows_reliable, requires_reliable};
use super::talking::Answered;
use super::{Call, Exchange, Offered, SessionInterval, State, Talking, why};
use crate::dialog::Dialog;
use crate::interface::{EndedBy, Event, LineSettings, StackSettings};
use crate::media::{MediaMismatch, MediaSession, Offer, no_playable_codec, usable_codecs};
use crate::receive::Arrived;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Machine, Owner, ServerKey, TransactionId};

/// Seconds that an INVITE waits for its answer at most: a caller that has vanished sends no CANCEL.
const LONGEST_RINGING: u32 = 600;
/// How often a proxy on the way is told that the phone still rings: it gives an INVITE up after three minutes of silence
/// (RFC 3261 13.3.1.1, 16.8).
const RING_AGAIN: Duration = Duration::from_secs(60);
/// What an INVITE that finds no room is told to wait, in seconds.
const FULL_RETRY: u32 = 30;

impl Stack {
    /// An INVITE that begins a call.
    pub(crate) fn on_first_invite(&mut self, id: TransactionId, arrived: Arrived) {
        self.respond_status(id, StatusCode::TRYING, "");
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, arrived.line) else { return };
        if self.core.stopping || self.is_full() {
            return self.refuse_full(id, &arrived.request);
        }
        let Ok(sdp) = sdp_of(&arrived.request.headers, &arrived.request.body) else {
            let tag = self.random.token();
            return self.refuse_body(id, &arrived.request, &tag);
        };
        let tag = self.random.token();
        let Ok(dialog) = Dialog::as_callee(&arrived.request, &tag, arrived.source) else {
            return self.respond_status(id, StatusCode::BAD_REQUEST, &tag);
        };
        if self.refuse_interval(id, &arrived.request, &tag, &SessionInterval::default(), &own.sessions) {
            return;
        }
        let ours = usable_codecs(&settings, own);
        // Media is received by the socket's address, which is of the family of where the INVITE comes from.
        let family = arrived.source.remote.ip();
        let offer = match sdp.map(|sdp| MediaSession::read_first_offer(&sdp, &ours, family)).transpose() {
            Ok(None) | Err(MediaMismatch::NoCommonCodec(_)) if ours.is_empty() => {
                Err(MediaMismatch::NoCommonCodec(no_playable_codec(&own.codecs, &settings.playable)))
            }
            Err(MediaMismatch::Unreadable(_)) => return self.respond_status(id, StatusCode::BAD_REQUEST, &tag),
            offer => offer,
        };
        let replaces = match self.call_to_replace(&arrived) {
            Ok(replaces) => replaces,
            Err(status) => return self.respond_status(id, status, &tag),
        };
        let call = self.new_incoming(id, &arrived, (tag, dialog), replaces);
        match offer {
            Ok(offer) => self.take_in(call, &arrived, offer, own, &settings),
            Err(mismatch) => self.refuse_media(call, id, &arrived.request, &mismatch),
        }
    }

    /// The call, told to people.
    fn new_incoming(
        &mut self,
        id: TransactionId,
        arrived: &Arrived,
        (tag, dialog): (String, Dialog),
        replaces: Option<CallIdentity>,
    ) -> Call {
        let identity = self.name_call();
        let remote = self.caller_of(arrived, &dialog.remote);
        let sip_call_id = dialog.call_id.clone();
        let offered = Offered {
            invite: id,
            dialog,
            offer: None,
            body: None,
            answer_wanted: false,
            ring_wanted: false,
            exchange: Exchange::InAnswer,
            replaces,
            moved: false,
        };
        let mut call = Call::new(identity, arrived.line, false, State::Offered(offered));
        call.local_tag = tag;
        call.flow = Some(arrived.source.flow);
        call.remote = remote.clone();
        call.sip_call_id.clone_from(&sip_call_id);
        if let Some(transaction) = self.core.transactions.find_mut(id) {
            transaction.owner = Owner::Invite(identity);
        }
        self.tell(Event::Incoming { call: identity, line: arrived.line, remote, sip_call_id, replaces });
        self.tell_diverted(identity, arrived);
        self.tell_announced(identity, arrived);
        self.learn_appearance(&mut call, arrived);
        call
    }

    /// Media is asked for; the call waits for the user.
    fn take_in(&mut self, mut call: Call, arrived: &Arrived, offer: Option<Offer>, own: &LineSettings, settings: &StackSettings) {
        let media = self.open_media(settings, arrived.source);
        let State::Offered(offered) = &mut call.state else { return };
        let mut media = match media {
            Ok(media) => media,
            Err(reason) => {
                let (invite, tag) = (offered.invite, call.local_tag.clone());
                self.respond_status(invite, StatusCode::SERVER_INTERNAL_ERROR, &tag);
                return self.end(call, 500, &reason, EndedBy::Local);
            }
        };
        offered.body = offer.as_ref().and_then(|offer| media.answer(offer, settings, own));
        offered.offer = offer;
        let (line, identity) = (call.line, call.identity);
        let mut dialog = offered.dialog.clone();
        self.settle_peer(line, identity, &mut dialog);
        offered.dialog = dialog;
        call.media = Some(media);
        let expires = arrived.request.headers.expires().ok().flatten().filter(|expires| (1..LONGEST_RINGING).contains(expires));
        let expires = Duration::from_secs(expires.unwrap_or(LONGEST_RINGING).into());
        self.arm(TimerOwner::Call(identity), Timer::InviteExpires, expires);
        self.desire_and_wait(&mut call, settings);
        self.put_call(call);
    }

    fn refuse_full(&mut self, id: TransactionId, request: &Request) {
        let tag = self.random.token();
        let mut response = self.response(request, StatusCode::SERVICE_UNAVAILABLE, &tag);
        let again = RetryAfter { seconds: FULL_RETRY, comment: String::new(), params: sip_wire::Params::new() };
        response.headers.push(HeaderName::RETRY_AFTER, again);
        self.respond(id, &response);
    }

    /// 488 and a call that ends with the reason, so that people see why.
    fn refuse_media(&mut self, call: Call, id: TransactionId, request: &Request, mismatch: &MediaMismatch) {
        let response = self.not_acceptable(request, &call.local_tag, call.line, mismatch);
        self.respond(id, &response);
        self.end(call, 488, &mismatch.to_string(), EndedBy::Local);
    }

    /// 488 with a Warning (RFC 3261 20.43).
    pub(super) fn not_acceptable(&self, request: &Request, tag: &str, line: LineNumber, mismatch: &MediaMismatch) -> Response {
        let mut response = self.response(request, StatusCode::NOT_ACCEPTABLE_HERE, tag);
        let agent = self.core.flows.any_up(line).map_or_else(|| "phone".to_owned(), |local| local.to_string());
        response.headers.push(HeaderName::WARNING, Warning { code: mismatch.warning(), agent, text: mismatch.to_string() });
        response
    }

    /// `Command::Ring`: 180, which needs no media unless it must offer; again and again until the answer.
    pub(super) fn ring(&mut self, identity: CallIdentity) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let (State::Offered(offered), Some(own)) = (&mut call.state, line_of(&settings, call.line)) else {
            return self.put_call(call);
        };
        offered.ring_wanted = false;
        let invite = offered.invite;
        let request = self.core.transactions.find(invite).map(|transaction| transaction.request.clone());
        let Some(request) = request else { return self.put_call(call) };
        let again = if own.sessions.ring_again > 0 { Duration::from_secs(own.sessions.ring_again.into()) } else { RING_AGAIN };
        self.arm(TimerOwner::Call(identity), Timer::RingAgain, again);
        if own.sessions.reliable && knows_reliable(&request.headers) {
            if !offered.moved {
                return self.ring_reliably(call, &request, &settings);
            }
            // Its PRACK would go to the old address (RFC 3261 12.1.2: the first 18x says where), so it is not asked for.
            if requires_reliable(&request.headers) {
                return self.put_call(call);
            }
        }
        let mut response = self.response(&request, StatusCode::RINGING, &call.local_tag);
        self.add_dialog_headers(&mut response, &request, &call);
        self.respond(invite, &response);
        self.put_call(call);
    }

    /// What a response that makes a dialog carries (RFC 3261 12.1.1).
    pub(super) fn add_dialog_headers(&self, response: &mut Response, request: &Request, call: &Call) {
        response.headers.copy(HeaderName::RECORD_ROUTE, &request.headers);
        if let Some(contact) = call.flow.and_then(|flow| self.contact_of_call(call.line, flow, call.anonymous)) {
            response.headers.push(HeaderName::CONTACT, contact);
        }
        self.add_abilities(&mut response.headers);
        self.add_supported(&mut response.headers, call.line);
        if request.method.is_invite() {
            self.name_appearance(&mut response.headers, call);
        }
    }

    /// `Command::Answer`: 200 as soon as media is ready.
    pub(super) fn answer(&mut self, identity: CallIdentity) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let ready = call.media.as_ref().is_some_and(MediaSession::is_ready);
        match &mut call.state {
            State::Offered(_) if ready => self.accept(call, &settings),
            State::Offered(offered) => {
                offered.answer_wanted = true;
                self.put_call(call);
            }
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Talking(_) | State::Leaving(_) => {
                self.put_call(call);
            }
        }
    }

    /// The 200 leaves.
    pub(super) fn accept(&mut self, mut call: Call, settings: &StackSettings) {
        let State::Offered(offered) = call.state.clone() else { return self.put_call(call) };
        if offered.exchange == Exchange::OursIsOut {
            // RFC 3262 3: no 2xx while a description of ours is not acknowledged.
            call.state = State::Offered(Offered { answer_wanted: true, ..offered });
            return self.put_call(call);
        }
        let replaced = offered.replaces;
        if replaced.is_some_and(|replaced| !self.can_give_way(replaced)) {
            return self.refuse_offered(call, StatusCode::DECLINE, "the call that it would replace has ended", EndedBy::Network);
        }
        let invite = offered.invite;
        let request = self.core.transactions.find(invite).map(|transaction| transaction.request.clone());
        let own = line_of(settings, call.line);
        let (Some(request), Some(own), Some(media)) = (request, own, &mut call.media) else {
            return self.end(call, 500, "the INVITE is gone", EndedBy::Network);
        };
        media.open = true;
        let done = offered.exchange == Exchange::Done;
        let offer_open = offered.body.is_none() && !done;
        let body = (!done).then(|| offered.body.unwrap_or_else(|| media.offer(settings, own, media.wish())));
        let mut response = self.response(&request, StatusCode::OK, &call.local_tag);
        self.add_dialog_headers(&mut response, &request, &call);
        if let Some(body) = body {
            add_sdp(&mut response.headers, &mut response.body, body);
        }
        self.answer_interval(&mut call, &request, &mut response, settings);
        self.stop_reliable(&call);
        for timer in [Timer::InviteExpires, Timer::RingAgain] {
            self.core.timers.disarm(TimerOwner::Call(call.identity), timer);
        }
        let mut talking = Talking::new(offered.dialog);
        if offered.moved {
            // What the far end has heard of us before says another address.
            talking.ours = Ours::Moving;
        }
        talking.unacked = self.answer_and_repeat(call.identity, invite, &request, &response, Answered { offer_open });
        call.state = State::Talking(talking);
        self.desire(&mut call, settings);
        self.tell_established(&call);
        self.put_call(call);
        if let Some(replaced) = replaced {
            self.give_way(replaced);
        }
    }

    /// `Command::Reject`.
    pub(super) fn reject(&mut self, identity: CallIdentity, status: u16) {
        let Some(call) = self.take_call(identity) else { return };
        let status = StatusCode::new(status).filter(|status| status.is_failure()).unwrap_or(StatusCode::DECLINE);
        match &call.state {
            State::Offered(_) => self.refuse_offered(call, status, status.reason(), EndedBy::Local),
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Talking(_) | State::Leaving(_) => {
                self.put_call(call);
            }
        }
    }

    /// The final answer to an INVITE that nobody took.
    pub(super) fn refuse_offered(&mut self, call: Call, status: StatusCode, reason: &str, by: EndedBy) {
        if let State::Offered(offered) = &call.state {
            let (invite, tag) = (offered.invite, call.local_tag.clone());
            self.respond_status(invite, status, &tag);
        }
        self.end(call, status.code(), reason, by);
    }

    /// The INVITE's Expires has passed (RFC 3261 13.3.1), or what it is given after a move.
    pub(super) fn on_invite_expired(&mut self, call: Call) {
        if matches!(call.state, State::Offered(Offered { moved: true, .. })) {
            let reason = "it was not answered in time after this phone's address had changed";
            return self.refuse_offered(call, StatusCode::TEMPORARILY_UNAVAILABLE, reason, EndedBy::Network);
        }
        self.refuse_offered(call, StatusCode::REQUEST_TERMINATED, "the caller's time is over", EndedBy::Network);
    }

    /// CANCEL (RFC 3261 9.2): 200 for itself, 487 for an INVITE that is not answered yet; too late otherwise.
    pub(crate) fn on_cancel(&mut self, id: TransactionId, key: &ServerKey, cancel: &Request) {
        let invite = self.core.transactions.server(&key.with_method(Method::INVITE.as_str()));
        let found = invite.and_then(|invite| Some((invite, self.core.transactions.find(invite)?.clone())));
        let Some((invite, transaction)) = found else {
            // RFC 3261 9.2: for an INVITE that has been answered it is taken, and does nothing.
            let over = self.core.settled.find(&key.with_method(Method::INVITE.as_str())).is_some();
            let status = if over { StatusCode::OK } else { StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST };
            return self.respond_status(id, status, "");
        };
        let tag = match transaction.owner {
            Owner::Invite(call) | Owner::Reinvite(call) => {
                self.core.calls.get(&call).map(|call| call.local_tag.clone()).unwrap_or_default()
            }
            Owner::Registration(_) | Owner::Update(_) | Owner::Prack(_) | Owner::Info(_) | Owner::Probe(_) => String::new(),
            Owner::Bye(_) | Owner::Cancel(_) | Owner::Subscription(_) | Owner::Goodbye(_) | Owner::Nobody => String::new(),
            Owner::Refer(_) | Owner::ReferNotify(_) => String::new(),
        };
        self.respond_status(id, StatusCode::OK, &tag);
        let answered = matches!(&transaction.machine, Machine::ServerInvite(machine) if machine.is_final());
        match transaction.owner {
            Owner::Invite(call) if !answered => self.on_cancelled(call, &why::they_gave_up(&cancel.headers)),
            Owner::Reinvite(call) if !answered => self.on_reinvite_cancelled(call, invite),
            Owner::Invite(_) | Owner::Reinvite(_) => {}
            Owner::Registration(_) | Owner::Update(_) | Owner::Prack(_) | Owner::Info(_) | Owner::Probe(_) => {}
            Owner::Bye(_) | Owner::Cancel(_) | Owner::Subscription(_) | Owner::Goodbye(_) | Owner::Nobody => {}
            Owner::Refer(_) | Owner::ReferNotify(_) => {}
        }
    }

    fn on_cancelled(&mut self, identity: CallIdentity, reason: &str) {
        let Some(call) = self.take_call(identity) else { return };
        match &call.state {
            State::Offered(_) => {
                self.refuse_offered(call, StatusCode::REQUEST_TERMINATED, reason, EndedBy::Remote);
            }
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Talking(_) | State::Leaving(_) => {
                self.put_call(call);
            }
        }
    }
}
