//! a= lines and those of them that a telephone reads.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One a= line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Before the colon.
    pub name: String,
    /// After it; none for a property as `sendonly`.
    pub value: Option<String>,
}

/// The a= lines of one section, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<Attribute>);

/// Who may send (RFC 3264 section 5.1), as the writer of the description sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// The writer.
    SendOnly,
    /// The reader.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// a=rtpmap
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// Payload type.
    pub payload: u8,
    /// As `PCMU`; compares without case.
    pub encoding: String,
    /// Hertz.
    pub clock: u32,
    /// Channels and other parameters, where they are written.
    pub parameters: Option<String>,
}

/// a=rtcp (RFC 3605)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtcp {
    /// The port.
    pub port: u16,
    /// The address, where it is not that of c=.
    pub address: Option<IpAddr>,
}

impl Direction {
    /// Its attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
    /// Of parts: does the writer send, does it receive.
    pub fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
    /// Whether the writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    /// Whether the writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
    /// As the reader sees it.
    #[must_use]
    pub fn reversed(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }
    fn named(name: &str) -> Option<Direction> {
        let all = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        all.into_iter().find(|direction| direction.as_str() == name)
    }
}

impl RtpMap {
    /// Of one channel.
    pub fn new(payload: u8, encoding: &str, clock: u32) -> RtpMap {
        RtpMap { payload, encoding: encoding.to_owned(), clock, parameters: None }
    }
    /// Whether it is that encoding at that clock rate.
    pub fn is(&self, encoding: &str, clock: u32) -> bool {
        self.clock == clock && self.encoding.eq_ignore_ascii_case(encoding)
    }
}

impl FromStr for RtpMap {
    type Err = crate::Syntax;
    fn from_str(text: &str) -> Result<RtpMap, crate::Syntax> {
        const WRONG: crate::Syntax = crate::Syntax("no rtpmap");
        let (payload, map) = text.trim().split_once(' ').ok_or(WRONG)?;
        let mut parts = map.trim().splitn(3, '/');
        let encoding = parts.next().filter(|encoding| !encoding.is_empty()).ok_or(WRONG)?;
        let clock = parts.next().and_then(|clock| clock.parse().ok()).ok_or(WRONG)?;
        let payload = payload.parse().ok().filter(|payload| *payload < 128).ok_or(WRONG)?;
        Ok(RtpMap { payload, encoding: encoding.to_owned(), clock, parameters: parts.next().map(str::to_owned) })
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload, self.encoding, self.clock)?;
        self.parameters.iter().try_for_each(|parameters| write!(f, "/{parameters}"))
    }
}

impl Attributes {
    /// The value of the first of that name; "" for a property.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }
    /// The values of all of that name; "" for a property.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |attribute| attribute.name == name)
            .map(|attribute| attribute.value.as_deref().unwrap_or_default())
    }
    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
    /// Adds one. Line ends become blanks.
    pub fn push(&mut self, name: &str, value: Option<&str>) {
        let line = |text: &str| crate::text::one_line(text.to_owned());
        self.0.push(Attribute { name: line(name), value: value.map(line) });
    }
    /// Removes all of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|attribute| attribute.name != name);
    }
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The direction, where one is written; the last one counts.
    pub fn direction(&self) -> Option<Direction> {
        self.0.iter().rev().find_map(|attribute| Direction::named(&attribute.name))
    }
    /// Writes a direction in place of any other.
    pub fn set_direction(&mut self, direction: Direction) {
        self.0.retain(|attribute| Direction::named(&attribute.name).is_none());
        self.push(direction.as_str(), None);
    }
    /// The rtpmap lines that can be read.
    pub fn rtpmaps(&self) -> impl Iterator<Item = RtpMap> {
        self.all("rtpmap").filter_map(|value| value.parse().ok())
    }
    /// The format parameters of a payload type.
    pub fn fmtp(&self, payload: u8) -> Option<&str> {
        self.all("fmtp").find_map(|value| {
            let (format, parameters) = value.trim_start().split_once(' ')?;
            (format.parse() == Ok(payload)).then(|| parameters.trim())
        })
    }
    /// Adds format parameters.
    pub fn push_fmtp(&mut self, payload: u8, parameters: &str) {
        self.push("fmtp", Some(&format!("{payload} {parameters}")));
    }
    /// Milliseconds of one packet.
    pub fn ptime(&self) -> Option<u32> {
        self.milliseconds("ptime")
    }
    /// Most milliseconds of one packet.
    pub fn maxptime(&self) -> Option<u32> {
        self.milliseconds("maxptime")
    }
    /// Some write fractions; they are cut.
    fn milliseconds(&self, name: &str) -> Option<u32> {
        let value = self.get(name)?.trim();
        value.split('.').next()?.parse().ok().filter(|milliseconds| *milliseconds > 0)
    }
    /// Where RTCP goes, when it is not the next port.
    pub fn rtcp(&self) -> Option<Rtcp> {
        let mut words = self.get("rtcp")?.split_ascii_whitespace();
        let port = words.next()?.parse().ok()?;
        Some(Rtcp { port, address: words.nth(2).and_then(|address| address.parse().ok()) })
    }
}
