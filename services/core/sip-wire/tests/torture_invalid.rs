//! Invalid messages of the kinds of RFC 4475 section 3.1.2 and 3.3.1: what gets an answer gets the right one, the rest is
//! dropped without a word.
#![allow(clippy::expect_used, reason = "helpers of tests")]

mod support;

use sip_wire::{Defect, HeaderName, Method, StatusCode, limits, parse_datagram};
use support::{options_with, refused, request, wire};

/// A request whose parts can be replaced one at a time.
struct Parts {
    line: &'static str,
    via: &'static str,
    from: &'static str,
    to: &'static str,
    call_id: &'static str,
    cseq: &'static str,
    more: &'static str,
}

const GOOD: Parts = Parts {
    line: "INVITE sip:user@example.com SIP/2.0",
    via: "Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj\n",
    from: "From: <sip:caller@example.net>;tag=13\n",
    to: "To: <sip:user@example.com>\n",
    call_id: "Call-ID: invalid.1@192.0.2.95\n",
    cseq: "CSeq: 7 INVITE\n",
    more: "Content-Length: 0\n",
};

impl Parts {
    fn octets(&self) -> Vec<u8> {
        let Parts { line, via, from, to, call_id, cseq, more } = self;
        wire(&format!("{line}\n{via}{from}{to}{call_id}{cseq}{more}\n"))
    }
}

/// The status with which it is answered; the answer carries what identifies the request.
fn answered(parts: &Parts) -> StatusCode {
    let answer = refused(&parts.octets()).answer.expect("an answer");
    assert_eq!(answer.headers.get("Via").map(|via| format!("Via: {via}\n")).as_deref(), Some(parts.via));
    if parts.call_id == GOOD.call_id {
        assert_eq!(answer.headers.call_id(), Ok("invalid.1@192.0.2.95"));
    }
    assert_eq!(answer.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)), None, "the tag is the stack's to add");
    answer.status
}

#[test]
fn the_good_one_is_good() {
    assert_eq!(request(&GOOD.octets()).method, Method::INVITE);
}

/// RFC 4475 sections 3.1.2.1 to 3.1.2.3, 3.1.2.6 to 3.1.2.9, 3.1.2.17 and 3.1.2.18.
#[test]
fn malformed_requests_get_400() {
    let cases = [
        ("extraneous separators in Via", Parts { via: "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\n", ..GOOD }, 400),
        ("Content-Length too large", Parts { more: "Content-Length: 9999\n", ..GOOD }, 400),
        ("negative Content-Length", Parts { more: "Content-Length: -999\n", ..GOOD }, 400),
        ("overlarge CSeq", Parts { cseq: "CSeq: 36893488147419103232 INVITE\n", ..GOOD }, 400),
        ("CSeq of 2^31", Parts { cseq: "CSeq: 2147483648 INVITE\n", ..GOOD }, 400),
        ("overlarge Max-Forwards", Parts { more: "Max-Forwards: 300\n", ..GOOD }, 400),
        ("quote without end", Parts { to: "To: \"Mr. J. User <sip:j.user@example.com>\n", ..GOOD }, 400),
        ("Request-URI in <>", Parts { line: "INVITE <sip:user@example.com> SIP/2.0", ..GOOD }, 400),
        ("blanks in the Request-URI", Parts { line: "INVITE sip:user@example.com; lr SIP/2.0", ..GOOD }, 400),
        ("several blanks in the start line", Parts { line: "INVITE  sip:user@example.com  SIP/2.0", ..GOOD }, 400),
        ("broken escape", Parts { line: "INVITE sip:us%er@example.com SIP/2.0", ..GOOD }, 400),
        ("no host", Parts { line: "INVITE sip:user@ SIP/2.0", ..GOOD }, 400),
        ("no port", Parts { line: "INVITE sip:user@example.com: SIP/2.0", ..GOOD }, 400),
        ("port out of range", Parts { line: "INVITE sip:user@example.com:65536 SIP/2.0", ..GOOD }, 400),
        ("unbracketed IPv6 (RFC 5118 section 4.2)", Parts { line: "INVITE sip:user@2001:db8::10 SIP/2.0", ..GOOD }, 400),
        ("no >", Parts { to: "To: \"Mr. J. User <sip:j.user@example.com\n", ..GOOD }, 400),
        ("CSeq of another method", Parts { cseq: "CSeq: 8 BYE\n", ..GOOD }, 400),
        ("unknown method, CSeq of another", Parts { line: "NEWMETHOD sip:user@example.com SIP/2.0", ..GOOD }, 400),
        ("no Call-ID (section 3.3.1)", Parts { call_id: "", ..GOOD }, 400),
        ("no From", Parts { from: "", ..GOOD }, 400),
        ("no To", Parts { to: "", ..GOOD }, 400),
        ("no CSeq", Parts { cseq: "", ..GOOD }, 400),
        ("two From (section 3.3.8)", Parts { more: "From: <sip:other@example.net>;tag=14\n", ..GOOD }, 400),
        ("two Content-Length (section 3.3.9)", Parts { more: "Content-Length: 0\nl: 0\n", ..GOOD }, 400),
        ("unknown version", Parts { line: "INVITE sip:user@example.com SIP/7.0", ..GOOD }, 505),
    ];
    for (name, parts, expected) in cases {
        assert_eq!(answered(&parts).code(), expected, "{name}");
    }
}

