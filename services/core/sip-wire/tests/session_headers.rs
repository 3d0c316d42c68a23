//! Headers of RFC 4028 and RFC 3262.

use sip_wire::{CSeq, Headers, Method, RAck, SessionExpires};

fn one(name: &str, value: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(name, value);
    headers
}

/// RFC 4028 sections 4 and 5, with the compact form.
#[test]
fn session_expires_names_seconds_and_refresher() {
    let expires = one("x", "1800 ;Refresher=uac;own").session_expires().unwrap().unwrap();
    assert_eq!((expires.seconds, expires.refresher()), (1800, Some("uac")));
    assert_eq!(one("Session-Expires", "90").session_expires().unwrap().unwrap().refresher(), None);
    assert_eq!(Headers::new().session_expires().unwrap(), None);
    for broken in ["", "soon", "-1", "90 uac", ";refresher=uac"] {
        assert!(one("Session-Expires", broken).session_expires().is_err(), "{broken}");
    }
    assert_eq!(one("Session-Expires", "99999999999").session_expires().unwrap().unwrap().seconds, u32::MAX);
    assert_eq!(SessionExpires::new(120, Some("uas")).to_string(), "120;refresher=uas");
    assert_eq!(SessionExpires::new(120, None).to_string(), "120");
    assert_eq!(one("Min-SE", "120;lr").min_se().unwrap(), Some(120));
    assert!(one("Min-SE", "x").min_se().is_err());
}

/// RFC 3262 sections 7.1 and 7.2.
#[test]
fn rack_names_response_and_request() {
    let rack = one("RAck", " 776656  1 INVITE").rack().unwrap().unwrap();
    assert_eq!(rack, RAck { rseq: 776_656, cseq: CSeq::new(1, Method::INVITE) });
    assert_eq!(rack.to_string(), "776656 1 INVITE");
    for broken in ["", "1", "1 INVITE", "0 1 INVITE", "1 x INVITE", "4294967296 1 INVITE", "+1 1 INVITE"] {
        assert!(one("RAck", broken).rack().is_err(), "{broken}");
    }
    assert_eq!(one("RSeq", "988789").rseq().unwrap(), Some(988_789));
    assert!(one("RSeq", "0").rseq().is_err() && one("RSeq", "1 2").rseq().is_err());
}
