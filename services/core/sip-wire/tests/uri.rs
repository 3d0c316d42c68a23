//! URIs: parts, text kept, builders, and RFC 3261 section 19.1.4.
#![allow(clippy::panic, reason = "helpers of tests")]

use std::net::IpAddr;

use sip_wire::{Host, Scheme, Uri};

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn parts_are_found_and_the_text_is_kept() {
    let full = uri("SIP:john.doe:pass@Example.COM:05070;transport=UDP;lr;x=?Subject=a%20b&Replaces=1%40h%3Bto-tag%3D2");
    assert_eq!(full.as_str(), "SIP:john.doe:pass@Example.COM:05070;transport=UDP;lr;x=?Subject=a%20b&Replaces=1%40h%3Bto-tag%3D2");
    assert_eq!((full.user(), full.password(), full.port()), (Some("john.doe"), Some("pass"), Some(5070)));
    assert_eq!(full.host(), Some(&Host::Name("example.com".into())));
    assert_eq!(
        (full.param("TRANSPORT"), full.param("lr"), full.param("x"), full.param("y")),
        (Some("UDP"), Some(""), Some(""), None)
    );
    assert_eq!(full.header("replaces").as_deref(), Some("1@h;to-tag=2"));
    assert_eq!(full.header("Subject").as_deref(), Some("a b"));
    let plain = uri("sips:example.com");
    assert_eq!((plain.user(), plain.port(), plain.port_or_default()), (None, None, 5061));
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        "sip",
        "sip:",
        ":x",
        "1sip:a",
        "sip:@b",
        "sip::p@b",
        "sip:a@",
        "sip:a@b@c",
        "sip:a b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:+1",
        "sip:a@b:99999",
        "sip:[::1",
        "sip:[1.2.3.4]",
        "sip:[::1]x",
        "sip:a%@b",
        "sip:a%2@b",
        "sip:a@b;c=%zz",
        "sip:<a@b>",
        "sip:a@b\r\n",
        "tel:",
        "tel:+",
        "tel:12x4",
        "sip:a@b c",
        "sip:\"a\"@b",
        "sip:a@b/c",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text:?}");
    }
}

