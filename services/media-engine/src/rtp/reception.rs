//! What is known about a stream that comes in: counts, loss and jitter (RFC 3550 appendix A.3 and A.8), whether it flows, and how
//! long the jitter buffer should be. rtpjitterbuffer does not adapt by itself: [`Latency`] decides and the session's pipeline
//! sets it. Pure.

use std::time::Duration;

use agreements::Tick;

use super::Header;
use crate::codec::UNITS_PER_MS;

/// Without a packet for this long a session is silent. Longer than any comfort noise or event pause of the field, shorter than a
/// person takes to ask "hello?".
pub const SILENT_AFTER: Duration = Duration::from_secs(5);

/// Counts of one session over all its streams.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    ssrc: Option<u32>,
    /// Highest sequence number, with the count of its wraps above; and the first one.
    highest: u32,
    first: u32,
    received: u64,
    lost_before: u64,
    received_before: u64,
    transit: Option<u32>,
    /// In 1/16 of an RTP clock unit.
    jitter: u32,
    last: Option<Tick>,
    reported: (u64, u64),
}

/// A report block's figures about the stream since the last one (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whose.
    pub ssrc: u32,
    /// Of 256.
    pub fraction_lost: u8,
    /// Since the beginning.
    pub lost: u32,
    /// With wraps.
    pub highest: u32,
    /// In RTP clock units.
    pub jitter: u32,
}

impl Reception {
    /// A packet has come in.
    pub fn packet(&mut self, header: &Header, arrived: Tick, is_event: bool) {
        self.last = Some(arrived);
        if self.ssrc != Some(header.ssrc) {
            self.begin(header);
        }
        self.received = self.received.saturating_add(1);
        let ahead = header.sequence.wrapping_sub(low_16(self.highest));
        if ahead < 0x8000 {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
        }
        if !is_event {
            self.measure(header, arrived);
        }
    }

    fn begin(&mut self, header: &Header) {
        self.lost_before = self.lost();
        self.received_before = self.received;
        self.ssrc = Some(header.ssrc);
        self.first = u32::from(header.sequence);
        self.highest = self.first;
        self.transit = None;
    }

    /// Interarrival jitter (RFC 3550 appendix A.8).
    fn measure(&mut self, header: &Header, arrived: Tick) {
        let transit = units(arrived).wrapping_sub(header.timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let off = transit.wrapping_sub(before);
            let off = off.min(off.wrapping_neg());
            // A jump of a second is a new time base, not jitter.
            if off < 1_000 * UNITS_PER_MS {
                self.jitter = self.jitter.saturating_add(off).saturating_sub((self.jitter + 8) >> 4);
            }
        }
    }

    /// Packets of all streams.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets that did not come, of all streams; duplicates may hide some.
    pub fn lost(&self) -> u64 {
        let expected = match self.ssrc {
            Some(_) => u64::from(self.highest.wrapping_sub(self.first)) + 1,
            None => 0,
        };
        self.lost_before + expected.saturating_sub(self.received - self.received_before)
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        (self.jitter >> 4).saturating_mul(1_000) / UNITS_PER_MS
    }

    /// When the last packet came in.
    pub fn last(&self) -> Option<Tick> {
        self.last
    }

    /// A report block; none before the first packet.
    pub fn report(&mut self) -> Option<Report> {
        let ssrc = self.ssrc?;
        let now = (self.received, self.lost());
        let (received, lost) = (now.0.saturating_sub(self.reported.0), now.1.saturating_sub(self.reported.1));
        self.reported = now;
        let fraction = (lost * 256).checked_div(received + lost).unwrap_or(0).min(255);
        Some(Report {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(now.1).unwrap_or(u32::MAX),
            highest: self.highest,
            jitter: self.jitter >> 4,
        })
    }
}

fn low_16(value: u32) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(0)
}

fn units(time: Tick) -> u32 {
    u32::try_from((time.0 / 1_000 * u64::from(UNITS_PER_MS) / 1_000) & 0xffff_ffff).unwrap_or(0)
}

/// How long the jitter buffer may be, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyLimits {
    /// Not below.
    pub min: u32,
    /// To begin with.
    pub nominal: u32,
    /// Not above.
    pub max: u32,
}

/// How often it is decided.
const WINDOW: Duration = Duration::from_secs(1);
/// So many quiet windows in a row shorten the buffer by a step.
const QUIET_WINDOWS: u32 = 10;
const STEP_MS: u32 = 10;

/// Moves the latency between its limits: up at once to what the worst packet of the last second needed and a step more, down
/// by one step after ten seconds in which less would have done. What a packet needs is how much later it came than the
/// earliest one of the same second.
#[derive(Clone, Debug)]
pub struct Latency {
    limits: LatencyLimits,
    current: u32,
    window: Option<Window>,
    quiet: u32,
}

#[derive(Clone, Debug)]
struct Window {
    began: Tick,
    /// Transit of its first packet, and how much below and above it the others were.
    transit: u32,
    earliest: i32,
    latest: i32,
}

