//! Import Configuration File (guide 2.4.5; B104, B105): the form, and what was done with the file, per file and per finding.

use agreements::{Diagnosis, Severity};
use maud::{Markup, html};
use phone_proto::settings::RunFile;

use super::heading;
use super::settings::{Outcome, result};
use crate::importing::{FileType, ImportReport, Restart};
use crate::menu::Place;

/// Names of the form's fields, in the order in which they are sent.
pub const TOKEN: &str = "token";
/// See [`TOKEN`].
pub const TYPE: &str = "type";
/// See [`TOKEN`].
pub const FILE: &str = "file";

/// Findings that a page shows; the rest is counted.
const MOST_SHOWN: usize = 200;

/// The screen before a file was sent, or after one that was not taken; `kind` as it was chosen.
pub fn form(place: &Place, kind: FileType, outcome: &Outcome, token: &str) -> Markup {
    let path = place.path();
    html! {
        (result(outcome, &[]))
        (heading(place.screen.title, None))
        form.settings method="post" action=(path) enctype="multipart/form-data" autocomplete="off" {
            input type="hidden" name=(TOKEN) value=(token);
            section.card {
                h2 { "Configuration File" }
                div.field role="radiogroup" aria-labelledby="type-label" {
                    span.label #type-label { "Type of File" }
                    div.control {
                        div.choices {
                            @for known in FileType::ALL {
                                label.choice {
                                    input type="radio" name=(TYPE) value=(known.as_str()) checked[known == kind];
                                    span { (title(known)) }
                                }
                            }
                        }
                    }
                }
                div.field {
                    label.label for=(FILE) { "File" }
                    div.control {
                        input type="file" id=(FILE) name=(FILE) accept=".cfg,.xml,.e1c,.e2c,.e3c" aria-describedby="file-hint";
                        p.hint #file-hint { "Ends with .cfg, .xml, .e1c, .e2c or .e3c" }
                    }
                }
                p.hint {
                    "What the file sets goes into the layer of its type. Then the unit restarts by itself. Not possible during a call."
                }
            }
            div.actions {
                button.primary type="submit" { "Import and Restart" }
                a.button href=(path) { "Cancel" }
            }
        }
    }
}

/// The screen after a file was read.
pub fn report(place: &Place, report: &ImportReport, outcome: &Outcome) -> Markup {
    html! {
        (result(outcome, &[]))
        (heading(place.screen.title, None))
        section.card {
            h2 { "What Was Done" }
            table.facts.lines #files {
                thead { tr { th scope="col" { "File" } th scope="col" { "Type" } th scope="col" { "Result" } } }
                tbody { @for file in &report.files { (file_row(file)) } }
            }
        }
        @if !report.findings.is_empty() { (findings(&report.findings)) }
        p { a.button href=(place.path()) { "Import another file" } }
    }
}

/// What the restart is about to do.
pub fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::None => "The unit does not restart.",
        Restart::Soon => "The unit restarts in a few seconds.",
        Restart::AfterCall => "A call has begun meanwhile: the unit restarts when it has ended.",
    }
}

fn title(kind: FileType) -> &'static str {
    match kind {
        FileType::Standard => "Standard (this unit)",
        FileType::Product => "Product (units of this model)",
        FileType::Master => "Master (all units)",
    }
}

fn file_row(file: &RunFile) -> Markup {
    let kind = match FileType::named(&file.kind) {
        Some(kind) => title(kind),
        None => file.kind.as_str(),
    };
    html! {
        tr data-outcome=(file.outcome) {
            td { (file.file) }
            td { (kind) }
            td { (done(file)) }
        }
    }
}

fn done(file: &RunFile) -> String {
    let RunFile { applied, skipped, .. } = file;
    match file.outcome.as_str() {
        "applied" => format!("Applied: {applied} values, {skipped} lines skipped"),
        "unchanged" => format!("Says nothing new: {applied} values, {skipped} lines skipped"),
        "refused" => "Refused: nothing of it was taken".to_owned(),
        other => format!("Failed ({other}): nothing of it was taken"),
    }
}

fn findings(findings: &[Diagnosis]) -> Markup {
    let more = findings.len().saturating_sub(MOST_SHOWN);
    html! {
        section.card {
            h2 { "What Was Found" }
            table.facts.lines #findings {
                thead {
                    tr { th scope="col" { "Severity" } th scope="col" { "Where" } th scope="col" { "Parameter" } th scope="col" { "What" } }
                }
                tbody { @for finding in findings.iter().take(MOST_SHOWN) { (finding_row(finding)) } }
            }
            @if more > 0 { p { (more) " more are in the phone's log." } }
        }
    }
}

fn finding_row(finding: &Diagnosis) -> Markup {
    html! {
        tr data-severity=(finding.severity.as_str()) data-code=(finding.code) {
            td { (severity(finding.severity)) }
            td { (position(finding)) }
            td { (finding.name) }
            td.what {
                p { (finding.reason) }
                @if !finding.suggestion.is_empty() { p.hint { (finding.suggestion) } }
            }
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "Error",
        Severity::Warning => "Warning",
        Severity::Note => "Note",
    }
}

fn position(finding: &Diagnosis) -> String {
    match (finding.line, finding.column) {
        (0, _) => finding.file.clone(),
        (line, 0) => format!("{}, line {line}", finding.file),
        (line, column) => format!("{}, line {line}, column {column}", finding.file),
    }
}
