//! Sockets as the stack sees them, and what goes out through them: opening and closing, transmitting, Via and the common
//! headers. What comes in is in `receive`. A request of any size goes over its line's transport (decision 31).

use std::net::SocketAddr;

use agreements::LineNumber;
use sip_wire::{HeaderName, Headers, NameAddr, Request, Response, StatusCode, Via, ViaTransport};

use crate::flows::wanted_addresses;
use crate::interface::{FlowId, Output, StackSettings};
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::Route;

/// Methods that are served, for Allow.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, NOTIFY, INFO, REFER";
/// Extensions that are always on: RFC 3891, RFC 4538, RFC 4488.
const ALWAYS_SUPPORTED: [&str; 3] = ["replaces", "tdialog", "norefersub"];
/// Bodies that are understood, for Accept.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";

impl Stack {
    /// Makes the sockets of all lines what the settings want.
    pub(crate) fn plan_flows(&mut self, settings: &StackSettings) {
        for line in LineNumber::all() {
            let Some(own) = line_of(settings, line) else { continue };
            let wanted = wanted_addresses(&settings.addresses, own);
            for flow in self.core.flows.mark(line, own.dscp) {
                self.put(Output::MarkFlow { flow, dscp: own.dscp });
            }
            for flow in self.core.flows.retire_others(line, &wanted, own.transport) {
                self.ask_for_flow(flow);
            }
        }
        self.close_unused_flows();
        self.open_missing_flows(settings);
    }

    fn open_missing_flows(&mut self, settings: &StackSettings) {
        for line in LineNumber::all() {
            let Some(own) = line_of(settings, line) else { continue };
            let wanted = wanted_addresses(&settings.addresses, own);
            for flow in self.core.flows.open_missing(line, &wanted, (own.transport, own.dscp)) {
                self.ask_for_flow(flow);
            }
        }
    }

    /// Asks the driver for a socket.
    pub(crate) fn ask_for_flow(&mut self, flow: FlowId) {
        if let Some(wish) = self.core.flows.wish(flow) {
            self.core.flows.reopen(flow);
            self.put(wish);
            self.touch();
        }
    }

    /// Closes retired sockets that nothing uses any more.
    pub(crate) fn close_unused_flows(&mut self) {
        let retired: Vec<FlowId> =
            self.core.flows.iter().filter(|(_, flow)| flow.retired).map(|(id, _)| id).filter(|id| !self.is_used(*id)).collect();
        if retired.is_empty() {
            return;
        }
        for flow in retired {
            self.core.flows.remove(flow);
            self.forget_streams_of(flow);
            self.core.timers.disarm(TimerOwner::Flow(flow), Timer::FlowRetry);
            self.put(Output::CloseFlow { flow });
        }
        self.touch();
        if let Some(settings) = self.settings() {
            self.open_missing_flows(&settings);
        }
    }

    fn is_used(&self, flow: FlowId) -> bool {
        let by_transaction = self.core.transactions.iter().any(|(_, transaction)| transaction.route.flow == flow);
        by_transaction || self.core.settled.uses(flow) || self.core.calls.values().any(|call| call.uses(flow))
    }

    /// A socket is there.
    pub(crate) fn on_flow_up(&mut self, flow: FlowId, local: SocketAddr) {
        let Some(line) = self.core.flows.find(flow).map(|flow| flow.line) else { return };
        if self.core.flows.on_up(flow, local) {
            self.core.timers.disarm(TimerOwner::Flow(flow), Timer::FlowRetry);
            self.touch();
            self.on_line_reachable(line);
            self.on_unregistered_line_reachable(line);
            self.on_subscriptions_reachable(line);
            self.move_calls();
        }
    }

    /// A socket is not there.
    pub(crate) fn on_flow_down(&mut self, flow: FlowId, reason: String) {
        self.forget_streams_of(flow);
        if let Some(wait) = self.core.flows.on_down(flow, reason) {
            self.arm(TimerOwner::Flow(flow), Timer::FlowRetry, wait);
        }
        self.touch();
    }

    /// Ask again.
    pub(crate) fn on_flow_timer(&mut self, flow: FlowId) {
        self.ask_for_flow(flow);
    }

    /// Sends, while the socket is there; what is lost here is repeated by its timer.
    pub(crate) fn transmit(&mut self, route: Route, bytes: Vec<u8>) {
        if self.local_of(route.flow).is_some() {
            let route = if self.is_stream(route.flow) { self.note_stream(route) } else { route };
            self.put(Output::Transmit { flow: route.flow, remote: route.remote, bytes });
        }
    }

