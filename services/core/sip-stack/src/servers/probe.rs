//! How a server that has failed comes back: OPTIONS (RFC 3261 11) asks it from time to time, and when it has answered it is used
//! again, a random moment later, so that a fleet of phones does not fall upon it at once.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_wire::{CSeq, HeaderName, Method, Request, StatusCode};

use super::{Health, Key};
use crate::addresses;
use crate::client::Outcome;
use crate::interface::StackSettings;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};
use crate::transaction::{Owner, Route, TransactionId};

/// What many phones would do at the same moment is spread over so much time.
const SPREAD: Duration = Duration::from_secs(10);

impl Stack {
    /// A moment within [`SPREAD`].
    pub(crate) fn spread(&mut self) -> Duration {
        let range = u64::try_from(SPREAD.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.below(range))
    }

    /// A request has failed at a server that is not the only one. `silence`: it has asked for so much (Retry-After).
    pub(crate) fn on_server_failed(&mut self, line: LineNumber, server: SocketAddr, silence: Option<Duration>) {
        if let Some((of, gone)) = self.core.servers.make_room((line, server)) {
            self.core.timers.disarm_all(TimerOwner::Server(of, gone));
        }
        let wait = self.core.servers.on_failed((line, server), silence, self.now);
        self.touch();
        if let Some(wait) = wait {
            self.core.timers.disarm(TimerOwner::Server(line, server), Timer::ServerReturn);
            self.probe_after((line, server), wait);
        }
        // One that names a time is there, and our calls come from it all the while.
        if silence.is_none() && self.is_bound_among_others(line, server) {
            self.bind_anew(line);
        }
    }

    /// Not all phones at the same moment: up to a quarter later.
    fn probe_after(&mut self, (line, server): Key, wait: Duration) {
        let wait = self.random.later(wait);
        self.arm(TimerOwner::Server(line, server), Timer::ServerProbe, wait);
    }

    /// One of a server's timers.
    pub(crate) fn on_server_timer(&mut self, line: LineNumber, server: SocketAddr, timer: Timer) {
        if timer == Timer::ServerReturn { self.on_server_returned(line, server) } else { self.probe(line, server) }
    }

    fn probe(&mut self, line: LineNumber, server: SocketAddr) {
        if self.core.servers.is_outdated((line, server), self.now) {
            self.core.servers.known.remove(&(line, server));
            return self.touch();
        }
        let sent = self.route_to(line, server).and_then(|route| self.send_probe(line, route));
        match (sent, self.core.servers.known.get_mut(&(line, server)).map(|known| &mut known.health)) {
            (Some(sent), Some(Health::Down { probe, .. })) => *probe = Some(sent),
            (Some(_), Some(Health::Returning | Health::Proven { .. }) | None) => {}
            // No socket or no room: as if it had not answered.
            (None, _) => self.on_probe_failed(line, server, None),
        }
        self.touch();
    }

    fn send_probe(&mut self, line: LineNumber, route: Route) -> Option<TransactionId> {
        let settings = self.settings()?;
        let own = line_of(&settings, line).filter(|own| own.enabled && !self.core.stopping)?;
        let mut request = Request::new(Method::OPTIONS, addresses::registrar_uri(own));
        let from = addresses::own_address(own);
        let headers = &mut request.headers;
        headers.push(HeaderName::MAX_FORWARDS, 70);
        headers.push(HeaderName::TO, &from);
        headers.push(HeaderName::FROM, from.with_tag(&self.random.token()));
        headers.push(HeaderName::CALL_ID, self.random.token());
        headers.push(HeaderName::CSEQ, CSeq::new(1, Method::OPTIONS));
        headers.push(HeaderName::CONTACT, self.contact_on(line, route.flow)?);
        headers.push(HeaderName::ACCEPT, crate::transport::ACCEPT);
        self.start_client(Owner::Probe(line), line, route, request)
    }

    /// What became of a probe. Any answer but "not now" says that it is there: also a refusal comes from somebody.
    pub(crate) fn on_probe_outcome(&mut self, line: LineNumber, id: TransactionId, server: SocketAddr, outcome: Outcome<'_>) {
        let health = self.core.servers.known.get_mut(&(line, server)).map(|known| &mut known.health);
        let Some(health @ Health::Down { .. }) = health else { return };
        if !matches!(health, Health::Down { probe, .. } if *probe == Some(id)) {
            return;
        }
        match outcome {
            Outcome::Response(response) if response.status.is_provisional() => {}
            Outcome::Response(response) if is_unavailable(response.status) => {
                self.on_probe_failed(line, server, retry_after(response));
            }
            Outcome::Response(_) => {
                *health = Health::Returning;
                let moment = self.spread();
                self.arm(TimerOwner::Server(line, server), Timer::ServerReturn, moment);
                self.touch();
            }
            Outcome::Lost(_) => self.on_probe_failed(line, server, None),
        }
    }

    fn on_probe_failed(&mut self, line: LineNumber, server: SocketAddr, silence: Option<Duration>) {
        if let Some(wait) = self.core.servers.on_probe_failed((line, server), silence, self.now) {
            self.probe_after((line, server), wait);
            self.touch();
        }
    }

    fn on_server_returned(&mut self, line: LineNumber, server: SocketAddr) {
        if let Some(known) = self.core.servers.known.get_mut(&(line, server)) {
            known.health = Health::Proven { since: self.now };
            self.touch();
            self.register_where_preferred(line, server);
        }
    }

    /// It has bound us while it was passed over: there was nobody else, and now it is well.
    pub(crate) fn on_server_well(&mut self, line: LineNumber, server: SocketAddr) {
        let Some(known) = self.core.servers.known.get_mut(&(line, server)) else { return };
        if known.is_passed_over() {
            known.health = Health::Proven { since: self.now };
            self.core.timers.disarm_all(TimerOwner::Server(line, server));
            self.touch();
        }
    }

    /// New settings: what is known of servers counts only for the same servers over the same network.
    pub(crate) fn forget_other_servers(&mut self, old: Option<&StackSettings>, new: &StackSettings) {
        let Some(old) = old else { return };
        for line in LineNumber::all() {
            let (Some(before), Some(after)) = (line_of(old, line), line_of(new, line)) else { continue };
            if old.addresses == new.addresses && before.has_same_servers(after) {
                continue;
            }
            for (line, server) in self.core.servers.forget(line) {
                self.core.timers.disarm_all(TimerOwner::Server(line, server));
            }
        }
    }
}

/// 503, and 408 which says that somebody behind it was not heard (RFC 3261 8.1.3.1, 21.5.4; RFC 3263 4.3).
pub(crate) fn is_unavailable(status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::REQUEST_TIMEOUT
}

/// How long a server wants not to be asked.
pub(crate) fn retry_after(response: &sip_wire::Response) -> Option<Duration> {
    response.headers.retry_after().ok().flatten().map(|after| Duration::from_secs(after.seconds.into()))
}
