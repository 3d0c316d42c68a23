//! The form that brings a configuration file: read part by part with bounds, handed on, and the page that says what came of it.
//!
//! A body is read to its end even when it is of no use: a browser that is answered while it still sends shows nothing but an error
//! of its own.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::http::StatusCode;
use axum::response::Response;
use settings::file::MOST_BYTES;

use super::forms;
use super::respond;
use super::router::{Screen, missing, onlooker};
use crate::desk::Desk;
use crate::importing::{FileType, ImportError, ImportReport, Upload};
use crate::login::Pass;
use crate::menu::Place;
use crate::pages::import::{self, FILE, TOKEN, TYPE};
use crate::pages::notice;
use crate::pages::settings::{Outcome, ResultMessage};

/// Tab and screen of the form.
const SCREEN: (&str, &str) = ("maintenance", "import-configuration-file");
/// Its path.
pub const PATH: &str = "/maintenance/import-configuration-file";
/// Longest body of the form, in bytes. A file that is somewhat too large is still read, so that the page can say so.
pub const LONGEST_BODY: usize = 1 << 20;

/// Parts of a body; the form has three.
const MOST_PARTS: usize = 8;
/// Longest value of a field that is no file.
const LONGEST_VALUE: usize = 200;

/// What stands in a body.
#[derive(Default)]
struct Parts {
    kind: Option<FileType>,
    /// Whether a token that holds came before the file.
    admitted: bool,
    name: String,
    content: Vec<u8>,
    too_large: bool,
}

/// Why a body is none of the form's.
enum Unreadable {
    Broken(MultipartError),
    TooMany,
}

impl From<MultipartError> for Unreadable {
    fn from(error: MultipartError) -> Unreadable {
        Unreadable::Broken(error)
    }
}

/// The form.
pub async fn show(State(desk): State<Arc<Desk>>, Extension(pass): Extension<Pass>) -> Response {
    match place(&desk, &pass) {
        Some(place) => Screen { desk: &desk, pass: &pass, place }.show(),
        None => missing(&pass),
    }
}

/// Import and Restart (B105).
pub async fn import(
    State(desk): State<Arc<Desk>>,
    Extension(pass): Extension<Pass>,
    body: Result<Multipart, MultipartRejection>,
) -> Response {
    let Some(place) = place(&desk, &pass) else { return missing(&pass) };
    let parts = match body {
        Ok(body) => read(body, |token| desk.door().form_token_holds(pass.session, PATH, token)).await,
        Err(rejection) => return unreadable(rejection.status(), &pass),
    };
    match parts {
        Ok(parts) if !parts.admitted => forms::no_token(&pass),
        Ok(parts) => {
            let kind = parts.kind;
            let screen = Screen { desk: &desk, pass: &pass, place };
            match take(&desk, &pass, parts).await {
                Ok(report) => screen.whole(StatusCode::OK, &import::report(&place, &report, &outcome(&report))),
                Err(error) => {
                    tracing::warn!(%error, "a file from the web interface was not imported");
                    let (status, outcome) = in_words(error);
                    screen.import(status, kind.unwrap_or_default(), &outcome)
                }
            }
        }
        Err(Unreadable::Broken(error)) => unreadable(error.status(), &pass),
        Err(Unreadable::TooMany) => unreadable(StatusCode::BAD_REQUEST, &pass),
    }
}

/// The screen, for whom it is there.
fn place(desk: &Desk, pass: &Pass) -> Option<Place> {
    let (tab, screen) = SCREEN;
    Place::find(tab, screen, None, onlooker(desk, pass))
}

async fn read(mut body: Multipart, holds: impl Fn(&str) -> bool) -> Result<Parts, Unreadable> {
    let mut parts = Parts::default();
    let mut count = 0_usize;
    while let Some(mut field) = body.next_field().await? {
        count = count.saturating_add(1);
        if count > MOST_PARTS {
            return Err(Unreadable::TooMany);
        }
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            TOKEN => parts.admitted = holds(&value(&mut field).await?),
            TYPE => parts.kind = FileType::named(&value(&mut field).await?),
            FILE if parts.admitted => {
                parts.name = field.file_name().unwrap_or_default().to_owned();
                let (content, whole) = bounded(&mut field, MOST_BYTES).await?;
                (parts.content, parts.too_large) = (content, !whole);
            }
            _ => drop(bounded(&mut field, 0).await?),
        }
    }
    Ok(parts)
}

async fn value(field: &mut Field<'_>) -> Result<String, MultipartError> {
    let (bytes, _) = bounded(field, LONGEST_VALUE).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// At most so many bytes of a part, and whether that is all of it. It is read to its end.
async fn bounded(field: &mut Field<'_>, most: usize) -> Result<(Vec<u8>, bool), MultipartError> {
    let (mut kept, mut whole) = (Vec::new(), true);
    while let Some(chunk) = field.chunk().await? {
        let room = most.saturating_sub(kept.len());
        whole = whole && chunk.len() <= room;
        kept.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    Ok((kept, whole))
}

async fn take(desk: &Desk, pass: &Pass, parts: Parts) -> Result<ImportReport, ImportError> {
    let invalid = |text: &str| Err(ImportError::Invalid(text.to_owned()));
    let Some(kind) = parts.kind else { return invalid("Choose the type of the file.") };
    if parts.too_large {
        return invalid("The file is larger than any configuration file may be.");
    }
    if parts.name.is_empty() {
        return invalid("Choose a file.");
    }
    let account = format!("web {}", pass.account.as_str());
    desk.import(Upload { kind, name: parts.name, content: parts.content, account }).await
}

/// A file of which something is in effect is imported, whatever is wrong with some of its lines.
fn outcome(report: &ImportReport) -> Outcome {
    let taken = report.files.iter().any(|file| file.outcome == "applied" || file.outcome == "unchanged");
    let message = if taken { ResultMessage::Complete } else { ResultMessage::ParameterError };
    Outcome { message: Some(message), details: vec![import::restart(report.restart).to_owned()], saved: None }
}

fn in_words(error: ImportError) -> (StatusCode, Outcome) {
    let (message, status, text) = match error {
        ImportError::Invalid(reason) => (ResultMessage::ParameterError, StatusCode::UNPROCESSABLE_ENTITY, reason),
        ImportError::InCall => (ResultMessage::Busy, StatusCode::CONFLICT, notice::IN_A_CALL.to_owned()),
        ImportError::Busy => (ResultMessage::Busy, StatusCode::SERVICE_UNAVAILABLE, notice::FILES_UNDER_WAY.to_owned()),
        ImportError::Unavailable(reason) => {
            let text = format!("{} ({reason})", notice::NOT_IMPORTED);
            (ResultMessage::TransferFailure, StatusCode::SERVICE_UNAVAILABLE, text)
        }
        ImportError::NoReport(_) => (ResultMessage::TransferFailure, StatusCode::GATEWAY_TIMEOUT, notice::NO_REPORT.to_owned()),
    };
    (status, Outcome { message: Some(message), details: vec![text], saved: None })
}

fn unreadable(status: StatusCode, pass: &Pass) -> Response {
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "The file is larger than any configuration file may be.",
        _ => "The form could not be read.",
    };
    respond::error(status, text, Some(pass.account))
}
