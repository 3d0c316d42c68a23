//! The virtual net: stacks and scripted peers at addresses, packets with delay, loss and duplication, and a clock that jumps to
//! whatever comes next. Nothing here waits; an hour of timers takes milliseconds.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, Correlation, LineNumber, Tick};
use sip_stack::{CallMedia, CallView, Command, Event, FlowId, Input, LineState, MediaRefusal, Output, Stack, StackSettings, Start};
use sip_wire::{Message, parse_datagram};

/// What the wire does to packets.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Of 100 packets, how many vanish.
    pub loss: u64,
    /// How many come twice.
    pub twice: u64,
    /// Milliseconds on the way, from..to: more than one apart reorders.
    pub delay: (u64, u64),
}

pub const PERFECT: Faults = Faults { loss: 0, twice: 0, delay: (1, 1) };

/// What media answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaMode {
    Ready,
    /// Nothing until [`Net::media_answers`].
    Silent,
    /// These ports are taken.
    Taken(Vec<u16>),
    Failed,
}

/// A stack with a driver around it.
pub struct Node {
    pub stack: Stack,
    pub ip: SocketAddr,
    pub events: Vec<Event>,
    pub media: BTreeMap<CallIdentity, CallMedia>,
    pub wishes: Vec<CallMedia>,
    pub mode: MediaMode,
    pub names: BTreeMap<String, Vec<SocketAddr>>,
    pub asked: Vec<(String, Option<u16>, Option<String>)>,
    pub flows: BTreeMap<FlowId, SocketAddr>,
    pub opened: Vec<FlowId>,
    /// The last snapshot that the stack wanted written.
    pub kept: Option<Vec<u8>>,
    /// Sockets cannot be had.
    pub no_sockets: bool,
    /// Names are never answered.
    pub deaf: bool,
    deadline: Option<Tick>,
    due: VecDeque<Input>,
}

/// One datagram that was sent, whether or not it arrived.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Tick,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Sent {
    /// "INVITE", or "200 INVITE"; the first line of what cannot be read.
    pub fn title(&self) -> String {
        match parse_datagram(&self.bytes) {
            Ok(message) => title(&message),
            Err(_) => String::from_utf8_lossy(&self.bytes).lines().next().unwrap_or_default().to_owned(),
        }
    }
}

pub fn title(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => {
            format!("{} {}", response.status.code(), response.headers.cseq().unwrap().method)
        }
    }
}

pub struct Net {
    pub now: Tick,
    pub nodes: Vec<Node>,
    pub faults: Faults,
    pub log: Vec<Sent>,
    /// What scripted peers got, by address.
    inboxes: BTreeMap<SocketAddr, VecDeque<(SocketAddr, Vec<u8>)>>,
    wire: BTreeMap<(Tick, u64), Sent>,
    dice: u64,
    packets: u64,
    calls: u64,
}

impl Net {
    pub fn new() -> Net {
        Net {
            now: Tick(1_000_000_000),
            nodes: Vec::new(),
            faults: PERFECT,
            log: Vec::new(),
            inboxes: BTreeMap::new(),
            wire: BTreeMap::new(),
            dice: 1,
            packets: 0,
            calls: 0,
        }
    }

    pub fn with_faults(seed: u64, faults: Faults) -> Net {
        Net { dice: seed | 1, faults, ..Net::new() }
    }

    /// A stack at the address of its first line, with these settings.
    pub fn stack(&mut self, settings: StackSettings) -> usize {
        let ip = SocketAddr::new(settings.addresses[0], settings.lines[0].source_port);
        let number = self.nodes.len();
        let seed = [u8::try_from(number + 1).unwrap() ^ self.dice.to_le_bytes()[0]; 32];
        let (stack, start) = Stack::new(self.now, seed, None);
        assert_eq!(start, Start::Cold);
        self.nodes.push(Node {
            stack,
            ip,
            events: Vec::new(),
            media: BTreeMap::new(),
            wishes: Vec::new(),
            mode: MediaMode::Ready,
            names: BTreeMap::new(),
            asked: Vec::new(),
            flows: BTreeMap::new(),
            opened: Vec::new(),
            kept: None,
            no_sockets: false,
            deaf: false,
            deadline: None,
            due: VecDeque::new(),
        });
        self.input(number, Input::Settings(Box::new(settings)));
        number
    }

    /// A scripted peer's address.
    pub fn peer(&mut self, address: &str) -> SocketAddr {
        let address = address.parse().unwrap();
        self.inboxes.insert(address, VecDeque::new());
        address
    }

    pub fn fresh_call(&mut self) -> CallIdentity {
        self.calls += 1;
        CallIdentity::from_parts(1, u128::from(self.calls))
    }

    pub fn command(&mut self, node: usize, command: Command) {
        self.input(node, Input::Command(command, Correlation::default()));
    }

