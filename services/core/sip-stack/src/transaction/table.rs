//! All transactions and how messages find theirs. Bounded by count and by octets: a table that is full takes no new request of
//! theirs, one source cannot fill it alone, and all strangers together leave room for those whom the phone knows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sip_wire::{Headers, Request};

use super::{Transaction, TransactionId};
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
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct TransactionTable {
    next: u64,
    all: BTreeMap<TransactionId, (Key, Transaction)>,
    clients: BTreeMap<ClientKey, TransactionId>,
    servers: BTreeMap<ServerKey, TransactionId>,
    sources: BTreeMap<IpAddr, usize>,
    /// Of their requests. A snapshot does not hold it: a flood does not outlive a restart.
    #[serde(skip)]
    octets: usize,
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
        self.clients.insert(key.clone(), id);
        self.all.insert(id, (Key::Client(key), transaction));
        true
    }

    fn has_room_for(&self, source: IpAddr, octets: usize, standing: Standing) -> bool {
        let (most, most_octets) = match standing {
            Standing::Server | Standing::Known => (MOST_SERVER + KEPT_FREE, MOST_OCTETS + OCTETS_KEPT_FREE),
            Standing::Stranger => (MOST_SERVER, MOST_OCTETS),
        };
        let room = self.servers.len() < most && self.octets.saturating_add(octets) <= most_octets;
        let share = standing == Standing::Server || self.sources.get(&source).copied().unwrap_or(0) < MOST_PER_SOURCE;
        room && share
    }

    /// Theirs. None when there is no room, or the key is in use.
    pub(crate) fn insert_server(&mut self, key: ServerKey, transaction: Transaction, standing: Standing) -> Option<TransactionId> {
        let (source, octets) = (source_of(&transaction), octets_of(&transaction.request));
        if !self.has_room_for(source, octets, standing) || self.servers.contains_key(&key) {
            return None;
        }
        let id = self.reserve();
        *self.sources.entry(source).or_insert(0) += 1;
        self.octets = self.octets.saturating_add(octets);
        self.servers.insert(key.clone(), id);
        self.all.insert(id, (Key::Server(key), transaction));
        Some(id)
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
                self.forget_source(source_of(&transaction));
                self.octets = self.octets.saturating_sub(octets_of(&transaction.request));
            }
        }
        Some((key, transaction))
    }

    fn forget_source(&mut self, source: IpAddr) {
        if let Some(open) = self.sources.get_mut(&source) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.sources.remove(&source);
            }
        }
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
