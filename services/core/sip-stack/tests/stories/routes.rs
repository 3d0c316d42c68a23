//! The way of calls as the registrar has named it (RFC 3608, RFC 3327), and the phone's name in its bindings (RFC 3840, RFC 5626).

use std::net::SocketAddr;
use std::time::Duration;

use agreements::LineNumber;
use sip_stack::{Command, LineState, StackSettings, SubscriptionKey, SubscriptionWish};
use sip_wire::Request;
use testbed::virtual_net::peer::{answer, requests};

use crate::given::{server_of, settings};
use crate::registration::Lab;

const REGISTRAR: &str = "10.0.0.9:5060";

fn given() -> StackSettings {
    settings("10.0.0.1", "200", Some(REGISTRAR))
}

/// A phone that the registrar has bound with this Service-Route.
fn bound(given: StackSettings, service_route: &str) -> Lab {
    let mut lab = Lab::new(given);
    let register = lab.register();
    bind(&mut lab, &register, service_route);
    lab
}

fn bind(lab: &mut Lab, register: &Request, service_route: &str) {
    let mut ok = answer(register, 200, "r");
    let contact = register.headers.contact().unwrap().first().unwrap().clone();
    ok.headers.push("Contact", contact.with_param("expires", 3600));
    if !service_route.is_empty() {
        ok.headers.push("Service-Route", service_route);
    }
    lab.reply(ok);
}

/// The Route of a call that must come to this address.
fn call_at(lab: &mut Lab, address: &str) -> Vec<String> {
    let at: SocketAddr = lab.net.peer(address);
    lab.net.dial(0, "300");
    lab.net.settle();
    let got = lab.net.received(at);
    let invites = requests(&got, "INVITE");
    assert_eq!(invites.len(), 1, "{}", lab.net.story());
    assert_eq!(invites[0].uri.as_str(), "sip:300@10.0.0.9:5060");
    invites[0].headers.route().unwrap().iter().map(|route| route.uri.to_string()).collect()
}

/// RFC 3608 6.1: all of it, in its order, and the call goes to the first of it.
#[test]
fn calls_take_the_way_that_the_registrar_has_named() {
    let mut lab = bound(given(), "<sip:10.0.0.70:5070;lr>, <sip:home.example.com;lr>");
    assert_eq!(call_at(&mut lab, "10.0.0.70:5070"), ["sip:10.0.0.70:5070;lr", "sip:home.example.com;lr"]);
    assert_eq!(call_at(&mut bound(given(), ""), REGISTRAR), Vec::<String>::new());
}

