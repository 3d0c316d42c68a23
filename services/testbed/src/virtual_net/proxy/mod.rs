//! A forking proxy with a registrar and a presence server, for stories: calls and registrations of several phones go through it. It
//! keeps state for INVITEs alone (`fork`), everything inside dialogs it forwards as it comes (RFC 3261 16.11), and it stays in
//! their paths by Record-Route. It sends by returning packets, and knows when it wants to be woken.

mod fork;
mod notifier;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::Tick;
use sip_wire::{HeaderName, Message, Request, Response, StatusCode, Uri, Via, ViaTransport, parse_datagram};

use super::Net;
use fork::Fork;
use notifier::Notifier;

/// T1 of RFC 3261.
const T1: Duration = Duration::from_millis(500);
/// 64*T1: how long anything is repeated.
const GIVE_UP: Duration = Duration::from_secs(32);

/// Who is registered, what is being called, and who watches.
pub struct Proxy {
    /// Where it is.
    pub address: SocketAddr,
    /// How long the losers of a fork may still answer before they are cancelled.
    pub patience: Duration,
    /// Longest registration and subscription, in seconds.
    pub expires: u32,
    /// Asks for credentials, and takes any.
    pub challenging: bool,
    bindings: BTreeMap<String, Vec<(Uri, Tick)>>,
    forks: Vec<Fork>,
    notifiers: Vec<Notifier>,
    repeated: Vec<Repeated>,
    packets: Vec<(SocketAddr, Vec<u8>)>,
    branches: u64,
}

/// A request of its own, or a refusal, that is sent until somebody says that it has come.
struct Repeated {
    /// Branch of the request.
    branch: String,
    to: SocketAddr,
    bytes: Vec<u8>,
    next: Tick,
    wait: Duration,
    until: Tick,
}

impl Proxy {
    pub(super) fn new(address: SocketAddr) -> Proxy {
        Proxy {
            address,
            patience: Duration::ZERO,
            expires: 3600,
            challenging: false,
            bindings: BTreeMap::new(),
            forks: Vec::new(),
            notifiers: Vec::new(),
            repeated: Vec::new(),
            packets: Vec::new(),
            branches: 0,
        }
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.forks.is_empty() && self.repeated.is_empty()
    }

    /// Contacts of a user.
    pub fn contacts(&self, user: &str) -> usize {
        self.bindings.get(user).map_or(0, Vec::len)
    }

    /// Subscriptions that stand.
    pub fn watchers(&self) -> usize {
        self.notifiers.len()
    }

    /// What it sends because of a packet.
    pub(super) fn on_packet(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        match parse_datagram(bytes) {
            Ok(Message::Request(request)) => self.on_request(now, from, request),
            Ok(Message::Response(response)) => self.on_response(now, response),
            Err(_) => {}
        }
        std::mem::take(&mut self.packets)
    }

    /// What it sends because time has passed.
    pub(super) fn on_time(&mut self, now: Tick) -> Vec<(SocketAddr, Vec<u8>)> {
        for list in self.bindings.values_mut() {
            list.retain(|(_, until)| *until > now);
        }
        self.repeat(now);
        self.expire_notifiers(now);
        self.on_fork_time(now);
        std::mem::take(&mut self.packets)
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let bindings = self.bindings.values().flatten().map(|(_, until)| *until);
        let repeated = self.repeated.iter().map(|repeated| repeated.next.min(repeated.until));
        let notifiers = self.notifiers.iter().map(|notifier| notifier.until);
        bindings.chain(repeated).chain(notifiers).chain(self.forks.iter().filter_map(Fork::deadline)).min()
    }

