//! UPDATE in a dialog (RFC 3311): target, offer and answer, and what crosses.

use std::time::Duration;

use sip_stack::{Codec, Command, Direction, RefreshMethod};
use sip_wire::Message;
use testbed::virtual_net::peer::{PCMU, answer, at, body, requests, response_with, with_sdp};
use testbed::virtual_net::{MediaMode, Net};

use crate::calls::talking;
use crate::dialing::Dialled;
use crate::given::direct;
use crate::incoming::Called;
use crate::reliable::asked;

const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";

fn update(called: &mut Called, media: &str) -> Vec<Message> {
    called.caller.cseq += 1;
    let sdp = if media.is_empty() { String::new() } else { called.caller.sdp(media) };
    let branch = format!("u{}", called.caller.cseq);
    called.caller.send(&mut called.net, "UPDATE", &branch, "", &sdp);
    called.got()
}

/// RFC 3311 5.2: an UPDATE outside any dialog.
#[test]
fn an_update_without_a_dialog_is_481() {
    let mut called = Called::new();
    assert!(response_with(&update(&mut called, ""), 481).is_some());
    called.caller.to_tag = "nobody".into();
    assert!(response_with(&update(&mut called, ""), 481).is_some());
}

#[test]
fn an_update_without_an_offer_is_answered_and_moves_the_target() {
    let mut called = Called::talking();
    let moved = called.net.peer("10.0.0.99:5099");
    called.caller.cseq += 1;
    let text = String::from_utf8(called.caller.request("UPDATE", "move", "", "")).unwrap();
    let text = text.replace("Contact: <sip:far@10.0.0.9:5060>", "Contact: <sip:far@10.0.0.99:5099>");
    called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
    called.net.settle();
    let got = called.got();
    let ok = response_with(&got, 200).unwrap();
    assert!(ok.headers.has("Contact") && ok.body.is_empty());
    called.command(Command::Hangup);
    assert_eq!(called.net.titles(moved), ["BYE"]);
}

/// RFC 3264 8 by UPDATE: hold, and another codec once media is ready.
#[test]
fn an_update_with_an_offer_changes_the_session() {
    let mut called = Called::talking();
    let got = update(&mut called, &format!("{PCMU}a=sendonly\r\n"));
    assert!(body(&response_with(&got, 200).unwrap().body).contains("a=recvonly"));
    assert_eq!(called.net.nodes[0].hold(), Some((false, true)));
    called.net.nodes[0].mode = MediaMode::Silent;
    let got = update(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    assert!(got.is_empty(), "the sockets first");
    let call = called.net.calls(0)[0].call;
    called.net.media_answers(0, call, Ok(()));
    called.net.settle();
    assert!(response_with(&called.got(), 200).is_some());
    let leg = &called.net.nodes[0].media[&call].legs[0];
    assert_eq!((leg.codecs.as_slice(), leg.direction), ([(Codec::G722, 9)].as_slice(), Direction::SendRecv));
    called.net.run_for(Duration::from_secs(120));
    assert!(called.titles().is_empty(), "an UPDATE's 200 is not repeated, and no ACK is missing");
}

#[test]
fn an_update_that_cannot_be_is_refused_and_changes_nothing() {
    let mut called = Called::talking();
    let before = called.net.calls(0)[0].media.legs.clone();
    assert!(response_with(&update(&mut called, "m=audio 42000 RTP/AVP 18\r\n"), 488).is_some());
    called.net.nodes[0].mode = MediaMode::Failed;
    assert!(response_with(&update(&mut called, "m=audio 42000 RTP/AVP 9\r\n"), 500).is_some());
    assert_eq!(called.net.calls(0)[0].media.legs, before);
    called.net.nodes[0].mode = MediaMode::Ready;
    assert!(response_with(&update(&mut called, "m=audio 42000 RTP/AVP 9\r\n"), 200).is_some(), "the call goes on");
}

/// RFC 3311 5.2: ours is out, 491; without an offer nothing crosses.
#[test]
fn an_update_that_meets_our_reinvite_is_491_unless_it_offers_nothing() {
    let mut called = Called::talking();
    called.command(Command::Hold);
    called.got();
    assert!(response_with(&update(&mut called, PCMU), 491).is_some());
    assert!(response_with(&update(&mut called, ""), 200).is_some());
}

/// RFC 3311 5.2: theirs waits for its answer, 500 with Retry-After of 0 to 10 s.
#[test]
fn a_second_offer_before_the_answer_to_the_first_is_500_with_retry_after() {
    for first in ["INVITE", "UPDATE"] {
        let mut called = Called::talking();
        called.net.nodes[0].mode = MediaMode::Silent;
        called.caller.cseq += 1;
        let sdp = called.caller.sdp("m=audio 42000 RTP/AVP 9\r\n");
        called.caller.send(&mut called.net, first, "first", "", &sdp);
        called.got();
        let got = update(&mut called, PCMU);
        assert!(response_with(&got, 500).unwrap().headers.retry_after().unwrap().unwrap().seconds <= 10, "{first}");
    }
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    let got = update(&mut called, PCMU);
    assert!(response_with(&got, 500).unwrap().headers.has("Retry-After"), "the INVITE's offer is open");
    assert!(response_with(&update(&mut called, ""), 200).is_some());
    called.command(Command::Answer);
    assert!(response_with(&called.got(), 200).is_some());
}

/// RFC 3311 5.2: an UPDATE before the answer to another one, whether it offers or not.
#[test]
fn any_update_before_the_answer_to_another_one_is_500_with_retry_after() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    assert!(update(&mut called, "m=audio 42000 RTP/AVP 9\r\n").is_empty());
    let got = update(&mut called, "");
    assert!(response_with(&got, 500).unwrap().headers.retry_after().unwrap().unwrap().seconds <= 10);
    let call = called.net.calls(0)[0].call;
    called.net.media_answers(0, call, Ok(()));
    called.net.settle();
    assert!(response_with(&called.got(), 200).is_some());
    assert!(response_with(&update(&mut called, ""), 200).is_some());
}

