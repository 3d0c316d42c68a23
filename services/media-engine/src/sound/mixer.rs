//! Who hears whom, block by block: the far ends' sound and the tone into the earpiece, the microphone and other far ends into
//! each stream that is sent. Runs in the device's thread every 20 ms; everything it needs comes with the block. No GStreamer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agreements::Tick;
use tokio::sync::mpsc;

use super::playout::Playout;
use super::ringtone::Ringtone;
use super::tone::Tone;
use super::{BLOCK, Block, Sum, add, clip, scale};
use crate::lock;
use crate::rtp::digits::Digit;
use crate::rtp::outgoing::{Agreed, Outgoing};
use crate::rtp::reception::{Reception, SILENT_AFTER};
use crate::rtp::rtcp::{self, LastReport};

/// Whom a session hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The microphone.
    Handset,
    /// Another session, by its id.
    Session(String),
}

/// What the audio threads have to say. They only report; what it means is decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A digit came in.
    DigitReceived {
        /// Session.
        session: String,
        /// Which.
        digit: char,
        /// How long.
        duration_ms: u32,
    },
    /// A digit is over.
    DigitSent {
        /// Session.
        session: String,
        /// Its number.
        number: u64,
    },
    /// Packets come in, or have stopped to.
    Flow {
        /// Session.
        session: String,
        /// Whether they come.
        flowing: bool,
    },
    /// Every five seconds.
    Statistics {
        /// Session.
        session: String,
        /// Packets.
        sent: u64,
        /// Packets.
        received: u64,
        /// Packets.
        lost: u64,
        /// Microseconds.
        jitter_us: u32,
        /// Microseconds; 0: not known.
        round_trip_us: u32,
    },
    /// The sound device has failed; the text is for people.
    DeviceFailed(String),
}

/// Where reports go. Bounded: when nobody takes them they are dropped.
pub type Reports = mpsc::Sender<Report>;

/// Blocks between statistics: five seconds.
const STATISTICS_BLOCKS: u32 = 250;

/// Carries packets to the far end.
pub trait Wire: Send {
    /// An RTP packet.
    fn rtp(&mut self, packet: &[u8]);
    /// An RTCP packet.
    fn rtcp(&mut self, packet: &[u8]);
}

/// What the session's receiving side and the mixer share.
#[derive(Debug)]
pub struct Incoming {
    /// Counts.
    pub reception: Reception,
    /// The far end's last sender report.
    pub last_report: Option<LastReport>,
    /// Microseconds.
    pub round_trip_us: Option<u32>,
}

/// How a session takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is sent; none: nothing can be.
    pub agreed: Option<Agreed>,
    /// The valve of the stream that is sent.
    pub send: bool,
    /// The valve of the stream that comes in.
    pub receive: bool,
    /// Whose sound it sends.
    pub hears: Vec<Endpoint>,
    /// Whether the earpiece plays it.
    pub heard_by_handset: bool,
    /// None: no RTCP.
    pub rtcp_interval: Option<Duration>,
}

/// Whether packets come in while they should. Nothing is said while nothing should come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    receives_since: Option<Tick>,
    reported: Option<bool>,
}

impl Flow {
    /// A new state to report.
    fn look(&mut self, now: Tick, receives: bool, last: Option<Tick>) -> Option<bool> {
        if !receives {
            *self = Flow::default();
            return None;
        }
        let since = *self.receives_since.get_or_insert(now);
        let last = last.filter(|last| *last >= since);
        let flowing = match last {
            Some(last) => now.since(last) < SILENT_AFTER,
            None if now.since(since) >= SILENT_AFTER => false,
            None => return None,
        };
        (self.reported.replace(flowing) != Some(flowing)).then_some(flowing)
    }
}

/// A session in the mixer.
pub struct Voice {
    id: String,
    part: Part,
    outgoing: Option<Outgoing>,
    playout: Arc<Mutex<Playout>>,
    incoming: Arc<Mutex<Incoming>>,
    wire: Box<dyn Wire>,
    flow: Flow,
    blocks: u32,
    next_rtcp: Option<Tick>,
    block: Block,
}

impl Voice {
    /// A session that has not begun.
    pub fn new(id: String, part: Part, playout: Arc<Mutex<Playout>>, incoming: Arc<Mutex<Incoming>>, wire: Box<dyn Wire>) -> Voice {
        let outgoing = part.agreed.map(Outgoing::new);
        Voice { id, part, outgoing, playout, incoming, wire, flow: Flow::default(), blocks: 0, next_rtcp: None, block: [0; BLOCK] }
    }

    fn change(&mut self, part: Part) {
        match (&mut self.outgoing, part.agreed) {
            (Some(outgoing), Some(agreed)) => outgoing.agree(agreed),
            (outgoing, agreed) => *outgoing = agreed.map(Outgoing::new),
        }
        if !part.receive {
            lock(&self.playout).clear();
        }
        self.part = part;
    }

