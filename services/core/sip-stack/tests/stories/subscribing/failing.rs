//! What the server refuses, does not answer, or has forgotten (RFC 6665 4.1.2; B211).

use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, SubscriptionState, SubscriptionWish};
use sip_wire::Request;
use testbed::virtual_net::peer::requests;

use super::{Lab, SUMMARY, asking, given, key, subscribe_command, wish};

#[test]
fn a_challenge_is_answered_outside_and_inside_the_dialog() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    let digest = |nonce: &str| format!("Digest realm=\"lab\", nonce=\"{nonce}\", qop=\"auth\"");
    lab.refuse(&first, 401, &[("WWW-Authenticate", &digest("n1"))]);
    let second = lab.subscribe();
    let nonce = |request: &Request| request.headers.authorization().unwrap()[0].get("nonce").unwrap().to_owned();
    assert_eq!((nonce(&second).as_str(), second.headers.call_id()), ("n1", first.headers.call_id()));
    lab.grant(&second, 100);
    lab.notify(&second, "active", "");
    lab.codes();
    lab.seconds(91);
    let third = lab.subscribe();
    assert_eq!(nonce(&third), "n1", "answered beforehand");
    let stale = format!("{}, stale=true", digest("n2"));
    lab.refuse(&third, 401, &[("WWW-Authenticate", &stale)]);
    let fourth = lab.subscribe();
    assert_eq!(nonce(&fourth), "n2");
    lab.grant(&fourth, 100);
    assert_eq!(lab.state(), SubscriptionState::Active);
}

/// B185 and B211, for subscriptions; decision 39.
#[test]
fn a_refused_password_is_tried_afresh_ever_more_seldom() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    lab.refuse(&first, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]);
    let second = lab.subscribe();
    lab.refuse(&second, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n2\"")]);
    for wait in [10, 20, 40, 80] {
        assert!(matches!(lab.state(), SubscriptionState::Asking { last_error } if last_error.contains("authentication failed")));
        lab.net.run_for(Duration::from_millis(1000 * wait - 200));
        assert!(lab.quiet(), "{wait}");
        lab.net.run_for(Duration::from_millis(250 * wait + 200));
        let first = lab.subscribe();
        assert!(!first.headers.has("Authorization"), "afresh");
        lab.refuse(&first, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]);
        let second = lab.subscribe();
        lab.refuse(&second, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n2\"")]);
    }
    let mut better = given();
    better.lines[0].password = agreements::Secret::new("better");
    lab.configure(better);
    let better = lab.subscribe();
    lab.grant(&better, 100);
    lab.notify(&better, "active", SUMMARY);
    assert_eq!(lab.state(), SubscriptionState::Active);
}

/// A SUBSCRIBE and the same one with credentials, both refused.
fn refuse_password(lab: &mut Lab) {
    let first = lab.subscribe();
    assert!(!first.headers.has("Authorization"), "afresh");
    lab.refuse(&first, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]);
    let signed = lab.subscribe();
    lab.refuse(&signed, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n2\"")]);
}

/// A subscription that stands, and whose refresh has been refused for its password; the SUBSCRIBE that made it.
fn standing_and_refused() -> (Lab, Request) {
    let (mut lab, first) = Lab::standing(100);
    lab.seconds(91);
    refuse_password(&mut lab);
    (lab, first)
}

fn ask_for_it(lab: &mut Lab) {
    lab.command(Command::Register(LineNumber::new(1).unwrap()));
}

/// Decision 39: somebody who asks for it ends the wait, and the waits begin anew.
#[test]
fn somebody_who_asks_ends_the_wait_after_a_refused_password() {
    let mut lab = Lab::new();
    for _ in 0..3 {
        refuse_password(&mut lab);
        assert!(lab.quiet());
        ask_for_it(&mut lab);
    }
    refuse_password(&mut lab);
    lab.net.run_for(Duration::from_millis(12_600));
    lab.subscribe();
    ask_for_it(&mut lab);
    assert!(lab.quiet(), "that is the attempt");
}

