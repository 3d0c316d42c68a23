//! A flood of SIP and of rubbish at one port, from an address that nobody knows. It is bounded in count and in time, paced by
//! beats, and ends by itself; what comes back is counted.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::namespace::{LINK, Namespace};

/// The address that it comes from.
pub const FLOODER: &str = "10.77.0.66";
/// The pace.
const BEAT: Duration = Duration::from_millis(10);
/// When a machine that cannot keep the pace gives up.
const LONGEST: Duration = Duration::from_secs(15);
/// The longest header line that is still read (sip-wire's limits), with room for the name.
const LONG_LINE: usize = 8_000;
/// The most octets that UDP over IPv4 carries.
const DATAGRAM: usize = 65_507;

/// What comes: datagrams of each kind in a beat, and how many beats.
#[derive(Clone, Copy, Debug)]
pub struct Tide {
    /// Random octets, NULs, truncated requests.
    pub garbage: u32,
    /// OPTIONS to the phone's user.
    pub options: u32,
    /// INVITE, to the phone's user and to one that it does not know in turn.
    pub invites: u32,
    /// Requests of about 64,000 octets; every second one can be read.
    pub large: u32,
    /// A hundred are a second.
    pub beats: u32,
}

impl Tide {
    /// Ten seconds of everything, 2,000 garbage datagrams a second.
    pub const EVERYTHING: Tide = Tide { garbage: 20, options: 4, invites: 4, large: 4, beats: 1_000 };
    /// Two seconds of the largest requests alone: what the phone keeps of a stranger's requests is full of them after the first.
    pub const LARGE: Tide = Tide { garbage: 0, options: 0, invites: 0, large: 8, beats: 200 };
}

/// What was sent, and the socket that answers come to.
pub struct Flood {
    socket: UdpSocket,
    target: SocketAddr,
    random: u64,
    number: u32,
    /// Datagrams that left.
    pub sent: u32,
    /// Their octets.
    pub octets: u64,
    /// Datagrams that came back so far.
    pub answers: u32,
    /// How long it took to send them.
    pub lasted: Duration,
}

impl Flood {
    /// The address and the socket; nothing is sent yet.
    pub fn at(namespace: &Namespace, target: SocketAddr) -> Flood {
        let added = namespace.command("ip").args(["addr", "add", &format!("{FLOODER}/24"), "dev", LINK]).status();
        assert!(added.is_ok_and(|status| status.success()), "{FLOODER} could not be added");
        let socket = namespace.inside(|| UdpSocket::bind((FLOODER, 0)).expect("the flood's socket"));
        socket.set_nonblocking(true).expect("a socket that does not wait");
        Flood { socket, target, random: 0x9e37_79b9_7f4a_7c15, number: 0, sent: 0, octets: 0, answers: 0, lasted: Duration::ZERO }
    }

    /// All of it, in a thread of its own.
    pub async fn run(mut self, tide: Tide) -> Flood {
        let all = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            runtime.block_on(self.beats(tide));
            self
        };
        tokio::task::spawn_blocking(all).await.expect("the flood")
    }

    async fn beats(&mut self, tide: Tide) {
        let (begun, mut beat) = (Instant::now(), tokio::time::interval(BEAT));
        for _ in 0..tide.beats {
            beat.tick().await;
            if begun.elapsed() > LONGEST {
                break;
            }
            self.beat(tide);
            self.collect();
        }
        self.lasted = begun.elapsed();
    }

    fn beat(&mut self, tide: Tide) {
        for turn in 0..tide.garbage {
            let garbage = self.garbage(turn);
            self.send(&garbage);
        }
        for _ in 0..tide.options {
            let options = self.request("OPTIONS", "200", "");
            self.send(options.as_bytes());
        }
        for turn in 0..tide.invites {
            let invite = self.request("INVITE", if turn % 2 == 0 { "200" } else { "nobody" }, "");
            self.send(invite.as_bytes());
        }
        for turn in 0..tide.large {
            let large = self.large(turn);
            self.send(large.as_bytes());
        }
    }

    /// Random octets, NULs, and the beginning of a request.
    fn garbage(&mut self, turn: u32) -> Vec<u8> {
        let length = usize::try_from(self.next_random() % 1_400).unwrap_or_default() + 1;
        match turn % 3 {
            0 => (0..length).map(|_| self.next_random().to_le_bytes()[3]).collect(),
            1 => vec![0; length],
            _ => {
                let mut request = self.request("INVITE", "200", "").into_bytes();
                request.truncate(length.min(request.len() - 3));
                request
            }
        }
    }

    /// Close to the largest datagram: a well-formed request whose header lines are all short enough, or one with a single
    /// header line that is too long.
    fn large(&mut self, turn: u32) -> String {
        let line = |length: usize| format!("X-Filler: {}\r\n", "x".repeat(length));
        let filler = if turn.is_multiple_of(2) { line(LONG_LINE).repeat(8) } else { line(64_000) };
        let method = if turn % 4 < 2 { "INVITE" } else { "OPTIONS" };
        let request = self.request(method, "200", &filler);
        assert!((60_000..=DATAGRAM).contains(&request.len()), "{} octets", request.len());
        request
    }

    /// A request with a Call-ID, a branch and a tag that no other has.
    fn request(&mut self, method: &str, user: &str, further: &str) -> String {
        self.number += 1;
        let (number, target, local) = (self.number, self.target, self.socket.local_addr().expect("our address"));
        let body = match method {
            "INVITE" => format!(
                "v=0\r\no=- {number} 1 IN IP4 {FLOODER}\r\ns=-\r\nc=IN IP4 {FLOODER}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
            ),
            _ => String::new(),
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{user}@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKflood{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:flood@{FLOODER}>;tag=f{number}\r\nTo: <sip:{user}@{target}>\r\n\
             Call-ID: flood-{number}@{FLOODER}\r\nCSeq: 1 {method}\r\nContact: <sip:flood@{local}>\r\n{further}{kind}\
             Content-Length: {length}\r\n\r\n{body}",
            length = body.len()
        )
    }

    fn send(&mut self, datagram: &[u8]) {
        // What finds no room in a full buffer is lost, as on any network.
        if self.socket.send_to(datagram, self.target).is_ok() {
            self.sent += 1;
            self.octets += u64::try_from(datagram.len()).unwrap_or_default();
        }
    }

    /// Counts what has come back.
    pub fn collect(&mut self) {
        let mut answer = [0; 2_048];
        while self.socket.recv_from(&mut answer).is_ok() {
            self.answers += 1;
        }
    }

    /// xorshift: the same flood each time.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
