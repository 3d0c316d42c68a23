//! Names as a real name server (dnsmasq, on loopback) tells them: SRV, addresses, TTL, and a name server that is silent (RFC 3263 4.2, B314).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStderr, Command, Stdio};

use sip_agent::resolve::{NameServers, Question, Resolver};
use sip_stack::QueryId;
use tokio::sync::mpsc;

/// dnsmasq with these records.
struct NameServer {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl NameServer {
    fn start(records: &[&str]) -> NameServer {
        let address = free_address();
        let port = format!("--port={}", address.port());
        let mut child = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"])
            .args(["--listen-address=127.0.0.1", "--user=", "--pid-file", "--log-queries", "--log-facility=-", &port])
            .args(["--local=/example.test/"])
            .args(records)
            .stderr(Stdio::piped())
            .spawn()
            .expect("dnsmasq (package dnsmasq-base)");
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("started, version") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "dnsmasq has ended");
        }
        NameServer { child, log, address }
    }

    /// Ends it; what it was asked.
    fn asked(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        let queries = log.lines().filter_map(|line| line.split_once("query[").map(|(_, query)| query));
        queries.map(|query| query.split(" from").next().unwrap().replace("] ", " ")).collect()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let host = IpAddr::from(Ipv4Addr::LOCALHOST);
    (host, testbed::ports::free_at(host).unwrap()).into()
}

/// The phone's resolver, which asks there.
struct Phone {
    resolver: Resolver,
    found: mpsc::Receiver<sip_agent::resolve::Found>,
}

impl Phone {
    fn new(server: SocketAddr, seed: u64) -> Phone {
        let (sender, found) = mpsc::channel(4);
        Phone { resolver: Resolver::new(4, NameServers::These(vec![server]), seed, sender), found }
    }

    async fn ask(&mut self, host: &str, port: Option<u16>, srv: Option<&str>) -> Result<Vec<String>, String> {
        self.ask_for(host, (port, srv), true).await
    }

    async fn ask_for(&mut self, host: &str, (port, srv): (Option<u16>, Option<&str>), ipv6: bool) -> Result<Vec<String>, String> {
        self.resolver.ask(Question { query: QueryId(1), host: host.into(), port, srv: srv.map(str::to_owned), ipv6 });
        let targets = self.found.recv().await.unwrap().targets?;
        Ok(targets.iter().map(SocketAddr::to_string).collect())
    }
}

const UDP: Option<&str> = Some("_sip._udp.");

/// Three servers in two priorities, one with both families; and the domain's own address.
const RECORDS: [&str; 6] = [
    "--srv-host=_sip._udp.example.test,last.example.test,5090,20,0",
    "--srv-host=_sip._udp.example.test,first.example.test,5070,10,50",
    "--srv-host=_lab._udp.example.test,last.example.test,5099,1,1",
    "--host-record=first.example.test,192.0.2.1,2001:db8::1",
    "--host-record=last.example.test,192.0.2.2",
    "--host-record=example.test,192.0.2.3",
];

#[tokio::test]
async fn srv_records_give_targets_by_priority_with_their_ports_and_both_families() {
    let server = NameServer::start(&RECORDS);
    let mut phone = Phone::new(server.address, 1);
    let targets = phone.ask("example.test", None, UDP).await.unwrap();
    assert_eq!(targets, ["192.0.2.1:5070", "[2001:db8::1]:5070", "192.0.2.2:5090"]);
}

/// B314: the prefix is the configured one, and without one, or with a port (RFC 3263 4.2), nothing is asked by SRV.
#[tokio::test]
async fn srv_is_asked_with_the_prefix_and_only_where_no_port_is_fixed() {
    let server = NameServer::start(&RECORDS);
    let mut phone = Phone::new(server.address, 1);
    assert_eq!(phone.ask("example.test", None, Some("_lab._udp.")).await.unwrap(), ["192.0.2.2:5099"]);
    assert_eq!(phone.ask("example.test", None, None).await.unwrap(), ["192.0.2.3:5060"]);
    assert_eq!(phone.ask("example.test", Some(5080), UDP).await.unwrap(), ["192.0.2.3:5080"]);
    let asked = server.asked();
    let by_srv: Vec<&String> = asked.iter().filter(|query| query.starts_with("SRV")).collect();
    assert_eq!(by_srv, ["SRV _lab._udp.example.test"]);
}

#[tokio::test]
async fn a_domain_without_srv_records_is_its_own_server() {
    let server = NameServer::start(&RECORDS);
    assert_eq!(Phone::new(server.address, 1).ask("last.example.test", None, UDP).await.unwrap(), ["192.0.2.2:5060"]);
}

/// RFC 2782: over many units, by weight; one unit always has the same first server.
#[tokio::test]
async fn servers_of_one_priority_are_spread_over_the_units() {
    let server = NameServer::start(&[
        "--srv-host=_sip._udp.example.test,a.example.test,5060,10,50",
        "--srv-host=_sip._udp.example.test,b.example.test,5060,10,50",
        "--host-record=a.example.test,192.0.2.1",
        "--host-record=b.example.test,192.0.2.2",
    ]);
    let mut firsts = Vec::new();
    for seed in 0..40 {
        let mut phone = Phone::new(server.address, seed);
        let targets = phone.ask("example.test", None, UDP).await.unwrap();
        assert_eq!(targets.len(), 2);
        assert_eq!(Phone::new(server.address, seed).ask("example.test", None, UDP).await.unwrap(), targets);
        firsts.push(targets[0].clone());
    }
    let to_a = firsts.iter().filter(|first| *first == "192.0.2.1:5060").count();
    assert!((8..=32).contains(&to_a), "{to_a} of 40");
}

