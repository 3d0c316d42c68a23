//! hal-agent's facts and keys as inputs, and the lamps that we wish as calls to it. Over an absence of hal-agent nothing is
//! asked of it; when it is back the lamps are set again, because it has forgotten them.

use std::collections::{BTreeMap, HashMap};

use agreements::{Hook, LampPattern};
use futures_util::StreamExt as _;
use phone_proto::dbus::{HAL_NAME, HAL_PATH, HalProxy};
use service_kit::bus::Facts;
use tokio::sync::{mpsc, watch};
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedVariant};

use crate::settings::BoardFacts;

const INTERFACE: &str = "org.deskphone.Hal1";

/// What hal-agent says.
pub enum HalEvent {
    /// Its facts as they are now.
    Facts {
        /// Random per its start.
        epoch: u64,
        /// Those that SIP needs.
        board: BoardFacts,
        /// The handset; none while unknown.
        hook: Option<Hook>,
        /// Whether the LAN port has a link; none while unknown.
        link: Option<bool>,
        /// It is about to restart the unit.
        restarts: bool,
    },
    /// It is not there.
    Away,
    /// A key.
    Key {
        /// As in Hal1.Keys.
        name: String,
        /// Down or up.
        pressed: bool,
    },
}

/// The lamps as they shall be, for the hal-agent of this epoch (0: none is there).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LampWish {
    /// Of the hal-agent that has to light them.
    pub epoch: u64,
    /// By their Hal1 names.
    pub lamps: BTreeMap<String, LampPattern>,
}

/// Follows hal-agent over its restarts; ends with the bus or the driver.
///
/// # Errors
/// The bus is gone.
pub async fn follow(bus: Connection, events: mpsc::Sender<HalEvent>) -> zbus::Result<()> {
    let mut facts = Facts::watch(&bus, HAL_NAME, HAL_PATH, INTERFACE).await?;
    while let Some(values) = facts.changed().await {
        if events.send(event(values)).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn event(values: &HashMap<String, OwnedVariant>) -> HalEvent {
    let text = |name: &str| values.get(name).and_then(|value| <&str>::try_from(value).ok()).unwrap_or_default();
    let Some(epoch) = values.get("Epoch").and_then(|epoch| u64::try_from(epoch).ok()) else { return HalEvent::Away };
    let board = BoardFacts {
        address: text("Address").parse().ok(),
        mac: text("MacAddress").to_owned(),
        model: text("Model").to_owned(),
        firmware: text("FirmwareVersion").to_owned(),
    };
    let link = match text("LinkLan") {
        "connected" => Some(true),
        "disconnected" => Some(false),
        _ => None,
    };
    let restarts = !text("RestartPending").is_empty();
    HalEvent::Facts { epoch, board, hook: text("Hook").parse().ok(), link, restarts }
}

/// Passes the keys on; ends with the bus or the driver.
///
/// # Errors
/// The bus is gone.
pub async fn follow_keys(bus: Connection, events: mpsc::Sender<HalEvent>) -> zbus::Result<()> {
    let mut keys = proxy(&bus).await?.receive_key().await?;
    while let Some(key) = keys.next().await {
        let Ok(key) = key.args() else { continue };
        let event = HalEvent::Key { name: key.name().clone(), pressed: key.action() == "pressed" };
        if events.send(event).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Lights the lamps as wished, each call awaited; a lamp that the board has not got is not asked for twice.
///
/// # Errors
/// The bus is gone.
pub async fn light(bus: Connection, mut wishes: watch::Receiver<LampWish>) -> zbus::Result<()> {
    let hal = proxy(&bus).await?;
    let mut lit = LampWish::default();
    loop {
        let wish = wishes.borrow_and_update().clone();
        if wish.epoch != lit.epoch {
            lit = LampWish { epoch: wish.epoch, lamps: BTreeMap::new() };
        }
        if wish.epoch != 0 {
            for (lamp, pattern) in wish.lamps {
                if lit.lamps.insert(lamp.clone(), pattern) != Some(pattern)
                    && let Err(error) = hal.set_lamp(&lamp, pattern.as_str()).await
                {
                    tracing::debug!(lamp, %error, "the lamp is not lit");
                }
            }
        }
        if wishes.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn proxy(bus: &Connection) -> zbus::Result<HalProxy<'static>> {
    HalProxy::builder(bus).cache_properties(CacheProperties::No).build().await
}
