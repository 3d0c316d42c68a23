//! `%HH` escapes of URIs (RFC 3261 section 19.1.2).

use std::borrow::Cow;

use crate::text;

/// Whether every `%` is followed by two hexadecimal digits.
pub(super) fn well_formed(text: &str) -> bool {
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' && !(hex(octets.next()).is_some() && hex(octets.next()).is_some()) {
            return false;
        }
    }
    true
}

fn hex(octet: Option<u8>) -> Option<u8> {
    char::from(octet?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// With the escapes resolved; what is no escape stays.
pub(super) fn decode(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains('%') {
        return Cow::Borrowed(escaped);
    }
    Cow::Owned(text::from_wire(&decode_octets(&text::wire_octets(escaped))))
}

fn decode_octets(escaped: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(escaped.len());
    let mut rest = escaped.iter().copied();
    while let Some(octet) = rest.next() {
        let mut ahead = rest.clone();
        match (octet, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                rest = ahead;
            }
            _ => out.push(octet),
        }
    }
    out
}

/// With everything escaped that `keep` refuses.
pub(super) fn encode(plain: &str, keep: impl Fn(char) -> bool) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut out = String::with_capacity(plain.len());
    for octet in text::wire_octets(plain).iter().copied() {
        let character = char::from(octet);
        if character.is_ascii() && keep(character) {
            out.push(character);
        } else {
            out.push('%');
            out.extend([octet >> 4, octet & 15].iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
        }
    }
    out
}

fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.!~*'()".contains(character)
}

/// `user` of RFC 3261 section 25.1. `;` and `?` are legal there, but misread by too many: they are escaped. `#` is not legal.
pub(super) fn is_user_char(character: char) -> bool {
    is_unreserved(character) || "&=+$,/".contains(character)
}

/// `password`.
pub(super) fn is_password_char(character: char) -> bool {
    is_unreserved(character) || "&=+$,".contains(character)
}

/// `paramchar`.
pub(super) fn is_param_char(character: char) -> bool {
    is_unreserved(character) || "[]/:&+$".contains(character)
}

/// `hname` and `hvalue`.
pub(super) fn is_header_char(character: char) -> bool {
    is_unreserved(character) || "[]/?:+$".contains(character)
}

/// One spelling for equal texts: unreserved characters plain, other escapes with upper-case digits.
pub(super) fn normalise(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let mut octets = after.bytes();
        match (hex(octets.next()), hex(octets.next())) {
            (Some(high), Some(low)) => {
                let character = char::from(high << 4 | low);
                match character.is_ascii() && is_unreserved(character) {
                    true => out.push(character),
                    false => {
                        out.push_str(&after.get(..2).map(|digits| format!("%{}", digits.to_ascii_uppercase())).unwrap_or_default())
                    }
                }
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
