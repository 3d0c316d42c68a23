//! The one loop: board events, wishes from the bus, settings and the watchdog, each put where it belongs.

use std::collections::BTreeMap;
use std::time::Duration;

use phone_proto::dbus::{PROVISIONING_NAME, PROVISIONING_PATH};
use phone_proto::errors::HouseError;
use service_kit::bus::Facts;
use service_kit::clock;
use service_kit::settings_client::SettingsEvent;
use tokio::sync::mpsc;

use crate::board::{Board, BoardEvent, Hand, invalid};
use crate::boards;
use crate::bus::{self, Request, Served, Shown, Wish};
use crate::dhcp::{Answer, Client};
use crate::lldp::{Lldp, State, Wish as LldpWish};
use crate::pc_port;
use crate::restart::Restart;

/// Why hal-agent ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not one of [`boards::NAMES`].
    #[error("there is no board \"{name}\"; this program has: {known}", known = boards::NAMES.join(", "))]
    NoSuchBoard {
        /// What was asked for.
        name: String,
    },
    /// The bus is not there, refused the name, or went away.
    #[error("D-Bus: {0}")]
    Bus(#[from] zbus::Error),
}

/// Serves the board until the process is told to stop.
pub async fn run(board: &str) -> Result<(), RunError> {
    let (event_sender, mut events) = mpsc::channel(64);
    let mut board = boards::open(board, event_sender.clone()).ok_or_else(|| RunError::NoSuchBoard { name: board.to_owned() })?;
    let connection = service_kit::bus::connect().await?;
    let (requests, mut wishes) = mpsc::channel(64);
    let mut values = BTreeMap::new();
    let mut settings = service_kit::settings_client::start("hal-agent");
    let simulated = board.hand().is_some();
    let served = bus::serve(&connection, first(board.as_ref()), simulated, requests).await?;
    let mut provisioning = Facts::watch(&connection, PROVISIONING_NAME, PROVISIONING_PATH, PROVISIONING_NAME).await?;
    let mut restart = Restart::default();
    let mut dhcp = Client::new();
    let mut lldp = Lldp::new();
    service_kit::notify::ready();
    let mut watchdog = service_kit::notify::Watchdog::from_environment();
    let stop = service_kit::shutdown::signal();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(event) = events.recv() => on_event(event, board.as_ref(), &served).await?,
            Some(request) = wishes.recv() => on_wish(request, board.as_mut(), &mut restart, &served).await?,
            Some(event) = settings.recv() => {
                let owner_is_new = matches!(event, SettingsEvent::Snapshot { .. });
                if learn(&mut values, event) {
                    board.apply_settings(&values);
                    dhcp.set_asker(board.dhcp_asker());
                    begin_lldp(&values, board.as_mut(), &mut lldp);
                    show_facts(board.as_ref(), &dhcp, &lldp, &served).await?;
                }
                if owner_is_new {
                    tell_options(dhcp.answer());
                }
            }
            answer = dhcp.answered() => {
                tell_options(answer);
                show_facts(board.as_ref(), &dhcp, &lldp, &served).await?;
            }
            () = lldp.changed() => show_facts(board.as_ref(), &dhcp, &lldp, &served).await?,
            Some(facts) = provisioning.changed() => restart.learn(clock::now(), facts),
            () = passed(restart.wait(clock::now())) => {
                if let Some(reason) = restart.due(clock::now())
                    && !restart_unit(board.as_mut(), &reason)
                {
                    restart.failed();
                }
            }
            () = watchdog.due() => service_kit::notify::alive(),
        }
        show_restart(&restart, &served).await?;
    }
    Ok(())
}

async fn show_facts(board: &dyn Board, dhcp: &Client, lldp: &Lldp, served: &Served) -> zbus::Result<()> {
    let (dhcp_state, lldp_state) = (dhcp.answer().as_str(), lldp.state().as_str());
    served.show(Shown { facts: board.facts(), dhcp_state, lldp_state, ..served.shown() }).await
}

/// LLDP and the VLAN of the PC port, by the first settings of a boot: those rows take effect by a restart of the unit.
fn begin_lldp(values: &BTreeMap<String, String>, board: &mut dyn Board, lldp: &mut Lldp) {
    if lldp.awaits_settings() {
        board.tag_pc_port(pc_port::vlan(values));
        lldp.begin(board.lldpd_socket(), LldpWish::of(values, &board.facts()));
    }
}

