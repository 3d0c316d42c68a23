//! One provisioning run is one plan: files merge into their layers (C67), a rejected file leaves its layer as it was, and the
//! cross-field rules are checked on the state that results from all of them. A value of the run that has to give way is not
//! stored and is reported at its line (C2).

use std::collections::{BTreeMap, BTreeSet};

use agreements::{Diagnosis, WallTime};

use super::change::is_network_or_time;
use super::plan::Plan;
use super::record::{Layer, Origin, Stored};
use super::resolve::{self, Suppressed, Values};
use super::{Layers, checked};
use crate::catalogue;
use crate::finding::{Detail, error, warning};
use crate::plain::FileOutcome;
use crate::value;

/// A file of a run, already read.
#[derive(Clone, Copy)]
pub struct RunFile<'f> {
    /// Where its values go: a file layer.
    pub layer: Layer,
    /// Its URL; a password in it is not kept.
    pub source: &'f str,
    /// What reading it gave.
    pub outcome: &'f FileOutcome,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its layer.
    pub layer: Layer,
    /// Its URL without password.
    pub source: String,
    /// Not applied at all.
    pub rejected: bool,
    /// Nothing in the layer is different.
    pub unchanged: bool,
    /// Values taken, new or as before.
    pub applied: u32,
    /// Lines not taken.
    pub skipped: u32,
}

/// The plan of a run and its report.
#[derive(Clone)]
pub struct RunPlan {
    /// One transaction; its diagnoses are those of all files and of the clashes.
    pub plan: Plan,
    /// One per file, in the order given.
    pub files: Vec<FileReport>,
}

