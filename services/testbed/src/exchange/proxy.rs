//! Calls between two phones: a stateless proxy (RFC 3261 section 16.11) that stays in the path by Record-Route.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use sip_wire::{HeaderError, HeaderName, NameAddr, Request, Response, StatusCode, Uri, Via};
use tokio::time::Instant;

use super::call::own_via;
use super::engine::Engine;

/// Where a request without Max-Forwards begins (RFC 3261 section 16.6 step 3).
const HOPS: u8 = 70;

impl Engine {
    /// Checks a new request and hands it on; gives the answer when it may not go on.
    pub(super) fn forward(
        &mut self,
        key: &str,
        request: &Request,
        target: &Uri,
        to: SocketAddr,
        now: Instant,
    ) -> Result<Option<Response>, HeaderError> {
        if request.headers.max_forwards()? == Some(0) {
            return Ok(Some(request.response(StatusCode::TOO_MANY_HOPS)));
        }
        let in_dialog = request.headers.to()?.tag().is_some();
        if !in_dialog && let Err(answer) = self.caller(request, now)? {
            return Ok(Some(answer));
        }
        self.transactions.forwarded(key, target.clone(), to);
        self.hand_on(Request { uri: target.clone(), ..request.clone() }, to);
        Ok(None)
    }
    /// Sends a request on with our hop. Its branch follows from that of the hop before, so that a repeated request, an ACK and a
    /// CANCEL get the same.
    pub(super) fn hand_on(&mut self, mut request: Request, to: SocketAddr) {
        let Ok(via) = request.headers.top_via() else { return };
        request.headers.remove(HeaderName::PROXY_AUTHORIZATION);
        let hops = request.headers.max_forwards().ok().flatten().unwrap_or(HOPS);
        request.headers.set(HeaderName::MAX_FORWARDS, hops.saturating_sub(1));
        if request.method.is_invite() {
            let stay = Uri::builder(sip_wire::Scheme::Sip).host(self.local.ip()).port(self.local.port()).flag("lr").build();
            request.headers.push_front(HeaderName::RECORD_ROUTE, NameAddr::new(stay));
        }
        request.headers.push_front(HeaderName::VIA, own_via(self.local, &branch_after(&via)));
        self.counters.proxied = self.counters.proxied.saturating_add(1);
        self.send(to, request.to_bytes());
    }
}

fn branch_after(via: &Via) -> String {
    let mut hasher = DefaultHasher::new();
    (via.branch(), via.host.to_string(), via.port).hash(&mut hasher);
    format!("{}p{:016x}", Via::MAGIC_COOKIE, hasher.finish())
}