    /// Sends what the matrix has made for it.
    fn send(&mut self, now: Tick, block: Block, reports: &Reports) {
        let Some(outgoing) = &mut self.outgoing else { return };
        if !self.part.send {
            return outgoing.close_valve();
        }
        let (id, wire) = (&self.id, &mut self.wire);
        let sent = |number| report(reports, Report::DigitSent { session: id.clone(), number });
        outgoing.block(now, block, sent, &mut |packet| wire.rtp(packet));
    }

    /// Flow, statistics and RTCP.
    fn watch(&mut self, now: Tick, reports: &Reports) {
        let last = lock(&self.incoming).reception.last();
        let receives = self.part.receive && self.part.agreed.is_some();
        if let Some(flowing) = self.flow.look(now, receives, last) {
            report(reports, Report::Flow { session: self.id.clone(), flowing });
        }
        self.blocks += 1;
        if self.blocks >= STATISTICS_BLOCKS {
            self.blocks = 0;
            report(reports, self.statistics());
        }
        self.report_by_rtcp(now);
    }

    fn statistics(&self) -> Report {
        let incoming = lock(&self.incoming);
        Report::Statistics {
            session: self.id.clone(),
            sent: self.outgoing.as_ref().map_or(0, |outgoing| outgoing.sent().packets),
            received: incoming.reception.received(),
            lost: incoming.reception.lost(),
            jitter_us: incoming.reception.jitter_us(),
            round_trip_us: incoming.round_trip_us.unwrap_or(0),
        }
    }

    fn report_by_rtcp(&mut self, now: Tick) {
        let Some(interval) = self.part.rtcp_interval else { return };
        let due = *self.next_rtcp.get_or_insert(now + interval);
        if now >= due {
            self.next_rtcp = Some(now + interval);
            self.send_rtcp(now, false);
        }
    }

    fn send_rtcp(&mut self, now: Tick, bye: bool) {
        let (Some(outgoing), Some(agreed)) = (&self.outgoing, self.part.agreed) else { return };
        let mut incoming = lock(&self.incoming);
        let sent = self.part.send.then(|| (outgoing.sent(), outgoing.timestamp(now)));
        let (received, last) = (incoming.reception.report(), incoming.last_report);
        drop(incoming);
        self.wire.rtcp(&rtcp::write(&rtcp::Outgoing { ssrc: agreed.ssrc, sent, received, last, bye }, now));
    }
}

fn report(reports: &Reports, report: Report) {
    if let Err(error) = reports.try_send(report) {
        tracing::warn!(%error, "a report of the audio is lost");
    }
}

/// Gains as factors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gains {
    /// Of the earpiece.
    pub ear: f32,
    /// Of the ringer.
    pub ringer: f32,
}

/// What plays in one block.
pub struct Played {
    /// The earpiece.
    pub ear: Block,
    /// The ringer; none: it is silent.
    pub ringer: Option<Block>,
}

/// The mixer.
pub struct Mixer {
    voices: Vec<Voice>,
    tone: Option<Tone>,
    ring: Option<(Ringtone, u32)>,
    gains: Gains,
    reports: Reports,
}

impl Mixer {
    /// With nobody in it.
    pub fn new(reports: Reports) -> Mixer {
        Mixer { voices: Vec::new(), tone: None, ring: None, gains: Gains { ear: 1.0, ringer: 1.0 }, reports }
    }

    /// A session comes in.
    pub fn enter(&mut self, voice: Voice) {
        self.voices.push(voice);
    }

    /// A session changes its part.
    pub fn change(&mut self, id: &str, part: Part) {
        if let Some(voice) = self.voices.iter_mut().find(|voice| voice.id == id) {
            voice.change(part);
        }
    }

    /// A session goes; it says goodbye where it reports by RTCP.
    pub fn leave(&mut self, id: &str, now: Tick) {
        let Some(index) = self.voices.iter().position(|voice| voice.id == id) else { return };
        let mut voice = self.voices.swap_remove(index);
        if voice.part.rtcp_interval.is_some() {
            voice.send_rtcp(now, true);
        }
    }

    /// Queues digits.
    pub fn digits(&mut self, id: &str, digits: Vec<Digit>) {
        let outgoing = self.voices.iter_mut().find(|voice| voice.id == id).and_then(|voice| voice.outgoing.as_mut());
        if let Some(outgoing) = outgoing {
            digits.into_iter().for_each(|digit| outgoing.digit(digit));
        }
    }

    /// The earpiece's tone from now on.
    pub fn tone(&mut self, tone: Option<Tone>) {
        self.tone = tone;
    }

    /// The ringer from now on, with its volume in percent.
    pub fn ring(&mut self, ring: Option<(Ringtone, u32)>) {
        self.ring = ring;
    }

