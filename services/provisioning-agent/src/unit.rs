//! What this one unit has of its own (B62): the key of its encrypted files, made at its first start and kept over every reset. In the
//! layers it is the factory default; nobody's setting.

use std::collections::BTreeMap;

use agreements::Secret;
use settings::layers::FORMAT;
use store::Record;

/// Where the key of the unit lies.
pub const KEY: &str = "unit/CFG_FILE_KEY1";
/// Its row.
pub const ROW: &str = "CFG_FILE_KEY1";
/// Legal everywhere, in files and in shells.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of the key (C8).
const LENGTH: usize = 32;

/// The key that is stored.
pub fn read(records: &BTreeMap<String, Record>) -> Option<Secret> {
    let bytes = records.get(KEY)?.bytes.clone();
    String::from_utf8(bytes).ok().map(Secret::new)
}

/// A new key: 32 characters of 6 random bits each.
pub fn make(mut random: impl FnMut() -> u64) -> Secret {
    let mut key = String::with_capacity(LENGTH);
    while key.len() < LENGTH {
        let mut bits = random();
        for _ in 0..8 {
            let place = usize::try_from(bits & 63).unwrap_or(0);
            key.extend(LETTERS.get(place).map(|letter| char::from(*letter)));
            bits >>= 6;
        }
    }
    Secret::new(key)
}

/// As it is stored.
pub fn record(key: &Secret) -> Record {
    Record { format: FORMAT, bytes: key.reveal().as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_makes_a_key_that_its_row_takes() {
        // B62
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state
        };
        let (one, other) = (make(&mut random), make(&mut random));
        let row = settings::catalogue::parameter("CFG_FILE_KEY1").unwrap();
        assert!(settings::value::check(&row, one.reveal()).is_ok() && one.reveal() != other.reveal());
        let stored = BTreeMap::from([(KEY.to_owned(), record(&one))]);
        assert_eq!(read(&stored).unwrap().reveal(), one.reveal());
    }
}
