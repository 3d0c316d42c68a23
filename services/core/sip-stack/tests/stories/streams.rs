//! SIP over TCP (RFC 3261 18, RFC 5626 4.4.1; B213, B325): framing in any pieces, one connection for many messages, pings, and
//! connections that break or that nobody needs.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{CallStage, Command, FlowId, Input, LineState, StackSettings, Start, Transport};
use sip_wire::{Message, Request, parse_datagram};
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, requests, with_sdp};
use testbed::virtual_net::{Net, seconds};

use crate::given::{direct, over, settings};

const REGISTRAR: &str = "10.0.0.9:5060";
const SECOND: &str = "10.0.0.8:5060";

fn over_tcp(settings: StackSettings) -> StackSettings {
    over(Transport::Tcp, settings)
}

struct Lab {
    net: Net,
    registrar: SocketAddr,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(over_tcp(settings("10.0.0.1", "200", Some(REGISTRAR))))
    }

    fn with(settings: StackSettings) -> Lab {
        let mut net = Net::new();
        let registrar = net.peer(REGISTRAR);
        net.stack(settings);
        net.settle();
        Lab { net, registrar }
    }

    /// What came over the connection, as it came.
    fn bytes(&mut self) -> Vec<Vec<u8>> {
        self.net.bytes(self.registrar)
    }

    fn register(&mut self) -> Request {
        let bytes = self.bytes().concat();
        register_in(&bytes)
    }

    fn say(&mut self, bytes: &[u8]) {
        self.net.send(self.registrar, self.net.nodes[0].ip, bytes.to_vec());
        self.net.settle();
    }

    fn grant(&mut self, register: &Request) {
        self.say(&answer(register, 200, "r").to_bytes());
        assert!(self.is_registered());
    }

    fn is_registered(&self) -> bool {
        matches!(self.net.line(0), LineState::Registered { .. })
    }

    fn registered() -> Lab {
        let mut lab = Lab::new();
        let register = lab.register();
        lab.grant(&register);
        lab
    }

    fn connections(&self) -> usize {
        self.net.nodes[0].connections.len()
    }

    /// Until the registrar has got something, in seconds; none within the time.
    fn next_after(&mut self, limit: u64) -> Option<(u64, Vec<u8>)> {
        for second in 1..=limit {
            self.net.run_for(Duration::from_secs(1));
            if let Some(first) = self.bytes().into_iter().next() {
                return Some((second, first));
            }
        }
        None
    }
}

fn register_in(bytes: &[u8]) -> Request {
    match parse_datagram(bytes) {
        Ok(Message::Request(request)) if request.method.as_str() == "REGISTER" => request,
        other => panic!("{other:?}"),
    }
}

/// RFC 3261 18.1.1, 19.1.1: Via and Contact say how we are reached; nothing is sent twice.
#[test]
fn a_register_over_tcp_says_so_and_is_sent_once() {
    let mut lab = Lab::new();
    lab.net.run_for(Duration::from_secs(20));
    let register = lab.register();
    let via = register.headers.top_via().unwrap();
    assert_eq!(via.transport.as_str(), "TCP");
    assert_eq!(register.headers.get("Contact"), Some("<sip:200@10.0.0.1:5060;transport=tcp>;expires=3600"));
    lab.grant(&register);
    assert_eq!(lab.connections(), 1);
}

/// Two stacks, one call, cut into pieces of every kind of size.
#[test]
fn a_call_goes_through_whatever_the_pieces_of_the_stream_are() {
    for segment in [1, 2, 7, 61, 400, 1460] {
        let mut net = Net::new();
        net.segment = segment;
        let caller = net.stack(over_tcp(direct("10.0.0.1", "100", "10.0.0.2:5060")));
        let called = net.stack(over_tcp(direct("10.0.0.2", "200", "10.0.0.1:5060")));
        net.dial(caller, "200");
        net.settle();
        let theirs = net.nodes[called].incoming();
        net.command(called, Command::Ring(theirs));
        net.command(called, Command::Answer(theirs));
        net.settle();
        assert_eq!(net.calls(caller)[0].stage, CallStage::Talking, "{segment}");
        assert_eq!((net.nodes[caller].connections.len(), net.nodes[called].connections.len()), (1, 1), "one for everything");
        net.command(called, Command::Hangup(theirs));
        net.settle();
        assert!(net.calls(caller).is_empty() && net.calls(called).is_empty());
        net.run_for(Duration::from_secs(70));
        net.assert_quiet();
    }
}

