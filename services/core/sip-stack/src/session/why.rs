//! Why a call has ended, as the other side says it in Reason (RFC 3326, in responses RFC 6432). It goes into words only: what the
//! phone does about an end follows from the message, not from a text.

use sip_wire::{Headers, Reason};

/// Characters that are shown of what somebody else has written.
const LONGEST: usize = 200;
/// The cause of a CANCEL for a fork that was answered at another phone (RFC 3326 2).
const ANSWERED: u16 = 200;

/// A CANCEL or early BYE of theirs.
pub(super) fn they_gave_up(headers: &Headers) -> String {
    let answered = |reason: &Reason| reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause() == Some(ANSWERED);
    if headers.reason().unwrap_or_default().iter().any(answered) {
        return "answered elsewhere".to_owned();
    }
    with_reason("the caller has hung up", headers)
}

/// A BYE of theirs.
pub(super) fn they_hung_up(headers: &Headers) -> String {
    with_reason("the far end has hung up", headers)
}

fn with_reason(what: &str, headers: &Headers) -> String {
    said(headers).map_or_else(|| what.to_owned(), |text| format!("{what}: {text}"))
}

/// The first reason that has a text; broken headers hold none.
pub(super) fn said(headers: &Headers) -> Option<String> {
    let reasons = headers.reason().unwrap_or_default();
    reasons.iter().filter_map(Reason::text).map(readable).find(|text| !text.is_empty())
}

/// Fit to be shown.
pub(super) fn readable(text: &str) -> String {
    sip_wire::text::shown(text).chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
