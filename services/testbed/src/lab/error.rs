//! Why the lab did not come up, or had to go down. Each says what was tried and how to mend it.

use std::io;
use std::path::PathBuf;

use phone_proto::errors::ErrorKind;

use super::supervisor::StartFailure;
use crate::house::HouseTableError;

/// Why `phonelab` ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A program of the house is not where phonelab is.
    #[error("{} is missing: build it first (cargo build --workspace)", .0.display())]
    MissingProgram(PathBuf),
    /// A program of the system is missing.
    #[error("{program} is missing: install the Debian package {package} (apt install {package})")]
    MissingPackage {
        /// The program.
        program: &'static str,
        /// Where it comes from.
        package: &'static str,
    },
    /// Somebody else has the address.
    #[error("{what}: {address} is taken or cannot be used: {error}{hint}")]
    TakenPort {
        /// What it is for.
        what: &'static str,
        /// Address and port.
        address: String,
        /// What the system says.
        error: io::Error,
        /// Which option changes it; with a leading separator.
        hint: &'static str,
    },
    /// The preset file does not hold what a preset holds.
    #[error("{0}")]
    BadPreset(String),
    /// The state folder is in use.
    #[error("another phonelab runs on {}: stop it, or choose another folder with --state", .0.display())]
    AlreadyRunning(PathBuf),
    /// Nobody runs there.
    #[error("no phonelab runs on {}", .0.display())]
    NotRunning(PathBuf),
    /// A folder or file cannot be had.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The private bus does not start, or ended.
    #[error("the private bus: {0}")]
    Bus(String),
    /// The lab exchange does not start.
    #[error("the lab exchange: {0}")]
    Exchange(String),
    /// A service does not come up.
    #[error(transparent)]
    Start(#[from] StartFailure),
    /// The table of the house is wrong.
    #[error(transparent)]
    House(#[from] HouseTableError),
    /// Something of the system that always works.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl LabError {
    /// Wraps an error about a path.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> LabError {
        let path = path.into();
        move |error| LabError::File { path, error }
    }

    /// Wraps an error of the system.
    pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> LabError {
        move |error| LabError::System { what, error }
    }

    /// The row of the house's error table that gives the exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            LabError::MissingProgram(_) | LabError::MissingPackage { .. } => ErrorKind::NotReady,
            LabError::TakenPort { .. } | LabError::AlreadyRunning(_) => ErrorKind::Busy,
            LabError::BadPreset(_) => ErrorKind::InvalidValue,
            LabError::NotRunning(_) | LabError::Start(_) | LabError::Bus(_) | LabError::Exchange(_) => {
                ErrorKind::ServiceUnavailable
            }
            LabError::File { .. } => ErrorKind::InvalidArgument,
            LabError::House(_) | LabError::System { .. } => ErrorKind::Internal,
        }
    }
}