/// RFC 3261 17, table 4: timers that only absorb repetitions are zero over TCP.
#[test]
fn nothing_is_left_behind_to_absorb_repetitions() {
    let lab = Lab::registered();
    assert_eq!(lab.net.nodes[0].stack.load().transactions, 0);
}

#[test]
fn several_messages_in_one_piece_are_all_served() {
    let mut lab = Lab::registered();
    let options = |branch: &str| {
        format!(
            "OPTIONS sip:200@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.9:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:up@10.0.0.9>;tag=1\r\nTo: <sip:200@10.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
    };
    lab.say(format!("{}\r\n\r\n{}", options("a"), options("b")).as_bytes());
    let got: Vec<String> =
        lab.bytes().iter().map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(11)]).into_owned()).collect();
    assert_eq!(got, ["SIP/2.0 200", "\r\n", "SIP/2.0 200"], "and the ping between them has its pong");
}

/// RFC 5626 4.4.1.
#[test]
fn a_server_that_answered_pings_and_does_not_any_more_loses_the_connection_and_is_met_anew() {
    let mut lab = Lab::registered();
    let (wait, ping) = lab.next_after(130).unwrap();
    assert!((95..=121).contains(&wait) && ping == b"\r\n\r\n", "{wait}");
    lab.say(b"\r\n");
    let (wait, ping) = lab.next_after(130).unwrap();
    assert!((94..=121).contains(&wait) && ping == b"\r\n\r\n", "{wait}");
    assert!(lab.net.nodes[0].closed.is_empty());
    let (wait, register) = lab.next_after(20).unwrap();
    assert!((10..=15).contains(&wait) && register.starts_with(b"REGISTER "), "{wait}");
    assert_eq!(lab.net.nodes[0].closed, [lab.registrar]);
}

/// Some servers never send a pong: their connections are left alone.
#[test]
fn a_server_that_never_answers_pings_keeps_its_connection() {
    let mut lab = Lab::registered();
    lab.net.run_for(Duration::from_secs(3000));
    let got = lab.bytes();
    assert!(got.len() > 20 && got.iter().all(|bytes| bytes == b"\r\n\r\n"));
    assert!(lab.net.nodes[0].closed.is_empty() && lab.is_registered());
}

/// RFC 5626 3.5.1, 4.4.1: a server's ping begins as a pong does. Asterisk and other users of pjproject ping every 90 seconds and
/// answer nothing; others do both. Neither connection is taken for a dead one, in whatever pieces the line ends come.
#[test]
fn a_server_that_pings_keeps_its_connection_for_hours_whether_or_not_it_answers() {
    for (answers, pieces) in [(false, 4), (false, 2), (false, 1), (true, 4), (true, 1)] {
        let mut lab = Lab::registered();
        let (mut pings, mut pongs) = (0, 0);
        for second in 1..7200 {
            lab.net.run_for(Duration::from_secs(1));
            for got in lab.bytes() {
                match got.as_slice() {
                    b"\r\n\r\n" if answers => lab.say(b"\r\n"),
                    b"\r\n\r\n" => {}
                    b"\r\n" => pongs += 1,
                    other => lab.grant(&register_in(other)),
                }
            }
            if second % 90 == 0 {
                b"\r\n\r\n".chunks(pieces).for_each(|piece| lab.say(piece));
                pings += 1;
            }
        }
        assert_eq!((pings, pongs), (79, 79), "{answers} {pieces}");
        assert!(lab.net.nodes[0].closed.is_empty() && lab.is_registered(), "{answers} {pieces}");
    }
}