/// BYE inside an UPDATE of theirs: 200, and 487 for what is not answered.
#[test]
fn bye_inside_their_update_is_200_and_487() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    update(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    let got = called.send("BYE", "bye");
    assert!(response_with(&got, 200).is_some() && response_with(&got, 487).is_some());
    called.over();
}

/// A hold of ours waits for the answer to their UPDATE.
#[test]
fn our_hold_waits_for_their_update() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    update(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    called.command(Command::Hold);
    assert!(requests(&called.got(), "INVITE").is_empty());
    let call = called.net.calls(0)[0].call;
    called.net.media_answers(0, call, Ok(()));
    called.net.settle();
    assert_eq!(requests(&called.got(), "INVITE").len(), 1);
}

/// RFC 3311 5.1: a refresh of ours offers nothing, so that an UPDATE of theirs that crosses it is answered, whatever it brings.
#[test]
fn updates_that_cross_are_both_answered() {
    for (media, port) in [("", 40000), ("m=audio 42000 RTP/AVP 0\r\n", 42000)] {
        let mut given = direct("10.0.0.1", "100", "10.0.0.9:5060");
        given.lines[0].sessions.expires = 600;
        given.lines[0].sessions.method = RefreshMethod::Update;
        let mut dialled = Dialled::with(given);
        let timed = |mut response: sip_wire::Response| {
            response.headers.push("Session-Expires", "600;refresher=uac");
            response
        };
        let ok = with_sdp(at(answer(&dialled.invite, 200, "f"), dialled.far), &format!("{SDP}{PCMU}"));
        dialled.send(timed(ok));
        dialled.got();
        dialled.net.run_for(Duration::from_secs(301));
        let ours = requests(&dialled.got(), "UPDATE")[0].clone();
        assert!(response_with(&asked(&mut dialled, "UPDATE", 1, media), 200).is_some());
        dialled.send(timed(answer(&ours, 200, "")));
        assert_eq!(dialled.net.calls(0)[0].media.legs[0].remote.unwrap().port(), port);
        dialled.net.run_for(Duration::from_secs(280));
        assert_eq!(dialled.net.nodes[0].ended(), None);
    }
}

/// A refreshing UPDATE and a re-INVITE of the other side at the same moment: both are answered.
#[test]
fn an_update_that_crosses_a_reinvite_disturbs_neither() {
    let mut net = Net::new();
    let timed = |mut given: sip_stack::StackSettings| {
        given.lines[0].sessions.expires = 600;
        given.lines[0].sessions.method = RefreshMethod::Update;
        given
    };
    net.stack(timed(direct("10.0.0.1", "100", "10.0.0.2:5060")));
    net.stack(timed(direct("10.0.0.2", "200", "10.0.0.1:5060")));
    let (_, theirs) = talking(&mut net);
    let updates = |net: &Net| net.log.iter().filter(|sent| sent.title() == "UPDATE").count();
    net.run_until("the refresh leaves", |net| updates(net) == 1);
    net.command(1, Command::Hold(theirs));
    net.settle();
    assert_eq!(net.nodes[0].hold(), Some((false, true)));
    assert!(!net.log.iter().any(|sent| sent.title().starts_with("491")), "{}", net.story());
    net.run_for(Duration::from_secs(7200));
    assert_eq!((net.calls(0).len(), net.calls(1).len()), (1, 1));
}
