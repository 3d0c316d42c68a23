//! What goes into the telephone and what comes out of it. Every value is plain data.

use std::collections::BTreeMap;

use agreements::{CallIdentity, Correlation, Hook, LampPattern, LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_stack::{Announcement, Appearance, Codec, EndedBy, Party};

use crate::forwarding::LineFeatures;
use crate::settings::{TelephoneSettings, ToneSettings};

/// Everything that can happen to the telephone, except what a person asks for over the bus: that is [`Request`].
pub enum Input {
    /// The whole settings. Deadlines that run keep running; a tone that sounds changes with its rows.
    Settings(Box<TelephoneSettings>),
    /// The handset was lifted or put down. Level-triggered: the same position again is harmless.
    Hook(Hook),
    /// A key of the matrix; the names are those of Hal1.Keys, unknown ones do nothing.
    Key {
        /// "5", "star", "line-2", "speaker" ...
        name: String,
        /// Down, or up again.
        pressed: bool,
    },
    /// From the stack.
    Sip(sip_stack::Event),
    /// What is known of a call's RTP.
    Media(CallIdentity, MediaState),
    /// A digit has been sent; it and those before it need not be asked for any more.
    DigitsSent {
        /// The call.
        call: CallIdentity,
        /// As in [`Digit`].
        number: u64,
    },
    /// What became of [`Output::WriteFeatures`]. After it was done the settings with it come first.
    FeaturesWritten(LineNumber, Written),
    /// The deadline of the last [`Output::Wait`] has come.
    Timeout,
}

/// What became of rows that were to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// They stand there.
    Done,
    /// They are not legal; the same once more would not be either.
    Refused,
    /// Not now: their owner is away, or somebody has changed them meanwhile. Perhaps they stand there all the same.
    Failed,
}

/// What a person asks for over the bus. Answered at once: done, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Calls; without a line from the default one. The answer names the call.
    Dial {
        /// From here.
        line: Option<LineNumber>,
        /// A number, to which the line's dial plan applies, or a SIP URI.
        target: String,
    },
    /// Calls the voice mail number of this line, else of one with messages waiting, the default line first. The answer names the
    /// call.
    CallMailbox {
        /// From here.
        line: Option<LineNumber>,
    },
    /// Answers an incoming call.
    Answer(CallIdentity),
    /// Refuses an incoming call (B191).
    Reject(CallIdentity),
    /// Ends it in any state.
    Hangup(CallIdentity),
    /// Holds.
    Hold(CallIdentity),
    /// Talks again.
    Resume(CallIdentity),
    /// Sends digits to the far end.
    SendDigits(CallIdentity, String),
    /// Tells the far end of an answered call of a flash hook (B309).
    SendFlashHook(CallIdentity),
    /// Has the far end of an answered call talk with somebody else: a number or a SIP URI.
    Transfer(CallIdentity, String),
    /// Has the far ends of two answered calls talk with each other: the first one calls the second one, in the place of that call.
    TransferTo {
        /// Whose far end is asked to call.
        call: CallIdentity,
        /// Whose far end is called.
        other: CallIdentity,
    },
    /// Registers the line now.
    Register(LineNumber),
}

/// Why a request cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a number, not a digit.
    #[error("{0}")]
    InvalidArgument(String),
    /// No call of this identity, or it is gone.
    #[error("there is no call {0}")]
    NoSuchCall(CallIdentity),
    /// The call is in a state in which this cannot be done.
    #[error("{0}")]
    WrongState(String),
    /// The dial plan does not let it be called.
    #[error("{0}")]
    NumberDenied(String),
    /// Not registered, disabled or unconfigured.
    #[error("{0}")]
    LineUnavailable(String),
    /// Too many at once.
    #[error("{0}")]
    Busy(String),
}

