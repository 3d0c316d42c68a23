//! rsip 0.4 beside us on any octets: both refuse, or both read the same, or the difference is one of those named here. The
//! test of mutated messages and the fuzz target call the same function.

#[path = "grounds.rs"]
mod grounds;

use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};
use sip_wire::{Defect, HeaderName, Headers, Message, Method, Uri, parse_datagram};

/// A difference that is known, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Divergence {
    /// Read by us alone: RFC 3261 7.3.1 lets a line go on in the next one.
    FoldedLine,
    /// Read by us alone: RFC 3261 7.3.1 and 25.1 (HCOLON) allow blanks before the colon.
    BlankBeforeColon,
    /// Read by us alone: a line end without CR, as RFC 4475 has it in the field.
    BareLineFeed,
    /// Read by us alone: line ends before the start line (RFC 3261 7.5).
    LeadingLineEnd,
    /// Read by us alone: rsip's methods are a closed list, in upper case.
    ForeignMethod,
    /// Read by us alone: a Request-URI beyond `sip:user@host:port` (IPv6, tel, other schemes, escapes).
    UnusualUri,
    /// Read by us alone: octets that are no UTF-8, or no ASCII.
    ForeignOctets,
    /// Read by us alone: a line that is no header, or whose name is no token, is ignored (RFC 3261 8.2).
    NoHeader,
    /// Read by us alone: a header without a value, or a control character in it.
    UnusualValue,
    /// Read by us alone: a status line without a reason, or with an unknown code, or in lower case.
    UnusualStatusLine,
    /// Read by them alone: a header that every message needs is missing, repeated, malformed, or in conflict with the method;
    /// rsip reads no header before it is asked for (RFC 3261 8.1.1, 8.2).
    LazyHeaders,
    /// Read by them alone: no line end that ends the headers, or a body shorter than Content-Length says (RFC 3261 18.3).
    CutShort,
    /// Read by them alone: a Request-URI or a start line that does not follow the grammar.
    CarelessStartLine,
    /// Read by them alone: more than our bounds allow.
    Unbounded,
    /// Both read it, differently: rsip writes URIs anew, and misses or loses what is not plain.
    RewrittenUri,
    /// Both read it: the body ends where Content-Length says, rsip takes all there is (RFC 3261 18.3).
    BodyBeyondLength,
    /// Both read it: rsip keeps blanks at the end of a line, and falls over them in its typed views.
    KeptBlanks,
    /// Both read it: rsip knows a name by its usual spelling, or finds the last of several.
    OtherHeaderFound,
    /// Both read it: a typed view of rsip's refuses or misreads what is not plain (`tests/differential.rs` shows which).
    MisreadView,
}

/// The differences that octets show. `Err`: one that is not known, in words.
pub fn compare(octets: &[u8]) -> Result<Vec<Divergence>, String> {
    match (parse_datagram(octets), rsip::SipMessage::try_from(octets)) {
        (Err(_), Err(_)) => Ok(Vec::new()),
        (Ok(ours), Err(refused)) => match only_we_read(octets, &ours) {
            known if known.is_empty() => Err(format!("rsip alone refuses ({refused}): {}", String::from_utf8_lossy(octets))),
            known => Ok(known),
        },
        (Err(refused), Ok(_)) => only_they_read(octets, &refused.defect).map(|known| vec![known]),
        (Ok(ours), Ok(theirs)) => both(octets, &ours, &theirs),
    }
}

/// The head's lines, without line ends.
fn head(octets: &[u8]) -> Vec<&[u8]> {
    let lines = octets.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect()
}

