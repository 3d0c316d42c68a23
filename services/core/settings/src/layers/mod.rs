//! The seven layers of settings (2.5, C60, C66): a pure state machine. Every change is first a [`Plan`]: what to write and what
//! will be different; the owner writes it, flushes it, and only then calls [`Layers::commit`]. So a value is never in effect
//! that a power cut could take back.

mod change;
mod explain;
mod journal;
mod plan;
mod provision;
mod record;
mod reset;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};

use agreements::{Diagnosis, WallTime};

use crate::catalogue::{self, Parameter};
use crate::finding::{Detail, error, warning};
use crate::plain::FileOutcome;
use crate::rules::Effective;
use crate::value;

pub use explain::{Explanation, LayerValue};
pub use journal::{Entry, Line, MOST_LINES, Undo};
pub use plan::{Change, Plan, Refused};
pub use provision::{FileReport, RunFile, RunPlan};
pub use record::{FORMAT, Layer, Origin, Record, Stored, Write, key};
pub use reset::Reset;
pub use resolve::Suppressed;
use resolve::{Resolved, Values};

/// Everything that is known about the settings.
#[derive(Clone)]
pub struct Layers {
    values: Values,
    resolved: Resolved,
    /// Records that this version cannot use. They stay in the store.
    aside: Vec<Record>,
}

impl Default for Layers {
    fn default() -> Layers {
        Layers::new()
    }
}

impl Layers {
    /// Factory defaults alone.
    pub fn new() -> Layers {
        let values = Values::new();
        let resolved = resolve::with_rules(&values, &BTreeSet::new());
        Layers { values, resolved, aside: Vec::new() }
    }

    /// From the records of the store. What cannot be used is put aside and reported, never erased.
    pub fn load(records: impl IntoIterator<Item = Record>) -> (Layers, Vec<Diagnosis>) {
        let (mut values, mut aside, mut diagnoses) = (Values::new(), Vec::new(), Vec::new());
        for record in records {
            match record::readable(&record) {
                Ok(parameter) => {
                    values.insert((parameter.name, record.layer), record.stored);
                }
                Err(diagnosis) => {
                    diagnoses.push(diagnosis);
                    aside.push(record);
                }
            }
        }
        let resolved = resolve::with_rules(&values, &BTreeSet::new());
        (Layers { values, resolved, aside }, diagnoses)
    }

    /// Reads the dealer presets (C66): they may hold any row, and the first file that names a value wins. Called at start, before
    /// the first snapshot is given out; nothing is stored. Returns what was not taken.
    pub fn set_dealer(&mut self, presets: &[FileOutcome], time: WallTime) -> Vec<Diagnosis> {
        self.values.retain(|(_, layer), _| *layer != Layer::Dealer);
        let mut diagnoses = Vec::new();
        for preset in presets {
            for setting in &preset.accepted {
                match self::checked(&setting.name, &setting.value) {
                    Ok(parameter) => {
                        let value = value::canonical(&parameter, &setting.value);
                        let stored = Stored::new(&value, Origin::File, &preset.file, setting.line, time);
                        self.values.entry((parameter.name, Layer::Dealer)).or_insert(stored);
                    }
                    Err(diagnosis) => diagnoses.push(diagnosis.in_file(&preset.file).at(setting.line, 0)),
                }
            }
        }
        self.resolved = resolve::with_rules(&self.values, &BTreeSet::new());
        diagnoses
    }

    /// Takes in what this one unit left the factory with (B62): in the place of the catalogue's factory default, in no store and
    /// out of reach of every reset. Called at start. A value that is not legal is left out.
    pub fn set_unit_values(&mut self, values: &[(&str, &str)]) {
        for (name, value) in values {
            if let Ok(parameter) = checked(name, value) {
                let stored = Stored::new(value, Origin::File, "this unit", 0, WallTime::Unset);
                self.values.insert((parameter.name, Layer::Factory), stored);
            }
        }
        self.resolved = resolve::with_rules(&self.values, &BTreeSet::new());
    }

    /// The value in effect; none for an unknown name.
    pub fn effective(&self, name: &str) -> Option<&str> {
        let parameter = catalogue::parameter(name)?;
        self.resolved.effective.get(parameter.name).map(String::as_str)
    }

    /// The layer that it comes from.
    pub fn layer(&self, name: &str) -> Option<Layer> {
        self.resolved.from.get(catalogue::parameter(name)?.name).copied()
    }

    /// Every value in effect, secrets too: for the owner alone.
    pub fn all_effective(&self) -> &Effective {
        &self.resolved.effective
    }

    /// What a service may see: the values of the rows that name it; for the web interface also those of its fields, with
    /// secrets and passwords inside URLs masked.
    pub fn values_for(&self, service: &str) -> BTreeMap<String, String> {
        let seen = |(name, value): (&&'static str, &String)| {
            let shown = catalogue::parameter(name)?.row.seen_by(service, value)?;
            Some(((*name).to_owned(), shown))
        };
        self.resolved.effective.iter().filter_map(seen).collect()
    }

    /// Stored values that stand back because of a clash, as alarms; and clashes that are only worth knowing.
    pub fn alarms(&self) -> Vec<Diagnosis> {
        let suppressed = self.resolved.suppressed.iter().map(|one| {
            let reason = format!("the {} value stands back: {}", one.layer.as_str(), one.clash.reason);
            let place = self.values.get(&(one.name, one.layer));
            let diagnosis = error(one.clash.code, reason).named(one.name).suggest(one.clash.suggestion.clone());
            place.map_or(diagnosis.clone(), |stored| diagnosis.in_file(&stored.source).at(stored.line, 0))
        });
        let warnings = self.resolved.warnings.iter().map(|clash| {
            let name = clash.parameters.first().copied().unwrap_or("");
            warning(clash.code, clash.reason.clone()).named(name).suggest(clash.suggestion.clone())
        });
        suppressed.chain(warnings).collect()
    }

    /// Values that stand back because of a clash.
    pub fn suppressed(&self) -> &[Suppressed] {
        &self.resolved.suppressed
    }

    /// Records that this version cannot use.
    pub fn aside(&self) -> &[Record] {
        &self.aside
    }

    /// Everything that belongs into the store: for the copy beside it.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let stored = self.values.iter().filter(|((_, layer), _)| layer.is_stored());
        let used = stored.map(|((name, layer), stored)| Record {
            format: FORMAT,
            layer: *layer,
            name: (*name).to_owned(),
            stored: stored.clone(),
        });
        used.chain(self.aside.iter().cloned())
    }

    /// Makes a plan the state. To be called once the plan's writes are safe on disk.
    pub fn commit(&mut self, plan: Plan) {
        *self = plan.next;
    }
}

/// Known and legal.
pub(crate) fn checked(name: &str, text: &str) -> Result<Parameter, Diagnosis> {
    let Some(parameter) = catalogue::parameter(name) else {
        return Err(crate::suggest::unknown(name));
    };
    value::check(&parameter, text).map(|()| parameter)
}
