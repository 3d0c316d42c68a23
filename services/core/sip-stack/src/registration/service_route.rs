//! What a registrar says about the way of later requests (RFC 3608, RFC 3327), and which phone a binding is of (RFC 3840, RFC
//! 5626). The way is used by requests outside dialogs, as long as the binding lasts.

use std::net::IpAddr;

use agreements::LineNumber;
use sip_wire::{HeaderName, NameAddr, Response, Uri};

use crate::addresses::{self, Hop};
use crate::interface::{FlowId, LineSettings};
use crate::stack::Stack;

/// Proxies between us and the registrar may put themselves into the way back (RFC 3327 5.1). That is all of a phone's part: the Path
/// of a 2xx tells it who they are (5.3), and nothing that it does follows from that, so it is not even read.
pub(super) const PATH: &str = "path";
/// Proxies on one way; a longer one is not believed.
const LONGEST: usize = 8;

/// Service-Route of a 2xx to REGISTER. One that cannot be followed, because it is broken, endless or has a strict router in it (RFC
/// 3608 6.1 wants loose ones), counts as none.
pub(super) fn service_route(response: &Response) -> Vec<NameAddr> {
    let route = response.headers.addresses(HeaderName::SERVICE_ROUTE).unwrap_or_default();
    let usable = route.len() <= LONGEST && route.iter().all(|proxy| proxy.uri.scheme().is_sip() && proxy.uri.is_loose_route());
    if usable { route } else { Vec::new() }
}

impl Stack {
    fn service_route(&self, line: LineNumber) -> &[NameAddr] {
        let bound = self.core.registrations.get(&line).filter(|registration| registration.binding.is_some());
        bound.map_or(&[], |registration| registration.service_route.as_slice())
    }

    pub(super) fn is_on_service_route(&self, line: LineNumber, address: IpAddr) -> bool {
        self.service_route(line).iter().filter_map(|proxy| proxy.uri.host()?.ip()).any(|proxy| proxy == address)
    }

    /// Route of a request that begins a dialog: the outbound proxy, then the registrar's way, which may begin with the same one.
    pub(crate) fn call_routes(&self, line: LineNumber, own: &LineSettings) -> Vec<NameAddr> {
        let way = self.service_route(line);
        let outbound = addresses::outbound_route(own);
        let same = |outbound: &NameAddr| way.first().is_some_and(|first| leads_to(&first.uri) == leads_to(&outbound.uri));
        outbound.filter(|outbound| !same(outbound)).into_iter().chain(way.iter().cloned()).collect()
    }

    /// The first hop of such a request: an outbound proxy comes before the registrar's way, that before the other servers.
    pub(crate) fn call_hop(&self, line: LineNumber, own: &LineSettings, target: &Uri) -> Option<Hop> {
        let way = self.service_route(line).first().filter(|_| own.outbound_proxy.is_none());
        way.and_then(|first| addresses::hop_of_uri(&first.uri)).or_else(|| addresses::call_hop(own, target))
    }

    /// Our Contact in REGISTER, with the name of this phone.
    pub(super) fn registered_contact(&self, line: LineNumber, flow: FlowId) -> Option<NameAddr> {
        let mut contact = self.contact_on(line, flow)?;
        if let Some(instance) = self.settings.as_deref().and_then(|settings| settings.instance.as_ref()) {
            contact.params.set_quoted("+sip.instance", format!("<{instance}>"));
        }
        Some(contact)
    }
}

fn leads_to(uri: &Uri) -> (Option<String>, u16) {
    (uri.host().map(|host| host.bare().to_ascii_lowercase()), uri.port_or_default())
}
