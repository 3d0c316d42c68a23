//! What a wrong password leads to (B126, B140 to B142, C35, C36).
//!
//! - Where the port may be closed: three failures in a row, by whomever, close it.
//! - Where it stays open (HTTPD_PORTOPEN_AUTO=Y): from the third failure on a source address waits, twice as long each time. What
//!   comes while it waits is refused unread and counts for nothing, so that a polling client cannot prolong it.
//! - Right after a password change the second failure already gives an error; it closes nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use agreements::Tick;

/// Failures in a row that make an error.
const TOO_MANY: u32 = 3;
/// The same, right after a password change.
const TOO_MANY_AFTER_CHANGE: u32 = 2;
/// The wait after the third failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// A source without a failure for this long is forgotten.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Sources remembered at once.
const MOST_SOURCES: usize = 128;

/// What follows from a failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// Ask again.
    AskAgain,
    /// "401 Unauthorized", and the browser does not ask again by itself.
    Unauthorized,
    /// The same, and the port closes.
    ClosePort,
}

/// Counts failures.
#[derive(Default)]
pub struct Lockout {
    in_a_row: u32,
    sources: BTreeMap<IpAddr, Source>,
}

struct Source {
    failures: u32,
    last: Tick,
    blocked_until: Tick,
}

impl Lockout {
    /// How long this source still has to wait.
    pub fn waits(&self, now: Tick, source: IpAddr) -> Option<Duration> {
        let until = self.sources.get(&household(source))?.blocked_until;
        Some(until.since(now)).filter(|wait| !wait.is_zero())
    }

    /// A wrong account or password. `after_change`: the password was changed and nobody has logged in with it since.
    pub fn failed(&mut self, now: Tick, source: IpAddr, stays_open: bool, after_change: bool) -> AfterFailure {
        let failures = if stays_open { self.count_source(now, source) } else { self.count_in_a_row() };
        match failures {
            TOO_MANY.. if stays_open => AfterFailure::Unauthorized,
            TOO_MANY.. => AfterFailure::ClosePort,
            TOO_MANY_AFTER_CHANGE if after_change => AfterFailure::Unauthorized,
            _ => AfterFailure::AskAgain,
        }
    }

    /// A right password: the row is broken.
    pub fn succeeded(&mut self, source: IpAddr) {
        self.in_a_row = 0;
        self.sources.remove(&household(source));
    }

    /// The port has been opened anew.
    pub fn opened(&mut self) {
        self.in_a_row = 0;
    }

    fn count_in_a_row(&mut self) -> u32 {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.in_a_row
    }

    fn count_source(&mut self, now: Tick, source: IpAddr) -> u32 {
        self.forget(now);
        let entry = self.sources.entry(household(source));
        let entry = entry.or_insert(Source { failures: 0, last: now, blocked_until: Tick(0) });
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
        if let Some(further) = entry.failures.checked_sub(TOO_MANY) {
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(further.min(16))).min(LONGEST_WAIT);
            entry.blocked_until = now + wait;
        }
        entry.failures
    }

    /// Makes room: the long silent go, and when all are busy the one that is free soonest.
    fn forget(&mut self, now: Tick) {
        self.sources.retain(|_, source| now.since(source.last) < MEMORY);
        if self.sources.len() >= MOST_SOURCES {
            let soonest = self.sources.iter().min_by_key(|(_, source)| source.blocked_until).map(|(address, _)| *address);
            soonest.map(|address| self.sources.remove(&address));
        }
    }
}

/// An IPv6 host may use any address of its /64, so the /64 counts as one source.
fn household(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V4(mapped),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick(1_000_000_000_000);

    fn host(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 0, last])
    }

    /// B126, B141.
    #[test]
    fn the_third_failure_in_a_row_closes_the_port() {
        let mut lockout = Lockout::default();
        let outcomes: Vec<_> = (1..=3).map(|last| lockout.failed(NOW, host(last), false, false)).collect();
        assert_eq!(outcomes, [AfterFailure::AskAgain, AfterFailure::AskAgain, AfterFailure::ClosePort]);
    }

    /// B126: consecutive.
    #[test]
    fn a_success_breaks_the_row() {
        let mut lockout = Lockout::default();
        lockout.failed(NOW, host(1), false, false);
        lockout.failed(NOW, host(1), false, false);
        lockout.succeeded(host(1));
        assert_eq!(lockout.failed(NOW, host(1), false, false), AfterFailure::AskAgain);
    }

    /// B140, B142, C35.
    #[test]
    fn after_a_password_change_the_second_failure_is_an_error_and_the_third_still_closes() {
        let mut lockout = Lockout::default();
        assert_eq!(lockout.failed(NOW, host(1), false, true), AfterFailure::AskAgain);
        assert_eq!(lockout.failed(NOW, host(1), false, true), AfterFailure::Unauthorized);
        assert_eq!(lockout.failed(NOW, host(1), false, false), AfterFailure::ClosePort);
    }

    /// C36: the delay grows per source and stands in for the closing.
    #[test]
    fn where_the_port_stays_open_a_source_waits_longer_each_time() {
        let mut lockout = Lockout::default();
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..16 {
            assert_ne!(lockout.failed(now, host(1), true, false), AfterFailure::ClosePort);
            let wait = lockout.waits(now, host(1)).unwrap_or_default();
            waits.push(wait.as_secs());
            now = now + wait;
        }
        assert_eq!(waits[..7], [0, 0, 2, 4, 8, 16, 32]);
        assert_eq!(waits[15], LONGEST_WAIT.as_secs());
        assert_eq!(lockout.waits(now, host(2)), None, "another host is not held up");
    }

    /// C36: asking while waiting changes nothing.
    #[test]
    fn a_polling_client_does_not_prolong_its_wait() {
        let mut lockout = Lockout::default();
        for _ in 0..3 {
            lockout.failed(NOW, host(1), true, false);
        }
        for second in 0..2 {
            assert!(lockout.waits(NOW + Duration::from_secs(second), host(1)).is_some());
        }
        assert_eq!(lockout.waits(NOW + FIRST_WAIT, host(1)), None);
    }

    #[test]
    fn the_table_of_sources_is_bounded_and_an_ipv6_network_is_one_source() {
        let mut lockout = Lockout::default();
        for number in 0..1000_u32 {
            lockout.failed(NOW, IpAddr::from(number.to_be_bytes()), true, false);
        }
        assert!(lockout.sources.len() <= MOST_SOURCES);
        for last in 1..=3_u16 {
            lockout.failed(NOW, IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]), true, false);
        }
        assert!(lockout.waits(NOW, IpAddr::from([0x2001, 0xdb8, 0, 0, 9, 9, 9, 9])).is_some());
    }
}
