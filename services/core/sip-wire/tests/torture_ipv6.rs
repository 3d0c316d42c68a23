//! The twelve messages of RFC 5118 section 4, one test for each of its sections: IPv6 wherever it may stand.
//!
//! Only section 4.2 is to be refused. Content-Length is that of the body as it stands here.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::net::IpAddr;

use sip_wire::sdp::{Address, Connection, Session};
use sip_wire::{Defect, Request, StatusCode};
use support::{refused, request, wire};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn register(uri: &str) -> Vec<u8> {
    wire(&format!(
        "REGISTER {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\nMax-Forwards: 70\n\
         Contact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n"
    ))
}

fn with_description(head: &str, description: &str) -> Request {
    let body = wire(description);
    let mut octets = wire(&format!("{head}Content-Type: application/sdp\nContent-Length: {}\n\n", body.len()));
    octets.extend_from_slice(&body);
    request(&octets)
}

fn target(request: &Request) -> (Option<IpAddr>, Option<u16>) {
    (request.uri.host().and_then(|host| host.ip()), request.uri.port())
}

#[test]
fn section_4_1_references_in_request_uri_via_and_contact() {
    let register = request(&register("sip:[2001:db8::10]"));
    assert_eq!(target(&register), (Some(ip("2001:db8::10")), None));
    let via = register.headers.top_via().unwrap();
    assert_eq!((via.host.ip(), via.port, via.branch()), (Some(ip("2001:db8::9:1")), None, Some("z9hG4bKas3-111")));
    let contact = register.headers.contact().unwrap();
    let contact = contact.first().unwrap();
    assert_eq!((contact.display_name.as_deref(), contact.uri.user()), (Some("Caller"), Some("caller")));
    assert_eq!(contact.uri.host().unwrap().ip(), Some(ip("2001:db8::1")));
}

#[test]
fn section_4_2_a_reference_without_brackets_gets_400() {
    let error = refused(&register("sip:2001:db8::10"));
    assert!(matches!(error.defect, Defect::RequestUri(_)), "{error}");
    let answer = error.answer.unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers.top_via().unwrap().host.ip(), Some(ip("2001:db8::9:1")), "and finds its way back");
}

/// Well-formed, though hardly meant: what stands in the brackets is the address.
#[test]
fn section_4_3_a_port_in_the_brackets_is_a_part_of_the_address() {
    let register = request(&register("sip:[2001:db8::10:5070]"));
    assert_eq!(target(&register), (Some(ip("2001:db8::10:5070")), None));
    assert_eq!(register.uri.port_or_default(), 5060);
}

#[test]
fn section_4_4_a_port_after_the_brackets_is_the_port() {
    let register = request(&register("sip:[2001:db8::10]:5070"));
    assert_eq!(target(&register), (Some(ip("2001:db8::10")), Some(5070)));
}

#[test]
fn section_4_5_received_with_brackets() {
    let bye = request(&wire(
        "BYE sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com;tag=bd76ya\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111\n\
         Call-ID: SSG9559905523997077@hlau_4100\nMax-Forwards: 70\nCSeq: 321 BYE\nContent-Length: 0\n\n",
    ));
    let via = bye.headers.top_via().unwrap();
    assert_eq!((via.host.ip(), via.received()), (Some(ip("2001:db8::9:1")), Some(ip("2001:db8::9:255"))));
}

#[test]
fn section_4_5_received_without_brackets() {
    let options = request(&wire(
        "OPTIONS sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3\n\
         Call-ID: SSG95523997077@hlau_4100\nMax-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::9:1]>\n\
         CSeq: 921 OPTIONS\nContent-Length: 0\n\n",
    ));
    let mut via = options.headers.top_via().unwrap();
    assert_eq!((via.received(), via.branch()), (Some(ip("2001:db8::9:255")), Some("z9hG4bKas3")));
    via.note_source("[2001:db8::9:254]:5062".parse().unwrap());
    assert_eq!(via.params.get("received"), Some("2001:db8::9:254"), "what is written has no brackets");
}

#[test]
fn section_4_6_addresses_in_the_description() {
    let invite = with_description(
        "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Contact: \"Caller\" <sip:caller@[2001:db8::20]>\nCSeq: 8612 INVITE\nMax-Forwards: 70\n",
        "v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\ns=Live video feed for today's meeting\n\
         c=IN IP6 2001:db8::20\nt=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n\
         m=video 6024 RTP/AVP 107\na=rtpmap:107 H263-1998/90000\n",
    );
    assert_eq!(invite.headers.to().unwrap().uri.host().unwrap().ip(), Some(ip("2001:db8::10")));
    let session = Session::parse(&invite.body).unwrap();
    assert_eq!((&session.origin.address, session.media.len()), (&Address::Ip(ip("2001:db8::20")), 2));
    for media in &session.media {
        assert_eq!(session.connection_of(media).and_then(Connection::ip), Some(ip("2001:db8::20")));
    }
}

