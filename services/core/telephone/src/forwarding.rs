//! Do-not-disturb and where calls of others are sent instead of here, as settings (guide, 4.7.2.3 and 4.7.2.4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long one ring lasts: the caller hears rings of 2 s every 6 s (guide, 4.7.3: Ringing Tone 60,2000,3940), whatever rhythm
/// the ringing tone of a person's choice has here.
const RING: Duration = Duration::from_secs(6);
/// Rings where nobody has said how many (guide, line 3538).
const RINGS: u32 = 3;

/// What a server may keep of one line as well as the phone (FWD_DND_SYNCHRO_ENABLE_n).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFeatures {
    /// DO_NOT_DISTURB_n.
    pub do_not_disturb: bool,
    /// FWD_*_n.
    pub forwarding: LineForwarding,
}

/// The rows of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineForwarding {
    /// FWD_ALL_ENABLE_n, FWD_ALL_NUMBER_n.
    pub all: Forward,
    /// FWD_BUSY_ENABLE_n, FWD_BUSY_NUMBER_n: while the line is in use.
    pub busy: Forward,
    /// FWD_NOANSWER_ENABLE_n, FWD_NOANSWER_NUMBER_n.
    pub no_answer: Forward,
    /// FWD_NOANSWER_RINGS_n; 0: it does not ring here at all.
    pub rings: u32,
}

/// One way of forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// FWD_*_ENABLE_n.
    pub enabled: bool,
    /// FWD_*_NUMBER_n; kept while it is off.
    pub to: String,
}

impl Forward {
    /// Where calls go. A number is required (B179); whoever has none forwards nothing.
    pub(crate) fn destination(&self) -> Option<&str> {
        Some(self.to.as_str()).filter(|to| self.enabled && !to.is_empty())
    }
}

impl Default for LineForwarding {
    fn default() -> LineForwarding {
        let off = Forward::default;
        LineForwarding { all: off(), busy: off(), no_answer: off(), rings: RINGS }
    }
}

impl LineForwarding {
    /// How long a call rings here before it goes elsewhere; none: as long as it likes.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.no_answer.destination().map(|_| RING.saturating_mul(self.rings))
    }
}
