//! A stack under a script of octets: datagrams, streams, answers, commands, lost sockets, restarts and hours. Any script is survived: no
//! panic, no endless work on one input, no deadline in the past, no snapshot that cannot be read; and when all calls have been
//! hung up and time has passed, no call and no transaction is left. The fuzz target and the test that replays its corpus play it.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, Correlation, LineNumber, Tick};
use sip_stack::{
    Command, Diverted, FlowId, Input, MediaRefusal, Output, QueryId, RelayedDigit, Stack, StackSettings, Start, SubscriptionKey,
    SubscriptionWish, Transport,
};
use sip_wire::{HeaderName, Headers, Message, NameAddr, Request, StatusCode, parse_datagram};

use crate::given::settings;

/// Outputs that one input may have; six lines with everything on need far less.
const MOST_OUTPUTS: usize = 2_000;
/// Messages that are remembered, to be answered or sent back.
const REMEMBERED: usize = 24;
const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\n";
const REQUESTS: [&str; 12] =
    ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "NOTIFY", "REFER", "INFO", "OPTIONS", "SUBSCRIBE", "MESSAGE"];
const CODES: [u16; 24] =
    [100, 180, 183, 200, 202, 301, 302, 401, 403, 404, 407, 408, 415, 420, 422, 423, 481, 486, 487, 489, 491, 500, 503, 603];
const EXTRA: [HeaderName; 16] = [
    HeaderName::REQUIRE,
    HeaderName::SUPPORTED,
    HeaderName::SESSION_EXPIRES,
    HeaderName::MIN_SE,
    HeaderName::RSEQ,
    HeaderName::RACK,
    HeaderName::RETRY_AFTER,
    HeaderName::EXPIRES,
    HeaderName::EVENT,
    HeaderName::SUBSCRIPTION_STATE,
    HeaderName::CONTACT,
    HeaderName::RECORD_ROUTE,
    HeaderName::WWW_AUTHENTICATE,
    HeaderName::REPLACES,
    HeaderName::REFER_TO,
    HeaderName::ALERT_INFO,
];
const VALUES: [&str; 16] = [
    "100rel",
    "timer, replaces",
    "90;refresher=uas",
    "4000;refresher=uac",
    "1",
    "1 1 INVITE",
    "0",
    "4294967295",
    "check-sync",
    "dialog;id=1",
    "terminated;reason=noresource",
    "active;expires=60",
    "<sip:far@10.0.0.8:5062>;expires=30",
    "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
    "<sip:p.invalid;lr>",
    "*",
];

/// The octets that are left.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// One of a list; the first at the end of the script.
    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[usize::from(self.next().unwrap_or(0)) % list.len()].clone()
    }

    fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.next().unwrap_or(0)) * 4;
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        piece
    }
}

struct Stage {
    stack: Stack,
    now: Tick,
    deadline: Option<Tick>,
    flows: Vec<FlowId>,
    queries: Vec<QueryId>,
    calls: Vec<CallIdentity>,
    wishes: Vec<(CallIdentity, u64)>,
    /// What the stack has sent.
    sent: Vec<Message>,
    branches: u32,
}

/// Plays a script to its end.
pub fn play(script: &[u8]) {
    let mut script = Octets(script);
    let mut stage = Stage::new(script.next().unwrap_or(0));
    while let Some(act) = script.next() {
        stage.act(act, &mut script);
    }
    stage.end();
}

fn given(kind: u8) -> StackSettings {
    let mut given = settings("10.0.0.1", "100", Some("10.0.0.9:5060"));
    let first = &mut given.lines[0];
    first.sessions.expires = if kind & 1 == 0 { 0 } else { 90 };
    first.sessions.reliable = kind & 2 != 0;
    first.unregister_on_stop = kind & 4 != 0;
    first.keep_alive = Duration::from_secs(if kind & 8 == 0 { 0 } else { 30 });
    let mut second = first.clone();
    second.user = "101".to_owned();
    second.source_port = 5070;
    second.transport = if kind & 16 == 0 { Transport::Udp } else { Transport::Tcp };
    given.lines[1] = second;
    if kind & 32 != 0 {
        given.lines[0].proxy = Some(crate::given::server_of("proxy.invalid"));
    }
    given.talk_package = kind & 64 != 0;
    given.hold_package = kind & 128 != 0;
    given
}

