//! One stream that we send: blocks of sound in, RTP packets out, digits among them in the same sequence (RFC 4733 section 2.1).
//! Pure; the time comes with the block, the packets go into a closure.
//!
//! A stream that is not sent (hold) is a closed valve: its time stamps go on with the time, its sequence numbers do not.

use std::time::Duration;

use agreements::Tick;

use super::Header;
use super::bases::Bases;
use super::digits::{Digit, DigitSender, Turn};
use crate::codec::{Codec, Encoder, UNITS_PER_MS};
use crate::sound::{BLOCK_MS, Block};

/// What is agreed for a stream that we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Random per life of the calls.
    pub session_epoch: u64,
    /// Ours.
    pub ssrc: u32,
    /// What we send.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// That of RFC 4733 events.
    pub telephone_event: Option<u8>,
    /// Sound in a packet, in milliseconds.
    pub packet_ms: u32,
}

/// What RTCP and the statistics say about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload.
    pub octets: u64,
}

/// The stream.
pub struct Outgoing {
    agreed: Agreed,
    bases: Bases,
    encoder: Encoder,
    digits: DigitSender,
    sequence: Option<u16>,
    /// Of the first byte that is not sent yet; none while the valve is closed.
    timestamp: Option<u32>,
    marker: bool,
    unsent: Vec<u8>,
    packet: Vec<u8>,
    sent: Sent,
}

impl Outgoing {
    /// A stream that has not begun.
    pub fn new(agreed: Agreed) -> Outgoing {
        Outgoing {
            agreed,
            bases: Bases::new(agreed.session_epoch, agreed.ssrc),
            encoder: Encoder::new(agreed.codec),
            digits: DigitSender::default(),
            sequence: None,
            timestamp: None,
            marker: true,
            unsent: Vec::with_capacity(512),
            packet: Vec::with_capacity(512),
            sent: Sent::default(),
        }
    }

    /// Goes on as newly agreed; a stream of another SSRC begins anew.
    pub fn agree(&mut self, agreed: Agreed) {
        if (agreed.session_epoch, agreed.ssrc) != (self.agreed.session_epoch, self.agreed.ssrc) {
            self.bases = Bases::new(agreed.session_epoch, agreed.ssrc);
            self.sequence = None;
            self.timestamp = None;
        }
        if agreed.codec != self.agreed.codec {
            self.encoder = Encoder::new(agreed.codec);
            self.drop_unsent();
        }
        self.agreed = agreed;
    }

    /// Queues a digit.
    pub fn digit(&mut self, digit: Digit) {
        self.digits.push(digit);
    }

    /// So far.
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// The time stamp of this moment, for a sender report.
    pub fn timestamp(&self, now: Tick) -> u32 {
        self.timestamp.unwrap_or_else(|| self.bases.timestamp(now))
    }

    /// Nothing is sent until the next block.
    pub fn close_valve(&mut self) {
        self.timestamp = None;
        self.unsent.clear();
    }

    /// Sends the next block; `digit_sent` takes the number of a digit that is over.
    pub fn block(&mut self, now: Tick, mut block: Block, digit_sent: impl FnOnce(u64), wire: &mut dyn FnMut(&[u8])) {
        let timestamp = match self.timestamp {
            Some(timestamp) => timestamp,
            None => self.open_valve(now),
        };
        // Of this block's beginning: what is unsent lies before it.
        let begins = timestamp.wrapping_add(u32::try_from(self.unsent.len()).unwrap_or(0));
        let events = self.agreed.telephone_event.is_some();
        match self.digits.turn(begins, self.agreed.packet_ms, events, &mut block, digit_sent) {
            Turn::Audio => self.audio(&block, wire),
            Turn::Event { event, timestamp, first } => {
                self.skip_block();
                let payload_type = self.agreed.telephone_event.unwrap_or(0);
                self.send(Header { marker: first, payload_type, timestamp, ..self.header(now) }, &event.payload(), wire);
            }
            Turn::Nothing => self.skip_block(),
        }
    }

