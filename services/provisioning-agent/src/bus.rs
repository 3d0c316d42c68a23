//! Settings1 and Provisioning1 on the bus, as in proto/dbus/*.xml: commands go to the driver, properties are projections of what
//! it publishes, and signals are sent from a task of their own, so that a slow bus does not hold the driver up.

use std::collections::HashMap;
use std::path::PathBuf;

use phone_proto::dbus::{
    CommitTuple, DiagnosisTuple, FileTuple, HAL_NAME, HAL_PATH, PROVISIONING_NAME, PROVISIONING_PATH, RunTuple, SETTINGS_NAME,
    SETTINGS_PATH, SIP_NAME, SIP_PATH,
};
use phone_proto::errors::{ErrorKind, HouseError};
use service_kit::bus;
use settings::layers::{Entry, Explanation, Layer, LayerValue, Origin, Reset};
use tokio::sync::{mpsc, watch};
use zbus::connection::Builder;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, Variant, interface};

use crate::clearing::Clearing;
use crate::command::{Applied, Command, Commands, Removal, Wish};
use crate::provisioning::identity::Identity;
use crate::provisioning::import::Import;
use crate::provisioning::{Phone, card};

/// What the properties show; only the newest counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Of this process.
    pub epoch: u64,
    /// The newest one.
    pub revision: u64,
    /// In words.
    pub alarms: Vec<String>,
    /// Whether a provisioning run is under way.
    pub running: bool,
    /// Number of the newest finished one.
    pub last_run: u64,
    /// Reason and whether it may interrupt a call; an empty reason: no wish.
    pub restart_wanted: (String, bool),
    /// The newest order to clear data.
    pub clearing: Clearing,
    /// What keeps the restart waiting, or empty.
    pub restart_waits_for: &'static str,
}

/// What happened once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A commit.
    Changed {
        /// Its revision.
        revision: u64,
        /// Parameters with a new effective value.
        names: Vec<String>,
        /// Of what brought it about.
        correlation: String,
    },
    /// The end of a run.
    RunFinished {
        /// Its number.
        run: u64,
        /// Whether no file failed.
        done: bool,
        /// After it.
        revision: u64,
    },
}

/// Options of a method.
type Options = HashMap<String, OwnedVariant>;

/// Who does what an administrator asks for.
const ADMINISTRATOR: &str = "administrator at the bus";

struct SettingsObject {
    commands: Commands,
    facts: watch::Receiver<Published>,
}

#[interface(name = "org.deskphone.Settings1", introspection_docs = false)]
impl SettingsObject {
    #[zbus(out_args("value"))]
    async fn get(&self, name: String) -> Result<String, HouseError> {
        let explanation = self.commands.ask(|answer| Command::Explain { service: None, name, answer }).await??;
        Ok(explanation.effective)
    }

    #[zbus(out_args("values"))]
    async fn list(&self) -> Result<Vec<(String, String, String)>, HouseError> {
        self.commands.ask(|answer| Command::List { answer }).await
    }

    #[zbus(out_args("revision"))]
    async fn set(
        &self,
        changes: HashMap<String, String>,
        expected: u64,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort();
        let wish = Wish {
            service: None,
            changes,
            expected_revision: expected,
            origin: Origin::Admin,
            source: ADMINISTRATOR.to_owned(),
            correlation: correlation(&options),
        };
        revision_of(self.commands.ask(|answer| Command::Apply { wish, answer }).await??)
    }

    #[zbus(out_args("revision"))]
    async fn remove(
        &self,
        layer: String,
        names: Vec<String>,
        expected: u64,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let removal = Removal {
            layer: named(&layer)?,
            names,
            expected_revision: expected,
            source: ADMINISTRATOR.to_owned(),
            correlation: correlation(&options),
        };
        revision_of(self.commands.ask(|answer| Command::Remove { removal, answer }).await??)
    }

