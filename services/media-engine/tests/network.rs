//! A bad network: packets that are lost, late, doubled and out of order. The tone stays one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use media_engine::codec::{Codec, Encoder};
use media_engine::rtp::Header;
use phone_proto::media::event::Kind;
use std::time::Duration;
use support::{Engine, FarEnd, THEIRS, session};

/// The far end's packets of two seconds.
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

async fn heard_over(network: Network) -> (Engine, testbed::tones::Recording) {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    engine.reconcile(&[session(&far, "PCMU", 0)]).await;
    let packets = packets();
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    for turn in 0..packets.len() {
        turns.tick().await;
        for packet in network(turn).into_iter().filter_map(|index| packets.get(index)) {
            far.send(packet).await;
        }
    }
    let record = engine.recorded("all of it", |record| {
        let end = record.length();
        record.spans(0.3).last().is_some_and(|last| last.length() > 4.0 && last.to < end - 0.3)
    });
    let record = record.await;
    (engine, record)
}

/// Every tenth packet is lost: spanplc fills the gap with what was before it.
#[tokio::test]
async fn lost_packets_are_concealed_and_counted() {
    let (mut engine, record) = heard_over(|turn| if turn % 10 == 9 { vec![] } else { vec![turn] }).await;
    let spans = record.spans(0.0);
    assert!(spans.iter().any(|span| span.length() > 4.0), "the gaps are heard: {spans:?}");
    let span = spans.iter().find(|span| span.length() > 4.0).unwrap();
    assert_eq!(record.frequency(span.from + 0.5..span.to - 0.5), Some(THEIRS));
    let statistics = |kind| if let Kind::Statistics(figures) = kind { Some(figures) } else { None };
    let figures = engine.event("statistics", statistics).await;
    assert!((15..=25).contains(&figures.packets_lost) && figures.packets_received > 150, "{figures:?}");
}

/// Pairs in the wrong order, each packet twice.
#[tokio::test]
async fn packets_out_of_order_and_doubled_are_put_right() {
    let (_engine, record) = heard_over(|turn| vec![turn ^ 1, turn ^ 1]).await;
    let span = record.spans(0.0).into_iter().find(|span| span.length() > 4.0).expect("one stretch of sound");
    assert!(record.share(&[THEIRS], span.from + 1.0..span.to - 0.5) > 0.95);
}

/// Nothing for 60 ms, then three at once: the jitter buffer's nominal 40 ms would not do, it grows.
#[tokio::test]
async fn the_jitter_buffer_grows_with_the_jitter() {
    let (_engine, record) = heard_over(|turn| if turn % 4 == 3 { (turn - 3..=turn).collect() } else { vec![] }).await;
    let last = record.spans(0.0).into_iter().next_back().expect("sound");
    assert!(last.length() > 2.5, "after it has grown nothing is cut: {:?}", record.spans(0.0));
    assert!(record.share(&[THEIRS], last.from + 0.5..last.to - 0.2) > 0.95);
}
