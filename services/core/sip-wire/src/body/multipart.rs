//! `multipart/related` and its kin (RFC 2046 5.1, RFC 2387): one body in parts. Parts inside parts are for whoever reads the part.

use super::limits;
use crate::{Headers, MediaType, Syntax, text};

/// Longest boundary (RFC 2046 5.1.1).
const BOUNDARY: usize = 70;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its headers.
    pub headers: Headers,
    /// Its octets.
    pub body: Vec<u8>,
}

impl Part {
    /// Its type; none where it says nothing usable.
    pub fn content_type(&self) -> Option<MediaType> {
        self.headers.content_type().ok().flatten()
    }
    /// Its name in the whole, without `<>`.
    pub fn content_id(&self) -> Option<&str> {
        let name = self.headers.get("Content-ID")?;
        Some(name.trim().trim_start_matches('<').trim_end_matches('>')).filter(|name| !name.is_empty())
    }
}

/// The parts of a body of that type, in order. One that is cut off gives what there is.
///
/// # Errors
/// The type is no multipart, has no usable boundary, or the boundary is nowhere in the body.
pub fn parts(kind: &MediaType, octets: &[u8]) -> Result<Vec<Part>, Syntax> {
    if kind.kind != "multipart" {
        return Err(Syntax("no multipart type"));
    }
    let boundary = kind.params.get("boundary").filter(|boundary| (1..=BOUNDARY).contains(&boundary.len()));
    let boundary = boundary.ok_or(Syntax("no boundary"))?;
    if octets.len() > limits::OCTETS {
        return Err(Syntax("multipart too large"));
    }
    let marker = [b"--", &*text::wire_octets(boundary)].concat();
    let mut parts = Vec::new();
    let mut begun = None;
    let mut offset = 0_usize;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let end = offset.saturating_add(line.len());
        if let Some(last) = delimiter(line, &marker) {
            if let Some(begin) = begun {
                let content = octets.get(begin..offset).map(without_line_end).unwrap_or_default();
                parts.push(part(content));
            }
            if last || parts.len() >= limits::PARTS {
                return Ok(parts);
            }
            begun = Some(end);
        }
        offset = end;
    }
    let begin = begun.ok_or(Syntax("no part"))?;
    parts.push(part(octets.get(begin..).unwrap_or_default()));
    Ok(parts)
}

/// Whether a line ends a part; true: and all of them.
fn delimiter(line: &[u8], marker: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(marker)?;
    let (last, rest) = match rest.strip_prefix(b"--") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    rest.iter().all(u8::is_ascii_whitespace).then_some(last)
}

/// The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
fn without_line_end(octets: &[u8]) -> &[u8] {
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    octets.strip_suffix(b"\r").unwrap_or(octets)
}

fn part(octets: &[u8]) -> Part {
    let mut headers = Headers::new();
    let mut rest = octets;
    let mut lines: Vec<String> = Vec::new();
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        rest = rest.get(line.len()..).unwrap_or_default();
        let content = text::from_wire(without_line_end(line));
        if content.trim().is_empty() {
            break;
        }
        let full = lines.len() >= limits::PART_HEADERS;
        match lines.last_mut() {
            Some(before) if content.starts_with([' ', '\t']) && before.len() < crate::limits::LINE => {
                before.push(' ');
                before.push_str(content.trim());
            }
            Some(_) if full => {}
            Some(_) | None => lines.push(content),
        }
    }
    for (name, value) in lines.iter().filter_map(|line| line.split_once(':')) {
        headers.push(name.trim(), value.trim());
    }
    Part { headers, body: rest.to_vec() }
}