/// RFC 3261 section 21.4.1: the phrase says what is wrong.
#[test]
fn the_answer_says_what_is_wrong() {
    let error = refused(&Parts { call_id: "", ..GOOD }.octets());
    assert_eq!(error.answer.unwrap().reason, "Bad Request (no Call-ID header)");
    let error = refused(&Parts { cseq: "CSeq: 8 BYE\n", ..GOOD }.octets());
    assert_eq!((error.defect, error.answer.unwrap().headers.get(HeaderName::CSEQ)), (Defect::CSeqMethod, Some("8 BYE")));
}

/// RFC 4475 section 3.1.2.4: no field holds it, and no number wraps round.
#[test]
fn a_request_of_overlarge_numbers_gets_400() {
    let register = wire(
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3\n\
         To: <sip:user@example.com>\nFrom: <sip:user@example.com>;tag=239232jh3\nCSeq: 36893488147419103232 REGISTER\n\
         Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32\nMax-Forwards: 300\nExpires: 1000000000000000000000\n\
         Contact: <sip:user@host129.example.com>\n  ;expires=280297596632815\nContent-Length: 0\n\n",
    );
    let error = refused(&register);
    assert!(matches!(error.defect, Defect::Header(_)), "{error}");
    assert_eq!(error.answer.map(|answer| answer.status), Some(StatusCode::BAD_REQUEST));
    let options =
        request(&options_with("Expires: 1000000000000000000000000\nContact: <sip:a@b.example>;expires=280297596632815\n"));
    assert_eq!(options.headers.expires(), Ok(Some(u32::MAX)), "as long as can be said");
    assert_eq!(options.headers.contact().map(|contacts| contacts.first().and_then(sip_wire::NameAddr::expires)), Ok(None));
}

/// RFC 4475 sections 3.1.2.5 and 3.1.2.19.
#[test]
fn a_response_of_overlarge_numbers_is_dropped() {
    let response = |status: &str, cseq: &str| {
        wire(&format!(
            "SIP/2.0 {status}\nVia: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129\n\
             To: <sip:user@example.com>;tag=1\nFrom: <sip:other@example.net>;tag=2easdjfejw\nCSeq: {cseq} OPTIONS\n\
             Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r\nRetry-After: 949302838503028349304023988\n\
             Warning: 1812 overture \"In Progress\"\nContent-Length: 0\n\n"
        ))
    };
    for (status, cseq) in [
        ("503 Service Unavailable", "9292394834772304023312"),
        ("503 Service Unavailable", "9223372036854775808"),
        ("4294967301 better not break the receiver", "7"),
    ] {
        assert_eq!(refused(&response(status, cseq)).answer, None, "{status}, {cseq}");
    }
    let taken = support::response(&response("503 Service Unavailable", "7"));
    assert_eq!(taken.headers.retry_after().map(|retry| retry.map(|retry| retry.seconds)), Ok(Some(u32::MAX)));
    assert!(taken.headers.warning().is_err(), "a warning has three digits");
}

