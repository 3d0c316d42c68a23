//! The history of the settings as it lies in the store: the newest commits, each written in the batch that it tells of, and what it
//! takes to take the newest one back. (What watching services are told is history.rs.)

use std::collections::{BTreeMap, VecDeque};

use agreements::WallTime;
use settings::layers::{Entry, FORMAT, Origin, Plan, Undo, Write};
use store::{Batch, LONGEST_RECORD, Record};

/// Commits that are told of.
pub const KEPT: usize = 50;
/// Before the keys of the history.
pub(crate) const PREFIX: &str = "journal/";
const UNDO: &str = "journal/undo";
/// Sources that one entry names: a run has three files.
const SOURCES: usize = 4;

/// Who does something, and in which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// "web admin", "administrator at the bus", URLs of files.
    pub source: String,
    /// web phone administrator files server reset undo
    pub way: &'static str,
    /// When.
    pub time: WallTime,
}

impl Deed {
    /// As the values themselves tell it. A plan that only removes is told by who asked for it, not here.
    pub fn of(plan: &Plan, time: WallTime) -> Deed {
        let mut deed = Deed { source: String::new(), way: "administrator", time };
        let mut sources: Vec<&str> = Vec::new();
        for write in &plan.writes {
            if let Write::Put(record) = write {
                deed.way = way(record.stored.origin);
                if !sources.contains(&record.stored.source.as_str()) {
                    sources.push(&record.stored.source);
                }
            }
        }
        let more = sources.len().saturating_sub(SOURCES);
        sources.truncate(SOURCES);
        deed.source = sources.join(", ");
        if more > 0 {
            deed.source.push_str(&format!(" and {more} more"));
        }
        deed
    }
}

fn way(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "files",
        Origin::Web => "web",
        Origin::Phone => "phone",
        Origin::Admin => "administrator",
        Origin::Server => "server",
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Chronicle {
    /// Oldest first.
    entries: VecDeque<Entry>,
    /// For the newest commit, where it can be taken back. Holds secrets.
    undo: Option<Undo>,
}

impl Chronicle {
    /// From the records of the store. What cannot be read is left out: it is told, not used.
    pub fn load(records: &BTreeMap<String, Record>) -> Chronicle {
        let mut chronicle = Chronicle::default();
        for (key, record) in records.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            if key == UNDO {
                chronicle.undo = postcard::from_bytes(&record.bytes).ok();
            } else if let Ok(entry) = postcard::from_bytes(&record.bytes) {
                chronicle.entries.push_back(entry);
            } else {
                tracing::warn!(key, "an entry of the history cannot be read");
            }
        }
        chronicle
    }

    /// Newest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.iter().rev().cloned().collect()
    }

    /// What takes the newest commit back.
    pub fn undo(&self) -> Option<&Undo> {
        self.undo.as_ref()
    }

    /// Puts an entry into the batch that it tells of, and takes the oldest out. An undo that is too large for a record is not kept.
    pub fn tell(&self, batch: &mut Batch, entry: &Entry, undo: Option<&Undo>) -> Result<(), postcard::Error> {
        batch.insert(key(entry), Some(record(entry)?));
        let surplus = (self.entries.len() + 1).saturating_sub(KEPT);
        batch.extend(self.entries.iter().take(surplus).map(|old| (key(old), None)));
        let undo = undo.map(record).transpose()?.filter(|record| record.bytes.len() <= LONGEST_RECORD);
        batch.insert(UNDO.to_owned(), undo);
        Ok(())
    }

    /// The batch is on the disk.
    pub fn take_in(&mut self, entry: Entry, undo: Option<Undo>) {
        self.entries.push_back(entry);
        while self.entries.len() > KEPT {
            self.entries.pop_front();
        }
        self.undo = undo;
    }
}

fn key(entry: &Entry) -> String {
    format!("{PREFIX}{:020}", entry.revision)
}

fn record(value: &impl serde::Serialize) -> Result<Record, postcard::Error> {
    Ok(Record { format: FORMAT, bytes: postcard::to_stdvec(value)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: u64) -> Entry {
        let (source, way) = ("web admin".to_owned(), "web".to_owned());
        Entry { revision, time: WallTime::Unset, source, way, count: 0, lines: Vec::new() }
    }

    #[test]
    fn the_history_holds_the_newest_fifty_and_so_does_the_store() {
        let mut chronicle = Chronicle::default();
        let mut stored = BTreeMap::new();
        for revision in 1..=60 {
            let mut batch = Batch::new();
            chronicle.tell(&mut batch, &entry(revision), None).unwrap();
            for (key, record) in batch {
                match record {
                    Some(record) => stored.insert(key, record),
                    None => stored.remove(&key),
                };
            }
            chronicle.take_in(entry(revision), None);
        }
        let again = Chronicle::load(&stored);
        for chronicle in [&chronicle, &again] {
            let revisions: Vec<u64> = chronicle.entries().iter().map(|entry| entry.revision).collect();
            assert_eq!(revisions, (11..=60).rev().collect::<Vec<_>>());
        }
        assert_eq!(stored.len(), KEPT);
    }
}