#[tokio::test]
async fn an_answer_is_kept_for_its_ttl_and_asked_for_again_after_it() {
    for (ttl, times) in [("--local-ttl=300", 1), ("--local-ttl=0", 3)] {
        let records: Vec<&str> = RECORDS.into_iter().chain([ttl]).collect();
        let server = NameServer::start(&records);
        let mut phone = Phone::new(server.address, 1);
        for _ in 0..3 {
            phone.ask("last.example.test", Some(5060), None).await.unwrap();
        }
        let asked = server.asked();
        assert_eq!(asked.iter().filter(|query| *query == "A last.example.test").count(), times, "{ttl}: {asked:?}");
    }
}

#[tokio::test]
async fn more_servers_than_anybody_tries_are_cut_off() {
    let records: Vec<String> = (1..=12)
        .flat_map(|number| {
            let srv = format!("--srv-host=_sip._udp.example.test,h{number}.example.test,5060,{number},1");
            [srv, format!("--host-record=h{number}.example.test,192.0.2.{number}")]
        })
        .collect();
    let server = NameServer::start(&records.iter().map(String::as_str).collect::<Vec<_>>());
    let targets = Phone::new(server.address, 1).ask("example.test", None, UDP).await.unwrap();
    assert_eq!(targets, (1..=8).map(|number| format!("192.0.2.{number}:5060")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_name_that_nobody_knows_and_a_silent_name_server_are_said() {
    let server = NameServer::start(&RECORDS);
    let unknown = Phone::new(server.address, 1).ask("nowhere.example.test", None, UDP).await.unwrap_err();
    assert!(unknown.contains("nowhere.example.test was not found"), "{unknown}");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let reason = Phone::new(silent.local_addr().unwrap(), 1).ask("example.test", Some(5060), None).await.unwrap_err();
    assert!(reason.contains("example.test"), "{reason}");
}

/// A question that cannot help is not asked: it costs time where the name server drops it.
#[tokio::test]
async fn a_phone_without_an_ipv6_address_asks_for_none() {
    let server = NameServer::start(&RECORDS);
    let targets = Phone::new(server.address, 1).ask_for("example.test", (None, UDP), false).await.unwrap();
    assert_eq!(targets, ["192.0.2.1:5070", "192.0.2.2:5090"]);
    let asked = server.asked();
    assert!(asked.iter().all(|query| !query.starts_with("AAAA")), "{asked:?}");
}

/// Name servers turn the addresses of a name round with each answer; a phone that took them as they come would wander.
#[tokio::test]
async fn the_addresses_of_one_name_keep_their_order_on_one_unit_and_are_spread_over_many() {
    let records: Vec<String> = (1..=4).map(|number| format!("--host-record=example.test,192.0.2.{number}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).chain(["--local-ttl=0"]).collect();
    let server = NameServer::start(&records);
    let mut firsts = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let mut phone = Phone::new(server.address, seed);
        let targets = phone.ask("example.test", Some(5060), None).await.unwrap();
        assert_eq!(targets.len(), 4);
        for _ in 0..4 {
            assert_eq!(phone.ask("example.test", Some(5060), None).await.unwrap(), targets);
        }
        firsts.insert(targets[0].clone());
    }
    assert_eq!(firsts.len(), 4, "{firsts:?}");
}

/// A name server that answers A (192.0.2.7) and drops everything else: one line per question.
fn knows_only_addresses() -> (SocketAddr, std::sync::mpsc::Receiver<u16>) {
    const TYPE_A: u16 = 1;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // RFC 1035 4.1: the name begins after the header of twelve octets, and the type follows its last, empty label.
            let end = 12 + question[12..length].iter().position(|octet| *octet == 0).unwrap() + 1;
            let kind = u16::from_be_bytes([question[end], question[end + 1]]);
            if sender.send(kind).is_err() {
                return;
            }
            if kind == TYPE_A {
                let header = [&question[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
                let record = [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 7];
                let answer = [&header, &question[12..end + 4], &record].concat();
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    (address, asked)
}

/// RFC 3263 4.2, B314: such a server costs one wait of 4.5 s, not two, within the stack's patience, and none for a minute.
#[tokio::test]
async fn a_name_server_that_drops_srv_and_ipv6_questions_is_waited_for_once() {
    let (address, asked) = knows_only_addresses();
    let mut phone = Phone::new(address, 1);
    let begun = std::time::Instant::now();
    assert_eq!(phone.ask("example.test", None, UDP).await.unwrap(), ["192.0.2.7:5060"]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    let first: std::collections::BTreeSet<u16> = asked.try_iter().collect();
    assert_eq!(first.into_iter().collect::<Vec<_>>(), [1, 28, 33]);
    for _ in 0..3 {
        assert_eq!(phone.ask("example.test", None, UDP).await.unwrap(), ["192.0.2.7:5060"]);
    }
    assert!(asked.try_iter().all(|kind| kind == 1));
}
