//! The whole phone under phonelab, as a person and a script see it: the READY line, the bus, phonectl, what the earpiece plays.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use testbed::tones::Recording;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use crate::namespace::{Namespace, PHONE, REGISTRAR};
use crate::registrar::{DOMAIN, PHONE_ACCOUNT};
use crate::{LIMIT, programs};

/// The first line of every configuration file.
pub const FIRST_LINE: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!";

/// How the phone is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The dealer preset, as `NAME="VALUE"` lines; none: the lab's own preset.
    pub preset: Option<Vec<String>>,
    /// The tone that the microphone hears, in hertz; none: silence.
    pub tone: Option<f64>,
    /// A sound card in place of the simulated handset; then there is no tone and no recording.
    pub sound_card: bool,
    /// For all its processes.
    pub environment: Vec<(String, String)>,
    /// Its address.
    pub address: String,
    /// With the lab exchange.
    pub exchange: bool,
    /// Further options of `phonelab up`.
    pub options: Vec<String>,
}

impl Setup {
    /// Line 1 at the registrar; the microphone hears a tone of 440 Hz. Further lines of the preset win over these.
    pub fn at_the_registrar(further: &[&str]) -> Setup {
        let (user, password) = PHONE_ACCOUNT;
        let own = [
            "CFG_STANDARD_FILE_PATH=\"\"".to_owned(),
            "PROVISION_START_SPREAD=\"0\"".to_owned(),
            "EMBEDDED_WEB_ENABLE=\"Y\"".to_owned(),
            "HTTPD_PORTOPEN_AUTO=\"Y\"".to_owned(),
            format!("PHONE_NUMBER_1=\"{user}\""),
            "DISPLAY_NAME_1=\"Desk\"".to_owned(),
            format!("SIP_RGSTR_ADDR_1=\"{REGISTRAR}\""),
            format!("SIP_PRXY_ADDR_1=\"{REGISTRAR}\""),
            format!("SIP_SVCDOMAIN_1=\"{DOMAIN}\""),
            format!("SIP_AUTHID_1=\"{user}\""),
            format!("SIP_PASS_1=\"{password}\""),
        ];
        let named = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
        let replaced = |line: &String| further.iter().any(|other| named(other) == named(line));
        let kept = own.into_iter().filter(|line| !replaced(line));
        let preset = Some(kept.chain(further.iter().map(|line| (*line).to_owned())).collect());
        Setup { preset, address: PHONE.to_owned(), exchange: false, ..Setup::with_the_exchange() }
    }

    /// The lab's own preset, with the lab exchange.
    pub fn with_the_exchange() -> Setup {
        Setup {
            preset: None,
            tone: Some(440.0),
            sound_card: false,
            environment: Vec::new(),
            address: "127.0.0.1".to_owned(),
            exchange: true,
            options: Vec::new(),
        }
    }
}

/// One call, as the bus shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The object path.
    pub path: String,
    /// dialing, ringback, incoming, talking, ended
    pub state: String,
    /// none, local, remote, both
    pub hold: String,
    /// Who is at the other end.
    pub number: String,
    /// The codec.
    pub codec: String,
    /// none, starting, flowing, silent, failed
    pub media: String,
    /// SIP status of the end.
    pub end_code: u64,
    /// Why it ended.
    pub end_reason: String,
    /// Who ended it.
    pub ended_by: String,
}

/// Objects by path, each with its interfaces' properties as JSON.
pub type Objects = HashMap<String, HashMap<String, Value>>;

/// A running phone.
pub struct Phone {
    child: Child,
    folder: tempfile::TempDir,
    address: String,
    /// What phonelab printed behind READY.
    pub ready: Value,
    /// A connection to the phone's bus.
    pub bus: Connection,
}

impl Phone {
    /// Starts it in the namespace and waits for READY.
    pub async fn start(namespace: &Namespace, setup: &Setup) -> Phone {
        Phone::start_in(namespace, setup, tempfile::tempdir().expect("a folder")).await
    }

    /// The same, on the state that an earlier one left.
    pub async fn start_again(namespace: &Namespace, setup: &Setup, folder: tempfile::TempDir) -> Phone {
        Phone::start_in(namespace, setup, folder).await
    }

