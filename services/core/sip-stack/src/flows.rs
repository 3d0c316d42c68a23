//! The sockets: one per line and own address, asked for when the line is in use, asked for again when one is gone. This table
//! knows which there are; it sends nothing.
//!
//! ```text
//!     open: OpenFlow          FlowUp
//!   --------------> Opening ----------> Up -- retire: no line uses it for new requests; closed with its last user
//!                      ^  | FlowDown    | FlowDown
//!          FlowRetry   |  v             v
//!                      +- Down <--------+
//! ```
//!
//! A socket is what it is by its address and transport: UDP and TCP have ports of their own. Its mark may change while it is
//! open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};

use crate::interface::{FlowId, LineSettings, Output, Transport};

/// The first wait before a socket is asked for again; it doubles up to the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// See the diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FlowState {
    /// Asked for.
    Opening,
    /// Bound.
    Up {
        /// Its real address.
        local: SocketAddr,
    },
    /// Could not be had, or is gone.
    Down {
        /// In words.
        reason: String,
    },
}

/// One socket.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) line: LineNumber,
    /// What was asked for.
    pub(crate) wanted: SocketAddr,
    pub(crate) dscp: u8,
    pub(crate) transport: Transport,
    pub(crate) state: FlowState,
    /// Only what goes on over it keeps it open.
    pub(crate) retired: bool,
    retry: Duration,
}

impl Flow {
    /// Its address while it is bound.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        match self.state {
            FlowState::Up { local } => Some(local),
            FlowState::Opening | FlowState::Down { .. } => None,
        }
    }
}

/// All sockets.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct FlowTable {
    next: u64,
    flows: BTreeMap<FlowId, Flow>,
}

impl FlowTable {
    /// One.
    pub(crate) fn find(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(&id)
    }

    /// All.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (FlowId, &Flow)> {
        self.flows.iter().map(|(id, flow)| (*id, flow))
    }

    /// A line's bound socket that reaches `family`.
    pub(crate) fn up(&self, line: LineNumber, family: IpAddr) -> Option<FlowId> {
        let fits = |flow: &Flow| {
            flow.line == line && !flow.retired && flow.local().is_some_and(|local| local.is_ipv4() == family.is_ipv4())
        };
        self.iter().find(|(_, flow)| fits(flow)).map(|(id, _)| id)
    }

    /// A line's first bound socket.
    pub(crate) fn any_up(&self, line: LineNumber) -> Option<SocketAddr> {
        self.flows.values().filter(|flow| flow.line == line && !flow.retired).find_map(Flow::local)
    }

    /// Why a line has no bound socket.
    pub(crate) fn down_reason(&self, line: LineNumber) -> Option<&str> {
        self.flows.values().filter(|flow| flow.line == line && !flow.retired).find_map(|flow| match &flow.state {
            FlowState::Down { reason } => Some(reason.as_str()),
            FlowState::Opening | FlowState::Up { .. } => None,
        })
    }

    /// Makes a line's sockets those at `addresses`: others are retired, and one that was retired and is still there is the line's
    /// again. Those that are not bound and wanted again are to be asked for. Call [`FlowTable::open_missing`] after it.
    pub(crate) fn retire_others(&mut self, line: LineNumber, addresses: &[SocketAddr], transport: Transport) -> Vec<FlowId> {
        let mut back = Vec::new();
        for (id, flow) in self.flows.iter_mut().filter(|(_, flow)| flow.line == line) {
            let wanted = addresses.contains(&flow.wanted) && flow.transport == transport;
            let again = std::mem::replace(&mut flow.retired, !wanted) && wanted;
            if again && flow.local().is_none() {
                back.push(*id);
            }
        }
        back
    }

    /// Gives all of a line's sockets this mark, also those that only its calls still use: the open ones that had another.
    pub(crate) fn mark(&mut self, line: LineNumber, dscp: u8) -> Vec<FlowId> {
        let mut marked = Vec::new();
        for (id, flow) in self.flows.iter_mut().filter(|(_, flow)| flow.line == line) {
            let differs = std::mem::replace(&mut flow.dscp, dscp) != dscp;
            if differs && !matches!(flow.state, FlowState::Down { .. }) {
                marked.push(*id);
            }
        }
        marked
    }

    /// The ids of a line's `addresses` that are not there yet. An address that a retired socket of the transport still holds
    /// comes later.
    pub(crate) fn open_missing(&mut self, line: LineNumber, addresses: &[SocketAddr], kind: (Transport, u8)) -> Vec<FlowId> {
        let is_held = |wanted: &SocketAddr| self.flows.values().any(|flow| (flow.wanted, flow.transport) == (*wanted, kind.0));
        let missing: Vec<SocketAddr> = addresses.iter().filter(|wanted| !is_held(wanted)).copied().collect();
        missing.into_iter().map(|wanted| self.open(line, wanted, kind)).collect()
    }

    fn open(&mut self, line: LineNumber, wanted: SocketAddr, (transport, dscp): (Transport, u8)) -> FlowId {
        self.next += 1;
        let id = FlowId(self.next);
        let state = FlowState::Opening;
        self.flows.insert(id, Flow { line, wanted, dscp, transport, state, retired: false, retry: FIRST_RETRY });
        id
    }

    /// The wish for one, for the driver.
    pub(crate) fn wish(&self, id: FlowId) -> Option<Output> {
        let flow = self.flows.get(&id)?;
        let Flow { line, wanted: local, dscp, transport, .. } = *flow;
        Some(Output::OpenFlow { flow: id, line, transport, local, dscp })
    }

    /// It is there. False for one that is not known.
    pub(crate) fn on_up(&mut self, id: FlowId, local: SocketAddr) -> bool {
        let Some(flow) = self.flows.get_mut(&id) else { return false };
        flow.state = FlowState::Up { local };
        flow.retry = FIRST_RETRY;
        true
    }

    /// It is not there. When to ask again; none for one that is not known or not wanted.
    pub(crate) fn on_down(&mut self, id: FlowId, reason: String) -> Option<Duration> {
        let flow = self.flows.get_mut(&id)?;
        flow.state = FlowState::Down { reason };
        if flow.retired {
            return None;
        }
        let wait = flow.retry;
        flow.retry = wait.saturating_mul(2).min(LAST_RETRY);
        Some(wait)
    }

    /// It is asked for again.
    pub(crate) fn reopen(&mut self, id: FlowId) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.state = FlowState::Opening;
        }
    }

    /// It is closed.
    pub(crate) fn remove(&mut self, id: FlowId) {
        self.flows.remove(&id);
    }
}

