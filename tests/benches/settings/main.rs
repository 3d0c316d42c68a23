//! What a saved setting costs: from the call until it is flushed, over gRPC as the web page does it; and the memory of
//! provisioning-agent at rest, after many saves, and at its peak: a save of every row at once and a provisioning run at the size
//! limit; and what a run of three files costs until it is in effect. Prints a table; asserts nothing about time.

mod three_files;

use std::collections::HashMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use house_tests::namespace::Namespace;
use house_tests::web_server::WebServer;
use house_tests::{LIMIT, programs};
use phone_proto::dbus::{HAL_NAME, HAL_PATH, ProvisioningProxy, SettingsProxy};
use phone_proto::settings::settings_client::SettingsClient;
use phone_proto::settings::{ApplyRequest, Origin, Value};
use settings::catalogue;
use testbed::open_bus::OpenBus;
use tonic::transport::Channel;

/// Saves that are timed.
const SAVES: usize = 1_000;
/// The limit of all files of a run, in bytes (B67), with room for the last line.
const FILE: usize = 119 * 1024;

/// A board as hal-agent would show it.
struct Board;

#[zbus::interface(name = "org.deskphone.Hal1")]
impl Board {
    #[zbus(property)]
    fn mac_address(&self) -> &str {
        "0080F0ABCDEF"
    }
    #[zbus(property)]
    fn model(&self) -> &str {
        "KX-UT670"
    }
    #[zbus(property)]
    fn firmware_version(&self) -> &str {
        "01.070"
    }
}

/// The agent; it ends with this.
struct Agent {
    process: Child,
    folder: tempfile::TempDir,
}

