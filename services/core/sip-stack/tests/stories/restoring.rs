//! Snapshot and restore in every state of a call: same identities, same flows, same media, and the call goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use agreements::{LineNumber, Tick};
use proptest::prelude::*;
use sip_stack::{
    CallStage, Command, Event, Input, LineState, ReferTarget, SNAPSHOT_FORMAT, Stack, Start, SubscriptionKey, SubscriptionWish,
};
use testbed::virtual_net::peer::{Caller, PCMU, requests, response_with};
use testbed::virtual_net::{Faults, MediaMode, Net};

use crate::calls::{pair, pair_on, talking};
use crate::dialing::Dialled;
use crate::given::settings;
use crate::incoming::Called;
use crate::registration::Lab;

/// The views before and after must be the same.
fn restarted(net: &mut Net, node: usize) {
    let before = net.calls(node);
    let flows: Vec<_> = net.nodes[node].flows.keys().copied().collect();
    assert_eq!(net.restart(node), Start::Restored);
    assert_eq!(net.calls(node), before);
    assert_eq!(net.nodes[node].opened, flows, "the flows are asked for again under the same ids");
    let wishes: Vec<_> = net.nodes[node].wishes.clone();
    assert_eq!(wishes, before.into_iter().map(|view| view.media).collect::<Vec<_>>(), "media is said again");
}

fn hang_up_from(net: &mut Net, node: usize) {
    let call = net.calls(node)[0].call;
    net.command(node, Command::Hangup(call));
    net.settle();
    assert!(net.calls(0).is_empty() && net.calls(1).is_empty(), "{}", net.story());
    net.run_for(Duration::from_secs(70));
    net.assert_quiet();
}

#[test]
fn a_talking_call_goes_on_and_ends_from_either_side() {
    for (killed, ender) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut net = pair();
        talking(&mut net);
        restarted(&mut net, killed);
        assert_eq!(net.calls(killed)[0].stage, CallStage::Talking);
        hang_up_from(&mut net, ender);
    }
}

#[test]
fn a_ringing_call_is_answered_after_the_restart_of_either_side() {
    for killed in [0, 1] {
        let mut net = pair();
        net.dial(0, "200");
        net.settle();
        let theirs = net.nodes[1].incoming();
        net.command(1, Command::Ring(theirs));
        net.settle();
        restarted(&mut net, killed);
        net.command(1, Command::Answer(theirs));
        net.settle();
        assert!(net.calls(0)[0].stage == CallStage::Talking && net.calls(1)[0].stage == CallStage::Talking);
        hang_up_from(&mut net, 1);
    }
}

#[test]
fn a_ringing_call_is_cancelled_after_a_restart() {
    let mut net = pair();
    let ours = net.dial(0, "200");
    net.settle();
    let theirs = net.nodes[1].incoming();
    net.command(1, Command::Ring(theirs));
    net.settle();
    restarted(&mut net, 0);
    restarted(&mut net, 1);
    net.command(0, Command::Hangup(ours));
    net.settle();
    assert!(net.calls(1).is_empty());
    net.run_for(Duration::from_secs(70));
    net.assert_quiet();
}

#[test]
fn a_held_call_is_resumed_after_a_restart() {
    let mut net = pair();
    let (ours, _) = talking(&mut net);
    net.command(0, Command::Hold(ours));
    net.settle();
    restarted(&mut net, 0);
    restarted(&mut net, 1);
    assert!(net.calls(0)[0].held_by_us && net.calls(1)[0].held_by_them);
    net.command(0, Command::Resume(ours));
    net.settle();
    assert!(!net.calls(0)[0].held_by_us && !net.calls(1)[0].held_by_them);
    hang_up_from(&mut net, 0);
}

/// Killed between the re-INVITE and its answer, on either side.
#[test]
fn a_hold_in_the_middle_of_its_reinvite_gets_there_after_a_restart() {
    for killed in [0, 1] {
        let mut net = pair();
        let (ours, _) = talking(&mut net);
        net.nodes[1].mode = MediaMode::Silent;
        net.command(0, Command::Hold(ours));
        net.settle();
        assert!(!net.calls(0)[0].held_by_us);
        net.nodes[1].mode = MediaMode::Ready;
        restarted(&mut net, killed);
        if killed == 0 {
            let call = net.calls(1)[0].call;
            net.media_answers(1, call, Ok(()));
        }
        net.settle();
        assert!(net.calls(0)[0].held_by_us && net.calls(1)[0].held_by_them, "{}", net.story());
        hang_up_from(&mut net, 1);
    }
}

#[test]
fn a_call_waiting_for_media_leaves_after_the_restart() {
    let mut net = pair();
    net.nodes[0].mode = MediaMode::Silent;
    net.dial(0, "200");
    net.settle();
    net.nodes[0].mode = MediaMode::Ready;
    restarted(&mut net, 0);
    net.settle();
    assert!(net.nodes[1].has_incoming());
}

