//! What the last runs did. A run often ends with a restart of the unit (B31, B46, B105), and a person wants to read afterwards what it
//! did with each line; the run at start-up that follows must not hide it. A file in the state folder: its loss costs nobody a setting.
//! It holds what the bus shows of a run, which is without passwords.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use agreements::WallTime;
use phone_proto::dbus::{DiagnosisTuple, RunTuple};
use serde::{Deserialize, Serialize};

use super::kept_file;
use super::schedule::Cause;
use crate::command::Report;

/// The newest form of the file.
const FORMAT: u16 = 1;
/// Longest file, in bytes.
const LONGEST: usize = 1 << 20;
/// Runs that are kept.
const MOST_RUNS: usize = 8;
/// Diagnoses of a run that are kept: the first ones.
const MOST_DIAGNOSES: usize = 100;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    format: u16,
    /// Newest first.
    runs: VecDeque<RunTuple>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Past {
    /// None: nothing outlives the process.
    path: Option<PathBuf>,
    kept: Kept,
}

impl Past {
    /// From the state folder. What cannot be read, because it is damaged or of a newer version, is put aside.
    pub fn open(folder: &Path) -> Past {
        let path = folder.join("runs.json");
        let kept = kept_file::read(&path, LONGEST as u64)
            .and_then(|kept: Kept| if kept.format == FORMAT { Ok(kept) } else { Err(io::Error::other("another format")) });
        let kept = kept.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "what the last runs did is put aside");
                // Where that fails too, the next run overwrites it.
                let _ = std::fs::rename(&path, folder.join("runs.json.aside"));
            }
            Kept::default()
        });
        Past { path: Some(path), kept }
    }

    /// A run has ended.
    pub fn add(&mut self, time: WallTime, cause: Cause, done: bool, revision: u64, report: &Report) {
        let time = match time {
            WallTime::Unset => 0,
            WallTime::Unix(seconds) => seconds,
        };
        let outcome = if done { "done" } else { "failed" };
        let diagnoses: Vec<DiagnosisTuple> = report.diagnoses.iter().take(MOST_DIAGNOSES).cloned().collect();
        let run = (time, cause.as_str().to_owned(), outcome.to_owned(), revision, report.files.clone(), diagnoses);
        self.kept.runs.push_front(run);
        self.kept.runs.truncate(MOST_RUNS);
        while self.kept.runs.len() > 1 && serde_json::to_vec(&self.kept).is_ok_and(|bytes| bytes.len() > LONGEST) {
            self.kept.runs.pop_back();
        }
        self.save();
    }

    /// The unit was reset: what runs did before is nobody's business any more.
    pub fn forget(&mut self) {
        self.kept.runs.clear();
        self.save();
    }

    /// Newest first.
    pub fn runs(&self) -> Vec<RunTuple> {
        self.kept.runs.iter().cloned().collect()
    }

    fn save(&mut self) {
        self.kept.format = FORMAT;
        let Some(path) = &self.path else { return };
        if let Err(error) = kept_file::write(path, &self.kept) {
            tracing::warn!(%error, "what the last runs did could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(diagnoses: usize, reason: &str) -> Report {
        let one = ("a.cfg".into(), 1, 1, "name.unknown".into(), "X".into(), "error".into(), reason.to_owned(), String::new());
        Report {
            run: 1,
            files: vec![("standard".into(), "http://a/".into(), "applied".into(), 3, 1)],
            diagnoses: vec![one; diagnoses],
        }
    }

    #[test]
    fn the_last_runs_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut past = Past::open(folder.path());
        for revision in 1..=MOST_RUNS as u64 + 2 {
            past.add(WallTime::Unix(revision), Cause::Resync, true, revision, &report(MOST_DIAGNOSES + 1, "why"));
        }
        let again = Past::open(folder.path()).runs();
        assert_eq!(again, past.runs());
        assert_eq!(again.len(), MOST_RUNS);
        let (time, cause, outcome, revision, files, diagnoses) = &again[0];
        assert_eq!((*time, cause.as_str(), outcome.as_str(), *revision), (10, "resync", "done", 10));
        assert_eq!((files, diagnoses.len()), (&report(0, "").files, MOST_DIAGNOSES));
        past.forget();
        assert!(Past::open(folder.path()).runs().is_empty());
    }

    #[test]
    fn it_stays_small_whatever_the_files_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut past = Past::open(folder.path());
        for _ in 0..MOST_RUNS {
            past.add(WallTime::Unset, Cause::StartUp, false, 1, &report(MOST_DIAGNOSES, &"x".repeat(5000)));
        }
        assert_eq!(past.runs().len(), 2);
        assert!(std::fs::metadata(folder.path().join("runs.json")).unwrap().len() <= LONGEST as u64);
    }

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        for unreadable in ["{", "{\"format\":2,\"runs\":[]}"] {
            std::fs::write(folder.path().join("runs.json"), unreadable).unwrap();
            let mut past = Past::open(folder.path());
            assert!(past.runs().is_empty());
            past.add(WallTime::Unset, Cause::Asked, true, 1, &report(0, ""));
            assert_eq!(Past::open(folder.path()).runs().len(), 1);
            assert_eq!(std::fs::read_to_string(folder.path().join("runs.json.aside")).unwrap(), unreadable);
        }
    }
}
