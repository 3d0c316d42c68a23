//! What bus and gRPC handlers ask of the driver. They decide nothing and share no state with it: they send a command and wait for
//! its answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agreements::{Correlation, Diagnosis};
use phone_proto::dbus::{DiagnosisTuple, FileTuple, RunTuple};
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::Change;
use settings::layers::{Entry, Explanation, Layer, Origin, Reset};
use tokio::sync::{mpsc, oneshot};

use crate::provisioning::dhcp_options::Options;
use crate::provisioning::import::Import;

/// Commands that may wait. More than that at once is refused as `Busy`.
const QUEUE: usize = 64;

/// An answer that may be an error.
pub type Answer<T> = oneshot::Sender<Result<T, HouseError>>;

/// What can be asked.
pub enum Command {
    /// All values that a service may see.
    Snapshot {
        /// Which.
        service: String,
        /// Answered at once.
        answer: oneshot::Sender<Snapshot>,
    },
    /// Every change after a revision.
    Watch {
        /// Which service.
        service: String,
        /// Of the snapshot.
        epoch: u64,
        /// Of the snapshot.
        from_revision: u64,
        /// None: take a new snapshot.
        answer: oneshot::Sender<Option<mpsc::Receiver<Change>>>,
    },
    /// A save.
    Apply {
        /// What, by whom.
        wish: Wish,
        /// After the flush.
        answer: Answer<Applied>,
    },
    /// Every layer's value of one parameter.
    Explain {
        /// The service that asks and must be allowed to see the row; none for a person at the bus, who sees all but secrets.
        service: Option<String>,
        /// Parameter.
        name: String,
        /// Secrets masked.
        answer: Answer<Explanation>,
    },
    /// Every effective value: name, value, layer; secrets masked.
    List {
        /// Answered at once.
        answer: oneshot::Sender<Vec<(String, String, String)>>,
    },
    /// Values out of one layer.
    Remove {
        /// What, by whom.
        removal: Removal,
        /// After the flush.
        answer: Answer<Applied>,
    },
    /// The newest commits, newest first; secrets masked.
    History {
        /// Answered at once.
        answer: oneshot::Sender<Vec<Entry>>,
    },
    /// The newest commit taken back.
    Undo {
        /// The revision that the person has seen; 0 for any.
        expected_revision: u64,
        /// For the history.
        source: String,
        /// Goes through everything that this brings about.
        correlation: Correlation,
        /// The revision, after the flush.
        answer: Answer<u64>,
    },
    /// One of the resets of the guide.
    Reset {
        /// Which.
        reset: Reset,
        /// For the history.
        source: String,
        /// Goes through everything that this brings about.
        correlation: Correlation,
        /// The revision, after the flush.
        answer: Answer<u64>,
    },
    /// Values in full, for an administrator.
    Reveal {
        /// Of one layer; none: effective ones.
        layer: Option<Layer>,
        /// Answered at once.
        answer: oneshot::Sender<Vec<(String, String)>>,
    },
    /// A provisioning run.
    Provision {
        /// Its number, at once.
        answer: Answer<u64>,
    },
    /// A file that a person brings.
    Import {
        /// Which.
        import: Import,
        /// Goes through everything that this brings about; empty: the run gets one of its own.
        correlation: Correlation,
        /// The number of its run, at once.
        answer: Answer<u64>,
    },
    /// Where the SD card is.
    Card {
        /// At once; none: no card is in.
        answer: oneshot::Sender<Option<PathBuf>>,
    },
    /// What the DHCP server says about provisioning.
    DhcpOptions {
        /// Option number to its bytes.
        options: Options,
        /// Taken in.
        answer: oneshot::Sender<()>,
    },
    /// What the newest finished run did.
    Report {
        /// Answered at once.
        answer: oneshot::Sender<Report>,
    },
    /// What the last runs did, newest first, those before a restart too.
    Past {
        /// Answered at once.
        answer: oneshot::Sender<Vec<RunTuple>>,
    },
}

/// All values that a service may see, at one revision.
pub struct Snapshot {
    /// Of this process.
    pub epoch: u64,
    /// The newest one.
    pub revision: u64,
    /// Parameter to value.
    pub values: BTreeMap<String, String>,
}

/// A save.
pub struct Wish {
    /// The service that asks; none for an administrator at the bus.
    pub service: Option<String>,
    /// Parameter and value, in file notation.
    pub changes: Vec<(String, String)>,
    /// The revision that the person has seen; 0 for any.
    pub expected_revision: u64,
    /// Where.
    pub origin: Origin,
    /// For the history: "web admin".
    pub source: String,
    /// Goes through everything that this brings about.
    pub correlation: Correlation,
}

/// Values to be taken out of a layer by an administrator (C67).
pub struct Removal {
    /// Whose values.
    pub layer: Layer,
    /// Of which parameters.
    pub names: Vec<String>,
    /// The revision that the person has seen; 0 for any.
    pub expected_revision: u64,
    /// For the history.
    pub source: String,
    /// Goes through everything that this brings about.
    pub correlation: Correlation,
}

/// What became of a save.
pub enum Applied {
    /// It is on the disk.
    Done {
        /// Of the commit; the current one when nothing was different.
        revision: u64,
    },
    /// Nothing was changed.
    Refused(Vec<Diagnosis>),
}

/// What the newest finished run did, as on the bus.
#[derive(Clone, Default)]
pub struct Report {
    /// Its number; 0: none.
    pub run: u64,
    /// kind, URL, outcome, applied, skipped.
    pub files: Vec<FileTuple>,
    /// See Provisioning1.
    pub diagnoses: Vec<DiagnosisTuple>,
}

impl Report {
    /// Whether a file of the run is in effect.
    pub fn something_is_in_effect(&self) -> bool {
        self.files.iter().any(|(_, _, outcome, _, _)| outcome == "applied" || outcome == "unchanged")
    }
}

/// The handlers' end.
#[derive(Clone)]
pub struct Commands(mpsc::Sender<Command>);

/// Handlers' end and driver's end.
pub fn channel() -> (Commands, mpsc::Receiver<Command>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Commands(sender), receiver)
}

impl Commands {
    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// `Busy` when too many wait; `ServiceUnavailable` when the driver has ended.
    pub async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, HouseError> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(command(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => HouseError::new(ErrorKind::Busy, "too many requests at once; try again"),
            mpsc::error::TrySendError::Closed(_) => going_down(),
        })?;
        answered.await.map_err(|_| going_down())
    }
}

fn going_down() -> HouseError {
    HouseError::new(ErrorKind::ServiceUnavailable, "provisioning-agent is going down")
}
