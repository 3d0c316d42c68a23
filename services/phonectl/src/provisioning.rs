//! A provisioning run that somebody waits for.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use phone_proto::dbus::{
    DiagnosisTuple, FileTuple, Options, PROVISIONING_NAME, ProvisioningProxy, RunFinishedArgs, RunFinishedStream, RunTuple,
};
use phone_proto::errors::ErrorKind;
use serde_json::{Value, json};
use settings::file::MOST_BYTES;
use zbus::proxy::CacheProperties;

use crate::bus;
use crate::failure::{Failure, absent};
use crate::settings::moment;
use crate::show::{Output, table};

/// A run that takes longer goes on without us.
const RUN_LIMIT: Duration = Duration::from_secs(180);

fn failed(error: zbus::Error) -> Failure {
    Failure::of_call(PROVISIONING_NAME, error)
}

/// `phonectl provision now`
pub async fn run_now(output: &mut Output) -> Result<(), Failure> {
    waited(output, async |service| service.run(Options::new()).await).await
}

/// `phonectl provision import`
pub async fn import(output: &mut Output, kind: &str, file: &Path) -> Result<(), Failure> {
    let invalid = |text: String| Failure::new(ErrorKind::InvalidArgument, &text);
    let unreadable = |error: std::io::Error| invalid(format!("{}: {error}", file.display()));
    let name =
        file.file_name().and_then(|name| name.to_str()).ok_or_else(|| invalid(format!("{} names no file", file.display())))?;
    let mut content = Vec::new();
    // One byte more than any file may have: then the phone says so.
    std::fs::File::open(file).map_err(unreadable)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut content).map_err(unreadable)?;
    waited(output, async |service| service.import(kind, name, &content, Options::new()).await).await
}

/// `phonectl provision import --card`
pub async fn import_from_card(output: &mut Output, kind: &str, file: &Path) -> Result<(), Failure> {
    let name = file.to_str().ok_or_else(|| Failure::new(ErrorKind::InvalidArgument, "the name of the file is not UTF-8"))?;
    waited(output, async |service| service.import_from_card(kind, name, Options::new()).await).await
}

/// `phonectl provision card`
pub async fn card(output: &mut Output) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let service = ProvisioningProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)?;
    let files = service.card_files().await.map_err(failed)?;
    output.result(&json!(files), || files.iter().map(|name| format!("{name}\n")).collect())
}

/// `phonectl provision runs`
pub async fn runs(output: &mut Output) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let service = ProvisioningProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)?;
    let runs = service.runs().await.map_err(failed)?;
    let one = |(time, cause, outcome, revision, files, diagnoses): &RunTuple| {
        let beginning = [("time", json!(time)), ("cause", json!(cause))];
        told(beginning, outcome, *revision, files, diagnoses)
    };
    output.result(&Value::from_iter(runs.iter().map(one)), || {
        let line = |(time, cause, outcome, revision, files, diagnoses): &RunTuple| {
            format!("{}  {cause} {outcome}, revision {revision}\n{}", moment(*time), in_words(files, diagnoses))
        };
        runs.iter().map(line).collect()
    })
}

/// Begins a run, waits for its end and shows what came of it.
async fn waited(output: &mut Output, begin: impl AsyncFnOnce(&ProvisioningProxy<'_>) -> zbus::Result<u64>) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let service = ProvisioningProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)?;
    bus::must_be_up(&connection, PROVISIONING_NAME).await?;
    let mut finished = service.receive_run_finished().await.map_err(failed)?;
    let run = begin(&service).await.map_err(failed)?;
    let (outcome, revision) = tokio::time::timeout(RUN_LIMIT, end_of(run, &mut finished))
        .await
        .map_err(|_| Failure::new(ErrorKind::ServiceUnavailable, "the run goes on for longer than three minutes"))??;
    let files = service.files().await.map_err(failed)?;
    let diagnoses = service.diagnoses().await.map_err(failed)?;
    let whole = told([("run", json!(run))], &outcome, revision, &files, &diagnoses);
    output.result(&whole, || format!("run {run} {outcome}, revision {revision}\n{}", in_words(&files, &diagnoses)))?;
    if outcome == "done" { Ok(()) } else { Err(Failure::new(ErrorKind::InvalidValue, format!("the run {outcome}"))) }
}

async fn end_of(run: u64, finished: &mut RunFinishedStream) -> Result<(String, u64), Failure> {
    while let Some(signal) = finished.next().await {
        let RunFinishedArgs { run: of, outcome, revision, .. } = signal.args().map_err(failed)?;
        if of >= run {
            return Ok((outcome, revision));
        }
    }
    Err(absent(PROVISIONING_NAME))
}

/// One run as JSON, with what else is known of it at the beginning.
fn told<const N: usize>(
    beginning: [(&str, Value); N],
    outcome: &str,
    revision: u64,
    files: &[FileTuple],
    diagnoses: &[DiagnosisTuple],
) -> Value {
    let file = |(kind, url, outcome, applied, skipped): &FileTuple| json!({"kind": kind, "url": url, "outcome": outcome, "applied": applied, "skipped": skipped});
    let finding = |(file, line, column, code, name, severity, reason, suggestion): &DiagnosisTuple| {
        json!({"file": file, "line": line, "column": column, "code": code, "name": name, "severity": severity, "reason": reason,
            "suggestion": suggestion})
    };
    let (files, diagnoses) = (files.iter().map(file).collect::<Value>(), diagnoses.iter().map(finding).collect::<Value>());
    let rest = [("outcome", json!(outcome)), ("revision", json!(revision)), ("files", files), ("diagnoses", diagnoses)];
    beginning.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn in_words(files: &[FileTuple], diagnoses: &[DiagnosisTuple]) -> String {
    let row = |(kind, url, outcome, applied, skipped): &FileTuple| {
        vec![kind.clone(), outcome.clone(), applied.to_string(), skipped.to_string(), url.clone()]
    };
    let line = |(file, line, column, code, _, severity, reason, _): &DiagnosisTuple| {
        format!("{file}:{line}:{column}: {severity}: {reason} [{code}]\n")
    };
    let files = table(&["FILE", "OUTCOME", "APPLIED", "SKIPPED", "URL"], &files.iter().map(row).collect::<Vec<_>>());
    let findings: String = diagnoses.iter().map(line).collect();
    format!("{files}{findings}")
}
