//! What a run has come to, as Provisioning1 tells it.

use agreements::{Diagnosis, Severity};
use phone_proto::dbus::DiagnosisTuple;
use settings::layers::{FileReport, Layers, RunFile, RunPlan};
use settings::template::FileKind;

use super::exchange::{Fetch, Fetched};
use super::request::Run;
use crate::command::Report;

/// What was fetched, per file of the run; or why nothing was.
pub type Outcome = Result<Vec<Fetched>, String>;

/// The plan and the report of a run.
pub struct RunResult {
    /// To be committed.
    pub plan: RunPlan,
    /// As on the bus.
    pub report: Report,
    /// At least one file could not be fetched.
    pub failed: bool,
}

/// Plans what the files say on top of `layers`.
pub fn of(layers: &Layers, run: &Run, outcome: Outcome, time: agreements::WallTime) -> RunResult {
    let fetched = outcome.unwrap_or_else(|reason| run.request.files.iter().map(|wanted| lost(&wanted.shown, &reason)).collect());
    let files: Vec<RunFile<'_>> = run
        .kinds
        .iter()
        .zip(&run.request.files)
        .zip(&fetched)
        .map(|((kind, wanted), fetched)| RunFile { layer: (*kind).into(), source: &wanted.shown, outcome: &fetched.outcome })
        .collect();
    let plan = layers.provision(&files, time);
    let told = run.kinds.iter().zip(&fetched).zip(&plan.files).map(|((kind, fetched), report)| told(*kind, fetched, report));
    let unusable =
        run.unusable.iter().map(|(kind, diagnosis)| (kind.as_str().to_owned(), diagnosis.file.clone(), "failed".to_owned(), 0, 0));
    let diagnoses = run.unusable.iter().map(|(_, diagnosis)| diagnosis).chain(&run.notes).chain(&plan.plan.diagnoses).map(tuple);
    let report = Report { files: unusable.chain(told).collect(), diagnoses: diagnoses.collect() };
    let failed = report.files.iter().any(|(_, _, outcome, _, _)| outcome == "failed");
    RunResult { plan, report, failed }
}

fn told(kind: FileKind, fetched: &Fetched, report: &FileReport) -> (String, String, String, u32, u32) {
    let outcome = match fetched.fetch {
        Fetch::NotFound => "not-found",
        Fetch::Failed => "failed",
        Fetch::Read if report.rejected => "refused",
        Fetch::Read if report.unchanged => "unchanged",
        Fetch::Read => "applied",
    };
    (kind.as_str().to_owned(), report.source.clone(), outcome.to_owned(), report.applied, report.skipped)
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
    let outcome = settings::plain::FileOutcome { file: shown.to_owned(), diagnoses: vec![diagnosis], ..Default::default() };
    Fetched { fetch: Fetch::Failed, outcome }
}

fn tuple(diagnosis: &Diagnosis) -> DiagnosisTuple {
    let Diagnosis { file, line, column, code, name, severity, reason, suggestion, .. } = diagnosis.clone();
    (file, line, column, code, name, severity.as_str().to_owned(), reason, suggestion)
}
