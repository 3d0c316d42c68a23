//! SIP, SIPS, tel and other URIs (RFC 3261 section 19.1, RFC 3966).
//!
//! A parsed URI keeps its text, so that a Contact or Record-Route goes back exactly as it came; the parts are ranges of it.
//! `==` compares that text. Whether two URIs mean the same (section 19.1.4) is [`Uri::equivalent`], which is not transitive
//! and therefore cannot be `==`.

mod builder;
mod equality;
mod escape;
mod parse;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use builder::UriBuilder;
pub(crate) use builder::push_header;

use crate::{Host, Syntax};

/// The scheme of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other, in lower case; such a URI is opaque.
    Other(Box<str>),
}

impl Scheme {
    /// In lower case.
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(other) => other,
        }
    }
    /// Whether it is sip or sips.
    pub fn is_sip(&self) -> bool {
        matches!(self, Scheme::Sip | Scheme::Sips)
    }
}

/// A URI.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uri {
    text: Box<str>,
    scheme: Scheme,
    user: Option<Range<usize>>,
    password: Option<Range<usize>>,
    host: Option<Host>,
    port: Option<u16>,
    params: Range<usize>,
    headers: Range<usize>,
}

impl Uri {
    /// Starts a URI of that scheme.
    pub fn builder(scheme: Scheme) -> UriBuilder {
        UriBuilder::new(scheme)
    }
    /// `sip:user@host:port`; the user is escaped where it must be.
    pub fn sip(user: Option<&str>, host: impl Into<Host>, port: Option<u16>) -> Uri {
        let builder = Uri::builder(Scheme::Sip).host(host).port(port);
        user.into_iter().fold(builder, |builder, user| builder.user(user)).build()
    }
    /// As on the wire.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }
    /// The user part as written, escapes included; the number of a tel URI.
    pub fn user(&self) -> Option<&str> {
        self.slice(self.user.as_ref()?)
    }
    /// The user part with its escapes resolved.
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.user().map(escape::decode)
    }
    /// The password as written.
    pub fn password(&self) -> Option<&str> {
        self.slice(self.password.as_ref()?)
    }
    /// The host; none in tel and other URIs.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }
    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
    /// The port, or the scheme's: 5060, and 5061 for sips.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.scheme == Scheme::Sips { 5061 } else { 5060 })
    }
    /// The parameters as written, in order; no value for a flag.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pairs(self.slice(&self.params).unwrap_or_default(), ';')
    }
    /// A parameter's value as written; "" for a flag.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
    }
    /// Whether there is such a parameter.
    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }
    /// The headers after `?` as written, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pairs(self.slice(&self.headers).unwrap_or_default(), '&')
    }
    /// A header's value with its escapes resolved, as in `?Replaces=`.
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(escape::decode(value.unwrap_or_default()))
    }
    /// The headers after `?` in order, escapes resolved: any character can come out of them.
    pub(crate) fn headers_decoded(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.headers().map(|(name, value)| (escape::decode(name), escape::decode(value.unwrap_or_default())))
    }
    /// `;lr`: a loose router (RFC 3261 section 16.12).
    pub fn is_loose_route(&self) -> bool {
        self.has_param("lr")
    }
    fn slice(&self, range: &Range<usize>) -> Option<&str> {
        self.text.get(range.clone())
    }
}

fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(separator).filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    })
}

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        self.text == other.text
    }
}

impl Eq for Uri {}

impl std::hash::Hash for Uri {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Uri {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Uri, Syntax> {
        parse::parse(text)
    }
}

impl TryFrom<String> for Uri {
    type Error = Syntax;
    fn try_from(text: String) -> Result<Uri, Syntax> {
        text.parse()
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> String {
        uri.text.into()
    }
}
