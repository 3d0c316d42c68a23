//! Whom the resolver asks: the name servers of /etc/resolv.conf as they are now, or those that a test gives. The file is read
//! again for each question, because the network may have been configured anew since the last one; answers that are known stay
//! known for as long as their TTL says, within bounds, unless the servers are others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;

use super::silence::Silence;

const FILE: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;
/// Lines beyond these are not read (resolv.conf(5) has the same bounds).
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;
/// Patience for one query; it is sent so often again.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
const REPETITIONS: usize = 1;
/// Answers that are remembered: a few servers of six lines, and who calls by name.
const ANSWERS_MAX: u64 = 64;
/// A TTL above this is taken as this, so that a mistake in a zone does not last for days.
const LONGEST_TTL: Duration = Duration::from_secs(3600);
/// The same of "there is no such name".
const LONGEST_NEGATIVE_TTL: Duration = Duration::from_secs(60);

/// Where the name servers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameServers {
    /// /etc/resolv.conf.
    System,
    /// These, and no search list.
    These(Vec<SocketAddr>),
}

/// What counts of resolv.conf(5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Configuration {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
}

/// Who asks certain name servers, and what they are silent about.
#[derive(Clone)]
pub struct Client {
    /// Asks them.
    pub resolver: TokioResolver,
    /// Not asked again for a while.
    pub silence: Silence,
}

/// The client, made anew when the name servers are others.
pub struct Names {
    source: NameServers,
    present: Option<(Configuration, Client)>,
}

impl Names {
    /// Nobody is asked yet.
    pub fn new(source: NameServers) -> Names {
        Names { source, present: None }
    }

    /// The client for the name servers of this moment.
    ///
    /// # Errors
    /// In words: it cannot be made.
    pub fn client(&mut self) -> Result<Client, String> {
        let wanted = match &self.source {
            // Without the file there are still the names of /etc/hosts.
            NameServers::System => parse(&std::fs::read_to_string(FILE).unwrap_or_default()),
            NameServers::These(servers) => Configuration { servers: servers.clone(), search: Vec::new() },
        };
        if let Some((_, client)) = self.present.as_ref().filter(|(present, _)| *present == wanted) {
            return Ok(client.clone());
        }
        let resolver = resolver(&wanted).map_err(|error| format!("the names' client cannot be made: {error}"))?;
        let client = Client { resolver, silence: Silence::default() };
        tracing::info!(servers = ?wanted.servers, "name servers");
        self.present = Some((wanted, client.clone()));
        Ok(client)
    }
}

fn resolver(wanted: &Configuration) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    let servers = wanted.servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.into())
    });
    let search = wanted.search.iter().filter_map(|domain| Name::from_ascii(domain).ok()).collect();
    let config = ResolverConfig::from_parts(None, search, servers.collect());
    let mut options = ResolverOpts::default();
    options.timeout = QUERY_TIMEOUT;
    options.attempts = REPETITIONS;
    options.cache_size = ANSWERS_MAX;
    options.positive_max_ttl = Some(LONGEST_TTL);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE_TTL);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}

fn parse(text: &str) -> Configuration {
    let mut found = Configuration::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") if found.servers.len() < SERVERS_MAX => {
                // A zone ("%eth0") is of no use to a client that is not told the interface.
                let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                found.servers.extend(address.map(|address| SocketAddr::new(address, DNS_PORT)));
            }
            // The last of them counts.
            Some("search" | "domain") => found.search = words.take(SEARCH_MAX).map(str::to_owned).collect(),
            Some(_) | None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_the_last_search_list_are_read_within_bounds() {
        let text = "# made by a program\nnameserver 192.0.2.53\nsearch old.example\nnameserver 2001:db8::53\nnameserver nonsense\n\
                    options ndots:2\nsearch example.com  example.net\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n";
        let found = parse(text);
        let servers: Vec<String> = found.servers.iter().map(SocketAddr::to_string).collect();
        assert_eq!(servers, ["192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:53"]);
        assert_eq!(found.search, ["example.com", "example.net"]);
    }
}