/// Where a line's sockets belong: each own address with its source port; none while the line is off.
pub(crate) fn wanted_addresses(own: &[IpAddr], line: &LineSettings) -> Vec<SocketAddr> {
    if !line.enabled || line.user.is_empty() {
        return Vec::new();
    }
    own.iter().map(|ip| SocketAddr::new(*ip, line.source_port)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: (Transport, u8) = (Transport::Udp, 0);

    fn line() -> LineNumber {
        LineNumber::new(1).unwrap()
    }
    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_lost_socket_is_asked_for_again_with_growing_waits() {
        let mut table = FlowTable::default();
        let id = table.open_missing(line(), &[at("127.0.0.1:5060")], UDP)[0];
        let waits: Vec<u64> = (0..7).map(|_| table.on_down(id, "taken".into()).unwrap().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(table.down_reason(line()), Some("taken"));
        table.on_up(id, at("127.0.0.1:5060"));
        assert_eq!(table.on_down(id, String::new()), Some(FIRST_RETRY));
    }

    /// Its calls have kept it; where it has been lost meanwhile it is to be asked for.
    #[test]
    fn a_socket_that_is_wanted_again_is_the_lines_again() {
        let mut table = FlowTable::default();
        let id = table.open_missing(line(), &[at("127.0.0.1:5060")], UDP)[0];
        table.on_up(id, at("127.0.0.1:5060"));
        for lost in [false, true] {
            assert!(table.retire_others(line(), &[], Transport::Udp).is_empty());
            assert!(table.any_up(line()).is_none());
            if lost {
                table.on_down(id, "no such address".into());
            }
            assert_eq!(table.retire_others(line(), &[at("127.0.0.1:5060")], Transport::Udp).is_empty(), !lost);
            assert!(table.open_missing(line(), &[at("127.0.0.1:5060")], UDP).is_empty());
            assert_eq!(table.any_up(line()).is_some(), !lost);
        }
    }

    /// Another line's, here; another transport has ports of its own.
    #[test]
    fn a_port_that_a_retired_socket_holds_is_opened_after_it_is_closed() {
        let mut table = FlowTable::default();
        let (other, port) = (LineNumber::new(2).unwrap(), [at("127.0.0.1:5060")]);
        let old = table.open_missing(line(), &port, UDP)[0];
        table.retire_others(line(), &[], Transport::Udp);
        assert!(table.open_missing(other, &port, UDP).is_empty());
        assert_eq!(table.open_missing(other, &port, (Transport::Tcp, 0)).len(), 1);
        table.remove(old);
        let new = table.open_missing(other, &port, UDP);
        assert!(new.len() == 1 && new[0] != old);
    }

    #[test]
    fn a_mark_is_given_to_each_socket_of_a_line_once() {
        let mut table = FlowTable::default();
        let ids = table.open_missing(line(), &[at("127.0.0.1:5060"), at("[::1]:5060"), at("127.0.0.2:5060")], UDP);
        ids.iter().take(2).for_each(|id| assert!(table.on_up(*id, table.find(*id).unwrap().wanted)));
        table.on_down(ids[2], "no such address".into());
        table.retire_others(line(), &[at("127.0.0.1:5060")], Transport::Udp);
        assert_eq!(table.mark(line(), 46), ids[..2]);
        assert!(table.mark(line(), 46).is_empty() && table.mark(LineNumber::new(2).unwrap(), 26).is_empty());
        assert!(matches!(table.wish(ids[2]), Some(Output::OpenFlow { dscp: 46, .. })));
    }
}
