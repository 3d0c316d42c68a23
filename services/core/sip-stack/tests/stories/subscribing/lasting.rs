//! What a subscription outlives: restarts, other settings, lost sockets and a bad wire.

use sip_stack::{Event, Input, Start, SubscriptionState};
use testbed::virtual_net::peer::{request_of, requests};
use testbed::virtual_net::{Faults, Net};

use super::{Lab, SUMMARY, given, subscribe_command};
use crate::effort::cases;

/// A subscription lives over a restart without another SUBSCRIBE, in every stage.
#[test]
fn a_restart_is_not_heard_by_the_server() {
    let (mut lab, first) = Lab::standing(100);
    assert_eq!(lab.net.restart(0), Start::Restored);
    lab.net.settle();
    assert!(lab.quiet());
    assert_eq!(lab.state(), SubscriptionState::Active, "said once more");
    lab.command(subscribe_command());
    lab.notify(&first, "active;expires=95", SUMMARY);
    assert_eq!((lab.codes(), lab.bodies().len()), (vec![200], 1));
    lab.seconds(86);
    let second = lab.subscribe();
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    assert_eq!(lab.net.restart(0), Start::Restored);
    lab.grant(&second, 100);
    assert_eq!(lab.subscribe(), second, "an open transaction repeats its request, no more");
    lab.notify(&first, "active", "");
    assert_eq!(lab.codes(), [200]);
    lab.seconds(88);
    assert!(lab.quiet());
    assert_eq!(lab.state(), SubscriptionState::Active);
}

#[test]
fn a_restart_between_the_question_and_its_answer_loses_nothing() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    assert_eq!(lab.net.restart(0), Start::Restored);
    lab.grant(&first, 100);
    assert_eq!(lab.net.restart(0), Start::Restored);
    lab.notify(&first, "active", SUMMARY);
    assert_eq!((lab.codes(), lab.state(), lab.bodies().len()), (vec![200], SubscriptionState::Active, 1));
}

#[test]
fn other_settings_of_the_line_begin_anew_and_end_what_was() {
    let (mut lab, first) = Lab::standing(600);
    let mut moved = given();
    moved.lines[0].user = "201".into();
    lab.configure(moved.clone());
    let got = lab.net.received(lab.server);
    let said: Vec<_> =
        requests(&got, "SUBSCRIBE").iter().map(|one| (one.headers.expires().unwrap().unwrap(), one.uri.to_string())).collect();
    assert_eq!(said, [(0, "sip:notifier@10.0.0.9:5060".to_owned()), (3600, "sip:201@10.0.0.9:5060".to_owned())]);
    lab.notify(&first, "terminated;reason=timeout", "");
    assert_eq!(lab.codes().last(), Some(&481));
    moved.lines[0].enabled = false;
    lab.configure(moved);
    lab.seconds(40);
    lab.net.received(lab.server);
    lab.seconds(7200);
    assert!(lab.quiet(), "a line that is off asks for nothing");
}

/// The least that is needed: the next SUBSCRIBE of the same dialog asks for it.
#[test]
fn another_time_is_asked_for_in_the_dialog() {
    let (mut lab, first) = Lab::standing(600);
    let mut other = given();
    other.lines[0].subscribe_expires = 300;
    lab.configure(other);
    let second = lab.subscribe();
    assert_eq!((second.headers.expires().unwrap(), second.headers.call_id()), (Some(300), first.headers.call_id()));
    lab.grant(&second, 300);
    lab.notify(&second, "active", "");
    assert_eq!((lab.codes(), lab.state()), (vec![200], SubscriptionState::Active));
}

/// RFC 6665 4.2.1.1: neither a 2xx nor a NOTIFY gives more than was asked for.
#[test]
fn a_server_that_grants_more_than_was_asked_is_asked_again_in_the_asked_time() {
    let mut short = given();
    short.lines[0].subscribe_expires = 100;
    let mut lab = Lab::with(short);
    lab.command(subscribe_command());
    let first = lab.subscribe();
    lab.grant(&first, u32::MAX);
    lab.notify(&first, &format!("active;expires={}", u32::MAX), "");
    lab.codes();
    lab.seconds(91);
    lab.subscribe();
}

#[test]
fn without_a_socket_it_waits_for_one() {
    let mut lab = Lab::with(given());
    let flow = *lab.net.nodes[0].flows.keys().next().unwrap();
    lab.net.nodes[0].no_sockets = true;
    lab.net.input(0, Input::FlowDown { flow, reason: "gone".into() });
    lab.command(subscribe_command());
    lab.seconds(20);
    assert!(lab.quiet());
    lab.net.nodes[0].no_sockets = false;
    lab.seconds(30);
    lab.subscribe();
}

proptest::proptest! {
    #![proptest_config(cases(24))]

    /// Whatever the wire loses, doubles and reorders, for as long as it likes: when it is whole again the subscription stands.
    #[test]
    fn a_lossy_wire_only_delays(seed in 1..u64::MAX, loss in 0..60u64, twice in 0..30u64) {
        let faults = Faults { loss, twice, delay: (1, 400) };
        let mut lab = Lab::on(Net::with_faults(seed, faults), given());
        lab.command(subscribe_command());
        let mut served = std::collections::BTreeSet::new();
        for round in 0..600 {
            if round == 400 {
                lab.net.faults = testbed::virtual_net::PERFECT;
            }
            for message in lab.net.received(lab.server) {
                if !matches!(message, sip_wire::Message::Request(_)) {
                    continue;
                }
                let request = request_of(&message).clone();
                lab.tag = format!("t{}", &request.headers.call_id().unwrap()[..8]);
                let known = request.headers.to().unwrap().tag().is_none_or(|tag| served.contains(tag));
                if !known {
                    lab.refuse(&request, 481, &[]);
                    continue;
                }
                served.insert(lab.tag.clone());
                lab.grant(&request, 60);
                lab.notify(&request, "active;expires=60", SUMMARY);
            }
            lab.seconds(1);
        }
        proptest::prop_assert_eq!(lab.state(), SubscriptionState::Active, "{}", lab.net.story());
        proptest::prop_assert!(lab.net.nodes[0].stack.load().subscriptions == 1);
        let has = |event: &&Event| matches!(event, Event::Notified { .. });
        proptest::prop_assert!(lab.net.nodes[0].events.iter().any(|event| has(&event)));
    }

    /// Any bytes instead of a NOTIFY's headers and state: answered or dropped, and the subscription goes on or ends as told.
    #[test]
    fn damaged_notifies_do_no_harm(place in 0..900usize, octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..6)) {
        let (mut lab, first) = Lab::standing(600);
        let mut text = lab.notify_text(&first, "active;expires=500", SUMMARY).into_bytes();
        let place = place % text.len();
        text.splice(place..place, octets);
        lab.net.send(lab.server, lab.net.nodes[0].ip, text);
        lab.net.settle();
        proptest::prop_assert!(lab.net.nodes[0].stack.load().subscriptions == 1);
        lab.net.first_lines(lab.server);
        lab.seconds(3600);
        proptest::prop_assert!(!lab.quiet(), "it is renewed or asked for again");
    }
}
