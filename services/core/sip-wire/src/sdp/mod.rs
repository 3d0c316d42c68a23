//! Session descriptions (RFC 8866, and RFC 4566 before it): text to values and back.
//!
//! What an offer means, and how it is answered, is sip-stack's. Lines of letters that it does not know are kept. Liberal where
//! the field is: `s=` and `t=` may be missing, LF may end a line.

mod attributes;
mod parse;
mod write;

use std::net::IpAddr;

use thiserror::Error;

pub use attributes::{Attribute, Attributes, Direction, Rtcp, RtpMap};

/// Bounds on what is read.
pub mod limits {
    /// Lines of one description.
    pub const LINES: usize = 1_024;
    /// Media sections.
    pub const MEDIA: usize = 32;
    /// Formats of one m-line.
    pub const FORMATS: usize = 64;
    /// Octets of one line.
    pub const LINE: usize = 2_048;
}

/// A description that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("session description, line {line}: {what}")]
pub struct SdpError {
    /// From 1; 0 for the whole.
    pub line: usize,
    /// In words.
    pub what: &'static str,
}

/// A whole description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// o=
    pub origin: Origin,
    /// s=, "-" for none.
    pub name: String,
    /// i=
    pub information: Option<String>,
    /// u=
    pub uri: Option<String>,
    /// e=
    pub emails: Vec<String>,
    /// p=
    pub phones: Vec<String>,
    /// c=
    pub connection: Option<Connection>,
    /// b=
    pub bandwidths: Vec<Bandwidth>,
    /// t= with its r=; never empty in what is read.
    pub times: Vec<Time>,
    /// z=
    pub zones: Option<String>,
    /// k=
    pub key: Option<String>,
    /// a=
    pub attributes: Attributes,
    /// Lines of other letters.
    pub unknown: Vec<(char, String)>,
    /// m= with what follows each.
    pub media: Vec<Media>,
}

/// o=
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// "-" for none; no blanks.
    pub user: String,
    /// Digits; any number of them.
    pub session_id: String,
    /// Digits; grows with each change.
    pub version: String,
    /// Who made the session.
    pub address: Address,
}

/// Network type, address type and address of c= and o=.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `IN IP4` or `IN IP6` with an address.
    Ip(IpAddr),
    /// A host name, or a network that this crate does not know.
    Other {
        /// As `IN`.
        network: String,
        /// As `IP4`.
        kind: String,
        /// The rest.
        host: String,
    },
}

/// c=
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where to.
    pub address: Address,
    /// What follows a slash, for multicast: TTL and number of addresses.
    pub multicast: Option<String>,
}

/// b=
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// AS, CT, RS, RR, TIAS or another.
    pub kind: String,
    /// In that kind's unit.
    pub value: u64,
}

/// t= and its r=
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// NTP seconds; 0: always.
    pub start: u64,
    /// NTP seconds; 0: without end.
    pub stop: u64,
    /// r= lines.
    pub repeats: Vec<String>,
}

/// m= and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// audio, video, image or another.
    pub kind: String,
    /// 0: refused.
    pub port: u16,
    /// Number of ports, where one is written.
    pub port_count: Option<u16>,
    /// RTP/AVP or another.
    pub protocol: String,
    /// Payload types in order of preference, as text.
    pub formats: Vec<String>,
    /// i=
    pub information: Option<String>,
    /// c=
    pub connections: Vec<Connection>,
    /// b=
    pub bandwidths: Vec<Bandwidth>,
    /// k=
    pub key: Option<String>,
    /// a=
    pub attributes: Attributes,
    /// Lines of other letters.
    pub unknown: Vec<(char, String)>,
}

impl Session {
    /// Without media; `t=0 0`.
    pub fn new(origin: Origin) -> Session {
        Session {
            origin,
            name: "-".to_owned(),
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            times: vec![Time::default()],
            zones: None,
            key: None,
            attributes: Attributes::default(),
            unknown: Vec::new(),
            media: Vec::new(),
        }
    }
    /// Reads a description.
    pub fn parse(octets: &[u8]) -> Result<Session, SdpError> {
        parse::parse(octets)
    }
    /// As on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        write::to_bytes(self)
    }
    /// What holds for a media section: its own c=, else the session's.
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections.first().or(self.connection.as_ref())
    }
    /// What holds for a media section: its own direction, else the session's, else sendrecv (RFC 3264 section 5.1).
    pub fn direction_of(&self, media: &Media) -> Direction {
        media.attributes.direction().or_else(|| self.attributes.direction()).unwrap_or(Direction::SendRecv)
    }
}

impl Origin {
    /// Ours.
    pub fn new(user: &str, session_id: u64, version: u64, address: IpAddr) -> Origin {
        let user = if user.is_empty() { "-" } else { user };
        Origin {
            user: user.replace(char::is_whitespace, "_"),
            session_id: session_id.to_string(),
            version: version.to_string(),
            address: Address::Ip(address),
        }
    }
}

impl Connection {
    /// To one host.
    pub fn unicast(address: IpAddr) -> Connection {
        Connection { address: Address::Ip(address), multicast: None }
    }
    /// The address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match &self.address {
            Address::Ip(ip) => Some(*ip),
            Address::Other { .. } => None,
        }
    }
}

impl Media {
    /// Without formats and attributes.
    pub fn new(kind: &str, port: u16, protocol: &str) -> Media {
        Media {
            kind: kind.to_owned(),
            port,
            port_count: None,
            protocol: protocol.to_owned(),
            formats: Vec::new(),
            information: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Attributes::default(),
            unknown: Vec::new(),
        }
    }
    /// The formats that are RTP payload types, in order of preference.
    pub fn payloads(&self) -> impl Iterator<Item = u8> {
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|payload| *payload < 128)
    }
    /// The mapping of a payload type, where one is written.
    pub fn rtpmap(&self, payload: u8) -> Option<RtpMap> {
        self.attributes.rtpmaps().find(|map| map.payload == payload)
    }
    /// The format parameters of a payload type.
    pub fn fmtp(&self, payload: u8) -> Option<&str> {
        self.attributes.fmtp(payload)
    }
    /// Adds a payload type with its mapping.
    pub fn push_payload(&mut self, map: &RtpMap) {
        self.formats.push(map.payload.to_string());
        self.attributes.push("rtpmap", Some(&map.to_string()));
    }
    /// Whether it is refused or closed.
    pub fn is_rejected(&self) -> bool {
        self.port == 0
    }
}
