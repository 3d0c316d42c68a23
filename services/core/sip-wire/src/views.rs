//! Typed views of headers: each reads the values of one name, over all its lines. None of them changes anything.
//!
//! A header that must be there gives `Err(Missing)`; one that may be absent gives `None` or an empty list.

use std::str::FromStr;

use crate::auth::next_nonce;
use crate::cursor::{each_element, element_end};
use crate::refer::refer_sub;
use crate::session_values::{response_number, seconds_with_params};
use crate::values::{delta_seconds, token};
use crate::{
    CSeq, Challenge, Contacts, Credentials, Event, HeaderError, HeaderName, Headers, Info, MediaType, Method, NameAddr, RAck,
    Reason, ReferTo, ReferredBy, Replaces, RetryAfter, SessionExpires, SubscriptionState, Syntax, TargetDialog, Via, Warning,
    limits, parse_date,
};

impl Headers {
    /// All hops, topmost first.
    pub fn via(&self) -> Result<Vec<Via>, HeaderError> {
        self.list(HeaderName::VIA, Via::parse_list)
    }
    /// The topmost hop.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        let value = self.get(HeaderName::VIA).ok_or(HeaderError::Missing(HeaderName::VIA))?;
        first_element(value).and_then(str::parse).map_err(|what| malformed(HeaderName::VIA, what))
    }
    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::FROM)
    }
    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.required(HeaderName::TO)
    }
    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let value = self.one(HeaderName::CALL_ID)?.ok_or(HeaderError::Missing(HeaderName::CALL_ID))?;
        if value.is_empty() || value.contains([' ', '\t']) {
            return Err(malformed(HeaderName::CALL_ID, Syntax("no call identifier")));
        }
        Ok(value)
    }
    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.required(HeaderName::CSEQ)
    }
    /// Contact; an empty list where there is none.
    pub fn contact(&self) -> Result<Contacts, HeaderError> {
        let mut values = self.all(HeaderName::CONTACT);
        if values.next() == Some("*") {
            return if values.next().is_none() { Ok(Contacts::All) } else { Err(HeaderError::Repeated(HeaderName::CONTACT)) };
        }
        self.list(HeaderName::CONTACT, NameAddr::parse_list).map(Contacts::List)
    }
    /// Max-Forwards.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.optional_by(HeaderName::MAX_FORWARDS, |text| text.parse().map_err(|_| Syntax("not in 0..=255")))
    }
    /// Route, topmost first.
    pub fn route(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::ROUTE, NameAddr::parse_list)
    }
    /// Record-Route, topmost first.
    pub fn record_route(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(HeaderName::RECORD_ROUTE, NameAddr::parse_list)
    }
    /// Path (RFC 3327) and Service-Route (RFC 3608) and other lists of addresses, as P-Asserted-Identity and Diversion.
    pub fn addresses(&self, name: impl Into<HeaderName>) -> Result<Vec<NameAddr>, HeaderError> {
        self.list(name.into(), NameAddr::parse_list)
    }
    /// Other headers of one address, as Reply-To.
    pub fn address(&self, name: impl Into<HeaderName>) -> Result<Option<NameAddr>, HeaderError> {
        self.optional(name.into())
    }
    /// Refer-To (RFC 3515).
    pub fn refer_to(&self) -> Result<Option<ReferTo>, HeaderError> {
        self.optional(HeaderName::REFER_TO)
    }
    /// Referred-By (RFC 3892).
    pub fn referred_by(&self) -> Result<Option<ReferredBy>, HeaderError> {
        self.optional(HeaderName::REFERRED_BY)
    }
    /// Refer-Sub (RFC 4488): whether there is a subscription; none where nothing is said, which means yes.
    pub fn refer_sub(&self) -> Result<Option<bool>, HeaderError> {
        self.optional_by(HeaderName::REFER_SUB, refer_sub)
    }
    /// Replaces (RFC 3891).
    pub fn replaces(&self) -> Result<Option<Replaces>, HeaderError> {
        self.optional(HeaderName::REPLACES)
    }
    /// Target-Dialog (RFC 4538).
    pub fn target_dialog(&self) -> Result<Option<TargetDialog>, HeaderError> {
        self.optional(HeaderName::TARGET_DIALOG)
    }
    /// Expires in seconds.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_by(HeaderName::EXPIRES, delta_seconds)
    }
    /// Min-Expires in seconds.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_by(HeaderName::MIN_EXPIRES, delta_seconds)
    }
    /// Session-Expires (RFC 4028).
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, HeaderError> {
        self.optional(HeaderName::SESSION_EXPIRES)
    }
    /// Min-SE in seconds (RFC 4028).
    pub fn min_se(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_by(HeaderName::MIN_SE, |text| seconds_with_params(text).map(|(seconds, _)| seconds))
    }
    /// RSeq (RFC 3262).
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.optional_by(HeaderName::RSEQ, response_number)
    }
    /// RAck (RFC 3262).
    pub fn rack(&self) -> Result<Option<RAck>, HeaderError> {
        self.optional(HeaderName::RACK)
    }
    /// Retry-After.
    pub fn retry_after(&self) -> Result<Option<RetryAfter>, HeaderError> {
        self.optional(HeaderName::RETRY_AFTER)
    }
    /// Allow.
    pub fn allow(&self) -> Result<Vec<Method>, HeaderError> {
        self.elements(HeaderName::ALLOW)
    }
    /// Supported: option tags.
    pub fn supported(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(HeaderName::SUPPORTED)
    }
    /// Require: option tags.
    pub fn require(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(HeaderName::REQUIRE)
    }
    /// Unsupported: option tags.
    pub fn unsupported(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(HeaderName::UNSUPPORTED)
    }
    /// Any list of tokens, as Proxy-Require or Allow-Events.
    pub fn tokens(&self, name: impl Into<HeaderName>) -> Result<Vec<String>, HeaderError> {
        self.list(name.into(), |value, out| each_element(value, |element| push(out, token(element)?)))
    }
    /// Content-Type.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.optional(HeaderName::CONTENT_TYPE)
    }
    /// Accept. Absent means `application/sdp` for INVITE (RFC 3261 section 20.1).
    pub fn accept(&self) -> Result<Vec<MediaType>, HeaderError> {
        self.elements(HeaderName::ACCEPT)
    }
    /// Event.
    pub fn event(&self) -> Result<Option<Event>, HeaderError> {
        self.optional(HeaderName::EVENT)
    }
    /// Allow-Events: packages that the sender takes (RFC 6665 section 8.2.2).
    pub fn allow_events(&self) -> Result<Vec<String>, HeaderError> {
        self.tokens(HeaderName::ALLOW_EVENTS)
    }
    /// Call-Info, with the appearances of a shared call.
    pub fn call_info(&self) -> Result<Vec<Info>, HeaderError> {
        self.elements(HeaderName::CALL_INFO)
    }
    /// Alert-Info.
    pub fn alert_info(&self) -> Result<Vec<Info>, HeaderError> {
        self.elements(HeaderName::ALERT_INFO)
    }
    /// Subscription-State.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, HeaderError> {
        self.optional(HeaderName::SUBSCRIPTION_STATE)
    }
    /// Reason.
    pub fn reason(&self) -> Result<Vec<Reason>, HeaderError> {
        self.elements(HeaderName::REASON)
    }
    /// Warning.
    pub fn warning(&self) -> Result<Vec<Warning>, HeaderError> {
        self.elements(HeaderName::WARNING)
    }
    /// WWW-Authenticate: every challenge, in the server's order.
    pub fn www_authenticate(&self) -> Result<Vec<Challenge>, HeaderError> {
        self.list(HeaderName::WWW_AUTHENTICATE, Challenge::parse_list)
    }
    /// Proxy-Authenticate: every challenge, in the server's order.
    pub fn proxy_authenticate(&self) -> Result<Vec<Challenge>, HeaderError> {
        self.list(HeaderName::PROXY_AUTHENTICATE, Challenge::parse_list)
    }
    /// Authorization: one set of credentials per realm.
    pub fn authorization(&self) -> Result<Vec<Credentials>, HeaderError> {
        self.list(HeaderName::AUTHORIZATION, |value, out| push(out, value.parse()?))
    }
    /// Proxy-Authorization: one set of credentials per realm.
    pub fn proxy_authorization(&self) -> Result<Vec<Credentials>, HeaderError> {
        self.list(HeaderName::PROXY_AUTHORIZATION, |value, out| push(out, value.parse()?))
    }
    /// The nonce that Authentication-Info, or of a proxy Proxy-Authentication-Info, names for the next credentials (RFC 7616 3.5,
    /// RFC 7615 4).
    pub fn next_nonce(&self, name: impl Into<HeaderName>) -> Result<Option<String>, HeaderError> {
        Ok(self.optional_by(name.into(), next_nonce)?.flatten())
    }
    /// Date in seconds since 1970-01-01T00:00:00Z.
    pub fn date(&self) -> Result<Option<u64>, HeaderError> {
        self.optional_by(HeaderName::DATE, parse_date)
    }
    /// Takes the topmost hop off, as a proxy does with a response; says whether there was one.
    pub fn remove_top_via(&mut self) -> bool {
        self.change_first(&HeaderName::VIA, |top| {
            let end = element_end(top).unwrap_or(top.len());
            let rest = top.get(end..).and_then(|rest| rest.strip_prefix(',')).map(str::trim);
            rest.filter(|rest| !rest.is_empty()).map(str::to_owned)
        })
    }
    /// Replaces the topmost hop, as a server does that notes its source.
    pub fn set_top_via(&mut self, via: &Via) {
        self.remove_top_via();
        self.push_front(HeaderName::VIA, via);
    }

    fn one(&self, name: HeaderName) -> Result<Option<&str>, HeaderError> {
        let mut values = self.all(name.clone());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(HeaderError::Repeated(name)),
        }
    }
    fn optional_by<T>(&self, name: HeaderName, read: impl Fn(&str) -> Result<T, Syntax>) -> Result<Option<T>, HeaderError> {
        self.one(name.clone())?.map(|value| read(value).map_err(|what| malformed(name, what))).transpose()
    }
    fn optional<T: FromStr<Err = Syntax>>(&self, name: HeaderName) -> Result<Option<T>, HeaderError> {
        self.optional_by(name, str::parse)
    }
    fn required<T: FromStr<Err = Syntax>>(&self, name: HeaderName) -> Result<T, HeaderError> {
        self.optional(name.clone())?.ok_or(HeaderError::Missing(name))
    }
    pub(crate) fn elements<T: FromStr<Err = Syntax>>(&self, name: HeaderName) -> Result<Vec<T>, HeaderError> {
        self.list(name, |value, out| each_element(value, |element| push(out, element.parse()?)))
    }
    fn list<T>(&self, name: HeaderName, read: impl Fn(&str, &mut Vec<T>) -> Result<(), Syntax>) -> Result<Vec<T>, HeaderError> {
        let mut out = Vec::new();
        for value in self.all(name.clone()) {
            read(value, &mut out).map_err(|what| malformed(name.clone(), what))?;
            if out.len() > limits::LIST {
                return Err(HeaderError::TooMany(name));
            }
        }
        Ok(out)
    }
}

fn malformed(name: HeaderName, what: Syntax) -> HeaderError {
    HeaderError::Malformed { name, what }
}

fn push<T>(out: &mut Vec<T>, value: T) -> Result<(), Syntax> {
    out.push(value);
    Ok(())
}

fn first_element(value: &str) -> Result<&str, Syntax> {
    Ok(value.get(..element_end(value)?).unwrap_or(value))
}

pub(crate) fn content_length(text: &str) -> Result<usize, Syntax> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Syntax("no length"));
    }
    text.parse().map_err(|_| Syntax("length out of range"))
}
