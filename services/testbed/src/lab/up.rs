//! `phonelab up`: everything in its order, and everything down again whatever happens. It must not wait for anything without
//! also waiting for the signal that ends it.

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::bus::{self, Bus};
use super::error::LabError;
use super::folders::{self, Folders};
use super::launch::Program;
use super::options::Options;
use super::ports;
use super::preset;
use super::sound;
use super::status::Status;
use super::supervisor::{Pids, Supervisor};
use super::unit::UnitSpec;
use super::users::{self, Isolation};
use crate::exchange::{Exchange, ExchangeOptions};
use crate::house::{House, Service};

/// What media-engine appends to the name of the earpiece's recording for that of the ringer.
const RINGER: &str = ".ringer.wav";
/// As in the units of the device.
const WATCHDOG: Duration = Duration::from_secs(20);
/// Nobody waits here for the core dump of a service that its watchdog has ended.
const ABORT_LIMIT: Duration = Duration::from_secs(2);

/// Everything that is known before anything is started.
struct Plan {
    options: Options,
    house: House,
    isolation: Isolation,
    launcher: PathBuf,
    programs: PathBuf,
    presets: Vec<PathBuf>,
    audio: Vec<OsString>,
    folders: Folders,
}

/// Runs the lab until a signal ends it. Call it before any thread has been started: as root it moves the process into a mount
/// namespace of its own.
pub fn up(options: Options) -> Result<(), LabError> {
    let plan = Plan::make(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LabError::system("the runtime"))?;
    runtime.block_on(run(&plan))
}

impl Plan {
    fn make(options: Options) -> Result<Plan, LabError> {
        let house = House::built_in()?;
        let launcher = std::env::current_exe().map_err(LabError::system("the path of phonelab"))?;
        let programs = launcher.parent().unwrap_or(Path::new("/")).to_owned();
        check_programs(&programs, &house)?;
        let preset = preset::check(&options)?;
        let isolation = enter_isolation(&house);
        let mut folders = Folders::make(&options.state(), &isolation)?;
        ports::all_free(&options)?;
        show_users(&house, &isolation, &folders)?;
        let programs = folders.window(&programs, "programs")?;
        for (name, _) in house.services() {
            folders.make_of_service(name, isolation.identity(name))?;
        }
        let log = folders.state.join("log");
        // A restart of the unit goes on with the logs; another start of the lab does not.
        let _ = std::fs::remove_dir_all(&log);
        std::fs::create_dir_all(&log).map_err(LabError::file(&log))?;
        let presets = preset::install(&preset, &folders.run, isolation.identity("provisioning-agent"))?;
        let audio = audio_arguments(&options, &isolation, &mut folders)?;
        Ok(Plan { options, house, isolation, launcher, programs, presets, audio, folders })
    }

    fn unit(&self, bus: &str, name: &str, row: &Service) -> (u8, UnitSpec) {
        let identity = self.isolation.identity(name).cloned();
        let state = self.folders.seen_state.join(name);
        let log = self.folders.state.join("log");
        let program = Program {
            path: self.programs.join(name),
            arguments: self.arguments(name),
            environment: self.environment(name, bus, &state),
            identity,
        };
        let log = log.join(format!("{name}.log"));
        let (watchdog, restarts_all) = (Some(WATCHDOG), name == "hal-agent");
        (row.rank, UnitSpec { name: name.to_owned(), program, watchdog, abort_limit: ABORT_LIMIT, log, restarts_all })
    }

    fn arguments(&self, name: &str) -> Vec<OsString> {
        match name {
            "hal-agent" => vec!["--board".into(), "sim".into()],
            "media-engine" => self.audio.clone(),
            "provisioning-agent" => self.presets.iter().flat_map(|file| ["--preset".into(), file.into()]).collect(),
            _ => Vec::new(),
        }
    }

    fn environment(&self, name: &str, bus: &str, state: &Path) -> Vec<(String, OsString)> {
        let mut environment: Vec<(String, OsString)> = vec![
            ("DESKPHONE_BUS".to_owned(), bus.into()),
            ("DESKPHONE_RUN".to_owned(), self.folders.run.clone().into()),
            ("DESKPHONE_USERS".to_owned(), self.isolation.peer_table(&self.house).into()),
            ("STATE_DIRECTORY".to_owned(), state.into()),
        ];
        environment.extend(as_in_its_unit(name).map(|(name, value)| (name.to_owned(), value.into())));
        if let Isolation::PerService { admin_gid, .. } = self.isolation {
            environment.push(("DESKPHONE_ADMIN_GROUP".to_owned(), admin_gid.to_string().into()));
            // Root's own folders are closed to the services.
            environment.push(("HOME".to_owned(), state.into()));
            environment.push(("XDG_CACHE_HOME".to_owned(), state.join("cache").into()));
        }
        environment
    }

