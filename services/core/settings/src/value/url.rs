//! URLs of files (B58, RFC 1738): scheme, account, host, port, path, with their limits. Macros stand for what they become.

use agreements::Diagnosis;

use crate::finding::{Detail, error};

const SCHEMES: [&str; 4] = ["http", "https", "ftp", "tftp"];
/// User and password each stay below this.
const ACCOUNT: usize = 128;
/// Scheme, host, port and path together stay below this.
const PLACE: usize = 245;

pub(super) fn check(value: &str) -> Result<(), Diagnosis> {
    let form = "the form is scheme://user:password@host:port/path, with http, https, ftp or tftp";
    let Some((scheme, rest)) = value.split_once("://") else {
        return Err(error("value.not-a-url", "the URL has no scheme").suggest(form));
    };
    if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
        let reason = format!("the scheme \"{}\" is unknown here", crate::finding::excerpt(scheme));
        return Err(error("value.not-a-url", reason).suggest(form));
    }
    if rest.contains(' ') {
        return Err(error("value.not-a-url", "a URL holds no space").suggest("write %20 for a space"));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (account, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    limits(account, scheme.len() + place.len() + path.len() + "://".len() + usize::from(rest.contains('/')))?;
    host_and_port(place)
}

fn limits(account: &str, place_length: usize) -> Result<(), Diagnosis> {
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    if user.len() >= ACCOUNT || password.len() >= ACCOUNT {
        let reason = format!("user and password of a URL each have fewer than {ACCOUNT} characters");
        return Err(error("value.too-long", reason).suggest("shorten the account"));
    }
    if place_length >= PLACE {
        let reason = format!("without user and password the URL has {place_length} characters");
        return Err(error("value.too-long", reason).suggest(format!("fewer than {PLACE}")));
    }
    Ok(())
}

fn host_and_port(place: &str) -> Result<(), Diagnosis> {
    let (host, port) = match place.rsplit_once(':') {
        // The colons of [2001:db8::1] are none of a port.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    };
    if host.is_empty() {
        return Err(error("value.not-a-url", "the URL names no host").suggest("http://host/path"));
    }
    match port {
        Some(port) if !port.parse::<u16>().is_ok_and(|number| number > 0) => {
            Err(error("value.not-a-url", format!("\"{}\" is no port", crate::finding::excerpt(port))).suggest("1 to 65535"))
        }
        _ => Ok(()),
    }
}
