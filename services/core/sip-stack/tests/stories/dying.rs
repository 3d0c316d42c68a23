//! Servers that die where a line is bound (RFC 3263 4.3, RFC 3608; B210, B214): the line is bound at another one as soon as anything
//! shows it, and what was on its way goes on by the way that this brings.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, Event, Input, LineState, StackSettings, SubscriptionKey, SubscriptionWish};
use sip_wire::Request;
use testbed::virtual_net::peer::{PCMU, answer, at, requests, with_sdp};

use crate::given::{server_of, settings};
use crate::servers::{FIRST, Lab, SECOND, given, silent, well};

const WAY_OF_FIRST: &str = "<sip:10.0.0.9:5060;lr>";
const WAY_OF_SECOND: &str = "<sip:10.0.0.8:5060;lr>";

/// Bound at the first server, which names this way of calls, or none.
fn bound(given: StackSettings, way: &str) -> Lab {
    let mut lab = Lab::new(given);
    let register = lab.request(lab.first, "REGISTER");
    bind(&mut lab, FIRST, &register, way);
    lab
}

fn bind(lab: &mut Lab, server: &str, register: &Request, way: &str) {
    let extra: Vec<(&str, &str)> = (!way.is_empty()).then_some(("Service-Route", way)).into_iter().collect();
    lab.reply(server.parse().unwrap(), register, 200, &extra);
    lab.net.settle();
    assert!(lab.is_registered());
}

/// ICMP says that nobody is at the first server.
fn refused(lab: &mut Lab) {
    let flow = *lab.net.nodes[0].flows.keys().next().unwrap();
    lab.net.input(0, Input::Refused { flow, remote: lab.first });
    lab.net.settle();
}

fn seconds(lab: &mut Lab, seconds: u64) {
    lab.net.run_for(Duration::from_secs(seconds));
}

/// Messages of that title, their repetitions not counted.
fn different(lab: &Lab, server: SocketAddr, title: &str) -> usize {
    lab.sent_to(server, title).into_iter().map(|sent| sent.bytes.as_slice()).collect::<BTreeSet<_>>().len()
}

fn routes(request: &Request) -> Vec<String> {
    request.headers.route().unwrap().iter().map(|route| format!("<{}>", route.uri)).collect()
}

fn same(request: &Request) -> (String, u32) {
    (request.headers.call_id().unwrap().to_owned(), request.headers.cseq().unwrap().number)
}

/// RFC 3263 4.3: nobody calls us at a server that is not there; the refresh would be 54 minutes away.
#[test]
fn a_call_that_its_server_does_not_answer_shows_where_the_line_must_be_bound() {
    let mut lab = bound(given(), "");
    lab.net.dial(0, "100");
    seconds(&mut lab, 31);
    assert!(lab.sent_to(lab.second, "REGISTER").is_empty());
    seconds(&mut lab, 1);
    lab.net.settle();
    let got = lab.net.received(lab.second);
    assert_eq!((requests(&got, "REGISTER").len(), requests(&got, "INVITE").is_empty()), (1, false), "{}", lab.net.story());
    lab.reply(lab.second, requests(&got, "INVITE")[0], 486, &[]);
    bind(&mut lab, SECOND, requests(&got, "REGISTER")[0], "");
    lab.net.received(lab.first);
    // It stays there until the first one has answered again.
    let (first, second) = lab.run(1800, &silent, &well);
    assert!(first.iter().all(|title| title == "OPTIONS") && !second.contains(&"REGISTER".to_owned()), "{first:?} {second:?}");
}

/// RFC 3261 21.5.4: who names a time is there, keeps the binding and calls us.
#[test]
fn a_server_that_asks_for_silence_keeps_the_line() {
    let mut lab = bound(given(), "");
    lab.net.dial(0, "100");
    lab.net.settle();
    let invite = lab.request(lab.first, "INVITE");
    lab.reply(lab.first, &invite, 503, &[("Retry-After", "60")]);
    lab.run(60, &well, &silent);
    assert!(lab.sent_to(lab.second, "REGISTER").is_empty());
}

