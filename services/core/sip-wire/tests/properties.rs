//! What holds for any input: nothing panics, and what is written reads as the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;
use sip_wire::sdp::Session;
use sip_wire::{
    Frame, HeaderName, Headers, Message, Method, NameAddr, Request, Response, StatusCode, StreamFramer, Uri, Via, parse_datagram,
    text,
};

/// Calls every view; the results do not matter, that there are results does.
fn look_at_everything(headers: &Headers) -> usize {
    let good = [
        headers.via().is_ok(),
        headers.from().is_ok(),
        headers.to().is_ok(),
        headers.call_id().is_ok(),
        headers.cseq().is_ok(),
        headers.contact().is_ok(),
        headers.max_forwards().is_ok(),
        headers.route().is_ok(),
        headers.record_route().is_ok(),
        headers.expires().is_ok(),
        headers.min_expires().is_ok(),
        headers.retry_after().is_ok(),
        headers.allow().is_ok(),
        headers.supported().is_ok(),
        headers.require().is_ok(),
        headers.unsupported().is_ok(),
        headers.content_type().is_ok(),
        headers.accept().is_ok(),
        headers.event().is_ok(),
        headers.subscription_state().is_ok(),
        headers.reason().is_ok(),
        headers.warning().is_ok(),
        headers.www_authenticate().is_ok(),
        headers.proxy_authenticate().is_ok(),
        headers.authorization().is_ok(),
        headers.proxy_authorization().is_ok(),
        headers.date().is_ok(),
        headers.refer_to().is_ok(),
        headers.referred_by().is_ok(),
        headers.refer_sub().is_ok(),
        headers.replaces().is_ok(),
        headers.target_dialog().is_ok(),
        headers.addresses(HeaderName::P_ASSERTED_IDENTITY).is_ok(),
    ];
    good.iter().filter(|good| **good).count()
}

/// A message with every header that has a view, to be damaged.
const RICH: &str = "INVITE sip:200:pw@[2001:db8::1]:5070;transport=udp?Subject=a%20b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport, SIP/2.0/TCP h.example\r\n\
    From: \"J \\\"D\\\" \u{e9}\" <sip:john.doe@example.com>;tag=a\r\nt: sip:200@example.com;x=\"1;2\"\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\nm: \"A, B\" <sip:a@b>;q=0.7;expires=60, <tel:+1-2>\r\n\
    Max-Forwards: 70\r\nRoute: <sip:p.example;lr>, <sip:q.example>\r\nRecord-Route: <sip:p.example;lr>\r\nExpires: 60\r\nMin-Expires: 5\r\nRetry-After: 5 (c);duration=1\r\nAllow: INVITE, ACK\r\n\
    k: timer, 100rel\r\nRequire: a\r\nUnsupported: b\r\nc: application/sdp;x=y\r\nAccept: a/b, c/d;q=1\r\no: dialog;id=1\r\nSubscription-State: active;expires=5\r\nReason: SIP;cause=200;text=\"x\"\r\n\
    Warning: 305 h \"t\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=SHA-256, Basic realm=\"s\"\r\nProxy-Authenticate: Digest realm=\"r\",nonce=\"n\"\r\n\
    Authorization: Digest username=\"u\", realm=\"r\", nc=00000001\r\nProxy-Authorization: Digest username=\"u\"\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\nr: <sip:x@y?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>\r\n\
    b: <sip:r@s>;cid=\"1@s\"\r\nRefer-Sub: false\r\nReplaces: 1;to-tag=2;from-tag=3\r\nTarget-Dialog: 1;local-tag=2;remote-tag=3\r\n\
    P-Asserted-Identity: \"P\" <sip:p@q>\r\nContent-Length: 9\r\n\r\nv=0\r\nabcd";

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\ni=x\r\nc=IN IP6 2001:db8::1/3\r\nb=AS:5\r\nt=0 0\r\nr=1 2\r\nz=1\r\nk=p\r\na=sendonly\r\nm=audio 9000/2 RTP/AVP 0 8 101\r\nc=IN IP4 h.example\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:9 IN IP4 1.2.3.4\r\na=inactive\r\nm=video 0 X 1\r\n";

/// One change of an octet string: overwrite, insert, remove, double a stretch.
fn damage(octets: &mut Vec<u8>, kind: u8, place: usize, octet: u8) {
    let place = place % octets.len().max(1);
    match kind % 4 {
        0 if !octets.is_empty() => octets[place] = octet,
        1 => octets.insert(place.min(octets.len()), octet),
        2 if !octets.is_empty() => drop(octets.drain(place..(place + usize::from(octet) % 16).min(octets.len()))),
        _ => {
            let end = (place + usize::from(octet)).min(octets.len());
            let copy = octets[place.min(end)..end].to_vec();
            octets.splice(end..end, copy);
        }
    }
}

