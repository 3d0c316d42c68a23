//! TCP connections as the stack sees them (RFC 3261 18, RFC 5626 4.4.1; B325). A line's TCP flow is its listening socket; the
//! driver connects when a message is to leave for an address that has no connection, and uses whatever connection there is to
//! it, ours or theirs (RFC 3261 18.1.1, RFC 5923). Here the bytes become messages, whatever pieces they come in, and here is decided what ends: a stream that
//! lost its place, one that connects too long, one that nobody uses, one whose far end does not answer pings any more.
//!
//! ```text
//!   Transmit --> Connecting -- StreamUp --> Up -- StreamDown, framing error, no pong, unused --> gone
//!                    | StreamDown, StreamIdle: gone, its requests are lost       ^
//!   accepted: StreamUp ----------------------------------------------------------+
//! ```
//!
//! Nothing of it is in a snapshot: connections do not outlive the process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_wire::{Frame, StreamFramer, Via};

use crate::interface::{FlowId, Output, Transport};
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// Connections at a time, all lines together.
const MOST_STREAMS: usize = 64;
/// Of them, those that others have opened.
const MOST_ACCEPTED: usize = 32;
/// Patience for a connection that is being made: shorter than timers B and F, so that the next server gets its chance.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// A connection that nothing uses is closed after so long without a message.
const IDLE: Duration = Duration::from_secs(180);
/// RFC 5626 4.4.1: 95 to 120 seconds between pings where nobody says otherwise; ten for the pong.
const SHORTEST_PING: Duration = Duration::from_secs(95);
const PING_RANGE_MS: u64 = 25_000;
const PONG_PATIENCE: Duration = Duration::from_secs(10);
/// Pieces that go into the framer at a time.
const PIECE: usize = 16_384;

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// One connection.
#[derive(Default)]
struct Stream {
    up: bool,
    accepted: bool,
    /// Requests to this address may go over it as well (RFC 5923).
    alias: Option<SocketAddr>,
    framer: StreamFramer,
}

/// All connections.
#[derive(Default)]
pub(crate) struct StreamTable {
    all: BTreeMap<(FlowId, SocketAddr), Stream>,
}

impl StreamTable {
    /// Which connection takes what is for `route`: the one to its address, else one that its far end has opened and says to be for
    /// it as well.
    fn way(&self, route: Route) -> Route {
        let serves = |((flow, _), stream): &(&(FlowId, SocketAddr), &Stream)| {
            *flow == route.flow && stream.up && stream.alias == Some(route.remote)
        };
        let other = self.all.iter().find(serves).map(|((_, remote), _)| *remote);
        let remote = other.filter(|_| !self.all.contains_key(&(route.flow, route.remote))).unwrap_or(route.remote);
        Route { remote, ..route }
    }

    fn has_room(&self, accepted: bool) -> bool {
        let accepted_now = self.all.values().filter(|stream| stream.accepted).count();
        self.all.len() < MOST_STREAMS && !(accepted && accepted_now >= MOST_ACCEPTED)
    }
}

impl Stack {
    /// Whether messages of a flow travel in streams.
    pub(crate) fn is_stream(&self, flow: FlowId) -> bool {
        self.core.flows.find(flow).is_some_and(|flow| flow.transport == Transport::Tcp)
    }

    /// A request came over a connection: whoever has opened it and says `alias` in Via wants requests for its sent-by over it, too
    /// (RFC 5923 section 5). That is meant for TLS, where it is known who it is; over TCP it is believed for a port of the
    /// same address, behind which whoever has opened the connection is.
    pub(crate) fn note_alias(&mut self, source: Route, via: &Via) {
        let sent_by = via.host.socket(via.port_or_default()).filter(|at| at.ip() == source.remote.ip());
        let stream = self.streams.all.get_mut(&(source.flow, source.remote)).filter(|stream| stream.accepted);
        if let (Some(stream), Some(sent_by), true) = (stream, sent_by, via.params.has("alias")) {
            stream.alias = Some(sent_by);
        }
    }

