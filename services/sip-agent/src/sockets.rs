//! The UDP sockets of the lines, and their copies in the supervisor's store, named `sip-line-N`. It binds, sends and receives
//! what it is told to; which socket a message takes is the stack's choice.

mod undelivered;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use agreements::LineNumber;
use service_kit::fdstore;
use sip_stack::FlowId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::dscp::mark;

/// The largest datagram that UDP can carry.
const DATAGRAM_MAX: usize = 65_535;
/// Room for a burst of calls while the loop is busy.
const RECEIVE_BUFFER: usize = 1 << 20;

struct Line {
    name: String,
    socket: UdpSocket,
}

/// All sockets by the stack's names for them.
pub struct Sockets {
    open: BTreeMap<FlowId, Line>,
    /// Those that the last life left in the store, until somebody asks for their address.
    kept: Vec<(String, UdpSocket)>,
    buffer: Vec<u8>,
    /// Where messages could not be delivered, until somebody takes it.
    unreachable: Vec<(FlowId, SocketAddr)>,
    /// Where the next look begins, so that a busy line does not starve the others.
    turn: usize,
}

/// One datagram.
pub struct Received {
    /// Where it came in.
    pub flow: FlowId,
    /// Who sent it.
    pub remote: SocketAddr,
    /// All of it.
    pub bytes: Vec<u8>,
}

fn store_name(line: LineNumber) -> String {
    format!("sip-line-{line}")
}

impl Sockets {
    /// With what the supervisor handed over; other descriptors are left in `fds`.
    pub fn new(fds: &mut Vec<(String, OwnedFd)>) -> Sockets {
        let (sockets, others): (Vec<_>, Vec<_>) = fds.drain(..).partition(|(name, _)| name.starts_with("sip-line-"));
        *fds = others;
        let kept = sockets.into_iter().filter_map(|(name, fd)| adopt(fd).ok().map(|socket| (name, socket))).collect();
        Sockets { open: BTreeMap::new(), kept, buffer: vec![0; DATAGRAM_MAX], unreachable: Vec::new(), turn: 0 }
    }

    /// Opens the flow, or takes back the socket that the last life had at this address.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub fn open(&mut self, flow: FlowId, line: LineNumber, local: SocketAddr, dscp: u8) -> io::Result<SocketAddr> {
        self.close(flow);
        let name = store_name(line);
        let kept = self.kept.iter().position(|(kept, socket)| *kept == name && socket.local_addr().is_ok_and(|at| at == local));
        let socket = match kept {
            Some(index) => self.kept.swap_remove(index).1,
            None => {
                self.free(local);
                let socket = bind(local)?;
                store(&name, &socket);
                socket
            }
        };
        mark(&socket2::SockRef::from(&socket), local, dscp);
        undelivered::listen(&socket, local);
        let local = socket.local_addr()?;
        self.open.insert(flow, Line { name, socket });
        Ok(local)
    }

    /// Everything sent on the flow is marked so from now on.
    pub fn mark(&mut self, flow: FlowId, dscp: u8) {
        let Some(line) = self.open.get(&flow) else { return };
        if let Ok(local) = line.socket.local_addr() {
            mark(&socket2::SockRef::from(&line.socket), local, dscp);
        }
    }

    /// A kept socket of another line at this address would be in the way.
    fn free(&mut self, local: SocketAddr) {
        let (in_the_way, kept): (Vec<_>, Vec<_>) =
            self.kept.drain(..).partition(|(_, socket)| socket.local_addr().is_ok_and(|at| at == local));
        self.kept = kept;
        self.forget(in_the_way.into_iter().map(|(name, _)| name).collect());
    }

    /// Closes it, here and in the store.
    pub fn close(&mut self, flow: FlowId) {
        if let Some(line) = self.open.remove(&flow) {
            self.forget(vec![line.name]);
        }
    }

    /// Lets go what nobody has asked for since the start.
    pub fn drop_kept(&mut self) {
        let names = self.kept.drain(..).map(|(name, _)| name).collect();
        self.forget(names);
    }

    /// The store forgets all sockets of a name at once: those that stay are put in again.
    fn forget(&mut self, mut names: Vec<String>) {
        names.dedup();
        for name in names {
            if let Err(error) = fdstore::remove(&name) {
                tracing::warn!(name, %error, "the supervisor does not let go of a socket");
            }
            let staying = self.open.values().map(|line| (&line.name, &line.socket));
            let staying = staying.chain(self.kept.iter().map(|(name, socket)| (name, socket)));
            staying.filter(|(other, _)| **other == name).for_each(|(_, socket)| store(&name, socket));
        }
    }

    /// Sends at once, past the runtime, which does not know yet that a new socket is writable. A full buffer loses the message,
    /// as the network may: SIP sends again.
    ///
    /// # Errors
    /// The network says that it cannot be delivered.
    pub fn send(&mut self, flow: FlowId, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let Some(line) = self.open.get(&flow) else { return Err(io::ErrorKind::NotConnected.into()) };
        match send_at_once(&line.socket, remote, bytes) {
            Ok(()) => Ok(()),
            // The error may be one of an earlier message: that is told now, and this one has not left.
            Err(_) => {
                note_undelivered(&mut self.unreachable, flow, &line.socket);
                send_at_once(&line.socket, remote, bytes)
            }
        }
    }

    /// Where messages could not be delivered, as the network has said by the time of the last message. Each is told once.
    pub fn take_unreachable(&mut self) -> impl Iterator<Item = (FlowId, SocketAddr)> + use<> {
        std::mem::take(&mut self.unreachable).into_iter()
    }

    /// The next datagram of any socket. Safe to drop half way.
    pub fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let sockets = self.open.len();
        self.turn = self.turn.wrapping_add(1);
        for (flow, line) in self.open.iter().cycle().skip(self.turn.checked_rem(sockets).unwrap_or(0)).take(sockets) {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            // An error here is about something sent earlier; the next look says whether something came in.
            while let Poll::Ready(received) = line.socket.poll_recv_from(context, &mut buffer) {
                match received {
                    Ok(remote) => return Poll::Ready(Received { flow: *flow, remote, bytes: buffer.filled().to_vec() }),
                    Err(_) => note_undelivered(&mut self.unreachable, *flow, &line.socket),
                }
            }
        }
        Poll::Pending
    }

    /// The bound port of the flow.
    pub fn port(&self, flow: FlowId) -> Option<u16> {
        self.open.get(&flow).and_then(|line| line.socket.local_addr().ok()).map(|local| local.port())
    }
}

