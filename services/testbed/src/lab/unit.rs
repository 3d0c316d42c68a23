//! One supervised service: start, readiness, watchdog, restart with back-off, stop. It treats a service as systemd does, so
//! that the service has one code path under both. It must not know what any service is for.
//!
//! ```text
//!          spawn          READY=1
//!  Waiting ------> Starting ------> Running ----.
//!     ^               |  time-out      |        | exit, or no WATCHDOG=1 in time: SIGABRT, SIGKILL
//!     |  back-off     v  SIGTERM,KILL  v        |
//!     '------------------------------------ <---'        stop wish, any state: SIGTERM, SIGKILL -> Stopped
//! ```

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::Child;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::fd_store::FdStore;
use super::launch::{self, Program};
use super::log::Log;
use super::notify::{Notice, NotifySocket};
use super::routes::Routes;

/// How long a service may take until READY=1.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// The pause before a restart, doubled each time a service dies young, and its bound.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A service that was ready for this long did not die young.
const GROWN_UP: Duration = Duration::from_secs(1);

/// What to supervise.
#[derive(Clone, Debug)]
pub struct UnitSpec {
    /// The service's name.
    pub name: String,
    /// What to start; the supervisor adds NOTIFY_SOCKET and WATCHDOG_USEC.
    pub program: Program,
    /// Longest time between two WATCHDOG=1; none: not watched.
    pub watchdog: Option<Duration>,
    /// How long it may take to end after SIGABRT.
    pub abort_limit: Duration,
    /// Where its standard output and standard error go.
    pub log: PathBuf,
    /// Whether it may ask for a restart of all units, as the service of a board does.
    pub restarts_all: bool,
}

/// What is known about a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// Not running: not started yet, or waiting for the next try.
    Waiting {
        /// How often in a row it ended before it was ready.
        failures: u32,
        /// Why it ended; empty before the first start.
        reason: String,
    },
    /// Started, not ready yet.
    Starting {
        /// The process.
        pid: i32,
        /// As in `Waiting`.
        failures: u32,
        /// As in `Waiting`.
        reason: String,
    },
    /// READY=1 came.
    Running {
        /// The process.
        pid: i32,
    },
    /// Stopped on request.
    Stopped,
}

impl UnitState {
    /// The process, when there is one.
    pub fn pid(&self) -> Option<i32> {
        match self {
            UnitState::Starting { pid, .. } | UnitState::Running { pid } => Some(*pid),
            UnitState::Waiting { .. } | UnitState::Stopped => None,
        }
    }
}

/// What units share.
pub struct Ground {
    /// The phonelab executable (see [`launch`]).
    pub launcher: PathBuf,
    /// `NOTIFY_SOCKET`.
    pub notify_socket: PathBuf,
    /// Its receiving end.
    pub incoming: NotifySocket,
    /// Where messages of a pid go.
    pub routes: Routes,
    /// Told when a unit that may do so asks for a restart of all.
    pub restart_wish: Notify,
}

/// The supervisor's hold on a unit.
pub struct UnitHandle {
    /// The newest state.
    pub state: watch::Receiver<UnitState>,
    /// Its output.
    pub log: Arc<Log>,
    stop: watch::Sender<bool>,
}

impl UnitHandle {
    /// Stops it and waits until it is gone.
    pub async fn stop(&mut self) {
        let _ = self.stop.send(true);
        // An error means that its task has ended.
        let _ = self.state.wait_for(|state| *state == UnitState::Stopped).await;
    }
}

/// Starts to supervise.
pub fn start(spec: UnitSpec, ground: Arc<Ground>) -> std::io::Result<UnitHandle> {
    let log = Arc::new(Log::open(&spec.log)?);
    let (state, seen) = watch::channel(UnitState::Waiting { failures: 0, reason: String::new() });
    let (stop, stop_wish) = watch::channel(false);
    let unit =
        Unit { spec, ground, log: log.clone(), state, stop_wish, store: FdStore::default(), failures: 0, reason: String::new() };
    tokio::spawn(unit.run());
    Ok(UnitHandle { state: seen, log, stop })
}

struct Unit {
    spec: UnitSpec,
    ground: Arc<Ground>,
    log: Arc<Log>,
    state: watch::Sender<UnitState>,
    stop_wish: watch::Receiver<bool>,
    store: FdStore,
    failures: u32,
    reason: String,
}

/// One life of the process.
struct Life {
    pid: Pid,
    ready_since: Option<Instant>,
    deadline: Option<Instant>,
    phase: Phase,
    /// Said in words when we ended it ourselves.
    cause: Option<&'static str>,
}

/// The process group of a life: what the service left behind goes with it, as with systemd's control group, and all of it goes
/// when the supervisor gives up in the middle.
struct Group(Pid);