/// provisioning-agent is told, and again when it has started anew; it may be down, and the next snapshot says when it is not.
fn tell_options(answer: &Answer) {
    if let Answer::Heard(options) = answer {
        let options = options.clone();
        tokio::spawn(async move {
            if let Err(error) = service_kit::settings_client::tell_dhcp_options("hal-agent", options).await {
                tracing::info!(%error, "what the DHCP server said could not be told");
            }
        });
    }
}

/// The end of this time; never, when there is none.
async fn passed(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// False: the board cannot.
fn restart_unit(board: &mut dyn Board, reason: &str) -> bool {
    tracing::warn!(reason, "the unit restarts");
    let outcome = board.restart();
    if let Err(error) = &outcome {
        tracing::error!(%error, "the unit cannot be restarted: switch it off and on again");
    }
    outcome.is_ok()
}

async fn show_restart(restart: &Restart, served: &Served) -> zbus::Result<()> {
    let shown = served.shown();
    if shown.restart_pending == restart.reason() {
        return Ok(());
    }
    served.show(Shown { restart_pending: restart.reason().to_owned(), ..shown }).await
}

fn first(board: &dyn Board) -> Shown {
    Shown {
        epoch: service_kit::epoch(),
        board: board.name(),
        keys: board.keys(),
        facts: board.facts(),
        hook: board.hook(),
        lamps: board.lamps().iter().map(|lamp| ((*lamp).to_owned(), "off".to_owned())).collect(),
        dhcp_state: Answer::Off.as_str(),
        lldp_state: State::Unknown.as_str(),
        restart_pending: String::new(),
    }
}

/// Folds a settings event into the values; true when they may have changed.
fn learn(values: &mut BTreeMap<String, String>, event: SettingsEvent) -> bool {
    match event {
        SettingsEvent::Snapshot { values: all, .. } => {
            *values = all;
            true
        }
        SettingsEvent::Changed { values: changed, .. } => {
            values.extend(changed);
            true
        }
        SettingsEvent::Unavailable => false,
    }
}

async fn on_event(event: BoardEvent, board: &dyn Board, served: &Served) -> zbus::Result<()> {
    match event {
        BoardEvent::Hook(hook) => served.show(Shown { hook, ..served.shown() }).await,
        BoardEvent::Key { name, pressed } => served.key(name, pressed).await,
        BoardEvent::Facts => served.show(Shown { facts: board.facts(), ..served.shown() }).await,
    }
}

/// Answers only when the effect is visible on the bus, so that a caller may rely on it.
async fn on_wish((wish, answer): Request, board: &mut dyn Board, restart: &mut Restart, served: &Served) -> zbus::Result<()> {
    let outcome = match wish {
        Wish::Lamp(lamp, pattern) => match board.light(&lamp, pattern) {
            Ok(()) => {
                let mut shown = served.shown();
                shown.lamps.insert(lamp, pattern.as_str().to_owned());
                served.show(shown).await?;
                Ok(())
            }
            Err(error) => Err(error),
        },
        Wish::Restart => {
            restart.ask(clock::now());
            show_restart(restart, served).await?;
            Ok(())
        }
        Wish::Handset(to) => by_hand(board, served, |hand| Ok(hand.move_handset(to))).await?,
        Wish::Key(key) => by_hand(board, served, |hand| hand.press(&key)).await?,
        Wish::Cable(inserted, address) => by_hand(board, served, |hand| Ok(hand.move_cable(inserted, address))).await?,
        Wish::Card(folder) => by_hand(board, served, |hand| hand.move_card(folder.as_deref())).await?,
    };
    // A caller that has gone away needs no answer.
    let _ = answer.send(outcome);
    Ok(())
}

async fn by_hand(
    board: &mut dyn Board,
    served: &Served,
    movement: impl FnOnce(&mut dyn Hand) -> Result<Vec<BoardEvent>, HouseError>,
) -> zbus::Result<Result<(), HouseError>> {
    let Some(hand) = board.hand() else {
        return Ok(Err(invalid("this board is real: move its handset and press its keys by hand".to_owned())));
    };
    match movement(hand) {
        Ok(events) => {
            for event in events {
                on_event(event, board, served).await?;
            }
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error)),
    }
}
