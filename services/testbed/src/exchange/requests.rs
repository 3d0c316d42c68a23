//! What a request is, and who deals with it.

use std::net::SocketAddr;

use sip_wire::{Challenge, HeaderError, HeaderName, Method, Request, Response, StatusCode, Uri};
use tokio::time::Instant;

use super::authentication::Verdict;
use super::engine::Engine;
use super::transactions::{Server, server_key};

/// Methods that extensions understand.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, INFO";

/// Where a request leads.
pub(super) enum Route {
    /// To an extension or to the exchange itself.
    Here,
    /// To a phone.
    There(Uri, SocketAddr),
    /// To nobody.
    Nowhere(StatusCode),
}

impl Engine {
    pub(super) fn on_request(&mut self, mut request: Request, source: SocketAddr, now: Instant) {
        // The parser lets no message through without a Via, From, To, Call-ID and CSeq that can be read.
        let Ok(mut via) = request.headers.top_via() else { return };
        via.note_source(source);
        request.headers.set_top_via(&via);
        let Ok(key) = server_key(&request, &via, &request.method) else { return };
        if self.on_known(&key, &request, now) {
            return;
        }
        let routed = self.strip_own_route(&mut request);
        if request.method.is_ack() {
            self.on_ack(request, routed, now);
        } else if self.transactions.begin_server(key.clone(), via.answer_address().unwrap_or(source), now) {
            let answer = self.on_new(&key, &request, source, routed, now).unwrap_or_else(|error| {
                let mut answer = request.response(StatusCode::BAD_REQUEST);
                answer.reason = format!("Bad Request ({error})");
                Some(answer)
            });
            if let Some(answer) = answer {
                self.respond(&key, answer, None, now);
            }
        }
    }
    /// A request seen before, or the ACK of an answer: true when nothing more is to be done.
    fn on_known(&mut self, key: &str, request: &Request, now: Instant) -> bool {
        let destination = self.transactions.source_of(key);
        let Some(known) = self.transactions.server_mut(key) else { return false };
        match known {
            Server::Answered(_) if request.method.is_ack() => {
                self.transactions.acknowledge(key);
                self.on_talking(request, now);
            }
            Server::Answered(resend) => {
                let bytes = resend.bytes.clone();
                self.counters.retransmissions_seen = self.counters.retransmissions_seen.saturating_add(1);
                destination.into_iter().for_each(|to| self.send(to, bytes.clone()));
            }
            Server::Forwarded(target, to) => {
                let (uri, to) = (target.clone(), *to);
                let mut again = Request { uri, ..request.clone() };
                self.strip_own_route(&mut again);
                self.hand_on(again, to);
            }
            Server::Waiting => {}
        }
        true
    }
    /// A new request that is no ACK; gives the answer, unless it is given elsewhere.
    fn on_new(
        &mut self,
        key: &str,
        request: &Request,
        source: SocketAddr,
        routed: bool,
        now: Instant,
    ) -> Result<Option<Response>, HeaderError> {
        if request.method.is_cancel() {
            return self.on_cancel(key, request, now);
        }
        if !request.uri.scheme().is_sip() {
            return Ok(Some(request.response(StatusCode::UNSUPPORTED_URI_SCHEME)));
        }
        if request.method.is_register() {
            return self.on_register(request, source, now).map(Some);
        }
        let required = request.headers.require()?;
        if !required.is_empty() {
            let mut answer = request.response(StatusCode::BAD_EXTENSION);
            answer.headers.push(HeaderName::UNSUPPORTED, required.join(", "));
            return Ok(Some(answer));
        }
        match self.route(request, routed)? {
            Route::Nowhere(status) => Ok(Some(request.response(status))),
            Route::Here => self.on_extension(key, request, source, now),
            Route::There(target, to) => self.forward(key, request, &target, to, now),
        }
    }
    fn on_extension(
        &mut self,
        key: &str,
        request: &Request,
        source: SocketAddr,
        now: Instant,
    ) -> Result<Option<Response>, HeaderError> {
        match &request.method {
            Method::Known(_) if request.method.is_invite() => self.on_invite(key, request, source, now),
            Method::Known(_) if request.method.is_bye() => self.on_bye(request, now).map(Some),
            method if *method == Method::OPTIONS || *method == Method::INFO => Ok(Some(capabilities(request))),
            Method::Known(_) => Ok(Some(refusal(request, StatusCode::METHOD_NOT_ALLOWED))),
            Method::Other(_) => Ok(Some(refusal(request, StatusCode::NOT_IMPLEMENTED))),
        }
    }
    /// Takes a Route that is ours off; says whether there was one (RFC 3261 section 16.4).
    fn strip_own_route(&mut self, request: &mut Request) -> bool {
        let Ok(routes) = request.headers.route() else { return false };
        match routes.split_first() {
            Some((first, rest)) if self.is_ours(&first.uri) => {
                request.headers.remove(HeaderName::ROUTE);
                rest.iter().for_each(|route| request.headers.push(HeaderName::ROUTE, route));
                true
            }
            Some(_) | None => false,
        }
    }
    /// Requests of a dialog between phones come with our Route and go where they say; all others go by the user.
    pub(super) fn route(&self, request: &Request, routed: bool) -> Result<Route, HeaderError> {
        let in_dialog = request.headers.to()?.tag().is_some();
        if routed && in_dialog && !self.is_ours(&request.uri) {
            let routes = request.headers.route()?;
            let next = routes.first().map_or(&request.uri, |route| &route.uri);
            let to = next.host().and_then(|host| host.socket(next.port_or_default()));
            return Ok(to.map_or(Route::Nowhere(StatusCode::NOT_FOUND), |to| Route::There(request.uri.clone(), to)));
        }
        let user = request.uri.user_decoded().unwrap_or_default().into_owned();
        Ok(match user.as_str() {
            "" | "100" | "101" | "102" | "103" => Route::Here,
            user if !self.authenticator.knows(user) => Route::Nowhere(StatusCode::NOT_FOUND),
            user => match self.bindings.newest(user) {
                Some(binding) => Route::There(binding.contact.clone(), binding.destination()),
                None => Route::Nowhere(StatusCode::TEMPORARILY_UNAVAILABLE),
            },
        })
    }
    /// The account of a caller, or the answer that it must get.
    pub(super) fn caller(&mut self, request: &Request, now: Instant) -> Result<Result<String, Response>, HeaderError> {
        let given = request.headers.proxy_authorization()?;
        let verdict = self.authenticator.judge(&request.method, &given, now);
        Ok(match verdict {
            Verdict::Accepted(user) if request.headers.from()?.uri.user_decoded().as_deref() == Some(&user) => Ok(user),
            Verdict::Accepted(_) => Err(request.response(StatusCode::FORBIDDEN)),
            refused => {
                let challenges = self.challenges(&refused, now);
                let mut answer = request.response(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
                challenges.iter().for_each(|challenge| answer.headers.push(HeaderName::PROXY_AUTHENTICATE, challenge));
                Err(answer)
            }
        })
    }
    /// Challenges after a verdict, counted.
    pub(super) fn challenges(&mut self, verdict: &Verdict, now: Instant) -> Vec<Challenge> {
        self.counters.challenges = self.counters.challenges.saturating_add(1);
        if *verdict == Verdict::Wrong {
            self.counters.refused_credentials = self.counters.refused_credentials.saturating_add(1);
        }
        self.authenticator.challenges(*verdict == Verdict::Stale, now)
    }
}

/// What we can (RFC 3261 section 11.2).
fn capabilities(request: &Request) -> Response {
    let mut answer = request.response(StatusCode::OK);
    answer.headers.push(HeaderName::ALLOW, ALLOW);
    answer.headers.push(HeaderName::ACCEPT, "application/sdp");
    answer
}

/// With the methods that we do understand (RFC 3261 section 8.2.1).
fn refusal(request: &Request, status: StatusCode) -> Response {
    let mut answer = request.response(status);
    answer.headers.push(HeaderName::ALLOW, ALLOW);
    answer
}
