//! Two stacks, mouth to ear: what one sends the other gets at once; and a registrar of a few lines. The clock jumps.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, Correlation, LineNumber, Tick};
use sip_stack::{Command, Event, FlowId, Input, Output, Stack, StackSettings};
use sip_wire::{HeaderName, Message, Request, StatusCode, parse_datagram};

use crate::given::{direct, settings};

/// INVITE, 100, 180, 200, ACK, BYE, 200.
pub const CALL_MESSAGES: u32 = 7;
/// What is over is forgotten by then (timers D, H, J: 32 s).
const FORGOTTEN: Duration = Duration::from_secs(40);
/// Requests of one source before the clock jumps: fewer than it may have open.
const AT_A_TIME: u32 = 100;

struct Phone {
    stack: Stack,
    address: SocketAddr,
    flow: FlowId,
    incoming: Option<CallIdentity>,
}

/// See the file.
pub struct Pair {
    phones: [Phone; 2],
    now: Tick,
    due: VecDeque<(usize, Input)>,
    /// What goes to nobody here.
    sent: Vec<Vec<u8>>,
    calls: u64,
    requests: u32,
}

impl Pair {
    /// Both are registered, or need not be.
    pub fn new() -> Pair {
        let one = phone("10.0.0.1:5060", settings("10.0.0.1", "100", Some("10.0.0.2:5060")));
        let two = phone("10.0.0.2:5060", direct("10.0.0.2", "200", "10.0.0.1:5060"));
        let mut pair =
            Pair { phones: [one, two], now: Tick(1_000_000_000), due: VecDeque::new(), sent: Vec::new(), calls: 0, requests: 0 };
        pair.drain(0);
        pair.drain(1);
        pair.run();
        pair
    }

    fn give(&mut self, phone: usize, input: Input) {
        self.due.push_back((phone, input));
        self.run();
    }

    fn command(&mut self, phone: usize, command: Command) {
        self.give(phone, Input::Command(command, Correlation::default()));
    }

    fn run(&mut self) {
        while let Some((phone, input)) = self.due.pop_front() {
            self.phones[phone].stack.handle(self.now, input);
            self.drain(phone);
        }
    }

    fn drain(&mut self, phone: usize) {
        loop {
            match self.phones[phone].stack.poll() {
                Output::Wait(_) => return,
                Output::Transmit { bytes, .. } => self.transmit(phone, bytes),
                Output::OpenFlow { flow, local, .. } => {
                    self.phones[phone].flow = flow;
                    self.due.push_back((phone, Input::FlowUp { flow, local }));
                }
                Output::MediaDesired(wish) => {
                    let (call, generation) = (wish.call, wish.generation);
                    self.due.push_back((phone, Input::MediaReady { call, generation, result: Ok(()) }));
                }
                Output::Event(Event::Incoming { call, .. }) => self.phones[phone].incoming = Some(call),
                _ => {}
            }
        }
    }

    fn transmit(&mut self, phone: usize, bytes: Vec<u8>) {
        let (from, to) = (self.phones[phone].address, 1 - phone);
        if bytes.starts_with(b"REGISTER") {
            let answer = registered(&bytes);
            return self.due.push_back((phone, self.datagram(phone, self.phones[to].address, answer)));
        }
        let ours = bytes.starts_with(b"SIP/2.0") && self.requests > 0;
        if ours || self.sent.capacity() > 0 {
            return self.sent.push(bytes);
        }
        self.due.push_back((to, self.datagram(to, from, bytes)));
    }

    fn datagram(&self, to: usize, remote: SocketAddr, bytes: Vec<u8>) -> Input {
        Input::Datagram { flow: self.phones[to].flow, remote, bytes }
    }

    /// The clock jumps, and everything that waited for it is done.
    fn jump(&mut self, time: Duration) {
        self.now = self.now + time;
        (0..2).for_each(|phone| self.give(phone, Input::Timeout));
    }

    /// The stack's INVITE, as it leaves.
    pub fn invite(mut self) -> Vec<u8> {
        self.sent.reserve(1);
        self.dial();
        self.sent.pop().expect("an INVITE")
    }

    fn dial(&mut self) -> CallIdentity {
        self.calls += 1;
        let call = CallIdentity::from_parts(1, self.calls.into());
        self.command(0, Command::Dial { call, line: LineNumber::new(1).unwrap(), target: "200".to_owned(), appearance: None });
        call
    }

    /// A whole call, from the first digit until everything is forgotten.
    pub fn call(&mut self) {
        let ours = self.dial();
        let theirs = self.phones[1].incoming.take().expect("it rings");
        self.command(1, Command::Ring(theirs));
        self.command(1, Command::Answer(theirs));
        self.command(0, Command::Hangup(ours));
        assert!(self.phones.iter().all(|phone| phone.stack.calls().is_empty()));
        self.jump(FORGOTTEN);
    }

    /// REGISTER, as if somebody had asked for it.
    pub fn register(&mut self) {
        self.command(0, Command::Register(LineNumber::new(1).unwrap()));
        self.jump(FORGOTTEN);
    }

    /// A stranger's OPTIONS, and the stack's answer.
    pub fn options(&mut self) {
        self.requests += 1;
        let request = format!(
            "OPTIONS sip:200@10.0.0.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
             From: <sip:8@10.0.0.8>;tag=f\r\nTo: <sip:200@10.0.0.2>\r\nCall-ID: o{}@10.0.0.8\r\nCSeq: 1 OPTIONS\r\n\
             Accept: application/sdp\r\nContent-Length: 0\r\n\r\n",
            self.requests, self.requests
        );
        let input = self.datagram(1, "10.0.0.8:5060".parse().unwrap(), request.into_bytes());
        self.give(1, input);
        assert!(self.sent.pop().is_some_and(|answer| answer.starts_with(b"SIP/2.0 200")));
        if self.requests.is_multiple_of(AT_A_TIME) {
            self.jump(FORGOTTEN);
        }
    }
}

fn phone(address: &str, settings: StackSettings) -> Phone {
    let now = Tick(1_000_000_000);
    let (mut stack, _) = Stack::new(now, [address.len() as u8; 32], None);
    stack.handle(now, Input::Settings(Box::new(settings)));
    Phone { stack, address: address.parse().unwrap(), flow: FlowId(0), incoming: None }
}

/// What a registrar says.
fn registered(bytes: &[u8]) -> Vec<u8> {
    let Ok(Message::Request(request)) = parse_datagram(bytes) else { panic!("a REGISTER") };
    let mut response = ok(&request);
    response.headers.copy(HeaderName::CONTACT, &request.headers);
    response.headers.push(HeaderName::EXPIRES, 3600);
    response.to_bytes()
}

fn ok(request: &Request) -> sip_wire::Response {
    let mut response = request.response(StatusCode::OK);
    let to = request.headers.to().unwrap();
    response.headers.set(HeaderName::TO, to.with_tag("r"));
    response
}