/// The same for one that stands: it is asked for in its dialog.
#[test]
fn somebody_who_asks_ends_the_wait_of_a_subscription_that_stands() {
    let (mut lab, first) = standing_and_refused();
    ask_for_it(&mut lab);
    let again = lab.subscribe();
    assert_eq!(again.headers.call_id(), first.headers.call_id());
    assert_eq!((again.headers.has("Authorization"), lab.state()), (false, SubscriptionState::Active));
    ask_for_it(&mut lab);
    assert!(lab.quiet(), "that is the attempt");
    lab.grant(&again, 100);
    ask_for_it(&mut lab);
    assert!(lab.quiet(), "nothing is refused any more");
}

/// Decision 39: a busy subscription sends a wrong password no more often than another one.
#[test]
fn a_notify_says_nothing_of_a_password_that_was_refused() {
    let (mut lab, first) = standing_and_refused();
    for wait in [10, 20, 40] {
        lab.notify(&first, "active;expires=1000", SUMMARY);
        assert_eq!(lab.codes(), [200]);
        lab.net.run_for(Duration::from_millis(1000 * wait - 200));
        assert!(lab.quiet(), "{wait}");
        lab.net.run_for(Duration::from_millis(250 * wait + 200));
        refuse_password(&mut lab);
    }
}

/// Decision 39: other settings end the wait, also of what stands, and also where a SUBSCRIBE is under way.
#[test]
fn another_password_is_tried_at_once_by_a_subscription_that_stands() {
    let mut better = given();
    better.lines[0].password = agreements::Secret::new("better");
    let (mut lab, first) = standing_and_refused();
    lab.configure(better.clone());
    let again = lab.subscribe();
    assert_eq!(again.headers.call_id(), first.headers.call_id());
    lab.refuse(&again, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n3\"")]);
    let signed = lab.subscribe();
    lab.grant(&signed, 100);
    assert_eq!(lab.state(), SubscriptionState::Active);

    let (mut lab, first) = standing_and_refused();
    lab.notify(&first, "active;expires=1000", "");
    lab.codes();
    lab.net.run_for(Duration::from_millis(12_600));
    let unsigned = lab.subscribe();
    lab.refuse(&unsigned, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]);
    let old = lab.subscribe();
    lab.configure(better);
    assert!(lab.quiet());
    lab.refuse(&old, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n2\"")]);
    let new = lab.subscribe();
    assert!(new.headers.has("Authorization"));
    lab.grant(&new, 100);
    assert!(lab.quiet());
}

/// RFC 5057 5.1: a challenge ends no subscription.
#[test]
fn a_refused_password_leaves_what_stands() {
    let (mut lab, _) = Lab::standing(100);
    lab.seconds(91);
    let refresh = lab.subscribe();
    lab.refuse(&refresh, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"")]);
    let signed = lab.subscribe();
    lab.refuse(&signed, 401, &[("WWW-Authenticate", "Digest realm=\"lab\", nonce=\"n2\"")]);
    assert_eq!(lab.state(), SubscriptionState::Active);
    lab.notify(&signed, "active;expires=60", "");
    assert_eq!(lab.codes(), [200]);
}

/// B211; and what makes it try again.
#[test]
fn after_403_nothing_is_sent_until_something_changes() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    lab.refuse(&first, 403, &[]);
    assert_eq!(lab.state(), SubscriptionState::Refused { reason: "the server refuses: 403 Forbidden".into() });
    lab.command(subscribe_command());
    lab.seconds(86_400);
    assert!(lab.quiet(), "the same wish is no news");
    lab.command(Command::Register(LineNumber::new(1).unwrap()));
    let second = lab.subscribe();
    lab.refuse(&second, 403, &[]);
    let mut better = given();
    better.lines[0].password = agreements::Secret::new("better");
    lab.configure(better);
    let third = lab.subscribe();
    lab.refuse(&third, 403, &[]);
    let other = SubscriptionWish { expires: Some(60), ..wish() };
    lab.command(Command::Subscribe { key: key(), wish: other, body: None });
    assert_eq!(lab.subscribe().headers.expires().unwrap(), Some(60));
}

/// B211: 403 to a refresh.
#[test]
fn a_refresh_that_is_forbidden_ends_it() {
    let (mut lab, _) = Lab::standing(100);
    lab.seconds(91);
    let second = lab.subscribe();
    lab.refuse(&second, 403, &[]);
    lab.seconds(86_400);
    assert!(lab.quiet() && matches!(lab.state(), SubscriptionState::Refused { .. }));
}

