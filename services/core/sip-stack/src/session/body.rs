//! What the body of a session's message is: a description, alone or among other parts (RFC 5621 3.1), or something else.

use std::borrow::Cow;

use sip_wire::body::{Part, parts};
use sip_wire::{HeaderName, Headers, MediaType, Request, StatusCode};

use crate::stack::Stack;
use crate::transaction::TransactionId;

/// A body as far as a session goes.
struct Read<'a> {
    /// The first description.
    sdp: Option<Cow<'a, [u8]>>,
    /// There is something else that whoever has sent it wants understood.
    foreign: bool,
}

/// The body and its type.
pub(super) fn add_sdp(headers: &mut Headers, body: &mut Vec<u8>, sdp: Vec<u8>) {
    headers.push(HeaderName::CONTENT_TYPE, MediaType::sdp());
    *body = sdp;
}

/// The description of a request; none where there is no body, or one that its sender lets us do without. `Err`: a body, or a part
/// of it, of another kind.
pub(super) fn sdp_of<'a>(headers: &Headers, body: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, ()> {
    let read = read(headers, body);
    if read.foreign { Err(()) } else { Ok(read.sdp) }
}

/// The description of what cannot be refused any more: a response, an ACK, a PRACK. Whatever stands beside it is left alone.
pub(super) fn answer_of<'a>(headers: &Headers, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    read(headers, body).sdp
}

fn read<'a>(headers: &Headers, body: &'a [u8]) -> Read<'a> {
    let kind = headers.content_type().ok().flatten().filter(|_| !is_encoded(headers));
    let parts = kind.as_ref().filter(|kind| kind.is("multipart", "mixed")).and_then(|kind| parts(kind, body).ok());
    match (kind, parts) {
        _ if body.is_empty() => Read { sdp: None, foreign: false },
        (Some(kind), _) if kind.is("application", "sdp") => Read { sdp: Some(Cow::Borrowed(body)), foreign: false },
        (_, Some(parts)) => read_parts(parts),
        (_, None) => Read { sdp: None, foreign: !is_optional(headers) },
    }
}

fn read_parts(parts: Vec<Part>) -> Read<'static> {
    let (ours, others): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(is_session);
    let foreign = others.iter().any(|part| !is_optional(&part.headers));
    Read { sdp: ours.into_iter().next().map(|part| Cow::Owned(part.body)), foreign }
}

/// A part that describes the session: SDP is for that where nothing else is said (RFC 3261 20.11), as of early media alone (RFC 3959).
fn is_session(part: &Part) -> bool {
    let disposition = part.headers.get(HeaderName::CONTENT_DISPOSITION).and_then(|all| all.split(';').next());
    part.content_type().is_some_and(|kind| kind.is("application", "sdp"))
        && disposition.is_none_or(|name| name.trim().eq_ignore_ascii_case("session"))
        && !is_encoded(&part.headers)
}

fn is_encoded(headers: &Headers) -> bool {
    let plain = |name: &str| ["binary", "8bit", "7bit"].iter().any(|plain| name.trim().eq_ignore_ascii_case(plain));
    let coded = headers.get(HeaderName::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
    coded || headers.get("Content-Transfer-Encoding").is_some_and(|coding| !plain(coding))
}

/// RFC 3261 20.11: what is not understood is to be ignored.
fn is_optional(headers: &Headers) -> bool {
    let disposition = headers.get(HeaderName::CONTENT_DISPOSITION).unwrap_or_default();
    disposition.split(';').skip(1).any(|parameter| parameter.replace(' ', "").eq_ignore_ascii_case("handling=optional"))
}

impl Stack {
    /// 415 with what we would understand (RFC 3261 8.2.3); `tag` is ours in the dialog.
    pub(super) fn refuse_body(&mut self, id: TransactionId, request: &Request, tag: &str) {
        let mut response = self.response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
        response.headers.push(HeaderName::ACCEPT, crate::transport::ACCEPT);
        if is_encoded(&request.headers) {
            response.headers.push(HeaderName::ACCEPT_ENCODING, "identity");
        }
        self.respond(id, &response);
    }
}
