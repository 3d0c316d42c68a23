//! The smaller header values. Each reads itself from text and writes itself back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, is_blank};
use crate::text::{is_token, is_token_char, write_quoted};
use crate::{Method, Params, Syntax};

/// CSeq (RFC 3261 section 20.16).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CSeq {
    /// Below 2^31 (section 8.1.1.5).
    pub number: u32,
    /// The request's method.
    pub method: Method,
}

impl CSeq {
    /// Of both.
    pub fn new(number: u32, method: Method) -> CSeq {
        CSeq { number, method }
    }
}

impl FromStr for CSeq {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<CSeq, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        let number = digits.parse().ok().filter(|number| *number < 1 << 31).ok_or(Syntax("no sequence number"))?;
        if !cursor.peek().is_some_and(is_blank) {
            return Err(Syntax("no method after the number"));
        }
        cursor.skip_blanks();
        Ok(CSeq { number, method: cursor.rest().parse()? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// Content-Type and elements of Accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// In lower case, as `application`.
    pub kind: String,
    /// In lower case, as `sdp`.
    pub subtype: String,
    /// As `charset`, `boundary`.
    pub params: Params,
}

impl MediaType {
    /// Without parameters.
    pub fn new(kind: &str, subtype: &str) -> MediaType {
        MediaType { kind: kind.to_ascii_lowercase(), subtype: subtype.to_ascii_lowercase(), params: Params::new() }
    }
    /// `application/sdp`.
    pub fn sdp() -> MediaType {
        MediaType::new("application", "sdp")
    }
    /// Whether it is that type, parameters aside.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

impl FromStr for MediaType {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<MediaType, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let kind = cursor.take_while(is_token_char);
        cursor.skip_blanks();
        let slash = cursor.eat('/');
        cursor.skip_blanks();
        let subtype = cursor.take_while(is_token_char);
        if kind.is_empty() || !slash || subtype.is_empty() {
            return Err(Syntax("no media type"));
        }
        Ok(MediaType { params: Params::read_to_end(&mut cursor)?, ..MediaType::new(kind, subtype) })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

/// A token with parameters, the shape of several headers.
fn token_with_params(text: &str) -> Result<(String, Params), Syntax> {
    let mut cursor = Cursor::new(text.trim_matches(is_blank));
    let token = cursor.take_while(is_token_char);
    if token.is_empty() {
        return Err(Syntax("no token"));
    }
    Ok((token.to_owned(), Params::read_to_end(&mut cursor)?))
}

/// Event (RFC 6665 section 8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The package with its templates, as `dialog` or `presence.winfo`.
    pub package: String,
    /// `id` and the package's own.
    pub params: Params,
}

impl Event {
    /// Without parameters.
    pub fn new(package: &str) -> Event {
        Event { package: package.to_owned(), params: Params::new() }
    }
    /// Tells subscriptions of one dialog apart.
    pub fn id(&self) -> Option<&str> {
        self.params.get("id")
    }
}

impl FromStr for Event {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Event, Syntax> {
        token_with_params(text).map(|(package, params)| Event { package, params })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.package, self.params)
    }
}

/// Subscription-State (RFC 6665 section 8.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionState {
    /// `active`, `pending`, `terminated` or another.
    pub state: String,
    /// `expires`, `reason`, `retry-after`.
    pub params: Params,
}

impl SubscriptionState {
    /// Without parameters.
    pub fn new(state: &str) -> SubscriptionState {
        SubscriptionState { state: state.to_owned(), params: Params::new() }
    }
    /// Whether it is over.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case("terminated")
    }
    /// Whether somebody has to allow it first. Any state but this and `terminated` counts as active (RFC 6665 section 4.1.3).
    pub fn is_pending(&self) -> bool {
        self.state.eq_ignore_ascii_case("pending")
    }
    /// Why it is over, where the RFC knows the reason.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.reason().and_then(EndReason::named)
    }
    /// Seconds left.
    pub fn expires(&self) -> Option<u32> {
        self.params.number("expires")
    }
    /// Why it is over.
    pub fn reason(&self) -> Option<&str> {
        self.params.get("reason")
    }
    /// Seconds to wait before the next try.
    pub fn retry_after(&self) -> Option<u32> {
        self.params.number("retry-after")
    }
}

