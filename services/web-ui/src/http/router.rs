//! Paths to pages. Everything but the embedded files stands behind the gate.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use maud::Markup;

use super::forms::{self, Posted, Sent};
use super::{assets, gate, import, live, respond};
use crate::desk::Desk;
use crate::form::{self, Submission};
use crate::importing::FileType;
use crate::login::{Account, Pass};
use crate::menu::{Onlooker, Place, ScreenKind, TABS};
use crate::pages::password::{PasswordErrors, Reason};
use crate::pages::settings::{Hidden, Outcome};
use crate::pages::{self, Frame, notice, password, status};

/// Longest body of a form, in bytes; the longest screen has under 4,000.
const LONGEST_BODY: usize = 32 * 1024;
/// Form and path of Web Port Close.
const CLOSE: &str = "/web-port-close";

type Fields = Result<Form<Vec<(String, String)>>, FormRejection>;

/// The whole interface. The listener puts [`gate::Ends`] into each request.
pub fn router(desk: Arc<Desk>) -> Router {
    let behind = Router::new()
        .route("/", get(first))
        .route(live::PATH, get(live::live))
        .route(CLOSE, get(ask_to_close).post(close))
        .route(import::PATH, get(import::show).post(import::import).layer(DefaultBodyLimit::max(import::LONGEST_BODY)))
        .route("/{tab}", get(first_of_tab))
        .route("/{tab}/{screen}", get(show).post(save))
        .route("/{tab}/{screen}/{line}", get(show_line).post(save_line))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(desk.clone(), gate::admit))
        .with_state(desk);
    Router::new()
        .route("/assets/{name}", get(asset))
        .route("/favicon.ico", get(|| async { assets::find("icon.svg").unwrap_or_default() }))
        .merge(behind)
        .layer(middleware::from_fn(gate::same_site))
        .layer(middleware::from_fn(gate::limit))
}

/// One screen, about to be shown to somebody.
pub struct Screen<'a> {
    /// What requests share.
    pub desk: &'a Arc<Desk>,
    /// Who looks.
    pub pass: &'a Pass,
    /// Which screen.
    pub place: Place,
}

impl Screen<'_> {
    /// As it is opened.
    pub fn show(&self) -> Response {
        match self.place.screen.kind {
            ScreenKind::Version | ScreenKind::Network | ScreenKind::Voip => {
                self.whole(StatusCode::OK, &status::screen(&self.place, &self.desk.view_now()))
            }
            ScreenKind::Password(whose) => self.password(StatusCode::OK, whose, &PasswordErrors::default(), &Outcome::default()),
            ScreenKind::Import => self.import(StatusCode::OK, FileType::default(), &Outcome::default()),
            ScreenKind::Settings => self.settings(StatusCode::OK, &Submission::default(), Outcome::default()),
        }
    }

    /// A settings screen, as it was filled in.
    pub fn settings(&self, status: StatusCode, submission: &Submission, outcome: Outcome) -> Response {
        let values = self.desk.values_now();
        let mut sections = form::sections(&self.place, self.pass.account, &values.table);
        submission.show_in(&mut sections);
        let token = self.token();
        let hidden = Hidden { token: &token, revision: values.revision };
        self.whole(status, &pages::settings::screen(&self.place, &sections, &outcome, &hidden))
    }

    /// A password screen.
    pub fn password(&self, status: StatusCode, whose: Account, errors: &PasswordErrors, outcome: &Outcome) -> Response {
        let values = self.desk.values_now();
        let token = self.token();
        let hidden = Hidden { token: &token, revision: values.revision };
        let unset = whose == Account::User && values.text("USER_PASS").is_empty();
        let reason = match (unset, self.pass.only_password_of) {
            (true, _) => Reason::NotSet,
            (false, Some(_)) => Reason::Factory,
            (false, None) => Reason::Chosen,
        };
        self.whole(status, &password::screen(&self.place, whose, reason, errors, outcome, &hidden))
    }

    /// The screen that takes a file; `kind` as it was chosen.
    pub fn import(&self, status: StatusCode, kind: FileType, outcome: &Outcome) -> Response {
        self.whole(status, &pages::import::form(&self.place, kind, outcome, &self.token()))
    }

    /// The page around a screen's content.
    pub fn whole(&self, status: StatusCode, content: &Markup) -> Response {
        let model = self.desk.view_now().version_information().model;
        let frame = Frame {
            model: &model,
            onlooker: onlooker(self.desk, self.pass),
            place: self.place,
            alone: self.pass.only_password_of.is_some(),
            stale: !self.desk.values_now().available,
        };
        respond::page(status, pages::page(&frame, content))
    }

    fn token(&self) -> String {
        self.desk.door().form_token(self.pass.session, &self.place.path())
    }
}

/// Who looks, and what the dealer allows.
pub fn onlooker(desk: &Desk, pass: &Pass) -> Onlooker {
    Onlooker { account: pass.account, without_basic_network: desk.values_now().without_basic_network() }
}

