//! RTCP as far as a phone needs it: sender and receiver reports with a CNAME, BYE, and the round trip from the far end's report
//! (RFC 3550 section 6). Pure. The "wall clock" of the reports is the time since the boot, which the RFC allows (section 4) and
//! which the far end only compares with itself.

use agreements::Tick;

use super::bytes;
use super::outgoing::Sent;
use super::reception::Report;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// What we know of the far end's last sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastReport {
    /// Middle 32 bits of its NTP time.
    pub ntp_middle: u32,
    /// When it came.
    pub arrived: Tick,
}

/// What came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// A sender report was in it.
    pub sender: Option<LastReport>,
    /// A block about our stream: the round trip in microseconds.
    pub round_trip_us: Option<u32>,
}

/// What our report says.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// Ours.
    pub ssrc: u32,
    /// What we sent so far, and the time stamp of now; none: a receiver report.
    pub sent: Option<(Sent, u32)>,
    /// About their stream.
    pub received: Option<Report>,
    /// Their last sender report.
    pub last: Option<LastReport>,
    /// Whether it is our last one.
    pub bye: bool,
}

/// NTP format: 32 bits of seconds, 32 of their fraction.
fn ntp(time: Tick) -> u64 {
    let seconds = time.0 / 1_000_000_000;
    let fraction = ((time.0 % 1_000_000_000) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

fn middle(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & 0xffff_ffff).unwrap_or(0)
}

fn low_32(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// A compound packet.
pub fn write(report: &Outgoing, now: Tick) -> Vec<u8> {
    let mut packet = Vec::with_capacity(128);
    let kind = if report.sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    part(&mut packet, u8::from(report.received.is_some()), kind, |body| {
        body.extend(report.ssrc.to_be_bytes());
        if let Some((sent, timestamp)) = report.sent {
            body.extend(ntp(now).to_be_bytes());
            body.extend(timestamp.to_be_bytes());
            body.extend(low_32(sent.packets).to_be_bytes());
            body.extend(low_32(sent.octets).to_be_bytes());
        }
        if let Some(received) = &report.received {
            block(body, received, report.last, now);
        }
    });
    part(&mut packet, 1, DESCRIPTION, |body| {
        body.extend(report.ssrc.to_be_bytes());
        // Item 1 is the CNAME; as random as the SSRC, so that it tells nothing (RFC 7022).
        let name = format!("{:08x}", report.ssrc);
        body.extend([1, 8]);
        body.extend(name.as_bytes());
        body.extend([0, 0]);
    });
    if report.bye {
        part(&mut packet, 1, BYE, |body| body.extend(report.ssrc.to_be_bytes()));
    }
    packet
}

/// One packet of a compound one; `fill` writes whole 32-bit words.
fn part(packet: &mut Vec<u8>, count: u8, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::with_capacity(64);
    fill(&mut body);
    let words = u16::try_from(body.len() / 4).unwrap_or(u16::MAX);
    packet.extend([0x80 | count, kind]);
    packet.extend(words.to_be_bytes());
    packet.extend(body);
}

fn block(body: &mut Vec<u8>, report: &Report, last: Option<LastReport>, now: Tick) {
    body.extend(report.ssrc.to_be_bytes());
    let lost = report.lost.min(0x7f_ffff) | (u32::from(report.fraction_lost) << 24);
    body.extend(lost.to_be_bytes());
    body.extend(report.highest.to_be_bytes());
    body.extend(report.jitter.to_be_bytes());
    let delay = last.map_or(0, |last| now.0.saturating_sub(last.arrived.0) * 65_536 / 1_000_000_000);
    body.extend(last.map_or(0, |last| last.ntp_middle).to_be_bytes());
    body.extend(low_32(delay).to_be_bytes());
}

/// Reads a compound packet; what is broken or unknown is left out.
pub fn read(packet: &[u8], our_ssrc: u32, now: Tick) -> Incoming {
    let mut incoming = Incoming::default();
    let mut rest = packet;
    while let Some([first, kind]) = bytes(rest, 0) {
        let Some(words) = bytes(rest, 2).map(u16::from_be_bytes) else { break };
        let length = 4 + usize::from(words) * 4;
        let (Some(body), true) = (rest.get(4..length), first >> 6 == 2) else { break };
        let blocks = match kind {
            SENDER_REPORT => {
                let ntp = bytes(body, 4).map(u64::from_be_bytes);
                incoming.sender = ntp.map(|ntp| LastReport { ntp_middle: middle(ntp), arrived: now });
                body.get(24..)
            }
            RECEIVER_REPORT => body.get(4..),
            _ => None,
        };
        let about_us = blocks.and_then(|blocks| find_block(blocks, our_ssrc, usize::from(first & 31)));
        incoming.round_trip_us = about_us.and_then(|block| round_trip(block, now)).or(incoming.round_trip_us);
        rest = rest.get(length..).unwrap_or_default();
    }
    incoming
}

fn find_block(blocks: &[u8], ssrc: u32, count: usize) -> Option<&[u8]> {
    blocks.chunks_exact(24).take(count).find(|block| bytes(block, 0).map(u32::from_be_bytes) == Some(ssrc))
}

/// Now less their last report from us less the time it lay there (RFC 3550 section 6.4.1).
fn round_trip(block: &[u8], now: Tick) -> Option<u32> {
    let last = u32::from_be_bytes(bytes(block, 16)?);
    let delay = u32::from_be_bytes(bytes(block, 20)?);
    let passed = middle(ntp(now)).wrapping_sub(last).wrapping_sub(delay);
    let plausible = last != 0 && passed < 60 * 65_536;
    plausible.then(|| low_32(u64::from(passed) * 1_000_000 / 65_536))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Sent = Sent { packets: 50, octets: 8_000 };

    fn at(milliseconds: u64) -> Tick {
        Tick(milliseconds * 1_000_000)
    }

    /// RFC 3550 sections 6.4.1, 6.5, 6.6.
    #[test]
    fn a_report_has_the_words_of_the_rfc() {
        let received = Report { ssrc: 9, fraction_lost: 64, lost: 1, highest: 4, jitter: 80 };
        let report = Outgoing { ssrc: 7, sent: Some((SENT, 160)), received: Some(received), last: None, bye: true };
        let packet = write(&report, at(1_500));
        assert_eq!(packet[..8], [0x81, 200, 0, 12, 0, 0, 0, 7]);
        assert_eq!(packet[8..16], [0, 0, 0, 1, 0x80, 0, 0, 0]);
        assert_eq!(packet[28..36], [0, 0, 0, 9, 64, 0, 0, 1]);
        assert_eq!(packet[52..60], [0x81, 202, 0, 4, 0, 0, 0, 7]);
        assert_eq!(packet[72..], [0x81, 203, 0, 1, 0, 0, 0, 7]);
    }

    #[test]
    fn the_round_trip_comes_from_the_far_ends_block_about_us() {
        let ours = write(&Outgoing { ssrc: 7, sent: Some((SENT, 0)), received: None, last: None, bye: false }, at(10_000));
        // It travels 30 ms, lies there for 500 ms, and the answer travels 20 ms.
        let seen = read(&ours, 9, at(10_030)).sender;
        let about_us = Report { ssrc: 7, fraction_lost: 0, lost: 0, highest: 1, jitter: 0 };
        let theirs = Outgoing { ssrc: 9, sent: None, received: Some(about_us), last: seen, bye: false };
        let answer = read(&write(&theirs, at(10_530)), 7, at(10_550));
        let round_trip = answer.round_trip_us.unwrap();
        assert!((49_900..=50_100).contains(&round_trip), "{round_trip}");
        assert_eq!(answer.sender, None);
    }

    #[test]
    fn broken_packets_are_survived() {
        let whole = write(&Outgoing { ssrc: 7, sent: Some((SENT, 0)), received: None, last: None, bye: true }, at(1));
        for length in 0..whole.len() {
            read(&whole[..length], 7, at(2));
        }
        let mut long = whole;
        long[2] = 0xff;
        assert_eq!(read(&long, 7, at(2)), Incoming::default());
    }
}
