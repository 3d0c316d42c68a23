//! Digest (RFC 3261 section 22, RFC 7616, RFC 8760): challenges with SHA-256 and MD5, and the check of what comes back.
//!
//! A nonce is the second of its making, signed: no table is needed to know one of ours, only to see a count used twice.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};
use sip_wire::{Challenge, Credentials, Method};
use tokio::time::Instant;

use super::ExchangeOptions;

/// Nonces whose count is remembered.
const REMEMBERED: usize = 256;

/// What the credentials of a request are worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are right, and whose they are.
    Accepted(String),
    /// There are none for our realm.
    Missing,
    /// Right, but of an old nonce or count.
    Stale,
    /// Wrong password, unknown user, or not what was asked for.
    Wrong,
}

pub(super) struct Authenticator {
    realm: String,
    accounts: Vec<(String, String)>,
    algorithms: Vec<Algorithm>,
    lifetime: Duration,
    secret: [u8; 16],
    started: Instant,
    made: u64,
    counts: HashMap<String, u32>,
    order: VecDeque<String>,
}

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8760.
    Sha256,
    /// RFC 3261.
    Md5,
}

impl Algorithm {
    fn named(name: &str) -> Option<Algorithm> {
        match () {
            () if name.eq_ignore_ascii_case("SHA-256") => Some(Algorithm::Sha256),
            () if name.eq_ignore_ascii_case("MD5") => Some(Algorithm::Md5),
            () => None,
        }
    }
    fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }
    fn hash(self, text: &str) -> String {
        let octets = sip_wire::text::wire_octets(text);
        match self {
            Algorithm::Sha256 => hex(&Sha256::digest(&octets)),
            Algorithm::Md5 => hex(&Md5::digest(&octets)),
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Authenticator {
    pub fn new(options: &ExchangeOptions, secret: [u8; 16], now: Instant) -> Authenticator {
        Authenticator {
            realm: options.realm.clone(),
            accounts: options.accounts.clone(),
            algorithms: options.algorithms.clone(),
            lifetime: options.nonce_lifetime,
            secret,
            started: now,
            made: 0,
            counts: HashMap::new(),
            order: VecDeque::new(),
        }
    }
    pub fn knows(&self, user: &str) -> bool {
        self.password(user).is_some()
    }
    fn password(&self, user: &str) -> Option<&str> {
        self.accounts.iter().find(|(name, _)| name == user).map(|(_, password)| password.as_str())
    }
    /// One challenge per algorithm, with one fresh nonce.
    pub fn challenges(&mut self, stale: bool, now: Instant) -> Vec<Challenge> {
        self.made = self.made.wrapping_add(1);
        let nonce = self.nonce(now.duration_since(self.started).as_millis(), self.made);
        let challenge = |algorithm: &Algorithm| {
            let mut challenge = Challenge::digest(&self.realm, &nonce);
            challenge.params.set("algorithm", algorithm.name());
            challenge.params.set_quoted("qop", "auth");
            if stale {
                challenge.params.set("stale", "true");
            }
            challenge
        };
        self.algorithms.iter().map(challenge).collect()
    }
    fn nonce(&self, made_at: u128, number: u64) -> String {
        let signed = format!("{}:{made_at:x}:{number:x}", hex(&self.secret));
        let signature = Algorithm::Sha256.hash(&signed);
        format!("{made_at:x}.{number:x}.{}", signature.get(..32).unwrap_or_default())
    }
    /// The age of one of our nonces.
    fn age(&self, nonce: &str, now: Instant) -> Option<Duration> {
        let mut parts = nonce.split('.');
        let made_at = u128::from_str_radix(parts.next()?, 16).ok()?;
        let number = u64::from_str_radix(parts.next()?, 16).ok()?;
        let ours = self.nonce(made_at, number) == nonce;
        let made_at = Duration::from_millis(u64::try_from(made_at).ok()?);
        ours.then(|| now.duration_since(self.started).saturating_sub(made_at))
    }
    /// Judges the credentials of a request.
    pub fn judge(&mut self, method: &Method, given: &[Credentials], now: Instant) -> Verdict {
        let Some(credentials) = given.iter().find(|c| c.is_digest() && c.get("realm") == Some(&self.realm)) else {
            return Verdict::Missing;
        };
        let (Some(user), Some(nonce)) = (credentials.get("username"), credentials.get("nonce")) else { return Verdict::Wrong };
        match self.expected(method, user, credentials) {
            Some(expected) if credentials.get("response") == Some(&expected) => {}
            Some(_) | None => return Verdict::Wrong,
        }
        match self.age(nonce, now) {
            Some(age) if age <= self.lifetime && self.count_is_new(nonce, credentials.get("nc")) => {
                Verdict::Accepted(user.to_owned())
            }
            Some(_) | None => Verdict::Stale,
        }
    }
    /// The response that the right password gives (RFC 7616 section 3.4.1). Only qop=auth, which we asked for.
    fn expected(&self, method: &Method, user: &str, credentials: &Credentials) -> Option<String> {
        let algorithm = Algorithm::named(credentials.algorithm()).filter(|algorithm| self.algorithms.contains(algorithm))?;
        let of = |name| credentials.get(name);
        if of("qop")? != "auth" {
            return None;
        }
        let secret = algorithm.hash(&format!("{user}:{}:{}", self.realm, self.password(user)?));
        let request = algorithm.hash(&format!("{method}:{}", of("uri")?));
        Some(algorithm.hash(&format!("{secret}:{}:{}:{}:auth:{request}", of("nonce")?, of("nc")?, of("cnonce")?)))
    }
    /// A count that was used is a replay.
    fn count_is_new(&mut self, nonce: &str, count: Option<&str>) -> bool {
        let Some(count) = count.filter(|nc| nc.len() == 8).and_then(|nc| u32::from_str_radix(nc, 16).ok()) else { return false };
        match self.counts.get_mut(nonce) {
            Some(last) => count > std::mem::replace(last, count.max(*last)),
            None => {
                self.remember(nonce, count);
                true
            }
        }
    }
    fn remember(&mut self, nonce: &str, count: u32) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(nonce.to_owned());
        self.counts.insert(nonce.to_owned(), count);
    }
}
