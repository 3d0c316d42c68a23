//! Nonces that the server needs not remember: each carries its family, its number and its time of issue under a keyed hash.
//!
//! All nonces of one session are of one family. A challenge to a stranger opens a new family, so that handing out challenges
//! costs no memory. The key is fresh per process; a nonce of an earlier process is no nonce.

use agreements::Tick;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::digest::hex;

/// Bytes of the readable part: family, serial, time.
const HEAD: usize = 8 + 8 + 8;
/// Bytes of the keyed hash.
const SEAL: usize = 16;

/// A nonce that we have issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// Which login this belongs to.
    pub family: u64,
    /// Which nonce of the process; later ones have higher numbers.
    pub serial: u64,
    /// When it was issued.
    pub issued: Tick,
}

/// Issues nonces and recognises its own.
pub struct Mint {
    key: [u8; 32],
    families: u64,
    serials: u64,
}

impl Mint {
    /// A mint with this random key.
    pub fn new(key: [u8; 32]) -> Mint {
        Mint { key, families: 0, serials: 0 }
    }

    /// A nonce of a new family.
    pub fn issue(&mut self, now: Tick) -> String {
        self.families = self.families.wrapping_add(1);
        self.issue_in(self.families, now)
    }

    /// One more nonce of a family.
    pub fn issue_in(&mut self, family: u64, now: Tick) -> String {
        self.serials = self.serials.wrapping_add(1);
        self.write(Nonce { family, serial: self.serials, issued: now })
    }

    /// The nonce behind a text that a client has sent; none when it is not ours.
    pub fn read(&self, text: &str) -> Option<Nonce> {
        let (family, rest) = text.split_at_checked(16)?;
        let (serial, rest) = rest.split_at_checked(16)?;
        let (issued, _) = rest.split_at_checked(16)?;
        let nonce = Nonce {
            family: u64::from_str_radix(family, 16).ok()?,
            serial: u64::from_str_radix(serial, 16).ok()?,
            issued: Tick(u64::from_str_radix(issued, 16).ok()?),
        };
        bool::from(self.write(nonce).as_bytes().ct_eq(text.as_bytes())).then_some(nonce)
    }

    /// The number of the newest nonce.
    pub fn newest(&self) -> u64 {
        self.serials
    }

    /// A secret that only this process can make, for this purpose and subject.
    pub fn secret(&self, purpose: &str, subject: &str) -> String {
        hex(&keyed(&self.key, &[purpose.as_bytes(), subject.as_bytes()]))
    }

    fn write(&self, nonce: Nonce) -> String {
        let mut bytes = Vec::with_capacity(HEAD + SEAL);
        bytes.extend_from_slice(&nonce.family.to_be_bytes());
        bytes.extend_from_slice(&nonce.serial.to_be_bytes());
        bytes.extend_from_slice(&nonce.issued.0.to_be_bytes());
        let seal = keyed(&self.key, &[b"nonce", &bytes]);
        bytes.extend(seal.iter().take(SEAL));
        hex(&bytes)
    }
}

/// A keyed hash: SHA-256 nested as in HMAC's proof (outer and inner keyed), each part with its length in front.
fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut inner = Sha256::new();
    inner.update(key);
    inner.update(b"inner");
    for part in parts {
        inner.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        inner.update(part);
    }
    let mut outer = Sha256::new();
    outer.update(key);
    outer.update(b"outer");
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 5.4: a nonce must not be predictable, and the server knows when it issued it.
    #[test]
    fn a_nonce_reads_back_and_cannot_be_made_up() {
        let mut mint = Mint::new([7; 32]);
        let text = mint.issue(Tick(5));
        assert_eq!(mint.read(&text), Some(Nonce { family: 1, serial: 1, issued: Tick(5) }));
        let forged = text.replacen("0000000000000001", "0000000000000002", 1);
        for wrong in
            [forged.as_str(), "", "zz", &text[1..], &text[..text.len() - 1], "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"]
        {
            assert_eq!(mint.read(wrong), None, "{wrong}");
        }
        assert_eq!(Mint::new([8; 32]).read(&text), None, "of another process");
    }

    #[test]
    fn families_and_serials_never_repeat() {
        let mut mint = Mint::new([7; 32]);
        let (one, other) = (mint.issue(Tick(5)), mint.issue(Tick(5)));
        let more = mint.issue_in(1, Tick(5));
        assert_ne!(mint.read(&one).unwrap().family, mint.read(&other).unwrap().family);
        assert_eq!(mint.read(&one).unwrap().family, mint.read(&more).unwrap().family);
        assert_ne!(one, more);
    }

    #[test]
    fn secrets_differ_by_purpose_and_subject() {
        let mint = Mint::new([7; 32]);
        assert_ne!(mint.secret("form", "a"), mint.secret("cookie", "a"));
        assert_ne!(mint.secret("form", "a"), mint.secret("forma", ""));
        assert_eq!(mint.secret("form", "a"), mint.secret("form", "a"));
    }
}