/// B213: the packets that keep the way open are answered by nobody, but ICMP says that nobody is there: the next REGISTER finds out.
#[test]
fn icmp_about_a_keep_alive_has_the_line_bound_elsewhere() {
    let mut kept = given();
    kept.lines[0].keep_alive = Duration::from_secs(30);
    let mut lab = bound(kept, "");
    seconds(&mut lab, 31);
    lab.net.bytes(lab.first);
    refused(&mut lab);
    seconds(&mut lab, 4);
    lab.request(lab.first, "REGISTER");
    refused(&mut lab);
    let register = lab.request(lab.second, "REGISTER");
    bind(&mut lab, SECOND, &register, "");
}

/// Anybody can forge ICMP: while the server answers, ever fewer REGISTERs follow; where there is no other server, none.
#[test]
fn icmp_without_a_reason_is_followed_ever_more_seldom() {
    let mut lab = bound(given(), "");
    for _ in 0..600 {
        refused(&mut lab);
        lab.run(1, &well, &well);
    }
    let asked = lab.sent_to(lab.first, "REGISTER").len();
    assert!((4..=18).contains(&asked), "{asked}");
    let mut lab = bound(settings("10.0.0.1", "200", Some(FIRST)), "");
    refused(&mut lab);
    seconds(&mut lab, 10);
    assert_eq!(lab.sent_to(lab.first, "REGISTER").len(), 1);
}

/// RFC 3608 6.1: the way is the binding's. With its server silent (timer B) or absent (ICMP) the call goes where the next one leads, as the
/// same request.
#[test]
fn a_call_whose_service_route_is_dead_goes_by_the_way_of_the_next_binding() {
    for icmp in [false, true] {
        let mut lab = bound(given(), WAY_OF_FIRST);
        lab.net.dial(0, "100");
        lab.net.settle();
        let first = lab.request(lab.first, "INVITE");
        assert_eq!(routes(&first), [WAY_OF_FIRST]);
        if icmp {
            refused(&mut lab)
        } else {
            seconds(&mut lab, 32)
        }
        let got = lab.net.received(lab.second);
        assert!(requests(&got, "INVITE").is_empty(), "perhaps the next server serves nobody whom it does not know");
        bind(&mut lab, SECOND, requests(&got, "REGISTER")[0], WAY_OF_SECOND);
        let second = lab.request(lab.second, "INVITE");
        assert_eq!((routes(&second), same(&second)), (vec![WAY_OF_SECOND.to_owned()], same(&first)));
        lab.reply(lab.second, &second, 486, &[]);
        lab.net.settle();
        assert_eq!(lab.net.nodes[0].ended().unwrap().0, 486);
    }
}

/// Whoever notices first: everything of the dead way goes by the next one.
#[test]
fn calls_and_subscriptions_leave_a_dead_way_together() {
    for icmp in [false, true] {
        let mut lab = bound(given(), WAY_OF_FIRST);
        subscribe(&mut lab);
        let calls = ["100", "101"].map(|number| lab.net.dial(0, number));
        lab.net.settle();
        assert_eq!(different(&lab, lab.first, "INVITE"), 2);
        if icmp {
            refused(&mut lab)
        } else {
            seconds(&mut lab, 32)
        }
        let got = lab.net.received(lab.second);
        bind(&mut lab, SECOND, requests(&got, "REGISTER")[0], WAY_OF_SECOND);
        let got = lab.net.received(lab.second);
        let ways = |title: &str| requests(&got, title).into_iter().map(routes).collect::<Vec<_>>();
        assert_eq!((ways("INVITE").len(), ways("SUBSCRIBE").len()), (2, 1), "{}", lab.net.story());
        assert!([ways("INVITE"), ways("SUBSCRIBE")].concat().iter().all(|way| way == &[WAY_OF_SECOND]));
        calls.into_iter().for_each(|call| lab.net.command(0, Command::Hangup(call)));
    }
}

