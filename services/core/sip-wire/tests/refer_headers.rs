//! Headers of REFER (RFC 3515, 3891, 3892, 4488, 4538) and the body of its NOTIFY (RFC 3420).
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use sip_wire::body::{self, SipFragment};
use sip_wire::{
    HeaderError, HeaderName, Headers, Method, ReferTo, ReferredBy, Replaces, StatusCode, TargetDialog, Uri, invariants, limits,
};

fn one(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, value);
    headers
}

fn refer_to(value: &str) -> ReferTo {
    let refer = one("r", value).refer_to().unwrap().unwrap();
    assert_eq!(refer.to_string().parse(), Ok(refer.clone()), "what is written reads as the same");
    refer
}

fn replaces() -> Replaces {
    Replaces { call_id: "12345@192.168.118.3".into(), to_tag: "12345".into(), from_tag: "5FFE-3994".into(), early_only: false }
}

/// RFC 3515 section 2.1 and RFC 3891 section 4: the examples.
#[test]
fn a_refer_to_gives_its_replaces_unescaped() {
    let plain = refer_to("sip:dave@denver.example.org;x=1");
    assert_eq!((plain.address.uri.as_str(), plain.address.params.get("x")), ("sip:dave@denver.example.org", Some("1")));
    assert_eq!((plain.replaces, plain.headers.len()), (None, 0));
    let dave = refer_to(
        "\"Dave\" <sip:dave@denver.example.org;transport=tcp?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>;p=q",
    );
    assert_eq!(dave.address.uri.as_str(), "sip:dave@denver.example.org;transport=tcp", "taken out");
    assert_eq!((dave.address.display_name.as_deref(), dave.address.params.get("p")), (Some("Dave"), Some("q")));
    assert_eq!(dave.replaces, Some(replaces()));
    let careless = refer_to("<sip:d@denver.example.org?Replaces=12345@192.168.118.3;to-tag=12345;from-tag=5FFE-3994>");
    assert_eq!(careless.replaces, Some(replaces()), "not escaped, but clear");
    let more = refer_to(
        "<sip:conf@b.example;method=SUBSCRIBE?Accept-Contact=sip:a%40b%3Bx&replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3%3Bearly-only&k>",
    );
    assert_eq!(more.method(), Ok(Method::SUBSCRIBE));
    let headers: Vec<_> = more.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("Accept-Contact", "sip:a@b;x"), ("Supported", "")]);
    assert!(more.replaces.unwrap().early_only);
}

#[test]
fn a_refer_to_of_any_scheme_asks_for_an_invite_unless_it_says_otherwise() {
    let number = refer_to("<tel:+1-201-555-0123>");
    assert_eq!((number.address.uri.user(), number.method()), (Some("+1-201-555-0123"), Ok(Method::INVITE)));
    assert_eq!(refer_to("<http://example.com/?Replaces=x>").replaces, None, "no header of SIP");
    assert!(refer_to("<sip:a@b;method=a/b>").method().is_err());
}

#[test]
fn a_refer_to_that_cannot_be_followed_is_refused() {
    for broken in [
        "",
        "<sip:a@b.example",
        "<sip:a@b.example>, <sip:c@d.example>",
        "sip:a@b.example?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3",
        "<sip:a@b?Replaces=1>",
        "<sip:a@b?Replaces=>",
        "<sip:a@b?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3&Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>",
        "<sip:a@b?Subject=x%0D%0AVia:%20y>",
        "<sip:a@b?Replaces=1%0D%0A%3Bto-tag%3D2%3Bfrom-tag%3D3>",
        "<sip:a@b?Sub%20ject=x>",
        "<sip:a@b?=x>",
        "<sip:a@b?Subject=%4>",
    ] {
        assert!(matches!(one("Refer-To", broken).refer_to(), Err(HeaderError::Malformed { .. })), "{broken}");
    }
    let mut two = one("Refer-To", "<sip:a@b>");
    two.push("r", "<sip:a@b>");
    assert_eq!(two.refer_to(), Err(HeaderError::Repeated(HeaderName::REFER_TO)));
    assert_eq!(Headers::new().refer_to(), Ok(None));
}

#[test]
fn a_refer_to_is_bounded() {
    let with = |count: usize| one("Refer-To", &format!("<sip:a@b?{}>", vec!["a=b"; count].join("&"))).refer_to();
    assert_eq!(with(limits::LIST).unwrap().unwrap().headers.len(), limits::LIST);
    assert!(with(limits::LIST + 1).is_err());
    // One octet as it came, three as it would be passed on.
    let commas = |count: usize| one("Refer-To", &format!("<sip:a@b?a={}>", ",".repeat(count))).refer_to();
    assert!(commas(1_300).is_ok() && commas(1_400).is_err());
}

