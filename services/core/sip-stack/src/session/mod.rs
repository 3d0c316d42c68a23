//! INVITE sessions (RFC 3261 sections 13 to 15, RFC 3264): what a call is, and what is common to all its stages. Each stage has
//! its file: `dial`, `early`, `redirected` and `takeback` (ours until answered), `incoming`, `reliable` and `forward` (theirs until
//! answered), `talking`, `reinvite`, `theirs`, `update`, `refresh` and `unanswered` (answered), `leaving` (ended for people, not yet
//! for the network); `moving` is where the phone's address is another, `sound` what all ask of media, `interval` what RFC 4028 agrees,
//! `replaced` where a call takes the place of another, `shared` which appearance of a shared line it is, `body` where a message has its
//! description.
//!
//! ```text
//!   Dial --> Locating --> Preparing --> Inviting -- 2xx: ACK --> Talking --+-- BYE of theirs: gone
//!              ^  (name)     (media)       |                        ^      |
//!              +------- 3xx: redirected ---| refused: gone          |      | Hangup: Leaving -- BYE answered: gone
//!                                          | Hangup: told as ended, |      |      (waits for the ACK of our 2xx first)
//!                                          |   CANCEL, last answer  |
//!   INVITE --> Offered -- Answer, media ready: 200 -----------------+
//!                 | Reject, CANCEL, Expires, no media: final answer, gone
//! ```

mod body;
mod dial;
mod early;
mod elsewhere;
mod forward;
mod incoming;
mod interval;
mod leaving;
mod moving;
mod redirected;
mod refresh;
mod reinvite;
pub(crate) mod relay;
mod reliable;
mod replaced;
mod shared;
mod sound;
mod takeback;
mod talking;
mod theirs;
mod unanswered;
mod update;
mod why;

use std::net::IpAddr;

use agreements::{CallIdentity, Correlation, LineNumber};
use serde::{Deserialize, Serialize};
use sip_wire::{CSeq, HeaderName, Method, Request, Uri};

use crate::auth::AuthSession;
use crate::dialog::Dialog;
use crate::interface::{CallMedia, Command, EndedBy, Event, FlowId, Output, Party, QueryId, StackSettings};
use crate::limits::MOST_CALLS;
use crate::locate::{Asker, Located, Routes};
use crate::media::{MediaSession, Offer};
use crate::referral::Referred;
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Route, TransactionId};
use crate::view::{CallStage, CallView};

pub(crate) use dial::refusal_in_words;
pub(crate) use interval::{SessionInterval, TIMER};
pub(crate) use redirected::{Elsewhere, is_redirection};
pub(crate) use reliable::{RELIABLE, Reliable};
pub(crate) use talking::Unacked;

/// One call.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) identity: CallIdentity,
    pub(crate) line: LineNumber,
    pub(crate) outgoing: bool,
    correlation: Correlation,
    sip_call_id: String,
    local_tag: String,
    pub(crate) remote: Party,
    pub(crate) auth: AuthSession,
    /// None until its address is known.
    media: Option<MediaSession>,
    port_tries: u8,
    flow: Option<FlowId>,
    /// Ours, and made without saying whose it is (BLOCK_CALLER_ID_n).
    anonymous: bool,
    /// The appearance of a shared line that it is.
    appearance: Option<u32>,
    /// Ours, and somebody else has asked for it.
    referred: Option<Box<Referred>>,
    /// Ours: whom else it may be made to.
    elsewhere: redirected::Elsewhere,
    interval: SessionInterval,
    reliable: Reliable,
    /// People have been told that it is over.
    ended: bool,
    pub(crate) state: State,
}

/// See the diagram.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum State {
    /// Waits for the next hop's address, or for another binding of the line, which may name another way.
    Locating {
        query: QueryId,
        target: Uri,
    },
    /// Waits for media before the INVITE.
    Preparing {
        target: Uri,
        routes: Routes,
        /// The last `Event::Ringback` of an earlier INVITE of the call.
        told_ringback: Option<bool>,
    },
    Inviting(Inviting),
    Offered(Offered),
    Talking(Talking),
    Leaving(Leaving),
}

/// Our INVITE is out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Inviting {
    target: Uri,
    route: Route,
    /// Servers that have not been tried.
    others: Vec<Route>,
    /// There was a choice of servers.
    several: bool,
    invite: TransactionId,
    number: u32,
    /// Something came back: a CANCEL may go (RFC 3261 9.1).
    provisional: bool,
    /// The last `Event::Ringback`.
    told_ringback: Option<bool>,
    cancel: Cancel,
    early: Vec<early::Early>,
}

