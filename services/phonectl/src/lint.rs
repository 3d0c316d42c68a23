//! Configuration files, read as the phone reads them. Works without a phone.

use std::path::PathBuf;

use agreements::Severity;
use phone_proto::errors::ErrorKind;
use serde_json::json;
use settings::{FileOutcome, file, listing};

use crate::failure::Failure;
use crate::show::Output;

/// `phonectl config lint`: everything that is to be said about the files; fails when one of them has an error.
pub fn lint(output: &mut Output, files: &[PathBuf]) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut text = String::new();
    for path in files {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Failure::new(ErrorKind::InvalidArgument, format!("{name}: {error}")))?;
        let outcome = file::parse(&bytes, &name);
        for diagnosis in &outcome.diagnoses {
            text += &format!("{}\n", file::render(diagnosis, Some(&bytes)).trim_end());
        }
        text += &format!("{name}: {}\n", verdict(&outcome));
        all.extend(outcome.diagnoses);
    }
    let errors = all.iter().filter(|diagnosis| diagnosis.severity == Severity::Error).count();
    output.result(&json!(listing::findings(&all)), || text)?;
    match errors {
        0 => Ok(()),
        1 => Err(Failure::new(ErrorKind::InvalidValue, "1 error")),
        more => Err(Failure::new(ErrorKind::InvalidValue, format!("{more} errors"))),
    }
}

fn verdict(outcome: &FileOutcome) -> String {
    match (outcome.rejected, outcome.accepted.len()) {
        (true, _) => "the whole file is refused".to_owned(),
        (false, 1) => "1 value taken".to_owned(),
        (false, count) => format!("{count} values taken"),
    }
}
