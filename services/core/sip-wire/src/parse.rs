//! Octets to messages. Liberal in form (RFC 4475): folded lines, `Name :`, LF, leading line ends, Latin-1, any method.
//!
//! It refuses what RFC 3261 wants refused: a start line or one of the headers that every message needs that cannot be read. A
//! malformed header that only some methods need is left to the typed views, and to those who need it (section 8.2). For a
//! malformed request it prepares the answer; what must not be answered it drops.

use std::borrow::Cow;

use crate::cursor::is_blank;
use crate::text::{from_wire, is_token};
use crate::views::content_length;
use crate::{
    Defect, HeaderError, HeaderName, Headers, Message, Method, ParseError, Request, Response, StatusCode, Syntax, Uri, limits,
};

/// Reads one datagram, or one frame of a stream.
pub fn parse_datagram(datagram: &[u8]) -> Result<Message, ParseError> {
    if datagram.len() > limits::MESSAGE {
        return Err(ParseError::dropped(Defect::TooLarge("message")));
    }
    let start = datagram.iter().position(|octet| !matches!(octet, b'\r' | b'\n'));
    let Some(message) = start.and_then(|start| datagram.get(start..)) else {
        return Err(ParseError::dropped(Defect::KeepAlive));
    };
    let (head_end, body_start) = head_bounds(message).unwrap_or((message.len(), message.len()));
    let (head, body) = (message.get(..head_end).unwrap_or_default(), message.get(body_start..).unwrap_or_default());
    let truncated = head_end == message.len();
    read(&from_wire(head), body, truncated)
}

/// Where the head ends (the empty line left out) and where the body begins; none while the empty line is missing.
pub(crate) fn head_bounds(message: &[u8]) -> Option<(usize, usize)> {
    let mut line_start = 0_usize;
    for (at, _) in message.iter().enumerate().filter(|(_, octet)| **octet == b'\n') {
        if matches!(message.get(line_start..at)?, b"" | b"\r") {
            return Some((line_start, at.saturating_add(1)));
        }
        line_start = at.saturating_add(1);
    }
    None
}

/// The start line. A request that is broken in a way that is answered keeps its method.
enum Start {
    Request(Method, Result<Uri, Defect>),
    Response(StatusCode, String),
}

fn read(head: &str, body: &[u8], truncated: bool) -> Result<Message, ParseError> {
    let mut lines = Unfolded::new(head);
    let first = lines.next().unwrap_or_default();
    let start = start_line(first.trim_end_matches(is_blank)).map_err(ParseError::dropped)?;
    let (mut headers, read) = header_lines(lines);
    let end = if truncated { Err(Defect::Truncated) } else { Ok(()) };
    match start {
        Start::Response(status, reason) => {
            let checked = read.and(end).and_then(|()| every_message(&headers));
            let body = checked.and_then(|()| take_body(&mut headers, body)).map_err(ParseError::dropped)?;
            Ok(Message::Response(Response { status, reason, headers, body }))
        }
        Start::Request(method, uri) => {
            let checked = read.and(end).and_then(|()| every_message(&headers)).and_then(|()| request(&method, &headers));
            let body = checked.and_then(|()| take_body(&mut headers, body));
            match (uri, body) {
                (Ok(uri), Ok(body)) => Ok(Message::Request(Request { method, uri, headers, body })),
                (Err(defect), _) | (_, Err(defect)) => Err(refused(&method, &headers, defect)),
            }
        }
    }
}

fn start_line(line: &str) -> Result<Start, Defect> {
    if line.len() > limits::LINE {
        return Err(Defect::TooLarge("start line"));
    }
    if line.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/")) {
        return status_line(line);
    }
    let (before, version) = line.rsplit_once(' ').ok_or(Defect::NotSip)?;
    if !version.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/")) {
        return Err(Defect::NotSip);
    }
    let (method, uri) = before.split_once(' ').ok_or(Defect::NotSip)?;
    let method = method.parse().map_err(|_| Defect::NotSip)?;
    let uri = if version.eq_ignore_ascii_case("SIP/2.0") { request_uri(uri) } else { Err(Defect::Version) };
    Ok(Start::Request(method, uri))
}

fn request_uri(text: &str) -> Result<Uri, Defect> {
    if text.len() > limits::URI {
        return Err(Defect::TooLarge("Request-URI"));
    }
    if text.contains(is_blank) {
        return Err(Defect::StartLine(Syntax("blanks around or in the Request-URI")));
    }
    text.parse().map_err(Defect::RequestUri)
}

