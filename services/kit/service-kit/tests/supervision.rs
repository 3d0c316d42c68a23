//! What the supervisor hears, and what survives the process: readiness, the watchdog, and a snapshot that comes back through
//! the fd store. The supervisor is this test; the service is a child of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use service_kit::slots::Slots;
use service_kit::{fdstore, notify};

/// Not a test of its own: the service that the tests below supervise. It counts its lives in a snapshot.
#[tokio::test]
#[ignore = "the child of the tests below"]
async fn child_counts_its_lives() {
    let mut kept = fdstore::take();
    let mut slots = Slots::open_or_create("lives", &mut kept).unwrap();
    let lives = slots.read().map_or(0, |(format, bytes)| if format == 7 { bytes[0] } else { 0 });
    slots.write(7, &[&[lives + 1]]).unwrap();
    notify::status(&format!("life {}\nand no second line", lives + 1));
    notify::Watchdog::from_environment().due().await;
    notify::alive();
    notify::ready();
}

/// Runs the child to its end and returns what it said, with the descriptor that it stored.
fn supervised(socket_path: &Path, socket: &UnixDatagram, kept: Option<OwnedFd>) -> (Vec<String>, Option<OwnedFd>) {
    // The shell puts the descriptor where sd_listen_fds(3) wants it.
    let script = if kept.is_some() {
        "exec 3<&0; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=lives; exec \"$0\" \"$@\""
    } else {
        "exec \"$0\" \"$@\""
    };
    let status = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_counts_its_lives", "--ignored"])
        .env("NOTIFY_SOCKET", socket_path)
        .env("WATCHDOG_USEC", "10000000")
        .stdin(kept.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    heard(socket)
}

fn heard(socket: &UnixDatagram) -> (Vec<String>, Option<OwnedFd>) {
    socket.set_nonblocking(true).unwrap();
    let (mut said, mut stored) = (Vec::new(), None);
    loop {
        let mut buffer = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let Ok(message) = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC) else {
            return (said, stored);
        };
        for received in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut fds) = received {
                stored = fds.next();
            }
        }
        said.push(String::from_utf8_lossy(&buffer[..message.bytes]).into_owned());
    }
}

#[test]
fn a_snapshot_comes_back_to_the_next_life_through_the_fd_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let (said, stored) = supervised(&path, &socket, None);
    assert_eq!(said, ["FDSTORE=1\nFDNAME=lives\nFDPOLL=0", "STATUS=life 1 and no second line", "WATCHDOG=1", "READY=1"]);
    let mut kept = stored;
    for life in 2..5 {
        let again = kept.as_ref().unwrap().try_clone().unwrap();
        let (said, stored) = supervised(&path, &socket, Some(again));
        assert_eq!(said[0], format!("STATUS=life {life} and no second line"), "it is stored once and rewritten in place");
        assert!(stored.is_none());
    }
    // Another program's memory under the same name: dropped from the store, and a new one takes its place.
    let foreign = rustix::fs::memfd_create("foreign", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let (said, stored) = supervised(&path, &socket, Some(foreign));
    assert_eq!(said[..2], ["FDSTOREREMOVE=1\nFDNAME=lives".to_owned(), "FDSTORE=1\nFDNAME=lives\nFDPOLL=0".to_owned()]);
    kept = stored;
    assert!(kept.is_some());
}

#[test]
fn a_supervisor_in_the_abstract_name_space_is_heard_too() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("service-kit-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let (said, _) = supervised(Path::new(&format!("@{name}")), &socket, None);
    assert_eq!(said.last().map(String::as_str), Some("READY=1"));
}
