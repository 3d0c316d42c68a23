//! How long the desired state is held without a word from sip-agent. Pure: time is an argument.

use std::time::Duration;

use agreements::Tick;

/// Without a number in the request.
const DEFAULT: Duration = Duration::from_secs(30);

/// Runs from each Reconcile on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    deadline: Option<Tick>,
}

impl Lease {
    /// From now on for this long; 0 means the default of 30 s. `holds`: whether there is anything to tear down at its end.
    pub fn renew(&mut self, now: Tick, seconds: u32, holds: bool) {
        let length = if seconds == 0 { DEFAULT } else { Duration::from_secs(u64::from(seconds)) };
        self.deadline = holds.then(|| now + length);
    }

    /// When to look again; none: nothing is held.
    pub fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    /// Whether it has ended; true once.
    pub fn ended(&mut self, now: Tick) -> bool {
        self.deadline.take_if(|deadline| *deadline <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick(seconds * 1_000_000_000)
    }

    #[test]
    fn a_renewal_moves_the_end() {
        let mut lease = Lease::default();
        lease.renew(at(0), 30, true);
        assert!(!lease.ended(at(29)));
        lease.renew(at(29), 30, true);
        assert!(!lease.ended(at(58)));
        assert!(lease.ended(at(59)));
        assert!(!lease.ended(at(60)), "it ends once");
    }

    #[test]
    fn nothing_held_never_wakes_anybody() {
        let mut lease = Lease::default();
        lease.renew(at(0), 30, true);
        lease.renew(at(1), 30, false);
        assert_eq!(lease.deadline(), None);
        lease.renew(at(1), 0, true);
        assert_eq!(lease.deadline(), Some(at(31)));
    }
}
