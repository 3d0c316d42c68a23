//! What comes in: from a datagram to its transaction, and requests on to the user agent server (`serve`). RFC 3261 section 18
//! and 17.2.3.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agreements::LineNumber;
use sip_wire::{HeaderName, Message, ParseError, Request, Response, RetryAfter, StatusCode, parse_datagram};

use crate::interface::FlowId;
use crate::limits::Standing;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{
    Answered, ClientKey, Machine, Owner, Route, ServerInvite, ServerKey, ServerRequest, Timing, Transaction, TransactionId,
};

/// Requests that are over are kept so much longer than they have to be, at most.
const SWEEP: Duration = Duration::from_millis(500);
/// What 503 suggests to wait, in seconds.
const BUSY_RETRY: u32 = 10;

/// A request with its circumstances.
pub(crate) struct Arrived {
    pub(crate) line: LineNumber,
    /// Our socket and where it really came from.
    pub(crate) source: Route,
    /// Its top Via says where it came from.
    pub(crate) request: Arc<Request>,
}

impl Stack {
    /// A datagram.
    pub(crate) fn on_datagram(&mut self, flow: FlowId, remote: SocketAddr, bytes: &[u8]) {
        let Some(line) = self.core.flows.find(flow).map(|flow| flow.line) else { return };
        if !self.is_welcome(line, remote.ip()) {
            return;
        }
        let source = Route { flow, remote };
        match parse_datagram(bytes) {
            Ok(Message::Response(response)) => self.on_response(&response),
            Ok(Message::Request(request)) => self.on_request(line, source, request),
            Err(broken) => self.on_broken(source, broken),
        }
    }

    /// 400 and its kin for a request that can be answered at all; everything else is dropped.
    fn on_broken(&mut self, source: Route, broken: ParseError) {
        let Some(mut answer) = broken.answer else { return };
        if !self.sources.admit(source.remote.ip(), Standing::Stranger, self.now) {
            return;
        }
        let tag = self.random.token();
        crate::transport::add_to_tag(&mut answer, &tag);
        let Ok(mut via) = answer.headers.top_via() else { return };
        via.note_source(source.remote);
        answer.headers.set_top_via(&via);
        let stream = self.is_stream(source.flow);
        let remote = via.answer_address().filter(|_| !stream).unwrap_or(source.remote);
        self.transmit(Route { flow: source.flow, remote }, answer.to_bytes());
    }

    /// RFC 3261 18.1.2, 17.1.3 and 8.1.3.3: a response that belongs to nothing is dropped, and so are one that is to go on to
    /// somebody else and one whose sent-by is not what its request had.
    fn on_response(&mut self, response: &Response) {
        let Ok(hops) = response.headers.via() else { return };
        let [hop] = hops.as_slice() else { return };
        let Some(id) = ClientKey::of(&response.headers).and_then(|key| self.core.transactions.client(&key)) else { return };
        let Some(transaction) = self.core.transactions.find_mut(id) else { return };
        let ours = transaction.request.headers.top_via();
        if !ours.is_ok_and(|ours| ours.host == hop.host && ours.port_or_default() == hop.port_or_default()) {
            return;
        }
        let (code, timing) = (response.status.code(), transaction.timing);
        let steps = match &mut transaction.machine {
            Machine::ClientInvite(machine) => {
                let tag = response.headers.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
                let request = &transaction.request;
                machine.on_response(code, &tag, || ack_of_refusal(request, response).to_bytes(), &timing)
            }
            Machine::ClientRequest(machine) => machine.on_response(code, &timing),
            Machine::ServerInvite(_) | Machine::ServerRequest(_) => return,
        };
        self.take_steps(id, steps, Some(response));
    }

    fn on_request(&mut self, line: LineNumber, source: Route, mut request: Request) {
        if let Ok(mut via) = request.headers.top_via() {
            self.note_alias(source, &via);
            if via.note_source(source.remote) {
                request.headers.set_top_via(&via);
            }
        }
        let arrived = Arrived { line, source, request: Arc::new(request) };
        let Some(key) = ServerKey::of(&arrived.request) else { return };
        if let Some(answered) = self.core.settled.find(&key) {
            let (route, response) = (answered.route, answered.response.clone());
            if !response.is_empty() && !arrived.request.method.is_ack() {
                self.transmit(route, response);
            }
            return;
        }
        if let Some(id) = self.core.transactions.server(&key) {
            return self.on_repeated(id, arrived);
        }
        if arrived.request.method.is_ack() {
            return self.on_ack(arrived);
        }
        let standing = self.standing(&arrived);
        if !self.sources.admit(arrived.source.remote.ip(), standing, self.now) {
            return;
        }
        match self.open_server(key.clone(), &arrived, standing) {
            Some(id) => self.serve(id, &key, arrived),
            None => self.turn_away(&arrived),
        }
    }

    fn standing(&self, arrived: &Arrived) -> Standing {
        let request = &arrived.request;
        if self.is_server_of(arrived.line, arrived.source.remote.ip()) {
            return Standing::Server;
        }
        let known = self.call_of(request).is_some() || self.subscription_of(request).is_some();
        if known { Standing::Known } else { Standing::Stranger }
    }

    /// The same request again, or the ACK of our refusal.
    fn on_repeated(&mut self, id: TransactionId, arrived: Arrived) {
        let Some(transaction) = self.core.transactions.find_mut(id) else { return };
        let timing = transaction.timing;
        let steps = match &mut transaction.machine {
            Machine::ServerInvite(machine) if arrived.request.method.is_ack() => machine.on_ack(&timing),
            Machine::ServerInvite(machine) => machine.on_repeated(),
            Machine::ServerRequest(machine) => machine.on_repeated(),
            Machine::ClientInvite(_) | Machine::ClientRequest(_) => return,
        };
        if arrived.request.method.is_ack() && steps.contains(&crate::transaction::Step::Pass) {
            // An ACK of a 2xx that wrongly carries the INVITE's branch.
            return self.on_ack(arrived);
        }
        self.take_steps(id, steps, None);
    }

