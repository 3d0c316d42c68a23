//! A private bus, the agent as a process under a small supervisor, a board on the bus, and a web server. Everything lives in one
//! temporary folder and ends with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, dead_code)] // a test may stop

pub mod child;
pub mod servers;

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use phone_proto::settings::settings_client::SettingsClient;
use phone_proto::settings::{ApplyReply, ApplyRequest, Origin, SnapshotReply, SnapshotRequest, Value};
use testbed::open_bus::OpenBus;
use tonic::transport::Channel;

/// Ends its process with itself.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct House {
    pub folder: tempfile::TempDir,
    bus: OpenBus,
    /// `DESKPHONE_USERS` of the agent.
    pub users: String,
}

/// All services under this user.
pub fn everybody() -> String {
    let uid = rustix::process::getuid().as_raw();
    ["sip-agent", "media-engine", "hal-agent", "web-ui"].map(|service| format!("{service}={uid}")).join(",")
}

impl House {
    pub fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("run/provisioning-agent")).unwrap();
        House { folder, bus: OpenBus::start().unwrap(), users: everybody() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a preset; `lines` in the form NAME="value". The factory default of CFG_STANDARD_FILE_PATH names a host of the
    /// phone's maker, which no test may look up: a preset that does not name the parameter empties it. Nothing waits for its part
    /// of a fleet's spread either.
    pub fn preset(&self, name: &str, lines: &[&str]) -> PathBuf {
        let own = ["CFG_STANDARD_FILE_PATH=\"\"", "PROVISION_START_SPREAD=\"0\""];
        // The first value of a file counts (B87).
        self.write(name, &configuration(&[lines, &own].concat()))
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn start(&self, presets: &[&Path]) -> Agent {
        let own = self.preset("own.cfg", &[]);
        let presets = &[presets, &[own.as_path()]].concat();
        self.start_program(Path::new(env!("CARGO_BIN_EXE_provisioning-agent")), presets)
    }

    /// Starts the agent and returns once it is READY.
    pub fn start_program(&self, program: &Path, presets: &[&Path]) -> Agent {
        let notify = self.path("notify");
        let _ = std::fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).unwrap();
        let mut process = Process(self.command(program, presets, &notify).spawn().unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut buffer = [0; 1000];
        loop {
            let count = socket.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("the agent is not ready: {error}, {:?}", process.0.try_wait());
            });
            if buffer[..count].starts_with(b"READY=1") {
                return Agent { process, socket: self.path("run/provisioning-agent/settings.sock") };
            }
        }
    }

    /// Starts the agent and kills it after this time, ready or not.
    pub fn start_and_kill(&self, presets: &[&Path], after: Duration) {
        let own = self.preset("own.cfg", &[]);
        let presets = &[presets, &[own.as_path()]].concat();
        let program = Path::new(env!("CARGO_BIN_EXE_provisioning-agent"));
        let mut child = self.command(program, presets, &self.path("nobody-listens")).stderr(Stdio::null()).spawn().unwrap();
        let (_alive, never) = std::sync::mpsc::channel::<()>();
        assert_eq!(never.recv_timeout(after), Err(std::sync::mpsc::RecvTimeoutError::Timeout));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn command(&self, program: &Path, presets: &[&Path], notify: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("DESKPHONE_BUS", self.bus.address()).env("DESKPHONE_RUN", self.path("run"));
        command.env("STATE_DIRECTORY", self.path("state")).env("NOTIFY_SOCKET", notify);
        command.env("DESKPHONE_USERS", &self.users).env("DESKPHONE_LOG", "warn");
        for preset in presets {
            command.arg("--preset").arg(preset);
        }
        command
    }

    pub async fn connect(&self) -> zbus::Connection {
        self.bus.connect().await.unwrap()
    }
}

/// A plain configuration file as the guide wants it.
pub fn configuration(lines: &[&str]) -> String {
    let mut text = String::from("# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!\r\n\r\n");
    lines.iter().for_each(|line| text.push_str(&format!("{line}\r\n")));
    text.push_str("\r\n");
    text
}

pub struct Agent {
    pub process: Process,
    pub socket: PathBuf,
}

impl Agent {
    /// SIGKILL.
    pub fn kill(mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
    }

    pub fn client(&self) -> SettingsClient<Channel> {
        SettingsClient::new(service_kit::grpc::channel_at(self.socket.clone()))
    }

    pub async fn snapshot(&self, service: &str) -> Result<SnapshotReply, tonic::Status> {
        let request = SnapshotRequest { service: service.to_owned() };
        self.client().snapshot(request).await.map(tonic::Response::into_inner)
    }

    pub async fn value(&self, service: &str, name: &str) -> Option<String> {
        let values = self.snapshot(service).await.unwrap().values;
        values.into_iter().find(|value| value.name == name).map(|value| value.value)
    }
}

/// A save in the web interface.
pub fn save(changes: &[(&str, &str)], expected_revision: u64) -> ApplyRequest {
    let changes = changes.iter().map(|(name, value)| Value { name: (*name).to_owned(), value: (*value).to_owned() });
    ApplyRequest {
        service: "web-ui".into(),
        changes: changes.collect(),
        expected_revision,
        origin: Origin::Web.into(),
        account: "web admin".into(),
        correlation: "test-1".into(),
    }
}

pub async fn apply(client: &mut SettingsClient<Channel>, request: ApplyRequest) -> Result<ApplyReply, tonic::Status> {
    client.apply(request).await.map(tonic::Response::into_inner)
}

/// A board as hal-agent would show it.
pub struct Board {
    pub mac: String,
    pub address: String,
    pub clock_set: bool,
}