    /// The volume of what rings.
    pub fn ring_volume(&mut self, percent: u32) {
        if let Some(ring) = &mut self.ring {
            ring.1 = percent;
        }
    }

    /// Volumes from now on.
    pub fn gains(&mut self, gains: Gains) {
        self.gains = gains;
    }

    /// One block. `time`: of the block, by the pipelines' clock in nanoseconds; `now`: the same moment since the boot;
    /// `microphone` makes the microphone's block of what the far ends say.
    pub fn block(&mut self, time: u64, now: Tick, microphone: impl FnOnce(&Block) -> Block) -> Played {
        for voice in &mut self.voices {
            let pulled = if voice.part.receive { lock(&voice.playout).pull(time) } else { None };
            voice.block = pulled.unwrap_or([0; BLOCK]);
        }
        let mut far: Sum = [0; BLOCK];
        for voice in self.voices.iter().filter(|voice| voice.part.heard_by_handset) {
            add(&mut far, &voice.block);
        }
        let microphone = microphone(&clip(&far));
        self.send_all(now, &microphone);
        if let Some(tone) = &mut self.tone {
            tone.add_to(&mut far);
        }
        scale_unless_one(&mut far, self.gains.ear);
        Played { ear: clip(&far), ringer: self.ringer() }
    }

    fn send_all(&mut self, now: Tick, microphone: &Block) {
        for index in 0..self.voices.len() {
            let block = match self.voices.get(index) {
                Some(voice) if voice.part.send => self.heard_by(voice, microphone),
                _ => [0; BLOCK],
            };
            if let Some(voice) = self.voices.get_mut(index) {
                voice.send(now, block, &self.reports);
                voice.watch(now, &self.reports);
            }
        }
    }

    /// The sum of those whom a session hears.
    fn heard_by(&self, voice: &Voice, microphone: &Block) -> Block {
        let mut sum: Sum = [0; BLOCK];
        for endpoint in &voice.part.hears {
            match endpoint {
                Endpoint::Handset => add(&mut sum, microphone),
                Endpoint::Session(id) => {
                    if let Some(other) = self.voices.iter().find(|other| other.id == *id) {
                        add(&mut sum, &other.block);
                    }
                }
            }
        }
        clip(&sum)
    }

    fn ringer(&mut self) -> Option<Block> {
        let (tone, volume) = self.ring.as_mut()?;
        let mut sum: Sum = [0; BLOCK];
        tone.add_to(&mut sum, *volume);
        scale_unless_one(&mut sum, self.gains.ringer);
        Some(clip(&sum))
    }
}

#[allow(clippy::float_cmp)]
fn scale_unless_one(sum: &mut Sum, gain: f32) {
    if gain != 1.0 {
        scale(sum, gain);
    }
}

#[cfg(test)]
mod tests {
    use super::super::BLOCK_NS;
    use super::*;
    use crate::codec::Codec;

    const AGREED: Agreed =
        Agreed { session_epoch: 1, ssrc: 1, codec: Codec::G722, payload_type: 9, telephone_event: None, packet_ms: 20 };

    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Wire for Sent {
        fn rtp(&mut self, packet: &[u8]) {
            lock(&self.0).push(packet.to_vec());
        }
        fn rtcp(&mut self, packet: &[u8]) {
            lock(&self.0).push(packet.to_vec());
        }
    }

    /// A mixer and the clock it is driven by.
    struct Room {
        mixer: Mixer,
        reports: mpsc::Receiver<Report>,
        blocks: u64,
    }

    impl Room {
        fn new() -> Room {
            let (sender, reports) = mpsc::channel(1_000);
            Room { mixer: Mixer::new(sender), reports, blocks: 1_000 }
        }
        fn now(&self) -> Tick {
            Tick(self.blocks * BLOCK_NS)
        }
        fn enter(&mut self, id: &str, part: Part) -> (Sent, Arc<Mutex<Playout>>, Arc<Mutex<Incoming>>) {
            let sent = Sent::default();
            let playout = Arc::new(Mutex::new(Playout::new(0)));
            let incoming = Incoming { reception: Reception::default(), last_report: None, round_trip_us: None };
            let incoming = Arc::new(Mutex::new(incoming));
            let (its_playout, its_incoming) = (Arc::clone(&playout), Arc::clone(&incoming));
            self.mixer.enter(Voice::new(id.into(), part, its_playout, its_incoming, Box::new(sent.clone())));
            (sent, playout, incoming)
        }
        fn block(&mut self, microphone: i16) -> Played {
            let played = self.mixer.block(self.blocks * BLOCK_NS, self.now(), |_| [microphone; BLOCK]);
            self.blocks += 1;
            played
        }
        fn flows(&mut self) -> Vec<bool> {
            let reports = std::iter::from_fn(|| self.reports.try_recv().ok());
            reports.filter_map(|report| if let Report::Flow { flowing, .. } = report { Some(flowing) } else { None }).collect()
        }
    }

