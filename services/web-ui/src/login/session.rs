//! The one session: who, from where, and which nonces it has used how often.

use std::net::IpAddr;

use super::door::Account;
use super::nonce::Nonce;

/// Nonces remembered; a browser uses one at a time and changes it after minutes.
const MOST_NONCES: usize = 16;

/// Who is logged in.
pub(super) struct Session {
    /// The family of nonces that opened it; names the session.
    pub family: u64,
    pub account: Account,
    pub source: IpAddr,
    nonces: Vec<Used>,
    /// Nonces up to this number that are not remembered count as used.
    forgotten_until: u64,
}

/// One nonce with the counts that came with it: the highest, and which of the 64 up to it.
struct Used {
    nonce: Nonce,
    highest: u32,
    seen: u64,
}

impl Session {
    pub fn new(family: u64, account: Account, source: IpAddr) -> Session {
        Session { family, account, source, nonces: Vec::new(), forgotten_until: 0 }
    }

    /// Takes a nonce with its count; false when this has been used before (RFC 7616 3.4, nc). Requests on parallel connections
    /// may overtake one another by up to 63.
    pub fn take(&mut self, nonce: Nonce, count: u32) -> bool {
        if let Some(used) = self.nonces.iter_mut().find(|used| used.nonce == nonce) {
            return used.take(count);
        }
        if nonce.serial <= self.forgotten_until {
            return false;
        }
        if self.nonces.len() == MOST_NONCES {
            self.forgotten_until = self.forgotten_until.max(self.nonces.remove(0).nonce.serial);
        }
        self.nonces.push(Used { nonce, highest: count, seen: 1 });
        true
    }
}

impl Used {
    fn take(&mut self, count: u32) -> bool {
        if let Some(ahead) = count.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let bit = 1_u64.checked_shl(self.highest.saturating_sub(count)).unwrap_or(0);
        let fresh = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use agreements::Tick;

    use super::*;

    fn nonce(serial: u64) -> Nonce {
        Nonce { family: 1, serial, issued: Tick(1) }
    }

    fn session() -> Session {
        Session::new(1, Account::User, IpAddr::from([127, 0, 0, 1]))
    }

    /// RFC 7616 3.4: a request replayed with the same nc is refused; one that was overtaken is not.
    #[test]
    fn a_count_is_taken_once_in_any_order_within_the_window() {
        let mut session = session();
        for (count, fresh) in
            [(1, true), (1, false), (3, true), (2, true), (2, false), (3, false), (100, true), (37, true), (36, false)]
        {
            assert_eq!(session.take(nonce(1), count), fresh, "nc {count}");
        }
    }

    #[test]
    fn a_forgotten_nonce_does_not_come_back() {
        let mut session = session();
        for serial in 1..=40 {
            assert!(session.take(nonce(serial), 1));
        }
        assert!(!session.take(nonce(3), 2), "forgotten");
        assert!(session.take(nonce(40), 2), "remembered");
        assert!(session.nonces.len() <= MOST_NONCES);
    }
}
