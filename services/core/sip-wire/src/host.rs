//! The host of a URI or a Via: an address or a name (RFC 3261 section 25.1).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Syntax;

/// An address or a name. Names compare without case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Host {
    /// IPv4, or IPv6 (written in brackets).
    Ip(IpAddr),
    /// A DNS name as it was written.
    Name(Box<str>),
}

impl Host {
    /// The address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }
    /// The address with a port, where it is one.
    pub fn socket(&self, port: u16) -> Option<SocketAddr> {
        self.ip().map(|ip| SocketAddr::new(ip, port))
    }
    /// Without brackets, as name resolution and settings write it.
    pub fn bare(&self) -> String {
        match self {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.to_string(),
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Ip(a), Host::Ip(b)) => a == b,
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::Ip(_), Host::Name(_)) | (Host::Name(_), Host::Ip(_)) => false,
        }
    }
}

impl Eq for Host {}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl FromStr for Host {
    type Err = Syntax;
    /// An IPv6 address may come with or without brackets; names are letters, digits, `-`, `.` and, as seen in the field, `_`.
    fn from_str(text: &str) -> Result<Host, Syntax> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(Syntax("no ] after the IPv6 address"))?;
            return ipv6(inner).map(|ip| Host::Ip(ip.into())).ok_or(Syntax("no IPv6 address in []"));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Host::Ip(ip));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || text.len() > 255 || !text.chars().all(legal) {
            return Err(Syntax("no host name"));
        }
        Ok(Host::Name(text.into()))
    }
}

/// The grammar of RFC 3261 makes three colons before an IPv4 tail; RFC 5118 section 4.10 wants them read as two.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let (before, tail) = text.split_once(":::")?;
    tail.parse::<Ipv4Addr>().ok()?;
    format!("{before}::{tail}").parse().ok()
}
