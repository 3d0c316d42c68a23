//! The far end: registrar and caller in one UDP socket, SIP written by hand (RFC 3261), so that no code of the phone tests
//! itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tokio::net::UdpSocket;

use super::soon;

pub struct Far {
    socket: UdpSocket,
    /// Where the phone's line 1 is.
    phone: SocketAddr,
    /// Of the INVITE of ours, or the To of theirs.
    pub dialog: Dialog,
    calls: u32,
    seen: Vec<String>,
}

/// Our view of the one dialog.
#[derive(Clone, Debug, Default)]
pub struct Dialog {
    pub call_id: String,
    pub local: String,
    pub remote: String,
    pub cseq: u32,
}

/// A message with its lines.
pub type Text = String;

pub fn header<'m>(message: &'m str, name: &str) -> &'m str {
    let named = |line: &&'m str| line.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    message.lines().take_while(|line| !line.is_empty()).find(named).map(|line| line.split_once(':').unwrap().1.trim()).unwrap_or("")
}

pub fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The port of m=audio.
pub fn audio_port(message: &str) -> u32 {
    let line = body(message).lines().find(|line| line.starts_with("m=audio")).expect("audio in the SDP");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

impl Far {
    /// At its address; the phone is at the other one.
    pub async fn new(at: IpAddr, phone: IpAddr) -> Far {
        let socket = UdpSocket::bind((at, 0)).await.unwrap();
        let phone = SocketAddr::new(phone, testbed::ports::free_at(phone).unwrap());
        Far { socket, phone, dialog: Dialog::default(), calls: 0, seen: Vec::new() }
    }

    /// Line 1 is ours.
    pub fn settings(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let ours = self.socket.local_addr().unwrap();
        let rows = [
            ("PHONE_NUMBER_1", "200".to_owned()),
            ("DISPLAY_NAME_1", "Desk".to_owned()),
            ("SIP_AUTHID_1", "200".to_owned()),
            ("SIP_PASS_1", "secret".to_owned()),
            ("SIP_RGSTR_ADDR_1", ours.ip().to_string()),
            ("SIP_RGSTR_PORT_1", ours.port().to_string()),
            ("SIP_PRXY_ADDR_1", ours.ip().to_string()),
            ("SIP_PRXY_PORT_1", ours.port().to_string()),
            ("SIP_SRC_PORT_1", self.phone.port().to_string()),
        ];
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        rows.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(more).collect()
    }

    pub fn phone_port(&self) -> u16 {
        self.phone.port()
    }

    async fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.phone).await.unwrap();
    }

    async fn receive(&mut self) -> Text {
        let mut bytes = vec![0; 65_535];
        let (length, from) = self.socket.recv_from(&mut bytes).await.unwrap();
        self.phone = from;
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// The next message that begins so; others are kept in `seen`.
    pub async fn expect(&mut self, start: &str) -> Text {
        soon(start, async {
            loop {
                let text = self.receive().await;
                if text.starts_with(start) {
                    return text;
                }
                self.seen.push(text);
            }
        })
        .await
    }

    /// What came in beside what was expected, since the last look.
    pub fn seen(&mut self) -> Vec<Text> {
        std::mem::take(&mut self.seen)
    }

    /// All that has come in and was not looked at.
    pub fn pending(&mut self) -> Vec<Text> {
        let mut bytes = vec![0; 65_535];
        while let Ok((length, _)) = self.socket.try_recv_from(&mut bytes) {
            self.seen.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
        }
        self.seen()
    }

    /// Answers a request; a dialog's tag is added to To where it has none.
    pub async fn respond(&self, request: &str, status: &str, more: &str, body: &str) {
        let to = header(request, "To");
        let to = if to.contains("tag=") || status.starts_with("100") { to.to_owned() } else { format!("{to};tag=far") };
        let vias: String = request
            .lines()
            .filter(|line| line.to_ascii_lowercase().starts_with("via:"))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let text = format!(
            "SIP/2.0 {status}\r\n{vias}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            header(request, "From"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            body.len()
        );
        self.send(&text).await;
    }

    /// Challenges and takes one registration. One that is sent again, for the machine is slow, or that an earlier life of sip-agent
    /// has sent, is challenged as well.
    pub async fn register(&mut self) -> Text {
        loop {
            let register = self.expect("REGISTER").await;
            let authorization = header(&register, "Authorization");
            if authorization.is_empty() {
                let challenge = "WWW-Authenticate: Digest realm=\"far\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n";
                self.respond(&register, "401 Unauthorized", challenge, "").await;
                continue;
            }
            assert!(authorization.contains("username=\"200\""), "{register}");
            let contact = format!("Contact: {};expires=3600\r\n", header(&register, "Contact").split(';').next().unwrap());
            self.respond(&register, "200 OK", &contact, "").await;
            return register;
        }
    }

    fn sdp(&self, direction: &str) -> String {
        let ip = self.socket.local_addr().unwrap().ip();
        let kind = if ip.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no=- 1 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={direction}\r\n"
        )
    }

    fn request(&self, method: &str, branch: &str, more: &str, body: &str) -> String {
        let ours = self.socket.local_addr().unwrap();
        let Dialog { call_id, local, remote, cseq } = &self.dialog;
        format!(
            "{method} sip:200@{} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: {local}\r\n\
             To: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {}\r\nContact: <sip:300@{ours}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.phone,
            method,
            body.len()
        )
    }

    /// Tells the subscriber of a SUBSCRIBE what waits at its mailbox.
    pub async fn notify(&self, subscribe: &str, number: u32, summary: &str) {
        self.notify_of(subscribe, number, ("", "application/simple-message-summary"), summary).await;
    }

    /// A NOTIFY of a subscription that stands: further headers, the body's type and the body.
    pub async fn notify_of(&self, subscribe: &str, number: u32, (more, content_type): (&str, &str), body: &str) {
        let more = format!("Subscription-State: active;expires=3600\r\n{more}Content-Type: {content_type}\r\n");
        self.notify_with(subscribe, number, &more, body).await;
    }

    /// NOTIFY number `number` of the subscription that a SUBSCRIBE asks for, with these further header lines.
    pub async fn notify_with(&self, subscribe: &str, number: u32, more: &str, body: &str) {
        let ours = self.socket.local_addr().unwrap();
        let event = header(subscribe, "Event");
        let text = format!(
            "NOTIFY sip:200@{} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bKn{event}{number}\r\nMax-Forwards: 70\r\n\
             From: {};tag=far\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} NOTIFY\r\nContact: <sip:server@{ours}>\r\n\
             Event: {event}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.phone,
            header(subscribe, "To"),
            header(subscribe, "From"),
            header(subscribe, "Call-ID"),
            body.len()
        );
        self.send(&text).await;
    }

    /// Calls line 1.
    pub async fn invite(&mut self) {
        self.invite_with("").await;
    }

    /// Calls line 1 with these further header lines.
    pub async fn invite_with(&mut self, more: &str) {
        self.calls += 1;
        self.dialog = Dialog {
            call_id: format!("call{}@far", self.calls),
            local: "\"Ada\" <sip:300@far.example>;tag=far".into(),
            remote: format!("<sip:200@{}>", self.phone),
            cseq: 1,
        };
        let more = format!("{more}Content-Type: application/sdp\r\n");
        let text = self.request("INVITE", &format!("i{}", self.calls), &more, &self.sdp("sendrecv"));
        self.send(&text).await;
    }

    /// ACKs a 2xx to our INVITE; the dialog is up.
    pub async fn ack(&mut self, answer: &str) {
        self.dialog.remote = header(answer, "To").to_owned();
        let text = self.request("ACK", &format!("a{}{}", self.calls, self.dialog.cseq), "", "");
        self.send(&text).await;
    }

    /// ACKs a failure: the same branch and To.
    pub async fn ack_failure(&mut self, answer: &str) {
        self.dialog.remote = header(answer, "To").to_owned();
        let text = self.request("ACK", &format!("i{}", self.calls), "", "");
        self.send(&text).await;
    }

    /// NOTIFY in the dialog that the response has made.
    pub async fn notify_in_dialog(&mut self, response: &str, event: &str) {
        self.dialog.remote = header(response, "To").to_owned();
        self.dialog.cseq += 1;
        let branch = format!("t{}{}", self.calls, self.dialog.cseq);
        let text = self.request("NOTIFY", &branch, &format!("Event: {event}\r\nSubscription-State: active\r\n"), "");
        self.send(&text).await;
    }

    pub async fn bye(&mut self) {
        self.dialog.cseq += 1;
        let text = self.request("BYE", &format!("b{}{}", self.calls, self.dialog.cseq), "", "");
        self.send(&text).await;
    }

    pub async fn cancel(&mut self) {
        let text = self.request("CANCEL", &format!("i{}", self.calls), "", "");
        self.send(&text).await;
    }

    /// Answers their INVITE; the dialog is up when their ACK has come.
    pub async fn answer(&mut self, invite: &str, direction: &str) {
        let tagged = |to: &str| if to.contains("tag=") { to.to_owned() } else { format!("{to};tag=far") };
        self.dialog = Dialog {
            call_id: header(invite, "Call-ID").to_owned(),
            local: tagged(header(invite, "To")),
            remote: header(invite, "From").to_owned(),
            cseq: 100,
        };
        let ours = self.socket.local_addr().unwrap();
        let more = format!("Contact: <sip:100@{ours}>\r\nContent-Type: application/sdp\r\n");
        self.respond(invite, "200 OK", &more, &self.sdp(direction)).await;
    }
}
