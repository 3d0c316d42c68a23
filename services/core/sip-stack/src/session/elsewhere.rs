//! A call of ours whose server does not answer, or answers 503: the same request to the next one (RFC 3263 4.3, RFC 3261 21.5.4).

use std::net::SocketAddr;

use agreements::CallIdentity;
use sip_wire::{Response, Uri};

use super::{Call, Cancel, Inviting, State};
use crate::interface::{EndedBy, QueryId, StackSettings};
use crate::locate::{Asker, Located};
use crate::servers::retry_after;
use crate::stack::{Stack, line_of};
use crate::transaction::{Owner, Route};

impl Stack {
    /// Sends the INVITE to the next server; gives the call back where there is none, or where it shall not ring any more.
    ///
    /// It is the same request in a new transaction: a far end that both servers lead to sees a copy and refuses it (482, RFC 3261
    /// 8.2.2.2), so that nobody rings twice. `refusal`: the 503. One without Retry-After is about this call, perhaps said by
    /// somebody behind the server; only silence, or a time that it names, makes the server one to be passed over.
    pub(super) fn try_elsewhere(&mut self, mut call: Call, settings: &StackSettings, refusal: Option<&Response>) -> Option<Call> {
        let State::Inviting(inviting) = &mut call.state else { return Some(call) };
        let silence = refusal.and_then(retry_after);
        if inviting.several && (refusal.is_none() || silence.is_some()) {
            self.on_server_failed(call.line, inviting.route.remote, silence);
        }
        let heard = !inviting.early.is_empty();
        if call.ended || inviting.cancel != Cancel::No || heard {
            return Some(call);
        }
        let Some(next) = next_route(inviting) else { return Some(call) };
        let (target, number, line) = (inviting.target.clone(), inviting.number, call.line);
        call.auth.begin();
        let request = self.invite_request(&mut call, settings, &target, next, number);
        let Some(invite) = request.and_then(|request| self.start_client(Owner::Invite(call.identity), line, next, request)) else {
            return Some(call);
        };
        if let State::Inviting(inviting) = &mut call.state {
            (inviting.route, inviting.invite, inviting.provisional) = (next, invite, false);
        }
        self.put_call(call);
        None
    }

    /// No server of its way has answered: it goes by the way that another binding of the line brings, once. Gives the call back where
    /// that is no remedy.
    pub(super) fn try_another_way(&mut self, mut call: Call) -> Option<Call> {
        let State::Inviting(inviting) = &call.state else { return Some(call) };
        let (lost_at, number, target) = (inviting.route.remote, inviting.number, inviting.target.clone());
        let over = call.ended || inviting.cancel != Cancel::No || !inviting.early.is_empty() || call.elsewhere.lost_at().is_some();
        // Somebody else may have noticed before.
        let several = inviting.several;
        let moves = !over && !several && (self.is_binding(call.line) || self.is_led_elsewhere(&call, &target, lost_at));
        if over || !(moves || self.seek_another_way(call.line, lost_at, true)) {
            return Some(call);
        }
        call.elsewhere.take_another_way(lost_at, number);
        let (identity, line) = (call.identity, call.line);
        let query = self.await_binding(line, identity);
        call.state = State::Locating { query, target };
        self.put_call(call);
        if !self.is_binding(line) {
            self.on_binding_settled(line);
        }
        None
    }

    /// Whether a call of ours to `target` would not go to this server now.
    fn is_led_elsewhere(&mut self, call: &Call, target: &Uri, server: SocketAddr) -> bool {
        let Some(settings) = self.settings() else { return false };
        let hop = line_of(&settings, call.line).and_then(|own| self.call_hop(call.line, own, target));
        // A name's servers have all been asked.
        let Some(hop) = hop.filter(|hop| hop.host.ip().is_some()) else { return false };
        match self.locate(call.line, &hop, Asker::Dial(call.identity)) {
            Located::At(routes) => routes.first.remote != server,
            Located::Asked(_) | Located::Nowhere(_) => false,
        }
    }

    /// It is known how the line is bound, or nobody waits for it any longer.
    pub(crate) fn dial_by_another_way(&mut self, identity: CallIdentity, query: QueryId) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let State::Locating { query: asked, target } = &call.state else { return self.put_call(call) };
        if *asked != query {
            return self.put_call(call);
        }
        let target = target.clone();
        let hop = line_of(&settings, call.line).and_then(|own| self.call_hop(call.line, own, &target));
        match hop.map(|hop| self.locate(call.line, &hop, Asker::Dial(identity))) {
            Some(Located::At(routes)) if self.is_another_way(&call, routes.first) => {
                self.invite_elsewhere(call, target, routes, &settings);
            }
            Some(Located::Asked(query)) => {
                call.state = State::Locating { query, target };
                self.put_call(call);
            }
            Some(Located::At(_) | Located::Nowhere(_)) | None => self.end(call, 408, "no answer", EndedBy::Network),
        }
    }

    fn is_another_way(&self, call: &Call, route: Route) -> bool {
        call.elsewhere.lost_at() != Some(route.remote) && !self.core.servers.is_passed_over(call.line, route.remote)
    }
}

impl Call {
    /// Where its INVITE would go by another way if it were lost there.
    pub(crate) fn may_go_another_way(&self) -> Option<Route> {
        match &self.state {
            State::Inviting(inviting) if self.elsewhere.lost_at().is_none() => Some(inviting.route),
            State::Inviting(_) | State::Locating { .. } | State::Preparing { .. } => None,
            State::Offered(_) | State::Talking(_) | State::Leaving(_) => None,
        }
    }
}

/// The call's media is at the address of its first socket: a server of another family is none for it.
fn next_route(inviting: &mut Inviting) -> Option<Route> {
    let flow = inviting.route.flow;
    let next = inviting.others.iter().position(|route| route.flow == flow)?;
    inviting.others.drain(..=next).next_back()
}