    #[zbus(out_args("revision"))]
    async fn undo(
        &self,
        expected: u64,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let (source, correlation) = (ADMINISTRATOR.to_owned(), correlation(&options));
        let undo = |answer| Command::Undo { expected_revision: expected, source, correlation, answer };
        self.commands.ask(undo).await?
    }

    #[zbus(out_args("revision"))]
    async fn reset(
        &self,
        scope: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let reset = Reset::from_name(&scope).ok_or_else(|| {
            HouseError::new(ErrorKind::InvalidArgument, "the scope of a reset is one of: web, accounts, data, factory")
        })?;
        let (source, correlation) = (ADMINISTRATOR.to_owned(), correlation(&options));
        self.commands.ask(|answer| Command::Reset { reset, source, correlation, answer }).await?
    }

    #[zbus(out_args("values"))]
    async fn reveal(
        &self,
        layer: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(String, String)>, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let of = if layer.is_empty() { None } else { Some(named(&layer)?) };
        tracing::warn!(layer, correlation = correlation(&options).as_str(), "an administrator reads secrets");
        self.commands.ask(|answer| Command::Reveal { layer: of, answer }).await
    }

    #[zbus(out_args("commits"))]
    async fn history(&self) -> Result<Vec<CommitTuple>, HouseError> {
        let entries = self.commands.ask(|answer| Command::History { answer }).await?;
        Ok(entries.into_iter().map(commit).collect())
    }

    #[zbus(out_args("layers", "notes"))]
    async fn reasons(&self, name: String) -> Result<(Vec<(String, String)>, Vec<String>), HouseError> {
        let explanation = self.commands.ask(|answer| Command::Explain { service: None, name, answer }).await??;
        let reasons = explanation.layers.into_iter().map(|value| (value.layer, value.reason));
        Ok((reasons.collect(), explanation.notes))
    }

    #[zbus(out_args("effective", "layer", "layers"))]
    #[allow(clippy::type_complexity)]
    async fn explain(&self, name: String) -> Result<(String, String, Vec<(String, String, String, u32, u64)>), HouseError> {
        let explanation = self.commands.ask(|answer| Command::Explain { service: None, name, answer }).await??;
        let Explanation { effective, layer, layers, .. } = explanation;
        let tuple = |value: LayerValue| (value.layer, value.value, value.source, value.line, value.time);
        Ok((effective, layer, layers.into_iter().map(tuple).collect()))
    }

    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.facts.borrow().epoch
    }

    #[zbus(property)]
    fn revision(&self) -> u64 {
        self.facts.borrow().revision
    }

    #[zbus(property)]
    fn clear_wanted(&self) -> (u64, String) {
        self.facts.borrow().clearing.on_the_bus()
    }

    #[zbus(property)]
    fn alarms(&self) -> Vec<String> {
        self.facts.borrow().alarms.clone()
    }

    #[zbus(signal)]
    async fn changed(
        emitter: &SignalEmitter<'_>,
        revision: u64,
        names: &[String],
        options: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<()>;
}

fn correlation(options: &Options) -> agreements::Correlation {
    let given = options.get(agreements::Correlation::KEY).and_then(|value| value.downcast_ref::<&str>().ok());
    agreements::Correlation::new(given.unwrap_or_default())
}

fn revision_of(applied: Applied) -> Result<u64, HouseError> {
    match applied {
        Applied::Done { revision } => Ok(revision),
        Applied::Refused(refused) => Err(in_one_error(&refused)),
    }
}

fn named(layer: &str) -> Result<Layer, HouseError> {
    Layer::from_name(layer).ok_or_else(|| {
        let names = Layer::ALL.map(Layer::as_str).join(", ");
        HouseError::new(ErrorKind::InvalidArgument, format!("a layer is one of: {names}"))
    })
}

