//! A call of ours until it is answered or refused (RFC 3261 section 13.2, forking as in 13.2.2.4); what is provisional is in `early`,
//! CANCEL in `takeback`.

use std::time::Duration;

use agreements::{CallIdentity, Correlation, LineNumber};
use sip_wire::{CSeq, HeaderName, Method, NameAddr, Request, Response, StatusCode};

use super::body::{add_sdp, answer_of};
use super::redirected::Fate;
use super::{Call, Cancel, Inviting, State, Talking, why};
use crate::addresses;
use crate::auth::is_challenge;
use crate::client::{Outcome, Told};
use crate::dialog::Dialog;
use crate::identity;
use crate::interface::{EndedBy, Event, LineSettings, QueryId, StackSettings};
use crate::locate::{Asker, Located, Routes};
use crate::media::{MediaMismatch, no_playable_codec, usable_codecs};
use crate::referral::{Referred, add_referred};
use crate::registration::in_words;
use crate::servers::retry_after;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Acknowledged, Machine, Owner, Route};

/// Who has a call made, and as what.
struct Made {
    correlation: Correlation,
    referred: Option<Box<Referred>>,
    appearance: Option<u32>,
}

/// The user ended it.
const ENDED_HERE: &str = "ended here";
/// Contact or Record-Route of the 2xx does not say where the far end is.
const UNREADABLE: &str = "the answer cannot be read";

impl Stack {
    /// `Command::Dial`. Whatever is wrong ends the call with the reason.
    pub(super) fn dial(
        &mut self,
        identity: CallIdentity,
        line: LineNumber,
        target: &str,
        (correlation, appearance): (Correlation, Option<u32>),
    ) {
        if self.core.calls.contains_key(&identity) {
            return;
        }
        let target = |own: &LineSettings| addresses::dialled(own, target);
        let made = Made { correlation, referred: None, appearance };
        if let Err((code, reason)) = self.try_dial(identity, line, target, made) {
            self.tell(Event::Ended { call: identity, code, reason, by: EndedBy::Local });
        }
    }

    /// A call that somebody else has asked for by REFER, who learns how it goes.
    pub(crate) fn dial_referred(
        &mut self,
        identity: CallIdentity,
        line: LineNumber,
        target: sip_wire::Uri,
        referred: Referred,
        correlation: Correlation,
    ) {
        let made = Made { correlation, referred: Some(Box::new(referred)), appearance: None };
        if let Err((code, reason)) = self.try_dial(identity, line, |_| Ok(target), made) {
            self.note_referred_end(identity, code, false);
            self.tell(Event::Ended { call: identity, code, reason, by: EndedBy::Local });
        }
    }

    fn try_dial(
        &mut self,
        identity: CallIdentity,
        line: LineNumber,
        target: impl FnOnce(&LineSettings) -> Result<sip_wire::Uri, String>,
        made: Made,
    ) -> Result<(), (u16, String)> {
        let plain = |reason: &str| (0, reason.to_owned());
        let settings = self.settings().ok_or_else(|| plain("there are no settings yet"))?;
        let own = line_of(&settings, line).filter(|own| own.enabled && !own.user.is_empty() && !self.core.stopping);
        let own = own.ok_or_else(|| plain("the line is not in use"))?;
        if self.is_full() {
            return Err(plain("there are too many calls"));
        }
        if usable_codecs(&settings, own).is_empty() {
            return Err((488, no_playable_codec(&own.codecs, &settings.playable)));
        }
        let target = target(own).map_err(|reason| (0, reason))?;
        let hop = self.call_hop(line, own, &target).ok_or_else(|| plain("the number leads nowhere"))?;
        match self.locate(line, &hop, Asker::Dial(identity)) {
            Located::Nowhere(reason) => return Err((0, reason)),
            Located::Asked(query) => {
                let mut call = Call::new(identity, line, true, State::Locating { query, target });
                call.made(made, own);
                self.put_call(call);
            }
            Located::At(routes) => {
                let route = routes.first;
                let mut call = Call::new(identity, line, true, State::Preparing { target, routes, told_ringback: None });
                call.made(made, own);
                self.prepare(call, route, &settings);
            }
        }
        Ok(())
    }