    fn on_request(&mut self, now: Tick, from: SocketAddr, request: Request) {
        let in_dialog = request.headers.to().unwrap().tag().is_some();
        let branch = branch_of(&request);
        match request.method.as_str() {
            "ACK" if self.repeated.iter().any(|repeated| repeated.branch == branch) => {
                self.repeated.retain(|repeated| repeated.branch != branch);
            }
            "REGISTER" => self.register(now, from, &request),
            "SUBSCRIBE" => self.on_subscribe(now, from, &request),
            "INVITE" if !in_dialog => self.on_invite(now, from, request),
            "CANCEL" if self.cancel_fork(now, &branch) => self.answer(from, &request, StatusCode::OK),
            _ if in_dialog || request.headers.has(HeaderName::ROUTE) => self.forward(request),
            "ACK" => {}
            "CANCEL" => self.answer(from, &request, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            _ => self.answer(from, &request, StatusCode::OK),
        }
    }

    fn register(&mut self, now: Tick, from: SocketAddr, request: &Request) {
        if self.challenging && !request.headers.has(HeaderName::AUTHORIZATION) {
            return self.put(from, challenge(request, StatusCode::UNAUTHORIZED, HeaderName::WWW_AUTHENTICATE).to_bytes());
        }
        let user = request.headers.to().unwrap().uri.user().unwrap_or_default().to_owned();
        let asked = request.headers.expires().unwrap().unwrap_or(self.expires);
        let list = self.bindings.entry(user).or_default();
        for contact in request.headers.contact().unwrap().list() {
            let seconds = contact.expires().unwrap_or(asked).min(self.expires);
            list.retain(|(uri, _)| *uri != contact.uri);
            if seconds > 0 {
                list.push((contact.uri.clone(), now + Duration::from_secs(seconds.into())));
            }
        }
        let mut response = tagged(request, StatusCode::OK);
        for (uri, until) in list {
            response.headers.push(HeaderName::CONTACT, format!("<{uri}>;expires={}", until.since(now).as_secs()));
        }
        self.put(from, response.to_bytes());
    }

    /// Without state: the branch follows from the one that it came with, so a repetition, a CANCEL or an ACK goes the same way.
    fn forward(&mut self, mut request: Request) {
        let branch = format!("{}-p", branch_of(&request));
        self.leave_own_route(&mut request);
        // What names nobody but this proxy has nowhere to go.
        let Some(to) = next_hop(&request).filter(|to| *to != self.address) else { return };
        self.add_via(&mut request, &branch);
        self.put(to, request.to_bytes());
    }

    fn leave_own_route(&self, request: &mut Request) {
        let routes = request.headers.route().unwrap();
        request.headers.remove(HeaderName::ROUTE);
        let own = |uri: &Uri| address_of(uri) == Some(self.address);
        for route in routes.iter().skip(usize::from(routes.first().is_some_and(|first| own(&first.uri)))) {
            request.headers.push(HeaderName::ROUTE, route);
        }
    }

    fn add_via(&self, request: &mut Request, branch: &str) {
        let via = Via::new(ViaTransport::Udp, self.address.ip(), Some(self.address.port()), branch);
        request.headers.push_front(HeaderName::VIA, via);
    }

    fn on_response(&mut self, now: Tick, mut response: Response) {
        let own = response.headers.top_via().unwrap();
        let branch = own.branch().unwrap_or_default().to_owned();
        let method = response.headers.cseq().unwrap().method;
        if self.on_fork_response(now, &branch, &response) {
            return;
        }
        let repeated = self.repeated.len();
        if response.status.is_final() {
            self.repeated.retain(|repeated| repeated.branch != branch);
        }
        if repeated != self.repeated.len() || method.is_cancel() && branch.ends_with("-f") {
            return;
        }
        response.headers.remove_top_via();
        self.put_upstream(&response);
    }

    /// To whom the topmost Via names.
    fn put_upstream(&mut self, response: &Response) {
        let to = response.headers.top_via().ok().and_then(|via| via.answer_address());
        if let Some(to) = to {
            self.put(to, response.to_bytes());
        }
    }

    fn answer(&mut self, to: SocketAddr, request: &Request, status: StatusCode) {
        self.put(to, tagged(request, status).to_bytes());
    }

    fn put(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.packets.push((to, bytes));
    }

    /// Sends until an answer or an ACK with this branch comes.
    fn put_repeatedly(&mut self, now: Tick, branch: &str, to: SocketAddr, bytes: Vec<u8>) {
        self.put(to, bytes.clone());
        let branch = branch.to_owned();
        self.repeated.push(Repeated { branch, to, bytes, next: now + T1, wait: T1 * 2, until: now + GIVE_UP });
    }

    fn repeat(&mut self, now: Tick) {
        self.repeated.retain(|repeated| repeated.until > now);
        let mut again = Vec::new();
        for repeated in self.repeated.iter_mut().filter(|repeated| repeated.next <= now) {
            again.push((repeated.to, repeated.bytes.clone()));
            repeated.next = now + repeated.wait;
            repeated.wait = (repeated.wait * 2).min(T1 * 8);
        }
        self.packets.extend(again);
    }

    fn fresh_branch(&mut self) -> String {
        self.branches += 1;
        format!("z9hG4bK{}-f", self.branches)
    }
}

impl Net {
    /// A forking proxy with a registrar and a presence server.
    pub fn proxy(&mut self, address: &str) -> SocketAddr {
        let address = address.parse().unwrap();
        self.proxies.insert(address, Proxy::new(address));
        address
    }

    /// The proxy whose time has come, where no packet arrives and no stack wakes up before; false: there is none.
    pub(super) fn wake_proxy(&mut self, limit: Tick) -> bool {
        let first = self.proxies.values().filter_map(|proxy| Some((proxy.deadline()?, proxy.address))).min();
        let others = self.nodes.iter().filter_map(|node| node.deadline).chain(self.wire.keys().map(|(at, _)| *at).next());
        let Some((at, address)) = first.filter(|(at, _)| *at <= limit && others.min().is_none_or(|other| *at <= other)) else {
            return false;
        };
        self.now = self.now.max(at);
        let packets = self.proxies.get_mut(&address).map(|proxy| proxy.on_time(at)).unwrap_or_default();
        packets.into_iter().for_each(|(to, bytes)| self.send(address, to, bytes));
        true
    }
}

fn branch_of(request: &Request) -> String {
    request.headers.top_via().unwrap().branch().unwrap_or_default().to_owned()
}

/// A response of its own.
fn tagged(request: &Request, status: StatusCode) -> Response {
    super::peer::answer(request, status.code(), &format!("p{}", request.headers.call_id().unwrap().len()))
}

fn challenge(request: &Request, status: StatusCode, name: HeaderName) -> Response {
    let mut response = tagged(request, status);
    response.headers.push(name, "Digest realm=\"lab\", nonce=\"n\", algorithm=MD5, qop=\"auth\"");
    response
}

/// Addresses alone: no names in these stories.
fn address_of(uri: &Uri) -> Option<SocketAddr> {
    Some(SocketAddr::new(uri.host()?.ip()?, uri.port().unwrap_or(5060)))
}

fn next_hop(request: &Request) -> Option<SocketAddr> {
    match request.headers.route().unwrap().first() {
        Some(route) => address_of(&route.uri),
        None => address_of(&request.uri),
    }
}