/// A 200 without ACK is repeated by the next life, and its timer still ends it.
#[test]
fn an_unacknowledged_answer_is_repeated_by_the_next_life() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    called.got();
    restarted(&mut called.net, 0);
    called.net.run_for(Duration::from_secs(1));
    let got = called.got();
    assert!(response_with(&got, 200).is_some());
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    called.net.run_for(Duration::from_secs(60));
    assert!(called.titles().is_empty());
}

/// What was answered right before the end gets the same answer, and is not done twice (RFC 3261 17.2.2).
#[test]
fn a_request_that_is_repeated_after_a_restart_gets_its_answer_again() {
    for (method, extra, code) in [("BYE", "", 200), ("REFER", "Refer-To: <sip:300@10.0.0.9>\r\n", 202)] {
        let mut called = Called::talking();
        called.caller.cseq += 1;
        called.caller.send(&mut called.net, method, "last", extra, "");
        assert!(response_with(&called.got(), code).is_some());
        restarted(&mut called.net, 0);
        called.caller.send(&mut called.net, method, "last", extra, "");
        let got = called.got();
        assert!(response_with(&got, code).is_some(), "{method}: {}", called.net.story());
        let again = |event: &Event| matches!(event, Event::Ended { .. } | Event::Referred { .. }).then_some(());
        assert!(called.net.nodes[0].events(again).is_empty());
        called.net.run_for(Duration::from_secs(40));
        assert_eq!(called.net.nodes[0].stack.load().settled, 0);
    }
}

/// The newest refusals without ACK are repeated by the next life; of a burst of them the older ones are not in the snapshot, which is
/// written with each message.
#[test]
fn refusals_without_ack_are_repeated_by_the_next_life() {
    let mut called = Called::new();
    for number in 0..40 {
        let caller = Caller { call_id: format!("c{number}"), ..called.caller.clone() };
        let sdp = caller.sdp(PCMU);
        called.net.send(caller.address, caller.target, caller.request("INVITE", &format!("b{number}"), "", &sdp));
        called.net.settle();
        called.command(|call| Command::Reject(call, 486));
    }
    let before = called.got();
    restarted(&mut called.net, 0);
    assert_eq!(called.net.nodes[0].stack.load().transactions, 32);
    called.net.settle();
    called.got();
    called.net.run_for(Duration::from_secs(5));
    let again = called.got();
    assert!(again.iter().all(|message| before.contains(message)), "the same answers: {}", called.net.story());
    let calls: BTreeSet<&str> = again.iter().filter_map(|message| message.headers().call_id().ok()).collect();
    let newest: Vec<String> = (8..40).map(|number| format!("c{number}")).collect();
    assert_eq!(calls, newest.iter().map(String::as_str).collect());
    called.net.run_for(Duration::from_secs(40));
    let load = called.net.nodes[0].stack.load();
    assert_eq!((load.transactions, load.transaction_timers), (0, 0));
}

/// Nothing of an earlier life is said twice with another meaning: branches and tags do not repeat even with the same seed.
#[test]
fn the_next_life_uses_new_branches() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40000);
    restarted(&mut dialled.net, 0);
    dialled.got();
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    let branch = requests(&got, "BYE")[0].headers.top_via().unwrap().branch().unwrap().to_owned();
    let earlier = dialled.net.log.iter().filter(|sent| String::from_utf8_lossy(&sent.bytes).contains(&branch)).count();
    assert_eq!(earlier, 1);
}

/// The binding and its refresh survive; nothing is registered anew.
#[test]
fn a_registration_goes_on_with_its_deadline_and_numbers() {
    let mut lab = Lab::new(settings("10.0.0.1", "200", Some("10.0.0.9:5060")));
    let first = lab.register();
    lab.grant(&first, 100);
    lab.net.run_for(Duration::from_secs(50));
    restarted(&mut lab.net, 0);
    assert!(matches!(lab.net.line(0), LineState::Registered { expires: 100, .. }));
    assert!(lab.net.nodes[0].events.iter().any(|event| matches!(event, Event::Line(_, LineState::Registered { .. }))));
    lab.net.input(0, Input::Settings(Box::new(settings("10.0.0.1", "200", Some("10.0.0.9:5060")))));
    lab.net.run_for(Duration::from_secs(38));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.run_for(Duration::from_millis(2200));
    assert_eq!(lab.register().headers.cseq().unwrap().number, 2);
}

/// A REGISTER that was under way is repeated by its timer.
#[test]
fn a_register_under_way_is_answered_in_the_next_life() {
    let mut lab = Lab::new(settings("10.0.0.1", "200", Some("10.0.0.9:5060")));
    let first = lab.register();
    restarted(&mut lab.net, 0);
    lab.grant(&first, 100);
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
}

