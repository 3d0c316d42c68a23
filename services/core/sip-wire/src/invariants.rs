//! What must hold for any octets. The fuzz targets and the tests that replay their corpora call the same functions; the product
//! never does.

use crate::body;
use crate::sdp::Session;
use crate::{Frame, HeaderName, Headers, Message, StreamFramer, parse_datagram};

/// A message is refused, or written as it was read; its views give a result. Says what does not hold.
pub fn message(octets: &[u8]) -> Result<(), String> {
    let message = match parse_datagram(octets) {
        Ok(message) => message,
        Err(error) => return answer(error.answer.map(|answer| Message::Response(*answer))),
    };
    views(message.headers())?;
    same("message", &parse_datagram(&message.to_bytes()), &Ok(message))
}

/// The headers that have a view of their own. A corpus names them by their places: new ones come last.
const VIEWED: [HeaderName; 47] = [
    HeaderName::VIA,
    HeaderName::FROM,
    HeaderName::TO,
    HeaderName::CALL_ID,
    HeaderName::CSEQ,
    HeaderName::CONTACT,
    HeaderName::MAX_FORWARDS,
    HeaderName::CONTENT_TYPE,
    HeaderName::ROUTE,
    HeaderName::RECORD_ROUTE,
    HeaderName::EXPIRES,
    HeaderName::AUTHORIZATION,
    HeaderName::PROXY_AUTHORIZATION,
    HeaderName::WWW_AUTHENTICATE,
    HeaderName::PROXY_AUTHENTICATE,
    HeaderName::ALLOW,
    HeaderName::SUPPORTED,
    HeaderName::REQUIRE,
    HeaderName::UNSUPPORTED,
    HeaderName::DATE,
    HeaderName::MIN_EXPIRES,
    HeaderName::RETRY_AFTER,
    HeaderName::EVENT,
    HeaderName::ALLOW_EVENTS,
    HeaderName::SUBSCRIPTION_STATE,
    HeaderName::REASON,
    HeaderName::WARNING,
    HeaderName::ACCEPT,
    HeaderName::ALERT_INFO,
    HeaderName::CALL_INFO,
    HeaderName::REPLY_TO,
    HeaderName::REFER_TO,
    HeaderName::REFERRED_BY,
    HeaderName::REPLACES,
    HeaderName::SESSION_EXPIRES,
    HeaderName::MIN_SE,
    HeaderName::RACK,
    HeaderName::RSEQ,
    HeaderName::PATH,
    HeaderName::SERVICE_ROUTE,
    HeaderName::P_ASSERTED_IDENTITY,
    HeaderName::P_PREFERRED_IDENTITY,
    HeaderName::DIVERSION,
    HeaderName::HISTORY_INFO,
    HeaderName::REMOTE_PARTY_ID,
    HeaderName::TARGET_DIALOG,
    HeaderName::REFER_SUB,
];

/// One header: the first octet chooses its name, the rest are its values, line by line.
pub fn header(octets: &[u8]) -> Result<(), String> {
    let Some((which, values)) = octets.split_first() else { return Ok(()) };
    let Some(name) = VIEWED.get(usize::from(*which) % VIEWED.len()) else { return Ok(()) };
    let mut headers = Headers::new();
    crate::text::from_wire(values).split('\n').take(crate::limits::LIST).for_each(|value| headers.push(name.clone(), value));
    let lines = headers.len();
    views(&headers)?;
    let mut shorter = headers;
    let was_there = shorter.remove_top_via();
    same("hops", &(was_there && shorter.len() > lines), &false)
}