    /// A message leaves: over which connection. The driver connects where there is none yet.
    pub(crate) fn note_stream(&mut self, route: Route) -> Route {
        let route = self.streams.way(route);
        let key = (route.flow, route.remote);
        let (known, room) = (self.streams.all.get(&key).map(|stream| stream.up), self.streams.has_room(false));
        match known {
            Some(true) => self.arm(TimerOwner::Stream(key.0, key.1), Timer::StreamIdle, IDLE),
            Some(false) => {}
            None if room => {
                self.streams.all.insert(key, Stream::default());
                self.arm(TimerOwner::Stream(key.0, key.1), Timer::StreamIdle, CONNECT_PATIENCE);
            }
            // The driver has the last word on how many there are; without an entry here nothing watches it but its own bounds.
            None => {}
        }
        route
    }

    /// `Input::StreamUp`.
    pub(crate) fn on_stream_up(&mut self, flow: FlowId, remote: SocketAddr, accepted: bool) {
        let known = self.streams.all.contains_key(&(flow, remote));
        if !self.is_stream(flow) || !self.is_heard(flow, remote) || (!known && !self.streams.has_room(accepted)) {
            return self.put(Output::CloseStream { flow, remote });
        }
        let stream = self.streams.all.entry((flow, remote)).or_default();
        (stream.up, stream.accepted) = (true, accepted);
        self.arm(TimerOwner::Stream(flow, remote), Timer::StreamIdle, IDLE);
    }

    /// Whether what comes from there is looked at (B212): a connection with anybody else is of no use.
    fn is_heard(&self, flow: FlowId, remote: SocketAddr) -> bool {
        self.core.flows.find(flow).is_some_and(|flow| self.is_welcome(flow.line, remote.ip()))
    }

    /// `Input::StreamBytes`: whatever is whole is served, in its order.
    pub(crate) fn on_stream_bytes(&mut self, flow: FlowId, remote: SocketAddr, bytes: &[u8]) {
        if !self.is_heard(flow, remote) {
            return self.end_stream(flow, remote);
        }
        for piece in bytes.chunks(PIECE) {
            let Some(stream) = self.streams.all.get_mut(&(flow, remote)) else { return };
            let mut frame = stream.framer.push(piece).and_then(|()| stream.framer.next_frame());
            loop {
                match frame {
                    Ok(Some(frame)) => self.on_frame(flow, remote, frame),
                    Ok(None) => break,
                    Err(_) => return self.end_stream(flow, remote),
                }
                // A message may have ended its own stream.
                let Some(stream) = self.streams.all.get_mut(&(flow, remote)) else { return };
                frame = stream.framer.next_frame();
            }
        }
    }

    fn on_frame(&mut self, flow: FlowId, remote: SocketAddr, frame: Frame) {
        match frame {
            Frame::Message(bytes) => {
                self.arm(TimerOwner::Stream(flow, remote), Timer::StreamIdle, IDLE);
                self.on_datagram(flow, remote, &bytes);
            }
            Frame::Ping => self.put(Output::Transmit { flow, remote, bytes: PONG.to_vec() }),
            Frame::Pong => {
                self.core.timers.disarm(TimerOwner::Stream(flow, remote), Timer::PongLost);
                self.note_pong(Route { flow, remote });
            }
        }
    }

    /// `Input::StreamDown`, or the end that we have made: what was never answered over it is lost.
    pub(crate) fn on_stream_down(&mut self, flow: FlowId, remote: SocketAddr) {
        let alias = self.streams.all.get(&(flow, remote)).and_then(|stream| stream.alias);
        self.forget_stream(flow, remote);
        for gone in [remote].into_iter().chain(alias) {
            self.on_unreachable(flow, gone);
        }
        self.on_way_lost(Route { flow, remote });
    }

