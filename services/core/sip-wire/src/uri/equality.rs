//! When two URIs mean the same: RFC 3261 section 19.1.4, and RFC 3966 section 4 for tel.

use std::borrow::Cow;

use super::{Scheme, Uri, escape};

impl Uri {
    /// Whether both mean the same. Not transitive: a parameter that only one side has is mostly ignored.
    pub fn equivalent(&self, other: &Uri) -> bool {
        match (&self.scheme, &other.scheme) {
            (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => sip_equivalent(self, other),
            (Scheme::Tel, Scheme::Tel) => tel_equivalent(self, other),
            (Scheme::Other(_), Scheme::Other(_)) => self.text == other.text,
            _ => false,
        }
    }
}

fn sip_equivalent(a: &Uri, b: &Uri) -> bool {
    plain(a.user()) == plain(b.user())
        && plain(a.password()) == plain(b.password())
        && a.host == b.host
        && a.port == b.port
        && params_equivalent(a, b)
        && params_equivalent(b, a)
        && headers_within(a, b)
        && headers_within(b, a)
}

/// An escape of an unreserved character is that character; others stay apart, so compare in one canonical spelling.
fn plain(part: Option<&str>) -> Option<Cow<'_, str>> {
    part.map(canonical)
}

fn canonical(part: &str) -> Cow<'_, str> {
    if part.contains('%') { Cow::Owned(escape::normalise(part)) } else { Cow::Borrowed(part) }
}

/// Those that count even when only one side has them.
const ALWAYS: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

fn params_equivalent(a: &Uri, b: &Uri) -> bool {
    a.params().all(|(name, value)| {
        // A name that stands twice is illegal, but it comes: a URI is still the same as itself.
        let mut twins = b.params().filter(|(other, _)| canonical(other).eq_ignore_ascii_case(&canonical(name))).peekable();
        match twins.peek() {
            Some(_) => twins.any(|(_, other)| folded(value) == folded(other)),
            None => !ALWAYS.iter().any(|always| always.eq_ignore_ascii_case(name)),
        }
    })
}

fn folded(value: Option<&str>) -> Option<String> {
    value.map(|value| canonical(value).to_ascii_lowercase())
}

/// Header components are never ignored.
fn headers_within(a: &Uri, b: &Uri) -> bool {
    a.headers()
        .all(|(name, value)| b.headers().any(|(other, twin)| other.eq_ignore_ascii_case(name) && plain(value) == plain(twin)))
}

fn tel_equivalent(a: &Uri, b: &Uri) -> bool {
    digits(a) == digits(b)
        && a.params().count() == b.params().count()
        && a.params()
            .all(|(name, value)| b.params().any(|(other, twin)| other.eq_ignore_ascii_case(name) && folded(value) == folded(twin)))
}

/// Without visual separators.
fn digits(uri: &Uri) -> String {
    uri.user().unwrap_or_default().chars().filter(|c| !"-.()".contains(*c)).map(|c| c.to_ascii_lowercase()).collect()
}
