//! NOTIFYs: those that fit, those that don't, and those of others (RFC 6665 4.1.3, 4.1.4; RFC 4662).

use sip_stack::{Command, SubscriptionState, SubscriptionWish};
use sip_wire::HeaderName;
use testbed::virtual_net::peer::requests;

use super::{Lab, SUMMARY, given, key};

/// RFC 6665 4.1.3: 481 for none of ours, 489 for another package, 500 out of order, 400 without a state.
#[test]
fn notifies_that_do_not_fit_are_refused() {
    let (mut lab, first) = Lab::standing(600);
    let good = lab.notify_text(&first, "active", SUMMARY);
    let old = good.replace("CSeq: 2 NOTIFY", "CSeq: 1 NOTIFY");
    let changed = [
        (good.replace(&format!("Call-ID: {}", first.headers.call_id().unwrap()), "Call-ID: other"), 481),
        (good.replace(";tag=n1", ";tag=n9"), 481),
        (good.replace("Event: message-summary", "Event: dialog"), 489),
        (good.replace("Event: message-summary", "Event: message-summary;id=1"), 489),
        (good.replace("Event: message-summary\r\n", ""), 489),
        (old, 500),
        (good.replace("Subscription-State: active\r\n", ""), 400),
        (good.replace("Contact:", "Require: eventlist\r\nContact:"), 420),
    ];
    for (number, (text, code)) in changed.into_iter().enumerate() {
        assert_ne!(text, good);
        lab.send(text.replace("z9hG4bK", &format!("z9hG4bKx{number}")));
        assert_eq!(lab.codes(), [code], "{number}");
    }
    assert!(lab.bodies().is_empty());
    lab.send(good);
    assert_eq!((lab.codes(), lab.bodies().len()), (vec![200], 1));
}

/// RFC 4662 4.1, 4.3.
#[test]
fn who_takes_lists_says_so_and_gets_them() {
    let mut lab = Lab::with(given());
    let accept = vec!["application/rlmi+xml".to_owned(), "multipart/related".to_owned()];
    lab.command(Command::Subscribe { key: key(), wish: SubscriptionWish { accept, ..SubscriptionWish::default() }, body: None });
    let first = lab.subscribe();
    assert_eq!(first.headers.supported().unwrap(), ["eventlist"]);
    lab.grant(&first, 600);
    let text = lab.notify_text(&first, "active", SUMMARY).replace("Contact:", "Require: eventlist\r\nContact:");
    lab.send(text);
    assert_eq!((lab.codes(), lab.bodies().len()), (vec![200], 1));
}

/// RFC 6665 4.1.4: the first notifier is taken; what another one begins it must end.
#[test]
fn of_a_forked_subscribe_the_first_notifier_is_taken() {
    let (mut lab, first) = Lab::standing(600);
    let (tag, cseq) = (lab.tag.clone(), lab.cseq);
    (lab.tag, lab.cseq) = ("fork".into(), 1);
    lab.notify(&first, "active", "Messages-Waiting: no\r\n");
    assert_eq!(lab.codes(), [481]);
    (lab.tag, lab.cseq) = (tag, cseq);
    lab.notify(&first, "active", SUMMARY);
    assert_eq!((lab.codes(), lab.bodies()), (vec![200], vec![SUMMARY.to_owned()]));
}

/// The NOTIFY of a refresh overtakes its answer.
#[test]
fn a_notify_that_overtakes_the_answer_is_not_waited_for() {
    let (mut lab, first) = Lab::standing(100);
    lab.seconds(90);
    let second = lab.subscribe();
    lab.notify(&first, "active;expires=100", "");
    lab.codes();
    lab.grant(&second, 100);
    lab.seconds(60);
    assert!(lab.quiet() && lab.state() == SubscriptionState::Active);
    lab.seconds(40);
    let third = lab.subscribe();
    lab.grant(&third, 100);
    lab.seconds(33);
    assert_ne!(lab.subscribe().headers.call_id(), first.headers.call_id(), "timer N of a refresh");
}

#[test]
fn the_contact_of_the_notifier_is_where_refreshes_go() {
    let (mut lab, first) = Lab::standing(100);
    let elsewhere = lab.net.peer("10.0.0.7:5070");
    let text =
        lab.notify_text(&first, "active", "").replace("Contact: <sip:notifier@10.0.0.9:5060>", "Contact: <sip:n@10.0.0.7:5070>");
    lab.send(text);
    lab.codes();
    lab.seconds(95);
    assert!(lab.quiet());
    let got = lab.net.received(elsewhere);
    assert_eq!(requests(&got, "SUBSCRIBE")[0].uri.as_str(), "sip:n@10.0.0.7:5070");
    assert!(!requests(&got, "SUBSCRIBE")[0].headers.has(HeaderName::ROUTE));
}
