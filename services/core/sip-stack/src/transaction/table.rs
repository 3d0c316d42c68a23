//! All transactions and how messages find theirs. Bounded by count and by octets: a table that is full takes no new request of
//! theirs, one source cannot fill it alone, and all strangers together leave room for those whom the phone knows. A refused INVITE
//! that waits for its ACK takes nobody's place: little of it is kept, and where there are too many, the oldest go early.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sip_wire::{HeaderName, Headers, Request};

use super::{Machine, ServerInvite, Transaction, TransactionId};
use crate::limits::Standing;

/// Requests of strangers that may be open at a time, all sources together.
const MOST_SERVER: usize = 256;
/// Room beyond it for the line's servers and for the far ends of calls.
const KEPT_FREE: usize = 128;
/// Octets of their open requests, all sources together: the usual INVITE has about 1,200.
const MOST_OCTETS: usize = 1 << 20;
/// Octets beyond it for those whom the phone knows.
const OCTETS_KEPT_FREE: usize = 1 << 20;
/// Of one address that is no server of the line.
const MOST_PER_SOURCE: usize = 128;
/// Refused INVITEs that wait for their ACK, all sources together: a burst of a server's calls is refused before the first ACK is read.
const MOST_REFUSED: usize = 2_048;
/// Octets of all of them: one has about 900.
const MOST_REFUSED_OCTETS: usize = 4 << 20;
/// Of the newest, how many a snapshot holds: it is written anew with each message. The INVITE of an older one that comes again after a
/// restart is a new one.
const REFUSED_KEPT: usize = 32;
/// What is needed of a refused INVITE: how its answer finds back, and whether a PRACK that crosses it is for it (RFC 3262 3).
const NEEDED_OF_REFUSED: [HeaderName; 7] = [
    HeaderName::VIA,
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
    HeaderName::SUPPORTED,
    HeaderName::REQUIRE,
];
/// Requests of ours.
const MOST_CLIENT: usize = 256;

/// A response belongs to our request with this branch and CSeq method (RFC 3261 17.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ClientKey {
    /// The top Via's branch.
    pub(crate) branch: String,
    /// The CSeq's method.
    pub(crate) method: String,
}

/// A request belongs to theirs with this key (RFC 3261 17.2.3); an ACK's method counts as INVITE.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum ServerKey {
    /// With the magic cookie.
    Branch {
        /// The top Via's branch.
        branch: String,
        /// The top Via's host and port, in lower case.
        sent_by: String,
        /// The request's method.
        method: String,
    },
    /// RFC 2543: Request-URI, From-tag, Call-ID, CSeq number and the whole top Via. The To-tag is left out, so that the ACK of
    /// our answer matches as well.
    Whole {
        /// The fields, in this order.
        fields: [String; 5],
        /// The request's method.
        method: String,
    },
}

impl ClientKey {
    /// Of a response, or of our request.
    pub(crate) fn of(headers: &Headers) -> Option<ClientKey> {
        let branch = headers.top_via().ok()?.branch()?.to_owned();
        Some(ClientKey { branch, method: headers.cseq().ok()?.method.to_string() })
    }
}

impl ServerKey {
    /// Of a request; none where it cannot be told from others.
    pub(crate) fn of(request: &Request) -> Option<ServerKey> {
        let via = request.headers.top_via().ok()?;
        let method = if request.method.is_ack() { "INVITE".to_owned() } else { request.method.to_string() };
        if let Some(branch) = via.branch().filter(|_| via.has_magic_cookie()) {
            let sent_by = format!("{}:{}", via.host, via.port_or_default()).to_ascii_lowercase();
            return Some(ServerKey::Branch { branch: branch.to_owned(), sent_by, method });
        }
        let from = request.headers.from().ok()?;
        let fields = [
            request.uri.to_string(),
            from.tag().unwrap_or_default().to_owned(),
            request.headers.call_id().ok()?.to_owned(),
            request.headers.cseq().ok()?.number.to_string(),
            via.to_string(),
        ];
        Some(ServerKey::Whole { fields, method })
    }

    /// About what it takes up.
    pub(super) fn octets(&self) -> usize {
        match self {
            ServerKey::Branch { branch, sent_by, .. } => branch.len().saturating_add(sent_by.len()),
            ServerKey::Whole { fields, .. } => fields.iter().map(String::len).fold(0, usize::saturating_add),
        }
    }

