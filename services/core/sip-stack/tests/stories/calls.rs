//! Two stacks, whole calls (RFC 3261 13 to 15).

use std::time::Duration;

use sip_stack::{CallStage, Codec, Command, Direction, EndedBy, Event};
use testbed::virtual_net::Net;

use crate::given::direct;

/// Two phones that call each other directly.
pub fn pair() -> Net {
    let mut net = Net::new();
    pair_on(&mut net);
    net
}

pub fn pair_on(net: &mut Net) {
    net.stack(direct("10.0.0.1", "100", "10.0.0.2:5060"));
    net.stack(direct("10.0.0.2", "200", "10.0.0.1:5060"));
}

/// Brings a call from node 0 to node 1 to talking.
pub fn talking(net: &mut Net) -> (agreements::CallIdentity, agreements::CallIdentity) {
    let ours = net.dial(0, "200");
    net.run_until("the call comes in", |net| net.nodes[1].has_incoming());
    let theirs = net.nodes[1].incoming();
    net.command(1, Command::Ring(theirs));
    net.command(1, Command::Answer(theirs));
    net.run_until("answered", |net| net.nodes[0].has_established() && net.nodes[1].has_established());
    net.settle();
    (ours, theirs)
}

#[test]
fn a_call_is_made_rings_is_answered_and_ended_by_the_caller() {
    let mut net = pair();
    let ours = net.dial(0, "200");
    net.run_until("the call comes in", |net| net.nodes[1].has_incoming());
    let theirs = net.nodes[1].incoming();
    assert_eq!(net.calls(1)[0].stage, CallStage::Incoming);
    net.command(1, Command::Ring(theirs));
    net.settle();
    assert!(net.nodes[0].events.contains(&Event::Ringback { call: ours, early_media: false }));
    net.command(1, Command::Answer(theirs));
    net.settle();
    for (node, call) in [(0, ours), (1, theirs)] {
        let media = &net.nodes[node].media[&call];
        assert_eq!(media.legs[0].direction, Direction::SendRecv);
        assert_eq!(media.legs[0].codecs[0], (Codec::G722, 9));
        assert_eq!(media.legs[0].telephone_event, Some(101));
        assert_eq!(net.calls(node)[0].stage, CallStage::Talking);
    }
    let remote = net.nodes[0].media[&ours].legs[0].remote;
    assert_eq!(remote, Some(net.nodes[1].media[&theirs].legs[0].local));
    net.command(0, Command::Hangup(ours));
    net.settle();
    assert_eq!(net.nodes[0].ended().unwrap().2, EndedBy::Local);
    assert_eq!(net.nodes[1].ended().unwrap().2, EndedBy::Remote);
    assert!(net.nodes[1].media[&theirs].legs.is_empty());
    net.run_for(Duration::from_secs(60));
    net.assert_quiet();
}

/// Two lines of one phone: both halves of the call have the same Call-ID and keep apart by their tags.
#[test]
fn a_phone_may_call_its_own_other_line() {
    let mut net = Net::new();
    let mut given = direct("10.0.0.1", "100", "10.0.0.1:5070");
    given.lines[1].enabled = true;
    given.lines[1].user = "200".into();
    given.lines[1].domain = "10.0.0.1".into();
    net.stack(given);
    let ours = net.dial(0, "200");
    net.settle();
    let theirs = net.nodes[0].incoming();
    net.command(0, Command::Answer(theirs));
    net.settle();
    assert_eq!(net.calls(0).iter().filter(|view| view.stage == CallStage::Talking).count(), 2);
    net.command(0, Command::Hold(theirs));
    net.settle();
    assert_eq!(net.nodes[0].media[&ours].legs[0].direction, Direction::RecvOnly);
    net.command(0, Command::Hangup(ours));
    net.settle();
    assert!(net.calls(0).is_empty());
    net.run_for(Duration::from_secs(70));
    net.assert_quiet();
}

/// Stop hangs up and waits for the answers to its BYE.
#[test]
fn stop_ends_calls_before_it_is_done() {
    let mut net = pair();
    let (_, theirs) = talking(&mut net);
    net.command(0, Command::Stop);
    assert!(!net.nodes[0].events.contains(&Event::Stopped));
    net.settle();
    assert_eq!(net.nodes[0].events.last(), Some(&Event::Stopped));
    assert!(net.nodes[1].media[&theirs].legs.is_empty());
}

/// A socket that a call still uses stays until the call is over; the line itself moves at once.
#[test]
fn a_call_keeps_its_old_socket_when_the_port_changes() {
    let mut net = pair();
    let (ours, _) = talking(&mut net);
    let mut moved = direct("10.0.0.1", "100", "10.0.0.2:5060");
    moved.lines[0].source_port = 5066;
    net.input(0, sip_stack::Input::Settings(Box::new(moved)));
    assert_eq!(net.nodes[0].flows.len(), 2);
    net.command(0, Command::Hangup(ours));
    net.settle();
    assert!(net.calls(1).is_empty());
    net.run_for(Duration::from_secs(70));
    let locals: Vec<String> = net.nodes[0].flows.values().map(ToString::to_string).collect();
    assert_eq!(locals, ["10.0.0.1:5066"]);
}

/// Digits by RFC 4733 only where both sides offer them (B305).
#[test]
fn telephone_events_are_agreed_only_where_offered() {
    let mut net = Net::new();
    let mut given = direct("10.0.0.1", "100", "10.0.0.2:5060");
    given.lines[0].telephone_event = false;
    net.stack(given);
    net.stack(direct("10.0.0.2", "200", "10.0.0.1:5060"));
    let (ours, theirs) = talking(&mut net);
    for (node, call) in [(0, ours), (1, theirs)] {
        assert_eq!(net.nodes[node].media[&call].legs[0].telephone_event, None);
    }
}

/// Two addresses of both families: the one that reaches the far end is used for Via, Contact and SDP.
#[test]
fn a_phone_with_both_families_uses_the_one_that_fits() {
    let mut net = Net::new();
    let mut both = direct("10.0.0.1", "100", "[2001:db8::2]:5060");
    both.addresses.push("2001:db8::1".parse().unwrap());
    net.stack(both);
    net.stack(direct("2001:db8::2", "200", "[2001:db8::1]:5060"));
    let (ours, theirs) = talking(&mut net);
    assert!(net.nodes[0].media[&ours].legs[0].local.is_ipv6());
    assert_eq!(net.nodes[1].media[&theirs].legs[0].remote, Some(net.nodes[0].media[&ours].legs[0].local));
    net.command(1, Command::Hangup(theirs));
    net.settle();
    assert!(net.calls(0).is_empty(), "the BYE came to the IPv6 Contact");
}