/// RFC 5626 4.4.1: a server that answers each ping and says nothing else does not look as if it were pinging.
#[test]
fn a_server_that_answers_every_ping_and_says_nothing_else_keeps_its_connection() {
    let mut lab = Lab::registered();
    for _ in 0..25 {
        let (_, ping) = lab.next_after(130).unwrap();
        assert_eq!(ping, b"\r\n\r\n");
        lab.say(b"\r\n");
    }
    assert!(lab.net.nodes[0].closed.is_empty(), "{}", lab.net.story());
    let got = lab.next_after(130).and_then(|_| lab.next_after(20)).unwrap();
    assert!(got.1.starts_with(b"REGISTER "), "and the first that it does not answer is its last");
}

/// RFC 5626 4.5: at once, but not in lockstep with a fleet, and ever more slowly while connections are short-lived.
#[test]
fn a_lost_connection_is_made_anew_with_growing_waits() {
    let mut lab = Lab::registered();
    let mut waits = Vec::new();
    for _ in 0..6 {
        let before = lab.net.now;
        lab.net.cut(0, lab.registrar);
        let (_, bytes) = lab.next_after(200).unwrap();
        waits.push((seconds(lab.net.now) - seconds(before)) as u64);
        let Ok(Message::Request(register)) = parse_datagram(&bytes) else { panic!() };
        lab.grant(&register);
    }
    assert!(waits[0] <= 4 && waits[5] >= 30 && waits[5] <= 123, "{waits:?}");
}

/// RFC 5626 4.5: connections that last are no reason to come back slowly, whatever ends them (a NAT that forgets every ten
/// minutes).
#[test]
fn a_connection_that_had_lasted_is_made_anew_soon_however_many_there_were() {
    let mut lab = Lab::registered();
    for number in 0..8 {
        lab.net.run_for(Duration::from_secs(600));
        lab.bytes();
        lab.net.cut(0, lab.registrar);
        let (wait, bytes) = lab.next_after(200).unwrap();
        assert!(wait <= 4, "{number}: {wait}");
        lab.grant(&register_in(&bytes));
    }
}

/// RFC 5626 4.5: a request that was not answered, over a connection that has been silent since it left, has found a dead one. A
/// server that is known to answer pings is asked by one first; one that has said something meanwhile is there.
#[test]
fn a_connection_that_swallows_requests_is_ended_and_the_line_is_bound_over_another() {
    for (pongs, says, ends_after) in [(false, "", Some(32)), (true, "", Some(42)), (true, "pong", None), (false, "word", None)] {
        let mut lab = Lab::registered();
        if pongs {
            lab.next_after(130).unwrap();
            lab.say(b"\r\n");
        }
        lab.net.run_for(Duration::from_secs(20));
        assert_eq!(lab.bytes().len(), 0);
        lab.net.dial(0, "300");
        lab.net.run_for(Duration::from_secs(20));
        if says == "word" {
            lab.say(b"\r\n\r\n");
        }
        lab.net.run_for(Duration::from_millis(11_500));
        assert!(lab.net.nodes[0].closed.is_empty() && lab.net.calls(0).len() == 1);
        lab.bytes();
        lab.net.run_for(Duration::from_secs(1));
        assert_eq!(lab.net.nodes[0].ended().unwrap().0, 408);
        if says == "pong" {
            assert_eq!(lab.bytes(), [b"\r\n\r\n"]);
            lab.say(b"\r\n");
        }
        lab.net.run_for(Duration::from_secs(9));
        let closed = usize::from(ends_after == Some(32));
        assert_eq!(lab.net.nodes[0].closed.len(), closed, "{pongs} {says}");
        lab.net.run_for(Duration::from_secs(5));
        assert_eq!(lab.net.nodes[0].closed.len(), usize::from(ends_after.is_some()), "{pongs} {says}");
        let anew = lab.bytes().iter().any(|bytes| bytes.starts_with(b"REGISTER "));
        assert_eq!((anew, lab.is_registered()), (ends_after.is_some(), true), "{pongs} {says}: {}", lab.net.story());
    }
}

