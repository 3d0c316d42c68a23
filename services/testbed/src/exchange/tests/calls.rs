//! Calls with the extensions: offer and answer, echo, retransmission, CANCEL, calls that the exchange makes.

use tokio::net::UdpSocket;

use super::{Phone, acknowledgement, between, description, exchange, header, media_of, packet};
use crate::exchange::{ExchangeError, Progress};

async fn media() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

async fn heard(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = tokio::time::timeout(super::PATIENCE, socket.recv(&mut buffer)).await.expect("no packet").unwrap();
    buffer[..length].to_vec()
}

#[tokio::test]
async fn extension_100_sends_every_packet_back() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let (rtp, port) = media().await;
    phone.invite("100", "echo", &description(port, "18 0 97", "sendrecv")).await;
    let ringing = phone.receive().await;
    assert!(ringing.starts_with("SIP/2.0 180 "), "{ringing}");
    let ok = phone.receive().await;
    assert!(ok.starts_with("SIP/2.0 200 ") && ok.contains("RTP/AVP 18 97\r\n") && ok.contains("a=sendrecv"), "{ok}");
    assert_eq!(header(&ok, "To"), header(&ringing, "To"), "one dialog");
    phone.acknowledge(&ok, "echo").await;
    exchange.until(|view| view.calls.first().is_some_and(|call| call.progress == Progress::Talking)).await.unwrap();
    for (sequence, payload, body) in [(1, 18, &[1, 2, 3][..]), (2, 97, &[5, 10, 0, 160][..])] {
        rtp.send_to(&packet(payload, sequence, body), media_of(&ok)).await.unwrap();
        let back = heard(&rtp).await;
        assert_eq!((&back[..8], &back[12..]), (&packet(payload, sequence, body)[..8], body));
        assert_ne!(back[8..12], [0xAA, 0xBB, 0xCC, 0xDD], "its own SSRC");
    }
    let bye = phone.in_dialog("BYE", &ok, "echo", "", "");
    phone.send(&bye).await;
    assert!(phone.receive().await.starts_with("SIP/2.0 200 "));
    let view = exchange.until(|view| view.calls.first().is_some_and(|call| call.progress == Progress::Ended(200))).await.unwrap();
    assert_eq!((view.calls[0].echoed, view.calls[0].user.as_str(), view.counters.answered), (2, "200", 1));
    assert_eq!((view.calls[0].missing, view.calls[0].reinvites), (0, 0));
    let again = phone.in_dialog("BYE", &ok, "echo", "", "");
    phone.send(&again).await;
    assert!(phone.receive().await.starts_with("SIP/2.0 481 "));
}

/// RFC 3264 section 8.4, and the address of zeros of RFC 2543.
#[tokio::test]
async fn a_held_call_is_silent_until_it_is_resumed() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let (rtp, port) = media().await;
    phone.invite("100", "hold", &description(port, "0", "sendrecv")).await;
    let ok = phone.receive_start("SIP/2.0 200").await;
    phone.acknowledge(&ok, "hold").await;
    let contact = format!("Contact: <sip:200@{}>\r\nContent-Type: application/sdp\r\n", phone.address);
    let zeros = description(port, "0", "sendrecv").replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    for (offer, answered) in [
        (description(port, "0", "sendonly"), "a=recvonly"),
        (description(port, "0", "inactive"), "a=inactive"),
        (zeros, "a=recvonly"),
    ] {
        let hold = phone.in_dialog("INVITE", &ok, "hold", &contact, &offer);
        phone.send(&hold).await;
        let held = phone.receive_start("SIP/2.0 200").await;
        assert!(held.contains(answered), "{held}");
        phone.acknowledge(&held, "hold").await;
    }
    exchange.until(|view| view.calls.first().is_some_and(|call| call.progress == Progress::Talking)).await.unwrap();
    rtp.send_to(&packet(0, 7, b"held"), media_of(&ok)).await.unwrap();
    exchange.until(|view| view.calls.first().is_some_and(|call| call.swallowed == 1)).await.unwrap();
    let resume = phone.in_dialog("INVITE", &ok, "hold", &contact, &description(port, "0", "sendrecv"));
    phone.send(&resume).await;
    let resumed = phone.receive_start("SIP/2.0 200").await;
    assert!(resumed.contains("a=sendrecv"));
    let version = |message: &str| between(message, "o=exchange ", " IN").to_owned();
    assert_ne!(version(&ok), version(&resumed), "each description has its number");
    assert_eq!(version(&ok).split(' ').next(), version(&resumed).split(' ').next());
    phone.acknowledge(&resumed, "hold").await;
    rtp.send_to(&packet(0, 8, b"talk"), media_of(&resumed)).await.unwrap();
    exchange.until(|view| view.calls.first().is_some_and(|call| call.reinvites == 4)).await.unwrap();
    assert_eq!(heard(&rtp).await[2..4], 8_u16.to_be_bytes(), "what was said while held did not come back");
}

