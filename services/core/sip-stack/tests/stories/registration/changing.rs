//! Settings that change under a line that is bound, or binds (RFC 3261 10.2, 10.3; B318): as little as can be is said.

use std::time::Duration;

use agreements::{LineNumber, Secret};
use sip_stack::{Command, Event, Input, LineState, StackSettings, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::Request;
use testbed::virtual_net::peer::{answer, request_of, requests};

use super::{Lab, REGISTRAR, authorization, digest};
use crate::given::{server_of, settings};

fn given() -> StackSettings {
    settings("10.0.0.1", "200", Some(REGISTRAR))
}

/// A line that says goodbye, bound for an hour; its REGISTER.
fn polite() -> (Lab, StackSettings, Request) {
    let mut given = given();
    given.lines[0].unregister_on_stop = true;
    let mut lab = Lab::new(given.clone());
    let first = lab.register();
    lab.grant(&first, 3600);
    (lab, given, first)
}

fn configure(lab: &mut Lab, settings: &StackSettings) {
    lab.net.input(0, Input::Settings(Box::new(settings.clone())));
    lab.net.settle();
}

/// Whom a REGISTER is about, and for how long.
fn said(register: &Request) -> (String, Option<u32>) {
    (register.headers.to().unwrap().uri.to_string(), register.headers.expires().unwrap())
}

/// The registrar takes REGISTERs in whatever order they come.
#[test]
fn the_new_binding_waits_for_the_answer_to_the_goodbye() {
    let (mut lab, mut given, first) = polite();
    given.lines[0].user = "201".into();
    configure(&mut lab, &given);
    let goodbye = lab.register();
    assert_eq!(said(&goodbye), ("sip:200@10.0.0.9".to_owned(), Some(0)));
    assert_eq!(goodbye.headers.call_id(), first.headers.call_id());
    lab.reply(answer(&goodbye, 200, "r"));
    let register = lab.register();
    assert_eq!(said(&register), ("sip:201@10.0.0.9".to_owned(), Some(3600)));
    lab.grant(&register, 3600);
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
    lab.net.run_for(Duration::from_secs(60));
    assert!(lab.net.titles(lab.registrar).is_empty());
}

/// RFC 3261 22: its nonce is an old one by now. Who says goodbye is who was bound.
#[test]
fn a_goodbye_gives_the_credentials_of_the_settings_that_it_is_about() {
    let (mut lab, mut given, _) = polite();
    (given.lines[0].user, given.lines[0].password) = ("201".into(), Secret::default());
    configure(&mut lab, &given);
    let goodbye = lab.register();
    lab.refuse(&goodbye, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\""))]);
    let signed = lab.register();
    assert_eq!(said(&signed), ("sip:200@10.0.0.9".to_owned(), Some(0)));
    assert_eq!(authorization(&signed).get("username"), Some("200"));
    assert_eq!(signed.headers.cseq().unwrap().number, goodbye.headers.cseq().unwrap().number + 1);
    assert_eq!((signed.headers.all("Via").count(), signed.headers.all("Contact").count()), (1, 1));
    lab.refuse(&signed, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\""))]);
    assert_eq!(said(&lab.register()).0, "sip:201@10.0.0.9", "refused for good: that is the end of it");
}

#[test]
fn a_goodbye_that_nobody_answers_holds_nothing_up_and_is_not_said_after_it() {
    let (mut lab, mut given, _) = polite();
    given.lines[0].registrar = Some(server_of("10.0.0.8:5060"));
    let other = lab.net.peer("10.0.0.8:5060");
    configure(&mut lab, &given);
    lab.net.run_for(Duration::from_millis(2800));
    assert!(lab.net.titles(lab.registrar).len() > 1 && lab.net.titles(other).is_empty());
    lab.net.run_for(Duration::from_millis(300));
    assert_eq!(lab.net.titles(other), ["REGISTER"]);
    lab.net.titles(lab.registrar);
    lab.net.run_for(Duration::from_secs(60));
    assert!(lab.net.titles(lab.registrar).is_empty());
}

/// Also where they change again before it is answered, and where the line is off by then.
#[test]
fn one_goodbye_is_said_for_one_binding() {
    let (mut lab, mut given, _) = polite();
    given.lines[0].user = "201".into();
    configure(&mut lab, &given);
    given.lines[0].enabled = false;
    configure(&mut lab, &given);
    let goodbye = lab.register();
    assert_eq!(lab.net.line(0), LineState::Disabled);
    lab.refuse(&goodbye, 401, &[("WWW-Authenticate", &digest(", qop=\"auth\""))]);
    let signed = lab.register();
    lab.reply(answer(&signed, 200, "r"));
    lab.net.run_for(Duration::from_secs(60));
    assert!(lab.net.titles(lab.registrar).is_empty());
    assert_eq!(lab.net.line(0), LineState::Disabled);
}