/// RFC 4475 section 3.1.2.11: liberal; what stands after `?` is kept out of everything that is made of the URI.
#[test]
fn headers_in_the_request_uri_can_be_left_out() {
    let line = "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0";
    let invite = request(&Parts { line, ..GOOD }.octets());
    assert_eq!(invite.uri.without_headers().as_str(), "sip:user@example.com");
    assert!(invite.headers.route().is_ok_and(|route| route.is_empty()), "and makes no header");
}

/// RFC 4475 section 3.1.2.15: liberal; what is written has the quotes that were forgotten.
#[test]
fn a_display_name_of_more_than_tokens_is_quoted_again() {
    let parts = Parts {
        from: "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43\n",
        to: "To: Watson, Thomas <sip:t.watson@example.org>\n",
        ..GOOD
    };
    let from = request(&parts.octets()).headers.from();
    let written = from.map(|from| from.to_string());
    assert_eq!(written.as_deref(), Ok("\"Bell, Alexander\" <sip:a.g.bell@example.com>;tag=43"));
}

/// RFC 4475 section 3.1.2.16: the hops are of that version too, and get back what they wrote.
#[test]
fn a_request_of_an_unknown_version_gets_505() {
    let via = "Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw\n";
    let parts = Parts { line: "OPTIONS sip:t.watson@example.org SIP/7.0", via, cseq: "CSeq: 1 OPTIONS\n", ..GOOD };
    assert_eq!(answered(&parts), StatusCode::VERSION_NOT_SUPPORTED);
    let top = refused(&parts.octets()).answer.map(|answer| answer.headers.top_via().map(|via| via.to_string()));
    assert_eq!(top, Some(Ok("SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw".to_owned())));
}

#[test]
fn what_must_not_be_answered_is_dropped() {
    let ack = Parts { line: "ACK <sip:user@example.com> SIP/2.0", cseq: "CSeq: 7 ACK\n", ..GOOD };
    assert_eq!(refused(&ack.octets()).answer, None, "an ACK is never answered");
    assert_eq!(refused(&Parts { via: "", ..GOOD }.octets()).answer, None, "nobody knows whom to answer");
    assert_eq!(refused(&Parts { via: "Via: SIP/2.0/UDP\n", ..GOOD }.octets()).answer, None);
    let response = |line| Parts { line, cseq: "CSeq: 7\n", ..GOOD };
    for line in [
        "SIP/2.0 200 OK",
        "SIP/2.0 4294967301 better not break the receiver",
        "SIP/2.0 99 Low",
        "SIP/2.0 700 High",
        "SIP/7.0 200 OK",
    ] {
        assert_eq!(refused(&response(line).octets()).answer, None, "{line}");
    }
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\0",
        b"jaK",
        b"INVITE",
        b"\xff\xff\xff\xff",
        b" SIP/2.0\r\n\r\n",
        b"\x16\x03\x01",
    ] {
        let error = refused(garbage);
        assert_eq!((error.answer, error.defect), (None, Defect::NotSip), "{}", String::from_utf8_lossy(garbage));
    }
}

/// RFC 5626 section 3.5.1.
#[test]
fn line_ends_alone_are_a_keep_alive() {
    for ping in [&b"\r\n\r\n"[..], b"\r\n", b"\n", b""] {
        let error = refused(ping);
        assert!(error.is_keep_alive() && error.answer.is_none());
    }
}

