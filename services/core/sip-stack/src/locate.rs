//! Finding the address of a next hop. An address is used as it is; a name is asked for by `Output::Resolve` and whoever asked is
//! told. Server selection by SRV weights and fail-over is the resolver's order and, later, another module's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use serde::{Deserialize, Serialize};

use crate::addresses::Hop;
use crate::interface::{Output, QueryId};
use crate::stack::Stack;
use crate::subscription::SubscriptionId;
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// Longest wait for a name.
const PATIENCE: Duration = Duration::from_secs(12);

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Asker {
    /// A REGISTER waits.
    Registration(LineNumber),
    /// The first INVITE of a call waits.
    Dial(CallIdentity),
    /// A call's dialog: nothing waits, later requests go there.
    Dialog(CallIdentity),
    /// A subscription: its first SUBSCRIBE waits, or later ones go there.
    Subscription(SubscriptionId),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Query {
    asker: Asker,
    line: LineNumber,
}

/// Questions that are open.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct QueryTable {
    next: u64,
    open: BTreeMap<QueryId, Query>,
}

impl QueryTable {
    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

/// What came of a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// There.
    At(Route),
    /// Asked; the asker is told.
    Asked(QueryId),
    /// No way, in words.
    Nowhere(String),
}

impl Stack {
    /// The route to a hop, or a question.
    pub(crate) fn locate(&mut self, line: LineNumber, hop: &Hop, asker: Asker) -> Located {
        if let Some(address) = hop.host.socket(hop.port.unwrap_or(5060)) {
            return match self.route_to(line, address) {
                Some(route) => Located::At(route),
                None => Located::Nowhere(self.no_socket(line)),
            };
        }
        if self.core.flows.any_up(line).is_none() {
            return Located::Nowhere(self.no_socket(line));
        }
        let query = self.ask(line, asker);
        self.put(Output::Resolve { query, host: hop.host.bare(), port: hop.port, srv: hop.srv.clone() });
        Located::Asked(query)
    }

    /// One question per asker: a newer one takes the place of an older one, so that no peer can make many.
    fn ask(&mut self, line: LineNumber, asker: Asker) -> QueryId {
        self.forget_queries_of(asker);
        self.core.queries.next += 1;
        let query = QueryId(self.core.queries.next);
        self.core.queries.open.insert(query, Query { asker, line });
        self.arm(TimerOwner::Query(query), Timer::Resolve, PATIENCE);
        query
    }

    /// This one asks nothing any more.
    pub(crate) fn forget_queries_of(&mut self, asker: Asker) {
        let open: Vec<QueryId> =
            self.core.queries.open.iter().filter(|(_, query)| query.asker == asker).map(|(id, _)| *id).collect();
        for query in open {
            self.forget_query(query);
        }
    }

    /// Nobody waits for it any more.
    pub(crate) fn forget_query(&mut self, query: QueryId) {
        self.core.queries.open.remove(&query);
        self.core.timers.disarm(TimerOwner::Query(query), Timer::Resolve);
    }

    /// From the line's socket of that family.
    pub(crate) fn route_to(&self, line: LineNumber, remote: SocketAddr) -> Option<Route> {
        self.core.flows.up(line, remote.ip()).map(|flow| Route { flow, remote })
    }

    fn no_socket(&self, line: LineNumber) -> String {
        match self.core.flows.down_reason(line) {
            Some(reason) => format!("the line's socket is not open: {reason}"),
            None => "the line's socket is not open".to_owned(),
        }
    }

    /// The resolver's answer, or its silence.
    pub(crate) fn on_resolved(&mut self, query: QueryId, targets: Result<Vec<SocketAddr>, String>) {
        let Some(Query { asker, line }) = self.core.queries.open.get(&query).copied() else { return };
        self.forget_query(query);
        let route = match targets {
            Ok(targets) => {
                self.note_servers(line, &targets, asker);
                let route = targets.iter().find_map(|target| self.route_to(line, *target));
                route.ok_or_else(|| "the server has no address that can be reached from here".to_owned())
            }
            Err(reason) => Err(format!("the server's name cannot be resolved: {reason}")),
        };
        match asker {
            Asker::Registration(line) => self.on_registrar_located(line, query, route),
            Asker::Dial(call) => self.on_dial_located(call, query, route),
            Asker::Dialog(call) => self.on_dialog_located(call, query, route),
            Asker::Subscription(id) => self.on_subscription_located(id, query, route),
        }
    }
}
