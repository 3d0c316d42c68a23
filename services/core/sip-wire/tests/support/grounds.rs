//! Whether octets bear out a refusal of ours, by a grammar of their own: what is plain here every SIP program reads, so that a
//! parser that has begun to refuse it is found. It knows a part of RFC 3261 alone; what is unusual may be refused or not.

use sip_wire::{Defect, HeaderError, HeaderName};

/// More octets, lines or elements than this are many; the bounds themselves are `sip_wire::limits`.
const MANY_OCTETS: usize = 4_000;
const MANY_LINES: usize = 200;
const MANY_ELEMENTS: usize = 60;

/// Whether there is something in the octets that the defect speaks of.
pub fn bear_out(octets: &[u8], defect: &Defect) -> bool {
    let message = Plain::of(octets);
    match defect {
        Defect::KeepAlive => octets.iter().all(|octet| matches!(octet, b'\r' | b'\n')),
        Defect::NotSip | Defect::StartLine(_) | Defect::RequestUri(_) | Defect::Version => !message.has_plain_start(),
        Defect::TooLarge(_) => octets.len() > MANY_OCTETS || message.lines.len() > MANY_LINES,
        Defect::Truncated => message.body.is_none(),
        Defect::CSeqMethod => {
            let method = message.values(&HeaderName::CSEQ).first().and_then(|value| value.rsplit(blank).next().map(str::to_owned));
            method != message.start.split(' ').next().map(str::to_owned)
        }
        Defect::ContentLength => {
            let length = message.values(&HeaderName::CONTENT_LENGTH).first().and_then(|value| value.parse::<usize>().ok());
            length.is_none_or(|length| length > message.body.unwrap_or_default())
        }
        Defect::Header(HeaderError::Missing(name)) => message.values(name).is_empty(),
        Defect::Header(HeaderError::Repeated(name)) => message.values(name).len() > 1,
        Defect::Header(HeaderError::TooMany(name)) => message.values(name).join(",").split(',').count() > MANY_ELEMENTS,
        Defect::Header(HeaderError::Malformed { name, .. }) => !message.values(name).iter().all(|value| is_plain(name, value)),
    }
}

/// A message as far as this file reads it.
struct Plain {
    start: String,
    /// Name and value of each line that begins a header; a value that goes on in the next line has a control character in it.
    lines: Vec<(String, String)>,
    /// Octets of the body; none where the head does not end.
    body: Option<usize>,
}

impl Plain {
    fn of(octets: &[u8]) -> Plain {
        let begin = octets.iter().position(|octet| !matches!(octet, b'\r' | b'\n')).unwrap_or(octets.len());
        let (mut lines, mut at, mut body) = (Vec::new(), begin, None);
        for line in octets[begin..].split_inclusive(|octet| *octet == b'\n') {
            at += line.len();
            let text = line.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            match text {
                Some(b"") => {
                    body = Some(octets.len() - at);
                    break;
                }
                Some(text) => lines.push(String::from_utf8_lossy(text).into_owned()),
                None => lines.push(String::from_utf8_lossy(line).into_owned()),
            }
        }
        let mut lines = lines.into_iter().peekable();
        let start = lines.next().unwrap_or_default();
        let mut named = Vec::new();
        while let Some(line) = lines.next() {
            let goes_on = lines.peek().is_some_and(|next| next.starts_with(blank));
            let Some((name, value)) = line.split_once(':').filter(|_| !line.starts_with(blank)) else { continue };
            let value = value.trim_matches(blank).to_owned();
            named.push((name.trim_end_matches(blank).to_owned(), if goes_on { value + "\n" } else { value }));
        }
        Plain { start, lines: named, body }
    }

    fn values(&self, name: &HeaderName) -> Vec<String> {
        let compact = match name.as_str() {
            "Via" => "v",
            "From" => "f",
            "To" => "t",
            "Call-ID" => "i",
            "Content-Length" => "l",
            other => other,
        };
        let is_it = |said: &str| said.eq_ignore_ascii_case(name.as_str()) || said.eq_ignore_ascii_case(compact);
        self.lines.iter().filter(|(said, _)| is_it(said)).map(|(_, value)| value.clone()).collect()
    }

    fn has_plain_start(&self) -> bool {
        let words: Vec<&str> = self.start.split(' ').collect();
        match words.as_slice() {
            ["SIP/2.0", code, rest @ ..] => {
                is_number(code, 699) && code.len() == 3 && !code.starts_with('0') && rest.iter().all(|word| is_word(word, "'-"))
            }
            [method, uri, "SIP/2.0"] => is_word(method, "") && is_plain_uri(uri),
            _ => false,
        }
    }
}

fn blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_plain(name: &HeaderName, value: &str) -> bool {
    match name.as_str() {
        "Call-ID" => value.split('@').count() <= 2 && value.split('@').all(|word| is_word(word, "-.")),
        "CSeq" => value.split_once(' ').is_some_and(|(number, method)| is_number(number, 0x7fff_ffff) && is_word(method, "")),
        "Max-Forwards" => is_number(value, 255),
        "Content-Length" => is_number(value, 0x00ff_ffff),
        "From" | "To" => is_plain_address(value),
        "Via" => is_plain_via(value),
        _ => false,
    }
}

/// `<sip:user@host>;name=value`, with a display name of letters before it perhaps.
fn is_plain_address(value: &str) -> bool {
    let Some((display, rest)) = value.split_once('<') else { return false };
    let name = display.trim_end_matches(' ');
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let Some((uri, params)) = rest.split_once('>') else { return false };
    (name.is_empty() || is_word(name, " ")) && is_plain_uri(uri) && are_plain_params(params)
}

fn is_plain_via(value: &str) -> bool {
    let Some((protocol, rest)) = value.split_once(' ') else { return false };
    let (sent_by, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    ["SIP/2.0/UDP", "SIP/2.0/TCP"].contains(&protocol) && is_plain_host(sent_by) && are_plain_params(params)
}

/// `sip:user@host:port`.
fn is_plain_uri(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("sip:") else { return false };
    let (user, host) = rest.split_once('@').unwrap_or(("x", rest));
    is_word(user, "") && is_plain_host(host)
}

/// A name of letters, or four numbers; a port perhaps.
fn is_plain_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    let labels: Vec<&str> = host.split('.').collect();
    let is_name = labels.iter().all(|label| !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_alphabetic()));
    let is_address = labels.len() == 4 && labels.iter().all(|label| is_number(label, 255));
    host.len() < 60 && (is_name || is_address) && is_number(port, 65_535) && port != "0"
}

/// `;name=value`, a few, each name once.
fn are_plain_params(text: &str) -> bool {
    let mut pieces = text.split(';');
    let params: Vec<Option<(&str, &str)>> = match pieces.next() {
        Some("") => pieces.map(|piece| piece.split_once('=')).collect(),
        Some(_) | None => return false,
    };
    let mut names: Vec<String> = params.iter().flatten().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    let usual = |name: &str| ["tag", "branch"].contains(&name);
    names.len() == params.len()
        && params.len() < 5
        && params.iter().flatten().all(|(name, value)| usual(name) && is_word(value, "-.!%*_+`'~"))
}

/// Digits without a zero before them.
fn is_number(text: &str, most: u32) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0')) && text.parse::<u32>().is_ok_and(|number| number <= most)
}

fn is_word(text: &str, more: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || more.as_bytes().contains(&octet);
    !text.is_empty() && text.len() < 200 && text.bytes().all(plain)
}
