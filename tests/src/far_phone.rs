//! baresip: the phone at the other end, steered and heard over its TCP control port. It plays a tone, and writes what it hears
//! into a WAV file per call.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::tones::Recording;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::namespace::{LINK, Namespace, REGISTRAR};
use crate::registrar::DOMAIN;
use crate::{LIMIT, programs};

/// How the far phone is set up.
pub struct FarSetup<'a> {
    /// Its address in the namespace.
    pub address: &'a str,
    /// Account and password at the registrar.
    pub account: (&'a str, &'a str),
    /// baresip's names of its codecs, best first: `PCMU/8000/1`, `PCMA/8000/1`, `G722/16000/1`.
    pub codecs: &'a str,
    /// The tone that it plays, in hertz.
    pub tone: f64,
}

/// A running baresip.
pub struct FarPhone {
    child: Child,
    folder: tempfile::TempDir,
    control: tokio::net::TcpStream,
    received: Vec<u8>,
    /// Events that came while something else was waited for.
    events: Vec<Value>,
}

impl FarPhone {
    /// Starts it and waits until it is registered.
    pub async fn start(namespace: &Namespace, setup: FarSetup<'_>) -> FarPhone {
        FarPhone::start_at(namespace, setup, REGISTRAR).await
    }

    /// The same at another registrar.
    pub async fn start_at(namespace: &Namespace, setup: FarSetup<'_>, registrar: &str) -> FarPhone {
        let folder = tempfile::tempdir().expect("a folder");
        write_configuration(folder.path(), &setup, registrar);
        let log = std::fs::File::create(folder.path().join("log")).expect("its log");
        let child = namespace
            .command("baresip")
            .arg("-f")
            .arg(folder.path())
            .stdout(log.try_clone().expect("its log"))
            .stderr(log)
            .spawn()
            .expect("baresip");
        let address = (setup.address.to_owned(), 4444);
        let stream = namespace.inside(|| connect(&address)).expect("baresip's control port");
        let control = tokio::net::TcpStream::from_std(stream).expect("the control connection");
        let mut phone = FarPhone { child, folder, control, received: Vec::new(), events: Vec::new() };
        phone.registered().await;
        phone
    }

    async fn registered(&mut self) {
        let answer = self.ask("reginfo", "").await;
        if !answer.contains("OK") {
            self.event("REGISTER_OK").await;
        }
    }

    /// Calls a user of the domain; returns when it rings there or whatever else comes first.
    pub async fn dial(&mut self, user: &str) {
        self.ask("dial", &format!("sip:{user}@{DOMAIN}")).await;
    }

    /// Answers the call that rings.
    pub async fn accept(&mut self) {
        self.ask("accept", "").await;
    }

    /// Ends the call, or refuses it (486).
    pub async fn hangup(&mut self) {
        self.ask("hangup", "").await;
    }

    /// Puts the call on hold.
    pub async fn hold(&mut self) {
        self.ask("hold", "").await;
    }

    /// Talks again.
    pub async fn resume(&mut self) {
        self.ask("resume", "").await;
    }

    /// A command of baresip, and what it answers.
    pub async fn ask(&mut self, command: &str, parameters: &str) -> String {
        let message = json!({"command": command, "params": parameters, "token": command}).to_string();
        let netstring = format!("{}:{message},", message.len());
        self.control.write_all(netstring.as_bytes()).await.expect("the control connection");
        loop {
            let message = self.next().await;
            if message["response"] == json!(true) {
                return message["data"].as_str().unwrap_or_default().to_owned();
            }
            self.events.push(message);
        }
    }

    /// Waits for an event of this type, which may have come already.
    pub async fn event(&mut self, kind: &str) -> Value {
        if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
            return self.events.remove(at);
        }
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
            self.events.push(message);
        }
    }

    async fn next(&mut self) -> Value {
        let waited = tokio::time::timeout(LIMIT, self.message()).await;
        waited.unwrap_or_else(|_| panic!("baresip says nothing; so far {:?}, log: {}", self.events, self.log()))
    }

    async fn message(&mut self) -> Value {
        loop {
            if let Some(message) = netstring(&mut self.received) {
                return message;
            }
            let mut chunk = [0; 4096];
            let length = self.control.read(&mut chunk).await.expect("the control connection");
            assert!(length > 0, "baresip has gone: {}", self.log());
            self.received.extend(&chunk[..length]);
        }
    }

    /// Waits until half a second of what it hears in its newest call, from now on, is this tone and nothing else.
    pub async fn hears_tone(&self, hertz: f64) {
        let begun = self.newest();
        let begin = begun.as_ref().and_then(|path| Recording::read_growing(path).ok()).map_or(0.0, |heard| heard.length());
        let mut tick = crate::looks(Duration::from_millis(100));
        let heard = async {
            loop {
                tick.tick().await;
                let newest = self.newest();
                // The file of a call that has come since then counts whole.
                let from = if newest == begun { begin } else { 0.0 };
                let heard = newest.and_then(|path| Recording::read_growing(&path).ok());
                if heard.is_some_and(|heard| heard.has_tone(&[hertz], from)) {
                    return;
                }
            }
        };
        let heard = tokio::time::timeout(LIMIT, heard).await;
        assert!(heard.is_ok(), "baresip does not hear {hertz} Hz after {begin} s of {:?}, log: {}", self.newest(), self.log());
    }

    fn newest(&self) -> Option<PathBuf> {
        self.recordings().pop()
    }

    /// What it heard: one file per call, oldest first.
    fn recordings(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).expect("its folder").flatten().map(|entry| entry.path());
        let mut heard: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
        heard.sort();
        heard
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for FarPhone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_configuration(folder: &Path, setup: &FarSetup<'_>, registrar: &str) {
    let feed = folder.join("feed.wav");
    let rate = if setup.codecs.starts_with("G722") { 16_000 } else { 8_000 };
    testbed::tones::write_tone(&feed, rate, setup.tone, 60).expect("its tone");
    let last: u32 = setup.address.rsplit('.').next().and_then(|octet| octet.parse().ok()).expect("an IPv4 address");
    let ports = format!("{}-{}", 20_000 + last * 200, 20_100 + last * 200);
    let values = [
        ("ADDRESS", setup.address),
        ("INTERFACE", LINK),
        ("FEED", &feed.display().to_string()),
        ("FOLDER", &folder.display().to_string()),
        ("PORTS", &ports),
    ];
    let (user, password) = setup.account;
    let account = format!(
        "<sip:{user}@{DOMAIN};transport=udp>;auth_user={user};auth_pass={password};outbound=\"sip:{registrar}\";regint=600;\
         audio_codecs={}\n",
        setup.codecs
    );
    for (name, text) in
        [("config", programs::filled("baresip/config", &values)), ("accounts", account), ("contacts", String::new())]
    {
        std::fs::write(folder.join(name), text).expect("its configuration");
    }
}

fn connect(address: &(String, u16)) -> std::io::Result<TcpStream> {
    let begun = Instant::now();
    loop {
        match TcpStream::connect((address.0.as_str(), address.1)) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) if begun.elapsed() > LIMIT => return Err(error),
            // Refused at once while nobody listens: let it get on.
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// `LENGTH:JSON,`
fn netstring(received: &mut Vec<u8>) -> Option<Value> {
    let colon = received.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&received[..colon]).ok()?.parse().ok()?;
    let end = colon + 1 + length;
    if received.len() <= end {
        return None;
    }
    let message = serde_json::from_slice(&received[colon + 1..end]).ok();
    received.drain(..=end);
    message
}
