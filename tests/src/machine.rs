//! The phone under real systemd in a container: the host's /usr with the phone laid over it as an image would have it, and an empty
//! rest. Ends with its value.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lldpd::plain_lldpcli;
use crate::namespace::{LINK, Namespace};
use crate::phone::FIRST_LINE;
use crate::{LIMIT, programs};

/// The services of the phone.
pub const SERVICES: [&str; 5] = ["provisioning-agent", "hal-agent", "media-engine", "sip-agent", "web-ui"];

/// A booted container.
pub struct Machine {
    nspawn: Child,
    leader: u32,
    _folder: tempfile::TempDir,
}

impl Machine {
    /// With this dealer preset, and these files (path and text) in its /etc.
    pub async fn boot(preset: &[String], etc: &[(&str, &str)]) -> Machine {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        lay_over_usr(&folder.path().join("over"), preset);
        empty_root(&root);
        for (path, text) in etc {
            write(&root.join("etc").join(path), text);
        }
        // The mount is seen by the container alone and goes with it.
        let script = "mount -t overlay overlay -o lowerdir=over:/usr root/usr && exec systemd-nspawn -D root --quiet --boot \
                      --register=no --keep-unit --private-network systemd.firstboot=off";
        let log = std::fs::File::create(folder.path().join("boot.log")).expect("its log");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("its log")).stderr(log);
        let nspawn = command.spawn().expect("unshare");
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

    /// Makes its network that of this thread, so that the far end is in it.
    pub fn enter_network(&self) {
        use std::os::fd::AsFd;
        let network = std::fs::File::open(format!("/proc/{}/ns/net", self.leader)).expect("its network");
        let kind = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(network.as_fd(), Some(kind)).expect("entering its network");
    }

    /// Takes the near end of the namespace's link, without its addresses.
    pub fn take_link(&self, namespace: &Namespace) {
        let leader = self.leader.to_string();
        let taken = Command::new("ip").args(["-n", namespace.name(), "link", "set", LINK, "netns", &leader]).status();
        assert!(taken.expect("ip").success(), "the link cannot be moved");
    }

    /// A command in it.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new("nsenter");
        // Its root too: namespaces alone leave that open where the test itself runs in another root.
        command.args(["-t", &self.leader.to_string(), "-a", "-r", "-w", "--"]).args(words).stdin(Stdio::null());
        command.output().expect("nsenter")
    }

    /// A command that must succeed; what it prints.
    pub fn does(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}{}\n{}", text(&output.stdout), text(&output.stderr), self.journal());
        text(&output.stdout)
    }

    /// The newest lines of the phone's services.
    pub fn journal(&self) -> String {
        text(&self.run(&["journalctl", "--no-pager", "-n", "120", "-u", "deskphone-*"]).stdout)
    }

    /// A property of a service's unit.
    pub fn property(&self, service: &str, name: &str) -> String {
        self.does(&["systemctl", "show", "--value", "-p", name, &format!("deskphone-{service}.service")])
    }

    /// phonectl with `--json`; null where it fails.
    pub fn phonectl(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = ["/usr/libexec/deskphone/phonectl", "--json"].iter().chain(words).copied().collect();
        serde_json::from_slice(&self.run(&words).stdout).unwrap_or_default()
    }

    /// The newest call.
    pub fn call(&self) -> Option<Value> {
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
pub async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let mut tick = crate::looks(Duration::from_millis(100));
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

fn house(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// What an image puts under /usr.
fn lay_over_usr(over: &Path, preset: &[String]) {
    let programs_folder = over.join("libexec/deskphone");
    std::fs::create_dir_all(&programs_folder).expect("a folder");
    for program in SERVICES.iter().chain(&["provisioning-fetch", "phonectl"]) {
        std::fs::copy(programs::ours(program), programs_folder.join(program)).expect("a program");
    }
    std::fs::create_dir_all(over.join("sbin")).expect("a folder");
    plain_lldpcli(&over.join("sbin"));
    let folders = [
        ("systemd/units", "lib/systemd/system"),
        ("systemd/units/lldpd.service.d", "lib/systemd/system/lldpd.service.d"),
        ("systemd/sysusers.d", "lib/sysusers.d"),
        ("systemd/tmpfiles.d", "lib/tmpfiles.d"),
        ("systemd/dbus-1", "share/dbus-1/system.d"),
        ("rootfs/share", "share/deskphone"),
    ];
    for (from, to) in folders {
        std::fs::create_dir_all(over.join(to)).expect("a folder");
        for file in std::fs::read_dir(house(from)).expect(from).flatten().filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), over.join(to).join(file.file_name())).expect("a file");
        }
    }
    let lines: String = preset.iter().map(|line| format!("{line}\r\n")).collect();
    write(&over.join("share/deskphone/dealer.cfg"), &format!("{FIRST_LINE}\r\n\r\n{lines}\r\n"));
}

/// A root that systemd fills; not the first boot of anything, so that no preset of the host starts its servers.
fn empty_root(root: &Path) {
    for folder in ["usr", "etc", "var", "run", "tmp", "proc", "sys", "dev"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).expect("a link");
    }
    write(&root.join("etc/machine-id"), "7f3d2c1b0a994e88b7a6c5d4e3f20110\n");
    for file in ["passwd", "group", "ld.so.cache", "nsswitch.conf", "os-release"] {
        std::fs::copy(Path::new("/etc").join(file), root.join("etc").join(file)).expect(file);
    }
}
