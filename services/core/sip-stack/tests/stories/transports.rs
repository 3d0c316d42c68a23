//! The same stories over UDP and TCP (RFC 3261 18; B325): what is said is the same, and over TCP it goes over one connection.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::CallIdentity;
use sip_stack::{
    CallStage, Command, EndedBy, Event, Input, LineSettings, LineState, RefreshMethod, RelayedDigit, SessionSettings,
    StackSettings, Transport,
};
use sip_wire::{Message, Request, Response};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, requests, with_sdp};

use crate::given::{direct, over, settings};

pub const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// Two phones with 100rel and short sessions that are refreshed by UPDATE.
fn pair(transport: Transport, segment: usize) -> Net {
    let mut net = Net::new();
    net.segment = segment;
    for (own, user, other) in [("10.0.0.1", "100", "10.0.0.2:5060"), ("10.0.0.2", "200", "10.0.0.1:5060")] {
        let mut given = over(transport, direct(own, user, other));
        let sessions = &mut given.lines[0].sessions;
        *sessions = SessionSettings { expires: 90, reliable: true, method: RefreshMethod::Update, ..Default::default() };
        net.stack(given);
    }
    net
}

/// Rings reliably (PRACK) and is answered.
fn talking(net: &mut Net) -> [CallIdentity; 2] {
    let ours = net.dial(0, "200");
    net.settle();
    let theirs = net.nodes[1].incoming();
    for command in [Command::Ring(theirs), Command::Answer(theirs)] {
        net.command(1, command);
        net.settle();
    }
    assert!(net.nodes.iter().all(|node| node.has_established()), "{}", net.story());
    [ours, theirs]
}

/// A refresh (UPDATE), digits (INFO), hold and the end.
fn whole_call(transport: Transport, segment: usize) -> Net {
    let mut net = pair(transport, segment);
    let [ours, theirs] = talking(&mut net);
    net.run_for(Duration::from_secs(46));
    let digits = "5#".chars().map(|digit| RelayedDigit { digit, duration_ms: 180 }).collect();
    net.command(0, Command::SendDigits(ours, digits));
    net.settle();
    net.command(1, Command::Hold(theirs));
    net.settle();
    assert_eq!(net.nodes[0].hold(), Some((false, true)), "{segment}");
    if transport == Transport::Tcp {
        assert!(net.nodes.iter().all(|node| node.connections.len() == 1), "one connection for everything");
    }
    net.command(0, Command::Hangup(ours));
    net.settle();
    assert_eq!(net.nodes[1].ended().unwrap().2, EndedBy::Remote);
    net.run_for(Duration::from_secs(110));
    net.assert_quiet();
    net
}

/// RFC 3262, 3311, 4028, 6086.
#[test]
fn a_call_with_prack_update_and_info_is_the_same_over_both() {
    let [udp, tcp] = BOTH.map(|transport| whole_call(transport, usize::MAX));
    let titles = |net: &Net| net.log.iter().map(|sent| sent.title()).collect::<Vec<_>>();
    assert_eq!(titles(&udp), titles(&tcp));
    for (method, times) in [("PRACK", 1), ("UPDATE", 1), ("INFO", 2), ("INVITE", 2), ("ACK", 2), ("BYE", 1)] {
        assert_eq!(titles(&tcp).iter().filter(|title| *title == method).count(), times, "{method}");
    }
    let vias = tcp.log.iter().filter_map(|sent| match sip_wire::parse_datagram(&sent.bytes) {
        Ok(Message::Request(request)) => Some(request.headers.top_via().unwrap().transport.as_str().to_owned()),
        Ok(Message::Response(_)) | Err(_) => None,
    });
    assert!(vias.into_iter().all(|transport| transport == "TCP"));
}

#[test]
fn such_a_call_goes_through_whatever_the_pieces_of_the_stream_are() {
    for segment in [1, 7, 61, 1460] {
        whole_call(Transport::Tcp, segment);
    }
}