/// What else is under way over it goes again over the next connection; only what has waited too long is lost.
#[test]
fn what_is_under_way_over_a_connection_found_dead_goes_again() {
    let mut lab = Lab::registered();
    lab.net.run_for(Duration::from_secs(10));
    lab.net.dial(0, "300");
    lab.net.run_for(Duration::from_secs(20));
    lab.net.dial(0, "301");
    lab.net.run_for(Duration::from_secs(10));
    assert_eq!(lab.net.titles(lab.registrar), ["INVITE", "INVITE"]);
    lab.net.run_for(Duration::from_secs(3));
    assert_eq!(lab.net.calls(0).len(), 1);
    let again = lab.net.received(lab.registrar);
    assert!(requests(&again, "INVITE")[0].uri.as_str().starts_with("sip:301@"), "{}", lab.net.story());
}

/// A connection that cannot be made is a server that cannot be reached.
#[test]
fn where_nobody_listens_the_next_server_is_asked_at_once() {
    let mut given = over_tcp(settings("10.0.0.1", "200", Some(REGISTRAR)));
    given.lines[0].second_registrar = SECOND.parse().ok();
    let mut net = Net::new();
    net.peer(REGISTRAR);
    let second = net.peer(SECOND);
    net.refusing.insert(REGISTRAR.parse().unwrap());
    net.stack(given);
    net.settle();
    assert_eq!(net.titles(second), ["REGISTER"]);
}

/// Nobody answers the connection at all: the stack does not wait as long as for an answer.
#[test]
fn a_connection_that_is_never_there_is_given_up() {
    let mut given = over_tcp(settings("10.0.0.1", "200", Some(REGISTRAR)));
    given.lines[0].second_registrar = SECOND.parse().ok();
    let (mut stack, _) = sip_stack::Stack::new(agreements::Tick(0), [3; 32], None);
    let at = |seconds| agreements::Tick(0) + Duration::from_secs(seconds);
    stack.handle(at(0), Input::Settings(Box::new(given)));
    stack.handle(at(0), Input::FlowUp { flow: FlowId(1), local: "10.0.0.1:5060".parse().unwrap() });
    let sent = |stack: &mut sip_stack::Stack| {
        let outputs = std::iter::from_fn(|| match stack.poll() {
            sip_stack::Output::Wait(_) => None,
            output => Some(output),
        });
        let remotes = outputs.filter_map(|output| match output {
            sip_stack::Output::Transmit { remote, .. } => Some(remote.to_string()),
            _ => None,
        });
        remotes.collect::<Vec<_>>()
    };
    assert_eq!(sent(&mut stack), [REGISTRAR]);
    stack.handle(at(9), Input::Timeout);
    assert!(sent(&mut stack).is_empty());
    stack.handle(at(10), Input::Timeout);
    assert_eq!(sent(&mut stack), [SECOND]);
}

#[test]
fn a_connection_that_nobody_uses_is_closed_and_that_of_the_registration_is_not() {
    let mut lab = Lab::registered();
    let stranger = lab.net.peer("10.0.0.7:40000");
    lab.net.send(stranger, lab.net.nodes[0].ip, b"\r\n".to_vec());
    lab.net.settle();
    assert_eq!(lab.connections(), 2);
    lab.net.run_for(Duration::from_secs(11));
    assert_eq!(lab.net.nodes[0].closed, [stranger]);
    lab.net.run_for(Duration::from_secs(1000));
    assert_eq!((lab.connections(), lab.is_registered()), (1, true));
}

