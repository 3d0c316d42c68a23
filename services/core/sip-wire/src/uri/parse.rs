//! Reads a URI's text into ranges. Form only; unknown schemes are opaque.

use std::ops::Range;

use super::{Scheme, Uri, escape};
use crate::{Host, Syntax, limits};

pub(super) fn parse(text: &str) -> Result<Uri, Syntax> {
    check_characters(text)?;
    let colon = text.find(':').ok_or(Syntax("URI without a scheme"))?;
    let scheme = scheme(text.get(..colon).unwrap_or_default())?;
    let start = colon.saturating_add(1);
    match scheme {
        Scheme::Sip | Scheme::Sips => parse_sip(text, scheme, start),
        Scheme::Tel => parse_tel(text, start),
        Scheme::Other(_) => Ok(opaque(text, scheme)),
    }
}

fn check_characters(text: &str) -> Result<(), Syntax> {
    if text.len() > limits::URI {
        return Err(Syntax("URI too long"));
    }
    if text.chars().any(|c| c.is_control() || matches!(c, ' ' | '<' | '>' | '"')) {
        return Err(Syntax("illegal character in the URI"));
    }
    Ok(())
}

fn scheme(text: &str) -> Result<Scheme, Syntax> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "sip" => Ok(Scheme::Sip),
        "sips" => Ok(Scheme::Sips),
        "tel" => Ok(Scheme::Tel),
        other => {
            let legal = other.starts_with(|c: char| c.is_ascii_alphabetic())
                && other.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            if legal { Ok(Scheme::Other(other.into())) } else { Err(Syntax("no URI scheme")) }
        }
    }
}

fn opaque(text: &str, scheme: Scheme) -> Uri {
    let end = text.len();
    Uri { text: text.into(), scheme, user: None, password: None, host: None, port: None, params: end..end, headers: end..end }
}

fn parse_tel(text: &str, start: usize) -> Result<Uri, Syntax> {
    let number_end = find_from(text, start, ';');
    let number = text.get(start..number_end).unwrap_or_default();
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_hexdigit() || "-.()*#".contains(c)) {
        return Err(Syntax("no telephone number"));
    }
    let params = number_end.saturating_add(1).min(text.len())..text.len();
    Ok(Uri { user: Some(start..number_end), params, ..opaque(text, Scheme::Tel) })
}

fn parse_sip(text: &str, scheme: Scheme, start: usize) -> Result<Uri, Syntax> {
    if !escape::well_formed(text) {
        return Err(Syntax("broken escape in the URI"));
    }
    let (user, password, host_start) = userinfo(text, start)?;
    let headers_mark = find_from(text, host_start, '?');
    let params_mark = find_from(text, host_start, ';').min(headers_mark);
    let (host, port) = host_port(text.get(host_start..params_mark).unwrap_or_default())?;
    let params = params_mark.saturating_add(1).min(headers_mark)..headers_mark;
    let headers = headers_mark.saturating_add(1).min(text.len())..text.len();
    if text.get(params.clone()).is_some_and(|params| params.split(';').count() > limits::PARAMS) {
        return Err(Syntax("too many parameters in the URI"));
    }
    Ok(Uri { text: text.into(), scheme, user, password, host: Some(host), port, params, headers })
}

type Userinfo = (Option<Range<usize>>, Option<Range<usize>>, usize);

fn userinfo(text: &str, start: usize) -> Result<Userinfo, Syntax> {
    let at = find_from(text, start, '@');
    if at == text.len() {
        return Ok((None, None, start));
    }
    let colon = find_from(text, start, ':').min(at);
    if colon == start {
        return Err(Syntax("empty user part"));
    }
    let password = (colon < at).then(|| colon.saturating_add(1)..at);
    Ok((Some(start..colon), password, at.saturating_add(1)))
}

/// `host[:port]`, brackets around IPv6.
pub(crate) fn host_port(text: &str) -> Result<(Host, Option<u16>), Syntax> {
    let host_end = match text.starts_with('[') {
        true => text.find(']').ok_or(Syntax("no ] after the IPv6 address"))?.saturating_add(1),
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, after) = text.split_at_checked(host_end).unwrap_or((text, ""));
    let port = match after.strip_prefix(':') {
        Some(digits) => Some(port(digits)?),
        None if after.is_empty() => None,
        None => return Err(Syntax("text after the host")),
    };
    Ok((host.parse()?, port))
}

fn port(digits: &str) -> Result<u16, Syntax> {
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Syntax("no port number"));
    }
    digits.parse().map_err(|_| Syntax("port out of range"))
}

fn find_from(text: &str, start: usize, character: char) -> usize {
    let found = text.get(start..).and_then(|rest| rest.find(character));
    found.map_or(text.len(), |at| start.saturating_add(at))
}
