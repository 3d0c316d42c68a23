//! Properties: whatever the net loses, doubles, delays and reorders, and whenever the users act, nothing is left behind when all
//! is over, and both sides agree that it is.

use std::time::Duration;

use agreements::CallIdentity;
use proptest::prelude::*;
use sip_stack::{Command, Event};
use testbed::virtual_net::{Faults, Net};

use crate::calls::pair_on;

/// Longest life of anything after the last word: 64*T1 for an answer, 64*T1 for the BYE, 64*T1 for absorbing, and a margin.
const ALL_OVER: Duration = Duration::from_secs(200);

fn faults() -> impl Strategy<Value = Faults> {
    (0..60u64, 0..40u64, 1..400u64).prop_map(|(loss, twice, late)| Faults { loss, twice, delay: (1, 1 + late) })
}

fn ends(net: &Net, node: usize, call: CallIdentity) -> usize {
    net.nodes[node].events(|event| matches!(event, Event::Ended { call: ended, .. } if *ended == call).then_some(())).len()
}

/// Everything that was told has been told to end, once, and nothing is left.
fn all_is_over(net: &Net) {
    net.assert_quiet();
    for (number, node) in net.nodes.iter().enumerate() {
        assert!(net.calls(number).is_empty());
        let begun = node.events(|event| match event {
            Event::Incoming { call, .. } | Event::Dialing { call, .. } => Some(*call),
            _ => None,
        });
        for call in begun {
            assert_eq!(ends(net, number, call), 1, "node {number}, {call}\n{}", net.story());
            assert!(node.media.get(&call).is_none_or(|media| media.legs.is_empty()), "media of {call} is left");
        }
    }
}

fn answer_whatever_rings(net: &mut Net) {
    if net.nodes[1].has_incoming() {
        let call = net.nodes[1].incoming();
        net.command(1, Command::Ring(call));
        net.command(1, Command::Answer(call));
    }
}

fn end_all(net: &mut Net) {
    for node in 0..net.nodes.len() {
        let calls: Vec<CallIdentity> = net.calls(node).into_iter().map(|view| view.call).collect();
        for call in calls {
            net.command(node, Command::Hangup(call));
        }
    }
}

proptest! {
    #![proptest_config(crate::effort::cases(96))]

    /// CANCEL against 200: the caller hangs up at any moment around the answer.
    #[test]
    fn cancel_against_200_never_leaves_anything(
        seed in any::<u64>(), faults in faults(), ring in 0..200u64, answer in 0..1500u64, hangup in 0..2000u64,
    ) {
        let mut net = Net::with_faults(seed, faults);
        pair_on(&mut net);
        let ours = net.dial(0, "200");
        let mut acts = [(ring, 0), (answer, 1), (hangup, 2)];
        acts.sort_unstable();
        let mut at = 0;
        for (when, what) in acts {
            net.run_for(Duration::from_millis(when - at));
            at = when;
            match what {
                0 if net.nodes[1].has_incoming() => {
                    let call = net.nodes[1].incoming();
                    net.command(1, Command::Ring(call));
                }
                1 => answer_whatever_rings(&mut net),
                _ if what == 2 => net.command(0, Command::Hangup(ours)),
                _ => {}
            }
        }
        // What still rings at the far end is answered or refused by its user some time.
        net.run_for(Duration::from_secs(40));
        end_all(&mut net);
        net.run_for(ALL_OVER);
        all_is_over(&net);
    }

    /// Lost 200 and lost ACK: the net is bad exactly while the call is answered.
    #[test]
    fn a_lost_200_or_ack_heals_or_ends_on_both_sides(
        seed in any::<u64>(), loss in 30..101u64, bad_for in 0..40_000u64,
    ) {
        let mut net = Net::new();
        pair_on(&mut net);
        let ours = net.dial(0, "200");
        net.settle();
        net.faults = Faults { loss, twice: 20, delay: (1, 200) };
        net.dice(seed);
        answer_whatever_rings(&mut net);
        net.run_for(Duration::from_millis(bad_for));
        net.faults = testbed::virtual_net::PERFECT;
        net.run_for(Duration::from_secs(80));
        let up = [net.calls(0).len(), net.calls(1).len()];
        prop_assert!(up == [1, 1] || up == [0, 0], "one side talks alone: {:?}\n{}", up, net.story());
        net.command(0, Command::Hangup(ours));
        net.run_for(ALL_OVER);
        all_is_over(&net);
    }

    /// Both users do anything at any time on a bad net.
    #[test]
    fn no_order_of_wishes_leaves_anything(
        seed in any::<u64>(), faults in faults(),
        acts in proptest::collection::vec((0..3000u64, 0..2usize, 0..6u8), 1..14),
    ) {
        let mut net = Net::with_faults(seed, faults);
        pair_on(&mut net);
        net.dial(0, "200");
        for (wait, node, act) in acts {
            net.run_for(Duration::from_millis(wait));
            let calls: Vec<CallIdentity> = net.calls(node).into_iter().map(|view| view.call).collect();
            let Some(call) = calls.first().copied() else {
                if act == 5 { net.dial(node, if node == 0 { "200" } else { "100" }); }
                continue;
            };
            net.command(node, match act {
                0 => Command::Ring(call),
                1 => Command::Answer(call),
                2 => Command::Hold(call),
                3 => Command::Resume(call),
                4 => Command::Hangup(call),
                _ => Command::Reject(call, 486),
            });
        }
        end_all(&mut net);
        // A call that was still on its way to the far end rings there now, alone.
        net.run_for(Duration::from_secs(70));
        end_all(&mut net);
        net.run_for(ALL_OVER);
        all_is_over(&net);
    }

    /// The far end vanishes in the middle of anything.
    #[test]
    fn a_far_end_that_vanishes_leaves_nothing(seed in any::<u64>(), when in 0..3000u64, answered in any::<bool>(), hold in any::<bool>()) {
        let mut net = Net::with_faults(seed, testbed::virtual_net::PERFECT);
        pair_on(&mut net);
        let ours = net.dial(0, "200");
        net.run_for(Duration::from_millis(when / 2));
        if answered {
            answer_whatever_rings(&mut net);
        }
        net.run_for(Duration::from_millis(when / 2));
        net.faults.loss = 100;
        if hold {
            net.command(0, Command::Hold(ours));
        }
        net.run_for(Duration::from_secs(5));
        end_all(&mut net);
        net.run_for(ALL_OVER);
        all_is_over(&net);
    }
}
