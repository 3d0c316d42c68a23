//! The sandboxed child of provisioning-agent: fetches the configuration files, reads them, and says what is in them. It gets one
//! request over stdin and answers once over stdout. It must not know the store, other settings or other secrets, and locks
//! itself in before it opens the first connection. Why a process of its own: proto/decisions/0004-provisioning-fetch.md.

mod fetch;
mod findings;
mod root;
mod sandbox;
mod transfer;

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use agreements::{Diagnosis, Secret};
use base64::Engine as _;
use provisioning_agent::provisioning::exchange::{Fetch, Fetched, Known, LONGEST_REQUEST, MOST_FILES, Reply, Request, Wanted};
use settings::container::{self, KeyLength};
use settings::file::{self, FileOutcome, Form, MOST_BYTES, Size};

use fetch::{File, Miss, Trust};
use root::Root;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("provisioning-fetch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let request = read_request()?;
    curl::init();
    let sandbox = sandbox::enter();
    let (root, notes) = root::of(&request);
    let bodies: Vec<_> = request.files.iter().map(|wanted| (wanted, one(&request, wanted, &root))).collect();
    // The size limit holds for all files together; the highest layer, asked for last, is measured first (C47).
    let sizes: Vec<Size> = bodies.iter().rev().map(|(wanted, fetched)| size(wanted, fetched)).collect();
    let fits = file::within_limit(&sizes).into_iter().rev();
    let files = bodies.into_iter().zip(fits).map(|((wanted, fetched), fits)| read(wanted, fetched, fits)).collect();
    let root_certificate = match root {
        Root::Own(pem, true) => Some(pem),
        Root::System | Root::Missing | Root::Own(_, false) => None,
    };
    let reply = serde_json::to_vec(&Reply { sandbox, root_certificate, notes, files })?;
    io::stdout().lock().write_all(&reply)?;
    Ok(())
}

fn read_request() -> Result<Request, Box<dyn std::error::Error>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(LONGEST_REQUEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST_REQUEST {
        return Err("the request is too long".into());
    }
    let request: Request = serde_json::from_slice(&bytes)?;
    if request.files.len() > MOST_FILES { Err("too many files are asked for".into()) } else { Ok(request) }
}

fn one(request: &Request, wanted: &Wanted, root: &Root) -> Result<File, Miss> {
    if let Some(content) = &wanted.content {
        return Ok(File::New(opened(wanted, brought(wanted, content)?)?, None));
    }
    let verification = request.verification;
    let trust = match root {
        Root::System => Trust { verification, root: None },
        Root::Own(pem, _) => Trust { verification, root: Some(pem) },
        Root::Missing if root::is_https(&wanted.url) => {
            let reason = "the server cannot be checked: there is no root certificate";
            let suggestion = "check CFG_ROOT_CERTIFICATE_PATH and its server";
            return Err(Miss::Failed(Box::new(findings::about(wanted, "file.certificate", reason, suggestion))));
        }
        Root::Missing => Trust { verification, root: None },
    };
    match fetch::fetch(request, wanted, trust, MOST_BYTES)? {
        File::New(body, known) => Ok(File::New(opened(wanted, body)?, known)),
        File::Unchanged => Ok(File::Unchanged),
    }
}

/// A file that somebody has brought.
fn brought(wanted: &Wanted, content: &str) -> Result<Vec<u8>, Miss> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(content);
    let bytes = bytes.map_err(|_| {
        Miss::Failed(Box::new(findings::about(wanted, "file.cut-off", "it did not arrive whole", "import it again")))
    })?;
    if bytes.len() > MOST_BYTES { Err(Miss::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// Decrypted where the file's name says so (B59).
fn opened(wanted: &Wanted, body: Vec<u8>) -> Result<Vec<u8>, Miss> {
    let (key, length) = wanted.key.as_ref().map_or(("", ""), |key| (&key.key, &key.length));
    let length = KeyLength::of(length).unwrap_or(KeyLength::Bits128);
    container::content(body, &wanted.url, &Secret::new(key), length).map_err(|refused| Miss::Locked(Box::new(refused)))
}

/// Of a file that has not changed, that of the known one.
fn size(wanted: &Wanted, fetched: &Result<File, Miss>) -> Size {
    match fetched {
        Ok(File::New(body, _)) => size_of(body),
        Ok(File::Unchanged) => wanted
            .known
            .as_ref()
            .map_or(size_of(b""), |known| Size { form: if known.is_xml { Form::Xml } else { Form::Plain }, bytes: known.bytes }),
        Err(_) => size_of(b""),
    }
}

fn size_of(body: &[u8]) -> Size {
    Size { form: file::form_of(body), bytes: body.len() }
}

fn read(wanted: &Wanted, fetched: Result<File, Miss>, fits: bool) -> Fetched {
    let (body, known) = match fetched {
        Ok(File::New(body, known)) => (body, known),
        Ok(File::Unchanged) => return unchanged(wanted),
        Err(Miss::NotFound(diagnosis)) => return missed(wanted, Fetch::NotFound, *diagnosis),
        Err(Miss::Failed(diagnosis)) => return missed(wanted, Fetch::Failed, *diagnosis),
        Err(Miss::Locked(refused)) => {
            return Fetched { fetch: Fetch::Read, known: None, outcome: container::refused(*refused, 0) };
        }
        Err(Miss::TooLarge(bytes)) => {
            let outcome = file::over_the_limit(Size { form: Form::Xml, bytes }, &wanted.shown);
            return Fetched { fetch: Fetch::Read, known: None, outcome };
        }
    };
    if !fits {
        return Fetched { fetch: Fetch::Read, known: None, outcome: file::over_the_limit(size_of(&body), &wanted.shown) };
    }
    let known = known.map(|known| Known { is_xml: file::form_of(&body) == Form::Xml, ..known });
    Fetched { fetch: Fetch::Read, known, outcome: file::parse(&body, &wanted.shown) }
}

fn missed(wanted: &Wanted, fetch: Fetch, diagnosis: Diagnosis) -> Fetched {
    let outcome = FileOutcome { file: wanted.shown.clone(), diagnoses: vec![diagnosis], ..FileOutcome::default() };
    Fetched { fetch, known: None, outcome }
}

fn unchanged(wanted: &Wanted) -> Fetched {
    let outcome = FileOutcome { file: wanted.shown.clone(), ..FileOutcome::default() };
    Fetched { fetch: Fetch::Unchanged, known: wanted.known.clone(), outcome }
}