impl Group {
    /// Kills what is left of it and sees it go, or gives up on corpses that nobody buries.
    async fn end(self) {
        let pid = self.0;
        drop(self);
        for _ in 0..40 {
            if rustix::process::test_kill_process_group(pid).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Nobody may be left.
        let _ = rustix::process::kill_process_group(self.0, Signal::KILL);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Alive,
    /// SIGTERM or SIGABRT is out; SIGKILL follows at the deadline.
    Asked,
    Killed,
}

impl Unit {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !*self.stop_wish.borrow() {
            let was_ready_for = self.one_life().await;
            if *self.stop_wish.borrow() {
                break;
            }
            pause = if was_ready_for >= GROWN_UP { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            self.failures = if was_ready_for.is_zero() { self.failures.saturating_add(1) } else { 0 };
            tracing::warn!(service = %self.spec.name, reason = %self.reason, pause_ms = pause.as_millis() as u64, "ended, will be started again");
            self.state.send_replace(UnitState::Waiting { failures: self.failures, reason: self.reason.clone() });
            let _ = tokio::time::timeout(pause, self.stop_wish.changed()).await;
        }
        self.state.send_replace(UnitState::Stopped);
    }

    /// From spawn to exit; how long it was ready.
    async fn one_life(&mut self) -> Duration {
        let child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                self.reason = format!("cannot be started: {error}");
                return Duration::ZERO;
            }
        };
        let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
            self.reason = "ended at once".to_owned();
            return Duration::ZERO;
        };
        let group = Group(pid);
        let mut notices = self.ground.routes.open(pid.as_raw_nonzero().get());
        self.state.send_replace(UnitState::Starting {
            pid: pid.as_raw_nonzero().get(),
            failures: self.failures,
            reason: self.reason.clone(),
        });
        let deadline = Some(Instant::now() + START_LIMIT);
        let mut life = Life { pid, ready_since: None, deadline, phase: Phase::Alive, cause: None };
        let status = self.watch_over(child, &mut notices, &mut life).await;
        // Its last words may still be on the way: a descriptor that was given before a crash must not be lost.
        self.ground.incoming.drain(|notice| self.ground.routes.deliver(notice));
        while let Ok(notice) = notices.try_recv() {
            self.keep_descriptors(notice);
        }
        self.ground.routes.close(pid.as_raw_nonzero().get());
        group.end().await;
        self.reason = life.cause.map_or_else(|| describe(status), |cause| format!("{cause}, {}", describe(status)));
        life.ready_since.map_or(Duration::ZERO, |since| since.elapsed().max(Duration::from_nanos(1)))
    }

    fn spawn(&mut self) -> std::io::Result<Child> {
        let mut program = self.spec.program.clone();
        program.environment.push(("NOTIFY_SOCKET".to_owned(), self.ground.notify_socket.clone().into()));
        if let Some(watchdog) = self.spec.watchdog {
            program.environment.push(("WATCHDOG_USEC".to_owned(), watchdog.as_micros().to_string().into()));
        }
        let mut command = launch::command(&self.ground.launcher, &program, &self.store.hand_back())?;
        command.stdout(Stdio::from(self.log.writer()?)).stderr(Stdio::from(self.log.writer()?));
        tokio::process::Command::from(command).kill_on_drop(true).spawn()
    }

    async fn watch_over(&mut self, mut child: Child, notices: &mut mpsc::Receiver<Notice>, life: &mut Life) -> Option<ExitStatus> {
        loop {
            let deadline = life.deadline;
            tokio::select! {
                status = child.wait() => return status.ok(),
                Some(notice) = notices.recv() => self.heed(notice, life),
                () = at(deadline) => self.out_of_time(life),
                Ok(()) = self.stop_wish.changed(), if life.phase == Phase::Alive => {
                    self.ask_to_end(life, Signal::TERM, STOP_LIMIT, "stopped");
                }
            }
        }
    }

    fn heed(&mut self, notice: Notice, life: &mut Life) {
        let running = life.phase == Phase::Alive;
        if notice.says("READY", "1") && life.ready_since.is_none() && running {
            life.ready_since = Some(Instant::now());
            self.state.send_replace(UnitState::Running { pid: life.pid.as_raw_nonzero().get() });
            life.deadline = self.spec.watchdog.map(|limit| Instant::now() + limit);
        }
        if notice.says("WATCHDOG", "1") && life.ready_since.is_some() && running {
            life.deadline = self.spec.watchdog.map(|limit| Instant::now() + limit);
        }
        if notice.says("WATCHDOG", "trigger") && running {
            self.ask_to_end(life, Signal::ABORT, self.spec.abort_limit, "asked for it by WATCHDOG=trigger");
        }
        if self.spec.restarts_all && notice.says("X_DESKPHONE_RESTART_UNIT", "1") && running {
            self.ground.restart_wish.notify_one();
        }
        self.keep_descriptors(notice);
    }

    fn keep_descriptors(&mut self, notice: Notice) {
        let refused = self.store.take_from(notice);
        if refused > 0 {
            tracing::warn!(service = %self.spec.name, refused, "the descriptor store is full");
        }
    }

    fn out_of_time(&self, life: &mut Life) {
        match (life.phase, life.ready_since) {
            (Phase::Alive, None) => self.ask_to_end(life, Signal::TERM, STOP_LIMIT, "not ready within a minute"),
            (Phase::Alive, Some(_)) => {
                self.ask_to_end(life, Signal::ABORT, self.spec.abort_limit, "silent for longer than its watchdog allows")
            }
            (Phase::Asked, _) => {
                let _ = rustix::process::kill_process_group(life.pid, Signal::KILL);
                life.phase = Phase::Killed;
                life.deadline = None;
            }
            (Phase::Killed, _) => life.deadline = None,
        }
    }

    fn ask_to_end(&self, life: &mut Life, signal: Signal, limit: Duration, cause: &'static str) {
        let _ = rustix::process::kill_process(life.pid, signal);
        life.phase = Phase::Asked;
        life.deadline = Some(Instant::now() + limit);
        life.cause = Some(cause);
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn describe(status: Option<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("exit code {code}"),
        Some((None, Some(signal))) => format!("killed by signal {signal}"),
        Some((None, None)) | None => "ended".to_owned(),
    }
}
