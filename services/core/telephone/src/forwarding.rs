//! Where calls of others are sent instead of here, as settings (guide, 4.7.2.4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long one ring lasts: the caller hears rings of 2 s every 6 s (guide, 4.7.3: Ringing Tone 60,2000,3940), whatever rhythm
/// the ringing tone of a person's choice has here.
const RING: Duration = Duration::from_secs(6);

/// The rows of one line; none where a row is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineForwarding {
    /// FWD_ALL_ENABLE_n, FWD_ALL_NUMBER_n.
    pub all: Option<String>,
    /// FWD_BUSY_ENABLE_n, FWD_BUSY_NUMBER_n: while the line is in use.
    pub busy: Option<String>,
    /// FWD_NOANSWER_*.
    pub no_answer: Option<NoAnswer>,
}

/// Where calls go that nobody answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoAnswer {
    /// FWD_NOANSWER_NUMBER_n.
    pub to: String,
    /// FWD_NOANSWER_RINGS_n; 0: it does not ring here at all.
    pub rings: u32,
}

impl NoAnswer {
    /// How long a call rings here.
    pub(crate) fn patience(&self) -> Duration {
        RING.saturating_mul(self.rings)
    }
}
