//! The hand at lldpd's control socket. Commands go through lldpcli, for the protocol of the socket is no contract; an open
//! connection of our own, over which nothing is said, ends when lldpd does. So nothing is looked at again and again: lldpd's end and
//! its coming back are told by the kernel. Only an lldpd that is there and cannot be told is tried again after a time.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use service_kit::arrival::Arrival;
use service_kit::backoff::Backoff;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::watch;

use super::{State, Wish};

/// Of Debian's package lldpd.
const LLDPCLI: &str = "lldpcli";
/// It takes milliseconds; longer, and lldpd does not answer it.
const PATIENCE: Duration = Duration::from_secs(5);
/// lldpd takes commands before it has read its own configuration, and one that is told meanwhile may neither send nor read ever after
/// (seen with 1.0.16). Nothing says when it is done, so it gets this time.
const SETTLING: Duration = Duration::from_secs(1);
/// Before the next try, where lldpd's socket is there.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why lldpd does not do it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("nobody answers at its socket: {0}")]
    Absent(std::io::Error),
    #[error("lldpcli cannot be run: {0}")]
    NoProgram(std::io::Error),
    #[error("lldpcli {words}: {status}")]
    Refused { words: String, status: ExitStatus },
    #[error("lldpcli {words}: no answer")]
    Hangs { words: String },
}

/// One lldpd, and how it is told.
pub struct Ruler {
    /// lldpcli.
    program: PathBuf,
    /// lldpd's control socket.
    socket: PathBuf,
    /// For one command.
    patience: Duration,
    /// After it has answered, before it is told.
    settling: Duration,
    backoff: Backoff,
}

impl Ruler {
    /// Of the lldpd with this control socket.
    pub fn new(socket: PathBuf) -> Ruler {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Ruler { program: LLDPCLI.into(), socket, patience: PATIENCE, settling: SETTLING, backoff }
    }

    /// Makes it do what is wished, at once and whenever it starts anew.
    pub async fn rule(mut self, wish: Wish, state: watch::Sender<State>) {
        let done = if wish == Wish::Off { State::Off } else { State::On };
        loop {
            // It begins before the try: what is made meanwhile is not missed.
            let mut arrival = Arrival::watch(&self.socket).ok();
            let tried = self.tell(&wish).await;
            // Without a socket there is nothing to be tried before one is made.
            let nothing_there = matches!(&tried, Err(Failure::Absent(error)) if error.kind() == ErrorKind::NotFound);
            match tried {
                Ok(connection) => {
                    self.backoff.reset();
                    tracing::info!(state = done.as_str(), "lldpd does as the settings say");
                    state.send_replace(done);
                    ended(connection).await;
                    tracing::info!("lldpd has ended; it is told again when it comes back");
                    state.send_replace(State::Absent);
                }
                Err(failure) => self.complain(&failure, &state),
            }
            let pause = self.backoff.delay();
            tokio::select! {
                () = appeared(&mut arrival) => {}
                () = tokio::time::sleep(pause), if !nothing_there || arrival.is_none() => {}
            }
        }
    }

    /// Once, until it is something else.
    fn complain(&self, failure: &Failure, state: &watch::Sender<State>) {
        let new = if matches!(failure, Failure::Absent(_)) { State::Absent } else { State::Failed };
        if state.send_replace(new) != new {
            let socket = self.socket.display();
            tracing::warn!(reason = %failure, %socket, "lldpd does not do what the settings say; it is told when it answers");
        }
    }

    /// Gives all commands; the connection that ends with lldpd.
    async fn tell(&self, wish: &Wish) -> Result<UnixStream, Failure> {
        let connection = UnixStream::connect(&self.socket).await.map_err(Failure::Absent)?;
        tokio::time::sleep(self.settling).await;
        for words in wish.commands() {
            self.give(&words).await?;
        }
        Ok(connection)
    }

    async fn give(&self, words: &[String]) -> Result<(), Failure> {
        let mut command = Command::new(&self.program);
        command.arg("-u").arg(&self.socket).args(words);
        // What it complains of stands in our own log.
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(Failure::NoProgram)?;
        let words = || words.join(" ");
        match tokio::time::timeout(self.patience, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::Refused { words: words(), status }),
            Ok(Err(error)) => Err(Failure::NoProgram(error)),
            // Dropping the child kills it.
            Err(_) => Err(Failure::Hangs { words: words() }),
        }
    }
}