/// RFC 5589 section 7.3: what a transferor writes.
#[test]
fn a_transfer_is_written_with_everything_escaped() {
    let target: Uri = "sip:482n4z24kdg@chicago.example.com;gr=8594958?Subject=x".parse().unwrap();
    let refer = ReferTo::new(&target).with_replaces(replaces());
    assert_eq!(
        refer.to_string(),
        "<sip:482n4z24kdg@chicago.example.com;gr=8594958?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>"
    );
    let number: Uri = "tel:+123".parse().unwrap();
    assert_eq!(ReferTo::new(&number).with_replaces(replaces()).to_string(), "<tel:+123>", "a tel URI has no headers");
}

/// RFC 3891 section 6.1: one of each tag.
#[test]
fn replaces_names_one_dialog() {
    let read = one("Replaces", "12345@192.168.118.3 ; From-Tag=5FFE-3994; to-tag = 12345;own").replaces().unwrap().unwrap();
    assert_eq!(read, replaces());
    let early = one("Replaces", "a(b)\"c\";to-tag=7;from-tag=0;EARLY-ONLY").replaces().unwrap().unwrap();
    assert_eq!((early.call_id.as_str(), early.from_tag.as_str(), early.early_only), ("a(b)\"c\"", "0", true));
    assert_eq!(early.to_string(), "a(b)\"c\";to-tag=7;from-tag=0;early-only");
    for broken in [
        "",
        ";to-tag=1;from-tag=2",
        "1",
        "1;to-tag=2",
        "1;from-tag=2",
        "1;to-tag=2;to-tag=2;from-tag=3",
        "1;to-tag=2;from-tag=3;From-Tag=4",
        "1;to-tag;from-tag=3",
        "1;to-tag=;from-tag=3",
        "1;to-tag=\"2\";from-tag=3",
        "1 2;to-tag=2;from-tag=3",
        "1;to-tag=2;from-tag=3, 4;to-tag=5;from-tag=6",
    ] {
        assert!(one("Replaces", broken).replaces().is_err(), "{broken}");
    }
    let of_length = |length: usize| format!("{};to-tag=2;from-tag=3", "1".repeat(length - 20)).parse::<Replaces>();
    assert!(of_length(limits::DIALOG_NAME).is_ok() && of_length(limits::DIALOG_NAME + 1).is_err());
}

/// RFC 4538 section 7: the example, and one of each tag.
#[test]
fn target_dialog_names_one_dialog() {
    let read = one("Target-Dialog", "fa77as7dad8-sd98ajzz@host.example.com\t;local-tag=kkaz- ;remote-tag=6544;x=y");
    let dialog = TargetDialog {
        call_id: "fa77as7dad8-sd98ajzz@host.example.com".into(),
        local_tag: "kkaz-".into(),
        remote_tag: "6544".into(),
    };
    assert_eq!(read.target_dialog(), Ok(Some(dialog.clone())));
    assert_eq!(dialog.to_string(), "fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544");
    for broken in ["1", "1;local-tag=2", "1;remote-tag=2", "1;local-tag=2;remote-tag=3;local-tag=2", "1;to-tag=2;from-tag=3"] {
        assert!(one("Target-Dialog", broken).target_dialog().is_err(), "{broken}");
    }
}

/// RFC 3892 section 2.
#[test]
fn referred_by_names_the_referrer_and_its_token() {
    let value = "<sip:referrer@referrer.example>;cid=\"20398823.2UWQFN309shb3@referrer.example\"";
    let by = one("b", value).referred_by().unwrap().unwrap();
    assert_eq!(by.referrer.uri.as_str(), "sip:referrer@referrer.example");
    assert_eq!(by.token_id(), Some("20398823.2UWQFN309shb3@referrer.example"));
    assert_eq!(by.to_string(), value);
    let bare = one("Referred-By", "sip:r@ref.example").referred_by().unwrap().unwrap();
    assert_eq!((bare.clone(), bare.token_id()), (ReferredBy::new("sip:r@ref.example".parse().unwrap()), None));
    assert!(one("Referred-By", "<sip:r@ref.example>;cid=\"1\";cid=\"2\"").referred_by().is_err());
    assert!(one("Referred-By", "nobody").referred_by().is_err());
}

