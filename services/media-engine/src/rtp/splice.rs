//! Makes one stream, as the jitter buffer sees it, of whatever the far end sends one after the other: another SSRC after a
//! transfer or a re-INVITE, sequence numbers that jump after a restart, time stamps that stand still during hold. Sequence and
//! time stamp are moved so that they go on; the buffer never has to be flushed. Pure.

use std::time::Duration;

use agreements::Tick;

use super::Header;
use crate::codec::UNITS_PER_MS;

/// More packets than this are not missing: the sender has begun anew (RFC 3550 appendix A.1, MAX_DROPOUT).
const MAX_DROPOUT: u16 = 3_000;
/// Packets that are older than this are not late: likewise (MAX_MISORDER).
const MAX_MISORDER: u16 = 100;
/// A time stamp that is off by more than this from the packets' arrival is not believed.
const MAX_TIME_JUMP: Duration = Duration::from_secs(1);
/// Stragglers of the stream before are dropped for this long.
const STRAGGLERS: Duration = Duration::from_millis(500);

struct Stream {
    ssrc: u32,
    sequence_shift: u16,
    timestamp_shift: u32,
    /// The newest packet, as it came in.
    newest: Header,
    arrived: Tick,
    /// Sequence number of a packet out of place, to be believed if its successor follows.
    suspect: Option<u16>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spliced {
    /// It goes on with this sequence number and time stamp.
    On {
        /// For the jitter buffer.
        sequence: u16,
        /// For the jitter buffer.
        timestamp: u32,
        /// Whether it is the first of another stream.
        anew: bool,
    },
    /// It is not part of the stream.
    Dropped,
}

/// The splice of one session.
#[derive(Default)]
pub struct Splice {
    stream: Option<Stream>,
    left: Option<(u32, Tick)>,
}

impl Splice {
    /// The next packet. `is_event`: its time stamp is that of an event's beginning, not of the packet.
    pub fn packet(&mut self, header: &Header, arrived: Tick, is_event: bool) -> Spliced {
        if self.left.is_some_and(|(ssrc, when)| ssrc == header.ssrc && arrived.since(when) < STRAGGLERS) {
            return Spliced::Dropped;
        }
        let Some(stream) = &mut self.stream else {
            self.stream = Some(Stream::new(header, arrived, header.sequence, header.timestamp));
            return Spliced::On { sequence: header.sequence, timestamp: header.timestamp, anew: true };
        };
        if stream.ssrc != header.ssrc {
            self.left = Some((stream.ssrc, arrived));
            return self.begin(header, arrived);
        }
        match stream.place(header) {
            Place::Late => {}
            Place::Next => stream.advance(header, arrived, is_event),
            Place::Suspect => return Spliced::Dropped,
            Place::Elsewhere => return self.begin(header, arrived),
        }
        stream.spliced(header)
    }

    /// The stream goes on with this packet, one packet and the time that has passed after the last one.
    fn begin(&mut self, header: &Header, arrived: Tick) -> Spliced {
        let (sequence, timestamp) = self.stream.as_ref().map_or((header.sequence, header.timestamp), |stream| {
            let passed = units(arrived.since(stream.arrived)).max(1);
            let last = stream.newest;
            (
                last.sequence.wrapping_add(stream.sequence_shift).wrapping_add(1),
                last.timestamp.wrapping_add(stream.timestamp_shift).wrapping_add(passed),
            )
        });
        self.stream = Some(Stream::new(header, arrived, sequence, timestamp));
        Spliced::On { sequence, timestamp, anew: true }
    }
}

enum Place {
    /// Between the packets that were seen.
    Late,
    /// After them.
    Next,
    /// Far away, and perhaps a stray one.
    Suspect,
    /// Far away, and the second there.
    Elsewhere,
}

impl Stream {
    fn new(header: &Header, arrived: Tick, sequence: u16, timestamp: u32) -> Stream {
        Stream {
            ssrc: header.ssrc,
            sequence_shift: sequence.wrapping_sub(header.sequence),
            timestamp_shift: timestamp.wrapping_sub(header.timestamp),
            newest: *header,
            arrived,
            suspect: None,
        }
    }

    fn place(&mut self, header: &Header) -> Place {
        let ahead = header.sequence.wrapping_sub(self.newest.sequence);
        if (1..MAX_DROPOUT).contains(&ahead) {
            self.suspect = None;
            return Place::Next;
        }
        if ahead == 0 || ahead > u16::MAX - MAX_MISORDER {
            return Place::Late;
        }
        let follows = self.suspect == Some(header.sequence.wrapping_sub(1));
        self.suspect = Some(header.sequence);
        if follows { Place::Elsewhere } else { Place::Suspect }
    }

