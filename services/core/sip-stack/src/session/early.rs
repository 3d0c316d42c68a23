//! Early dialogs of a call of ours (RFC 3261 12.1, RFC 3262 section 4): their provisional responses in order, PRACK, and what the
//! far end may ask in them before its 2xx (RFC 3311).

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Method, NameAddr, RAck, Request, Response, StatusCode};

use super::body::{answer_of, sdp_of};
use super::reliable::knows_reliable;
use super::{Call, State};
use crate::addresses;
use crate::auth::{Turn, is_challenge};
use crate::client::{Outcome, Told};
use crate::dialog::Dialog;
use crate::interface::{Event, Party, StackSettings};
use crate::receive::Arrived;
use crate::referral::is_about_referral;
use crate::stack::{Stack, line_of};
use crate::transaction::{Owner, TransactionId};

/// To-tags of one call that are kept apart.
const MOST_EARLY: usize = 8;

/// Call Is Being Forwarded, Queued, Early Dialog Terminated (RFC 6228). What nobody knows counts as 183 (RFC 3261 8.1.3.2).
const DOES_NOT_RING: [u16; 3] = [181, 182, 199];

/// One To-tag of a forked call.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Early {
    pub(super) tag: String,
    /// Its media leg, once it has sent SDP.
    pub(super) leg: Option<u32>,
    /// None where its response makes none.
    pub(super) dialog: Option<Dialog>,
    /// RSeq of its last reliable response.
    rseq: Option<u32>,
    /// A reliable response has answered our offer: offers may go both ways.
    answered: bool,
    /// One of theirs has gone the other way: what its responses say of the first exchange is old.
    pub(super) updated: bool,
}

impl Early {
    /// Of a first response with that tag.
    fn new(tag: String, told: &Told, response: &Response) -> Early {
        let dialog = Dialog::as_caller(&told.request, response, told.route).ok().filter(|_| !tag.is_empty());
        Early { tag, leg: None, dialog, rseq: None, answered: false, updated: false }
    }

    /// Takes the number of a reliable response; false: it is a repetition, or one before it is missing (RFC 3262 4).
    fn is_next(&mut self, rseq: u32) -> bool {
        let next = self.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if next {
            self.rseq = Some(rseq);
        }
        next
    }
}

/// The RSeq of a response that wants a PRACK.
fn reliable_number(response: &Response) -> Option<u32> {
    let wanted = response.headers.require().unwrap_or_default();
    let reliable = wanted.iter().any(|tag| tag.eq_ignore_ascii_case(super::RELIABLE));
    response.headers.rseq().ok().flatten().filter(|_| reliable)
}

impl Stack {
    /// 101 to 199: one early dialog and one media leg per To-tag.
    pub(super) fn on_early(&mut self, call: &mut Call, told: &Told, response: &Response, settings: &StackSettings) {
        let State::Inviting(inviting) = &mut call.state else { return };
        let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        if !inviting.early.iter().any(|early| early.tag == tag) && inviting.early.len() < MOST_EARLY {
            inviting.early.push(Early::new(tag.clone(), told, response));
        }
        let Some(reliable) = self.admit_early(call, &tag, told, response) else { return };
        self.note_reached(call, told.route.remote.ip(), &response.headers);
        self.note_referred(call.identity, response.status);
        let (State::Inviting(inviting), Some(media)) = (&mut call.state, &mut call.media) else { return };
        let sdp = answer_of(&response.headers, &response.body);
        let mut early_media = false;
        let early = inviting.early.iter_mut().find(|early| early.tag == tag && !early.updated);
        if let (Some(sdp), Some(early)) = (sdp, early) {
            early.leg = early.leg.or_else(|| media.leg_for_fork(self.random.u32()));
            let place = early.leg.and_then(|leg| media.place(leg));
            early_media = place.is_some_and(|place| media.take_answer(place, &sdp, true).is_ok());
            early.answered |= reliable && early_media;
        }
        let rings = !DOES_NOT_RING.contains(&response.status.code());
        let known = inviting.told_ringback;
        let tell = (rings || early_media) && (known.is_none() || (early_media && known == Some(false)));
        if tell {
            inviting.told_ringback = Some(early_media);
            self.tell(Event::Ringback { call: call.identity, early_media });
        }
        if early_media {
            self.desire(call, settings);
        }
    }