impl Latency {
    /// Begins with the nominal one.
    pub fn new(limits: LatencyLimits) -> Latency {
        Latency { limits, current: limits.nominal.clamp(limits.min, limits.max.max(limits.min)), window: None, quiet: 0 }
    }

    /// Now, in milliseconds.
    pub fn current_ms(&self) -> u32 {
        self.current
    }

    /// A packet of audio has come in, with its time stamp as the jitter buffer sees it. A new latency when it changes.
    pub fn packet(&mut self, timestamp: u32, arrived: Tick) -> Option<u32> {
        let transit = units(arrived).wrapping_sub(timestamp);
        let Some(window) = &mut self.window else {
            self.window = Some(Window { began: arrived, transit, earliest: 0, latest: 0 });
            return None;
        };
        let off = i32::from_ne_bytes(transit.wrapping_sub(window.transit).to_ne_bytes());
        window.earliest = window.earliest.min(off);
        window.latest = window.latest.max(off);
        if arrived.since(window.began) < WINDOW {
            return None;
        }
        let spread = window.latest.saturating_sub(window.earliest).unsigned_abs() / UNITS_PER_MS;
        self.window = None;
        self.decide(spread.saturating_add(STEP_MS))
    }

    fn decide(&mut self, needed: u32) -> Option<u32> {
        let before = self.current;
        if needed > before {
            self.quiet = 0;
            self.current = needed.min(self.limits.max.max(self.limits.min));
        } else if needed.saturating_add(STEP_MS) <= before {
            self.quiet += 1;
            if self.quiet >= QUIET_WINDOWS {
                self.quiet = 0;
                self.current = before.saturating_sub(STEP_MS).max(self.limits.min);
            }
        } else {
            self.quiet = 0;
        }
        (self.current != before).then_some(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp: u32::from(sequence) * 160, ssrc }
    }

    fn at(milliseconds: u64) -> Tick {
        Tick(milliseconds * 1_000_000)
    }

    #[test]
    fn lost_packets_are_counted_over_wraps_and_new_streams() {
        let mut reception = Reception::default();
        for (n, sequence) in [65_533, 65_534, 0, 1, 3].into_iter().enumerate() {
            reception.packet(&header(1, sequence), at(20 * n as u64), false);
        }
        assert_eq!((reception.received(), reception.lost()), (5, 2));
        for sequence in [500, 501, 503] {
            reception.packet(&header(2, sequence), at(1_000), false);
        }
        assert_eq!((reception.received(), reception.lost()), (8, 3));
    }

    #[test]
    fn a_report_says_what_was_lost_since_the_last_one() {
        let mut reception = Reception::default();
        assert_eq!(reception.report(), None);
        for sequence in [1, 2, 4] {
            reception.packet(&header(9, sequence), at(0), true);
        }
        let report = reception.report().unwrap();
        assert_eq!((report.ssrc, report.fraction_lost, report.lost, report.highest), (9, 64, 1, 4));
        reception.packet(&header(9, 5), at(0), true);
        assert_eq!(reception.report().unwrap().fraction_lost, 0);
    }

    #[test]
    fn jitter_is_zero_for_an_even_stream_and_grows_with_an_uneven_one() {
        let jitter = |wobble: u64| {
            let mut reception = Reception::default();
            for n in 0..500u16 {
                let late = if n % 2 == 0 { 0 } else { wobble };
                reception.packet(&header(1, n), at(1_000 + u64::from(n) * 20 + late), false);
            }
            reception.jitter_us()
        };
        assert_eq!(jitter(0), 0);
        assert!((9_000..=10_000).contains(&jitter(10)), "{}", jitter(10));
    }

    /// Runs seconds of a stream whose every fifth packet is late; the latencies that were set.
    fn latencies(latency: &mut Latency, from_second: u64, seconds: u64, late: u64) -> Vec<u32> {
        (from_second * 50..(from_second + seconds) * 50)
            .filter_map(|n| {
                let timestamp = u32::try_from(n * 160).unwrap();
                latency.packet(timestamp, at(n * 20 + if n % 5 == 0 { late } else { 0 }))
            })
            .collect()
    }

    #[test]
    fn the_jitter_buffer_grows_at_once_and_shrinks_slowly_within_its_limits() {
        let mut latency = Latency::new(LatencyLimits { min: 20, nominal: 40, max: 100 });
        assert_eq!(latency.current_ms(), 40);
        assert_eq!(latencies(&mut latency, 0, 3, 60), [70]);
        assert_eq!(latencies(&mut latency, 3, 3, 500), [100]);
        let down = latencies(&mut latency, 6, 200, 0);
        assert_eq!(down.first(), Some(&90));
        assert_eq!(down.last(), Some(&20));
        assert!(down.len() <= 8);
    }

    #[test]
    fn limits_in_the_wrong_order_are_survived() {
        assert_eq!(Latency::new(LatencyLimits { min: 50, nominal: 10, max: 0 }).current_ms(), 50);
    }
}
