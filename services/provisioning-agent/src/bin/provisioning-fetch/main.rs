//! The sandboxed child of provisioning-agent: fetches the configuration files, reads them, and says what is in them. It gets one
//! request over stdin and answers once over stdout. It must not know the store, other settings or other secrets, and locks
//! itself in before it opens the first connection. Why a process of its own: proto/decisions/0004-provisioning-fetch.md.

mod fetch;
mod sandbox;

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use agreements::{Diagnosis, Secret};
use provisioning_agent::provisioning::exchange::{Fetch, Fetched, LONGEST_REQUEST, MOST_FILES, Reply, Request, Wanted};
use settings::container::{self, KeyLength};
use settings::file::{self, FileOutcome, Form, Size};

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
    let bodies: Vec<_> =
        request.files.iter().map(|wanted| (wanted, fetch::fetch(&request, wanted).map(|body| content(wanted, body)))).collect();
    // The size limit holds for all files together; the highest layer, asked for last, is measured first (C47).
    let sizes: Vec<Size> =
        bodies.iter().rev().map(|(_, fetched)| size(fetched.as_ref().map_or(b"", |body| body.as_deref().unwrap_or(b"")))).collect();
    let fits = file::within_limit(&sizes).into_iter().rev();
    let files = bodies.into_iter().zip(fits).map(|((wanted, fetched), fits)| read(wanted, fetched, fits)).collect();
    let reply = serde_json::to_vec(&Reply { sandbox, files })?;
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

fn read(wanted: &Wanted, fetched: Result<Result<Vec<u8>, Box<Diagnosis>>, fetch::Miss>, fits: bool) -> Fetched {
    let body = match fetched {
        Ok(Ok(body)) => body,
        Ok(Err(locked)) => return Fetched { fetch: Fetch::Read, outcome: container::refused(*locked, 0) },
        Err(fetch::Miss::NotFound(diagnosis)) => return missed(wanted, Fetch::NotFound, *diagnosis),
        Err(fetch::Miss::Failed(diagnosis)) => return missed(wanted, Fetch::Failed, *diagnosis),
        Err(fetch::Miss::TooLarge(bytes)) => {
            let outcome = file::over_the_limit(Size { form: Form::Xml, bytes }, &wanted.shown);
            return Fetched { fetch: Fetch::Read, outcome };
        }
    };
    if !fits {
        return Fetched { fetch: Fetch::Read, outcome: file::over_the_limit(size(&body), &wanted.shown) };
    }
    Fetched { fetch: Fetch::Read, outcome: file::parse(&body, &wanted.shown) }
}

/// Decrypted where the file's name says so (B59).
fn content(wanted: &Wanted, body: Vec<u8>) -> Result<Vec<u8>, Box<Diagnosis>> {
    let (key, length) = wanted.key.as_ref().map_or(("", ""), |key| (&key.key, &key.length));
    container::content(body, &wanted.url, &Secret::new(key), KeyLength::of(length).unwrap_or(KeyLength::Bits128)).map_err(Box::new)
}

fn size(body: &[u8]) -> Size {
    Size { form: file::form_of(body), bytes: body.len() }
}

fn missed(wanted: &Wanted, fetch: Fetch, diagnosis: Diagnosis) -> Fetched {
    let outcome = FileOutcome { file: wanted.shown.clone(), diagnoses: vec![diagnosis], ..FileOutcome::default() };
    Fetched { fetch, outcome }
}