fn only_we_read(octets: &[u8], ours: &Message) -> Vec<Divergence> {
    let lines = head(octets);
    let headers = lines.get(1..).unwrap_or_default();
    let folded = headers.iter().any(|line| line.first().is_some_and(u8::is_ascii_whitespace));
    let bare = octets.iter().enumerate().any(|(at, octet)| *octet == b'\n' && (at == 0 || octets.get(at - 1) != Some(&b'\r')));
    let name_of = |line: &&[u8]| line.split(|octet| *octet == b':').next().unwrap_or_default().to_vec();
    let shows = [
        (Divergence::FoldedLine, folded),
        (Divergence::BareLineFeed, bare),
        (Divergence::LeadingLineEnd, octets.first().is_some_and(|octet| matches!(octet, b'\r' | b'\n'))),
        (Divergence::ForeignOctets, !lines.concat().is_ascii()),
        (Divergence::BlankBeforeColon, headers.iter().any(|line| name_of(line).ends_with(b" ") || name_of(line).ends_with(b"\t"))),
        (Divergence::NoHeader, headers.iter().any(|line| !is_name(&name_of(line)) || !line.contains(&b':'))),
        (Divergence::UnusualValue, headers.iter().any(|line| is_unusual(line))),
        (Divergence::ForeignMethod, matches!(ours, Message::Request(request) if is_foreign(&request.method))),
        (Divergence::UnusualUri, matches!(ours, Message::Request(request) if !is_plain(&request.uri))),
        (Divergence::UnusualStatusLine, lines.first().is_some_and(|line| is_unusual_start(line, ours))),
    ];
    shows.into_iter().filter(|(_, shown)| *shown).map(|(divergence, _)| divergence).collect()
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-".contains(octet))
}

fn is_unusual(line: &[u8]) -> bool {
    let value: Vec<u8> = line.iter().copied().skip_while(|octet| *octet != b':').skip(1).collect();
    value.trim_ascii().is_empty() || value.iter().any(u8::is_ascii_control)
}

fn is_foreign(method: &Method) -> bool {
    !matches!(method, Method::Known(_))
}

fn is_unusual_start(line: &[u8], ours: &Message) -> bool {
    let version = if matches!(ours, Message::Request(_)) { line.ends_with(b" SIP/2.0") } else { line.starts_with(b"SIP/2.0 ") };
    let reason = matches!(ours, Message::Response(response) if response.reason.is_empty() || response.status.reason().is_empty());
    !version || reason || line.iter().any(u8::is_ascii_control)
}

/// A refusal of ours is a known difference only where the octets bear it out.
pub fn only_they_read(octets: &[u8], defect: &Defect) -> Result<Divergence, String> {
    if !grounds::bear_out(octets, defect) {
        return Err(format!("we alone refuse ({defect}): {}", String::from_utf8_lossy(octets)));
    }
    Ok(match defect {
        Defect::Header(_) | Defect::CSeqMethod => Divergence::LazyHeaders,
        Defect::Truncated | Defect::ContentLength => Divergence::CutShort,
        Defect::StartLine(_) | Defect::RequestUri(_) | Defect::Version | Defect::NotSip | Defect::KeepAlive => {
            Divergence::CarelessStartLine
        }
        Defect::TooLarge(_) => Divergence::Unbounded,
    })
}

/// `sip:user@host:port`, as every SIP program reads it.
fn is_plain(uri: &Uri) -> bool {
    let text = uri.as_str();
    let plain = |part: &str, more: &str| {
        !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || more.as_bytes().contains(&octet))
    };
    let Some(rest) = text.strip_prefix("sip:") else { return false };
    let (user, host) = rest.split_once('@').unwrap_or(("x", rest));
    plain(user, "") && plain(host, ".-:") && host.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn both(octets: &[u8], ours: &Message, theirs: &rsip::SipMessage) -> Result<Vec<Divergence>, String> {
    let mut known = Vec::new();
    // The Request-URI and the method say nothing of how the lines are read.
    let in_lines = |divergence: &Divergence| !matches!(divergence, Divergence::UnusualUri | Divergence::ForeignMethod);
    let plain_lines = !only_we_read(octets, ours).iter().any(in_lines);
    start_lines(ours, theirs, plain_lines, &mut known)?;
    let their_body = theirs.body();
    if ours.body() != their_body.as_slice() {
        // Theirs begins with ours, or the empty line that ends the head was found elsewhere.
        let beyond = their_body.starts_with(ours.body()) || !plain_lines;
        known.push(if beyond { Divergence::BodyBeyondLength } else { return Err(words("body", ours.body(), their_body)) });
    }
    let compact = head(octets).iter().any(|line| line.get(1) == Some(&b':'));
    views(ours.headers(), theirs, plain_lines && !compact && !is_repeated(ours.headers()), &mut known)?;
    Ok(known)
}

fn words(what: &str, ours: impl std::fmt::Debug, theirs: impl std::fmt::Debug) -> String {
    format!("{what}: {ours:?} is what we read, {theirs:?} what rsip reads")
}