async fn asset(Path(name): Path<String>) -> Response {
    assets::find(&name).unwrap_or_else(|| respond::error(StatusCode::NOT_FOUND, "There is no such file.", None))
}

async fn first(State(desk): State<Arc<Desk>>, Extension(pass): Extension<Pass>) -> Response {
    let place = TABS.first().and_then(|tab| Place::first_of(tab, onlooker(&desk, &pass)));
    place.map_or_else(|| missing(&pass), |place| respond::see(&place.path()))
}

/// B139.
async fn first_of_tab(State(desk): State<Arc<Desk>>, Extension(pass): Extension<Pass>, Path(tab): Path<String>) -> Response {
    let tab = TABS.iter().find(|known| known.slug == tab);
    let place = tab.and_then(|tab| Place::first_of(tab, onlooker(&desk, &pass)));
    place.map_or_else(|| missing(&pass), |place| respond::see(&place.path()))
}

async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(pass): Extension<Pass>,
    Path((tab, screen)): Path<(String, String)>,
) -> Response {
    let place = Place::find(&tab, &screen, None, onlooker(&desk, &pass));
    place.map_or_else(|| missing(&pass), |place| Screen { desk: &desk, pass: &pass, place }.show())
}

async fn show_line(
    State(desk): State<Arc<Desk>>,
    Extension(pass): Extension<Pass>,
    Path((tab, screen, line)): Path<(String, String, String)>,
) -> Response {
    let place = Place::find(&tab, &screen, Some(&line), onlooker(&desk, &pass));
    place.map_or_else(|| missing(&pass), |place| Screen { desk: &desk, pass: &pass, place }.show())
}

async fn save(
    State(desk): State<Arc<Desk>>,
    Extension(pass): Extension<Pass>,
    Path((tab, screen)): Path<(String, String)>,
    fields: Fields,
) -> Response {
    let place = Place::find(&tab, &screen, None, onlooker(&desk, &pass));
    take(&desk, pass, place, fields).await
}

async fn save_line(
    State(desk): State<Arc<Desk>>,
    Extension(pass): Extension<Pass>,
    Path((tab, screen, line)): Path<(String, String, String)>,
    fields: Fields,
) -> Response {
    let place = Place::find(&tab, &screen, Some(&line), onlooker(&desk, &pass));
    take(&desk, pass, place, fields).await
}

async fn take(desk: &Arc<Desk>, pass: Pass, place: Option<Place>, fields: Fields) -> Response {
    let Some(place) = place else { return missing(&pass) };
    let sent = match sent(fields) {
        Ok(sent) => sent,
        Err(rejection) => return unreadable(&rejection, &pass),
    };
    let posted = Posted { place, pass, sent };
    if let Some(refusal) = posted.token_error(desk) {
        return refusal;
    }
    match place.screen.kind {
        ScreenKind::Settings => posted.save_settings(desk).await,
        ScreenKind::Password(whose) => posted.save_password(desk, whose).await,
        ScreenKind::Version | ScreenKind::Network | ScreenKind::Voip | ScreenKind::Import => {
            respond::error(StatusCode::METHOD_NOT_ALLOWED, "Nothing can be saved here.", Some(posted.pass.account))
        }
    }
}

async fn ask_to_close(State(desk): State<Arc<Desk>>, Extension(pass): Extension<Pass>) -> Response {
    let token = desk.door().form_token(pass.session, CLOSE);
    let stays_open = desk.values_now().flag("HTTPD_PORTOPEN_AUTO");
    respond::page(StatusCode::OK, notice::confirm_close(&token, pass.account, stays_open))
}

/// B124.
async fn close(State(desk): State<Arc<Desk>>, Extension(pass): Extension<Pass>, fields: Fields) -> Response {
    let sent = match sent(fields) {
        Ok(sent) => sent,
        Err(rejection) => return unreadable(&rejection, &pass),
    };
    if let Some(refusal) = forms::token_error(&desk, &pass, CLOSE, &sent) {
        return refusal;
    }
    let stays_open = desk.values_now().flag("HTTPD_PORTOPEN_AUTO");
    desk.close_port();
    gate::closing(respond::page(StatusCode::OK, notice::closed(stays_open)))
}

fn sent(fields: Fields) -> Result<Sent, FormRejection> {
    fields.map(|Form(fields)| fields.into_iter().collect())
}

fn unreadable(rejection: &FormRejection, pass: &Pass) -> Response {
    respond::error(rejection.status(), "The form could not be read.", Some(pass.account))
}

/// There is no such screen, or not for them.
pub fn missing(pass: &Pass) -> Response {
    respond::error(StatusCode::NOT_FOUND, "There is no such screen.", Some(pass.account))
}

async fn not_found(request: Request) -> Response {
    respond::error(StatusCode::NOT_FOUND, "There is no such screen.", gate::account_of(&request))
}

async fn not_allowed(request: Request) -> Response {
    respond::error(StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here.", gate::account_of(&request))
}
