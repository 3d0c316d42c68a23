//! Strings: length, characters, and the shapes that a string may need (B92, B162 to B165, C8, C14, C15, C39, C58).

use std::net::{IpAddr, Ipv4Addr};

use agreements::Diagnosis;

use crate::catalogue::Parameter;
use crate::finding::{Detail, error, quotable};
use crate::row::{Charset, Format, Range};
use crate::value::{dial_plan, url};

pub(super) fn check(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    characters(parameter, value)?;
    match parameter.row.format {
        Format::TimeOfDay => time_of_day(value),
        Format::FirmwareVersion => firmware_version(value),
        Format::Free => length(parameter, value),
        Format::Host => length(parameter, value).and_then(|()| host(parameter, value)),
        Format::IpAddress => length(parameter, value).and_then(|()| ip_address(value)),
        Format::SubnetMask => length(parameter, value).and_then(|()| subnet_mask(value)),
        Format::Url => length(parameter, value).and_then(|()| url::check(value)),
        Format::SipUri => length(parameter, value).and_then(|()| sip_uri(value)),
        Format::DialPlan => length(parameter, value).and_then(|()| dial_plan::check(value)),
    }
}

fn length(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    let Range::Text { min, max, max_bytes } = parameter.row.range else { return Ok(()) };
    let count = value.chars().count();
    let bytes_fit = max_bytes.is_none_or(|most| value.len() <= usize::from(most));
    if (usize::from(min)..=usize::from(max)).contains(&count) && bytes_fit {
        return Ok(());
    }
    let what = if bytes_fit { format!("{count} characters") } else { format!("{} bytes", value.len()) };
    let code = if count < usize::from(min) { "value.too-short" } else { "value.too-long" };
    let range = parameter.row.range_text();
    Err(error(code, format!("the value has {what}")).suggest(format!("legal: {range}")).with("range", range))
}

fn characters(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    let charset = parameter.row.charset;
    let Some(wrong) = first_illegal(charset, value) else { return Ok(()) };
    if parameter.row.secret {
        return Err(
            error("value.illegal-character", "the value holds a character that is not allowed here").suggest(allowed(charset))
        );
    }
    let reason = match wrong {
        c if c.is_control() => format!("the control character U+{:04X} is not allowed here", u32::from(c)),
        '\u{fffd}'..='\u{ffff}' => format!("U+{:04X} is no character", u32::from(wrong)),
        ' ' => "a space is not allowed here".to_owned(),
        c => format!("the character {c} is not allowed here"),
    };
    Err(error("value.illegal-character", reason).suggest(allowed(charset)).with("character", wrong.to_string()))
}

fn first_illegal(charset: Charset, value: &str) -> Option<char> {
    // The scheme's colon is the one legal colon of a URI (C14).
    let value = if charset == Charset::Uri { value.strip_prefix("sip:").unwrap_or(value) } else { value };
    value.chars().find(|c| !legal(charset, *c))
}

fn legal(charset: Charset, c: char) -> bool {
    let ascii = matches!(c, ' '..='~') && c != '"';
    match charset {
        // The mark of a character that was lost, and what no XML file can hold (XML 1.0, 2.2), are none.
        Charset::Unicode => !c.is_control() && !matches!(c, '"' | '\u{fffd}'..='\u{ffff}'),
        Charset::Ascii => ascii,
        Charset::Host => ascii && !"&'<> ".contains(c),
        Charset::Account => ascii && !"&':<> ".contains(c),
        Charset::Uri => ascii && !"&':;<> ".contains(c),
        Charset::Digits => c.is_ascii_digit(),
        Charset::Dial => c.is_ascii_digit() || c == '*' || c == '#',
        Charset::Hex => c.is_ascii_hexdigit(),
        Charset::DialPlan => dial_plan::CHARACTERS.contains(c),
    }
}

fn allowed(charset: Charset) -> &'static str {
    match charset {
        Charset::Unicode => "any character but control characters and the double quote",
        Charset::Ascii => "ASCII from space to ~, without the double quote",
        Charset::Host => "ASCII without \" & ' < > and space",
        Charset::Account => "ASCII without \" & ' : < > and space",
        Charset::Uri => "ASCII without \" & ' : ; < > and space, after \"sip:\"",
        Charset::Digits => "only 0-9",
        Charset::Dial => "only 0-9, * and #",
        Charset::Hex => "only 0-9 and a-f",
        Charset::DialPlan => "only 0-9 [ - ] < : > * # ! S s T t X x . | +",
    }
}

