//! Requests and responses, and how they are written. `to_bytes` always says the right Content-Length.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::text::{one_line, to_wire};
use crate::{HeaderName, Headers, Method, StatusCode, Uri};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// All headers but Content-Length.
    pub headers: Headers,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The code.
    pub status: StatusCode,
    /// The reason phrase; may be empty.
    pub reason: String,
    /// All headers but Content-Length.
    pub headers: Headers,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// What one datagram, or one frame of a stream, holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Request {
    /// Without headers and body.
    pub fn new(method: Method, uri: Uri) -> Request {
        Request { method, uri, headers: Headers::new(), body: Vec::new() }
    }
    /// A response to this request with what RFC 3261 section 8.2.6.2 copies: Via, From, To, Call-ID, CSeq, and Timestamp for
    /// 100. The To tag is the caller's to add.
    pub fn response(&self, status: StatusCode) -> Response {
        let mut response = Response::new(status);
        for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ] {
            response.headers.copy(name, &self.headers);
        }
        if status == StatusCode::TRYING {
            response.headers.copy(HeaderName::TIMESTAMP, &self.headers);
        }
        response
    }
    /// As on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        to_wire(&one_line(format!("{} {} SIP/2.0", self.method, self.uri)), &mut out);
        write_rest(&self.headers, &self.body, &mut out);
        out
    }
}

impl Response {
    /// With the usual reason phrase, without headers and body.
    pub fn new(status: StatusCode) -> Response {
        Response { status, reason: status.reason().to_owned(), headers: Headers::new(), body: Vec::new() }
    }
    /// As on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        to_wire(&one_line(format!("SIP/2.0 {} {}", self.status, self.reason)), &mut out);
        write_rest(&self.headers, &self.body, &mut out);
        out
    }
}

impl Message {
    /// The headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }
    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Message::Request(request) => &mut request.headers,
            Message::Response(response) => &mut response.headers,
        }
    }
    /// The body.
    pub fn body(&self) -> &[u8] {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
    /// As on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Message {
        Message::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Message {
        Message::Response(response)
    }
}

fn write_rest(headers: &Headers, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| **name != HeaderName::CONTENT_LENGTH) {
        to_wire(name.as_str(), out);
        out.extend_from_slice(b": ");
        to_wire(value, out);
        out.extend_from_slice(b"\r\n");
    }
    // Into memory: it cannot fail.
    let _ = write!(out, "Content-Length: {}\r\n\r\n", body.len());
    out.extend_from_slice(body);
}