/// Everything that the telephone wants done. Poll until [`Output::Wait`].
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// For the stack.
    Stack(sip_stack::Command, Correlation),
    /// What shall be heard, whole.
    Sound(SoundWish),
    /// A call as it is shown now; also when it is new.
    Call(Box<CallView>),
    /// It is shown no more.
    CallGone(CallIdentity),
    /// All lamps that the telephone lights, by their Hal1 names.
    Lamps(BTreeMap<String, LampPattern>),
    /// What waits at a line's mailbox.
    Messages(LineNumber, Messages),
    /// How far a line's do-not-disturb and forwarding are kept the same as at its server.
    FeatureSync(LineNumber, FeatureSync),
    /// A line's rows are to say this from now on: its server says so. Answered by [`Input::FeaturesWritten`]; one at a time for a
    /// line.
    WriteFeatures(LineNumber, Box<LineFeatures>),
    /// Whom a line watches, and what they do.
    Watching(LineNumber, Watching),
    /// What the units do with a line that they share.
    Shared(LineNumber, SharedLine),
    /// Digits keyed and not yet sent.
    PendingDigits(String),
    /// How many calls have not ended.
    CallsUp(u32),
    /// Nothing more to do before this time (none: until an input comes).
    Wait(Option<Tick>),
}

/// A line's messages as people see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// There are some that were not heard (B199).
    pub waiting: bool,
    /// How many, where the server counts them.
    pub new: u32,
    /// Heard and kept, where the server counts them.
    pub old: u32,
    /// Whether this is known at all.
    pub mailbox: SubscriptionProgress,
}

/// How far a line's do-not-disturb and forwarding are kept the same as at its server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureSync {
    /// Active: the server acts on calls, as far as it has said what it keeps; in all other cases this phone does.
    pub progress: SubscriptionProgress,
    /// Why the server does not keep them, in words; empty when it does, or nothing is known.
    pub error: String,
}

/// Whom a line watches, and what they do (RESOURCELIST_URI_n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watching {
    /// In the order in which the server first named them.
    pub people: Vec<Watched>,
    /// Whether anything is known at all.
    pub list: SubscriptionProgress,
}

/// Somebody who is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The address, as the server writes it.
    pub uri: String,
    /// As people know them; may be empty.
    pub name: String,
    /// What they do.
    pub state: WatchedState,
}

/// What somebody does, as far as the server says. Nothing to be known is not the same as nothing to be done. Of several the last one
/// of this order is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WatchedState {
    /// The server does not watch them (any more).
    Terminated,
    /// Somebody has to allow it first.
    Pending,
    /// The server has not said anything yet.
    Unknown,
    /// No call.
    Idle,
    /// A call is on hold at their end.
    Held,
    /// In a call.
    Talking,
    /// They call somebody who has not answered yet.
    Calling,
    /// Somebody calls them.
    Ringing,
}

impl WatchedState {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            WatchedState::Terminated => "terminated",
            WatchedState::Pending => "pending",
            WatchedState::Unknown => "unknown",
            WatchedState::Idle => "idle",
            WatchedState::Held => "held",
            WatchedState::Talking => "talking",
            WatchedState::Calling => "calling",
            WatchedState::Ringing => "ringing",
        }
    }
}

/// A shared line as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedLine {
    /// Those that are in use, this unit's among them, in the order of their numbers.
    pub appearances: Vec<Appearance>,
    /// Whether the server tells us.
    pub watched: SubscriptionProgress,
}

/// How far a subscription of a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionProgress {
    /// Not wanted, or the line has not been registered yet.
    #[default]
    Off,
    /// Asked for; the server does not hold it.
    Asking,
    /// The server holds it and says nothing yet.
    Pending,
    /// The server tells us.
    Active,
    /// Refused for good.
    Refused,
}

impl SubscriptionProgress {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionProgress::Off => "off",
            SubscriptionProgress::Asking => "asking",
            SubscriptionProgress::Pending => "pending",
            SubscriptionProgress::Active => "active",
            SubscriptionProgress::Refused => "refused",
        }
    }
}

/// What shall be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoundWish {
    /// A tone in the earpiece.
    pub tone: Option<ToneWish>,
    /// Whether the ringer rings.
    pub ring: bool,
    /// Where the person listens.
    pub near: Near,
    /// The call that the person hears and speaks to.
    pub heard: Option<CallIdentity>,
    /// The person hears but is not heard.
    pub muted: bool,
    /// Digits not yet known to be sent, by call.
    pub digits: BTreeMap<CallIdentity, Vec<Digit>>,
}

