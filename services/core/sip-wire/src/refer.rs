//! Headers of REFER: Refer-To (RFC 3515), Referred-By (RFC 3892), Refer-Sub (RFC 4488).
//!
//! What the reference's URI carries after `?` goes into the request that it leads to; here it is taken out and unescaped.
//! Which of it is taken over is the stack's to say: a URI from outside can carry any header.

use std::fmt;
use std::str::FromStr;

use crate::cursor::is_blank;
use crate::text::{is_token, write_quoted};
use crate::uri::push_header;
use crate::{HeaderName, Method, NameAddr, Replaces, Syntax, Uri, limits};

/// Refer-To (RFC 3515 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTo {
    /// Whom to call; its URI has no headers any more.
    pub address: NameAddr,
    /// The URI's Replaces (RFC 3891 section 4): the call that the new one takes the place of.
    pub replaces: Option<Replaces>,
    /// The URI's other headers in their order, unescaped.
    pub headers: Vec<(HeaderName, String)>,
}

impl ReferTo {
    /// A reference to that address; what the URI carries after `?` is left out.
    pub fn new(uri: &Uri) -> ReferTo {
        ReferTo { address: NameAddr::new(uri.without_headers()), replaces: None, headers: Vec::new() }
    }
    /// With a call that the new one takes the place of. Only SIP URIs can say that.
    #[must_use]
    pub fn with_replaces(mut self, replaces: Replaces) -> ReferTo {
        self.replaces = self.address.uri.scheme().is_sip().then_some(replaces);
        self
    }
    /// The method that is asked for: the URI's `method`, otherwise INVITE (RFC 3261 section 19.1.1).
    ///
    /// # Errors
    /// `method` is no token.
    pub fn method(&self) -> Result<Method, Syntax> {
        self.address.uri.param("method").map_or(Ok(Method::INVITE), str::parse)
    }
    /// The URI with all its headers, escaped.
    fn uri(&self) -> String {
        let mut text = self.address.uri.as_str().to_owned();
        let replaces = self.replaces.iter().map(|replaces| (HeaderName::REPLACES, replaces.to_string()));
        for (at, (name, value)) in replaces.chain(self.headers.iter().cloned()).enumerate() {
            push_header(&mut text, if at == 0 { '?' } else { '&' }, name.as_str(), &value);
        }
        text
    }
}

impl FromStr for ReferTo {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<ReferTo, Syntax> {
        let mut address: NameAddr = text.parse()?;
        let (mut replaces, mut headers) = (None, Vec::new());
        for (name, value) in address.uri.headers_decoded().take(limits::LIST.saturating_add(1)) {
            if !is_token(&name) || value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(Syntax("no header in the URI"));
            }
            let name = HeaderName::from(name.as_ref());
            if name != HeaderName::REPLACES {
                headers.push((name, value.into_owned()));
            } else if replaces.replace(value.parse()?).is_some() {
                return Err(Syntax("several Replaces in the URI"));
            }
        }
        if headers.len() > limits::LIST {
            return Err(Syntax("too many headers in the URI"));
        }
        address.uri = address.uri.without_headers();
        let refer = ReferTo { address, replaces, headers };
        // Escaping can make it longer than it came; what could not be passed on is not taken.
        if refer.uri().len() > limits::URI { Err(Syntax("URI too long")) } else { Ok(refer) }
    }
}

impl fmt::Display for ReferTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.address.display_name {
            write_quoted(name, f)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri(), self.address.params)
    }
}

/// Referred-By (RFC 3892 section 2): who sent the REFER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferredBy {
    /// The referrer, with the header's parameters.
    pub referrer: NameAddr,
}

impl ReferredBy {
    /// Without a token.
    pub fn new(uri: Uri) -> ReferredBy {
        ReferredBy { referrer: NameAddr::new(uri) }
    }
    /// `cid`: the Content-ID of the body that proves it.
    pub fn token_id(&self) -> Option<&str> {
        self.referrer.params.get("cid").filter(|id| !id.is_empty())
    }
}

impl FromStr for ReferredBy {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<ReferredBy, Syntax> {
        let referrer: NameAddr = text.parse()?;
        let tokens = referrer.params.iter().filter(|param| param.name.eq_ignore_ascii_case("cid")).count();
        if tokens > 1 { Err(Syntax("several cid")) } else { Ok(ReferredBy { referrer }) }
    }
}

impl fmt::Display for ReferredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.referrer.fmt(f)
    }
}

/// Refer-Sub (RFC 4488 section 4): whether the REFER makes a subscription. Its parameters are for the future and ignored.
pub(crate) fn refer_sub(text: &str) -> Result<bool, Syntax> {
    let value = text.split(';').next().unwrap_or_default().trim_matches(is_blank);
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Syntax("neither true nor false")),
    }
}