/// An address, or a name of letters, digits, hyphens, underscores and dots.
fn host(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    if let Ok(address) = value.parse::<IpAddr>() {
        return usable(address);
    }
    if value.split('.').count() == 4 && value.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) {
        return Err(not_an_address(value));
    }
    let wrong = value.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c)));
    match wrong {
        None if value.starts_with('.') || value.contains("..") => {
            Err(error("value.not-a-host", "a host name has no empty part between its dots").suggest("an IP address or a host name"))
        }
        None => Ok(()),
        Some(wrong) => Err(not_a_host(parameter, value, wrong)),
    }
}

fn not_a_host(parameter: &Parameter, value: &str, wrong: char) -> Diagnosis {
    let reason = format!("\"{}\" is neither an IP address nor a host name: {wrong}", quotable(parameter, value));
    let port_row = parameter.row.name.replace("_ADDR", "_PORT");
    let suggestion = match value.split_once("://") {
        Some((_, rest)) => format!("only the host, without the scheme: \"{}\"", rest.trim_end_matches('/')),
        None if wrong == ':' && crate::catalogue::family(&port_row).is_some() => {
            let host = value.split(':').next().unwrap_or("");
            format!("\"{host}\", and the port in {}", parameter.name.replace("_ADDR", "_PORT"))
        }
        None => "an IP address or a host name".to_owned(),
    };
    error("value.not-a-host", reason).suggest(suggestion)
}

fn ip_address(value: &str) -> Result<(), Diagnosis> {
    match value.parse::<IpAddr>() {
        Ok(address) => usable(address),
        Err(_) => Err(not_an_address(value)),
    }
}

fn not_an_address(value: &str) -> Diagnosis {
    let reason = format!("\"{}\" is no IP address", crate::finding::excerpt(value));
    error("value.not-an-address", reason).suggest("four numbers from 0 to 255 with dots between, like 192.168.0.10")
}

/// C39: exactly these three; 127.0.0.2 is legal.
fn usable(address: IpAddr) -> Result<(), Diagnosis> {
    let refused = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, Ipv4Addr::LOCALHOST];
    if refused.iter().any(|one| address == IpAddr::V4(*one)) {
        let reason = format!("{address} can be nobody's address");
        return Err(error("value.unusable-address", reason).suggest("the real address of the other device"));
    }
    Ok(())
}

fn subnet_mask(value: &str) -> Result<(), Diagnosis> {
    let mask: Ipv4Addr = value.parse().map_err(|_| not_an_address(value))?;
    let bits = u32::from(mask);
    if bits != 0 && bits.leading_ones().saturating_add(bits.trailing_zeros()) == 32 {
        return Ok(());
    }
    Err(error("value.not-a-mask", format!("{mask} is no subnet mask")).suggest("a mask has its ones in front, like 255.255.255.0"))
}

/// `sip:user@host`, 63 and 127 characters.
fn sip_uri(value: &str) -> Result<(), Diagnosis> {
    let form = "the form is sip:user@host";
    let Some(rest) = value.strip_prefix("sip:") else {
        let suggestion = if value.contains('@') { format!("\"sip:{value}\"") } else { form.to_owned() };
        return Err(error("value.not-a-sip-uri", "a SIP URI begins with \"sip:\"").suggest(suggestion));
    };
    let Some((user, host)) = rest.split_once('@') else {
        return Err(error("value.not-a-sip-uri", "the @ between user and host is missing").suggest(form));
    };
    if user.is_empty() || host.is_empty() || host.contains('@') {
        return Err(error("value.not-a-sip-uri", "a SIP URI has one user and one host").suggest(form));
    }
    if user.chars().count() > 63 || host.chars().count() > 127 {
        let reason = "the user has at most 63 and the host at most 127 characters";
        return Err(error("value.too-long", reason).suggest("shorten it"));
    }
    Ok(())
}

/// 00:00 to 23:59.
fn time_of_day(value: &str) -> Result<(), Diagnosis> {
    let two = |text: &str, last: u8| {
        text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|number| number <= last)
    };
    match value.split_once(':') {
        Some((hour, minute)) if two(hour, 23) && two(minute, 59) => Ok(()),
        _ => Err(error("value.not-a-time", "the time has the form HH:MM").suggest("00:00 to 23:59, with two digits each")),
    }
}

/// 00.000 to 15.999.
fn firmware_version(value: &str) -> Result<(), Diagnosis> {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let legal = value
        .split_once('.')
        .is_some_and(|(major, minor)| digits(major, 2) && digits(minor, 3) && major.parse::<u8>().is_ok_and(|number| number <= 15));
    if legal {
        return Ok(());
    }
    Err(error("value.not-a-version", "a firmware version has the form 01.070").suggest("00.000 to 15.999"))
}
