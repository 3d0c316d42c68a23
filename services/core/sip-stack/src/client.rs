//! Requests of ours: from a finished request to its transaction, and from the transaction's steps to whoever sent it.

use std::collections::BTreeMap;
use std::sync::Arc;

use agreements::LineNumber;
use sip_wire::{Request, Response};

use crate::registration::Registration;
use crate::session::Call;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{ClientInvite, ClientKey, ClientRequest, Machine, Owner, Route, Step, Timing, Transaction, TransactionId};

/// What became of a request of ours.
pub(crate) enum Outcome<'a> {
    /// Answered.
    Response(&'a Response),
    /// Not answered, in words.
    Lost(&'static str),
}

/// A transaction as its owner is told of it; it may be over already.
pub(crate) struct Told {
    pub(crate) id: TransactionId,
    pub(crate) owner: Owner,
    pub(crate) line: LineNumber,
    pub(crate) route: Route,
    pub(crate) request: Arc<Request>,
    /// Lost because the transport has failed, which counts as 503, not as 408 (RFC 3261 8.1.3.1).
    pub(crate) broken: bool,
}

impl Stack {
    /// Sends a request that is complete but for Via and User-Agent. None when there is no room or no socket.
    pub(crate) fn start_client(
        &mut self,
        owner: Owner,
        line: LineNumber,
        route: Route,
        mut request: Request,
    ) -> Option<TransactionId> {
        self.add_via(&mut request, line, route.flow)?;
        self.add_user_agent(&mut request.headers);
        self.start_prepared(owner, line, route, request)
    }

    /// Sends a request as it is: a CANCEL has its INVITE's Via.
    pub(crate) fn start_prepared(
        &mut self,
        owner: Owner,
        line: LineNumber,
        route: Route,
        request: Request,
    ) -> Option<TransactionId> {
        let timing = Timing::of(line_of(self.settings.as_deref()?, line)?, self.is_stream(route.flow));
        let key = ClientKey::of(&request.headers)?;
        let (machine, steps) = if request.method.is_invite() {
            let (machine, steps) = ClientInvite::start(&timing);
            (Machine::ClientInvite(machine), steps)
        } else {
            let (machine, steps) = ClientRequest::start(&timing);
            (Machine::ClientRequest(machine), steps)
        };
        let id = self.core.transactions.reserve();
        let request = Arc::new(request);
        let (merge_key, counted) = (String::new(), BTreeMap::new());
        let transaction = Transaction { owner, line, route, timing, merge_key, request, machine, counted };
        if !self.core.transactions.insert_client(id, key, transaction) {
            return None;
        }
        self.touch();
        self.take_steps(id, steps, None);
        Some(id)
    }

    /// Does what a machine wants, then tells its owner.
    pub(crate) fn take_steps(&mut self, id: TransactionId, steps: Vec<Step>, response: Option<&Response>) {
        let Some(transaction) = self.core.transactions.find(id) else { return };
        let (owner, line, timing) = (transaction.owner, transaction.line, transaction.timing);
        let route = match transaction.machine {
            Machine::ClientInvite(_) | Machine::ClientRequest(_) => transaction.route,
            Machine::ServerInvite(_) | Machine::ServerRequest(_) => self.way_back(&transaction.request, transaction.route),
        };
        let broken = steps.contains(&Step::Unreachable);
        let waited = match transaction.machine {
            Machine::ClientInvite(_) => Some(timing.b),
            Machine::ClientRequest(_) => Some(timing.f),
            Machine::ServerInvite(_) | Machine::ServerRequest(_) => None,
        };
        let waited = waited.filter(|_| steps.contains(&Step::TimedOut));
        let mut outcome = None;
        let mut request = None;
        for step in steps {
            match step {
                Step::SendRequest => self.send_request_of(id),
                Step::Send(bytes) => self.transmit(route, bytes),
                Step::SendTo(route, bytes) => self.transmit(route, bytes),
                Step::Arm(timer, after) => {
                    if let Some(after) = timing.wait_of(timer, after) {
                        self.arm(TimerOwner::Transaction(id), timer, after);
                    }
                }
                Step::Disarm(timer) => self.core.timers.disarm(TimerOwner::Transaction(id), timer),
                Step::Pass => outcome = response.map(Outcome::Response),
                Step::TimedOut => outcome = Some(Outcome::Lost("no answer")),
                Step::Unreachable => outcome = Some(Outcome::Lost("the network cannot reach the server")),
                Step::Refused => {
                    for id in self.core.transactions.note_refused(id) {
                        self.end_transaction(id);
                    }
                }
                Step::Settle(response, after) => self.settle_server(id, response, after),
                Step::End => request = self.end_transaction(id),
            }
        }
        if let Some(waited) = waited {
            // Before its owner, who may have more to say the same way.
            self.on_unanswered_over(route, waited);
        }
        let Some(outcome) = outcome else { return };
        let request = request.or_else(|| self.core.transactions.find(id).map(|transaction| transaction.request.clone()));
        if let Outcome::Response(response) = &outcome
            && response.status.is_success()
        {
            self.note_accepted(owner, response);
        }
        if let Some(request) = request {
            self.tell_owner(Told { id, owner, line, route, request, broken }, outcome);
        }
    }

    /// Sends it, perhaps once more: its timers go on.
    pub(crate) fn send_request_of(&mut self, id: TransactionId) {
        if let Some(transaction) = self.core.transactions.find(id) {
            let (route, bytes) = (transaction.route, transaction.request.to_bytes());
            self.transmit(route, bytes);
        }
    }

    /// The way there has broken and may be made anew: what was never answered goes once more. Its timers go on.
    pub(crate) fn send_again(&mut self, route: Route) {
        let open = |transaction: &Transaction| match &transaction.machine {
            Machine::ClientInvite(machine) => matches!(machine, ClientInvite::Calling { .. }),
            Machine::ClientRequest(machine) => matches!(machine, ClientRequest::Trying { .. }),
            Machine::ServerInvite(_) | Machine::ServerRequest(_) => false,
        };
        let all = self.core.transactions.iter();
        let hit: Vec<TransactionId> = all.filter(|(_, one)| one.route == route && open(one)).map(|(id, _)| id).collect();
        hit.into_iter().for_each(|id| self.send_request_of(id));
    }

    /// Nothing more comes of it; the request that it was for.
    pub(crate) fn end_transaction(&mut self, id: TransactionId) -> Option<Arc<Request>> {
        self.core.timers.disarm_all(TimerOwner::Transaction(id));
        self.core.transactions.remove(id).map(|transaction| transaction.request)
    }

    fn tell_owner(&mut self, told: Told, outcome: Outcome<'_>) {
        match (told.owner, outcome) {
            (Owner::Registration(line), Outcome::Response(response)) => self.on_register_response(line, told.id, response),
            (Owner::Registration(line), Outcome::Lost(reason)) => self.on_register_lost(line, told.id, reason),
            (Owner::Invite(call), outcome) => self.on_invite_outcome(call, &told, outcome),
            (Owner::Reinvite(call), outcome) => self.on_reinvite_outcome(call, &told, outcome),
            (Owner::Update(call), outcome) => self.on_update_outcome(call, &told, outcome),
            (Owner::Prack(call), outcome) => self.on_prack_outcome(call, &told, outcome),
            (Owner::Bye(call), outcome) => self.on_bye_outcome(call, &told, outcome),
            (Owner::Info(call), outcome) => self.on_info_outcome(call, &told, outcome),
            (Owner::Cancel(call), outcome) => self.on_cancel_outcome(call, outcome),
            (Owner::Subscription(id), outcome) => self.on_subscribe_outcome(id, &told, outcome),
            (Owner::Refer(id), outcome) => self.on_refer_outcome(id, &told, outcome),
            (Owner::ReferNotify(id), outcome) => self.on_refer_notify_outcome(id, &told, outcome),
            (Owner::Goodbye(line), outcome) => self.on_goodbye_outcome(line, &told, outcome),
            (Owner::Probe(line), outcome) => self.on_probe_outcome(line, told.id, told.route.remote, outcome),
            (Owner::Nobody, Outcome::Response(_) | Outcome::Lost(_)) => {}
        }
    }

    /// The session of an INVITE of ours has gone before its final response.
    pub(crate) fn abandon(&mut self, id: TransactionId) {
        if self.core.timers.is_armed(TimerOwner::Transaction(id), Timer::B) {
            return;
        }
        let Some(transaction) = self.core.transactions.find(id) else { return };
        let steps = match &transaction.machine {
            Machine::ClientInvite(machine) => machine.abandon(&transaction.timing),
            Machine::ClientRequest(_) | Machine::ServerInvite(_) | Machine::ServerRequest(_) => Vec::new(),
        };
        self.take_steps(id, steps, None);
    }

    /// One of a transaction's timers.
    pub(crate) fn on_transaction_timer(&mut self, id: TransactionId, timer: Timer) {
        let Some(transaction) = self.core.transactions.find_mut(id) else { return };
        let steps = transaction.on_timer(timer);
        self.take_steps(id, steps, None);
    }

    /// ICMP: requests that were never answered there go to their next server, where they have one.
    pub(crate) fn on_refused_way(&mut self, flow: crate::interface::FlowId, remote: std::net::SocketAddr) {
        let route = Route { flow, remote };
        let all = self.core.transactions.iter().filter(|(_, transaction)| transaction.route == route);
        let hit: Vec<TransactionId> =
            all.filter(|(_, transaction)| self.has_another_server(transaction.owner)).map(|(id, _)| id).collect();
        for id in hit {
            let Some(transaction) = self.core.transactions.find_mut(id) else { continue };
            let steps = transaction.on_unreachable();
            self.take_steps(id, steps, None);
        }
        // Also where only a keep-alive was lost: whether the server is there is seen by the next REGISTER.
        self.on_way_refused(route);
    }

    fn has_another_server(&self, owner: Owner) -> bool {
        match owner {
            Owner::Registration(line) => self.core.registrations.get(&line).is_some_and(Registration::has_another_server),
            Owner::Invite(call) => self.core.calls.get(&call).is_some_and(|call| self.call_has_another_server(call)),
            Owner::Subscription(id) => self.core.subscriptions.has_another_server(id) || self.subscription_may_go_another_way(id),
            Owner::Reinvite(_) | Owner::Update(_) | Owner::Prack(_) | Owner::Bye(_) | Owner::Cancel(_) | Owner::Info(_) => false,
            Owner::Refer(_) | Owner::ReferNotify(_) | Owner::Probe(_) | Owner::Goodbye(_) | Owner::Nobody => false,
        }
    }

    fn call_has_another_server(&self, call: &Call) -> bool {
        let another_way = |route: Route| self.may_have_another_way(call.line, route.remote, true);
        call.has_another_server() || call.may_go_another_way().is_some_and(another_way)
    }

    /// The network says that an address cannot be reached: requests that were never answered there are lost.
    pub(crate) fn on_unreachable(&mut self, flow: crate::interface::FlowId, remote: std::net::SocketAddr) {
        // Nothing is known of the way there: what was to be said is said again from the next address.
        if self.is_gone(flow) {
            return;
        }
        let route = Route { flow, remote };
        let hit: Vec<TransactionId> =
            self.core.transactions.iter().filter(|(_, transaction)| transaction.route == route).map(|(id, _)| id).collect();
        for id in hit {
            let Some(transaction) = self.core.transactions.find_mut(id) else { continue };
            let steps = transaction.on_unreachable();
            self.take_steps(id, steps, None);
        }
    }
}
