//! Whom a call has reached (RFC 3325 9.1, RFC 5876): the answers to a call of ours and later requests may name somebody else than
//! was dialled, and the line's servers are believed about it.

use sip_stack::{Command, Event, Party, StackSettings};
use testbed::virtual_net::peer::{PCMU, answer, at, requests, with_sdp};

use crate::dialing::Dialled;
use crate::given::direct;
use crate::incoming::Called;

const ADA: (&str, &str) = ("P-Asserted-Identity", "\"Ada\" <sip:4711@example.com>");
const BOB: (&str, &str) = ("P-Asserted-Identity", "<sip:4712@example.com>, <tel:+494712>");
const HIDDEN: (&str, &str) = ("Privacy", "id");

/// The far end is the line's server, or is dialled directly without one.
fn dialled_at(server: bool) -> Dialled {
    let mut given: StackSettings = direct("10.0.0.1", "100", "10.0.0.9:5060");
    if !server {
        (given.lines[0].proxy, given.lines[0].domain) = (None, "10.0.0.9".into());
    }
    Dialled::with(given)
}

/// A response to the INVITE with these lines; with SDP where it is a 200.
fn say(dialled: &mut Dialled, code: u16, tag: &str, lines: &[(&str, &str)]) {
    let mut response = at(answer(&dialled.invite, code, tag), dialled.far);
    if code == 200 {
        response = with_sdp(response, &format!("v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n{PCMU}"));
    }
    lines.iter().for_each(|(name, value)| response.headers.push(*name, *value));
    dialled.send(response);
}

/// What was told, oldest first: by the answer as well.
fn told(dialled: &Dialled) -> Vec<String> {
    dialled.net.nodes[0].events(|event| match event {
        Event::Reached { remote, .. } | Event::Established { remote, .. } => Some(remote.number.clone()),
        _ => None,
    })
}

fn shown(net: &testbed::virtual_net::Net) -> Party {
    net.calls(0)[0].remote.clone()
}

#[test]
fn ringing_and_answer_name_whom_the_server_has_reached() {
    let mut dialled = dialled_at(true);
    assert_eq!(shown(&dialled.net).number, "200");
    say(&mut dialled, 180, "a", &[ADA]);
    let party = shown(&dialled.net);
    assert_eq!((party.number.as_str(), party.name.as_str(), party.uri.as_str()), ("4711", "Ada", "sip:4711@example.com"));
    say(&mut dialled, 183, "a", &[ADA]);
    assert_eq!(told(&dialled), ["4711"], "told when it changes");
    say(&mut dialled, 200, "a", &[BOB]);
    assert_eq!((told(&dialled), shown(&dialled.net).number), (vec!["4711".to_owned(), "4712".into()], "4712".into()));
}

/// What was said with 180 holds for the 200 of the same far end; of a fork the 200 speaks for itself.
#[test]
fn an_answer_that_says_nothing_is_of_whom_the_ringing_was() {
    let mut dialled = dialled_at(true);
    say(&mut dialled, 180, "a", &[ADA]);
    say(&mut dialled, 200, "a", &[]);
    assert_eq!(shown(&dialled.net).number, "4711");
    let mut forked = dialled_at(true);
    say(&mut forked, 180, "a", &[ADA]);
    say(&mut forked, 180, "b", &[]);
    say(&mut forked, 200, "b", &[]);
    assert_eq!(shown(&forked.net).number, "200");
}

/// RFC 3325 9.1: nobody else is believed.
#[test]
fn whoever_is_no_server_of_the_line_is_not_believed() {
    let mut dialled = dialled_at(false);
    say(&mut dialled, 180, "a", &[ADA]);
    say(&mut dialled, 200, "a", &[ADA]);
    assert_eq!(told(&dialled), ["200"]);
}

/// RFC 3323 4.2, RFC 3325 9.3: of whoever wants privacy nothing is shown; without an identity it says nothing about who it is.
#[test]
fn somebody_who_wants_privacy_is_anonymous() {
    let mut dialled = dialled_at(true);
    say(&mut dialled, 180, "a", &[HIDDEN]);
    assert_eq!(shown(&dialled.net).number, "200");
    say(&mut dialled, 200, "a", &[ADA, HIDDEN]);
    assert!(shown(&dialled.net).is_anonymous());
}

/// RFC 5876 3: the call of a server is put through to somebody else.
#[test]
fn a_later_request_of_the_server_names_another_far_end() {
    for (method, body) in [("UPDATE", false), ("UPDATE", true), ("INVITE", true)] {
        let mut called = Called::talking();
        let body = if body { called.caller.sdp(PCMU) } else { String::new() };
        called.caller.cseq += 1;
        called.caller.send(&mut called.net, method, "m", "P-Asserted-Identity: \"Ada\" <sip:4711@example.com>\r\n", &body);
        assert_eq!(shown(&called.net).name, "Ada", "{method}");
        let told = called.net.nodes[0].events(|event| matches!(event, Event::Reached { .. }).then_some(()));
        assert_eq!(told.len(), 1);
    }
    let mut called = Called::talking();
    called.caller.send(&mut called.net, "UPDATE", "late", "P-Asserted-Identity: <sip:4711@example.com>\r\n", "");
    assert_eq!(shown(&called.net).number, "far", "out of order");
}

/// Before the answer as well (RFC 3311 5.2).
#[test]
fn an_update_of_the_server_names_whom_a_call_of_ours_has_reached() {
    let mut dialled = dialled_at(true);
    say(&mut dialled, 180, "a", &[]);
    let from = dialled.invite.headers.from().unwrap();
    let update = format!(
        "UPDATE sip:100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKu\r\nMax-Forwards: 70\r\n\
         From: <sip:200@10.0.0.9>;tag=a\r\nTo: {from}\r\nCall-ID: {}\r\nCSeq: 1 UPDATE\r\nContact: <sip:far@10.0.0.9>\r\n\
         P-Asserted-Identity: <sip:4711@example.com>\r\nContent-Length: 0\r\n\r\n",
        dialled.invite.headers.call_id().unwrap()
    );
    let phone = dialled.net.nodes[0].ip;
    dialled.net.send(dialled.far, phone, update.into_bytes());
    dialled.net.settle();
    assert_eq!(dialled.titles(), ["200 UPDATE"]);
    assert_eq!(shown(&dialled.net).number, "4711");
}

#[test]
fn the_answer_to_a_reinvite_of_ours_names_another_far_end() {
    let mut called = Called::talking();
    called.command(Command::Hold);
    let got = called.got();
    let reinvite = requests(&got, "INVITE")[0].clone();
    let mut ok = with_sdp(at(answer(&reinvite, 200, ""), called.caller.address), &called.caller.sdp(PCMU));
    ok.headers.push(ADA.0, ADA.1);
    called.net.send(called.caller.address, called.net.nodes[0].ip, ok.to_bytes());
    called.net.settle();
    assert_eq!(shown(&called.net).number, "4711");
}
