//! Valid messages of the kinds of RFC 4475 section 3.1.1 and RFC 5118: each is read, and its parts are what they should be.

mod support;

use sip_wire::{Contacts, HeaderName, Host, Method, Scheme, StatusCode, ViaTransport, text};
use support::{request, response, wire};

/// RFC 4475 section 3.1.1.1.
#[test]
fn folding_blanks_compact_forms_and_odd_case_are_read() {
    let invite = request(&wire(
        "INVITE sip:vera@chair.example.com;unknownparam SIP/2.0\nTO :\n sip:vera@chair.example.com ;   tag    = 1918181833n\n\
         from   : \"J Rosen \\\\\\\"\"       <sip:jrosen@example.com>\n  ;\n  tag = 98asjd8\nMaX-fOrWaRdS: 0068\n\
         Call-ID: blanks.ndaksdj@192.0.2.1\nContent-Length   : 4\ncseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n\
         \x20   192.0.2.2;branch=390skdjuw\ns :\nNewFangledHeader:   newfangled value\n continued newfangled value\n\
         UnknownHeaderWithUnusualValue: ;;,,;;,;\nRoute:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n SIP  /    2.0   / UDP  192.168.255.111   ; \
         branch=\n z9hG4bK30239\nm:\"Quoted string \\\"\\\"\" <sip:jrosen@example.com> ; newparam =\n      newvalue ;\n  \
         secondparam ; q = 0.33\n\nv=0\n",
    ));
    assert_eq!(invite.headers.to().unwrap().tag(), Some("1918181833n"));
    let from = invite.headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("J Rosen \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(invite.headers.max_forwards(), Ok(Some(68)));
    assert_eq!(invite.headers.cseq().unwrap().number, 9);
    assert_eq!(invite.headers.get(HeaderName::SUBJECT), Some(""));
    assert_eq!(invite.headers.get("newfangledheader"), Some("newfangled value continued newfangled value"));
    assert_eq!(invite.headers.get("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let via = invite.headers.via().unwrap();
    assert_eq!(via.len(), 3);
    assert_eq!(via[0].branch(), Some("390skdjuw"));
    assert!(!via[0].has_magic_cookie() && via[1].has_magic_cookie());
    assert_eq!((&via[1].transport, via[1].branch()), (&ViaTransport::Tcp, Some("z9hG4bK9ikj8")));
    assert_eq!((&via[2].host, via[2].branch()), (&Host::Ip([192, 168, 255, 111].into()), Some("z9hG4bK30239")));
    let contact = invite.headers.contact().unwrap();
    let contact = contact.first().unwrap();
    assert_eq!(contact.display_name.as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.params.get("newparam"), contact.params.get("secondparam"), contact.q()), (Some("newvalue"), Some(""), 330));
    let route = invite.headers.route().unwrap();
    assert!(route[0].uri.is_loose_route());
    assert_eq!(route[0].uri.param("unknown-no-value"), Some(""));
    assert_eq!(invite.body, b"v=0\r");
}

/// RFC 4475 section 3.1.1.2.
#[test]
fn every_character_that_the_grammar_allows_is_read() {
    let octets = wire(
        "!interesting-Method0123456789_*+`.%indeed'~ \
         sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n\
         Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\n\
         To: \"BEL:\\\x07 NUL:\\\0 DEL:\\\x7F\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\n\
         From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.\n\
         Call-ID: chars.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\n\
         Max-Forwards: 255\nextensionHeader-!.%*+_`'~: \u{feff}大停電\nContent-Length: 0\n\n",
    );
    let odd = request(&octets);
    assert_eq!(odd.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into()));
    assert_eq!(odd.uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(odd.uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(odd.uri.host(), Some(&Host::Name("example.com".into())));
    let from = odd.headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.params.get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(odd.headers.to().unwrap().display_name.as_deref(), Some("BEL: NUL: DEL:"), "as shown");
    assert!(odd.headers.get("To").unwrap().contains('\0'), "as kept");
    assert_eq!(odd.headers.top_via().unwrap().branch(), Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(odd.headers.get("ExtensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
}

/// RFC 4475 sections 3.1.1.3 and 3.1.1.4.
#[test]
fn escapes_in_the_user_part_are_kept_and_can_be_resolved() {
    let text = |uri: &str| {
        format!(
            "REGISTER {uri} SIP/2.0\nTo: {uri}\nFrom: <{uri}>;tag=938\nMax-Forwards: 87\ni: esc\nCSeq: 234234 REGISTER\n\
             Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw\nL:0\n\n"
        )
    };
    let outer = request(&wire(&text("sip:sips%3Auser%40example.com@example.net")));
    assert_eq!(outer.uri.scheme(), &Scheme::Sip);
    assert_eq!(outer.uri.user(), Some("sips%3Auser%40example.com"));
    assert_eq!(outer.uri.user_decoded().as_deref(), Some("sips:user@example.com"));
    assert_eq!(outer.uri.host(), Some(&Host::Name("example.net".into())));
    let null = request(&wire(&text("sip:null-%00-null@example.com")));
    assert_eq!(null.uri.as_str(), "sip:null-%00-null@example.com");
    assert_eq!(null.uri.user_decoded().as_deref(), Some("null-\0-null"));
}

/// RFC 4475 section 3.1.1.5: `%` in a method is no escape.
#[test]
fn a_method_is_never_unescaped() {
    let odd = request(&wire(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0\nTo: \"%Z%45\" <sip:resource@example.com>\n\
         From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23\nCall-ID: esc02\nCSeq: 29344 RE%47IST%45R\n\
         Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234\nMax-Forwards: 70\n\
         Contact: <sip:alias1@host1.example.com>\nC%6Fntact: <sip:alias2@host2.example.com>\nl: 0\n\n",
    ));
    assert_eq!(odd.method.as_str(), "RE%47IST%45R");
    assert!(!odd.method.is_register());
    assert_eq!(odd.headers.from().unwrap().display_name.as_deref(), Some("%Z%45"));
    assert_eq!(odd.headers.contact().unwrap().list().len(), 1, "C%6Fntact is another header");
}

/// RFC 4475 section 3.1.1.6.
#[test]
fn no_blank_is_needed_between_name_and_address() {
    let options = request(&wire(
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: caller<sip:caller@example.com>;tag=323\n\
         Max-Forwards: 70\nCall-ID: lwsdisp\nCSeq: 60 OPTIONS\nVia: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw\nl: 0\n\n",
    ));
    assert_eq!(options.headers.from().unwrap().display_name.as_deref(), Some("caller"));
}

/// RFC 4475 section 3.1.1.7.
#[test]
fn long_values_and_long_lists_are_read() {
    let long = "long".repeat(40);
    let hops: String = (0..34).map(|n| format!("Via: SIP/2.0/TCP sip{n}.example.com;branch=z9hG4bK{n}\n")).collect();
    let invite = request(&wire(&format!(
        "INVITE sip:user@example.com SIP/2.0\nTo: \"I have a user name of {long} proportion\"<sip:user@example.com:6000;\
         unknownparam1=very{long}value;longparam{long}name=shortvalue;very{long}ParameterNameWithNoValue>\n{hops}\
         From: sip:{long}@example.net;tag=12982{long}424;unknownheaderparam{long}name=unknown{long}value;\
         unknownValueless{long}paramname\nCall-ID: longreq.one{long}callid\nCSeq: 3882340 INVITE\nUnknown-{long}-Name: {long}\n\
         Max-Forwards: 70\nContact: <sip:amanual{long}@host5.example.net>\nl: 0\n\n"
    )));
    assert_eq!(invite.headers.via().unwrap().len(), 34);
    assert_eq!(invite.headers.from().unwrap().tag(), Some(format!("12982{long}424").as_str()));
    assert_eq!(invite.headers.to().unwrap().uri.port(), Some(6000));
}

/// RFC 4475 section 3.1.1.8: what follows Content-Length in a datagram is ignored.
#[test]
fn trailing_octets_are_cut_off() {
    let register = request(&wire(
        "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:j.user@example.com;tag=43251j3j324\n\
         Max-Forwards: 8\nI: dblreq\nContact: sip:j.user@host.example.com\nCSeq: 8 REGISTER\n\
         Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492\nContent-Length: 0\n\n\
         INVITE sip:joe@example.com SIP/2.0\nt: sip:joe@example.com\n\n",
    ));
    assert!(register.body.is_empty());
    assert_eq!(register.uri.user(), None);
}

/// RFC 4475 section 3.1.1.9.
#[test]
fn a_semicolon_in_the_user_part_starts_no_parameter() {
    let options = request(&wire(
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\nTo: sip:j_user@example.com\n\
         From: sip:caller@example.org;tag=33242\nMax-Forwards: 3\nCall-ID: semiuri\nCSeq: 8 OPTIONS\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw\nl: 0\n\n",
    ));
    assert_eq!(options.uri.user_decoded().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(options.uri.params().count(), 0);
}

/// RFC 4475 section 3.1.1.10.
#[test]
fn unknown_transports_in_via_are_kept() {
    let options = request(&wire(
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: <sip:caller@example.com>;tag=323\nMax-Forwards: 70\n\
         Call-ID: transports\nCSeq: 60 OPTIONS\nVia: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\n\
         Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\nVia: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj\n\
         Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en\nVia: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee\nl: 0\n\n",
    ));
    let transports: Vec<String> = options.headers.via().unwrap().iter().map(|via| via.transport.as_str().to_owned()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

/// RFC 4475 section 3.1.1.11: a body of any octets, empty lines and zeros among them.
#[test]
fn a_binary_body_comes_through_unchanged() {
    let body: Vec<u8> = (0..=255).chain(*b"\r\n\r\n--boundary\r\n").chain((0..=255).rev()).collect();
    let mut octets = wire(&format!(
        "MESSAGE sip:kumiko@example.org SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport\n\
         Max-Forwards: 70\nRoute: <sip:127.0.0.1:5080>\nFrom: <sip:fluffy@example.com>;tag=2fb0dcc9\nTo: <sip:kumiko@example.org>\n\
         Call-ID: 3d9485ad0c49859b\nCSeq: 1 MESSAGE\nContent-Type: multipart/mixed;boundary=7a9cbec02ceef655\n\
         MIME-Version: 1.0\nContent-Length: {}\n\n",
        body.len()
    ));
    octets.extend_from_slice(&body);
    let message = request(&octets);
    assert_eq!(message.body, body);
    let kind = message.headers.content_type().unwrap().unwrap();
    assert!(kind.is("multipart", "MIXED"));
    assert_eq!(kind.params.get("boundary"), Some("7a9cbec02ceef655"));
    let via = message.headers.top_via().unwrap();
    assert!(via.has_rport() && via.rport().is_none());
}

/// RFC 4475 sections 3.1.1.12 and 3.1.1.13.
#[test]
fn any_reason_phrase_is_taken() {
    let text = |line: &str| {
        wire(&format!(
            "{line}\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\nCall-ID: reason\nCSeq: 35 INVITE\n\
             From: sip:user@example.com;tag=11141343\nTo: sip:user@example.edu;tag=2229\nContent-Length: 0\n\n"
        ))
    };
    let odd = response(&text("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое"));
    assert_eq!((odd.status, odd.reason.as_str()), (StatusCode::OK, "= 2**3 * 5**2 но сто девяносто девять - простое"));
    for line in ["SIP/2.0 100 ", "SIP/2.0 100"] {
        let empty = response(&text(line));
        assert_eq!((empty.status, empty.reason.as_str()), (StatusCode::TRYING, ""));
    }
}

/// RFC 4475 section 3.4.1: no branch, no Max-Forwards, no tags, an IN IP4 name: what RFC 2543 sent.
#[test]
fn a_request_of_the_first_sip_is_read() {
    let invite = request(&wire(
        "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.example.net;user=phone>\n\
         Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\nTo: sip:+16505552222@ss1.example.net;user=phone\n\
         Call-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\nContent-Type: application/sdp\n\nv=0\n",
    ));
    assert_eq!(invite.headers.top_via().unwrap().branch(), None);
    assert_eq!(invite.headers.max_forwards(), Ok(None));
    assert_eq!(invite.headers.from().unwrap().uri.param("user"), Some("phone"));
    assert_eq!(invite.headers.to().unwrap().params.get("user"), Some("phone"), "without <> it is the header's");
    assert_eq!(invite.headers.record_route().unwrap()[0].uri.param("maddr"), Some("ss1.example.com"));
    assert_eq!(invite.body, b"v=0\r\n", "without Content-Length the body is the rest");
}

/// RFC 5118 sections 4.1, 4.4, 4.5 and 4.10.
#[test]
fn ipv6_literals_are_read_wherever_they_may_stand() {
    let register = request(&wire(
        "REGISTER sip:[2001:db8::10] SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
         Via: SIP/2.0/UDP [2001:db8::9:1]:5062;received=[2001:db8::9:255];branch=z9hG4bKas3\n\
         Via: SIP/2.0/UDP [2001:db8::9:2];received=2001:db8::9:254;branch=z9hG4bKas2\nCall-ID: ssbg9@[2001:db8::9:1]\nMax-Forwards: 70\n\
         Contact: \"Caller\" <sip:caller@[2001:db8::1]:5070;transport=udp>, <sip:[::ffff:192.0.2.10]>\nCSeq: 98176 REGISTER\n\
         Content-Length: 0\n\n",
    ));
    assert_eq!(register.uri.host().unwrap().ip(), Some("2001:db8::10".parse().unwrap()));
    let via = register.headers.via().unwrap();
    assert_eq!(via[0].port, Some(5062));
    assert_eq!(via[0].received(), Some("2001:db8::9:255".parse().unwrap()), "with brackets");
    assert_eq!(via[1].received(), Some("2001:db8::9:254".parse().unwrap()), "without brackets");
    assert_eq!(via[1].answer_address(), Some("[2001:db8::9:254]:5060".parse().unwrap()));
    let contact = register.headers.contact().unwrap();
    assert_eq!(contact.list()[0].uri.port(), Some(5070));
    assert_eq!(contact.list()[1].uri.host().unwrap().ip(), Some("::ffff:192.0.2.10".parse().unwrap()));
}

#[test]
fn line_feeds_alone_and_line_ends_before_the_start_are_taken() {
    let text = "\r\n\r\n\nOPTIONS sip:a@b.example SIP/2.0\nVia: SIP/2.0/UDP c.example;branch=z9hG4bK1\nFrom: <sip:x@y.example>;tag=1\n\
                To: <sip:a@b.example>\nCall-ID: lf\nCSeq: 1 OPTIONS\nContent-Type: text/plain\n\nhallo\n";
    let options = request(text.as_bytes());
    assert_eq!(options.headers.call_id(), Ok("lf"));
    assert_eq!(options.body, b"hallo\n");
}

/// RFC 3261 section 7.3 knows UTF-8 only; the field knows Latin-1.
#[test]
fn latin_1_octets_are_echoed_as_they_came_and_shown_as_they_were_meant() {
    let octets = b"INVITE sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/UDP c.example;branch=z9hG4bK\xfc\r\nFrom: \"J\xf6rg\" <sip:x@y.example>;tag=\xe4\r\n\
                   To: M\xfcller <sip:a@b.example>\r\nCall-ID: caf\xe9@c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
    let invite = request(octets);
    assert_eq!(invite.headers.from().unwrap().display_name.as_deref(), Some("Jörg"));
    assert_eq!(invite.headers.to().unwrap().display_name.as_deref(), Some("Müller"));
    assert_eq!(text::shown(invite.headers.call_id().unwrap()), "café@c");
    let answer = invite.response(StatusCode::RINGING).to_bytes();
    let has = |needle: &[u8]| answer.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"Call-ID: caf\xe9@c\r\n") && has(b"branch=z9hG4bK\xfc") && has(b"tag=\xe4") && has(b"J\xf6rg"));
}

#[test]
fn tel_and_unknown_schemes_are_read() {
    let invite = request(&wire(
        "INVITE tel:+1-201-555-0123;phone-context=example.com SIP/2.0\nVia: SIP/2.0/UDP c.example;branch=z9hG4bK1\n\
         From: <isbn:2983792873>;tag=1\nTo: <tel:7042;phone-context=+1914555>\nCall-ID: tel\nCSeq: 1 INVITE\n\
         Contact: <name:John_Smith>\nl: 0\n\n",
    ));
    assert_eq!((invite.uri.scheme(), invite.uri.user()), (&Scheme::Tel, Some("+1-201-555-0123")));
    assert_eq!(invite.uri.param("phone-context"), Some("example.com"));
    assert_eq!(invite.headers.from().unwrap().uri.scheme(), &Scheme::Other("isbn".into()));
    assert_eq!(invite.headers.to().unwrap().uri.param("phone-context"), Some("+1914555"));
    let Ok(Contacts::List(contacts)) = invite.headers.contact() else { panic!("a list") };
    assert_eq!(contacts[0].uri.as_str(), "name:John_Smith");
}
