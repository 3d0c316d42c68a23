//! What goes into the stack and what comes out of it. Time, randomness (a seed), sockets, name resolution, media and
//! persistence are outside; every value here is plain data.

use std::net::SocketAddr;

use agreements::{CallIdentity, Correlation, LineNumber, Tick};
use serde::{Deserialize, Serialize};

use crate::announced::Announcement;
use crate::referral::{ReferProgress, ReferTarget, ReferralId};
pub use crate::session_settings::{NamedRefresher, RefreshMethod, SessionSettings};
pub use crate::stack_settings::{LineSettings, Server, StackSettings};
use crate::subscription::{Appearances, SubscribeBody, SubscriptionKey, SubscriptionState, SubscriptionWish};

/// One socket (TCP: one listening socket and its connections), named by the stack when it asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// One name look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryId(pub u64);

/// How SIP travels (SIP_TRANSPORT_n, B325). TLS gets its place here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// One datagram, one message.
    #[default]
    Udp,
    /// A stream, framed by Content-Length.
    Tcp,
}

/// Everything that can happen to the stack.
pub enum Input {
    /// The whole settings; the stack plans old against new and does the least that is needed.
    Settings(Box<StackSettings>),
    /// The socket asked for by [`Output::OpenFlow`] is there; `local` has its real address.
    FlowUp {
        /// As asked for.
        flow: FlowId,
        /// The bound address.
        local: SocketAddr,
    },
    /// The socket could not be had, or is gone. The line says so and asks again with back-off.
    FlowDown {
        /// Which.
        flow: FlowId,
        /// In words, for `LastError`.
        reason: String,
    },
    /// A datagram came in.
    Datagram {
        /// The socket.
        flow: FlowId,
        /// Who sent it.
        remote: SocketAddr,
        /// The whole datagram.
        bytes: Vec<u8>,
    },
    /// A TCP connection is there: made for an [`Output::Transmit`], or accepted.
    StreamUp {
        /// The line's listening socket.
        flow: FlowId,
        /// The other end.
        remote: SocketAddr,
        /// The other end has made it.
        accepted: bool,
    },
    /// Bytes came in over a connection, in whatever pieces.
    StreamBytes {
        /// As in `StreamUp`.
        flow: FlowId,
        /// As in `StreamUp`.
        remote: SocketAddr,
        /// The next ones.
        bytes: Vec<u8>,
    },
    /// A connection could not be made, or has ended, or does not take what is sent.
    StreamDown {
        /// As in `StreamUp`.
        flow: FlowId,
        /// As in `StreamUp`.
        remote: SocketAddr,
    },
    /// A message to `remote` cannot leave: there is no way to it from here.
    Unreachable {
        /// The socket.
        flow: FlowId,
        /// The destination.
        remote: SocketAddr,
    },
    /// Somebody on the way, or its host, says that `remote` is not there (ICMP). Perhaps it is starting at this moment: a request
    /// that has another server goes there at once, any other is sent again as long as its timers say.
    Refused {
        /// The socket.
        flow: FlowId,
        /// The destination.
        remote: SocketAddr,
    },
    /// The answer to [`Output::Resolve`].
    Resolved {
        /// The question.
        query: QueryId,
        /// Targets in the order of preference, or why there is none.
        targets: Result<Vec<SocketAddr>, String>,
    },
    /// The answer to [`Output::MediaDesired`] of that generation.
    MediaReady {
        /// The call.
        call: CallIdentity,
        /// As in the wish.
        generation: u64,
        /// Sockets are bound, or why not.
        result: Result<(), MediaRefusal>,
    },
    /// What the user, or telephone for the user, wants.
    Command(Command, Correlation),
    /// The LAN port has its link again, perhaps in another network: lines register at once.
    LinkUp,
    /// The deadline of the last [`Output::Wait`] has come (or another input came first: harmless).
    Timeout,
}

/// Why media cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaRefusal {
    /// Another program holds this port: propose the next pair.
    PortTaken(u16),
    /// media-engine is not there or failed; in words.
    Failed(String),
}

