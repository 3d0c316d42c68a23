//! The settings as the service holds them: the layers, the store that they are safe in, and the revisions. A value is in the
//! layers only once it is on the disk, so nothing that was given out can be taken back by a power cut.

use std::path::Path;

use agreements::{Correlation, Severity, WallTime};
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::Change;
use settings::catalogue;
use settings::layers::{Explanation, FORMAT, Layers, Plan};
use settings::plain::FileOutcome;
use settings::row::{Effect, Visibility};
use settings::template::without_password;
use store::{FolderStore, Store, StoreError};
use tokio::sync::mpsc;

use crate::command::{Applied, Snapshot, Wish};
use crate::history::History;
use crate::records;

/// See the module's description.
pub struct Ledger {
    epoch: u64,
    layers: Layers,
    /// None while a commit is under way on another thread.
    store: Option<Box<dyn Store>>,
    revision: u64,
    /// The revision at the start of this process.
    start: u64,
    history: History,
    store_alarms: Vec<String>,
}

/// What a commit has brought about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The revision after it.
    pub revision: u64,
    /// Parameters with a new effective value; empty: none.
    pub names: Vec<String>,
    /// Those of them that need a restart of the unit.
    pub restart: Vec<String>,
}

impl Ledger {
    /// Opens the store in `folder`, loads the layers and lays the presets under them.
    ///
    /// # Errors
    /// The folder cannot be used; a damaged database is none.
    pub fn open(folder: &Path, presets: &[FileOutcome], epoch: u64, time: WallTime) -> Result<Ledger, StoreError> {
        let store = FolderStore::open(&folder.join("settings"), FORMAT)?;
        Ok(Ledger::over(Box::new(store), presets, epoch, time))
    }

