//! TCP of the lines: listening sockets and their connections. It connects, accepts, sends and receives what it is told to; which
//! connection a message takes, and when one has been idle for too long, is the stack's choice.
//!
//! Nothing here waits for a peer. What cannot be sent yet waits in the connection's own queue; a peer that does not read fills
//! its queue and loses its connection, and nobody else notices. None of it is in the supervisor's store: connections do not
//! outlive the process, and the listening socket is bound anew.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use sip_stack::FlowId;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream};

use crate::dscp::mark;

/// Connections at a time, all lines together: a few more than the stack wants.
const CONNECTIONS_MAX: usize = 80;
/// Bytes that wait for one peer: a few of the largest messages.
const QUEUE_MAX: usize = 256 * 1024;
/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 16;
/// What has been sent and is not acknowledged for so long ends its connection (RFC 5482, tcp(7)); left to itself the kernel tries
/// for a quarter of an hour. Shorter than timers B and F, so that a request may still go over another one.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(25);
/// Read at a time.
const PIECE: usize = 16 * 1024;

/// What has happened to a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// It is there.
    Up {
        /// The other end has made it.
        accepted: bool,
    },
    /// Bytes came in.
    Bytes(Vec<u8>),
    /// It could not be made, or is over.
    Down,
}

/// A connection of a line.
type Key = (FlowId, SocketAddr);

struct Listener {
    socket: TcpListener,
    dscp: u8,
}

struct Connection {
    stream: TcpStream,
    connected: bool,
    queue: VecDeque<u8>,
}

/// All of TCP.
#[derive(Default)]
pub struct Streams {
    listeners: BTreeMap<FlowId, Listener>,
    connections: BTreeMap<Key, Connection>,
    /// Where the next look begins, so that a busy peer does not starve the others.
    turn: usize,
}

impl Streams {
    /// Listens.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub fn listen(&mut self, flow: FlowId, local: SocketAddr, dscp: u8) -> io::Result<SocketAddr> {
        self.close(flow);
        let socket = new_socket(local, dscp)?;
        // A connection of the last life that lingers is no reason to be without a line.
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let local = socket.local_addr()?;
        self.listeners.insert(flow, Listener { socket, dscp });
        Ok(local)
    }

    /// Whether the flow is one of TCP.
    pub fn has(&self, flow: FlowId) -> bool {
        self.listeners.contains_key(&flow)
    }

    /// Everything sent on the flow and its connections is marked so from now on.
    pub fn mark(&mut self, flow: FlowId, dscp: u8) {
        let Some(listener) = self.listeners.get_mut(&flow) else { return };
        listener.dscp = dscp;
        if let Ok(local) = listener.socket.local_addr() {
            mark(&SockRef::from(&listener.socket), local, dscp);
        }
        for ((_, remote), connection) in self.connections.iter().filter(|((of, _), _)| *of == flow) {
            mark(&SockRef::from(&connection.stream), *remote, dscp);
        }
    }

    /// The port that the flow listens on.
    pub fn port(&self, flow: FlowId) -> Option<u16> {
        self.listeners.get(&flow).and_then(|listener| listener.socket.local_addr().ok()).map(|local| local.port())
    }

    /// Ends a flow and its connections.
    pub fn close(&mut self, flow: FlowId) {
        self.listeners.remove(&flow);
        self.connections.retain(|(of, _), _| *of != flow);
    }

    /// Ends a connection.
    pub fn close_connection(&mut self, flow: FlowId, remote: SocketAddr) {
        self.connections.remove(&(flow, remote));
    }

    /// Sends over the connection to `remote`, which is made where there is none. What cannot leave yet waits.
    ///
    /// # Errors
    /// It cannot be made, or its queue is full: then it is over. Nothing more is said of it.
    pub fn send(&mut self, flow: FlowId, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        if !self.connections.contains_key(&(flow, remote)) {
            let made = self.connect(flow, remote)?;
            self.connections.insert((flow, remote), made);
        }
        let Some(connection) = self.connections.get_mut(&(flow, remote)) else { return Err(io::ErrorKind::NotConnected.into()) };
        let sent = connection.enqueue(bytes);
        if sent.is_err() {
            self.close_connection(flow, remote);
        }
        sent
    }

    fn connect(&self, flow: FlowId, remote: SocketAddr) -> io::Result<Connection> {
        let Some(listener) = self.listeners.get(&flow) else { return Err(io::ErrorKind::NotConnected.into()) };
        if self.connections.len() >= CONNECTIONS_MAX {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "there are too many connections"));
        }
        let local = listener.socket.local_addr()?;
        let socket = new_socket(local, listener.dscp)?;
        // From the line's own address, and from any port: the line's is the listener's.
        socket.bind(&SocketAddr::new(local.ip(), 0).into())?;
        match socket.connect(&remote.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        Ok(Connection { stream: TcpStream::from_std(socket.into())?, connected: false, queue: VecDeque::new() })
    }

    /// The next thing that happens. Safe to drop half way.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<(FlowId, SocketAddr, StreamEvent)> {
        if let Poll::Ready(((flow, remote), event)) = self.poll_accept(context) {
            return Poll::Ready((flow, remote, event));
        }
        self.turn = self.turn.wrapping_add(1);
        let count = self.connections.len();
        let first = self.turn.checked_rem(count).unwrap_or(0);
        let keys: Vec<Key> = self.connections.keys().cycle().skip(first).take(count).copied().collect();
        for key in keys {
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            if let Poll::Ready(event) = connection.poll(context) {
                if event == StreamEvent::Down {
                    self.connections.remove(&key);
                }
                return Poll::Ready((key.0, key.1, event));
            }
        }
        Poll::Pending
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<(Key, StreamEvent)> {
        for (flow, listener) in &self.listeners {
            // An error here is about a connection that has gone before it was accepted.
            while let Poll::Ready(Ok((stream, remote))) = listener.socket.poll_accept(context) {
                let key = (*flow, remote);
                if self.connections.len() >= CONNECTIONS_MAX || self.connections.contains_key(&key) {
                    continue;
                }
                let socket = SockRef::from(&stream);
                mark(&socket, remote, listener.dscp);
                bound_silence(&socket);
                self.connections.insert(key, Connection { stream, connected: true, queue: VecDeque::new() });
                return Poll::Ready((key, StreamEvent::Up { accepted: true }));
            }
        }
        Poll::Pending
    }
}

