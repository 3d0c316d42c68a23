//! Calls of theirs that are sent elsewhere (RFC 3261 21.3.3, RFC 5806).

use std::time::Duration;

use sip_stack::{Command, DiversionHeader, Diverted, EndedBy};
use testbed::virtual_net::peer::{PCMU, response_with};

use crate::given::direct;
use crate::incoming::Called;

fn forward(called: &mut Called, to: &str, why: Diverted) -> sip_wire::Response {
    called.command(|call| Command::Forward { call, to: to.into(), why });
    let got = called.got();
    response_with(&got, 302).unwrap_or_else(|| panic!("{}", called.net.story())).clone()
}

#[test]
fn a_call_is_sent_elsewhere_by_302_and_is_over_here() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    called.got();
    let moved = forward(&mut called, "4711", Diverted::NoAnswer);
    assert_eq!(moved.headers.contact().unwrap().first().unwrap().uri.as_str(), "sip:4711@10.0.0.9:5060");
    assert_eq!(moved.headers.get("Diversion"), Some("<sip:200@10.0.0.9>;reason=no-answer;counter=1"));
    assert!(moved.headers.to().unwrap().tag().is_some() && moved.body.is_empty());
    assert_eq!(called.net.nodes[0].ended(), Some((302, "forwarded to 4711".into(), EndedBy::Local)));
    called.caller.to_tag = moved.headers.to().unwrap().tag().unwrap().into();
    called.net.send(called.caller.address, called.caller.target, called.caller.request("ACK", "i1", "", ""));
    called.over();
}

/// RFC 5806 4: each diverting party stands above those before it.
#[test]
fn the_reasons_and_the_history_of_a_diversion() {
    let before = "Diversion: <sip:500@example.com>;reason=deflection\r\nDiversion: <sip:400@example.com>;reason=user-busy\r\n";
    let own = "<sip:200@10.0.0.9>;reason=unconditional;counter=1";
    let others = ["<sip:500@example.com>;reason=deflection", "<sip:400@example.com>;reason=user-busy"];
    for (mode, expected) in [
        (DiversionHeader::Absent, vec![]),
        (DiversionHeader::Own, vec![own]),
        (DiversionHeader::Added, [&[own][..], &others[..]].concat()),
    ] {
        let mut given = direct("10.0.0.1", "200", "10.0.0.9:5060");
        given.lines[0].details.diversion = mode;
        let mut called = Called::with(given);
        let sdp = called.caller.sdp(PCMU);
        called.caller.clone().send(&mut called.net, "INVITE", "i1", before, &sdp);
        let moved = forward(&mut called, "sip:ada@example.org", Diverted::Unconditional);
        assert_eq!(moved.headers.all("Diversion").collect::<Vec<_>>(), expected);
        assert_eq!(moved.headers.get("Contact"), Some("<sip:ada@example.org>"));
    }
    let mut called = Called::new();
    called.invite(PCMU);
    assert!(forward(&mut called, "1", Diverted::Busy).headers.get("Diversion").unwrap().contains("reason=user-busy"));
}

/// Its own number, or none at all.
#[test]
fn a_call_is_not_sent_round_in_circles() {
    for to in ["200", "sip:200@elsewhere.example.com", "", " ", "sip:@@"] {
        let mut called = Called::new();
        called.invite(PCMU);
        called.command(|call| Command::Forward { call, to: to.into(), why: Diverted::Unconditional });
        assert!(called.titles().contains(&"480 INVITE".to_owned()), "{to}");
        called.net.run_for(Duration::from_secs(1));
        assert!(called.net.calls(0).is_empty());
    }
}

#[test]
fn a_call_that_is_answered_stays() {
    let mut called = Called::talking();
    called.command(|call| Command::Forward { call, to: "4711".into(), why: Diverted::NoAnswer });
    assert!(called.titles().is_empty() && called.net.calls(0).len() == 1);
}
