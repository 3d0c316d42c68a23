//! TCP connections as the stack sees them (RFC 3261 18, RFC 5626 4.4.1; B325). A line's TCP flow is its listening socket; the
//! driver connects when a message is to leave for an address that has no connection, and uses whatever connection there is to
//! it, ours or theirs (RFC 3261 18.1.1, RFC 5923). Here the bytes become messages, whatever pieces they come in, and here is
//! decided what ends: a stream that lost its place, one that connects too long, one that nobody uses, one that has died without a
//! word (`pings`). Strangers may hold half of the connections and no longer than they have something to say: a line's servers
//! always find room.
//!
//! ```text
//!   Transmit --> Connecting -- StreamUp --> Up -- StreamDown, framing error, silent, unused --> gone
//!                    | StreamDown, StreamIdle: gone, its requests are lost       ^
//!   accepted: StreamUp -- no whole message in time ------------------------------+
//! ```
//!
//! No connection is in a snapshot: they do not outlive the process. What is, is where an answer goes without one ([`WayBack`]).

mod pings;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agreements::{LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_wire::{Frame, Request, StreamFramer, Via};

use crate::interface::{FlowId, Output, Transport};
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// Connections at a time, all lines together.
const MOST_STREAMS: usize = 64;
/// Of them, those that strangers have opened, and how many of one address.
const MOST_OF_STRANGERS: usize = 32;
const MOST_OF_ONE: usize = 8;
/// Patience for a connection that is being made: shorter than timers B and F, so that the next server gets its chance.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Patience for the first whole message over a connection that somebody else has opened.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// A connection that nothing uses is closed after so long without a message.
const IDLE: Duration = Duration::from_secs(180);
/// A connection that has lasted so long and then breaks was a good one: what it took last is worth another one.
const LASTING: Duration = Duration::from_secs(5);
/// Pieces that go into the framer at a time.
const PIECE: usize = 16_384;

/// One connection.
#[derive(Default)]
struct Stream {
    up: bool,
    /// When it came up.
    since: Tick,
    /// When something last came over it.
    heard: Option<Tick>,
    /// Opened by the far end.
    accepted: bool,
    /// Requests to this address may go over it as well (RFC 5923).
    alias: Option<SocketAddr>,
    /// Opened by somebody who is none of the line's servers.
    strange: bool,
    framer: StreamFramer,
    /// A ping of ours has left, and nothing is known yet of its pong.
    pinged: Option<Tick>,
    /// A line end without a second one: a pong, or the first half of a ping of theirs.
    line_end: Option<Tick>,
}

/// What is known of the way back to whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WayBack {
    /// The way of its request.
    pub(crate) route: Route,
    /// Whom the request's Via names, for a connection that has gone.
    named: Option<SocketAddr>,
}

impl WayBack {
    /// Of a request of theirs whose answers go along `route`.
    pub(crate) fn of(request: &Request, route: Route) -> WayBack {
        let via = request.headers.top_via().ok();
        let named = via.and_then(|via| Some(SocketAddr::new(via.received().or_else(|| via.host.ip())?, via.port_or_default())));
        WayBack { route, named }
    }
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

    fn has_room(&self) -> bool {
        self.all.len() < MOST_STREAMS
    }

    fn has_room_for_stranger(&self, address: IpAddr) -> bool {
        let strangers = || self.all.iter().filter(|(_, stream)| stream.strange);
        let same = strangers().filter(|((_, remote), _)| remote.ip() == address).count();
        self.has_room() && strangers().count() < MOST_OF_STRANGERS && same < MOST_OF_ONE
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
        let (known, room) = (self.streams.all.get(&key).map(|stream| stream.up), self.streams.has_room());
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

    /// Where an answer goes: over the connection of its request; once that has gone, to whom the request's Via names (RFC 3261 18.2.2).
    pub(crate) fn way_back(&self, request: &Request, route: Route) -> Route {
        self.now_back(WayBack::of(request, route))
    }

    /// The same where the answer goes more than once.
    pub(crate) fn now_back(&self, way: WayBack) -> Route {
        let WayBack { route, named } = way;
        let gone = self.is_stream(route.flow) && !self.streams.all.contains_key(&(route.flow, route.remote));
        Route { remote: named.filter(|_| gone).unwrap_or(route.remote), ..route }
    }

    /// `Input::StreamUp`.
    pub(crate) fn on_stream_up(&mut self, flow: FlowId, remote: SocketAddr, accepted: bool) {
        let known = self.streams.all.contains_key(&(flow, remote));
        let strange = accepted && !self.is_from_server(flow, remote);
        let room = if strange { self.streams.has_room_for_stranger(remote.ip()) } else { self.streams.has_room() };
        if !self.is_stream(flow) || !self.is_heard(flow, remote) || (!known && !room) {
            return self.put(Output::CloseStream { flow, remote });
        }
        let stream = self.streams.all.entry((flow, remote)).or_default();
        (stream.up, stream.since) = (true, self.now);
        (stream.accepted, stream.strange) = (accepted, strange);
        self.arm(TimerOwner::Stream(flow, remote), Timer::StreamIdle, if accepted { FIRST_PATIENCE } else { IDLE });
    }

    fn is_from_server(&self, flow: FlowId, remote: SocketAddr) -> bool {
        self.core.flows.find(flow).is_some_and(|flow| self.is_server_of(flow.line, remote.ip()))
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
            stream.heard = Some(self.now);
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
                self.on_parted(Route { flow, remote });
                self.arm(TimerOwner::Stream(flow, remote), Timer::StreamIdle, IDLE);
                self.on_datagram(flow, remote, &bytes);
            }
            Frame::LineEnd => self.on_line_end(flow, remote),
        }
    }

    /// `Input::StreamDown`, or the end that we have made: what was never answered over it is lost. Where it has lasted for a while, its
    /// far end may have left it long ago, and only this message has found out: it goes again over another one.
    pub(crate) fn on_stream_down(&mut self, flow: FlowId, remote: SocketAddr) {
        let stream = self.streams.all.get(&(flow, remote));
        let alias = stream.and_then(|stream| stream.alias);
        let life = stream.filter(|stream| stream.up).map(|stream| self.now.since(stream.since)).unwrap_or_default();
        self.forget_stream(flow, remote);
        // What has a connection of its own has not gone over this one.
        let alias = alias.filter(|alias| !self.streams.all.contains_key(&(flow, *alias)));
        for gone in [remote].into_iter().chain(alias) {
            if life >= LASTING {
                self.send_again(Route { flow, remote: gone })
            } else {
                self.on_unreachable(flow, gone)
            }
            self.on_way_lost(Route { flow, remote: gone }, life);
        }
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
            (Timer::PongLost, Some(_)) => self.on_pong_due(flow, remote),
            (_, Some(false)) => self.end_stream(flow, remote),
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

    /// After a restore: there are no connections; what was bound over one is bound anew at once.
    pub(crate) fn resume_streams(&mut self) {
        let owners: Vec<TimerOwner> = self.core.timers.armed().map(|(owner, _)| owner).collect();
        for owner in owners {
            if let TimerOwner::Stream(..) = owner {
                self.core.timers.disarm_all(owner);
            }
        }
        LineNumber::all().for_each(|line| self.register_over_new_stream(line));
    }
}
