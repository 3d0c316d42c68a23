//! Lines to values. The letter tells what a line is; what stands before the first m= belongs to the session.

use super::{Address, Bandwidth, Connection, Media, Origin, SdpError, Session, Time, limits};
use crate::text::from_wire;

pub(super) fn parse(octets: &[u8]) -> Result<Session, SdpError> {
    if octets.len() > crate::limits::MESSAGE {
        return Err(SdpError { line: 0, what: "too large" });
    }
    let text = from_wire(octets);
    let mut reader = Reader::default();
    for (index, line) in text.split('\n').enumerate() {
        let number = index.saturating_add(1);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if number > limits::LINES || line.len() > limits::LINE {
            return Err(SdpError { line: number, what: "too large" });
        }
        if !line.is_empty() {
            reader.line(&line.replace('\r', " ")).map_err(|what| SdpError { line: number, what })?;
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    version_seen: bool,
    session: Option<Session>,
    timed: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let mut characters = line.chars();
        let (letter, equals) = (characters.next().unwrap_or_default(), characters.next());
        if !letter.is_ascii_alphabetic() || equals != Some('=') {
            return Err("no x= line");
        }
        let value = characters.as_str();
        match (letter, &mut self.session) {
            ('v', _) if !self.version_seen => self.version(value),
            _ if !self.version_seen => Err("does not begin with v="),
            ('o', None) => {
                self.session = Some(Session::new(origin(value)?));
                Ok(())
            }
            (_, None) => Err("no o= after v="),
            (_, Some(session)) if letter == 'm' => new_media(session, value),
            (_, Some(session)) => match session.media.last_mut() {
                Some(media) => media_line(media, letter, value),
                None => self.session_line(letter, value),
            },
        }
    }
    fn version(&mut self, value: &str) -> Result<(), &'static str> {
        self.version_seen = true;
        if value.trim() == "0" { Ok(()) } else { Err("version is not 0") }
    }
    fn session_line(&mut self, letter: char, value: &str) -> Result<(), &'static str> {
        let Some(session) = &mut self.session else { return Err("no o=") };
        match letter {
            's' => session.name = if value.is_empty() { "-" } else { value }.to_owned(),
            'i' => session.information = Some(value.to_owned()),
            'u' => session.uri = Some(value.to_owned()),
            'e' => session.emails.push(value.to_owned()),
            'p' => session.phones.push(value.to_owned()),
            'c' => session.connection = Some(connection(value)?),
            'b' => bandwidth(value, &mut session.bandwidths, &mut session.unknown),
            't' => {
                if !std::mem::replace(&mut self.timed, true) {
                    session.times.clear();
                }
                session.times.push(time(value)?);
            }
            'r' => session.times.last_mut().ok_or("r= without t=")?.repeats.push(value.to_owned()),
            'z' => session.zones = Some(value.to_owned()),
            'k' => session.key = Some(value.to_owned()),
            'a' => attribute(value, &mut session.attributes),
            other => session.unknown.push((other, value.to_owned())),
        }
        Ok(())
    }
    fn finish(self) -> Result<Session, SdpError> {
        self.session.ok_or(SdpError { line: 0, what: "no v= and o=" })
    }
}

fn media_line(media: &mut Media, letter: char, value: &str) -> Result<(), &'static str> {
    match letter {
        'i' => media.information = Some(value.to_owned()),
        'c' => media.connections.push(connection(value)?),
        'b' => bandwidth(value, &mut media.bandwidths, &mut media.unknown),
        'k' => media.key = Some(value.to_owned()),
        'a' => attribute(value, &mut media.attributes),
        other => media.unknown.push((other, value.to_owned())),
    }
    Ok(())
}

fn new_media(session: &mut Session, value: &str) -> Result<(), &'static str> {
    if session.media.len() >= limits::MEDIA {
        return Err("too many m= lines");
    }
    let mut words = value.split_ascii_whitespace();
    let mut word = || words.next().ok_or("m= line too short");
    let (kind, ports, protocol) = (word()?, word()?, word()?);
    let (port, count) = match ports.split_once('/') {
        Some((port, count)) => (port, Some(count.parse().map_err(|_| "no number of ports")?)),
        None => (ports, None),
    };
    let port = port.parse().map_err(|_| "no port")?;
    let formats: Vec<String> = words.take(limits::FORMATS).map(str::to_owned).collect();
    session.media.push(Media { port_count: count, formats, ..Media::new(kind, port, protocol) });
    Ok(())
}

fn origin(value: &str) -> Result<Origin, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let mut word = || words.next().ok_or("o= line too short");
    let (user, session_id, version) = (word()?.to_owned(), word()?.to_owned(), word()?.to_owned());
    let address = address(word()?, word()?, word()?);
    Ok(Origin { user, session_id, version, address })
}

fn connection(value: &str) -> Result<Connection, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let mut word = || words.next().ok_or("c= line too short");
    let (network, kind, host) = (word()?, word()?, word()?);
    let (host, multicast) = match host.split_once('/') {
        Some((host, multicast)) => (host, Some(multicast.to_owned())),
        None => (host, None),
    };
    Ok(Connection { address: address(network, kind, host), multicast })
}

fn address(network: &str, kind: &str, host: &str) -> Address {
    let ip = host.parse().ok().filter(|ip: &std::net::IpAddr| kind == if ip.is_ipv4() { "IP4" } else { "IP6" });
    match ip {
        Some(ip) if network == "IN" => Address::Ip(ip),
        _ => Address::Other { network: network.to_owned(), kind: kind.to_owned(), host: host.to_owned() },
    }
}

fn time(value: &str) -> Result<Time, &'static str> {
    let mut words = value.split_ascii_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(start)), Some(Ok(stop))) => Ok(Time { start, stop, repeats: Vec::new() }),
        _ => Err("no start and stop time"),
    }
}

/// What is no `kind:number` is kept as it is: nothing depends on it.
fn bandwidth(value: &str, out: &mut Vec<Bandwidth>, unknown: &mut Vec<(char, String)>) {
    let read = value.split_once(':').and_then(|(kind, value)| Some((kind, value.trim().parse().ok()?)));
    match read {
        Some((kind, value)) => out.push(Bandwidth { kind: kind.to_owned(), value }),
        None => unknown.push(('b', value.to_owned())),
    }
}

fn attribute(value: &str, out: &mut super::Attributes) {
    match value.split_once(':') {
        Some((name, value)) => out.push(name, Some(value)),
        None => out.push(value, None),
    }
}