    /// A socket's address while it is bound.
    pub(crate) fn local_of(&self, flow: FlowId) -> Option<SocketAddr> {
        self.core.flows.find(flow)?.local()
    }

    /// Whether a socket is closed, or has an address that is not ours any more.
    pub(crate) fn is_gone(&self, flow: FlowId) -> bool {
        let ours = self.settings.as_deref().map(|settings| settings.addresses.as_slice()).unwrap_or_default();
        self.core.flows.find(flow).is_none_or(|flow| flow.retired && !ours.contains(&flow.wanted.ip()))
    }

    /// A socket's address, or the one it shall have.
    pub(crate) fn address_of(&self, flow: FlowId) -> Option<SocketAddr> {
        self.core.flows.find(flow).map(|flow| flow.local().unwrap_or(flow.wanted))
    }

    /// Puts our hop on a request of ours.
    pub(crate) fn add_via(&mut self, request: &mut Request, line: LineNumber, flow: FlowId) -> Option<()> {
        let local = self.address_of(flow)?;
        let branch = format!("{}{}", Via::MAGIC_COOKIE, self.random.token());
        let transport = if self.is_stream(flow) { ViaTransport::Tcp } else { ViaTransport::Udp };
        let via = Via::new(transport, local.ip(), Some(local.port()), &branch);
        let rport = self.settings.as_deref().and_then(|settings| line_of(settings, line)).is_some_and(|line| line.add_rport);
        request.headers.push_front(HeaderName::VIA, if rport { via.with_rport() } else { via });
        Some(())
    }

    /// Our Contact on a line's socket.
    pub(crate) fn contact_on(&self, line: LineNumber, flow: FlowId) -> Option<NameAddr> {
        let own = line_of(self.settings.as_deref()?, line)?;
        let transport = self.core.flows.find(flow)?.transport;
        Some(crate::addresses::contact(own, self.address_of(flow)?, transport))
    }

    /// A response with our tag and name, without body.
    pub(crate) fn response(&self, request: &Request, status: StatusCode, tag: &str) -> Response {
        let mut response = request.response(status);
        if status != StatusCode::TRYING {
            add_to_tag(&mut response, tag);
        }
        if let Some(agent) = self.settings.as_deref().map(|settings| &settings.user_agent).filter(|agent| !agent.is_empty()) {
            response.headers.push(HeaderName::SERVER, agent);
        }
        response
    }

    /// User-Agent, where one is set (B311).
    pub(crate) fn add_user_agent(&self, headers: &mut Headers) {
        if let Some(agent) = self.settings.as_deref().map(|settings| &settings.user_agent).filter(|agent| !agent.is_empty()) {
            headers.push(HeaderName::USER_AGENT, agent);
        }
    }

    /// Allow, Accept-less abilities and the packages that the far end may send us (B198).
    pub(crate) fn add_abilities(&self, headers: &mut Headers) {
        headers.push(HeaderName::ALLOW, ALLOW);
        if let Some(packages) = self.allowed_events() {
            headers.push(HeaderName::ALLOW_EVENTS, packages);
        }
    }

    /// Option tags of the extensions that the line has on.
    pub(crate) fn supported(&self, line: LineNumber) -> Vec<&'static str> {
        let own = self.settings.as_deref().and_then(|settings| line_of(settings, line));
        let sessions = own.map(|own| own.sessions.clone()).unwrap_or_default();
        let tags = [(sessions.reliable, crate::session::RELIABLE), (sessions.expires > 0, crate::session::TIMER)];
        tags.into_iter().filter(|(on, _)| *on).map(|(_, tag)| tag).chain(ALWAYS_SUPPORTED).collect()
    }

    /// Supported, where there is something to say.
    pub(crate) fn add_supported(&self, headers: &mut Headers, line: LineNumber) {
        let tags = self.supported(line);
        if !tags.is_empty() {
            headers.push(HeaderName::SUPPORTED, tags.join(", "));
        }
    }

    /// Allow-Events; none where there is none.
    pub(crate) fn allowed_events(&self) -> Option<String> {
        let settings = self.settings.as_deref()?;
        let packages = [(settings.talk_package, "talk"), (settings.hold_package, "hold")];
        let names: Vec<&str> = packages.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// A To-tag on a response that has none.
pub(crate) fn add_to_tag(response: &mut Response, tag: &str) {
    if let Ok(to) = response.headers.to()
        && to.tag().is_none()
    {
        response.headers.set(HeaderName::TO, to.with_tag(tag));
    }
}
