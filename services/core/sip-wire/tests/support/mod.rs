//! What the tests of this crate share: messages written with plain line ends.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "support of tests; not every test uses all")]

use sip_wire::{Message, ParseError, Request, Response, parse_datagram};

/// Text with `\n` line ends as it goes over the wire.
pub fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// A request that is read without complaint, and again from what it writes.
pub fn request(octets: &[u8]) -> Request {
    let message = parse_datagram(octets).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(octets)));
    assert_eq!(parse_datagram(&message.to_bytes()).as_ref(), Ok(&message), "what is written reads as the same");
    match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a response: {response:?}"),
    }
}

/// A response, likewise.
pub fn response(octets: &[u8]) -> Response {
    let message = parse_datagram(octets).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(octets)));
    assert_eq!(parse_datagram(&message.to_bytes()).as_ref(), Ok(&message), "what is written reads as the same");
    match message {
        Message::Response(response) => response,
        Message::Request(request) => panic!("a request: {request:?}"),
    }
}

/// The error of a message that must not be taken.
pub fn refused(octets: &[u8]) -> ParseError {
    parse_datagram(octets).expect_err("must not be taken")
}

/// A short request with `{}` for more header lines, each ended by a line end.
pub fn options_with(lines: &str) -> Vec<u8> {
    wire(&format!(
        "OPTIONS sip:200@192.0.2.7 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKopt\nMax-Forwards: 70\n\
         From: <sip:100@example.com>;tag=f1\nTo: <sip:200@example.com>\nCall-ID: options@192.0.2.1\nCSeq: 3 OPTIONS\n{lines}\n"
    ))
}
