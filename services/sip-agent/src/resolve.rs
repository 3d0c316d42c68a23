//! Where a server is (RFC 3263 4.2, B314). Addresses never come here; names are looked up in the background, by SRV where the
//! stack wants it, and the answer comes back to the driver as an input: the targets in the order in which they are to be tried.
//! What becomes of a target that does not answer is the stack's affair.
//!
//! A far end can make the stack ask for one name after the other (a new Contact in each re-INVITE), and a name whose server is
//! silent takes its time: so there is an end to names at a time, to the targets of one name and to the patience for it.

mod names;
mod srv;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use sip_stack::QueryId;
use tokio::sync::{Semaphore, mpsc};

pub use names::NameServers;
use names::Names;
use srv::{SrvServer, in_order};

/// Names that are looked up at a time: six lines and six calls ask for one each.
pub const LOOKUPS_MAX: usize = 16;
/// Targets beyond this are not tried by anybody.
const TARGETS_MAX: usize = 8;
/// The whole of one look-up, all its queries together; the stack waits a little longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Port of SIP where nothing says another.
const SIP_PORT: u16 = 5060;

/// A name that the stack wants to have looked up.
pub struct Question {
    /// Names the answer.
    pub query: QueryId,
    /// The host.
    pub host: String,
    /// Its port, when it is fixed.
    pub port: Option<u16>,
    /// What stands before the host in the name of its SRV records; none: they are not asked for.
    pub srv: Option<String>,
}

/// The answer to a question of the stack.
pub struct Found {
    /// Which.
    pub query: QueryId,
    /// As the stack takes it.
    pub targets: Result<Vec<SocketAddr>, String>,
}

/// Asks the name servers.
pub struct Resolver {
    free: Arc<Semaphore>,
    names: Names,
    seed: u64,
    found: mpsc::Sender<Found>,
}

impl Resolver {
    /// With so many names at a time; answers go to `found`. `seed` says which of several servers of one weight this unit prefers.
    pub fn new(lookups: usize, names: NameServers, seed: u64, found: mpsc::Sender<Found>) -> Resolver {
        Resolver { free: Arc::new(Semaphore::new(lookups)), names: Names::new(names), seed, found }
    }

    /// Asks. Where too many names are asked for already, the answer is that at once.
    pub fn ask(&mut self, question: Question) {
        let Question { query, host, port, srv } = question;
        let (free, found, seed) = (Arc::clone(&self.free), self.found.clone(), self.seed);
        let started = match (free.try_acquire_owned(), self.names.client()) {
            (Ok(place), Ok(client)) => Ok((place, client)),
            (Err(_), _) => Err("too many names are being looked up".to_owned()),
            (_, Err(reason)) => Err(reason),
        };
        match started {
            Ok((place, client)) => {
                tokio::spawn(async move {
                    let looked_up = tokio::time::timeout(PATIENCE, targets(&client, seed, &host, port, srv)).await;
                    drop(place);
                    let targets = looked_up.unwrap_or_else(|_| Err(format!("no name server has answered for {host}")));
                    // The driver has gone: nobody wants the answer.
                    let _ = found.send(Found { query, targets }).await;
                });
            }
            Err(reason) => {
                tracing::warn!(host, reason, "a name is not looked up");
                // A full queue has answers to tell first; the stack's own patience ends the question.
                let _ = found.try_send(Found { query, targets: Err(reason) });
            }
        }
    }
}

/// RFC 3263 4.2: without a port SRV says which servers there are; where no SRV record is, the name itself is the server.
async fn targets(
    client: &TokioResolver,
    seed: u64,
    host: &str,
    port: Option<u16>,
    srv: Option<String>,
) -> Result<Vec<SocketAddr>, String> {
    let prefix = srv.filter(|prefix| port.is_none() && !prefix.is_empty());
    if let Some(prefix) = prefix
        && let Some(servers) = servers(client, &format!("{prefix}{host}")).await
    {
        return targets_of(client, in_order(seed, servers), host).await;
    }
    let port = port.unwrap_or(SIP_PORT);
    let addresses = addresses(client, host).await?;
    Ok(addresses.into_iter().take(TARGETS_MAX).map(|address| SocketAddr::new(address, port)).collect())
}

/// The SRV records of a name. A name server that fails over them (some of those in routers do) counts as one that has none: the
/// name's own address is asked next, and tells whether it is there at all.
async fn servers(client: &TokioResolver, name: &str) -> Option<Vec<SrvServer>> {
    let lookup = match client.lookup(name, RecordType::SRV).await {
        Ok(lookup) => lookup,
        Err(error) => {
            tracing::debug!(name, %error, "no SRV records");
            return None;
        }
    };
    let records = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => {
            Some(SrvServer { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_ascii() })
        }
        _ => None,
    });
    let servers: Vec<SrvServer> = records.collect();
    (!servers.is_empty()).then_some(servers)
}

/// The addresses of the servers, in their order; one without an address is left out.
async fn targets_of(client: &TokioResolver, servers: Vec<SrvServer>, host: &str) -> Result<Vec<SocketAddr>, String> {
    if servers.is_empty() {
        return Err(format!("{host} says that it has no SIP server"));
    }
    let lookups = servers.into_iter().take(TARGETS_MAX).map(async |server| match addresses(client, &server.target).await {
        Ok(found) => found.into_iter().map(|address| SocketAddr::new(address, server.port)).collect(),
        Err(reason) => {
            tracing::debug!(reason, "a server of {host} has no address");
            Vec::new()
        }
    });
    let mut targets = Vec::new();
    for found in futures_util::future::join_all(lookups).await.into_iter().flatten() {
        if !targets.contains(&found) && targets.len() < TARGETS_MAX {
            targets.push(found);
        }
    }
    if targets.is_empty() { Err(format!("no server of {host} has an address")) } else { Ok(targets) }
}

/// A and AAAA, and the names of /etc/hosts.
async fn addresses(client: &TokioResolver, host: &str) -> Result<Vec<IpAddr>, String> {
    let found = client.lookup_ip(host).await.map_err(|error| format!("{host} was not found: {error}"))?;
    let found: Vec<IpAddr> = found.iter().collect();
    if found.is_empty() { Err(format!("{host} has no address")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u64) -> Question {
        Question { query: QueryId(number), host: "127.0.0.1".into(), port: None, srv: None }
    }

    fn resolver(lookups: usize, found: mpsc::Sender<Found>) -> Resolver {
        Resolver::new(lookups, NameServers::These(Vec::new()), 1, found)
    }

    #[tokio::test]
    async fn a_host_is_found_with_the_port_of_sip() {
        let (sender, mut found) = mpsc::channel(1);
        resolver(1, sender).ask(question(1));
        let answer = found.recv().await.unwrap();
        assert_eq!((answer.query, answer.targets), (QueryId(1), Ok(vec!["127.0.0.1:5060".parse().unwrap()])));
    }

    #[tokio::test]
    async fn one_name_more_than_may_be_looked_up_at_a_time_is_answered_at_once() {
        let (sender, mut found) = mpsc::channel(4);
        let mut resolver = resolver(1, sender);
        resolver.ask(question(1));
        resolver.ask(question(2));
        // The first one has not had a chance to run yet.
        let refused = found.try_recv().unwrap();
        assert_eq!(refused.query, QueryId(2));
        assert!(refused.targets.unwrap_err().contains("too many"));
        assert_eq!(found.recv().await.unwrap().query, QueryId(1));
        resolver.ask(question(3));
        assert!(found.recv().await.unwrap().targets.is_ok());
    }
}
