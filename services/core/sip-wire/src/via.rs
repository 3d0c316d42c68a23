//! Via (RFC 3261 section 20.42, rport of RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, each_element, is_blank};
use crate::text::is_token_char;
use crate::{Host, Params, Syntax};

/// The transport that a Via names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViaTransport {
    /// UDP
    Udp,
    /// TCP
    Tcp,
    /// TLS
    Tls,
    /// Any other, in upper case.
    Other(Box<str>),
}

impl ViaTransport {
    /// In upper case.
    pub fn as_str(&self) -> &str {
        match self {
            ViaTransport::Udp => "UDP",
            ViaTransport::Tcp => "TCP",
            ViaTransport::Tls => "TLS",
            ViaTransport::Other(other) => other,
        }
    }
}

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Via {
    /// Of the protocol, as `2.0`. A hop may know another one (RFC 4475 section 3.1.2.16), and wants it back.
    pub version: Box<str>,
    /// The transport.
    pub transport: ViaTransport,
    /// sent-by's host.
    pub host: Host,
    /// sent-by's port.
    pub port: Option<u16>,
    /// branch, received, rport, maddr, ttl and others.
    pub params: Params,
}

impl Via {
    /// What every branch of RFC 3261 begins with.
    pub const MAGIC_COOKIE: &'static str = "z9hG4bK";
    const VERSION: &'static str = "2.0";

    /// A hop with a branch.
    pub fn new(transport: ViaTransport, host: impl Into<Host>, port: Option<u16>, branch: &str) -> Via {
        let mut params = Params::new();
        params.set("branch", branch);
        Via { version: Via::VERSION.into(), transport, host: host.into(), port, params }
    }
    /// With an empty rport, which asks for answers to where the request came from.
    #[must_use]
    pub fn with_rport(mut self) -> Via {
        self.params.set_flag("rport");
        self
    }
    /// The branch.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }
    /// Whether the branch is one of RFC 3261, unique for its transaction; the cookie alone is not (RFC 4475 section 3.2.1).
    pub fn has_magic_cookie(&self) -> bool {
        // Compared without case, as RFC 3261 section 7.3.1 wants for tokens.
        let parts = self.branch().and_then(|branch| branch.split_at_checked(Via::MAGIC_COOKIE.len()));
        parts.is_some_and(|(cookie, rest)| cookie.eq_ignore_ascii_case(Via::MAGIC_COOKIE) && !rest.is_empty())
    }
    /// The received address.
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received")?.parse::<Host>().ok()?.ip()
    }
    /// The rport value, once it is filled.
    pub fn rport(&self) -> Option<u16> {
        self.params.number("rport")
    }
    /// Whether rport is there, filled or not.
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }
    /// sent-by's port, or the transport's.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.transport == ViaTransport::Tls { 5061 } else { 5060 })
    }
    /// A server's part (RFC 3261 section 18.2.1, RFC 3581 section 4): notes where the request really came from. False: there was
    /// nothing to note, the hop is as it was.
    pub fn note_source(&mut self, source: SocketAddr) -> bool {
        let elsewhere = self.host.ip() != Some(source.ip()) || self.has_rport();
        let changes = elsewhere || self.params.has("received");
        // A received that the sender wrote itself would send our answers to somebody else.
        self.params.remove("received");
        if elsewhere {
            self.params.set("received", source.ip());
        }
        if self.has_rport() {
            self.params.set("rport", source.port());
        }
        changes
    }
    /// Where an answer over UDP goes (RFC 3261 section 18.2.2, RFC 3581 section 4), after [`Via::note_source`].
    pub fn answer_address(&self) -> Option<SocketAddr> {
        if let Some(maddr) = self.params.get("maddr").and_then(|maddr| maddr.parse::<Host>().ok()) {
            return maddr.socket(self.port_or_default());
        }
        let port = self.rport().unwrap_or_else(|| self.port_or_default());
        self.received().or_else(|| self.host.ip()).map(|ip| SocketAddr::new(ip, port))
    }
    pub(crate) fn parse_list(value: &str, out: &mut Vec<Via>) -> Result<(), Syntax> {
        each_element(value, |element| {
            out.push(element.parse()?);
            Ok(())
        })
    }
}

impl FromStr for Via {
    type Err = Syntax;
    fn from_str(text: &str) -> Result<Via, Syntax> {
        let mut cursor = Cursor::new(text.trim_matches(is_blank));
        let (version, transport) = sent_protocol(&mut cursor)?;
        let (host, port) = sent_by(&mut cursor)?;
        Ok(Via { version: version.into(), transport, host, port, params: Params::read_to_end(&mut cursor)? })
    }
}

/// `SIP/2.0/UDP`, blanks around the slashes allowed; the version is any token (RFC 3261 section 25.1).
fn sent_protocol<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, ViaTransport), Syntax> {
    let mut part = |last: bool| {
        cursor.skip_blanks();
        let part = cursor.take_while(is_token_char);
        cursor.skip_blanks();
        if part.is_empty() || !(last || cursor.eat('/')) { Err(Syntax("no protocol in Via")) } else { Ok(part) }
    };
    let (name, version, transport) = (part(false)?, part(false)?, part(true)?);
    if !name.eq_ignore_ascii_case("SIP") {
        return Err(Syntax("protocol of Via is not SIP"));
    }
    let known = [ViaTransport::Udp, ViaTransport::Tcp, ViaTransport::Tls];
    let known = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(transport));
    Ok((version, known.unwrap_or_else(|| ViaTransport::Other(transport.to_ascii_uppercase().into()))))
}

/// `host : port`, blanks around the colon allowed.
fn sent_by(cursor: &mut Cursor<'_>) -> Result<(Host, Option<u16>), Syntax> {
    let host = match cursor.peek() {
        Some('[') => cursor.take_while(|c| !matches!(c, ' ' | '\t' | ';' | ']')),
        _ => cursor.take_while(|c| !matches!(c, ' ' | '\t' | ';' | ':')),
    };
    let host = if cursor.eat(']') { format!("{host}]").parse()? } else { host.parse()? };
    cursor.skip_blanks();
    if !cursor.eat(':') {
        return Ok((host, None));
    }
    cursor.skip_blanks();
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    Ok((host, Some(digits.parse().map_err(|_| Syntax("no port number"))?)))
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/{}/{} {}", self.version, self.transport.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

impl TryFrom<String> for Via {
    type Error = Syntax;
    fn try_from(text: String) -> Result<Via, Syntax> {
        text.parse()
    }
}

impl From<Via> for String {
    fn from(via: Via) -> String {
        via.to_string()
    }
}
