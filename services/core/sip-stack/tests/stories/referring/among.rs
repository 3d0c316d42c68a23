//! Whole transfers among three stacks: one refers, one is referred, one is called (RFC 5589), also over a wire that loses, doubles and
//! reorders.

use agreements::CallIdentity;
use sip_stack::{CallStage, Command, Event, ReferProgress, ReferTarget, ReferralId, StackSettings, Start, Transport};
use testbed::virtual_net::{Faults, Net};

use crate::effort::cases;
use crate::given::{over, server_of, settings};

/// Without servers: who is dialled is where its URI says.
fn phone(transport: Transport, address: &str, user: &str) -> StackSettings {
    over(transport, settings(address, user, None))
}

/// 100 at 10.0.0.1, 200 at 10.0.0.2, 300 at 10.0.0.3, which believes the second one as a server of its line.
fn three(net: &mut Net) {
    three_over(Transport::Udp, net);
}

fn three_over(transport: Transport, net: &mut Net) {
    net.stack(phone(transport, "10.0.0.1", "100"));
    net.stack(phone(transport, "10.0.0.2", "200"));
    let mut third = phone(transport, "10.0.0.3", "300");
    third.lines[0].outbound_proxy = Some(server_of("10.0.0.2:5060"));
    net.stack(third);
}

/// A call from the first phone to another, answered.
fn talk(net: &mut Net, node: usize, target: &str) -> (CallIdentity, CallIdentity) {
    let ours = net.dial(0, target);
    let incoming = |net: &Net| net.nodes[node].events(|event| matches!(event, Event::Incoming { .. }).then_some(()));
    net.run_until("it comes in", |net| !incoming(net).is_empty());
    let theirs = net.nodes[node].incoming();
    net.command(node, Command::Answer(theirs));
    net.run_until("it is up", |net| is_up(net, 0, ours) && is_up(net, node, theirs));
    net.settle();
    (ours, theirs)
}

fn is_up(net: &Net, node: usize, call: CallIdentity) -> bool {
    net.calls(node).iter().any(|view| view.call == call && view.stage == CallStage::Talking)
}

fn progress(net: &Net) -> Vec<ReferProgress> {
    net.nodes[0].events(|event| match event {
        Event::Refer { progress, .. } => Some(progress.clone()),
        _ => None,
    })
}

fn referral(net: &Net) -> Option<ReferralId> {
    let picked = net.nodes[1].events(|event| match event {
        Event::Referred { referral, .. } => Some(*referral),
        _ => None,
    });
    picked.last().copied()
}

fn follow(net: &mut Net) -> CallIdentity {
    net.run_until("the REFER comes in", |net| referral(net).is_some());
    let (referral, call) = (referral(net).unwrap(), net.fresh_call());
    net.command(1, Command::AcceptReferral { referral, call });
    call
}

/// RFC 5589 6: without asking the third first; over TCP in pieces, and where each connection breaks once the third rings.
#[test]
fn a_blind_transfer_among_three_phones() {
    blind_transfer(Transport::Udp, usize::MAX, false);
    for segment in [61, 1460] {
        blind_transfer(Transport::Tcp, segment, false);
        blind_transfer(Transport::Tcp, segment, true);
    }
}

fn blind_transfer(transport: Transport, segment: usize, breaks: bool) {
    let mut net = Net::new();
    net.segment = segment;
    three_over(transport, &mut net);
    let (ours, theirs) = talk(&mut net, 1, "sip:200@10.0.0.2");
    net.command(0, Command::Hold(ours));
    net.command(0, Command::Refer { call: ours, target: ReferTarget::Address("sip:300@10.0.0.3".into()) });
    let new = follow(&mut net);
    net.run_until("the third rings", |net| net.nodes[2].has_incoming());
    let third = net.nodes[2].incoming();
    net.command(2, Command::Ring(third));
    net.settle();
    if breaks {
        break_all(&mut net);
    }
    net.command(2, Command::Answer(third));
    net.settle();
    let told = progress(&net);
    assert_eq!(told.first(), Some(&ReferProgress::Accepted { followed: true }));
    assert!(told.contains(&ReferProgress::Progress { status: 180 }) && told.last() == Some(&ReferProgress::Succeeded));
    assert!(is_up(&net, 1, new) && is_up(&net, 1, theirs) && is_up(&net, 2, third));
    net.command(0, Command::Hangup(ours));
    net.settle();
    assert_eq!((net.calls(0).len(), net.calls(1).len(), net.calls(2).len()), (0, 1, 1));
    net.command(2, Command::Hangup(third));
    net.run_for(std::time::Duration::from_secs(110));
    net.assert_quiet();
}

/// Every connection of the net, at both of its ends.
fn break_all(net: &mut Net) {
    for node in 0..net.nodes.len() {
        let ends: Vec<_> = net.nodes[node].connections.iter().map(|(_, end)| *end).collect();
        ends.into_iter().for_each(|end| net.cut(node, end));
    }
}