fn start_lines(ours: &Message, theirs: &rsip::SipMessage, plain: bool, known: &mut Vec<Divergence>) -> Result<(), String> {
    match (ours, theirs) {
        (Message::Request(ours), rsip::SipMessage::Request(theirs)) => {
            if ours.method.as_str() != theirs.method.to_string() {
                return Err(words("method", &ours.method, theirs.method));
            }
            uri("Request-URI", &ours.uri, &theirs.uri, plain, known)
        }
        (Message::Response(ours), rsip::SipMessage::Response(theirs)) if ours.status.code() == theirs.status_code.code() => Ok(()),
        _ => Err(words("start line", ours, theirs)),
    }
}

fn uri(what: &str, ours: &Uri, theirs: &rsip::Uri, plain: bool, known: &mut Vec<Divergence>) -> Result<(), String> {
    if ours.as_str() == theirs.to_string() {
        return Ok(());
    }
    if plain && is_plain(ours) {
        return Err(words(what, ours.as_str(), theirs.to_string()));
    }
    known.push(Divergence::RewrittenUri);
    Ok(())
}

fn is_repeated(headers: &Headers) -> bool {
    let names = [HeaderName::CALL_ID, HeaderName::CSEQ, HeaderName::FROM, HeaderName::TO, HeaderName::CONTACT, HeaderName::VIA];
    names.into_iter().any(|name| headers.all(name).count() != 1)
}

/// The views that every message needs. Where every line is usual, rsip finds the same values; where a value is plain, it reads them alike.
fn views(ours: &Headers, theirs: &rsip::SipMessage, usual: bool, known: &mut Vec<Divergence>) -> Result<(), String> {
    let mut found = |what: &str, name: HeaderName, theirs: Option<&str>| {
        if theirs.is_some_and(|value| value.ends_with([' ', '\t'])) {
            known.push(Divergence::KeptBlanks);
        }
        if ours.get(name.clone()).map(str::trim) != theirs.map(str::trim) {
            known.push(if usual { return Err(words(what, ours.get(name), theirs)) } else { Divergence::OtherHeaderFound });
        }
        Ok(())
    };
    found("Call-ID", HeaderName::CALL_ID, theirs.call_id_header().ok().map(|header| header.value()))?;
    found("CSeq", HeaderName::CSEQ, theirs.cseq_header().ok().map(|header| header.value()))?;
    found("From", HeaderName::FROM, theirs.from_header().ok().map(|header| header.value()))?;
    found("To", HeaderName::TO, theirs.to_header().ok().map(|header| header.value()))?;
    found("Via", HeaderName::VIA, theirs.via_header().ok().map(|header| header.value()))?;
    let strict = usual && !known.contains(&Divergence::KeptBlanks);
    cseq(ours, theirs, strict, known)?;
    address(ours, theirs, strict, known)
}

fn cseq(ours: &Headers, theirs: &rsip::SipMessage, strict: bool, known: &mut Vec<Divergence>) -> Result<(), String> {
    let Ok(our) = ours.cseq() else { return Err("no CSeq".to_owned()) };
    let typed = theirs.cseq_header().ok().and_then(|header| header.typed().ok());
    match typed.filter(|their| their.seq == our.number && their.method.to_string() == our.method.to_string()) {
        Some(_) => {}
        None if ours.get(HeaderName::CSEQ) == Some(&format!("{our}")) && !is_foreign(&our.method) && strict => {
            return Err(format!("CSeq: {our} is not what rsip reads"));
        }
        None => known.push(Divergence::MisreadView),
    }
    Ok(())
}

fn address(ours: &Headers, theirs: &rsip::SipMessage, strict: bool, known: &mut Vec<Divergence>) -> Result<(), String> {
    let Ok(our) = ours.from() else { return Err("no From".to_owned()) };
    let plain = is_plain(&our.uri) && our.display_name.is_none() && ours.get(HeaderName::FROM) == Some(&our.to_string());
    let plain = plain
        && our.params.iter().all(|param| param.name == "tag" && param.value.as_deref().is_some_and(is_plain_tag) && !param.quoted);
    let plain = plain && our.params.iter().count() <= 1;
    match theirs.from_header().ok().and_then(|header| header.typed().ok()) {
        Some(their)
            if their.uri.to_string() == our.uri.as_str() && their.tag().map(ToString::to_string).as_deref() == our.tag() => {}
        their if plain && strict => return Err(words("From", our.to_string(), their.map(|their| their.to_string()))),
        _ => known.push(Divergence::MisreadView),
    }
    Ok(())
}

fn is_plain_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.bytes().all(|octet| octet.is_ascii_alphanumeric())
}