    fn part(hears: &[&str]) -> Part {
        let endpoint = |id: &&str| if *id == "handset" { Endpoint::Handset } else { Endpoint::Session((*id).to_owned()) };
        Part {
            agreed: Some(AGREED),
            send: true,
            receive: true,
            hears: hears.iter().map(endpoint).collect(),
            heard_by_handset: true,
            rtcp_interval: None,
        }
    }

    #[test]
    fn the_earpiece_plays_the_sum_of_those_it_hears() {
        let mut room = Room::new();
        let (_, one, _) = room.enter("one", part(&[]));
        let (_, two, _) = room.enter("two", part(&[]));
        let (_, other, _) = room.enter("other", Part { heard_by_handset: false, ..part(&[]) });
        for (playout, value) in [(&one, 1_000), (&two, 200), (&other, 30)] {
            lock(playout).push(room.blocks * BLOCK_NS, &[value; BLOCK]);
        }
        assert_eq!(room.block(7).ear, [1_200; BLOCK]);
    }

    #[test]
    fn what_is_too_loud_together_is_clipped() {
        let mut room = Room::new();
        for id in ["one", "two"] {
            let (_, playout, _) = room.enter(id, part(&[]));
            lock(&playout).push(room.blocks * BLOCK_NS, &[i16::MIN; BLOCK]);
        }
        assert_eq!(room.block(0).ear, [i16::MIN; BLOCK]);
    }

    #[test]
    fn on_hold_nothing_is_sent_and_what_came_before_is_not_played_later() {
        let mut room = Room::new();
        let (sent, playout, _) = room.enter("one", part(&["handset"]));
        room.block(7);
        lock(&playout).push(room.blocks * BLOCK_NS, &[500; BLOCK]);
        room.mixer.change("one", Part { send: false, receive: false, ..part(&["handset"]) });
        assert_eq!(room.block(7).ear, [0; BLOCK]);
        room.mixer.change("one", part(&["handset"]));
        assert_eq!(room.block(7).ear, [0; BLOCK]);
        assert_eq!(lock(&sent.0).len(), 2);
    }

    #[test]
    fn a_gain_is_for_the_earpiece_and_not_for_the_far_end() {
        let mut room = Room::new();
        let (_, playout, _) = room.enter("one", part(&[]));
        room.mixer.gains(Gains { ear: 0.5, ringer: 0.0 });
        room.mixer.ring(Some((Ringtone::new(1), 100)));
        lock(&playout).push(room.blocks * BLOCK_NS, &[1_000; BLOCK]);
        let played = room.block(0);
        assert_eq!((played.ear, played.ringer), ([500; BLOCK], Some([0; BLOCK])));
    }

    fn packet(incoming: &Mutex<Incoming>, now: Tick) {
        let header = crate::rtp::Header { marker: false, payload_type: 9, sequence: 1, timestamp: 0, ssrc: 1 };
        lock(incoming).reception.packet(&header, now, false);
    }

    #[test]
    fn a_session_flows_from_its_first_packet_and_is_silent_five_seconds_after_its_last() {
        let mut room = Room::new();
        let (_, _, incoming) = room.enter("one", part(&[]));
        for _ in 0..10 {
            room.block(0);
        }
        assert!(room.flows().is_empty());
        packet(&incoming, room.now());
        room.block(0);
        assert_eq!(room.flows(), [true]);
        for _ in 0..248 {
            room.block(0);
        }
        assert!(room.flows().is_empty());
        room.block(0);
        room.block(0);
        assert_eq!(room.flows(), [false]);
        packet(&incoming, room.now());
        room.block(0);
        assert_eq!(room.flows(), [true]);
    }

    #[test]
    fn a_session_that_never_hears_anything_is_silent_once_and_hold_says_nothing() {
        let mut room = Room::new();
        room.enter("one", part(&[]));
        for _ in 0..600 {
            room.block(0);
        }
        assert_eq!(room.flows(), [false]);
        room.mixer.change("one", Part { receive: false, ..part(&[]) });
        for _ in 0..600 {
            room.block(0);
        }
        assert!(room.flows().is_empty());
    }

    #[test]
    fn statistics_come_every_five_seconds() {
        let mut room = Room::new();
        room.enter("one", part(&[]));
        for _ in 0..500 {
            room.block(0);
        }
        let reports: Vec<Report> = std::iter::from_fn(|| room.reports.try_recv().ok()).collect();
        let sent =
            reports.iter().filter_map(|report| if let Report::Statistics { sent, .. } = report { Some(*sent) } else { None });
        assert_eq!(sent.collect::<Vec<_>>(), [250, 500]);
    }
}