/// Why a subscription is over (RFC 6665 sections 4.1.3 and 4.4.1, 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Subscribe again at once.
    Deactivated,
    /// Subscribe again later.
    Probation,
    /// Not allowed (any more).
    Rejected,
    /// It has run out: subscribe again at once.
    Timeout,
    /// Nobody could say yes or no: subscribe again later.
    GiveUp,
    /// What it was about is gone for good.
    NoResource,
    /// What it was about will not change.
    Invariant,
}

impl EndReason {
    fn named(text: &str) -> Option<EndReason> {
        Some(match text.to_ascii_lowercase().as_str() {
            "deactivated" => EndReason::Deactivated,
            "probation" => EndReason::Probation,
            "rejected" => EndReason::Rejected,
            "timeout" => EndReason::Timeout,
            "giveup" => EndReason::GiveUp,
            "noresource" => EndReason::NoResource,
            "invariant" => EndReason::Invariant,
            _ => return None,
        })
    }
}

impl FromStr for SubscriptionState {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<SubscriptionState, Syntax> {
        token_with_params(text).map(|(state, params)| SubscriptionState { state, params })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.state, self.params)
    }
}

/// Reason (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another.
    pub protocol: String,
    /// `cause`, `text`.
    pub params: Params,
}

impl Reason {
    /// Of a protocol, a cause and a text.
    pub fn new(protocol: &str, cause: u16, text: &str) -> Reason {
        let mut params = Params::new();
        params.set("cause", cause);
        params.set_quoted("text", text);
        Reason { protocol: protocol.to_owned(), params }
    }
    /// The code.
    pub fn cause(&self) -> Option<u16> {
        self.params.number("cause")
    }
    /// In words.
    pub fn text(&self) -> Option<&str> {
        self.params.get("text")
    }
}

impl FromStr for Reason {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Reason, Syntax> {
        token_with_params(text).map(|(protocol, params)| Reason { protocol, params })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.protocol, self.params)
    }
}

/// Retry-After (RFC 3261 section 20.33).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// Seconds.
    pub seconds: u32,
    /// In words; may be empty.
    pub comment: String,
    /// `duration`.
    pub params: Params,
}

impl FromStr for RetryAfter {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<RetryAfter, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        let seconds = delta_seconds(digits)?;
        cursor.skip_blanks();
        let comment = comment(&mut cursor)?;
        Ok(RetryAfter { seconds, comment, params: Params::read_to_end(&mut cursor)? })
    }
}

/// `(text)`, nested ones included; "" where there is none.
fn comment(cursor: &mut Cursor<'_>) -> Result<String, Syntax> {
    if cursor.peek() != Some('(') {
        return Ok(String::new());
    }
    let mut depth = 0_usize;
    let mut escaped = false;
    let end = cursor.rest().char_indices().find(|(_, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    });
    let (end, _) = end.ok_or(Syntax("comment without end"))?;
    let text = cursor.rest().get(1..end).unwrap_or_default().to_owned();
    cursor.skip(end.saturating_add(1));
    Ok(text)
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        if !self.comment.is_empty() {
            write!(f, " ({})", self.comment)?;
        }
        write!(f, "{}", self.params)
    }
}

/// Seconds as Expires and its kin give them. What is too large for the type stands for "very long" (RFC 3261 section 20.19).
pub(crate) fn delta_seconds(text: &str) -> Result<u32, Syntax> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Syntax("no seconds"));
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// One warning (RFC 3261 section 20.43).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Three digits.
    pub code: u16,
    /// Who warns.
    pub agent: String,
    /// In words.
    pub text: String,
}

impl FromStr for Warning {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Warning, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let digits = cursor.take_while(|c| c.is_ascii_digit());
        let code = digits.parse().ok().filter(|code| (100..=999).contains(code)).ok_or(Syntax("no warning code"))?;
        cursor.skip_blanks();
        let agent = cursor.take_while(|c| !is_blank(c)).to_owned();
        cursor.skip_blanks();
        let text = cursor.quoted()?;
        if agent.is_empty() || !cursor.rest().trim_matches(is_blank).is_empty() {
            return Err(Syntax("no warning"));
        }
        Ok(Warning { code, agent, text })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.code, self.agent)?;
        write_quoted(&self.text, f)
    }
}

/// A token as in Supported.
pub(crate) fn token(text: &str) -> Result<String, Syntax> {
    if is_token(text) { Ok(text.to_owned()) } else { Err(Syntax("no token")) }
}