fn damaged(source: &'static str) -> impl Strategy<Value = Vec<u8>> {
    // Octets that mean something are more likely to find a way through.
    let octet = prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n \t:;,<>\"\\=@[]%?/&*()0\xf4\x8f\xbf".to_vec())];
    proptest::collection::vec((any::<u8>(), any::<usize>(), octet), 0..12).prop_map(move |changes| {
        let mut octets = source.as_bytes().to_vec();
        changes.into_iter().for_each(|(kind, place, octet)| damage(&mut octets, kind, place, octet));
        octets
    })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        proptest::sample::select(vec![Method::INVITE, Method::REGISTER, Method::OPTIONS, Method::PRACK, Method::NOTIFY]),
        "[A-Za-z0-9.!%*_+`'~-]{1,12}".prop_map(|token| token.parse().unwrap()),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    prop_oneof![
        "sips?:([a-zA-Z0-9.!~*'()&=+$,;?/_-]{1,12}(:[a-z0-9]{0,5})?@)?([a-z0-9.-]{1,12}|\\[2001:db8::[1-9]\\]|192\\.0\\.2\\.[1-9])(:[1-9][0-9]{0,3})?(;[a-z]{1,5}(=[a-z0-9%2C]{0,3})?){0,3}",
        "tel:[+]?[0-9]{1,12}(;phone-context=[a-z.]{1,9})?",
        "[a-z]{5,9}:[a-zA-Z0-9:;@/?]{0,20}",
    ]
    .prop_filter_map("a URI", |text: String| text.parse().ok())
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    let name = proptest::option::of("[^\\p{Cc}\u{10ff00}-\u{10ffff}]{1,12}");
    (name, uri(), proptest::collection::vec(("[a-z]{1,6}", "[^\\p{Cc}\u{10ff00}-\u{10ffff}]{0,8}"), 0..3)).prop_map(
        |(name, uri, params)| {
            let named = NameAddr::new(uri).with_display_name(name.as_deref().unwrap_or_default().trim());
            params.into_iter().fold(named, |named, (name, value)| named.with_param(&name, value))
        },
    )
}

fn headers(method: Method) -> impl Strategy<Value = Headers> {
    let via = "SIP/2\\.0/(UDP|TCP|X) [a-z]{1,9}(:[1-9][0-9]{0,3})?;branch=z9hG4bK[a-z0-9]{1,9}"
        .prop_map(|text| text.parse::<Via>().unwrap());
    let others = proptest::collection::vec(("[A-Za-z0-9_-]{2,15}", "([!-~à-ÿ]([ -~à-ÿ]{0,30}[!-~])?)?"), 0..8);
    (proptest::collection::vec(via, 1..4), name_addr(), name_addr(), "[!-~]{1,20}", 0..1_u32 << 31, others).prop_map(
        move |(via, from, to, call_id, number, others)| {
            let mut headers = Headers::new();
            via.iter().for_each(|via| headers.push(HeaderName::VIA, via));
            headers.push(HeaderName::FROM, from);
            headers.push(HeaderName::TO, to);
            headers.push(HeaderName::CALL_ID, call_id);
            headers.push(HeaderName::CSEQ, format_args!("{number} {method}"));
            others.into_iter().filter(|(name, _)| matches!(HeaderName::from(name.as_str()), HeaderName::Other(_))).for_each(
                |(name, value)| {
                    headers.push(name.as_str(), value);
                },
            );
            headers
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    (method(), uri(), any::<bool>(), 100..700_u16, "([!-~а-я]([ -~а-я]{0,20}[!-~])?)?", body).prop_flat_map(
        |(method, uri, is_request, code, reason, body)| {
            headers(method.clone()).prop_map(move |headers| match is_request {
                true => Message::Request(Request { method: method.clone(), uri: uri.clone(), headers, body: body.clone() }),
                false => Message::Response(Response {
                    status: StatusCode::new(code).unwrap(),
                    reason: reason.clone(),
                    headers,
                    body: body.clone(),
                }),
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_do_not_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse_datagram(&octets);
        let _ = Session::parse(&octets);
        let text = text::from_wire(&octets);
        prop_assert_eq!(&*text::wire_octets(&text), octets.as_slice());
    }

    #[test]
    fn any_text_is_no_panic_as_a_value(value in "\\PC{0,80}") {
        for (name, _) in [("Via", 0), ("From", 0), ("Contact", 0), ("WWW-Authenticate", 0), ("Authorization", 0), ("Date", 0), ("Warning", 0), ("Retry-After", 0), ("Refer-To", 0), ("Replaces", 0)] {
            let mut headers = Headers::new();
            headers.push(name, &value);
            prop_assert!(look_at_everything(&headers) <= 33);
        }
        if let Ok(uri) = value.parse::<Uri>() {
            prop_assert_eq!(uri.as_str(), value.as_str());
            prop_assert!(uri.equivalent(&uri));
        }
    }

    #[test]
    fn a_damaged_message_is_refused_or_written_as_it_was_read(octets in damaged(RICH)) {
        match parse_datagram(&octets) {
            Ok(message) => {
                prop_assert!(look_at_everything(message.headers()) <= 33);
                prop_assert_eq!(parse_datagram(&message.to_bytes()), Ok(message));
            }
            Err(error) => if let Some(answer) = error.answer {
                prop_assert!(answer.status.is_failure());
                prop_assert!(answer.headers.top_via().is_ok());
            },
        }
    }

    #[test]
    fn a_damaged_description_is_refused_or_written_as_it_was_read(octets in damaged(SDP)) {
        if let Ok(session) = Session::parse(&octets) {
            prop_assert_eq!(Session::parse(&session.to_bytes()), Ok(session));
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written(message in message()) {
        prop_assert_eq!(parse_datagram(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn an_address_is_read_as_it_was_written(address in name_addr()) {
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn a_stream_gives_back_its_messages_in_any_pieces(messages in proptest::collection::vec(message(), 1..4), cuts in proptest::collection::vec(any::<usize>(), 0..12)) {
        let stream: Vec<u8> = messages.iter().flat_map(Message::to_bytes).collect();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut % stream.len()).chain([0, stream.len()]).collect();
        places.sort_unstable();
        let (mut framer, mut read) = (StreamFramer::new(), Vec::new());
        for pair in places.windows(2) {
            framer.push(&stream[pair[0]..pair[1]]).unwrap();
            while let Some(frame) = framer.next_frame().unwrap() {
                match frame {
                    Frame::Message(octets) => read.push(parse_datagram(&octets).unwrap()),
                    Frame::LineEnd => prop_assert!(false, "no line ends were sent"),
                }
            }
        }
        prop_assert_eq!(read, messages);
    }
}
