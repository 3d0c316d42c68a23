//! The phone under real systemd in a container: the target starts, every service runs as its own user, and sip-agent's sockets and
//! snapshot come back through the real fd store after SIGKILL in a call.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use house_tests::far_exchange::FarExchange;
use house_tests::namespace::{PHONE, REGISTRAR};
use house_tests::phone::{FIRST_LINE, Setup};
use house_tests::{LIMIT, may_make_namespaces, programs};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testbed::exchange::Progress;

const SERVICES: [&str; 5] = ["provisioning-agent", "hal-agent", "media-engine", "sip-agent", "web-ui"];

fn house(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A booted container: the host's /usr with the phone laid over it, an empty rest.
struct Machine {
    nspawn: Child,
    leader: u32,
    _folder: tempfile::TempDir,
}

impl Machine {
    async fn boot(preset: &[String]) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        lay_over_usr(&folder.path().join("over"), preset);
        empty_root(&folder.path().join("root"));
        // The mount is seen by the container alone and goes with it.
        let script = "mount -t overlay overlay -o lowerdir=over:/usr root/usr && exec systemd-nspawn -D root --quiet --boot \
                      --register=no --keep-unit --private-network systemd.firstboot=off";
        let log = std::fs::File::create(folder.path().join("boot.log")).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let nspawn = command.spawn().unwrap();
        let mut machine = Machine { nspawn, leader: 0, _folder: folder };
        machine.leader = until("the container's systemd", || machine.find_leader()).await;
        until("the end of the boot", || machine.booted()).await;
        machine
    }

    fn find_leader(&self) -> Option<u32> {
        let nspawn = self.nspawn.id();
        let children = std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
        let named = |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "systemd");
        children.split_whitespace().find(named)?.parse().ok()
    }

    fn booted(&self) -> Option<()> {
        let state = text(&self.run(&["systemctl", "is-system-running"]).stdout);
        matches!(state.as_str(), "running" | "degraded").then_some(())
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        // Its root too: namespaces alone leave that open where the test itself runs in another root.
        command.args(["-t", &self.leader.to_string(), "-a", "-r", "-w", "--"]).args(words).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// A command that must succeed.
    fn does(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}{}\n{}", text(&output.stdout), text(&output.stderr), self.journal());
        text(&output.stdout)
    }

    fn journal(&self) -> String {
        text(&self.run(&["journalctl", "--no-pager", "-n", "120", "-u", "deskphone-*"]).stdout)
    }

    fn property(&self, service: &str, name: &str) -> String {
        self.does(&["systemctl", "show", "--value", "-p", name, &format!("deskphone-{service}.service")])
    }

    fn phonectl(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = ["/usr/libexec/deskphone/phonectl", "--json"].iter().chain(words).copied().collect();
        serde_json::from_slice(&self.run(&words).stdout).unwrap_or_default()
    }

    fn call(&self) -> Option<Value> {
        self.phonectl(&["calls"]).as_array()?.first().cloned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for pid in [self.leader, self.nspawn.id()] {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                // It may have ended already.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.nspawn.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Looks again and again: systemd says nothing to those outside.
async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let wait = async {
        loop {
            tick.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    };
    tokio::time::timeout(LIMIT * 2, wait).await.unwrap_or_else(|_| panic!("not seen: {what}"))
}

/// What an image puts under /usr.
fn lay_over_usr(over: &Path, preset: &[String]) {
    let programs_folder = over.join("libexec/deskphone");
    std::fs::create_dir_all(&programs_folder).unwrap();
    for program in SERVICES.iter().chain(&["provisioning-fetch", "phonectl"]) {
        std::fs::copy(programs::ours(program), programs_folder.join(program)).unwrap();
    }
    let folders = [
        ("systemd/units", "lib/systemd/system"),
        ("systemd/sysusers.d", "lib/sysusers.d"),
        ("systemd/tmpfiles.d", "lib/tmpfiles.d"),
        ("systemd/dbus-1", "share/dbus-1/system.d"),
    ];
    for (from, to) in folders {
        std::fs::create_dir_all(over.join(to)).unwrap();
        for file in std::fs::read_dir(house(from)).unwrap().flatten().filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), over.join(to).join(file.file_name())).unwrap();
        }
    }
    std::fs::create_dir_all(over.join("share/deskphone")).unwrap();
    let lines: String = preset.iter().map(|line| format!("{line}\r\n")).collect();
    std::fs::write(over.join("share/deskphone/dealer.cfg"), format!("{FIRST_LINE}\r\n\r\n{lines}\r\n")).unwrap();
}

