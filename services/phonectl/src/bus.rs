//! Asking the services: one connection, uncached reads.

use std::collections::{BTreeMap, HashMap};

use phone_proto::dbus::SIP_NAME;
use phone_proto::errors::ErrorKind;
use serde_json::Value as Json;
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

use crate::failure::{Failure, absent};
use crate::json;

/// One interface's properties, by name.
pub type Properties = BTreeMap<String, Json>;
/// Objects by path, each with its interfaces.
pub type Objects = BTreeMap<String, BTreeMap<String, Properties>>;

/// The bus of DESKPHONE_BUS, else the system bus.
pub async fn connect() -> Result<Connection, Failure> {
    service_kit::bus::connect().await.map_err(|error| {
        let place = std::env::var("DESKPHONE_BUS").unwrap_or_else(|_| "the system bus".to_owned());
        Failure::new(
            ErrorKind::ServiceUnavailable,
            format!("no bus at {place}: {error}; DESKPHONE_BUS names another (phonelab prints it)"),
        )
    })
}

/// All properties of one interface.
pub async fn properties(connection: &Connection, name: &str, path: &str, interface: &str) -> Result<Properties, Failure> {
    let values = service_kit::bus::properties(connection, name, path, interface).await;
    Ok(as_json(values.map_err(|error| Failure::of_call(name, error))?))
}

/// The same; none when the service is not there.
pub async fn properties_if_up(
    connection: &Connection,
    name: &str,
    path: &str,
    interface: &str,
) -> Result<Option<Properties>, Failure> {
    match properties(connection, name, path, interface).await {
        Ok(values) => Ok(Some(values)),
        Err(failure) if failure.kind() == ErrorKind::ServiceUnavailable => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Lines and calls.
pub async fn sip_objects(connection: &Connection) -> Result<Objects, Failure> {
    type Managed = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
    let reply = connection
        .call_method(
            Some(SIP_NAME),
            phone_proto::dbus::SIP_PATH,
            Some("org.freedesktop.DBus.ObjectManager"),
            "GetManagedObjects",
            &(),
        )
        .await
        .map_err(|error| Failure::of_call(SIP_NAME, error))?;
    let managed: Managed = reply.body().deserialize().map_err(|error| Failure::of_call(SIP_NAME, error))?;
    let interfaces = |interfaces: HashMap<String, HashMap<String, OwnedVariant>>| {
        interfaces.into_iter().map(|(name, values)| (name, as_json(values))).collect()
    };
    Ok(managed.into_iter().map(|(path, of_path)| (path.to_string(), interfaces(of_path))).collect())
}

/// Fails early and clearly when nobody owns the name.
pub async fn must_be_up(connection: &Connection, name: &str) -> Result<(), Failure> {
    let failed = |error: zbus::Error| Failure::of_call(name, error);
    let bus = zbus::fdo::DBusProxy::new(connection).await.map_err(failed)?;
    let bus_name = zbus::names::BusName::try_from(name).map_err(|_| absent(name))?;
    match bus.name_has_owner(bus_name).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(absent(name)),
        Err(error) => Err(failed(error.into())),
    }
}

fn as_json(values: HashMap<String, OwnedVariant>) -> Properties {
    values.into_iter().map(|(name, value)| (name, json::of(&value))).collect()
}