    /// The same with another method: an INVITE's key for its CANCEL.
    pub(crate) fn with_method(&self, name: &str) -> ServerKey {
        let mut key = self.clone();
        match &mut key {
            ServerKey::Branch { method, .. } | ServerKey::Whole { method, .. } => *method = name.to_owned(),
        }
        key
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Key {
    Client(ClientKey),
    Server(ServerKey),
}

/// All transactions.
#[derive(Default)]
pub(crate) struct TransactionTable {
    next: u64,
    all: BTreeMap<TransactionId, (Key, Transaction)>,
    clients: BTreeMap<ClientKey, TransactionId>,
    servers: BTreeMap<ServerKey, TransactionId>,
    /// Those of `servers` that were refused and have no ACK yet.
    refused: BTreeSet<TransactionId>,
    /// How many of `servers` have this merge key.
    copies: BTreeMap<String, usize>,
    sources: BTreeMap<IpAddr, usize>,
    /// Of their open requests.
    octets: usize,
    /// Of the refused ones.
    refused_octets: usize,
}

/// Where a request really came from, as its top Via has noted: not where its answers go, which `maddr` chooses freely.
fn source_of(transaction: &Transaction) -> IpAddr {
    let noted = transaction.request.headers.top_via().ok().and_then(|via| via.received().or_else(|| via.host.ip()));
    noted.unwrap_or(transaction.route.remote.ip())
}

/// About what a request takes up.
fn octets_of(request: &Request) -> usize {
    let lines = request.headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    lines.fold(request.body.len().saturating_add(request.uri.as_str().len()), usize::saturating_add)
}

/// The same of a refused INVITE, with the answer that is repeated.
fn octets_of_refused(transaction: &Transaction) -> usize {
    let answer = match &transaction.machine {
        Machine::ServerInvite(ServerInvite::Completed { response, .. }) => response.len(),
        Machine::ServerInvite(_) | Machine::ServerRequest(_) | Machine::ClientInvite(_) | Machine::ClientRequest(_) => 0,
    };
    octets_of(&transaction.request).saturating_add(answer)
}

fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    let number = counts.entry(key).or_insert(0);
    *number = number.saturating_add(1);
}

fn uncount<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(number) = counts.get_mut(key) {
        *number = number.saturating_sub(1);
        if *number == 0 {
            counts.remove(key);
        }
    }
}

impl TransactionTable {
    /// A name for one that is to come.
    pub(crate) fn reserve(&mut self) -> TransactionId {
        self.next += 1;
        TransactionId(self.next)
    }

    /// Ours. False when there is no room, or the key is in use.
    pub(crate) fn insert_client(&mut self, id: TransactionId, key: ClientKey, transaction: Transaction) -> bool {
        if self.clients.len() >= MOST_CLIENT || self.clients.contains_key(&key) {
            return false;
        }
        self.put_client(id, key, transaction);
        true
    }

    fn put_client(&mut self, id: TransactionId, key: ClientKey, transaction: Transaction) {
        self.clients.insert(key.clone(), id);
        self.all.insert(id, (Key::Client(key), transaction));
    }

    fn has_room_for(&self, source: IpAddr, octets: usize, standing: Standing) -> bool {
        let (most, most_octets) = match standing {
            Standing::Server | Standing::Known => (MOST_SERVER + KEPT_FREE, MOST_OCTETS + OCTETS_KEPT_FREE),
            Standing::Stranger => (MOST_SERVER, MOST_OCTETS),
        };
        let open = self.servers.len().saturating_sub(self.refused.len());
        let room = open < most && self.octets.saturating_add(octets) <= most_octets;
        let share = standing == Standing::Server || self.sources.get(&source).copied().unwrap_or(0) < MOST_PER_SOURCE;
        room && share
    }

    /// Theirs. None when there is no room, or the key is in use.
    pub(crate) fn insert_server(&mut self, key: ServerKey, transaction: Transaction, standing: Standing) -> Option<TransactionId> {
        if !self.has_room_for(source_of(&transaction), octets_of(&transaction.request), standing) || self.servers.contains_key(&key)
        {
            return None;
        }
        let id = self.reserve();
        self.put_server(id, key, transaction);
        Some(id)
    }

    fn put_server(&mut self, id: TransactionId, key: ServerKey, transaction: Transaction) {
        count(&mut self.sources, source_of(&transaction));
        count(&mut self.copies, transaction.merge_key.clone());
        self.octets = self.octets.saturating_add(octets_of(&transaction.request));
        self.servers.insert(key.clone(), id);
        self.all.insert(id, (Key::Server(key), transaction));
    }

