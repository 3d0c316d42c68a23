//! One file from its server: bounded in time, size and redirections. Redirections are followed here, not by libcurl, so that each
//! new URL is checked: http and https only, never from https to http, and an account goes only to the server that it is meant for.

use std::time::{Duration, Instant};

use agreements::Diagnosis;
use provisioning_agent::provisioning::exchange::{Known, Request, Verification, Wanted};
use provisioning_agent::provisioning::place::{Account, Place, Server, place};

use crate::findings::{about, is_not_found, not_found, refused, unreachable};
use crate::transfer::{Answer, Body, Question, as_account, ask};

/// As many as a browser would find odd.
const REDIRECTIONS: usize = 5;

/// A file, or that it is the one that is known.
pub enum File {
    /// Its bytes and how the server names them.
    New(Vec<u8>, Option<Known>),
    /// 304.
    Unchanged,
}

/// Why there is no file.
pub enum Miss {
    /// The server says that there is none.
    NotFound(Box<Diagnosis>),
    /// It did not end within the size limit (C47); as many bytes had come or were announced.
    TooLarge(usize),
    /// It came and is encrypted, and cannot be opened (B61).
    Locked(Box<Diagnosis>),
    /// Anything else.
    Failed(Box<Diagnosis>),
}

/// How servers are believed.
#[derive(Clone, Copy)]
pub struct Trust<'t> {
    /// How far a certificate is checked.
    pub verification: Verification,
    /// As PEM; none: the system's certificates.
    pub root: Option<&'t str>,
}

/// Fetches one file of at most `limit` bytes.
pub fn fetch(request: &Request, wanted: &Wanted, trust: Trust<'_>, limit: usize) -> Result<File, Miss> {
    let first = place(&wanted.url).ok_or_else(|| failed(about(wanted, "file.not-a-url", "this is no URL", "check the URL")))?;
    let home = first.server.clone();
    let account = account_for(request, &first);
    let deadline = Instant::now() + Duration::from_millis(request.file_timeout);
    let mut at = first;
    for _ in 0..=REDIRECTIONS {
        let question = Question {
            account: account.clone().filter(|_| at.server == home),
            place: &at,
            known: wanted.known.as_ref(),
            verification: trust.verification,
            root: trust.root,
            limit,
            deadline,
        };
        match ask(request, &question) {
            Ok(Answer::Body(body)) => return whole(wanted, body),
            Ok(Answer::Unchanged) => return Ok(File::Unchanged),
            Ok(Answer::TooLarge(bytes)) => return Err(Miss::TooLarge(bytes)),
            Ok(Answer::Status(status @ (404 | 410))) => return Err(missing(wanted, &format!("HTTP {status}"))),
            Ok(Answer::Status(status)) => return Err(failed(refused(wanted, status))),
            Ok(Answer::Redirection(to)) => at = followed(&at.server, &to).map_err(|reason| lost(wanted, reason))?,
            Err(error) if is_not_found(&error) => return Err(missing(wanted, &home.scheme)),
            Err(error) => return Err(failed(unreachable(wanted, &error))),
        }
    }
    Err(lost(wanted, format!("the server redirects more than {REDIRECTIONS} times")))
}

/// That of the URL; for HTTP without one that of the rows (C28).
fn account_for(request: &Request, place: &Place) -> Option<Account> {
    let of_rows = || request.account.as_ref().filter(|_| place.server.scheme.starts_with("http")).map(as_account);
    place.account.clone().or_else(of_rows)
}

/// Takes a body unless it is visibly something else than the whole file.
fn whole(wanted: &Wanted, body: Body) -> Result<File, Miss> {
    if is_a_page(&body.bytes) {
        let reason = "the server sent a web page instead of a configuration file";
        return Err(failed(about(wanted, "file.web-page", reason, "check the URL, and that it needs no login in a browser")));
    }
    if breaks_off(&body) {
        let reason = "the file breaks off in the middle of a line";
        let suggestion = "check the file on the server, and that the server tells the right length";
        return Err(failed(about(wanted, "file.cut-off", reason, suggestion)));
    }
    Ok(File::New(body.bytes, body.known))
}

