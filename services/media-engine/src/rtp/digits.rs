//! Digits: sent one after the other, as RFC 4733 events or as tones in the audio, each with its number; and events received, each
//! reported once. Pure; outgoing.rs gives the time by its blocks.

use std::collections::VecDeque;

use super::bytes;
use crate::codec::UNITS_PER_MS;
use crate::sound::tone::{Oscillator, digit_frequencies};
use crate::sound::{BLOCK_MS, Block, SAMPLES_PER_MS};

/// The digits in the order of their event codes (RFC 4733 section 3.2).
const CODES: &str = "0123456789*#ABCD";
/// Volume of an event: -10 dBm0.
const VOLUME: u8 = 10;
/// Amplitude of each tone of a digit in the audio: -13 dBFS.
const AMPLITUDE: f32 = 7_300.0;
/// The last packet of an event is sent this often (RFC 4733 section 2.5.1.4).
const END_PACKETS: u8 = 3;
/// An event's duration has 16 bits; longer digits are cut.
const LONGEST_MS: u32 = 8_000;
/// As many digits may wait.
pub const LONGEST_QUEUE: usize = 128;

/// A digit to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digit {
    /// Reported when it has been sent.
    pub number: u64,
    /// One of 0-9 A-D * #
    pub digit: char,
    /// How long it sounds.
    pub duration_ms: u32,
    /// Silence of digits after it.
    pub pause_ms: u32,
    /// In the audio rather than as an event.
    pub in_band: bool,
}

/// The event code of a digit; none: there is no such digit.
pub fn code(digit: char) -> Option<u8> {
    CODES.find(digit).and_then(|index| u8::try_from(index).ok())
}

/// One event packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub code: u8,
    /// Whether it is over.
    pub end: bool,
    /// In units of the RTP clock, from its beginning.
    pub duration: u16,
}

impl Event {
    /// The payload (RFC 4733 section 2.3).
    pub fn payload(&self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | VOLUME, high, low]
    }
    /// From a payload; of several events in one packet the first.
    pub fn parse(payload: &[u8]) -> Option<Event> {
        let [code, flags] = bytes(payload, 0)?;
        Some(Event { code, end: flags & 0x80 != 0, duration: u16::from_be_bytes(bytes(payload, 2)?) })
    }
}

/// What goes out in the place of one block of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The audio.
    Audio,
    /// A packet of the event that began at `timestamp`.
    Event {
        /// Its payload.
        event: Event,
        /// Of the event's beginning.
        timestamp: u32,
        /// Whether this is its first packet.
        first: bool,
    },
    /// An event goes on without a packet now.
    Nothing,
}

enum State {
    Idle,
    Event { number: u64, code: u8, timestamp: u32, total_ms: u32, elapsed_ms: u32, unsent_ms: u32, ends: u8, pause_ms: u32 },
    Tone { number: u64, tones: [Oscillator; 2], left_ms: u32, pause_ms: u32 },
    Pause { left_ms: u32 },
}

/// Sends the queued digits.
pub struct DigitSender {
    queue: VecDeque<Digit>,
    state: State,
}

impl Default for DigitSender {
    fn default() -> DigitSender {
        DigitSender { queue: VecDeque::new(), state: State::Idle }
    }
}

impl DigitSender {
    /// Queues a digit; one too many is dropped.
    pub fn push(&mut self, digit: Digit) {
        if self.queue.len() < LONGEST_QUEUE {
            self.queue.push_back(digit);
        }
    }

    /// Decides over the next block. `timestamp`: of its beginning; `packet_ms`: how far packets are apart; `events`: whether
    /// they were agreed. Tones in the audio are put into `block`. `sent` takes the number of a digit that is over.
    pub fn turn(&mut self, timestamp: u32, packet_ms: u32, events: bool, block: &mut Block, sent: impl FnOnce(u64)) -> Turn {
        if matches!(self.state, State::Idle) {
            self.state = self.begin(timestamp, packet_ms, events);
        }
        let (next, turn) = step(std::mem::replace(&mut self.state, State::Idle), packet_ms, block, sent);
        self.state = next;
        turn
    }

    fn begin(&mut self, timestamp: u32, packet_ms: u32, events: bool) -> State {
        let Some(digit) = self.queue.pop_front() else { return State::Idle };
        let (Some(code), Some(tones)) = (code(digit.digit), digit_frequencies(digit.digit)) else { return State::Idle };
        let (number, pause_ms) = (digit.number, digit.pause_ms);
        let total_ms = digit.duration_ms.clamp(BLOCK_MS, LONGEST_MS);
        if events && !digit.in_band {
            State::Event {
                number,
                code,
                timestamp,
                total_ms,
                elapsed_ms: 0,
                unsent_ms: packet_ms.saturating_sub(BLOCK_MS),
                ends: 0,
                pause_ms,
            }
        } else {
            State::Tone { number, tones: tones.map(Oscillator::new), left_ms: total_ms, pause_ms }
        }
    }
}

