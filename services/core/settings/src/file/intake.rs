//! Takes what a file says, one setting after the other, whatever form the file has: known and legal values once each (B87),
//! everything else as a finding with its place. Bounded: see [`MAX_DIAGNOSES`].

use std::collections::BTreeMap;

use agreements::{Diagnosis, MASK, Severity};

use super::{FileOutcome, MAX_DIAGNOSES, Setting};
use crate::catalogue::{self, Parameter};
use crate::finding::{Detail, error, finding, warning};
use crate::layers::checked;
use crate::suggest;
use crate::value;

/// Where a setting stands. Lines and columns from 1, columns in characters; 0: the whole line.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub line: u32,
    pub name: u32,
    pub value: u32,
}

/// Oddities that are taken and told once per file, with the first line and how many there are.
#[derive(Default)]
pub(crate) struct Tally {
    pub first: u32,
    pub count: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, line: u32) {
        if self.count == 0 {
            self.first = line;
        }
        self.count = self.count.saturating_add(1);
    }
}

pub(crate) struct Intake {
    outcome: FileOutcome,
    /// Any row may be set, not only those of files (C66).
    preset: bool,
    /// Line of the first accepted value of a parameter.
    seen: BTreeMap<&'static str, u32>,
    untold: u32,
}

impl Intake {
    pub(crate) fn new(file_name: &str, bytes: usize) -> Intake {
        let outcome = FileOutcome { file: crate::template::without_password(file_name), bytes, ..FileOutcome::default() };
        Intake { outcome, preset: false, seen: BTreeMap::new(), untold: 0 }
    }

    pub(crate) fn of_preset(self) -> Intake {
        Intake { preset: true, ..self }
    }

    /// One setting; gives its parameter if it is taken.
    pub(crate) fn setting(&mut self, name: &str, text: &str, place: Place) -> Option<Parameter> {
        let parameter = match self.legal(name, text) {
            Ok(parameter) => parameter,
            Err(refused) => {
                let column = if refused.code.starts_with("name.") { place.name } else { place.value };
                self.skip(refused.at(place.line, column));
                return None;
            }
        };
        if let Some(first) = self.seen.get(parameter.name) {
            let reason = format!("{} stands in line {first} already; the first one counts", parameter.name);
            let twice = warning("line.twice", reason).named(parameter.name).at(place.line, place.name);
            self.skip(twice.suggest("leave one of the two out"));
            return None;
        }
        self.accept(&parameter, text, place);
        Some(parameter)
    }

    fn accept(&mut self, parameter: &Parameter, text: &str, place: Place) {
        self.seen.insert(parameter.name, place.line);
        for advice in value::advise(parameter, text) {
            self.tell(advice.at(place.line, place.value));
        }
        let value = value::canonical(parameter, text).into_owned();
        self.outcome.accepted.push(Setting { name: parameter.name.to_owned(), value, line: place.line });
    }

    fn legal(&self, name: &str, text: &str) -> Result<Parameter, Diagnosis> {
        // The search for a near name is dear: no more often than there is room to tell.
        if catalogue::parameter(name).is_none() && self.outcome.diagnoses.len() >= MAX_DIAGNOSES {
            return Err(error("name.unknown", "there is no such parameter").named(name));
        }
        let parameter = checked(name, text).map_err(|diagnosis| better(diagnosis, name, text))?;
        if self.preset || parameter.row.set_by.file {
            return Ok(parameter);
        }
        let ways = parameter.row.set_by.names().join(" or ");
        let ways = if ways.is_empty() { "a dealer preset".to_owned() } else { ways };
        Err(error("name.not-in-files", format!("{name} cannot be set by a file"))
            .named(name)
            .suggest(format!("settable by: {ways}")))
    }

    /// A setting that is not taken.
    pub(crate) fn skip(&mut self, diagnosis: Diagnosis) {
        self.outcome.skipped = self.outcome.skipped.saturating_add(1);
        self.tell(diagnosis);
    }

    pub(crate) fn tell(&mut self, diagnosis: Diagnosis) {
        if self.outcome.diagnoses.len() < MAX_DIAGNOSES {
            self.outcome.diagnoses.push(diagnosis.in_file(&self.outcome.file));
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// The whole file does not count.
    pub(crate) fn reject(&mut self, diagnosis: Diagnosis) {
        self.outcome.accepted.clear();
        self.outcome.rejected = true;
        // Why it is rejected must be told, however much was found before.
        self.outcome.diagnoses.truncate(MAX_DIAGNOSES - 1);
        self.tell(diagnosis);
    }

    pub(crate) fn rejected(mut self, diagnosis: Diagnosis) -> FileOutcome {
        self.reject(diagnosis);
        self.finish()
    }

    /// One of the few findings about the whole file ([`super::LAST_WORDS`]): always listed.
    pub(crate) fn last_word(&mut self, diagnosis: Diagnosis) {
        self.outcome.diagnoses.push(diagnosis.in_file(&self.outcome.file));
    }

    pub(crate) fn finish(mut self) -> FileOutcome {
        if self.untold > 0 {
            let reason = format!("{} more findings are not listed", self.untold);
            self.last_word(finding(Severity::Note, "file.more-findings", reason));
        }
        self.outcome.diagnoses.sort_by_key(|diagnosis| diagnosis.line);
        self.outcome
    }
}

/// Field mistakes whose mending needs the value: `TIME_ZONE="GMT +9:00"`.
fn better(diagnosis: Diagnosis, name: &str, text: &str) -> Diagnosis {
    match suggest::time_zone_code(text) {
        Some(code) if name == "TIME_ZONE" || name == "TIME_ZONE_COUNTRY" => {
            diagnosis.suggest(format!("TIME_ZONE_COUNTRY=\"{code}\""))
        }
        _ => diagnosis,
    }
}

/// The value as a suggestion may repeat it.
pub(crate) fn shown(name: &str, value: &str) -> String {
    if is_secret(name) { MASK.to_owned() } else { crate::finding::excerpt(&crate::template::without_password(value)) }
}

/// Whether what stands behind this name must not be shown. A misspelt name may be that of a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    match catalogue::parameter(&upper) {
        Some(parameter) => parameter.row.secret,
        None => ["PAS", "KEY", "PSAS", "SECRET", "PWD"].iter().any(|part| upper.contains(part)),
    }
}
