//! The messages of RFC 4475 sections 3.2 to 3.4, for the layers above: each by its section. What is wrong in form is refused
//! here, with the RFC's code; of the others it is shown that the layer which answers (416, 420, 415, 406) finds what it
//! decides by.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use sip_wire::{Defect, HeaderError, HeaderName, Host, Scheme, StatusCode};
use support::{refused, request, response, wire};

/// The status of the prepared answer.
fn answered(octets: &[u8]) -> (Defect, StatusCode) {
    let error = refused(octets);
    (error.defect, error.answer.expect("an answer").status)
}

/// A branch that is only the cookie says nothing; whoever matches transactions falls back to RFC 2543.
#[test]
fn section_3_2_1_missing_transaction_identifier() {
    let options = request(&wire(
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.org;tag=33242\n\
         Max-Forwards: 3\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\nAccept: application/sdp\n\
         Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n\nCSeq: 8 OPTIONS\nl: 0\n\n",
    ));
    let via = options.headers.top_via().unwrap();
    assert_eq!(via.branch(), Some("z9hG4bK"));
    assert!(!via.has_magic_cookie(), "which tells nothing apart");
}

#[test]
fn section_3_3_1_missing_required_headers_get_400() {
    let invite = wire(
        "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\n\
         Content-Type: application/sdp\nl: 5\n\nv=0\n",
    );
    let missing = Defect::Header(HeaderError::Missing(HeaderName::FROM));
    assert_eq!(answered(&invite), (missing, StatusCode::BAD_REQUEST));
    let answer = refused(&invite).answer.expect("an answer");
    assert_eq!(answer.headers.get("CSeq"), Some("193942 INVITE"));
    assert!(!answer.headers.has("From") && !answer.headers.has("To") && !answer.headers.has("Call-ID"), "nothing is made up");
}

fn options(uri: &str) -> Vec<u8> {
    wire(&format!(
        "OPTIONS {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=384\nMax-Forwards: 3\n\
         Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34\nCSeq: 3923423 OPTIONS\n\
         Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234\nContent-Length: 0\n\n"
    ))
}

/// 416
#[test]
fn section_3_3_2_unknown_scheme_of_the_request_uri() {
    let unknown = request(&options("nobodyKnowsThisScheme:totallyopaquecontent"));
    assert_eq!((unknown.uri.scheme(), unknown.uri.host()), (&Scheme::Other("nobodyknowsthisscheme".into()), None));
}

/// 416
#[test]
fn section_3_3_3_known_but_atypical_scheme_of_the_request_uri() {
    let atypical = request(&options("soap.beep://192.0.2.103:3002"));
    assert_eq!((atypical.uri.scheme(), atypical.uri.port()), (&Scheme::Other("soap.beep".into()), None));
    assert_eq!(atypical.uri.as_str(), "soap.beep://192.0.2.103:3002");
}

#[test]
fn section_3_3_4_unknown_schemes_in_headers() {
    let register = request(&wire(
        "REGISTER sip:example.com SIP/2.0\nTo: isbn:2983792873\nFrom: <http://www.example.com>;tag=3234233\n\
         Call-ID: unksm2.daksdj@hyphenated-host.example.com\nCSeq: 234902 REGISTER\nMax-Forwards: 70\n\
         Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw\nContact: <name:John_Smith>\nl: 0\n\n",
    ));
    let contact = register.headers.contact().unwrap().first().unwrap().uri.scheme().clone();
    let schemes =
        [register.headers.to().unwrap().uri.scheme().clone(), register.headers.from().unwrap().uri.scheme().clone(), contact];
    assert_eq!(schemes.map(|scheme| scheme.as_str().to_owned()), ["isbn", "http", "name"]);
}

