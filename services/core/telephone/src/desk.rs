//! The near end: what the person at the desk has in the hand and does with it. Only states and what follows from a state alone.
//!
//! ```text
//!   Closed --lift, speaker, line key--> DialTone --digit--> Collecting --pause, #, enter--> Call
//!     ^                                    | FIRSTDIGIT_TIM             (or at once: answer, bus)  | far end gone
//!     |                                    v                                                       v
//!     |                                  Tone (busy, no end)                              Tone (disconnect, until)
//!     +--put down, hands-free tone over--- any state                        handset: --until--> Silent
//! ```

use agreements::{CallIdentity, LineNumber, Tick};
use serde::{Deserialize, Serialize};

use crate::interface::{Near, ToneName};

/// Keyed digits; more are not taken (a dial plan knows 32, B219).
pub(crate) const KEYED_MAX: usize = 64;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Desk {
    /// Nobody is at the phone.
    #[default]
    Closed,
    /// Waiting for the first digit.
    DialTone { near: Near, line: LineNumber, until: Tick },
    /// Waiting for the next digit.
    Collecting { near: Near, line: LineNumber, digits: String, until: Tick },
    /// With a call, in whatever state it is.
    Call { near: Near, call: CallIdentity },
    /// A tone says that nothing comes any more.
    Tone { near: Near, tone: ToneName, until: Option<Tick> },
    /// Lifted, and nothing to be heard.
    Silent { near: Near },
}

impl Desk {
    pub fn near(&self) -> Option<Near> {
        match self {
            Desk::Closed => None,
            Desk::DialTone { near, .. }
            | Desk::Collecting { near, .. }
            | Desk::Call { near, .. }
            | Desk::Tone { near, .. }
            | Desk::Silent { near } => Some(*near),
        }
    }

    /// The same with another mouthpiece.
    pub fn move_to(&mut self, to: Near) {
        match self {
            Desk::Closed => {}
            Desk::DialTone { near, .. }
            | Desk::Collecting { near, .. }
            | Desk::Call { near, .. }
            | Desk::Tone { near, .. }
            | Desk::Silent { near } => *near = to,
        }
    }

    pub fn call(&self) -> Option<CallIdentity> {
        match self {
            Desk::Call { call, .. } => Some(*call),
            Desk::Closed | Desk::DialTone { .. } | Desk::Collecting { .. } | Desk::Tone { .. } | Desk::Silent { .. } => None,
        }
    }

    /// Nobody dials or talks here.
    pub fn is_idle(&self) -> bool {
        match self {
            Desk::Closed | Desk::Tone { .. } | Desk::Silent { .. } => true,
            Desk::DialTone { .. } | Desk::Collecting { .. } | Desk::Call { .. } => false,
        }
    }

    pub fn deadline(&self) -> Option<Tick> {
        match self {
            Desk::DialTone { until, .. } | Desk::Collecting { until, .. } => Some(*until),
            Desk::Tone { until, .. } => *until,
            Desk::Closed | Desk::Call { .. } | Desk::Silent { .. } => None,
        }
    }
}
