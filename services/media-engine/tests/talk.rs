//! Sound both ways: the far end hears what the microphone hears, the earpiece plays what the far end says, and neither before
//! there is a session nor on hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use media_engine::codec::Codec;
use phone_proto::media as wire;
use phone_proto::media::event::Kind;
use support::{Engine, FarEnd, OURS, PCMU, PORT, Speech, THEIRS, session, sound};

/// That packets come in; that none had come for a while before may have been said.
fn flowing(kind: Kind) -> Option<()> {
    matches!(kind, Kind::Flow(flow) if flow.state == "flowing").then_some(())
}

fn held(session: &wire::Session) -> wire::Session {
    wire::Session { direction: wire::Direction::Inactive.into(), ..session.clone() }
}

/// Talks, holds and talks again.
async fn both_ways(name: &str, speech: Speech) {
    let mut engine = Engine::talking().await;
    let mut far = FarEnd::new(1).await;
    let session = session(&far, name, u32::from(speech.payload_type));
    engine.reconcile(std::slice::from_ref(&session)).await;

    let packets = far.count(60).await;
    assert!(packets.iter().all(|packet| packet.header.payload_type == speech.payload_type && packet.payload.len() == 160));
    let heard = sound(&packets, speech.codec);
    assert_eq!(heard.frequency(0.2..1.2), Some(OURS));
    assert!(heard.share(&[OURS], 0.2..1.2) > 0.95, "{}", heard.share(&[OURS], 0.2..1.2));

    // Nobody has said anything yet.
    let record = engine.recorded("a second of silence", |record| record.length() > 1.0).await;
    assert!(record.is_silent(0.0..record.length()));
    let began = record.length();
    far.speak(speech);
    engine.event("the flow", flowing).await;
    let record = engine.recorded("the far end", |record| record.is_tone(&[THEIRS], record.length() - 1.0..record.length())).await;
    // Long, for a second without a gap may be long in coming on a busy machine; before it spoke there was silence.
    assert!(record.length() < began + 15.0, "it took {} s", record.length() - began);

    // On hold nothing is sent and nothing is heard, though the far end goes on.
    engine.reconcile(&[held(&session)]).await;
    far.forget();
    let began = engine.record().length();
    let record = engine.recorded("a second on hold", |record| record.length() > began + 1.4).await;
    assert!(record.is_silent(began + 0.3..record.length()));
    assert!(far.packets().len() <= 1, "{} packets on hold", far.packets().len());

    engine.reconcile(std::slice::from_ref(&session)).await;
    let packets = far.count(30).await;
    assert_eq!(sound(&packets[packets.len() - 30..], speech.codec).frequency(0.1..0.6), Some(OURS));
    engine.recorded("the far end again", |record| record.is_tone(&[THEIRS], record.length() - 0.5..record.length())).await;
}

#[tokio::test]
async fn pcmu_both_ways_with_silence_before_and_on_hold() {
    both_ways("PCMU", PCMU).await;
}

#[tokio::test]
async fn pcma_both_ways_with_silence_before_and_on_hold() {
    both_ways("PCMA", Speech { codec: Codec::Pcma, payload_type: 8, ..PCMU }).await;
}

/// RFC 3551 section 4.5.2: 16 kHz of sound, an RTP clock of 8 kHz.
#[tokio::test]
async fn g722_both_ways_with_silence_before_and_on_hold() {
    both_ways("G722", Speech { codec: Codec::G722, payload_type: 9, ..PCMU }).await;
}

/// A re-INVITE may change the codec; the socket, the SSRC and the sequence stay.
#[tokio::test]
async fn a_codec_change_keeps_the_socket_and_the_stream() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    engine.reconcile(&[session(&far, "PCMU", 0)]).await;
    far.count(20).await;
    engine.reconcile(&[session(&far, "G722", 9)]).await;
    let packets = far.until("G.722", |heard| heard.iter().filter(|packet| packet.header.payload_type == 9).count() >= 30).await;
    assert!(packets.windows(2).all(|pair| {
        let steps = (
            pair[1].header.sequence.wrapping_sub(pair[0].header.sequence),
            pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp),
        );
        steps == (1, 160) && pair[1].header.ssrc == pair[0].header.ssrc && pair[1].from.port() == PORT
    }));
    let wide: Vec<_> = packets.into_iter().filter(|packet| packet.header.payload_type == 9).collect();
    assert_eq!(sound(&wide, Codec::G722).frequency(0.1..0.6), Some(OURS));
}

