//! Where a server is. Addresses never come here; names are looked up in the background by the system's resolver, and the answer
//! comes back to the driver as an input. SRV is not asked yet: the name's own address with the port, or 5060, stands in.

use sip_stack::QueryId;
use tokio::sync::mpsc;

/// The answer to a question of the stack.
pub struct Found {
    /// Which.
    pub query: QueryId,
    /// As the stack takes it.
    pub targets: Result<Vec<std::net::SocketAddr>, String>,
}

/// Targets beyond this are not tried by anybody.
const TARGETS_MAX: usize = 8;

/// Asks; the answer goes to `found`.
pub fn ask(query: QueryId, host: String, port: Option<u16>, found: mpsc::Sender<Found>) {
    tokio::spawn(async move {
        let name = (host.as_str(), port.unwrap_or(5060));
        let targets = match tokio::net::lookup_host(name).await {
            Ok(targets) => {
                let targets: Vec<_> = targets.take(TARGETS_MAX).collect();
                if targets.is_empty() { Err(format!("{host} has no address")) } else { Ok(targets) }
            }
            Err(error) => Err(format!("{host} was not found: {error}")),
        };
        // The driver has gone: nobody wants the answer.
        let _ = found.send(Found { query, targets }).await;
    });
}
