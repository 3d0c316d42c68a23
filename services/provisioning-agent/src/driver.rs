//! The one loop: commands of handlers, facts of hal-agent, the end of a provisioning run, the watchdog. It decides nothing about
//! settings; it brings things together and publishes what came of them.

use std::convert::Infallible;
use std::time::Duration;

use agreements::{Correlation, WallTime};
use phone_proto::errors::{ErrorKind, HouseError};
use service_kit::{clock, notify};
use settings::layers::{Origin, Reset};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::bus::{Announcement, Published};
use crate::chronicle::Deed;
use crate::command::{Answer, Applied, Command, Wish};
use crate::ledger::{Committed, Ledger};
use crate::provisioning::child::Done;
use crate::provisioning::dhcp_options::Options;
use crate::provisioning::identity::Identity;
use crate::provisioning::import::Import;
use crate::provisioning::memory::Memory;
use crate::provisioning::past::Past;
use crate::provisioning::report::{self, Outcome};
use crate::provisioning::request::{self, Run};
use crate::provisioning::schedule::Cause;
use crate::provisioning::{Phone, Provisioning, child, dhcp_options, rules};

/// Signals that may wait for the bus.
const ANNOUNCEMENTS: usize = 64;
/// The wall clock is looked at this often while a time of the day is waited for: it may be set.
const CLOCK: Duration = Duration::from_secs(600);

/// Everything that the loop holds.
pub struct Driver {
    ledger: Ledger,
    memory: Memory,
    past: Past,
    provisioning: Provisioning,
    commands: mpsc::Receiver<Command>,
    under_way: Option<UnderWay>,
    /// What the DHCP server said last.
    dhcp_options: Option<Options>,
    /// Why, and whether a call may be interrupted.
    restart_wanted: (String, bool),
    published: watch::Sender<Published>,
    announcements: mpsc::Sender<Announcement>,
}

struct UnderWay {
    run: Run,
    correlation: Correlation,
    child: JoinHandle<Outcome>,
}

impl Driver {
    /// A driver, and what the bus shows of it.
    pub fn new(
        ledger: Ledger,
        memory: Memory,
        past: Past,
        commands: mpsc::Receiver<Command>,
    ) -> (Driver, watch::Receiver<Published>, mpsc::Receiver<Announcement>) {
        let (published, facts) = watch::channel(Published::default());
        let (announcements, announced) = mpsc::channel(ANNOUNCEMENTS);
        let restart_wanted = (String::new(), false);
        let driver = Driver {
            ledger,
            memory,
            past,
            provisioning: Provisioning::default(),
            commands,
            under_way: None,
            dhcp_options: None,
            restart_wanted,
            published,
            announcements,
        };
        driver.publish();
        (driver, facts, announced)
    }

    /// The loop; `board` and `phone` are what is known of hal-agent and sip-agent, none before they were asked for the first time.
    pub async fn run(
        mut self,
        mut board: watch::Receiver<Option<Identity>>,
        mut phone: watch::Receiver<Option<Phone>>,
    ) -> Infallible {
        let mut watchdog = notify::Watchdog::from_environment();
        loop {
            let wait = self.wait();
            tokio::select! {
                Some(command) = self.commands.recv() => self.handle_command(command).await,
                outcome = ended(&mut self.under_way) => self.handle_outcome(outcome).await,
                Ok(()) = board.changed() => {
                    let identity = board.borrow_and_update().clone();
                    identity.into_iter().for_each(|identity| self.handle_identity(identity));
                }
                Ok(()) = phone.changed() => {
                    let phone = *phone.borrow_and_update();
                    self.provisioning.learn_phone(clock::now(), phone);
                }
                () = passed(wait) => {}
                () = watchdog.due() => notify::alive(),
            }
            self.begin_what_is_due();
            self.publish();
        }
    }

