//! Registrars that send a line elsewhere (RFC 3261 8.1.3.4, 21.3).

use std::net::SocketAddr;
use std::time::Duration;

use sip_stack::LineState;
use sip_wire::Request;
use testbed::virtual_net::peer::{answer, request_of};

use super::{Lab, lab};

const NEXT: &str = "10.0.0.8:5070";

fn at(lab: &mut Lab, server: SocketAddr) -> Request {
    let got = lab.net.received(server);
    assert_eq!(got.len(), 1, "{}", lab.net.story());
    request_of(&got[0]).clone()
}

fn reply(lab: &mut Lab, server: SocketAddr, register: &Request, code: u16, contact: &str) {
    let mut response = answer(register, code, "s");
    if !contact.is_empty() {
        response.headers.push("Contact", contact);
    }
    lab.net.send(server, lab.net.nodes[0].ip, response.to_bytes());
    lab.net.settle();
}

#[test]
fn the_contacts_of_a_302_are_asked_and_bind_the_line() {
    let mut lab = lab();
    let next = lab.net.peer(NEXT);
    let first = lab.register();
    lab.refuse(&first, 302, &[("Contact", "<sip:far@10.0.0.7;q=0.1>;q=0.1, <sip:far@10.0.0.8:5070?Subject=x>")]);
    let second = at(&mut lab, next);
    assert_eq!(second.uri.as_str(), "sip:10.0.0.8:5070", "RFC 3261 10.2: no user, and no headers (19.1.5)");
    assert_eq!(second.headers.to().unwrap().uri.as_str(), "sip:200@10.0.0.9");
    assert_eq!((second.headers.call_id(), second.headers.cseq().unwrap().number), (first.headers.call_id(), 2));
    let contact = second.headers.contact().unwrap().first().unwrap().clone().with_param("expires", 100).to_string();
    reply(&mut lab, next, &second, 200, &contact);
    assert_eq!(lab.net.line(0), LineState::Registered { registrar: NEXT.into(), expires: 100 });
    // The next refresh asks the configured one whether that still is so.
    lab.net.run_for(Duration::from_secs(91));
    assert_eq!(lab.register().uri.as_str(), "sip:10.0.0.9:5060");
    assert!(lab.net.titles(next).is_empty());
}

/// One that refuses is followed by the next; when all have, the line waits and begins at the configured one.
#[test]
fn who_refuses_is_followed_by_the_next_and_then_by_the_interval() {
    let mut lab = lab();
    let (next, last) = (lab.net.peer(NEXT), lab.net.peer("10.0.0.7:5060"));
    let first = lab.register();
    lab.refuse(&first, 300, &[("Contact", "<sip:10.0.0.8:5070>, <sip:10.0.0.7>;q=0.5, <mailto:far@10.0.0.7>")]);
    let second = at(&mut lab, next);
    reply(&mut lab, next, &second, 500, "");
    let third = at(&mut lab, last);
    reply(&mut lab, last, &third, 404, "");
    assert!(matches!(lab.net.line(0), LineState::Registering { last_error } if last_error.contains("404")));
    lab.net.run_for(Duration::from_millis(9_800));
    assert!(lab.net.titles(lab.registrar).is_empty());
    lab.net.run_for(Duration::from_millis(2_800));
    lab.register();
}

#[test]
fn registrars_that_send_to_each_other_are_not_followed_for_ever() {
    let mut lab = lab();
    let first = lab.register();
    let servers: Vec<SocketAddr> = (1..=20).map(|number| lab.net.peer(&format!("10.0.1.{number}:5060"))).collect();
    lab.refuse(&first, 302, &[("Contact", "<sip:10.0.1.1>")]);
    let mut asked = 0;
    for (server, next) in servers.iter().zip(2..) {
        let got = lab.net.received(*server);
        let Some(register) = got.first().map(request_of).cloned() else { break };
        asked += 1;
        reply(&mut lab, *server, &register, 302, &format!("<sip:10.0.0.9:5060>, <sip:10.0.1.{next}>"));
    }
    assert_eq!(asked, 7);
    assert!(lab.net.titles(lab.registrar).is_empty(), "the first one is not asked twice");
    assert!(matches!(lab.net.line(0), LineState::Registering { last_error } if last_error.contains("302")));
}

/// Credentials are for who asks for them; a refusal of them ends the attempt as it does elsewhere (decision 39).
#[test]
fn who_it_is_sent_to_may_ask_for_credentials() {
    let mut lab = lab();
    let next = lab.net.peer(NEXT);
    let first = lab.register();
    lab.refuse(&first, 301, &[("Contact", "<sip:10.0.0.8:5070>")]);
    let second = at(&mut lab, next);
    let mut refusal = answer(&second, 401, "s");
    refusal.headers.push("WWW-Authenticate", "Digest realm=\"next\", nonce=\"n1\"");
    lab.net.send(next, lab.net.nodes[0].ip, refusal.to_bytes());
    lab.net.settle();
    let signed = at(&mut lab, next);
    assert_eq!(signed.headers.authorization().unwrap()[0].get("uri"), Some("sip:10.0.0.8:5070"));
}