/// What the person listens with and speaks into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Near {
    /// The handset.
    #[default]
    Handset,
    /// Hands-free.
    Speaker,
    /// A headset.
    Headset,
}

/// A tone by its name and sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToneWish {
    /// Which.
    pub name: ToneName,
    /// How it sounds.
    pub sound: ToneSettings,
}

/// The call progress tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToneName {
    /// Digits are waited for.
    Dial,
    /// The far end rings and does not send the tone itself.
    Ringback,
    /// The far end is busy, or the first digit did not come (B192).
    Busy,
    /// The call is over or could not be made (B292).
    Reorder,
}

impl ToneName {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            ToneName::Dial => "dial",
            ToneName::Ringback => "ringback",
            ToneName::Busy => "busy",
            ToneName::Reorder => "reorder",
        }
    }
}

/// A digit for the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digit {
    /// Grows by one per call: the same number is the same digit.
    pub number: u64,
    /// One of 0-9 A-D * #.
    pub digit: char,
    /// In milliseconds.
    pub duration_ms: u32,
    /// In milliseconds, after it.
    pub pause_ms: u32,
}

/// A call as org.deskphone.Sip1.Call shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// The last element of its path.
    pub identity: CallIdentity,
    /// Its line.
    pub line: LineNumber,
    /// Who began it.
    pub direction: CallDirection,
    /// See [`CallState`].
    pub state: CallState,
    /// Who holds.
    pub hold: HoldState,
    /// The far end.
    pub remote: Party,
    /// The appearance of a shared line that it is, where that is known.
    pub appearance: Option<u32>,
    /// What came with it, where it is theirs.
    pub announcement: Announcement,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// When it began.
    pub started_at: Tick,
    /// When it was answered.
    pub answered_at: Option<Tick>,
    /// When it ended.
    pub ended_at: Option<Tick>,
    /// The codec that is sent.
    pub codec: Option<Codec>,
    /// What is known of its RTP.
    pub media: MediaState,
    /// How it ended.
    pub end: Option<CallEnd>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    /// SIP status, or 0.
    pub code: u16,
    /// In words.
    pub reason: String,
    /// Who ended it.
    pub by: EndedBy,
}

/// Who began a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallDirection {
    /// They.
    Incoming,
    /// We.
    Outgoing,
}

impl CallDirection {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            CallDirection::Incoming => "incoming",
            CallDirection::Outgoing => "outgoing",
        }
    }
}

/// The states of org.deskphone.Sip1.Call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// INVITE sent, or it waits for an appearance of its shared line.
    Dialing,
    /// The far end rings.
    Ringback,
    /// We ring.
    Incoming,
    /// Answered.
    Talking,
    /// Over.
    Ended,
}

impl CallState {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            CallState::Dialing => "dialing",
            CallState::Ringback => "ringback",
            CallState::Incoming => "incoming",
            CallState::Talking => "talking",
            CallState::Ended => "ended",
        }
    }
}

/// Who holds a call; it changes only when the re-INVITE has been answered 2xx.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldState {
    /// We.
    pub local: bool,
    /// They.
    pub remote: bool,
}

impl HoldState {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match (self.local, self.remote) {
            (false, false) => "none",
            (true, false) => "local",
            (false, true) => "remote",
            (true, true) => "both",
        }
    }
}

/// What is known of a call's RTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaState {
    /// None is wanted.
    #[default]
    None,
    /// Asked for; no packet yet.
    Starting,
    /// Packets come in.
    Flowing,
    /// None came for the time-out.
    Silent,
    /// It could not be had.
    Failed,
}

impl MediaState {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            MediaState::None => "none",
            MediaState::Starting => "starting",
            MediaState::Flowing => "flowing",
            MediaState::Silent => "silent",
            MediaState::Failed => "failed",
        }
    }
}
