//! The order to the other services to clear what they keep (B264, B265). It is a fact with a number, so that nobody misses it: who
//! keeps data of its own remembers the number of the newest order that it has followed, and clears when this one is higher, also
//! when it was down at the time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use settings::layers::{FORMAT, Reset};
use store::Record;

/// Where it lies in the store; it is kept over resets.
pub(crate) const KEY: &str = "clearing";

/// The newest order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clearing {
    /// Counted from the unit's first start; 0: none yet.
    pub number: u64,
    /// Which reset; none: none yet.
    pub reset: Option<Reset>,
}

impl Clearing {
    /// The one that is stored.
    pub(crate) fn load(records: &BTreeMap<String, Record>) -> Clearing {
        records.get(KEY).and_then(|record| postcard::from_bytes(&record.bytes).ok()).unwrap_or_default()
    }

    /// The one after it.
    pub(crate) fn next(self, reset: Reset) -> Clearing {
        Clearing { number: self.number.saturating_add(1), reset: Some(reset) }
    }

    pub(crate) fn record(self) -> Result<Record, postcard::Error> {
        Ok(Record { format: FORMAT, bytes: postcard::to_stdvec(&self)? })
    }

    /// As on the bus: number, and data, factory or nothing.
    pub fn on_the_bus(self) -> (u64, String) {
        (self.number, self.reset.map(|reset| reset.as_str().to_owned()).unwrap_or_default())
    }
}
