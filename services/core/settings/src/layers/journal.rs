//! Who changed what, commit by commit, and what it takes to take the newest one back. Entries are masked when they are made: a
//! password that was replaced lives on nowhere but in the one undo.

use std::collections::BTreeMap;

use agreements::WallTime;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::record::{Layer, Stored, Write};
use super::{Layers, checked};
use crate::catalogue;

/// Changes that an entry names; of a larger commit the number is told.
pub const MOST_LINES: usize = 100;
/// Longest value that an entry quotes, in characters.
const EXCERPT: usize = 80;

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub revision: u64,
    /// When.
    pub time: WallTime,
    /// Who: "web admin", "administrator at the bus", URLs of files.
    pub source: String,
    /// In which way: web phone administrator files reset undo.
    pub way: String,
    /// How many values of layers it has changed.
    pub count: u32,
    /// The first of them.
    pub lines: Vec<Line>,
}

/// One value of one layer; none where the layer has none. As it may be shown to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Whose value.
    pub layer: Layer,
    /// Canonical name.
    pub name: String,
    /// Until then.
    pub before: Option<String>,
    /// From then on.
    pub after: Option<String>,
}

/// What the newest commit replaced. Holds secrets; no Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The commit.
    pub revision: u64,
    /// Each place that it wrote, with what was there.
    places: Vec<(Layer, String, Option<Stored>)>,
}

impl Layers {
    /// What a plan changes, as the history tells it: how many, and the first of them.
    pub fn lines_of(&self, plan: &Plan) -> (u32, Vec<Line>) {
        let line = |write: &Write| {
            let (layer, name, after) = match write {
                Write::Put(record) => (record.layer, record.name.as_str(), Some(record.stored.value.as_str())),
                Write::Delete { layer, name } => (*layer, name.as_str(), None),
            };
            let before = self.stored(layer, name).map(|stored| shown(name, &stored.value));
            Line { layer, name: name.to_owned(), before, after: after.map(|value| shown(name, value)) }
        };
        let count = u32::try_from(plan.writes.len()).unwrap_or(u32::MAX);
        (count, plan.writes.iter().take(MOST_LINES).map(line).collect())
    }

    /// What it takes to take a plan back that becomes `revision`.
    pub fn undo_of(&self, plan: &Plan, revision: u64) -> Undo {
        let place = |write: &Write| {
            let (layer, name) = match write {
                Write::Put(record) => (record.layer, &record.name),
                Write::Delete { layer, name } => (*layer, name),
            };
            (layer, name.clone(), self.stored(layer, name).cloned())
        };
        Undo { revision, places: plan.writes.iter().map(place).collect() }
    }

    /// Plans to take the newest commit back: each place that it wrote is as it was before. A value that this version does not
    /// take any more is left as it is now.
    pub fn undo(&self, undo: &Undo) -> Plan {
        let mut values = self.values.clone();
        let places: BTreeMap<_, _> = undo.places.iter().map(|(layer, name, before)| ((*layer, name.as_str()), before)).collect();
        for ((layer, name), before) in places {
            let Some(parameter) = catalogue::parameter(name).filter(|_| layer.is_stored()) else { continue };
            match before {
                Some(stored) if checked(name, &stored.value).is_ok() => {
                    drop(values.insert((parameter.name, layer), stored.clone()))
                }
                Some(_) => {}
                None => drop(values.remove(&(parameter.name, layer))),
            }
        }
        self.plan_to(values)
    }

    fn stored(&self, layer: Layer, name: &str) -> Option<&Stored> {
        self.values.get(&(catalogue::parameter(name)?.name, layer))
    }
}

fn shown(name: &str, value: &str) -> String {
    let shown = catalogue::parameter(name).map_or_else(|| agreements::MASK.to_owned(), |parameter| parameter.row.shown(value));
    match shown.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}\u{2026}", shown.get(..end).unwrap_or("")),
        None => shown,
    }
}
