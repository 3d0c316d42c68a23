//! Servers that do not answer, and what is tried then.

use std::net::SocketAddr;

use agreements::LineNumber;
use sip_stack::{Command, Input, SubscriptionKey, SubscriptionWish};
use testbed::virtual_net::peer::{answer, request_of};

use crate::configured::{FAR, Lab, Rowset};

const SECOND: &str = "10.0.0.8:5060";

/// The network says that there is no server at the far end.
fn without_far(lab: &mut Lab) {
    let (flow, remote) = (*lab.net.nodes[0].flows.keys().next().unwrap(), lab.far);
    lab.net.input(0, Input::Unreachable { flow, remote });
    lab.net.settle();
}

/// Whom a REGISTER goes to when the first registrar cannot be reached.
fn registrars(rows: Rowset, second: &str) -> usize {
    let mut lab = Lab::registering(rows);
    let second = lab.net.peer(second);
    without_far(&mut lab);
    lab.net.received(second).len()
}

/// Whom an INVITE goes to when the first proxy cannot be reached.
fn proxies(rows: Rowset, second: &str) -> usize {
    let mut lab = Lab::calling(rows);
    let second = lab.net.peer(second);
    lab.dial();
    without_far(&mut lab);
    lab.net.received(second).len()
}

/// B214.
#[test]
fn the_second_registrar_is_asked_where_the_first_is_not_there() {
    assert_eq!(registrars(&[], SECOND), 0);
    assert_eq!(registrars(&[("SIP_2NDRGSTR_ADDR_1", "10.0.0.8")], SECOND), 1);
    let other_port = [("SIP_2NDRGSTR_ADDR_1", "10.0.0.8"), ("SIP_2NDRGSTR_PORT_1", "5099")];
    assert_eq!((registrars(&other_port, SECOND), registrars(&other_port, "10.0.0.8:5099")), (0, 1));
}

/// B214.
#[test]
fn the_second_proxy_is_asked_where_the_first_is_not_there() {
    assert_eq!(proxies(&[], SECOND), 0);
    assert_eq!(proxies(&[("SIP_2NDPROXY_ADDR_1", "10.0.0.8")], SECOND), 1);
    let other_port = [("SIP_2NDPROXY_ADDR_1", "10.0.0.8"), ("SIP_2NDPROXY_PORT_1", "5099")];
    assert_eq!((proxies(&other_port, SECOND), proxies(&other_port, "10.0.0.8:5099")), (0, 1));
}

/// Whom a SUBSCRIBE goes to when the first presence server cannot be reached.
fn presence_servers(rows: Rowset, second: &str) -> usize {
    let rows: Vec<(&str, &str)> = [("SIP_PRSNC_ADDR_1", "10.0.0.9")].into_iter().chain(rows.iter().copied()).collect();
    let mut lab = Lab::calling(&rows);
    let second = lab.net.peer(second);
    let key = SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "message-summary".into(), resource: String::new() };
    lab.command(Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    assert_eq!(lab.titles(), ["SUBSCRIBE"]);
    without_far(&mut lab);
    lab.net.received(second).len()
}

/// B214.
#[test]
fn the_second_presence_server_is_asked_where_the_first_is_not_there() {
    assert_eq!(presence_servers(&[], SECOND), 0);
    assert_eq!(presence_servers(&[("SIP_2NDPRSNC_ADDR_1", "10.0.0.8")], SECOND), 1);
    let other_port = [("SIP_2NDPRSNC_ADDR_1", "10.0.0.8"), ("SIP_2NDPRSNC_PORT_1", "5099")];
    assert_eq!((presence_servers(&other_port, SECOND), presence_servers(&other_port, "10.0.0.8:5099")), (0, 1));
}

/// B214: a server that is given by name has no second one; its records say who else there is.
#[test]
fn a_second_server_counts_only_beside_an_address() {
    let rows = [("SIP_RGSTR_ADDR_1", "sip.example.com"), ("SIP_2NDRGSTR_ADDR_1", "10.0.0.8")];
    let mut lab = Lab::registering(&rows);
    let second = lab.net.peer(SECOND);
    lab.net.nodes[0].names.insert("sip.example.com".into(), vec![lab.far]);
    lab.seconds(31);
    assert!(!lab.titles().is_empty());
    without_far(&mut lab);
    assert!(lab.net.received(second).is_empty());
}

/// How many of five servers behind one name are asked, each of which says 503.
fn asked(rows: Rowset) -> usize {
    let rows: Vec<(&str, &str)> = [("SIP_RGSTR_ADDR_1", "sip.example.com")].into_iter().chain(rows.iter().copied()).collect();
    let mut lab = Lab::registering(&rows);
    let servers: Vec<SocketAddr> = (11..=15).map(|number| lab.net.peer(&format!("10.0.0.{number}:5060"))).collect();
    lab.net.nodes[0].names.insert("sip.example.com".into(), servers.clone());
    lab.run_ms(30_100);
    let mut asked = 0;
    for server in servers {
        let got = lab.net.received(server);
        if let Some(first) = got.first() {
            asked += 1;
            let refusal = answer(request_of(first), 503, "s");
            lab.net.send(server, lab.net.nodes[0].ip, refusal.to_bytes());
        }
        lab.net.settle();
    }
    asked
}

/// B210.
#[test]
fn another_server_is_tried_only_where_that_is_on() {
    assert_eq!((asked(&[("SIP_FOVR_NORSP_1", "Y")]), asked(&[("SIP_FOVR_NORSP_1", "N")])), (4, 1));
}

/// B317.
#[test]
fn so_many_servers_are_tried_the_first_one_counted() {
    for (most, servers) in [("1", 1), ("2", 2), ("4", 4)] {
        assert_eq!(asked(&[("SIP_FOVR_MAX_1", most)]), servers);
    }
}

/// B318.
#[test]
fn an_old_registration_is_cancelled_first_where_that_is_wanted() {
    for (wanted, expires) in [("Y", Some(0)), ("N", Some(3600))] {
        let register = Lab::registering_at(&[("USE_DEL_REG_OPEN_1", wanted)], FAR).register();
        assert_eq!(register.headers.expires().unwrap(), expires);
    }
}