    async fn handle_command(&mut self, command: Command) {
        // Whoever asked may have gone meanwhile: an answer that nobody takes is no error.
        match command {
            Command::Snapshot { service, answer } => drop(answer.send(self.ledger.snapshot(&service))),
            Command::Watch { service, epoch, from_revision, answer } => {
                drop(answer.send(self.ledger.watch(&service, epoch, from_revision)));
            }
            Command::Apply { wish, answer } => self.apply(wish, answer).await,
            Command::Explain { service, name, answer } => drop(answer.send(self.ledger.explain(service.as_deref(), &name))),
            Command::List { answer } => drop(answer.send(self.ledger.list())),
            Command::Remove { removal, answer } => {
                let result = self.ledger.remove(&removal, self.wall()).await;
                self.answer(result, &removal.correlation, answer);
            }
            Command::History { answer } => drop(answer.send(self.ledger.chronicle())),
            Command::Undo { expected_revision, source, correlation, answer } => {
                let deed = Deed { source, way: "undo", time: self.wall() };
                let result = self.ledger.undo(expected_revision, deed, &correlation).await;
                self.answer(result.map(with_revision), &correlation, answer);
            }
            Command::Reset { reset, source, correlation, answer } => self.reset(reset, source, &correlation, answer).await,
            Command::Reveal { layer, answer } => drop(answer.send(self.ledger.reveal(layer))),
            Command::Provision { answer } => drop(answer.send(self.begin_run(Cause::Asked))),
            Command::Import { import, correlation, answer } => drop(answer.send(self.begin_import(import, correlation))),
            Command::Card { answer } => drop(answer.send(self.provisioning.identity().sd_card.clone())),
            Command::DhcpOptions { options, answer } => {
                self.dhcp_options = Some(options);
                self.learn_places();
                let _ = answer.send(());
            }
            Command::Report { answer } => drop(answer.send(self.provisioning.report().clone())),
            Command::Past { answer } => drop(answer.send(self.past.runs())),
        }
    }

    async fn apply(&mut self, wish: Wish, answer: Answer<Applied>) {
        let result = self.ledger.apply(&wish, self.wall()).await;
        // B157, B158: what needs a restart of the unit and is saved on the web page does not wait for the end of a call.
        if wish.origin == Origin::Web && result.as_ref().is_ok_and(|(_, committed)| !committed.restart.is_empty()) {
            self.restart_wanted.1 = true;
        }
        self.answer(result, &wish.correlation, answer);
    }

    /// The newest revision is on the bus before the caller learns of it.
    fn answer<T>(&mut self, result: Result<(T, Committed), HouseError>, correlation: &Correlation, answer: Answer<T>) {
        let answered = result.map(|(told, committed)| {
            self.take_in(committed, correlation);
            told
        });
        self.publish();
        drop(answer.send(answered));
    }

    /// A reset, and what goes with it: the wish that the unit restarts (B268, B271), and for a reset of the whole unit the end of
    /// everything that this process holds of the time before.
    async fn reset(&mut self, reset: Reset, source: String, correlation: &Correlation, answer: Answer<u64>) {
        let deed = Deed { source, way: "reset", time: self.wall() };
        let result = self.ledger.reset(reset, deed, correlation).await;
        if result.is_ok() {
            tracing::warn!(reset = reset.title(), correlation = correlation.as_str(), "reset");
            if reset.restarts() {
                self.restart_wanted = (reset.title().to_owned(), true);
            }
            if reset.erases() {
                self.forget();
            }
        }
        self.answer(result.map(with_revision), correlation, answer);
    }

    /// What a run under way brings belongs to the time before the reset.
    fn forget(&mut self) {
        let interrupted = self.under_way.take();
        self.provisioning.forget();
        self.past.forget();
        if let Some(UnderWay { child, .. }) = interrupted {
            child.abort();
            // Whoever waits for its end need not wait for ever.
            let (run, revision) = (self.provisioning.finished(), self.ledger.revision());
            self.announce(Announcement::RunFinished { run, done: false, revision });
        }
    }

    fn handle_identity(&mut self, identity: Identity) {
        let configured = self.is_configured();
        self.provisioning.learn(clock::now(), identity, &boot(), configured);
        self.learn_places();
    }

    /// Where the DHCP server points to, once the unit knows itself: macros want that.
    fn learn_places(&mut self) {
        let identity = self.provisioning.identity();
        let Some(options) = self.dhcp_options.as_ref().filter(|_| identity.is_complete()) else { return };
        let places = dhcp_options::places(options, self.ledger.layers(), &identity.facts);
        let configured = self.is_configured();
        self.provisioning.learn_places(places, configured);
    }