#[test]
fn section_4_7_hops_of_both_families() {
    let bye = request(&wire(
        "BYE sip:user@host.example.net SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\nCall-ID: 997077@lau_4100\n\
         Max-Forwards: 70\nCSeq: 89187 BYE\nTo: sip:user@example.net;tag=9817--94\nFrom: sip:user@example.com;tag=81x2\n\
         Content-Length: 0\n\n",
    ));
    let via = bye.headers.via().unwrap();
    let hops: Vec<_> = via.iter().map(|via| (via.host.ip(), via.port, via.received())).collect();
    assert_eq!(
        hops,
        [
            (Some(ip("2001:db8::9:1")), Some(6050), None),
            (Some(ip("192.0.2.1")), None, None),
            (Some(ip("2001:db8::9:255")), None, Some(ip("192.0.2.200"))),
        ]
    );
}

#[test]
fn section_4_8_media_of_both_families() {
    let invite = with_description(
        "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Contact: \"Caller\" <sip:caller@[2001:db8::9:1]>\nMax-Forwards: 70\nCSeq: 8912 INVITE\n",
        "v=0\no=bob 280744730 28977631 IN IP4 host.example.com\ns=\nt=0 0\nm=audio 22334 RTP/AVP 0\nc=IN IP4 192.0.2.1\n\
         m=video 6024 RTP/AVP 107\nc=IN IP6 2001:db8::1\na=rtpmap:107 H263-1998/90000\n",
    );
    let session = Session::parse(&invite.body).unwrap();
    let addresses: Vec<_> = session.media.iter().map(|media| session.connection_of(media).and_then(Connection::ip)).collect();
    assert_eq!(addresses, [Some(ip("192.0.2.1")), Some(ip("2001:db8::1"))]);
}

#[test]
fn section_4_9_mapped_addresses() {
    let invite = with_description(
        "INVITE sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@east.example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\n\
         Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111\nCall-ID: SSG9559905523997077@hlau_4100\n\
         Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>\nCSeq: 612 INVITE\nMax-Forwards: 70\n",
        "v=0\no=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2\ns=Call me soon, please!\nc=IN IP6 ::ffff:192.0.2.2\n\
         t=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\nm=video 6024 RTP/AVP 107\n\
         a=rtpmap:107 H263-1998/90000\n",
    );
    let via = invite.headers.via().unwrap();
    let hops: Vec<_> = via.iter().map(|via| (via.host.ip(), via.port)).collect();
    assert_eq!(hops, [(Some(ip("::ffff:192.0.2.10")), Some(19823)), (Some(ip("::ffff:192.0.2.2")), None)]);
    assert_eq!(invite.headers.contact().unwrap().first().unwrap().uri.host().unwrap().ip(), Some(ip("::ffff:192.0.2.2")));
    let session = Session::parse(&invite.body).unwrap();
    let audio = session.media.first().unwrap();
    assert_eq!(session.connection_of(audio).and_then(Connection::ip), Some(ip("::ffff:192.0.2.2")));
}

fn options(uri: &str) -> Vec<u8> {
    wire(&format!(
        "OPTIONS {uri} SIP/2.0\nTo: {uri}\nFrom: sip:user@example.com;tag=810x2\n\
         Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111\nCall-ID: G9559905523997077@hlau_4100\n\
         CSeq: 689 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n"
    ))
}

/// RFC 3261's grammar made it with a colon too many; both mean the same address.
#[test]
fn section_4_10_three_colons_before_an_ipv4_address_are_two() {
    let three = request(&options("sip:user@[2001:db8:::192.0.2.1]"));
    assert_eq!(target(&three), (Some(ip("2001:db8::192.0.2.1")), None));
    assert_eq!(three.headers.to().unwrap().uri.host().unwrap().ip(), Some(ip("2001:db8::192.0.2.1")));
    assert_eq!(three.uri.as_str(), "sip:user@[2001:db8:::192.0.2.1]", "echoed as it came");
    for other in ["[2001:db8:::10]", "[2001:db8::::192.0.2.1]", "[2001:::db8::192.0.2.1]", "[2001:::db8:192.0.2.1]", "[:::]"] {
        assert!(refused(&options(&format!("sip:user@{other}"))).answer.is_some(), "{other}");
    }
}

#[test]
fn section_4_10_two_colons_before_an_ipv4_address() {
    assert_eq!(target(&request(&options("sip:user@[2001:db8::192.0.2.1]"))), (Some(ip("2001:db8::192.0.2.1")), None));
}
