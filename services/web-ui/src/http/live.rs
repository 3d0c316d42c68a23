//! The live stream: facts and the progress of the last save, pushed as server-sent events.
//!
//! It is no activity, opens no session, and ends with its session. A browser that finds no session gets 204, which tells it to
//! stop asking. There are only so many streams; a page without one works, only not by itself.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use tokio::sync::OwnedSemaphorePermit;

use super::gate;
use crate::desk::Desk;
use crate::login::Pass;
use crate::pages::status;

/// Where it is.
pub const PATH: &str = "/live";
/// How often a silent stream shows that it is alive, so that a dead browser is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

struct Live {
    desk: Arc<Desk>,
    session: u64,
    facts_sent: BTreeMap<String, String>,
    saved_sent: String,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// GET /live.
pub async fn live(State(desk): State<Arc<Desk>>, Extension(pass): Extension<Pass>) -> Response {
    let Ok(place) = desk.live.clone().try_acquire_owned() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let live =
        Live { desk, session: pass.session, facts_sent: BTreeMap::new(), saved_sent: String::new(), ended: false, _place: place };
    gate::closing(Sse::new(events(live)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn events(live: Live) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok(event), live))
    })
}

impl Live {
    /// The next event; none after the last one.
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        let (mut values, mut view) = (self.desk.values.clone(), self.desk.view.clone());
        let (mut applied, mut session) = (self.desk.applied.clone(), self.desk.session.clone());
        loop {
            session.mark_unchanged();
            // The door itself is asked: the watch may lag behind a login, and only wakes.
            if self.desk.door().session().map(|(session, _)| session) != Some(self.session) {
                self.ended = true;
                return Some(Event::default().event("end").data("ended"));
            }
            values.mark_unchanged();
            view.mark_unchanged();
            applied.mark_unchanged();
            if let Some(event) = self.news() {
                return Some(event);
            }
            let changed = tokio::select! {
                changed = values.changed() => changed,
                changed = view.changed() => changed,
                changed = applied.changed() => changed,
                changed = session.changed() => changed,
            };
            changed.ok()?;
        }
    }

    /// What has changed since it was sent last.
    fn news(&mut self) -> Option<Event> {
        let view = self.desk.view_now();
        if let Some(save) = self.desk.last_save(self.session) {
            let (progress, text) = save.progress(&view, *self.desk.applied.borrow());
            let data = serde_json::json!({ "revision": save.revision, "progress": progress.as_str(), "text": text }).to_string();
            if data != self.saved_sent {
                self.saved_sent.clone_from(&data);
                return Some(Event::default().event("saved").data(data));
            }
        }
        let facts = status::facts(&view);
        let news: BTreeMap<_, _> = facts.iter().filter(|(key, text)| self.facts_sent.get(*key) != Some(text)).collect();
        if news.is_empty() {
            return None;
        }
        let data = serde_json::json!(news).to_string();
        self.facts_sent = facts;
        Some(Event::default().event("facts").data(data))
    }
}
