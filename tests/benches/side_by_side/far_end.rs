//! The far end of the measured calls: one socket that speaks just enough SIP to call a phone that answers by itself, and sends it
//! RTP. It is the same for every phone, so that its own time cancels out.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A codec with its static payload type and the bytes of 20 ms.
#[derive(Clone, Copy)]
pub struct Codec {
    /// As rtpmap has it.
    pub name: &'static str,
    /// RFC 3551.
    pub payload_type: u8,
    /// A packet's payload of silence.
    pub silence: u8,
}

/// G.711 mu-law.
pub const PCMU: Codec = Codec { name: "PCMU", payload_type: 0, silence: 0xFF };
/// G.722.
pub const G722: Codec = Codec { name: "G722", payload_type: 9, silence: 0xFA };

/// See the module.
pub struct FarEnd {
    socket: UdpSocket,
    local: SocketAddr,
    calls: u32,
}

/// How long the phone took.
pub struct Answered {
    /// From INVITE to 180.
    pub to_180: Duration,
    /// From INVITE to 200.
    pub to_200: Duration,
    /// What the ACK and the BYE need.
    dialog: Dialog,
    /// Where the phone wants RTP.
    pub rtp: SocketAddr,
}

struct Dialog {
    call_id: String,
    from: String,
    to: String,
    target: String,
}

impl FarEnd {
    /// Binds a free port of this address.
    pub fn bind(address: std::net::IpAddr) -> io::Result<FarEnd> {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let local = socket.local_addr()?;
        Ok(FarEnd { socket, local, calls: 0 })
    }

    /// Calls, waits for 180 and 200, sends ACK.
    pub fn call(&mut self, phone: SocketAddr, user: &str, codec: Codec, rtp_port: u16) -> io::Result<Answered> {
        self.calls += 1;
        let call_id = format!("bench-{}-{}", self.local.port(), self.calls);
        let from = format!("<sip:bench@{}>;tag=b{}", self.local, self.calls);
        let target = format!("sip:{user}@{phone}");
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {rtp_port} RTP/AVP {pt}\r\na=rtpmap:{pt} {name}/8000\r\na=ptime:20\r\n",
            ip = self.local.ip(),
            pt = codec.payload_type,
            name = codec.name,
        );
        let head = self.head("INVITE", &target, &call_id, &from, &format!("<{target}>"), 1);
        let invite = format!(
            "{head}Contact: <sip:bench@{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            self.local,
            sdp.len()
        );
        let begin = Instant::now();
        self.socket.send_to(invite.as_bytes(), phone)?;
        let mut to_180 = None;
        loop {
            let (status, text) = self.response(&call_id)?;
            match status {
                180 | 183 => {
                    to_180.get_or_insert(begin.elapsed());
                }
                200 => {
                    let to_200 = begin.elapsed();
                    let dialog = Dialog { call_id, from, to: header(&text, "to")?, target: contact(&text)? };
                    let rtp = media_address(&text)?;
                    let ack = self.head("ACK", &dialog.target, &dialog.call_id, &dialog.from, &dialog.to, 1)
                        + "Content-Length: 0\r\n\r\n";
                    self.socket.send_to(ack.as_bytes(), phone)?;
                    return Ok(Answered { to_180: to_180.unwrap_or(to_200), to_200, dialog, rtp });
                }
                100 => {}
                other => {
                    return Err(io::Error::other(format!(
                        "the phone answered {other}: {}",
                        text.lines().next().unwrap_or_default()
                    )));
                }
            }
        }
    }

    /// Ends a call and waits for the 200.
    pub fn hang_up(&self, phone: SocketAddr, call: &Answered) -> io::Result<()> {
        let dialog = &call.dialog;
        let bye = self.head("BYE", &dialog.target, &dialog.call_id, &dialog.from, &dialog.to, 2) + "Content-Length: 0\r\n\r\n";
        self.socket.send_to(bye.as_bytes(), phone)?;
        while self.response(&dialog.call_id)?.0 != 200 {}
        Ok(())
    }

    fn head(&self, method: &str, target: &str, call_id: &str, from: &str, to: &str, cseq: u32) -> String {
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{call_id}{cseq}{method};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n",
            local = self.local,
        )
    }

    /// The next response of this call; requests (OPTIONS, NOTIFY) of the phone are passed over.
    fn response(&self, call_id: &str) -> io::Result<(u16, String)> {
        let mut buffer = [0; 65_535];
        loop {
            let length = self.socket.recv(&mut buffer)?;
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
            let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
            if let Some(status) = status
                && text.contains(call_id)
            {
                return Ok((status, text));
            }
        }
    }
}

fn header(text: &str, name: &str) -> io::Result<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned());
    found.next().ok_or_else(|| io::Error::other(format!("the 200 has no {name}")))
}

fn contact(text: &str) -> io::Result<String> {
    let value = header(text, "contact")?;
    let inside = value.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(uri, _)| uri.to_owned());
    Ok(inside.unwrap_or(value))
}

fn media_address(text: &str) -> io::Result<SocketAddr> {
    let ip = text.lines().find_map(|line| line.strip_prefix("c=IN IP4 "));
    let port = text.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next());
    let address = ip.zip(port).and_then(|(ip, port)| format!("{}:{port}", ip.trim()).parse().ok());
    address.ok_or_else(|| io::Error::other("the 200 has no audio address"))
}

/// A sender of silence, 50 packets a second, until it is dropped; it throws away what comes back.
pub struct RtpSender {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Our port.
    pub port: u16,
    start: std::sync::mpsc::Sender<SocketAddr>,
}

impl RtpSender {
    /// Binds a port; sends once told where.
    pub fn bind(address: std::net::IpAddr, codec: Codec) -> io::Result<RtpSender> {
        let socket = UdpSocket::bind((address, 0))?;
        let port = socket.local_addr()?.port();
        let stop = Arc::new(AtomicBool::new(false));
        let (start, begin) = std::sync::mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            if let Ok(target) = begin.recv() {
                send_silence(&socket, target, codec, &stopped);
            }
        });
        Ok(RtpSender { stop, thread: Some(thread), port, start })
    }
    /// Begins to send.
    pub fn send_to(&self, target: SocketAddr) {
        // The thread ends only after this sender does.
        let _ = self.start.send(target);
    }
}

impl Drop for RtpSender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let (nobody, _) = std::sync::mpsc::channel();
        self.start = nobody;
        if let Some(thread) = self.thread.take() {
            // A panic in the sender has been printed already.
            let _ = thread.join();
        }
    }
}

/// The socket's read time-out is the pace: what the phone sends back is read in between.
fn send_silence(socket: &UdpSocket, target: SocketAddr, codec: Codec, stop: &AtomicBool) {
    let mut packet = [codec.silence; 172];
    let mut received = [0; 2048];
    let begin = Instant::now();
    let mut number: u32 = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut head = [0; 12];
        head[0] = 0x80;
        head[1] = codec.payload_type;
        head[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        head[4..8].copy_from_slice(&(number.wrapping_mul(160)).to_be_bytes());
        head[8..12].copy_from_slice(&0xBE7C_0001_u32.to_be_bytes());
        packet[..12].copy_from_slice(&head);
        // A phone that is gone is noticed by the caller, not here.
        let _ = socket.send_to(&packet, target);
        number = number.wrapping_add(1);
        let due = begin + Duration::from_millis(20) * number;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let _ = socket.set_read_timeout(Some(left.max(Duration::from_micros(100))));
            let _ = socket.recv(&mut received);
        }
    }
}
