//! A stack with a driver around it: sockets, names and media that answer as a story wants them to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use agreements::{CallIdentity, Tick};
use sip_stack::{CallMedia, EndedBy, Event, FlowId, Input, MediaRefusal, Output, Stack, Start, Transport};

/// What media answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaMode {
    /// It is so.
    Ready,
    /// Nothing until [`super::Net::media_answers`].
    Silent,
    /// These ports are taken.
    Taken(Vec<u16>),
    /// There is no media.
    Failed,
}

/// A stack with a driver around it.
pub struct Node {
    /// The stack.
    pub stack: Stack,
    /// Where its first line is.
    pub ip: SocketAddr,
    /// What it has told.
    pub events: Vec<Event>,
    /// The newest wish for each call's media.
    pub media: BTreeMap<CallIdentity, CallMedia>,
    /// All of them.
    pub wishes: Vec<CallMedia>,
    /// How media answers.
    pub mode: MediaMode,
    /// What names resolve to; all others do not exist.
    pub names: BTreeMap<String, Vec<SocketAddr>>,
    /// What it wanted resolved: host, port, SRV.
    pub asked: Vec<(String, Option<u16>, Option<String>)>,
    /// Its sockets.
    pub flows: BTreeMap<FlowId, SocketAddr>,
    /// Those of them that listen for TCP.
    pub listening: BTreeSet<FlowId>,
    /// TCP connections that are open: by socket and other end.
    pub connections: BTreeSet<(FlowId, SocketAddr)>,
    /// Those that the stack has closed.
    pub closed: Vec<SocketAddr>,
    /// Those that it asked for, also in vain.
    pub opened: Vec<FlowId>,
    /// The last snapshot that the stack wanted written.
    pub kept: Option<Vec<u8>>,
    /// The marks of its sockets, and what became of each of them (DSCP_SIP_n).
    pub marks: BTreeMap<FlowId, Vec<u8>>,
    /// Sockets cannot be had.
    pub no_sockets: bool,
    /// Names are never answered.
    pub deaf: bool,
    pub(super) deadline: Option<Tick>,
    pub(super) due: VecDeque<Input>,
}

impl Node {
    pub(super) fn new(stack: Stack, ip: SocketAddr) -> Node {
        Node {
            stack,
            ip,
            events: Vec::new(),
            media: BTreeMap::new(),
            wishes: Vec::new(),
            mode: MediaMode::Ready,
            names: BTreeMap::new(),
            asked: Vec::new(),
            flows: BTreeMap::new(),
            listening: BTreeSet::new(),
            connections: BTreeSet::new(),
            closed: Vec::new(),
            opened: Vec::new(),
            kept: None,
            marks: BTreeMap::new(),
            no_sockets: false,
            deaf: false,
            deadline: None,
            due: VecDeque::new(),
        }
    }

    /// Another stack in the place of this one, with what was kept; its sockets are its own to open again.
    pub(super) fn restart(&mut self, now: Tick, seed: [u8; 32]) -> Start {
        let (stack, start) = Stack::new(now, seed, self.kept.as_deref());
        self.stack = stack;
        self.flows.clear();
        self.listening.clear();
        self.connections.clear();
        self.opened.clear();
        self.events.clear();
        self.wishes.clear();
        start
    }

    /// Does what the stack wants of its driver; the net itself transmits and waits.
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::OpenFlow { flow, local, transport, dscp, .. } => {
                self.marks.insert(flow, vec![dscp]);
                if transport == Transport::Tcp {
                    self.listening.insert(flow);
                }
                self.open(flow, local);
            }
            Output::CloseFlow { flow } => {
                self.flows.remove(&flow);
                self.listening.remove(&flow);
                self.connections.retain(|(of, _)| *of != flow);
            }
            Output::MarkFlow { flow, dscp } => self.marks.entry(flow).or_default().push(dscp),
            Output::CloseStream { flow, remote } => {
                self.connections.remove(&(flow, remote));
                self.closed.push(remote);
            }
            Output::Resolve { query, host, port, srv, .. } => {
                self.asked.push((host.clone(), port, srv));
                let targets = self.names.get(&host).cloned().ok_or_else(|| "no such name".to_owned());
                if !self.deaf {
                    self.due.push_back(Input::Resolved { query, targets });
                }
            }
            Output::MediaDesired(wish) => self.desire(wish),
            Output::Event(event) => self.events.push(event),
            Output::SnapshotDirty => self.kept = Some(self.stack.snapshot()),
            Output::Transmit { .. } | Output::Wait(_) => unreachable!("the net does these"),
        }
    }

    fn open(&mut self, flow: FlowId, local: SocketAddr) {
        self.opened.push(flow);
        if self.no_sockets {
            self.due.push_back(Input::FlowDown { flow, reason: "address in use".into() });
        } else {
            self.flows.insert(flow, local);
            self.due.push_back(Input::FlowUp { flow, local });
        }
    }

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

    /// Which of its sockets takes a packet. UDP and TCP may have the same address: bytes of a connection that is there are TCP's.
    pub(super) fn hears(&self, from: SocketAddr, to: SocketAddr) -> Option<FlowId> {
        let there: Vec<FlowId> = self.flows.iter().filter(|(_, local)| **local == to).map(|(flow, _)| *flow).collect();
        let connected = there.iter().find(|flow| self.connections.contains(&(**flow, from)));
        let udp = || there.iter().find(|flow| !self.listening.contains(flow));
        connected.or_else(udp).or(there.first()).copied()
    }

    /// A connection over which bytes go or come is there from then on.
    pub(super) fn connect(&mut self, flow: FlowId, remote: SocketAddr, accepted: bool) {
        if self.connections.insert((flow, remote)) {
            self.due.push_back(Input::StreamUp { flow, remote, accepted });
        }
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

    /// A call has come in.
    pub fn has_incoming(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Incoming { .. }))
    }

    /// A call has been answered, by whomever.
    pub fn has_established(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Established { .. }))
    }

    /// Code and reason of the last end.
    pub fn ended(&self) -> Option<(u16, String, EndedBy)> {
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
