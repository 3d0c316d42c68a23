//! Answering challenges (RFC 3261 section 22, RFC 7616, RFC 8760): which challenge, with which count, and when to give up.
//!
//! One `AuthSession` belongs to a registration or to a call. What was challenged once is answered beforehand in later requests
//! of it, with a growing nonce count. The same credentials are never sent twice against the same refusal: a realm that refuses
//! the answer to its own fresh challenge, without saying that the nonce was stale, has refused the password (B185). One that has
//! taken this password before, and names another nonce, does not know the nonce: it is answered once more (decision 39).

mod digest;
mod next_nonce;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip_wire::{Challenge, Credentials, HeaderName, Request, Response, StatusCode};

use crate::interface::LineSettings;
use crate::random::Random;
use digest::{Algorithm, Inputs};

/// Rounds of challenges for one request; more is a loop of servers.
const MOST_ROUNDS: u8 = 5;
/// The longest wait before credentials that were refused are tried afresh, unless that is shorter than the usual one.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1800);
/// Realms that one session answers.
const MOST_REALMS: usize = 8;

/// Who challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    /// 401: the user agent server or registrar.
    Server,
    /// 407: a proxy.
    Proxy,
}

impl Kind {
    fn header(self) -> HeaderName {
        match self {
            Kind::Server => HeaderName::AUTHORIZATION,
            Kind::Proxy => HeaderName::PROXY_AUTHORIZATION,
        }
    }
}

/// A challenge that we can answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    kind: Kind,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server wrote it; none where it said nothing.
    algorithm_name: Option<String>,
    algorithm: Algorithm,
    /// qop=auth, or the old form.
    qop: bool,
    /// Requests sent with this nonce.
    count: u32,
    /// It came in answer to that request.
    fresh: PerTurn<bool>,
    /// The realm has taken the password before, and none of its refusals of it has been overlooked in the present request.
    proven: bool,
}

/// Which of the two requests that may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The present one.
    Present,
    /// One beside it: a PRACK, while its INVITE is open. What its challenges refuse is no answer of the INVITE's.
    Beside,
}

/// What is known of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PerTurn<T> {
    present: T,
    beside: T,
}

impl<T> PerTurn<T> {
    fn of(&mut self, turn: Turn) -> &mut T {
        match turn {
            Turn::Present => &mut self.present,
            Turn::Beside => &mut self.beside,
        }
    }
}

/// Why no answer is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthFailure {
    #[error("authentication failed: {realm} refuses the user name or password ({status})")]
    Refused { realm: String, status: u16 },
    #[error("authentication failed: no password is set, and {realm} asks for one ({status})")]
    NoPassword { realm: String, status: u16 },
    #[error("authentication failed: no challenge that this version can answer ({0})")]
    Unanswerable(u16),
    #[error("authentication failed: too many challenges ({0})")]
    TooMany(u16),
}

impl AuthFailure {
    /// Whether it may be over by itself: a database that was away, a cluster whose servers know nothing of each other's nonces.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            AuthFailure::Refused { .. } | AuthFailure::Unanswerable(_) | AuthFailure::TooMany(_) => true,
            AuthFailure::NoPassword { .. } => false,
        }
    }
}

/// How long to wait before credentials that were refused are tried afresh (decision 39): the usual wait, and twice the last one
/// while they go on being refused. `last`: zero at first.
pub(crate) fn back_off(last: Duration, usual: Duration) -> Duration {
    last.saturating_mul(2).max(usual).min(LONGEST_BACK_OFF.max(usual))
}

/// What a registration or a call knows of its servers' challenges.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AuthSession {
    held: Vec<Held>,
    rounds: PerTurn<u8>,
}

impl AuthSession {
    /// A new request begins (not: the same one with credentials).
    pub(crate) fn begin(&mut self) {
        self.begin_turn(Turn::Present);
    }

    /// The same of either.
    pub(crate) fn begin_turn(&mut self, turn: Turn) {
        *self.rounds.of(turn) = 0;
        for held in &mut self.held {
            *held.fresh.of(turn) = false;
        }
    }

    /// The request was taken: its credentials are right.
    fn accepted(&mut self) {
        for held in &mut self.held {
            held.proven = true;
        }
    }

    /// Takes the challenges of a 401 or 407. An error means: do not send it again.
    pub(crate) fn on_challenge(&mut self, response: &Response, line: &LineSettings) -> Result<(), AuthFailure> {
        self.on_challenge_of(Turn::Present, response, line)
    }

