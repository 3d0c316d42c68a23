//! Which bodies a request lets its answer carry: Accept (RFC 3261 20.1), whose ranges and weights are those of HTTP.

use crate::name_addr::thousandths;
use crate::{HeaderName, Headers, MediaType};

impl Headers {
    /// Whether the answer may have a body of that type. Where nothing is said SDP may stand (RFC 3261 20.1); an empty Accept lets
    /// nothing in; one that cannot be read counts as not said.
    pub fn accepts(&self, kind: &str, subtype: &str) -> bool {
        let ranges = self.accept().ok().filter(|_| self.has(HeaderName::ACCEPT));
        let Some(ranges) = ranges else { return MediaType::sdp().is(kind, subtype) };
        let fitting = ranges.iter().filter_map(|range| Some((precision(range, kind, subtype)?, range)));
        fitting.max_by_key(|(precision, _)| *precision).is_some_and(|(_, range)| weight(range) > 0)
    }
}

/// The most precise range counts (RFC 9110 12.5.1); none: it does not fit.
fn precision(range: &MediaType, kind: &str, subtype: &str) -> Option<u8> {
    match (range.kind.as_str(), range.subtype.as_str()) {
        _ if range.is(kind, subtype) => Some(2),
        (_, "*") if range.kind.eq_ignore_ascii_case(kind) => Some(1),
        ("*", "*") => Some(0),
        _ => None,
    }
}

/// In thousandths; everything where nothing (usable) is said.
fn weight(range: &MediaType) -> u16 {
    range.params.get("q").and_then(thousandths).unwrap_or(1000)
}
