//! The virtual net: stacks and scripted peers at addresses, packets with delay, loss and duplication, and a clock that jumps to
//! whatever comes next. Nothing here waits, and the same seed is the same story; an hour of timers takes milliseconds. It knows
//! what a driver of the stack does and no SIP beyond the titles of messages, so that it cannot mend what it carries.
//!
//! A story that cannot go on panics, as a test does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "the code of tests")]

mod node;
pub mod peer;
mod proxy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, Correlation, LineNumber, Tick};
use sip_stack::{CallView, Command, FlowId, Input, LineState, MediaRefusal, Output, Stack, StackSettings, Start};
use sip_wire::{Message, parse_datagram};

pub use node::{MediaMode, Node};
pub use proxy::Proxy;

/// When every story begins.
const BEGINNING: Tick = Tick(1_000_000_000);

/// What the wire does to packets.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Of 100 packets, how many vanish.
    pub loss: u64,
    /// Of 100 packets, how many come twice.
    pub twice: u64,
    /// Milliseconds on the way, from..=to: more than one apart reorders.
    pub delay: (u64, u64),
}

/// Every packet comes once, after a millisecond.
pub const PERFECT: Faults = Faults { loss: 0, twice: 0, delay: (1, 1) };

/// One datagram that was sent, whether or not it arrived.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Tick,
    /// By whom.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

impl Sent {
    /// "INVITE", or "200 INVITE"; the first line of what cannot be read.
    pub fn title(&self) -> String {
        parse_datagram(&self.bytes).map_or_else(|_| first_line(&self.bytes), |message| title(&message))
    }
}

/// "INVITE", or "200 INVITE".
pub fn title(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            format!("{} {}", response.status.code(), response.headers.cseq().unwrap().method)
        }
    }
}

/// Stacks, scripted peers and the wire between them.
pub struct Net {
    /// The clock.
    pub now: Tick,
    /// The stacks, by the numbers that [`Net::stack`] gave.
    pub nodes: Vec<Node>,
    /// The largest piece of a TCP stream that travels at once.
    pub segment: usize,
    /// Where nobody listens for TCP.
    pub refusing: BTreeSet<SocketAddr>,
    /// Who is cut off: nothing reaches him, and nothing of his arrives.
    pub dead: BTreeSet<SocketAddr>,
    /// What the wire does from now on.
    pub faults: Faults,
    /// Everything that was sent.
    pub log: Vec<Sent>,
    /// Who answers by himself, by address.
    pub proxies: BTreeMap<SocketAddr, Proxy>,
    /// What scripted peers got, by address.
    inboxes: BTreeMap<SocketAddr, VecDeque<(SocketAddr, Vec<u8>)>>,
    wire: BTreeMap<(Tick, u64), Sent>,
    dice: u64,
    packets: u64,
    calls: u64,
}

impl Default for Net {
    fn default() -> Net {
        Net::new()
    }
}

impl Net {
    /// Empty, with a perfect wire.
    pub fn new() -> Net {
        Net {
            now: BEGINNING,
            nodes: Vec::new(),
            segment: usize::MAX,
            refusing: BTreeSet::new(),
            dead: BTreeSet::new(),
            faults: PERFECT,
            log: Vec::new(),
            proxies: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            wire: BTreeMap::new(),
            dice: 1,
            packets: 0,
            calls: 0,
        }
    }

    /// Empty, with these faults, thrown from this seed.
    pub fn with_faults(seed: u64, faults: Faults) -> Net {
        Net { dice: seed | 1, faults, ..Net::new() }
    }

    /// A stack at the address of its first line, with these settings; its number.
    pub fn stack(&mut self, settings: StackSettings) -> usize {
        self.add(settings, |_| {})
    }

    /// As [`Net::stack`], of a unit that has just been switched on.
    pub fn switched_on(&mut self, settings: StackSettings) -> usize {
        self.add(settings, Stack::switched_on)
    }

    fn add(&mut self, settings: StackSettings, prepare: impl FnOnce(&mut Stack)) -> usize {
        let ip = SocketAddr::new(settings.addresses[0], settings.lines[0].source_port);
        let number = self.nodes.len();
        // The number alone sets two of them apart: the dice have moved on between them, and could meet again.
        let mut seed = [self.dice.to_le_bytes()[0]; 32];
        seed[0] = u8::try_from(number + 1).unwrap();
        let (mut stack, start) = Stack::new(self.now, seed, None);
        assert_eq!(start, Start::Cold);
        prepare(&mut stack);
        self.nodes.push(Node::new(stack, ip));
        self.input(number, Input::Settings(Box::new(settings)));
        number
    }