    fn status(&self, bus: &str, pids: &Pids) -> Status {
        Status {
            bus: bus.to_owned(),
            web: format!("http://{}/", SocketAddr::new(self.options.address, self.options.web_port)),
            exchange: (!self.options.no_exchange).then(|| ports::EXCHANGE.to_owned()),
            services: pids.clone(),
            isolation: matches!(self.isolation, Isolation::PerService { .. }),
        }
    }
}

/// What the unit's `Environment=` has for its program.
fn as_in_its_unit(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        // Its database would run sync(1) at each start, which waits for every disk of the machine.
        "provisioning-agent" => Some(("PATH", "")),
        // Else it would begin a second time, to set it.
        "media-engine" => Some(("GST_REGISTRY_DISABLE", "yes")),
        _ => None,
    }
}

fn check_programs(folder: &Path, house: &House) -> Result<(), LabError> {
    let services = house.services();
    let needed = services.iter().map(|(name, _)| *name).chain(["provisioning-fetch"]);
    match needed.map(|name| folder.join(name)).find(|path| !path.exists()) {
        Some(missing) => Err(LabError::MissingProgram(missing)),
        None => bus::dbus_daemon().map(|_| ()),
    }
}

/// As root: a mount namespace of our own, in which the service users exist.
fn enter_isolation(house: &House) -> Isolation {
    if !rustix::process::geteuid().is_root() {
        return Isolation::off("phonelab does not run as root");
    }
    if !users::are_mapped() {
        return Isolation::off("this container has no uids for the services");
    }
    #[expect(deprecated, reason = "the unsafe one is about descriptor tables, which stay shared here")]
    let moved = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS).and_then(|()| {
        use rustix::mount::MountPropagationFlags as Propagation;
        rustix::mount::mount_change("/", Propagation::PRIVATE | Propagation::REC)
    });
    match moved {
        Ok(()) => Isolation::per_service(house),
        Err(error) => Isolation::off(format!("no mount namespace can be had: {error}")),
    }
}

fn show_users(house: &House, isolation: &Isolation, folders: &Folders) -> Result<(), LabError> {
    if let Isolation::Off { reason, user } = isolation {
        eprintln!("isolation off: all services run as {user} ({reason})");
        return Ok(());
    }
    users::write_databases(house, isolation, &folders.run).map_err(LabError::file(&folders.run))?;
    for name in ["passwd", "group"] {
        let target = Path::new("/etc").join(name);
        rustix::mount::mount_bind(folders.run.join(name), &target)
            .map_err(|error| LabError::File { path: target, error: error.into() })?;
    }
    Ok(())
}

fn audio_arguments(options: &Options, isolation: &Isolation, folders: &mut Folders) -> Result<Vec<OsString>, LabError> {
    let mut arguments = Vec::new();
    match options.audio_feed.as_deref() {
        None => {}
        Some(word @ ("loop" | "silence")) => arguments.extend(["--audio-feed".into(), word.into()]),
        Some(file) => arguments.extend(["--audio-feed".into(), folders.window(Path::new(file), "feed.wav")?.into()]),
    }
    if let Some(file) = &options.audio_record {
        let seen = own_recording(file, "record.wav", isolation, folders)?;
        // media-engine writes the ringer beside the earpiece.
        let mut ringer = file.clone().into_os_string();
        ringer.push(RINGER);
        own_recording(Path::new(&ringer), &format!("record.wav{RINGER}"), isolation, folders)?;
        arguments.extend(["--audio-record".into(), seen.into()]);
    }
    Ok(arguments)
}

/// An empty file that media-engine may write, under the name by which it sees it.
fn own_recording(file: &Path, window: &str, isolation: &Isolation, folders: &mut Folders) -> Result<PathBuf, LabError> {
    std::fs::File::create(file).map_err(LabError::file(file))?;
    if let Some(identity) = isolation.identity("media-engine") {
        folders::give(file, identity)?;
    }
    folders.window(file, window)
}

async fn run(plan: &Plan) -> Result<(), LabError> {
    let mut end = EndSignals::new()?;
    let mut bus = Bus::start(&plan.launcher, &plan.folders.run, &plan.house, &plan.isolation.policy_users(&plan.house))?;
    let outcome = with_bus(plan, &mut bus, &mut end).await;
    Status::withdraw(&plan.folders.state);
    bus.stop().await;
    outcome
}