fn commit(entry: Entry) -> CommitTuple {
    let time = match entry.time {
        agreements::WallTime::Unset => 0,
        agreements::WallTime::Unix(seconds) => seconds,
    };
    let line = |line: settings::layers::Line| {
        let (had, has) = (line.before.is_some(), line.after.is_some());
        let (before, after) = (line.before.unwrap_or_default(), line.after.unwrap_or_default());
        (line.layer.as_str().to_owned(), line.name, had, before, has, after)
    };
    (entry.revision, time, entry.source, entry.way, entry.count, entry.lines.into_iter().map(line).collect())
}

/// All refusals of a save as one error: the bus knows no lists of diagnoses here.
fn in_one_error(refused: &[agreements::Diagnosis]) -> HouseError {
    let kind = match refused {
        [only] if only.code == "name.unknown" => ErrorKind::UnknownParameter,
        _ => ErrorKind::InvalidValue,
    };
    let one = |diagnosis: &agreements::Diagnosis| match diagnosis.suggestion.as_str() {
        "" => format!("{}: {}", diagnosis.name, diagnosis.reason),
        suggestion => format!("{}: {} ({suggestion})", diagnosis.name, diagnosis.reason),
    };
    HouseError::new(kind, refused.iter().map(one).collect::<Vec<_>>().join("; "))
}

struct ProvisioningObject {
    commands: Commands,
    facts: watch::Receiver<Published>,
}

#[interface(name = "org.deskphone.Provisioning1", introspection_docs = false)]
impl ProvisioningObject {
    #[zbus(out_args("run"))]
    async fn run(
        &self,
        #[allow(unused_variables)] options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        self.commands.ask(|answer| Command::Provision { answer }).await?
    }

    #[zbus(out_args("run"))]
    #[allow(clippy::too_many_arguments)]
    async fn import(
        &self,
        kind: String,
        name: String,
        content: Vec<u8>,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let import = Import::new(&kind, &name, content)?;
        let correlation = correlation(&options);
        self.commands.ask(|answer| Command::Import { import, correlation, answer }).await?
    }

    #[zbus(out_args("files"))]
    async fn card_files(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<String>, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        self.read_card(|card| card::files(&card)).await
    }

    #[zbus(out_args("run"))]
    async fn import_from_card(
        &self,
        kind: String,
        name: String,
        options: Options,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64, HouseError> {
        bus::caller_is_admin(connection, &header).await?;
        let of_card = name.clone();
        let content = self.read_card(move |card| card::read(&card, &of_card)).await?;
        let (import, correlation) = (Import::new(&kind, &name, content)?, correlation(&options));
        self.commands.ask(|answer| Command::Import { import, correlation, answer }).await?
    }

    #[zbus(out_args("files"))]
    async fn files(&self) -> Result<Vec<FileTuple>, HouseError> {
        Ok(self.commands.ask(|answer| Command::Report { answer }).await?.files)
    }

    #[zbus(out_args("diagnoses"))]
    async fn diagnoses(&self) -> Result<Vec<DiagnosisTuple>, HouseError> {
        Ok(self.commands.ask(|answer| Command::Report { answer }).await?.diagnoses)
    }

    #[zbus(out_args("runs"))]
    async fn runs(&self) -> Result<Vec<RunTuple>, HouseError> {
        self.commands.ask(|answer| Command::Past { answer }).await
    }

    #[zbus(property)]
    fn state(&self) -> &'static str {
        if self.facts.borrow().running { "running" } else { "idle" }
    }

    #[zbus(property)]
    fn last_run(&self) -> u64 {
        self.facts.borrow().last_run
    }

    #[zbus(property)]
    fn restart_wanted(&self) -> (String, bool) {
        self.facts.borrow().restart_wanted.clone()
    }

    #[zbus(property)]
    fn restart_waits_for(&self) -> &'static str {
        self.facts.borrow().restart_waits_for
    }

    #[zbus(signal)]
    async fn run_finished(
        emitter: &SignalEmitter<'_>,
        run: u64,
        outcome: &str,
        revision: u64,
        options: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<()>;
}

