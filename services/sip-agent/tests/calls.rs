//! Calls in and out, with their objects on the bus and their media.
mod house;

use futures_util::StreamExt as _;
use house::far::{audio_port, body, header};
use house::{CALL_INTERFACE, House, LINE_1, LINE_INTERFACE, PHONE, PHONE_INTERFACE, error_name, soon};
use phone_proto::media::event::Kind;
use phone_proto::media::{DesiredState, DigitReceived, DigitsSent, Direction, FlowState, Route};

#[tokio::test]
async fn an_incoming_call_is_shown_answered_and_ended() {
    let mut house = House::registered().await;
    house.far.invite().await;
    house.far.expect("SIP/2.0 100").await;
    house.far.expect("SIP/2.0 180").await;
    let call = house.one_call().await;
    for (name, value) in [
        ("Identity", call.rsplit('/').next().unwrap()),
        ("Line", "1"),
        ("Direction", "incoming"),
        ("State", "incoming"),
        ("Hold", "none"),
        ("RemoteNumber", "300"),
        ("RemoteName", "Ada"),
        ("RemoteUri", "sip:300@far.example"),
        ("SipCallId", house.far.dialog.call_id.clone().as_str()),
        ("EndCode", "0"),
        ("EndedBy", ""),
    ] {
        assert_eq!(house.property(&call, CALL_INTERFACE, name).await.as_deref(), Some(value), "{name}");
    }
    house.wait(PHONE, PHONE_INTERFACE, "CallsUp", "1").await;
    house.media.state("ringing", |state| state.ring.is_some()).await;
    house.ask(&call, CALL_INTERFACE, "Answer").await.unwrap();
    let answer = house.far.expect("SIP/2.0 200").await;
    assert!(body(&answer).contains("m=audio"), "{answer}");
    house.far.ack(&answer).await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
    house.wait(&call, CALL_INTERFACE, "Codec", "PCMU").await;
    let state = house.media.state("talking", |state| state.sessions.iter().any(|one| one.heard_by_handset)).await;
    let session = &state.sessions[0];
    assert_eq!((session.local_port, session.remote_port), (audio_port(&answer), 40000));
    assert_eq!((session.hears.as_slice(), session.direction()), (["handset".to_owned()].as_slice(), Direction::Sendrecv));
    assert!(state.ring.is_none());
    house.far.bye().await;
    house.far.expect("SIP/2.0 200").await;
    house.wait(&call, CALL_INTERFACE, "State", "ended").await;
    assert_eq!(house.property(&call, CALL_INTERFACE, "EndedBy").await.as_deref(), Some("remote"));
    house.wait(PHONE, PHONE_INTERFACE, "CallsUp", "0").await;
    house.media.state("the disconnect tone", |state| state.tone.is_some() && state.sessions.is_empty()).await;
    house.no_call().await;
}

/// B198, Click to Answer: the ringer is silent and the person at the phone is heard; a lifted handset takes the call over.
#[tokio::test]
async fn a_call_that_the_server_answers_is_at_the_desk() {
    let mut house = House::with(&[("TALK_PACKAGE", "Y")]).await;
    house.far.register().await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    house.far.invite().await;
    let ringing = house.far.expect("SIP/2.0 180").await;
    let call = house.one_call().await;
    house.media.state("ringing", |state| state.ring.is_some()).await;
    house.far.notify_in_dialog(&ringing, "talk").await;
    let answer = house.far.expect("SIP/2.0 200 OK\r\n").await;
    let answer = if header(&answer, "CSeq").ends_with("INVITE") { answer } else { house.far.expect("SIP/2.0 200").await };
    house.far.dialog.cseq = 1;
    house.far.ack(&answer).await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
    let by = |route: Route| {
        move |state: &DesiredState| {
            let spoken = state.sessions.iter().any(|one| one.heard_by_handset && !one.hears.is_empty());
            spoken && state.ring.is_none() && state.route() == route
        }
    };
    house.media.state("talking hands-free", by(Route::Speaker)).await;
    house.board.hook("off").await;
    house.media.state("talking in the handset", by(Route::Handset)).await;
    assert_eq!(house.property(&call, CALL_INTERFACE, "State").await.as_deref(), Some("talking"));
}