    fn advance(&mut self, header: &Header, arrived: Tick, is_event: bool) {
        if !is_event {
            let expected = self.newest.timestamp.wrapping_add(units(arrived.since(self.arrived)));
            let off = header.timestamp.wrapping_sub(expected);
            let off = off.min(off.wrapping_neg());
            if off > units(MAX_TIME_JUMP) {
                // Where the sound belongs is said by its arrival.
                self.timestamp_shift = self.timestamp_shift.wrapping_add(expected.wrapping_sub(header.timestamp));
            }
            self.arrived = arrived;
            self.newest.timestamp = header.timestamp;
        }
        self.newest.sequence = header.sequence;
    }

    fn spliced(&self, header: &Header) -> Spliced {
        Spliced::On {
            sequence: header.sequence.wrapping_add(self.sequence_shift),
            timestamp: header.timestamp.wrapping_add(self.timestamp_shift),
            anew: false,
        }
    }
}

fn units(time: Duration) -> u32 {
    u32::try_from((time.as_nanos() * u128::from(UNITS_PER_MS) / 1_000_000) & 0xffff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc }
    }

    fn at(milliseconds: u64) -> Tick {
        Tick(milliseconds * 1_000_000)
    }

    fn on(spliced: Spliced) -> (u16, u32) {
        match spliced {
            Spliced::On { sequence, timestamp, .. } => (sequence, timestamp),
            Spliced::Dropped => panic!("dropped"),
        }
    }

    #[test]
    fn an_ordinary_stream_is_left_as_it_is_with_its_late_and_lost_packets() {
        let mut splice = Splice::default();
        for (sequence, timestamp, ms) in [(65_534, 0, 0), (65_535, 160, 20), (1, 480, 60), (0, 320, 65), (5, 1_120, 140)] {
            assert_eq!(on(splice.packet(&header(1, sequence, timestamp), at(ms), false)), (sequence, timestamp));
        }
    }

    /// Architecture 4: new SSRC after re-INVITE keeps the audio.
    #[test]
    fn another_ssrc_goes_on_where_the_first_one_was() {
        let mut splice = Splice::default();
        splice.packet(&header(1, 10, 1_000), at(0), false);
        assert_eq!(
            splice.packet(&header(2, 40_000, 999_000), at(20), false),
            Spliced::On { sequence: 11, timestamp: 1_160, anew: true }
        );
        assert_eq!(on(splice.packet(&header(2, 40_001, 999_160), at(40), false)), (12, 1_320));
        // A straggler of the first one.
        assert_eq!(splice.packet(&header(1, 11, 1_160), at(41), false), Spliced::Dropped);
        // It may come back later.
        assert_eq!(on(splice.packet(&header(1, 50, 9_000), at(1_040), false)), (13, 1_320 + 8_000));
    }

    #[test]
    fn a_sender_that_begins_anew_is_believed_at_its_second_packet() {
        let mut splice = Splice::default();
        splice.packet(&header(1, 10_000, 0), at(0), false);
        assert_eq!(splice.packet(&header(1, 30_000, 160), at(20), false), Spliced::Dropped);
        assert_eq!(on(splice.packet(&header(1, 30_001, 320), at(40), false)), (10_001, 320));
        assert_eq!(on(splice.packet(&header(1, 30_002, 480), at(60), false)), (10_002, 480));
    }

    #[test]
    fn time_stamps_that_stood_still_during_hold_are_moved() {
        let mut splice = Splice::default();
        splice.packet(&header(1, 1, 0), at(0), false);
        assert_eq!(on(splice.packet(&header(1, 2, 160), at(10_020), false)), (2, 80_160));
        assert_eq!(on(splice.packet(&header(1, 3, 320), at(10_040), false)), (3, 80_320));
    }

    #[test]
    fn events_keep_the_time_stamp_of_their_beginning() {
        let mut splice = Splice::default();
        splice.packet(&header(1, 1, 0), at(0), false);
        for n in 0..100u16 {
            let spliced = splice.packet(&header(1, 2 + n, 160), at(20 + u64::from(n) * 20), true);
            assert_eq!(on(spliced), (2 + n, 160));
        }
        assert_eq!(on(splice.packet(&header(1, 102, 160 * 101), at(2_020), false)), (102, 160 * 101));
    }
}
