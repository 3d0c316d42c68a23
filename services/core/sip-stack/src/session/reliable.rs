//! Reliable provisional responses of ours (RFC 3262 section 3): a 18x that is repeated until its PRACK.
//!
//! ```text
//!   Ring --> 18x, RSeq --> Open -- PRACK with its RAck: 200 --> Idle -- ring again: the next RSeq
//!                           |  ReliableAgain: send, double           any other PRACK: 481
//!                           |  ReliableLost (64*T1): 504, the call ends
//!                           |  2xx or refusal: not repeated any more; a late PRACK still gets its 200, and an answer
//! ```
//!
//! Where the INVITE offers nothing, the first of them must offer (RFC 3261 13.2.1): its PRACK answers, and the 2xx has no
//! description. What a PRACK or UPDATE offers after that is answered in its 200.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Headers, Method, Request, StatusCode};

use super::body::{add_sdp, answer_of};
use super::update::crossing;
use super::{Call, Exchange, Offered, State};
use crate::interface::{EndedBy, StackSettings};
use crate::media::usable_codecs;
use crate::stack::{Stack, line_of};
use crate::streams::WayBack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Machine, TransactionId};

/// The option tag of RFC 3262.
pub(crate) const RELIABLE: &str = "100rel";

/// See the diagram.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reliable {
    /// RSeq of the last one; 0: none was sent.
    last: u32,
    open: Option<Open>,
}

/// One that no PRACK has acknowledged.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    rseq: u32,
    /// Of the INVITE.
    number: u32,
    back: WayBack,
    #[serde(with = "serde_bytes")]
    response: Vec<u8>,
    /// The present value of the repetition.
    interval: Duration,
}

/// Whether option tags of a message name reliable provisional responses.
pub(super) fn knows_reliable(headers: &Headers) -> bool {
    let tags = [headers.supported(), headers.require()];
    tags.into_iter().flatten().flatten().any(|tag| tag.eq_ignore_ascii_case(RELIABLE))
}

/// It wants no 18x without one.
pub(super) fn requires_reliable(headers: &Headers) -> bool {
    headers.require().into_iter().flatten().any(|tag| tag.eq_ignore_ascii_case(RELIABLE))
}

impl Stack {
    /// 180 with Require and RSeq; not while another one is open, and where it must offer not before media is ready.
    pub(super) fn ring_reliably(&mut self, mut call: Call, request: &Request, settings: &StackSettings) {
        let (State::Offered(offered), Some(own), Some(media)) = (&mut call.state, line_of(settings, call.line), &mut call.media)
        else {
            return self.put_call(call);
        };
        if call.reliable.open.is_some() {
            return self.put_call(call);
        }
        let offers = offered.offer.is_none() && offered.exchange == Exchange::InAnswer;
        if offers && !media.is_ready() {
            offered.ring_wanted = true;
            return self.put_call(call);
        }
        let body = offers.then(|| media.offer(settings, own, media.wish()));
        if offers {
            offered.exchange = Exchange::OursIsOut;
        }
        let invite = offered.invite;
        self.send_reliably(&mut call, invite, request, body);
        self.put_call(call);
    }

    fn send_reliably(&mut self, call: &mut Call, invite: TransactionId, request: &Request, body: Option<Vec<u8>>) {
        let Some(transaction) = self.core.transactions.find(invite) else { return };
        let (timing, back) = (transaction.timing, WayBack::of(&transaction.request, transaction.route));
        // RFC 3262 3: the first number is chosen at random below 2^31, so that the others stay below 2^32.
        let first = self.random.u32() >> 1;
        let rseq = if call.reliable.last == 0 { first.max(1) } else { call.reliable.last.saturating_add(1) };
        let mut response = self.response(request, StatusCode::RINGING, &call.local_tag);
        self.add_dialog_headers(&mut response, request, call);
        response.headers.push(HeaderName::REQUIRE, RELIABLE);
        response.headers.push(HeaderName::RSEQ, rseq);
        if let Some(body) = body {
            add_sdp(&mut response.headers, &mut response.body, body);
        }
        let number = request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
        self.respond(invite, &response);
        call.reliable.last = rseq;
        call.reliable.open = Some(Open { rseq, number, back, response: response.to_bytes(), interval: timing.t1 });
        self.arm(TimerOwner::Call(call.identity), Timer::ReliableAgain, timing.t1);
        self.arm(TimerOwner::Call(call.identity), Timer::ReliableLost, timing.sixty_four_t1());
    }

    /// T1, doubling.
    pub(super) fn on_reliable_again(&mut self, mut call: Call) {
        if let Some(open) = &mut call.reliable.open {
            open.interval = open.interval.saturating_mul(2);
            let (back, response, interval) = (open.back, open.response.clone(), open.interval);
            self.transmit(self.now_back(back), response);
            self.arm(TimerOwner::Call(call.identity), Timer::ReliableAgain, interval);
        }
        self.put_call(call);
    }

    /// 64*T1 without a PRACK: RFC 3262 3 wants a 5xx.
    pub(super) fn on_reliable_lost(&mut self, call: Call) {
        self.stop_reliable(&call);
        self.refuse_offered(call, StatusCode::SERVER_TIMEOUT, "the caller did not acknowledge the ringing", EndedBy::Network);
    }

    /// It is not repeated any more.
    pub(super) fn stop_reliable(&mut self, call: &Call) {
        for timer in [Timer::ReliableAgain, Timer::ReliableLost] {
            self.core.timers.disarm(TimerOwner::Call(call.identity), timer);
        }
    }

