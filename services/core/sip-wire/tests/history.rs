//! History-Info (RFC 7044).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use sip_wire::{HeaderError, Headers, HistoryCause};

fn headers(lines: &[&str]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|value| headers.push("History-Info", value));
    headers
}

/// RFC 7044 section 6: over one line or several, with the Reason in the URI.
#[test]
fn targets_stand_in_their_order_with_index_cause_and_reason() {
    let headers = headers(&[
        "<sip:bob@example.com?Reason=SIP%3Bcause%3D302%3Btext%3D%22Moved%22>;index=1, <sip:bob@192.0.2.4>;index=1.1;rc=1",
        "\"Office\" <sip:office@example.com;cause=302>;index=1.2;mp=1,<sip:office@192.0.2.5>;index=1.2.1;np=1.2",
    ]);
    let history = headers.history_info().unwrap();
    let index: Vec<&[u32]> = history.iter().map(|entry| entry.index.as_slice()).collect();
    assert_eq!(index, [&[1][..], &[1, 1], &[1, 2], &[1, 2, 1]]);
    assert_eq!(history[0].reason().and_then(|reason| reason.cause()), Some(302));
    assert_eq!(history[2].target.display_name.as_deref(), Some("Office"));
    let causes: Vec<Option<HistoryCause>> = history.iter().map(|entry| entry.cause.clone()).collect();
    let (same, other) = (HistoryCause::SameUser(vec![1]), HistoryCause::OtherUser(vec![1]));
    assert_eq!(causes, [None, Some(same), Some(other), Some(HistoryCause::Unchanged(vec![1, 2]))]);
    assert_eq!((history[1].reason(), history[0].is_private()), (None, false));
}

/// RFC 7044 section 10.1.
#[test]
fn whoever_asks_for_privacy_is_known_by_it() {
    let history = headers(&["<sip:a@b?Privacy=history>;index=1, <sip:c@d?privacy=none>;index=1.1"]).history_info().unwrap();
    assert_eq!([history[0].is_private(), history[1].is_private()], [true, false]);
}

#[test]
fn an_entry_without_a_readable_index_is_none() {
    for wrong in ["<sip:a@b>", "<sip:a@b>;index", "<sip:a@b>;index=1.", "<sip:a@b>;index=+1", "<sip:a@b>;index=99999999999"] {
        assert!(matches!(headers(&[wrong]).history_info(), Err(HeaderError::Malformed { .. })), "{wrong}");
    }
    assert!(matches!(headers(&["<sip:a@b>;index=1;rc=x"]).history_info(), Err(HeaderError::Malformed { .. })));
    let deep = format!("<sip:a@b>;index=1{}", ".1".repeat(64));
    assert!(headers(&[&deep]).history_info().is_err() && headers(&[&deep[..deep.len() - 2]]).history_info().is_ok());
    assert_eq!(Headers::new().history_info(), Ok(Vec::new()));
}
