//! Calls on shared lines (SHARED_CALL_ENABLE_n): Call-Info says which appearance they are.

use sip_stack::{Command, Event, StackSettings, SubscriptionKey, SubscriptionWish};
use sip_wire::{Message, Request};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, requests, response_with, with_sdp};

use crate::given::{direct, server_of};

const SERVER: &str = "10.0.0.9:5060";
const STRANGER: &str = "10.0.0.66:5060";
const SDP: &str = "v=0\r\no=- 7 8 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";
const THIRD: &str = "<sip:10.0.0.9>;appearance-index=3";

fn given(shared: bool) -> StackSettings {
    let mut given = direct("10.0.0.1", "200", SERVER);
    given.lines[0].shared = shared;
    given
}

fn one(messages: &[Message], method: &str) -> Request {
    let found = requests(messages, method);
    assert_eq!(found.len(), 1, "{method}");
    found[0].clone()
}

fn call_info(request: &Request) -> Option<&str> {
    request.headers.get("Call-Info")
}

/// A call of ours that the server has heard of.
fn dialing(shared: bool, appearance: Option<u32>) -> (Net, agreements::CallIdentity, Request) {
    let mut net = Net::new();
    let server = net.peer(SERVER);
    net.stack(given(shared));
    net.settle();
    let call = net.fresh_call();
    let line = agreements::LineNumber::new(1).unwrap();
    net.command(0, Command::Dial { call, line, target: "300".into(), appearance });
    net.settle();
    let invite = one(&net.received(server), "INVITE");
    (net, call, invite)
}

/// A call of ours that talks.
fn dialled(shared: bool, appearance: Option<u32>) -> (Net, agreements::CallIdentity, Request) {
    let (mut net, call, invite) = dialing(shared, appearance);
    let server = SERVER.parse().unwrap();
    net.send(server, net.nodes[0].ip, with_sdp(at(answer(&invite, 200, "f"), server), &format!("{SDP}{PCMU}")).to_bytes());
    net.settle();
    assert!(net.nodes[0].has_established());
    net.received(server);
    (net, call, invite)
}

#[test]
fn a_call_of_ours_names_its_appearance_in_invite_and_hold() {
    let (mut net, call, invite) = dialled(true, Some(3));
    assert_eq!(call_info(&invite), Some(THIRD));
    assert_eq!(net.restart(0), sip_stack::Start::Restored);
    net.command(0, Command::Hold(call));
    net.settle();
    assert_eq!(call_info(&one(&net.received(SERVER.parse().unwrap()), "INVITE")), Some(THIRD));
}

/// A presence server knows nothing of it.
#[test]
fn the_server_of_the_calls_is_asked_for_appearances() {
    for (event, asked) in [("call-info", true), ("line-seize", true), ("dialog", false)] {
        let mut net = Net::new();
        let server = net.peer(SERVER);
        net.peer(STRANGER);
        let mut given = given(true);
        given.lines[0].presence = Some(server_of(STRANGER));
        net.stack(given);
        net.settle();
        let line = agreements::LineNumber::new(1).unwrap();
        let key = SubscriptionKey { line, event: event.into(), resource: String::new() };
        net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
        net.settle();
        assert_eq!(!net.received(server).is_empty(), asked, "{event}");
    }
}

/// RFC 3261 22.2: the same again with credentials.
#[test]
fn a_challenged_invite_names_it_again() {
    let mut net = Net::new();
    let server = net.peer(SERVER);
    net.stack(given(true));
    net.settle();
    let call = net.fresh_call();
    let line = agreements::LineNumber::new(1).unwrap();
    net.command(0, Command::Dial { call, line, target: "300".into(), appearance: Some(3) });
    net.settle();
    let invite = one(&net.received(server), "INVITE");
    let mut challenge = answer(&invite, 407, "c");
    challenge.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"");
    net.send(server, net.nodes[0].ip, challenge.to_bytes());
    net.settle();
    let again = one(&net.received(server), "INVITE");
    assert!(again.headers.get("Proxy-Authorization").is_some());
    assert_eq!(call_info(&again), Some(THIRD));
}