/// A goodbye under way when the SIP function stops is waited for as the others are (B318).
#[test]
fn the_stop_waits_for_a_goodbye_that_is_under_way() {
    let (mut lab, mut given, _) = polite();
    given.lines[0].user = "201".into();
    configure(&mut lab, &given);
    let goodbye = lab.register();
    lab.net.command(0, Command::Stop);
    lab.net.settle();
    assert!(!lab.net.nodes[0].events.contains(&Event::Stopped));
    lab.reply(answer(&goodbye, 200, "r"));
    assert!(lab.net.nodes[0].events.contains(&Event::Stopped));
    assert!(lab.net.titles(lab.registrar).is_empty());
}

/// A line that registers nowhere from then on subscribes all the same, once the goodbye is over.
#[test]
fn a_subscription_goes_on_when_the_line_registers_nowhere_after_its_goodbye() {
    let (mut lab, mut given, _) = subscribed();
    given.lines[0].registrar = None;
    configure(&mut lab, &given);
    let got = lab.net.received(lab.registrar);
    let (goodbye, ended) = (requests(&got, "REGISTER")[0].clone(), requests(&got, "SUBSCRIBE")[0].clone());
    assert_eq!((said(&goodbye).1, said(&ended).1), (Some(0), Some(0)));
    lab.reply(answer(&ended, 200, "n"));
    lab.reply(answer(&goodbye, 200, "r"));
    let again = lab.register();
    assert_eq!((again.method.as_str(), said(&again).1), ("SUBSCRIBE", Some(3600)));
    assert_ne!(again.headers.call_id(), ended.headers.call_id());
}

/// The same where nothing was bound yet: it is asked for once (RFC 6665 4.1.2).
#[test]
fn a_subscription_that_has_waited_for_a_binding_begins_once_when_there_will_be_none() {
    let mut given = given();
    let mut lab = Lab::new(given.clone());
    lab.register();
    let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "message-summary".into(), resource: String::new() };
    lab.net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    lab.net.settle();
    assert!(lab.net.titles(lab.registrar).is_empty());
    given.lines[0].registrar = None;
    configure(&mut lab, &given);
    assert_eq!(lab.net.titles(lab.registrar), ["SUBSCRIBE"]);
}

/// A restart of the service in the middle of it changes nothing.
#[test]
fn a_goodbye_is_answered_in_the_next_life() {
    let (mut lab, mut given, _) = polite();
    given.lines[0].user = "201".into();
    configure(&mut lab, &given);
    let goodbye = lab.register();
    lab.net.restart(0);
    lab.net.settle();
    lab.net.titles(lab.registrar);
    lab.reply(answer(&goodbye, 200, "r"));
    assert_eq!(said(&lab.register()).0, "sip:201@10.0.0.9");
}

type Row = (&'static str, fn(&mut StackSettings));

/// Rows that another REGISTER says.
const WORDS: [Row; 6] = [
    ("SIP_PASS_n", |given| given.lines[0].password = Secret::new("better")),
    ("SIP_AUTHID_n", |given| given.lines[0].auth_id = "desk".into()),
    ("REG_EXPIRE_TIME_n", |given| given.lines[0].register_expires = 600),
    ("SIP_REQURI_PORT_n", |given| given.lines[0].request_uri_port = false),
    ("ADD_USER_PHONE_n", |given| given.lines[0].user_phone = true),
    ("ADD_EXPIRES_HEADER_n", |given| given.lines[0].details.expires_header = false),
];

/// Rows that the next message says, whatever it is.
const NOTHING: [Row; 4] = [
    ("DISPLAY_NAME_n", |given| given.lines[0].display_name = "Desk".into()),
    ("SIP_ADD_RPORT_n", |given| given.lines[0].add_rport = true),
    ("SIP_USER_AGENT", |given| given.user_agent = "Other/1".into()),
    ("SIP_UDP_SRV_PREFIX_n", |given| given.lines[0].srv_prefix = Some("_x._udp.".into())),
];

/// A line with a binding and a subscription.
fn subscribed() -> (Lab, StackSettings, Request) {
    let (mut lab, given, first) = polite();
    let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "message-summary".into(), resource: String::new() };
    lab.net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    lab.net.settle();
    let subscribe = lab.register();
    let mut ok = answer(&subscribe, 200, "n");
    ok.headers.push("Expires", 3600);
    ok.headers.push("Contact", "<sip:n@10.0.0.9:5060>");
    lab.reply(ok);
    let notify = format!(
        "NOTIFY sip:200@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKn\r\nMax-Forwards: 70\r\n\
         From: <sip:200@10.0.0.9>;tag=n\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 NOTIFY\r\nContact: <sip:n@10.0.0.9:5060>\r\n\
         Event: message-summary\r\nSubscription-State: active\r\nContent-Length: 0\r\n\r\n",
        subscribe.headers.get("From").unwrap(),
        subscribe.headers.call_id().unwrap()
    );
    lab.net.send(lab.registrar, lab.net.nodes[0].ip, notify.into_bytes());
    lab.net.settle();
    assert_eq!(lab.net.titles(lab.registrar), ["200 NOTIFY"]);
    let active = |event: &Event| matches!(event, Event::Subscription { state: SubscriptionState::Active, .. });
    assert!(lab.net.nodes[0].events.iter().any(active));
    (lab, given, first)
}