fn step(state: State, packet_ms: u32, block: &mut Block, sent: impl FnOnce(u64)) -> (State, Turn) {
    match state {
        State::Idle => (State::Idle, Turn::Audio),
        State::Pause { left_ms } => (pause(left_ms.saturating_sub(BLOCK_MS)), Turn::Audio),
        State::Tone { number, mut tones, left_ms, pause_ms } => {
            sound(&mut tones, left_ms, block);
            let left_ms = left_ms.saturating_sub(BLOCK_MS);
            if left_ms > 0 {
                return (State::Tone { number, tones, left_ms, pause_ms }, Turn::Audio);
            }
            sent(number);
            (pause(pause_ms), Turn::Audio)
        }
        State::Event { number, code, timestamp, total_ms, elapsed_ms, unsent_ms, ends, pause_ms } => {
            let elapsed_ms = elapsed_ms.saturating_add(BLOCK_MS);
            let unsent_ms = unsent_ms.saturating_add(BLOCK_MS);
            if unsent_ms < packet_ms {
                return (State::Event { number, code, timestamp, total_ms, elapsed_ms, unsent_ms, ends, pause_ms }, Turn::Nothing);
            }
            let end = elapsed_ms >= total_ms;
            let duration = u16::try_from(elapsed_ms.min(total_ms) * UNITS_PER_MS).unwrap_or(u16::MAX);
            let first = elapsed_ms == BLOCK_MS;
            let turn = Turn::Event { event: Event { code, end, duration }, timestamp, first };
            let ends = ends + u8::from(end);
            if ends >= END_PACKETS {
                sent(number);
                return (pause(pause_ms), turn);
            }
            let unsent_ms = unsent_ms.saturating_sub(packet_ms).min(packet_ms);
            (State::Event { number, code, timestamp, total_ms, elapsed_ms, unsent_ms, ends, pause_ms }, turn)
        }
    }
}

fn pause(left_ms: u32) -> State {
    if left_ms > 0 { State::Pause { left_ms } } else { State::Idle }
}

/// Puts the tones in the place of the audio.
#[allow(clippy::cast_possible_truncation)]
fn sound(tones: &mut [Oscillator; 2], left_ms: u32, block: &mut Block) {
    let samples = usize::try_from(left_ms.saturating_mul(SAMPLES_PER_MS)).unwrap_or(usize::MAX);
    block.fill(0);
    for sample in block.iter_mut().take(samples) {
        let value: f32 = tones.iter_mut().map(Oscillator::step).sum();
        *sample = (value * AMPLITUDE) as i16;
    }
}

/// A digit that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub digit: char,
    /// How long it was.
    pub duration_ms: u32,
}

/// Makes one report of the packets of an event. Packets come in order and once each (the jitter buffer's work); an event is
/// over with its first end packet, or with the first packet of the next one when its ends were lost.
#[derive(Default)]
pub struct DigitReceiver {
    open: Option<(u32, Event)>,
    reported: Option<u32>,
}

impl DigitReceiver {
    /// Takes in an event packet; up to two digits are over with it.
    pub fn packet(&mut self, timestamp: u32, payload: &[u8]) -> [Option<Received>; 2] {
        let Some(event) = Event::parse(payload) else { return [None, None] };
        let before = self.open.take_if(|(begun, _)| *begun != timestamp).and_then(|(_, lost_its_end)| received(lost_its_end));
        if self.reported == Some(timestamp) {
            return [before, None];
        }
        if event.end {
            self.open = None;
            self.reported = Some(timestamp);
            return [before, received(event)];
        }
        self.open = Some((timestamp, event));
        [before, None]
    }

    /// Audio came, of this time stamp: an event before it that is still open has lost its ends.
    pub fn audio(&mut self, timestamp: u32) -> Option<Received> {
        let (begun, event) = self.open?;
        let ended = begun.wrapping_add(u32::from(event.duration));
        // Some senders go on with audio between the packets of an event: only audio from well behind it closes it.
        let behind = timestamp.wrapping_sub(ended);
        if !(800..0x8000_0000).contains(&behind) {
            return None;
        }
        self.open = None;
        self.reported = Some(begun);
        received(event)
    }
}

fn received(event: Event) -> Option<Received> {
    let digit = CODES.chars().nth(usize::from(event.code))?;
    Some(Received { digit, duration_ms: u32::from(event.duration) / UNITS_PER_MS })
}

#[cfg(test)]
mod tests {
    use super::super::super::sound::BLOCK;
    use super::*;

    fn digit(number: u64, digit: char, in_band: bool) -> Digit {
        Digit { number, digit, duration_ms: 100, pause_ms: 60, in_band }
    }

    /// Runs blocks; the turns, and the numbers with the block in which they were reported.
    fn run(sender: &mut DigitSender, blocks: u32, packet_ms: u32) -> (Vec<Turn>, Vec<(u32, u64)>) {
        let mut sent = Vec::new();
        let turns =
            (0..blocks).map(|n| sender.turn(n * 160, packet_ms, true, &mut [0; BLOCK], |number| sent.push((n, number)))).collect();
        (turns, sent)
    }