#[test]
fn an_unknown_or_broken_snapshot_is_a_cold_start_that_says_so() {
    let mut net = pair();
    talking(&mut net);
    let kept = net.nodes[0].kept.clone().unwrap();
    let mut newer = kept.clone();
    newer[0] = 0xEE;
    for broken in [&newer[..], &[], &kept[..1], &kept[..kept.len() / 2]] {
        let (mut stack, start) = Stack::new(Tick(0), [9; 32], Some(broken));
        assert!(matches!(start, Start::Discarded(_)), "{start:?}");
        assert!(stack.calls().is_empty());
        assert!(matches!(stack.poll(), sip_stack::Output::Wait(None)));
    }
}

/// A snapshot that this format's first version wrote: a held call, a line, a subscription and a referral.
/// When it cannot be read any more the
/// shape of what is stored has changed: raise `SNAPSHOT_FORMAT` and keep a new one here (`keep_a_new_snapshot` below).
#[test]
fn the_kept_snapshot_of_this_format_is_still_read() {
    assert_eq!(SNAPSHOT_FORMAT, 5);
    let (stack, start) = Stack::new(Tick(5_000_000_000), [9; 32], Some(include_bytes!("snapshots/format-5.bin")));
    assert_eq!(start, Start::Restored);
    let calls = stack.calls();
    assert!(calls.len() == 1 && calls[0].held_by_us && calls[0].stage == CallStage::Talking, "{calls:?}");
    assert_eq!(calls[0].remote.number, "200");
    assert_eq!((stack.load().subscriptions, stack.load().referrals), (1, 1));
}

/// Makes the file of the test above: `cargo test -p sip-stack --test stories -- --ignored keep_a_new_snapshot`.
#[test]
#[ignore = "writes into the repository"]
#[allow(clippy::disallowed_methods, reason = "it makes a file of the repository")]
fn keep_a_new_snapshot() {
    let mut net = pair();
    let (ours, _) = talking(&mut net);
    net.command(0, Command::Hold(ours));
    net.settle();
    let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "message-summary".into(), resource: String::new() };
    net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    net.command(0, Command::Refer { call: ours, target: ReferTarget::Address("300".into()) });
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/snapshots");
    std::fs::write(folder.join(format!("format-{SNAPSHOT_FORMAT}.bin")), net.nodes[0].stack.snapshot()).unwrap();
}

/// The snapshot is wanted before the messages that follow from it.
#[test]
fn the_snapshot_comes_before_the_transmissions() {
    let (mut stack, _) = Stack::new(Tick(0), [1; 32], None);
    stack.handle(Tick(0), Input::Settings(Box::new(settings("10.0.0.1", "200", Some("10.0.0.9:5060")))));
    assert!(matches!(stack.poll(), sip_stack::Output::SnapshotDirty));
    let flow = std::iter::from_fn(|| Some(stack.poll()))
        .find_map(|output| match output {
            sip_stack::Output::OpenFlow { flow, .. } => Some(flow),
            _ => None,
        })
        .unwrap();
    stack.handle(Tick(1), Input::FlowUp { flow, local: "10.0.0.1:5060".parse().unwrap() });
    let kinds: Vec<bool> = std::iter::from_fn(|| match stack.poll() {
        sip_stack::Output::Wait(_) => None,
        output => Some(matches!(output, sip_stack::Output::SnapshotDirty)),
    })
    .collect();
    assert_eq!(kinds.iter().position(|dirty| *dirty), Some(0));
    assert!(kinds.len() > 1, "the REGISTER follows");
}

proptest! {
    #![proptest_config(crate::effort::cases(96))]

    /// Either side is killed at any moments of a call on a bad net: nothing panics, and in the end nothing is left.
    #[test]
    fn kills_at_random_moments_leave_nothing(
        seed in any::<u64>(), loss in 0..30u64,
        kills in proptest::collection::vec((0..2500u64, 0..2usize), 1..8),
        hold_at in 0..8usize,
    ) {
        let mut net = Net::with_faults(seed, Faults { loss, twice: 10, delay: (1, 50) });
        pair_on(&mut net);
        net.dial(0, "200");
        for (step, (wait, node)) in kills.into_iter().enumerate() {
            net.run_for(Duration::from_millis(wait));
            if let Some(view) = net.calls(1).first().filter(|view| view.stage == CallStage::Incoming) {
                net.command(1, Command::Answer(view.call));
            }
            if step == hold_at && let Some(view) = net.calls(0).first() {
                net.command(0, Command::Hold(view.call));
            }
            let before = net.calls(node);
            prop_assert_eq!(net.restart(node), Start::Restored);
            prop_assert_eq!(net.calls(node).len(), before.len());
        }
        for node in [0, 1] {
            let calls: Vec<_> = net.calls(node).into_iter().map(|view| view.call).collect();
            for call in calls {
                net.command(node, Command::Hangup(call));
            }
        }
        net.run_for(Duration::from_secs(70));
        if let Some(view) = net.calls(1).first() {
            net.command(1, Command::Hangup(view.call));
        }
        net.run_for(Duration::from_secs(200));
        net.assert_quiet();
    }
}
