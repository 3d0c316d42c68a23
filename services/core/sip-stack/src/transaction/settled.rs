//! Requests of theirs that have had their final answer and only wait for repetitions: Completed of RFC 3261 17.2.2, and Confirmed
//! of 17.2.1. Nothing but the answer is kept of them, and one timer sweeps them all. Bounded: where there are too many, the
//! oldest go early; a repetition of such a one counts as a new request. So a busy server is never turned away for what is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use agreements::Tick;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Route, ServerKey};
use crate::interface::FlowId;

/// Answers kept at a time: a repetition comes after half a second (T1), and until then a thousand others may be answered.
const MOST: usize = 2_048;
/// Octets of all of them: an answer has about 700.
const MOST_OCTETS: usize = 1 << 20;
/// Of the newest, how many a snapshot holds, and of which size at most: an answer may have been kept from leaving by the end of the
/// process, or been lost a moment before, and the snapshot is written anew with each message.
const KEPT: usize = 4;
const KEPT_OCTETS: usize = 4_096;

/// A request that is over.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// Where its answer goes.
    pub(crate) route: Route,
    /// What a repetition gets; nothing: it is absorbed.
    #[serde(with = "serde_bytes")]
    pub(crate) response: Vec<u8>,
    /// See [`super::Transaction::merge_key`].
    pub(crate) merge_key: String,
    /// Repetitions are not expected from then on (timer I or J).
    pub(crate) until: Tick,
}

/// All of them.
#[derive(Default)]
pub(crate) struct SettledTable {
    next: u64,
    all: BTreeMap<u64, (Arc<ServerKey>, Answered)>,
    keys: BTreeMap<Arc<ServerKey>, u64>,
    /// How many there are with this merge key.
    copies: BTreeMap<String, usize>,
    octets: usize,
}

impl SettledTable {
    /// One more.
    pub(crate) fn insert(&mut self, key: ServerKey, answered: Answered) {
        let key = Arc::new(key);
        self.next += 1;
        self.octets = self.octets.saturating_add(octets_of(&key, &answered));
        *self.copies.entry(answered.merge_key.clone()).or_insert(0) += 1;
        if let Some(before) = self.keys.insert(Arc::clone(&key), self.next) {
            self.remove(before);
            self.keys.insert(Arc::clone(&key), self.next);
        }
        self.all.insert(self.next, (key, answered));
        while self.all.len() > MOST || self.octets > MOST_OCTETS {
            let Some(oldest) = self.all.keys().next().copied() else { break };
            self.remove(oldest);
        }
    }

    /// The one that this repeats.
    pub(crate) fn find(&self, key: &ServerKey) -> Option<&Answered> {
        self.keys.get(key).and_then(|number| self.all.get(number)).map(|(_, answered)| answered)
    }

    /// Whether a request with this merge key has been answered (RFC 3261 8.2.2.2).
    pub(crate) fn has_copy(&self, merge_key: &str) -> bool {
        self.copies.contains_key(merge_key)
    }

    /// Whether a socket is needed for repetitions.
    pub(crate) fn uses(&self, flow: FlowId) -> bool {
        self.all.values().any(|(_, answered)| answered.route.flow == flow)
    }

    /// Forgets those whose time is over; when the next one's is.
    pub(crate) fn sweep(&mut self, now: Tick) -> Option<Tick> {
        let over: Vec<u64> =
            self.all.iter().filter(|(_, (_, answered))| answered.until <= now).map(|(number, _)| *number).collect();
        for number in over {
            self.remove(number);
        }
        self.all.values().map(|(_, answered)| answered.until).min()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    fn remove(&mut self, number: u64) {
        let Some((key, answered)) = self.all.remove(&number) else { return };
        self.keys.remove(&key);
        self.octets = self.octets.saturating_sub(octets_of(&key, &answered));
        if let Some(copies) = self.copies.get_mut(&answered.merge_key) {
            *copies = copies.saturating_sub(1);
            if *copies == 0 {
                self.copies.remove(&answered.merge_key);
            }
        }
    }
}

impl Serialize for SettledTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let newest = self.all.values().rev().take(KEPT).filter(|(key, answered)| octets_of(key, answered) <= KEPT_OCTETS);
        let mut kept: Vec<(&ServerKey, &Answered)> = newest.map(|(key, answered)| (&**key, answered)).collect();
        kept.reverse();
        kept.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SettledTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SettledTable, D::Error> {
        let mut table = SettledTable::default();
        for (key, answered) in Vec::<(ServerKey, Answered)>::deserialize(deserializer)? {
            table.insert(key, answered);
        }
        Ok(table)
    }
}

