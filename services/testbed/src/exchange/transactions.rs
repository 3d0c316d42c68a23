//! Transactions of the exchange, as a table with deadlines (RFC 3261 section 17, timers A to K at their default values). Written
//! for a peer over a lossy datagram transport, apart from the phone's machines on purpose.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use sip_wire::{HeaderError, Method, Request, Uri, Via};
use tokio::time::Instant;

/// Round-trip estimate.
pub(super) const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions.
pub(super) const T2: Duration = Duration::from_secs(4);
/// 64 * T1: timers B, F, H, J.
pub(super) const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a phone may ring.
pub(super) const RINGING: Duration = Duration::from_secs(60);
/// Transactions of each side.
const BOUND: usize = 4096;

/// What is sent again, and when.
#[derive(Debug)]
pub(super) struct Resend {
    pub bytes: Vec<u8>,
    at: Option<Instant>,
    interval: Duration,
    longest: Duration,
}

impl Resend {
    fn starting(bytes: Vec<u8>, now: Instant, longest: Duration) -> Resend {
        Resend { bytes, at: Some(now + T1), interval: T1, longest }
    }
    fn once(bytes: Vec<u8>) -> Resend {
        Resend { bytes, at: None, interval: T1, longest: T2 }
    }
    fn stop(&mut self) {
        self.at = None;
    }
    fn due(&mut self, now: Instant) -> Option<&[u8]> {
        self.at.filter(|at| *at <= now)?;
        self.interval = self.interval.saturating_mul(2).min(self.longest);
        self.at = Some(now + self.interval);
        Some(&self.bytes)
    }
}

/// How a request that came in is dealt with.
#[derive(Debug)]
pub(super) enum Server {
    /// No answer yet.
    Waiting,
    /// This was the last answer.
    Answered(Resend),
    /// It has been handed on to this contact, there.
    Forwarded(Uri, SocketAddr),
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 1xx.
    Provisional,
    /// The end of anything but an INVITE.
    Final,
    /// The end of an INVITE: sent until its ACK comes.
    UntilAcknowledged,
}

#[derive(Debug)]
struct ServerEntry {
    state: Server,
    destination: SocketAddr,
    /// The call whose 2xx waits for its ACK.
    call: Option<u64>,
    until: Instant,
}

/// A request of ours.
#[derive(Debug)]
pub(super) struct Client {
    pub request: Request,
    pub destination: SocketAddr,
    pub call: u64,
    /// Some response has come.
    pub answered: bool,
    /// The ACK of the final answer to an INVITE.
    pub ack: Option<Vec<u8>>,
    resend: Resend,
    until: Instant,
}

/// What a deadline brings.
#[derive(Debug)]
pub(super) enum Due {
    /// Send this again.
    Send(SocketAddr, Vec<u8>),
    /// Nobody has answered this request of ours.
    Unanswered(Box<Client>),
    /// The 2xx of this call was never acknowledged.
    Unacknowledged(u64),
}

#[derive(Debug, Default)]
pub(super) struct Transactions {
    server: HashMap<String, ServerEntry>,
    client: HashMap<String, Client>,
}

/// What tells a request from others (RFC 3261 section 17.2.3); an ACK and its INVITE are one.
pub(super) fn server_key(request: &Request, via: &Via, method: &Method) -> Result<String, HeaderError> {
    let method = if method.is_ack() { &Method::INVITE } else { method };
    Ok(match via.branch().filter(|_| via.has_magic_cookie()) {
        Some(branch) => format!("{branch}/{}:{:?}/{method}", via.host, via.port),
        None => {
            let (from, cseq) = (request.headers.from()?, request.headers.cseq()?);
            format!("{}/{}/{:?}/{}:{:?}/{method}", request.headers.call_id()?, cseq.number, from.tag(), via.host, via.port)
        }
    })
}

/// What tells a response's request (RFC 3261 section 17.1.3).
pub(super) fn client_key(branch: &str, method: &Method) -> String {
    format!("{branch}/{method}")
}

