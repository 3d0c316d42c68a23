//! The settings as the service holds them: the layers, the store that they are safe in, and the revisions. A value is in the
//! layers only once it is on the disk, so nothing that was given out can be taken back by a power cut.

use std::path::Path;

use agreements::{Correlation, Severity, WallTime};
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::Change;
use settings::catalogue;
use settings::layers::{Entry, Explanation, FORMAT, Layer, Layers, Plan, Reset};
use settings::plain::FileOutcome;
use settings::row::{Effect, Row, Visibility};
use store::{Batch, FolderStore, Record, Store, StoreError};
use tokio::sync::mpsc;

use crate::chronicle::{self, Chronicle, Deed};
use crate::clearing::{self, Clearing};
use crate::command::{Applied, Removal, Snapshot, Wish};
use crate::history::History;
use crate::{records, unit};

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
    chronicle: Chronicle,
    clearing: Clearing,
    /// The unit's own key as it lies in the store: it outlives every reset.
    unit: Option<Record>,
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
        let mut store = FolderStore::open(&folder.join("settings"), FORMAT)?;
        if unit::read(&store.read_all()).is_none() {
            let key = unit::record(&unit::make(service_kit::random));
            if let Err(error) = store.commit(&Batch::from([(unit::KEY.to_owned(), Some(key))])) {
                tracing::error!(%error, "the unit has no key of its own: it could not be stored");
            }
        }
        Ok(Ledger::over(Box::new(store), presets, epoch, time))
    }

    /// Over any store.
    pub fn over(store: Box<dyn Store>, presets: &[FileOutcome], epoch: u64, time: WallTime) -> Ledger {
        let stored = store.read_all();
        let of_layers = stored.iter().filter(|(key, _)| !ours(key));
        let usable = of_layers.filter_map(|(key, record)| match records::read(key, record) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::error!(key, %error, "a stored setting is left alone");
                None
            }
        });
        let (mut layers, mut diagnoses) = Layers::load(usable);
        if let Some(key) = unit::read(&stored) {
            layers.set_unit_values(&[(unit::ROW, key.reveal())]);
        }
        diagnoses.extend(layers.set_dealer(presets, time));
        for diagnosis in diagnoses {
            tracing::warn!(name = diagnosis.name, file = diagnosis.file, reason = diagnosis.reason, "a setting is not used");
        }
        // The first commit is revision 2: 0 means "any" to those who ask.
        let revision = store.commits() + 1;
        let mut ledger = Ledger {
            epoch,
            layers,
            store: None,
            revision,
            start: revision,
            history: History::default(),
            chronicle: Chronicle::load(&stored),
            clearing: Clearing::load(&stored),
            unit: stored.get(unit::KEY).cloned(),
            store_alarms: Vec::new(),
        };
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
        explained.map(|explanation| (explanation.name, explanation.effective, explanation.layer)).collect()
    }

    /// Every layer's value, secrets masked.
    ///
    /// # Errors
    /// `UnknownParameter`; `AccessDenied` for a service that may not see the row.
    pub fn explain(&self, service: Option<&str>, name: &str) -> Result<Explanation, HouseError> {
        may_see(service, name)?;
        self.layers.explain(name).ok_or_else(|| unknown(name))
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
        let names = wish.changes.iter().map(|(name, _)| name.as_str());
        self.check_expected(names, wish.expected_revision)?;
        match self.layers.apply(&wish.changes, wish.origin, &wish.source, time) {
            Err(refused) => Ok((Applied::Refused(refused.0), Committed { revision: self.revision, ..Committed::default() })),
            Ok(plan) => {
                let committed = self.commit(plan, time, &wish.correlation).await?;
                Ok((Applied::Done { revision: committed.revision }, committed))
            }
        }
    }

    /// Takes values out of one layer (C67).
    ///
    /// # Errors
    /// `RevisionConflict`, `StoreFailed`; refused names are none.
    pub async fn remove(&mut self, removal: &Removal, time: WallTime) -> Result<(Applied, Committed), HouseError> {
        self.check_expected(removal.names.iter().map(String::as_str), removal.expected_revision)?;
        match self.layers.remove(removal.layer, &removal.names) {
            Err(refused) => Ok((Applied::Refused(refused.0), Committed { revision: self.revision, ..Committed::default() })),
            Ok(plan) => {
                let deed = Deed { source: removal.source.clone(), way: "administrator", time };
                let committed = self.commit_as(plan, deed, &removal.correlation).await?;
                Ok((Applied::Done { revision: committed.revision }, committed))
            }
        }
    }

    /// Takes the newest commit back.
    ///
    /// # Errors
    /// `RevisionConflict`: it is not the one that the caller has seen. `WrongState`: it cannot be taken back. `StoreFailed`.
    pub async fn undo(&mut self, expected: u64, deed: Deed, correlation: &Correlation) -> Result<Committed, HouseError> {
        if expected != 0 && expected != self.revision {
            return Err(self.conflict(expected));
        }
        let undo = self.chronicle.undo().filter(|undo| undo.revision == self.revision).cloned().ok_or_else(|| {
            let text =
                format!("revision {} cannot be taken back: it was a reset of the unit, or too large, or the first", self.revision);
            HouseError::new(ErrorKind::WrongState, text)
        })?;
        self.commit_as(self.layers.undo(&undo), deed, correlation).await
    }

    /// One of the resets of the guide; the values alone. What else goes with it is told by [`Ledger::clearing`].
    ///
    /// # Errors
    /// `StoreFailed`: everything is as before.
    pub async fn reset(&mut self, reset: Reset, deed: Deed, correlation: &Correlation) -> Result<Committed, HouseError> {
        let plan = self.layers.reset(reset);
        if reset.erases() {
            self.erase(reset, plan, deed, correlation).await
        } else {
            self.commit_as(plan, deed, correlation).await
        }
    }

    /// The newest commits, newest first, with every secret masked.
    pub fn chronicle(&self) -> Vec<Entry> {
        self.chronicle.entries()
    }

    /// What other services are to clear.
    pub fn clearing(&self) -> &Clearing {
        &self.clearing
    }

    /// Values in full, for an administrator who asks for them: effective ones, or those of one layer.
    pub fn reveal(&self, layer: Option<Layer>) -> Vec<(String, String)> {
        let effective = || self.layers.all_effective().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let of = |layer: Layer| {
            let records = self.layers.records().filter(move |record| record.layer == layer);
            records.map(|record| (record.name, record.stored.value)).collect()
        };
        layer.map_or_else(effective, of)
    }

    fn check_expected<'n>(&self, names: impl Iterator<Item = &'n str>, expected: u64) -> Result<(), HouseError> {
        if expected == 0 {
            return Ok(());
        }
        let names = names.map(|name| catalogue::parameter(name).map_or(name, |known| known.name));
        if expected > self.revision || self.history.written_since(names, expected, self.start) {
            return Err(self.conflict(expected));
        }
        Ok(())
    }

    fn conflict(&self, expected: u64) -> HouseError {
        let text = format!("the settings have changed since revision {expected}; they are at {} now: look again", self.revision);
        HouseError::new(ErrorKind::RevisionConflict, text)
    }

    /// Makes a plan durable and then the state; the history tells what its values say of themselves. An empty plan costs nothing.
    ///
    /// # Errors
    /// `StoreFailed`: everything is as before.
    pub async fn commit(&mut self, plan: Plan, time: WallTime, correlation: &Correlation) -> Result<Committed, HouseError> {
        let deed = Deed::of(&plan, time);
        self.commit_as(plan, deed, correlation).await
    }

    async fn commit_as(&mut self, plan: Plan, deed: Deed, correlation: &Correlation) -> Result<Committed, HouseError> {
        if plan.is_empty() {
            return Ok(Committed { revision: self.revision, ..Committed::default() });
        }
        let internal = |error: &dyn std::error::Error| HouseError::new(ErrorKind::Internal, error.to_string());
        let (count, lines) = self.layers.lines_of(&plan);
        let entry = self.entry(deed, count, lines);
        let undo = self.layers.undo_of(&plan, entry.revision);
        let mut batch = records::batch(&plan.writes).map_err(|error| internal(&error))?;
        self.chronicle.tell(&mut batch, &entry, Some(&undo)).map_err(|error| internal(&error))?;
        self.write(batch, false, correlation).await?;
        self.chronicle.take_in(entry, Some(undo));
        Ok(self.settle(plan, correlation))
    }

    /// Nothing that was stored is left but the key of the unit; the history begins anew with this.
    async fn erase(&mut self, reset: Reset, plan: Plan, deed: Deed, correlation: &Correlation) -> Result<Committed, HouseError> {
        let internal = |error: postcard::Error| HouseError::new(ErrorKind::Internal, error.to_string());
        let (count, _) = self.layers.lines_of(&plan);
        let (entry, clearing) = (self.entry(deed, count, Vec::new()), self.clearing.next(reset));
        let mut kept = Batch::from([(clearing::KEY.to_owned(), Some(clearing.record().map_err(internal)?))]);
        kept.extend(self.unit.clone().map(|key| (unit::KEY.to_owned(), Some(key))));
        Chronicle::default().tell(&mut kept, &entry, None).map_err(internal)?;
        self.write(kept, true, correlation).await?;
        (self.chronicle, self.clearing) = (Chronicle::default(), clearing);
        self.chronicle.take_in(entry, None);
        Ok(self.settle(plan, correlation))
    }

    fn entry(&self, deed: Deed, count: u32, lines: Vec<settings::layers::Line>) -> Entry {
        let Deed { source, way, time } = deed;
        Entry { revision: self.revision + 1, time, source, way: way.to_owned(), count, lines }
    }

    /// To the disk, on another thread; the revision is that of the commit when this returns.
    async fn write(&mut self, batch: Batch, erase: bool, correlation: &Correlation) -> Result<(), HouseError> {
        let mut store = self.store.take().ok_or_else(|| HouseError::new(ErrorKind::Internal, "a commit is under way"))?;
        let written = tokio::task::spawn_blocking(move || {
            let result = if erase { store.erase(&batch) } else { store.commit(&batch) };
            (store, result)
        });
        let (store, result) = written.await.map_err(|error| HouseError::new(ErrorKind::Internal, error.to_string()))?;
        self.take_back(store);
        result.map_err(|error| {
            tracing::error!(%error, correlation = correlation.as_str(), "a change could not be stored");
            HouseError::new(ErrorKind::StoreFailed, format!("the change could not be stored, the old values stay: {error}"))
        })
    }

    /// The plan is on the disk: it is the state from now on.
    fn settle(&mut self, plan: Plan, correlation: &Correlation) -> Committed {
        let names: Vec<String> = plan.changed.iter().map(|change| change.name.to_owned()).collect();
        let restart = names.iter().filter(|name| catalogue::parameter(name).is_some_and(|known| needs_restart(known.row)));
        let restart = restart.cloned().collect();
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

/// What is stored beside the settings.
fn ours(key: &str) -> bool {
    [chronicle::PREFIX, unit::KEY, clearing::KEY].iter().any(|prefix| key.starts_with(prefix))
}

/// A row whose effect is still to come would not come into effect by a restart either.
fn needs_restart(row: &Row) -> bool {
    row.effect == Effect::RestartUnit && row.pending.is_none()
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

#[cfg(test)]
mod tests {
    use settings::catalogue;
    use settings::row::{Effect, Row};

    use super::needs_restart;

    /// Only the effect "restart unit" asks for a restart, and only once it is there.
    #[test]
    fn a_row_asks_for_a_restart_of_the_unit_once_it_has_that_effect() {
        for row in catalogue::ROWS {
            let built = Row { pending: None, ..*row };
            assert_eq!(needs_restart(&built), row.effect == Effect::RestartUnit, "{}", row.name);
            assert!(!needs_restart(&Row { pending: Some("network"), ..built }), "{}", row.name);
        }
        let ethernet = catalogue::parameter("LAN_PORT_MODE").unwrap().row;
        assert_eq!(ethernet.effect, Effect::RestartUnit);
    }
}
