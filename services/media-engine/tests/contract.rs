//! What media.proto promises: ports, generations, the lease, and going on after a kill; tones and ringing; what the bus shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use phone_proto::media as wire;
use phone_proto::media::event::Kind;
use support::{Engine, FarEnd, OURS, PCMU, PORT, THEIRS, host, session, sound};

/// For how long a machine may find no processor for what is due, in units of RTP time: three seconds.
const STALL: u32 = 3 * 8_000;

#[tokio::test]
async fn a_taken_port_is_answered_and_nothing_changes() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    let first = session(&far, "PCMU", 0);
    engine.reconcile(std::slice::from_ref(&first)).await;
    far.count(5).await;
    for taken in [PORT + 2, PORT + 3] {
        let guest = UdpSocket::bind((host(0), taken)).unwrap();
        let second = wire::Session { id: "second".into(), local_port: u32::from(PORT) + 2, ..first.clone() };
        // The first session is not wanted any more, but nothing of this may happen.
        let reply = engine.reconcile(std::slice::from_ref(&second)).await;
        assert_eq!(reply.port_taken, [wire::PortTaken { session: "second".into(), port: u32::from(taken) }]);
        far.forget();
        far.count(10).await;
        assert_eq!(engine.property::<u32>("Sessions").await, 1);
        drop(guest);
    }
    let second = wire::Session { id: "second".into(), local_port: u32::from(PORT) + 2, ssrc: 8, ..first };
    assert_eq!(engine.reconcile(std::slice::from_ref(&second)).await.port_taken, []);
    far.until("the second session", |heard| heard.iter().any(|packet| packet.header.ssrc == 8)).await;
}

#[tokio::test]
async fn an_older_generation_is_aborted_and_another_epoch_counts_anew() {
    let mut engine = Engine::talking().await;
    let state = |generation, session_epoch| wire::DesiredState { generation, session_epoch, ..Default::default() };
    let mut client = engine.client.clone();
    client.reconcile(state(7, 1)).await.unwrap();
    client.reconcile(state(7, 1)).await.unwrap();
    assert_eq!(client.reconcile(state(6, 1)).await.unwrap_err().code(), tonic::Code::Aborted);
    assert_eq!(client.reconcile(state(1, 2)).await.unwrap().into_inner().generation, 1);
    let broken = wire::Session { local_address: "nowhere".into(), ..Default::default() };
    let broken = wire::DesiredState { sessions: vec![broken], ..state(2, 2) };
    assert_eq!(client.reconcile(broken).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(engine.property::<String>("State").await, "ready");
    engine.reconcile(&[]).await;
}

#[tokio::test]
async fn without_renewal_everything_is_torn_down() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    let state = wire::DesiredState { lease_seconds: 1, sessions: vec![session(&far, "PCMU", 0)], ..Default::default() };
    engine.state(state.clone()).await.unwrap();
    far.count(20).await;
    // Renewed by the same state again: what the first one has left, under 600 ms, is not enough for the second that follows.
    let renewed = Instant::now();
    engine.state(state).await.unwrap();
    far.forget();
    engine.event("the lease's end", |kind| matches!(kind, Kind::LeaseEnded(_)).then_some(())).await;
    assert!(renewed.elapsed() >= Duration::from_secs(1), "{:?} after the renewal", renewed.elapsed());
    let packets = far.count(1).await;
    // The usual lease of thirty seconds would show.
    let sound = packets.last().unwrap().header.timestamp.wrapping_sub(packets[0].header.timestamp);
    assert!(sound < 8_000 + STALL, "{} packets, {sound} units of RTP after the renewal", packets.len());
    assert_eq!(engine.property::<u32>("Sessions").await, 0);
    assert_eq!(engine.property::<String>("State").await, "ready");
    drop(UdpSocket::bind((host(0), PORT)).expect("the port is free again"));
}

/// Architecture 6: the same ports and SSRC, a short gap, no re-INVITE.
#[tokio::test]
async fn a_killed_engine_goes_on_with_its_stream() {
    let mut engine = Engine::talking().await;
    let mut far = FarEnd::new(1).await;
    let session = session(&far, "PCMU", 0);
    engine.reconcile(std::slice::from_ref(&session)).await;
    far.speak(PCMU);
    for _ in 0..3 {
        far.forget();
        let begun = Instant::now();
        let before = far.count(25).await;
        engine.kill_and_restart().await;
        far.forget();
        engine.reconcile(std::slice::from_ref(&session)).await;
        let after = far.count(25).await;
        let (last, first) = (before.last().unwrap(), after.first().unwrap());
        assert_eq!((first.header.ssrc, first.from), (last.header.ssrc, last.from));
        let time = first.header.timestamp.wrapping_sub(last.header.timestamp);
        let packets = u32::from(first.header.sequence.wrapping_sub(last.header.sequence));
        // As many sequence numbers as packets that were not sent, in the time that has passed: neither begins anew.
        let most = u32::try_from(begun.elapsed().as_millis()).unwrap() * 8 + STALL;
        assert!((1..=most).contains(&time) && packets.abs_diff(time / 160) <= 3, "time {time} of {most}, packets {packets}");
        assert_eq!(sound(&after[..25], media_engine::codec::Codec::Pcmu).frequency(0.1..0.5), Some(OURS));
        engine.recorded("the far end", |record| record.is_tone(&[THEIRS], record.length() - 0.5..record.length())).await;
    }
}

fn tone(name: &str, frequencies: &[u32], timing_ms: &[u32]) -> Option<wire::Tone> {
    Some(wire::Tone {
        name: name.into(),
        frequencies: frequencies.to_vec(),
        timing_ms: timing_ms.to_vec(),
        starts_with_on: false,
        gain_db: 0,
    })
}