/// Everything that the stack wants done. Poll until [`Output::Wait`].
#[derive(Debug)]
pub enum Output {
    /// Send these bytes. On a TCP flow: over the connection to `remote`, which is made where there is none.
    Transmit {
        /// From this socket.
        flow: FlowId,
        /// To there.
        remote: SocketAddr,
        /// One message.
        bytes: Vec<u8>,
    },
    /// Bind a socket (TCP: listen on it); answered by `FlowUp` or `FlowDown`.
    OpenFlow {
        /// Its name from now on.
        flow: FlowId,
        /// Whose it is.
        line: LineNumber,
        /// Its kind.
        transport: Transport,
        /// Address and port to bind.
        local: SocketAddr,
        /// DSCP of everything sent on it (DSCP_SIP_n).
        dscp: u8,
    },
    /// Everything sent on it, and on its connections, has another DSCP from now on.
    MarkFlow {
        /// Which.
        flow: FlowId,
        /// As in `OpenFlow`.
        dscp: u8,
    },
    /// Close it, and its connections.
    CloseFlow {
        /// Which.
        flow: FlowId,
    },
    /// Close a connection; nothing is answered.
    CloseStream {
        /// The listening socket.
        flow: FlowId,
        /// The other end.
        remote: SocketAddr,
    },
    /// Find out where a server is; answered by `Resolved`. Addresses are never asked for.
    Resolve {
        /// Names the answer.
        query: QueryId,
        /// The host name.
        host: String,
        /// A fixed port; none: SRV where `srv`, else 5060.
        port: Option<u16>,
        /// The SRV prefix to ask ("_sip._udp."), when SRV is wanted.
        srv: Option<String>,
        /// The line has an IPv6 socket: such addresses are of use.
        ipv6: bool,
    },
    /// What one call's media shall be, whole; answered by `MediaReady`.
    MediaDesired(CallMedia),
    /// Something that people or telephone want to know.
    Event(Event),
    /// `snapshot()` differs from the last one taken: write it before the transmissions that follow.
    SnapshotDirty,
    /// Nothing more to do before this time (none: until an input comes).
    Wait(Option<Tick>),
}

/// One call's media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMedia {
    /// The call.
    pub call: CallIdentity,
    /// Its line.
    pub line: LineNumber,
    /// Grows with each wish of this call.
    pub generation: u64,
    /// One per To-tag while it is forked; empty: the call has no media (any more).
    pub legs: Vec<LegMedia>,
}

/// One leg's RTP session, in the terms of `media.proto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegMedia {
    /// 0, 1, ...; stable over re-INVITEs.
    pub leg: u32,
    /// Where we receive.
    pub local: SocketAddr,
    /// Where we send; none while unknown or a black hole (c=0.0.0.0).
    pub remote: Option<SocketAddr>,
    /// The far RTCP address.
    pub remote_rtcp: Option<SocketAddr>,
    /// The far end has named it itself, by a=rtcp: (RFC 3605); else it follows from the RTP address.
    pub rtcp_named: bool,
    /// What we do.
    pub direction: Direction,
    /// Agreed codecs, best first, with their payload types; empty while nothing is agreed.
    pub codecs: Vec<(Codec, u8)>,
    /// Payload type of RFC 4733 events.
    pub telephone_event: Option<u8>,
    /// Our SSRC.
    pub ssrc: u32,
    /// Packet time in milliseconds.
    pub ptime_ms: u32,
}

/// Directions of RFC 3264, as we see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Neither.
    Inactive,
    /// We send.
    SendOnly,
    /// We receive.
    RecvOnly,
    /// Both.
    SendRecv,
}

