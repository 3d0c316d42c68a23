//! UPDATEs of theirs (RFC 3311 section 5.2): a new target, a session refresh, or an offer that is answered in the 200.
//!
//! ```text
//!   UPDATE           --> another UPDATE is not answered yet: 500, Retry-After
//!   UPDATE, no offer --> 200
//!   UPDATE, offer    --> ours is out: 491; theirs is not answered yet: 500, Retry-After
//!                        no common codec: 488, nothing changes
//!                        else as the offer of a re-INVITE (`theirs`), without ACK
//! ```

use sip_wire::{Method, Request, Response, StatusCode};

use super::body::{add_sdp, sdp_of};
use super::reinvite::Ours;
use super::{Call, Exchange, State, Talking};
use crate::interface::StackSettings;
use crate::stack::{Stack, line_of};
use crate::transaction::TransactionId;

/// Why an offer of theirs cannot be taken now.
pub(super) enum Crossing {
    /// One of ours waits for its answer.
    OursIsOut,
    /// One of theirs waits for ours.
    TheirsIsOpen,
}

/// What an offer of theirs would meet.
pub(super) fn crossing(state: &State) -> Option<Crossing> {
    match state {
        State::Talking(talking) => {
            let ours = matches!(talking.ours, Ours::Sent { .. } | Ours::Moving)
                || talking.unacked.as_ref().is_some_and(|one| one.offer_open);
            let theirs = talking.theirs.is_some().then_some(Crossing::TheirsIsOpen);
            theirs.or(ours.then_some(Crossing::OursIsOut))
        }
        State::Offered(offered) => match offered.exchange {
            Exchange::InAnswer => Some(Crossing::TheirsIsOpen),
            Exchange::OursIsOut => Some(Crossing::OursIsOut),
            Exchange::Done => None,
        },
        State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Leaving(_) => None,
    }
}

impl Stack {
    /// An UPDATE in a dialog that is ours to answer.
    pub(super) fn on_update(&mut self, id: TransactionId, mut call: Call, request: &Request) {
        let Some(settings) = self.settings() else { return self.put_call(call) };
        let Some(own) = line_of(&settings, call.line) else { return self.put_call(call) };
        let tag = call.local_tag.clone();
        if matches!(call.state, State::Leaving(_)) {
            self.put_call(call);
            return self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &tag);
        }
        if self.refuse_interval(id, request, &tag, &call.interval, &own.sessions) {
            return self.put_call(call);
        }
        let Ok(sdp) = sdp_of(&request.headers, &request.body) else {
            self.refuse_body(id, request, &tag);
            return self.put_call(call);
        };
        if self.has_open_update(&call) {
            self.put_call(call);
            return self.come_again_later(id, request, &tag);
        }
        if let (Some(_), Some(crossing)) = (&sdp, crossing(&call.state)) {
            self.put_call(call);
            return self.refuse_crossing(id, request, &tag, &crossing);
        }
        self.follow_target(&mut call, request);
        match sdp {
            Some(sdp) if matches!(call.state, State::Offered(_)) => self.take_early_offer(id, call, request, &sdp, &settings),
            Some(sdp) => self.take_offer(id, call, request, &sdp, &settings),
            None => {
                self.answer_update(&mut call, id, request, None, &settings);
                self.go_on(call, &settings);
            }
        }
    }

    /// RFC 3311 5.2: whether one of theirs waits for its answer; whatever another one wants, it comes too early.
    fn has_open_update(&self, call: &Call) -> bool {
        let State::Talking(Talking { theirs: Some(theirs), .. }) = &call.state else { return false };
        self.core.transactions.find(theirs.invite).is_some_and(|open| open.request.method == Method::UPDATE)
    }

    /// RFC 3311 5.2: an UPDATE moves the remote target.
    fn follow_target(&mut self, call: &mut Call, request: &Request) {
        let Some(mut dialog) = call.dialog().cloned() else { return };
        if !dialog.refresh_target(&request.headers) {
            return;
        }
        self.settle_peer(call.line, call.identity, &mut dialog);
        if let Some(kept) = call.dialog_mut() {
            *kept = dialog;
        }
    }

    pub(super) fn refuse_crossing(&mut self, id: TransactionId, request: &Request, tag: &str, crossing: &Crossing) {
        match crossing {
            Crossing::OursIsOut => self.respond_status(id, StatusCode::REQUEST_PENDING, tag),
            Crossing::TheirsIsOpen => self.come_again_later(id, request, tag),
        }
    }

    /// 200 for an UPDATE or a PRACK, with our answer where they have offered. The session's interval counts from the INVITE's 2xx on,
    /// and a PRACK says nothing of it.
    pub(super) fn answer_update(
        &mut self,
        call: &mut Call,
        id: TransactionId,
        request: &Request,
        body: Option<Vec<u8>>,
        settings: &StackSettings,
    ) {
        let mut response: Response = self.response(request, StatusCode::OK, &call.local_tag);
        self.add_dialog_headers(&mut response, request, call);
        if let Some(body) = body {
            add_sdp(&mut response.headers, &mut response.body, body);
        }
        if matches!(call.state, State::Talking(_)) && request.method == Method::UPDATE {
            self.answer_interval(call, request, &mut response, settings);
        }
        self.respond(id, &response);
    }
}
