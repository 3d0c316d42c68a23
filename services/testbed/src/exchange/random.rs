//! Tags, branches, Call-IDs, nonces: hexadecimal digits of the system's random octets.

use super::ExchangeError;

/// A generator seeded once from the system (SplitMix64: good enough for names that must differ, not for secrets).
#[derive(Debug)]
pub(super) struct Random {
    state: u64,
    secret: [u8; 16],
}

impl Random {
    pub fn from_system() -> Result<Random, ExchangeError> {
        let mut octets = [0_u8; 24];
        getrandom::fill(&mut octets).map_err(|error| ExchangeError::Random(error.to_string()))?;
        let (mut secret, mut state) = ([0_u8; 16], 0_u64);
        for (index, octet) in octets.into_iter().enumerate() {
            match secret.get_mut(index) {
                Some(place) => *place = octet,
                None => state = state << 8 | u64::from(octet),
            }
        }
        Ok(Random { state, secret })
    }
    /// What nonces are signed with.
    pub fn secret(&self) -> [u8; 16] {
        self.secret
    }
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
    /// Sixteen digits.
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.number())
    }
    /// A branch of RFC 3261.
    pub fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token())
    }
}
