//! The two clocks. The pure crates never read them: they are handed a `Tick` and a `WallTime`.

use agreements::{Tick, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// Before this moment (2020-01-01) a wall clock has not been set since power-up: a board without a battery starts in 1970.
const EARLIEST_PLAUSIBLE: u64 = 1_577_836_800;

/// `CLOCK_BOOTTIME` in nanoseconds: counts through suspend and is the same for all processes of one boot.
pub fn now() -> Tick {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    Tick(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

/// The wall clock in Unix seconds, unset while it shows a time before any of our releases (B44, B218). hal-agent's `ClockSet`
/// says more about how right it is.
pub fn wall() -> WallTime {
    let seconds = u64::try_from(clock_gettime(ClockId::Realtime).tv_sec).unwrap_or(0);
    if seconds < EARLIEST_PLAUSIBLE { WallTime::Unset } else { WallTime::Unix(seconds) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn boot_time_goes_forward() {
        let first = super::now();
        assert!(super::now() >= first && first.0 > 0);
    }
}