fn send_at_once(socket: &UdpSocket, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    match socket2::SockRef::from(socket).send_to(bytes, &remote.into()) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the network has said of messages that have left earlier.
fn note_undelivered(unreachable: &mut Vec<(FlowId, SocketAddr)>, flow: FlowId, socket: &UdpSocket) {
    unreachable.extend(undelivered::take(socket).into_iter().map(|remote| (flow, remote)));
}

fn adopt(fd: OwnedFd) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::from(fd);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A smaller buffer than asked for is no reason to be without a line.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&local.into())?;
    UdpSocket::from_std(socket.into())
}

fn store(name: &str, socket: &UdpSocket) {
    if let Err(error) = fdstore::put(name, socket.as_fd(), false) {
        tracing::warn!(name, %error, "the socket will not survive a restart");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: FlowId = FlowId(1);
    const FAMILIES: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

    fn opened(local: &str, dscp: u8) -> (Sockets, SocketAddr) {
        let mut sockets = Sockets::new(&mut Vec::new());
        let local = sockets.open(FLOW, LineNumber::new(1).unwrap(), local.parse().unwrap(), dscp).unwrap();
        (sockets, local)
    }

    /// RFC 3261 18.4: of which destination it is said, and that messages to others leave all the same.
    #[tokio::test]
    async fn what_cannot_be_delivered_is_known_by_its_destination() {
        for family in FAMILIES {
            let (mut sockets, _) = opened(family, 0);
            let there = std::net::UdpSocket::bind(family).unwrap();
            let gone = std::net::UdpSocket::bind(family).unwrap().local_addr().unwrap();
            sockets.send(FLOW, gone, b"anybody?").unwrap();
            // Loopback has answered when the call returns; the next message is not taken for it.
            sockets.send(FLOW, there.local_addr().unwrap(), b"hello").unwrap();
            assert_eq!(sockets.take_unreachable().collect::<Vec<_>>(), [(FLOW, gone)]);
            assert_eq!(there.recv(&mut [0; 16]).unwrap(), 5);
            sockets.send(FLOW, there.local_addr().unwrap(), b"hello").unwrap();
            assert_eq!(sockets.take_unreachable().count(), 0);
        }
    }

    /// Whoever looks for what comes in finds the error first: it is not lost.
    #[tokio::test]
    async fn what_is_found_while_receiving_is_told_as_well() {
        for family in FAMILIES {
            let (mut sockets, ours) = opened(family, 0);
            let gone = std::net::UdpSocket::bind(family).unwrap().local_addr().unwrap();
            sockets.send(FLOW, gone, b"anybody?").unwrap();
            let there = std::net::UdpSocket::bind(family).unwrap();
            there.send_to(b"hello", ours).unwrap();
            let received = std::future::poll_fn(|context| sockets.poll_receive(context)).await;
            assert_eq!((received.remote, received.bytes.as_slice()), (there.local_addr().unwrap(), b"hello".as_slice()));
            assert_eq!(sockets.take_unreachable().collect::<Vec<_>>(), [(FLOW, gone)]);
        }
    }

    /// A line has a socket of each family at one port (RFC 3493 5.3).
    #[tokio::test]
    async fn both_families_have_the_same_port_side_by_side() {
        let (mut sockets, all) = opened("[::]:0", 0);
        let port = all.port();
        sockets.open(FlowId(2), LineNumber::new(1).unwrap(), SocketAddr::from(([0, 0, 0, 0], port)), 0).unwrap();
        for (flow, there) in
            [(FLOW, SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port))), (FlowId(2), ([127, 0, 0, 1], port).into())]
        {
            let from = std::net::UdpSocket::bind(SocketAddr::new(there.ip(), 0)).unwrap();
            from.send_to(b"hello", there).unwrap();
            let received = std::future::poll_fn(|context| sockets.poll_receive(context)).await;
            assert_eq!((received.flow, received.remote), (flow, from.local_addr().unwrap()));
        }
    }

    /// RFC 2474 3: DSCP_SIP_n in the upper six bits of what was TOS, and of the traffic class (RFC 8200 7); also while it is
    /// open.
    #[tokio::test]
    async fn a_socket_is_marked_with_the_dscp() {
        for family in FAMILIES {
            for dscp in [0, 46, 63] {
                let (mut sockets, local) = opened(family, dscp);
                let mark = |sockets: &Sockets| {
                    let socket = socket2::SockRef::from(&sockets.open[&FLOW].socket);
                    if local.is_ipv4() { socket.tos_v4().unwrap() } else { socket.tclass_v6().unwrap() }
                };
                assert_eq!(mark(&sockets), u32::from(dscp) << 2, "{family}");
                sockets.mark(FLOW, 26);
                assert_eq!(mark(&sockets), 26 << 2, "{family}");
            }
        }
    }
}
