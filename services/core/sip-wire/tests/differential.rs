//! rsip 0.4 as an oracle: on ordinary messages both read the same; where they differ, the difference is pinned here, so that a
//! new rsip shows up.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "rsip's parsers are the oracle here; the product may not use them"
)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod support;

use proptest::prelude::*;
use rsip::message::HasHeaders;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use sip_wire::{HeaderName, Message, Request, parse_datagram};
use support::{options_with, wire};

fn theirs(octets: &[u8]) -> Result<rsip::SipMessage, rsip::Error> {
    rsip::SipMessage::try_from(octets)
}

/// Both views of one message, compared part by part.
fn compare(ours: &Message, theirs: &rsip::SipMessage) {
    match (ours, theirs) {
        (Message::Request(ours), rsip::SipMessage::Request(theirs)) => {
            assert_eq!(ours.method.as_str(), theirs.method.to_string());
            assert_eq!(ours.uri.as_str(), theirs.uri.to_string());
            assert_eq!(ours.body, theirs.body);
        }
        (Message::Response(ours), rsip::SipMessage::Response(theirs)) => {
            assert_eq!(ours.status.code(), theirs.status_code.code());
            assert_eq!(ours.body, theirs.body);
        }
        _ => panic!("a request here, a response there"),
    }
    let headers = ours.headers();
    assert_eq!(headers.call_id().unwrap(), theirs.call_id_header().unwrap().value());
    let cseq = theirs.cseq_header().unwrap().typed().unwrap();
    assert_eq!((headers.cseq().unwrap().number, headers.cseq().unwrap().method.to_string()), (cseq.seq, cseq.method.to_string()));
    let from = theirs.from_header().unwrap().typed().unwrap();
    assert_eq!(headers.from().unwrap().uri.as_str(), from.uri.to_string());
    assert_eq!(headers.from().unwrap().tag().map(str::to_owned), from.tag().map(ToString::to_string));
    let to = theirs.to_header().unwrap().typed().unwrap();
    assert_eq!(headers.to().unwrap().uri.as_str(), to.uri.to_string());
    let via = theirs.via_header().unwrap().typed().unwrap();
    assert_eq!(headers.top_via().unwrap().branch().map(str::to_owned), via.branch().map(ToString::to_string));
    assert_eq!(headers.top_via().unwrap().host.to_string(), via.uri.host_with_port.host.to_string());
    // Content-Length is in their list and not in ours.
    assert_eq!(headers.len() + 1, theirs.headers().iter().count());
}