#[tokio::test]
async fn nothing_in_common_is_488_with_a_reason() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let invite = phone.invite("100", "none", &description(9000, "3 97", "sendrecv")).await;
    let answer = phone.receive().await;
    assert!(answer.starts_with("SIP/2.0 488 ") && header(&answer, "Warning").starts_with("305 "), "{answer}");
    phone.send(&acknowledgement(&invite, &answer)).await;
    assert!(exchange.view().calls.is_empty());
}

/// RFC 3261 section 14.1 and 13.2.1: without an offer the 200 holds one.
#[tokio::test]
async fn an_invite_without_an_offer_gets_one() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    phone.invite("100", "late", "").await;
    let ok = phone.receive_start("SIP/2.0 200").await;
    assert!(ok.contains("RTP/AVP 9 8 0 18 101\r\n"));
    let ack = phone.in_dialog("ACK", &ok, "late", "Content-Type: application/sdp\r\n", &description(9, "0", "recvonly"));
    let number = header(&ok, "CSeq").split(' ').next().unwrap().to_owned();
    let own = header(&ack, "CSeq").to_owned();
    phone.send(&ack.replace(&format!("CSeq: {own}"), &format!("CSeq: {number} ACK"))).await;
    let view = exchange.until(|view| view.calls.first().is_some_and(|call| call.progress == Progress::Talking)).await.unwrap();
    assert_eq!(view.calls.len(), 1);
}

/// RFC 3261 sections 13.3.1.4 and 17.2.1.
#[tokio::test]
async fn a_200_is_repeated_until_its_ack_and_a_repeated_invite_makes_no_second_call() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let invite = phone.invite("100", "again", &description(9000, "0", "sendrecv")).await;
    let ok = phone.receive_start("SIP/2.0 200").await;
    phone.send(&invite).await;
    assert_eq!(phone.receive_start("SIP/2.0 200").await, ok, "for the repeated INVITE");
    assert_eq!(phone.receive_start("SIP/2.0 200").await, ok, "by timer G");
    phone.acknowledge(&ok, "again").await;
    let view = exchange.until(|view| view.calls.first().is_some_and(|call| call.progress == Progress::Talking)).await.unwrap();
    assert_eq!((view.calls.len(), view.counters.retransmissions_seen), (1, 1));
    assert!(view.counters.retransmissions_sent >= 1);
}

#[tokio::test]
async fn extension_101_hangs_up_and_calls_back() {
    let exchange = exchange();
    let mut phone = Phone::registered(&exchange, "200", "secret").await;
    phone.invite("101", "back", &description(9000, "0", "sendrecv")).await;
    let ok = phone.receive_start("SIP/2.0 200").await;
    phone.acknowledge(&ok, "back").await;
    let bye = phone.receive_start("BYE ").await;
    assert_eq!(header(&bye, "To"), "<sip:200@deskphone.lab>;tag=fback");
    phone.answer(&bye, "200 OK", "", "").await;
    let invite = phone.receive_start("INVITE ").await;
    assert!(invite.starts_with(&format!("INVITE sip:200@{} SIP/2.0\r\n", phone.address)), "{invite}");
    assert!(header(&invite, "From").starts_with("\"Lab Exchange\" <sip:101@deskphone.lab>;tag="));
    let (rtp, port) = media().await;
    phone.answer(&invite, "180 Ringing", "", "").await;
    exchange.until(|view| view.calls.iter().any(|call| call.progress == Progress::Ringing)).await.unwrap();
    let more = format!("Contact: <sip:200@{}>\r\nContent-Type: application/sdp\r\n", phone.address);
    phone.answer(&invite, "200 OK", &more, &description(port, "0", "sendrecv")).await;
    let ack = phone.receive_start("ACK ").await;
    assert!(header(&ack, "To").ends_with(";tag=phone") && header(&ack, "CSeq") == "1 ACK");
    assert_ne!(header(&ack, "Via"), header(&invite, "Via"), "a branch of its own");
    phone.answer(&invite, "200 OK", &more, &description(port, "0", "sendrecv")).await;
    assert_eq!(phone.receive_start("ACK ").await, ack, "for the repeated 200");
    rtp.send_to(&packet(0, 1, b"hallo"), media_of(&invite)).await.unwrap();
    assert_eq!(&heard(&rtp).await[12..], b"hallo");
    let view = exchange.until(|view| view.calls.iter().any(|call| call.progress == Progress::Talking)).await.unwrap();
    let number = view.calls.last().unwrap().number;
    exchange.hang_up(number).await.unwrap();
    let bye = phone.receive_start("BYE ").await;
    assert_eq!(header(&bye, "CSeq"), "2 BYE");
    phone.answer(&bye, "200 OK", "", "").await;
    exchange.until(|view| view.calls.iter().all(|call| call.progress == Progress::Ended(200))).await.unwrap();
}