/// A registrar that is slow, or away, keeps nobody from using the line.
#[test]
fn a_row_of_one_header_leaves_the_line_bound_and_says_one_register() {
    for (row, change) in WORDS {
        let (mut lab, mut given, first) = subscribed();
        change(&mut given);
        configure(&mut lab, &given);
        let register = lab.register();
        assert_eq!(register.method.to_string(), "REGISTER", "{row}");
        assert_eq!(register.headers.call_id(), first.headers.call_id(), "{row}");
        assert_eq!(register.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1, "{row}");
        assert_ne!(register.headers.contact().unwrap().first().unwrap().expires(), Some(0), "{row}");
        lab.net.run_for(Duration::from_secs(50));
        assert!(matches!(lab.net.line(0), LineState::Registered { .. }), "{row}");
        let others = lab.net.received(lab.registrar);
        assert!(others.iter().all(|message| request_of(message).method.to_string() == "REGISTER"), "{row}");
    }
}

#[test]
fn a_row_that_no_register_says_registers_nothing() {
    for (row, change) in NOTHING {
        let (mut lab, mut given, _) = subscribed();
        change(&mut given);
        configure(&mut lab, &given);
        assert!(lab.net.titles(lab.registrar).is_empty(), "{row}");
        assert!(matches!(lab.net.line(0), LineState::Registered { .. }), "{row}");
    }
}

/// RFC 3261 10.2: no REGISTER before the answer to the one before it.
#[test]
fn what_changes_while_a_register_is_under_way_is_said_after_its_answer() {
    let mut given = given();
    let mut lab = Lab::new(given.clone());
    let first = lab.register();
    given.lines[0].register_expires = 600;
    configure(&mut lab, &given);
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.grant(&first, 3600);
    let second = lab.register();
    assert_eq!((second.headers.expires().unwrap(), second.headers.call_id()), (Some(600), first.headers.call_id()));
    lab.grant(&second, 600);
    assert!(lab.net.titles(lab.registrar).is_empty());
    // What is refused is the old password.
    given.lines[0].password = Secret::new("better");
    lab.net.run_for(Duration::from_secs(541));
    let refresh = lab.register();
    configure(&mut lab, &given);
    lab.refuse(&refresh, 403, &[]);
    let third = lab.register();
    lab.grant(&third, 600);
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
}

/// RFC 3261 10.3: nobody is bound for longer than was asked.
#[test]
fn a_registrar_that_grants_more_than_was_asked_is_asked_again_in_the_asked_time() {
    let mut given = given();
    given.lines[0].register_expires = 100;
    let mut lab = Lab::new(given);
    let first = lab.register();
    lab.grant(&first, u32::MAX);
    assert!(matches!(lab.net.line(0), LineState::Registered { expires: 100, .. }));
    lab.net.run_for(Duration::from_secs(91));
    lab.register();
}

/// A fleet that has been switched on together stays spread, whatever else each of its phones learns meanwhile.
#[test]
fn the_spread_of_a_cold_start_outlives_other_settings_and_another_address() {
    let mut early = 0;
    for seed in 0..10 {
        let mut net = testbed::virtual_net::Net::with_faults(seed * 2 + 1, testbed::virtual_net::PERFECT);
        let registrar = net.peer(REGISTRAR);
        net.switched_on(given());
        let mut changed = given();
        changed.lines[0].register_expires = 600;
        net.input(0, Input::Settings(Box::new(changed.clone())));
        changed.addresses = vec!["10.0.0.2".parse().unwrap()];
        net.input(0, Input::Settings(Box::new(changed)));
        net.settle();
        early += net.titles(registrar).len();
        net.run_for(Duration::from_secs(10));
        assert!(!net.titles(registrar).is_empty(), "seed {seed}");
    }
    assert!(early < 2, "{early} of 10 at once");
}

/// Phones that have lost one registrar at one moment.
#[test]
fn the_return_to_a_registrar_is_spread_over_a_quarter_of_the_interval() {
    let mut moments = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let mut net = testbed::virtual_net::Net::with_faults(seed * 2 + 1, testbed::virtual_net::PERFECT);
        let registrar = net.peer(REGISTRAR);
        net.stack(given());
        net.settle();
        let register = request_of(&net.received(registrar)[0]).clone();
        net.send(registrar, net.nodes[0].ip, answer(&register, 500, "r").to_bytes());
        net.settle();
        let refused = net.now;
        net.run_for(Duration::from_millis(9_800));
        assert!(net.titles(registrar).is_empty());
        net.run_for(Duration::from_millis(2_800));
        let again = net.log.iter().rfind(|sent| sent.to == registrar && sent.title() == "REGISTER").unwrap();
        assert!(again.at > refused);
        let second = net.log.iter().filter(|sent| sent.to == registrar && sent.title() == "REGISTER").nth(1).unwrap();
        moments.insert(second.at.since(refused).as_millis() / 100);
    }
    assert!(moments.len() >= 6, "{moments:?}");
}
