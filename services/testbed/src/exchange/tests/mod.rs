//! The exchange against raw datagrams: what stands here is written and read as text, so that the exchange's own code is not its
//! judge.

mod calls;
mod limits;
mod phones;
mod registration;

use std::net::SocketAddr;
use std::time::Duration;

use md5::Md5;
use sha2::{Digest, Sha256};
use tokio::net::UdpSocket;

use super::{Exchange, ExchangeOptions};

/// Nothing on loopback takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// An exchange on a free port, with accounts 200 and 201.
pub(super) fn exchange() -> Exchange {
    Exchange::start(options()).unwrap()
}

pub(super) fn options() -> ExchangeOptions {
    let accounts = vec![("200".to_owned(), "secret".to_owned()), ("201".to_owned(), "other".to_owned())];
    ExchangeOptions {
        address: SocketAddr::from(([127, 0, 0, 2], 0)),
        accounts,
        call_back_after: Duration::from_millis(50),
        ..ExchangeOptions::default()
    }
}

fn hash(algorithm: &str, text: &str) -> String {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    match algorithm {
        "SHA-256" => hex(&Sha256::digest(text)),
        "MD5" => hex(&Md5::digest(text)),
        other => panic!("{other}"),
    }
}

/// What stands between two marks.
pub(super) fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} after {start} in {text}")).0
}

/// The value of a header line.
pub(super) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    between(message, &format!("\r\n{name}: "), "\r\n")
}

/// A socket that speaks like a phone.
pub(super) struct Phone {
    pub socket: UdpSocket,
    pub address: SocketAddr,
    pub exchange: SocketAddr,
    pub user: &'static str,
    pub password: &'static str,
    sent: u32,
}