impl Transactions {
    pub fn server_mut(&mut self, key: &str) -> Option<&mut Server> {
        self.server.get_mut(key).map(|entry| &mut entry.state)
    }
    /// Where answers to it go.
    pub fn source_of(&self, key: &str) -> Option<SocketAddr> {
        self.server.get(key).map(|entry| entry.destination)
    }
    /// Notes a new request; false when there is no place.
    pub fn begin_server(&mut self, key: String, destination: SocketAddr, now: Instant) -> bool {
        if self.server.len() >= BOUND {
            return false;
        }
        self.server.insert(key, ServerEntry { state: Server::Waiting, destination, call: None, until: now + GIVE_UP + RINGING });
        true
    }
    /// Notes an answer; `call` for a 2xx whose ACK is waited for.
    pub fn answer(&mut self, key: &str, bytes: Vec<u8>, kind: Answer, call: Option<u64>, now: Instant) {
        let Some(entry) = self.server.get_mut(key) else { return };
        entry.call = call;
        entry.until = if kind == Answer::Provisional { entry.until } else { now + GIVE_UP };
        entry.state = Server::Answered(match kind {
            Answer::UntilAcknowledged => Resend::starting(bytes, now, T2),
            Answer::Provisional | Answer::Final => Resend::once(bytes),
        });
    }
    pub fn forwarded(&mut self, key: &str, target: Uri, to: SocketAddr) {
        if let Some(entry) = self.server.get_mut(key) {
            entry.state = Server::Forwarded(target, to);
        }
    }
    /// The answer is not sent again: its ACK has come.
    pub fn acknowledge(&mut self, key: &str) {
        if let Some(ServerEntry { state: Server::Answered(resend), call, .. }) = self.server.get_mut(key) {
            resend.stop();
            *call = None;
        }
    }
    /// Notes a request of ours; false when there is no place.
    pub fn begin_client(&mut self, key: String, request: Request, destination: SocketAddr, call: u64, now: Instant) -> bool {
        if self.client.len() >= BOUND {
            return false;
        }
        let longest = if request.method.is_invite() { GIVE_UP } else { T2 };
        let resend = Resend::starting(request.to_bytes(), now, longest);
        let until = now + GIVE_UP;
        self.client.insert(key, Client { request, destination, call, answered: false, ack: None, resend, until });
        true
    }
    pub fn client(&self, key: &str) -> Option<&Client> {
        self.client.get(key)
    }
    /// A provisional answer: an INVITE is not sent again and may ring.
    pub fn provisional(&mut self, key: &str, now: Instant) {
        let Some(client) = self.client.get_mut(key) else { return };
        client.answered = true;
        if client.request.method.is_invite() {
            client.resend.stop();
            client.until = now + RINGING;
        }
    }
    /// The final answer; an INVITE stays for a while to acknowledge repeated ones.
    pub fn finish_client(&mut self, key: &str, ack: Option<Vec<u8>>, now: Instant) {
        let Some(client) = self.client.get_mut(key) else { return };
        client.answered = true;
        client.resend.stop();
        client.ack = ack;
        client.until = now + GIVE_UP;
        if client.ack.is_none() {
            self.client.remove(key);
        }
    }
    pub fn next_deadline(&self) -> Option<Instant> {
        let server = self.server.values().map(|entry| match &entry.state {
            Server::Answered(Resend { at: Some(at), .. }) => entry.until.min(*at),
            Server::Answered(_) | Server::Waiting | Server::Forwarded(..) => entry.until,
        });
        let client = self.client.values().map(|client| client.resend.at.map_or(client.until, |at| at.min(client.until)));
        server.chain(client).min()
    }
    /// All that is due.
    pub fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for (_, entry) in self.server.extract_if(|_, entry| entry.until <= now) {
            due.extend(entry.call.map(Due::Unacknowledged));
        }
        for (_, client) in self.client.extract_if(|_, client| client.until <= now) {
            if client.ack.is_none() {
                due.push(Due::Unanswered(Box::new(client)));
            }
        }
        for entry in self.server.values_mut() {
            if let Server::Answered(resend) = &mut entry.state {
                due.extend(resend.due(now).map(|bytes| Due::Send(entry.destination, bytes.to_vec())));
            }
        }
        for client in self.client.values_mut() {
            due.extend(client.resend.due(now).map(|bytes| Due::Send(client.destination, bytes.to_vec())));
        }
        due
    }
}