/// RFC 3261 section 8.2: a malformed header that is not needed is ignored.
#[test]
fn lines_that_are_no_headers_are_ignored() {
    let options = request(&options_with(
        "no colon here\n : no name\nbad name: x\n folded on\nSubject: kept\nDate: Fri, 01 Jan 2010 16:00:00 EST\n",
    ));
    assert_eq!(options.headers.get("Subject"), Some("kept"));
    assert_eq!(options.headers.len(), 8);
    assert!(options.headers.date().is_err(), "section 3.1.2.12: only who needs the date complains");
}

/// RFC 4475 section 3.1.2.13.
#[test]
fn a_contact_with_headers_needs_angle_brackets() {
    let options = request(&options_with("Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\n"));
    assert!(options.headers.contact().is_err());
}

/// RFC 4475 sections 3.1.2.14 and 3.1.2.10: liberal.
#[test]
fn blanks_in_angle_brackets_and_at_the_end_of_the_start_line_are_taken() {
    let parts = Parts {
        line: "INVITE sip:user@example.com SIP/2.0  ",
        to: "To: \"Watson, Thomas\" < sip:t.watson@example.org >\n",
        ..GOOD
    };
    let invite = request(&parts.octets());
    assert_eq!(invite.headers.to().unwrap().uri.as_str(), "sip:t.watson@example.org");
}

/// RFC 4475 sections 3.3.2 and 3.3.5: what is well-formed but unknown is for the stack to judge.
#[test]
fn unknown_schemes_and_options_are_well_formed() {
    let parts = Parts {
        line: "INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0",
        more: "Require: nothingSupportsThis, nothingSupportsThisEither\n",
        ..GOOD
    };
    let invite = request(&parts.octets());
    assert_eq!(invite.uri.scheme().as_str(), "nobodyknowsthisscheme");
    assert_eq!(invite.headers.require().unwrap(), ["nothingSupportsThis", "nothingSupportsThisEither"]);
}

#[test]
fn a_message_that_was_cut_off_gets_400() {
    let octets = options_with("");
    let cut = &octets[..octets.len() - 2];
    let error = refused(cut);
    assert_eq!((error.defect, error.answer.unwrap().status), (Defect::Truncated, StatusCode::BAD_REQUEST));
}

#[test]
fn bounds_hold() {
    let many = "X: y\n".repeat(limits::HEADERS);
    let error = refused(&options_with(&many));
    assert_eq!(error.defect, Defect::TooLarge("header count"));
    assert_eq!(error.answer.unwrap().status, StatusCode::MESSAGE_TOO_LARGE);
    let folded = format!("X: y\n{}", " y\n".repeat(limits::LINE));
    assert_eq!(refused(&options_with(&folded)).defect, Defect::TooLarge("header line"));
    let mut large = options_with("");
    large.resize(limits::MESSAGE + 1, b'x');
    assert_eq!(refused(&large).defect, Defect::TooLarge("message"));
    large.truncate(limits::MESSAGE);
    assert!(parse_datagram(&large).is_ok());
    let line = format!("OPTIONS sip:{}@b.example SIP/2.0", "a".repeat(limits::URI));
    let long_uri = String::from_utf8(options_with("")).unwrap().replacen("OPTIONS sip:200@192.0.2.7 SIP/2.0", &line, 1);
    assert_eq!(refused(long_uri.as_bytes()).answer.unwrap().status, StatusCode::REQUEST_URI_TOO_LONG);
}

#[test]
fn lists_and_parameters_are_bounded() {
    let contacts = vec!["<sip:a@b.example>"; limits::LIST + 1].join(",");
    let options = request(&options_with(&format!("Contact: {contacts}\nAccept: a/b{}\n", ";c=d".repeat(limits::PARAMS + 1))));
    assert!(options.headers.contact().is_err());
    assert!(options.headers.accept().is_err());
    let split = "Supported: a\n".repeat(limits::LIST + 1);
    assert!(request(&options_with(&split)).headers.supported().is_err(), "over all lines of the header");
}