/// RFC 3608 6.1: a subscription begins like a call; one to a presence server of its own (B211) goes there.
#[test]
fn subscriptions_take_the_way_that_the_registrar_has_named() {
    let subscribe_at = |given: StackSettings, address: &str| {
        let mut lab = bound(given, "<sip:10.0.0.70:5070;lr>");
        let at: SocketAddr = lab.net.peer(address);
        let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "dialog".into(), resource: "300".into() };
        lab.net.command(0, Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
        lab.net.settle();
        let got = lab.net.received(at);
        let subscribes = requests(&got, "SUBSCRIBE");
        assert_eq!(subscribes.len(), 1, "{}", lab.net.story());
        subscribes[0].headers.route().unwrap().iter().map(|route| route.uri.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(subscribe_at(given(), "10.0.0.70:5070"), ["sip:10.0.0.70:5070;lr"]);
    let mut own = given();
    own.lines[0].presence = Some(server_of("10.0.0.80:5060"));
    assert_eq!(subscribe_at(own, "10.0.0.80:5060"), Vec::<String>::new());
}

/// RFC 3608 6.1: the newest 2xx counts; one without it takes it away.
#[test]
fn each_registration_names_the_way_anew() {
    let mut lab = bound(given(), "<sip:10.0.0.70;lr>");
    lab.net.run_for(Duration::from_secs(3600 * 9 / 10));
    let refresh = lab.register();
    assert!(refresh.headers.route().unwrap().is_empty(), "a REGISTER is no part of it");
    bind(&mut lab, &refresh, "");
    assert_eq!(call_at(&mut lab, REGISTRAR), Vec::<String>::new());
}

#[test]
fn a_way_ends_with_its_binding() {
    let mut lab = bound(given(), "<sip:10.0.0.70;lr>");
    lab.net.run_for(Duration::from_secs(3700));
    lab.net.received(lab.registrar);
    assert_eq!(call_at(&mut lab, REGISTRAR), Vec::<String>::new());
}

#[test]
fn an_outbound_proxy_stands_before_the_way_and_not_twice() {
    let mut behind = given();
    behind.lines[0].outbound_proxy = Some(server_of(REGISTRAR));
    let routes = call_at(&mut bound(behind.clone(), "<sip:10.0.0.70;lr>"), REGISTRAR);
    assert_eq!(routes, ["sip:10.0.0.9:5060;lr", "sip:10.0.0.70;lr"]);
    let routes = call_at(&mut bound(behind, "<sip:edge@10.0.0.9;lr>, <sip:10.0.0.70;lr>"), REGISTRAR);
    assert_eq!(routes, ["sip:edge@10.0.0.9;lr", "sip:10.0.0.70;lr"]);
}

/// Broken, strict, foreign or endless: the call goes the usual way.
#[test]
fn a_way_that_cannot_be_followed_is_none() {
    let endless = ["<sip:10.0.0.70;lr>"; 9].join(", ");
    for way in ["<<<", "<sip:10.0.0.70>", "<tel:112>", "<http://10.0.0.70>", &endless] {
        assert_eq!(call_at(&mut bound(given(), way), REGISTRAR), Vec::<String>::new(), "{way}");
    }
}

/// RFC 3327 5.1: proxies before the registrar may want to be on the way of calls to us.
#[test]
fn register_says_that_path_is_understood() {
    assert_eq!(Lab::new(given()).register().headers.supported().unwrap(), ["path"]);
}

/// RFC 3327 5.3: what the registrar says of it changes nothing, whatever it is; calls go their own way.
#[test]
fn the_path_of_a_2xx_changes_nothing() {
    for path in ["<sip:10.0.0.70;lr>, <sip:10.0.0.71;lr>", "<<<", ""] {
        let mut lab = Lab::new(given());
        let register = lab.register();
        let mut ok = answer(&register, 200, "r");
        let contact = register.headers.contact().unwrap().first().unwrap().clone();
        ok.headers.push("Contact", contact.with_param("expires", 3600));
        ok.headers.push("Path", path);
        lab.reply(ok);
        assert!(matches!(lab.net.line(0), LineState::Registered { .. }), "{path}");
        assert_eq!(call_at(&mut lab, REGISTRAR), Vec::<String>::new());
    }
}

/// RFC 5626 4.1: in the Contact of REGISTER only, in quotes and angle brackets.
#[test]
fn a_binding_carries_the_name_of_the_phone() {
    let urn = "urn:uuid:00000000-0000-1000-8000-0080f0abcdef";
    for (instance, expected) in [(None, None), (Some(urn), Some(format!("<{urn}>")))] {
        let mut named = given();
        named.instance = instance.map(str::to_owned);
        let mut lab = Lab::new(named);
        let register = lab.register();
        let contact = register.headers.contact().unwrap().first().unwrap().clone();
        assert_eq!(contact.params.get("+sip.instance"), expected.as_deref());
        assert_eq!(register.headers.get("Contact").unwrap().contains("+sip.instance=\"<urn:uuid:"), instance.is_some());
        bind(&mut lab, &register, "");
        lab.net.dial(0, "300");
        lab.net.settle();
        let got = lab.net.received(lab.registrar);
        assert!(!requests(&got, "INVITE")[0].headers.get("Contact").unwrap().contains("instance"));
    }
}
