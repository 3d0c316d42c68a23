//! Rows of a line that change one header or one decision each, and what follows from them (guide, section 5.8.2).

use std::net::IpAddr;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Method, Request, StatusCode, Uri, Warning};

use crate::interface::{LineSettings, Transport};
use crate::stack::{Stack, line_of};
use crate::transaction::TransactionId;

/// Warning of RFC 3261 20.43 for people: none of the others fits.
const MISCELLANEOUS: u16 = 399;

/// The rows; by default as they come from the factory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineDetails {
    /// SIP_DETECT_SSAF_n: only the line's servers are listened to (B212).
    pub source_filter: bool,
    /// SIP_PRSNC_ADDR_n, where it is an address: a server too, for the filter.
    pub presence: Option<IpAddr>,
    /// SIP_RCV_DET_HEADER_n: an INVITE's To must name the line's user (B216).
    pub check_to: bool,
    /// SIP_CONTACT_ON_ACK_n: the ACK of a 2xx carries Contact (B323).
    pub contact_on_ack: bool,
    /// ADD_TRANSPORT_UDP_n: URIs of Contact and Route say transport=udp (B323).
    pub transport_udp: bool,
    /// ADD_EXPIRES_HEADER_n: REGISTER carries Expires beside the parameter of Contact (B323).
    pub expires_header: bool,
    /// SIP_ADD_DIVERSION_n: Diversion of a call that is sent elsewhere (B324).
    pub diversion: DiversionHeader,
    /// SIP_HOLD_HOLDRECEIVE_n: a re-INVITE of theirs is taken while we hold the call.
    pub reinvite_while_held: bool,
}

/// What Diversion says (guide 6106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiversionHeader {
    /// 0: there is none.
    Absent,
    /// 1: who sends the call elsewhere here.
    Own,
    /// 2: that, and who has done so before.
    Added,
}

impl Default for LineDetails {
    fn default() -> LineDetails {
        LineDetails {
            source_filter: false,
            presence: None,
            check_to: false,
            contact_on_ack: false,
            transport_udp: false,
            expires_header: true,
            diversion: DiversionHeader::Own,
            reinvite_while_held: true,
        }
    }
}

/// Whether an INVITE is for somebody else by its To, where that is looked at: a server that has sent it here by mistake has
/// rewritten the Request-URI but not To (B216).
pub(crate) fn is_misaddressed(line: &LineSettings, request: &Request) -> bool {
    let other = || request.headers.to().is_ok_and(|to| to.uri.user_decoded().is_none_or(|user| user != line.user.as_str()));
    line.details.check_to && request.method == Method::INVITE && other()
}

/// The transport in a URI of ours: over TCP always (RFC 3261 19.1.1: without it UDP is meant), over UDP where the row wants it
/// (B323).
pub(crate) fn with_transport(uri: Uri, line: &LineSettings, transport: Transport) -> Uri {
    match transport {
        Transport::Tcp => uri.with_param("transport", Some("tcp")),
        Transport::Udp if line.details.transport_udp => uri.with_param("transport", Some("udp")),
        Transport::Udp => uri,
    }
}

impl Stack {
    /// Whether anything from there is looked at at all (B212): it is a server's, or the other end's of what goes on already, which
    /// shall not be cut off by another row.
    pub(crate) fn is_welcome(&self, line: LineNumber, source: IpAddr) -> bool {
        let Some(own) = self.settings.as_deref().and_then(|settings| line_of(settings, line)) else { return true };
        let presence = [own.details.presence, own.second_presence.map(|server| server.ip())];
        let subscribed = || presence.contains(&Some(source)) || self.core.subscriptions.any_with(line, source);
        // It is heard and not believed: it is no server of the line any more.
        let left = || self.core.registrations.get(&line).is_some_and(|registration| registration.says_goodbye_to(source));
        let known = || subscribed() || self.is_called_with(line, source) || self.is_server_of(line, source) || left();
        !own.details.source_filter || known()
    }

    pub(crate) fn wants_contact_in_ack(&self, line: LineNumber) -> bool {
        self.settings.as_deref().and_then(|settings| line_of(settings, line)).is_some_and(|own| own.details.contact_on_ack)
    }

    /// 488: nothing of the session changes (RFC 3261 14.2).
    pub(crate) fn refuse_while_held(&mut self, id: TransactionId, request: &Request, tag: &str) {
        let mut response = self.response(request, StatusCode::NOT_ACCEPTABLE_HERE, tag);
        let text = "the call is on hold here".to_owned();
        response.headers.push(HeaderName::WARNING, Warning { code: MISCELLANEOUS, agent: "phone".to_owned(), text });
        self.respond(id, &response);
    }
}
