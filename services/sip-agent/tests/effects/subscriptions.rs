//! How a line subscribes, shown with the subscription to its mailbox (RFC 6665, RFC 3842; B199, B211, B313).

use agreements::LineNumber;
use sip_stack::{Command, Event, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::Request;
use testbed::virtual_net::peer::{answer, requests};

use crate::configured::{FAR, Lab, Rowset, desk};

fn key() -> SubscriptionKey {
    SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "message-summary".into(), resource: String::new() }
}

fn subscribe_at(rows: Rowset, far: &str) -> Lab {
    let mut lab = Lab::calling_at(rows, far);
    lab.command(Command::Subscribe { key: key(), wish: SubscriptionWish::default(), body: None });
    lab
}

fn subscribe(rows: Rowset) -> Lab {
    subscribe_at(rows, FAR)
}

/// The server takes it for so long, and says what waits.
fn hold(lab: &mut Lab, subscribe: &Request, seconds: u32) {
    let mut ok = answer(subscribe, 200, "n");
    ok.headers.push("Expires", seconds);
    lab.say(ok);
    let far = lab.far;
    let notify = format!(
        "NOTIFY sip:200@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {far};branch=z9hG4bKn\r\nMax-Forwards: 70\r\n\
         From: <sip:200@10.0.0.9>;tag=n\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:{far}>\r\n\
         Event: message-summary\r\nSubscription-State: active;expires={seconds}\r\nContent-Length: 0\r\n\r\n",
        subscribe.headers.get("From").unwrap(),
        subscribe.headers.call_id().unwrap(),
    );
    lab.net.send(far, lab.net.nodes[0].ip, notify.into_bytes());
    lab.net.settle();
    assert_eq!(lab.titles(), ["200 NOTIFY"]);
}

/// The rest of the line's traffic goes to the proxy, at 10.0.0.9:5060.
#[test]
fn presence_address_and_port_get_the_subscriptions() {
    let rows: Rowset = &[("SIP_PRSNC_ADDR_1", "10.0.0.7"), ("SIP_PRSNC_PORT_1", "5080")];
    assert_eq!(subscribe_at(rows, "10.0.0.7:5080").titles(), ["SUBSCRIBE"]);
    assert_eq!(subscribe_at(&[("SIP_PRSNC_ADDR_1", "10.0.0.7")], "10.0.0.7:5060").titles(), ["SUBSCRIBE"]);
    assert!(subscribe(rows).titles().is_empty());
    assert_eq!(subscribe(&[]).titles(), ["SUBSCRIBE"], "without a presence server the proxy gets it");
}

#[test]
fn the_wanted_time_stands_in_expires() {
    for (seconds, expires) in [("3600", 3600), ("120", 120), ("4294967295", u32::MAX)] {
        let first = subscribe(&[("SIP_SUBS_EXPIRE_1", seconds)]).first("SUBSCRIBE");
        assert_eq!(first.headers.expires().unwrap(), Some(expires));
    }
}

/// B313: percent of what was granted, in the same dialog.
#[test]
fn the_rate_says_when_the_subscription_is_renewed() {
    for (rate, seconds) in [("50", 50), ("90", 90)] {
        let mut lab = subscribe(&[("SUB_INTERVAL_RATE_1", rate)]);
        let first = lab.first("SUBSCRIBE");
        hold(&mut lab, &first, 100);
        lab.run_ms(1000 * seconds - 500);
        assert!(lab.titles().is_empty(), "{rate}");
        lab.seconds(1);
        assert_eq!(lab.first("SUBSCRIBE").headers.call_id(), first.headers.call_id(), "{rate}");
    }
}

/// B211: after anything but 403.
#[test]
fn the_retry_interval_passes_after_a_failure() {
    for (interval, seconds) in [("10", 10), ("60", 60)] {
        let mut lab = subscribe(&[("SUB_RTX_INTVL_1", interval)]);
        let first = lab.first("SUBSCRIBE");
        lab.say(answer(&first, 500, "n"));
        lab.run_ms(1000 * seconds - 500);
        assert!(lab.titles().is_empty(), "{interval}");
        lab.seconds(1);
        let second = lab.first("SUBSCRIBE");
        lab.say(answer(&second, 403, "n"));
        lab.seconds(86_400);
        assert!(lab.titles().is_empty(), "{interval}: not after 403");
    }
}

#[test]
fn the_switch_makes_registered_lines_subscribe_to_their_mailboxes() {
    let asked = |wanted: &str| {
        let commands = desk(&[("VM_SUBSCRIBE_ENABLE", wanted)]).commands();
        commands.iter().filter(|command| matches!(command, Command::Subscribe { key: of, .. } if *of == key())).count()
    };
    assert_eq!((asked("N"), asked("Y")), (0, 1));
    let mut lab = Lab::registering(&[]);
    lab.bind();
    lab.command(desk(&[("VM_SUBSCRIBE_ENABLE", "Y")]).commands().remove(0));
    let got = lab.got();
    let first = requests(&got, "SUBSCRIBE")[0];
    assert_eq!((first.headers.get("Event"), first.uri.user()), (Some("message-summary"), Some("200")));
    assert_eq!(first.headers.get("Accept"), Some("application/simple-message-summary"));
}

/// RFC 4662 4.1: what is asked for, and of whom.
#[test]
fn the_resource_list_is_subscribed_to() {
    let asked = |list: &str| {
        let mut lab = Lab::registering(&[]);
        lab.bind();
        desk(&[("RESOURCELIST_URI_1", list)]).commands().into_iter().for_each(|command| lab.command(command));
        requests(&lab.got(), "SUBSCRIBE").into_iter().cloned().collect::<Vec<Request>>()
    };
    assert!(asked("").is_empty());
    for list in ["sip:colleagues@10.0.0.9", "sip:team@example.com"] {
        let [subscribe] = asked(list).try_into().unwrap();
        let said = |name: &str| subscribe.headers.get(name).unwrap_or_default();
        assert_eq!((subscribe.uri.as_str(), said("Event"), said("To")), (list, "dialog", format!("<{list}>").as_str()));
        assert_eq!(said("Accept"), "application/rlmi+xml, multipart/related, application/dialog-info+xml");
        assert!(said("Supported").split(", ").any(|option| option == "eventlist"), "{}", said("Supported"));
    }
}

/// B199.
#[test]
fn a_voice_message_line_makes_the_message_or_is_not_needed() {
    let lamp = |counted: &str, body: &str| {
        let mut desk = desk(&[("VM_SUBSCRIBE_ENABLE", "Y"), ("VOICE_MESSAGE_AVAILABLE", counted)]);
        desk.sip(Event::Subscription { key: key(), state: SubscriptionState::Active });
        let content_type = "application/simple-message-summary".to_owned();
        desk.sip(Event::Notified { key: key(), content_type, body: body.into() });
        desk.lamp("message").to_owned()
    };
    let (bare, counted) = ("Messages-Waiting: yes\r\n", "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n");
    assert_eq!([lamp("Y", bare), lamp("Y", counted)], ["off", "on"]);
    assert_eq!([lamp("N", bare), lamp("N", counted)], ["on", "on"]);
}