#[test]
fn a_stream_that_lost_its_place_is_closed_and_others_go_on() {
    let mut lab = Lab::registered();
    let stranger = lab.net.peer("10.0.0.7:40000");
    let nonsense = b"INVITE sip:200@10.0.0.1 SIP/2.0\r\nContent-Length: many\r\n\r\n".to_vec();
    lab.net.send(stranger, lab.net.nodes[0].ip, nonsense);
    lab.net.send(lab.registrar, lab.net.nodes[0].ip, b"\r\n\r\n".to_vec());
    lab.net.settle();
    assert_eq!(lab.net.nodes[0].closed, [stranger]);
    assert_eq!(lab.bytes(), [b"\r\n".to_vec()], "the registrar has its pong");
}

/// Half-open and idle ones of strangers have a bound, one address of theirs another; the server still finds room for its calls.
#[test]
fn connections_of_strangers_are_bounded_and_the_servers_find_room() {
    let mut lab = Lab::registered();
    for number in 0..100u16 {
        let stranger = lab.net.peer(&format!("10.0.0.7:{}", 40_000 + number));
        lab.net.send(stranger, lab.net.nodes[0].ip, b"\r\n".to_vec());
    }
    lab.net.settle();
    assert_eq!(lab.connections(), 1 + 8, "one address");
    for number in 0..100u16 {
        let stranger = lab.net.peer(&format!("10.0.1.{number}:40000"));
        lab.net.send(stranger, lab.net.nodes[0].ip, b"\r\n".to_vec());
    }
    lab.net.settle();
    assert_eq!(lab.connections(), 1 + 32, "many addresses");
    let server = lab.net.peer("10.0.0.9:40000");
    lab.net.send(server, lab.net.nodes[0].ip, b"\r\n\r\n".to_vec());
    lab.net.settle();
    assert_eq!((lab.net.bytes(server), lab.connections()), (vec![b"\r\n".to_vec()], 1 + 32 + 1));
}

/// Whoever connects has ten seconds for the first whole message, in whatever drops it comes; then the usual time.
#[test]
fn a_connection_over_which_nothing_whole_comes_is_closed_soon() {
    let mut lab = Lab::registered();
    let (slow, quick) = (lab.net.peer("10.0.0.7:40000"), lab.net.peer("10.0.0.7:40001"));
    let options = "OPTIONS sip:200@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.7:40001;branch=z9hG4bKo\r\nMax-Forwards: 70\r\n\
                   From: <sip:up@10.0.0.7>;tag=1\r\nTo: <sip:200@10.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    lab.net.send(quick, lab.net.nodes[0].ip, options.into());
    for octet in options.bytes().take(20) {
        lab.net.send(slow, lab.net.nodes[0].ip, vec![octet]);
        lab.net.run_for(Duration::from_millis(490));
    }
    assert_eq!(lab.net.nodes[0].closed, []);
    lab.net.run_for(Duration::from_secs(1));
    assert_eq!(lab.net.nodes[0].closed, [slow]);
    assert!(lab.net.bytes(quick).concat().starts_with(b"SIP/2.0 200"));
    lab.net.run_for(Duration::from_secs(160));
    assert_eq!(lab.net.nodes[0].closed, [slow]);
    lab.net.run_for(Duration::from_secs(20));
    assert_eq!(lab.net.nodes[0].closed, [slow, quick]);
}

/// B212 (SIP_DETECT_SSAF_n) over TCP: a stranger's connection is closed, its bytes are never looked at; the server's is as before.
#[test]
fn only_the_servers_connections_are_kept_where_only_servers_are_listened_to() {
    for filter in [false, true] {
        let mut settings = over_tcp(settings("10.0.0.1", "200", Some(REGISTRAR)));
        settings.lines[0].details.source_filter = filter;
        let mut lab = Lab::with(settings);
        let register = lab.register();
        lab.grant(&register);
        let stranger = lab.net.peer("10.0.0.7:40000");
        lab.net.send(stranger, lab.net.nodes[0].ip, b"\r\n\r\n".to_vec());
        lab.net.settle();
        assert_eq!(lab.net.bytes(stranger).concat(), if filter { b"".to_vec() } else { b"\r\n".to_vec() });
        assert_eq!(lab.connections(), if filter { 1 } else { 2 });
    }
}