    /// RFC 4733 sections 2.3 to 2.5: one time stamp, a growing duration, three ends.
    #[test]
    fn an_event_has_one_time_stamp_a_growing_duration_and_three_ends() {
        let mut sender = DigitSender::default();
        sender.push(digit(4, '5', false));
        let (turns, sent) = run(&mut sender, 12, 20);
        let packets: Vec<_> = turns
            .iter()
            .filter_map(|turn| match turn {
                Turn::Event { event, timestamp, first } => Some((event.code, event.end, event.duration, *timestamp, *first)),
                Turn::Audio | Turn::Nothing => None,
            })
            .collect();
        let expected = [(160, false), (320, false), (480, false), (640, false), (800, true), (800, true), (800, true)];
        assert_eq!(packets.len(), expected.len());
        for (n, (packet, (duration, end))) in packets.iter().zip(expected).enumerate() {
            assert_eq!(*packet, (5, end, duration, 0, n == 0));
        }
        assert_eq!(sent, [(6, 4)]);
    }

    #[test]
    fn digits_follow_each_other_after_their_pause_and_are_reported_once() {
        let mut sender = DigitSender::default();
        for (number, which) in [(1, '1'), (2, '#')] {
            sender.push(digit(number, which, false));
        }
        let (turns, sent) = run(&mut sender, 40, 20);
        let begins: Vec<_> =
            turns.iter().enumerate().filter(|(_, turn)| matches!(turn, Turn::Event { first: true, .. })).map(|(n, _)| n).collect();
        assert_eq!(begins, [0, 10]);
        assert_eq!(sent.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 2]);
    }

    /// Never more packets than a packet time allows: a restarted engine counts on it.
    #[test]
    fn packets_of_an_event_keep_the_packet_time() {
        let mut sender = DigitSender::default();
        sender.push(digit(1, '1', false));
        let (turns, _) = run(&mut sender, 30, 40);
        let at: Vec<_> = turns.iter().enumerate().filter(|(_, turn)| matches!(turn, Turn::Event { .. })).map(|(n, _)| n).collect();
        assert!(at.len() >= 5 && at.windows(2).all(|pair| pair[1] - pair[0] == 2), "{at:?}");
    }

    #[test]
    fn a_digit_in_the_audio_replaces_it_for_its_length() {
        let mut sender = DigitSender::default();
        sender.push(digit(9, '0', true));
        let mut loud = 0;
        let mut sent = Vec::new();
        for _ in 0..10 {
            let mut block = [0; BLOCK];
            assert_eq!(sender.turn(0, 20, true, &mut block, |number| sent.push(number)), Turn::Audio);
            loud += usize::from(block.iter().any(|sample| *sample > 5_000));
        }
        assert_eq!((loud, sent), (5, vec![9]));
    }

    #[test]
    fn where_events_are_not_agreed_a_digit_goes_into_the_audio() {
        let mut sender = DigitSender::default();
        sender.push(digit(9, '0', false));
        let mut block = [0; BLOCK];
        assert_eq!(sender.turn(0, 20, false, &mut block, |_| ()), Turn::Audio);
        assert!(block.iter().any(|sample| *sample != 0));
    }

    fn packet(code: u8, end: bool, duration: u16) -> [u8; 4] {
        Event { code, end, duration }.payload()
    }

    #[test]
    fn a_received_event_is_reported_once_at_its_first_end() {
        let mut receiver = DigitReceiver::default();
        let mut reports = Vec::new();
        for payload in [packet(11, false, 160), packet(11, false, 320), packet(11, true, 480), packet(11, true, 480)] {
            reports.extend(receiver.packet(1_000, &payload).into_iter().flatten());
        }
        assert_eq!(reports, [Received { digit: '#', duration_ms: 60 }]);
        // The same digit again is another event, by its time stamp.
        assert_eq!(receiver.packet(3_000, &packet(11, true, 800))[1], Some(Received { digit: '#', duration_ms: 100 }));
    }

    #[test]
    fn an_event_whose_ends_were_lost_is_reported_with_what_follows() {
        let mut receiver = DigitReceiver::default();
        assert_eq!(receiver.packet(1_000, &packet(1, false, 320)), [None, None]);
        assert_eq!(receiver.packet(9_000, &packet(2, false, 160))[0], Some(Received { digit: '1', duration_ms: 40 }));
        assert_eq!(receiver.audio(9_160), None);
        assert_eq!(receiver.audio(10_000), Some(Received { digit: '2', duration_ms: 20 }));
        assert_eq!(receiver.audio(10_160), None);
    }

    #[test]
    fn codes_that_are_no_digits_and_short_payloads_are_ignored() {
        let mut receiver = DigitReceiver::default();
        assert_eq!(receiver.packet(1, &packet(16, true, 160)), [None, None]);
        assert_eq!(receiver.packet(2, &[1, 0x80, 0]), [None, None]);
    }
}