    /// The next hop's name was resolved, or not.
    pub(crate) fn on_dial_located(&mut self, identity: CallIdentity, query: QueryId, routes: Result<Routes, String>) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        match (&call.state, routes) {
            (State::Locating { query: asked, target }, Ok(routes)) if *asked == query => {
                let (target, route) = (target.clone(), routes.first);
                if call.media.is_some() {
                    return self.invite_elsewhere(call, target, routes, &settings);
                }
                call.state = State::Preparing { target, routes, told_ringback: None };
                self.prepare(call, route, &settings);
            }
            (State::Locating { query: asked, .. }, Err(reason)) if *asked == query => {
                self.go_elsewhere(call, Fate { code: 0, reason, by: EndedBy::Network }, &settings);
            }
            _ => self.put_call(call),
        }
    }

    fn prepare(&mut self, mut call: Call, route: Route, settings: &StackSettings) {
        call.flow = Some(route.flow);
        match self.open_media(settings, route) {
            Ok(mut media) => {
                media.open = true;
                call.media = Some(media);
                call.sip_call_id = self.random.token() + &self.random.token();
                call.local_tag = self.random.token();
                if let State::Preparing { target, .. } = &call.state {
                    call.remote = addresses::party(&NameAddr::new(addresses::as_to(target)));
                }
                self.desire_and_wait(&mut call, settings);
                self.put_call(call);
            }
            Err(reason) => self.end(call, 0, &reason, EndedBy::Local),
        }
    }

    /// Media is ready: the INVITE leaves.
    pub(super) fn send_invite(&mut self, mut call: Call, settings: &StackSettings) {
        let State::Preparing { target, routes: Routes { first: route, others }, told_ringback } = call.state.clone() else {
            return self.put_call(call);
        };
        call.auth.begin();
        let number = call.elsewhere.next_number();
        let Some(request) = self.invite_request(&mut call, settings, &target, route, number) else {
            return self.end(call, 0, "the INVITE cannot be made", EndedBy::Local);
        };
        let Some(invite) = self.start_client(Owner::Invite(call.identity), call.line, route, request) else {
            return self.end(call, 0, "too many requests are open", EndedBy::Local);
        };
        let cancel = Cancel::No;
        call.state = State::Inviting(Inviting {
            target,
            route,
            several: !others.is_empty(),
            others,
            invite,
            number,
            provisional: false,
            told_ringback,
            cancel,
            early: Vec::new(),
        });
        let expires = line_of(settings, call.line).map_or(0, |own| own.invite_expires);
        if number == 1 {
            if expires > 0 {
                self.arm(TimerOwner::Call(call.identity), Timer::DialExpires, Duration::from_secs(expires.into()));
            }
            self.tell(Event::Dialing { call: call.identity, sip_call_id: call.sip_call_id.clone() });
        }
        self.put_call(call);
    }

    pub(super) fn invite_request(
        &mut self,
        call: &mut Call,
        settings: &StackSettings,
        target: &sip_wire::Uri,
        route: Route,
        number: u32,
    ) -> Option<Request> {
        let own = line_of(settings, call.line)?;
        let mut request = Request::new(Method::INVITE, target.clone());
        let headers = &mut request.headers;
        for route in self.call_routes(call.line, own) {
            headers.push(HeaderName::ROUTE, route);
        }
        headers.push(HeaderName::MAX_FORWARDS, 70);
        headers.push(HeaderName::FROM, identity::from(own, call.anonymous).with_tag(&call.local_tag));
        headers.push(HeaderName::TO, NameAddr::new(addresses::as_to(call.elsewhere.dialled().unwrap_or(target))));
        headers.push(HeaderName::CALL_ID, &call.sip_call_id);
        headers.push(HeaderName::CSEQ, CSeq::new(number, Method::INVITE));
        headers.push(HeaderName::CONTACT, self.contact_of_call(call.line, route.flow, call.anonymous)?);
        if own.invite_expires > 0 {
            headers.push(HeaderName::EXPIRES, own.invite_expires);
        }
        self.add_abilities(headers);
        self.declare(headers, call.line, call.anonymous, route);
        self.name_appearance(headers, call);
        self.add_supported(headers, call.line);
        call.interval.ask(headers, &own.sessions);
        if let Some(referred) = &call.referred {
            add_referred(headers, referred);
        }
        let media = call.media.as_mut()?;
        let sdp = media.offer(settings, own, media.wish());
        add_sdp(&mut request.headers, &mut request.body, sdp);
        call.auth.sign(&mut request, own, &mut self.random);
        Some(request)
    }

    /// What became of the first INVITE.
    pub(crate) fn on_invite_outcome(&mut self, identity: CallIdentity, told: &Told, outcome: Outcome<'_>) {
        let Some(settings) = self.settings() else { return };
        let Some(call) = self.take_call(identity) else {
            return self.on_orphan_outcome(told, outcome);
        };
        let current = matches!(&call.state, State::Inviting(inviting) if inviting.invite == told.id);
        match outcome {
            Outcome::Response(response) if !current => {
                // Answered elsewhere as well, after the call went on with another To-tag (RFC 3261 13.2.2.4).
                self.put_call(call);
                self.on_orphan_outcome(told, Outcome::Response(response));
            }
            Outcome::Lost(_) if !current => self.put_call(call),
            Outcome::Lost(reason) => {
                let left = self.try_elsewhere(call, &settings, None).and_then(|call| self.try_another_way(call));
                if let Some(call) = left {
                    let fate = Fate { code: 408, reason: reason.to_owned(), by: EndedBy::Network };
                    self.go_elsewhere(call, fate, &settings);
                }
            }
            Outcome::Response(response) if response.status.is_provisional() => self.on_progress(call, told, response, &settings),
            Outcome::Response(response) if response.status.is_success() => self.on_answered(call, told, response, &settings),
            Outcome::Response(response) => self.on_refused(call, told, response, &settings),
        }
    }

    fn on_progress(&mut self, mut call: Call, told: &Told, response: &Response, settings: &StackSettings) {
        let State::Inviting(inviting) = &mut call.state else { return self.put_call(call) };
        inviting.provisional = true;
        if inviting.cancel == Cancel::WhenProvisional {
            self.send_cancel(&mut call);
        } else if !call.ended && response.status.code() > 100 {
            self.on_early(&mut call, told, response, settings);
        }
        self.put_call(call);
    }

    /// 2xx: the ACK goes at once; what the user has taken back meanwhile gets a BYE (RFC 3261 9.1, 13.2.2.4).
    fn on_answered(&mut self, mut call: Call, told: &Told, response: &Response, settings: &StackSettings) {
        let State::Inviting(inviting) = &call.state else { return self.put_call(call) };
        let taken_back = inviting.cancel != Cancel::No || call.ended;
        let read = Dialog::as_caller(&told.request, response, told.route);
        let readable = read.is_ok();
        let Ok(mut dialog) = read.or_else(|_| Dialog::as_far_as_readable(&told.request, response, told.route)) else {
            return self.end(call, 0, UNREADABLE, EndedBy::Network);
        };
        // PRACK and UPDATE have counted on in the early dialog.
        if let Some(early) = inviting.early.iter().find_map(|early| early.dialog.as_ref().filter(|one| one.remote == dialog.remote))
        {
            (dialog.local_seq, dialog.remote_seq) = (dialog.local_seq.max(early.local_seq), early.remote_seq);
        }
        for timer in [Timer::CancelLost, Timer::DialExpires] {
            self.core.timers.disarm(TimerOwner::Call(call.identity), timer);
        }
        if !readable {
            self.acknowledge(told, &dialog, response);
            call.state = State::Talking(Talking::new(dialog));
            return self.leave(call, 0, UNREADABLE, EndedBy::Network);
        }
        self.settle_peer(call.line, call.identity, &mut dialog);
        self.acknowledge(told, &dialog, response);
        let agreed = self.agree(&mut call, response);
        let reached = self.reached(call.line, told.route.remote.ip(), &response.headers).or_else(|| call.reached_early());
        call.remote = reached.unwrap_or_else(|| addresses::party(&dialog.remote));
        call.state = State::Talking(Talking::new(dialog));
        self.take_interval(&mut call, &response.headers, settings);
        match agreed {
            Ok(()) if !taken_back => {
                self.note_referred(call.identity, response.status);
                self.desire(&mut call, settings);
                self.tell_established(&call);
                self.put_call(call);
            }
            Ok(()) => self.leave(call, 0, ENDED_HERE, EndedBy::Local),
            Err(mismatch) => self.leave(call, 488, &mismatch.to_string(), EndedBy::Local),
        }
    }

    /// Their answer in the 2xx, or the one that came early in the same dialog.
    fn agree(&mut self, call: &mut Call, response: &Response) -> Result<(), MediaMismatch> {
        let ssrc = self.random.u32();
        let (leg, updated) = call.early_of(response).map_or((None, false), |early| (early.leg, early.updated));
        let Some(media) = &mut call.media else { return Err(MediaMismatch::NoAudio) };
        let sdp = answer_of(&response.headers, &response.body);
        let leg = leg.or_else(|| sdp.as_ref().and_then(|_| media.leg_for_fork(ssrc)));
        if sdp.is_none() && leg.is_none() {
            return Err(MediaMismatch::NoAudio);
        }
        media.keep_only(leg);
        let outcome = sdp.filter(|_| !updated).map_or(Ok(()), |sdp| media.take_answer(0, &sdp, true));
        media.close_offer();
        outcome
    }

    /// Sends the ACK of a 2xx and leaves it with the transaction for repeated ones.
    pub(super) fn acknowledge(&mut self, told: &Told, dialog: &Dialog, response: &Response) {
        let number = told.request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let mut ack = dialog.ack(number);
        // RFC 3261 22.1: the ACK carries the INVITE's credentials.
        for name in [HeaderName::AUTHORIZATION, HeaderName::PROXY_AUTHORIZATION] {
            ack.headers.copy(name, &told.request.headers);
        }
        if self.wants_contact_in_ack(told.line) {
            ack.headers.copy(HeaderName::CONTACT, &told.request.headers);
        }
        if self.add_via(&mut ack, told.line, dialog.peer.flow).is_none() {
            return;
        }
        self.add_user_agent(&mut ack.headers);
        let bytes = ack.to_bytes();
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        if let Some(transaction) = self.core.transactions.find_mut(told.id)
            && let Machine::ClientInvite(machine) = &mut transaction.machine
        {
            machine.acknowledge(Acknowledged { tag, route: dialog.peer, bytes: bytes.clone() });
            self.touch();
        }
        self.transmit(dialog.peer, bytes);
    }

    /// 300 to 699.
    fn on_refused(&mut self, mut call: Call, told: &Told, response: &Response, settings: &StackSettings) {
        let State::Inviting(inviting) = call.state.clone() else { return self.put_call(call) };
        let (Some(own), false) = (line_of(settings, call.line), call.ended) else { return self.let_go(call) };
        // RFC 4028 7.3.
        let small = response.status == StatusCode::SESSION_INTERVAL_TOO_SMALL;
        if small && call.interval.raise(&response.headers, &told.request.headers) {
            call.auth.begin();
            return self.invite_again(call, inviting, settings);
        }
        if response.status == StatusCode::SERVICE_UNAVAILABLE {
            let Some(kept) = self.try_elsewhere(call, settings, Some(response)) else { return };
            call = kept;
        }
        if !is_challenge(response.status) {
            let code = response.status.code();
            let fate = Fate { code, reason: refusal_in_words(response), by: refused_by(code) };
            self.note_contacts(&mut call, response, own);
            return self.go_elsewhere(call, fate, settings);
        }
        if let Err(failure) = call.auth.on_challenge(response, own) {
            return self.end(call, response.status.code(), &failure.to_string(), EndedBy::Network);
        }
        self.invite_again(call, inviting, settings);
    }

    /// The same call once more, as its refusal wants it.
    fn invite_again(&mut self, mut call: Call, inviting: Inviting, settings: &StackSettings) {
        let number = inviting.last_number().saturating_add(1);
        let request = self.invite_request(&mut call, settings, &inviting.target, inviting.route, number);
        let again = request.and_then(|request| self.start_client(Owner::Invite(call.identity), call.line, inviting.route, request));
        match again {
            Some(invite) => {
                call.state = State::Inviting(Inviting { invite, number, provisional: false, early: Vec::new(), ..inviting });
                self.put_call(call);
            }
            None => self.end(call, 0, "too many requests are open", EndedBy::Local),
        }
    }
}

impl Call {
    fn made(&mut self, made: Made, own: &LineSettings) {
        (self.correlation, self.referred, self.appearance) = (made.correlation, made.referred, made.appearance);
        self.anonymous = own.identity.anonymous;
    }
}

/// Who has refused: the far end, or something on the way.
fn refused_by(code: u16) -> EndedBy {
    match code {
        480 | 486 | 487 | 488 | 600..=699 => EndedBy::Remote,
        _ => EndedBy::Network,
    }
}

/// "488 Not Acceptable Here: no common codec"; "486 Busy Here, again in 60 s" (RFC 3261 20.33: nobody but the user calls again).
pub(crate) fn refusal_in_words(response: &Response) -> String {
    let warning = response.headers.warning().ok().and_then(|list| list.into_iter().next()).map(|warning| warning.text);
    let text = warning.map(|text| why::readable(&text)).or_else(|| why::said(&response.headers));
    let again = retry_after(response).map(|wait| format!(", again in {} s", wait.as_secs())).unwrap_or_default();
    match text {
        Some(text) => format!("{}: {text}{again}", in_words(response)),
        None => in_words(response) + &again,
    }
}
