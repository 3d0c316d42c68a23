//! Calls between two phones: RFC 3261 sections 16.4, 16.6, 16.7 and 16.11.

use super::{Phone, between, description, exchange, header};

#[tokio::test]
async fn two_phones_talk_through_the_exchange() {
    let exchange = exchange();
    let mut caller = Phone::registered(&exchange, "200", "secret").await;
    let callee = Phone::registered(&exchange, "201", "other").await;
    let invite = caller.invite("201", "two", &description(9000, "0", "sendrecv")).await;
    let arrived = callee.receive_start("INVITE ").await;
    assert!(arrived.starts_with(&format!("INVITE sip:201@{} SIP/2.0\r\n", callee.address)), "{arrived}");
    assert_eq!(header(&arrived, "Max-Forwards"), "69");
    assert!(!arrived.contains("Proxy-Authorization"), "the password's digest is not for others");
    let vias: Vec<&str> = arrived.lines().filter(|line| line.starts_with("Via: ")).collect();
    assert_eq!(vias.len(), 2);
    caller.send(&invite).await;
    assert_eq!(callee.receive_start("INVITE ").await, arrived, "a repeated one is handed on alike");

    let route = header(&arrived, "Record-Route").to_owned();
    let more = format!("Record-Route: {route}\r\nContact: <sip:201@{}>\r\nContent-Type: application/sdp\r\n", callee.address);
    callee.answer(&arrived, "200 OK", &format!("{}\r\n{more}", vias[1]), &description(9002, "0", "sendrecv")).await;
    let answer = caller.receive_start("SIP/2.0 200").await;
    assert_eq!(answer.matches("\r\nVia: ").count(), 1, "our own hop is taken off");
    assert_eq!(format!("Via: {}", header(&answer, "Via")), vias[1]);

    let routed = format!("Route: {route}\r\n");
    let ack = caller.in_dialog("ACK", &answer, "two", &routed, "");
    caller.send(&ack).await;
    let acknowledged = callee.receive_start("ACK ").await;
    assert!(!acknowledged.contains("\r\nRoute: "), "our own Route is taken off");
    let bye = caller.in_dialog("BYE", &answer, "two", &routed, "");
    caller.send(&bye).await;
    let over = callee.receive_start("BYE ").await;
    assert!(over.starts_with(&format!("BYE sip:201@{} ", callee.address)));
    let second = over.lines().filter(|line| line.starts_with("Via: ")).nth(1).unwrap().to_owned();
    callee.answer(&over, "200 OK", &format!("{second}\r\n"), "").await;
    assert!(header(&caller.receive_start("SIP/2.0 200").await, "CSeq").ends_with(" BYE"));
    let view = exchange.until(|view| view.counters.proxied >= 6).await.unwrap();
    assert!(view.calls.is_empty(), "no call of the exchange's own");
}

/// RFC 3261 section 16.10, stateless.
#[tokio::test]
async fn a_cancel_follows_its_invite() {
    let exchange = exchange();
    let mut caller = Phone::registered(&exchange, "200", "secret").await;
    let callee = Phone::registered(&exchange, "201", "other").await;
    let invite = caller.invite("201", "cancel", &description(9000, "0", "sendrecv")).await;
    let arrived = callee.receive_start("INVITE ").await;
    let ack = super::acknowledgement(&invite, &invite);
    caller.send(&ack.replace("ACK", "CANCEL")).await;
    let cancelled = callee.receive_start("CANCEL ").await;
    assert_eq!(header(&cancelled, "Via"), header(&arrived, "Via"), "the same hop, so that the phone finds the INVITE");
    assert_eq!(between(&cancelled, "CANCEL ", " "), between(&arrived, "INVITE ", " "));
}

#[tokio::test]
async fn a_call_without_hops_left_goes_no_further() {
    let exchange = exchange();
    let mut caller = Phone::registered(&exchange, "200", "secret").await;
    let _callee = Phone::registered(&exchange, "201", "other").await;
    let request = caller
        .request("OPTIONS", "sip:201@deskphone.lab", "<sip:201@deskphone.lab>", "hops", "", "")
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    caller.send(&request).await;
    assert!(caller.receive().await.starts_with("SIP/2.0 483 "));
}