fn ordinary() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        ("(INVITE|REGISTER|BYE|OPTIONS|SUBSCRIBE)", "sip:[a-z0-9]{1,8}@[a-z]{1,8}\\.example(:[1-9][0-9]{3})?(;transport=UDP)?")
            .prop_map(|(method, uri)| (method.clone(), format!("{method} {uri} SIP/2.0"))),
        (
            "(INVITE|REGISTER)",
            proptest::sample::select(vec!["100 Trying", "180 Ringing", "200 OK", "401 Unauthorized", "486 Busy Here"])
        )
            .prop_map(|(method, status)| (method, format!("SIP/2.0 {status}"))),
    ];
    let address = "(\"[A-Za-z ]{1,9}\" )?<sip:[a-z0-9]{1,8}@[a-z]{1,8}\\.example(:[1-9][0-9]{3})?>";
    (line, address, address, "[a-z0-9]{1,9}", 0..1_u32 << 31, "[A-Za-z ]{0,20}", "[ -~]{0,30}").prop_map(|((method, line), from, to, tag, number, subject, body)| {
        wire(&format!(
            "{line}\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{tag}\nVia: SIP/2.0/TCP h.example;branch=z9hG4bKx\nMax-Forwards: 70\n\
             From: {from};tag={tag}\nTo: {to}\nCall-ID: {tag}@192.0.2.1\nCSeq: {number} {method}\nX-Own: x{subject}x\nContent-Length: {}\n\n{body}",
            body.len()
        ))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ordinary_messages_are_read_alike(octets in ordinary()) {
        let ours = parse_datagram(&octets).unwrap();
        compare(&ours, &theirs(&octets).unwrap());
        compare(&ours, &theirs(&ours.to_bytes()).unwrap());
    }
}

/// What rsip 0.4 refuses although it is valid (RFC 4475 section 3.1.1, RFC 5118).
#[test]
fn valid_messages_that_only_we_read() {
    let plain = String::from_utf8(options_with("")).unwrap();
    let swap = |from: &str, to: &str| plain.replace(from, to).into_bytes();
    let mut latin = plain.clone().into_bytes();
    let at = plain.find("options@").unwrap();
    latin.splice(at..at, [0xe9]);
    let cases = [
        ("folded line", options_with("Subject: a\n b\n")),
        ("blank before the colon", options_with("Subject : a\n")),
        ("line feeds alone", swap("\r\n", "\n")),
        ("leading line end", [b"\r\n", plain.as_bytes()].concat()),
        ("unknown method", swap("OPTIONS", "NEWMETHOD")),
        ("folded line that is needed", swap("UDP 192.0.2.1", "UDP\r\n 192.0.2.1")),
        ("IPv6 in the Request-URI", swap("sip:200@192.0.2.7", "sip:200@[2001:db8::7]")),
        ("IPv6 and port in the Request-URI", swap("sip:200@192.0.2.7", "sip:200@[2001:db8::7]:5060")),
        ("tel with separators in the Request-URI", swap("sip:200@192.0.2.7", "tel:+1-201-555-0123;phone-context=example.com")),
        ("Latin-1", latin),
    ];
    for (name, octets) in cases {
        assert!(theirs(&octets).is_err(), "{name}: rsip reads it now");
        assert!(parse_datagram(&octets).is_ok(), "{name}");
    }
}

fn with(line: &str) -> (Request, rsip::SipMessage) {
    let octets = options_with(line);
    let Ok(Message::Request(ours)) = parse_datagram(&octets) else { panic!("{line}") };
    (ours, theirs(&octets).unwrap())
}

/// What rsip 0.4 reads, but not as it is meant.
#[test]
fn values_that_rsip_misreads() {
    let dotted = rsip::typed::From::try_from(rsip::headers::From::new("<sip:john.doe@example.com>;tag=1")).unwrap();
    assert!(dotted.uri.auth.is_none(), "rsip takes john.doe@example.com for a host");
    let ours: sip_wire::NameAddr = "<sip:john.doe@example.com>;tag=1".parse().unwrap();
    assert_eq!(ours.uri.user(), Some("john.doe"));

    let via = "SIP/2.0/UDP h1.example;branch=z9hG4bK1,SIP/2.0/TCP h2.example:99;branch=z9hG4bK2";
    let first = rsip::headers::Via::new(via).typed().unwrap();
    assert_eq!(first.branch().map(ToString::to_string), Some("z9hG4bK1".to_owned()), "rsip drops the second hop");
    let mut list = sip_wire::Headers::new();
    list.push(HeaderName::VIA, via);
    assert_eq!(list.via().unwrap().len(), 2);

    let replaces = rsip::Uri::try_from("sip:a@b.example?Replaces=1%40h%3Bto-tag%3D2").unwrap();
    assert!(replaces.headers.is_empty(), "rsip takes it for a part of the host");
    let ours: sip_wire::Uri = "sip:a@b.example?Replaces=1%40h%3Bto-tag%3D2".parse().unwrap();
    assert_eq!(ours.header("Replaces").as_deref(), Some("1@h;to-tag=2"));

    let lower = rsip::Uri::try_from("sip:a@b.example;transport=udp").unwrap();
    assert_eq!(lower.to_string(), "sip:a@b.example;transport=UDP", "rsip does not keep what it read");

    let octets = String::from_utf8(options_with("")).unwrap().replace("sip:200@192.0.2.7", "tel:+123").into_bytes();
    let rsip::SipMessage::Request(tel) = theirs(&octets).unwrap() else { panic!("a request") };
    assert_eq!(tel.uri.to_string(), "tel:123", "rsip loses the plus");
    assert!(matches!(parse_datagram(&octets), Ok(Message::Request(request)) if request.uri.as_str() == "tel:+123"));
}

fn from(value: &str) -> (rsip::typed::From, sip_wire::NameAddr) {
    (rsip::headers::From::new(value).typed().unwrap(), value.parse().unwrap())
}

/// What rsip 0.4 takes for a host, or for nothing.
#[test]
fn addresses_that_rsip_misreads() {
    let (theirs, ours) = from("<tel:+123>;tag=1");
    assert_eq!(theirs.uri.host_with_port.to_string(), "tel:123", "rsip takes the scheme for a host, the number for a port");
    assert_eq!((ours.uri.scheme(), ours.uri.user()), (&sip_wire::Scheme::Tel, Some("+123")));

    let (theirs, ours) = from("<sip:a@b.example?Replaces=1%40h%3Bto-tag%3D2%3Bfrom-tag%3D3>;tag=1");
    assert_eq!(theirs.uri.host_with_port.to_string(), "b.example?Replaces=1%40h%3Bto-tag%3D2%3Bfrom-tag%3D3");
    assert_eq!(ours.uri.host().map(ToString::to_string).as_deref(), Some("b.example"));
    let refer: sip_wire::ReferTo = ours.to_string().parse().unwrap();
    assert_eq!(refer.replaces.map(|replaces| replaces.to_string()).as_deref(), Some("1@h;to-tag=2;from-tag=3"));

    let behind = "sip:a@b.example;x=y?Replaces=1%40h";
    let theirs = rsip::Uri::try_from(behind).unwrap();
    assert_eq!(theirs.to_string(), "sip:a@b.example;x=y", "behind parameters rsip drops it");
    assert_eq!(behind.parse::<sip_wire::Uri>().unwrap().header("Replaces").as_deref(), Some("1@h"));

    let octets = String::from_utf8(options_with("")).unwrap().replace("sip:200@192.0.2.7", "sip:john.doe@192.0.2.7").into_bytes();
    let rsip::SipMessage::Request(dotted) = theirs_of(&octets) else { panic!("a request") };
    assert!(dotted.uri.auth.is_none(), "in the Request-URI as well");
    assert!(matches!(parse_datagram(&octets), Ok(Message::Request(request)) if request.uri.user() == Some("john.doe")));

    let (theirs, ours) = from("\"A \\\"B\\\"\" <sip:a@b.example>;tag=1");
    assert_eq!(theirs.display_name.as_deref(), Some("\"A \\\"B\\\"\""), "rsip keeps quotes and escapes");
    assert_eq!(ours.display_name.as_deref(), Some("A \"B\""));

    let all = rsip::headers::Contact::new("*").typed().unwrap();
    assert_eq!(all.uri.host_with_port.to_string(), "*", "rsip takes all bindings for a host");
    let (ours, _) = with("Contact: *\n");
    assert_eq!(ours.headers.contact(), Ok(sip_wire::Contacts::All));
}

fn theirs_of(octets: &[u8]) -> rsip::SipMessage {
    theirs(octets).unwrap()
}

/// IPv6 in rsip 0.4's Via: refused as the sender, cut at the first colon as `received`.
#[test]
fn hops_that_rsip_misreads() {
    let received = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;received=2001:db8::9";
    let theirs = rsip::headers::Via::new(received).typed().unwrap();
    assert!(theirs.to_string().ends_with(";received=2001"), "{theirs}");
    let ours: sip_wire::Via = received.parse().unwrap();
    assert_eq!(ours.received(), Some("2001:db8::9".parse().unwrap()));
    for hop in ["SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1", "SIP / 2.0 / UDP 192.0.2.1;branch=z9hG4bK1"] {
        assert!(rsip::headers::Via::new(hop).typed().is_err(), "{hop}: rsip reads it now");
        assert_eq!(hop.parse::<sip_wire::Via>().map(|via| via.branch().map(str::to_owned)), Ok(Some("z9hG4bK1".to_owned())));
    }
}

/// What rsip 0.4 cannot type at all.
#[test]
fn values_that_rsip_does_not_read() {
    assert!(rsip::headers::From::new("<sip:a@b.example>;x=\"1;2\";tag=1").typed().is_err(), "a quoted parameter");
    let quoted: sip_wire::NameAddr = "<sip:a@b.example>;x=\"1;2\";tag=1".parse().unwrap();
    assert_eq!((quoted.params.get("x"), quoted.tag()), (Some("1;2"), Some("1")));
    assert!(rsip::headers::From::new("<sip:a@[2001:db8::1]>;tag=1").typed().is_err(), "IPv6 in an address");
    let ipv6: sip_wire::NameAddr = "<sip:a@[2001:db8::1]>;tag=1".parse().unwrap();
    assert_eq!(ipv6.uri.host().and_then(sip_wire::Host::ip), Some("2001:db8::1".parse().unwrap()));
    assert!(rsip::headers::Contact::new("<sip:a@b.example>, <sip:c@d.example>").typed().is_err(), "a list of contacts");
    let sha = "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"";
    assert!(rsip::headers::WwwAuthenticate::new(sha).typed().is_err(), "RFC 8760");
    let (ours, both) = with("Contact: <sip:a@b.example>, <sip:c@d.example>\n");
    assert!(both.contact_header().is_ok());
    assert_eq!(ours.headers.contact().unwrap().list().len(), 2);
    let mut list = sip_wire::Headers::new();
    list.push(HeaderName::WWW_AUTHENTICATE, sha);
    assert_eq!(
        list.www_authenticate().unwrap().first().map(|challenge| challenge.algorithm().to_owned()),
        Some("SHA-256".to_owned())
    );
}
