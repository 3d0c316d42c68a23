//! linphonec: another phone at the other end, steered over its standard input. It plays a tone from a file, and writes what it
//! hears into one.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use testbed::tones::Recording;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::namespace::{FAR, LINK, Namespace, REGISTRAR};
use crate::registrar::{DOMAIN, FAR_ACCOUNT};
use crate::{LIMIT, programs};

/// The tone that it plays, in hertz.
pub const LINPHONE_TONE: f64 = 660.0;

/// Who it is.
#[derive(Clone, Copy, Debug)]
pub struct LinphoneSetup<'a> {
    /// Its address in the namespace.
    pub address: &'a str,
    /// Account and password at the registrar.
    pub account: (&'a str, &'a str),
    /// The tone that it plays, in hertz.
    pub tone: f64,
}

/// A running linphonec; ends with this value.
pub struct Linphone {
    child: Child,
    folder: tempfile::TempDir,
    input: Sender,
    lines: Lines<BufReader<Receiver>>,
    seen: Vec<String>,
}

impl Linphone {
    /// Starts it at [`FAR`] with the far phone's account and these lines in the section of SIP, and waits until it is registered.
    pub async fn start(namespace: &Namespace, sip: &[&str]) -> Linphone {
        let setup = LinphoneSetup { address: FAR, account: FAR_ACCOUNT, tone: LINPHONE_TONE };
        Linphone::start_as(namespace, setup, sip).await
    }

    /// The same as somebody else.
    pub async fn start_as(namespace: &Namespace, setup: LinphoneSetup<'_>, sip: &[&str]) -> Linphone {
        // It asks the kernel whether there is a way to the rest of the world, and does nothing where there is none.
        let way = namespace.command("ip").args(["route", "replace", "default", "dev", LINK, "src", FAR]).status();
        assert!(way.is_ok_and(|status| status.success()), "the way out could not be added");
        let folder = tempfile::tempdir().expect("a folder");
        write_configuration(folder.path(), setup, sip);
        let mut command = namespace.command("linphonec");
        command.arg("-c").arg(folder.path().join("rc")).args(["-d", "6", "-l"]).arg(folder.path().join("log"));
        command.env("HOME", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("linphonec, of the package linphone-cli");
        let input = Sender::from_owned_fd(child.stdin.take().expect("its input").into()).expect("a pipe");
        let output = Receiver::from_owned_fd(child.stdout.take().expect("its output").into()).expect("a pipe");
        let lines = BufReader::new(output).lines();
        let mut phone = Linphone { child, folder, input, lines, seen: Vec::new() };
        phone.tell("soundcard use files").await;
        phone.registered().await;
        let folder = phone.folder.path().display().to_string();
        phone.tell(&format!("play {folder}/feed.wav")).await;
        phone.tell(&format!("record {folder}/heard.wav")).await;
        phone
    }

    /// It says so only where it is asked, and does nothing else while it is asked without pause.
    async fn registered(&mut self) {
        let mut tick = crate::looks(Duration::from_millis(100));
        let begun = tokio::time::Instant::now();
        loop {
            tick.tick().await;
            self.tell("status register").await;
            if self.says("registered").await.contains("registered, identity") {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "linphonec does not register\n{}", self.log());
        }
    }

    /// Waits until it has written half a second of this tone and nothing else; it writes the last of what it hears at the end of
    /// the call.
    pub async fn has_heard_tone(&self, hertz: f64) {
        let file = self.folder.path().join("heard.wav");
        let mut tick = crate::looks(Duration::from_millis(100));
        let heard = async {
            // Its header counts itself to the sound.
            while !Recording::read_growing(&file).is_ok_and(|heard| heard.has_tone(&[hertz], 0.0)) {
                tick.tick().await;
            }
        };
        let heard = tokio::time::timeout(LIMIT, heard).await;
        assert!(heard.is_ok(), "linphonec does not hear {hertz} Hz\n{}", self.log());
    }

    /// A command of linphonec.
    pub async fn tell(&mut self, command: &str) {
        self.input.write_all(format!("{command}\n").as_bytes()).await.expect("linphonec's input");
    }

    /// Calls a user of the domain.
    pub async fn dial(&mut self, user: &str) {
        self.tell(&format!("call sip:{user}@{DOMAIN}")).await;
    }

    /// Waits for a line that holds this, after the one that was waited for last.
    pub async fn says(&mut self, words: &str) -> String {
        loop {
            let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else { panic!("linphonec does not say {words:?}, but {:#?}\n{}", self.seen, self.log()) };
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Waits until its own log, which has all messages, holds this.
    pub async fn logs(&self, words: &str, limit: Duration) {
        let mut tick = crate::looks(Duration::from_millis(50));
        let logged = async {
            while !self.log().contains(words) {
                tick.tick().await;
            }
        };
        let logged = tokio::time::timeout(limit, logged).await;
        assert!(logged.is_ok(), "linphonec has no {words:?}\n{}", self.log());
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_configuration(folder: &Path, setup: LinphoneSetup<'_>, sip: &[&str]) {
    let LinphoneSetup { address, account: (user, password), tone } = setup;
    let sip = sip.join("\n");
    let last: u32 = address.rsplit('.').next().and_then(|octet| octet.parse().ok()).expect("an IPv4 address");
    let port = (20_000 + last * 200).to_string();
    let values =
        [("ADDRESS", address), ("REGISTRAR", REGISTRAR), ("PORT", &port), ("USER", user), ("PASSWORD", password), ("SIP", &sip)];
    std::fs::write(folder.join("rc"), programs::filled("linphone/linphonerc", &values)).expect("its configuration");
    testbed::tones::write_tone(&folder.join("feed.wav"), 8_000, tone, 60).expect("its tone");
    // It wants its database, and does not make the folder.
    std::fs::create_dir_all(folder.join(".local/share/linphone")).expect("its folder");
}