/// An HTML page: an error page, a login, a captive portal.
fn is_a_page(bytes: &[u8]) -> bool {
    let head: Vec<u8> = bytes.iter().take(1_000).map(u8::to_ascii_lowercase).collect();
    let starts = head.trim_ascii_start().starts_with(b"<");
    starts
        && [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].iter().any(|tag| head.windows(tag.len()).any(|part| part == *tag))
}

/// Where the server did not say how long the file is, its end must be the end of a line (or of an XML element): a connection that
/// was lost looks like an end. Where it did, a last line that is no whole one shows that it said too little.
fn breaks_off(body: &Body) -> bool {
    let text = body.bytes.trim_ascii_end();
    let is_text = text.starts_with(b"#") || text.starts_with(b"\xef\xbb\xbf#");
    if !is_text || text.len() < body.bytes.len() {
        return false;
    }
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_start();
    let is_whole =
        last.starts_with(b"#") || last.strip_suffix(b"\"").is_some_and(|line| line.windows(2).any(|part| part == b"=\""));
    !body.end_told || !is_whole
}

fn failed(diagnosis: Diagnosis) -> Miss {
    Miss::Failed(Box::new(diagnosis))
}

fn missing(wanted: &Wanted, how: &str) -> Miss {
    Miss::NotFound(Box::new(not_found(wanted, how)))
}

fn lost(wanted: &Wanted, reason: String) -> Miss {
    failed(about(wanted, "file.redirection", reason, "give the final URL"))
}

/// Where a redirection may lead.
fn followed(from: &Server, to: &str) -> Result<Place, String> {
    let next = place(to).ok_or_else(|| "the server redirects to something that is no URL to fetch from".to_owned())?;
    match (from.scheme.as_str(), next.server.scheme.as_str()) {
        ("http", "http" | "https") | ("https", "https") => Ok(next),
        ("https", "http") => Err("the server redirects from https to http".to_owned()),
        (_, other) => Err(format!("the server redirects to the scheme \"{other}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_never_leads_to_less_protection_or_another_kind_of_source() {
        let from = |scheme: &str| Server { scheme: scheme.into(), authority: "a".into() };
        assert_eq!(followed(&from("http"), "https://b/y").map(|place| place.bare), Ok("https://b/y".into()));
        assert!(followed(&from("https"), "http://a/x").is_err());
        for target in ["file:///etc/passwd", "ftp://a/x", "nonsense"] {
            assert!(followed(&from("http"), target).is_err(), "{target}");
        }
    }

    #[test]
    fn a_file_that_breaks_off_is_told_from_one_that_only_lacks_its_last_line_end() {
        // C63: a missing last line end alone is no reason to refuse a file whose length was told.
        let breaks = |text: &str, end_told| breaks_off(&Body { bytes: text.as_bytes().to_vec(), known: None, end_told });
        assert!(!breaks("# x\r\nA=\"1\"\r\n", false));
        assert!(!breaks("# x\r\nA=\"1\"", true));
        assert!(breaks("# x\r\nA=\"1\"", false));
        assert!(breaks("# x\r\nA=\"1", true) && breaks("# x\r\nA=\"", true) && breaks("# x\r\nSIP_PAS", true));
        assert!(!breaks("Salted__\x01\x02", false), "what is no text has its own end");
    }

    #[test]
    fn a_web_page_is_known_by_its_tags_and_xml_is_none() {
        assert!(is_a_page(b"\n<!DOCTYPE HTML><title>Login</title>") && is_a_page(b"<?xml version=\"1.0\"?><html>"));
        assert!(!is_a_page(b"<?xml version=\"1.0\"?><Settings/>") && !is_a_page(b"# <html>"));
    }
}
