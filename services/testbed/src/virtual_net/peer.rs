//! Messages of scripted peers: raw SIP, so that the stack is not tested against its own hand.

use std::net::SocketAddr;

use sip_wire::{HeaderName, Message, NameAddr, Request, Response, StatusCode};

use super::Net;

/// A far end at an address, with a call towards a stack.
#[derive(Clone)]
pub struct Caller {
    /// Where it is.
    pub address: SocketAddr,
    /// Where the stack is.
    pub target: SocketAddr,
    /// Whom it calls.
    pub user: String,
    /// Of its call.
    pub call_id: String,
    /// Its own tag.
    pub tag: String,
    /// The stack's, once there is one.
    pub to_tag: String,
    /// Of the next request.
    pub cseq: u32,
}

/// A media line with PCMU alone.
pub const PCMU: &str = "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

impl Caller {
    /// At this address, calling this user of the stack there.
    pub fn new(address: SocketAddr, target: SocketAddr, user: &str) -> Caller {
        Caller {
            address,
            target,
            user: user.to_owned(),
            call_id: format!("call-{}@{}", address.port(), address.ip()),
            tag: "peer-tag".into(),
            to_tag: String::new(),
            cseq: 1,
        }
    }

    /// SDP with these media lines.
    pub fn sdp(&self, media: &str) -> String {
        let kind = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        let ip = self.address.ip();
        format!("v=0\r\no=- 7 7 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\n{media}")
    }

    /// A request with its own branch `branch`; `extra` are whole header lines.
    pub fn request(&self, method: &str, branch: &str, extra: &str, body: &str) -> Vec<u8> {
        let Caller { address, target, user, call_id, tag, to_tag, cseq } = self;
        let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{user}@{target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\n\
             From: \"Far\" <sip:far@{address}>;tag={tag}\r\n\
             To: <sip:{user}@{target}>{to_tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:far@{address}>\r\n\
             {extra}{kind}Content-Length: {length}\r\n\r\n{body}",
            length = body.len()
        )
        .into_bytes()
    }

    /// Sends a request and lets it arrive.
    pub fn send(&self, net: &mut Net, method: &str, branch: &str, extra: &str, body: &str) {
        net.send(self.address, self.target, self.request(method, branch, extra, body));
        net.settle();
    }

    /// An INVITE with PCMU, brought to 180 or whatever comes; returns what came.
    pub fn invite(&mut self, net: &mut Net, media: &str) -> Vec<Message> {
        let sdp = if media.is_empty() { String::new() } else { self.sdp(media) };
        let branch = format!("i{}", self.cseq);
        self.send(net, "INVITE", &branch, "", &sdp);
        let got = net.received(self.address);
        self.learn_tag(&got);
        got
    }

    /// Takes the stack's tag from its responses.
    pub fn learn_tag(&mut self, messages: &[Message]) {
        for message in messages {
            if let Some(tag) = message.headers().to().unwrap().tag().filter(|_| matches!(message, Message::Response(_))) {
                self.to_tag = tag.to_owned();
            }
        }
    }

    /// The ACK of a 200.
    pub fn ack(&self, net: &mut Net, body: &str) {
        self.send(net, "ACK", &format!("a{}", self.cseq), "", body);
    }
}

/// A response of a peer to a request that it got.
pub fn answer(request: &Request, code: u16, tag: &str) -> Response {
    let mut response = request.response(StatusCode::new(code).unwrap());
    if !tag.is_empty() {
        let to: NameAddr = request.headers.to().unwrap();
        if to.tag().is_none() {
            response.headers.set(HeaderName::TO, to.with_tag(tag));
        }
    }
    response
}

/// With a Contact.
pub fn at(mut response: Response, peer: SocketAddr) -> Response {
    response.headers.push(HeaderName::CONTACT, format!("<sip:far@{peer}>"));
    response
}

/// With SDP.
pub fn with_sdp(mut response: Response, sdp: &str) -> Response {
    response.headers.push(HeaderName::CONTENT_TYPE, "application/sdp");
    response.body = sdp.as_bytes().to_vec();
    response
}

/// A message that must be a request.
pub fn request_of(message: &Message) -> &Request {
    match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a response: {}", response.status.code()),
    }
}

/// A message that must be a response.
pub fn response_of(message: &Message) -> &Response {
    match message {
        Message::Response(response) => response,
        Message::Request(request) => panic!("a request: {}", request.method),
    }
}

/// The requests of a method among what came.
pub fn requests<'a>(messages: &'a [Message], method: &str) -> Vec<&'a Request> {
    messages
        .iter()
        .filter_map(|message| match message {
            Message::Request(request) if request.method.as_str() == method => Some(request),
            Message::Request(_) | Message::Response(_) => None,
        })
        .collect()
}

/// The response with a code among what came.
pub fn response_with(messages: &[Message], code: u16) -> Option<&Response> {
    messages.iter().find_map(|message| match message {
        Message::Response(response) if response.status.code() == code => Some(response),
        Message::Response(_) | Message::Request(_) => None,
    })
}

/// A body as text.
pub fn body(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
