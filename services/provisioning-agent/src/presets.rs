//! Dealer presets (C66): configuration files of the system partition, or of the test bed. They are read once at start and never
//! stored. A file that was named and cannot be read stops the start: a phone with half a preset would be a riddle.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use settings::plain::{self, FileOutcome, MAX_BYTES};

/// A preset that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// It is not there, or may not be read.
    #[error("the preset {} cannot be read: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no configuration file.
    #[error("the preset {} is not a configuration file: line {line}: {reason}", path.display())]
    Rejected {
        /// Which.
        path: PathBuf,
        /// Counted from 1, 0 for the whole file.
        line: u32,
        /// Why.
        reason: String,
    },
}

/// Reads all of them, the most important one first. Single bad lines are logged and left out.
///
/// # Errors
/// A file is missing or rejected as a whole.
pub fn read(paths: &[PathBuf]) -> Result<Vec<FileOutcome>, PresetError> {
    paths.iter().map(|path| read_one(path)).collect()
}

fn read_one(path: &Path) -> Result<FileOutcome, PresetError> {
    let io = |source| PresetError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let outcome = plain::parse_preset(&bytes, &path.display().to_string());
    if outcome.rejected {
        let first = outcome.diagnoses.first();
        let (line, reason) = first.map_or((0, String::new()), |first| (first.line, first.reason.clone()));
        return Err(PresetError::Rejected { path: path.to_owned(), line, reason });
    }
    for diagnosis in &outcome.diagnoses {
        tracing::warn!(file = diagnosis.file, line = diagnosis.line, name = diagnosis.name, reason = diagnosis.reason, "preset");
    }
    Ok(outcome)
}
