//! Who has sent a call on to us: Diversion (RFC 5806), History-Info (RFC 7044, RFC 4244, RFC 4458). Read, and believed of the line's
//! servers only.

use sip_stack::{Diverted, Event};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU};

use crate::given::direct;

const SERVER: &str = "10.0.0.9:5060";
const STRANGER: &str = "10.0.0.66:5060";

/// What a call from there with these header lines says: number of the diverter, and why.
fn diverted_from(from: &str, headers: &str) -> Option<(String, Option<Diverted>)> {
    let mut net = Net::new();
    net.peer(SERVER);
    net.peer(STRANGER);
    net.stack(direct("10.0.0.1", "200", SERVER));
    let caller = Caller::new(from.parse().unwrap(), net.nodes[0].ip, "200");
    let sdp = caller.sdp(PCMU);
    caller.send(&mut net, "INVITE", "i1", headers, &sdp);
    assert!(net.nodes[0].has_incoming());
    let told = net.nodes[0].events(|event| match event {
        Event::Diverted { call, by, why } if *call == net.nodes[0].incoming() => Some((by.number.clone(), *why)),
        _ => None,
    });
    assert!(told.len() <= 1);
    told.into_iter().next()
}

fn diverted(headers: &str) -> Option<(String, Option<Diverted>)> {
    diverted_from(SERVER, headers)
}

fn by(number: &str, why: Option<Diverted>) -> Option<(String, Option<Diverted>)> {
    Some((number.to_owned(), why))
}

/// RFC 5806 4: the newest on top.
#[test]
fn the_topmost_diversion_says_who_has_sent_the_call_on() {
    let two =
        "Diversion: <sip:300@example.com>;reason=user-busy;counter=1\r\nDiversion: <sip:400@example.com>;reason=no-answer\r\n";
    assert_eq!(diverted(two), by("300", Some(Diverted::Busy)));
    assert_eq!(diverted("Diversion: <tel:+4989>;reason=NO-ANSWER\r\n"), by("+4989", Some(Diverted::NoAnswer)));
    assert_eq!(diverted("Diversion: <sip:300@a>;reason=follow-me\r\n"), by("300", None));
    assert_eq!(diverted("Diversion: <sip:300@a>;privacy=full\r\n"), by("anonymous", None));
    assert_eq!((diverted(""), diverted("Diversion: <<\r\n")), (None, None));
}

/// RFC 7044 5, RFC 4458 2: whoever the newest other user was reached from; the cause stands at either.
#[test]
fn history_says_it_where_there_is_no_diversion() {
    let moved = "History-Info: <sip:300@a>;index=1, <sip:300@10.0.0.3?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1\r\n\
                 History-Info: <sip:200@a;cause=408>;index=1.2;mp=1\r\nHistory-Info: <sip:200@10.0.0.1>;index=1.2.1;rc=1.2\r\n";
    assert_eq!(diverted(moved), by("300", Some(Diverted::NoAnswer)));
    let by_reason = "History-Info: <sip:300@a?Reason=SIP%3Bcause%3D302>;index=1,<sip:200@a>;index=2;mp=1\r\n";
    assert_eq!(diverted(by_reason), by("300", Some(Diverted::Unconditional)));
    let private = "History-Info: <sip:300@a?Privacy=history>;index=1,<sip:200@a>;index=2;mp=1\r\n";
    assert_eq!(diverted(private), by("anonymous", None));
    let both = format!("Diversion: <sip:500@a>\r\n{by_reason}");
    assert_eq!(diverted(&both), by("500", None));
}

/// RFC 4244 4.3: without mp the Reason alone says that an entry was left.
#[test]
fn an_older_history_says_it_by_its_reason() {
    let older = "History-Info: <sip:300@a?Reason=SIP%3Bcause%3D486>;index=1, <sip:200@10.0.0.1>;index=1.1\r\n";
    assert_eq!(diverted(older), by("300", Some(Diverted::Busy)));
    for none in
        ["<sip:200@a>;index=1, <sip:200@10.0.0.1>;index=1.1;rc=1", "<sip:200@a?Reason=SIP%3Bcause%3D302>;index=1", "<sip:200@a>"]
    {
        assert_eq!(diverted(&format!("History-Info: {none}\r\n")), None, "{none}");
    }
    assert_eq!(diverted("History-Info: <sip:200@a>;index=2;mp=7\r\n"), None, "mp names nobody");
}

/// RFC 7044 10.1, RFC 5806 6: anybody may write them.
#[test]
fn a_stranger_is_not_believed() {
    assert_eq!(diverted_from(STRANGER, "Diversion: <sip:300@a>;reason=user-busy\r\n"), None);
    assert_eq!(diverted_from(STRANGER, "History-Info: <sip:300@a>;index=1,<sip:200@a>;index=2;mp=1\r\n"), None);
}