#[zbus::interface(name = "org.deskphone.Hal1")]
impl Board {
    #[zbus(property)]
    fn mac_address(&self) -> String {
        self.mac.clone()
    }
    #[zbus(property)]
    fn model(&self) -> &str {
        "KX-UT670"
    }
    #[zbus(property)]
    fn firmware_version(&self) -> &str {
        "01.070"
    }
    #[zbus(property)]
    fn address(&self) -> String {
        self.address.clone()
    }
    #[zbus(property)]
    fn clock_set(&self) -> bool {
        self.clock_set
    }
}

/// Puts a board on the bus; it is gone with the connection.
pub async fn board(house: &House, mac: &str) -> zbus::Connection {
    board_with_clock(house, mac, true).await
}

/// The same; whether its clock is right.
pub async fn board_with_clock(house: &House, mac: &str, clock_set: bool) -> zbus::Connection {
    let connection = house.connect().await;
    let board = Board { mac: mac.to_owned(), address: String::new(), clock_set };
    connection.object_server().at(phone_proto::dbus::HAL_PATH, board).await.unwrap();
    connection.request_name(phone_proto::dbus::HAL_NAME).await.unwrap();
    connection
}

/// nginx on a free port of 127.0.0.1, serving a folder.
pub struct WebServer {
    process: Process,
    pub port: u16,
    pub root: PathBuf,
    log: PathBuf,
}

impl WebServer {
    /// `extra` goes into the server block.
    pub fn start(house: &House, extra: &str) -> WebServer {
        WebServer::start_in(&house.path("web"), extra)
    }

    /// With its files in `folder`.
    pub fn start_in(folder: &Path, extra: &str) -> WebServer {
        let root = folder.join("root");
        std::fs::create_dir_all(&root).unwrap();
        let port = testbed::ports::free_at([127, 0, 0, 1].into()).unwrap();
        let log = folder.join("access.log");
        let configuration = folder.join("nginx.conf");
        std::fs::write(&configuration, nginx_configuration(folder, port, extra)).unwrap();
        let mut process = Command::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&configuration)
            .arg("-p")
            .arg(folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        // With `error_log stderr notice` it says so once it listens.
        let started = lines.by_ref().map_while(Result::ok).any(|line| line.contains("start worker process "));
        assert!(started, "nginx does not start");
        std::thread::spawn(move || lines.for_each(drop));
        WebServer { process: Process(process), port, root, log }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn serve(&self, name: &str, content: &(impl AsRef<[u8]> + ?Sized)) {
        std::fs::write(self.root.join(name), content).unwrap();
    }

    /// Request lines with user agents, in order.
    pub fn requests(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Killed outright it would leave its worker behind.
        let pid = rustix::process::Pid::from_child(&self.process.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.0.wait();
    }
}

fn nginx_configuration(folder: &Path, port: u16, extra: &str) -> String {
    let folder = folder.display();
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {folder}/{kind};")).join(" ");
    format!(
        "daemon off; master_process on; worker_processes 1; pid {folder}/pid; error_log stderr notice; user root;\n\
         events {{}}\nhttp {{ {temporary}\nlog_format plain '$request|$http_user_agent|$remote_user';\n\
         access_log {folder}/access.log plain;\nserver {{ listen 127.0.0.1:{port}{}; root {folder}/root; {extra} }} }}\n",
        if extra.contains("ssl_certificate") { " ssl" } else { "" }
    )
}

/// sip-agent as it shows itself to provisioning-agent.
pub struct Phone {
    pub calls_up: u32,
    pub resync_requests: u64,
    read: std::sync::Arc<tokio::sync::Notify>,
}

#[zbus::interface(name = "org.deskphone.Sip1.Phone")]
impl Phone {
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        7
    }
    #[zbus(property)]
    fn calls_up(&self) -> u32 {
        self.calls_up
    }
    #[zbus(property)]
    fn resync_requests(&self) -> u64 {
        self.read.notify_one();
        self.resync_requests
    }
}

/// Puts it on the bus; it is gone with the connection.
pub async fn phone(house: &House, calls_up: u32) -> zbus::Connection {
    let connection = house.connect().await;
    let path = phone_proto::dbus::SIP_PATH;
    connection.object_server().at(path, Phone { calls_up, resync_requests: 0, read: Default::default() }).await.unwrap();
    connection.request_name(phone_proto::dbus::SIP_NAME).await.unwrap();
    connection
}

/// Changes what it shows.
pub async fn phone_shows(connection: &zbus::Connection, change: impl FnOnce(&mut Phone)) {
    let object = connection.object_server().interface::<_, Phone>(phone_proto::dbus::SIP_PATH).await.unwrap();
    let mut phone = object.get_mut().await;
    change(&mut phone);
    phone.calls_up_changed(object.signal_emitter()).await.unwrap();
    phone.resync_requests_changed(object.signal_emitter()).await.unwrap();
}

/// Waits until somebody has read it.
pub async fn phone_was_read(connection: &zbus::Connection) {
    let object = connection.object_server().interface::<_, Phone>(phone_proto::dbus::SIP_PATH).await.unwrap();
    let read = object.get().await.read.clone();
    read.notified().await;
}

/// Every change of what provisioning-agent shows of provisioning.
pub async fn provisioning_changes(connection: &zbus::Connection) -> zbus::MessageStream {
    let rule = zbus::MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .path(phone_proto::dbus::PROVISIONING_PATH)
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .build()
        .unwrap();
    zbus::MessageStream::for_match_rule(rule, connection, None).await.unwrap()
}
