//! Octets and text: SIP is UTF-8 by RFC 3261 section 7, but Latin-1 comes in all the same.
//!
//! An octet that is no UTF-8 becomes one character of U+10FF80..=U+10FFFF (private use), and back again when written, so
//! that the whole crate works on `str` and still echoes what it got. UTF-8 that spells such a character is taken as
//! four foreign octets: the mapping loses nothing. [`shown`] turns them into Latin-1 for people.

use std::borrow::Cow;

const FOREIGN: u32 = 0x0010_FF00;
/// First octet of the UTF-8 form of every foreign character.
const LEAD: u8 = 0xF4;

fn foreign(octet: u8) -> char {
    char::from_u32(FOREIGN | u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn octet_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    (code >= FOREIGN + 0x80).then(|| u8::try_from(code & 0xFF).ok()).flatten()
}

/// Text of octets from the wire; nothing is lost.
pub fn from_wire(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.contains(&LEAD) => text.to_owned(),
        _ => from_mixed(octets),
    }
}

fn from_mixed(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().saturating_mul(2));
    for chunk in octets.utf8_chunks() {
        for character in chunk.valid().chars() {
            match octet_of(character) {
                None => text.push(character),
                Some(_) => text.extend(character.encode_utf8(&mut [0; 4]).bytes().map(foreign)),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(foreign));
    }
    text
}

/// Appends the octets that stand for `text` on the wire.
pub fn to_wire(text: &str, out: &mut Vec<u8>) {
    if !text.as_bytes().contains(&LEAD) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars() {
        match octet_of(character) {
            Some(octet) => out.push(octet),
            None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The octets of `text`, for a digest or a comparison on the wire.
pub fn wire_octets(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&LEAD) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    to_wire(text, &mut out);
    Cow::Owned(out)
}

/// `text` as a person should see it: foreign octets read as Latin-1, control characters dropped.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| octet_of(c).is_some() || c.is_control()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| octet_of(c).map_or(c, char::from)).filter(|c| !c.is_control()).collect())
}

/// `token` characters of RFC 3261 section 25.1.
pub(crate) fn is_token_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(character)
}

/// Whether `text` is a `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// Appends `text` as a quoted-string.
pub(crate) fn write_quoted(text: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(character)?;
    }
    out.write_char('"')
}

/// Line ends may not stand inside a line: each becomes a blank.
pub(crate) fn one_line(text: String) -> String {
    if text.contains(['\r', '\n']) { text.replace(['\r', '\n'], " ") } else { text }
}
