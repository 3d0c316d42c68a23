//! The board: the handset, the keys, the card and the cable of a simulated one, the lamps of any.

use std::net::IpAddr;
use std::path::Path;

use phone_proto::dbus::{HAL_NAME, HalProxy, SimulatorProxy};
use phone_proto::errors::ErrorKind;
use serde_json::json;
use zbus::proxy::CacheProperties;

use crate::arguments::{Hook, Link};
use crate::bus;
use crate::failure::Failure;
use crate::revisions::agreed;
use crate::show::{Output, table};

fn failed(error: zbus::Error) -> Failure {
    Failure::of_call(HAL_NAME, error)
}

/// `phonectl board hook`
pub async fn hook(output: &mut Output, position: Hook) -> Result<(), Failure> {
    let position = match position {
        Hook::On => "on",
        Hook::Off => "off",
    };
    simulator().await?.set_hook(position).await.map_err(failed)?;
    output.result(&json!({"hook": position}), String::new)
}

/// `phonectl board key`
pub async fn key(output: &mut Output, name: &str) -> Result<(), Failure> {
    simulator().await?.press_key(name).await.map_err(failed)?;
    output.result(&json!({"key": name}), String::new)
}

/// `phonectl board card`
pub async fn card(output: &mut Output, folder: Option<&Path>) -> Result<(), Failure> {
    let whole = |folder: &Path| {
        let path = std::path::absolute(folder).ok().and_then(|path| path.to_str().map(str::to_owned));
        path.ok_or_else(|| Failure::new(ErrorKind::InvalidArgument, "the path of the folder is not UTF-8"))
    };
    let folder = folder.map_or(Ok(String::new()), whole)?;
    simulator().await?.move_card(&folder).await.map_err(failed)?;
    output.result(&json!({"card": folder}), String::new)
}

/// `phonectl board cable`
pub async fn cable(output: &mut Output, link: Link, address: Option<IpAddr>) -> Result<(), Failure> {
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    simulator().await?.move_cable(link.as_str(), &address).await.map_err(failed)?;
    output.result(&json!({"cable": link.as_str(), "address": address}), String::new)
}

/// `phonectl restart`
pub async fn restart(output: &mut Output, yes: bool) -> Result<(), Failure> {
    if !yes && !agreed("The unit restarts, and a call that is up ends.") {
        return Err(Failure::new(ErrorKind::InvalidArgument, "not done: this restarts the unit, a call or not; --yes does it"));
    }
    let connection = bus::connect().await?;
    let board = HalProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)?;
    board.restart().await.map_err(failed)?;
    output.result(&json!({"restart": true}), || "the unit restarts in a few seconds".to_owned())
}

/// `phonectl board leds`
pub async fn leds(output: &mut Output) -> Result<(), Failure> {
    let connection = bus::connect().await?;
    let board = HalProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)?;
    let lamps: std::collections::BTreeMap<_, _> = board.lamps().await.map_err(failed)?.into_iter().collect();
    output.result(&json!(lamps), || {
        let rows: Vec<_> = lamps.iter().map(|(lamp, pattern)| vec![lamp.clone(), pattern.clone()]).collect();
        table(&["LAMP", "PATTERN"], &rows)
    })
}

async fn simulator() -> Result<SimulatorProxy<'static>, Failure> {
    let connection = bus::connect().await?;
    SimulatorProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)
}
