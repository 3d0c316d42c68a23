//! The receiving end of sd_notify: one datagram socket for all services, the sender known by the credentials that the kernel
//! adds. It must not believe anything a datagram says about its sender.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::fd_store;

/// As systemd: a longer datagram is dropped.
const LONGEST: usize = 4096;

/// One message of a service.
#[derive(Debug)]
pub struct Notice {
    /// Who sent it, says the kernel.
    pub pid: i32,
    /// `KEY=value` lines in order.
    pub lines: Vec<(String, String)>,
    /// Descriptors that came along.
    pub descriptors: Vec<OwnedFd>,
}

impl Notice {
    /// The value of the first line with this key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether the line `KEY=value` is there.
    pub fn says(&self, key: &str, value: &str) -> bool {
        self.lines.iter().any(|(name, text)| name == key && text == value)
    }
}

/// The socket that `NOTIFY_SOCKET` names.
pub struct NotifySocket {
    socket: UnixDatagram,
}

impl NotifySocket {
    /// Binds it. Everybody may send: who counts is decided by pid.
    pub fn bind(path: &Path) -> io::Result<NotifySocket> {
        use std::os::unix::fs::PermissionsExt;
        let socket = UnixDatagram::bind(path)?;
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
        Ok(NotifySocket { socket })
    }

    /// The next message; malformed, truncated and anonymous ones are dropped on the way.
    pub async fn receive(&self) -> io::Result<Notice> {
        loop {
            let received = self.socket.async_io(Interest::READABLE, || receive_now(&self.socket)).await?;
            if let Some(notice) = received {
                return Ok(notice);
            }
        }
    }

    /// What waits already.
    pub fn drain(&self, mut each: impl FnMut(Notice)) {
        while let Ok(received) = receive_now(&self.socket) {
            received.into_iter().for_each(&mut each);
        }
    }
}

fn receive_now(socket: &UnixDatagram) -> io::Result<Option<Notice>> {
    let mut bytes = [0_u8; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fd_store::MOST), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    let mut sender = None;
    let mut descriptors = Vec::new();
    for part in control.drain() {
        match part {
            RecvAncillaryMessage::ScmRights(rights) => descriptors.extend(rights),
            RecvAncillaryMessage::ScmCredentials(credentials) => sender = Some(credentials.pid.as_raw_nonzero().get()),
            _ => {}
        }
    }
    let whole = !message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
    let text = bytes.get(..message.bytes).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(match (sender, text) {
        (Some(pid), Some(text)) if whole => Some(Notice { pid, lines: lines_of(text), descriptors }),
        _ => None,
    })
}

fn lines_of(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
