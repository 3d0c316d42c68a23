//! Responses: to our own requests, and to those that were handed on.

use sip_wire::sdp::Session;
use sip_wire::{HeaderName, Method, Request, Response, Via};
use tokio::time::Instant;

use super::engine::Engine;
use super::transactions::client_key;
use super::{Progress, description};

impl Engine {
    pub(super) fn on_response(&mut self, response: Response, now: Instant) {
        let (Ok(via), Ok(cseq)) = (response.headers.top_via(), response.headers.cseq()) else { return };
        if via.host.socket(via.port_or_default()) != Some(self.local) {
            return;
        }
        let key = client_key(via.branch().unwrap_or_default(), &cseq.method);
        let Some(client) = self.transactions.client(&key) else {
            self.hand_back(response);
            return;
        };
        let (number, destination) = (client.call, client.destination);
        if let Some(ack) = client.ack.clone() {
            self.counters.retransmissions_sent = self.counters.retransmissions_sent.saturating_add(1);
            return self.send(destination, ack);
        }
        if response.status.is_provisional() {
            self.transactions.provisional(&key, now);
            if cseq.method.is_invite() {
                self.on_progress(&key, number, &response, now);
            }
        } else if cseq.method.is_invite() {
            self.on_final(&key, number, &response, now);
        } else {
            self.transactions.finish_client(&key, None, now);
        }
    }
    fn on_progress(&mut self, key: &str, number: u64, response: &Response, now: Instant) {
        let Some(call) = self.call_mut(number) else { return };
        // 100 comes from the next hop, not from the phone's user.
        if response.status.code() > 100 && call.progress == Progress::Dialling {
            call.progress = Progress::Ringing;
        }
        if call.ending {
            self.cancel(key, number, now);
        }
    }
    fn on_final(&mut self, key: &str, number: u64, response: &Response, now: Instant) {
        let Some(client) = self.transactions.client(key) else { return };
        let (invite, destination) = (client.request.clone(), client.destination);
        if !response.status.is_success() {
            let ack = acknowledgement(&invite, response).to_bytes();
            self.transactions.finish_client(key, Some(ack.clone()), now);
            self.send(destination, ack);
            if let Some(call) = self.call_mut(number) {
                call.progress = Progress::Ended(response.status.code());
            }
            return;
        }
        let Some((ack, to)) = self.established(number, response) else { return };
        self.transactions.finish_client(key, Some(ack.clone()), now);
        self.send(to, ack);
        if self.call_mut(number).is_some_and(|call| call.ending) {
            self.hang_up(number, now);
        }
    }
    /// Completes the dialog (RFC 3261 section 12.1.2); gives its ACK.
    fn established(&mut self, number: u64, response: &Response) -> Option<(Vec<u8>, std::net::SocketAddr)> {
        let (branch, local) = (self.random.branch(), self.local);
        let call = self.call_mut(number)?;
        call.remote = response.headers.to().ok()?;
        call.routes = response.headers.record_route().ok()?;
        call.routes.reverse();
        if let Some(contact) = response.headers.contact().ok()?.first() {
            call.target = contact.uri.clone();
        }
        call.progress = Progress::Talking;
        if let Ok(answer) = Session::parse(&response.body) {
            call.echo.set_sending(description::sends_by(&answer));
        }
        let ack = call.request(Method::ACK, local, &branch);
        Some((ack.to_bytes(), call.destination()))
    }
    /// A response to a request that was handed on goes to the hop before us (RFC 3261 section 16.7, stateless: 16.11).
    fn hand_back(&mut self, mut response: Response) {
        response.headers.remove_top_via();
        let previous: Option<Via> = response.headers.top_via().ok();
        if let Some(to) = previous.and_then(|via| via.answer_address()) {
            self.counters.proxied = self.counters.proxied.saturating_add(1);
            self.send(to, response.to_bytes());
        }
    }
}

/// The ACK of a final answer that is no 2xx (RFC 3261 section 17.1.1.3).
fn acknowledgement(invite: &Request, response: &Response) -> Request {
    let mut ack = Request::new(Method::ACK, invite.uri.clone());
    if let Ok(via) = invite.headers.top_via() {
        ack.headers.push(HeaderName::VIA, via);
    }
    ack.headers.push(HeaderName::MAX_FORWARDS, 70);
    ack.headers.copy(HeaderName::ROUTE, &invite.headers);
    ack.headers.copy(HeaderName::FROM, &invite.headers);
    ack.headers.copy(HeaderName::TO, &response.headers);
    ack.headers.copy(HeaderName::CALL_ID, &invite.headers);
    if let Ok(cseq) = invite.headers.cseq() {
        ack.headers.push(HeaderName::CSEQ, sip_wire::CSeq::new(cseq.number, Method::ACK));
    }
    ack
}
