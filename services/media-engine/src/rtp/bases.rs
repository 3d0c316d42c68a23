//! Where sequence numbers and time stamps begin: from the epoch of the calls, the SSRC and `CLOCK_BOOTTIME`, so that an engine
//! that was killed goes on where it was and the far end sees one stream with a short loss (architecture 5). To outsiders they
//! are as random as the epoch is (RFC 3550 section 5.1).

use std::time::Duration;

use agreements::Tick;

use crate::codec::UNITS_PER_MS;

/// The bases of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bases {
    sequence: u16,
    timestamp: u32,
}

impl Bases {
    /// Of the stream with this SSRC in this life of the calls.
    pub fn new(session_epoch: u64, ssrc: u32) -> Bases {
        let mixed = mix(session_epoch ^ mix(u64::from(ssrc)));
        let [a, b, c, d, e, f, _, _] = mixed.to_be_bytes();
        Bases { sequence: u16::from_be_bytes([a, b]), timestamp: u32::from_be_bytes([c, d, e, f]) }
    }

    /// The time stamp of sound of this moment.
    pub fn timestamp(&self, now: Tick) -> u32 {
        let units = now.since(Tick(0)).as_nanos() * u128::from(UNITS_PER_MS) / 1_000_000;
        self.timestamp.wrapping_add(low_32(units))
    }

    /// The sequence number of a stream that begins now: as if it had sent a packet per packet time since the boot. It never
    /// sends more, so a later life never begins below an earlier one's end.
    pub fn sequence(&self, now: Tick, packet_time: Duration) -> u16 {
        let packets = now.since(Tick(0)).as_nanos() / packet_time.as_nanos().max(1);
        self.sequence.wrapping_add(u16::try_from(packets & 0xffff).unwrap_or(0))
    }
}

fn low_32(value: u128) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// The finaliser of SplitMix64: every bit of the input reaches every bit of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_life_goes_on_by_the_time_that_has_passed() {
        let (bases, again) = (Bases::new(42, 7), Bases::new(42, 7));
        let (then, now) = (Tick(5_000_000_000), Tick(5_300_000_000));
        let twenty = Duration::from_millis(20);
        assert_eq!(again.timestamp(now).wrapping_sub(bases.timestamp(then)), 2_400);
        assert_eq!(again.sequence(now, twenty).wrapping_sub(bases.sequence(then, twenty)), 15);
    }

    #[test]
    fn streams_and_lives_of_the_calls_have_their_own_bases() {
        let all = [Bases::new(42, 7), Bases::new(42, 8), Bases::new(43, 7)];
        assert!(all.iter().enumerate().all(|(n, one)| all.iter().skip(n + 1).all(|other| one != other)));
    }
}