/// 420
#[test]
fn section_3_3_5_unknown_extensions_are_required() {
    let options = request(&wire(
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:j_user@example.com\nFrom: sip:caller@example.net;tag=242etr\n\
         Max-Forwards: 6\nCall-ID: bext01.0ha0isndaksdj\nRequire: nothingSupportsThis, nothingSupportsThisEither\n\
         Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis\nCSeq: 8 OPTIONS\n\
         Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw\nContent-Length: 0\n\n",
    ));
    assert_eq!(options.headers.require().unwrap(), ["nothingSupportsThis", "nothingSupportsThisEither"]);
    let of_proxies = options.headers.tokens(HeaderName::PROXY_REQUIRE).unwrap();
    assert_eq!(of_proxies, ["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]);
}

/// 415
#[test]
fn section_3_3_6_unknown_type_of_the_body() {
    let invite = request(&wire(
        "INVITE sip:user@example.com SIP/2.0\nContact: <sip:caller@host5.example.net>\nTo: sip:j.user@example.com\n\
         From: sip:caller@example.net;tag=8392034\nMax-Forwards: 70\nCall-ID: invut.0ha0isndaksdjadsfij34n23d\n\
         CSeq: 235448 INVITE\nVia: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw\n\
         Content-Type: application/unknownformat\nContent-Length: 40\n\n<audio>\n <pcmu port=\"443\"/>\n</audio>\n",
    ));
    assert!(invite.headers.content_type().unwrap().unwrap().is("application", "unknownformat"));
    assert_eq!(invite.body.len(), 40);
}

#[test]
fn section_3_3_7_unknown_authorization_scheme() {
    let register = request(&wire(
        "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nFrom: sip:j.user@example.com;tag=87321hj23128\n\
         Max-Forwards: 8\nCall-ID: regaut01.0ha0isndaksdj\nCSeq: 9338 REGISTER\n\
         Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw\nAuthorization: NoOneKnowsThisScheme opaque-data=here\n\
         Content-Length:0\n\n",
    ));
    let credentials = register.headers.authorization().unwrap();
    assert_eq!(credentials.first().unwrap().to_string(), "NoOneKnowsThisScheme opaque-data=here");
}

#[test]
fn section_3_3_8_several_values_where_one_may_stand_get_400() {
    let invite = wire(
        "INVITE sip:user@company.com SIP/2.0\nContact: <sip:caller@host25.example.net>\n\
         Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\nMax-Forwards: 70\nCSeq: 5 INVITE\nCall-ID: multi01.98asdh@192.0.2.1\n\
         CSeq: 59 INVITE\nCall-ID: multi01.98asdh@192.0.2.2\nFrom: sip:caller@example.com;tag=3413415\n\
         To: sip:user@example.com\nTo: sip:other@example.net\nFrom: sip:caller@example.net;tag=2923420123\n\
         Content-Type: application/sdp\nl: 5\nContact: <sip:caller@host36.example.net>\nMax-Forwards: 5\n\nv=0\n",
    );
    let repeated = Defect::Header(HeaderError::Repeated(HeaderName::FROM));
    assert_eq!(answered(&invite), (repeated, StatusCode::BAD_REQUEST));
}

#[test]
fn section_3_3_9_several_content_lengths_get_400() {
    let options = wire(
        "OPTIONS sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423\n\
         To: sip:user@example.com\nFrom: sip:other@example.net;tag=3923942\n\
         Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf\nCSeq: 15932 OPTIONS\nContent-Length: 13\nMax-Forwards: 60\n\
         Content-Length: 5\nContent-Type: text/plain\n\nThere's no way to know how many octets are supposed to be here.\n",
    );
    let repeated = Defect::Header(HeaderError::Repeated(HeaderName::CONTENT_LENGTH));
    assert_eq!(answered(&options), (repeated, StatusCode::BAD_REQUEST));
}

/// Well-formed; that there is a second hop, for which a user agent drops it (RFC 3261 section 8.1.3.3), can be seen.
#[test]
fn section_3_3_10_a_response_with_a_broadcast_hop() {
    let ok = response(&wire(
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\n\
         Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\nCall-ID: bcast.0384840201234ksdfak3j2erwedfsASdf\n\
         CSeq: 35 INVITE\nFrom: sip:user@example.com;tag=11141343\nTo: sip:user@example.edu;tag=2229\nContent-Length: 5\n\
         Content-Type: application/sdp\nContact: <sip:user@host28.example.com>\n\nv=0\n",
    ));
    let hops: Vec<Host> = ok.headers.via().unwrap().into_iter().map(|via| via.host).collect();
    assert_eq!(hops, [Host::Ip([192, 0, 2, 198].into()), Host::Ip([255, 255, 255, 255].into())]);
}

/// A telephone is the end of the way: it may answer, a proxy would say 483.
#[test]
fn section_3_3_11_no_hops_left() {
    let options = request(&wire(
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=3ghsd41\n\
         Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas\nCSeq: 39234321 OPTIONS\n\
         Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i\nMax-Forwards: 0\nContent-Length: 0\n\n",
    ));
    assert_eq!(options.headers.max_forwards(), Ok(Some(0)));
}

fn registering(contact: &str) -> sip_wire::NameAddr {
    let register = request(&wire(&format!(
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw\nMax-Forwards: 70\n\
         From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe\nTo: sip:watson@example.com\n\
         Call-ID: cparam01.70710@saturn.example.com\nCSeq: 2 REGISTER\nm: {contact}\nl: 0\n\n"
    )));
    register.headers.contact().unwrap().first().unwrap().clone()
}

#[test]
fn section_3_3_12_a_parameter_without_brackets_is_the_contacts() {
    let contact = registering("sip:+19725552222@gw1.example.net;unknownparam");
    assert!(contact.params.has("unknownparam") && !contact.uri.has_param("unknownparam"));
}

#[test]
fn section_3_3_13_a_parameter_in_brackets_is_the_uris() {
    let contact = registering("<sip:+19725552222@gw1.example.net;unknownparam>");
    assert!(!contact.params.has("unknownparam") && contact.uri.has_param("unknownparam"));
}

#[test]
fn section_3_3_14_a_header_in_the_contacts_uri() {
    let contact = registering("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>");
    assert_eq!(contact.uri.header("Route").as_deref(), Some("<sip:sip.example.com>"));
    assert_eq!(contact.uri.headers().next(), Some(("Route", Some("%3Csip:sip.example.com%3E"))), "kept as it came");
}

/// 406
#[test]
fn section_3_3_15_an_unacceptable_accept() {
    let invite = request(&wire(
        "INVITE sip:user@example.com SIP/2.0\nTo: sip:j_user@example.com\nContact: <sip:caller@host15.example.net>\n\
         From: sip:caller@example.net;tag=234\nMax-Forwards: 5\nCall-ID: sdp01.ndaksdj9342dasdd\n\
         Accept: text/nobodyKnowsThis\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw\nContent-Length: 5\n\
         Content-Type: application/sdp\n\nv=0\n",
    ));
    assert!(!invite.headers.accepts("application", "sdp") && invite.headers.accepts("text", "nobodyknowsthis"));
}

/// No branch, no Max-Forwards, no tags, no length: what RFC 2543 sent is taken.
#[test]
fn section_3_4_1_an_invite_of_rfc_2543() {
    let invite = request(&wire(
        "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\n\
         From: <sip:+13035551111@ift.client.example.net;user=phone>\nRecord-Route: <sip:UserB@example.com;maddr=ss1.example.com>\n\
         To: sip:+16505552222@ss1.example.net;user=phone\nCall-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\n\
         Content-Type: application/sdp\n\nv=0\n",
    ));
    let tags = (invite.headers.from().unwrap().tag().map(str::to_owned), invite.headers.to().unwrap().tag().map(str::to_owned));
    assert_eq!(tags, (None, None));
    assert_eq!(invite.body, b"v=0\r\n", "the rest of the datagram");
}
