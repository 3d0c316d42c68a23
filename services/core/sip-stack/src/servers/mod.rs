//! Which servers of a line are well, and in which order a request tries them (RFC 3263 4.3, RFC 3261 21.5.4; B210, B214, B317).
//! The targets of a hop come in the order of preference: the resolver's, or the primary and its secondary. Whoever has not
//! answered, could not be reached or said 503 is passed over until it has answered again, so that nobody waits for it twice.
//!
//! ```text
//!              no answer, ICMP, 503
//!   (unknown) ---------------------> Down -- probe answered --> Returning -- ServerReturn: spread over a fleet --+
//!       ^                             ^  ^                          |                                            v
//!       |                             |  +-- probe failed, waits    |                                         Proven
//!       |                             +----- request failed --------+-----------------------------------------+ |
//!       +--------------------------------------------------------------- well for STEADY ------------------------+
//! ```
//!
//! No ping-pong: each failure that follows a short good time doubles the wait for the next probe, and a call that is set up
//! already stays where it is, for its dialog has its own way.

mod probe;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{LineNumber, Tick};
use serde::{Deserialize, Serialize};

use crate::interface::LineSettings;
use crate::transaction::TransactionId;

pub(crate) use probe::{is_unavailable, retry_after};

/// Servers that are remembered, all lines together: each line has a few hops of at most eight targets.
const MOST_SERVERS: usize = 64;
/// From a failure to the first probe; doubled with each failure that follows a short good time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait after such failures.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);
/// While a server stays away the wait between probes grows up to this, or stays what it was if that is longer.
const LONGEST_PROBE_WAIT: Duration = Duration::from_secs(300);
/// A server that was well for so long is as good as one that never failed.
const STEADY: Duration = Duration::from_secs(1800);
/// A server that has been nobody's target for so long has gone for good: it is neither probed nor remembered.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(86_400);
/// A server may ask for no longer silence than this (Retry-After).
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// A line's server.
type Key = (LineNumber, SocketAddr);

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Health {
    /// Passed over.
    Down {
        /// It has said itself (Retry-After) that it will not be there before.
        until: Option<Tick>,
        /// OPTIONS is out.
        probe: Option<TransactionId>,
    },
    /// It has answered; used again when its turn has come.
    Returning,
    /// Used again.
    Proven {
        /// Since then.
        since: Tick,
    },
}

/// One server that has failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Server {
    health: Health,
    /// Without a steady time between them.
    failures: u32,
    /// Until the next probe, or between two.
    wait: Duration,
    /// When a request last had it among its targets.
    wanted: Tick,
}

impl Server {
    fn is_passed_over(&self) -> bool {
        match self.health {
            Health::Down { .. } | Health::Returning => true,
            Health::Proven { .. } => false,
        }
    }

    fn asked_for_silence(&self, now: Tick) -> Option<Tick> {
        match self.health {
            Health::Down { until, .. } => until.filter(|until| *until > now),
            Health::Returning | Health::Proven { .. } => None,
        }
    }
}

/// All servers that have failed.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct ServerTable {
    known: BTreeMap<Key, Server>,
}

impl ServerTable {
    /// The targets that a request tries, in that order: at most SIP_FOVR_MAX_n of the preferred ones, the first alone with
    /// SIP_FOVR_NORSP_n=N; those that are passed over stand last, and those that have asked for silence are left out. Where that
    /// leaves nobody the preference stands: a try is worth more than none.
    pub(crate) fn in_order(&self, line: LineNumber, own: &LineSettings, targets: &[SocketAddr], now: Tick) -> Vec<SocketAddr> {
        let most = if own.fail_over { usize::from(own.servers_max).max(1) } else { 1 };
        let preferred: Vec<SocketAddr> = targets.iter().take(most).copied().collect();
        let of = |target: &SocketAddr| self.known.get(&(line, *target));
        let (mut order, passed_over): (Vec<SocketAddr>, Vec<SocketAddr>) =
            preferred.iter().partition(|target| !of(target).is_some_and(Server::is_passed_over));
        order.extend(passed_over.into_iter().filter(|target| of(target).and_then(|it| it.asked_for_silence(now)).is_none()));
        if order.is_empty() { preferred } else { order }
    }

    /// Whether it is known not to be there.
    pub(crate) fn is_passed_over(&self, line: LineNumber, server: SocketAddr) -> bool {
        self.known.get(&(line, server)).is_some_and(Server::is_passed_over)
    }

    /// When the first of `targets` may be asked again, if all of them have asked for silence.
    pub(crate) fn silent_until(&self, line: LineNumber, targets: &[SocketAddr], now: Tick) -> Option<Tick> {
        let untils = targets.iter().map(|target| self.known.get(&(line, *target))?.asked_for_silence(now));
        untils.collect::<Option<Vec<Tick>>>()?.into_iter().min()
    }

