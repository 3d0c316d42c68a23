//! Who is at the far end: what an INVITE of theirs, or an answer to ours, says of it, and whom it is believed (RFC 3323, RFC 3325,
//! RFC 5079, RFC 5876).
//!
//! Anybody may write P-Asserted-Identity; only one of the line's servers has asked for a password before. A caller who wants
//! privacy is shown as RFC 3323 writes an anonymous one, whatever else the INVITE says.

use std::net::IpAddr;

use agreements::LineNumber;
use sip_wire::{HeaderName, Headers, Host, NameAddr, Uri};

use crate::addresses::party;
use crate::interface::{Event, Party};
use crate::receive::Arrived;
use crate::session::Call;
use crate::stack::Stack;

/// Values of Privacy that hide who calls; others are about the way, or about sound.
const HIDING: [&str; 3] = ["id", "user", "header"];

impl Party {
    /// Whether it shows no number: no user, the user anonymous, or a host that leads nowhere (RFC 3323 4.1.1.3, RFC 2606).
    pub fn is_anonymous(&self) -> bool {
        let Ok(uri) = self.uri.parse::<Uri>() else { return self.number.is_empty() };
        let nobody = uri.user_decoded().is_none_or(|user| user.is_empty() || user.eq_ignore_ascii_case("anonymous"));
        let nowhere = match uri.host() {
            Some(Host::Name(name)) => name.to_ascii_lowercase().ends_with(".invalid"),
            Some(Host::Ip(_)) | None => false,
        };
        nobody || nowhere
    }

    /// Somebody who does not say who it is.
    pub(crate) fn anonymous() -> Party {
        Party { number: "anonymous".into(), name: "Anonymous".into(), uri: "sip:anonymous@anonymous.invalid".into() }
    }
}

impl Stack {
    /// The far end of an INVITE of theirs: `from`, or what a server of the line has found out.
    pub(crate) fn caller_of(&self, arrived: &Arrived, from: &NameAddr) -> Party {
        if wants_privacy(&arrived.request.headers) {
            return Party::anonymous();
        }
        let asserted = self.is_server_of(arrived.line, arrived.source.remote.ip()).then(|| asserted(&arrived.request.headers));
        party(asserted.flatten().as_ref().unwrap_or(from))
    }

    /// Whom a call has reached: what a message of the far end from there says in P-Asserted-Identity, where a server of the line
    /// has sent it (RFC 3325 9.1, RFC 5876 3). None: nothing that could be believed.
    pub(crate) fn reached(&self, line: LineNumber, source: IpAddr, headers: &Headers) -> Option<Party> {
        let asserted = asserted(headers).filter(|_| self.is_server_of(line, source))?;
        Some(if wants_privacy(headers) { Party::anonymous() } else { party(&asserted) })
    }

    /// Tells people whom the call has reached, where that is news: the answers to a call of ours, and later INVITEs and UPDATEs of
    /// either side, may say that it is somebody else than was dialled.
    pub(crate) fn note_reached(&mut self, call: &mut Call, source: IpAddr, headers: &Headers) {
        let Some(remote) = self.reached(call.line, source, headers).filter(|remote| *remote != call.remote) else { return };
        call.remote = remote.clone();
        self.tell(Event::Reached { call: call.identity, remote });
    }
}

/// Whether a request asks to hide whose it is.
pub(crate) fn wants_privacy(headers: &Headers) -> bool {
    let values = headers.all(HeaderName::PRIVACY).flat_map(|value| value.split([';', ',']));
    values.map(str::trim).any(|value| HIDING.iter().any(|hiding| value.eq_ignore_ascii_case(hiding)))
}

/// The first address of P-Asserted-Identity: at most a SIP one and a tel one, which mean the same (RFC 3325 9.1).
fn asserted(headers: &Headers) -> Option<NameAddr> {
    headers.addresses(HeaderName::P_ASSERTED_IDENTITY).ok()?.into_iter().next()
}