    /// A scripted peer's address.
    pub fn peer(&mut self, address: &str) -> SocketAddr {
        let address = address.parse().unwrap();
        self.inboxes.insert(address, VecDeque::new());
        address
    }

    /// A call that nobody has made yet.
    pub fn fresh_call(&mut self) -> CallIdentity {
        self.calls += 1;
        CallIdentity::from_parts(1, u128::from(self.calls))
    }

    /// Gives a stack a command.
    pub fn command(&mut self, node: usize, command: Command) {
        self.input(node, Input::Command(command, Correlation::default()));
    }

    /// Dials from line 1.
    pub fn dial(&mut self, node: usize, target: &str) -> CallIdentity {
        let call = self.fresh_call();
        self.command(node, Command::Dial { call, line: LineNumber::new(1).unwrap(), target: target.to_owned(), appearance: None });
        call
    }

    /// Feeds a stack.
    pub fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].due.push_back(input);
        self.feed(node);
    }

    /// Feeds a node and does everything it wants, until it only waits.
    fn feed(&mut self, number: usize) {
        while let Some(input) = self.nodes[number].due.pop_front() {
            self.nodes[number].stack.handle(self.now, input);
            self.drain(number);
        }
    }

    fn drain(&mut self, number: usize) {
        loop {
            match self.nodes[number].stack.poll() {
                Output::Wait(deadline) => {
                    self.nodes[number].deadline = deadline;
                    return;
                }
                Output::Transmit { flow, remote, bytes } => {
                    let from = self.nodes[number].flows[&flow];
                    if self.nodes[number].listening.contains(&flow) {
                        self.stream(number, flow, remote, &bytes);
                    } else {
                        self.send(from, remote, bytes);
                    }
                }
                output => self.nodes[number].perform(output),
            }
        }
    }

    /// Over TCP: a connection is made where there is none, unless nobody listens; then the bytes go in pieces.
    fn stream(&mut self, number: usize, flow: FlowId, remote: SocketAddr, bytes: &[u8]) {
        if self.refusing.contains(&remote) {
            return self.nodes[number].due.push_back(Input::StreamDown { flow, remote });
        }
        self.nodes[number].connect(flow, remote, false);
        let from = self.nodes[number].flows[&flow];
        for piece in bytes.chunks(self.segment.max(1)) {
            self.send(from, remote, piece.to_vec());
        }
    }

    /// The other end of a node's connection has gone.
    pub fn cut(&mut self, number: usize, remote: SocketAddr) {
        let gone: Vec<FlowId> =
            self.nodes[number].connections.iter().filter(|(_, end)| *end == remote).map(|(flow, _)| *flow).collect();
        for flow in gone {
            self.nodes[number].connections.remove(&(flow, remote));
            self.input(number, Input::StreamDown { flow, remote });
        }
    }

    /// Everything that a scripted peer has got since the last look, as bytes, oldest first.
    pub fn bytes(&mut self, peer: SocketAddr) -> Vec<Vec<u8>> {
        self.take(peer).collect()
    }

    /// Throws the wire's dice: less than `bound`.
    pub fn dice(&mut self, bound: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % bound.max(1)
    }

    /// Puts a packet on the wire.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let sent = Sent { at: self.now, from, to, bytes };
        self.log.push(sent.clone());
        let copies = if self.dice(100) < self.faults.twice { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice(100) < self.faults.loss {
                continue;
            }
            let (least, most) = self.faults.delay;
            let delay = least + self.dice(most - least + 1);
            self.packets += 1;
            self.wire.insert((self.now + Duration::from_millis(delay), self.packets), sent.clone());
        }
    }

    /// The next thing that happens, not later than `limit`; false: nothing does.
    fn step(&mut self, limit: Tick) -> bool {
        let packet = self.wire.keys().next().map(|(at, _)| *at);
        if self.wake_proxy(limit) {
            return true;
        }
        let timer = self.nodes.iter().enumerate().filter_map(|(number, node)| Some((node.deadline?, number))).min();
        match (packet, timer) {
            (Some(at), timer) if at <= limit && timer.is_none_or(|(deadline, _)| at <= deadline) => self.deliver(),
            (_, Some((at, number))) if at <= limit => {
                self.now = self.now.max(at);
                self.input(number, Input::Timeout);
            }
            _ => return false,
        }
        true
    }

    fn deliver(&mut self) {
        let Some(((at, _), sent)) = self.wire.pop_first() else { return };
        self.now = self.now.max(at);
        if self.dead.contains(&sent.to) || self.dead.contains(&sent.from) {
            return;
        }
        if let Some(inbox) = self.inboxes.get_mut(&sent.to) {
            inbox.push_back((sent.from, sent.bytes));
            return;
        }
        if let Some(proxy) = self.proxies.get_mut(&sent.to) {
            let packets = proxy.on_packet(self.now, sent.from, &sent.bytes);
            return packets.into_iter().for_each(|(to, bytes)| self.send(sent.to, to, bytes));
        }
        let target = self.nodes.iter().enumerate().find_map(|(number, node)| Some((number, node.hears(sent.from, sent.to)?)));
        if let Some((number, flow)) = target {
            let (remote, bytes) = (sent.from, sent.bytes);
            if self.nodes[number].listening.contains(&flow) {
                self.nodes[number].connect(flow, remote, true);
                self.input(number, Input::StreamBytes { flow, remote, bytes });
            } else {
                self.input(number, Input::Datagram { flow, remote, bytes });
            }
        }
    }

    /// Lets so much time go by.
    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
        self.now = limit;
    }

    /// Runs until the condition holds; a story that does not get there in two hours fails.
    pub fn run_until(&mut self, what: &str, condition: impl Fn(&Net) -> bool) {
        let limit = self.now + Duration::from_secs(7200);
        while !condition(self) {
            assert!(self.step(limit), "never: {what}\n{}", self.story());
        }
    }

    /// A moment: packets that are on their way arrive, no timers of a second and more.
    pub fn settle(&mut self) {
        self.run_for(Duration::from_millis(100));
    }

    /// What a scripted peer has got since the last look, oldest first.
    pub fn received(&mut self, peer: SocketAddr) -> Vec<Message> {
        self.take(peer).map(|bytes| parse_datagram(&bytes).unwrap()).collect()
    }

    /// As [`Net::received`], by titles.
    pub fn titles(&mut self, peer: SocketAddr) -> Vec<String> {
        self.received(peer).iter().map(title).collect()
    }

    /// As [`Net::received`], by first lines, also where the rest cannot be read.
    pub fn first_lines(&mut self, peer: SocketAddr) -> Vec<String> {
        self.take(peer).map(|bytes| first_line(&bytes)).collect()
    }

    fn take(&mut self, peer: SocketAddr) -> impl Iterator<Item = Vec<u8>> {
        self.inboxes.get_mut(&peer).expect("no scripted peer is there").drain(..).map(|(_, bytes)| bytes)
    }

    /// The state of line 1.
    pub fn line(&self, node: usize) -> LineState {
        self.nodes[node].stack.line_state(LineNumber::new(1).unwrap())
    }

    /// The calls of a stack.
    pub fn calls(&self, node: usize) -> Vec<CallView> {
        self.nodes[node].stack.calls()
    }

    /// What was sent last, for a failing story.
    pub fn story(&self) -> String {
        let lines = self.log.iter().rev().take(40).rev();
        lines.map(|sent| format!("{:>9.3} {} -> {} {}\n", seconds(sent.at), sent.from, sent.to, sent.title())).collect()
    }

    /// Answers the newest wish of a call, where media is silent.
    pub fn media_answers(&mut self, node: usize, call: CallIdentity, result: Result<(), MediaRefusal>) {
        let generation = self.nodes[node].media[&call].generation;
        self.input(node, Input::MediaReady { call, generation, result });
    }

    /// Kills a stack and starts it again from what it wanted kept.
    pub fn restart(&mut self, number: usize) -> Start {
        let seed = [u8::try_from(number + 1).unwrap(); 32];
        let start = self.nodes[number].restart(self.now, seed);
        self.drain(number);
        self.feed(number);
        start
    }

    /// Nothing is left behind: no transaction, no call, no timer of either, on any node.
    pub fn assert_quiet(&self) {
        for node in &self.nodes {
            assert_eq!(node.stack.load(), sip_stack::Load::default(), "{}\n{}", node.ip, self.story());
        }
    }
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}

/// Since the beginning of the story.
pub fn seconds(tick: Tick) -> f64 {
    tick.since(BEGINNING).as_secs_f64()
}