    fn end_stream(&mut self, flow: FlowId, remote: SocketAddr) {
        self.put(Output::CloseStream { flow, remote });
        self.on_stream_down(flow, remote);
    }

    fn forget_stream(&mut self, flow: FlowId, remote: SocketAddr) {
        self.streams.all.remove(&(flow, remote));
        self.core.timers.disarm_all(TimerOwner::Stream(flow, remote));
    }

    /// The listening socket is gone, and its connections with it.
    pub(crate) fn forget_streams_of(&mut self, flow: FlowId) {
        let gone: Vec<SocketAddr> = self.streams.all.keys().filter(|(of, _)| *of == flow).map(|(_, remote)| *remote).collect();
        for remote in gone {
            self.forget_stream(flow, remote);
        }
    }

    /// One of a connection's timers.
    pub(crate) fn on_stream_timer(&mut self, flow: FlowId, remote: SocketAddr, timer: Timer) {
        match (timer, self.streams.all.get(&(flow, remote)).map(|stream| stream.up)) {
            (_, None) => {}
            (Timer::StreamPing, Some(_)) => self.ping(flow, remote),
            (Timer::PongLost, Some(_)) | (_, Some(false)) => self.end_stream(flow, remote),
            (_, Some(true)) if self.is_way_in_use(Route { flow, remote }) => {
                self.arm(TimerOwner::Stream(flow, remote), Timer::StreamIdle, IDLE);
            }
            (_, Some(true)) => self.end_stream(flow, remote),
        }
    }

    fn is_way_in_use(&self, route: Route) -> bool {
        let alias = self.streams.all.get(&(route.flow, route.remote)).and_then(|stream| stream.alias);
        let routes = [route.remote].into_iter().chain(alias).map(|remote| Route { remote, ..route });
        routes.into_iter().any(|route| self.is_in_use(route))
    }

    fn is_in_use(&self, route: Route) -> bool {
        let by_transaction = self.core.transactions.iter().any(|(_, transaction)| transaction.route == route);
        let by_line = LineNumber::all().any(|line| self.binding_route(line) == Some(route));
        by_transaction
            || by_line
            || self.core.subscriptions.any_over(route)
            || self.core.calls.values().any(|call| call.goes(route))
    }

    /// The line is bound over this connection: it is kept open and watched.
    pub(crate) fn watch_stream(&mut self, route: Route) {
        let owner = TimerOwner::Stream(route.flow, route.remote);
        if self.is_stream(route.flow) && !self.core.timers.is_armed(owner, Timer::StreamPing) {
            let wait = SHORTEST_PING + Duration::from_millis(self.random.below(PING_RANGE_MS));
            self.arm(owner, Timer::StreamPing, wait);
        }
    }

    /// A pong is waited for only from a server that has sent one before: some never do.
    fn ping(&mut self, flow: FlowId, remote: SocketAddr) {
        let route = Route { flow, remote };
        let Some(answers) = self.answers_pings(route) else { return };
        self.put(Output::Transmit { flow, remote, bytes: PING.to_vec() });
        if answers {
            self.arm(TimerOwner::Stream(flow, remote), Timer::PongLost, PONG_PATIENCE);
        }
        self.watch_stream(route);
    }

    /// After a restore: there are no connections; what was bound over one is bound anew at once.
    pub(crate) fn resume_streams(&mut self) {
        let owners: Vec<TimerOwner> = self.core.timers.armed().map(|(owner, _)| owner).collect();
        for owner in owners {
            if let TimerOwner::Stream(..) = owner {
                self.core.timers.disarm_all(owner);
            }
        }
        for line in LineNumber::all() {
            if self.binding_route(line).is_some_and(|route| self.is_stream(route.flow)) {
                self.arm(TimerOwner::Line(line), Timer::RegisterRefresh, Duration::ZERO);
            }
        }
    }
}
