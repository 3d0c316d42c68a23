//! One request to one server with libcurl, and what came back. Bounded in time and size. It follows nothing and judges nothing:
//! that is for fetch.rs.

use std::time::{Duration, Instant};

use curl::easy::{Auth, Easy, HttpVersion, List};
use provisioning_agent::provisioning::exchange::{HttpAccount, Known, LONGEST_VALIDATOR, Request, Verification};
use provisioning_agent::provisioning::place::{Account, Place};

/// What is asked, beside the request's common part.
pub struct Question<'q> {
    /// Its server and URL.
    pub place: &'q Place,
    /// Sent when the server asks for one.
    pub account: Option<Account>,
    /// Of the file that is in effect.
    pub known: Option<&'q Known>,
    /// How far a certificate is checked.
    pub verification: Verification,
    /// As PEM; none: the system's certificates.
    pub root: Option<&'q str>,
    /// Largest body, in bytes.
    pub limit: usize,
    /// Until when.
    pub deadline: Instant,
}

/// A server's answer.
pub enum Answer {
    /// The file.
    Body(Body),
    /// The file is the one that is known.
    Unchanged,
    /// It is elsewhere.
    Redirection(String),
    /// Another HTTP status.
    Status(u32),
    /// The body did not end within the limit; as many bytes had come, or were announced.
    TooLarge(usize),
}

/// A file as it came.
pub struct Body {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How the server names it.
    pub known: Option<Known>,
    /// Whether the server said where it ends. Where it did not, a lost connection looks like the end.
    pub end_told: bool,
}

/// The headers that count, of the newest answer.
#[derive(Default)]
struct Headers {
    etag: String,
    last_modified: String,
    length: Option<usize>,
    chunked: bool,
}

impl Headers {
    fn take(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if line.starts_with("HTTP/") {
            *self = Headers::default();
        }
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        let kept = || if value.len() <= LONGEST_VALIDATOR { value.to_owned() } else { String::new() };
        match name.trim().to_ascii_lowercase().as_str() {
            "etag" => self.etag = kept(),
            "last-modified" => self.last_modified = kept(),
            "content-length" => self.length = value.parse().ok(),
            "transfer-encoding" => self.chunked = value.to_ascii_lowercase().contains("chunked"),
            _ => {}
        }
    }

    fn known(self, bytes: usize) -> Option<Known> {
        let Headers { etag, last_modified, .. } = self;
        (!etag.is_empty() || !last_modified.is_empty()).then_some(Known { etag, last_modified, bytes, is_xml: false })
    }
}

/// Asks.
///
/// # Errors
/// libcurl's: the server could not be asked, or its answer did not arrive.
pub fn ask(request: &Request, question: &Question<'_>) -> Result<Answer, curl::Error> {
    let mut easy = configured(request, question)?;
    let (mut bytes, mut headers, mut too_large) = (Vec::new(), Headers::default(), false);
    let result = {
        let mut transfer = easy.transfer();
        transfer.header_function(|line| {
            headers.take(line);
            true
        })?;
        transfer.write_function(|data| {
            too_large = bytes.len() + data.len() > question.limit;
            if too_large {
                return Ok(0);
            }
            bytes.extend_from_slice(data);
            Ok(data.len())
        })?;
        transfer.perform()
    };
    if too_large || result.as_ref().is_err_and(curl::Error::is_filesize_exceeded) {
        return Ok(Answer::TooLarge(headers.length.unwrap_or(bytes.len()).max(question.limit + 1)));
    }
    result?;
    answer(&mut easy, question, bytes, headers)
}

fn answer(easy: &mut Easy, question: &Question<'_>, bytes: Vec<u8>, headers: Headers) -> Result<Answer, curl::Error> {
    if !question.place.server.scheme.starts_with("http") {
        // FTP tells the end by its closing reply, TFTP by a short block; libcurl checks both.
        return Ok(Answer::Body(Body { bytes, known: None, end_told: true }));
    }
    Ok(match easy.response_code()? {
        200 => {
            let end_told = headers.chunked || headers.length.is_some();
            Answer::Body(Body { known: headers.known(bytes.len()), bytes, end_told })
        }
        304 if question.known.is_some() => Answer::Unchanged,
        301 | 302 | 303 | 307 | 308 => easy.redirect_url()?.map_or(Answer::Status(300), |url| Answer::Redirection(url.to_owned())),
        status => Answer::Status(status),
    })
}

fn configured(request: &Request, question: &Question<'_>) -> Result<Easy, curl::Error> {
    let mut easy = Easy::new();
    easy.url(&question.place.bare)?;
    easy.useragent(&request.user_agent)?;
    easy.http_version(if request.http_1_0 { HttpVersion::V10 } else { HttpVersion::V11 })?;
    // libcurl takes the strongest one that the server offers: Digest goes before Basic.
    easy.http_auth(Auth::new().basic(true).digest(true))?;
    if let Some(Account { user, password }) = &question.account {
        easy.username(user)?;
        easy.password(password.reveal())?;
    }
    if let Some(proxy) = request.proxy.as_deref().filter(|_| question.place.server.scheme.starts_with("http")) {
        easy.proxy(&format!("http://{proxy}"))?;
    }
    easy.http_headers(conditions(question.known)?)?;
    easy.follow_location(false)?;
    easy.connect_timeout(Duration::from_millis(request.connect_timeout))?;
    easy.timeout(question.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))?;
    easy.max_filesize(question.limit as u64)?;
    easy.ssl_verify_peer(question.verification != Verification::None)?;
    easy.ssl_verify_host(question.verification == Verification::ChainAndName)?;
    if let Some(root) = question.root {
        easy.ssl_cainfo_blob(root.as_bytes())?;
    }
    easy.signal(false)?;
    Ok(easy)
}

/// What makes an unchanged file cost one answer without a body.
fn conditions(known: Option<&Known>) -> Result<List, curl::Error> {
    let mut list = List::new();
    if let Some(Known { etag, last_modified, .. }) = known {
        for (name, value) in [("If-None-Match", etag), ("If-Modified-Since", last_modified)] {
            if !value.is_empty() && value.chars().all(|character| !character.is_control()) {
                list.append(&format!("{name}: {value}"))?;
            }
        }
    }
    Ok(list)
}

/// The account of the rows, as one of a URL.
pub fn as_account(account: &HttpAccount) -> Account {
    Account { user: account.user.clone(), password: account.password.clone() }
}