/// Whoever speaks next makes another connection; nobody hears of it.
#[test]
fn a_call_whose_connection_breaks_goes_on_over_another() {
    for who in [0, 1] {
        let mut net = pair(Transport::Tcp, usize::MAX);
        let calls = talking(&mut net);
        net.cut(0, "10.0.0.2:5060".parse().unwrap());
        net.cut(1, "10.0.0.1:5060".parse().unwrap());
        net.run_for(Duration::from_secs(200));
        assert!((0..2).all(|node| net.calls(node)[0].stage == CallStage::Talking), "refreshed four times: {}", net.story());
        net.command(who, Command::Hangup(calls[who]));
        net.settle();
        assert_eq!(net.nodes[1 - who].ended().unwrap().2, EndedBy::Remote);
        net.run_for(Duration::from_secs(110));
        net.assert_quiet();
    }
}

/// RFC 3261 8.1.3.1: a transport that fails under a request in the call is no silence of the far end. A refresh goes again over another
/// connection, a hold has failed, and the call goes on.
#[test]
fn a_connection_that_breaks_under_a_request_does_not_end_the_call() {
    for hold in [false, true] {
        let mut net = pair(Transport::Tcp, usize::MAX);
        let [ours, _] = talking(&mut net);
        if hold {
            net.faults.loss = 100;
            net.command(0, Command::Hold(ours));
            net.faults.loss = 0;
        } else {
            net.run_for(Duration::from_millis(44_850));
            net.run_until("the refresh leaves", |net| net.log.last().is_some_and(|sent| sent.title() == "UPDATE"));
        }
        for (node, other) in [(0, "10.0.0.2:5060"), (1, "10.0.0.1:5060")] {
            net.cut(node, other.parse().unwrap());
        }
        net.run_for(Duration::from_secs(12));
        assert!((0..2).all(|node| net.calls(node)[0].stage == CallStage::Talking), "{}", net.story());
        let failed = net.nodes[0].events(|event| match event {
            Event::HoldFailed { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(failed, if hold { vec![503] } else { vec![] });
        net.run_for(Duration::from_secs(100));
        assert_eq!(net.calls(0).len(), 1, "refreshed: {}", net.story());
    }
}

const SERVER: &str = "10.0.0.9:5060";
const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\n";

/// A line that is bound at a scripted server, and has a call through it with a far end at 10.0.0.7, if wanted.
struct Bound {
    net: Net,
    server: SocketAddr,
    far: SocketAddr,
    given: StackSettings,
    invite: Option<Request>,
}

impl Bound {
    fn new(transport: Transport, in_call: bool) -> Bound {
        let mut given = over(transport, settings("10.0.0.1", "100", Some(SERVER)));
        given.lines[0].keep_alive = Duration::from_secs(15);
        let mut net = Net::new();
        let (server, far) = (net.peer(SERVER), net.peer("10.0.0.7:5060"));
        net.stack(given.clone());
        net.settle();
        let mut bound = Bound { net, server, far, given, invite: None };
        bound.grant();
        if in_call {
            bound.net.dial(0, "200");
            bound.net.settle();
            let invite = requests(&bound.net.received(server), "INVITE")[0].clone();
            bound.reply(with_sdp(at(answer(&invite, 200, "f"), far), &format!("{SDP}{PCMU}")));
            assert_eq!(bound.net.titles(far), ["ACK"]);
            bound.invite = Some(invite);
        }
        bound
    }

    fn grant(&mut self) {
        let register = requests(&self.net.received(self.server), "REGISTER")[0].clone();
        self.reply(answer(&register, 200, "r"));
        assert!(matches!(self.net.line(0), LineState::Registered { .. }));
    }

    fn reply(&mut self, response: Response) {
        self.net.send(self.server, self.net.nodes[0].ip, response.to_bytes());
        self.net.settle();
    }

    fn set(&mut self, change: impl FnOnce(&mut LineSettings)) {
        change(&mut self.given.lines[0]);
        self.net.input(0, Input::Settings(Box::new(self.given.clone())));
        self.net.settle();
    }

    /// The far end hangs up the call.
    fn hung_up(&mut self) {
        let mut caller = Caller::new(self.far, self.net.nodes[0].ip, "100");
        let invite = self.invite.take().unwrap();
        caller.call_id = invite.headers.call_id().unwrap().to_owned();
        caller.tag = "f".into();
        caller.to_tag = invite.headers.from().unwrap().tag().unwrap().to_owned();
        caller.send(&mut self.net, "BYE", "bye", "", "");
        assert_eq!(self.net.titles(self.far), ["200 BYE"]);
        assert!(self.net.calls(0).is_empty());
    }
}

/// DSCP_SIP_n at run time: the open socket gets the mark. The line stays bound, keep-alive, connections and calls go on.
#[test]
fn another_mark_is_given_to_the_open_socket_and_nothing_else_happens() {
    for (transport, in_call) in [(BOTH[0], false), (BOTH[0], true), (BOTH[1], false), (BOTH[1], true)] {
        let mut bound = Bound::new(transport, in_call);
        let connections = bound.net.nodes[0].connections.clone();
        bound.set(|line| line.dscp = 46);
        let node = &bound.net.nodes[0];
        assert_eq!((node.flows.len(), node.opened.len(), &node.connections), (1, 1, &connections));
        assert_eq!(node.marks[&node.opened[0]], [0, 46]);
        bound.net.run_for(Duration::from_secs(120));
        let got = bound.net.bytes(bound.server);
        assert!(!got.is_empty() && got.iter().all(|bytes| bytes == b"\r\n\r\n"), "{}", bound.net.story());
        if in_call {
            bound.hung_up();
        }
        bound.net.dial(0, "300");
        bound.net.settle();
        assert_eq!(bound.net.titles(bound.server), ["INVITE"]);
    }
}

/// B325: UDP and TCP have ports of their own, so that the line is bound over the other one at once; a call keeps its socket until
/// it is over.
#[test]
fn another_transport_is_there_at_once_while_a_call_goes_on_over_the_old_one() {
    for (old, new) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let mut bound = Bound::new(old, true);
        bound.set(|line| line.transport = new);
        bound.grant();
        assert_eq!(bound.net.nodes[0].flows.len(), 2);
        bound.net.run_for(Duration::from_secs(40));
        bound.hung_up();
        bound.net.run_for(Duration::from_secs(40));
        let node = &bound.net.nodes[0];
        assert_eq!((node.flows.len(), node.listening.len()), (1, usize::from(new == Transport::Tcp)));
        assert!(matches!(bound.net.line(0), LineState::Registered { .. }));
    }
}

/// B325, decision 31 (against RFC 3261 18.1.1): the line's transport carries requests of every size.
#[test]
fn a_large_request_goes_over_the_transport_of_its_line() {
    for transport in BOTH {
        let mut net = Net::new();
        let far = net.peer("10.0.0.9:5060");
        let mut given = over(transport, direct("10.0.0.1", "100", "10.0.0.9:5060"));
        given.lines[0].display_name = "x".repeat(1500);
        net.stack(given);
        net.dial(0, "200");
        net.settle();
        let got = net.bytes(far);
        assert!(got.len() == 1 && got[0].len() > 1500, "{}", got.len());
        let tcp = transport == Transport::Tcp;
        assert!(String::from_utf8_lossy(&got[0]).contains(if tcp { "SIP/2.0/TCP 10.0.0.1" } else { "SIP/2.0/UDP 10.0.0.1" }));
        assert_eq!((net.nodes[0].opened.len(), net.nodes[0].connections.len()), (1, usize::from(tcp)));
    }
}