/// Codecs that the catalogue knows (B101), whether or not this version can play them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.722, static payload type 9 (clock rate 8000 by RFC 3551).
    G722,
    /// G.711 A-law, 8.
    Pcma,
    /// G.729A, 18.
    G729,
    /// G.711 mu-law, 0.
    Pcmu,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Call. `call` is a fresh identity made by the caller; the outcome comes as events of it.
    Dial {
        /// Its identity from now on.
        call: CallIdentity,
        /// From which line.
        line: LineNumber,
        /// A number, or a SIP URI.
        target: String,
        /// The appearance of a shared line that it is, which has been seized.
        appearance: Option<u32>,
    },
    /// The incoming call rings: send 180. Given by telephone when it wants it to ring.
    Ring(CallIdentity),
    /// Answer it: 200.
    Answer(CallIdentity),
    /// Refuse an incoming call with this status (486 busy, 603 reject, 403 do not disturb).
    Reject(CallIdentity, u16),
    /// Send an incoming call elsewhere: 302 (guide, 4.7.2.4).
    Forward {
        /// The call.
        call: CallIdentity,
        /// A number, or a SIP URI.
        to: String,
        /// For Diversion (B324).
        why: Diverted,
    },
    /// End it in any state.
    Hangup(CallIdentity),
    /// Tells the far end these digits by INFO, one after the other (DTMF_RELAY_n, B305). Too many at a time are dropped.
    SendDigits(CallIdentity, Vec<RelayedDigit>),
    /// Tells the far end of a flash hook by INFO, in its turn among the digits (FLASHHOOK_CONTENT_TYPE, B309).
    SendFlashHook {
        /// The call.
        call: CallIdentity,
        /// How it is said.
        form: FlashHookForm,
        /// How long it shall last, in milliseconds, where the form says so.
        duration_ms: u32,
    },
    /// Asks the far end of an answered call to call somebody else (REFER), after whatever re-INVITE of the call is wanted or
    /// under way; the outcome comes as `Event::Refer`. The call goes on.
    Refer {
        /// The call.
        call: CallIdentity,
        /// Whom its far end shall call.
        target: ReferTarget,
    },
    /// Follows a REFER of theirs: calls whom it names. The call's outcome comes as events of it, the referrer is told as well.
    AcceptReferral {
        /// As in `Event::Referred`.
        referral: ReferralId,
        /// The new call's identity from now on.
        call: CallIdentity,
    },
    /// Does not follow it.
    DeclineReferral(ReferralId),
    /// re-INVITE to hold (B307).
    Hold(CallIdentity),
    /// re-INVITE to talk again.
    Resume(CallIdentity),
    /// REGISTER now, whatever the state; subscriptions of the line that were refused are tried once more.
    Register(LineNumber),
    /// Subscribe, and keep it up over failures and restarts (RFC 6665). The same wish once more changes nothing; another wish, or
    /// a body, is said at once. The outcome comes as events of this key.
    Subscribe {
        /// Which.
        key: SubscriptionKey,
        /// How.
        wish: SubscriptionWish,
        /// Goes with one SUBSCRIBE.
        body: Option<SubscribeBody>,
    },
    /// End it; `SubscriptionState::Ended` when that is done.
    Unsubscribe(SubscriptionKey),
    /// No more is asked for, and the server is not told: it ends the subscription itself (line-seize, once the INVITE has left), or its
    /// time runs out; `SubscriptionState::Ended` then.
    LetLapse(SubscriptionKey),
    /// The SIP function stops: cancel what USE_DEL_REG_CLOSE_n says (B318); `Event::Stopped` when done.
    Stop,
}

/// Why a call is sent elsewhere (RFC 5806, diversion-reason).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Diverted {
    /// Every call is.
    Unconditional,
    /// The line is in use.
    Busy,
    /// Nobody has answered.
    NoAnswer,
}

/// A digit that travels as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedDigit {
    /// One of 0-9 A-D * #.
    pub digit: char,
    /// How long it shall sound, in milliseconds.
    pub duration_ms: u32,
}

