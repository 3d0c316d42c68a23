//! Finding the addresses of a next hop. An address is used as it is; a name is asked for by `Output::Resolve` and whoever asked is
//! told. The order of preference is the resolver's, or primary before secondary; who is passed over in it is said by `servers`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use serde::{Deserialize, Serialize};

use crate::addresses::Hop;
use crate::interface::{FlowId, Output, QueryId};
use crate::registration::ServerRole;
use crate::stack::{Stack, line_of};
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
    /// Nothing waits: a line knows its servers by it.
    Server(LineNumber, ServerRole),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Query {
    asker: Asker,
    line: LineNumber,
    /// Its answer is how the line is bound anew, not a name's.
    of_binding: bool,
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

/// The ways to a hop in the order in which they are tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Routes {
    pub(crate) first: Route,
    /// After it has failed.
    pub(crate) others: Vec<Route>,
}

impl Routes {
    /// The same with another socket of ours in the place of an old one.
    pub(crate) fn by(mut self, old: FlowId, new: FlowId) -> Routes {
        for route in [&mut self.first].into_iter().chain(&mut self.others).filter(|route| route.flow == old) {
            route.flow = new;
        }
        self
    }
}

/// What came of a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// There: the routes to try in this order, one at least.
    At(Routes),
    /// Asked; the asker is told.
    Asked(QueryId),
    /// No way, in words.
    Nowhere(String),
}

impl Stack {
    /// The route to a hop, or a question.
    pub(crate) fn locate(&mut self, line: LineNumber, hop: &Hop, asker: Asker) -> Located {
        if let Some(address) = hop.host.socket(hop.port.unwrap_or(5060)) {
            let targets: Vec<SocketAddr> = [address].into_iter().chain(hop.second).collect();
            self.core.servers.note_targets(line, &targets, self.now);
            return match self.routes_to(line, &targets, asker) {
                Some(routes) => Located::At(routes),
                None => Located::Nowhere(self.no_socket(line)),
            };
        }
        if self.core.flows.any_up(line).is_none() {
            return Located::Nowhere(self.no_socket(line));
        }
        Located::Asked(self.resolve(line, hop, asker))
    }

    /// Has a hop's name resolved.
    pub(crate) fn resolve(&mut self, line: LineNumber, hop: &Hop, asker: Asker) -> QueryId {
        let query = self.ask(line, asker, false);
        let ipv6 = self.core.flows.up(line, IpAddr::V6(Ipv6Addr::UNSPECIFIED)).is_some();
        self.put(Output::Resolve { query, host: hop.host.bare(), port: hop.port, srv: self.srv_prefix(line, hop), ipv6 });
        query
    }

    /// The way depends on how the line is bound anew, which is being found out: the call is told as of a name.
    pub(crate) fn await_binding(&mut self, line: LineNumber, call: CallIdentity) -> QueryId {
        self.ask(line, Asker::Dial(call), true)
    }

    /// It is known how the line is bound.
    pub(crate) fn on_binding_settled(&mut self, line: LineNumber) {
        let open = self.core.queries.open.iter().filter(|(_, query)| query.of_binding && query.line == line);
        let open: Vec<QueryId> = open.map(|(id, _)| *id).collect();
        for query in open {
            self.on_resolved(query, Ok(Vec::new()));
        }
    }

    /// One question per asker: a newer one takes the place of an older one, so that no peer can make many.
    fn ask(&mut self, line: LineNumber, asker: Asker, of_binding: bool) -> QueryId {
        self.forget_queries_of(asker);
        self.core.queries.next += 1;
        let query = QueryId(self.core.queries.next);
        self.core.queries.open.insert(query, Query { asker, line, of_binding });
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

    /// SRV is asked only where no port is fixed (RFC 3263 4.2).
    fn srv_prefix(&self, line: LineNumber, hop: &Hop) -> Option<String> {
        let own = line_of(self.settings.as_deref()?, line)?;
        own.srv_prefix.clone().filter(|_| hop.port.is_none())
    }

    /// The targets that can be reached, in the order in which they are tried. What is in a dialog goes on where it is, as long as its
    /// next hop is there too: whoever has taken it over from a server that failed knows it.
    fn routes_to(&self, line: LineNumber, targets: &[SocketAddr], asker: Asker) -> Option<Routes> {
        let own = line_of(self.settings.as_deref()?, line)?;
        let reached: Vec<SocketAddr> = targets.iter().filter(|target| self.route_to(line, **target).is_some()).copied().collect();
        let peer = self.peer_of(asker).filter(|peer| reached.contains(peer));
        let order = peer.map_or_else(|| self.core.servers.in_order(line, own, &reached, self.now), |peer| vec![peer]);
        let mut routes = order.into_iter().filter_map(|target| self.route_to(line, target));
        Some(Routes { first: routes.next()?, others: routes.collect() })
    }

    /// Where the requests of its dialog go, if it has one.
    fn peer_of(&self, asker: Asker) -> Option<SocketAddr> {
        let route = match asker {
            Asker::Dialog(call) => self.core.calls.get(&call)?.dialog()?.peer,
            Asker::Subscription(id) => self.core.subscriptions.peer_of(id)?,
            Asker::Registration(_) | Asker::Dial(_) | Asker::Server(..) => return None,
        };
        Some(route.remote)
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
        let Some(Query { asker, line, of_binding }) = self.core.queries.open.get(&query).copied() else { return };
        self.forget_query(query);
        if let (true, Asker::Dial(call)) = (of_binding, asker) {
            return self.dial_by_another_way(call, query);
        }
        let routes = match targets {
            Ok(targets) => {
                self.note_servers(line, &targets, asker);
                self.core.servers.note_targets(line, &targets, self.now);
                let routes = self.routes_to(line, &targets, asker);
                routes.ok_or_else(|| "the server has no address that can be reached from here".to_owned())
            }
            Err(reason) => Err(format!("the server's name cannot be resolved: {reason}")),
        };
        match asker {
            Asker::Registration(line) => self.on_registrar_located(line, query, routes),
            Asker::Dial(call) => self.on_dial_located(call, query, routes),
            Asker::Dialog(call) => self.on_dialog_located(call, query, routes.map(|routes| routes.first)),
            Asker::Subscription(id) => self.on_subscription_located(id, query, routes),
            Asker::Server(line, _) if routes.is_err() => self.look_up_servers_later(line),
            Asker::Server(..) => {}
        }
    }
}
