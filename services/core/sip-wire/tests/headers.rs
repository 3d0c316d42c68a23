//! The list of headers and its typed views.
#![allow(clippy::panic, reason = "helpers of tests")]

mod support;

use std::net::SocketAddr;

use sip_wire::{
    CSeq, Challenge, Contacts, Credentials, Event, HeaderError, HeaderName, Headers, Host, MediaType, Method, NameAddr, Reason,
    StatusCode, SubscriptionState, Uri, Via, ViaTransport, Warning, format_date, parse_date,
};
use support::{options_with, request};

fn headers(lines: &str) -> Headers {
    request(&options_with(lines)).headers
}

fn one(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, value);
    headers
}

/// RFC 3261 sections 7.3.1 and 7.3.3.
#[test]
fn names_compare_without_case_and_in_both_forms() {
    let mut list = one("m", "<sip:a@b>");
    list.push("X-Own", "1");
    list.push(HeaderName::CONTACT, "<sip:c@d>");
    assert_eq!(list.get("CONTACT"), Some("<sip:a@b>"));
    assert_eq!(list.all("contact").count(), 2);
    assert_eq!(list.get("x-OWN"), Some("1"));
    assert_eq!(list.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Contact", "X-Own", "Contact"]);
    assert_eq!(HeaderName::from("z"), HeaderName::Other("Z".into()), "an unknown letter is a name of its own");
}

#[test]
fn lines_are_added_set_and_removed_where_they_belong() {
    let mut list = one("Subject", "s");
    list.push_front(HeaderName::VIA, "a");
    list.push_front(HeaderName::VIA, "b");
    list.push(HeaderName::EXPIRES, 60);
    assert_eq!(list.all(HeaderName::VIA).collect::<Vec<_>>(), ["b", "a"]);
    list.set("via", "c");
    assert_eq!(list.iter().map(|(_, value)| value).collect::<Vec<_>>(), ["c", "s", "60"]);
    list.set("New", "n");
    assert_eq!((list.remove("v"), list.remove("v"), list.len()), (1, 0, 3));
}

/// Nothing that is put into a header can start another one.
#[test]
fn line_ends_in_values_become_blanks() {
    let list = one("Subject", " a\r\nX-Evil: 1\n ");
    assert_eq!(list.get("Subject"), Some("a  X-Evil: 1"));
}

/// rsip 0.4 misreads it; architecture section 4.
#[test]
fn comma_separated_lists_are_split_outside_quotes_and_brackets_only() {
    let list = headers(
        "Contact: \"Doe, \\\"J\\\"\" <sip:john.doe@a.example;x=1,2>;q=0.5, sip:b@c.example;expires=60\nContact: <sip:d@e.example>\n\
         Via: SIP/2.0/UDP h1.example;branch=z9hG4bK1;x=\"a,b\",SIP/2.0/TCP h2.example:99;branch=z9hG4bK2\n",
    );
    let contact = list.contact().unwrap();
    let [first, second, third] = contact.list() else { panic!("three") };
    assert_eq!((first.display_name.as_deref(), first.uri.user(), first.q()), (Some("Doe, \"J\""), Some("john.doe"), 500));
    assert_eq!((second.expires(), second.uri.param("expires")), (Some(60), None));
    assert_eq!(third.uri.as_str(), "sip:d@e.example");
    let via = list.via().unwrap();
    assert_eq!(via.len(), 3);
    assert_eq!((via[1].params.get("x"), via[2].port), (Some("a,b"), Some(99)));
}

#[test]
fn the_star_contact_stands_alone() {
    assert_eq!(headers("Contact: *\n").contact(), Ok(Contacts::All));
    assert_eq!(headers("").contact(), Ok(Contacts::List(Vec::new())));
    assert!(headers("Contact: *\nContact: <sip:a@b>\n").contact().is_err());
    assert!(headers("Contact: <sip:a@b>, *\n").contact().is_err());
}

#[test]
fn names_and_addresses_are_read_in_every_spelling() {
    let read = |text: &str| text.parse::<NameAddr>().unwrap_or_else(|error| panic!("{text}: {error}"));
    let plain = read("sip:john.doe@example.com;tag=a.b-c");
    assert_eq!((plain.uri.as_str(), plain.tag()), ("sip:john.doe@example.com", Some("a.b-c")));
    assert_eq!(read("\"\" <sip:a@b>").display_name, None);
    assert_eq!(read("Zoë van Dam <sip:a@b>").display_name.as_deref(), Some("Zoë van Dam"));
    assert_eq!(read("\"a\\\\b <sip:x@y>\" <sip:a@b>").display_name.as_deref(), Some("a\\b <sip:x@y>"));
    let quoted = read("<sip:a@b;p=1>;x=\"1;2,\\\"3\\\"<>\";y;z= 7 ");
    assert_eq!(
        (quoted.params.get("x"), quoted.params.get("Y"), quoted.params.get("z")),
        (Some("1;2,\"3\"<>"), Some(""), Some("7"))
    );
    assert_eq!(quoted.uri.param("p"), Some("1"));
    for text in ["", "<sip:a@b", "\"x", "\"x\" sip:a@b", "<sip:a@b> x", "<sip:a@b>;=1", "<>", "x", "sip:a@b?c=d"] {
        assert!(text.parse::<NameAddr>().is_err(), "{text:?}");
    }
}

#[test]
fn a_built_address_is_quoted_where_it_must_be() {
    let uri: Uri = "sip:200@example.com".parse().unwrap();
    let built = NameAddr::new(uri).with_display_name("Ann \"A\" \\ Ünal").with_tag("t-1").with_param("note", "a b");
    assert_eq!(built.to_string(), "\"Ann \\\"A\\\" \\\\ Ünal\" <sip:200@example.com>;tag=t-1;note=\"a b\"");
    assert_eq!(built.to_string().parse::<NameAddr>().unwrap(), built);
}

/// RFC 3261 section 8.1.1.5.
#[test]
fn cseq_is_a_number_below_2_to_the_31_and_a_method() {
    assert_eq!("0009 \t INVITE".parse::<CSeq>().unwrap(), CSeq::new(9, Method::INVITE));
    assert_eq!(CSeq::new(2_147_483_647, Method::Other("X".into())).to_string(), "2147483647 X");
    for text in ["", "1", "INVITE", "-1 INVITE", "1INVITE", "2147483648 INVITE", "1 IN VITE", "+1 INVITE"] {
        assert!(text.parse::<CSeq>().is_err(), "{text:?}");
    }
}

#[test]
fn required_headers_say_when_they_are_missing_or_doubled() {
    let list = Headers::new();
    assert_eq!(list.from(), Err(HeaderError::Missing(HeaderName::FROM)));
    assert_eq!(list.top_via(), Err(HeaderError::Missing(HeaderName::VIA)));
    let mut list = one("Call-ID", "1");
    assert_eq!(list.call_id(), Ok("1"));
    list.push("i", "2");
    assert_eq!(list.call_id(), Err(HeaderError::Repeated(HeaderName::CALL_ID)));
    assert!(one("Call-ID", "a b").call_id().is_err());
}

#[test]
fn numbers_are_bounded_and_large_seconds_mean_very_long() {
    assert_eq!(one("Expires", "3600").expires(), Ok(Some(3600)));
    assert_eq!(one("Expires", "100000000000000000000000").expires(), Ok(Some(u32::MAX)));
    assert!(one("Expires", "Thu, 01 Dec 1994 16:00:00 GMT").expires().is_err());
    assert!(one("Expires", "-1").expires().is_err());
    assert_eq!(one("Min-Expires", "60").min_expires(), Ok(Some(60)));
    assert_eq!(Headers::new().expires(), Ok(None));
    assert!(one("Max-Forwards", "256").max_forwards().is_err());
    let retry = one("Retry-After", "18000 (in a (long) meeting);duration=3600").retry_after().unwrap().unwrap();
    assert_eq!((retry.seconds, retry.comment.as_str(), retry.params.get("duration")), (18000, "in a (long) meeting", Some("3600")));
    assert_eq!(retry.to_string(), "18000 (in a (long) meeting);duration=3600");
    assert!(one("Retry-After", "10 (open").retry_after().is_err());
}

#[test]
fn option_tags_and_methods_are_lists_of_tokens() {
    assert_eq!(one("k", "timer , 100rel,,replaces").supported().unwrap(), ["timer", "100rel", "replaces"]);
    assert_eq!(one("Allow", "INVITE, ack").allow().unwrap(), [Method::INVITE, Method::Other("ack".into())]);
    assert!(one("Require", "a b").require().is_err());
    assert!(one("Unsupported", "").unsupported().unwrap().is_empty());
    assert_eq!(one("u", "presence,dialog").tokens(HeaderName::ALLOW_EVENTS).unwrap(), ["presence", "dialog"]);
}

#[test]
fn media_types_events_and_subscription_states_have_parameters() {
    let kind = one("c", "Application / SDP ; charset = \"utf-8\"").content_type().unwrap().unwrap();
    assert!(kind.is("application", "sdp"));
    assert_eq!(kind.params.get("charset"), Some("utf-8"));
    assert_eq!(MediaType::sdp().to_string(), "application/sdp");
    assert!(one("Content-Type", "sdp").content_type().is_err());
    assert_eq!(one("Accept", "application/sdp, */*").accept().unwrap().len(), 2);
    let event = one("o", "check-sync;reboot=false;id=7").event().unwrap().unwrap();
    assert_eq!((event.package.as_str(), event.id(), event.params.get("reboot")), ("check-sync", Some("7"), Some("false")));
    assert_eq!(Event::new("dialog").to_string(), "dialog");
    let state = one("Subscription-State", "Terminated;reason=noresource;retry-after=5").subscription_state().unwrap().unwrap();
    assert!(state.is_terminated());
    assert_eq!((state.reason(), state.retry_after(), state.expires()), (Some("noresource"), Some(5), None));
    assert_eq!(SubscriptionState::new("active").to_string(), "active");
}

#[test]
fn reasons_and_warnings_are_read_and_written() {
    let list = one("Reason", "SIP;cause=200;text=\"Call completed, elsewhere\", Q.850;cause=16");
    let reasons = list.reason().unwrap();
    assert_eq!((reasons[0].cause(), reasons[0].text()), (Some(200), Some("Call completed, elsewhere")));
    assert_eq!((reasons[1].protocol.as_str(), reasons[1].cause()), ("Q.850", Some(16)));
    assert_eq!(Reason::new("SIP", 486, "Busy Here").to_string(), "SIP;cause=486;text=\"Busy Here\"");
    let warnings = one("Warning", "305 example.com \"Incompatible media: \\\"x\\\"\", 399 [::1]:5060 \"y\"").warning().unwrap();
    assert_eq!((warnings[0].code, warnings[0].text.as_str()), (305, "Incompatible media: \"x\""));
    assert_eq!(warnings[1], Warning { code: 399, agent: "[::1]:5060".into(), text: "y".into() });
    assert_eq!(warnings[0].to_string(), "305 example.com \"Incompatible media: \\\"x\\\"\"");
    assert!(one("Warning", "1 a \"b\"").warning().is_err());
}

/// RFC 3261 section 20.17.
#[test]
fn dates_are_read_and_written() {
    assert_eq!(parse_date("Sat, 13 Nov 2010 23:29:00 GMT"), Ok(1_289_690_940));
    for seconds in [0, 951_782_400, 1_289_690_940, 4_102_444_799, 253_402_300_799] {
        assert_eq!(parse_date(&format_date(seconds)), Ok(seconds), "{}", format_date(seconds));
    }
    assert_eq!(format_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(format_date(u64::MAX), format_date(253_402_300_799));
    for text in [
        "",
        "Sat, 13 Nov 2010 23:29:00 EST",
        "Sat, 31 Feb 2010 00:00:00 GMT",
        "Sat, 13 Nov 1969 00:00:00 GMT",
        "13 Nov 2010 23:29:00 GMT",
        "Sat, 13 Nov 2010 24:00:00 GMT",
    ] {
        assert!(parse_date(text).is_err(), "{text}");
    }
}

/// RFC 7616 3.5.
#[test]
fn the_next_nonce_is_read() {
    let read = |value: &str| one("Authentication-Info", value).next_nonce("Authentication-Info");
    assert_eq!(read("qop=auth, rspauth=\"6629\", cnonce=\"0a4f\", nc=00000001, nextnonce=\"n\\\"2\""), Ok(Some("n\"2".into())));
    assert_eq!((read("NextNonce = n2"), read("qop=auth"), read("")), (Ok(Some("n2".into())), Ok(None), Ok(None)));
    assert!(read("nextnonce=\"n2").is_err() && read("Digest nextnonce=\"n2\"").is_err());
    assert_eq!(one("To", "<sip:a@b>").next_nonce("Authentication-Info"), Ok(None));
}

/// RFC 8760: several challenges, one per algorithm.
#[test]
fn every_challenge_is_read_and_its_quotes_are_understood() {
    let mut list = one(
        "WWW-Authenticate",
        "Digest realm=\"a, \\\"b\\\"\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth, auth-int\", stale=TRUE, opaque=\"\"",
    );
    list.push("WWW-Authenticate", "Digest realm=\"c\",nonce=\"n2\" , algorithm=\"MD5\",Basic realm=\"d\"");
    let challenges = list.www_authenticate().unwrap();
    assert_eq!(challenges.len(), 3);
    let first = &challenges[0];
    assert_eq!(
        (first.realm(), first.nonce(), first.algorithm(), first.opaque()),
        (Some("a, \"b\""), Some("n1"), "SHA-256", Some(""))
    );
    assert!(first.is_stale() && first.offers_qop("auth") && first.offers_qop("AUTH-INT") && !challenges[1].offers_qop("auth"));
    assert_eq!((challenges[1].algorithm(), challenges[1].nonce(), challenges[1].is_stale()), ("MD5", Some("n2"), false));
    assert!(!challenges[2].is_digest());
    assert_eq!(challenges[2].realm(), Some("d"));
    assert!(one("Proxy-Authenticate", "Digest realm=\"open").proxy_authenticate().is_err());
    assert!(one("Proxy-Authenticate", "").proxy_authenticate().unwrap().is_empty());
}

#[test]
fn credentials_are_written_with_quotes_where_the_grammar_wants_them() {
    let credentials = Credentials::digest("200", "lab \"x\"", "n", "sip:lab", "0123")
        .with_algorithm("SHA-256")
        .with_qop("auth", "c", 1)
        .with_opaque("o");
    let text = credentials.to_string();
    assert_eq!(
        text,
        "Digest username=\"200\", realm=\"lab \\\"x\\\"\", nonce=\"n\", uri=\"sip:lab\", response=\"0123\", algorithm=SHA-256, qop=auth, \
         cnonce=\"c\", nc=00000001, opaque=\"o\""
    );
    let list = one("Authorization", &text);
    assert_eq!(list.authorization().unwrap(), [credentials]);
    assert_eq!(Challenge::digest("r", "n").to_string(), "Digest realm=\"r\", nonce=\"n\"");
    assert_eq!(one("Authorization", "NoOneKnows opaque-data=here").authorization().unwrap()[0].get("opaque-data"), Some("here"));
    assert_eq!(
        one("Proxy-Authorization", "Digest username=\"a,b\"").proxy_authorization().unwrap()[0].get("username"),
        Some("a,b")
    );
}

/// RFC 3261 section 18.2.1 and 18.2.2, RFC 3581 section 4.
#[test]
fn via_notes_where_a_request_came_from_and_answers_go_there() {
    let source: SocketAddr = "198.51.100.7:1234".parse().unwrap();
    let answer = |text: &str| {
        let mut via: Via = text.parse().unwrap();
        via.note_source(source);
        (via.answer_address().unwrap().to_string(), via.to_string())
    };
    assert_eq!(answer("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1").0, "198.51.100.7:5070");
    assert_eq!(
        answer("SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bK1"),
        ("198.51.100.7:1234".into(), "SIP/2.0/UDP 10.0.0.1:5070;rport=1234;branch=z9hG4bK1;received=198.51.100.7".into())
    );
    assert_eq!(answer("SIP/2.0/UDP 198.51.100.7").1, "SIP/2.0/UDP 198.51.100.7", "nothing to note");
    assert_eq!(
        answer("SIP/2.0/UDP host.example;received=1.2.3.4").0,
        "198.51.100.7:5060",
        "a claim of the sender's does not count"
    );
    assert_eq!(answer("SIP/2.0/UDP 198.51.100.7;received=1.2.3.4").1, "SIP/2.0/UDP 198.51.100.7");
    assert_eq!(answer("SIP/2.0/UDP 198.51.100.7;maddr=224.0.1.75").0, "224.0.1.75:5060");
    assert_eq!(answer("SIP/2.0/TLS h.example").0, "198.51.100.7:5061");
    let v6: SocketAddr = "[2001:db8::9]:5071".parse().unwrap();
    let mut via = Via::new(ViaTransport::Udp, Host::Name("p.example".into()), None, "z9hG4bKx").with_rport();
    via.note_source(v6);
    assert_eq!(via.to_string(), "SIP/2.0/UDP p.example;branch=z9hG4bKx;rport=5071;received=2001:db8::9");
    assert_eq!(via.answer_address(), Some(v6));
}

#[test]
fn the_topmost_via_is_taken_off_its_list() {
    let mut list = one("To", "x");
    list.push("Via", "SIP/2.0/UDP a;branch=1;q=\"x,y\" , SIP/2.0/UDP b");
    list.push("Via", "SIP/2.0/UDP c");
    list.push("From", "y");
    assert!(list.remove_top_via());
    assert_eq!(list.iter().map(|(_, value)| value).collect::<Vec<_>>(), ["x", "SIP/2.0/UDP b", "SIP/2.0/UDP c", "y"]);
    list.set_top_via(&"SIP/2.0/TCP d".parse().unwrap());
    assert_eq!(list.all("v").collect::<Vec<_>>(), ["SIP/2.0/TCP d", "SIP/2.0/UDP c"]);
    assert!(list.remove_top_via() && list.remove_top_via() && !list.remove_top_via());
}

/// RFC 3261 section 8.2.6.2.
#[test]
fn a_response_copies_what_identifies_the_request() {
    let options = request(&options_with("v: SIP/2.0/UDP second.example\nTimestamp: 54\nSubject: x\n"));
    let trying = options.response(StatusCode::TRYING);
    assert_eq!(trying.headers.via().unwrap().len(), 2);
    assert_eq!((trying.headers.get("Timestamp"), trying.headers.get("Subject")), (Some("54"), None));
    let ok = options.response(StatusCode::OK);
    assert_eq!((ok.reason.as_str(), ok.headers.get("Timestamp"), ok.headers.cseq().unwrap().number), ("OK", None, 3));
    let text = String::from_utf8(ok.to_bytes()).unwrap();
    assert!(text.starts_with("SIP/2.0 200 OK\r\n") && text.ends_with("Content-Length: 0\r\n\r\n"));
}

#[test]
fn content_length_is_always_that_of_the_body() {
    let mut options = request(&options_with("Content-Length: 0\n"));
    assert!(!options.headers.has(HeaderName::CONTENT_LENGTH), "it is not kept");
    options.headers.push(HeaderName::CONTENT_LENGTH, 99);
    options.body = b"abc".to_vec();
    let text = String::from_utf8(options.to_bytes()).unwrap();
    assert!(text.ends_with("\r\nContent-Length: 3\r\n\r\nabc") && text.matches("Content-Length").count() == 1);
}

#[test]
fn messages_survive_serialisation() {
    let options = request(&options_with("Contact: \"Ä\" <sip:a@b>;x=\"y\"\nX-Own: 1\n"));
    let json = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<sip_wire::Request>(&json).unwrap(), options);
    let via: Via = serde_json::from_str("\"SIP/2.0/UDP a:5;branch=z9hG4bKq\"").unwrap();
    assert_eq!(serde_json::to_string(&via).unwrap(), "\"SIP/2.0/UDP a:5;branch=z9hG4bKq\"");
    assert_eq!(serde_json::to_string(&Method::INVITE).unwrap(), "\"INVITE\"");
    assert_eq!(serde_json::to_string(&StatusCode::OK).unwrap(), "200");
    assert!(serde_json::from_str::<StatusCode>("99").is_err());
}

#[test]
fn status_codes_of_any_number_have_a_class_and_a_phrase() {
    assert_eq!((StatusCode::new(486).unwrap().reason(), StatusCode::new(499).unwrap().reason()), ("Busy Here", "Client Error"));
    assert_eq!((StatusCode::new(99), StatusCode::new(700)), (None, None));
    assert!(StatusCode::RINGING.is_provisional() && StatusCode::OK.is_success() && StatusCode::BUSY_HERE.is_failure());
    assert!(StatusCode::OK.is_final() && !StatusCode::TRYING.is_final() && StatusCode::MOVED_TEMPORARILY.is_redirection());
}

/// RFC 3261 20.1 with the precedence of RFC 9110 12.5.1: the most precise range counts.
#[test]
fn accept_says_what_an_answer_may_carry() {
    let sdp = |accept: &[&str]| {
        let mut headers = Headers::new();
        accept.iter().for_each(|value| headers.push("Accept", value));
        headers.accepts("application", "sdp")
    };
    for fine in ["application/sdp", "Application/SDP;level=1", "text/plain, application/*;q=0.1", "*/*", "*/*;q=0, application/sdp"]
    {
        assert!(sdp(&[fine]), "{fine}");
    }
    for none in ["text/plain", "", "application/sdp;q=0", "*/*, application/sdp;q=0.0", "application/*;q=0, */*", "*/sdp"] {
        assert!(!sdp(&[none]), "{none}");
    }
    assert!(sdp(&["text/plain", "application/sdp"]), "over two lines");
    assert!(sdp(&["application"]), "what cannot be read says nothing");
    assert!(sdp(&[]) && !Headers::new().accepts("text", "plain"), "SDP where nothing is said");
}
