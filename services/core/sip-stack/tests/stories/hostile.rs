//! Input from outside never panics and never leaves anything behind, whatever it is.

use std::time::Duration;

use proptest::prelude::*;
use sip_stack::{Command, Event, FlowId, Input, ReferTarget, RefreshMethod, SessionSettings};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::PCMU;

use crate::calls::{pair, talking};
use crate::given::direct;
use crate::incoming::Called;

fn feed(net: &mut Net, node: usize, from: &str, bytes: Vec<u8>) {
    let flow = *net.nodes[node].flows.keys().next().unwrap();
    net.input(node, Input::Datagram { flow, remote: from.parse().unwrap(), bytes });
}

/// Everything that was ever said in a call with hold, PRACK, a refreshing UPDATE and a REFER, as raw material.
fn recorded() -> (Net, Vec<Vec<u8>>) {
    let mut net = Net::new();
    for (own, user, other) in [("10.0.0.1", "100", "10.0.0.2:5060"), ("10.0.0.2", "200", "10.0.0.1:5060")] {
        let mut given = direct(own, user, other);
        given.lines[0].sessions =
            SessionSettings { expires: 90, reliable: true, method: RefreshMethod::Update, ..Default::default() };
        net.stack(given);
    }
    let (ours, theirs) = talking(&mut net);
    net.run_for(Duration::from_secs(46));
    net.command(0, Command::Hold(ours));
    net.settle();
    net.command(1, Command::Hold(theirs));
    net.settle();
    net.command(0, Command::Refer { call: ours, target: ReferTarget::Address("300".into()) });
    net.settle();
    let log = net.log.iter().map(|sent| sent.bytes.clone()).collect();
    (net, log)
}

proptest! {
    #![proptest_config(crate::effort::cases(96))]

    #[test]
    fn random_bytes_do_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut called = Called::new();
        feed(&mut called.net, 0, "10.0.0.9:5060", bytes);
        prop_assert!(called.net.calls(0).is_empty());
    }

    /// Messages of a living call, cut, spliced and with bytes changed, thrown back into it.
    #[test]
    fn mangled_messages_of_a_living_call_never_panic(
        picks in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..30),
    ) {
        let (mut net, log) = recorded();
        for (which, place, byte, how) in picks {
            let mut bytes = log[which.index(log.len())].clone();
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => { let tail = log[at % log.len()].clone(); bytes.truncate(at); bytes.extend(tail); }
                _ => bytes.insert(at, byte),
            }
            for (node, from) in [(0, "10.0.0.2:5060"), (1, "10.0.0.1:5060")] {
                feed(&mut net, node, from, bytes.clone());
            }
        }
        net.run_for(Duration::from_secs(40));
        for node in [0, 1] {
            let calls: Vec<_> = net.calls(node).into_iter().map(|view| view.call).collect();
            for call in calls {
                net.command(node, Command::Hangup(call));
            }
        }
        net.run_for(Duration::from_secs(300));
        net.assert_quiet();
    }

    /// A structured INVITE with one header line replaced by anything printable.
    #[test]
    fn invites_with_a_wild_header_never_panic(line in 1..8usize, wild in "[ -~]{0,200}", media in "[ -~\r\n]{0,300}") {
        let mut called = Called::new();
        let sdp = called.caller.sdp(&format!("{PCMU}{media}"));
        let text = String::from_utf8(called.caller.request("INVITE", "x", "", &sdp)).unwrap();
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        let name = lines[line].split(':').next().unwrap().to_owned();
        lines[line] = format!("{name}: {wild}");
        feed(&mut called.net, 0, "10.0.0.9:5060", lines.join("\r\n").into_bytes());
        let calls: Vec<_> = called.net.calls(0).into_iter().map(|view| view.call).collect();
        for call in calls {
            called.net.command(0, Command::Ring(call));
            called.net.command(0, Command::Answer(call));
            called.net.command(0, Command::Hangup(call));
        }
        called.net.run_for(Duration::from_secs(200));
        called.net.assert_quiet();
    }

    /// What is asked in Refer-To, Target-Dialog and Replaces, and told in a NOTIFY, by anything printable.
    #[test]
    fn referrals_with_wild_headers_never_panic(wild in "[ -~]{0,200}", which in 0..4usize, inside in any::<bool>()) {
        let mut called = Called::talking();
        let lines = ["Refer-To: <sip:1@x?@>", "Refer-To: @", "Refer-To: <sip:1@x>\r\nTarget-Dialog: @", "Event: refer;@\r\nSubscription-State: @"];
        let extra = format!("{}\r\n", lines[which].replace('@', &wild));
        let method = if which == 3 { "NOTIFY" } else { "REFER" };
        called.caller.cseq += 1;
        if !inside {
            (called.caller.to_tag, called.caller.call_id) = (String::new(), "outside".into());
        }
        let asked = called.caller.request(method, "w", &extra, "");
        let replacing = called.caller.request("INVITE", "v", &format!("Replaces: {wild}\r\n"), &called.caller.sdp(PCMU));
        for bytes in [asked, replacing] {
            feed(&mut called.net, 0, "10.0.0.9:5060", bytes);
        }
        let referrals = called.net.nodes[0].events(|event| match event {
            Event::Referred { referral, .. } => Some(*referral),
            _ => None,
        });
        for referral in referrals {
            let call = called.net.fresh_call();
            called.net.command(0, Command::AcceptReferral { referral, call });
        }
        called.net.settle();
        let calls: Vec<_> = called.net.calls(0).into_iter().map(|view| view.call).collect();
        for call in calls {
            called.net.command(0, Command::Hangup(call));
        }
        called.net.run_for(Duration::from_secs(900));
        called.net.assert_quiet();
    }

    /// Inputs that the driver should never give.
    #[test]
    fn inputs_about_nothing_do_nothing(flow in any::<u64>(), generation in any::<u64>(), code in any::<u16>()) {
        let mut net = pair();
        let (ours, _) = talking(&mut net);
        let stray = net.fresh_call();
        net.input(0, Input::FlowUp { flow: FlowId(flow | 1 << 40), local: "10.0.0.1:1".parse().unwrap() });
        net.input(0, Input::FlowDown { flow: FlowId(flow | 1 << 40), reason: String::new() });
        net.input(0, Input::Resolved { query: sip_stack::QueryId(flow), targets: Ok(Vec::new()) });
        net.input(0, Input::MediaReady { call: stray, generation, result: Ok(()) });
        net.input(0, Input::MediaReady { call: ours, generation, result: Err(sip_stack::MediaRefusal::Failed("x".into())) });
        net.input(0, Input::Datagram { flow: FlowId(flow | 1 << 40), remote: "10.0.0.2:5060".parse().unwrap(), bytes: b"x".to_vec() });
        for command in [Command::Ring(stray), Command::Answer(ours), Command::Reject(ours, code), Command::Hold(stray), Command::Hangup(stray)] {
            net.command(0, command);
        }
        prop_assert_eq!(net.calls(0).len(), 1);
    }
}
