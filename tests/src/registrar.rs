//! Kamailio: registrar, proxy, mailbox and, where a test wants it, presence server or server of shared lines of house.test, with digest authentication.
//! Accounts are in `lab/kamailio/db/subscriber`.

use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::namespace::{Namespace, REGISTRAR};
use crate::{LIMIT, programs};

/// The domain of its accounts.
pub const DOMAIN: &str = "house.test";
/// The phone's account and password.
pub const PHONE_ACCOUNT: (&str, &str) = ("200", "phone-200-secret");
/// The far phone's.
pub const FAR_ACCOUNT: (&str, &str) = ("300", "far-300-secret");
/// A second far phone's.
pub const SECOND_FAR_ACCOUNT: (&str, &str) = ("301", "far-301-secret");

/// A running Kamailio.
pub struct Registrar {
    child: Child,
    folder: tempfile::TempDir,
}

impl Registrar {
    /// Starts it and waits until it answers OPTIONS.
    pub fn start(namespace: &Namespace) -> Registrar {
        Registrar::start_at(namespace, REGISTRAR)
    }

    /// The same at another address.
    pub fn start_at(namespace: &Namespace, address: &str) -> Registrar {
        Registrar::start_with(namespace, address, &[])
    }

    /// One that tells who watches others what their calls are doing (RFC 4235), one by one or as the list `colleagues` of the
    /// phone's account (RFC 4662, `lab/kamailio/db/xcap`).
    pub fn start_watching(namespace: &Namespace) -> Registrar {
        Registrar::start_with(namespace, REGISTRAR, &["-A", "WATCHING"])
    }

    /// One whose accounts' lines several units may share (BroadSoft's call-info and line-seize, by its module sca). Its ways: a line's
    /// address is that of the Request-URI letter by letter, so that a port in it makes another line; a unit is its Contact, and a
    /// SUBSCRIBE of its own to call-info, outside a dialog, frees what it had; the NOTIFY of a line-seize says the number alone; an
    /// appearance that is taken is refused with 480; the first 180 or 183 that has a Contact ends the seizing (noresource), Expires 0
    /// frees the appearance whatever call has it; no Call-Info is passed on, none is put into an INVITE for the line, and a call
    /// for the line whose unit names no appearance keeps the one that it was given after its end.
    pub fn start_sharing(namespace: &Namespace) -> Registrar {
        Registrar::start_with(namespace, REGISTRAR, &["-A", "SHARED"])
    }

    fn start_with(namespace: &Namespace, address: &str, options: &[&str]) -> Registrar {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().display().to_string();
        // A copy: db_text may write.
        for table in std::fs::read_dir(programs::lab("kamailio/db")).expect("the tables").flatten() {
            std::fs::copy(table.path(), folder.path().join(table.file_name())).expect("a table");
        }
        let values = [("LISTEN", address), ("DB", run.as_str()), ("RUN", run.as_str())];
        let configuration = folder.path().join("kamailio.cfg");
        std::fs::write(&configuration, programs::filled("kamailio/kamailio.cfg", &values)).expect("its configuration");
        let log = std::fs::File::create(folder.path().join("log")).expect("its log");
        let child = namespace
            .command("kamailio")
            .args(options)
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-w", &run, "-Y", &run, "-P", &format!("{run}/pid"), "-f"])
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(log)
            // So that one signal reaches all its processes.
            .process_group(0)
            .spawn()
            .expect("kamailio");
        let registrar = Registrar { child, folder };
        let answers = namespace.inside(|| answers_options(address));
        assert!(answers, "kamailio does not answer: {}", registrar.log());
        registrar
    }

    /// Leaves this summary (RFC 3842) at an account's mailbox, as a voice mail server does (RFC 3903); its subscribers hear of it.
    pub fn leave_messages(&self, namespace: &Namespace, account: &str, summary: &str) {
        assert!(namespace.inside(|| publishes(account, summary)), "kamailio does not take the PUBLISH: {}", self.log());
    }

    /// Loses what it knows of an account, as a registrar that has restarted does: no call reaches it until it registers again.
    pub async fn forget(&self, account: &str) {
        self.rpc("ul.rm", json!(["location", account])).await;
    }

    /// Knows for good where an account is, without being told by it.
    pub async fn learn(&self, account: &str, contact: &str) {
        let (forever, priority, every_method) = (0, 1.0, u32::MAX);
        self.rpc("ul.add", json!(["location", account, contact, forever, priority, "", 0, 0, every_method])).await;
    }

