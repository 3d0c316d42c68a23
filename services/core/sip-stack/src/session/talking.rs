//! An answered call: requests of theirs in its dialog, the ACK of our 2xx and its repetition (RFC 3261 12.2.2, 13.3.1.4, 15.1.2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use agreements::CallIdentity;
use sip_wire::{Method, Request, Response, StatusCode};

use super::body::answer_of;
use super::reinvite::Ours;
use super::relay::Relay;
use super::{Call, Leaving, State, Talking, why};
use crate::dialog::Dialog;
use crate::interface::{EndedBy, Event, StackSettings};
use crate::media::MediaSession;
use crate::receive::Arrived;
use crate::referral::is_about_referral;
use crate::stack::Stack;
use crate::streams::WayBack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::TransactionId;

/// Our 2xx, repeated until its ACK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unacked {
    /// Of the INVITE.
    number: u32,
    pub(super) back: WayBack,
    #[serde(with = "serde_bytes")]
    response: Vec<u8>,
    /// The present value of the repetition, and its ceiling.
    interval: Duration,
    ceiling: Duration,
    /// It carries an offer: the ACK brings the answer.
    pub(super) offer_open: bool,
}

/// What a 2xx was about.
pub(super) struct Answered {
    pub(super) offer_open: bool,
}

impl Talking {
    /// Fresh.
    pub(super) fn new(dialog: Dialog) -> Talking {
        Talking { dialog, unacked: None, ours: Ours::Idle, theirs: None, wish: None, relay: Relay::default() }
    }
}

impl Stack {
    /// Sends a 2xx to an INVITE and has it repeated until its ACK.
    pub(super) fn answer_and_repeat(
        &mut self,
        call: CallIdentity,
        invite: TransactionId,
        request: &Request,
        response: &Response,
        answered: Answered,
    ) -> Option<Unacked> {
        let transaction = self.core.transactions.find(invite)?;
        let (timing, back) = (transaction.timing, WayBack::of(&transaction.request, transaction.route));
        self.respond(invite, response);
        self.arm(TimerOwner::Call(call), Timer::AnswerAgain, timing.t1);
        self.arm(TimerOwner::Call(call), Timer::AnswerLost, timing.sixty_four_t1());
        Some(Unacked {
            number: request.headers.cseq().ok()?.number,
            back,
            response: response.to_bytes(),
            interval: timing.t1,
            ceiling: timing.t2,
            offer_open: answered.offer_open,
        })
    }

    fn unacked_of(call: &mut Call) -> Option<&mut Unacked> {
        match &mut call.state {
            State::Talking(talking) => talking.unacked.as_mut(),
            State::Leaving(Leaving::AwaitingAck { unacked, .. }) => Some(unacked),
            State::Leaving(Leaving::Bye { .. }) => None,
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Offered(_) => None,
        }
    }

    /// T1, doubling up to T2.
    pub(super) fn on_answer_again(&mut self, mut call: Call, _settings: &StackSettings) {
        let identity = call.identity;
        if let Some(unacked) = Stack::unacked_of(&mut call) {
            unacked.interval = unacked.interval.saturating_mul(2).min(unacked.ceiling);
            let (back, response, interval) = (unacked.back, unacked.response.clone(), unacked.interval);
            self.transmit(self.now_back(back), response);
            self.arm(TimerOwner::Call(identity), Timer::AnswerAgain, interval);
        }
        self.core.calls.insert(identity, call);
    }

    /// 64*T1 without an ACK: the session ends (RFC 3261 13.3.1.4).
    pub(super) fn on_answer_lost(&mut self, mut call: Call) {
        self.stop_repeating(call.identity);
        match &mut call.state {
            State::Talking(talking) => {
                talking.unacked = None;
                // The ACK may have gone to an address that is not ours any more: then the far end is asked from the new one.
                let moves = matches!(talking.ours, Ours::Moving) || self.new_home(&call).is_some();
                if let (true, Some(settings)) = (moves, self.settings()) {
                    return self.go_on(call, &settings);
                }
                self.leave(call, 408, "the caller did not acknowledge the answer", EndedBy::Network);
            }
            State::Leaving(Leaving::AwaitingAck { dialog, .. }) => {
                let dialog = dialog.clone();
                self.say_bye(call, dialog);
            }
            State::Leaving(Leaving::Bye { .. }) => self.put_call(call),
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Offered(_) => self.put_call(call),
        }
    }