    /// Over any store.
    pub fn over(store: Box<dyn Store>, presets: &[FileOutcome], epoch: u64, time: WallTime) -> Ledger {
        let stored = store.read_all();
        let usable = stored.iter().filter_map(|(key, record)| match records::read(key, record) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::error!(key, %error, "a stored setting is left alone");
                None
            }
        });
        let (mut layers, mut diagnoses) = Layers::load(usable);
        diagnoses.extend(layers.set_dealer(presets, time));
        for diagnosis in diagnoses {
            tracing::warn!(name = diagnosis.name, file = diagnosis.file, reason = diagnosis.reason, "a setting is not used");
        }
        // The first commit is revision 2: 0 means "any" to those who ask.
        let revision = store.commits() + 1;
        let mut ledger =
            Ledger { epoch, layers, store: None, revision, start: revision, history: History::default(), store_alarms: Vec::new() };
        ledger.take_back(store);
        ledger
    }

    /// The layers, to look at.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Of this process.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The newest one.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What an administrator should know, in words.
    pub fn alarms(&self) -> Vec<String> {
        let clashes = self.layers.alarms().into_iter().filter(|alarm| alarm.severity == Severity::Error);
        let clashes = clashes.map(|alarm| format!("{}: {}", alarm.name, alarm.reason));
        self.store_alarms.iter().cloned().chain(clashes).collect()
    }

    /// For one service.
    pub fn snapshot(&self, service: &str) -> Snapshot {
        Snapshot { epoch: self.epoch, revision: self.revision, values: self.layers.values_for(service) }
    }

    /// The changes after a revision; none: take a new snapshot.
    pub fn watch(&mut self, service: &str, epoch: u64, from: u64) -> Option<mpsc::Receiver<Change>> {
        if epoch != self.epoch {
            return None;
        }
        self.history.watch(service, from, self.revision)
    }

    /// Every effective value: name, value, layer; secrets masked.
    pub fn list(&self) -> Vec<(String, String, String)> {
        let explained = catalogue::parameters().filter_map(|parameter| self.layers.explain(parameter.name));
        explained.map(without_passwords).map(|explanation| (explanation.name, explanation.effective, explanation.layer)).collect()
    }

    /// Every layer's value, secrets masked.
    ///
    /// # Errors
    /// `UnknownParameter`; `AccessDenied` for a service that may not see the row.
    pub fn explain(&self, service: Option<&str>, name: &str) -> Result<Explanation, HouseError> {
        may_see(service, name)?;
        self.layers.explain(name).map(without_passwords).ok_or_else(|| unknown(name))
    }

    /// Plans and commits a save.
    ///
    /// # Errors
    /// `RevisionConflict`, `AccessDenied`, `StoreFailed`; refused values are none.
    pub async fn apply(&mut self, wish: &Wish, time: WallTime) -> Result<(Applied, Committed), HouseError> {
        for (name, _) in &wish.changes {
            // An unknown name is refused with a suggestion by the layers.
            if catalogue::parameter(name).is_some() {
                may_see(wish.service.as_deref(), name)?;
            }
        }
        self.check_expected(wish)?;
        match self.layers.apply(&wish.changes, wish.origin, &wish.source, time) {
            Err(refused) => Ok((Applied::Refused(refused.0), Committed { revision: self.revision, ..Committed::default() })),
            Ok(plan) => {
                let committed = self.commit(plan, &wish.correlation).await?;
                Ok((Applied::Done { revision: committed.revision }, committed))
            }
        }
    }

    fn check_expected(&self, wish: &Wish) -> Result<(), HouseError> {
        let expected = wish.expected_revision;
        if expected == 0 {
            return Ok(());
        }
        let names = wish.changes.iter().map(|(name, _)| catalogue::parameter(name).map_or(name.as_str(), |known| known.name));
        if expected > self.revision || self.history.written_since(names, expected, self.start) {
            let text =
                format!("the settings have changed since revision {expected}; they are at {} now: look again", self.revision);
            return Err(HouseError::new(ErrorKind::RevisionConflict, text));
        }
        Ok(())
    }

    /// Makes a plan durable and then the state. An empty plan costs nothing.
    ///
    /// # Errors
    /// `StoreFailed`: everything is as before.
    pub async fn commit(&mut self, plan: Plan, correlation: &Correlation) -> Result<Committed, HouseError> {
        if plan.is_empty() {
            return Ok(Committed { revision: self.revision, ..Committed::default() });
        }
        let batch = records::batch(&plan.writes).map_err(|error| HouseError::new(ErrorKind::Internal, error.to_string()))?;
        let mut store = self.store.take().ok_or_else(|| HouseError::new(ErrorKind::Internal, "a commit is under way"))?;
        let written = tokio::task::spawn_blocking(move || {
            let result = store.commit(&batch);
            (store, result)
        });
        let (store, result) = written.await.map_err(|error| HouseError::new(ErrorKind::Internal, error.to_string()))?;
        self.take_back(store);
        result.map_err(|error| {
            tracing::error!(%error, correlation = correlation.as_str(), "a change could not be stored");
            HouseError::new(ErrorKind::StoreFailed, format!("the change could not be stored, the old values stay: {error}"))
        })?;
        Ok(self.settle(plan, correlation))
    }

    /// The plan is on the disk: it is the state from now on.
    fn settle(&mut self, plan: Plan, correlation: &Correlation) -> Committed {
        let names: Vec<String> = plan.changed.iter().map(|change| change.name.to_owned()).collect();
        let restart = names.iter().filter(|name| needs_restart(name)).cloned().collect();
        let written = plan.writes.iter().filter_map(|write| write.key().split_once('/').map(|(_, name)| name.to_owned())).collect();
        let changed = plan.changed.clone();
        self.layers.commit(plan);
        tracing::info!(revision = self.revision, changed = names.len(), correlation = correlation.as_str(), "committed");
        self.history.record(self.revision, changed, written, correlation.as_str());
        Committed { revision: self.revision, names, restart }
    }

    fn take_back(&mut self, store: Box<dyn Store>) {
        self.revision = store.commits() + 1;
        self.store_alarms = store.alarms().iter().map(ToString::to_string).collect();
        self.store = Some(store);
    }
}

/// A row that is no secret may hold a URL with an account.
fn without_passwords(mut explanation: Explanation) -> Explanation {
    explanation.effective = without_password(&explanation.effective);
    for layer in &mut explanation.layers {
        layer.value = without_password(&layer.value);
    }
    explanation
}

fn needs_restart(name: &str) -> bool {
    catalogue::parameter(name)
        .is_some_and(|parameter| parameter.row.effect == Effect::RestartUnit && parameter.row.pending.is_none())
}

/// A service sees only the rows that name it; a person at the bus (none) sees all, with secrets masked.
fn may_see(service: Option<&str>, name: &str) -> Result<(), HouseError> {
    let row = catalogue::parameter(name).ok_or_else(|| unknown(name))?.row;
    match service {
        Some(service) if row.visibility(service) == Visibility::Hidden => {
            Err(HouseError::new(ErrorKind::AccessDenied, format!("{name} is not a setting of {service}")))
        }
        _ => Ok(()),
    }
}

fn unknown(name: &str) -> HouseError {
    let shown: String = name.chars().filter(|character| !character.is_control()).take(40).collect();
    HouseError::new(ErrorKind::UnknownParameter, format!("there is no parameter \"{shown}\""))
}
