//! Time as the pure crates know it.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds of `CLOCK_BOOTTIME`: monotonic, counts through suspend, the same for all processes of one boot, so that it may
/// stand in a snapshot that a restarted process reads. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tick(pub u64);

impl Tick {
    /// The time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Tick;
    fn add(self, by: Duration) -> Tick {
        Tick(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Tick {
    type Output = Tick;
    fn sub(self, by: Duration) -> Tick {
        Tick(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Seconds since 1970-01-01T00:00:00Z, or unset while the unit does not know the time (B44, B218).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WallTime {
    /// The clock has not been set since power-up.
    #[default]
    Unset,
    /// Unix seconds.
    Unix(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Tick(5) - Duration::from_secs(1), Tick(0));
        assert_eq!(Tick(u64::MAX) + Duration::MAX, Tick(u64::MAX));
        assert_eq!(Tick(3).since(Tick(9)), Duration::ZERO);
        assert_eq!(Tick(9).since(Tick(3)), Duration::from_nanos(6));
    }
}
