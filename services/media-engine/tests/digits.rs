//! Digits both ways (RFC 4733), and in the audio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use media_engine::codec::Codec;
use media_engine::rtp::Header;
use media_engine::rtp::digits::Event;
use phone_proto::media as wire;
use phone_proto::media::event::Kind;
use support::{Engine, FarEnd, PCMU, session, sound};

fn digit(number: u64, digit: &str, in_band: bool) -> wire::Digit {
    wire::Digit { number, digit: digit.into(), duration_ms: 100, pause_ms: 60, in_band }
}

fn sent(kind: Kind) -> Option<u64> {
    if let Kind::DigitsSent(sent) = kind { Some(sent.number) } else { None }
}

#[tokio::test]
async fn digits_are_sent_as_events_in_order_and_reported_once_each() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    let digits = vec![digit(1, "1", false), digit(2, "#", false), digit(3, "1", false)];
    let session = wire::Session { digits: digits.clone(), ..session(&far, "PCMU", 0) };
    engine.reconcile(std::slice::from_ref(&session)).await;
    for number in 1..=3 {
        assert_eq!(engine.event("a digit sent", sent).await, number);
    }
    // The same state again, and one more: only the new one is sent.
    let more = wire::Session { digits: [digits, vec![digit(4, "D", false)]].concat(), ..session };
    engine.reconcile(std::slice::from_ref(&more)).await;
    assert_eq!(engine.event("the fourth", sent).await, 4);

    let packets = far.until("audio after the digits", |heard| {
        heard.last().is_some_and(|last| last.header.payload_type == 0) && events(heard).len() >= 4
    });
    let packets = packets.await;
    assert_eq!(events(&packets), [(1, 800), (11, 800), (1, 800), (15, 800)]);
    assert!(packets.windows(2).all(|pair| pair[1].header.sequence.wrapping_sub(pair[0].header.sequence) == 1));
}

/// (code, longest duration) of each event, by its time stamp.
fn events(packets: &[support::Packet]) -> Vec<(u8, u16)> {
    let mut found: Vec<(u32, u8, u16)> = Vec::new();
    for packet in packets.iter().filter(|packet| packet.header.payload_type == 101) {
        let event = Event::parse(&packet.payload).unwrap();
        match found.last_mut() {
            Some(last) if last.0 == packet.header.timestamp => last.2 = last.2.max(event.duration),
            _ => found.push((packet.header.timestamp, event.code, event.duration)),
        }
    }
    found.into_iter().map(|(_, code, duration)| (code, duration)).collect()
}

#[tokio::test]
async fn a_digit_in_the_audio_sounds_with_its_two_frequencies() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    let long = wire::Digit { duration_ms: 400, ..digit(1, "5", true) };
    engine.reconcile(&[wire::Session { digits: vec![long], telephone_event: 0, ..session(&far, "PCMU", 0) }]).await;
    assert_eq!(engine.event("the digit", sent).await, 1);
    let packets = far.packets();
    let heard = sound(&packets, Codec::Pcmu);
    assert!(heard.is_tone(&[770.0, 1_336.0], 0.05..0.35), "{}", heard.share(&[770.0, 1_336.0], 0.05..0.35));
}

#[tokio::test]
async fn a_digit_of_the_far_end_is_reported_once() {
    let mut engine = Engine::talking().await;
    let far = FarEnd::new(1).await;
    engine.reconcile(&[session(&far, "PCMU", 0)]).await;
    let mut sequence = 100;
    for (timestamp, code) in [(8_000, 7), (9_600, 11)] {
        for (duration, end) in [(160, false), (320, false), (480, true), (480, true), (480, true)] {
            let mut packet = Vec::new();
            Header { marker: duration == 160, payload_type: 101, sequence, timestamp, ssrc: 9 }.write(&mut packet);
            packet.extend(Event { code, end, duration }.payload());
            far.send(&packet).await;
            sequence += 1;
        }
    }
    let digit = |kind| if let Kind::Digit(digit) = kind { Some((digit.digit, digit.duration_ms)) } else { None };
    assert_eq!(engine.event("the seven", digit).await, ("7".to_owned(), 60));
    assert_eq!(engine.event("the hash", digit).await, ("#".to_owned(), 60));
}

/// A far end that sends audio and events in one stream, as telephones do.
#[tokio::test]
async fn a_digit_between_audio_is_reported_and_the_audio_goes_on() {
    let mut engine = Engine::talking().await;
    let mut far = FarEnd::new(1).await;
    engine.reconcile(&[session(&far, "PCMU", 0)]).await;
    far.speak(PCMU);
    engine.recorded("the far end", |record| record.is_tone(&[support::THEIRS], record.length() - 0.5..record.length())).await;
    far.hush();
    for n in 0..3 {
        let mut packet = Vec::new();
        Header { marker: n == 0, payload_type: 101, sequence: 5_000 + n, timestamp: 900_000, ssrc: 3 }.write(&mut packet);
        packet.extend(Event { code: 0, end: n == 2, duration: 160 * (n + 1) }.payload());
        far.send(&packet).await;
    }
    let digit = |kind| if let Kind::Digit(digit) = kind { Some(digit.digit) } else { None };
    assert_eq!(engine.event("the zero", digit).await, "0");
    far.speak(support::Speech { ssrc: 3, ..PCMU });
    let began = engine.record().length();
    let now = |record: &testbed::tones::Recording| record.length() - 0.5..record.length();
    engine.recorded("audio", |record| record.length() > began + 1.0 && record.is_tone(&[support::THEIRS], now(record))).await;
}