fn status_line(line: &str) -> Result<Start, Defect> {
    status(line).map(|(status, reason)| Start::Response(status, reason))
}

/// `SIP/2.0 200 OK`
pub(crate) fn status(line: &str) -> Result<(StatusCode, String), Defect> {
    let (version, rest) = line.split_once(' ').ok_or(Defect::NotSip)?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Defect::Version);
    }
    let (digits, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = if digits.len() == 3 { digits.parse().ok() } else { None };
    let status = code.and_then(StatusCode::new).ok_or(Defect::StartLine(Syntax("no status code")))?;
    Ok((status, reason.trim_matches(is_blank).to_owned()))
}

/// Reads as far as the bounds allow; what was read before a bound was met can still serve an answer.
fn header_lines(lines: Unfolded<'_>) -> (Headers, Result<(), Defect>) {
    let mut headers = Headers::new();
    for (count, line) in lines.enumerate() {
        if count >= limits::HEADERS {
            return (headers, Err(Defect::TooLarge("header count")));
        }
        if line.len() > limits::LINE {
            return (headers, Err(Defect::TooLarge("header line")));
        }
        // A line that is no header is ignored, as RFC 3261 section 8.2 says of malformed ones.
        if let Some((name, value)) = header(&line) {
            headers.push_parsed(name.into(), value);
        }
    }
    (headers, Ok(()))
}

/// Name and value of one unfolded line.
pub(crate) fn header(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end_matches(is_blank);
    if !is_token(name) {
        return None;
    }
    Some((name, value.trim_matches(is_blank).to_owned()))
}

/// What every message needs (RFC 3261 section 8.1.1).
fn every_message(headers: &Headers) -> Result<(), Defect> {
    headers.top_via()?;
    headers.via()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    headers.cseq()?;
    Ok(())
}

/// Max-Forwards may be absent: RFC 2543 did not know it.
fn request(method: &Method, headers: &Headers) -> Result<(), Defect> {
    headers.max_forwards()?;
    if headers.cseq()?.method == *method { Ok(()) } else { Err(Defect::CSeqMethod) }
}

/// The body by Content-Length, which leaves the headers; without one, all there is (RFC 3261 section 18.3).
fn take_body(headers: &mut Headers, rest: &[u8]) -> Result<Vec<u8>, Defect> {
    let mut lengths = headers.all(HeaderName::CONTENT_LENGTH);
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => rest.len(),
        (Some(text), None) => content_length(text).map_err(malformed_length)?,
        (Some(_), Some(_)) => return Err(HeaderError::Repeated(HeaderName::CONTENT_LENGTH).into()),
    };
    drop(lengths);
    headers.remove(HeaderName::CONTENT_LENGTH);
    rest.get(..length).map(<[u8]>::to_vec).ok_or(Defect::ContentLength)
}

fn malformed_length(what: Syntax) -> Defect {
    HeaderError::Malformed { name: HeaderName::CONTENT_LENGTH, what }.into()
}

fn refused(method: &Method, headers: &Headers, defect: Defect) -> ParseError {
    if method.is_ack() || headers.top_via().is_err() {
        return ParseError::dropped(defect);
    }
    let mut answer = Response::new(defect.status());
    if answer.status == StatusCode::BAD_REQUEST {
        answer.reason = format!("Bad Request ({defect})");
    }
    for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ] {
        answer.headers.copy(name, headers);
    }
    ParseError { defect, answer: Some(Box::new(answer)) }
}

/// The lines of a head, continuations joined by one blank (RFC 3261 section 7.3.1). A CR inside a line counts as a blank.
pub(crate) struct Unfolded<'a> {
    lines: std::iter::Peekable<std::str::Split<'a, char>>,
}

impl<'a> Unfolded<'a> {
    pub fn new(head: &'a str) -> Unfolded<'a> {
        Unfolded { lines: head.trim_end_matches(['\r', '\n']).split('\n').peekable() }
    }
}

impl<'a> Iterator for Unfolded<'a> {
    type Item = Cow<'a, str>;
    fn next(&mut self) -> Option<Cow<'a, str>> {
        let first = self.lines.next()?;
        let mut line = Cow::Borrowed(first.strip_suffix('\r').unwrap_or(first));
        while let Some(more) = self.lines.next_if(|next| next.starts_with(is_blank)) {
            let joined = line.to_mut();
            joined.push(' ');
            joined.push_str(more.trim_matches(|c| is_blank(c) || c == '\r'));
        }
        if line.contains('\r') {
            line = Cow::Owned(line.replace('\r', " "));
        }
        Some(line)
    }
}
