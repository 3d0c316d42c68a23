//! What a run has come to, as Provisioning1 tells it.

use agreements::{Diagnosis, Severity};
use phone_proto::dbus::DiagnosisTuple;
use settings::layers::{FileReport, Layer, Layers, RunFile, RunPlan};

use super::child::Done;
use super::exchange::{Fetch, Fetched, Known};
use super::memory::Memory;
use super::request::Run;
use crate::command::Report;

/// What was fetched, per file of the run; or why nothing was.
pub type Outcome = Result<Done, String>;

/// The plan and the report of a run.
pub struct RunResult {
    /// To be committed.
    pub plan: RunPlan,
    /// As on the bus.
    pub report: Report,
    /// At least one file could not be fetched.
    pub failed: bool,
    /// What is to be remembered once the plan is committed.
    lessons: Lessons,
}

/// What is to be remembered of a run.
struct Lessons {
    files: Vec<Lesson>,
    /// URL and PEM.
    root_certificate: Option<(String, String)>,
}

/// Layer, URL, how the server names the file, values applied and lines skipped.
type Lesson = (Layer, String, Option<Known>, (u32, u32));

impl RunResult {
    /// Teaches `memory`; `layers` are those after the commit.
    pub fn teach(&self, memory: &mut Memory, layers: &Layers) {
        for (layer, url, known, counts) in &self.lessons.files {
            memory.learn_file(layers, *layer, url, known.clone(), *counts);
        }
        if let Some((url, pem)) = &self.lessons.root_certificate {
            memory.learn_root_certificate(url, pem.clone());
        }
        if !self.lessons.files.is_empty() || self.lessons.root_certificate.is_some() {
            memory.save();
        }
    }
}

/// Plans what the files say on top of `layers`.
pub fn of(layers: &Layers, run: &Run, outcome: Outcome, memory: &Memory, time: agreements::WallTime) -> RunResult {
    let lost = |reason: String| Done {
        files: run.request.files.iter().map(|wanted| lost(&wanted.shown, &reason)).collect(),
        notes: Vec::new(),
        root_certificate: None,
    };
    let Done { files: fetched, notes, root_certificate } = outcome.unwrap_or_else(lost);
    let files: Vec<RunFile<'_>> = run
        .layers
        .iter()
        .zip(&run.request.files)
        .zip(&fetched)
        .map(|((layer, wanted), fetched)| RunFile { layer: *layer, source: &wanted.shown, outcome: &fetched.outcome })
        .collect();
    let plan = layers.provision(&files, time);
    let each = || run.layers.iter().zip(&run.request.files).zip(fetched.iter().zip(&plan.files));
    let told = each().map(|((layer, wanted), (fetched, report))| {
        let remembered = memory.file(layers, *layer, &wanted.url).map(|file| (file.applied, file.skipped));
        told(*layer, fetched, report, remembered.unwrap_or_default())
    });
    let unusable =
        run.unusable.iter().map(|(kind, diagnosis)| (kind.as_str().to_owned(), diagnosis.file.clone(), "failed".to_owned(), 0, 0));
    let about_paths = run.unusable.iter().map(|(_, diagnosis)| diagnosis);
    let diagnoses = about_paths.chain(&notes).chain(&plan.plan.diagnoses).map(tuple).collect();
    let report = Report { run: 0, files: unusable.chain(told).collect(), diagnoses };
    let failed = report.files.iter().any(|(_, _, outcome, _, _)| outcome == "failed");
    let lessons = Lessons {
        files: each().filter_map(|((layer, wanted), (fetched, report))| lesson(*layer, &wanted.url, fetched, report)).collect(),
        root_certificate: run.request.root_certificate.as_ref().map(|root| root.wanted.url.clone()).zip(root_certificate),
    };
    RunResult { plan, report, failed, lessons }
}

/// Only a file that was applied whole is known next time: a value that had to give way to another layer's may have its turn later,
/// and what is wrong with a line is told by every run until it is mended.
fn lesson(layer: Layer, url: &str, fetched: &Fetched, report: &FileReport) -> Option<Lesson> {
    let whole = !report.rejected && report.skipped == 0;
    let known = fetched.known.clone().filter(|_| whole);
    (fetched.fetch == Fetch::Read).then(|| (layer, url.to_owned(), known, (report.applied, report.skipped)))
}

fn told(layer: Layer, fetched: &Fetched, report: &FileReport, remembered: (u32, u32)) -> (String, String, String, u32, u32) {
    let outcome = match fetched.fetch {
        Fetch::NotFound => "not-found",
        Fetch::Unchanged => "unchanged",
        Fetch::Failed => "failed",
        Fetch::Read if report.rejected => "refused",
        Fetch::Read if report.unchanged => "unchanged",
        Fetch::Read => "applied",
    };
    let (applied, skipped) = if fetched.fetch == Fetch::Unchanged { remembered } else { (report.applied, report.skipped) };
    (layer.as_str().to_owned(), report.source.clone(), outcome.to_owned(), applied, skipped)
}

fn lost(shown: &str, reason: &str) -> Fetched {
    let diagnosis = Diagnosis {
        file: shown.to_owned(),
        line: 0,
        column: 0,
        code: "file.not-fetched".to_owned(),
        name: String::new(),
        severity: Severity::Error,
        reason: reason.to_owned(),
        suggestion: "provision again; if it comes back, report it".to_owned(),
        arguments: std::collections::BTreeMap::new(),
    };
    let outcome = settings::file::FileOutcome { file: shown.to_owned(), diagnoses: vec![diagnosis], ..Default::default() };
    Fetched { fetch: Fetch::Failed, known: None, outcome }
}

fn tuple(diagnosis: &Diagnosis) -> DiagnosisTuple {
    let Diagnosis { file, line, column, code, name, severity, reason, suggestion, .. } = diagnosis.clone();
    (file, line, column, code, name, severity.as_str().to_owned(), reason, suggestion)
}