/// The line has been bound elsewhere for another reason while the INVITE waited: it follows, without another REGISTER.
#[test]
fn a_call_on_a_dead_way_follows_a_line_that_has_moved() {
    let mut lab = bound(given(), WAY_OF_FIRST);
    lab.net.dial(0, "100");
    lab.net.settle();
    let first = lab.request(lab.first, "INVITE");
    lab.net.command(0, Command::Register(LineNumber::new(1).unwrap()));
    lab.net.settle();
    let register = lab.request(lab.first, "REGISTER");
    lab.reply(lab.first, &register, 503, &[]);
    lab.net.settle();
    let register = lab.request(lab.second, "REGISTER");
    bind(&mut lab, SECOND, &register, "");
    seconds(&mut lab, 32);
    let second = lab.request(lab.second, "INVITE");
    assert_eq!((routes(&second), same(&second)), (vec![], same(&first)));
    assert_eq!(lab.sent_to(lab.second, "REGISTER").len(), 1);
}

/// A proxy that is alone is not asked twice, whatever the registrar does.
#[test]
fn a_call_that_is_lost_at_a_proxy_of_its_own_ends_there() {
    let mut lone = settings("10.0.0.1", "200", Some(FIRST));
    lone.lines[0].proxy = Some(server_of(SECOND));
    for refreshing in [false, true] {
        let mut lab = bound(lone.clone(), "");
        lab.net.dial(0, "100");
        seconds(&mut lab, 31);
        if refreshing {
            lab.net.command(0, Command::Register(LineNumber::new(1).unwrap()));
        }
        lab.run(2, &well, &silent);
        assert_eq!((lab.net.nodes[0].ended().unwrap().0, different(&lab, lab.second, "INVITE")), (408, 1));
    }
}

/// The next server takes no binding: the call goes the usual way, and where nobody is, it ends.
#[test]
fn a_call_whose_service_route_is_dead_does_not_wait_for_ever() {
    for (code, calls) in [(Some(404), 1), (Some(503), 0), (None, 1)] {
        let mut lab = bound(given(), WAY_OF_FIRST);
        lab.net.dial(0, "100");
        lab.net.settle();
        refused(&mut lab);
        let refuse = |request: &Request| code.filter(|_| request.method.as_str() == "REGISTER");
        lab.run(100, &silent, &refuse);
        assert_eq!(different(&lab, lab.second, "INVITE"), calls, "{code:?} {}", lab.net.story());
        assert_eq!(lab.net.nodes[0].ended().unwrap().0, 408);
        assert!(lab.net.calls(0).is_empty());
    }
}

/// The registrar lives, and names a dead way again and again: a call has it asked once.
#[test]
fn a_way_that_is_named_again_is_not_taken_again() {
    let mut lab = bound(settings("10.0.0.1", "200", Some(FIRST)), WAY_OF_SECOND);
    lab.net.dial(0, "100");
    seconds(&mut lab, 32);
    lab.net.settle();
    let register = lab.request(lab.first, "REGISTER");
    bind(&mut lab, FIRST, &register, WAY_OF_SECOND);
    assert_eq!(lab.net.nodes[0].ended().unwrap().0, 408);
    seconds(&mut lab, 120);
    assert_eq!(lab.sent_to(lab.first, "REGISTER").len(), 2);
}

/// What people take back meanwhile goes nowhere.
#[test]
fn a_call_that_waits_for_another_way_can_be_taken_back() {
    let mut lab = bound(given(), WAY_OF_FIRST);
    let call = lab.net.dial(0, "100");
    lab.net.settle();
    refused(&mut lab);
    lab.net.command(0, Command::Hangup(call));
    let register = lab.request(lab.second, "REGISTER");
    bind(&mut lab, SECOND, &register, WAY_OF_SECOND);
    seconds(&mut lab, 40);
    assert!(lab.sent_to(lab.second, "INVITE").is_empty());
    let load = lab.net.nodes[0].stack.load();
    assert_eq!((load.calls, load.queries, load.call_timers), (0, 0, 0));
}