/// A place of a run: parameter and layer.
type Place = (&'static str, Layer);

impl Layers {
    /// Plans a whole run.
    pub fn provision(&self, files: &[RunFile<'_>], time: WallTime) -> RunPlan {
        let mut values = self.values.clone();
        let mut diagnoses = Vec::new();
        let mut fresh = BTreeMap::new();
        for (at, file) in files.iter().enumerate() {
            diagnoses.extend(file.outcome.diagnoses.iter().cloned());
            diagnoses.extend(self.merge(file, at, time, &mut values, &mut fresh));
        }
        let refused = self.settle(&mut values, &mut fresh, &mut diagnoses);
        let resolved = resolve::with_rules(&values, &places(&fresh));
        let mut plan = self.plan(values, resolved);
        diagnoses.extend(plan.next.notes_of_run(&places(&fresh)));
        plan.diagnoses = diagnoses;
        let files = files.iter().enumerate().map(|(at, file)| report(file, at, &plan, &fresh, &refused)).collect();
        RunPlan { plan, files }
    }

    /// One file alone: an SD import (C64) or a pre-provisioning file.
    pub fn merge_file(&self, layer: Layer, source: &str, outcome: &FileOutcome, time: WallTime) -> RunPlan {
        self.provision(&[RunFile { layer, source, outcome }], time)
    }

    /// Puts a file's values into the candidate. The file was read elsewhere: every value is checked again here.
    fn merge(
        &self,
        file: &RunFile<'_>,
        at: usize,
        time: WallTime,
        values: &mut Values,
        fresh: &mut BTreeMap<Place, (usize, u32)>,
    ) -> Vec<Diagnosis> {
        let mut diagnoses = Vec::new();
        if file.outcome.rejected || !file.layer.is_file() {
            return diagnoses;
        }
        for setting in &file.outcome.accepted {
            let parameter = match checked(&setting.name, &setting.value) {
                Ok(parameter) if parameter.row.set_by.file => parameter,
                Ok(parameter) => {
                    let refused = error("set.not-here", format!("{} cannot be set by a file", parameter.name));
                    diagnoses.push(refused.named(parameter.name).in_file(&file.outcome.file).at(setting.line, 0));
                    continue;
                }
                Err(refused) => {
                    diagnoses.push(refused.in_file(&file.outcome.file).at(setting.line, 0));
                    continue;
                }
            };
            let place = (parameter.name, file.layer);
            if fresh.contains_key(&place) {
                // B87: the first one of a file counts.
                continue;
            }
            fresh.insert(place, (at, setting.line));
            let canonical = value::canonical(&parameter, &setting.value);
            let stored = Stored::new(&canonical, Origin::File, file.source, setting.line, time);
            if !values.get(&place).is_some_and(|before| before.says_the_same_as(&stored)) {
                values.insert(place, stored);
            }
        }
        diagnoses
    }

    /// Takes back the run's values that have to give way, until none has to. Each turn takes back at least one.
    fn settle(
        &self,
        values: &mut Values,
        fresh: &mut BTreeMap<Place, (usize, u32)>,
        diagnoses: &mut Vec<Diagnosis>,
    ) -> BTreeMap<usize, u32> {
        let mut refused = BTreeMap::new();
        for _ in 0..=fresh.len() {
            let suppressed = resolve::with_rules(values, &places(fresh)).suppressed;
            let of_run: Vec<_> = suppressed.into_iter().filter(|one| fresh.contains_key(&(one.name, one.layer))).collect();
            if of_run.is_empty() {
                break;
            }
            for one in of_run {
                let place = (one.name, one.layer);
                let Some((file, line)) = fresh.remove(&place) else { continue };
                diagnoses.push(clash_in_file(&one, values.get(&place), line));
                *refused.entry(file).or_insert(0) += 1;
                match self.values.get(&place) {
                    Some(before) => values.insert(place, before.clone()),
                    None => values.remove(&place),
                };
            }
        }
        refused
    }

    /// B120, C44: worth knowing about values of the run.
    fn notes_of_run(&self, fresh: &BTreeSet<Place>) -> Vec<Diagnosis> {
        let mut notes = Vec::new();
        for clash in &self.resolved.warnings {
            let of_run = clash.parameters.iter().find_map(|name| fresh.iter().find(|(fresh_name, _)| fresh_name == name));
            if let Some((name, layer)) = of_run {
                let place = self.values.get(&(*name, *layer));
                let note = warning(clash.code, clash.reason.clone()).named(name).suggest(clash.suggestion.clone());
                notes.push(place.map_or(note.clone(), |stored| note.in_file(&stored.source).at(stored.line, 0)));
            }
        }
        let closes = fresh.iter().any(|(name, _)| *name == "NW_SETTING_ENABLE") && self.effective("NW_SETTING_ENABLE") == Some("N");
        let by_hand = self.values.keys().any(|(name, layer)| {
            *layer == Layer::User && catalogue::parameter(name).is_some_and(|parameter| is_network_or_time(&parameter))
        });
        if closes && by_hand {
            let reason = "network or time server values that were set by hand stay in effect";
            notes.push(
                warning("network.values-by-hand", reason).named("NW_SETTING_ENABLE").suggest("Reset Web Settings once (B120)"),
            );
        }
        notes
    }
}

fn places(fresh: &BTreeMap<Place, (usize, u32)>) -> BTreeSet<Place> {
    fresh.keys().copied().collect()
}

fn clash_in_file(one: &Suppressed, stored: Option<&Stored>, line: u32) -> Diagnosis {
    let file = stored.map_or("", |stored| stored.source.as_str());
    error(one.clash.code, one.clash.reason.clone()).named(one.name).in_file(file).at(line, 0).suggest(one.clash.suggestion.clone())
}

fn report(
    file: &RunFile<'_>,
    at: usize,
    plan: &Plan,
    fresh: &BTreeMap<Place, (usize, u32)>,
    refused: &BTreeMap<usize, u32>,
) -> FileReport {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let prefix = format!("{}/", file.layer.as_str());
    let lost = refused.get(&at).copied().unwrap_or(0);
    FileReport {
        layer: file.layer,
        source: crate::template::without_password(file.source),
        rejected: file.outcome.rejected,
        unchanged: !plan.writes.iter().any(|write| write.key().starts_with(&prefix)),
        applied: count(fresh.values().filter(|(of, _)| *of == at).count()),
        skipped: file.outcome.skipped.saturating_add(lost),
    }
}