    /// An INVITE of theirs has been refused: what is needed no more of it goes. Where there are too many of them, those that have
    /// waited longest for their ACK: they are to be ended.
    pub(crate) fn note_refused(&mut self, id: TransactionId) -> Vec<TransactionId> {
        let Some((_, transaction)) = self.all.get_mut(&id) else { return Vec::new() };
        let whole = &transaction.request;
        self.octets = self.octets.saturating_sub(octets_of(whole));
        let mut needed = Request::new(whole.method.clone(), whole.uri.clone());
        NEEDED_OF_REFUSED.into_iter().for_each(|name| needed.headers.copy(name, &whole.headers));
        transaction.request = Arc::new(needed);
        self.refused_octets = self.refused_octets.saturating_add(octets_of_refused(transaction));
        self.refused.insert(id);
        let mut left = self.refused_octets;
        let mut too_many = self.refused.len().saturating_sub(MOST_REFUSED);
        let mut over = Vec::new();
        for id in &self.refused {
            if too_many == 0 && left <= MOST_REFUSED_OCTETS {
                break;
            }
            too_many = too_many.saturating_sub(1);
            left = left.saturating_sub(self.all.get(id).map_or(0, |(_, transaction)| octets_of_refused(transaction)));
            over.push(*id);
        }
        over
    }

    /// One.
    pub(crate) fn find(&self, id: TransactionId) -> Option<&Transaction> {
        self.all.get(&id).map(|(_, transaction)| transaction)
    }

    /// One, to drive it.
    pub(crate) fn find_mut(&mut self, id: TransactionId) -> Option<&mut Transaction> {
        self.all.get_mut(&id).map(|(_, transaction)| transaction)
    }

    /// Whose response it is.
    pub(crate) fn client(&self, key: &ClientKey) -> Option<TransactionId> {
        self.clients.get(key).copied()
    }

    /// Whose repetition, ACK or CANCEL it is.
    pub(crate) fn server(&self, key: &ServerKey) -> Option<TransactionId> {
        self.servers.get(key).copied()
    }

    /// It is over.
    pub(crate) fn remove(&mut self, id: TransactionId) -> Option<Transaction> {
        self.take(id).map(|(_, transaction)| transaction)
    }

    /// One of theirs is over, and something of it is still wanted.
    pub(crate) fn take_server(&mut self, id: TransactionId) -> Option<(ServerKey, Transaction)> {
        match self.take(id)? {
            (Key::Server(key), transaction) => Some((key, transaction)),
            (Key::Client(_), _) => None,
        }
    }

    fn take(&mut self, id: TransactionId) -> Option<(Key, Transaction)> {
        let (key, transaction) = self.all.remove(&id)?;
        match &key {
            Key::Client(key) => {
                self.clients.remove(key);
            }
            Key::Server(key) => {
                self.servers.remove(key);
                uncount(&mut self.sources, &source_of(&transaction));
                uncount(&mut self.copies, &transaction.merge_key);
                if self.refused.remove(&id) {
                    self.refused_octets = self.refused_octets.saturating_sub(octets_of_refused(&transaction));
                } else {
                    self.octets = self.octets.saturating_sub(octets_of(&transaction.request));
                }
            }
        }
        Some((key, transaction))
    }

    /// How many open requests of theirs are copies of this one over several paths, itself among them (RFC 3261 8.2.2.2).
    pub(crate) fn copies(&self, merge_key: &str) -> usize {
        self.copies.get(merge_key).copied().unwrap_or(0)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TransactionId, &Transaction)> {
        self.all.iter().map(|(id, (_, transaction))| (*id, transaction))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

impl Serialize for TransactionTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.refused.iter().rev().nth(REFUSED_KEPT - 1).copied();
        let kept = |id: &TransactionId| !self.refused.contains(id) || first.is_none_or(|first| *id >= first);
        let all: Vec<_> = self.all.iter().filter(|(id, _)| kept(id)).collect();
        (self.next, all).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TransactionTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TransactionTable, D::Error> {
        let (next, all) = <(u64, Vec<(TransactionId, (Key, Transaction))>)>::deserialize(deserializer)?;
        let mut table = TransactionTable { next, ..TransactionTable::default() };
        for (id, (key, transaction)) in all {
            let refused = matches!(transaction.machine, Machine::ServerInvite(ServerInvite::Completed { .. }));
            match key {
                Key::Client(key) => table.put_client(id, key, transaction),
                Key::Server(key) => table.put_server(id, key, transaction),
            }
            if refused {
                table.note_refused(id);
            }
        }
        Ok(table)
    }
}