    pub fn dial(&mut self, node: usize, target: &str) -> CallIdentity {
        let call = self.fresh_call();
        self.command(node, Command::Dial { call, line: LineNumber::new(1).unwrap(), target: target.to_owned() });
        call
    }

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
            let output = self.nodes[number].stack.poll();
            if !self.perform(number, output) {
                return;
            }
        }
    }

    fn perform(&mut self, number: usize, output: Output) -> bool {
        let node = &mut self.nodes[number];
        match output {
            Output::Wait(deadline) => {
                node.deadline = deadline;
                return false;
            }
            Output::Transmit { flow, remote, bytes } => {
                let from = node.flows[&flow];
                self.send(from, remote, bytes);
            }
            Output::OpenFlow { flow, local, .. } => {
                node.opened.push(flow);
                if node.no_sockets {
                    node.due.push_back(Input::FlowDown { flow, reason: "address in use".into() });
                } else {
                    node.flows.insert(flow, local);
                    node.due.push_back(Input::FlowUp { flow, local });
                }
            }
            Output::CloseFlow { flow } => {
                node.flows.remove(&flow);
            }
            Output::Resolve { query, host, port, srv } => {
                node.asked.push((host.clone(), port, srv));
                let targets = node.names.get(&host).cloned().ok_or_else(|| "no such name".to_owned());
                if !node.deaf {
                    node.due.push_back(Input::Resolved { query, targets });
                }
            }
            Output::MediaDesired(wish) => node.desire(wish),
            Output::Event(event) => node.events.push(event),
            Output::SnapshotDirty => node.kept = Some(node.stack.snapshot()),
        }
        true
    }

    /// Throws the wire's dice.
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
        if let Some(inbox) = self.inboxes.get_mut(&sent.to) {
            inbox.push_back((sent.from, sent.bytes));
            return;
        }
        let target = self.nodes.iter().enumerate().find_map(|(number, node)| {
            let flow = node.flows.iter().find(|(_, local)| **local == sent.to)?;
            Some((number, *flow.0))
        });
        if let Some((number, flow)) = target {
            self.input(number, Input::Datagram { flow, remote: sent.from, bytes: sent.bytes });
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
        self.now = limit;
    }

    /// Runs until the condition holds; a story that never gets there fails.
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

    /// What a scripted peer has got, oldest first.
    pub fn received(&mut self, peer: SocketAddr) -> Vec<Message> {
        let inbox = self.inboxes.get_mut(&peer).unwrap();
        inbox.drain(..).map(|(_, bytes)| parse_datagram(&bytes).unwrap()).collect()
    }

    /// First lines of what a scripted peer has got, also where the rest cannot be read.
    pub fn first_lines(&mut self, peer: SocketAddr) -> Vec<String> {
        let inbox = self.inboxes.get_mut(&peer).unwrap();
        inbox.drain(..).map(|(_, bytes)| String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// As [`Net::received`], by titles.
    pub fn titles(&mut self, peer: SocketAddr) -> Vec<String> {
        self.received(peer).iter().map(title).collect()
    }

    pub fn line(&self, node: usize) -> LineState {
        self.nodes[node].stack.line_state(LineNumber::new(1).unwrap())
    }

    pub fn calls(&self, node: usize) -> Vec<CallView> {
        self.nodes[node].stack.calls()
    }

    /// Everything that was sent, for a failing story.
    pub fn story(&self) -> String {
        let lines = self.log.iter().rev().take(40).rev();
        lines.map(|sent| format!("{:>9.3} {} -> {} {}\n", seconds(sent.at), sent.from, sent.to, sent.title())).collect()
    }

    /// Answers the newest wish of a call, where media is silent.
    pub fn media_answers(&mut self, node: usize, call: CallIdentity, result: Result<(), MediaRefusal>) {
        let generation = self.nodes[node].media[&call].generation;
        self.input(node, Input::MediaReady { call, generation, result });
    }

    /// Kills a stack and starts it again from what it wanted kept; sockets stay.
    pub fn restart(&mut self, number: usize) -> Start {
        let kept = self.nodes[number].kept.clone();
        let seed = [u8::try_from(number + 1).unwrap(); 32];
        let (stack, start) = Stack::new(self.now, seed, kept.as_deref());
        let node = &mut self.nodes[number];
        node.stack = stack;
        node.flows.clear();
        node.opened.clear();
        node.events.clear();
        node.wishes.clear();
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

impl Node {
    fn desire(&mut self, wish: CallMedia) {
        let taken: Option<u16> = match &self.mode {
            MediaMode::Taken(ports) => wish.legs.iter().map(|leg| leg.local.port()).find(|port| ports.contains(port)),
            MediaMode::Ready | MediaMode::Silent | MediaMode::Failed => None,
        };
        let result = match (&self.mode, taken) {
            (_, Some(port)) => Some(Err(MediaRefusal::PortTaken(port))),
            (MediaMode::Failed, None) => Some(Err(MediaRefusal::Failed("no media-engine".into()))),
            (MediaMode::Silent, None) => None,
            (MediaMode::Ready | MediaMode::Taken(_), None) => Some(Ok(())),
        };
        if let Some(result) = result {
            self.due.push_back(Input::MediaReady { call: wish.call, generation: wish.generation, result });
        }
        self.media.insert(wish.call, wish.clone());
        self.wishes.push(wish);
    }

    /// The events of a kind that `pick` picks.
    pub fn events<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(pick).collect()
    }

    /// The call that came in last.
    pub fn incoming(&self) -> CallIdentity {
        let picked = self.events(|event| match event {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        });
        *picked.last().expect("no call came in")
    }

    pub fn has_incoming(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Incoming { .. }))
    }

    pub fn has_established(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Established { .. }))
    }

    /// Code and reason of the last end.
    pub fn ended(&self) -> Option<(u16, String, sip_stack::EndedBy)> {
        let picked = self.events(|event| match event {
            Event::Ended { code, reason, by, .. } => Some((*code, reason.clone(), *by)),
            _ => None,
        });
        picked.last().cloned()
    }

    /// The last hold change: by us, by them.
    pub fn hold(&self) -> Option<(bool, bool)> {
        let picked = self.events(|event| match event {
            Event::HoldChanged { local, remote, .. } => Some((*local, *remote)),
            _ => None,
        });
        picked.last().copied()
    }
}

pub fn seconds(tick: Tick) -> f64 {
    tick.since(Tick(1_000_000_000)).as_secs_f64()
}
