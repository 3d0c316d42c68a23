//! dnsmasq as name server of a namespace: SRV records and addresses, and nothing that the test has not said.

use std::process::{Child, Stdio};
use std::time::Instant;

use crate::LIMIT;
use crate::namespace::Namespace;

/// Where it is asked.
const ADDRESS: &str = "127.0.0.1";

/// A running dnsmasq.
pub struct NameServer {
    child: Child,
}

impl NameServer {
    /// Starts it with these options (`--srv-host=`, `--host-record=`); programs that start in the namespace after it ask it.
    pub fn start(namespace: &Namespace, records: &[String]) -> NameServer {
        let log = tempfile::NamedTempFile::new().expect("its log");
        let child = namespace
            .command("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"])
            .args(["--user=root", "--pid-file", "--local=/test/", &format!("--listen-address={ADDRESS}")])
            .arg(format!("--log-facility={}", log.path().display()))
            .args(records)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq, of the package dnsmasq-base");
        let (server, begun) = (NameServer { child }, Instant::now());
        let said = || std::fs::read_to_string(log.path()).unwrap_or_default();
        while !said().contains("started, version") {
            assert!(begun.elapsed() < LIMIT, "dnsmasq does not start: {}", said());
            std::thread::yield_now();
        }
        namespace.ask_names_at(ADDRESS);
        server
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
