//! The one loop. It decides nothing: it waits for whatever comes first, hands it to the agent, and passes on what the agent
//! shows and wants. Messages have left when the agent returns; bus and media follow.

use std::future::{pending, poll_fn};
use std::time::Duration;

use agreements::Tick;
use phone_proto::errors::HouseError;
use phone_proto::media::DesiredState;
use service_kit::clock;
use service_kit::settings_client::{self, SettingsEvent};
use tokio::sync::{mpsc, watch};
use zbus::Connection;

use crate::agent::{Agent, FeatureWrite, Seeds, WriteOutcome};
use crate::bus::{self, Asked, DigitHeard, REQUESTS_MAX};
use crate::facts::Facts;
use crate::going_down;
use crate::hal::{self, HalEvent, LampWish};
use crate::media::engine::{self, MediaEvent};
use crate::resolve::{Found, LOOKUPS_MAX, NameServers, Resolver};
use crate::writing;

/// How long the last answers are waited for. The stack gives up before; the supervisor kills who takes five seconds to end.
const FAREWELL: Duration = Duration::from_secs(4);
/// Inputs of a peer that wait for their turn.
const QUEUE: usize = 64;

/// Why sip-agent ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus is not there, refused the name, or went away.
    #[error("D-Bus: {0}")]
    Bus(#[from] zbus::Error),
    /// A part that runs beside the loop ended before it.
    #[error("the bus tasks have ended")]
    BusEnded,
}

/// What comes from beside the loop.
struct Inlets {
    requests: mpsc::Receiver<Asked>,
    settings: mpsc::Receiver<SettingsEvent>,
    hal: mpsc::Receiver<HalEvent>,
    media: mpsc::Receiver<MediaEvent>,
    found: mpsc::Receiver<Found>,
    written: mpsc::Receiver<writing::Answer>,
}

/// What goes out beside the loop; only the newest counts.
struct Outlets {
    facts: watch::Sender<Facts>,
    media: watch::Sender<Option<DesiredState>>,
    lamps: watch::Sender<LampWish>,
    digits: mpsc::Sender<DigitHeard>,
    resolver: Resolver,
    writes: mpsc::Sender<FeatureWrite>,
    hal_epoch: u64,
    /// hal-agent is about to restart the unit. It may be told to stop before us, and what it has said stands.
    unit_restarts: bool,
}

/// Runs the phone's SIP until the process is told to stop. Calls go on in the next life and nothing is said to the far ends,
/// unless the unit goes down.
///
/// # Errors
/// The bus is gone; the supervisor starts anew.
pub async fn run() -> Result<(), RunError> {
    let mut agent = Agent::start(clock::now(), service_kit::epoch(), seeds(), service_kit::fdstore::take());
    // The settings are asked for while the bus is being connected: registering waits for both.
    let settings = settings_client::start("sip-agent");
    let connection = service_kit::bus::connect().await?;
    let (mut inlets, mut outlets, mut beside) = connect(&connection, &agent, settings).await?;
    outlets.publish(&mut agent);
    service_kit::notify::ready();
    let mut watchdog = service_kit::notify::Watchdog::from_environment();
    let stop = service_kit::shutdown::signal();
    tokio::pin!(stop);
    loop {
        let deadline = agent.deadline();
        tokio::select! {
            heard = poll_fn(|context| agent.poll_network(context)) => agent.heard(clock::now(), heard),
            () = until(deadline) => agent.timeout(clock::now()),
            Some(asked) = inlets.requests.recv() => on_request(&mut agent, &mut outlets, asked),
            Some(event) = inlets.hal.recv() => on_hal(&mut agent, &mut outlets, event),
            Some(event) = inlets.media.recv() => on_media(&mut agent, &outlets, event),
            Some(event) = inlets.settings.recv() => on_settings(&mut agent, event),
            Some(found) = inlets.found.recv() => agent.resolved(clock::now(), found),
            Some((line, outcome)) = inlets.written.recv() => agent.features_written(clock::now(), line, outcome),
            ended = beside.join_next() => return Err(ended.and_then(Result::ok).and_then(Result::err).map_or(RunError::BusEnded, RunError::Bus)),
            () = watchdog.due() => service_kit::notify::alive(),
            () = &mut stop => break,
        }
        outlets.publish(&mut agent);
    }
    if outlets.unit_restarts || going_down::is_system_stopping(&connection).await {
        farewell(&mut agent).await;
    }
    Ok(())
}

/// Calls end, and lines cancel what USE_DEL_REG_CLOSE_n says (B318).
async fn farewell(agent: &mut Agent) {
    tracing::info!("the unit goes down: lines say goodbye");
    agent.leave(clock::now());
    let limit = tokio::time::sleep(FAREWELL);
    tokio::pin!(limit);
    while !agent.has_left() {
        let deadline = agent.deadline();
        tokio::select! {
            heard = poll_fn(|context| agent.poll_network(context)) => agent.heard(clock::now(), heard),
            () = until(deadline) => agent.timeout(clock::now()),
            () = &mut limit => break,
        }
    }
    agent.bequeath_nothing();
}

type Beside = tokio::task::JoinSet<zbus::Result<()>>;