    async fn start_in(namespace: &Namespace, setup: &Setup, folder: tempfile::TempDir) -> Phone {
        let mut command = namespace.command(programs::ours("phonelab"));
        command.arg("up").args(arguments(folder.path(), setup)).stdout(Stdio::piped());
        command.envs(setup.environment.iter().map(|(name, value)| (name, value)));
        command.stderr(std::fs::File::create(folder.path().join("phonelab.log")).expect("its log"));
        let mut child = command.spawn().expect("phonelab");
        let output = child.stdout.take().expect("its output");
        let line = tokio::task::spawn_blocking(move || first_line(output));
        let line = tokio::time::timeout(LIMIT * 2, line).await.ok().and_then(Result::ok).unwrap_or_default();
        let Some(json) = line.strip_prefix("READY ") else {
            let _ = child.kill();
            panic!("no READY line but {line:?}:\n{}", logs(folder.path()));
        };
        let ready: Value = serde_json::from_str(json).expect("READY with JSON");
        let bus = zbus::connection::Builder::address(text(&ready["bus"]).as_str()).build().await.expect("the phone's bus");
        Phone { child, folder, address: setup.address.clone(), ready, bus }
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The pid of a service, now.
    pub fn pid(&self, service: &str) -> i32 {
        let output = Command::new(programs::ours("phonelab")).arg("status").args(state(self.folder.path())).output();
        let output = output.expect("phonelab status").stdout;
        let line = String::from_utf8_lossy(&output).into_owned();
        let status: Value = serde_json::from_str(line.trim_start_matches("READY ")).expect("the status");
        status["services"][service].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default()
    }

    /// phonectl, as root.
    pub fn phonectl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(programs::ours("phonectl"));
        command.args(arguments).env("DESKPHONE_BUS", text(&self.ready["bus"])).stdin(Stdio::null());
        command.output().expect("phonectl")
    }

    /// phonectl with `--json`, which must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.phonectl(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// phonectl, which must succeed.
    pub fn run(&self, arguments: &[&str]) {
        self.json(arguments);
    }

    /// Starts phonectl and does not wait for it: what it asks for may be cut off.
    pub fn begin(&self, arguments: &[&str]) {
        let mut command = Command::new(programs::ours("phonectl"));
        command.args(arguments).env("DESKPHONE_BUS", text(&self.ready["bus"]));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("phonectl");
        std::thread::spawn(move || child.wait());
    }

    /// Where the services' sockets are.
    pub fn run_folder(&self) -> PathBuf {
        let bus = text(&self.ready["bus"]);
        Path::new(bus.trim_start_matches("unix:path=")).parent().expect("a folder").to_owned()
    }

    /// `settings explain`: value, layer, and the source and line that it has there.
    pub fn explain(&self, name: &str) -> (String, String, String, u64) {
        let whole = self.json(&["settings", "explain", name]);
        let layer = text(&whole["layer"]);
        let of = whole["layers"].as_array().and_then(|layers| layers.iter().find(|one| one["layer"] == layer.as_str())).cloned();
        let of = of.unwrap_or_default();
        (text(&whole["effective"]), layer, text(&of["source"]), of["line"].as_u64().unwrap_or_default())
    }

    /// Everything that sip-agent shows; empty while it is not there.
    pub async fn objects(&self) -> Objects {
        type Managed = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let manager = Some("org.freedesktop.DBus.ObjectManager");
        let reply =
            self.bus.call_method(Some("org.deskphone.Sip1"), "/org/deskphone/Sip1", manager, "GetManagedObjects", &()).await;
        let Ok(reply) = reply else { return Objects::new() };
        let managed: Managed = reply.body().deserialize().expect("managed objects");
        let interfaces = |of: HashMap<String, HashMap<String, OwnedVariant>>| {
            of.into_iter().map(|(interface, values)| (interface, properties(values))).collect()
        };
        managed.into_iter().map(|(path, of)| (path.to_string(), interfaces(of))).collect()
    }

    /// The calls, oldest first.
    pub async fn calls(&self) -> Vec<Call> {
        let objects = self.objects().await;
        let mut calls: Vec<_> = objects.iter().filter_map(|(path, of)| call(path, of.get("org.deskphone.Sip1.Call")?)).collect();
        calls.sort_by(|one, other| one.path.cmp(&other.path));
        calls
    }

    /// A property of a line.
    pub async fn line(&self, number: u8, property: &str) -> Value {
        let objects = self.objects().await;
        let line = objects.get(&format!("/org/deskphone/Sip1/line/{number}"));
        line.and_then(|of| of.get("org.deskphone.Sip1.Line")).map(|line| line[property].clone()).unwrap_or_default()
    }

    /// All properties of an interface of a service's main object; null while it is not there.
    pub async fn facts(&self, name: &str, interface: &str) -> Value {
        let path = format!("/{}", name.replace('.', "/"));
        let reply = self.bus.call_method(Some(name), path, Some("org.freedesktop.DBus.Properties"), "GetAll", &interface).await;
        reply.map_or(Value::Null, |reply| properties(reply.body().deserialize().expect("properties")))
    }

