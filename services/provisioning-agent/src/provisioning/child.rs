//! Runs the sandboxed child `provisioning-fetch`, which lies beside this program. It gets its request and nothing else: no
//! environment, no descriptors. Time and output are bounded here; however it dies, the run fails and the service goes on. What
//! it says is cut to size, and every value is checked again by the layers.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use agreements::Diagnosis;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::exchange::{Fetched, LONGEST_CERTIFICATE, LONGEST_REPLY, LONGEST_VALIDATOR, Reply, Request};

/// Start, parsing and answer of the child, beside the time for the files.
const MARGIN: Duration = Duration::from_secs(5);
/// Longest text of a diagnosis, in characters.
const LONGEST_TEXT: usize = 300;
/// Most diagnoses of one file: those of the file format's reader and a few of fetching.
const MOST_DIAGNOSES: usize = settings::file::MAX_DIAGNOSES + 20;
/// Most diagnoses about the root certificate.
const MOST_NOTES: usize = 4;

/// Why the child has not answered.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("{} cannot be started: {source}", program.display())]
    Start {
        /// Where it should be.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It did not take the request or did not finish its answer.
    #[error("the child that fetches files has ended: {0}")]
    Ended(String),
    /// It took too long and was killed.
    #[error("the child that fetches files did not end in time")]
    TimedOut,
    /// Its answer is no answer to the request.
    #[error("the child that fetches files answered nonsense: {0}")]
    Nonsense(String),
}

/// Fetches and reads the files of the request, one answer per file.
///
/// # Errors
/// See [`ChildError`].
pub async fn run(request: &Request) -> Result<Done, ChildError> {
    let per_file = Duration::from_millis(request.file_timeout);
    let files = request.files.len() + usize::from(request.root_certificate.is_some());
    let limit = MARGIN + per_file * u32::try_from(files).unwrap_or(u32::MAX);
    let reply = tokio::time::timeout(limit, exchange(request)).await.map_err(|_| ChildError::TimedOut)??;
    tracing::info!(sandbox = reply.sandbox, "files were fetched");
    if reply.files.len() != request.files.len() {
        return Err(ChildError::Nonsense(format!("{} answers for {} files", reply.files.len(), request.files.len())));
    }
    let shown = request.files.iter().map(|wanted| wanted.shown.as_str());
    let files = reply.files.into_iter().zip(shown).map(|(file, shown)| cut(file, shown)).collect();
    let mut notes = reply.notes;
    notes.truncate(MOST_NOTES);
    for note in &mut notes {
        let shown = request.root_certificate.as_ref().map_or("", |root| root.wanted.shown.as_str());
        cut_diagnosis(note, shown);
    }
    let root_certificate = reply.root_certificate.filter(|pem| pem.len() <= LONGEST_CERTIFICATE);
    Ok(Done { files, notes, root_certificate })
}

/// What the child has done, cut to size.
pub struct Done {
    /// One per file of the request.
    pub files: Vec<Fetched>,
    /// About the root certificate.
    pub notes: Vec<Diagnosis>,
    /// To be kept, as PEM.
    pub root_certificate: Option<String>,
}

async fn exchange(request: &Request) -> Result<Reply, ChildError> {
    let mut child = start()?;
    let request = serde_json::to_vec(request).map_err(|error| ChildError::Nonsense(error.to_string()))?;
    let ended = |error: std::io::Error| ChildError::Ended(error.to_string());
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&request).await.map_err(ended)?;
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(LONGEST_REPLY as u64 + 1).read_to_end(&mut answer).await.map_err(ended)?;
    }
    if answer.len() > LONGEST_REPLY {
        return Err(ChildError::Nonsense("it does not stop talking".to_owned()));
    }
    let status = child.wait().await.map_err(ended)?;
    if !status.success() {
        return Err(ChildError::Ended(status.to_string()));
    }
    serde_json::from_slice(&answer).map_err(|error| ChildError::Nonsense(error.to_string()))
}

fn start() -> Result<Child, ChildError> {
    let own = std::env::current_exe().unwrap_or_default();
    let program = own.with_file_name("provisioning-fetch");
    let command = Command::new(&program)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    command.map_err(|source| ChildError::Start { program, source })
}

/// Its words, at most as many as we would have used.
fn cut(mut file: Fetched, shown: &str) -> Fetched {
    shown.clone_into(&mut file.outcome.file);
    file.outcome.diagnoses.truncate(MOST_DIAGNOSES);
    for diagnosis in &mut file.outcome.diagnoses {
        cut_diagnosis(diagnosis, shown);
    }
    file.known = file.known.filter(|known| known.etag.len() <= LONGEST_VALIDATOR && known.last_modified.len() <= LONGEST_VALIDATOR);
    file
}

fn cut_diagnosis(diagnosis: &mut Diagnosis, shown: &str) {
    let Diagnosis { file, code, name, reason, suggestion, arguments, .. } = diagnosis;
    shown.clone_into(file);
    [code, name, reason, suggestion].into_iter().for_each(cut_text);
    if arguments.len() > 10 || arguments.iter().any(|(key, value)| key.len() > 40 || value.len() > LONGEST_TEXT) {
        arguments.clear();
    }
}

fn cut_text(text: &mut String) {
    if text.chars().count() > LONGEST_TEXT || text.contains(char::is_control) {
        *text = text.chars().filter(|character| !character.is_control()).take(LONGEST_TEXT).collect();
    }
}
