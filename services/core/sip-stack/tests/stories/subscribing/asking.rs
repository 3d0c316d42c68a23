//! What is asked of the server, and when it is renewed (RFC 6665 4.1.2; B313).

use std::time::Duration;

use sip_stack::{Command, Event, Server, SubscribeBody, SubscriptionKey, SubscriptionState, SubscriptionWish};
use testbed::virtual_net::peer::requests;

use super::{Lab, SERVER, SUMMARY, asking, given, key, subscribe_command, wish};
use crate::given::server_of;

/// RFC 6665 4.1.2.1, 8.2.1.
#[test]
fn a_subscribe_says_what_is_wished() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    assert_eq!(first.uri.as_str(), "sip:200@10.0.0.9:5060");
    let said = |name: &str| first.headers.get(name).unwrap_or_default().to_owned();
    assert_eq!([said("Event"), said("Expires"), said("Accept")], ["message-summary", "3600", "application/simple-message-summary"]);
    assert_eq!(first.headers.to().unwrap().uri.as_str(), "sip:200@10.0.0.9");
    assert!(first.headers.from().unwrap().tag().is_some() && first.headers.has("Contact") && said("Allow").contains("NOTIFY"));
    assert_eq!(lab.state(), asking(""));
}

/// The presence server beats the proxy, the outbound proxy beats both.
#[test]
fn subscriptions_go_to_the_presence_server() {
    let mut settings = given();
    settings.lines[0].proxy = Some(server_of("10.0.0.8:5060"));
    settings.lines[0].presence = Some(server_of(SERVER));
    let mut lab = Lab::with(settings.clone());
    lab.command(subscribe_command());
    assert!(!lab.subscribe().headers.has("Route"));
    settings.lines[0].presence = Some(server_of("10.0.0.8:5060"));
    settings.lines[0].outbound_proxy = Some(server_of(SERVER));
    lab.configure(settings);
    assert!(lab.subscribe().headers.has("Route"));
}

#[test]
fn a_presence_server_by_name_is_looked_up() {
    let mut settings = given();
    settings.lines[0].presence = Some(Server { host: "presence.example".into(), port: None });
    settings.lines[0].srv_prefix = Some("_sip._udp.".into());
    let mut lab = Lab::with(settings);
    lab.net.nodes[0].names.insert("presence.example".into(), vec![SERVER.parse().unwrap()]);
    lab.command(subscribe_command());
    lab.subscribe();
    assert_eq!(lab.net.nodes[0].asked, [("presence.example".to_owned(), None, Some("_sip._udp.".to_owned()))]);
}

#[test]
fn what_a_notify_brings_is_told_with_its_type() {
    let (mut lab, first) = Lab::standing(600);
    lab.notify(&first, "active;expires=599", SUMMARY);
    assert_eq!((lab.codes(), lab.bodies()), (vec![200], vec![SUMMARY.to_owned()]));
    let kinds = lab.net.nodes[0].events(|event| match event {
        Event::Notified { content_type, .. } => Some(content_type.clone()),
        _ => None,
    });
    assert_eq!(kinds, ["application/simple-message-summary"]);
}

/// RFC 6665 4.4.1: the NOTIFY makes the dialog, whether or not the 2xx is there.
#[test]
fn a_notify_before_the_answer_makes_the_dialog() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    lab.notify(&first, "pending", SUMMARY);
    assert_eq!((lab.codes(), lab.state()), (vec![200], SubscriptionState::Pending));
    lab.grant(&first, 100);
    lab.notify(&first, "active", SUMMARY);
    assert_eq!((lab.codes(), lab.state(), lab.bodies().len()), (vec![200], SubscriptionState::Active, 2));
    lab.seconds(89);
    assert!(lab.quiet());
    lab.seconds(2);
    let second = lab.subscribe();
    assert_eq!(second.headers.to().unwrap().tag(), Some("n1"));
    assert!(second.headers.cseq().unwrap().number > first.headers.cseq().unwrap().number);
}

