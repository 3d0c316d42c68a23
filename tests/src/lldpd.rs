//! lldpd on one side of the link, and what it knows of the other side.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::LIMIT;
use crate::namespace::{LINK, Namespace};

/// Who is at the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// System name.
    pub name: String,
    /// Seconds for which its frames are good.
    pub ttl: u32,
    /// Device type of LLDP-MED.
    pub kind: String,
    /// Model in LLDP-MED's inventory.
    pub model: String,
}

/// One lldpd, running or not; its socket's path stays.
pub struct Lldpd {
    /// The network namespace.
    network: String,
    link: &'static str,
    config: PathBuf,
    child: Option<Child>,
    folder: tempfile::TempDir,
}

impl Lldpd {
    /// The phone's, with the configuration that it has on a device; it does not run yet.
    pub fn of_the_phone(namespace: &Namespace) -> Lldpd {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs/share/lldpd.conf");
        Lldpd::new(namespace.name(), LINK, config)
    }

    /// A switch named `switch`, which sends a frame each second that is good for four; it runs.
    pub fn of_the_switch(namespace: &Namespace) -> Lldpd {
        let mut switch = Lldpd::new(namespace.beyond_the_link("10.77.0.9"), "v1", PathBuf::new());
        switch.config = switch.folder.path().join("lldpd.conf");
        let lines = "configure system hostname switch\nconfigure lldp tx-interval 1\n";
        std::fs::write(&switch.config, lines).expect("its configuration");
        switch.begin();
        switch
    }

    fn new(network: &str, link: &'static str, config: PathBuf) -> Lldpd {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its rights");
        Lldpd { network: network.to_owned(), link, config, child: None, folder }
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("lldpd.socket")
    }

    /// PATH for a program that shall use lldpcli with its own rights: Debian's is setuid, and for group adm alone; an image's is not.
    pub fn path(&self) -> String {
        let folder = self.folder.path().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder");
        plain_lldpcli(&folder);
        format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
    }

    /// Starts it, with the arguments of a device's unit.
    pub fn begin(&mut self) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.network, "setpriv", "--pdeathsig", "TERM", "--", "lldpd", "-d", "-M", "3"]);
        command.arg("-u").arg(self.socket()).arg("-O").arg(&self.config).args(["-I", self.link]);
        let log = std::fs::File::create(self.folder.path().join("log")).expect("its log");
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().expect("its log")).stderr(log).spawn();
        self.child = Some(child.expect("lldpd, of the package lldpd"));
    }

    /// Ends it as systemd does: it says goodbye on the link.
    pub fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
            // It may have ended already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = child.wait();
    }

    /// Who it knows.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let output =
            Command::new("lldpcli").arg("-u").arg(self.socket()).args(["-f", "json0", "show", "neighbors", "details"]).output();
        let json: Value = serde_json::from_slice(&output.expect("lldpcli").stdout).unwrap_or_default();
        json["lldp"][0]["interface"].as_array().into_iter().flatten().map(neighbour).collect()
    }

    /// Waits until its port has this administrative status.
    pub async fn is_in_status(&self, status: &str) {
        let shown = || Command::new("lldpcli").arg("-u").arg(self.socket()).args(["show", "interfaces"]).output().expect("lldpcli");
        let line = format!("Administrative status: {status}");
        self.until(&line, || String::from_utf8_lossy(&shown().stdout).contains(&line)).await;
    }

    /// Looks again and again until it knows what it should: lldpcli's watch misses what is there already.
    pub async fn knows(&self, what: &str, fits: impl Fn(&[Neighbour]) -> bool) {
        self.until(what, || fits(&self.neighbours())).await;
    }

    async fn until(&self, what: &str, fits: impl Fn() -> bool) {
        let mut tick = crate::looks(Duration::from_millis(100));
        let wait = async {
            while !fits() {
                tick.tick().await;
            }
        };
        if tokio::time::timeout(LIMIT, wait).await.is_err() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let asked =
                |words: &[&str]| Command::new("lldpcli").arg("-u").arg(self.socket()).args(words).output().expect("lldpcli").stdout;
            let (set, ports) = (asked(&["show", "configuration"]), asked(&["show", "interfaces", "details"]));
            let (set, ports) = (String::from_utf8_lossy(&set), String::from_utf8_lossy(&ports));
            panic!("on {} not {what}, but {:?}\n{log}\n{set}\n{ports}", self.link, self.neighbours());
        }
    }
}

impl Drop for Lldpd {
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts lldpcli there as an image has it: for everybody, without rights of its own.
pub fn plain_lldpcli(folder: &Path) {
    let copy = folder.join("lldpcli");
    std::fs::copy("/usr/sbin/lldpcli", &copy).expect("lldpcli, of the package lldpd");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("its rights");
}

fn neighbour(of: &Value) -> Neighbour {
    let text = |of: &Value| of[0]["value"].as_str().unwrap_or_default().to_owned();
    Neighbour {
        name: text(&of["chassis"][0]["name"]),
        ttl: text(&of["port"][0]["ttl"]).parse().unwrap_or_default(),
        kind: text(&of["lldp-med"][0]["device-type"]),
        model: text(&of["lldp-med"][0]["inventory"][0]["model"]),
    }
}