    /// A provisional response of that early dialog. None: it is not to be heard; else whether it is reliable, and its PRACK has
    /// left.
    fn admit_early(&mut self, call: &mut Call, tag: &str, told: &Told, response: &Response) -> Option<bool> {
        let settings = self.settings()?;
        // What this INVITE has said counts, whatever is set by now (RFC 3262 4).
        let known = knows_reliable(&told.request.headers);
        let Some(rseq) = reliable_number(response).filter(|_| known) else { return Some(false) };
        let (line, identity) = (call.line, call.identity);
        let State::Inviting(inviting) = &mut call.state else { return None };
        let early = inviting.early.iter_mut().find(|early| early.tag == tag)?;
        if !early.is_next(rseq) {
            return None;
        }
        let mut dialog = early.dialog.clone()?;
        self.settle_peer(line, identity, &mut dialog);
        if let Ok(cseq) = response.headers.cseq() {
            // A request of its own: what its challenges refuse is no answer of the INVITE's.
            call.auth.begin_turn(Turn::Beside);
            self.send_prack(call, &mut dialog, &RAck { rseq, cseq }, &settings);
        }
        if let State::Inviting(inviting) = &mut call.state
            && let Some(early) = inviting.early.iter_mut().find(|early| early.tag == tag)
        {
            early.dialog = Some(dialog);
        }
        Some(true)
    }

    fn send_prack(&mut self, call: &mut Call, dialog: &mut Dialog, rack: &RAck, settings: &StackSettings) {
        let Some(own) = line_of(settings, call.line) else { return };
        let mut prack = dialog.request(Method::PRACK);
        prack.headers.push(HeaderName::RACK, rack);
        self.declare(&mut prack.headers, call.line, call.anonymous, dialog.peer);
        call.auth.sign(&mut prack, own, &mut self.random);
        if let State::Inviting(inviting) = &call.state
            && let Some(invite) = self.core.transactions.find_mut(inviting.invite)
        {
            invite.counted.insert(dialog.remote.tag().unwrap_or_default().to_owned(), dialog.local_seq);
        }
        self.start_client(Owner::Prack(call.identity), call.line, dialog.peer, prack);
    }

    /// What became of a PRACK: credentials where they are asked for; the INVITE's final answer decides everything else.
    pub(crate) fn on_prack_outcome(&mut self, identity: CallIdentity, told: &Told, outcome: Outcome<'_>) {
        let Outcome::Response(response) = outcome else { return };
        if !is_challenge(response.status) {
            return;
        }
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let known = line_of(&settings, call.line).is_some_and(|own| call.auth.on_challenge_of(Turn::Beside, response, own).is_ok());
        let rack = told.request.headers.rack().ok().flatten().filter(|_| known);
        let theirs = told.request.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        if let (Some(rack), Some(mut dialog)) = (rack, call.dialog_with(&theirs).cloned()) {
            self.send_prack(&mut call, &mut dialog, &rack, &settings);
            if let Some(kept) = call.dialog_with(&theirs) {
                *kept = dialog;
            }
        }
        self.put_call(call);
    }

