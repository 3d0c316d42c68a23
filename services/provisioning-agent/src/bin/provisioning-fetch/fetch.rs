//! One file from its server with libcurl: bounded in time, size and redirections. Redirections are followed here, not by
//! libcurl, so that each new URL is checked: http and https only, never from https to http, never with the account of the URL
//! before.

use std::time::{Duration, Instant};

use agreements::{Diagnosis, Severity};
use curl::easy::{Auth, Easy, HttpVersion};
use provisioning_agent::provisioning::exchange::{Request, Verification, Wanted};
use settings::file::MOST_BYTES;

/// As many as a browser would find odd.
const REDIRECTIONS: usize = 5;

/// Why there is no file.
pub enum Miss {
    /// The server says that there is none.
    NotFound(Box<Diagnosis>),
    /// It did not end within the size limit (C47); as many bytes had come.
    TooLarge(usize),
    /// Anything else.
    Failed(Box<Diagnosis>),
}

enum Answer {
    Body(Vec<u8>),
    Redirection(String),
    Status(u32),
    TooLarge(usize),
}

/// Fetches one file.
pub fn fetch(request: &Request, wanted: &Wanted) -> Result<Vec<u8>, Miss> {
    let deadline = Instant::now() + Duration::from_millis(request.file_timeout);
    let mut url = wanted.url.clone();
    for _ in 0..=REDIRECTIONS {
        match ask(request, &url, deadline) {
            Ok(Answer::Body(body)) => return Ok(body),
            Ok(Answer::TooLarge(bytes)) => return Err(Miss::TooLarge(bytes)),
            Ok(Answer::Status(status @ (404 | 410))) => return Err(Miss::NotFound(Box::new(not_found(wanted, status)))),
            Ok(Answer::Status(status)) => return Err(Miss::Failed(Box::new(refused(wanted, status)))),
            Ok(Answer::Redirection(next)) => url = followed(&url, next).map_err(|reason| lost(wanted, reason))?,
            Err(error) => return Err(Miss::Failed(Box::new(unreachable(wanted, &error)))),
        }
    }
    Err(lost(wanted, format!("the server redirects more than {REDIRECTIONS} times")))
}

fn lost(wanted: &Wanted, reason: String) -> Miss {
    Miss::Failed(Box::new(diagnosis(wanted, "file.redirection", reason, "give the final URL")))
}

/// Where a redirection may lead.
fn followed(from: &str, to: String) -> Result<String, String> {
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    match (scheme(from).as_str(), scheme(&to).as_str()) {
        ("http", "http" | "https") | ("https", "https") => Ok(to),
        ("https", "http") => Err("the server redirects from https to http".to_owned()),
        (_, other) => {
            Err(format!("the server redirects to the scheme \"{}\"", other.escape_default().take(20).collect::<String>()))
        }
    }
}

fn ask(request: &Request, url: &str, deadline: Instant) -> Result<Answer, curl::Error> {
    let mut easy = configured(request, url, deadline)?;
    let mut body = Vec::new();
    let mut too_large = false;
    let result = {
        let mut transfer = easy.transfer();
        transfer.write_function(|data| {
            too_large = body.len() + data.len() > MOST_BYTES;
            if too_large {
                return Ok(0);
            }
            body.extend_from_slice(data);
            Ok(data.len())
        })?;
        transfer.perform()
    };
    if too_large || result.as_ref().is_err_and(curl::Error::is_filesize_exceeded) {
        return Ok(Answer::TooLarge(body.len().max(MOST_BYTES + 1)));
    }
    result?;
    let over_http = url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    match easy.response_code()? {
        200 => Ok(Answer::Body(body)),
        301 | 302 | 303 | 307 | 308 => {
            Ok(easy.redirect_url()?.map_or(Answer::Status(300), |url| Answer::Redirection(url.to_owned())))
        }
        _ if !over_http => Ok(Answer::Body(body)),
        status => Ok(Answer::Status(status)),
    }
}

fn configured(request: &Request, url: &str, deadline: Instant) -> Result<Easy, curl::Error> {
    let mut easy = Easy::new();
    easy.url(url)?;
    easy.useragent(&request.user_agent)?;
    easy.http_version(if request.http_1_0 { HttpVersion::V10 } else { HttpVersion::V11 })?;
    easy.http_auth(Auth::new().basic(true).digest(true))?;
    easy.follow_location(false)?;
    easy.connect_timeout(Duration::from_millis(request.connect_timeout))?;
    easy.timeout(deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))?;
    easy.max_filesize(MOST_BYTES as u64)?;
    easy.ssl_verify_peer(request.verification != Verification::None)?;
    easy.ssl_verify_host(request.verification == Verification::ChainAndName)?;
    easy.signal(false)?;
    Ok(easy)
}

/// A diagnosis about a whole file.
pub fn diagnosis(wanted: &Wanted, code: &str, reason: impl Into<String>, suggestion: impl Into<String>) -> Diagnosis {
    Diagnosis {
        file: wanted.shown.clone(),
        line: 0,
        column: 0,
        code: code.to_owned(),
        name: String::new(),
        severity: Severity::Error,
        reason: reason.into(),
        suggestion: suggestion.into(),
        arguments: std::collections::BTreeMap::new(),
    }
}

fn not_found(wanted: &Wanted, status: u32) -> Diagnosis {
    let mut diagnosis = diagnosis(
        wanted,
        "file.not-found",
        format!("the server has no such file (HTTP {status})"),
        "check the URL and the name of the file",
    );
    diagnosis.severity = Severity::Warning;
    diagnosis.arguments.insert("status".to_owned(), status.to_string());
    diagnosis
}

fn refused(wanted: &Wanted, status: u32) -> Diagnosis {
    let suggestion = match status {
        401 | 403 => "check user and password in the URL and the rights on the server",
        500.. => "look into the server's log",
        _ => "check the URL",
    };
    let mut diagnosis = diagnosis(wanted, "file.refused", format!("the server answers HTTP {status}"), suggestion);
    diagnosis.arguments.insert("status".to_owned(), status.to_string());
    diagnosis
}

fn unreachable(wanted: &Wanted, error: &curl::Error) -> Diagnosis {
    // The description is libcurl's own text for the code; its extra text may quote the URL with the password.
    let suggestion = if error.is_couldnt_resolve_host() {
        "check the host name and the name servers"
    } else if error.is_couldnt_connect() {
        "check that the server runs and can be reached"
    } else if error.is_operation_timedout() {
        "check the network and the server's load"
    } else {
        "check the URL"
    };
    diagnosis(wanted, "file.unreachable", error.description().to_owned(), suggestion)
}

#[cfg(test)]
mod tests {
    use super::followed;

    #[test]
    fn a_redirection_never_leads_to_less_protection_or_another_kind_of_source() {
        assert_eq!(followed("http://a/x", "https://b/y".into()), Ok("https://b/y".into()));
        assert!(followed("https://a/x", "http://a/x".into()).is_err());
        for target in ["file:///etc/passwd", "ftp://a/x", "nonsense"] {
            assert!(followed("http://a/x", target.into()).is_err(), "{target}");
        }
    }
}