/// Nothing will bind it: whoever waits for that is told at once, not after a name's time.
#[test]
fn a_call_that_waits_for_another_way_ends_when_its_line_is_switched_off() {
    let mut lab = bound(given(), WAY_OF_FIRST);
    lab.net.dial(0, "100");
    lab.net.settle();
    refused(&mut lab);
    assert!(lab.net.nodes[0].ended().is_none());
    let mut off = given();
    off.lines[0].enabled = false;
    lab.net.input(0, Input::Settings(Box::new(off)));
    lab.net.settle();
    assert_eq!((lab.net.nodes[0].ended().unwrap().0, lab.net.nodes[0].stack.load().queries), (408, 0));
}

fn subscribe(lab: &mut Lab) {
    let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "dialog".into(), resource: "300".into() };
    lab.net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    lab.net.settle();
}

/// RFC 3608 6.1, RFC 6665 4.1.2.
#[test]
fn a_subscription_whose_service_route_is_dead_begins_anew_by_the_next_one() {
    for icmp in [false, true] {
        let mut lab = bound(given(), WAY_OF_FIRST);
        subscribe(&mut lab);
        assert_eq!(routes(&lab.request(lab.first, "SUBSCRIBE")), [WAY_OF_FIRST]);
        if icmp {
            refused(&mut lab)
        } else {
            seconds(&mut lab, 33)
        }
        let got = lab.net.received(lab.second);
        assert!(requests(&got, "SUBSCRIBE").is_empty());
        bind(&mut lab, SECOND, requests(&got, "REGISTER")[0], WAY_OF_SECOND);
        assert_eq!(routes(&lab.request(lab.second, "SUBSCRIBE")), [WAY_OF_SECOND]);
    }
}

/// The way is dead, its registrar is not: neither is asked more often than SUB_RTX_INTVL_n allows.
#[test]
fn a_subscription_over_a_dead_way_does_not_turn_in_circles() {
    let mut lab = bound(settings("10.0.0.1", "200", Some(FIRST)), WAY_OF_SECOND);
    let flow = *lab.net.nodes[0].flows.keys().next().unwrap();
    subscribe(&mut lab);
    for _ in 0..60 {
        lab.net.input(0, Input::Refused { flow, remote: lab.second });
        let got = lab.net.received(lab.first);
        requests(&got, "REGISTER").into_iter().for_each(|register| bind(&mut lab, FIRST, register, WAY_OF_SECOND));
        seconds(&mut lab, 1);
    }
    let asked = different(&lab, lab.first, "REGISTER");
    assert!((2..=8).contains(&asked), "{asked}");
}

/// B211: other credentials are tried by REGISTER first; a refusal of the old ones would last.
#[test]
fn nothing_is_subscribed_before_the_line_is_bound() {
    let mut lab = Lab::new(given());
    subscribe(&mut lab);
    let got = lab.net.received(lab.first);
    assert!(requests(&got, "SUBSCRIBE").is_empty());
    bind(&mut lab, FIRST, requests(&got, "REGISTER")[0], "");
    lab.request(lab.first, "SUBSCRIBE");
    for (password, address) in [("other", "10.0.0.1"), ("secret", "10.0.0.2")] {
        let mut lab = bound(given(), "");
        subscribe(&mut lab);
        let refused = lab.request(lab.first, "SUBSCRIBE");
        lab.reply(lab.first, &refused, 403, &[]);
        lab.net.settle();
        let mut changed = given();
        changed.lines[0].password = agreements::Secret::new(password);
        changed.addresses = vec![address.parse().unwrap()];
        lab.net.input(0, Input::Settings(Box::new(changed)));
        lab.net.settle();
        lab.net.nodes[0].ip.set_ip(address.parse().unwrap());
        let got = lab.net.received(lab.first);
        assert!(requests(&got, "SUBSCRIBE").is_empty(), "{}", lab.net.story());
        bind(&mut lab, FIRST, requests(&got, "REGISTER")[0], "");
        lab.request(lab.first, "SUBSCRIBE");
    }
}

/// A refresh that meets trouble does not take away what was granted, and holds up nobody for longer than it lasts.
#[test]
fn what_is_subscribed_during_a_refresh_waits_for_its_outcome_only() {
    let mut lab = bound(given(), "");
    lab.net.command(0, Command::Register(LineNumber::new(1).unwrap()));
    lab.net.settle();
    subscribe(&mut lab);
    let got = lab.net.received(lab.first);
    assert!(requests(&got, "SUBSCRIBE").is_empty());
    lab.reply(lab.first, requests(&got, "REGISTER")[0], 500, &[]);
    lab.net.settle();
    lab.request(lab.first, "SUBSCRIBE");
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
}