impl ProvisioningObject {
    /// Reads something of the SD card that is in, beside the loop: a card may be slow.
    async fn read_card<T: Send + 'static>(
        &self,
        read: impl FnOnce(PathBuf) -> Result<T, HouseError> + Send + 'static,
    ) -> Result<T, HouseError> {
        let card = self.commands.ask(|answer| Command::Card { answer }).await?;
        let card = card.ok_or_else(|| HouseError::new(ErrorKind::WrongState, "no SD card is in the unit"))?;
        let lost = |_| HouseError::new(ErrorKind::Internal, "the card was not read to its end");
        tokio::task::spawn_blocking(|| read(card)).await.map_err(lost)?
    }
}

/// Connects, serves both objects, then takes the names.
///
/// # Errors
/// There is no bus, or the names belong to somebody else.
pub async fn serve(
    commands: Commands,
    facts: watch::Receiver<Published>,
    announcements: mpsc::Receiver<Announcement>,
) -> zbus::Result<Connection> {
    serve_on(bus::builder(), commands, facts, announcements).await
}

/// The same on any bus.
async fn serve_on(
    bus: Builder<'_>,
    commands: Commands,
    facts: watch::Receiver<Published>,
    announcements: mpsc::Receiver<Announcement>,
) -> zbus::Result<Connection> {
    let settings = SettingsObject { commands: commands.clone(), facts: facts.clone() };
    let provisioning = ProvisioningObject { commands, facts: facts.clone() };
    let connection = bus.serve_at(SETTINGS_PATH, settings).serve_at(PROVISIONING_PATH, provisioning).build().await?;
    tokio::spawn(publish(connection.clone(), facts, announcements));
    connection.request_name(SETTINGS_NAME).await?;
    connection.request_name(PROVISIONING_NAME).await?;
    Ok(connection)
}

/// Passes on what hal-agent shows, over its restarts; ends with the bus or the driver.
///
/// # Errors
/// The bus is gone.
pub async fn follow_board(connection: &Connection, seen: watch::Sender<Option<Identity>>) -> zbus::Result<()> {
    let mut board = bus::Facts::watch(connection, HAL_NAME, HAL_PATH, "org.deskphone.Hal1").await?;
    while let Some(facts) = board.changed().await {
        seen.send_replace(Some(Identity::from_properties(facts)));
    }
    Err(zbus::Error::Failure("the bus is gone".into()))
}

/// Passes on what sip-agent shows of calls and of the SIP server's wishes, over its restarts; ends with the bus or the driver.
///
/// # Errors
/// The bus is gone.
pub async fn follow_phone(connection: &Connection, seen: watch::Sender<Option<Phone>>) -> zbus::Result<()> {
    let mut phone = bus::Facts::watch(connection, SIP_NAME, SIP_PATH, "org.deskphone.Sip1.Phone").await?;
    while let Some(facts) = phone.changed().await {
        let long = |name: &str| facts.get(name).and_then(|value| value.downcast_ref::<u64>().ok());
        let calls_up = facts.get("CallsUp").and_then(|value| value.downcast_ref::<u32>().ok()).unwrap_or(0);
        let resyncs = long("ResyncRequests").unwrap_or(0);
        let new = long("Epoch").map(|epoch| Phone { epoch, calls_up, resyncs });
        seen.send_if_modified(|shown| std::mem::replace(shown, new) != new);
    }
    Err(zbus::Error::Failure("the bus is gone".into()))
}

