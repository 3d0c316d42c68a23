//! Where a server is (RFC 3263 4.2, B314). Addresses never come here; names are looked up in the background, by SRV where the
//! stack wants it, and the answer comes back to the driver as an input: the targets in the order in which they are to be tried.
//! What becomes of a target that does not answer is the stack's affair.
//!
//! A far end can make the stack ask for one name after the other (a new Contact in each re-INVITE), and a name whose server is
//! silent takes its time: so there is an end to names at a time, to the targets of one name and to the patience for it.

mod names;
mod silence;
mod srv;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{self, Either};
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{RData, RecordType};
use sip_stack::QueryId;
use tokio::sync::{Semaphore, mpsc};

pub use names::NameServers;
use names::{Client, Names};
use srv::{SrvServer, in_order, turn};

/// Names that are looked up at a time: six lines ask for three each (registrar, proxy, outbound proxy), and six calls for one; the
/// rest is for subscriptions.
pub const LOOKUPS_MAX: usize = 32;
/// Targets beyond this are not tried by anybody.
const TARGETS_MAX: usize = 8;
/// The whole of one look-up, all its queries together; the stack waits a little longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// One record type of one name, the whole search list included: two of them one after the other are within [`PATIENCE`].
const PATIENCE_FOR_ONE: Duration = Duration::from_millis(4500);
/// So long SRV is asked alone: who answers at all does it within that time.
const HEAD_START: Duration = Duration::from_millis(500);
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
    /// IPv6 addresses are of use, too.
    pub ipv6: bool,
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
        let (query, host) = (question.query, question.host.clone());
        let (free, found, seed) = (Arc::clone(&self.free), self.found.clone(), self.seed);
        let started = match (free.try_acquire_owned(), self.names.client()) {
            (Ok(place), Ok(client)) => Ok((place, client)),
            (Err(_), _) => Err("too many names are being looked up".to_owned()),
            (_, Err(reason)) => Err(reason),
        };
        match started {
            Ok((place, client)) => {
                tokio::spawn(async move {
                    let looked_up = tokio::time::timeout(PATIENCE, targets(&client, seed, question)).await;
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
async fn targets(client: &Client, seed: u64, question: Question) -> Result<Vec<SocketAddr>, String> {
    let Question { host, port, srv, ipv6, .. } = question;
    let place = Place { client, seed, ipv6 };
    let prefix = srv.filter(|prefix| port.is_none() && !prefix.is_empty());
    let addresses = match prefix {
        None => place.addresses(&host).await,
        Some(prefix) => match place.servers_or_addresses(&format!("{prefix}{host}"), &host).await {
            Way::Servers(servers) => return place.targets_of(in_order(seed, servers), &host).await,
            Way::Addresses(addresses) => addresses,
        },
    };
    let port = port.unwrap_or(SIP_PORT);
    Ok(addresses?.into_iter().take(TARGETS_MAX).map(|address| SocketAddr::new(address, port)).collect())
}

/// What a name leads to.
enum Way {
    Servers(Vec<SrvServer>),
    Addresses(Result<Vec<IpAddr>, String>),
}

/// Why there are no records of a type.
enum Miss {
    /// No name server has answered, or it was silent a moment ago.
    Silent,
    /// There are none, in words.
    Absent(String),
}

/// Whom one look-up asks, and for whom.
struct Place<'a> {
    client: &'a Client,
    seed: u64,
    ipv6: bool,
}

impl Place<'_> {
    /// The records of one type.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Miss> {
        if self.client.silence.is_known(name, kind, Instant::now()) {
            return Err(Miss::Silent);
        }
        match tokio::time::timeout(PATIENCE_FOR_ONE, self.client.resolver.lookup(name, kind)).await {
            Ok(Ok(lookup)) => Ok(lookup.answers().iter().map(|record| record.data.clone()).collect()),
            Ok(Err(NetError::Timeout)) | Err(_) => Err(Miss::Silent),
            Ok(Err(error)) => Err(Miss::Absent(error.to_string())),
        }
    }

    /// The SRV records of `name`, or the addresses of `host` where there are none. Where SRV is slow both are asked, so that a name
    /// server that drops the question costs no more time than it must.
    async fn servers_or_addresses(&self, name: &str, host: &str) -> Way {
        let mut servers = Box::pin(self.servers(name));
        let (servers, own) = match tokio::time::timeout(HEAD_START, &mut servers).await {
            Ok(servers) => (servers, None),
            Err(_) => match future::select(servers, Box::pin(self.addresses(host))).await {
                Either::Left((Ok(servers), _)) => (Ok(servers), None),
                Either::Left((Err(miss), own)) => (Err(miss), Some(own.await)),
                Either::Right((own, servers)) => (servers.await, Some(own)),
            },
        };
        match (servers, own) {
            (Ok(servers), _) => Way::Servers(servers),
            (Err(_), None) => Way::Addresses(self.addresses(host).await),
            (Err(miss), Some(own)) => {
                if matches!(miss, Miss::Silent) && own.is_ok() {
                    self.client.silence.note(name, RecordType::SRV, Instant::now());
                }
                Way::Addresses(own)
            }
        }
    }

    /// The SRV records of a name, one at least. A name server that fails over them (some of those in routers do) counts as one that
    /// has none: the name's own address tells whether it is there at all.
    async fn servers(&self, name: &str) -> Result<Vec<SrvServer>, Miss> {
        let records = self.records(name, RecordType::SRV).await.inspect_err(|miss| {
            let reason = if let Miss::Absent(reason) = miss { reason } else { "no answer" };
            tracing::debug!(name, reason, "no SRV records");
        })?;
        let servers = records.into_iter().filter_map(|record| match record {
            RData::SRV(srv) => {
                Some(SrvServer { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_ascii() })
            }
            _ => None,
        });
        let servers: Vec<SrvServer> = servers.collect();
        if servers.is_empty() { Err(Miss::Absent(format!("{name} has no SRV records"))) } else { Ok(servers) }
    }

    /// The addresses of the servers, in their order; one without an address is left out.
    async fn targets_of(&self, servers: Vec<SrvServer>, host: &str) -> Result<Vec<SocketAddr>, String> {
        if servers.is_empty() {
            return Err(format!("{host} says that it has no SIP server"));
        }
        let lookups = servers.into_iter().take(TARGETS_MAX).map(async |server| match self.addresses(&server.target).await {
            Ok(found) => found.into_iter().map(|address| SocketAddr::new(address, server.port)).collect(),
            Err(reason) => {
                tracing::debug!(reason, "a server of {host} has no address");
                Vec::new()
            }
        });
        let mut targets = Vec::new();
        for found in future::join_all(lookups).await.into_iter().flatten() {
            if !targets.contains(&found) && targets.len() < TARGETS_MAX {
                targets.push(found);
            }
        }
        if targets.is_empty() { Err(format!("no server of {host} has an address")) } else { Ok(targets) }
    }

    /// A, and AAAA where that is of use, and the names of /etc/hosts. Those of one family are alike and come in any order, another one
    /// each time: this unit has its own, as with SRV records of one priority.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let six = async { if self.ipv6 { self.records(host, RecordType::AAAA).await } else { Ok(Vec::new()) } };
        let (four, six) = future::join(self.records(host, RecordType::A), six).await;
        if four.is_ok() && matches!(six, Err(Miss::Silent)) {
            self.client.silence.note(host, RecordType::AAAA, Instant::now());
        }
        let mut found = Vec::new();
        let mut trouble = None;
        for family in [four, six] {
            match family {
                Ok(records) => found.extend(self.in_own_order(records)),
                Err(Miss::Silent) => trouble = trouble.or_else(|| Some("no name server has answered".to_owned())),
                Err(Miss::Absent(reason)) => trouble = trouble.or(Some(reason)),
            }
        }
        match trouble {
            _ if !found.is_empty() => Ok(found),
            Some(reason) => Err(format!("{host} was not found: {reason}")),
            None => Err(format!("{host} has no address")),
        }
    }

    fn in_own_order(&self, records: Vec<RData>) -> Vec<IpAddr> {
        let address = |record| match record {
            RData::A(four) => Some(IpAddr::V4(four.0)),
            RData::AAAA(six) => Some(IpAddr::V6(six.0)),
            _ => None,
        };
        let mut addresses: Vec<(f64, IpAddr)> =
            records.into_iter().filter_map(address).map(|address| (turn(self.seed, &address, 1.0), address)).collect();
        addresses.sort_by(|(one, _), (two, _)| one.total_cmp(two));
        addresses.into_iter().map(|(_, address)| address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u64) -> Question {
        Question { query: QueryId(number), host: "127.0.0.1".into(), port: None, srv: None, ipv6: false }
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
