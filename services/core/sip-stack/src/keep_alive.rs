//! Keeping the NAT binding of a registered line open (PORT_PUNCH_INTVL_n, B213, B326): over UDP an empty line pair goes to the
//! registrar at the interval, and nobody answers it. RFC 5626 4.4.2 has STUN for UDP, whose answers would show a lost flow; that goes
//! with the rest of STUN.

use std::time::Duration;

use agreements::LineNumber;

use crate::interface::{Output, Transport};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};

/// What every SIP server passes over (RFC 3261 7.5).
const EMPTY: &[u8] = b"\r\n\r\n";

impl Stack {
    /// Whether and how often, as the settings are now.
    fn keep_alive_interval(&self, line: LineNumber) -> Option<Duration> {
        let own = line_of(self.settings.as_deref()?, line)?;
        let wanted =
            self.binding_route(line).is_some() && own.enabled && own.transport == Transport::Udp && !own.keep_alive.is_zero();
        wanted.then_some(own.keep_alive)
    }

    /// The interval is another, or the line has just been bound.
    pub(crate) fn plan_keep_alive(&mut self, line: LineNumber) {
        match self.keep_alive_interval(line) {
            Some(interval) => self.arm(TimerOwner::Line(line), Timer::KeepAlive, interval),
            None => self.core.timers.disarm(TimerOwner::Line(line), Timer::KeepAlive),
        }
    }

    /// The interval has passed.
    pub(crate) fn on_keep_alive(&mut self, line: LineNumber) {
        if let Some(route) = self.binding_route(line)
            && self.local_of(route.flow).is_some()
        {
            self.put(Output::Transmit { flow: route.flow, remote: route.remote, bytes: EMPTY.to_vec() });
        }
        self.plan_keep_alive(line);
    }
}