impl Phone {
    pub async fn new(exchange: &Exchange, user: &'static str, password: &'static str) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        Phone { socket, address, exchange: exchange.address(), user, password, sent: 0 }
    }
    pub async fn registered(exchange: &Exchange, user: &'static str, password: &'static str) -> Phone {
        let mut phone = Phone::new(exchange, user, password).await;
        let answer = phone.register("MD5", &format!("Contact: <sip:{user}@{}>\r\nExpires: 60\r\n", phone.address)).await;
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        phone
    }
    pub async fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.exchange).await.unwrap();
    }
    pub async fn receive(&self) -> String {
        let mut buffer = vec![0; 65_536];
        let (length, source) =
            tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut buffer)).await.expect("no datagram").unwrap();
        assert_eq!(source, self.exchange);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
    /// The next message that begins so; others, as repeated ones, are passed over.
    pub async fn receive_start(&self, start: &str) -> String {
        loop {
            let message = self.receive().await;
            if message.starts_with(start) {
                return message;
            }
        }
    }
    /// A request outside of a dialog. `more`: header lines; the branch is new each time.
    pub fn request(&mut self, method: &str, uri: &str, to: &str, call: &str, more: &str, body: &str) -> String {
        self.sent += 1;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{call}{};rport\r\nMax-Forwards: 70\r\nFrom: <sip:{}@deskphone.lab>;tag=f{call}\r\n\
             To: {to}\r\nCall-ID: {call}\r\nCSeq: {} {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.sent,
            self.user,
            self.sent,
            body.len()
        )
    }
    /// The header line that answers a challenge of that algorithm.
    pub fn credentials(&self, challenge: &str, algorithm: &str, method: &str, uri: &str, count: u32) -> String {
        let nonce = between(challenge, "nonce=\"", "\"");
        let secret = hash(algorithm, &format!("{}:deskphone.lab:{}", self.user, self.password));
        let request = hash(algorithm, &format!("{method}:{uri}"));
        let response = hash(algorithm, &format!("{secret}:{nonce}:{count:08x}:cn:auth:{request}"));
        let name = if challenge.starts_with("SIP/2.0 401") { "Authorization" } else { "Proxy-Authorization" };
        format!(
            "{name}: Digest username=\"{}\", realm=\"deskphone.lab\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm={algorithm}, qop=auth, cnonce=\"cn\", nc={count:08x}\r\n",
            self.user
        )
    }
    pub async fn register(&mut self, algorithm: &str, more: &str) -> String {
        let to = format!("<sip:{}@deskphone.lab>", self.user);
        let first = self.request("REGISTER", "sip:deskphone.lab", &to, "reg", more, "");
        self.send(&first).await;
        let challenge = self.receive_start("SIP/2.0 401").await;
        let credentials = self.credentials(&challenge, algorithm, "REGISTER", "sip:deskphone.lab", 1);
        let second = self.request("REGISTER", "sip:deskphone.lab", &to, "reg", &format!("{more}{credentials}"), "");
        self.send(&second).await;
        self.receive().await
    }
    /// Calls with the challenge answered; gives the INVITE that was let through. The 180 or final answer is next.
    pub async fn invite(&mut self, number: &str, call: &str, offer: &str) -> String {
        let (uri, to) = (format!("sip:{number}@deskphone.lab"), format!("<sip:{number}@deskphone.lab>"));
        let more = format!("Contact: <sip:{}@{}>\r\nContent-Type: application/sdp\r\n", self.user, self.address);
        let first = self.request("INVITE", &uri, &to, call, &more, offer);
        self.send(&first).await;
        let challenge = self.receive_start("SIP/2.0 407").await;
        self.send(&acknowledgement(&first, &challenge)).await;
        let credentials = self.credentials(&challenge, "SHA-256", "INVITE", &uri, 1);
        let second = self.request("INVITE", &uri, &to, call, &format!("{more}{credentials}"), offer);
        self.send(&second).await;
        second
    }
    /// A request in a dialog that the phone began.
    pub fn in_dialog(&mut self, method: &str, answer: &str, call: &str, more: &str, body: &str) -> String {
        let target = between(header(answer, "Contact"), "<", ">").to_owned();
        let to = header(answer, "To").to_owned();
        self.request(method, &target, &to, call, more, body)
    }
    /// The ACK of a 2xx.
    pub async fn acknowledge(&mut self, answer: &str, call: &str) {
        let ack = self.in_dialog("ACK", answer, call, "", "");
        let number = header(answer, "CSeq").split(' ').next().unwrap().to_owned();
        let own = header(&ack, "CSeq").to_owned();
        self.send(&ack.replace(&format!("CSeq: {own}"), &format!("CSeq: {number} ACK"))).await;
    }
    /// An answer to a request of the exchange.
    pub async fn answer(&self, request: &str, status: &str, more: &str, body: &str) {
        let tagged = if header(request, "To").contains("tag=") { "" } else { ";tag=phone" };
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tagged}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            header(request, "Via"),
            header(request, "From"),
            header(request, "To"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            body.len()
        );
        self.send(&text).await;
    }
}

/// The ACK of a final answer that is no 2xx: the INVITE's branch.
pub(super) fn acknowledgement(invite: &str, answer: &str) -> String {
    let (uri, number) = (between(invite, " ", " "), header(invite, "CSeq").split(' ').next().unwrap());
    format!(
        "ACK {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
        header(invite, "Via"),
        header(invite, "From"),
        header(answer, "To"),
        header(invite, "Call-ID")
    )
}

/// An offer or answer of one audio line.
pub(super) fn description(port: u16, formats: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\na=rtpmap:97 telephone-event/8000\r\n\
         a={direction}\r\n"
    )
}

/// An RTP packet of a payload type, a sequence number and a body.
pub(super) fn packet(payload: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x80, payload];
    octets.extend_from_slice(&sequence.to_be_bytes());
    octets.extend_from_slice(&[0, 0, 0, 160, 0xAA, 0xBB, 0xCC, 0xDD]);
    octets.extend_from_slice(body);
    octets
}

/// The RTP address in a description.
pub(super) fn media_of(message: &str) -> SocketAddr {
    let port = between(message, "m=audio ", " ").parse().unwrap();
    SocketAddr::new(between(message, "c=IN IP4 ", "\r\n").parse().unwrap(), port)
}
