//! The bus: connecting, who is up, other services' facts, and who calls. No proxies live here (phone-proto has them) and no
//! cache: zbus's property cache does not follow a restarted peer.

mod admin;
mod facts;
mod peers;

use std::collections::HashMap;
use std::time::Duration;

use zbus::{Connection, OwnedVariant, connection};

pub use admin::caller_is_admin;
pub use facts::Facts;
pub use peers::{PeerEvent, Peers};

/// Handlers on the bus answer at once; one that has not answered by then is dead.
const METHOD_TIMEOUT: Duration = Duration::from_secs(10);

/// Not yet connected: `DESKPHONE_BUS`, else the system bus. For services that serve objects: `builder().serve_at(..).name(..)`.
pub fn builder() -> connection::Builder<'static> {
    let builder = match std::env::var("DESKPHONE_BUS") {
        Ok(address) if !address.is_empty() => connection::Builder::address(address.as_str()),
        _ => connection::Builder::system(),
    };
    builder.method_timeout(METHOD_TIMEOUT)
}

/// A connection to the bus.
///
/// # Errors
/// There is no bus at the address, or it refuses us.
pub async fn connect() -> zbus::Result<Connection> {
    builder().build().await
}

/// All properties of one interface, asked from the peer itself.
///
/// # Errors
/// The peer is not there or has no such interface.
pub async fn properties(
    connection: &Connection,
    name: &str,
    path: &str,
    interface: &str,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let properties = Some("org.freedesktop.DBus.Properties");
    connection.call_method(Some(name), path, properties, "GetAll", &interface).await?.body().deserialize()
}
