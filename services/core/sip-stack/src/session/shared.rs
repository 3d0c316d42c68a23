//! Calls on shared lines (SHARED_CALL_ENABLE_n): which appearance a call is, as Call-Info says it beside the address of the line's
//! domain, `<sip:domain>;appearance-index=N` (BroadSoft's SIP access side extensions; Kamailio's sca reads the same). It stands in the
//! INVITEs and re-INVITEs of such a call and in our answers to theirs, so that the server can tell the other units of the line.

use sip_wire::{AppearanceIndex, HeaderName, Headers};

use super::Call;
use crate::addresses;
use crate::interface::{Event, LineSettings};
use crate::receive::Arrived;
use crate::stack::{Stack, line_of};

impl Stack {
    fn shared_line(&self, line: agreements::LineNumber) -> Option<&LineSettings> {
        self.settings.as_deref().and_then(|settings| line_of(settings, line)).filter(|own| own.shared)
    }

    /// Says in a message of the call which appearance it is, where it is one.
    pub(super) fn name_appearance(&self, headers: &mut Headers, call: &Call) {
        if let (Some(index), Some(own)) = (call.appearance, self.shared_line(call.line)) {
            headers.push(HeaderName::CALL_INFO, addresses::appearance(own, index));
        }
    }

    /// Learns from their INVITE which appearance the call is, and tells it. As with the caller, only the line's servers are believed.
    pub(super) fn learn_appearance(&mut self, call: &mut Call, arrived: &Arrived) {
        if self.shared_line(call.line).is_none() || !self.is_server_of(call.line, arrived.source.remote.ip()) {
            return;
        }
        let infos = arrived.request.headers.call_info().unwrap_or_default();
        call.appearance = infos.iter().find_map(|info| match info.appearance_index()? {
            AppearanceIndex::One(index) => Some(index),
            AppearanceIndex::All => None,
        });
        if let Some(index) = call.appearance {
            self.tell(Event::Appearance { call: call.identity, index });
        }
    }
}
