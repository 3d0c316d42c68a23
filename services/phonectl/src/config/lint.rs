//! Configuration files, read as the phone reads them, each for itself and as the files of one run. Works without a phone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agreements::{Diagnosis, Severity, WallTime};
use phone_proto::errors::ErrorKind;
use serde_json::json;
use settings::file::{self, FileOutcome, Size};
use settings::layers::RunFile;
use settings::template::FileKind;
use settings::{Layer, Layers, listing};

use super::arguments::{Layered, OptionalKey};
use super::{Source, source};
use crate::failure::Failure;
use crate::show::Output;

/// A file and what it is to the phone.
pub(super) struct Placed {
    pub kind: FileKind,
    pub source: Source,
}

/// `phonectl config lint`: everything that is to be said about the files; fails when one of them has an error.
pub fn lint(output: &mut Output, files: &[PathBuf], layered: &Layered, key: &OptionalKey) -> Result<(), Failure> {
    let placed = placed(layered, key)?;
    if files.is_empty() && placed.is_empty() {
        return Err(Failure::new(ErrorKind::InvalidArgument, "no file is given"));
    }
    let mut all = Vec::new();
    let mut text = String::new();
    for path in files {
        told(&source(path, key)?, &mut all, &mut text);
    }
    for one in &placed {
        told(&one.source, &mut all, &mut text);
    }
    for diagnosis in of_the_run(&placed).into_iter().chain(standing_back(&placed)) {
        let bytes = placed.iter().find(|one| one.source.name == diagnosis.file).map(|one| one.source.bytes.as_slice());
        text += &format!("{}\n", file::render(&diagnosis, bytes).trim_end());
        all.push(diagnosis);
    }
    let errors = all.iter().filter(|diagnosis| diagnosis.severity == Severity::Error).count();
    output.result(&json!(listing::findings(&all)), || text)?;
    match errors {
        0 => Ok(()),
        1 => Err(Failure::new(ErrorKind::InvalidValue, "1 error")),
        more => Err(Failure::new(ErrorKind::InvalidValue, format!("{more} errors"))),
    }
}

/// The files by layer, lowest first, those that do not fit into the limit of a run refused (C47).
pub(super) fn placed(layered: &Layered, key: &OptionalKey) -> Result<Vec<Placed>, Failure> {
    let mut placed = Vec::new();
    for kind in FileKind::ALL {
        let path = match kind {
            FileKind::Master => &layered.master,
            FileKind::Product => &layered.product,
            FileKind::Standard => &layered.standard,
        };
        if let Some(path) = path {
            placed.push(Placed { kind, source: source(path, key)? });
        }
    }
    let size = |one: &Placed| Size { form: file::form_of(&one.source.bytes), bytes: one.source.bytes.len() };
    let sizes: Vec<Size> = placed.iter().rev().map(size).collect();
    for ((one, fits), size) in placed.iter_mut().rev().zip(file::within_limit(&sizes)).zip(&sizes) {
        if !fits {
            one.source.outcome = file::over_the_limit(*size, &one.source.name);
        }
    }
    Ok(placed)
}

fn told(source: &Source, all: &mut Vec<Diagnosis>, text: &mut String) {
    for diagnosis in &source.outcome.diagnoses {
        *text += &format!("{}\n", file::render(diagnosis, Some(&source.bytes)).trim_end());
    }
    *text += &format!("{}: {}\n", source.name, verdict(&source.outcome));
    all.extend(source.outcome.diagnoses.iter().cloned());
}

fn verdict(outcome: &FileOutcome) -> String {
    match (outcome.rejected, outcome.accepted.len()) {
        (true, _) => "the whole file is refused".to_owned(),
        (false, 1) => "1 value taken".to_owned(),
        (false, count) => format!("{count} values taken"),
    }
}

/// What does not go together on a phone that has these files alone (C2).
fn of_the_run(placed: &[Placed]) -> Vec<Diagnosis> {
    if placed.is_empty() {
        return Vec::new();
    }
    let run = Layers::new().provision(&run_files(placed), WallTime::Unset);
    let known = |one: &Diagnosis| placed.iter().any(|file| file.source.outcome.diagnoses.contains(one));
    run.plan.diagnoses.into_iter().filter(|one| !known(one)).collect()
}

/// The files as a run of the phone has them.
pub(super) fn run_files(placed: &[Placed]) -> Vec<RunFile<'_>> {
    let mut files = Vec::new();
    for one in placed {
        files.push(RunFile { layer: Layer::from(one.kind), source: &one.source.name, outcome: &one.source.outcome });
    }
    files
}

/// Values that a file of a higher layer hides: standard before product before master (2.5).
fn standing_back(placed: &[Placed]) -> Vec<Diagnosis> {
    let mut highest: BTreeMap<&str, (&Placed, u32)> = BTreeMap::new();
    let mut notes = Vec::new();
    for file in placed.iter().rev() {
        for setting in &file.source.outcome.accepted {
            match highest.get(setting.name.as_str()) {
                Some((winner, line)) => notes.push(note(file, &setting.name, setting.line, winner, *line)),
                None => {
                    highest.insert(&setting.name, (file, setting.line));
                }
            }
        }
    }
    notes
}

fn note(file: &Placed, name: &str, line: u32, winner: &Placed, at: u32) -> Diagnosis {
    let won = format!("the {} file {} sets it in line {at} and wins", winner.kind.as_str(), winner.source.name);
    Diagnosis {
        file: file.source.name.clone(),
        line,
        column: 0,
        code: "layer.stands-back".to_owned(),
        name: name.to_owned(),
        severity: Severity::Note,
        reason: format!("{name} of the {} file stands back: {won}", file.kind.as_str()),
        suggestion: String::new(),
        arguments: BTreeMap::new(),
    }
}
