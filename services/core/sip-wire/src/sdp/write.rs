//! Values to lines, in the order of RFC 8866 section 5. Line ends inside a value become blanks.

use std::fmt::Display;
use std::net::IpAddr;

use super::{Address, Attributes, Bandwidth, Connection, Media, Session};
use crate::text::{one_line, to_wire};

pub(super) fn to_bytes(session: &Session) -> Vec<u8> {
    let mut lines = Lines(Vec::with_capacity(512));
    let origin = &session.origin;
    lines.put('v', 0);
    lines.put('o', format_args!("{} {} {} {}", origin.user, origin.session_id, origin.version, words(&origin.address)));
    lines.put('s', if session.name.is_empty() { "-" } else { &session.name });
    lines.each('i', &session.information);
    lines.each('u', &session.uri);
    lines.each('e', &session.emails);
    lines.each('p', &session.phones);
    lines.connections(&session.connection);
    lines.bandwidths(&session.bandwidths);
    for time in &session.times {
        lines.put('t', format_args!("{} {}", time.start, time.stop));
        lines.each('r', &time.repeats);
    }
    if session.times.is_empty() {
        lines.put('t', "0 0");
    }
    lines.each('z', &session.zones);
    lines.each('k', &session.key);
    lines.attributes(&session.attributes);
    lines.unknown(&session.unknown);
    session.media.iter().for_each(|media| lines.media(media));
    lines.0
}

fn words(address: &Address) -> String {
    match address {
        Address::Ip(IpAddr::V4(ip)) => format!("IN IP4 {ip}"),
        Address::Ip(IpAddr::V6(ip)) => format!("IN IP6 {ip}"),
        Address::Other { network, kind, host } => format!("{network} {kind} {host}"),
    }
}

struct Lines(Vec<u8>);

impl Lines {
    fn put(&mut self, letter: char, value: impl Display) {
        to_wire(&one_line(format!("{letter}={value}")), &mut self.0);
        self.0.extend_from_slice(b"\r\n");
    }
    fn each<'a>(&mut self, letter: char, values: impl IntoIterator<Item = &'a String>) {
        values.into_iter().for_each(|value| self.put(letter, value));
    }
    fn connections<'a>(&mut self, connections: impl IntoIterator<Item = &'a Connection>) {
        for connection in connections {
            let slash = if connection.multicast.is_some() { "/" } else { "" };
            let multicast = connection.multicast.as_deref().unwrap_or_default();
            self.put('c', format_args!("{}{slash}{multicast}", words(&connection.address)));
        }
    }
    fn bandwidths(&mut self, bandwidths: &[Bandwidth]) {
        bandwidths.iter().for_each(|bandwidth| self.put('b', format_args!("{}:{}", bandwidth.kind, bandwidth.value)));
    }
    fn attributes(&mut self, attributes: &Attributes) {
        for attribute in attributes.iter() {
            match &attribute.value {
                Some(value) => self.put('a', format_args!("{}:{value}", attribute.name)),
                None => self.put('a', &attribute.name),
            }
        }
    }
    fn unknown(&mut self, lines: &[(char, String)]) {
        lines.iter().for_each(|(letter, value)| self.put(*letter, value));
    }
    fn media(&mut self, media: &Media) {
        let count = media.port_count.map(|count| format!("/{count}")).unwrap_or_default();
        let formats: String = media.formats.iter().map(|format| format!(" {format}")).collect();
        self.put('m', format_args!("{} {}{count} {}{formats}", media.kind, media.port, media.protocol));
        self.each('i', &media.information);
        self.connections(&media.connections);
        self.bandwidths(&media.bandwidths);
        self.each('k', &media.key);
        self.attributes(&media.attributes);
        self.unknown(&media.unknown);
    }
}