    /// Whether a file has been applied to this unit (B27).
    fn is_configured(&self) -> bool {
        self.ledger.layers().records().any(|record| record.layer.is_file())
    }

    /// How long nothing is due.
    fn wait(&self) -> Option<Duration> {
        let wait = self.provisioning.wait(clock::now(), self.local())?;
        Some(wait.min(CLOCK))
    }

    /// Local time, while the clock is right (B44).
    fn local(&self) -> Option<i64> {
        rules::local(self.ledger.layers(), self.wall(), self.provisioning.identity().clock_set)
    }

    fn begin_what_is_due(&mut self) {
        self.provisioning.set_rules(clock::now(), rules::of(self.ledger.layers()));
        if let Some(url) = self.provisioning.place_due() {
            self.begin_pre_provisioning(&url);
        }
        let Some(cause) = self.provisioning.due(clock::now(), self.local()) else { return };
        if let Err(error) = self.begin_run(cause) {
            tracing::info!(?cause, reason = %error, "no provisioning");
        }
    }

    /// Begins a run, or joins the one under way; its number.
    fn begin_run(&mut self, cause: Cause) -> Result<u64, HouseError> {
        let enabled = self.ledger.layers().effective("PROVISION_ENABLE") != Some("N");
        let (number, begins) = self.provisioning.begin(cause, enabled)?;
        if begins {
            let run = request::of(self.ledger.layers(), self.provisioning.identity(), &self.memory);
            self.start(number, cause, run, Correlation::default());
        }
        Ok(number)
    }

    /// PROVISION_ENABLE has no say in it (C51).
    fn begin_pre_provisioning(&mut self, url: &str) {
        match self.provisioning.begin(Cause::PreProvisioning, true) {
            Ok((number, _)) => {
                let run = request::pre_provisioning(self.ledger.layers(), self.provisioning.identity(), &self.memory, url);
                self.start(number, Cause::PreProvisioning, run, Correlation::default());
            }
            Err(error) => tracing::info!(reason = %error, "no pre-provisioning"),
        }
    }

    /// Begins to read a file that a person brings; its run's number. Not while a call is up (B107).
    fn begin_import(&mut self, import: Import, correlation: Correlation) -> Result<u64, HouseError> {
        if self.provisioning.call_is_up() {
            return Err(HouseError::new(ErrorKind::WrongState, "a call is up: import the file when it has ended"));
        }
        if self.provisioning.is_running() {
            return Err(HouseError::new(ErrorKind::Busy, "files are being fetched: import the file when that has ended"));
        }
        let (number, _) = self.provisioning.begin(Cause::Import, true)?;
        let run = import.run(self.ledger.layers(), self.provisioning.identity(), &self.memory);
        self.start(number, Cause::Import, run, correlation);
        Ok(number)
    }

    /// `given`: the correlation of whoever asked; empty where nobody gave one.
    fn start(&mut self, number: u64, cause: Cause, run: Run, given: Correlation) {
        let own = || Correlation::new(&format!("provisioning-{:08x}-{number}", self.ledger.epoch() >> 32));
        let correlation = if given.as_str().is_empty() { own() } else { given };
        tracing::info!(?cause, files = run.request.files.len(), correlation = correlation.as_str(), "provisioning begins");
        let request = run.request.clone();
        let child = tokio::spawn(async move {
            if request.files.is_empty() {
                return Ok(Done { files: Vec::new(), notes: Vec::new(), root_certificate: None });
            }
            child::run(&request).await.map_err(|error| error.to_string())
        });
        self.under_way = Some(UnderWay { run, correlation, child });
    }