/// Tells the bus what is new, until the driver has gone. A signal that cannot be sent is lost; facts can be read.
async fn publish(connection: Connection, mut facts: watch::Receiver<Published>, mut announcements: mpsc::Receiver<Announcement>) {
    let mut shown = facts.borrow_and_update().clone();
    loop {
        let told = tokio::select! {
            biased;
            changed = facts.changed() => {
                if changed.is_err() {
                    return;
                }
                let new = facts.borrow_and_update().clone();
                let told = tell_facts(&connection, &shown, &new).await;
                shown = new;
                told
            }
            Some(announcement) = announcements.recv() => announce(&connection, announcement).await,
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the bus could not be told");
        }
    }
}

async fn tell_facts(connection: &Connection, old: &Published, new: &Published) -> zbus::Result<()> {
    let server = connection.object_server();
    let settings = server.interface::<_, SettingsObject>(SETTINGS_PATH).await?;
    let (object, emitter) = (settings.get().await, settings.signal_emitter());
    if old.revision != new.revision {
        object.revision_changed(emitter).await?;
    }
    if old.alarms != new.alarms {
        object.alarms_changed(emitter).await?;
    }
    if old.clearing != new.clearing {
        object.clear_wanted_changed(emitter).await?;
    }
    drop(object);
    let provisioning = server.interface::<_, ProvisioningObject>(PROVISIONING_PATH).await?;
    let (object, emitter) = (provisioning.get().await, provisioning.signal_emitter());
    if old.running != new.running {
        object.state_changed(emitter).await?;
    }
    if old.last_run != new.last_run {
        object.last_run_changed(emitter).await?;
    }
    // What it waits for comes first: nobody shall see a wish that seems to wait for nothing.
    if old.restart_waits_for != new.restart_waits_for {
        object.restart_waits_for_changed(emitter).await?;
    }
    if old.restart_wanted != new.restart_wanted {
        object.restart_wanted_changed(emitter).await?;
    }
    Ok(())
}

async fn announce(connection: &Connection, announcement: Announcement) -> zbus::Result<()> {
    match announcement {
        Announcement::Changed { revision, names, correlation } => {
            let mut options = HashMap::new();
            if !correlation.is_empty() {
                options.insert(agreements::Correlation::KEY, Variant::from(correlation));
            }
            let emitter = SignalEmitter::new(connection, SETTINGS_PATH)?;
            SettingsObject::changed(&emitter, revision, &names, options).await
        }
        Announcement::RunFinished { run, done, revision } => {
            let emitter = SignalEmitter::new(connection, PROVISIONING_PATH)?;
            let outcome = if done { "done" } else { "failed" };
            ProvisioningObject::run_finished(&emitter, run, outcome, revision, HashMap::new()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use phone_proto::dbus::ProvisioningProxy;
    use zbus::fdo::PropertiesProxy;

    use super::*;
    use crate::command;

    /// The wish for a restart is there to be read, and whoever follows it learns that it has come.
    #[tokio::test]
    async fn a_wish_for_a_restart_is_shown_and_announced() {
        let bus = testbed::open_bus::OpenBus::start().unwrap();
        let (published, facts) = watch::channel(Published::default());
        let (_announce, announcements) = mpsc::channel(1);
        let (commands, _received) = command::channel();
        let _served = serve_on(Builder::address(bus.address()), commands, facts, announcements).await.unwrap();

        let peer = bus.connect().await.unwrap();
        let provisioning = ProvisioningProxy::new(&peer).await.unwrap();
        assert_eq!(provisioning.restart_wanted().await.unwrap(), (String::new(), false));
        let properties = PropertiesProxy::new(&peer, PROVISIONING_NAME, PROVISIONING_PATH).await.unwrap();
        let mut changes = properties.receive_properties_changed().await.unwrap();
        let wish = ("LAN_PORT_MODE has changed".to_owned(), false);
        published.send_modify(|shown| shown.restart_wanted = wish.clone());
        let change = changes.next().await.unwrap();
        assert_eq!(change.args().unwrap().changed_properties.keys().collect::<Vec<_>>(), [&"RestartWanted"]);
        assert_eq!(provisioning.restart_wanted().await.unwrap(), wish);
    }
}