impl Stage {
    fn new(kind: u8) -> Stage {
        let now = Tick(1_000_000_000);
        let (stack, _) = Stack::new(now, [7; 32], None);
        let mut stage = Stage {
            stack,
            now,
            deadline: None,
            flows: Vec::new(),
            queries: Vec::new(),
            calls: Vec::new(),
            wishes: Vec::new(),
            sent: Vec::new(),
            branches: 0,
        };
        stage.give(Input::Settings(Box::new(given(kind))));
        stage
    }

    fn give(&mut self, input: Input) {
        self.stack.handle(self.now, input);
        for _ in 0..MOST_OUTPUTS {
            match self.stack.poll() {
                Output::Wait(deadline) => {
                    assert!(deadline.is_none_or(|at| at > self.now), "a deadline that has passed");
                    self.deadline = deadline;
                    return;
                }
                output => self.perform(output),
            }
        }
        panic!("endless outputs");
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Transmit { bytes, .. } => {
                let message = parse_datagram(&bytes);
                if let Ok(message) = message {
                    self.sent.push(message);
                }
                if self.sent.len() > REMEMBERED {
                    self.sent.remove(0);
                }
            }
            Output::OpenFlow { flow, .. } => self.flows.push(flow),
            Output::Resolve { query, .. } => self.queries.push(query),
            Output::MediaDesired(wish) => self.wishes.push((wish.call, wish.generation)),
            Output::Event(sip_stack::Event::Incoming { call, .. }) => self.calls.push(call),
            Output::Event(_) | Output::SnapshotDirty | Output::Wait(_) => {}
            Output::MarkFlow { .. } | Output::CloseFlow { .. } | Output::CloseStream { .. } => {}
        }
    }

    fn act(&mut self, act: u8, script: &mut Octets<'_>) {
        match act % 12 {
            0 => self.datagram(script.piece().to_vec(), script),
            1 => self.reply(script),
            2 => self.request(script),
            3 => self.command(script),
            4 => self.pass(Duration::from_millis(1 << (script.next().unwrap_or(0) % 22))),
            5 => self.again(script),
            6 => self.driver(script),
            7 => self.stream(script),
            8 => {
                let settings = Box::new(given(script.next().unwrap_or(0)));
                self.give(Input::Settings(settings));
            }
            9 => self.restart(),
            10 => self.media(script),
            _ => self.flow_up(script),
        }
    }

    fn flow(&self, script: &mut Octets<'_>) -> FlowId {
        if self.flows.is_empty() { FlowId(1) } else { script.pick(&self.flows) }
    }

    fn remote(script: &mut Octets<'_>) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9 - script.next().unwrap_or(0) % 2], 5060))
    }

    fn datagram(&mut self, bytes: Vec<u8>, script: &mut Octets<'_>) {
        let (flow, remote) = (self.flow(script), Stage::remote(script));
        self.give(Input::Datagram { flow, remote, bytes });
    }

    fn flow_up(&mut self, script: &mut Octets<'_>) {
        let flow = self.flow(script);
        let port = if flow.0.is_multiple_of(2) { 5070 } else { 5060 };
        self.give(Input::FlowUp { flow, local: SocketAddr::from(([10, 0, 0, 1], port)) });
    }

    /// An answer to a request of the stack.
    fn reply(&mut self, script: &mut Octets<'_>) {
        let requests: Vec<Request> = self
            .sent
            .iter()
            .filter_map(|message| match message {
                Message::Request(request) => Some(request.clone()),
                Message::Response(_) => None,
            })
            .rev()
            .collect();
        let Some(request) = requests.get(usize::from(script.next().unwrap_or(0)) % requests.len().max(1)) else { return };
        let Some(code) = StatusCode::new(script.pick(&CODES)) else { return };
        let mut response = request.response(code);
        let how = script.next().unwrap_or(0);
        if let Ok(to) = request.headers.to() {
            response.headers.set(HeaderName::TO, if to.tag().is_none() { to.with_tag(&format!("f{}", how % 3)) } else { to });
        }
        if how & 4 == 0 {
            response.headers.push(HeaderName::CONTACT, "<sip:far@10.0.0.9:5060>");
        }
        if how & 8 == 0 {
            response.headers.push(HeaderName::CONTENT_TYPE, "application/sdp");
            response.body = SDP.into();
        }
        extras(&mut response.headers, how >> 6, script);
        self.datagram(response.to_bytes(), script);
    }

    /// A request of a far end: of the dialog of some message that the stack has sent, or out of the blue.
    fn request(&mut self, script: &mut Octets<'_>) {
        let Ok(method) = script.pick(&REQUESTS).parse::<sip_wire::Method>() else { return };
        let how = script.next().unwrap_or(0);
        let Ok(uri) = "sip:100@10.0.0.1:5060".parse() else { return };
        let mut request = Request::new(method.clone(), uri);
        self.branches += u32::from(how & 1 == 0);
        let headers = &mut request.headers;
        headers.push(HeaderName::VIA, format!("SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKs{}", self.branches));
        headers.push(HeaderName::MAX_FORWARDS, 70);
        let of = if self.sent.is_empty() || how & 2 != 0 { None } else { Some(script.pick(&self.sent)) };
        match of {
            Some(message) => address_like(headers, &message),
            None => {
                headers.push(HeaderName::FROM, format!("<sip:far@10.0.0.9>;tag=t{}", how % 3));
                headers.push(HeaderName::TO, "<sip:100@10.0.0.1>");
                headers.push(HeaderName::CALL_ID, format!("s{}@10.0.0.9", how >> 4));
            }
        }
        headers.push(HeaderName::CSEQ, format!("{} {method}", if how & 4 == 0 { self.branches } else { 1 }));
        headers.push(HeaderName::CONTACT, "<sip:far@10.0.0.9:5060>");
        extras(headers, how >> 6, script);
        if how & 8 == 0 {
            headers.push(HeaderName::CONTENT_TYPE, "application/sdp");
            request.body = SDP.into();
        }
        self.datagram(request.to_bytes(), script);
    }

    /// What the stack has sent comes back, one octet changed.
    fn again(&mut self, script: &mut Octets<'_>) {
        if self.sent.is_empty() {
            return;
        }
        let mut bytes = script.pick(&self.sent).to_bytes();
        let place = usize::from(script.next().unwrap_or(0)) * 3 % bytes.len();
        bytes[place] = script.next().unwrap_or(0);
        self.datagram(bytes, script);
    }

    fn a_call(&mut self, script: &mut Octets<'_>) -> CallIdentity {
        if self.calls.is_empty() { CallIdentity::from_parts(1, 1) } else { script.pick(&self.calls) }
    }

    fn command(&mut self, script: &mut Octets<'_>) {
        let which = script.next().unwrap_or(0) % 14;
        let call = self.a_call(script);
        let line = LineNumber::all().nth(usize::from(which) % 2).unwrap_or_else(|| unreachable!("six lines"));
        let key = SubscriptionKey { line, event: script.pick(&["dialog", "message-summary"]).into(), resource: String::new() };
        let command = match which {
            0 | 1 => {
                let call = CallIdentity::from_parts(2, self.calls.len() as u128 + 1);
                self.calls.push(call);
                let target = script.pick(&["200", "sip:200@10.0.0.9", "sip:200@host.invalid", "", "tel:+1"]).to_owned();
                Command::Dial { call, line, target, appearance: None }
            }
            2 => Command::Ring(call),
            3 => Command::Answer(call),
            4 => Command::Reject(call, script.pick(&[486, 603, 0, 700])),
            5 => Command::Forward { call, to: "300".into(), why: Diverted::Busy },
            6 => Command::Hangup(call),
            7 => Command::SendDigits(call, vec![RelayedDigit { digit: '1', duration_ms: 100 }; 3]),
            8 => Command::Hold(call),
            9 => Command::Resume(call),
            10 => Command::Register(line),
            11 => Command::Subscribe { key, wish: SubscriptionWish::default(), body: None },
            12 => Command::Unsubscribe(key),
            _ => Command::Stop,
        };
        self.give(Input::Command(command, Correlation::default()));
    }

    /// Time goes by, timer by timer; a script of a few octets may not ask for all timers of a year.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100 {
            let Some(at) = self.deadline.filter(|at| *at <= end) else { break };
            self.now = at;
            self.give(Input::Timeout);
        }
        self.now = end;
        self.give(Input::Timeout);
    }

    fn driver(&mut self, script: &mut Octets<'_>) {
        let (flow, remote) = (self.flow(script), Stage::remote(script));
        let input = match script.next().unwrap_or(0) % 5 {
            0 => Input::FlowDown { flow, reason: "gone".into() },
            1 => Input::Unreachable { flow, remote },
            2 => Input::Refused { flow, remote },
            3 => Input::Resolved { query: self.queries.pop().unwrap_or(QueryId(1)), targets: Ok(vec![remote]) },
            _ => Input::Resolved { query: self.queries.pop().unwrap_or(QueryId(1)), targets: Err("no such name".into()) },
        };
        self.give(input);
    }

    fn stream(&mut self, script: &mut Octets<'_>) {
        let (flow, remote) = (self.flow(script), Stage::remote(script));
        let input = match script.next().unwrap_or(0) % 4 {
            0 => Input::StreamUp { flow, remote, accepted: false },
            1 => Input::StreamUp { flow, remote, accepted: true },
            2 => Input::StreamBytes { flow, remote, bytes: script.piece().to_vec() },
            _ => Input::StreamDown { flow, remote },
        };
        self.give(input);
    }

    fn media(&mut self, script: &mut Octets<'_>) {
        let Some((call, generation)) = self.wishes.pop() else { return };
        let result = match script.next().unwrap_or(0) % 4 {
            0 => Err(MediaRefusal::Failed("gone".into())),
            1 => Err(MediaRefusal::PortTaken(16000)),
            _ => Ok(()),
        };
        self.give(Input::MediaReady { call, generation, result });
    }

    /// A snapshot can be taken at any moment, and is good enough to go on with.
    fn restart(&mut self) {
        let (stack, start) = Stack::new(self.now, [8; 32], Some(&self.stack.snapshot()));
        assert_eq!(start, Start::Restored);
        self.stack = stack;
        self.flows.clear();
        self.give(Input::Timeout);
    }

    fn end(&mut self) {
        for _ in 0..2 {
            let left: Vec<CallIdentity> = self.stack.calls().into_iter().map(|view| view.call).collect();
            for call in left {
                self.give(Input::Command(Command::Hangup(call), Correlation::default()));
            }
            self.pass(Duration::from_secs(70));
        }
        assert!(self.stack.calls().is_empty(), "a call that cannot be hung up");
        self.give(Input::Command(Command::Stop, Correlation::default()));
        for _ in 0..4 {
            self.pass(Duration::from_secs(50));
        }
        let load = self.stack.load();
        assert_eq!((load.calls, load.call_timers), (0, 0), "{load:?}");
    }
}

/// From the far end, in the same dialog: what the message says of it, turned round where the stack had asked.
fn address_like(headers: &mut Headers, message: &Message) {
    let theirs = message.headers();
    let (Ok(from), Ok(to)) = (theirs.from(), theirs.to()) else { return };
    let (from, to): (NameAddr, NameAddr) = match message {
        Message::Request(_) => (to, from),
        Message::Response(_) => (from, to),
    };
    headers.push(HeaderName::FROM, if from.tag().is_none() { from.with_tag("f0") } else { from });
    headers.push(HeaderName::TO, to);
    headers.push(HeaderName::CALL_ID, theirs.call_id().unwrap_or("none"));
}

fn extras(headers: &mut Headers, count: u8, script: &mut Octets<'_>) {
    for _ in 0..count {
        headers.push(script.pick(&EXTRA), script.pick(&VALUES));
    }
}