#[tokio::test]
async fn the_handset_answers_and_ends_and_the_lamps_follow() {
    let mut house = House::registered().await;
    house.far.invite().await;
    house.board.lamp("line-1", "flash-fast").await;
    house.board.hook("off").await;
    let answer = house.far.expect("SIP/2.0 200").await;
    house.far.ack(&answer).await;
    house.board.lamp("line-1", "on").await;
    house.wait(PHONE, PHONE_INTERFACE, "Hook", "off").await;
    house.board.hook("on").await;
    let bye = house.far.expect("BYE").await;
    house.far.respond(&bye, "200 OK", "", "").await;
    house.board.lamp("line-1", "off").await;
}

/// B193, B194 through keys of the board.
#[tokio::test]
async fn keys_dial() {
    let mut house = House::registered().await;
    house.board.hook("off").await;
    house.media.state("dial tone", |state| state.tone.as_ref().is_some_and(|tone| tone.name == "dial")).await;
    for key in ["1", "0", "0"] {
        house.board.key(key).await;
    }
    house.wait(PHONE, PHONE_INTERFACE, "PendingDigits", "100").await;
    house.board.key("pound").await;
    let invite = house.far.expect("INVITE").await;
    assert!(invite.starts_with("INVITE sip:100@"), "{invite}");
    house.far.respond(&invite, "486 Busy Here", "", "").await;
    house.far.expect("ACK").await;
    let call = house.one_call().await;
    house.wait(&call, CALL_INTERFACE, "EndCode", "486").await;
    house.media.state("busy tone", |state| state.tone.as_ref().is_some_and(|tone| tone.name == "busy")).await;
}

#[tokio::test]
async fn a_dialed_call_is_on_the_bus_when_dial_answers() {
    let mut house = House::registered().await;
    let call = house.dial("100", 0).await.unwrap();
    assert_eq!(house.calls().await, [call.as_str()]);
    let invite = house.far.expect("INVITE").await;
    house.far.respond(&invite, "180 Ringing", "", "").await;
    house.wait(&call, CALL_INTERFACE, "State", "ringback").await;
    house.media.state("ringback", |state| state.tone.as_ref().is_some_and(|tone| tone.name == "ringback")).await;
    house.far.answer(&invite, "sendrecv").await;
    house.far.expect("ACK").await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
    house.ask(&call, CALL_INTERFACE, "Hangup").await.unwrap();
    let bye = house.far.expect("BYE").await;
    house.far.respond(&bye, "200 OK", "", "").await;
    house.wait(&call, CALL_INTERFACE, "EndedBy", "local").await;
    let refused = house.ask(&call, CALL_INTERFACE, "Hangup").await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.WrongState");
}

/// RFC 3261 20.4, 20.9: what comes with a call of a server stands on its object.
#[tokio::test]
async fn a_call_shows_what_comes_with_it() {
    let mut house = House::registered().await;
    let more = "Alert-Info: <urn:alert:source:internal>;info=ring2\r\nCall-Info: <http://far/ada.vcf>;purpose=card\r\n";
    house.far.invite_with(more).await;
    let call = house.one_call().await;
    house.wait(&call, CALL_INTERFACE, "Alerts", "<urn:alert:source:internal>;info=ring2").await;
    house.wait(&call, CALL_INTERFACE, "CallerInfo", "card http://far/ada.vcf").await;
}

/// RFC 3325: the line's server says whom the call has reached; the Call object follows.
#[tokio::test]
async fn a_call_shows_whom_the_server_has_reached() {
    let mut house = House::registered().await;
    let call = house.dial("100", 0).await.unwrap();
    house.wait(&call, CALL_INTERFACE, "RemoteNumber", "100").await;
    let invite = house.far.expect("INVITE").await;
    house.far.respond(&invite, "180 Ringing", "P-Asserted-Identity: \"Grace\" <sip:4711@example.com>\r\n", "").await;
    house.wait(&call, CALL_INTERFACE, "RemoteName", "Grace").await;
    house.wait(&call, CALL_INTERFACE, "RemoteNumber", "4711").await;
    house.wait(&call, CALL_INTERFACE, "RemoteUri", "sip:4711@example.com").await;
}

