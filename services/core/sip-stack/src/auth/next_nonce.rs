//! The nonce that a server names for the next request in its 2xx (RFC 7616 3.5; a proxy by RFC 7615 4): whoever answers the old
//! one instead is challenged once more each time.

use sip_wire::{HeaderName, Response};

use super::{AuthSession, Kind};
use crate::registration::Registration;
use crate::stack::Stack;
use crate::transaction::Owner;

impl Kind {
    fn info(self) -> HeaderName {
        match self {
            Kind::Server => HeaderName::AUTHENTICATION_INFO,
            Kind::Proxy => HeaderName::from("Proxy-Authentication-Info"),
        }
    }
}

impl AuthSession {
    /// The header names no realm, so that it is of the only one that is known, or nobody's.
    fn take_next_nonce(&mut self, response: &Response) {
        for kind in [Kind::Server, Kind::Proxy] {
            let Some(nonce) = response.headers.next_nonce(kind.info()).ok().flatten().filter(|nonce| !nonce.is_empty()) else {
                continue;
            };
            let mut held = self.held.iter_mut().filter(|held| held.kind == kind);
            if let (Some(held), None) = (held.next(), held.next())
                && held.nonce != nonce
            {
                (held.nonce, held.count) = (nonce, 0);
            }
        }
    }
}

impl Stack {
    /// A 2xx to a request of ours: its credentials are right.
    pub(crate) fn note_accepted(&mut self, owner: Owner, response: &Response) {
        let auth = match owner {
            Owner::Registration(line) => self.core.registrations.get_mut(&line).map(Registration::auth),
            Owner::Invite(call) | Owner::Reinvite(call) | Owner::Update(call) | Owner::Prack(call) | Owner::Info(call) => {
                self.core.calls.get_mut(&call).map(|call| &mut call.auth)
            }
            Owner::Subscription(id) => self.core.subscriptions.auth_of(id),
            // Nothing follows them, or somebody else's request.
            Owner::Goodbye(_) | Owner::Bye(_) | Owner::Cancel(_) | Owner::Refer(_) | Owner::ReferNotify(_) => None,
            Owner::Probe(_) | Owner::Nobody => None,
        };
        if let Some(auth) = auth {
            auth.accepted();
            auth.take_next_nonce(response);
        }
    }
}