/// RFC 4488 section 4.
#[test]
fn refer_sub_says_whether_there_is_a_subscription() {
    assert_eq!(one("Refer-Sub", "false").refer_sub(), Ok(Some(false)));
    assert_eq!(one("Refer-Sub", "True ;x=y").refer_sub(), Ok(Some(true)));
    assert_eq!(Headers::new().refer_sub(), Ok(None));
    for broken in ["", "no", "false true", ";false"] {
        assert!(one("Refer-Sub", broken).refer_sub().is_err(), "{broken}");
    }
}

/// RFC 3515 section 2.4.5, RFC 3420 section 2.
#[test]
fn a_fragment_says_how_the_call_goes() {
    let read = |body: &[u8]| SipFragment::parse(body).map(|fragment| (fragment.status, fragment.reason));
    assert_eq!(read(b"SIP/2.0 100 Trying\r\n"), Ok((StatusCode::TRYING, "Trying".to_owned())));
    let busy = SipFragment::parse(b"\r\nsip/2.0 486 Besetzt \xfc\nContact: <sip:a@b>\r\n\r\n").unwrap();
    assert_eq!((busy.status, busy.status.is_final()), (StatusCode::BUSY_HERE, true));
    assert!(busy.to_bytes().ends_with(b"486 Besetzt \xfc\r\n"));
    assert_eq!(read(b"SIP/2.0 200").map(|(status, _)| status), Ok(StatusCode::OK));
    assert_eq!(SipFragment::new(StatusCode::RINGING).to_bytes(), b"SIP/2.0 180 Ringing\r\n");
    let broken: [&[u8]; 8] = [
        b"",
        b"\r\n",
        b"SIP/2.0",
        b"SIP/2.0 OK",
        b"SIP/3.0 200 OK",
        b"SIP/2.0 99 x",
        b"INVITE sip:a@b SIP/2.0",
        b"To: <sip:a@b>\r\nSIP/2.0 200 OK",
    ];
    for body in broken {
        assert!(SipFragment::parse(body).is_err(), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_fragment_is_bounded() {
    let line = |length: usize| format!("SIP/2.0 200 {}", "x".repeat(length - 12)).into_bytes();
    assert!(SipFragment::parse(&line(limits::LINE)).is_ok() && SipFragment::parse(&line(limits::LINE + 1)).is_err());
    let mut long = b"SIP/2.0 200 OK\r\n".to_vec();
    long.resize(body::limits::OCTETS, b'x');
    assert!(SipFragment::parse(&long).is_ok());
    long.push(b'x');
    assert!(SipFragment::parse(&long).is_err());
}

/// Pieces that these headers are made of, in any order.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "<", ">", "sip:a@b", "tel:+1", "?", "&", "Replaces=", "Subject=", "1%40h", "%3Bto-tag%3D2", "%3Bfrom-tag%3D3", "%0D%0A",
            "%00", "%", ";", "to-tag=1", "from-tag=2", "local-tag=1", "remote-tag=2", "early-only", "cid=\"x\"", "\"", "\\", ",", " ",
            "true", "method=", "\u{10ffe4}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_is_refused_or_written_as_it_was_read(value in value()) {
        let names = ["Refer-To", "Referred-By", "Replaces", "Target-Dialog", "Refer-Sub"];
        let lines: String = names.iter().map(|name| format!("{name}: {value}\r\n")).collect();
        let octets = format!(
            "REFER sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 REFER\r\n{lines}\r\n"
        );
        prop_assert_eq!(invariants::message(octets.as_bytes()), Ok(()));
    }

    #[test]
    fn any_octets_are_survived_as_a_fragment(octets in proptest::collection::vec(any::<u8>(), 0..80), line: bool) {
        let start: &[u8] = if line { b"SIP/2.0 200 " } else { b"" };
        prop_assert_eq!(invariants::sip_fragment(&[start, &octets].concat()), Ok(()));
    }

    /// Whatever names the dialog finds its way through the escapes of a URI.
    #[test]
    fn a_replaces_comes_out_of_the_uri_as_it_went_in(call_id in "[!-+\\--:<-~ä]{1,30}", to_tag in "[!#-+\\--:=?-~]{1,9}", from_tag in "[a-z0-9%]{1,9}", early_only: bool) {
        let replaces = Replaces { call_id, to_tag, from_tag, early_only };
        let target: Uri = "sip:a@b.example;x=y".parse().unwrap();
        let refer = ReferTo::new(&target).with_replaces(replaces.clone());
        let read: ReferTo = refer.to_string().parse().unwrap();
        prop_assert_eq!((read.address.uri, read.replaces), (target, Some(replaces)));
    }
}