    /// The same of either.
    pub(crate) fn on_challenge_of(&mut self, turn: Turn, response: &Response, line: &LineSettings) -> Result<(), AuthFailure> {
        let status = response.status.code();
        let rounds = self.rounds.of(turn);
        *rounds = rounds.saturating_add(1);
        if *rounds > MOST_ROUNDS {
            return Err(AuthFailure::TooMany(status));
        }
        let mut taken = 0;
        for (kind, challenge) in challenges(response) {
            let Some(held) = answerable(kind, &challenge) else { continue };
            if taken > 0 && self.held.iter().any(|other| other.same_space(&held) && other.nonce == held.nonce) {
                continue; // the same realm's other choice of algorithm
            }
            if line.password.is_empty() {
                return Err(AuthFailure::NoPassword { realm: held.realm, status });
            }
            self.take(turn, held, challenge.is_stale(), (status, taken))?;
            taken += 1;
        }
        if taken == 0 { Err(AuthFailure::Unanswerable(status)) } else { Ok(()) }
    }

    fn take(&mut self, turn: Turn, mut held: Held, stale: bool, (status, taken): (u16, usize)) -> Result<(), AuthFailure> {
        let full = self.held.len() >= MOST_REALMS;
        let Some(known) = self.held.iter_mut().find(|other| other.same_space(&held)) else {
            if full {
                return Err(AuthFailure::TooMany(status));
            }
            *held.fresh.of(turn) = true;
            self.held.push(held);
            return Ok(());
        };
        let fresh = std::mem::replace(known.fresh.of(turn), true);
        if fresh && known.count == 0 && taken > 0 {
            // The strongest of a realm's choices has been taken.
            return Ok(());
        }
        if fresh && !stale && !(known.proven && known.nonce != held.nonce) {
            return Err(AuthFailure::Refused { realm: held.realm, status });
        }
        *known = Held { proven: known.proven && !fresh, fresh: known.fresh, ..held };
        Ok(())
    }

    /// Puts credentials for every known challenge into a request; those that it had go.
    pub(crate) fn sign(&mut self, request: &mut Request, line: &LineSettings, random: &mut Random) {
        request.headers.remove(HeaderName::AUTHORIZATION);
        request.headers.remove(HeaderName::PROXY_AUTHORIZATION);
        let (method, uri) = (request.method.to_string(), request.uri.to_string());
        for held in &mut self.held {
            held.count = held.count.saturating_add(1);
            let credentials = held.answer(line, &method, &uri, &random.token());
            request.headers.push(held.kind.header(), credentials);
        }
    }
}

impl Held {
    fn same_space(&self, other: &Held) -> bool {
        self.kind == other.kind && self.realm == other.realm
    }

    fn answer(&self, line: &LineSettings, method: &str, uri: &str, cnonce: &str) -> Credentials {
        let user = if line.auth_id.is_empty() { &line.user } else { &line.auth_id };
        let inputs = Inputs {
            algorithm: self.algorithm,
            user,
            realm: &self.realm,
            password: &line.password,
            method,
            uri,
            nonce: &self.nonce,
            cnonce,
            count: self.qop.then_some(self.count),
        };
        let mut credentials = Credentials::digest(user, &self.realm, &self.nonce, uri, &digest::response(&inputs));
        if let Some(name) = &self.algorithm_name {
            credentials = credentials.with_algorithm(name);
        }
        if let Some(opaque) = &self.opaque {
            credentials = credentials.with_opaque(opaque);
        }
        match (self.qop, self.algorithm.session) {
            (true, _) => credentials.with_qop("auth", cnonce, self.count),
            (false, true) => {
                credentials.params.set_quoted("cnonce", cnonce);
                credentials
            }
            (false, false) => credentials,
        }
    }
}

/// All challenges of a response; broken headers hold none. The strongest come first, else in the order of the response: RFC 8760
/// 2.4 lets us choose, and no server asks for MD5 first because it is better.
fn challenges(response: &Response) -> Vec<(Kind, Challenge)> {
    let server = response.headers.www_authenticate().unwrap_or_default();
    let proxy = response.headers.proxy_authenticate().unwrap_or_default();
    let server = server.into_iter().map(|challenge| (Kind::Server, challenge));
    let mut all: Vec<_> = server.chain(proxy.into_iter().map(|challenge| (Kind::Proxy, challenge))).collect();
    all.sort_by_key(|(_, challenge)| std::cmp::Reverse(Algorithm::named(challenge.algorithm()).map(|algorithm| algorithm.hash)));
    all
}

/// A digest challenge whose algorithm and quality we have.
fn answerable(kind: Kind, challenge: &Challenge) -> Option<Held> {
    let algorithm = Algorithm::named(challenge.algorithm())?;
    let qop = challenge.offers_qop("auth");
    if !challenge.is_digest() || (!qop && challenge.qop().next().is_some()) {
        return None;
    }
    Some(Held {
        kind,
        realm: challenge.realm()?.to_owned(),
        nonce: challenge.nonce()?.to_owned(),
        opaque: challenge.opaque().map(str::to_owned),
        algorithm_name: challenge.params.get("algorithm").map(str::to_owned),
        algorithm,
        qop,
        count: 0,
        fresh: PerTurn::default(),
        proven: false,
    })
}

/// Whether a response asks for credentials.
pub(crate) fn is_challenge(status: StatusCode) -> bool {
    status == StatusCode::UNAUTHORIZED || status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
}