/// A call over the second of a name's servers, whose dialog goes by a name that leads to these.
fn talking_over_the_second(way: &[&str]) -> (Lab, agreements::CallIdentity) {
    let mut named = settings("10.0.0.1", "200", Some("sip.example.com"));
    named.lines[0].registrar = None;
    let mut lab = Lab::new(named);
    let both = vec![lab.first, lab.second];
    let names = &mut lab.net.nodes[0].names;
    names.insert("sip.example.com".into(), both);
    names.insert("sbc.example.com".into(), way.iter().map(|server| server.parse().unwrap()).collect());
    let call = lab.net.dial(0, "100");
    seconds(&mut lab, 33);
    let invite = lab.request(lab.second, "INVITE");
    let sdp = format!("v=0\r\no=- 7 7 IN IP4 10.0.0.8\r\ns=-\r\nc=IN IP4 10.0.0.8\r\nt=0 0\r\n{PCMU}");
    let mut ok = with_sdp(at(answer(&invite, 200, "f"), lab.second), &sdp);
    ok.headers.push("Record-Route", "<sip:sbc.example.com;lr>");
    lab.net.send(lab.second, lab.net.nodes[0].ip, ok.to_bytes());
    lab.net.settle();
    assert!(lab.net.nodes[0].events(|event| matches!(event, Event::Established { .. }).then_some(())).len() == 1);
    assert_eq!(lab.net.titles(lab.second), ["ACK"]);
    (lab, call)
}

/// RFC 3263 4.3: the server that has taken the call knows it; the name's first one is dead.
#[test]
fn a_dialog_stays_with_its_server_while_its_next_hop_leads_there_too() {
    let (mut lab, call) = talking_over_the_second(&[FIRST, SECOND]);
    lab.net.command(0, Command::Hold(call));
    lab.net.settle();
    lab.request(lab.second, "INVITE");
    assert!(lab.sent_to(lab.first, "ACK").is_empty());
}

/// Where its next hop leads elsewhere, it leads to whoever is known to be well.
#[test]
fn a_dialog_whose_next_hop_is_elsewhere_avoids_a_dead_server() {
    let third = "10.0.0.7:5060";
    let (mut lab, call) = talking_over_the_second(&[FIRST, third]);
    let third = lab.net.peer(third);
    lab.net.command(0, Command::Hold(call));
    lab.net.settle();
    lab.request(third, "INVITE");
}

/// Hours with the first server dead and the second one well; what came to the first.
fn live(lab: &mut Lab, hours: u64) -> Vec<String> {
    let mut first = Vec::new();
    for _ in 0..hours * 720 {
        first.extend(lab.serve(lab.first, &silent));
        lab.serve(lab.second, &well);
        seconds(lab, 5);
    }
    first
}

/// A server that has left the name for a day is not asked any more, one that is wanted is.
#[test]
fn a_server_that_nobody_wants_any_more_is_forgotten() {
    for (stays, forgotten) in [(true, false), (false, true)] {
        let named = settings("10.0.0.1", "200", Some("sip.example.com"));
        let mut idle = named.clone();
        idle.lines[0].enabled = false;
        let mut lab = Lab::new(idle);
        let both = vec![lab.first, lab.second];
        lab.net.nodes[0].names.insert("sip.example.com".into(), both.clone());
        lab.net.input(0, Input::Settings(Box::new(named)));
        lab.net.settle();
        lab.unreachable(lab.first);
        lab.run(1, &silent, &well);
        assert!(lab.is_registered());
        if !stays {
            lab.net.nodes[0].names.insert("sip.example.com".into(), both[1..].to_vec());
        }
        live(&mut lab, 25);
        let first = live(&mut lab, 1);
        assert_eq!(first.is_empty(), forgotten, "{first:?}");
    }
}