/// How an INFO says that the hook was flashed (decision 32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlashHookForm {
    /// As a digit is told, with the event 16.
    DtmfRelay,
    /// As an event of BroadSoft's.
    BroadSoft,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line's state.
    Line(LineNumber, LineState),
    /// An INVITE for us; the call waits for `Ring`, `Answer` or `Reject`.
    Incoming {
        /// Its new identity.
        call: CallIdentity,
        /// On which line.
        line: LineNumber,
        /// Who calls.
        remote: Party,
        /// The SIP Call-ID.
        sip_call_id: String,
        /// The call whose place it is to take (RFC 3891): that one ends when this one is answered, and goes on when it is not.
        /// Nobody need be asked, and it shall not ring.
        replaces: Option<CallIdentity>,
    },
    /// Somebody has sent a call of theirs on to us; comes right after `Incoming`.
    Diverted {
        /// The call.
        call: CallIdentity,
        /// Who.
        by: Party,
        /// Why, where that is said.
        why: Option<Diverted>,
    },
    /// What comes with a call of theirs, where something does; comes right after `Incoming`.
    Announced {
        /// The call.
        call: CallIdentity,
        /// As the line's server says.
        announcement: Announcement,
    },
    /// Which appearance of a shared line it is, as the line's server says; comes right after `Incoming`.
    Appearance {
        /// The call.
        call: CallIdentity,
        /// 1, 2, ...
        index: u32,
    },
    /// Our INVITE has left.
    Dialing {
        /// The call.
        call: CallIdentity,
        /// The SIP Call-ID.
        sip_call_id: String,
    },
    /// 180 or 183 for our INVITE; `early_media`: the far end sends the tone itself.
    Ringback {
        /// The call.
        call: CallIdentity,
        /// With SDP.
        early_media: bool,
    },
    /// Another far end than was known, as a server of the line says (RFC 3325).
    Reached {
        /// The call, in any state.
        call: CallIdentity,
        /// From now on.
        remote: Party,
    },
    /// Answered, by us or by them.
    Established {
        /// The call.
        call: CallIdentity,
        /// Who the far end says it is now.
        remote: Party,
        /// The codec that is sent.
        codec: Option<Codec>,
        /// They hold from the beginning: their description receives nothing.
        held: bool,
    },
    /// A re-INVITE of either side has been answered 2xx and changed this.
    HoldChanged {
        /// The call.
        call: CallIdentity,
        /// We hold.
        local: bool,
        /// They hold.
        remote: bool,
        /// The codec that is sent from now on.
        codec: Option<Codec>,
    },
    /// A re-INVITE of ours failed; the call goes on as it was.
    HoldFailed {
        /// The call.
        call: CallIdentity,
        /// The answer.
        status: u16,
        /// In words.
        reason: String,
    },
    /// Over.
    Ended {
        /// The call.
        call: CallIdentity,
        /// SIP status, or 0.
        code: u16,
        /// In words.
        reason: String,
        /// Who ended it.
        by: EndedBy,
    },
    /// What became of a REFER of ours.
    Refer {
        /// The call whose far end was referred.
        call: CallIdentity,
        /// From now on.
        progress: ReferProgress,
    },
    /// Somebody asks us to call somebody else. Waits for `AcceptReferral` or `DeclineReferral`.
    Referred {
        /// Names it.
        referral: ReferralId,
        /// On which line.
        line: LineNumber,
        /// The call that it is about; none: one of the line's servers asks by itself.
        call: Option<CallIdentity>,
        /// Who asks.
        by: Party,
        /// Whom we shall call.
        to: Party,
        /// The new call is to take the place of one that the other end has.
        replaces: bool,
    },
    /// A server of the line wants the call to be answered, or to be talked on if it is held here: a NOTIFY of its dialog with event
    /// talk (B198). Nothing has been done.
    TalkRequested {
        /// The call, which is theirs and rings, or is answered.
        call: CallIdentity,
    },
    /// As `TalkRequested`, with event hold: the call is to be held.
    HoldRequested {
        /// The call.
        call: CallIdentity,
    },
    /// A NOTIFY with the line's resync event came from the line's servers (B45, C68); `event` is the Event header.
    ResyncRequested {
        /// The line.
        line: LineNumber,
        /// The Event header's value.
        event: String,
    },
    /// A subscription's state.
    Subscription {
        /// Which.
        key: SubscriptionKey,
        /// From now on.
        state: SubscriptionState,
    },
    /// A NOTIFY of a subscription brought a body.
    Notified {
        /// Which.
        key: SubscriptionKey,
        /// The Content-Type header's value.
        content_type: String,
        /// As it came.
        body: Vec<u8>,
    },
    /// A server of the line tells of its own accord what waits at its mailbox (package message-summary; RFC 3842).
    MailboxTold {
        /// Whose.
        line: LineNumber,
        /// The Content-Type header's value.
        content_type: String,
        /// As it came.
        body: Vec<u8>,
    },
    /// A NOTIFY of a subscription has changed what is known of a shared call's appearances (package call-info).
    Appearances {
        /// Which subscription.
        key: SubscriptionKey,
        /// All that is known now.
        appearances: Appearances,
    },
    /// After `Command::Stop`: all is said, close the sockets.
    Stopped,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedBy {
    /// We.
    Local,
    /// The far end.
    Remote,
    /// A server, a time-out, a dead network.
    Network,
}

/// The far end of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// User part, or the whole URI where there is none.
    pub number: String,
    /// Display name; may be empty.
    pub name: String,
    /// The URI without parameters.
    pub uri: String,
}

/// A line as the bus shows it (org.deskphone.Sip1.Line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineState {
    /// LINE_ENABLE_n or PROFILE_ENABLEn is off (B215).
    Disabled,
    /// No user or no registrar.
    Unconfigured,
    /// Under way, or waiting for the next try; why the last one failed.
    Registering {
        /// Empty at the first try.
        last_error: String,
    },
    /// Bound at the registrar.
    Registered {
        /// host:port.
        registrar: String,
        /// Granted, in seconds.
        expires: u32,
    },
    /// Refused: for good (403, no password; B211), or the credentials, which are tried afresh ever more seldom (B185).
    Failed {
        /// In words, with the status.
        reason: String,
    },
}
