//! The connection over which a line is bound (RFC 5626 4.4.1, 4.5): whether its server answers pings, and what follows when it is
//! lost: the line binds anew after a wait that grows while connections are short-lived, a part of it random, so that the phones
//! of a server that has started again do not come back at one moment.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};

use super::Activity;
use crate::stack::Stack;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// The first wait; doubled with each short-lived connection that is lost before the next refresh.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// A connection that has lasted so long was a good one, whoever has ended it: a NAT that forgets every ten minutes is no server
/// that falls over.
const LONG_LIVED: Duration = Duration::from_secs(120);

/// What is remembered of a line's connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// The server that has answered a ping.
    ponging: Option<SocketAddr>,
    /// Short-lived ones, since a binding has last been refreshed in its time or a connection has lasted.
    losses: u32,
}

impl Way {
    /// The binding has lasted until its refresh.
    pub(super) fn has_lasted(&mut self) {
        self.losses = 0;
    }
}

impl Stack {
    fn line_bound_over(&self, route: Route) -> Option<LineNumber> {
        LineNumber::all().find(|line| self.binding_route(*line) == Some(route))
    }

    /// It has answered a ping of ours.
    pub(crate) fn note_pong(&mut self, route: Route) {
        let Some(line) = self.line_bound_over(route) else { return };
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.way.ponging = Some(route.remote);
            self.touch();
        }
    }

    /// Whether a line is bound over it.
    pub(crate) fn is_bound_over(&self, route: Route) -> bool {
        self.line_bound_over(route).is_some()
    }

    /// Whether a line is bound over it and the server at its end answers pings.
    pub(crate) fn answers_pings(&self, route: Route) -> bool {
        let registration = self.line_bound_over(route).and_then(|line| self.core.registrations.get(&line));
        registration.is_some_and(|registration| registration.way.ponging == Some(route.remote))
    }

    /// ICMP says that nobody is at the end of the way: a line that is bound there and could be elsewhere binds anew in a moment, and
    /// that moment grows while nothing but ICMP says so.
    pub(crate) fn on_way_refused(&mut self, route: Route) {
        let Some(line) = self.line_bound_over(route).filter(|line| self.is_bound_among_others(*line, route.remote)) else { return };
        if !self.core.timers.is_armed(TimerOwner::Line(line), Timer::RegisterRetry) {
            self.on_way_lost(route, Duration::ZERO);
        }
    }

    /// A connection is lost after this life: a line that is bound over it cannot be reached until it has bound anew.
    pub(crate) fn on_way_lost(&mut self, route: Route, life: Duration) {
        let Some(line) = self.line_bound_over(route) else { return };
        let range = u64::try_from(FIRST_WAIT.as_millis()).unwrap_or(0);
        let moment = Duration::from_millis(self.random.below(range));
        let Some(registration) = self.core.registrations.get_mut(&line) else { return };
        if registration.activity != Activity::Bound {
            return;
        }
        if life >= LONG_LIVED {
            registration.way.losses = 0;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << registration.way.losses.min(16)).min(LONGEST_WAIT);
        registration.way.losses = registration.way.losses.saturating_add(1);
        self.arm(TimerOwner::Line(line), Timer::RegisterRetry, wait / 2 + moment);
        self.touch();
    }
}