    /// A request of theirs in an early dialog of a call of ours; a 481 would say that the dialog is gone (RFC 5057 5.1). False:
    /// there is no such dialog.
    pub(super) fn on_early_request(&mut self, id: TransactionId, arrived: &Arrived) -> bool {
        let request = &arrived.request;
        let headers = &request.headers;
        let (Ok(call_id), Ok(to), Ok(from)) = (headers.call_id(), headers.to(), headers.from()) else { return false };
        let (ours, theirs) = (to.tag().unwrap_or_default(), from.tag().unwrap_or_default());
        let fits = |call: &&Call| call.sip_call_id == call_id && call.local_tag == ours && call.has_early(theirs);
        let Some(identity) = self.core.calls.values().find(fits).map(|call| call.identity) else { return false };
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return false };
        let number = headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let in_order = call.dialog_with(theirs).is_some_and(|dialog| dialog.accepts(number));
        match request.method {
            _ if !in_order => self.respond_status(id, StatusCode::SERVER_INTERNAL_ERROR, ours),
            Method::UPDATE => {
                self.note_reached(&mut call, arrived.source.remote.ip(), headers);
                return self.on_early_update(id, call, request, theirs, &settings);
            }
            Method::OPTIONS => self.on_options(id, request, ours),
            Method::INFO => self.on_info(id, request, ours),
            Method::NOTIFY if !is_about_referral(request) => self.bad_event(id, request),
            // Ours is out (RFC 3261 14.2).
            Method::INVITE => self.respond_status(id, StatusCode::REQUEST_PENDING, ours),
            // Nobody is there yet who could be asked.
            Method::REFER => self.respond_status(id, StatusCode::TEMPORARILY_UNAVAILABLE, ours),
            _ => self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, ours),
        }
        self.put_call(call);
        true
    }

    /// Our INVITE's offer is out until a reliable response has answered it; the legs of a fork are settled by its 2xx alone.
    fn on_early_update(
        &mut self,
        id: TransactionId,
        mut call: Call,
        request: &Request,
        theirs: &str,
        settings: &StackSettings,
    ) -> bool {
        let tag = call.local_tag.clone();
        let State::Inviting(inviting) = &call.state else {
            self.put_call(call);
            return false;
        };
        let answered = inviting.early.iter().any(|early| early.tag == theirs && early.answered);
        let alone = inviting.early.len() == 1;
        let sdp = sdp_of(&request.headers, &request.body);
        if sdp.is_ok()
            && let Some(dialog) = call.dialog_with(theirs)
        {
            dialog.refresh_target(&request.headers);
        }
        match sdp {
            Err(()) => self.refuse_body(id, request, &tag),
            Ok(Some(_)) if !answered => self.respond_status(id, StatusCode::REQUEST_PENDING, &tag),
            Ok(Some(_)) if !alone => self.come_again_later(id, request, &tag),
            Ok(Some(sdp)) => {
                self.take_early_offer(id, call, request, &sdp, settings);
                return true;
            }
            Ok(None) => self.answer_update(&mut call, id, request, None, settings),
        }
        self.put_call(call);
        true
    }
}

impl Call {
    /// Whom its only early dialog has been said to be, where that is somebody else than was dialled.
    pub(super) fn reached_early(&self) -> Option<Party> {
        let State::Inviting(inviting) = &self.state else { return None };
        let dialled = self.elsewhere.dialled().unwrap_or(&inviting.target);
        let named = self.remote != addresses::party(&NameAddr::new(addresses::as_to(dialled)));
        (named && inviting.early.len() == 1).then(|| self.remote.clone())
    }

    /// The early dialog that a response belongs to.
    pub(super) fn early_of(&self, response: &Response) -> Option<&Early> {
        let State::Inviting(inviting) = &self.state else { return None };
        let to = response.headers.to().ok()?;
        let tag = to.tag().unwrap_or_default();
        inviting.early.iter().find(|early| early.tag == tag)
    }

    pub(super) fn has_early(&self, theirs: &str) -> bool {
        match &self.state {
            State::Inviting(inviting) => inviting.early.iter().any(|early| early.tag == theirs && early.dialog.is_some()),
            State::Locating { .. } | State::Preparing { .. } | State::Offered(_) | State::Talking(_) | State::Leaving(_) => false,
        }
    }

    /// The early dialog with that tag, or the one that it has become.
    fn dialog_with(&mut self, theirs: &str) -> Option<&mut Dialog> {
        if self.dialog().is_some() {
            return self.dialog_mut().filter(|dialog| dialog.remote.tag().unwrap_or_default() == theirs);
        }
        match &mut self.state {
            State::Inviting(inviting) => inviting.early.iter_mut().find(|early| early.tag == theirs)?.dialog.as_mut(),
            State::Locating { .. } | State::Preparing { .. } | State::Offered(_) | State::Talking(_) | State::Leaving(_) => None,
        }
    }
}