impl Inviting {
    /// The highest CSeq that the call has used so far: its INVITE's, or that of a PRACK in an early dialog.
    fn last_number(&self) -> u32 {
        let counted = self.early.iter().filter_map(|early| Some(early.dialog.as_ref()?.local_seq));
        counted.max().unwrap_or(0).max(self.number)
    }
}

/// Whether our INVITE is being taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Cancel {
    No,
    /// As soon as something comes back.
    WhenProvisional,
    Sent,
}

/// Their INVITE waits for our answer.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Offered {
    invite: TransactionId,
    dialog: Dialog,
    offer: Option<Offer>,
    /// Our answer's body, ready to go; none where we shall offer.
    #[serde(with = "serde_bytes")]
    body: Option<Vec<u8>>,
    /// The user has answered before media was ready.
    answer_wanted: bool,
    /// The 18x that must offer waits for media.
    ring_wanted: bool,
    exchange: Exchange,
    /// The call whose place it takes (RFC 3891).
    replaces: Option<CallIdentity>,
    /// Our address is another than the INVITE came to (`moving`).
    moved: bool,
}

/// How far offer and answer are before our 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Exchange {
    /// Our 2xx answers, or offers where the INVITE did not.
    InAnswer,
    /// A reliable 18x has offered; its PRACK will answer.
    OursIsOut,
    /// Over; our 2xx has no description.
    Done,
}

/// Answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Talking {
    dialog: Dialog,
    /// Our 2xx waits for its ACK.
    unacked: Option<Unacked>,
    ours: reinvite::Ours,
    theirs: Option<theirs::Theirs>,
    /// What the user wants that no re-INVITE says yet: hold, or not.
    wish: Option<bool>,
    /// Digits that go by INFO.
    relay: relay::Relay,
}

/// Over for people.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Leaving {
    /// A BYE must wait for the ACK of our 2xx (RFC 3261 15).
    AwaitingAck { dialog: Dialog, unacked: Unacked },
    /// A BYE waits for its answer.
    Bye { dialog: Dialog, transaction: TransactionId },
}

impl Call {
    fn new(identity: CallIdentity, line: LineNumber, outgoing: bool, state: State) -> Call {
        Call {
            identity,
            line,
            outgoing,
            correlation: Correlation::default(),
            sip_call_id: String::new(),
            local_tag: String::new(),
            remote: Party::default(),
            auth: AuthSession::default(),
            media: None,
            port_tries: 0,
            flow: None,
            anonymous: false,
            appearance: None,
            referred: None,
            elsewhere: redirected::Elsewhere::default(),
            interval: SessionInterval::default(),
            reliable: Reliable::default(),
            ended: false,
            state,
        }
    }

    /// The 2xx of ours that waits for its ACK.
    fn unacked(&self) -> Option<&Unacked> {
        match &self.state {
            State::Talking(talking) => talking.unacked.as_ref(),
            State::Leaving(Leaving::AwaitingAck { unacked, .. }) => Some(unacked),
            State::Leaving(Leaving::Bye { .. }) | State::Offered(_) => None,
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => None,
        }
    }

    fn unacked_mut(&mut self) -> Option<&mut Unacked> {
        match &mut self.state {
            State::Talking(talking) => talking.unacked.as_mut(),
            State::Leaving(Leaving::AwaitingAck { unacked, .. }) => Some(unacked),
            State::Leaving(Leaving::Bye { .. }) | State::Offered(_) => None,
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => None,
        }
    }

    /// Answered, and not over.
    pub(crate) fn is_talking(&self) -> bool {
        matches!(self.state, State::Talking(_))
    }

    /// Whether it was made without saying whose it is.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// Whether it needs that socket.
    pub(crate) fn uses(&self, flow: FlowId) -> bool {
        self.flow == Some(flow)
    }

    /// Whether its first INVITE has a server that was not tried.
    pub(crate) fn has_another_server(&self) -> bool {
        matches!(&self.state, State::Inviting(inviting) if !inviting.others.is_empty())
    }

    /// Whether its requests go there.
    pub(crate) fn goes(&self, route: Route) -> bool {
        self.dialog().is_some_and(|dialog| dialog.peer == route)
    }