#[test]
fn without_an_appearance_or_on_another_line_nothing_is_named() {
    for (shared, appearance) in [(true, None), (false, None), (false, Some(3))] {
        let (mut net, call, invite) = dialled(shared, appearance);
        assert_eq!(call_info(&invite), None);
        net.command(0, Command::Hold(call));
        net.settle();
        assert_eq!(call_info(&one(&net.received(SERVER.parse().unwrap()), "INVITE")), None);
    }
}

/// An INVITE from there with these header lines: what is told of its appearance, and Call-Info of our 180, 200 and hold.
fn called_from(shared: bool, from: &str, headers: &str) -> (Vec<u32>, [Option<String>; 3]) {
    let mut net = Net::new();
    net.peer(SERVER);
    let from = net.peer(from);
    net.stack(given(shared));
    net.settle();
    let mut caller = Caller::new(from, net.nodes[0].ip, "200");
    let sdp = caller.sdp(PCMU);
    caller.send(&mut net, "INVITE", "i1", headers, &sdp);
    let call = net.nodes[0].incoming();
    net.command(0, Command::Ring(call));
    net.settle();
    net.command(0, Command::Answer(call));
    net.settle();
    let got = net.received(from);
    let said = |code| response_with(&got, code).unwrap().headers.get("Call-Info").map(str::to_owned);
    let (ringing, answered) = (said(180), said(200));
    caller.learn_tag(&got);
    caller.ack(&mut net, "");
    net.command(0, Command::Hold(call));
    net.settle();
    let held = call_info(&one(&net.received(from), "INVITE")).map(str::to_owned);
    let told = net.nodes[0].events(|event| match event {
        Event::Appearance { call: of, index } if *of == call => Some(*index),
        _ => None,
    });
    (told, [ringing, answered, held])
}

const NAMED: &str = "Call-Info: <sip:10.0.0.9>;appearance-index=3\r\n";

#[test]
fn a_call_of_theirs_is_answered_with_the_appearance_that_the_server_named() {
    let third = || Some(THIRD.to_owned());
    assert_eq!(called_from(true, SERVER, NAMED), (vec![3], [third(), third(), third()]));
    let icon = "Call-Info: <http://10.0.0.9/a.png>;purpose=icon, <sip:10.0.0.9>;appearance-index=3\r\n";
    assert_eq!(called_from(true, SERVER, icon).0, [3]);
}

#[test]
fn nothing_is_named_where_the_line_is_not_shared_or_no_server_has_named_it() {
    let nothing = (vec![], [None, None, None]);
    for (shared, from, headers) in [
        (false, SERVER, NAMED),
        (true, STRANGER, NAMED),
        (true, SERVER, ""),
        (true, SERVER, "Call-Info: <sip:10.0.0.9>;appearance-index=*\r\n"),
        (true, SERVER, "Call-Info: <sip:10.0.0.9>;appearance-index=-1\r\n"),
        (true, SERVER, "Call-Info: <\r\n"),
    ] {
        assert_eq!(called_from(shared, from, headers), nothing, "{headers}");
    }
}

/// Kamailio's sca frees the appearance with the CANCEL and gives none to the next INVITE of the same call: nobody else would see it.
#[test]
fn a_call_of_ours_that_rings_ends_where_the_address_changes() {
    let (mut net, _, invite) = dialing(true, Some(3));
    let server = SERVER.parse().unwrap();
    net.send(server, net.nodes[0].ip, at(answer(&invite, 180, "f"), server).to_bytes());
    net.settle();
    let mut other = given(true);
    other.addresses = vec!["10.0.0.101".parse().unwrap()];
    net.input(0, sip_stack::Input::Settings(Box::new(other)));
    net.settle();
    let got = net.received(server);
    assert_eq!((requests(&got, "CANCEL").len(), requests(&got, "INVITE").len()), (1, 0));
    let (_, reason, by) = net.nodes[0].ended().unwrap();
    assert!(by == sip_stack::EndedBy::Network && reason.contains("shared"), "{reason}");
}