    pub(super) fn stop_repeating(&mut self, call: CallIdentity) {
        self.core.timers.disarm(TimerOwner::Call(call), Timer::AnswerAgain);
        self.core.timers.disarm(TimerOwner::Call(call), Timer::AnswerLost);
    }

    /// The call whose dialog a request belongs to.
    pub(crate) fn call_of(&self, request: &Request) -> Option<CallIdentity> {
        let headers = &request.headers;
        let (to, from) = (headers.to().ok()?, headers.from().ok()?);
        let (call_id, ours, theirs) = (headers.call_id().ok()?, to.tag()?, from.tag().unwrap_or_default());
        let fits = |call: &&Call| call.dialog().is_some_and(|dialog| dialog.is(call_id, ours, theirs));
        self.core.calls.values().find(fits).map(|call| call.identity)
    }

    /// An ACK that is no transaction's: of our 2xx.
    pub(crate) fn on_ack(&mut self, arrived: Arrived) {
        let (Some(settings), Some(identity)) = (self.settings(), self.call_of(&arrived.request)) else { return };
        let number = arrived.request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let Some(mut call) = self.take_call(identity) else { return };
        if Stack::unacked_of(&mut call).is_none_or(|unacked| unacked.number != number) {
            self.core.calls.insert(identity, call);
            return;
        }
        self.stop_repeating(identity);
        match &mut call.state {
            State::Talking(talking) => {
                let offer_open = talking.unacked.take().is_some_and(|unacked| unacked.offer_open);
                if offer_open {
                    self.on_answer_in_ack(call, &arrived.request, &settings);
                } else {
                    self.go_on(call, &settings);
                }
            }
            State::Leaving(Leaving::AwaitingAck { dialog, .. }) => {
                let dialog = dialog.clone();
                self.say_bye(call, dialog);
            }
            State::Leaving(Leaving::Bye { .. }) => self.put_call(call),
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) | State::Offered(_) => self.put_call(call),
        }
    }

    /// The answer to the offer in our 2xx (RFC 3261 13.2.1).
    fn on_answer_in_ack(&mut self, mut call: Call, ack: &Request, settings: &StackSettings) {
        let before = HoldView::of(&call);
        let sdp = answer_of(&ack.headers, &ack.body);
        let agreed = match (&mut call.media, sdp) {
            (Some(media), Some(sdp)) => {
                let sends = crate::media::sends(media.wish());
                media.take_answer(0, &sdp, sends).map_err(|mismatch| mismatch.to_string())
            }
            (Some(_) | None, _) => Err("the caller's ACK brings no session description".to_owned()),
        };
        if let Some(media) = &mut call.media {
            media.close_offer();
        }
        self.conclude_exchange(call, &before, agreed, settings);
    }

    /// Their answer to an offer of ours is in: media and people learn what has changed, or the call ends.
    pub(super) fn conclude_exchange(
        &mut self,
        mut call: Call,
        before: &HoldView,
        agreed: Result<(), String>,
        settings: &StackSettings,
    ) {
        match agreed {
            Ok(()) => {
                self.desire(&mut call, settings);
                self.tell_hold(&call, before);
                self.go_on(call, settings);
            }
            Err(reason) => self.leave(call, 488, &reason, EndedBy::Local),
        }
    }

    /// Tells that the call is answered, and how it begins.
    pub(super) fn tell_established(&mut self, call: &Call) {
        let HoldView { remote: held, codec, .. } = HoldView::of(call);
        self.tell(Event::Established { call: call.identity, remote: call.remote.clone(), codec, held });
    }

    /// Tells what an exchange of offer and answer has changed.
    pub(super) fn tell_hold(&mut self, call: &Call, before: &HoldView) {
        let after = HoldView::of(call);
        if after != *before {
            let HoldView { local, remote, codec } = after;
            self.tell(Event::HoldChanged { call: call.identity, local, remote, codec });
        }
    }

    /// A request with a To-tag.
    pub(crate) fn on_request_in_dialog(&mut self, id: TransactionId, arrived: Arrived) {
        let request = &arrived.request;
        if let Some(subscription) = self.subscription_of(request) {
            return self.on_subscription_notify(id, subscription, &arrived);
        }
        let Some(mut call) = self.call_of(request).and_then(|identity| self.take_call(identity)) else {
            let heard = match request.method {
                Method::BYE => self.on_bye_of_unheard_answer(id, request),
                Method::PRACK => self.on_prack_of_refused(id, request),
                _ => self.on_early_request(id, &arrived),
            };
            let heard = heard || self.on_referral_request(id, &arrived);
            if heard {
                return;
            }
            return self.respond_status(id, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, "");
        };
        let number = request.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let (identity, tag) = (call.identity, call.local_tag.clone());
        if !call.dialog_mut().is_some_and(|dialog| dialog.accepts(number)) {
            // RFC 3261 12.2.2: out of order.
            self.put_call(call);
            return self.respond_status(id, StatusCode::SERVER_INTERNAL_ERROR, &tag);
        }
        if [Method::INVITE, Method::UPDATE].contains(&request.method) {
            self.note_reached(&mut call, arrived.source.remote.ip(), &request.headers);
        }
        match request.method.clone() {
            Method::BYE => self.on_bye(id, call, request),
            Method::INVITE => self.on_reinvite(id, call, request),
            Method::PRACK => self.on_prack(id, call, request),
            Method::UPDATE => self.on_update(id, call, request),
            method => {
                self.put_call(call);
                match method {
                    Method::OPTIONS => self.on_options(id, request, &tag),
                    Method::INFO => self.on_info(id, request, &tag),
                    Method::NOTIFY => self.on_notify_in_dialog(id, identity, &arrived, &tag),
                    Method::REFER => self.on_refer_in_dialog(id, identity, &arrived, &tag),
                    _ => self.respond_status(id, StatusCode::NOT_IMPLEMENTED, &tag),
                }
            }
        }
    }

    /// RFC 3261 15.1.2: 200, and 487 for an INVITE of theirs that is still open; also before the ACK of our 2xx.
    fn on_bye(&mut self, id: TransactionId, call: Call, bye: &Request) {
        let tag = call.local_tag.clone();
        self.respond_status(id, StatusCode::OK, &tag);
        match &call.state {
            State::Offered(_) => {
                let reason = why::they_gave_up(&bye.headers);
                self.refuse_offered(call, StatusCode::REQUEST_TERMINATED, &reason, EndedBy::Remote);
            }
            State::Talking(talking) => {
                if let Some(invite) = talking.theirs.as_ref().map(|theirs| theirs.invite) {
                    self.respond_status(invite, StatusCode::REQUEST_TERMINATED, &tag);
                }
                self.end(call, 0, &why::they_hung_up(&bye.headers), EndedBy::Remote);
            }
            // Ours crosses theirs: the answer to ours may still come.
            State::Leaving(Leaving::Bye { .. }) => self.put_call(call),
            State::Leaving(Leaving::AwaitingAck { .. }) => self.let_go(call),
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => self.put_call(call),
        }
    }

    /// Event talk wants to be answered or resumed, event hold to be held (B198), where the settings offer them; others are not ours.
    /// Only a server of the line may want it: a far end that could would answer its own call.
    fn on_notify_in_dialog(&mut self, id: TransactionId, call: CallIdentity, arrived: &Arrived, tag: &str) {
        let Some(settings) = self.settings() else { return };
        let request = &arrived.request;
        let package = request.headers.event().ok().flatten().map(|event| event.package.to_ascii_lowercase()).unwrap_or_default();
        let wanted = match package.as_str() {
            "talk" if settings.talk_package => Event::TalkRequested { call },
            "hold" if settings.hold_package => Event::HoldRequested { call },
            _ if is_about_referral(request) => return self.on_refer_notify(id, call, request, tag),
            _ => return self.bad_event(id, request),
        };
        if !self.is_said_by_server(arrived) {
            return self.respond_status(id, StatusCode::FORBIDDEN, tag);
        }
        self.respond_status(id, StatusCode::OK, tag);
        self.tell(wanted);
    }
}

/// What `Event::HoldChanged` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HoldView {
    local: bool,
    remote: bool,
    codec: Option<crate::interface::Codec>,
}

impl HoldView {
    /// As it is now.
    pub(super) fn of(call: &Call) -> HoldView {
        HoldView::of_media(call.media.as_ref())
    }
    /// As it is in a session.
    pub(super) fn of_media(media: Option<&MediaSession>) -> HoldView {
        HoldView {
            local: media.is_some_and(|media| media.held_by_us),
            remote: media.is_some_and(|media| media.held_by_them),
            codec: media.and_then(MediaSession::codec),
        }
    }
}