    /// As the outside sees it; none once it has ended.
    pub(crate) fn view(&self, settings: &StackSettings) -> Option<CallView> {
        let stage = match &self.state {
            State::Locating { .. } | State::Preparing { told_ringback: None, .. } => CallStage::Dialing,
            State::Inviting(Inviting { told_ringback: None, .. }) => CallStage::Dialing,
            State::Preparing { .. } | State::Inviting(_) => CallStage::Ringback,
            State::Offered(_) => CallStage::Incoming,
            State::Talking(_) => CallStage::Talking,
            State::Leaving(_) => return None,
        };
        if self.ended {
            return None;
        }
        let nothing = || CallMedia { call: self.identity, line: self.line, generation: 0, legs: Vec::new() };
        let media = self.media.as_ref();
        Some(CallView {
            call: self.identity,
            line: self.line,
            outgoing: self.outgoing,
            stage,
            held_by_us: media.is_some_and(|media| media.held_by_us),
            held_by_them: media.is_some_and(|media| media.held_by_them),
            remote: self.remote.clone(),
            sip_call_id: self.sip_call_id.clone(),
            codec: media.and_then(MediaSession::codec),
            media: media.map_or_else(nothing, |media| media.desired(self.identity, self.line, settings)),
            correlation: self.correlation.clone(),
        })
    }
}

impl Stack {
    /// Whether a call of the line goes on with that address, of whatever port: its requests go there, or its INVITE came from there. That
    /// a caller names another address to be reached at means nothing before the call is answered.
    pub(crate) fn is_called_with(&self, line: LineNumber, address: IpAddr) -> bool {
        let other_end = |call: &Call| match &call.state {
            State::Inviting(inviting) => Some(inviting.route),
            State::Offered(offered) => self.core.transactions.find(offered.invite).map(|invite| invite.route),
            State::Talking(_) | State::Leaving(_) => call.dialog().map(|dialog| dialog.peer),
            State::Locating { .. } | State::Preparing { .. } => None,
        };
        let calls = self.core.calls.values().filter(|call| call.line == line);
        calls.filter_map(other_end).any(|route| route.remote.ip() == address)
    }

    /// What the user wants.
    pub(crate) fn on_command(&mut self, command: Command, correlation: Correlation) {
        match command {
            Command::Dial { call, line, target, appearance } => self.dial(call, line, &target, (correlation, appearance)),
            Command::Ring(call) => self.ring(call),
            Command::Answer(call) => self.answer(call),
            Command::Reject(call, status) => self.reject(call, status),
            Command::Forward { call, to, why } => self.forward(call, &to, why),
            Command::Hangup(call) => self.hang_up(call),
            Command::SendDigits(call, digits) => self.relay(call, digits.into_iter().map(relay::Signal::Digit)),
            Command::SendFlashHook { call, form, duration_ms } => {
                self.relay(call, std::iter::once(relay::Signal::FlashHook { form, duration_ms }));
            }
            Command::Refer { call, target } => self.refer(call, target),
            Command::AcceptReferral { referral, call } => self.accept_referral(referral, call, correlation),
            Command::DeclineReferral(referral) => self.decline_referral(referral),
            Command::Hold(call) => self.wish_hold(call, true),
            Command::Resume(call) => self.wish_hold(call, false),
            Command::Register(line) => {
                self.retry_refused_subscriptions(line);
                self.register_at_once(line);
            }
            Command::Subscribe { key, wish, body } => self.subscribe(key, wish, body),
            Command::Unsubscribe(key) => self.unsubscribe(&key),
            Command::LetLapse(key) => self.let_lapse(&key),
            Command::Stop => self.stop(),
        }
    }

    /// For a call that nobody has named yet.
    fn name_call(&mut self) -> CallIdentity {
        let random = u128::from(self.random.u64()) << 64 | u128::from(self.random.u64());
        CallIdentity::from_parts(self.now.0 / 1_000_000, random)
    }

    /// Whether no more calls have room.
    fn is_full(&self) -> bool {
        self.core.calls.values().filter(|call| !call.ended).count() >= MOST_CALLS
    }

    /// Takes a call out to work on it; whoever takes it puts it back or lets it go.
    fn take_call(&mut self, call: CallIdentity) -> Option<Call> {
        self.core.calls.remove(&call)
    }

    fn put_call(&mut self, call: Call) {
        self.touch();
        self.core.calls.insert(call.identity, call);
    }

    /// The last thing of a call.
    fn let_go(&mut self, call: Call) {
        self.core.timers.disarm_all(TimerOwner::Call(call.identity));
        self.leave_dialog_to_referrals(&call);
        self.touch();
    }

    /// Tells people that it is over, and media.
    fn tell_ended(&mut self, call: &mut Call, code: u16, reason: &str, by: EndedBy) {
        if std::mem::replace(&mut call.ended, true) {
            return;
        }
        if let State::Talking(Talking { ours: reinvite::Ours::Sent { transaction, .. }, .. }) = call.state {
            self.abandon(transaction);
        }
        if let Some(media) = &mut call.media {
            let farewell = media.farewell(call.identity, call.line);
            self.put(Output::MediaDesired(farewell));
        }
        self.note_referred_end(call.identity, code, by == EndedBy::Local);
        self.drop_waiting_referral(call.identity, 0, "the call has ended");
        self.tell(Event::Ended { call: call.identity, code, reason: reason.to_owned(), by });
    }

