//! Whether the unit goes down, and not this process alone: then nobody goes on where it ends, and the far ends shall hear of it
//! (B318). hal-agent says so before it restarts the unit; whoever else shuts the system down has told systemd.

use std::time::Duration;

use zbus::{Connection, OwnedVariant};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// systemd answers at once or is not there; the supervisor kills who takes five seconds to end.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether systemd stops the system. False where it is not on the bus.
pub async fn is_system_stopping(bus: &Connection) -> bool {
    let properties = Some("org.freedesktop.DBus.Properties");
    let asked = bus.call_method(Some(NAME), PATH, properties, "Get", &(MANAGER, "SystemState"));
    let Ok(Ok(reply)) = tokio::time::timeout(PATIENCE, asked).await else { return false };
    let state = reply.body().deserialize::<OwnedVariant>();
    state.is_ok_and(|state| state.downcast_ref::<&str>().is_ok_and(|state| state == "stopping"))
}