/// B204, B205: the table of the tone, in the earpiece, without a session.
#[tokio::test]
async fn a_tone_sounds_in_the_earpiece_by_its_table() {
    let mut engine = Engine::talking().await;
    let busy = wire::DesiredState { tone: tone("busy", &[480, 620], &[60, 500, 440]), ..Default::default() };
    engine.state(busy).await.unwrap();
    assert_eq!(engine.property::<String>("Tone").await, "busy");
    assert_eq!(engine.property::<String>("State").await, "playing");
    let record = engine.recorded("two and a half seconds", |record| record.length() > 2.5).await;
    let spans = record.spans(0.02);
    for (span, from) in spans.iter().take(2).zip([0.06, 1.06]) {
        assert!((span.from - from).abs() < 0.011 && (span.length() - 0.5).abs() < 0.011, "{spans:?}");
        assert!(record.is_tone(&[480.0, 620.0], span.from..span.to));
    }
    engine.state(wire::DesiredState::default()).await.unwrap();
    assert_eq!(engine.property::<String>("State").await, "ready");
}

#[tokio::test]
async fn ringing_goes_to_the_ringer_and_not_into_the_ear() {
    let mut engine = Engine::talking().await;
    let ring = wire::Ring { ringtone: 3, volume_percent: 80 };
    engine.state(wire::DesiredState { ring: Some(ring), ..Default::default() }).await.unwrap();
    engine.rung("the ringer", |record| record.length() > 0.5 && !record.is_silent(0.0..0.5)).await;
    assert!(engine.property::<bool>("Ringing").await);
    let ear = engine.record();
    assert!(ear.length() > 0.3 && ear.is_silent(0.0..ear.length()));
}

/// Early media: legs of one forked call on one port, told apart by who sends.
#[tokio::test]
async fn forked_legs_share_a_port() {
    let mut engine = Engine::talking().await;
    let (mut one, mut two) = (FarEnd::new(1).await, FarEnd::new(2).await);
    let first = wire::Session { id: "c/1".into(), ..session(&one, "PCMU", 0) };
    let second = wire::Session { id: "c/2".into(), ssrc: 2, heard_by_handset: false, ..session(&two, "PCMU", 0) };
    engine.reconcile(&[first, second.clone()]).await;
    one.speak(PCMU);
    two.speak(support::Speech { ssrc: 2, hertz: 1_500.0, ..PCMU });
    let now = |record: &testbed::tones::Recording| record.length() - 0.5..record.length();
    engine.recorded("the first leg", |record| record.is_tone(&[THEIRS], now(record))).await;
    two.count(10).await;
    engine.reconcile(&[wire::Session { heard_by_handset: true, ..second }]).await;
    engine.recorded("the second leg", |record| record.is_tone(&[1_500.0], now(record))).await;
}

#[tokio::test]
async fn rtcp_reports_what_was_sent_where_it_is_agreed() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(3).await;
    let control = tokio::net::UdpSocket::bind((host(3), 0)).await.unwrap();
    let port = u32::from(control.local_addr().unwrap().port());
    let mut session = session(&far, "PCMU", 0);
    session.remote_rtcp_port = port;
    session.rtcp_interval = 1;
    let agreed = Instant::now();
    engine.reconcile(std::slice::from_ref(&session)).await;
    let mut report = [0; 500];
    let (length, from) = support::within("a report", control.recv_from(&mut report)).await.unwrap();
    assert_eq!((report[1], &report[4..8], from.port()), (200, &0x0bad_cafe_u32.to_be_bytes()[..], PORT + 1));
    assert!(length > 28);
    let [time, packets, octets] = [16, 20, 24].map(|at| u32::from_be_bytes(report[at..at + 4].try_into().unwrap()));
    // RFC 3550 6.4.1: its time is the stream's own, so that the sums are right however late the machine is.
    let begun = far.count(1).await[0].header.timestamp;
    assert_eq!((packets * 160, octets), (time.wrapping_sub(begun), packets * 160), "{packets} packets");
    // The interval is one second; the usual one of five would show.
    assert!(agreed.elapsed() >= Duration::from_secs(1) && (1..(8_000 + STALL) / 160).contains(&packets), "{packets} packets");
    // The far end's report about us gives the round trip. Each report is answered, for a machine may stall in one of them.
    let answering = tokio::spawn(async move {
        loop {
            let middle: [u8; 4] = report[10..14].try_into().unwrap();
            let mut answer = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
            answer.extend(0x0bad_cafe_u32.to_be_bytes());
            answer.extend([0; 12]);
            answer.extend(middle);
            answer.extend([0; 4]);
            control.send_to(&answer, from).await.unwrap();
            let length = support::within("a report or goodbye", control.recv(&mut report)).await.unwrap();
            if report[..length].windows(2).any(|pair| pair == [0x81, 203]) {
                return;
            }
        }
    });
    let trip = |kind| if let Kind::Statistics(figures) = kind { Some(figures) } else { None };
    let quick = |figures: &wire::Statistics| (1..500_000).contains(&figures.round_trip_us);
    let figures = engine.event("statistics with a round trip", |kind| trip(kind).filter(quick)).await;
    assert!(figures.packets_sent >= 200, "{figures:?}");
    engine.reconcile(&[]).await;
    answering.await.unwrap();
}

/// Only sip-agent's uid is served.
#[tokio::test]
async fn a_stranger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let uid = rustix::process::getuid().as_raw();
    let users = format!("sip-agent={},media-engine={uid}", uid + 1);
    let mut engine = Engine::start_as(folder, &["--audio-feed", "silence"], &users).await;
    let refused = engine.client.reconcile(wire::DesiredState::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    assert_eq!(engine.client.events(wire::EventsRequest {}).await.unwrap_err().code(), tonic::Code::PermissionDenied);
}