/// All agreed codecs are received, whichever is sent; and a far end that begins anew (transfer, restart) is followed.
#[tokio::test]
async fn another_payload_type_and_another_source_are_followed() {
    let mut engine = Engine::talking().await;
    let mut far = FarEnd::new(1).await;
    let both = vec![wire::Codec { name: "PCMU".into(), payload_type: 0 }, wire::Codec { name: "G722".into(), payload_type: 9 }];
    engine.reconcile(&[wire::Session { codecs: both, ..session(&far, "PCMU", 0) }]).await;
    let speeches =
        [PCMU, Speech { codec: Codec::G722, payload_type: 9, hertz: 700.0, ..PCMU }, Speech { ssrc: 2, hertz: 1_500.0, ..PCMU }];
    for speech in speeches {
        far.speak(speech);
        let now = |record: &testbed::tones::Recording| record.length() - 0.5..record.length();
        engine.recorded("the new tone", |record| record.is_tone(&[speech.hertz], now(record))).await;
    }
}

/// The microphone that sends back what the far end says.
#[tokio::test]
async fn a_loop_sends_back_what_the_far_end_says() {
    let mut engine = Engine::start(tempfile::tempdir().unwrap(), &["--audio-feed", "loop"]).await;
    let mut far = FarEnd::new(1).await;
    engine.reconcile(&[session(&far, "PCMU", 0)]).await;
    far.speak(PCMU);
    let last = |heard: &[support::Packet]| sound(&heard[heard.len().saturating_sub(25)..], Codec::Pcmu);
    far.until("the echo", |heard| last(heard).is_tone(&[THEIRS], 0.0..0.5)).await;
    assert_eq!(engine.property::<String>("Device").await, "loop");
}

/// A session that hears nobody (mute) sends silence, so that the far end sees the stream go on.
#[tokio::test]
async fn mute_sends_silence_without_a_gap() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    engine.reconcile(&[session(&far, "PCMU", 0)]).await;
    far.count(10).await;
    engine.reconcile(&[wire::Session { hears: Vec::new(), ..session(&far, "PCMU", 0) }]).await;
    far.forget();
    let packets = far.count(50).await;
    assert!(sound(&packets[10..], Codec::Pcmu).is_silent(0.0..0.8));
    assert!(packets.windows(2).all(|pair| pair[1].header.timestamp.wrapping_sub(pair[0].header.timestamp) == 160));
}

/// Who hears whom is a matrix: two far ends in one conversation.
#[tokio::test]
async fn two_sessions_can_hear_each_other() {
    let mut engine = Engine::talking().await;
    let (mut one, two) = (FarEnd::new(1).await, FarEnd::new(2).await);
    let first = wire::Session { hears: vec!["handset".into(), "two".into()], id: "one".into(), ..session(&one, "PCMU", 0) };
    let second = wire::Session {
        id: "two".into(),
        local_port: u32::from(PORT) + 2,
        hears: vec!["one".into()],
        ssrc: 5,
        ..session(&two, "G722", 9)
    };
    engine.reconcile(&[first, second]).await;
    one.speak(PCMU);
    let last = |heard: &[support::Packet]| sound(&heard[heard.len().saturating_sub(25)..], Codec::G722);
    two.until("the other far end", |heard| last(heard).is_tone(&[THEIRS], 0.1..0.5)).await;
}

/// Addresses are of either family.
#[tokio::test]
async fn ipv6_both_ways() {
    let mut engine = Engine::talking().await;
    // All tests share the one loopback address: a port of this process.
    let low = u16::try_from(std::process::id() % 20_000).unwrap() * 2;
    let local = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 20_000 + low);
    let mut far = FarEnd::at(local.ip(), local).await;
    let port = u32::from(local.port());
    engine.reconcile(&[wire::Session { local_address: "::1".into(), local_port: port, ..session(&far, "PCMU", 0) }]).await;
    far.speak(PCMU);
    let packets = far.count(40).await;
    assert_eq!(sound(&packets, Codec::Pcmu).frequency(0.2..0.8), Some(OURS));
    engine.recorded("the far end", |record| record.is_tone(&[THEIRS], record.length() - 0.5..record.length())).await;
}
