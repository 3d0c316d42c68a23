//! What a change will write and what it will change: made whole before anything is written.

use std::collections::BTreeSet;

use agreements::Diagnosis;

use super::record::{FORMAT, Layer, Record, Stored, Write};
use super::resolve::{self, Values};
use super::{Layers, Resolved};

/// A new effective value.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// The parameter.
    pub name: &'static str,
    /// In effect from now on.
    pub value: String,
}

// The value may be a secret.
impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Change({})", self.name)
    }
}

/// A whole transaction: write it, flush it, then [`Layers::commit`] it.
#[derive(Clone)]
pub struct Plan {
    /// For the store, all or nothing. Empty: nothing changes.
    pub writes: Vec<Write>,
    /// New effective values, by name.
    pub changed: Vec<Change>,
    /// Notes and warnings about what was taken.
    pub diagnoses: Vec<Diagnosis>,
    pub(super) next: Layers,
}

impl Plan {
    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The state after the commit, to look at.
    pub fn outcome(&self) -> &Layers {
        &self.next
    }
}

/// Nothing was changed, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {}", .0.iter().map(|one| format!("{}: {}", one.name, one.reason)).collect::<Vec<_>>().join("; "))]
pub struct Refused(pub Vec<Diagnosis>);

impl Layers {
    /// The plan that leads from here to these values.
    pub(super) fn plan(&self, values: Values, resolved: Resolved) -> Plan {
        let next = Layers { values, resolved, aside: self.aside.clone() };
        Plan { writes: self.writes_to(&next), changed: self.changes_to(&next), diagnoses: Vec::new(), next }
    }

    /// The same, resolving with nothing fresh.
    pub(super) fn plan_to(&self, values: Values) -> Plan {
        let resolved = resolve::with_rules(&values, &BTreeSet::new());
        self.plan(values, resolved)
    }

    fn writes_to(&self, next: &Layers) -> Vec<Write> {
        let put = |(name, layer): &(&'static str, Layer), stored: &Stored| {
            Write::Put(Record { format: FORMAT, layer: *layer, name: (*name).to_owned(), stored: stored.clone() })
        };
        let differs = |place: &(&'static str, Layer), stored: &Stored| self.values.get(place) != Some(stored);
        let puts = next.values.iter().filter(|(place, stored)| place.1.is_stored() && differs(place, stored));
        let gone = self.values.keys().filter(|place| place.1.is_stored() && !next.values.contains_key(*place));
        let deletes = gone.map(|(name, layer)| Write::Delete { layer: *layer, name: (*name).to_owned() });
        puts.map(|(place, stored)| put(place, stored)).chain(deletes).collect()
    }

    fn changes_to(&self, next: &Layers) -> Vec<Change> {
        let differs = |(name, value): &(&&'static str, &String)| self.resolved.effective.get(*name) != Some(*value);
        let changed = next.resolved.effective.iter().filter(differs);
        changed.map(|(name, value)| Change { name, value: value.clone() }).collect()
    }
}
