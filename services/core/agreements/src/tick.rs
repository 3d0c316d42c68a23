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

    /// The next moment that is a whole multiple of `step`, never an earlier one. For what has time: all that is rounded alike comes
    /// due together, in one wake-up of the processor instead of one each.
    #[must_use]
    pub fn rounded_up(self, step: Duration) -> Tick {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1);
        Tick(self.0.div_ceil(step).saturating_mul(step))
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

    #[test]
    fn rounding_up_is_never_early_and_never_a_whole_step_late() {
        let step = Duration::from_nanos(10);
        assert_eq!([0, 1, 10, 11].map(|tick| Tick(tick).rounded_up(step)), [0, 10, 10, 20].map(Tick));
        assert_eq!(Tick(7).rounded_up(Duration::ZERO), Tick(7));
        assert_eq!(Tick(u64::MAX).rounded_up(Duration::from_secs(1)), Tick(u64::MAX));
    }
}