    /// A request may go to these.
    pub(crate) fn note_targets(&mut self, line: LineNumber, targets: &[SocketAddr], now: Tick) {
        for target in targets {
            if let Some(server) = self.known.get_mut(&(line, *target)) {
                server.wanted = now;
            }
        }
    }

    /// Whether nobody has wanted to go there for long.
    fn is_outdated(&self, key: Key, now: Tick) -> bool {
        self.known.get(&key).is_some_and(|server| now.since(server.wanted) >= FORGOTTEN_AFTER)
    }

    /// For one more: who is forgotten for it, where there is no room.
    fn make_room(&mut self, key: Key) -> Option<Key> {
        if self.known.contains_key(&key) || self.known.len() < MOST_SERVERS {
            return None;
        }
        let oldest = self.known.iter().min_by_key(|(_, server)| server.wanted).map(|(key, _)| *key)?;
        self.known.remove(&oldest);
        Some(oldest)
    }

    /// A request has failed there. When to probe it; none where it is down already.
    fn on_failed(&mut self, key: Key, silence: Option<Duration>, now: Tick) -> Option<Duration> {
        let until = silence.map(|silence| now + silence.min(LONGEST_RETRY_AFTER));
        let fresh = Server { health: Health::Returning, failures: 0, wait: FIRST_WAIT, wanted: now };
        let server = self.known.entry(key).or_insert(fresh);
        server.wanted = now;
        match &mut server.health {
            Health::Down { until: known, .. } => {
                *known = until.max(*known);
                return None;
            }
            Health::Proven { since } if now.since(*since) >= STEADY => server.failures = 0,
            Health::Proven { .. } | Health::Returning => {}
        }
        server.wait = FIRST_WAIT.saturating_mul(1 << server.failures.min(16)).min(LONGEST_HOLD);
        server.failures = server.failures.saturating_add(1);
        server.health = Health::Down { until, probe: None };
        Some(server.wait.max(silence.unwrap_or_default().min(LONGEST_RETRY_AFTER)))
    }

    /// The probe was not answered, or by 503. When to probe again.
    fn on_probe_failed(&mut self, key: Key, silence: Option<Duration>, now: Tick) -> Option<Duration> {
        let server = self.known.get_mut(&key)?;
        server.wait = server.wait.max(server.wait.saturating_mul(2).min(LONGEST_PROBE_WAIT));
        server.health = Health::Down { until: silence.map(|silence| now + silence.min(LONGEST_RETRY_AFTER)), probe: None };
        Some(server.wait.max(silence.unwrap_or_default().min(LONGEST_RETRY_AFTER)))
    }

    /// Nothing is remembered of a line's servers any more: they are others, or the network is another. Their keys.
    fn forget(&mut self, line: LineNumber) -> Vec<Key> {
        let keys: Vec<Key> = self.known.keys().filter(|(of, _)| *of == line).copied().collect();
        self.known.retain(|(of, _), _| *of != line);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> LineNumber {
        LineNumber::new(1).unwrap()
    }

    fn at(number: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, number], 5060))
    }

    fn minutes(minutes: u64) -> Tick {
        Tick(0) + Duration::from_secs(60 * minutes)
    }

    fn proven(table: &mut ServerTable, since: Tick) {
        table.known.get_mut(&(line(), at(1))).unwrap().health = Health::Proven { since };
    }

    #[test]
    fn each_failure_after_a_short_good_time_doubles_the_wait_and_a_long_one_forgives() {
        let mut table = ServerTable::default();
        let mut waits = Vec::new();
        for failure in 0..9 {
            waits.push(table.on_failed((line(), at(1)), None, minutes(failure)).unwrap().as_secs());
            proven(&mut table, minutes(failure));
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(table.on_failed((line(), at(1)), None, minutes(8 + 30)), Some(FIRST_WAIT));
        assert_eq!(table.on_failed((line(), at(1)), None, minutes(39)), None, "it is down already");
    }

    #[test]
    fn a_server_that_stays_away_is_probed_less_often_within_bounds() {
        let mut table = ServerTable::default();
        table.on_failed((line(), at(1)), None, minutes(0));
        let waits: Vec<u64> = (0..6).map(|_| table.on_probe_failed((line(), at(1)), None, minutes(1)).unwrap().as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 300, 300, 300]);
        let asked = Duration::from_secs(900);
        assert_eq!(table.on_probe_failed((line(), at(1)), Some(asked), minutes(1)), Some(asked));
    }

    #[test]
    fn the_table_is_bounded_and_whoever_was_not_wanted_for_longest_makes_room() {
        let mut table = ServerTable::default();
        for number in 0..200u8 {
            let key = (line(), at(number));
            let gone = table.make_room(key);
            assert_eq!(gone.is_some(), number >= 64, "{number}");
            assert!(gone != Some((line(), at(0))), "it is wanted all the while");
            assert!(table.on_failed(key, None, minutes(number.into())).is_some());
            table.note_targets(line(), &[at(0)], minutes(number.into()));
        }
        assert_eq!(table.forget(line()).len(), MOST_SERVERS);
    }
}