    /// Its PRACK is not expected any more.
    pub(super) fn forget_reliable(&mut self, call: &mut Call) {
        call.reliable.open = None;
        self.stop_reliable(call);
    }

    /// A PRACK in the dialog: what it acknowledges is answered 2xx, anything else 481 (RFC 3262 3).
    pub(super) fn on_prack(&mut self, id: TransactionId, mut call: Call, request: &Request) {
        let tag = call.local_tag.clone();
        let Ok(Some(rack)) = request.headers.rack() else {
            self.put_call(call);
            return self.respond_status(id, StatusCode::BAD_REQUEST, &tag);
        };
        let fits = |open: &Open| open.rseq == rack.rseq && open.number == rack.cseq.number && rack.cseq.method == Method::INVITE;
        let Some(settings) = self.settings().filter(|_| call.reliable.open.as_ref().is_some_and(fits)) else {
            self.put_call(call);
            return self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &tag);
        };
        self.stop_reliable(&call);
        let sdp = answer_of(&request.headers, &request.body);
        if let (State::Talking(_), Some(_), Some(crossing)) = (&call.state, &sdp, crossing(&call.state)) {
            // It comes again, and is still for the same response.
            self.put_call(call);
            return self.refuse_crossing(id, request, &tag, &crossing);
        }
        call.reliable.open = None;
        match (&call.state, sdp) {
            (State::Offered(Offered { exchange: Exchange::OursIsOut, .. }), sdp) => {
                self.take_prack_answer(id, call, sdp.as_deref(), &settings);
            }
            (State::Offered(Offered { exchange: Exchange::Done, .. }), Some(sdp)) => {
                self.take_early_offer(id, call, request, &sdp, &settings);
            }
            // It crosses our 2xx: what it offers is answered all the same (RFC 3262 5).
            (State::Talking(_), Some(sdp)) => self.take_offer(id, call, request, &sdp, &settings),
            (State::Offered(_) | State::Talking(_) | State::Leaving(_), _)
            | (State::Locating { .. } | State::Preparing { .. } | State::Inviting(_), _) => {
                self.respond_status(id, StatusCode::OK, &tag);
                self.put_call(call);
            }
        }
    }

    /// The answer to the offer in our 18x.
    fn take_prack_answer(&mut self, id: TransactionId, mut call: Call, sdp: Option<&[u8]>, settings: &StackSettings) {
        let tag = call.local_tag.clone();
        self.respond_status(id, StatusCode::OK, &tag);
        let agreed = match (&mut call.media, sdp) {
            (Some(media), Some(sdp)) => media.take_answer(0, sdp, true).map_err(|mismatch| mismatch.to_string()),
            (Some(_) | None, _) => Err("the caller's PRACK brings no session description".to_owned()),
        };
        if let Some(media) = &mut call.media {
            media.close_offer();
        }
        if let Err(reason) = agreed {
            return self.refuse_offered(call, StatusCode::NOT_ACCEPTABLE_HERE, &reason, EndedBy::Local);
        }
        if let State::Offered(offered) = &mut call.state {
            offered.exchange = Exchange::Done;
        }
        self.desire(&mut call, settings);
        self.put_call(call);
    }

    /// Another offer of theirs before our 2xx, in a PRACK or UPDATE. The sockets stay, so that the answer leaves at once.
    pub(super) fn take_early_offer(
        &mut self,
        id: TransactionId,
        mut call: Call,
        request: &Request,
        sdp: &[u8],
        settings: &StackSettings,
    ) {
        let (Some(own), Some(media)) = (line_of(settings, call.line), &mut call.media) else { return self.put_call(call) };
        match media.read_offer(sdp, &usable_codecs(settings, own)) {
            Ok(offer) => {
                let body = media.answer(&offer, settings, own);
                if let State::Inviting(inviting) = &mut call.state {
                    // It is the only one: `early`.
                    inviting.early.iter_mut().for_each(|early| early.updated = true);
                }
                self.answer_update(&mut call, id, request, body, settings);
                self.desire(&mut call, settings);
            }
            Err(mismatch) => {
                let response = self.not_acceptable(request, &call.local_tag, call.line, &mismatch);
                self.respond(id, &response);
            }
        }
        self.put_call(call);
    }

    /// A PRACK that crosses our refusal: the call has gone, its INVITE's transaction is still there (RFC 3262 3). True when it was
    /// for such a call.
    pub(super) fn on_prack_of_refused(&mut self, id: TransactionId, request: &Request) -> bool {
        let headers = &request.headers;
        let (Ok(Some(rack)), Ok(call_id), Ok(from), Ok(to)) = (headers.rack(), headers.call_id(), headers.from(), headers.to())
        else {
            return false;
        };
        let refused = self.core.transactions.iter().any(|(_, transaction)| {
            let invite = &transaction.request.headers;
            matches!(&transaction.machine, Machine::ServerInvite(machine) if machine.is_final())
                && self.supported(transaction.line).contains(&RELIABLE)
                && knows_reliable(invite)
                && invite.call_id() == Ok(call_id)
                && invite.from().is_ok_and(|invited| invited.tag() == from.tag())
                && invite.cseq().as_ref() == Ok(&rack.cseq)
        });
        if refused {
            self.respond_status(id, StatusCode::OK, to.tag().unwrap_or_default());
        }
        refused
    }
}