    /// A command over its pipe, which must succeed.
    async fn rpc(&self, method: &str, parameters: Value) {
        let reply = self.folder.path().join("reply");
        let made = std::process::Command::new("mkfifo").arg(&reply).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo, of the package coreutils");
        let mut answer = pipe::OpenOptions::new().read_write(true).open_receiver(&reply).expect("the way back");
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters, "reply_name": "reply"});
        std::fs::write(self.folder.path().join("rpc.fifo"), format!("{request}\n")).expect("kamailio's pipe");
        let mut text = [0; 2048];
        let length =
            tokio::time::timeout(LIMIT, answer.read(&mut text)).await.expect("an answer of kamailio").expect("the way back");
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        assert!(text.contains("result"), "kamailio refuses {method}: {text}");
        std::fs::remove_file(&reply).expect("the way back");
    }

    /// How many requests of this method and user it has taken, credentials and all.
    pub fn taken(&self, method: &str, user: &str) -> usize {
        self.log().matches(&format!("taken: {method} of {user}\n")).count()
    }

    /// Waits until it has taken so many in all.
    pub async fn takes(&self, method: &str, user: &str, count: usize, limit: Duration) {
        let came = self.comes(limit, || self.taken(method, user) >= count).await;
        assert!(came, "{method} of {user}: {} and not {count}\n{}", self.taken(method, user), self.log());
    }

    /// Waits until a user's line is bound at this URI.
    pub async fn binds(&self, user: &str, contact: &str) {
        self.says(&format!("bound: {user} at <{contact}>")).await;
    }

    /// Waits until it has passed on such a request of a call from a user at this URI.
    pub async fn passes_on(&self, method: &str, user: &str, contact: &str) {
        self.says(&format!("passed on: {method} of {user} at <{contact}>")).await;
    }

    async fn says(&self, words: &str) {
        assert!(self.comes(LIMIT, || self.log().contains(words)).await, "not {words}\n{}", self.log());
    }

    /// Whether it comes in time.
    async fn comes(&self, limit: Duration, fits: impl Fn() -> bool) -> bool {
        let mut tick = crate::looks(Duration::from_millis(20));
        let enough = async {
            while !fits() {
                tick.tick().await;
            }
        };
        tokio::time::timeout(limit, enough).await.is_ok()
    }

    /// Dies without a word: what comes for it is answered by ICMP, until another one is started at its address.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Stands still: what comes for it waits and is not answered.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Goes on, with all that has waited.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// To all its processes, as long as the first of them is there.
    fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let group = Pid::from_raw(self.child.id().cast_signed()).expect("a pid");
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.kill();
    }
}

/// PUBLISH, sent again until it is answered 200. Each one is an event state of its own, so that the newest is what is told.
fn publishes(account: &str, summary: &str) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((REGISTRAR, 5060)).expect("an address");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    let local = socket.local_addr().expect("a local address");
    let request = format!(
        "PUBLISH sip:{account}@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKp{port}\r\nMax-Forwards: 9\r\n\
         From: <sip:mail@{DOMAIN}>;tag=1\r\nTo: <sip:{account}@{DOMAIN}>\r\nCall-ID: publish-{port}\r\nCSeq: 1 PUBLISH\r\n\
         Event: message-summary\r\nExpires: 60\r\nContent-Type: application/simple-message-summary\r\n\
         Content-Length: {length}\r\n\r\n{summary}",
        port = local.port(),
        length = summary.len()
    );
    let begun = Instant::now();
    let mut answer = [0; 2048];
    while begun.elapsed() < LIMIT {
        let _ = socket.send(request.as_bytes());
        if let Ok(length) = socket.recv(&mut answer) {
            return answer.get(..length).is_some_and(|text| text.starts_with(b"SIP/2.0 200"));
        }
    }
    false
}

/// OPTIONS, sent again until it is answered: the way to know that a SIP server is up.
fn answers_options(address: &str) -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((address, 5060)).expect("an address");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    let local = socket.local_addr().expect("a local address");
    let request = format!(
        "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKup\r\nMax-Forwards: 1\r\nFrom: <sip:up@{local}>;tag=1\r\n\
         To: <sip:{address}>\r\nCall-ID: up\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let begun = Instant::now();
    let mut answer = [0; 2048];
    while begun.elapsed() < LIMIT {
        // Refused while nobody listens yet; the time-out of the next read is the pause.
        let _ = socket.send(request.as_bytes());
        if socket.recv(&mut answer).is_ok() {
            return true;
        }
    }
    false
}
