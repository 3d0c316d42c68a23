//! Do-not-disturb and forwarding of a line that its server keeps as well (FWD_DND_SYNCHRO_ENABLE_n; event package as-feature-event;
//! proto/decisions/0034-features-that-servers-keep.md).
//!
//! ```text
//!   a person changes a row --> wish --SUBSCRIBE with it, one at a time--> asked --NOTIFY about it--> said --> the row says it too
//!        ^                      ^                                           |
//!        |                      +--- the subscription is lost --------------+--- no NOTIFY in time: as if the old had been said
//!        +-- not what was written because the server had said it
//! ```
//!
//! A row that is a wish is newer than what the server says; every other one follows the server. While the subscription stands
//! the server acts on calls in what it has spoken of, and this phone in everything else.

mod said;

use std::collections::BTreeSet;
use std::time::Duration;

use agreements::{LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_stack::{Command, SubscribeBody, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::body::FeatureRequest;

use self::said::{Feature, Said};
use super::Phone;
use crate::forwarding::LineFeatures;
use crate::interface::{FeatureSync, Output, SubscriptionProgress, Written};
use crate::settings::TelephoneSettings;

const PACKAGE: &str = "as-feature-event";
/// A server says at once what became of what it was asked for.
const ANSWER: Duration = Duration::from_secs(10);
/// Between two tries to write the same rows.
const PAUSE: Duration = Duration::from_secs(10);
/// Between two writes: each wears the store, and a server may be out of its mind.
const SPACING: Duration = Duration::from_secs(1);

/// What is known of one line.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Features {
    said: Said,
    /// The subscription in which it was said stands no more; the next one may speak of less.
    outdated: bool,
    /// Changed here, and the server has not been asked yet.
    wishes: BTreeSet<Feature>,
    /// The server has been asked, and may answer until then.
    asked: Option<(Feature, Tick)>,
    /// Rows under way to their owner.
    writing: Option<Write>,
    /// Perhaps written all the same.
    failed: Option<Write>,
    /// Not taken by their owner.
    refused: Option<LineFeatures>,
    /// Nothing is written before.
    write_at: Option<Tick>,
    /// Why the server keeps nothing.
    error: String,
}

/// Rows that are to be written.
#[derive(Serialize, Deserialize)]
struct Write {
    rows: LineFeatures,
    /// What differs from the rows before.
    of: BTreeSet<Feature>,
}

/// The subscription of the line.
pub(super) fn key(line: LineNumber) -> SubscriptionKey {
    SubscriptionKey { line, event: PACKAGE.to_owned(), resource: String::new() }
}

/// How it is asked for.
pub(super) fn wish() -> SubscriptionWish {
    let accept = vec![FeatureRequest::CONTENT_TYPE.to_owned(), "multipart/mixed".to_owned()];
    SubscriptionWish { accept, ..SubscriptionWish::default() }
}

impl Features {
    /// Whether a person's change of it has not been settled with the server.
    fn is_open(&self, feature: Feature) -> bool {
        self.wishes.contains(&feature) || self.asked.is_some_and(|(asked, _)| asked == feature)
    }

    /// The rows as the server and the person want them together.
    fn wanted(&self, rows: &LineFeatures) -> LineFeatures {
        let mut wanted = rows.clone();
        for feature in Feature::EACH.into_iter().filter(|feature| !self.is_open(*feature)) {
            self.said.write_over(feature, &mut wanted);
        }
        wanted
    }

    /// A row that says this now was written here.
    fn has_written(&self, feature: Feature, rows: &LineFeatures) -> bool {
        let mut writes = self.writing.iter().chain(&self.failed).filter(|write| write.of.contains(&feature));
        writes.any(|write| feature.is_same(&write.rows, rows))
    }

    /// The next feature that the server is to hear of.
    fn next_wish(&mut self, rows: &LineFeatures) -> Option<Feature> {
        while let Some(feature) = self.wishes.pop_first() {
            if !self.said.agrees(feature, rows) {
                return Some(feature);
            }
        }
        None
    }

    /// The rows to be written now.
    fn next_write(&mut self, rows: &LineFeatures) -> Option<LineFeatures> {
        let wanted = self.wanted(rows);
        let waits = self.writing.is_some() || self.write_at.is_some();
        if waits || wanted == *rows || self.refused.as_ref() == Some(&wanted) {
            return None;
        }
        let of = Feature::EACH.into_iter().filter(|feature| !feature.is_same(&wanted, rows)).collect();
        self.writing = Some(Write { rows: wanted.clone(), of });
        Some(wanted)
    }

    fn forget_deadlines(&mut self, now: Tick) {
        self.asked = self.asked.filter(|(_, until)| *until > now);
        self.write_at = self.write_at.filter(|at| *at > now);
    }
}

impl Phone {
    fn features_of(&mut self, line: LineNumber) -> Option<&mut Features> {
        self.features.get_mut(line.index())
    }

    /// What this phone does with calls of others on a line: what the rows and the server say, without what the server does.
    pub(super) fn acting(&self, line: LineNumber) -> LineFeatures {
        let rows = self.settings.features(line);
        let Some(own) = self.features.get(line.index()) else { return rows };
        let mut acting = own.wanted(&rows);
        if self.is_kept(line) && !own.outdated {
            for feature in Feature::EACH.into_iter().filter(|feature| own.said.knows(*feature)) {
                feature.switch_off(&mut acting);
            }
        }
        acting
    }

    /// Whether the server holds the subscription.
    fn is_kept(&self, line: LineNumber) -> bool {
        self.progress(&key(line)) == SubscriptionProgress::Active
    }

    /// Other settings are in effect. What a person has changed goes to the server; before it has said anything for the first
    /// time it is right, whatever was changed here.
    pub(super) fn handle_rows(&mut self, before: &TelephoneSettings) {
        for line in LineNumber::all() {
            let (old, new, kept) = (before.features(line), self.settings.features(line), self.is_kept(line));
            let Some(own) = self.features_of(line) else { continue };
            for feature in Feature::EACH.into_iter().filter(|feature| !feature.is_same(&old, &new)) {
                if (kept || own.said.knows(feature)) && !own.has_written(feature, &new) {
                    own.wishes.insert(feature);
                }
            }
            // Their owner is there, and what was not legal may be now.
            own.refused = None;
            if own.failed.take().is_some() {
                own.write_at = None;
            }
        }
    }

    /// What was said counts, also of what was asked for. Nobody's wish is lost that was not asked for yet.
    pub(super) fn handle_features(&mut self, line: LineNumber, content_type: &str, body: &[u8]) {
        let documents = said::documents(content_type, body);
        let Some(own) = self.features_of(line).filter(|_| !documents.is_empty()) else { return };
        if std::mem::take(&mut own.outdated) {
            own.said = Said::default();
        }
        for document in documents {
            let feature = own.said.take(document);
            own.asked = own.asked.filter(|(asked, _)| *asked != feature);
        }
    }

    /// What the server was asked for in a subscription that stands no more, it is asked for in the next one.
    pub(super) fn handle_feature_state(&mut self, line: LineNumber, state: &SubscriptionState) {
        let Some(own) = self.features_of(line) else { return };
        own.error.clear();
        match state {
            SubscriptionState::Asking { last_error } => {
                own.error.clone_from(last_error);
                own.outdated = true;
                own.wishes.extend(own.asked.take().map(|(feature, _)| feature));
            }
            SubscriptionState::Refused { reason } => own.error.clone_from(reason),
            SubscriptionState::Pending | SubscriptionState::Active => {}
            SubscriptionState::Ended | SubscriptionState::InUse { .. } => {}
        }
    }

    pub(super) fn handle_written(&mut self, now: Tick, line: LineNumber, outcome: Written) {
        let rows = self.settings.features(line);
        let Some(own) = self.features_of(line) else { return };
        let Some(written) = own.writing.take() else { return };
        match outcome {
            // The same again, where its owner has it in other words, not in a tight circle.
            Written::Done => {
                let same_again = written.rows != rows && written.rows == own.wanted(&rows);
                own.write_at = Some(now + if same_again { PAUSE } else { SPACING });
            }
            Written::Refused => own.refused = Some(written.rows),
            Written::Failed => {
                own.failed = Some(written);
                own.write_at = Some(now + PAUSE);
            }
        }
    }

    pub(super) fn forget_features(&mut self, line: LineNumber) {
        if let Some(own) = self.features_of(line) {
            *own = Features::default();
        }
    }

    /// Nobody will answer for rows that were under way in an earlier life.
    pub(super) fn restore_features(&mut self) {
        for own in &mut self.features {
            own.failed = own.writing.take().or(own.failed.take());
        }
    }

    pub(super) fn features_deadline(&self) -> Option<Tick> {
        let deadlines = |own: &Features| [own.asked.map(|(_, until)| until), own.write_at];
        self.features.iter().flat_map(deadlines).flatten().min()
    }

    /// Asks the servers, and has the rows written, as far as something waits for it.
    pub(super) fn settle_features(&mut self, now: Tick) {
        for line in LineNumber::all() {
            let (rows, kept) = (self.settings.features(line), self.is_kept(line));
            let Some(own) = self.features_of(line) else { continue };
            own.forget_deadlines(now);
            if kept
                && own.asked.is_none()
                && let Some(feature) = own.next_wish(&rows)
            {
                own.asked = Some((feature, now + ANSWER));
                let bytes = feature.request(&rows).to_bytes();
                let body = SubscribeBody { content_type: FeatureRequest::CONTENT_TYPE.to_owned(), bytes };
                self.stack(Command::Subscribe { key: key(line), wish: wish(), body: Some(body) });
            }
            if let Some(rows) = self.features_of(line).and_then(|own| own.next_write(&rows)) {
                self.outputs.push_back(Output::WriteFeatures(line, Box::new(rows)));
            }
        }
    }

    /// Gives out what has changed.
    pub(super) fn settle_feature_sync(&mut self) {
        for line in LineNumber::all() {
            let error = self.features.get(line.index()).map(|own| own.error.clone()).unwrap_or_default();
            let sync = FeatureSync { progress: self.progress(&key(line)), error };
            if let Some(told) = self.told.feature_sync.get_mut(line.index())
                && told.as_ref() != Some(&sync)
            {
                *told = Some(sync.clone());
                self.outputs.push_back(Output::FeatureSync(line, sync));
            }
        }
    }
}
