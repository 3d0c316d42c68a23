//! What changed in the newest revisions, and who is told. Bounded both ways: who asks for an older revision, or does not keep
//! up, takes a new snapshot.

use std::collections::{BTreeMap, VecDeque};

use phone_proto::settings::{Change, Value};
use settings::catalogue;
use settings::layers;
use tokio::sync::mpsc;

/// Revisions that can be asked for.
const KEPT: usize = 64;
/// Changes that wait for one watcher.
const QUEUE: usize = KEPT + 32;
/// Watchers: a few services, each with one stream.
const WATCHERS: usize = 64;

struct Entry {
    revision: u64,
    changed: Vec<layers::Change>,
    correlation: String,
}

struct Watcher {
    service: String,
    sender: mpsc::Sender<Change>,
}

#[derive(Default)]
pub(crate) struct History {
    entries: VecDeque<Entry>,
    /// Parameter to the revision that last wrote it.
    written: BTreeMap<String, u64>,
    watchers: Vec<Watcher>,
}

impl History {
    /// Takes in a commit and tells everybody whom it concerns.
    pub fn record(&mut self, revision: u64, changed: Vec<layers::Change>, written: Vec<String>, correlation: &str) {
        self.written.extend(written.into_iter().map(|name| (name, revision)));
        let entry = Entry { revision, changed, correlation: correlation.to_owned() };
        self.watchers.retain(|watcher| match seen_by(&watcher.service, &entry) {
            Some(change) => watcher.sender.try_send(change).is_ok(),
            None => !watcher.sender.is_closed(),
        });
        self.entries.push_back(entry);
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }

    /// The changes after `from`, of a state that is now at `current`. None: `from` is not known any more, or there are too
    /// many watchers.
    pub fn watch(&mut self, service: &str, from: u64, current: u64) -> Option<mpsc::Receiver<Change>> {
        let oldest = self.entries.front().map_or(current, |entry| entry.revision - 1);
        self.watchers.retain(|watcher| !watcher.sender.is_closed());
        if from < oldest || from > current || self.watchers.len() >= WATCHERS {
            return None;
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        for entry in self.entries.iter().filter(|entry| entry.revision > from) {
            if let Some(change) = seen_by(service, entry) {
                sender.try_send(change).ok()?;
            }
        }
        self.watchers.push(Watcher { service: service.to_owned(), sender });
        Some(receiver)
    }

    /// Whether one of these was written after `revision`. What was written before this process started counts as of `start`.
    pub fn written_since<'n>(&self, mut names: impl Iterator<Item = &'n str>, revision: u64, start: u64) -> bool {
        names.any(|name| self.written.get(name).copied().unwrap_or(start) > revision)
    }
}

/// The part of a commit that a service may see; none when there is nothing for it.
fn seen_by(service: &str, entry: &Entry) -> Option<Change> {
    let values: Vec<Value> = entry.changed.iter().filter_map(|change| seen_value(service, change.name, &change.value)).collect();
    (!values.is_empty()).then(|| Change { revision: entry.revision, values, correlation: entry.correlation.clone() })
}

fn seen_value(service: &str, name: &str, value: &str) -> Option<Value> {
    let value = catalogue::parameter(name)?.row.seen_by(service, value)?;
    Some(Value { name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: &str) -> Vec<layers::Change> {
        vec![layers::Change { name: "SIP_SRC_PORT_1", value: value.to_owned() }]
    }

    fn filled(revisions: std::ops::RangeInclusive<u64>) -> History {
        let mut history = History::default();
        for revision in revisions {
            history.record(revision, change(&(5000 + revision).to_string()), vec!["SIP_SRC_PORT_1".into()], "c");
        }
        history
    }

    #[test]
    fn a_watcher_gets_what_came_after_its_revision_and_then_everything_new() {
        let mut history = filled(11..=13);
        let mut changes = history.watch("sip-agent", 11, 13).unwrap();
        history.record(14, change("5999"), vec![], "d");
        let got: Vec<(u64, String)> = std::iter::from_fn(|| changes.try_recv().ok())
            .map(|change| (change.revision, change.values[0].value.clone()))
            .collect();
        assert_eq!(got, [(12, "5012".into()), (13, "5013".into()), (14, "5999".into())]);
    }

    #[test]
    fn a_revision_that_is_not_kept_asks_for_a_new_snapshot() {
        let mut history = filled(11..=200);
        for from in [0, 11, 200 - KEPT as u64 - 1, 201] {
            assert!(history.watch("sip-agent", from, 200).is_none(), "{from}");
        }
        assert!(history.watch("sip-agent", 200 - KEPT as u64, 200).is_some());
        assert!(History::default().watch("sip-agent", 5, 5).is_some());
    }

    #[test]
    fn a_watcher_that_does_not_keep_up_is_let_go() {
        let mut history = filled(1..=1);
        let mut changes = history.watch("sip-agent", 1, 1).unwrap();
        for revision in 2..2 + 2 * QUEUE as u64 {
            history.record(revision, change("5060"), vec![], "");
        }
        let got = std::iter::from_fn(|| changes.try_recv().ok()).count();
        assert_eq!((got, changes.is_closed()), (QUEUE, true));
    }

    #[test]
    fn a_service_is_not_told_of_rows_that_do_not_name_it() {
        let mut history = History::default();
        let mut changes = history.watch("media-engine", 0, 0).unwrap();
        history.record(1, vec![layers::Change { name: "SIP_PASS_1", value: "secret".into() }], vec![], "");
        assert!(changes.try_recv().is_err());
    }
}