/// A call that came over a connection of theirs, which its Contact and Via do not name; then our BYE: where it goes.
fn hung_up_over(via: &str, contact: &str, cut: bool) -> Vec<String> {
    let mut net = Net::new();
    let (connection, listening) = (net.peer("10.0.0.7:40000"), net.peer("10.0.0.7:5060"));
    net.stack(over_tcp(settings("10.0.0.1", "200", None)));
    let caller = Caller::new(connection, net.nodes[0].ip, "200");
    let say = |net: &mut Net, caller: &Caller, method: &str, body: &str| {
        let text = String::from_utf8(caller.request(method, method, "", body)).unwrap();
        let text = text.replace("SIP/2.0/UDP 10.0.0.7:40000", via).replace("Contact: <sip:far@10.0.0.7:40000>", contact);
        net.send(connection, caller.target, text.into_bytes());
        net.settle();
    };
    say(&mut net, &caller, "INVITE", &caller.sdp(PCMU));
    let call = net.nodes[0].incoming();
    net.command(0, Command::Answer(call));
    net.settle();
    let mut caller = caller;
    caller.learn_tag(&net.received(connection));
    say(&mut net, &caller, "ACK", "");
    if cut {
        net.cut(0, connection);
    }
    net.command(0, Command::Hangup(call));
    net.settle();
    [connection, listening]
        .iter()
        .flat_map(|peer| net.titles(*peer).into_iter().map(|title| format!("{title} {}", peer.port())))
        .collect()
}

/// RFC 3261 18.1.1, RFC 5923: requests of ours take the connection that they have opened where it leads to the same place by its own
/// address or by its alias; else a connection is made. An alias at another address would draw somebody else's messages.
#[test]
fn a_request_in_a_call_takes_the_connection_that_the_other_side_has_opened() {
    let elsewhere = "Contact: <sip:far@10.0.0.7:5060;transport=tcp>";
    let (plain, alias) = ("SIP/2.0/TCP 10.0.0.7:5060", "SIP/2.0/TCP 10.0.0.7:5060;alias");
    assert_eq!(hung_up_over(plain, elsewhere, false), ["BYE 5060"]);
    assert_eq!(hung_up_over(plain, "Contact: <sip:far@10.0.0.7:40000;transport=tcp>", false), ["BYE 40000"]);
    assert_eq!(hung_up_over(alias, elsewhere, false), ["BYE 40000"]);
    assert_eq!(hung_up_over(alias, elsewhere, true), ["BYE 5060"], "which has gone");
    assert_eq!(hung_up_over("SIP/2.0/TCP 10.0.0.8:5060;alias", elsewhere, false), ["BYE 5060"]);
}

/// An alias that breaks loses what was under way over it at once, as any other connection does.
#[test]
fn a_request_over_an_alias_is_lost_with_its_connection() {
    let mut net = Net::new();
    let connection = net.peer("10.0.0.9:40000");
    net.peer("10.0.0.9:5060");
    net.stack(over_tcp(direct("10.0.0.1", "100", "10.0.0.9:5060")));
    let options = String::from_utf8(Caller::new(connection, net.nodes[0].ip, "100").request("OPTIONS", "o", "", "")).unwrap();
    let options = options.replace("SIP/2.0/UDP 10.0.0.9:40000", "SIP/2.0/TCP 10.0.0.9:5060;alias");
    net.send(connection, net.nodes[0].ip, options.into_bytes());
    net.settle();
    net.dial(0, "200");
    net.settle();
    assert_eq!(net.titles(connection), ["200 OPTIONS", "INVITE"]);
    net.cut(0, connection);
    assert_eq!(net.nodes[0].ended().unwrap().0, 408);
}

