//! One call of an extension: its dialog (RFC 3261 section 12) and its media.

use std::net::SocketAddr;

use sip_wire::{CSeq, HeaderError, HeaderName, Headers, Method, NameAddr, Request, Uri, Via, ViaTransport};
use tokio::time::Instant;

use super::echo::Echo;
use super::{CallReport, Progress};

/// What a call does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Talks until the far end hangs up.
    Echo,
    /// Hangs up soon and calls back.
    CallBack,
    /// Rings until the far end gives up.
    RingOnly,
    /// We called.
    Outgoing,
}

#[derive(Debug)]
pub(super) struct Call {
    pub number: u64,
    pub user: String,
    pub extension: String,
    pub role: Role,
    pub progress: Progress,
    pub call_id: String,
    /// We, with our tag.
    pub local: NameAddr,
    /// They; with their tag once it is known.
    pub remote: NameAddr,
    /// Their Contact.
    pub target: Uri,
    pub routes: Vec<NameAddr>,
    /// Where they were heard of last, for targets that are no addresses.
    pub source: SocketAddr,
    pub cseq: u32,
    /// CSeq of our INVITE.
    pub invite_cseq: u32,
    /// CSeq of their last INVITE.
    pub their_invite: u32,
    /// Their INVITEs after the first.
    pub reinvites: u64,
    /// Transaction of the last INVITE, theirs or ours.
    pub invite_key: String,
    pub echo: Echo,
    pub session_id: u64,
    pub session_version: u64,
    /// When it hangs up by itself.
    pub hangs_up_at: Option<Instant>,
    /// It is to end as soon as that is possible.
    pub ending: bool,
}

impl Call {
    pub fn report(&self) -> CallReport {
        CallReport {
            number: self.number,
            user: self.user.clone(),
            extension: self.extension.clone(),
            progress: self.progress,
            echoed: self.echo.echoed(),
            swallowed: self.echo.swallowed(),
            missing: self.echo.missing(),
            reinvites: self.reinvites,
        }
    }
    pub fn is_ended(&self) -> bool {
        matches!(self.progress, Progress::Ended(_))
    }
    /// Whether a request of theirs belongs to it.
    pub fn owns(&self, headers: &Headers) -> Result<bool, HeaderError> {
        let (to, from) = (headers.to()?, headers.from()?);
        Ok(headers.call_id()? == self.call_id && to.tag() == self.local.tag() && from.tag() == self.remote.tag())
    }
    /// Where requests in the dialog go: the first route, else the target (RFC 3261 section 12.2.1.1, loose routes only).
    pub fn destination(&self) -> SocketAddr {
        let uri = self.routes.first().map_or(&self.target, |route| &route.uri);
        uri.host().and_then(|host| host.socket(uri.port_or_default())).unwrap_or(self.source)
    }
    /// A request in the dialog; ACK repeats the number of its INVITE.
    pub fn request(&mut self, method: Method, local: SocketAddr, branch: &str) -> Request {
        let number = if method.is_ack() { self.invite_cseq } else { self.next_cseq() };
        let mut request = Request::new(method.clone(), self.target.without_headers());
        let headers = &mut request.headers;
        headers.push(HeaderName::VIA, own_via(local, branch));
        headers.push(HeaderName::MAX_FORWARDS, 70);
        for route in &self.routes {
            headers.push(HeaderName::ROUTE, route);
        }
        headers.push(HeaderName::FROM, &self.local);
        headers.push(HeaderName::TO, &self.remote);
        headers.push(HeaderName::CALL_ID, &self.call_id);
        headers.push(HeaderName::CSEQ, CSeq::new(number, method));
        request
    }
    fn next_cseq(&mut self) -> u32 {
        self.cseq = self.cseq.saturating_add(1);
        self.cseq
    }
}

/// The hop of a request that we make.
pub(super) fn own_via(local: SocketAddr, branch: &str) -> Via {
    Via::new(ViaTransport::Udp, local.ip(), Some(local.port()), branch)
}