impl Connection {
    /// What waits goes first; then as much as the kernel takes.
    fn enqueue(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.queue.len().saturating_add(bytes.len()) > QUEUE_MAX {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the peer does not read"));
        }
        self.queue.extend(bytes);
        if self.connected { self.flush() } else { Ok(()) }
    }

    /// Past the runtime, which does not know yet that a new socket is writable (see `sockets`).
    fn flush(&mut self) -> io::Result<()> {
        let socket = SockRef::from(&self.stream);
        while !self.queue.is_empty() {
            let (front, _) = self.queue.as_slices();
            match socket.send(front) {
                Ok(sent) => drop(self.queue.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<StreamEvent> {
        if !self.connected {
            let Poll::Ready(ready) = self.stream.poll_write_ready(context) else { return Poll::Pending };
            let error = ready.err().or_else(|| self.stream.take_error().unwrap_or_else(Some));
            if error.is_some() || self.flush().is_err() {
                return Poll::Ready(StreamEvent::Down);
            }
            self.connected = true;
            return Poll::Ready(StreamEvent::Up { accepted: false });
        }
        if self.poll_flush(context).is_err() {
            return Poll::Ready(StreamEvent::Down);
        }
        self.poll_read(context)
    }

    /// Asks the runtime for a wake-up only while something waits.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while !self.queue.is_empty() {
            let Poll::Ready(ready) = self.stream.poll_write_ready(context) else { return Ok(()) };
            ready?;
            let (front, _) = self.queue.as_slices();
            match self.stream.try_write(front) {
                Ok(sent) => drop(self.queue.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<StreamEvent> {
        let mut piece = vec![0; PIECE];
        let mut buffer = ReadBuf::new(&mut piece);
        let stream = std::pin::Pin::new(&mut self.stream);
        match tokio::io::AsyncRead::poll_read(stream, context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => Poll::Ready(StreamEvent::Bytes(buffer.filled().to_vec())),
            Poll::Ready(Ok(()) | Err(_)) => Poll::Ready(StreamEvent::Down),
        }
    }
}

fn new_socket(local: SocketAddr, dscp: u8) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    let reference = SockRef::from(&socket);
    mark(&reference, local, dscp);
    bound_silence(&reference);
    Ok(socket)
}

fn bound_silence(socket: &SockRef<'_>) {
    if let Err(error) = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX)) {
        tracing::warn!(%error, "a dead connection is noticed only by its silence");
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read as _, Write as _};

    use super::*;

    const FLOW: FlowId = FlowId(1);

    const FAMILIES: [&str; 2] = ["127.0.0.1:0", "[::1]:0"];

    fn listening() -> (Streams, SocketAddr) {
        listening_at(FAMILIES[0])
    }

    fn listening_at(local: &str) -> (Streams, SocketAddr) {
        let mut streams = Streams::default();
        let local = streams.listen(FLOW, local.parse().unwrap(), 46).unwrap();
        (streams, local)
    }

    fn peer() -> (std::net::TcpListener, SocketAddr) {
        peer_at(FAMILIES[0])
    }

    fn peer_at(local: &str) -> (std::net::TcpListener, SocketAddr) {
        let peer = std::net::TcpListener::bind(local).unwrap();
        let address = peer.local_addr().unwrap();
        (peer, address)
    }

    /// One connection that we have made, and one that we have accepted; by the other ends.
    async fn both_ways(streams: &mut Streams, local: SocketAddr, peer: SocketAddr) -> (std::net::TcpStream, [SocketAddr; 2]) {
        streams.send(FLOW, peer, b"hello").unwrap();
        assert_eq!(next(streams).await, (peer, StreamEvent::Up { accepted: false }));
        let caller = std::net::TcpStream::connect(local).unwrap();
        let from = caller.local_addr().unwrap();
        assert_eq!(next(streams).await, (from, StreamEvent::Up { accepted: true }));
        (caller, [peer, from])
    }

    /// RFC 2474 3, RFC 8200 7: DSCP_SIP_n, also where it changes while the connections are there.
    #[tokio::test]
    async fn connections_are_marked_with_the_dscp_whoever_has_made_them() {
        for family in FAMILIES {
            let (mut streams, local) = listening_at(family);
            let (_peer, address) = peer_at(family);
            let (_caller, ends) = both_ways(&mut streams, local, address).await;
            let marks = |streams: &Streams| {
                let sockets = ends.iter().map(|end| SockRef::from(&streams.connections[&(FLOW, *end)].stream));
                let sockets = sockets.chain([SockRef::from(&streams.listeners[&FLOW].socket)]);
                let mark = |socket: SockRef<'_>| if local.is_ipv4() { socket.tos_v4() } else { socket.tclass_v6() };
                sockets.map(|socket| mark(socket).unwrap()).collect::<Vec<_>>()
            };
            assert_eq!(marks(&streams), [46 << 2; 3], "{family}");
            streams.mark(FLOW, 26);
            assert_eq!(marks(&streams), [26 << 2; 3], "{family}");
            let (_late, late) = peer_at(family);
            let (_caller, ends) = both_ways(&mut streams, local, late).await;
            let marked = ends.iter().all(|end| {
                let socket = SockRef::from(&streams.connections[&(FLOW, *end)].stream);
                if local.is_ipv4() { socket.tos_v4().unwrap() == 26 << 2 } else { socket.tclass_v6().unwrap() == 26 << 2 }
            });
            assert!(marked, "those that come later, too: {family}");
        }
    }

    /// RFC 5482: the kernel ends a connection whose far end acknowledges nothing.
    #[tokio::test]
    async fn what_nobody_acknowledges_ends_its_connection_in_time() {
        let (mut streams, local) = listening();
        let (_peer, address) = peer();
        let (_caller, ends) = both_ways(&mut streams, local, address).await;
        for end in ends {
            let socket = SockRef::from(&streams.connections[&(FLOW, end)].stream);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED_MAX));
        }
    }

    /// A line listens for each family at one port (RFC 3493 5.3), and messages go both ways over IPv6.
    #[tokio::test]
    async fn both_families_have_the_same_port_side_by_side() {
        let (mut streams, local) = listening_at("[::]:0");
        streams.listen(FlowId(2), SocketAddr::from(([0, 0, 0, 0], local.port())), 0).unwrap();
        let mut caller = std::net::TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, local.port())).unwrap();
        let from = caller.local_addr().unwrap();
        assert_eq!(next(&mut streams).await, (from, StreamEvent::Up { accepted: true }));
        caller.write_all(b"question").unwrap();
        assert_eq!(next(&mut streams).await, (from, StreamEvent::Bytes(b"question".to_vec())));
        streams.send(FLOW, from, b"answer").unwrap();
        let mut read = [0; 6];
        caller.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"answer");
    }

    async fn next(streams: &mut Streams) -> (SocketAddr, StreamEvent) {
        let (_, remote, event) = poll_fn(|context| streams.poll(context)).await;
        (remote, event)
    }

    #[tokio::test]
    async fn a_message_makes_its_connection_and_the_next_one_takes_the_same() {
        let (mut streams, _) = listening();
        let (peer, address) = peer();
        streams.send(FLOW, address, b"first ").unwrap();
        assert_eq!(next(&mut streams).await, (address, StreamEvent::Up { accepted: false }));
        streams.send(FLOW, address, b"second").unwrap();
        let (mut stream, _) = peer.accept().unwrap();
        let mut read = [0; 12];
        stream.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"first second");
        peer.set_nonblocking(true).unwrap();
        assert!(peer.accept().is_err(), "one connection");
        stream.write_all(b"answer").unwrap();
        assert_eq!(next(&mut streams).await, (address, StreamEvent::Bytes(b"answer".to_vec())));
        drop(stream);
        assert_eq!(next(&mut streams).await, (address, StreamEvent::Down));
        assert!(streams.connections.is_empty());
    }

    #[tokio::test]
    async fn an_accepted_connection_carries_the_answers() {
        let (mut streams, local) = listening();
        let mut caller = std::net::TcpStream::connect(local).unwrap();
        let from = caller.local_addr().unwrap();
        assert_eq!(next(&mut streams).await, (from, StreamEvent::Up { accepted: true }));
        caller.write_all(b"question").unwrap();
        assert_eq!(next(&mut streams).await, (from, StreamEvent::Bytes(b"question".to_vec())));
        streams.send(FLOW, from, b"answer").unwrap();
        let mut read = [0; 6];
        caller.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"answer");
        streams.close_connection(FLOW, from);
        assert_eq!(caller.read(&mut read).unwrap(), 0, "closed");
    }

    #[tokio::test]
    async fn where_nobody_listens_the_connection_is_said_to_be_down() {
        let (mut streams, _) = listening();
        let (gone, address) = peer();
        drop(gone);
        // The kernel may say so at once, or a moment later.
        if streams.send(FLOW, address, b"hello").is_ok() {
            assert_eq!(next(&mut streams).await, (address, StreamEvent::Down));
        }
        assert!(streams.connections.is_empty());
    }

    /// One that does not read loses its own connection; another one is served all the while.
    #[tokio::test]
    async fn a_peer_that_does_not_read_loses_its_connection_and_stalls_nobody() {
        let (mut streams, _) = listening();
        let ((slow, slow_address), (quick, quick_address)) = (peer(), peer());
        for address in [slow_address, quick_address] {
            streams.send(FLOW, address, b"hello").unwrap();
            assert_eq!(next(&mut streams).await.1, StreamEvent::Up { accepted: false });
        }
        let (_slow, (mut quick, _)) = (slow.accept().unwrap(), quick.accept().unwrap());
        let message = vec![b'x'; 60_000];
        let sent = (0..2000).take_while(|_| streams.send(FLOW, slow_address, &message).is_ok()).count();
        assert!(sent < 2000, "the queue has no end");
        assert!(!streams.connections.contains_key(&(FLOW, slow_address)));
        streams.send(FLOW, quick_address, b" again").unwrap();
        let mut read = [0; 11];
        quick.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"hello again");
    }

    #[tokio::test]
    async fn connections_are_bounded() {
        let (mut streams, local) = listening();
        let mut callers = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            callers.push(std::net::TcpStream::connect(local).unwrap());
            assert_eq!(next(&mut streams).await.1, StreamEvent::Up { accepted: true });
        }
        let mut late = std::net::TcpStream::connect(local).unwrap();
        callers[0].write_all(b"still there").unwrap();
        assert_eq!(next(&mut streams).await.1, StreamEvent::Bytes(b"still there".to_vec()));
        assert_eq!(late.read(&mut [0; 1]).unwrap(), 0, "closed at once");
        assert_eq!(streams.connections.len(), CONNECTIONS_MAX);
    }
}