/// RFC 5589 7, RFC 3891: the third talks with the first, then with the second, without ringing again.
fn attended(net: &mut Net) -> (CallIdentity, CallIdentity) {
    three(net);
    let (ours, _) = talk(net, 1, "sip:200@10.0.0.2");
    net.command(0, Command::Hold(ours));
    net.run_until("it is held", |net| net.nodes[0].hold() == Some((true, false)));
    let (other, consulted) = talk(net, 2, "sip:300@10.0.0.3");
    net.command(0, Command::Refer { call: ours, target: ReferTarget::Call(other) });
    let new = follow(net);
    let replacing = |net: &Net| {
        net.nodes[2].events(|event| match event {
            Event::Incoming { call, replaces: Some(old), .. } if *old == consulted => Some(*call),
            _ => None,
        })
    };
    net.run_until("the third is asked", |net| !replacing(net).is_empty());
    let third = replacing(net)[0];
    net.command(2, Command::Answer(third));
    net.run_until("they talk", |net| is_up(net, 1, new) && is_up(net, 2, third));
    net.run_until("the first knows", |net| progress(net).last() == Some(&ReferProgress::Succeeded));
    net.run_until("the old call has gone", |net| !is_up(net, 2, consulted) && !is_up(net, 0, other));
    net.command(0, Command::Hangup(ours));
    net.run_until("the first is out", |net| net.calls(0).is_empty() && net.calls(1).len() == 1);
    (new, third)
}

#[test]
fn an_attended_transfer_among_three_phones() {
    let mut net = Net::new();
    let (new, third) = attended(&mut net);
    let leg = |node: usize, call| net.nodes[node].media[&call].legs[0].clone();
    assert_eq!((leg(1, new).remote, leg(2, third).remote), (Some(leg(2, third).local), Some(leg(1, new).local)));
    net.command(1, Command::Hangup(new));
    net.run_for(std::time::Duration::from_secs(110));
    net.assert_quiet();
}

/// This end and the one that is replaced end their call at the same moment: each BYE is answered, and the transfer is not touched.
#[test]
fn a_replaced_call_that_is_ended_from_both_sides_leaves_nothing_behind() {
    let mut net = Net::with_faults(7, Faults { loss: 0, twice: 0, delay: (40, 60) });
    three(&mut net);
    let (ours, _) = talk(&mut net, 1, "sip:200@10.0.0.2");
    let (other, consulted) = talk(&mut net, 2, "sip:300@10.0.0.3");
    net.command(0, Command::Refer { call: ours, target: ReferTarget::Call(other) });
    let new = follow(&mut net);
    let ends = |net: &Net| net.nodes[2].events(|event| matches!(event, Event::Incoming { replaces: Some(_), .. }).then_some(()));
    net.run_until("the third is asked", |net| !ends(net).is_empty());
    let third = net.nodes[2].incoming();
    net.command(2, Command::Answer(third));
    net.run_until("the third has given way", |net| !is_up(net, 2, consulted));
    assert!(is_up(&net, 0, other), "its BYE is on the way");
    net.command(0, Command::Hangup(other));
    net.command(0, Command::Hangup(ours));
    net.run_until("the first knows", |net| progress(net).last() == Some(&ReferProgress::Succeeded));
    net.run_for(std::time::Duration::from_secs(110));
    assert!(is_up(&net, 1, new) && is_up(&net, 2, third));
    assert_eq!((net.calls(0).len(), net.calls(1).len(), net.calls(2).len()), (0, 1, 1));
    net.command(1, Command::Hangup(new));
    net.run_for(std::time::Duration::from_secs(110));
    net.assert_quiet();
}

/// Each phone dies once in the midst of it.
#[test]
fn a_transfer_survives_the_restart_of_each_phone() {
    for killed in 0..3 {
        let mut net = Net::new();
        three(&mut net);
        let (ours, _) = talk(&mut net, 1, "sip:200@10.0.0.2");
        net.command(0, Command::Refer { call: ours, target: ReferTarget::Address("sip:300@10.0.0.3".into()) });
        let new = follow(&mut net);
        net.run_until("the third rings", |net| net.nodes[2].has_incoming());
        let third = net.nodes[2].incoming();
        net.command(2, Command::Ring(third));
        net.settle();
        assert_eq!(net.restart(killed), Start::Restored);
        net.command(2, Command::Answer(third));
        net.run_until("the first knows", |net| progress(net).last() == Some(&ReferProgress::Succeeded));
        assert!(is_up(&net, 1, new) && is_up(&net, 2, third), "{killed}");
    }
}

proptest::proptest! {
    #![proptest_config(cases(32))]

    /// Whatever the wire loses, doubles and reorders: everybody is where the transfer puts them, and nothing is left behind.
    #[test]
    fn a_transfer_over_a_lossy_wire(seed in 1..u64::MAX, loss in 0..25u64, twice in 0..30u64) {
        let mut net = Net::with_faults(seed, Faults { loss, twice, delay: (1, 300) });
        let (new, third) = attended(&mut net);
        let accepted = |told: &ReferProgress| matches!(told, ReferProgress::Accepted { .. });
        proptest::prop_assert_eq!(progress(&net).iter().filter(|told| accepted(told)).count(), 1);
        net.faults = testbed::virtual_net::PERFECT;
        proptest::prop_assert!(is_up(&net, 1, new) && is_up(&net, 2, third));
        net.command(1, Command::Hangup(new));
        net.run_for(std::time::Duration::from_secs(200));
        net.assert_quiet();
    }
}
