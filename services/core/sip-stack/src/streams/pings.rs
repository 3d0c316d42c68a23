//! Whether there is still somebody at the other end of a connection (RFC 5626 3.5.1, 4.4.1): pings of ours, pings of theirs, and
//! requests that were not answered. A connection may die without a word: a NAT forgets it, a far end is switched off.
//!
//! ```text
//!   StreamPing: CRLF CRLF --> pinged -- PongLost: a line end alone has come since: the server answers pings
//!                                               none, and it has answered others: the connection is ended
//! ```
//!
//! Two line ends are a ping, one is a pong, and they may come in any pieces: which of both one is shows only when no second one
//! has followed. Many servers ping us and answer nothing (pjproject, and Asterisk with it, every 90 seconds), so that what begins
//! as a pong proves nothing.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::Tick;

use super::{LASTING, Stream};
use crate::interface::{FlowId, Output};
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// RFC 5626 4.4.1: 95 to 120 seconds between pings where nobody says otherwise; ten for the pong, and for the second half of a
/// ping.
const SHORTEST_PING: Duration = Duration::from_secs(95);
const PING_RANGE_MS: u64 = 25_000;
const PONG_PATIENCE: Duration = Duration::from_secs(10);

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

impl Stream {
    /// One more. Whether it is the second half of a ping.
    fn on_line_end(&mut self, now: Tick) -> bool {
        let first = self.line_end.take().filter(|at| now.since(*at) < PONG_PATIENCE);
        if first.is_none() {
            self.line_end = Some(now);
        }
        first.is_some()
    }

    /// Whether the line end that has stayed alone answers our ping: many servers ping us and answer nothing.
    fn take_pong(&mut self) -> bool {
        let alone = self.line_end.take();
        let pong = self.pinged.is_some_and(|pinged| alone.is_some_and(|at| at >= pinged));
        if pong {
            self.pinged = None;
        }
        pong
    }
}

impl Stack {
    /// A line end came between messages.
    pub(super) fn on_line_end(&mut self, flow: FlowId, remote: SocketAddr) {
        let Some(stream) = self.streams.all.get_mut(&(flow, remote)) else { return };
        if stream.on_line_end(self.now) {
            self.put(Output::Transmit { flow, remote, bytes: PONG.to_vec() });
        }
    }

    /// A message came: nothing stands between the halves of a ping, so that a line end before it was a pong.
    pub(super) fn on_parted(&mut self, route: Route) {
        let Some(stream) = self.streams.all.get_mut(&(route.flow, route.remote)) else { return };
        if stream.take_pong() {
            self.core.timers.disarm(TimerOwner::Stream(route.flow, route.remote), Timer::PongLost);
            self.note_pong(route);
        }
    }

    /// The line is bound over this connection: it is kept open and watched.
    pub(crate) fn watch_stream(&mut self, route: Route) {
        let owner = TimerOwner::Stream(route.flow, route.remote);
        if self.is_stream(route.flow) && !self.core.timers.is_armed(owner, Timer::StreamPing) {
            let wait = SHORTEST_PING + Duration::from_millis(self.random.below(PING_RANGE_MS));
            self.arm(owner, Timer::StreamPing, wait);
        }
    }

    /// Asks the far end of a connection over which a line is bound.
    pub(super) fn ping(&mut self, flow: FlowId, remote: SocketAddr) {
        let route = Route { flow, remote };
        if !self.is_bound_over(route) {
            return;
        }
        if let Some(stream) = self.streams.all.get_mut(&(flow, remote)) {
            stream.pinged = Some(self.now);
        }
        self.put(Output::Transmit { flow, remote, bytes: PING.to_vec() });
        self.arm(TimerOwner::Stream(flow, remote), Timer::PongLost, PONG_PATIENCE);
        self.watch_stream(route);
    }

    /// A pong is wanted only of a server that has sent one before: some never do.
    pub(super) fn on_pong_due(&mut self, flow: FlowId, remote: SocketAddr) {
        let route = Route { flow, remote };
        let Some(stream) = self.streams.all.get_mut(&(flow, remote)) else { return };
        let answered = stream.take_pong();
        stream.pinged = None;
        if answered {
            self.note_pong(route);
        } else if self.answers_pings(route) {
            self.end_stream(flow, remote);
        }
    }

    /// A request has waited in vain for so long: where nothing has come over its connection all the while, that may have died
    /// without a word (a NAT that forgets, a far end that is switched off). One whose server answers pings is asked, another is
    /// ended.
    pub(crate) fn on_unanswered_over(&mut self, route: Route, waited: Duration) {
        let Route { flow, remote } = self.streams.way(route);
        let Some(stream) = self.streams.all.get(&(flow, remote)).filter(|stream| stream.up) else { return };
        let silent = stream.heard.is_none_or(|at| self.now.since(at) >= waited);
        if !silent || self.now.since(stream.since) < LASTING {
            return;
        }
        if self.answers_pings(Route { flow, remote }) {
            self.ping(flow, remote);
        } else {
            self.end_stream(flow, remote);
        }
    }
}
