//! The end of a subscription, from either side (RFC 6665 4.1.2.3, 4.1.3).

use std::time::Duration;

use sip_stack::{Command, Event, SubscriptionState};
use testbed::virtual_net::peer::requests;

use super::{Lab, SUMMARY, asking, key, subscribe_command};

/// RFC 6665 4.1.3: at once, later, and never.
#[test]
fn the_reason_of_an_end_says_what_comes_after_it() {
    for (reason, wait) in [
        (";reason=deactivated", Some(0)),
        (";reason=timeout", Some(0)),
        (";reason=probation;retry-after=40", Some(40)),
        (";reason=giveup;retry-after=25", Some(25)),
        (";reason=giveup", Some(10)),
        ("", Some(10)),
        (";reason=something", Some(10)),
        (";reason=rejected", None),
        (";reason=noresource", None),
        (";reason=invariant", None),
    ] {
        let (mut lab, first) = Lab::standing(3600);
        lab.notify(&first, &format!("terminated{reason}"), SUMMARY);
        assert_eq!(lab.bodies(), [SUMMARY], "{reason}");
        let got = lab.net.received(lab.server);
        let again = !requests(&got, "SUBSCRIBE").is_empty();
        match wait {
            Some(0) => assert!(again, "{reason}"),
            Some(wait) => {
                lab.net.run_for(Duration::from_millis(1000 * wait - 500));
                assert!(!again && lab.quiet(), "{reason}");
                lab.seconds(1);
                lab.subscribe();
            }
            None => {
                lab.seconds(86_400);
                assert!(!again && lab.quiet(), "{reason}");
                assert!(matches!(lab.state(), SubscriptionState::Refused { .. }), "{reason}");
            }
        }
    }
}

/// Two who end each other's work without a pause would fill the wire.
#[test]
fn a_server_that_ends_everything_at_once_is_not_asked_without_a_pause() {
    let mut lab = Lab::new();
    for _ in 0..2 {
        let subscribe = lab.subscribe();
        lab.grant(&subscribe, 600);
        let text = lab.notify_text(&subscribe, "terminated;reason=deactivated", "");
        lab.net.received(lab.server);
        lab.send(text);
    }
    assert_eq!(lab.codes(), [200]);
    lab.seconds(11);
    lab.subscribe();
}

#[test]
fn the_end_is_said_in_the_dialog_and_told_after_the_last_notify() {
    let (mut lab, first) = Lab::standing(600);
    lab.command(Command::Unsubscribe(key()));
    let last = lab.subscribe();
    assert_eq!((last.headers.expires().unwrap(), last.headers.call_id()), (Some(0), first.headers.call_id()));
    lab.grant(&last, 0);
    assert_eq!(lab.state(), SubscriptionState::Active, "not told before it is so");
    lab.notify(&first, "terminated;reason=timeout", SUMMARY);
    assert_eq!((lab.codes(), lab.state(), lab.bodies()), (vec![200], SubscriptionState::Ended, Vec::<String>::new()));
    lab.seconds(70);
    assert!(lab.quiet());
    lab.net.assert_quiet();
}

/// RFC 6665 4.1.2.3: not before there is a dialog.
#[test]
fn an_end_that_is_wished_before_the_dialog_is_said_in_it() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    lab.command(Command::Unsubscribe(key()));
    assert!(lab.quiet());
    lab.grant(&first, 600);
    lab.notify(&first, "active", SUMMARY);
    let got = lab.net.received(lab.server);
    let last = (*requests(&got, "SUBSCRIBE").first().unwrap()).clone();
    assert_eq!(last.headers.expires().unwrap(), Some(0));
    lab.seconds(70);
    assert_eq!((lab.state(), lab.bodies()), (SubscriptionState::Ended, Vec::<String>::new()), "nobody answers, and it is over");
    lab.net.assert_quiet();
}

#[test]
fn an_end_and_a_new_wish_are_another_subscription() {
    let (mut lab, first) = Lab::standing(600);
    lab.command(Command::Unsubscribe(key()));
    lab.subscribe();
    lab.command(subscribe_command());
    let second = lab.subscribe();
    assert_ne!(second.headers.call_id(), first.headers.call_id());
    lab.notify(&first, "terminated;reason=timeout", "");
    assert_eq!((lab.codes(), lab.state()), (vec![200], asking("")), "the end of the first is none of the second");
    lab.grant(&second, 600);
    lab.notify(&second, "active", "");
    assert_eq!(lab.state(), SubscriptionState::Active);
}

#[test]
fn when_sip_stops_subscriptions_are_ended_first() {
    let (mut lab, _) = Lab::standing(600);
    lab.command(Command::Stop);
    let last = lab.subscribe();
    let stopped = |lab: &Lab| lab.net.nodes[0].events.contains(&Event::Stopped);
    assert!(last.headers.expires().unwrap() == Some(0) && !stopped(&lab));
    lab.grant(&last, 0);
    assert!(stopped(&lab));
}
