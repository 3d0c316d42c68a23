//! Randomness from a seed: SHA-256 in counter mode over a secret key. Branches, tags, Call-IDs, cnonces, SSRCs and ports come
//! from it. Never asks the operating system, so that a test replays exactly; the key never leaves this file.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// A small generator, cryptographically strong as long as the seed was.
pub(crate) struct Random {
    key: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Random {
    /// From a fresh seed and what an earlier life left behind (see [`Random::carry`]), so that even a repeated seed does not
    /// repeat a branch or tag after a restore.
    pub(crate) fn new(seed: [u8; 32], carry: &[u8]) -> Random {
        let key = Sha256::new().chain_update(seed).chain_update(carry).finalize().into();
        Random { key, counter: 0, block: [0; 32], used: 32 }
    }

    /// Goes into the snapshot: says nothing about the key, and differs each time.
    pub(crate) fn carry(&self) -> [u8; 32] {
        Sha256::new().chain_update(b"carry").chain_update(self.key).chain_update(self.counter.to_be_bytes()).finalize().into()
    }

    fn byte(&mut self) -> u8 {
        if self.used >= self.block.len() {
            self.block = Sha256::new().chain_update(self.key).chain_update(self.counter.to_be_bytes()).finalize().into();
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let byte = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        byte
    }

    /// 64 random bits.
    pub(crate) fn u64(&mut self) -> u64 {
        (0..8).fold(0, |sum, _| sum << 8 | u64::from(self.byte()))
    }

    /// 32 random bits.
    pub(crate) fn u32(&mut self) -> u32 {
        (0..4).fold(0, |sum, _| sum << 8 | u32::from(self.byte()))
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.u64().checked_rem(bound).unwrap_or(0)
    }

    /// A wait that many phones begin at one moment, up to a quarter longer, so that they do not end it at one moment.
    pub(crate) fn later(&mut self, wait: Duration) -> Duration {
        let range = u64::try_from(wait.as_millis() / 4).unwrap_or(u64::MAX);
        wait + Duration::from_millis(self.below(range))
    }

    /// 16 hexadecimal digits: 64 bits for a tag (RFC 3261 19.3 asks for 32 at least), branch or cnonce.
    pub(crate) fn token(&mut self) -> String {
        format!("{:016x}", self.u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_sequence_and_the_carry_changes_it() {
        let mut one = Random::new([7; 32], &[]);
        let mut two = Random::new([7; 32], &[]);
        let before = one.carry();
        let first: Vec<String> = (0..20).map(|_| one.token()).collect();
        assert_eq!(first, (0..20).map(|_| two.token()).collect::<Vec<_>>());
        assert_ne!(before, one.carry());
        let mut restored = Random::new([7; 32], &one.carry());
        assert!((0..20).map(|_| restored.token()).all(|token| !first.contains(&token)));
    }

    #[test]
    fn below_stays_below() {
        let mut random = Random::new([1; 32], &[]);
        assert!((0..1000).all(|_| random.below(401) < 401));
        assert_eq!(random.below(0), 0);
    }
}