/// What the far end has made so long as it is: a key of RFC 2543 holds whole header fields.
fn octets_of(key: &ServerKey, answered: &Answered) -> usize {
    // The merge key stands twice.
    key.octets().saturating_add(answered.response.len()).saturating_add(answered.merge_key.len().saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::super::tests::route;
    use super::*;

    fn key(number: usize) -> ServerKey {
        ServerKey::Branch { branch: format!("z9hG4bK{number}"), sent_by: "192.0.2.1:5060".into(), method: "OPTIONS".into() }
    }

    fn answered(number: usize, octets: usize, until: u64) -> Answered {
        Answered { route: route(), response: vec![0; octets], merge_key: format!("key {number}"), until: Tick(until) }
    }

    #[test]
    fn what_is_over_is_swept_and_nothing_else_and_the_next_end_is_told() {
        let mut table = SettledTable::default();
        table.insert(key(1), answered(1, 10, 30));
        table.insert(key(2), answered(2, 10, 20));
        assert_eq!(table.sweep(Tick(19)), Some(Tick(20)));
        assert_eq!(table.sweep(Tick(20)), Some(Tick(30)));
        assert!(table.find(&key(2)).is_none() && !table.has_copy("key 2"));
        assert!(table.find(&key(1)).is_some() && table.has_copy("key 1"));
        assert_eq!((table.sweep(Tick(30)), table.len(), table.octets), (None, 0, 0));
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many_or_too_large_ones() {
        let mut table = SettledTable::default();
        for number in 0..=MOST {
            table.insert(key(number), answered(number, 10, 30));
        }
        assert!(table.len() == MOST && table.find(&key(0)).is_none() && table.find(&key(1)).is_some());
        table.insert(key(0), answered(0, MOST_OCTETS - 1_000, 30));
        assert!(table.find(&key(0)).is_some() && table.len() < 100 && table.octets <= MOST_OCTETS);
    }

    /// RFC 2543 peers: nothing of what they send may be large for nothing.
    #[test]
    fn long_keys_and_long_merge_keys_count() {
        let mut table = SettledTable::default();
        for number in 0..1_000 {
            let fields = std::array::from_fn(|_| format!("{number}{}", "x".repeat(2_000)));
            let merge_key = format!("{number}{}", "y".repeat(4_000));
            let key = ServerKey::Whole { fields, method: "OPTIONS".into() };
            table.insert(key, Answered { merge_key, ..answered(number, 10, 30) });
        }
        assert!((50..65).contains(&table.len()) && table.octets <= MOST_OCTETS, "{}", table.len());
    }

    #[test]
    fn a_snapshot_holds_the_newest_and_no_large_ones() {
        let mut table = SettledTable::default();
        for number in 0..9 {
            table.insert(key(number), answered(number, if number == 7 { KEPT_OCTETS } else { 300 }, 30));
        }
        let again: SettledTable = postcard::from_bytes(&postcard::to_stdvec(&table).unwrap()).unwrap();
        let kept: Vec<usize> = (0..9).filter(|number| again.find(&key(*number)).is_some()).collect();
        assert_eq!(kept, [5, 6, 8]);
        assert!(again.has_copy("key 8") && again.all.keys().is_sorted());
    }

    #[test]
    fn a_key_that_comes_again_stands_once() {
        let mut table = SettledTable::default();
        table.insert(key(1), answered(1, 10, 30));
        table.insert(key(1), answered(1, 20, 40));
        assert_eq!((table.len(), table.find(&key(1)).map(|one| one.response.len())), (1, Some(20)));
        assert_eq!((table.sweep(Tick(40)), table.copies.len()), (None, 0));
    }
}