/// RFC 3261 section 19.1.4, its own examples in kind.
#[test]
fn equivalence_follows_the_rfc() {
    let same = [
        ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtLanTa.Example;Transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;security=on"),
        (
            "sip:biloxi.example;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.example",
            "sip:biloxi.example;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.example",
        ),
        (
            "sip:alice@atlanta.example?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.example?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        ("sip:a%3b@b", "sip:a%3B@b"),
        // Illegal, and yet the same as itself.
        ("sip:a@b;method=INVITE;method=BYE", "sip:a@b;method=INVITE;method=BYE"),
    ];
    for (a, b) in same {
        assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} = {b}");
    }
    let different = [
        ("SIP:ALICE@AtLanTa.Example;Transport=udp", "sip:alice@AtLanTa.Example;Transport=UDP"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example:5060"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example;transport=udp"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example:6000;transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example?Subject=next%20meeting"),
        ("sip:bob@phone21.example", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.example;security=on", "sip:carol@chicago.example;security=off"),
        ("sip:carol@chicago.example", "sips:carol@chicago.example"),
        ("sip:carol@chicago.example", "sip:carol:x@chicago.example"),
        ("sip:chicago.example", "sip:carol@chicago.example"),
        ("sip:a@b;user=phone", "sip:a@b"),
        ("sip:a%3b@b", "sip:a;@b"),
        ("tel:12", "tel:12;phone-context=x"),
        ("tel:12", "sip:12@b"),
    ];
    for (a, b) in different {
        assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} /= {b}");
    }
}

#[test]
fn builders_escape_what_they_are_given() {
    let host: IpAddr = "2001:db8::7".parse().unwrap();
    let built =
        Uri::builder(Scheme::Sip).user("*72;x #@Müller").password("a:b").host(host).port(5070).param("transport", "udp").flag("lr");
    let built = built.header("Replaces", "1@h;to-tag=2").header("X", "").build();
    assert_eq!(
        built.as_str(),
        "sip:*72%3Bx%20%23%40M%C3%BCller:a%3Ab@[2001:db8::7]:5070;transport=udp;lr?Replaces=1%40h%3Bto-tag%3D2&X="
    );
    assert_eq!(built.user_decoded().as_deref(), Some("*72;x #@Müller"));
    assert_eq!(built.header("replaces").as_deref(), Some("1@h;to-tag=2"));
    assert_eq!(Uri::sip(Some("200"), IpAddr::from([127, 0, 0, 2]), None).as_str(), "sip:200@127.0.0.2");
    assert_eq!(Uri::sip(None, Host::Name("example.com".into()), Some(5062)).as_str(), "sip:example.com:5062");
    assert_eq!(Uri::builder(Scheme::Tel).user("+123").build().as_str(), "tel:+123");
}

#[test]
fn what_cannot_be_built_leads_nowhere() {
    assert_eq!(Uri::builder(Scheme::Sip).user("x").build().as_str(), "sip:x@invalid");
    assert_eq!(Uri::builder(Scheme::Tel).user("abc xyz").build().as_str(), "sip:invalid");
    assert_eq!(Uri::sip(Some("a"), Host::Name("b c".into()), None).as_str(), "sip:invalid");
}

#[test]
fn changed_copies_keep_the_rest_as_it_was_written() {
    let source = uri("sip:A%41:pw@Host.example:05060;Transport=udp;x?H=v");
    assert_eq!(source.with_port(None).as_str(), "sip:A%41:pw@Host.example;Transport=udp;x?H=v");
    assert_eq!(source.with_port(Some(7)).as_str(), "sip:A%41:pw@Host.example:7;Transport=udp;x?H=v");
    assert_eq!(source.with_param("transport", Some("tcp")).as_str(), "sip:A%41:pw@Host.example:5060;x;transport=tcp?H=v");
    assert_eq!(source.without_param("TRANSPORT").as_str(), "sip:A%41:pw@Host.example:5060;x?H=v");
    assert_eq!(source.without_headers().as_str(), "sip:A%41:pw@Host.example:5060;Transport=udp;x");
    assert_eq!(source.bare().as_str(), "sip:A%41:pw@Host.example:5060");
    assert_eq!(source.with_host(IpAddr::from([1, 2, 3, 4]), Some(9)).as_str(), "sip:A%41:pw@1.2.3.4:9;Transport=udp;x?H=v");
    let tel = uri("tel:+12;phone-context=a");
    assert_eq!(tel.bare().as_str(), "tel:+12");
    assert_eq!(tel.with_param("isub", Some("1")).as_str(), "tel:+12;phone-context=a;isub=1");
    assert_eq!(uri("urn:service:sos").bare().as_str(), "urn:service:sos");
}

#[test]
fn a_uri_survives_serialisation() {
    let source = uri("sip:john.doe@example.com;x=1");
    let json = serde_json::to_string(&source).unwrap();
    assert_eq!(json, "\"sip:john.doe@example.com;x=1\"");
    assert_eq!(serde_json::from_str::<Uri>(&json).unwrap(), source);
    assert!(serde_json::from_str::<Uri>("\"sip:\"").is_err());
}

#[test]
fn another_user_takes_the_place_of_the_old_one_and_its_password() {
    let uri: Uri = "sip:200:secret@10.0.0.9:5070;transport=udp?Subject=x".parse().unwrap();
    assert_eq!(uri.with_user(Some("a b")).as_str(), "sip:a%20b@10.0.0.9:5070;transport=udp?Subject=x");
    assert_eq!(uri.with_user(None).as_str(), "sip:10.0.0.9:5070;transport=udp?Subject=x");
    let bare: Uri = "sip:[2001:db8::1]".parse().unwrap();
    assert_eq!(bare.with_user(Some("200")).as_str(), "sip:200@[2001:db8::1]");
}