/// An alias that has lasted and then breaks takes nothing along: what went over it goes again, to the address itself (RFC 5923 5, 8).
#[test]
fn requests_over_an_alias_that_had_lasted_go_again_over_another_connection() {
    let mut net = Net::new();
    let (connection, listening) = (net.peer("10.0.0.9:40000"), net.peer("10.0.0.9:5060"));
    net.stack(over_tcp(direct("10.0.0.1", "100", "10.0.0.9:5060")));
    let caller = Caller::new(connection, net.nodes[0].ip, "100");
    let open = |net: &mut Net, branch: &str| {
        let options = String::from_utf8(caller.request("OPTIONS", branch, "", "")).unwrap();
        let options = options.replace("SIP/2.0/UDP 10.0.0.9:40000", "SIP/2.0/TCP 10.0.0.9:5060;alias");
        net.send(connection, net.nodes[0].ip, options.into_bytes());
        net.settle();
        net.titles(connection);
    };
    open(&mut net, "o");
    net.run_for(Duration::from_secs(60));
    let call = net.dial(0, "200");
    net.settle();
    assert_eq!(net.titles(connection), ["INVITE"]);
    net.cut(0, connection);
    net.settle();
    let invite = requests(&net.received(listening), "INVITE")[0].clone();
    assert_eq!(net.calls(0).len(), 1);
    // The far end opens it again; a request in the dialog has the same fate.
    let ok = with_sdp(at(answer(&invite, 200, "f"), listening), &Caller { address: listening, ..caller.clone() }.sdp(PCMU));
    net.send(listening, net.nodes[0].ip, ok.to_bytes());
    net.settle();
    assert_eq!(net.titles(listening), ["ACK"]);
    net.cut(0, listening);
    open(&mut net, "p");
    net.run_for(Duration::from_secs(60));
    net.command(0, Command::Hangup(call));
    net.settle();
    assert_eq!(net.titles(connection), ["BYE"]);
    net.cut(0, connection);
    net.settle();
    let bye = requests(&net.received(listening), "BYE")[0].clone();
    net.send(listening, net.nodes[0].ip, answer(&bye, 200, "").to_bytes());
    net.run_for(Duration::from_secs(110));
    net.assert_quiet();
}

/// A connection that its far end has left long ago is found out by the next message: that goes again over another one. One that breaks
/// at once again and again is no way: the request is lost.
#[test]
fn a_request_that_finds_its_connection_dead_goes_over_another() {
    let mut lab = Lab::registered();
    lab.net.run_for(Duration::from_secs(60));
    lab.net.dial(0, "300");
    lab.net.cut(0, lab.registrar);
    lab.net.settle();
    let got: Vec<String> = lab.net.titles(lab.registrar);
    assert_eq!(got, ["INVITE"; 2], "the same once more: {}", lab.net.story());
    lab.net.cut(0, lab.registrar);
    assert_eq!(lab.net.nodes[0].ended().unwrap().0, 408);
}

/// RFC 3261 18.2.2: the connection over which a call came has gone, or the service has started again: its answer goes to whom Via names.
#[test]
fn an_answer_whose_connection_has_gone_goes_to_whom_via_names() {
    for restart in [false, true] {
        let mut net = Net::new();
        let (connection, listening) = (net.peer("10.0.0.7:40000"), net.peer("10.0.0.7:5070"));
        net.stack(over_tcp(settings("10.0.0.1", "200", None)));
        let caller = Caller::new(connection, net.nodes[0].ip, "200");
        let invite = String::from_utf8(caller.request("INVITE", "i", "", &caller.sdp(PCMU))).unwrap();
        net.send(
            connection,
            net.nodes[0].ip,
            invite.replace("SIP/2.0/UDP 10.0.0.7:40000", "SIP/2.0/TCP 10.0.0.7:5070").into_bytes(),
        );
        net.settle();
        let call = net.nodes[0].incoming();
        if restart {
            assert_eq!(net.restart(0), Start::Restored);
        } else {
            net.cut(0, connection);
        }
        net.titles(connection);
        net.command(0, Command::Answer(call));
        net.settle();
        assert_eq!((net.titles(connection), net.titles(listening)), (vec![], vec!["200 INVITE".to_owned()]));
    }
}