#[test]
fn other_failures_are_tried_again_after_the_interval_or_the_servers_wish() {
    for (code, extra, wait) in [(500, None, 10), (480, None, 10), (503, Some(("Retry-After", "40")), 40)] {
        let mut lab = Lab::new();
        let first = lab.subscribe();
        lab.refuse(&first, code, extra.as_slice());
        lab.net.run_for(Duration::from_millis(1000 * wait - 500));
        assert!(lab.quiet(), "{code}");
        lab.seconds(1);
        lab.subscribe();
    }
}

/// RFC 3261 21.4.17.
#[test]
fn too_brief_an_interval_is_asked_for_again_with_the_servers_least() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    lab.refuse(&first, 423, &[("Min-Expires", "7200")]);
    let second = lab.subscribe();
    assert_eq!(second.headers.expires().unwrap(), Some(7200));
    lab.refuse(&second, 423, &[("Min-Expires", "60")]);
    assert!(lab.quiet(), "no use in asking again at once");
}

/// A server that does not know the package must not be asked every minute.
#[test]
fn a_server_that_does_not_know_the_package_is_asked_ever_more_seldom() {
    let mut lab = Lab::new();
    for minutes in [15, 30, 60, 120, 240, 480, 960, 1440, 1440] {
        let subscribe = lab.subscribe();
        lab.refuse(&subscribe, 489, &[]);
        assert_eq!(lab.state(), asking("the server answered 489 Bad Event"));
        lab.seconds(60 * minutes - 1);
        assert!(lab.quiet(), "{minutes}");
        lab.seconds(2);
    }
    let at_last = lab.subscribe();
    lab.grant(&at_last, 600);
    lab.notify(&at_last, "active", "");
    lab.codes();
    lab.seconds(541);
    let refresh = lab.subscribe();
    lab.refuse(&refresh, 489, &[]);
    lab.seconds(899);
    assert!(lab.quiet());
    lab.seconds(2);
    lab.subscribe();
}

/// RFC 6665 4.1.2.2: a refresh that fails leaves what stands; 481 means that the server has forgotten it.
#[test]
fn a_refresh_that_fails_is_repeated_in_the_dialog_until_the_time_is_over() {
    let (mut lab, first) = Lab::standing(100);
    lab.seconds(90);
    let second = lab.subscribe();
    lab.refuse(&second, 500, &[]);
    assert_eq!(lab.state(), SubscriptionState::Active);
    lab.seconds(11);
    let others = lab.net.received(lab.server);
    let others = requests(&others, "SUBSCRIBE");
    assert!(others[0].headers.to().unwrap().tag().is_some(), "in the dialog");
    let last = others.last().unwrap();
    assert!(last.headers.to().unwrap().tag().is_none() && last.headers.call_id() != first.headers.call_id(), "a new one");
    assert!(matches!(lab.state(), SubscriptionState::Asking { .. }));
}

#[test]
fn a_server_that_has_forgotten_the_subscription_gets_another_at_once() {
    let (mut lab, first) = Lab::standing(100);
    lab.seconds(90);
    let second = lab.subscribe();
    lab.refuse(&second, 481, &[]);
    let third = lab.subscribe();
    assert!(third.headers.to().unwrap().tag().is_none() && third.headers.call_id() != first.headers.call_id());
    lab.tag = "n2".into();
    lab.grant(&third, 100);
    lab.notify(&third, "active", SUMMARY);
    assert_eq!((lab.codes(), lab.state()), (vec![200], SubscriptionState::Active));
}

/// A server that is away for hours, and comes back.
#[test]
fn a_server_that_returns_is_found_again() {
    let (mut lab, _) = Lab::standing(100);
    lab.seconds(7200);
    assert!(matches!(lab.state(), SubscriptionState::Asking { last_error } if last_error == "no answer"));
    lab.net.received(lab.server);
    lab.seconds(60);
    let got = lab.net.received(lab.server);
    let newest = (*requests(&got, "SUBSCRIBE").last().unwrap()).clone();
    lab.grant(&newest, 100);
    lab.notify(&newest, "active", SUMMARY);
    assert_eq!((lab.state(), lab.bodies()), (SubscriptionState::Active, vec![SUMMARY.to_owned()]));
}
