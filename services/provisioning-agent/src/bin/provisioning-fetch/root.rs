//! The root certificate that servers are checked against (CFG_ROOT_CERTIFICATE_PATH): fetched like a file, in PEM or DER, before
//! the first https file that is to be checked. When it cannot be fetched, the one that came from the same URL before counts.

use agreements::Diagnosis;
use base64::Engine as _;
use provisioning_agent::provisioning::exchange::{LONGEST_CERTIFICATE, Request, RootCertificate, Verification};

use crate::fetch::{File, Miss, Trust, fetch};
use crate::findings::about;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// What counts as root.
pub enum Root {
    /// The system's certificates, or no check at all.
    System,
    /// Only this one, as PEM; whether it is new and is to be kept.
    Own(String, bool),
    /// There should be one and there is none: nothing can be checked, so nothing is fetched by https.
    Missing,
}

/// The root for this run, and what is to be said about it.
pub fn of(request: &Request) -> (Root, Vec<Diagnosis>) {
    let needed = request.verification != Verification::None && request.files.iter().any(|wanted| is_http(&wanted.url));
    let Some(certificate) = request.root_certificate.as_ref().filter(|_| needed) else {
        return (Root::System, Vec::new());
    };
    let trust = Trust { verification: request.verification, root: None };
    match fetch(request, &certificate.wanted, trust, LONGEST_CERTIFICATE) {
        Ok(File::New(bytes, _)) => match as_pem(&bytes) {
            Some(pem) => (Root::Own(pem, true), Vec::new()),
            None => kept(certificate, "it is no certificate in PEM or DER".to_owned()),
        },
        Ok(File::Unchanged) => kept(certificate, "it is said to be unchanged".to_owned()),
        Err(Miss::TooLarge(bytes)) => kept(certificate, format!("it is too large ({bytes} bytes)")),
        Err(Miss::NotFound(diagnosis) | Miss::Locked(diagnosis) | Miss::Failed(diagnosis)) => kept(certificate, diagnosis.reason),
    }
}

fn kept(certificate: &RootCertificate, reason: String) -> (Root, Vec<Diagnosis>) {
    let suggestion = "check CFG_ROOT_CERTIFICATE_PATH and its server";
    let mut told = about(&certificate.wanted, "root-certificate", format!("no root certificate: {reason}"), suggestion);
    told.name = "CFG_ROOT_CERTIFICATE_PATH".to_owned();
    match &certificate.kept {
        Some(pem) => {
            told.reason = format!("the root certificate of before counts: {reason}");
            told.severity = agreements::Severity::Warning;
            (Root::Own(pem.clone(), false), vec![told])
        }
        None => (Root::Missing, vec![told]),
    }
}

/// Whether it may come to go over TLS: http too, by a redirection.
fn is_http(url: &str) -> bool {
    url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"))
}

/// Whether it goes over TLS.
pub fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

fn as_pem(bytes: &[u8]) -> Option<String> {
    // DER: a SEQUENCE with a length of two bytes, as every certificate of some size has.
    if bytes.starts_with(&[0x30, 0x82]) {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        return Some(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    (text.contains(BEGIN) && text.contains(END)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_in_der_becomes_pem_and_anything_else_is_none() {
        let der = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        let pem = as_pem(&der).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nMIIBAAcH") && pem.lines().all(|line| line.len() <= 64));
        assert_eq!(as_pem(pem.as_bytes()).as_ref(), Some(&pem));
        assert_eq!(as_pem(b"# not one"), None);
    }
}