#[tokio::test]
async fn a_call_from_the_exchange_can_be_refused_and_is_acknowledged() {
    let exchange = exchange();
    assert!(matches!(exchange.call("200").await, Err(ExchangeError::NotRegistered(user)) if user == "200"));
    let phone = Phone::registered(&exchange, "200", "secret").await;
    let number = exchange.call("200").await.unwrap();
    let invite = phone.receive_start("INVITE ").await;
    phone.answer(&invite, "486 Busy Here", "", "").await;
    let ack = phone.receive_start("ACK ").await;
    assert_eq!(header(&ack, "Via"), header(&invite, "Via"), "the INVITE's own branch");
    let view = exchange.until(|view| view.calls.iter().any(|call| matches!(call.progress, Progress::Ended(_)))).await.unwrap();
    assert_eq!((view.calls[0].number, view.calls[0].progress), (number, Progress::Ended(486)));
}

/// RFC 3261 section 9.1: no CANCEL before a provisional answer.
#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_once_it_rings() {
    let exchange = exchange();
    let phone = Phone::registered(&exchange, "200", "secret").await;
    let number = exchange.call("200").await.unwrap();
    let invite = phone.receive_start("INVITE ").await;
    exchange.hang_up(number).await.unwrap();
    phone.answer(&invite, "180 Ringing", "", "").await;
    let cancel = phone.receive_start("CANCEL ").await;
    assert_eq!((header(&cancel, "Via"), header(&cancel, "CSeq")), (header(&invite, "Via"), "1 CANCEL"));
    phone.answer(&cancel, "200 OK", "", "").await;
    phone.answer(&invite, "487 Request Terminated", "", "").await;
    phone.receive_start("ACK ").await;
    exchange.until(|view| view.calls.iter().any(|call| call.progress == Progress::Ended(487))).await.unwrap();
}

/// RFC 3261 section 15: a 200 that crosses the wish to end is acknowledged, then BYE.
#[tokio::test]
async fn a_200_after_the_wish_to_end_gets_ack_and_bye() {
    let exchange = exchange();
    let phone = Phone::registered(&exchange, "200", "secret").await;
    let number = exchange.call("200").await.unwrap();
    let invite = phone.receive_start("INVITE ").await;
    exchange.hang_up(number).await.unwrap();
    let more = format!("Contact: <sip:200@{}>\r\nContent-Type: application/sdp\r\n", phone.address);
    phone.answer(&invite, "200 OK", &more, &description(9000, "0", "sendrecv")).await;
    phone.receive_start("ACK ").await;
    let bye = phone.receive_start("BYE ").await;
    phone.answer(&bye, "200 OK", "", "").await;
    exchange.until(|view| view.calls.iter().any(|call| call.progress == Progress::Ended(200))).await.unwrap();
}

/// RFC 3261 section 9.2.
#[tokio::test]
async fn extension_102_rings_until_it_is_cancelled() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let invite = phone.invite("102", "ring", &description(9000, "0", "sendrecv")).await;
    phone.receive_start("SIP/2.0 180").await;
    let number = header(&invite, "CSeq").split(' ').next().unwrap();
    let credentials = format!("Proxy-Authorization: {}\r\n", header(&invite, "Proxy-Authorization"));
    let cancel = acknowledgement(&invite, &invite)
        .replace("ACK ", "CANCEL ")
        .replace(&format!("CSeq: {number} ACK"), &format!("CSeq: {number} CANCEL"));
    phone.send(&cancel.replace("Content-Length", &format!("{credentials}Content-Length"))).await;
    let (first, second) = (phone.receive().await, phone.receive().await);
    let refused = if first.starts_with("SIP/2.0 487") { first } else { second };
    assert!(refused.starts_with("SIP/2.0 487 ") && header(&refused, "CSeq").ends_with(" INVITE"), "{refused}");
    phone.send(&acknowledgement(&invite, &refused)).await;
    exchange.until(|view| view.calls.iter().any(|call| call.progress == Progress::Ended(487))).await.unwrap();
    let stray = cancel.replace(";branch=z9hG4bK", ";branch=z9hG4bKx");
    phone.send(&stray).await;
    assert!(phone.receive().await.starts_with("SIP/2.0 481 "));
}

#[tokio::test]
async fn extension_103_is_busy() {
    let exchange = exchange();
    let mut phone = Phone::new(&exchange, "200", "secret").await;
    let invite = phone.invite("103", "busy", &description(9000, "0", "sendrecv")).await;
    let busy = phone.receive().await;
    assert!(busy.starts_with("SIP/2.0 486 "));
    phone.send(&acknowledgement(&invite, &busy)).await;
}