/// A root that systemd fills; not the first boot of anything, so that no preset of the host starts its servers.
fn empty_root(root: &Path) {
    for folder in ["usr", "etc", "var", "run", "tmp", "proc", "sys", "dev"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).unwrap();
    }
    std::fs::write(root.join("etc/machine-id"), "7f3d2c1b0a994e88b7a6c5d4e3f20110\n").unwrap();
    for file in ["passwd", "group", "ld.so.cache", "nsswitch.conf", "os-release"] {
        std::fs::copy(Path::new("/etc").join(file), root.join("etc").join(file)).unwrap();
    }
}

fn preset() -> Vec<String> {
    let address = format!("SIM_ADDRESS=\"{PHONE}\"");
    let further = [address.as_str(), "SIM_MAC=\"0080F0ABCDEF\"", "SIP_SVCDOMAIN_1=\"deskphone.lab\""];
    Setup::at_the_registrar(&further).preset.unwrap()
}

/// Its network becomes this thread's, so that the far end is in it.
fn enter_network(leader: u32) {
    use std::os::fd::AsFd;
    let network = std::fs::File::open(format!("/proc/{leader}/ns/net")).unwrap();
    let kind = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(network.as_fd(), Some(kind)).unwrap();
}

#[tokio::test]
async fn a_call_outlives_sip_agent_through_the_fd_store_of_systemd() {
    if !may_make_namespaces() {
        return;
    }
    let machine = Machine::boot(&preset()).await;
    for address in [PHONE, REGISTRAR] {
        let address = format!("{address}/32");
        machine.does(&["ip", "addr", "add", &address, "dev", "lo"]);
    }
    enter_network(machine.leader);
    let exchange = FarExchange::start();
    machine.does(&["systemctl", "start", "deskphone.target"]);
    for service in SERVICES {
        assert_eq!(machine.property(service, "ActiveState"), "active", "{service}\n{}", machine.journal());
        let user = machine.does(&["stat", "-c", "%U", &format!("/proc/{}", machine.property(service, "MainPID"))]);
        assert!(user.starts_with("deskphone-"), "{service} runs as {user}");
    }

    exchange.until(|view| !view.bindings.is_empty()).await.unwrap();
    until("a call with sound", || {
        if machine.call().is_none() {
            machine.phonectl(&["call", "100"]);
        }
        machine.call().filter(|call| call["State"] == "talking" && call["Media"] == "flowing")
    })
    .await;
    let call = machine.call().unwrap();
    assert_ne!(machine.property("sip-agent", "NFileDescriptorStore"), "0");

    let before = machine.property("sip-agent", "MainPID");
    machine.does(&["systemctl", "kill", "--signal=KILL", "--kill-who=main", "deskphone-sip-agent.service"]);
    until("sip-agent back", || {
        let now = machine.property("sip-agent", "MainPID");
        (now != before && now != "0" && machine.property("sip-agent", "ActiveState") == "active").then_some(())
    })
    .await;
    let same = until("the same call", || machine.call()).await;
    assert_eq!((&same["Identity"], &same["State"]), (&call["Identity"], &call["State"]), "{}", machine.journal());

    machine.phonectl(&["hangup"]);
    let ended =
        exchange.until(|view| view.calls.last().is_some_and(|call| matches!(call.progress, Progress::Ended(_)))).await.unwrap();
    assert_eq!(ended.calls.last().unwrap().missing, 0, "the far end misses RTP packets");
    assert_eq!(machine.property("sip-agent", "NRestarts"), "1");
}