    /// Over, for people and for us.
    fn end(&mut self, mut call: Call, code: u16, reason: &str, by: EndedBy) {
        self.tell_ended(&mut call, code, reason, by);
        self.let_go(call);
    }

    /// One of a call's timers.
    pub(crate) fn on_call_timer(&mut self, identity: CallIdentity, timer: Timer) {
        let (Some(settings), Some(call)) = (self.settings(), self.take_call(identity)) else { return };
        match timer {
            Timer::AnswerAgain => self.on_answer_again(call, &settings),
            Timer::AnswerLost => self.on_answer_lost(call),
            Timer::CancelLost => self.on_cancel_lost(call),
            Timer::InviteExpires => self.on_invite_expired(call),
            Timer::DialExpires => self.on_dial_expired(call),
            Timer::Glare => self.on_glare_over(call, &settings),
            Timer::MediaAnswer => self.on_media_lost(call, "media-engine does not answer"),
            Timer::ReliableAgain => self.on_reliable_again(call),
            Timer::ReliableLost => self.on_reliable_lost(call),
            Timer::SessionRefresh => self.on_session_refresh(call, &settings),
            Timer::SessionEnds => self.on_session_ends(call),
            Timer::RingAgain => {
                self.put_call(call);
                self.ring(identity);
            }
            Timer::A | Timer::B | Timer::D | Timer::E | Timer::F | Timer::G | Timer::H | Timer::Settled | Timer::K => {
                self.put_call(call);
            }
            Timer::KeepAlive | Timer::StreamIdle | Timer::StreamPing | Timer::PongLost => self.put_call(call),
            Timer::L | Timer::M | Timer::RegisterRefresh | Timer::RegisterRetry | Timer::BindingLost => self.put_call(call),
            Timer::FlowRetry | Timer::Resolve | Timer::StopGrace | Timer::ServerProbe | Timer::ServerReturn => self.put_call(call),
            Timer::SubscribeRefresh | Timer::SubscribeRetry | Timer::NotifyLost | Timer::SubscriptionLost => self.put_call(call),
            Timer::ReferLost | Timer::ReferUndecided | Timer::ReferExpires | Timer::ServerName => self.put_call(call),
        }
    }

    /// Finds where a dialog's requests go from now on. Until a name is resolved they go where the dialog's messages went.
    fn settle_peer(&mut self, line: LineNumber, call: CallIdentity, dialog: &mut Dialog) {
        let Some(hop) = dialog.next_hop() else { return };
        if let Located::At(routes) = self.locate(line, &hop, Asker::Dialog(call)) {
            dialog.peer = routes.first;
        }
    }

    /// The name of a dialog's next hop was resolved.
    pub(crate) fn on_dialog_located(&mut self, identity: CallIdentity, _query: QueryId, route: Result<Route, String>) {
        let Some(call) = self.core.calls.get_mut(&identity) else { return };
        let (Some(dialog), Ok(route)) = (call.dialog_mut(), route) else { return };
        // Where it is there already, it keeps its socket, too.
        if dialog.peer.remote != route.remote {
            dialog.peer = route;
            self.touch();
        }
    }
}

impl Call {
    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        match &self.state {
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => None,
            State::Offered(offered) => Some(&offered.dialog),
            State::Talking(talking) => Some(&talking.dialog),
            State::Leaving(Leaving::AwaitingAck { dialog, .. } | Leaving::Bye { dialog, .. }) => Some(dialog),
        }
    }

    pub(crate) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Locating { .. } | State::Preparing { .. } | State::Inviting(_) => None,
            State::Offered(offered) => Some(&mut offered.dialog),
            State::Talking(talking) => Some(&mut talking.dialog),
            State::Leaving(Leaving::AwaitingAck { dialog, .. } | Leaving::Bye { dialog, .. }) => Some(dialog),
        }
    }
}

/// A request that goes with an INVITE of ours, as CANCEL and the ACK of a refusal do (RFC 3261 9.1, 17.1.1.3): same Request-URI,
/// top Via, Route, From, To, Call-ID and number.
pub(crate) fn follow_up(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    if let Ok(via) = invite.headers.top_via() {
        request.headers.push(HeaderName::VIA, via);
    }
    request.headers.copy(HeaderName::ROUTE, &invite.headers);
    request.headers.push(HeaderName::MAX_FORWARDS, 70);
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID] {
        request.headers.copy(name, &invite.headers);
    }
    let number = invite.headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
    request.headers.push(HeaderName::CSEQ, CSeq::new(number, method));
    request
}