/// B307; the state changes when the far end has agreed.
#[tokio::test]
async fn hold_and_resume_by_re_invite() {
    let mut house = House::registered().await;
    let call = house.talking().await;
    house.ask(&call, CALL_INTERFACE, "Hold").await.unwrap();
    let hold = house.far.expect("INVITE").await;
    assert!(body(&hold).contains("a=sendonly") || body(&hold).contains("a=inactive"), "{hold}");
    assert_eq!(house.property(&call, CALL_INTERFACE, "Hold").await.as_deref(), Some("none"));
    house.far.answer(&hold, "recvonly").await;
    house.far.expect("ACK").await;
    house.wait(&call, CALL_INTERFACE, "Hold", "local").await;
    house.media.state("silence on hold", |state| !state.sessions.is_empty() && !state.sessions[0].heard_by_handset).await;
    house.ask(&call, CALL_INTERFACE, "Resume").await.unwrap();
    let resume = house.far.expect("INVITE").await;
    house.far.answer(&resume, "sendrecv").await;
    house.far.expect("ACK").await;
    house.wait(&call, CALL_INTERFACE, "Hold", "none").await;
    assert_eq!(header(&hold, "Call-ID"), header(&resume, "Call-ID"));
}

/// B191.
#[tokio::test]
async fn a_rejected_call_gets_603() {
    let mut house = House::registered().await;
    house.far.invite().await;
    house.far.expect("SIP/2.0 180").await;
    let call = house.one_call().await;
    house.ask(&call, CALL_INTERFACE, "Reject").await.unwrap();
    let refusal = house.far.expect("SIP/2.0 603").await;
    house.far.ack_failure(&refusal).await;
    house.wait(&call, CALL_INTERFACE, "State", "ended").await;
}

#[tokio::test]
async fn a_taken_port_is_not_offered() {
    let mut house = House::registered().await;
    house.media.take_port(0);
    house.far.invite().await;
    let first = house.media.state("a session", |state| !state.sessions.is_empty()).await.sessions[0].local_port;
    house.far.cancel().await;
    house.far.expect("SIP/2.0 487").await;
    house.no_call().await;
    for port in (0..8).map(|step| first + 2 * step) {
        house.media.take_port(port);
    }
    house.far.invite().await;
    let call = house.one_call().await;
    house.ask(&call, CALL_INTERFACE, "Answer").await.unwrap();
    let answer = house.far.expect("SIP/2.0 200").await;
    let port = audio_port(&answer);
    assert!(!(first..first + 16).contains(&port), "{port}");
    house.far.ack(&answer).await;
}

/// RFC 4733 digits both ways, and what is known of the RTP.
#[tokio::test]
async fn digits_and_flow_go_between_bus_and_media() {
    let mut house = House::registered().await;
    let call = house.talking().await;
    let options: std::collections::HashMap<&str, zbus::Variant<'_>> = std::collections::HashMap::new();
    let digits = ("1#", options);
    let name = Some("org.deskphone.Sip1");
    house.bus.call_method(name, call.as_str(), Some(CALL_INTERFACE), "SendDigits", &digits).await.unwrap();
    let state = house.media.state("digits", |state| state.sessions.iter().any(|one| !one.digits.is_empty())).await;
    let session = state.sessions[0].id.clone();
    let digits: Vec<(u64, &str, bool)> =
        state.sessions[0].digits.iter().map(|digit| (digit.number, digit.digit.as_str(), digit.in_band)).collect();
    assert_eq!(digits, [(1, "1", false), (2, "#", false)]);
    house.media.say(Kind::DigitsSent(DigitsSent { session: session.clone(), number: 2 }));
    house.media.state("no digits", |state| state.sessions.iter().all(|one| one.digits.is_empty())).await;
    house.media.say(Kind::Flow(FlowState { session: session.clone(), state: "flowing".into() }));
    house.wait(&call, CALL_INTERFACE, "Media", "flowing").await;
    let mut signals = house.signals().await;
    house.media.say(Kind::Digit(DigitReceived { session, digit: "5".into(), duration_ms: 120 }));
    let heard = soon("DigitReceived", async {
        loop {
            let signal = signals.next().await.unwrap();
            if signal.header().member().is_some_and(|member| member.as_str() == "DigitReceived") {
                return signal;
            }
        }
    })
    .await;
    let (digit, duration): (String, u32) = {
        let body = heard.body();
        let (digit, duration, _): (String, u32, std::collections::HashMap<String, zbus::OwnedVariant>) =
            body.deserialize().unwrap();
        (digit, duration)
    };
    assert_eq!((digit.as_str(), duration), ("5", 120));
}

