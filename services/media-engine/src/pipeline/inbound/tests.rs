//! A bad network: packets that are lost, late, doubled and out of order. The tone stays one. The real elements run on a clock that
//! stands still until it is moved, so that nothing here depends on how busy the machine is.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gstreamer_check::TestClock;
use testbed::tones::{Recording, Span};

use super::*;
use crate::codec::Encoder;
use crate::pipeline::absolute_pipeline;
use crate::sound::BLOCK;
use crate::sound::mixer::Part;

const HERTZ: f64 = 1_000.0;
/// Packets, and blocks that are heard; five seconds of either.
const COUNT: usize = 250;
const BEGIN_NS: u64 = 10_000_000_000;
/// Nothing takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(30);

fn session() -> Session {
    Session {
        id: "call/1".into(),
        call: "call".into(),
        local: "127.0.0.1:16000".parse().unwrap(),
        remote: None,
        remote_rtcp: None,
        codecs: vec![(Codec::Pcmu, 0)],
        part: Part { agreed: None, send: false, receive: true, hears: Vec::new(), heard_by_handset: true, rtcp_interval: None },
        dscp: (0, 0),
        jitter: LatencyLimits { min: 20, nominal: 40, max: 200 },
        telephone_event: None,
    }
}

/// The far end's packets.
fn packets() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Codec::Pcmu);
    let packet = |n: u16| {
        let sample = |i: u32| {
            let phase = std::f64::consts::TAU * HERTZ * f64::from(u32::from(n) * 320 + i) / 16_000.0;
            (8_000.0 * phase.sin()) as i16
        };
        let mut packet = Vec::new();
        Header { marker: n == 0, payload_type: 0, sequence: n, timestamp: u32::from(n) * 160, ssrc: 1 }.write(&mut packet);
        encoder.encode(&(0..320).map(sample).collect::<Vec<_>>(), &mut packet);
        packet
    };
    (0..250).map(packet).collect()
}

/// An inbound half on a clock of its own.
struct Line {
    inbound: Inbound,
    pipeline: gst::Pipeline,
    clock: TestClock,
    /// One for each buffer and each loss that the jitter buffer gives up.
    given: Receiver<()>,
    /// Which packets have come in, and up to which one everything has come out.
    arrived: [bool; COUNT],
    next: usize,
}

impl Line {
    fn new() -> Line {
        plugins::start().unwrap();
        let clock = TestClock::with_start_time(gst::ClockTime::from_nseconds(BEGIN_NS));
        let pipeline = absolute_pipeline();
        pipeline.use_clock(Some(&clock));
        let inbound = Inbound::new(&pipeline, &session(), tokio::sync::mpsc::channel(100).0).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let (gives, given) = channel();
        let flows = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        inbound._ordered.add_probe(flows, move |_, info| {
            let lost = |event: &gst::Event| event.structure().is_some_and(|structure| structure.name() == "GstRTPPacketLost");
            if info.buffer().is_some() || info.event().is_some_and(lost) {
                gives.send(()).unwrap();
            }
            gst::PadProbeReturn::Ok
        });
        Line { inbound, pipeline, clock, given, arrived: [false; COUNT], next: 0 }
    }

    /// A packet comes in now.
    fn arrives(&mut self, index: usize, packet: &[u8]) {
        let now = self.clock.time();
        let mut buffer = gst::Buffer::from_slice(packet.to_vec());
        let stamped = buffer.get_mut().unwrap();
        stamped.set_dts(now);
        stamped.set_pts(now);
        self.inbound.arrival.packet(buffer, Tick(now.nseconds()));
        self.arrived[index] = true;
    }

    /// Moves the clock and waits until the jitter buffer has given up what is due then: all that is in order, and what is missing
    /// before something that waits. (It waits for the first packet's predecessors too.)
    fn until(&mut self, time: u64) {
        loop {
            while self.next > 0 && self.arrived.get(self.next) == Some(&true) {
                self.gives_next();
            }
            if !self.arrived.iter().skip(self.next).any(|arrived| *arrived) {
                break;
            }
            let due = self.clock.wait_for_next_pending_id().time();
            if due.nseconds() > time {
                break;
            }
            self.elapse();
        }
        self.clock.set_time(gst::ClockTime::from_nseconds(time));
    }

    /// Moves the clock to the jitter buffer's next wake-up. Some are in vain: it does not cancel the one for a packet that has
    /// come meanwhile. Then it has counted no loss by the time it sleeps again.
    fn elapse(&mut self) {
        let lost = self.lost();
        assert!(self.clock.crank());
        let begun = Instant::now();
        while self.next > 0 && self.lost() == lost {
            let sleeps = self.clock.peek_next_pending_id().is_some();
            if sleeps && self.lost() == lost {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "the jitter buffer neither gives anything up nor sleeps");
            std::thread::yield_now();
        }
        self.gives_next();
    }

