//! What is said about a file that could not be had: one code, one sentence and one piece of advice per cause. libcurl's own extra
//! text may quote the URL with its password, so it is looked at and never shown.

use std::collections::BTreeMap;

use agreements::{Diagnosis, Severity};
use provisioning_agent::provisioning::exchange::Wanted;

/// Codes of libcurl that its wrapper has no question for: FTP refused the path; TFTP has no such file, or refuses it; no such file.
const REMOTE_ACCESS_DENIED: u32 = 9;
const TFTP_NOT_FOUND: u32 = 68;
const TFTP_REFUSED: u32 = 69;
const REMOTE_FILE_NOT_FOUND: u32 = 78;

/// A diagnosis about a whole file.
pub fn about(wanted: &Wanted, code: &str, reason: impl Into<String>, suggestion: impl Into<String>) -> Diagnosis {
    Diagnosis {
        file: wanted.shown.clone(),
        line: 0,
        column: 0,
        code: code.to_owned(),
        name: String::new(),
        severity: Severity::Error,
        reason: reason.into(),
        suggestion: suggestion.into(),
        arguments: BTreeMap::new(),
    }
}

/// The server has no such file.
pub fn not_found(wanted: &Wanted, how: &str) -> Diagnosis {
    let mut diagnosis =
        about(wanted, "file.not-found", format!("the server has no such file ({how})"), "check the URL and the name of the file");
    diagnosis.severity = Severity::Warning;
    diagnosis
}

/// The server answers with a status that is no file.
pub fn refused(wanted: &Wanted, status: u32) -> Diagnosis {
    let suggestion = match status {
        401 | 403 => "check user and password, in the URL or for HTTP authentication, and the rights on the server",
        407 => "the proxy wants an account of its own, which the unit has not",
        500.. => "look into the server's log",
        _ => "check the URL",
    };
    let mut diagnosis = about(wanted, "file.refused", format!("the server answers HTTP {status}"), suggestion);
    diagnosis.arguments.insert("status".to_owned(), status.to_string());
    diagnosis
}

/// Whether the error says that there is no such file.
pub fn is_not_found(error: &curl::Error) -> bool {
    matches!(code(error), REMOTE_FILE_NOT_FOUND | TFTP_NOT_FOUND)
}

/// What libcurl's error means to the person who looks after the server.
pub fn unreachable(wanted: &Wanted, error: &curl::Error) -> Diagnosis {
    let (code, reason, suggestion) = cause(error);
    about(wanted, code, reason, suggestion)
}

fn code(error: &curl::Error) -> u32 {
    error.code()
}

fn cause(error: &curl::Error) -> (&'static str, String, &'static str) {
    let own = || error.description().to_owned();
    if error.is_couldnt_resolve_host() {
        ("file.unreachable", own(), "check the host name and the name servers")
    } else if error.is_couldnt_resolve_proxy() {
        ("file.unreachable", own(), "check HTTP_PROXY_ADDR and the name servers")
    } else if error.is_couldnt_connect() {
        ("file.unreachable", own(), "check that the server, or the proxy, runs and can be reached")
    } else if error.is_operation_timedout() {
        ("file.timed-out", "the server did not send the whole file in time".to_owned(), "check the network and the server's load")
    } else if error.is_partial_file() || error.is_got_nothing() || error.is_recv_error() || error.is_send_error() {
        let reason = "the connection ended before the file was complete".to_owned();
        ("file.cut-off", reason, "check the network, and that the server tells the right length")
    } else if is_about_a_certificate(error) {
        let (reason, suggestion) = certificate(error.extra_description().unwrap_or_default());
        ("file.certificate", reason.to_owned(), suggestion)
    } else if error.is_ssl_connect_error() || error.is_ssl_cipher() {
        let reason = "no TLS connection could be agreed on with the server".to_owned();
        ("file.tls", reason, "the server must speak TLS 1.2 or 1.3 at this port")
    } else if error.is_unsupported_protocol() {
        ("file.unreachable", "what answers there does not speak the URL's protocol".to_owned(), "check the URL's scheme and port")
    } else if error.is_login_denied() {
        ("file.refused", "the server refuses user and password".to_owned(), "check user and password in the URL")
    } else if matches!(code(error), REMOTE_ACCESS_DENIED | TFTP_REFUSED) {
        ("file.refused", "the server refuses access to the file".to_owned(), "check the path and the rights on the server")
    } else {
        ("file.unreachable", own(), "check the URL")
    }
}

fn is_about_a_certificate(error: &curl::Error) -> bool {
    error.is_peer_failed_verification() || error.is_ssl_cacert() || error.is_ssl_certproblem() || error.is_ssl_cacert_badfile()
}

/// By the words of OpenSSL, which are in English whatever the system speaks.
fn certificate(text: &str) -> (&'static str, &'static str) {
    let lower = text.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    if has("expired") {
        ("the server's certificate has expired", "renew the certificate, and check the unit's clock")
    } else if has("not yet valid") {
        ("the server's certificate is not valid yet", "check the unit's clock and the certificate's dates")
    } else if has("alternative certificate subject name") || has("does not match") || has("hostname mismatch") {
        ("the server's certificate names another server", "use the name in the certificate in the URL, or HTTP_SSL_VERIFY=\"1\"")
    } else if has("self-signed certificate in") || has("self signed certificate in") || has("unable to get") {
        (
            "the server's certificate was not issued by a root that the unit knows",
            "set CFG_ROOT_CERTIFICATE_PATH to the root certificate",
        )
    } else if has("self-signed") || has("self signed") {
        ("the server's certificate is self-signed", "set CFG_ROOT_CERTIFICATE_PATH to it, or use one from a known root")
    } else {
        ("the server's certificate could not be verified", "check the certificate, its chain and CFG_ROOT_CERTIFICATE_PATH")
    }
}
