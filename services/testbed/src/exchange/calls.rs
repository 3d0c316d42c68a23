//! Calls of the extensions: INVITE, ACK, CANCEL and BYE from the phone, and calls that we make.

use std::net::SocketAddr;
use std::sync::Arc;

use sip_wire::sdp::Session;
use sip_wire::{CSeq, HeaderError, HeaderName, MediaType, Method, NameAddr, Request, Response, StatusCode, Uri};
use tokio::time::Instant;

use super::call::{Call, Role};
use super::echo::Echo;
use super::engine::{CALLS, Engine};
use super::requests::Route;
use super::transactions::{Client, RINGING, Server, client_key, server_key};
use super::{ExchangeError, Progress, description};

impl Engine {
    pub(super) fn on_invite(
        &mut self,
        key: &str,
        request: &Request,
        source: SocketAddr,
        now: Instant,
    ) -> Result<Option<Response>, HeaderError> {
        if request.headers.to()?.tag().is_some() {
            return self.on_reinvite(key, request, now);
        }
        let extension = request.uri.user_decoded().unwrap_or_default().into_owned();
        let role = match extension.as_str() {
            "100" => Role::Echo,
            "101" => Role::CallBack,
            "102" => Role::RingOnly,
            "103" => Role::Echo,
            _ => return Ok(Some(request.response(StatusCode::NOT_FOUND))),
        };
        let user = match self.caller(request, now)? {
            Ok(user) => user,
            Err(answer) => return Ok(Some(answer)),
        };
        if extension == "103" {
            return Ok(Some(request.response(StatusCode::BUSY_HERE)));
        }
        let Some(mut call) = self.incoming(key, request, source, user, extension, role)? else {
            return Ok(Some(request.response(StatusCode::SERVICE_UNAVAILABLE)));
        };
        if role == Role::RingOnly {
            call.hangs_up_at = Some(now + RINGING);
            self.ring(request, &call, now);
            self.calls.push(call);
            return Ok(None);
        }
        let Some(answer) = self.answered(request, &mut call) else {
            return Ok(Some(not_acceptable(request, self.local)));
        };
        self.ring(request, &call, now);
        self.counters.answered = self.counters.answered.saturating_add(1);
        self.respond(key, answer, Some(call.number), now);
        self.calls.push(call);
        Ok(None)
    }
    /// A call from a first INVITE; none when a bound is reached.
    fn incoming(
        &mut self,
        key: &str,
        request: &Request,
        source: SocketAddr,
        user: String,
        extension: String,
        role: Role,
    ) -> Result<Option<Call>, HeaderError> {
        let headers = &request.headers;
        let Some(contact) = headers.contact()?.first().cloned() else {
            return Err(HeaderError::Missing(HeaderName::CONTACT));
        };
        let (remote, cseq) = (headers.from()?, headers.cseq()?);
        let (local, call_id) = (headers.to()?, headers.call_id()?.to_owned());
        let routes = headers.record_route()?;
        let Some(echo) = self.new_echo() else { return Ok(None) };
        let number = self.next_number();
        let tag = self.random.token();
        Ok(Some(Call {
            number,
            user,
            extension,
            role,
            progress: Progress::Ringing,
            call_id,
            local: local.with_tag(&tag),
            remote,
            target: contact.uri,
            routes,
            source,
            cseq: 0,
            invite_cseq: 0,
            reinvites: 0,
            their_invite: cseq.number,
            invite_key: key.to_owned(),
            echo,
            session_id: self.random.number() >> 32,
            session_version: 0,
            hangs_up_at: None,
            ending: false,
        }))
    }
    fn new_echo(&mut self) -> Option<Echo> {
        if self.calls.len() >= CALLS {
            return None;
        }
        let ssrc = u32::try_from(self.random.number() >> 32).unwrap_or_default();
        Echo::start(self.local.ip(), ssrc, Arc::clone(&self.media_news))
    }
    fn next_number(&mut self) -> u64 {
        self.last_call = self.last_call.saturating_add(1);
        self.last_call
    }
    fn ring(&mut self, request: &Request, call: &Call, now: Instant) {
        let mut ringing = request.response(StatusCode::RINGING);
        ringing.headers.set(HeaderName::TO, &call.local);
        ringing.headers.push(HeaderName::CONTACT, NameAddr::new(self.contact(&call.extension)));
        ringing.headers.copy(HeaderName::RECORD_ROUTE, &request.headers);
        self.respond(&call.invite_key, ringing, None, now);
    }
    /// The 200 to an INVITE: an answer to its offer, or an offer where it has none. None when nothing fits.
    fn answered(&mut self, request: &Request, call: &mut Call) -> Option<Response> {
        let media = SocketAddr::new(self.local.ip(), call.echo.port);
        call.session_version = call.session_version.saturating_add(1);
        let session = if request.body.is_empty() {
            description::offer(media, call.session_id)
        } else {
            let offer = Session::parse(&request.body).ok()?;
            let answer = description::answer(&offer, media, call.session_id, call.session_version)?;
            call.echo.set_sending(answer.sends);
            answer.session
        };
        call.progress = Progress::Answered;
        let mut ok = request.response(StatusCode::OK);
        ok.headers.set(HeaderName::TO, &call.local);
        ok.headers.copy(HeaderName::RECORD_ROUTE, &request.headers);
        ok.headers.push(HeaderName::CONTACT, NameAddr::new(self.contact(&call.extension)));
        ok.headers.push(HeaderName::CONTENT_TYPE, MediaType::sdp());
        ok.body = session.to_bytes();
        Some(ok)
    }
    /// Hold, resume and target refresh (RFC 3261 section 14.2).
    fn on_reinvite(&mut self, key: &str, request: &Request, now: Instant) -> Result<Option<Response>, HeaderError> {
        let Some(index) = self.call_of(request)? else {
            return Ok(Some(request.response(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)));
        };
        let (cseq, contact) = (request.headers.cseq()?, request.headers.contact()?);
        let mut call = self.calls.swap_remove(index);
        let answer = match cseq.number {
            old if old <= call.their_invite => Err(StatusCode::SERVER_INTERNAL_ERROR),
            new => {
                call.their_invite = new;
                call.reinvites = call.reinvites.saturating_add(1);
                if let Some(contact) = contact.first() {
                    call.target = contact.uri.clone();
                }
                self.answered(request, &mut call).ok_or(StatusCode::NOT_ACCEPTABLE_HERE)
            }
        };
        let number = call.number;
        call.invite_key = key.to_owned();
        self.calls.push(call);
        match answer {
            Ok(answer) => {
                self.respond(key, answer, Some(number), now);
                Ok(None)
            }
            Err(StatusCode::NOT_ACCEPTABLE_HERE) => Ok(Some(not_acceptable(request, self.local))),
            Err(status) => Ok(Some(request.response(status))),
        }
    }
    /// The call of an in-dialog request.
    fn call_of(&self, request: &Request) -> Result<Option<usize>, HeaderError> {
        for (index, call) in self.calls.iter().enumerate() {
            if call.owns(&request.headers)? && !call.is_ended() {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
    pub(super) fn call_mut(&mut self, number: u64) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.number == number)
    }
    /// The ACK of a 2xx; it has a branch of its own.
    pub(super) fn on_ack(&mut self, request: Request, routed: bool, now: Instant) {
        if self.on_talking(&request, now) {
            return;
        }
        if let Ok(Route::There(target, to)) = self.route(&request, routed) {
            self.hand_on(Request { uri: target, ..request }, to);
        }
    }
    /// An ACK, if it belongs to one of our calls: says whether it does.
    pub(super) fn on_talking(&mut self, ack: &Request, now: Instant) -> bool {
        let Ok(Some(index)) = self.call_of(ack) else { return false };
        let Some(call) = self.calls.get_mut(index) else { return false };
        if let Ok(answer) = Session::parse(&ack.body) {
            call.echo.set_sending(description::sends_by(&answer));
        }
        if call.progress == Progress::Answered {
            call.progress = Progress::Talking;
            call.hangs_up_at = (call.role == Role::CallBack).then(|| now + self.options.call_back_after);
        }
        let invite = call.invite_key.clone();
        self.transactions.acknowledge(&invite);
        true
    }
    /// RFC 3261 section 9.2.
    pub(super) fn on_cancel(&mut self, key: &str, request: &Request, now: Instant) -> Result<Option<Response>, HeaderError> {
        let via = request.headers.top_via()?;
        let invite = server_key(request, &via, &Method::INVITE)?;
        match self.transactions.server_mut(&invite) {
            None => return Ok(Some(request.response(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST))),
            Some(Server::Forwarded(target, to)) => {
                let (uri, to) = (target.clone(), *to);
                self.transactions.forwarded(key, uri.clone(), to);
                self.hand_on(Request { uri, ..request.clone() }, to);
                return Ok(None);
            }
            Some(Server::Waiting | Server::Answered(_)) => {}
        }
        let ringing = self.calls.iter().position(|call| call.invite_key == invite && call.progress == Progress::Ringing);
        if let Some(call) = ringing.and_then(|index| self.calls.get_mut(index)) {
            call.progress = Progress::Ended(487);
            let (mut refused, local) = (request.response(StatusCode::REQUEST_TERMINATED), call.local.clone());
            refused.headers.set(HeaderName::TO, local);
            refused.headers.set(HeaderName::CSEQ, CSeq::new(request.headers.cseq()?.number, Method::INVITE));
            self.respond(&invite, refused, None, now);
        }
        Ok(Some(request.response(StatusCode::OK)))
    }
    pub(super) fn on_bye(&mut self, request: &Request, now: Instant) -> Result<Response, HeaderError> {
        let Some(index) = self.call_of(request)? else {
            return Ok(request.response(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
        };
        let ended = self.calls.get_mut(index).map(|call| {
            call.progress = Progress::Ended(200);
            (call.role, call.user.clone())
        });
        if let Some((Role::CallBack, user)) = ended {
            self.call_back(&user, now);
        }
        Ok(request.response(StatusCode::OK))
    }
    /// Rings a registered user from 101.
    pub(super) fn call(&mut self, user: &str, now: Instant) -> Result<u64, ExchangeError> {
        let binding = self.bindings.newest(user).cloned().ok_or_else(|| ExchangeError::NotRegistered(user.to_owned()))?;
        let echo = self.new_echo().ok_or(ExchangeError::Full)?;
        let domain = |user: &str| domain_uri(user, &self.options.realm, self.local);
        let (ours, theirs) = (domain("101"), domain(user));
        let local = NameAddr::new(ours).with_display_name("Lab Exchange").with_tag(&self.random.token());
        let branch = self.random.branch();
        let key = client_key(&branch, &Method::INVITE);
        let mut call = Call {
            number: self.next_number(),
            user: user.to_owned(),
            extension: "101".to_owned(),
            role: Role::Outgoing,
            progress: Progress::Dialling,
            call_id: format!("{}@{}", self.random.token(), self.options.realm),
            local,
            remote: NameAddr::new(theirs),
            target: binding.contact.clone(),
            routes: Vec::new(),
            source: binding.destination(),
            cseq: 0,
            invite_cseq: 1,
            reinvites: 0,
            their_invite: 0,
            invite_key: key.clone(),
            echo,
            session_id: self.random.number() >> 32,
            session_version: 1,
            hangs_up_at: None,
            ending: false,
        };
        let mut invite = call.request(Method::INVITE, self.local, &branch);
        invite.headers.push(HeaderName::CONTACT, NameAddr::new(self.contact("101")));
        invite.headers.push(HeaderName::ALLOW, "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO");
        invite.headers.push(HeaderName::CONTENT_TYPE, MediaType::sdp());
        invite.body = description::offer(SocketAddr::new(self.local.ip(), call.echo.port), call.session_id).to_bytes();
        let (number, destination) = (call.number, call.destination());
        if !self.request(key, invite, destination, number, now) {
            return Err(ExchangeError::Full);
        }
        self.counters.dialled = self.counters.dialled.saturating_add(1);
        self.calls.push(call);
        Ok(number)
    }
    /// Ends a call by what its state wants: CANCEL, BYE, or a final answer.
    pub(super) fn hang_up(&mut self, number: u64, now: Instant) {
        let Some(call) = self.call_mut(number) else { return };
        call.hangs_up_at = None;
        match (call.role, call.progress) {
            (_, Progress::Ended(_)) => {}
            (Role::Outgoing, Progress::Dialling) => call.ending = true,
            (Role::Outgoing, Progress::Ringing) => {
                call.ending = true;
                let key = call.invite_key.clone();
                self.cancel(&key, number, now);
            }
            (_, Progress::Ringing) => {
                call.progress = Progress::Ended(480);
                let (key, local) = (call.invite_key.clone(), call.local.clone());
                self.give_up_ringing(&key, local, now);
            }
            (_, Progress::Answered | Progress::Talking | Progress::Dialling) => self.bye(number, now),
        }
    }
    /// The final answer to an INVITE that only rang, made from the 180 that was sent.
    fn give_up_ringing(&mut self, key: &str, local: NameAddr, now: Instant) {
        let Some(Server::Answered(ringing)) = self.transactions.server_mut(key) else { return };
        let Ok(sip_wire::Message::Response(mut answer)) = sip_wire::parse_datagram(&ringing.bytes) else { return };
        answer.status = StatusCode::TEMPORARILY_UNAVAILABLE;
        answer.reason = answer.status.reason().to_owned();
        answer.headers.remove(HeaderName::CONTACT);
        answer.headers.set(HeaderName::TO, local);
        self.respond(key, answer, None, now);
    }
    fn bye(&mut self, number: u64, now: Instant) {
        let (branch, local) = (self.random.branch(), self.local);
        let Some(call) = self.call_mut(number) else { return };
        let (request, to) = (call.request(Method::BYE, local, &branch), call.destination());
        call.progress = Progress::Ended(200);
        let called_back = (call.role == Role::CallBack).then(|| call.user.clone());
        self.request(client_key(&branch, &Method::BYE), request, to, number, now);
        if let Some(user) = called_back {
            self.call_back(&user, now);
        }
    }
    /// CANCEL of our INVITE: its Request-URI, Call-ID, To, number of CSeq, From and topmost Via (RFC 3261 section 9.1).
    pub(super) fn cancel(&mut self, invite_key: &str, number: u64, now: Instant) {
        let Some(client) = self.transactions.client(invite_key) else { return };
        let (invite, destination) = (client.request.clone(), client.destination);
        let (Ok(via), Ok(cseq)) = (invite.headers.top_via(), invite.headers.cseq()) else { return };
        let mut cancel = Request::new(Method::CANCEL, invite.uri.clone());
        cancel.headers.push(HeaderName::VIA, &via);
        cancel.headers.push(HeaderName::MAX_FORWARDS, 70);
        for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID] {
            cancel.headers.copy(name, &invite.headers);
        }
        cancel.headers.push(HeaderName::CSEQ, CSeq::new(cseq.number, Method::CANCEL));
        let key = client_key(via.branch().unwrap_or_default(), &Method::CANCEL);
        self.request(key, cancel, destination, number, now);
    }
    /// Nobody answered: a call that was dialled is over, one that rang too long is cancelled.
    pub(super) fn on_unanswered(&mut self, client: &Client, now: Instant) {
        if !client.request.method.is_invite() {
            return;
        }
        if client.answered && self.keep_for_cancel(client, now) {
            return;
        }
        if let Some(call) = self.call_mut(client.call) {
            call.progress = Progress::Ended(408);
        }
    }
    /// The INVITE goes back into the table once, so that its CANCEL and the 487 find it.
    fn keep_for_cancel(&mut self, client: &Client, now: Instant) -> bool {
        let Some(call) = self.call_mut(client.call).filter(|call| !call.ending && !call.is_ended()) else { return false };
        call.ending = true;
        let key = call.invite_key.clone();
        self.transactions.begin_client(key.clone(), client.request.clone(), client.destination, client.call, now);
        self.transactions.provisional(&key, now);
        self.cancel(&key, client.call, now);
        true
    }
}

fn domain_uri(user: &str, realm: &str, local: SocketAddr) -> Uri {
    let host = realm.parse().unwrap_or(sip_wire::Host::Ip(local.ip()));
    Uri::sip(Some(user), host, None)
}

/// 488 with the reason (RFC 3261 section 20.43).
fn not_acceptable(request: &Request, local: SocketAddr) -> Response {
    let mut answer = request.response(StatusCode::NOT_ACCEPTABLE_HERE);
    answer.headers.push(HeaderName::WARNING, format_args!("305 {local} \"No codec in common\""));
    answer
}