/// Timer N (RFC 6665 4.1.2.4).
#[test]
fn an_answer_that_no_notify_follows_is_a_failure() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    lab.grant(&first, 600);
    lab.seconds(31);
    assert!(lab.quiet());
    assert_eq!(lab.state(), asking(""));
    lab.seconds(2);
    assert_eq!(lab.state(), asking("the server has taken the subscription and says nothing"));
    lab.notify(&first, "active", "");
    assert_eq!(lab.codes(), [481], "the subscription is given up");
    lab.seconds(10);
    assert_ne!(lab.subscribe().headers.call_id(), first.headers.call_id());
}

/// B313: in the same dialog, at the rate of what was granted.
#[test]
fn the_refresh_comes_at_the_rate_of_what_was_granted() {
    let (mut lab, first) = Lab::standing(100);
    for _ in 0..5 {
        lab.net.run_for(Duration::from_millis(89_500));
        assert!(lab.quiet());
        lab.seconds(1);
        let again = lab.subscribe();
        assert_eq!(again.headers.call_id(), first.headers.call_id());
        assert_eq!(again.uri.as_str(), "sip:notifier@10.0.0.9:5060");
        lab.grant(&again, 100);
        lab.notify(&first, "active;expires=100", "");
        assert_eq!((lab.codes(), lab.state()), (vec![200], SubscriptionState::Active));
    }
}

/// RFC 6665 4.1.2.1: what a NOTIFY says of the time left counts.
#[test]
fn a_notify_shortens_the_subscription() {
    let (mut lab, first) = Lab::standing(3600);
    lab.notify(&first, "active;expires=60", "");
    lab.codes();
    lab.seconds(55);
    assert_eq!(lab.subscribe().headers.expires().unwrap(), Some(3600));
}

/// Bodies of a package that changes the server's state (as-feature-event).
#[test]
fn each_body_goes_with_one_subscribe_in_order() {
    let (mut lab, _) = Lab::standing(600);
    let body = |text: &str| SubscribeBody { content_type: "application/x-test".into(), bytes: text.into() };
    for text in ["one", "two", "three"] {
        lab.command(Command::Subscribe { key: key(), wish: wish(), body: Some(body(text)) });
    }
    for text in ["one", "two", "three"] {
        let subscribe = lab.subscribe();
        assert_eq!(
            (subscribe.body.as_slice(), subscribe.headers.get("Content-Type")),
            (text.as_bytes(), Some("application/x-test"))
        );
        lab.grant(&subscribe, 600);
    }
    assert!(lab.quiet());
}

/// While the first SUBSCRIBE is under way.
#[test]
fn what_is_wished_before_the_dialog_is_said_as_soon_as_there_is_one() {
    let mut lab = Lab::new();
    let first = lab.subscribe();
    let body = SubscribeBody { content_type: "application/x-test".into(), bytes: b"one".into() };
    lab.command(Command::Subscribe { key: key(), wish: SubscriptionWish { expires: Some(60), ..wish() }, body: Some(body) });
    lab.grant(&first, 600);
    assert!(lab.quiet());
    lab.notify(&first, "active", "");
    let got = lab.net.received(lab.server);
    let second = (*requests(&got, "SUBSCRIBE").first().unwrap()).clone();
    assert_eq!((second.body.as_slice(), second.headers.expires().unwrap()), (&b"one"[..], Some(60)));
    lab.grant(&second, 60);
    assert!(lab.quiet());
}

#[test]
fn the_number_of_subscriptions_is_bounded() {
    let mut lab = Lab::with(given());
    for number in 0..200 {
        let key = SubscriptionKey { resource: number.to_string(), ..key() };
        lab.command(Command::Subscribe { key, wish: wish(), body: None });
    }
    assert_eq!(lab.net.nodes[0].stack.load().subscriptions, 128);
    let refused = lab.net.nodes[0].events(|event| match event {
        Event::Subscription { state: SubscriptionState::Refused { reason }, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(refused.len(), 72);
}

#[test]
fn an_event_that_is_none_is_refused_at_once() {
    let mut lab = Lab::with(given());
    let key = SubscriptionKey { event: "no, event".into(), ..key() };
    lab.command(Command::Subscribe { key, wish: wish(), body: None });
    assert!(lab.quiet());
    assert_eq!(lab.net.nodes[0].stack.load().subscriptions, 0);
}
