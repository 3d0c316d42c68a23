//! Two stacks, whole calls (RFC 3261 13 to 15).

use std::time::Duration;

use sip_stack::{CallStage, Codec, Command, Direction, EndedBy, Event};

use crate::given::direct;
use crate::net::Net;

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