/// The objects, then the name; hal-agent is asked meanwhile.
async fn connect(
    bus: &Connection,
    agent: &Agent,
    settings: mpsc::Receiver<SettingsEvent>,
) -> zbus::Result<(Inlets, Outlets, Beside)> {
    let (facts, facts_seen) = watch::channel(agent.facts().clone());
    let (digits, digits_heard) = mpsc::channel(QUEUE);
    let (asked, requests) = mpsc::channel(REQUESTS_MAX);
    let (hal_events, hal) = mpsc::channel(QUEUE);
    let (lamps, lamps_seen) = watch::channel(LampWish::default());
    let (media, media_seen) = watch::channel(None);
    let (media_events, media_inlet) = mpsc::channel(QUEUE);
    let (found_sender, found) = mpsc::channel(QUEUE);
    let (writes, writes_wanted) = mpsc::channel(QUEUE);
    let (write_answers, written) = mpsc::channel(QUEUE);
    engine::start(media_seen, media_events);
    tokio::spawn(writing::write(writes_wanted, write_answers));
    let mut beside = Beside::new();
    beside.spawn(hal::follow(bus.clone(), hal_events.clone()));
    beside.spawn(hal::follow_keys(bus.clone(), hal_events));
    beside.spawn(hal::light(bus.clone(), lamps_seen));
    beside.spawn(bus::serve(bus, facts_seen, digits_heard, asked).await?.run());
    let inlets = Inlets { requests, settings, hal, media: media_inlet, found, written };
    let resolver = Resolver::new(LOOKUPS_MAX, NameServers::System, agent.preference(), found_sender);
    let outlets = Outlets { facts, media, lamps, digits, resolver, writes, hal_epoch: 0, unit_restarts: false };
    Ok((inlets, outlets, beside))
}

impl Outlets {
    fn publish(&mut self, agent: &mut Agent) {
        if let Some(state) = agent.take_media(clock::now()) {
            self.media.send_replace(Some(state));
        }
        for question in agent.take_questions() {
            self.resolver.ask(question);
        }
        for write in agent.take_writes() {
            let line = write.line;
            if self.writes.try_send(write).is_err() {
                agent.features_written(clock::now(), line, WriteOutcome::Failed("too many saves at once".to_owned()));
            }
        }
        self.facts.send_if_modified(|shown| {
            let differs = shown != agent.facts();
            if differs {
                shown.clone_from(agent.facts());
            }
            differs
        });
        let epoch = self.hal_epoch;
        self.lamps.send_if_modified(|wish| {
            let differs = wish.epoch != epoch || wish.lamps != *agent.lamps();
            if differs {
                *wish = LampWish { epoch, lamps: agent.lamps().clone() };
            }
            differs
        });
    }
}

/// The caller is answered only after what it asked for is on the way to the bus.
fn on_request(agent: &mut Agent, outlets: &mut Outlets, asked: Asked) {
    let Asked { request, cause, answer } = asked;
    let result: Result<_, HouseError> = agent.request(clock::now(), request, cause);
    outlets.publish(agent);
    // A caller that has gone away needs no answer.
    let _ = answer.send(result);
}

fn on_hal(agent: &mut Agent, outlets: &mut Outlets, event: HalEvent) {
    match event {
        HalEvent::Facts { epoch, board, hook, link, restarts } => {
            outlets.hal_epoch = epoch;
            outlets.unit_restarts = restarts;
            agent.board(clock::now(), board, hook);
            if let Some(up) = link {
                agent.link(clock::now(), up);
            }
        }
        HalEvent::Away => {
            outlets.hal_epoch = 0;
            agent.board_away();
        }
        HalEvent::Key { name, pressed } => agent.key(clock::now(), name, pressed),
    }
}

fn on_media(agent: &mut Agent, outlets: &Outlets, event: MediaEvent) {
    let now = clock::now();
    match event {
        MediaEvent::Outcome(generation, outcome) => agent.media_outcome(now, generation, outcome),
        MediaEvent::Flow(call, state) => agent.media_flow(now, call, state),
        MediaEvent::DigitsSent { call, number } => agent.digits_sent(now, call, number),
        MediaEvent::Digit { call, digit, duration_ms } => {
            if outlets.digits.try_send(DigitHeard { call, digit, duration_ms }).is_err() {
                tracing::warn!(%call, "the bus is too slow: a digit of the far end is not shown");
            }
        }
    }
}

fn on_settings(agent: &mut Agent, event: SettingsEvent) {
    match event {
        SettingsEvent::Snapshot { revision, values } => agent.settings(clock::now(), revision, values, true),
        SettingsEvent::Changed { revision, values } => agent.settings(clock::now(), revision, values, false),
        // The last ones go on counting.
        SettingsEvent::Unavailable => {}
    }
}

async fn until(deadline: Option<Tick>) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(clock::now())).await,
        None => pending().await,
    }
}

fn seeds() -> Seeds {
    let mut stack = [0; 32];
    for eight in stack.chunks_exact_mut(8) {
        eight.copy_from_slice(&service_kit::random().to_ne_bytes());
    }
    Seeds { stack, identities: service_kit::random(), session_epoch: service_kit::random() }
}
