//! RTP as bytes and numbers (RFC 3550, RFC 4733), pure: no socket, no clock, no GStreamer.

pub mod bases;
pub mod digits;
pub mod outgoing;
pub mod reception;
pub mod rtcp;
pub mod splice;

/// Bytes of a header without contributing sources and extension.
pub const HEADER: usize = 12;

/// What a packet says about itself (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talk spurt or of an event.
    pub marker: bool,
    /// 0..=127
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// In units of the RTP clock.
    pub timestamp: u32,
    /// The stream's source.
    pub ssrc: u32,
}

impl Header {
    /// The 12 bytes before the payload.
    pub fn write(&self, packet: &mut Vec<u8>) {
        packet.push(0x80);
        packet.push((u8::from(self.marker) << 7) | (self.payload_type & 0x7f));
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
    }

    /// The header and the payload's place in the packet; none: this is no RTP packet (RFC 3550 appendix A.1).
    pub fn parse(packet: &[u8]) -> Option<(Header, std::ops::Range<usize>)> {
        let (first, second) = (*packet.first()?, *packet.get(1)?);
        if first >> 6 != 2 {
            return None;
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes(bytes(packet, 2)?),
            timestamp: u32::from_be_bytes(bytes(packet, 4)?),
            ssrc: u32::from_be_bytes(bytes(packet, 8)?),
        };
        let mut start = HEADER + usize::from(first & 0x0f) * 4;
        if first & 0x10 != 0 {
            start += 4 + usize::from(u16::from_be_bytes(bytes(packet, start + 2)?)) * 4;
        }
        let padding = if first & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
        let end = packet.len().checked_sub(padding)?;
        (start <= end).then_some((header, start..end))
    }
}

/// `N` bytes from a place; none where the packet is shorter.
pub(crate) fn bytes<const N: usize>(packet: &[u8], from: usize) -> Option<[u8; N]> {
    packet.get(from..from.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { marker: true, payload_type: 9, sequence: 65_535, timestamp: 0xdead_beef, ssrc: 7 };

    fn packet(header: &Header, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        header.write(&mut packet);
        packet.extend(payload);
        packet
    }

    #[test]
    fn a_written_header_is_read_back() {
        assert_eq!(Header::parse(&packet(&HEADER, b"abc")), Some((HEADER, 12..15)));
    }

    #[test]
    fn contributing_sources_extension_and_padding_are_left_out() {
        let mut with_all = packet(&HEADER, &[]);
        with_all[0] = 0xb1;
        with_all.extend([0, 0, 0, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, b'x', b'y', 0, 2]);
        assert_eq!(Header::parse(&with_all).map(|(_, payload)| with_all[payload].to_vec()), Some(b"xy".to_vec()));
    }

    #[test]
    fn what_is_no_rtp_is_refused() {
        let good = packet(&HEADER, b"abc");
        assert_eq!(Header::parse(&good[..11]), None);
        assert_eq!(Header::parse(&[]), None);
        for (first, last) in [(0x00, b'c'), (0xa0, 200), (0x90, b'c'), (0x8f, b'c')] {
            let mut bad = good.clone();
            bad[0] = first;
            *bad.last_mut().unwrap() = last;
            assert_eq!(Header::parse(&bad), None, "{first:#x}");
        }
    }
}
