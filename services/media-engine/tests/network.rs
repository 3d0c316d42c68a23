//! A bad network: packets that are lost, late, doubled and out of order. The tone stays one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use media_engine::codec::{Codec, Encoder};
use media_engine::rtp::Header;
use phone_proto::media::event::Kind;
use std::time::Duration;
use support::{Engine, FarEnd, THEIRS, session};
use testbed::tones::{Recording, Span};

/// The far end's packets of five seconds.
fn packets() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(Codec::Pcmu);
    let packet = |n: u16| {
        let sample = |i: u32| {
            let phase = std::f64::consts::TAU * THEIRS * f64::from(u32::from(n) * 320 + i) / 16_000.0;
            (8_000.0 * phase.sin()) as i16
        };
        let mut packet = Vec::new();
        Header { marker: n == 0, payload_type: 0, sequence: n, timestamp: u32::from(n) * 160, ssrc: 1 }.write(&mut packet);
        encoder.encode(&(0..320).map(sample).collect::<Vec<_>>(), &mut packet);
        packet
    };
    (0..250).map(packet).collect()
}

/// What is sent in which turn of 20 ms.
type Network = fn(usize) -> Vec<usize>;

/// What the earpiece played of five seconds over this network. A machine that is too busy to send in time makes a network of its
/// own: then it is done again.
async fn heard_over(network: Network) -> (Engine, Recording) {
    for _ in 0..10 {
        let mut engine = Engine::talking().await;
        let far = FarEnd::new(1).await;
        engine.reconcile(&[session(&far, "PCMU", 0)]).await;
        let late = send_over(&far, network).await;
        let record = engine.recorded("all of it", |record| {
            let end = record.length();
            record.spans(1.0).last().is_some_and(|last| last.length() > 4.0 && last.to < end - 0.3)
        });
        let record = record.await;
        if late < Duration::from_millis(10) {
            return (engine, record);
        }
    }
    panic!("the machine is too busy for a test of time");
}

/// How late the latest turn was.
async fn send_over(far: &FarEnd, network: Network) -> Duration {
    let packets = packets();
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    let mut late = Duration::ZERO;
    for turn in 0..packets.len() {
        let due = turns.tick().await;
        late = late.max(due.elapsed());
        for packet in network(turn).into_iter().filter_map(|index| packets.get(index)) {
            far.send(packet).await;
        }
    }
    late
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
        tenths.map(|begin| (1.0, f64::from(u8::from(record.is_tone(&[THEIRS], begin..begin + 0.1))))).unzip();
    tones.iter().sum::<f64>() / all.iter().sum::<f64>()
}

/// Every tenth packet is lost: spanplc fills the gap with what was before it.
#[tokio::test]
async fn lost_packets_are_concealed_and_counted() {
    let (mut engine, record) = heard_over(|turn| if turn % 10 == 9 { vec![] } else { vec![turn] }).await;
    let span = stretch(&record);
    assert!(filled(&record, span.from, span.to) > 0.96, "the gaps are heard: {:?}", record.spans(0.0));
    assert_eq!(record.frequency(span.from + 0.5..span.to - 0.5), Some(THEIRS));
    let statistics = |kind| if let Kind::Statistics(figures) = kind { Some(figures) } else { None };
    let figures = engine.event("statistics", statistics).await;
    assert!((15..=25).contains(&figures.packets_lost) && figures.packets_received > 150, "{figures:?}");
}

/// Pairs in the wrong order, each packet twice.
#[tokio::test]
async fn packets_out_of_order_and_doubled_are_put_right() {
    let (_engine, record) = heard_over(|turn| vec![turn ^ 1, turn ^ 1]).await;
    let span = stretch(&record);
    assert!(filled(&record, span.from, span.to) > 0.96, "{:?}", record.spans(0.0));
    assert!(pure(&record, span.from, span.to) > 0.9);
}

/// Nothing for 140 ms, then eight at once: the nominal 40 ms are far too short at first, the buffer grows and nothing is cut.
#[tokio::test]
async fn the_jitter_buffer_grows_with_the_jitter() {
    let (_engine, record) = heard_over(|turn| if turn % 8 == 7 { (turn - 7..=turn).collect() } else { vec![] }).await;
    let span = stretch(&record);
    assert!(filled(&record, span.from, span.from + 1.0) < 0.95, "it is not cut at first: {:?}", record.spans(0.0));
    assert!(filled(&record, span.to - 2.0, span.to) > 0.92, "it is still cut: {:?}", record.spans(0.0));
    assert!(pure(&record, span.to - 2.0, span.to) > 0.85);
}
