//! RTP ports: even ones from RTP_PORT_MIN..=RTP_PORT_MAX (B175), RTCP on the next odd one. Goes round, so that a port that has
//! just been used rests for a while; skips those that calls hold. It binds nothing.

use serde::{Deserialize, Serialize};

/// The next pair to propose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PortRing {
    last: Option<u16>,
}

impl PortRing {
    /// A pair that no call holds; none when all are held.
    pub(crate) fn next(&mut self, range: (u16, u16), held: &[u16]) -> Option<u16> {
        let (first, end) = even_range(range)?;
        let count = (end - first) / 2 + 1;
        let mut port = self.last.filter(|last| (first..=end).contains(last)).map_or(first, |last| after(last, first, end));
        for _ in 0..count {
            if !held.contains(&port) {
                self.last = Some(port);
                return Some(port);
            }
            port = after(port, first, end);
        }
        None
    }
}

/// First and last even port. RTP_PORT_MAX is even and bounds RTP (guide, 4.6.3.1): RTCP of the last pair is on the port after it.
fn even_range((min, max): (u16, u16)) -> Option<(u16, u16)> {
    let first = min.max(2).checked_next_multiple_of(2)?;
    let end = (max & !1).min(u16::MAX - 1);
    (first <= end).then_some((first, end))
}

fn after(port: u16, first: u16, end: u16) -> u16 {
    port.checked_add(2).filter(|next| *next <= end).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B175: even ports only, round and round, without those in use.
    #[test]
    fn ports_are_even_go_round_and_skip_held_ones() {
        let mut ring = PortRing::default();
        let ports: Vec<u16> = (0..4).filter_map(|_| ring.next((16000, 16004), &[])).collect();
        assert_eq!(ports, [16000, 16002, 16004, 16000]);
        assert_eq!(ring.next((16000, 16004), &[16002]), Some(16004));
        assert_eq!(ring.next((16000, 16002), &[16000, 16002]), None);
        assert_eq!(ring.next((16001, 16003), &[]), Some(16002));
        assert_eq!(ring.next((16003, 16002), &[]), None);
        assert_eq!(ring.next((65534, 65535), &[]), Some(65534));
    }
}