/// B296.
#[tokio::test]
async fn auto_answer_at_once() {
    let mut house = House::with(&[("AUTO_ANSWER_ENABLE", "Y"), ("AUTO_ANS_RING_TIM", "0")]).await;
    house.far.register().await;
    house.wait(house::LINE_1, house::LINE_INTERFACE, "State", "registered").await;
    house.far.invite().await;
    house.far.expect("SIP/2.0 180").await;
    let answer = house.far.expect("SIP/2.0 200").await;
    house.far.ack(&answer).await;
    let call = house.one_call().await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
}

/// Another address (RFC 3261 14): the line registers from it, and the call goes on there with its sound once media is there.
#[tokio::test]
async fn a_call_goes_on_at_another_address_of_the_unit() {
    let mut house = House::registered().await;
    let call = house.talking().await;
    house.board.moves("127.0.0.11").await;
    let state =
        house.media.state("the new address", |state| state.sessions.iter().any(|one| one.local_address == "127.0.0.11")).await;
    assert_eq!(state.sessions.len(), 1, "and not the old one beside it");
    let invite = house.far.expect("INVITE").await;
    assert!(header(&invite, "Contact").contains("@127.0.0.11:") && body(&invite).contains("c=IN IP4 127.0.0.11\r\n"), "{invite}");
    assert_eq!(audio_port(&invite), state.sessions[0].local_port);
    house.far.answer(&invite, "sendrecv").await;
    house.far.expect("ACK").await;
    let seen = house.far.seen();
    assert!(seen.iter().any(|text| text.starts_with("REGISTER") && header(text, "Contact").contains("@127.0.0.11:")), "{seen:?}");
    assert_eq!(house.property(&call, CALL_INTERFACE, "State").await.as_deref(), Some("talking"));
    house.ask(&call, CALL_INTERFACE, "Hangup").await.unwrap();
    let bye = house.far.expect("BYE").await;
    assert!(header(&bye, "Via").contains("127.0.0.11:"), "{bye}");
}

/// The unit's address is one of IPv6 (RFC 3261 19.1.1, RFC 3264 5, RFC 4566 5.7): it registers, is called, and calls.
#[tokio::test]
async fn a_phone_with_an_ipv6_address_registers_is_called_and_calls() {
    let mut house = House::at(("::1", "::1"), &[]).await;
    let register = house.far.register().await;
    let here = format!("[::1]:{}", house.far.phone_port());
    assert!(header(&register, "Via").contains(&here) && header(&register, "Contact").contains(&format!("@{here}")), "{register}");
    house.wait(house::LINE_1, house::LINE_INTERFACE, "State", "registered").await;
    house.talking().await;
    house.media.state("sound", |state| state.sessions.iter().any(|one| one.local_address == "::1")).await;
    house.far.bye().await;
    house.far.expect("SIP/2.0 200").await;
    house.no_call().await;
    house.dial("300", 1).await.unwrap();
    let invite = house.far.expect("INVITE sip:300@[::1]:").await;
    assert!(body(&invite).contains("c=IN IP6 ::1\r\n"), "{invite}");
}
