//! One call as the telephone keeps it. It must not decide anything about other calls: that is the phone's.
//!
//! ```text
//!   Seizing --> Dialing --180/183--> Ringback --200--> Talking --> Ended --5-6 s--> gone
//!  (shared line)   \_________________200__________________^          ^
//!   Incoming --answer, 200 ACKed--------------------------^          |
//!      \_______every state: Ended by us, by them, by the network
//! ```

use std::time::Duration;

use agreements::{CallIdentity, LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_stack::{Announcement, Codec, Party};

use crate::interface::{CallDirection, CallEnd, CallState, CallView, Digit, HoldState, MediaState};
use crate::settings::TelephoneSettings;

/// How long an ended call is still shown.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// Ended calls go together with those that go soon after: each time wakes every process that shows them.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);
/// Digits that wait to be sent; more are refused.
pub(crate) const DIGITS_MAX: usize = 64;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum State {
    /// It waits for an appearance of its shared line; the stack does not know it yet. `left`: hung up before it has got there.
    Seizing {
        target: String,
        left: bool,
    },
    Dialing,
    Ringback {
        early_media: bool,
    },
    /// `decided`: answer or refusal went to the stack; `answer_at`: auto answer's deadline (B296); `forward_at`: when it has rung
    /// long enough here.
    Incoming {
        decided: bool,
        answer_at: Option<Tick>,
        forward_at: Option<Tick>,
    },
    /// `pending`: a re-INVITE for hold (true) or resume (false) is under way.
    Talking {
        hold: HoldState,
        pending: Option<bool>,
    },
    Ended {
        at: Tick,
        end: CallEnd,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub identity: CallIdentity,
    pub line: LineNumber,
    pub direction: CallDirection,
    pub state: State,
    pub remote: Party,
    /// The appearance of a shared line that it is, where that is known.
    pub appearance: Option<u32>,
    /// What came with it.
    pub announcement: Announcement,
    pub sip_call_id: String,
    pub started: Tick,
    pub answered: Option<Tick>,
    pub codec: Option<Codec>,
    pub media: MediaState,
    pub digits: Vec<Digit>,
    pub next_digit: u64,
    /// The call that it comes instead of: who transfers, or whose place it has taken.
    pub instead_of: Option<CallIdentity>,
    /// The call whose far end its own is asked to call, until the outcome is known.
    pub sent_to: Option<CallIdentity>,
}

impl Call {
    pub fn new(identity: CallIdentity, line: LineNumber, direction: CallDirection, remote: Party, now: Tick) -> Call {
        let state = match direction {
            CallDirection::Outgoing => State::Dialing,
            CallDirection::Incoming => State::Incoming { decided: false, answer_at: None, forward_at: None },
        };
        Call {
            identity,
            line,
            direction,
            state,
            remote,
            appearance: None,
            announcement: Announcement::default(),
            sip_call_id: String::new(),
            started: now,
            answered: None,
            codec: None,
            media: MediaState::None,
            digits: Vec::new(),
            next_digit: 1,
            instead_of: None,
            sent_to: None,
        }
    }

    pub fn is_up(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    /// Rings, or would ring, and nobody has taken it yet.
    pub fn wants_answer(&self) -> bool {
        matches!(self.state, State::Incoming { decided: false, .. })
    }

    /// Talking, and not held by us; a hold that is under way counts as held, a resume as not held.
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Talking { hold, pending } => !pending.unwrap_or(hold.local),
            State::Seizing { .. } | State::Dialing | State::Ringback { .. } => false,
            State::Incoming { .. } | State::Ended { .. } => false,
        }
    }

    /// Held by us, or about to be.
    pub fn is_held(&self) -> bool {
        matches!(self.state, State::Talking { .. }) && !self.is_open()
    }

    /// Whether the person shall hear it when it is the desk's call: until the hold is confirmed, and early media.
    pub fn is_audible(&self) -> bool {
        match self.state {
            State::Talking { hold, .. } => !hold.local,
            State::Ringback { early_media } => early_media,
            State::Seizing { .. } | State::Dialing | State::Incoming { .. } | State::Ended { .. } => false,
        }
    }

    pub fn shown_state(&self) -> CallState {
        match self.state {
            State::Seizing { .. } | State::Dialing => CallState::Dialing,
            State::Ringback { .. } => CallState::Ringback,
            State::Incoming { .. } => CallState::Incoming,
            State::Talking { .. } => CallState::Talking,
            State::Ended { .. } => CallState::Ended,
        }
    }

    pub fn deadline(&self) -> Option<Tick> {
        match self.state {
            State::Incoming { decided: false, answer_at, forward_at } => answer_at.into_iter().chain(forward_at).min(),
            State::Ended { at, .. } => Some((at + LINGER).rounded_up(SWEEP)),
            State::Incoming { decided: true, .. } | State::Talking { .. } => None,
            State::Seizing { .. } | State::Dialing | State::Ringback { .. } => None,
        }
    }

    /// Numbers the digits and queues them.
    pub fn queue(&mut self, digits: impl Iterator<Item = char>, settings: &TelephoneSettings) {
        for digit in digits {
            let (duration_ms, pause_ms) = (settings.digit_length_ms, settings.digit_pause_ms);
            self.digits.push(Digit { number: self.next_digit, digit, duration_ms, pause_ms });
            self.next_digit = self.next_digit.saturating_add(1);
        }
    }

    /// That media was asked for (again) says nothing about packets that are known to come in.
    pub fn set_media(&mut self, state: MediaState) {
        let known = matches!(self.media, MediaState::Flowing | MediaState::Silent);
        if state != MediaState::Starting || !known {
            self.media = state;
        }
    }

    pub fn end(&mut self, at: Tick, end: CallEnd) {
        self.state = State::Ended { at, end };
        self.media = MediaState::None;
        self.digits.clear();
    }

    pub fn view(&self) -> CallView {
        let (ended_at, end) = match &self.state {
            State::Ended { at, end } => (Some(*at), Some(end.clone())),
            State::Seizing { .. } | State::Dialing | State::Ringback { .. } => (None, None),
            State::Incoming { .. } | State::Talking { .. } => (None, None),
        };
        let hold = match self.state {
            State::Talking { hold, .. } => hold,
            State::Seizing { .. } | State::Dialing | State::Ringback { .. } => HoldState::default(),
            State::Incoming { .. } | State::Ended { .. } => HoldState::default(),
        };
        CallView {
            identity: self.identity,
            line: self.line,
            direction: self.direction,
            state: self.shown_state(),
            hold,
            remote: self.remote.clone(),
            appearance: self.appearance,
            announcement: self.announcement.clone(),
            sip_call_id: self.sip_call_id.clone(),
            started_at: self.started,
            answered_at: self.answered,
            ended_at,
            codec: self.codec,
            media: self.media,
            end,
        }
    }
}
