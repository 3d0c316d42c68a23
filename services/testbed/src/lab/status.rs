//! The READY line, the same for the person, for the tools and for `phonelab status`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::folders;

/// What a tool needs to know about a running lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Address of the private bus, for `DESKPHONE_BUS` and `busctl --address=`.
    pub bus: String,
    /// The phone's web page.
    pub web: String,
    /// Address and port of the lab exchange; null without one.
    pub exchange: Option<String>,
    /// Service to pid; 0 while one is being started again.
    pub services: BTreeMap<String, i32>,
    /// Whether each service has its own user.
    pub isolation: bool,
}

impl Status {
    /// The line.
    pub fn line(&self) -> String {
        // Strings and numbers always serialise.
        format!("READY {}", serde_json::to_string(self).unwrap_or_default())
    }

    /// Writes it where `phonelab status` looks.
    pub fn publish(&self, state: &Path) -> Result<(), LabError> {
        let path = path(state);
        let next = path.with_extension("next");
        std::fs::write(&next, serde_json::to_vec(self).unwrap_or_default()).map_err(LabError::file(&next))?;
        std::fs::rename(&next, &path).map_err(LabError::file(&path))
    }

    /// That of the lab which runs on this folder and has been ready.
    pub fn of_running(state: &Path) -> Result<Status, LabError> {
        let not_running = || LabError::NotRunning(state.to_owned());
        if !folders::is_locked(state) {
            return Err(not_running());
        }
        let bytes = std::fs::read(path(state)).map_err(|_| not_running())?;
        serde_json::from_slice(&bytes).map_err(|_| not_running())
    }

    /// Nothing runs any more.
    pub fn withdraw(state: &Path) {
        // It may never have been written.
        let _ = std::fs::remove_file(path(state));
    }
}

fn path(state: &Path) -> PathBuf {
    state.join("status.json")
}