    /// Looks each time something changes on the bus, until there is something to see.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn(&Phone) -> Option<T>) -> T {
        self.until_within(LIMIT, what, look).await
    }

    /// The same with a limit.
    pub async fn until_within<T>(&self, limit: Duration, what: &str, look: impl AsyncFn(&Phone) -> Option<T>) -> T {
        let mut changes = self.changes().await;
        let wait = async {
            loop {
                if let Some(found) = look(self).await {
                    return found;
                }
                assert!(changes.next().await.is_some(), "the bus has gone\n{}", logs(self.folder.path()));
            }
        };
        match tokio::time::timeout(limit, wait).await {
            Ok(found) => found,
            Err(_) => panic!("not seen: {what}\ncalls: {:#?}\n{}", self.calls().await, logs(self.folder.path())),
        }
    }

    async fn changes(&self) -> impl futures_util::Stream<Item = zbus::Result<zbus::Message>> + use<> {
        let signal = || MatchRule::builder().msg_type(Type::Signal);
        let rules = [
            signal().path_namespace("/org/deskphone").build(),
            signal().sender("org.freedesktop.DBus").member("NameOwnerChanged").arg0ns("org.deskphone").build(),
        ];
        let mut streams = Vec::new();
        for rule in rules {
            streams.push(MessageStream::for_match_rule(rule.expect("a rule"), &self.bus, None).await.expect("the bus"));
        }
        futures_util::stream::select_all(streams)
    }

    /// Waits until line 1 is registered.
    pub async fn registered(&self) {
        self.until("line 1 registered", async |phone| (phone.line(1, "State").await == "registered").then_some(())).await;
    }

    /// The epochs of the services that a restart of the unit gives new ones; none of one that is not there.
    pub async fn epochs(&self) -> [Option<u64>; 3] {
        let settings = self.facts("org.deskphone.Settings1", "org.deskphone.Settings1").await;
        let board = self.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await;
        let sip = self.facts("org.deskphone.Sip1", "org.deskphone.Sip1.Phone").await;
        [settings, board, sip].map(|facts| facts["Epoch"].as_u64())
    }

    /// Waits until the unit has restarted since these epochs, and all its services are there again.
    pub async fn restarted(&self, before: [Option<u64>; 3]) {
        let all_new = async |phone: &Phone| {
            let now = phone.epochs().await;
            now.iter().zip(&before).all(|(new, old)| new.is_some() && new != old).then_some(())
        };
        self.until("the restart of the unit", all_new).await;
    }

    /// Waits until the newest call fulfils a condition.
    pub async fn call_that(&self, what: &str, fits: impl Fn(&Call) -> bool) -> Call {
        self.until(what, async |phone| phone.calls().await.pop().filter(|call| fits(call))).await
    }

    /// Waits until one of the calls fulfils a condition.
    pub async fn one_call_that(&self, what: &str, fits: impl Fn(&Call) -> bool) -> Call {
        self.until(what, async |phone| phone.calls().await.into_iter().find(|call| fits(call))).await
    }

    /// The newest call in this state.
    pub async fn call_in(&self, state: &str) -> Call {
        self.call_that(state, |call| call.state == state).await
    }

    /// Where the recording of the earpiece ends now, in seconds: a mark to measure from.
    pub fn mark(&self) -> f64 {
        // By the length of the file, which is read often: 16 kHz, mono, 16 bits behind a header of 44 octets.
        let length = std::fs::metadata(self.folder.path().join("ear.wav")).map_or(0, |file| file.len());
        length.saturating_sub(44) as f64 / 32_000.0
    }

    /// Waits until the earpiece has played this much more, and returns the marks before and after.
    pub async fn hear(&self, seconds: f64) -> (f64, f64) {
        let begin = self.mark();
        let mut tick = crate::looks(Duration::from_millis(50));
        let enough = async {
            while self.mark() < begin + seconds {
                tick.tick().await;
            }
        };
        let heard = tokio::time::timeout(LIMIT, enough).await;
        heard.unwrap_or_else(|_| panic!("the earpiece plays nothing\n{}", logs(self.folder.path())));
        (begin, self.mark())
    }

    /// Listens to half a second after the other until one is as it should be. The first ones may hold what was on its way
    /// before, or gaps of a busy machine.
    pub async fn hears(&self, what: &str, fits: impl Fn(&Recording, Range<f64>) -> bool) {
        let mut strongest = Vec::new();
        for _ in 0..16 {
            let (begin, end) = self.hear(0.5).await;
            let heard = self.heard();
            if fits(&heard, begin..end) {
                return;
            }
            strongest.push(heard.frequency(begin..end));
        }
        panic!("the earpiece does not play {what}, but {strongest:?}\n{}", logs(self.folder.path()));
    }

    /// Listens until this tone is heard.
    pub async fn hears_tone(&self, hertz: &[f64]) {
        self.hears(&format!("{hertz:?}"), |heard, stretch| heard.is_tone(hertz, stretch)).await;
    }

    /// Listens until there is nothing to be heard.
    pub async fn hears_nothing(&self) {
        self.hears("silence", Recording::is_silent).await;
    }

    /// What the earpiece has played so far.
    pub fn heard(&self) -> Recording {
        Recording::read(&self.folder.path().join("ear.wav")).expect("the recording of the earpiece")
    }

    /// What the ringer has played so far.
    pub fn rung(&self) -> Recording {
        Recording::read(&self.folder.path().join("ear.wav.ringer.wav")).expect("the recording of the ringer")
    }

    /// Waits until the ringer has been heard.
    pub async fn rings_audibly(&self) {
        let mut tick = crate::looks(Duration::from_millis(50));
        let heard = async {
            while self.rung().spans(0.5).is_empty() {
                tick.tick().await;
            }
        };
        let heard = tokio::time::timeout(LIMIT, heard).await;
        heard.unwrap_or_else(|_| panic!("the ringer is silent\n{}", logs(self.folder.path())));
    }

    /// Stops it as Ctrl-C does, and gives the folder with its state.
    pub async fn stop(mut self) -> tempfile::TempDir {
        self.signal(rustix::process::Signal::INT);
        let mut child = std::mem::replace(&mut self.child, Command::new("true").spawn().expect("true"));
        let status = tokio::task::spawn_blocking(move || child.wait()).await.expect("waiting").expect("phonelab's end");
        assert!(status.success(), "phonelab ended with {status}\n{}", logs(self.folder.path()));
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }

    /// Everything that was logged.
    pub fn logs(&self) -> String {
        logs(self.folder.path())
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
        let _ = rustix::process::kill_process(pid, signal);
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn arguments(folder: &Path, setup: &Setup) -> Vec<std::ffi::OsString> {
    let mut arguments = state(folder);
    arguments.extend(["--address".into(), setup.address.clone().into()]);
    if let Some(lines) = &setup.preset {
        let path = folder.join("dealer.cfg");
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        std::fs::write(&path, format!("{FIRST_LINE}\r\n\r\n{lines}\r\n")).expect("the preset");
        arguments.extend(["--preset".into(), path.into()]);
    }
    if !setup.exchange {
        arguments.push("--no-exchange".into());
    }
    if !setup.sound_card {
        arguments.extend(handset(folder, setup.tone));
    }
    arguments.extend(setup.options.iter().map(Into::into));
    arguments
}

/// A simulated one.
fn handset(folder: &Path, tone: Option<f64>) -> [std::ffi::OsString; 4] {
    let feed = match tone {
        None => "silence".into(),
        Some(hertz) => {
            let path = folder.join("feed.wav");
            testbed::tones::write_tone(&path, 16_000, hertz, 10).expect("the tone");
            path.into()
        }
    };
    ["--audio-feed".into(), feed, "--audio-record".into(), folder.join("ear.wav").into()]
}

fn state(folder: &Path) -> Vec<std::ffi::OsString> {
    vec!["--state".into(), folder.join("state").into()]
}

fn first_line(output: std::process::ChildStdout) -> String {
    let mut line = String::new();
    let _ = BufReader::new(output).read_line(&mut line);
    line
}

fn logs(folder: &Path) -> String {
    let mut files: Vec<PathBuf> = vec![folder.join("phonelab.log")];
    files.extend(std::fs::read_dir(folder.join("state/log")).into_iter().flatten().flatten().map(|entry| entry.path()));
    let tail = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        format!("---- {}\n{last}\n", path.display())
    };
    files.iter().map(tail).collect()
}

fn call(path: &str, of: &Value) -> Option<Call> {
    let value = |name: &str| text(&of[name]);
    Some(Call {
        path: path.to_owned(),
        state: value("State"),
        hold: value("Hold"),
        number: value("RemoteNumber"),
        codec: value("Codec"),
        media: value("Media"),
        end_code: of["EndCode"].as_u64()?,
        end_reason: value("EndReason"),
        ended_by: value("EndedBy"),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn properties(values: HashMap<String, OwnedVariant>) -> Value {
    values.into_iter().map(|(name, value)| (name, json(&value))).collect::<serde_json::Map<_, _>>().into()
}

/// The kinds of values that the phone's properties have.
fn json(value: &Variant<'_>) -> Value {
    match value {
        Variant::Str(text) => text.as_str().into(),
        Variant::Bool(flag) => (*flag).into(),
        Variant::U8(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::Array(array) => array.inner().iter().map(json).collect::<Vec<_>>().into(),
        Variant::Structure(structure) => structure.fields().iter().map(json).collect::<Vec<_>>().into(),
        Variant::Dict(dict) => {
            dict.iter().map(|(key, value)| (text(&json(key)), json(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => panic!("a property of an unexpected kind: {other:?}"),
    }
}