/// RFC 3261 13.3.1.4, RFC 3262 3: what is repeated until its ACK or PRACK comes finds the same way, when the connection has gone
/// after it has left the first time.
#[test]
fn an_answer_that_is_repeated_goes_to_whom_via_names_once_its_connection_has_gone() {
    for (reliable, restart) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut net = Net::new();
        let (connection, listening) = (net.peer("10.0.0.7:40000"), net.peer("10.0.0.7:5070"));
        let mut given = over_tcp(settings("10.0.0.1", "200", None));
        given.lines[0].sessions.reliable = reliable;
        net.stack(given);
        let caller = Caller::new(connection, net.nodes[0].ip, "200");
        let invite = String::from_utf8(caller.request("INVITE", "i", "Supported: 100rel\r\n", &caller.sdp(PCMU))).unwrap();
        let invite = invite.replace("SIP/2.0/UDP 10.0.0.7:40000", "SIP/2.0/TCP 10.0.0.7:5070");
        net.send(connection, net.nodes[0].ip, invite.into_bytes());
        net.settle();
        let call = net.nodes[0].incoming();
        net.titles(connection);
        let (command, title) = if reliable { (Command::Ring(call), "180 INVITE") } else { (Command::Answer(call), "200 INVITE") };
        net.command(0, command);
        net.settle();
        assert_eq!(net.titles(connection), [title]);
        if restart {
            assert_eq!(net.restart(0), Start::Restored);
        } else {
            net.cut(0, connection);
        }
        net.run_for(Duration::from_secs(1));
        assert_eq!((net.titles(connection), net.titles(listening)), (vec![], vec![title.to_owned()]), "{restart}");
    }
}

/// Connections do not outlive the process: what was bound over one is bound anew at once, calls are still there.
#[test]
fn after_a_restart_of_the_service_the_line_is_bound_anew_at_once() {
    let mut lab = Lab::registered();
    assert_eq!(lab.net.restart(0), Start::Restored);
    lab.net.settle();
    assert_eq!(lab.connections(), 1);
    lab.register();
    assert!(lab.is_registered(), "the binding lasts meanwhile");
}

/// What was under way over one is asked anew at once, and once: its answer has nowhere to come.
#[test]
fn a_register_under_way_is_sent_anew_after_a_restart_of_the_service() {
    for bound in [false, true] {
        let mut lab = if bound { Lab::registered() } else { Lab::new() };
        if bound {
            lab.net.command(0, Command::Register(LineNumber::new(1).unwrap()));
            lab.net.settle();
        }
        let lost = lab.register();
        assert_eq!(lab.net.restart(0), Start::Restored);
        lab.net.settle();
        let again = lab.register();
        assert_eq!(again.headers.call_id(), lost.headers.call_id());
        assert_eq!(again.headers.cseq().unwrap().number, lost.headers.cseq().unwrap().number + 1);
        assert_eq!((lab.net.nodes[0].stack.load().transactions, lab.is_registered()), (1, bound));
        lab.grant(&again);
        lab.net.run_for(Duration::from_secs(60));
        assert!(lab.bytes().is_empty() && lab.is_registered());
    }
}

/// B325: another transport moves the socket and registers anew.
#[test]
fn another_transport_registers_anew_over_it() {
    let mut lab = Lab::registered();
    lab.net.input(0, Input::Settings(Box::new(settings("10.0.0.1", "200", Some(REGISTRAR)))));
    lab.net.settle();
    let register = lab.register();
    assert_eq!(register.headers.top_via().unwrap().transport.as_str(), "UDP");
    assert_eq!((lab.connections(), lab.net.nodes[0].listening.len()), (0, 0));
}