    fn lost(&self) -> u64 {
        self.inbound.arrival.jitter_buffer.property::<gst::Structure>("stats").get("num-lost").unwrap()
    }

    fn gives_next(&mut self) {
        self.given.recv_timeout(LIMIT).expect("the jitter buffer gives up what is due");
        // The probe is called with the pad's lock held; once it is free, the sound is in the playout.
        drop(self.inbound._ordered.stream_lock());
        self.next += 1;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// What is heard when the network brings these packets in each turn of 20 ms.
fn heard_over(network: impl Fn(usize) -> Vec<usize>) -> (Line, Recording) {
    let (mut line, packets, mut heard) = (Line::new(), packets(), Vec::new());
    for turn in 0..COUNT {
        for index in network(turn).into_iter().filter(|index| *index < COUNT) {
            line.arrives(index, &packets[index]);
        }
        let now = BEGIN_NS + turn as u64 * BLOCK_NS;
        heard.extend(lock(&line.inbound.playout()).pull(now).unwrap_or([0; BLOCK]));
        line.until(now + BLOCK_NS);
    }
    (line, Recording::new(heard, RATE))
}

/// From where to where there is sound, bridging everything that a bad network does.
fn stretch(record: &Recording) -> Span {
    record.spans(1.0).into_iter().max_by(|one, other| one.length().total_cmp(&other.length())).expect("sound")
}

/// Which part of a stretch is not silent.
fn filled(record: &Recording, from: f64, to: f64) -> f64 {
    let inside = |span: Span| (span.to.min(to) - span.from.max(from)).max(0.0);
    record.spans(0.0).into_iter().map(inside).sum::<f64>() / (to - from)
}

/// Which part of a stretch is the tone, in tenths of a second.
fn pure(record: &Recording, from: f64, to: f64) -> f64 {
    let tenths = (0..100).map(|n| from + f64::from(n) * 0.1).take_while(|begin| begin + 0.1 <= to);
    let (all, tones): (Vec<f64>, Vec<f64>) =
        tenths.map(|begin| (1.0, f64::from(u8::from(record.is_tone(&[HERTZ], begin..begin + 0.1))))).unzip();
    tones.iter().sum::<f64>() / all.iter().sum::<f64>()
}

/// What a good network brings is heard whole, 60 ms later: the buffer's 40 and a block.
#[test]
fn a_good_network_is_heard_as_it_was_said() {
    let (_line, record) = heard_over(|turn| vec![turn]);
    let span = stretch(&record);
    assert!((0.055..0.065).contains(&span.from) && span.to > 4.99, "{span:?}");
    assert!(filled(&record, span.from, span.to) > 0.999 && pure(&record, span.from, span.to) > 0.999);
}

/// Every tenth packet is lost: spanplc fills the gap with what was before it.
#[test]
fn lost_packets_are_concealed_and_counted() {
    let (line, record) = heard_over(|turn| if turn % 10 == 9 { vec![] } else { vec![turn] });
    let span = stretch(&record);
    assert!(filled(&record, span.from, span.to) > 0.99, "the gaps are heard: {:?}", record.spans(0.0));
    assert_eq!(record.frequency(span.from + 0.5..span.to - 0.5), Some(HERTZ));
    let incoming = line.inbound.incoming();
    let counts = &lock(&incoming).reception;
    assert_eq!((counts.received(), counts.lost()), (225, 24), "the last one of all is not missed");
}

/// Pairs in the wrong order, each packet twice; only the first one is where it belongs, as the stream begins with whatever is first.
#[test]
fn packets_out_of_order_and_doubled_are_put_right() {
    let swapped = |turn: usize| turn.checked_sub(1).map_or(0, |turn| (turn ^ 1) + 1);
    let (_line, record) = heard_over(|turn| vec![swapped(turn); 2]);
    let span = stretch(&record);
    assert!(filled(&record, span.from, span.to) > 0.99, "{:?}", record.spans(0.0));
    assert!(pure(&record, span.from, span.to) > 0.95);
}

/// Nothing for 140 ms, then eight at once: the nominal 40 ms are far too short at first, the buffer grows and nothing is cut.
#[test]
fn the_jitter_buffer_grows_with_the_jitter() {
    let (line, record) = heard_over(|turn| if turn % 8 == 7 { (turn - 7..=turn).collect() } else { vec![] });
    let span = stretch(&record);
    assert!(filled(&record, span.from, span.from + 1.0) < 0.95, "it is not cut at first: {:?}", record.spans(0.0));
    assert!(filled(&record, span.to - 2.0, span.to) > 0.99, "it is still cut: {:?}", record.spans(0.0));
    assert!(pure(&record, span.to - 2.0, span.to) > 0.95);
    assert!((150..=200).contains(&lock(&line.inbound.arrival.before).latency.current_ms()));
}