    fn open_valve(&mut self, now: Tick) -> u32 {
        let timestamp = self.bases.timestamp(now);
        self.timestamp = Some(timestamp);
        self.marker = true;
        if self.sequence.is_none() {
            let packet_time = Duration::from_millis(u64::from(self.agreed.packet_ms));
            self.sequence = Some(self.bases.sequence(now, packet_time));
        }
        timestamp
    }

    fn audio(&mut self, block: &Block, wire: &mut dyn FnMut(&[u8])) {
        self.encoder.encode(block, &mut self.unsent);
        let units = self.agreed.packet_ms.saturating_mul(UNITS_PER_MS).max(UNITS_PER_MS);
        let length = usize::try_from(units).unwrap_or(usize::MAX);
        while self.unsent.len() >= length {
            let payload: Vec<u8> = self.unsent.drain(..length).collect();
            let header = Header { marker: std::mem::take(&mut self.marker), ..self.header(Tick(0)) };
            self.send(header, &payload, wire);
            self.timestamp = self.timestamp.map(|timestamp| timestamp.wrapping_add(units));
        }
    }

    /// Of an audio packet that begins with the first unsent byte.
    fn header(&self, now: Tick) -> Header {
        Header {
            marker: false,
            payload_type: self.agreed.payload_type,
            sequence: self.sequence.unwrap_or(0),
            timestamp: self.timestamp(now),
            ssrc: self.agreed.ssrc,
        }
    }

    fn send(&mut self, header: Header, payload: &[u8], wire: &mut dyn FnMut(&[u8])) {
        self.packet.clear();
        header.write(&mut self.packet);
        self.packet.extend(payload);
        wire(&self.packet);
        self.sequence = self.sequence.map(|sequence| sequence.wrapping_add(1));
        self.sent.packets = self.sent.packets.saturating_add(1);
        self.sent.octets = self.sent.octets.saturating_add(u64::try_from(payload.len()).unwrap_or(0));
    }

    /// The time of a block passes without audio.
    fn skip_block(&mut self) {
        self.drop_unsent();
        self.timestamp = self.timestamp.map(|timestamp| timestamp.wrapping_add(BLOCK_MS * UNITS_PER_MS));
    }