/// The prepared answer can be sent: it has a hop to go to.
fn answer(answer: Option<Message>) -> Result<(), String> {
    match answer {
        Some(answer) if answer.headers().top_via().is_err() => Err(format!("an answer that goes nowhere: {answer:?}")),
        Some(_) | None => Ok(()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, read: &T, written: &T) -> Result<(), String> {
    if read == written { Ok(()) } else { Err(format!("{what}: written as {written:?}, read as {read:?}")) }
}

/// Every view is looked at; those that write themselves back must read as the same.
fn views(headers: &Headers) -> Result<(), String> {
    for via in headers.via().unwrap_or_default() {
        same("Via", &via.to_string().parse(), &Ok(via))?;
    }
    for address in VIEWED.into_iter().flat_map(|name| headers.addresses(name).unwrap_or_default()) {
        same("equivalence with itself", &address.uri.equivalent(&address.uri), &true)?;
        same("bare", &address.uri.bare().bare(), &address.uri.bare())?;
        same("address", &address.to_string().parse(), &Ok(address))?;
    }
    for credentials in headers.authorization().into_iter().chain(headers.proxy_authorization()).flatten() {
        same("credentials", &credentials.to_string().parse(), &Ok(credentials))?;
    }
    for challenge in headers.www_authenticate().into_iter().chain(headers.proxy_authenticate()).flatten() {
        let mut list = Headers::new();
        list.push(HeaderName::WWW_AUTHENTICATE, &challenge);
        same("challenge", &list.www_authenticate(), &Ok(vec![challenge]))?;
    }
    for reason in headers.reason().unwrap_or_default() {
        same("Reason", &reason.to_string().parse(), &Ok(reason))?;
    }
    for warning in headers.warning().unwrap_or_default() {
        same("Warning", &warning.to_string().parse(), &Ok(warning))?;
    }
    references(headers)?;
    smaller_views(headers)
}

/// Refer-To and what names a dialog. A Refer-To holds no header that could break out of its line.
fn references(headers: &Headers) -> Result<(), String> {
    if let Ok(Some(refer)) = headers.refer_to() {
        same("no headers left", &refer.address.uri.headers().count(), &0)?;
        let one_line = refer.headers.iter().all(|(_, value)| !value.contains(['\r', '\n']));
        same("bounds", &(one_line && refer.headers.len() <= crate::limits::LIST), &true)?;
        same("Refer-To", &refer.to_string().parse(), &Ok(refer))?;
    }
    if let Ok(Some(by)) = headers.referred_by() {
        same("Referred-By", &by.to_string().parse(), &Ok(by))?;
    }
    if let Ok(Some(replaces)) = headers.replaces() {
        same("Replaces", &replaces.to_string().parse(), &Ok(replaces))?;
    }
    if let Ok(Some(dialog)) = headers.target_dialog() {
        same("Target-Dialog", &dialog.to_string().parse(), &Ok(dialog))?;
    }
    let subscribed = headers.refer_sub().is_ok_and(|sub| sub.is_some());
    same("Refer-Sub", &(subscribed && !headers.has(HeaderName::REFER_SUB)), &false)
}

fn smaller_views(headers: &Headers) -> Result<(), String> {
    if let Ok(cseq) = headers.cseq() {
        same("CSeq", &cseq.to_string().parse(), &Ok(cseq))?;
    }
    if let Ok(Some(event)) = headers.event() {
        same("Event", &event.to_string().parse(), &Ok(event))?;
    }
    if let Ok(Some(state)) = headers.subscription_state() {
        same("Subscription-State", &state.to_string().parse(), &Ok(state))?;
    }
    for info in headers.call_info().into_iter().chain(headers.alert_info()).flatten() {
        same("Info", &info.to_string().parse(), &Ok(info))?;
    }
    if let Ok(Some(kind)) = headers.content_type() {
        same("Content-Type", &kind.to_string().parse(), &Ok(kind))?;
    }
    if let Ok(Some(retry)) = headers.retry_after() {
        same("Retry-After", &retry.to_string().parse(), &Ok(retry))?;
    }
    if let Ok(Some(expires)) = headers.session_expires() {
        same("Session-Expires", &expires.to_string().parse(), &Ok(expires))?;
    }
    if let Ok(Some(rack)) = headers.rack() {
        same("RAck", &rack.to_string().parse(), &Ok(rack))?;
    }
    if let Ok(Some(date)) = headers.date() {
        same("Date", &crate::parse_date(&crate::format_date(date)), &Ok(date))?;
    }
    let lists = [headers.supported(), headers.require(), headers.unsupported()];
    let all = lists.into_iter().flatten().map(|list| list.len()).max().unwrap_or(0);
    let methods = headers.allow().map_or(0, |list| list.len());
    let kinds = headers.accept().map_or(0, |list| list.len());
    let numbers = [headers.expires(), headers.min_expires(), headers.min_se(), headers.rseq()].into_iter().flatten().count();
    same("bounds", &(all.max(methods).max(kinds) <= crate::limits::LIST && numbers <= 4), &true)
}

/// A description is refused, or written as it was read.
pub fn sdp(octets: &[u8]) -> Result<(), String> {
    let Ok(session) = Session::parse(octets) else { return Ok(()) };
    for media in &session.media {
        let direction = session.direction_of(media);
        same("direction", &direction.reversed().reversed(), &direction)?;
        let known = media.payloads().filter(|payload| media.rtpmap(*payload).is_some() || media.fmtp(*payload).is_some()).count();
        let timing = [media.attributes.ptime(), media.attributes.maxptime()].into_iter().flatten().count();
        same("bounds", &(known <= crate::sdp::limits::FORMATS && timing <= 2), &true)?;
        same("rtcp", &media.attributes.rtcp().is_some_and(|_| !media.attributes.has("rtcp")), &false)?;
    }
    // The lines that the writer adds may take a description over the bound that the reader keeps.
    match Session::parse(&session.to_bytes()) {
        Err(error) if error.what == "too large" => Ok(()),
        read => same("description", &read, &Ok(session)),
    }
}

/// Any octets are survived by every reader of XML bodies, within its bounds; a request that quotes what was read reads as XML.
pub fn xml_bodies(octets: &[u8]) -> Result<(), String> {
    if let Ok(info) = body::DialogInfo::parse(octets) {
        same("dialogs", &(info.dialogs.len() <= body::limits::DIALOGS), &true)?;
    }
    if let Ok(list) = body::ResourceList::parse(octets) {
        let instances = list.resources.iter().map(|resource| resource.instances.len()).max().unwrap_or(0);
        let bounded = list.resources.len() <= body::limits::RESOURCES && instances <= body::limits::INSTANCES;
        same("resources", &bounded, &true)?;
    }
    let Ok(event) = body::FeatureEvent::parse(octets) else { return Ok(()) };
    let (request, name) = match event {
        body::FeatureEvent::DoNotDisturb { device, on } => (body::FeatureRequest::SetDoNotDisturb { device, on }, "DoNotDisturb"),
        body::FeatureEvent::Forwarding { device, kind, active, to, ring_count } => {
            (body::FeatureRequest::SetForwarding { device, kind, active, to, ring_count }, "Forwarding")
        }
    };
    // The same elements under the other name: what the phone writes, a server can read.
    let text = String::from_utf8_lossy(&request.to_bytes()).into_owned();
    let text = text.replace(&format!("Set{name}"), &format!("{name}Event")).replace("activateForward", "forwardStatus");
    body::FeatureEvent::parse(text.as_bytes()).map(drop).map_err(|refused| format!("{refused}: {text}"))
}

/// A summary's counts are read, or it is refused.
pub fn message_summary(octets: &[u8]) -> Result<(), String> {
    let Ok(summary) = body::MessageSummary::parse(octets) else { return Ok(()) };
    let counts = summary.voice.unwrap_or_default();
    let says = if summary.waiting { "yes" } else { "no" };
    let line = format!("Voice-Message: {}/{} ({}/{})", counts.new, counts.old, counts.urgent_new, counts.urgent_old);
    let written = format!("Messages-Waiting: {says}\r\n{line}\r\n");
    let read = body::MessageSummary::parse(written.as_bytes()).map(|again| (again.waiting, again.voice));
    same("summary", &read, &Ok((summary.waiting, Some(counts))))
}

/// A fragment is refused, or written as it was read.
pub fn sip_fragment(octets: &[u8]) -> Result<(), String> {
    let Ok(fragment) = body::SipFragment::parse(octets) else { return Ok(()) };
    same("fragment", &body::SipFragment::parse(&fragment.to_bytes()), &Ok(fragment))
}

/// The first line is the boundary, the rest the body. All parts together are not larger than the body.
pub fn multipart(octets: &[u8]) -> Result<(), String> {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else { return Ok(()) };
    let (boundary, rest) = octets.split_at(end);
    let mut kind = crate::MediaType::new("multipart", "related");
    kind.params.set_quoted("boundary", crate::text::from_wire(boundary.strip_suffix(b"\r").unwrap_or(boundary)));
    let Ok(parts) = body::parts(&kind, rest.get(1..).unwrap_or_default()) else { return Ok(()) };
    let size: usize = parts.iter().map(|part| part.body.len()).sum();
    let named = parts.iter().filter(|part| part.content_id().is_some() && part.content_type().is_some()).count();
    same("bounds", &(size <= rest.len() && named <= parts.len() && parts.len() <= body::limits::PARTS), &true)
}

/// A stream gives the same frames in one piece and in pieces of any size; the first octet chooses the size.
pub fn framer(octets: &[u8]) -> Result<(), String> {
    let Some((size, stream)) = octets.split_first() else { return Ok(()) };
    let whole = frames(stream.chunks(crate::limits::MESSAGE));
    let pieces = frames(stream.chunks(usize::from(*size).max(1)));
    same("frames", &pieces, &whole)
}

/// The frames up to the end or the first error.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let mut framer = StreamFramer::new();
    let mut out = Vec::new();
    for piece in pieces {
        if framer.push(piece).is_err() {
            return (out, false);
        }
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => out.push(frame),
                Ok(None) => break,
                Err(_) => return (out, false),
            }
        }
    }
    (out, true)
}
