//! dnsmasq as DHCP server on the far side of the phone's link, in a namespace of its own: an answer to a question on the link
//! must come back over the link.

use std::process::{Child, Command, Stdio};

use crate::LIMIT;
use crate::namespace::Namespace;

/// The DHCP server, and the TFTP server that it can be as well.
pub const DHCP: &str = "10.77.0.9";

/// A running dnsmasq.
pub struct DhcpServer {
    child: Child,
    folder: tempfile::TempDir,
}

impl DhcpServer {
    /// With these lines of `--dhcp-option=`, and with TFTP for what is [put](DhcpServer::put).
    pub fn start(namespace: &Namespace, options: &[&str]) -> DhcpServer {
        DhcpServer::with_range(namespace, "10.77.0.100,10.77.0.120", options)
    }

    /// With this address for whoever comes first.
    pub fn with_one_address(namespace: &Namespace, address: &str, options: &[&str]) -> DhcpServer {
        DhcpServer::with_range(namespace, &format!("{address},{address}"), options)
    }

    fn with_range(namespace: &Namespace, range: &str, options: &[&str]) -> DhcpServer {
        let name = namespace.beyond_the_link(DHCP);
        let folder = tempfile::tempdir().expect("a folder");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its rights");
        let log = folder.path().join("log");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name, "setpriv", "--pdeathsig", "TERM", "--", "dnsmasq", "--keep-in-foreground"]);
        command.args(["--conf-file=/dev/null", "--port=0", "--leasefile-ro", "--no-ping", "--dhcp-authoritative", "--log-dhcp"]);
        command.args(["--user=root", "--enable-tftp", &format!("--dhcp-range={range}")]);
        command.arg(format!("--tftp-root={}", folder.path().display()));
        command.arg(format!("--log-facility={}", log.display()));
        command.args(options.iter().map(|option| format!("--dhcp-option={option}")));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("dnsmasq");
        let server = DhcpServer { child, folder };
        let begun = std::time::Instant::now();
        while !server.log().contains("DHCP, IP range") {
            assert!(begun.elapsed() < LIMIT, "dnsmasq does not start: {}", server.log());
            std::thread::yield_now();
        }
        server
    }

    /// A file for TFTP.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a served file");
    }

    /// How often it has sent a file.
    pub fn files_sent(&self) -> usize {
        self.log().lines().filter(|line| line.contains("dnsmasq-tftp") && line.contains(" sent ")).count()
    }

    /// What it has done so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for DhcpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
