//! Builds and changes URIs. What it is given is escaped where the grammar wants it, so a result is always well-formed.

use std::fmt::Write;

use super::{Scheme, Uri, escape};
use crate::Host;

/// A URI in the making.
#[derive(Clone, Debug)]
pub struct UriBuilder {
    scheme: Scheme,
    user: Option<String>,
    host: Option<Host>,
    port: Option<u16>,
    params: String,
    headers: String,
}

impl UriBuilder {
    pub(super) fn new(scheme: Scheme) -> UriBuilder {
        UriBuilder { scheme, user: None, host: None, port: None, params: String::new(), headers: String::new() }
    }
    /// The user part, plain; escaped where it must be. Empty: none.
    #[must_use]
    pub fn user(mut self, plain: &str) -> UriBuilder {
        self.user = (!plain.is_empty()).then(|| escape::encode(plain, escape::is_user_char));
        self
    }
    /// A password after the user part, plain.
    #[must_use]
    pub fn password(mut self, plain: &str) -> UriBuilder {
        if let Some(user) = &mut self.user {
            user.push(':');
            user.push_str(&escape::encode(plain, escape::is_password_char));
        }
        self
    }
    /// The host.
    #[must_use]
    pub fn host(mut self, host: impl Into<Host>) -> UriBuilder {
        self.host = Some(host.into());
        self
    }
    /// The port, or none.
    #[must_use]
    pub fn port(mut self, port: impl Into<Option<u16>>) -> UriBuilder {
        self.port = port.into();
        self
    }
    /// One more parameter.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> UriBuilder {
        push_pair(&mut self.params, ';', name, Some(value), escape::is_param_char);
        self
    }
    /// One more parameter without a value, as `lr`.
    #[must_use]
    pub fn flag(mut self, name: &str) -> UriBuilder {
        push_pair(&mut self.params, ';', name, None, escape::is_param_char);
        self
    }
    /// One more header after `?`, plain.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> UriBuilder {
        let mark = if self.headers.is_empty() { '?' } else { '&' };
        push_pair(&mut self.headers, mark, name, Some(value), escape::is_header_char);
        self
    }
    /// The URI. A SIP URI without a host gets `invalid` (RFC 2606), which leads nowhere.
    pub fn build(self) -> Uri {
        let mut text = format!("{}:", self.scheme.as_str());
        text.push_str(self.user.as_deref().unwrap_or_default());
        if self.scheme.is_sip() {
            let mark = if self.user.is_some() { "@" } else { "" };
            let host = self.host.unwrap_or(Host::Name("invalid".into()));
            let _ = write!(text, "{mark}{host}");
            if let Some(port) = self.port {
                let _ = write!(text, ":{port}");
            }
        }
        text.push_str(&self.params);
        text.push_str(&self.headers);
        super::parse::parse(&text).unwrap_or_else(|_| invalid())
    }
}

fn push_pair(out: &mut String, mark: char, name: &str, value: Option<&str>, keep: fn(char) -> bool) {
    out.push(mark);
    out.push_str(&escape::encode(name, keep));
    if let Some(value) = value {
        out.push('=');
        out.push_str(&escape::encode(value, keep));
    }
}

/// Appends a header, plain, to a URI's text; the mark is `?` for the first and `&` for the others.
pub(crate) fn push_header(out: &mut String, mark: char, name: &str, value: &str) {
    push_pair(out, mark, name, Some(value), escape::is_header_char);
}

/// What cannot be built (a tel URI of no digits, a host of illegal characters) leads nowhere.
fn invalid() -> Uri {
    let text: Box<str> = "sip:invalid".into();
    let end = text.len();
    let host = Some(Host::Name("invalid".into()));
    Uri { text, scheme: Scheme::Sip, user: None, password: None, host, port: None, params: end..end, headers: end..end }
}

/// Changed copies.
impl Uri {
    /// With another port, or none.
    #[must_use]
    pub fn with_port(&self, port: Option<u16>) -> Uri {
        self.rebuilt(self.host.clone(), port, self.raw_params(), self.raw_headers())
    }
    /// With another host and port.
    #[must_use]
    pub fn with_host(&self, host: impl Into<Host>, port: Option<u16>) -> Uri {
        self.rebuilt(Some(host.into()), port, self.raw_params(), self.raw_headers())
    }
    /// With another user part, plain, or none; a password goes with the old one.
    #[must_use]
    pub fn with_user(&self, user: Option<&str>) -> Uri {
        let (params, headers) = (self.raw_params().to_owned(), self.raw_headers().to_owned());
        let bare = UriBuilder { host: self.host.clone(), port: self.port, params, headers, ..UriBuilder::new(self.scheme.clone()) };
        user.into_iter().fold(bare, |uri, user| uri.user(user)).build()
    }
    /// With this parameter set, in the place of any of that name.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Uri {
        let mut params = self.params_without(name);
        push_pair(&mut params, ';', name, value, escape::is_param_char);
        self.rebuilt(self.host.clone(), self.port, &params, self.raw_headers())
    }
    /// Without the parameters of that name.
    #[must_use]
    pub fn without_param(&self, name: &str) -> Uri {
        self.rebuilt(self.host.clone(), self.port, &self.params_without(name), self.raw_headers())
    }
    /// Without parameters and headers: what identifies a person (an address of record).
    #[must_use]
    pub fn bare(&self) -> Uri {
        self.rebuilt(self.host.clone(), self.port, "", "")
    }
    /// Without headers, as in a Request-URI (RFC 3261 section 19.1.1).
    #[must_use]
    pub fn without_headers(&self) -> Uri {
        self.rebuilt(self.host.clone(), self.port, self.raw_params(), "")
    }
    fn raw_params(&self) -> &str {
        self.text.get(self.params.start.saturating_sub(1)..self.params.end).filter(|raw| raw.starts_with(';')).unwrap_or_default()
    }
    fn raw_headers(&self) -> &str {
        self.text.get(self.headers.start.saturating_sub(1)..self.headers.end).filter(|raw| raw.starts_with('?')).unwrap_or_default()
    }
    fn params_without(&self, name: &str) -> String {
        let mut out = String::new();
        for (other, value) in self.params().filter(|(other, _)| !other.eq_ignore_ascii_case(name)) {
            out.push(';');
            out.push_str(other);
            if let Some(value) = value {
                out.push('=');
                out.push_str(value);
            }
        }
        out
    }
    fn rebuilt(&self, host: Option<Host>, port: Option<u16>, params: &str, headers: &str) -> Uri {
        if matches!(self.scheme, Scheme::Other(_)) {
            return self.clone();
        }
        let mut text = String::with_capacity(self.text.len().saturating_add(16));
        text.push_str(self.text.split(':').next().unwrap_or_default());
        text.push(':');
        text.push_str(self.user().unwrap_or_default());
        if let Some(password) = self.password() {
            let _ = write!(text, ":{password}");
        }
        if let (true, Some(host)) = (self.scheme.is_sip(), host) {
            let mark = if self.user.is_some() { "@" } else { "" };
            let _ = write!(text, "{mark}{host}");
            if let Some(port) = port {
                let _ = write!(text, ":{port}");
            }
        }
        text.push_str(params);
        text.push_str(headers);
        super::parse::parse(&text).unwrap_or_else(|_| self.clone())
    }
}
