//! A call of ours whose server does not answer, or answers 503: the same request to the next one (RFC 3263 4.3, RFC 3261 21.5.4).

use sip_wire::Response;

use super::{Call, Cancel, Inviting, State};
use crate::interface::StackSettings;
use crate::servers::retry_after;
use crate::stack::Stack;
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
}

/// The call's media is at the address of its first socket: a server of another family is none for it.
fn next_route(inviting: &mut Inviting) -> Option<Route> {
    let flow = inviting.route.flow;
    let next = inviting.others.iter().position(|route| route.flow == flow)?;
    inviting.others.drain(..=next).next_back()
}