    fn drop_unsent(&mut self) {
        let dropped = u32::try_from(self.unsent.len()).unwrap_or(0);
        self.timestamp = self.timestamp.map(|timestamp| timestamp.wrapping_add(dropped));
        self.unsent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::BLOCK;

    const AGREED: Agreed =
        Agreed { session_epoch: 5, ssrc: 77, codec: Codec::Pcmu, payload_type: 0, telephone_event: Some(101), packet_ms: 20 };

    struct Line {
        stream: Outgoing,
        now: Tick,
        packets: Vec<(Header, usize)>,
        digits: Vec<u64>,
    }

    impl Line {
        fn new(agreed: Agreed, now: Tick) -> Line {
            Line { stream: Outgoing::new(agreed), now, packets: Vec::new(), digits: Vec::new() }
        }
        fn blocks(&mut self, blocks: usize) {
            for _ in 0..blocks {
                let packets = &mut self.packets;
                let mut wire = |packet: &[u8]| {
                    let (header, payload) = Header::parse(packet).unwrap();
                    packets.push((header, payload.len()));
                };
                self.stream.block(self.now, [0; BLOCK], |number| self.digits.push(number), &mut wire);
                self.now = self.now + Duration::from_millis(20);
            }
        }
    }

    fn steps(packets: &[(Header, usize)]) -> Vec<(u16, u32)> {
        let pairs = packets.windows(2);
        pairs
            .map(|pair| {
                (pair[1].0.sequence.wrapping_sub(pair[0].0.sequence), pair[1].0.timestamp.wrapping_sub(pair[0].0.timestamp))
            })
            .collect()
    }

    #[test]
    fn each_block_is_a_packet_of_twenty_milliseconds() {
        let mut line = Line::new(AGREED, Tick(9_000_000_000));
        line.blocks(5);
        assert_eq!(steps(&line.packets), [(1, 160); 4]);
        assert!(
            line.packets.iter().enumerate().all(|(n, (header, length))| {
                (header.marker, header.ssrc, header.payload_type, *length) == (n == 0, 77, 0, 160)
            })
        );
        assert_eq!(line.stream.sent(), Sent { packets: 5, octets: 800 });
    }

    #[test]
    fn packet_times_other_than_a_block_keep_the_time() {
        for (packet_ms, packets) in [(10, 12), (30, 4), (40, 3), (60, 2)] {
            let mut line = Line::new(Agreed { packet_ms, codec: Codec::G722, payload_type: 9, ..AGREED }, Tick(1));
            line.blocks(6);
            assert_eq!(line.packets.len(), packets, "{packet_ms} ms");
            assert!(steps(&line.packets).iter().all(|step| *step == (1, packet_ms * 8)), "{packet_ms} ms");
        }
    }

    #[test]
    fn hold_moves_the_time_stamp_and_not_the_sequence() {
        let mut line = Line::new(AGREED, Tick(1_000_000_000));
        line.blocks(2);
        line.stream.close_valve();
        line.now = line.now + Duration::from_millis(980);
        line.blocks(1);
        assert_eq!(steps(&line.packets), [(1, 160), (1, 160 + 8 * 980)]);
        assert!(line.packets[2].0.marker);
    }

    /// Architecture 6: the same ports and SSRC, a short gap.
    #[test]
    fn a_restarted_engine_goes_on_where_it_was() {
        let mut before = Line::new(AGREED, Tick(77_000_000_000));
        before.stream.digit(Digit { number: 1, digit: '1', duration_ms: 100, pause_ms: 60, in_band: false });
        before.blocks(50);
        let mut after = Line::new(AGREED, before.now + Duration::from_millis(300));
        after.blocks(1);
        let (last, first) = (before.packets.last().unwrap().0, after.packets[0].0);
        assert_eq!(first.timestamp.wrapping_sub(last.timestamp), 160 + 300 * 8);
        assert!((1..=17).contains(&first.sequence.wrapping_sub(last.sequence)), "{last:?} {first:?}");
    }

    #[test]
    fn a_codec_change_keeps_sequence_and_time() {
        let mut line = Line::new(AGREED, Tick(1_000_000_000));
        line.blocks(2);
        line.stream.agree(Agreed { codec: Codec::G722, payload_type: 9, ..AGREED });
        line.blocks(2);
        assert_eq!(steps(&line.packets), [(1, 160); 3]);
        assert_eq!(line.packets.iter().map(|(header, _)| header.payload_type).collect::<Vec<_>>(), [0, 0, 9, 9]);
    }

    #[test]
    fn digits_share_the_sequence_and_audio_goes_on_in_time_after_them() {
        let mut line = Line::new(AGREED, Tick(1_000_000_000));
        line.blocks(1);
        line.stream.digit(Digit { number: 3, digit: '*', duration_ms: 60, pause_ms: 40, in_band: false });
        line.blocks(9);
        let types: Vec<u8> = line.packets.iter().map(|(header, _)| header.payload_type).collect();
        assert_eq!(types, [0, 101, 101, 101, 101, 101, 0, 0, 0, 0]);
        assert!(steps(&line.packets).iter().all(|(sequence, _)| *sequence == 1));
        assert!(line.packets[1].0.marker && !line.packets[2].0.marker);
        assert_eq!(line.packets[6].0.timestamp.wrapping_sub(line.packets[0].0.timestamp), 6 * 160);
        assert_eq!(line.digits, [3]);
    }
}
