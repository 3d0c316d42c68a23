//! A supervisor with a descriptor store, as systemd is: it keeps what sip-agent puts in, and hands it to the next life.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use super::soon;

pub struct Supervisor {
    child: Child,
    notices: UnixDatagram,
    store: Vec<(String, OwnedFd)>,
    run: PathBuf,
    bus: String,
}

impl Supervisor {
    pub fn start(run: &Path, bus: &str) -> Supervisor {
        let notices = UnixDatagram::bind(run.join("notify")).unwrap();
        let child = spawn(run, bus, &[]);
        Supervisor { child, notices, store: Vec::new(), run: run.to_owned(), bus: bus.to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Until sip-agent says that it is ready; what it stores meanwhile is kept.
    pub async fn ready(&mut self) {
        soon("READY=1", async {
            loop {
                self.notices.readable().await.unwrap();
                if self.take_notices() {
                    return;
                }
            }
        })
        .await;
    }

    /// Kills it as a crash would, and starts it again with its descriptors.
    pub async fn crash(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
        self.take_notices();
        self.child = spawn(&self.run, &self.bus, &self.store);
    }

    /// Tells it to end.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Until it has ended by itself, well.
    pub async fn ended(&mut self) {
        assert!(soon("the end of sip-agent", self.child.wait()).await.unwrap().success());
        self.take_notices();
    }

    /// Starts it again with its descriptors.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.run, &self.bus, &self.store);
    }

    /// The names in the store.
    pub fn stored(&mut self) -> Vec<String> {
        self.take_notices();
        self.store.iter().map(|(name, _)| name.clone()).collect()
    }

    fn take_notices(&mut self) -> bool {
        let mut ready = false;
        while let Ok((text, descriptors)) = receive(&self.notices) {
            let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            let name = value("FDNAME").unwrap_or("stored").to_owned();
            match (value("FDSTORE"), value("FDSTOREREMOVE")) {
                (Some("1"), _) => self.store.extend(descriptors.into_iter().map(|fd| (name.clone(), fd))),
                (_, Some("1")) => self.store.retain(|(kept, _)| *kept != name),
                _ => ready |= value("READY") == Some("1"),
            }
        }
        ready
    }
}

fn receive(socket: &UnixDatagram) -> std::io::Result<(String, Vec<OwnedFd>)> {
    socket.try_io(Interest::READABLE, || {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let descriptors = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let descriptors = descriptors.collect();
        Ok((String::from_utf8_lossy(&bytes[..received.bytes]).into_owned(), descriptors))
    })
}

/// The shell moves the descriptors to 3, 4, ... and becomes sip-agent.
fn spawn(run: &Path, bus: &str, store: &[(String, OwnedFd)]) -> Child {
    let inherited: Vec<OwnedFd> = store.iter().map(|(_, fd)| rustix::io::fcntl_dupfd_cloexec(fd, 50).unwrap()).collect();
    for fd in &inherited {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    }
    let moves: Vec<String> = inherited.iter().enumerate().map(|(n, fd)| format!("{}<&{}", n + 3, fd.as_raw_fd())).collect();
    let closes: Vec<String> = inherited.iter().map(|fd| format!("{}<&-", fd.as_raw_fd())).collect();
    let script = format!("exec {} {}; LISTEN_PID=$$ exec \"$0\"", moves.join(" "), closes.join(" "));
    let names: Vec<&str> = store.iter().map(|(name, _)| name.as_str()).collect();
    Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_sip-agent")])
        .env("DESKPHONE_BUS", bus)
        .env("DESKPHONE_RUN", run)
        .env("NOTIFY_SOCKET", run.join("notify"))
        .env("LISTEN_FDS", store.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