/// The end of lldpd.
async fn ended(mut connection: UnixStream) {
    let mut unasked = [0; 64];
    while matches!(connection.read(&mut unasked).await, Ok(1..)) {}
}

async fn appeared(arrival: &mut Option<Arrival>) {
    let told = match arrival {
        Some(arrival) => arrival.appears().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio::net::UnixListener;

    use super::*;

    /// A folder with a stand-in for lldpcli, and the ruler at work in it.
    struct Lab {
        folder: tempfile::TempDir,
        state: watch::Receiver<State>,
        ruler: tokio::task::JoinHandle<()>,
    }

    impl Lab {
        /// `script` is run in the folder, for so long at most. After `pause` what has failed is tried again.
        fn begin(script: &str, patience: Duration, pause: Duration) -> Lab {
            let folder = tempfile::tempdir().unwrap();
            let (program, socket) = (folder.path().join("lldpcli"), folder.path().join("socket"));
            std::fs::write(&program, format!("#!/bin/sh\ncd {}\n{script}\n", folder.path().display())).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            let backoff = Backoff::new(pause, pause);
            let ruler = Ruler { program, socket, patience, settling: SOON, backoff };
            let (publish, state) = watch::channel(State::Unknown);
            Lab { folder, state, ruler: tokio::spawn(ruler.rule(Wish::Off, publish)) }
        }

        /// Its socket; nobody answers there, which only lldpcli would mind.
        fn lldpd(&self) -> UnixListener {
            UnixListener::bind(self.folder.path().join("socket")).unwrap()
        }

        fn put(&self, name: &str) {
            std::fs::write(self.folder.path().join(name), "").unwrap();
        }

        fn told(&self) -> String {
            std::fs::read_to_string(self.folder.path().join("told")).unwrap_or_default()
        }

        async fn reaches(&mut self, state: State) {
            let reached = tokio::time::timeout(Duration::from_secs(30), self.state.wait_for(|seen| *seen == state)).await.is_ok();
            assert!(reached, "not {state:?}; lldpcli was told {:?}", self.told());
        }
    }

    impl Drop for Lab {
        fn drop(&mut self) {
            self.ruler.abort();
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);
    const SOON: Duration = Duration::from_millis(10);

    /// The back-off alone would be an hour.
    #[tokio::test]
    async fn an_lldpd_that_comes_is_told_and_told_again_when_it_comes_back() {
        let mut lab = Lab::begin("echo \"$3 $4 $5 $6\" >> told", HOUR, HOUR);
        lab.reaches(State::Absent).await;
        for times in 1..=2 {
            let lldpd = lab.lldpd();
            let (connection, _) = lldpd.accept().await.unwrap();
            lab.reaches(State::Off).await;
            assert_eq!(lab.told(), "configure lldp status disabled\n".repeat(times));
            std::fs::remove_file(lab.folder.path().join("socket")).unwrap();
            drop((lldpd, connection));
            lab.reaches(State::Absent).await;
        }
    }

    #[tokio::test]
    async fn an_lldpcli_that_fails_is_tried_again() {
        let mut lab = Lab::begin("test -e good", HOUR, SOON);
        let _lldpd = lab.lldpd();
        lab.reaches(State::Failed).await;
        lab.put("good");
        lab.reaches(State::Off).await;
    }

    #[tokio::test]
    async fn an_lldpcli_that_hangs_is_killed_and_tried_again() {
        let mut lab = Lab::begin("test -e good && exit; echo $$ >> told; exec sleep 1000", SECOND, SOON);
        let _lldpd = lab.lldpd();
        lab.reaches(State::Failed).await;
        lab.put("good");
        lab.reaches(State::Off).await;
        let stat = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let lives = |pid: &str| stat(pid).contains("(sleep) S");
        let told = lab.told();
        assert!(!told.is_empty());
        while told.lines().any(lives) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn without_lldpcli_it_goes_on_trying() {
        let mut lab = Lab::begin("", HOUR, SOON);
        let (program, away) = (lab.folder.path().join("lldpcli"), lab.folder.path().join("away"));
        std::fs::rename(&program, &away).unwrap();
        let _lldpd = lab.lldpd();
        lab.reaches(State::Failed).await;
        std::fs::rename(&away, &program).unwrap();
        lab.reaches(State::Off).await;
    }
}
