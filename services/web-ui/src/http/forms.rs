//! Forms that were sent: the token, the reading, the saving, and the page that says what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use settings::{catalogue, value};
use subtle::ConstantTimeEq as _;

use super::respond;
use super::router::Screen;
use crate::backend::SaveError;
use crate::desk::Desk;
use crate::form::{self, Submission};
use crate::login::{Account, Pass};
use crate::menu::Place;
use crate::pages::password::{CONFIRM, CURRENT, NEW, PasswordErrors};
use crate::pages::settings::{Outcome, ResultMessage};
use crate::pages::{notice, password};
use crate::values::Values;

/// The fields of a form, the last of each name.
pub type Sent = BTreeMap<String, String>;

/// What a person has sent from a screen.
pub struct Posted {
    /// From which screen.
    pub place: Place,
    /// Who.
    pub pass: Pass,
    /// What.
    pub sent: Sent,
}

impl Posted {
    fn field(&self, name: &str) -> &str {
        self.sent.get(name).map_or("", String::as_str)
    }

    /// Saves a settings screen.
    pub async fn save_settings(self, desk: &Arc<Desk>) -> Response {
        let (place, account) = (self.place, self.pass.account);
        let mut submission = form::read(&place, account, &desk.values_now().table, &self.sent);
        let (status, outcome) = self.save(desk, &mut submission).await;
        let screen = Screen { desk, pass: &self.pass, place };
        screen.settings(status, &submission, outcome)
    }

    async fn save(&self, desk: &Arc<Desk>, submission: &mut Submission) -> (StatusCode, Outcome) {
        if !submission.errors.is_empty() {
            return failed(ResultMessage::ParameterError, StatusCode::UNPROCESSABLE_ENTITY, Vec::new());
        }
        if submission.changes.is_empty() {
            let details = vec!["Nothing was changed.".to_owned()];
            return (StatusCode::OK, Outcome { message: Some(ResultMessage::Complete), details, saved: None });
        }
        let changes = submission.changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let expected = self.field("revision").parse().unwrap_or(0);
        match desk.save(self.pass.session, self.pass.account, expected, changes).await {
            Ok(_) => {
                *submission = Submission::default();
                complete(desk, self.pass.session)
            }
            Err(SaveError::Refused(diagnoses)) => {
                let elsewhere = submission.refuse(&diagnoses, &self.place, self.pass.account);
                failed(ResultMessage::ParameterError, StatusCode::UNPROCESSABLE_ENTITY, elsewhere)
            }
            Err(error) => not_saved(&error),
        }
    }

    /// Saves a new password (B130, B131, B166, C34).
    pub async fn save_password(self, desk: &Arc<Desk>, whose: Account) -> Response {
        let values = desk.values_now();
        let errors = self.password_errors(&values, whose);
        let screen = Screen { desk, pass: &self.pass, place: self.place };
        if !errors.is_empty() {
            let (status, outcome) = failed(ResultMessage::ParameterError, StatusCode::UNPROCESSABLE_ENTITY, Vec::new());
            return screen.password(status, whose, &errors, &outcome);
        }
        let change = BTreeMap::from([(password_row(whose).to_owned(), self.field(NEW).to_owned())]);
        match desk.save(self.pass.session, self.pass.account, 0, change).await {
            Ok(_) if whose == self.pass.account => {
                let outcome = Outcome { message: Some(ResultMessage::Complete), ..Outcome::default() };
                screen.whole(StatusCode::OK, &password::changed(&self.place, &outcome))
            }
            Ok(_) => {
                let (status, outcome) = complete(desk, self.pass.session);
                screen.password(status, whose, &errors, &outcome)
            }
            Err(SaveError::Refused(diagnoses)) => {
                let reasons: Vec<String> = diagnoses.iter().map(form::in_words).collect();
                let errors = PasswordErrors { new: reasons.join(" "), ..PasswordErrors::default() };
                let (status, outcome) = failed(ResultMessage::ParameterError, StatusCode::UNPROCESSABLE_ENTITY, Vec::new());
                screen.password(status, whose, &errors, &outcome)
            }
            Err(error) => {
                let (status, outcome) = not_saved(&error);
                screen.password(status, whose, &errors, &outcome)
            }
        }
    }

    fn password_errors(&self, values: &Values, whose: Account) -> PasswordErrors {
        let known = values.text(password_row(whose));
        let current_holds: bool = known.as_bytes().ct_eq(self.field(CURRENT).as_bytes()).into();
        let refusal = catalogue::parameter(password_row(whose)).and_then(|row| value::check(&row, self.field(NEW)).err());
        let said = |wrong: bool, text: &str| if wrong { text.to_owned() } else { String::new() };
        PasswordErrors {
            current: said(!current_holds, "This is not the current password."),
            new: refusal.map(|refusal| form::in_words(&refusal)).unwrap_or_default(),
            confirm: said(self.field(CONFIRM) != self.field(NEW), "This differs from the new password."),
        }
    }

    /// Whether the form was made for this session and this screen; the answer if not (B148).
    pub fn token_error(&self, desk: &Desk) -> Option<Response> {
        token_error(desk, &self.pass, &self.place.path(), &self.sent)
    }
}

/// As [`Posted::token_error`], for any form.
pub fn token_error(desk: &Desk, pass: &Pass, form: &str, sent: &Sent) -> Option<Response> {
    let token = sent.get("token").map_or("", String::as_str);
    let holds = desk.door().form_token_holds(pass.session, form, token);
    (!holds).then(|| no_token(pass))
}

/// The answer to a form whose token does not hold (B148).
pub fn no_token(pass: &Pass) -> Response {
    let text = "This form does not belong to your session any more. Open the screen again and repeat the change.";
    respond::error(StatusCode::FORBIDDEN, text, Some(pass.account))
}

/// The row that holds an account's password.
fn password_row(whose: Account) -> &'static str {
    match whose {
        Account::Administrator => "ADMIN_PASS",
        Account::User => "USER_PASS",
    }
}

fn complete(desk: &Desk, session: u64) -> (StatusCode, Outcome) {
    let saved = desk.last_save(session).map(|save| {
        let (progress, text) = save.progress(&desk.view_now(), *desk.applied.borrow());
        (save.revision, progress, text)
    });
    (StatusCode::OK, Outcome { message: Some(ResultMessage::Complete), details: Vec::new(), saved })
}

fn failed(message: ResultMessage, status: StatusCode, details: Vec<String>) -> (StatusCode, Outcome) {
    (status, Outcome { message: Some(message), details, saved: None })
}

fn not_saved(error: &SaveError) -> (StatusCode, Outcome) {
    tracing::warn!(%error, "a save from the web interface failed");
    let say = |text: &str| vec![text.to_owned()];
    match error {
        SaveError::Refused(_) => failed(ResultMessage::ParameterError, StatusCode::UNPROCESSABLE_ENTITY, Vec::new()),
        SaveError::Conflict => failed(ResultMessage::ParameterError, StatusCode::CONFLICT, say(notice::CHANGED_ELSEWHERE)),
        SaveError::Store => failed(ResultMessage::MemoryAccessFailure, StatusCode::INTERNAL_SERVER_ERROR, say(notice::NOT_WRITTEN)),
        SaveError::Busy => failed(ResultMessage::Busy, StatusCode::SERVICE_UNAVAILABLE, say(notice::BUSY)),
        SaveError::Unavailable(_) => {
            failed(ResultMessage::TransferFailure, StatusCode::SERVICE_UNAVAILABLE, say(notice::UNAVAILABLE))
        }
    }
}