    fn open_server(&mut self, key: ServerKey, arrived: &Arrived, standing: Standing) -> Option<TransactionId> {
        let timing = Timing::of(line_of(self.settings.as_deref()?, arrived.line)?, self.is_stream(arrived.source.flow));
        let machine = if arrived.request.method.is_invite() {
            Machine::ServerInvite(ServerInvite::start())
        } else {
            Machine::ServerRequest(ServerRequest::start())
        };
        let transaction = Transaction {
            owner: Owner::Nobody,
            line: arrived.line,
            route: Route { flow: arrived.source.flow, remote: self.answer_address(arrived) },
            timing,
            merge_key: merge_key(&arrived.request),
            request: arrived.request.clone(),
            machine,
            counted: BTreeMap::new(),
        };
        self.core.transactions.insert_server(key, transaction, standing)
    }

    /// Where answers go (RFC 3261 18.2.2, RFC 3581 4): over TCP the way that the request came.
    fn answer_address(&self, arrived: &Arrived) -> SocketAddr {
        let via = arrived.request.headers.top_via().ok().filter(|_| !self.is_stream(arrived.source.flow));
        via.and_then(|via| via.answer_address()).unwrap_or(arrived.source.remote)
    }

    /// No room: an INVITE is told so, everything else may come again.
    fn turn_away(&mut self, arrived: &Arrived) {
        if !arrived.request.method.is_invite() {
            return;
        }
        let tag = self.random.token();
        let mut response = self.response(&arrived.request, StatusCode::SERVICE_UNAVAILABLE, &tag);
        let again = RetryAfter { seconds: BUSY_RETRY, comment: String::new(), params: sip_wire::Params::new() };
        response.headers.push(HeaderName::RETRY_AFTER, again);
        let route = Route { flow: arrived.source.flow, remote: self.answer_address(arrived) };
        self.transmit(route, response.to_bytes());
    }

    /// Answers a request of theirs.
    pub(crate) fn respond(&mut self, id: TransactionId, response: &Response) {
        let Some(transaction) = self.core.transactions.find_mut(id) else { return };
        let (code, bytes, timing) = (response.status.code(), response.to_bytes(), transaction.timing);
        let steps = match &mut transaction.machine {
            Machine::ServerInvite(machine) => machine.respond(code, bytes, &timing),
            Machine::ServerRequest(machine) => machine.respond(code, bytes, &timing),
            Machine::ClientInvite(_) | Machine::ClientRequest(_) => return,
        };
        self.take_steps(id, steps, None);
    }

    /// Answers a request of theirs with a bare status; `tag` is ours, a new one where it is empty.
    pub(crate) fn respond_status(&mut self, id: TransactionId, status: StatusCode, tag: &str) {
        let Some(request) = self.core.transactions.find(id).map(|transaction| transaction.request.clone()) else { return };
        let tag = if tag.is_empty() { self.random.token() } else { tag.to_owned() };
        let response = self.response(&request, status, &tag);
        self.respond(id, &response);
    }
}

/// What copies of one request over several paths have in common (RFC 3261 8.2.2.2).
fn merge_key(request: &Request) -> String {
    let headers = &request.headers;
    let tag = headers.from().ok().and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default();
    let number = headers.cseq().map(|cseq| cseq.number).unwrap_or_default();
    format!("{} {} {tag} {}", request.method, number, headers.call_id().unwrap_or_default())
}

/// The ACK of a 300-699 (RFC 3261 17.1.1.3): the INVITE's Request-URI, top Via, Route and numbers, the response's To.
fn ack_of_refusal(invite: &Request, response: &Response) -> Request {
    let mut ack = crate::session::follow_up(invite, sip_wire::Method::ACK);
    if let Some(to) = response.headers.get(HeaderName::TO) {
        ack.headers.set(HeaderName::TO, to);
    }
    ack
}

impl Stack {
    /// A request of theirs is over but for repetitions; over TCP there are none.
    pub(crate) fn settle_server(&mut self, id: TransactionId, response: Vec<u8>, after: Duration) {
        self.core.timers.disarm_all(TimerOwner::Transaction(id));
        let Some((key, transaction)) = self.core.transactions.take_server(id) else { return };
        if transaction.timing.reliable {
            return;
        }
        let until = Timer::Settled.due(self.now, after);
        let Transaction { route, merge_key, .. } = transaction;
        self.core.settled.insert(key, Answered { route, response, merge_key, until });
        if self.core.timers.at(TimerOwner::Stack, Timer::Settled).is_none_or(|at| until < at) {
            self.core.timers.arm(TimerOwner::Stack, Timer::Settled, until);
        }
    }

    /// Timer I or J of some of them. On a busy server one ends each moment: they are swept together.
    pub(crate) fn sweep_settled(&mut self) {
        if let Some(next) = self.core.settled.sweep(self.now) {
            self.core.timers.arm(TimerOwner::Stack, Timer::Settled, next.max(self.now + SWEEP));
        }
    }

    /// Whether another copy of this open request is being served, or was (RFC 3261 8.2.2.2).
    pub(crate) fn is_merged(&self, request: &Request) -> bool {
        let key = merge_key(request);
        self.core.settled.has_copy(&key) || self.core.transactions.copies(&key) > 1
    }
}