impl Agent {
    /// Returns once it is READY.
    fn start(bus: &OpenBus, preset: &str) -> Agent {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("run/provisioning-agent")).expect("its run folder");
        std::fs::write(path("dealer.cfg"), preset).expect("its preset");
        let ready = UnixDatagram::bind(path("notify")).expect("a socket");
        ready.set_read_timeout(Some(LIMIT)).expect("its limit");
        let process = command(folder.path(), bus).spawn().expect("provisioning-agent");
        let mut word = [0; 100];
        while !ready.recv(&mut word).is_ok_and(|count| word.get(..count).is_some_and(|word| word.starts_with(b"READY=1"))) {}
        Agent { process, folder }
    }

    fn client(&self) -> SettingsClient<Channel> {
        let socket = self.folder.path().join("run/provisioning-agent/settings.sock");
        SettingsClient::new(service_kit::grpc::channel_at(socket))
    }

    /// Of its status in /proc, in KiB.
    fn memory(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In the namespace that this thread has entered.
fn command(folder: &Path, bus: &OpenBus) -> Command {
    let uid = rustix::process::getuid().as_raw();
    let users: Vec<String> =
        ["sip-agent", "media-engine", "hal-agent", "web-ui"].iter().map(|service| format!("{service}={uid}")).collect();
    let mut command = Command::new(programs::ours("provisioning-agent"));
    command.arg("--preset").arg(folder.join("dealer.cfg")).env("PATH", "").env("DESKPHONE_LOG", "error");
    command.env("DESKPHONE_BUS", bus.address()).env("DESKPHONE_RUN", folder.join("run"));
    command.env("STATE_DIRECTORY", folder.join("state")).env("NOTIFY_SOCKET", folder.join("notify"));
    command.env("DESKPHONE_USERS", users.join(","));
    command
}

const FIRST_LINE: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!\r\n\r\n";

/// Every row that a file may set but those of provisioning, with its factory default where that is legal, and comments up to the limit.
fn full_file() -> String {
    let mut text = FIRST_LINE.to_owned();
    for parameter in catalogue::parameters().filter(|parameter| parameter.row.set_by.file) {
        if !parameter.name.starts_with("CFG_") && settings::value::check(&parameter, parameter.default()).is_ok() {
            text.push_str(&format!("{}=\"{}\"\r\n", parameter.name, parameter.default()));
        }
    }
    while text.len() < FILE {
        text.push_str("# what the administrator wanted to remember about the line above\r\n");
    }
    text + "\r\n"
}

async fn save(client: &mut SettingsClient<Channel>, number: usize) -> Duration {
    let value = Value { name: "DISPLAY_NAME_1".to_owned(), value: format!("save {number}") };
    let request = ApplyRequest {
        service: "web-ui".to_owned(),
        changes: vec![value],
        expected_revision: 0,
        origin: Origin::Web.into(),
        account: "web admin".to_owned(),
        correlation: String::new(),
    };
    let begin = Instant::now();
    let reply = client.apply(request).await.expect("an answer").into_inner();
    assert!(reply.refused.is_empty(), "the value is legal");
    begin.elapsed()
}

/// Every row but those of provisioning: what the catalogue says there, once it is somebody's word, is a server that is asked.
async fn every_row(proxy: &SettingsProxy<'_>) -> usize {
    let legal = |parameter: &catalogue::Parameter| {
        !parameter.name.starts_with("CFG_") && settings::value::check(parameter, parameter.default()).is_ok()
    };
    let changes: HashMap<&str, &str> =
        catalogue::parameters().filter(legal).map(|parameter| (parameter.name, parameter.default())).collect();
    let count = changes.len();
    proxy.set(changes, 0, HashMap::new()).await.expect("a save of everything");
    count
}

async fn measure(namespace: &Namespace) {
    let bus = OpenBus::start().expect("a bus");
    let server = WebServer::start(namespace);
    server.put("full.cfg", full_file());
    let preset = format!("{FIRST_LINE}CFG_STANDARD_FILE_PATH=\"\"\r\nCFG_MASTER_FILE_PATH=\"{}\"\r\n\r\n", server.url("full.cfg"));
    let agent = Agent::start(&bus, &preset);
    let connection = bus.connect().await.expect("the bus");
    let proxy = SettingsProxy::new(&connection).await.expect("Settings1");
    let idle = (agent.memory("VmRSS:"), agent.memory("Threads:"));
    let mut client = agent.client();
    let mut taken = Vec::with_capacity(SAVES);
    for number in 0..SAVES {
        taken.push(save(&mut client, number).await);
    }
    taken.sort();
    let at = |share: usize| taken.get((taken.len() - 1) * share / 100).map_or(0.0, |taken| taken.as_secs_f64() * 1e3);
    let after_saves = agent.memory("VmRSS:");
    let begin = Instant::now();
    let rows = every_row(&proxy).await;
    let (all_at_once, after_all) = (begin.elapsed(), agent.memory("VmHWM:"));
    let (run, peak) = provision(&connection, &agent).await;
    println!("| settings | |\n|---|---|");
    println!(
        "| one save, from the call until it is flushed: p50 / p99 / longest of {SAVES} | {:.1} / {:.1} / {:.1} ms |",
        at(50),
        at(99),
        at(100)
    );
    println!("| {rows} values in one save | {:.0} ms |", all_at_once.as_secs_f64() * 1e3);
    println!("| a provisioning run of one file of {} KB, fetched from nginx | {:.0} ms |", FILE / 1024, run.as_secs_f64() * 1e3);
    println!("| provisioning-agent at rest | {} KiB resident, {} threads |", idle.0, idle.1);
    println!("| after {SAVES} saves | {after_saves} KiB resident |");
    println!("| peak: a save of everything / a run at the limit | {after_all} / {peak} KiB |");
}

/// From the moment that the unit knows itself until the run at start-up has ended.
async fn provision(connection: &zbus::Connection, agent: &Agent) -> (Duration, u64) {
    let provisioning = ProvisioningProxy::new(connection).await.expect("Provisioning1");
    let mut finished = provisioning.receive_run_finished().await.expect("its signal");
    let begin = Instant::now();
    connection.object_server().at(HAL_PATH, Board).await.expect("a board");
    connection.request_name(HAL_NAME).await.expect("its name");
    let signal = tokio::time::timeout(LIMIT, finished.next()).await.expect("in time").expect("the run ends");
    assert_eq!(signal.args().expect("its arguments").outcome, "done", "{:?}", provisioning.diagnoses().await);
    (begin.elapsed(), agent.memory("VmHWM:"))
}

fn main() {
    if !house_tests::may_make_namespaces() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let namespace = Namespace::new();
        namespace.enter();
        measure(&namespace).await;
        three_files::measure().await;
    });
}
