//! One network for one test: loopback, and a link with an address for each who takes part. Removed with all its processes when
//! the value goes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal};

/// The phone.
pub const PHONE: &str = "10.77.0.1";
/// The far phone.
pub const FAR: &str = "10.77.0.2";
/// The registrar.
pub const REGISTRAR: &str = "10.77.0.3";
/// The web server.
pub const FILES: &str = "10.77.0.4";
/// A second far phone.
pub const SECOND_FAR: &str = "10.77.0.5";
/// A second registrar.
pub const SECOND_REGISTRAR: &str = "10.77.0.6";
/// The link that has these addresses.
pub const LINK: &str = "v0";

/// A network namespace.
pub struct Namespace {
    name: String,
    /// The one at the far end of the link.
    far: std::sync::OnceLock<String>,
}

impl Namespace {
    /// A new one, with all addresses.
    pub fn new() -> Namespace {
        static TURN: AtomicU32 = AtomicU32::new(0);
        let name = format!("deskphone-{}-{}", std::process::id(), TURN.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        let namespace = Namespace { name, far: std::sync::OnceLock::new() };
        let inside = |arguments: &[&str]| ip(&[&["-n", &namespace.name], arguments].concat());
        inside(&["link", "set", "lo", "up"]);
        // Without a search for duplicates the IPv6 addresses of a link are there at once. With one they come up to two seconds later, and
        // a browser gives up the request that is under way at that moment (ERR_NETWORK_CHANGED).
        let at_once = || match std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0") {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done,
        };
        namespace.inside(at_once).expect("IPv6 addresses at once, where there is IPv6");
        inside(&["link", "add", LINK, "type", "veth", "peer", "name", "v1"]);
        inside(&["link", "set", "v1", "up"]);
        inside(&["link", "set", LINK, "up"]);
        // So that one of them may go without the others.
        let promote = || std::fs::write(format!("/proc/sys/net/ipv4/conf/{LINK}/promote_secondaries"), "1");
        namespace.inside(promote).expect("addresses that stay");
        for address in [PHONE, FAR, REGISTRAR, FILES, SECOND_FAR, SECOND_REGISTRAR] {
            inside(&["addr", "add", &format!("{address}/24"), "dev", LINK]);
        }
        namespace
    }

    /// As `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes an address from the link and gives it another one; none: it is one less, or one more.
    pub fn renumber(&self, old: Option<&str>, new: Option<&str>) {
        let change = |what: &str, address: &str| ip(&["-n", &self.name, "addr", what, &format!("{address}/24"), "dev", LINK]);
        old.into_iter().for_each(|address| change("del", address));
        new.into_iter().for_each(|address| change("add", address));
    }

    /// A second namespace at the far end of the link, with this address there; its name. From then on everybody may use every port
    /// here, as the services of a device may use those of their units.
    pub fn beyond_the_link(&self, address: &str) -> &str {
        self.far.get_or_init(|| {
            let far = format!("{}-far", self.name);
            ip(&["netns", "add", &far]);
            ip(&["-n", &self.name, "link", "set", "v1", "netns", &far]);
            ip(&["-n", &far, "link", "set", "lo", "up"]);
            ip(&["-n", &far, "link", "set", "v1", "up"]);
            ip(&["-n", &far, "addr", "add", &format!("{address}/24"), "dev", "v1"]);
            let every_port = || std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
            self.inside(every_port).expect("ports for everybody");
            far
        })
    }

    /// Programs that start in it from now on ask this name server.
    pub fn ask_names_at(&self, server: &str) {
        // `ip netns exec` puts the files of this folder over those of /etc.
        std::fs::create_dir_all(self.etc()).expect("the namespace's part of /etc");
        std::fs::write(self.etc().join("resolv.conf"), format!("nameserver {server}\n")).expect("resolv.conf");
    }

    fn etc(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
    }

    /// A command that runs in it, without standard input, and that is asked to end when the test's thread does.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "setpriv", "--pdeathsig", "TERM", "--"]).arg(program).stdin(Stdio::null());
        command
    }

    /// Does something in it that makes a socket: a socket stays in the namespace where it was made.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter_and_work = || {
            self.enter();
            work()
        };
        // In a thread of its own, which ends there.
        std::thread::scope(|scope| scope.spawn(enter_and_work).join()).expect("work in the namespace")
    }

    /// Moves this thread, and every thread and process that it starts from now on, into it: for a test that plays a far end itself.
    pub fn enter(&self) {
        let file = std::fs::File::open(format!("/run/netns/{}", self.name)).expect("the namespace's file");
        use std::os::fd::AsFd;
        let kind = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(kind)).expect("entering the namespace");
    }

    fn pids(name: &str) -> Vec<Pid> {
        let output = Command::new("ip").args(["netns", "pids", name]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let pids = text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        // Whoever has entered it outlives it.
        pids.filter(|pid| *pid != rustix::process::getpid()).collect()
    }
}

impl Default for Namespace {
    fn default() -> Namespace {
        Namespace::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for name in [self.far.get(), Some(&self.name)].into_iter().flatten() {
            for pid in Namespace::pids(name) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
        let _ = std::fs::remove_dir_all(self.etc());
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("ip, of the package iproute2");
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}