async fn with_bus(plan: &Plan, bus: &mut Bus, end: &mut EndSignals) -> Result<(), LabError> {
    let address = bus.address().to_owned();
    let exchange = if plan.options.no_exchange { None } else { Some(start_exchange()?) };
    let mut outcome = Ok(Life::Restarts);
    let mut told = false;
    while let Ok(Life::Restarts) = outcome {
        outcome = one_life(plan, &address, &mut told, bus, end).await;
    }
    if let Some(exchange) = exchange {
        exchange.stop().await;
    }
    outcome.map(|_| ())
}

/// How a life of the unit ended.
enum Life {
    /// It is over.
    Ended,
    /// The board restarts it.
    Restarts,
}

/// All services from their start to their end, and what they kept with the supervisor is gone, as after a reboot.
async fn one_life(plan: &Plan, address: &str, told: &mut bool, bus: &mut Bus, end: &mut EndSignals) -> Result<Life, LabError> {
    let units = plan.house.services().into_iter().map(|(name, row)| plan.unit(address, name, row)).collect();
    let socket = plan.folders.run.join("notify");
    let supervisor = Supervisor::start(&plan.launcher, &socket, units).map_err(LabError::file(&plan.folders.run))?;
    let outcome = tokio::select! {
        Err(error) = serve(plan, address, &supervisor, told) => Err(error),
        error = bus.ended() => Err(error),
        () = supervisor.restart_wished() => Ok(Life::Restarts),
        () = end.comes() => Ok(Life::Ended),
    };
    if let Ok(Life::Restarts) = outcome {
        eprintln!("The unit restarts.");
    }
    tokio::select! {
        () = supervisor.stop() => outcome,
        // The second signal: whatever still runs is killed as this process ends.
        () = end.comes() => outcome.map(|_| Life::Ended),
    }
}

fn start_exchange() -> Result<Exchange, LabError> {
    let options = ExchangeOptions { accounts: preset::lab_accounts(), ..ExchangeOptions::default() };
    Exchange::start(options).map_err(|error| LabError::Exchange(error.to_string()))
}

/// From the start of the services on; returns only with an error. `told`: somebody knows that they are up. In a life that ends
/// before they are nobody is told.
async fn serve(plan: &Plan, bus: &str, supervisor: &Supervisor, told: &mut bool) -> Result<Infallible, LabError> {
    supervisor.all_ready().await?;
    let mut pids = supervisor.pids();
    let status = plan.status(bus, &pids.borrow_and_update());
    status.publish(&plan.folders.state)?;
    if !std::mem::replace(told, true) {
        println!("{}", status.line());
        eprint!("{}", hints(plan, &status));
        if plan.options.audio_feed.is_none() {
            tokio::spawn(say_what_cannot_be_heard(status.bus.clone()));
        }
    }
    loop {
        if pids.changed().await.is_err() {
            return std::future::pending().await;
        }
        plan.status(bus, &pids.borrow_and_update()).publish(&plan.folders.state)?;
    }
}

async fn say_what_cannot_be_heard(bus: String) {
    if let Some(notice) = sound::notice(&bus).await {
        eprintln!("\n{notice}");
    }
}

fn hints(plan: &Plan, status: &Status) -> String {
    let phonectl = plan.launcher.with_file_name("phonectl");
    let call = match &status.exchange {
        Some(_) => format!("{} call 100        # the echo of the lab exchange; 101 calls back", phonectl.display()),
        None => format!("{} lines", phonectl.display()),
    };
    format!(
        "\nThe phone is up at {address}, its web page at {web}{exchange}\nLogs: {log}/*.log   Ctrl-C stops everything.\n\n\
         Try next, in another terminal:\n  export DESKPHONE_BUS={bus}\n  {call}\n  {phonectl} watch\n  busctl --address=$DESKPHONE_BUS tree org.deskphone.Sip1\n",
        address = plan.options.address,
        web = status.web,
        exchange = status.exchange.as_ref().map(|at| format!(", the lab exchange at {at}")).unwrap_or_default(),
        log = plan.folders.state.join("log").display(),
        bus = status.bus,
        phonectl = phonectl.display(),
    )
}

struct EndSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl EndSignals {
    fn new() -> Result<EndSignals, LabError> {
        let of = |kind| signal(kind).map_err(LabError::system("signals"));
        Ok(EndSignals {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    async fn comes(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
