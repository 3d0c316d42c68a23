//! The addresses behind the names of a line's servers, so that the line knows who they are before it has sent them anything: a call may
//! come from a proxy that nobody has called through yet (B212), and what it says of the caller is believed (RFC 3325).

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};

use super::Activity;
use crate::addresses::{hop_of, registration_hop};
use crate::interface::LineSettings;
use crate::locate::Asker;
use crate::stack::{Stack, line_of};
use crate::timers::{Timer, TimerOwner};

/// A name that could not be resolved is asked for again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// What a server is to its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ServerRole {
    /// SIP_RGSTR_ADDR_n.
    Registrar,
    /// SIP_PRXY_ADDR_n.
    Proxy,
    /// SIP_OUTPROXY_ADDR_n.
    OutboundProxy,
}

/// Whether the addresses that are known stand behind the same names.
pub(super) fn has_same_names(old: &LineSettings, new: &LineSettings) -> bool {
    let names = |line: &LineSettings| {
        (line.registrar.clone(), line.proxy.clone(), line.outbound_proxy.clone(), line.srv_prefix.clone(), line.transport)
    };
    names(old) == names(new)
}

impl Stack {
    /// Has the names of a line in use resolved: each once, and not the one that its REGISTER asks for.
    pub(super) fn look_up_servers(&mut self, line: LineNumber) {
        let Some(settings) = self.settings() else { return };
        let Some(own) = line_of(&settings, line) else { return };
        self.core.timers.disarm(TimerOwner::Line(line), Timer::ServerName);
        let in_use = own.enabled && !own.user.is_empty() && !self.core.stopping && self.core.flows.any_up(line).is_some();
        let mut asked: Vec<_> = registration_hop(own).filter(|_| own.registrar.is_some()).into_iter().collect();
        let servers = [
            (ServerRole::Registrar, &own.registrar),
            (ServerRole::Proxy, &own.proxy),
            (ServerRole::OutboundProxy, &own.outbound_proxy),
        ];
        for (role, server) in servers {
            let asker = Asker::Server(line, role);
            self.forget_queries_of(asker);
            let Some(hop) = server.as_ref().map(hop_of).filter(|hop| in_use && hop.host.ip().is_none()) else { continue };
            if !asked.iter().any(|known| (&known.host, known.port) == (&hop.host, hop.port)) {
                self.resolve(line, &hop, asker);
                asked.push(hop);
            }
        }
    }

    /// Other names: whoever stands behind the old ones is no server for that any more, but for those at which it registers.
    pub(super) fn forget_named_servers(&mut self, line: LineNumber) {
        for role in [ServerRole::Registrar, ServerRole::Proxy, ServerRole::OutboundProxy] {
            self.forget_queries_of(Asker::Server(line, role));
        }
        if let Some(registration) = self.core.registrations.get_mut(&line) {
            registration.servers = registration.targets.iter().map(SocketAddr::ip).collect();
            self.touch();
        }
    }

    /// A socket of a line that registers nowhere came up: no REGISTER of it has the names resolved.
    pub(crate) fn on_unregistered_line_reachable(&mut self, line: LineNumber) {
        if self.core.registrations.get(&line).is_some_and(|registration| registration.activity == Activity::Off) {
            self.look_up_servers(line);
        }
    }

    /// One of them could not be resolved: nobody else asks for it before the next REGISTER.
    pub(crate) fn look_up_servers_later(&mut self, line: LineNumber) {
        self.arm(TimerOwner::Line(line), Timer::ServerName, AGAIN);
    }
}