    async fn handle_outcome(&mut self, outcome: Outcome) {
        let Some(UnderWay { run, correlation, .. }) = self.under_way.take() else {
            return;
        };
        let result = report::of(self.ledger.layers(), &run, outcome, &self.memory, self.wall());
        let (mut report, mut failed) = (result.report.clone(), result.failed);
        match self.ledger.commit(result.plan.plan.clone(), self.wall(), &correlation).await {
            Ok(committed) => {
                result.teach(&mut self.memory, self.ledger.layers());
                self.take_in(committed, &correlation);
            }
            Err(error) => {
                failed = true;
                report.not_stored(&error);
            }
        }
        for (file, line, _, code, name, severity, reason, _) in &report.diagnoses {
            tracing::warn!(file, line, code, name, severity, reason, correlation = correlation.as_str(), "provisioning");
        }
        let taken = report.something_is_in_effect();
        let (number, cause) = self.provisioning.finish(clock::now(), report, failed);
        if cause == Some(Cause::Resync) {
            // B46, C68: whatever the files said.
            self.want_restart("the SIP server asked for provisioning".to_owned());
        } else if cause == Some(Cause::Import) && taken {
            // B105, C68
            self.want_restart("a configuration file was imported".to_owned());
        } else if cause == Some(Cause::PreProvisioning) && taken {
            // B31
            self.want_restart("the unit was pre-provisioned".to_owned());
        }
        let revision = self.ledger.revision();
        cause.into_iter().for_each(|cause| self.past.add(self.wall(), cause, !failed, revision, self.provisioning.report()));
        self.publish();
        self.announce(Announcement::RunFinished { run: number, done: !failed, revision });
    }

    /// What a commit means to others.
    fn take_in(&mut self, committed: Committed, correlation: &Correlation) {
        if committed.names.is_empty() {
            return;
        }
        if let Some(first) = committed.restart.first() {
            // A reset that wants it at once goes on wanting it.
            let may_interrupt = self.restart_wanted.1;
            self.restart_wanted = (format!("{first} has changed"), may_interrupt);
        }
        let correlation = correlation.as_str().to_owned();
        self.announce(Announcement::Changed { revision: committed.revision, names: committed.names, correlation });
    }

    /// A restart that waits for the end of a call (C68). It does not soften a wish that may interrupt one.
    fn want_restart(&mut self, reason: String) {
        if !self.restart_wanted.1 {
            self.restart_wanted = (reason, false);
        }
    }

    /// What keeps the wanted restart waiting.
    fn restart_waits_for(&self) -> &'static str {
        let (reason, may_interrupt) = &self.restart_wanted;
        if !reason.is_empty() && !may_interrupt && self.provisioning.call_is_up() { "call" } else { "" }
    }

    fn announce(&self, announcement: Announcement) {
        if self.announcements.try_send(announcement).is_err() {
            tracing::warn!("the bus does not keep up; a signal is lost");
        }
    }

    fn publish(&self) {
        let new = Published {
            epoch: self.ledger.epoch(),
            revision: self.ledger.revision(),
            alarms: self.ledger.alarms(),
            running: self.provisioning.is_running(),
            last_run: self.provisioning.finished(),
            restart_wanted: self.restart_wanted.clone(),
            clearing: *self.ledger.clearing(),
            restart_waits_for: self.restart_waits_for(),
        };
        self.published.send_if_modified(|shown| {
            let changed = *shown != new;
            *shown = new;
            changed
        });
    }

    fn wall(&self) -> WallTime {
        clock::wall()
    }
}

fn with_revision(committed: Committed) -> (u64, Committed) {
    (committed.revision, committed)
}

/// The end of this time; never, when there is none.
async fn passed(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Different at each boot; empty where the system does not tell.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The end of the child of the run under way.
async fn ended(under_way: &mut Option<UnderWay>) -> Outcome {
    match under_way {
        Some(run) => (&mut run.child).await.unwrap_or_else(|error| Err(error.to_string())),
        None => std::future::pending().await,
    }
}

impl crate::command::Report {
    /// The run could not be stored: nothing of it was applied.
    fn not_stored(&mut self, error: &HouseError) {
        debug_assert_ne!(error.kind, ErrorKind::InvalidValue);
        for (_, _, outcome, applied, _) in &mut self.files {
            if outcome == "applied" {
                (*outcome, *applied) = ("failed".to_owned(), 0);
            }
        }
        let (code, severity) = ("store.failed".to_owned(), "error".to_owned());
        let empty = String::new;
        self.diagnoses.push((empty(), 0, 0, code, empty(), severity, error.text.clone(), empty()));
    }
}
