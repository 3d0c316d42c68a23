//! Session descriptions over a call's life: which m-lines they have (RFC 3264 6 and 8), what bodies they come in (RFC 5621), and which
//! of them cannot be used.

use sip_stack::{Codec, Command, Direction, EndedBy};
use sip_wire::{HeaderName, Message, Request};
use testbed::virtual_net::peer::{PCMU, answer, at, body, requests, response_with, with_sdp};

use crate::dialing::Dialled;
use crate::incoming::Called;

const VIDEO: &str = "m=video 5000 RTP/AVP 31\r\n";

/// Kind, port and protocol of each m-line.
fn lines(sdp: &[u8]) -> Vec<String> {
    let of = |line: &str| line.strip_prefix("m=").map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "));
    body(sdp).lines().filter_map(of).collect()
}

/// An answered call of theirs that was offered with these media lines.
fn talking(media: &str) -> Called {
    let mut called = Called::new();
    called.invite(media);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    called
}

/// The re-INVITE that a command makes.
fn asked(called: &mut Called, make: impl Fn(agreements::CallIdentity) -> Command) -> Request {
    called.command(make);
    requests(&called.got(), "INVITE")[0].clone()
}

fn accept(called: &mut Called, request: &Request, media: &str) {
    let response = with_sdp(at(answer(request, 200, ""), called.caller.address), &called.caller.sdp(media));
    called.net.send(called.caller.address, called.net.nodes[0].ip, response.to_bytes());
    called.net.settle();
}

fn reinvited(called: &mut Called, media: &str) -> Vec<Message> {
    called.caller.cseq += 1;
    called.invite(media)
}

// Lines.

/// RFC 3264 8: hold and resume have as many m-lines as the session, each in its place.
#[test]
fn hold_and_resume_keep_the_lines_that_were_refused() {
    let mut called = talking(&format!("{VIDEO}{PCMU}"));
    for (make, held) in [(Command::Hold as fn(_) -> _, true), (Command::Resume, false)] {
        let request = asked(&mut called, make);
        assert_eq!(lines(&request.body), ["video 0 RTP/AVP", "audio 16000 RTP/AVP"]);
        accept(&mut called, &request, &format!("m=video 0 RTP/AVP 31\r\n{PCMU}"));
        assert_eq!(called.titles(), ["ACK"]);
        assert_eq!(called.net.calls(0)[0].held_by_us, held);
    }
}

/// RFC 3264 8, RFC 3261 14.2: the offer of our 200 as well, and its ACK answers line by line.
#[test]
fn the_offer_of_a_200_keeps_the_lines_that_were_refused() {
    let mut called = talking(&format!("{VIDEO}{PCMU}m=image 6000 udptl t38\r\n"));
    let got = reinvited(&mut called, "");
    let offer = &response_with(&got, 200).unwrap().body;
    assert_eq!(lines(offer), ["video 0 RTP/AVP", "audio 16000 RTP/AVP", "image 0 udptl"]);
    let sdp = called.caller.sdp("m=video 0 RTP/AVP 31\r\nm=audio 42000 RTP/AVP 8\r\nm=image 0 udptl t38\r\n");
    called.caller.ack(&mut called.net, &sdp);
    let view = &called.net.calls(0)[0];
    assert_eq!((view.codec, view.media.legs[0].remote.unwrap().port()), (Some(Codec::Pcma), 42000));
}

/// RFC 3264 6: the answer to our stream stands where our stream stands, whatever else is alive.
#[test]
fn an_answer_is_read_where_our_stream_stands() {
    let mut called = talking(&format!("m=audio 5000 RTP/SAVP 0\r\n{PCMU}"));
    let request = asked(&mut called, Command::Hold);
    assert_eq!(lines(&request.body), ["audio 0 RTP/SAVP", "audio 16000 RTP/AVP"]);
    accept(&mut called, &request, "m=audio 43000 RTP/AVP 0\r\nm=audio 42000 RTP/AVP 0\r\n");
    assert_eq!(called.net.calls(0)[0].media.legs[0].remote.unwrap().port(), 42000);
}

/// Some far ends leave the refused lines out of their answers, or refuse ours and have another beside it: what they say is still clear, and
/// a hold does not end the conversation.
#[test]
fn an_answer_with_another_number_of_lines_is_read_where_its_only_stream_is() {
    for answer in ["m=audio 42000 RTP/AVP 0\r\n", "m=video 0 RTP/AVP 31\r\nm=audio 0 RTP/AVP 0\r\nm=audio 42000 RTP/AVP 0\r\n"] {
        let mut called = talking(&format!("{VIDEO}{PCMU}"));
        let request = asked(&mut called, Command::Hold);
        accept(&mut called, &request, answer);
        let calls = called.net.calls(0);
        assert!(calls.len() == 1 && calls[0].held_by_us, "{}", called.net.story());
        assert_eq!(calls[0].media.legs[0].remote.unwrap().port(), 42000);
    }
}

/// RFC 3264 8.1, 8.2: lines that they add are there from then on; those of an offer that was refused are not.
#[test]
fn lines_that_come_later_are_kept_once_they_are_answered() {
    let mut called = talking(PCMU);
    let refused = reinvited(&mut called, "m=audio 40000 RTP/AVP 18\r\nm=text 5002 RTP/AVP 98\r\n");
    assert!(response_with(&refused, 488).is_some());
    called.caller.ack(&mut called.net, "");
    let taken = reinvited(&mut called, &format!("{PCMU}{VIDEO}"));
    assert_eq!(lines(&response_with(&taken, 200).unwrap().body), ["audio 16000 RTP/AVP", "video 0 RTP/AVP"]);
    called.caller.ack(&mut called.net, "");
    let request = asked(&mut called, Command::Hold);
    assert_eq!(lines(&request.body), ["audio 16000 RTP/AVP", "video 0 RTP/AVP"]);
}

// Bodies.

const MIXED: &str = "multipart/mixed;boundary=\"cut here\"";

/// The description after a part of another kind.
fn mixed(handling: &str, sdp: &str) -> String {
    format!(
        "--cut here\r\nContent-Type: application/pidf+xml\r\nContent-Disposition: render;handling={handling}\r\n\r\n<presence/>\r\n\
         --cut here\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--cut here--\r\n"
    )
}

/// Such a request of the far end.
fn say_mixed(called: &mut Called, method: &str, handling: &str, media: &str) -> Vec<Message> {
    let whole = mixed(handling, &called.caller.sdp(media));
    let branch = format!("m{}{method}", called.caller.cseq);
    let text = String::from_utf8(called.caller.request(method, &branch, "", &whole)).unwrap();
    let text = text.replace("Content-Type: application/sdp\r\nContent-Length", &format!("Content-Type: {MIXED}\r\nContent-Length"));
    called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
    called.net.settle();
    called.got()
}

/// RFC 5621 3.1: multipart/mixed is understood in an INVITE, a re-INVITE, an UPDATE and an ACK.
#[test]
fn a_description_among_other_parts_is_found() {
    let mut called = Called::new();
    say_mixed(&mut called, "INVITE", "optional", PCMU);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    assert_eq!(lines(&response_with(&got, 200).unwrap().body), ["audio 16000 RTP/AVP"]);
    called.caller.ack(&mut called.net, "");
    let port = |called: &Called| called.net.calls(0)[0].media.legs[0].remote.unwrap().port();
    for (method, at) in [("INVITE", 42000), ("UPDATE", 43000)] {
        called.caller.cseq += 1;
        let got = say_mixed(&mut called, method, "optional", &format!("m=audio {at} RTP/AVP 0\r\n"));
        assert!(response_with(&got, 200).is_some(), "{method}");
        assert_eq!(port(&called), at);
        if method == "INVITE" {
            called.caller.ack(&mut called.net, "");
        }
    }
    reinvited(&mut called, "");
    say_mixed(&mut called, "ACK", "optional", "m=audio 44000 RTP/AVP 0\r\n");
    assert_eq!(port(&called), 44000);
    assert_eq!(called.net.nodes[0].ended(), None);
}

/// RFC 5621 3.1: and in the 183 and the 2xx of a call of ours, whatever stands beside it: nobody could be told.
#[test]
fn an_answer_among_other_parts_is_found() {
    let mut dialled = Dialled::new();
    for (code, port) in [(183, 41000), (200, 42000)] {
        let sdp = format!("v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n");
        let mut response = at(answer(&dialled.invite, code, "f"), dialled.far);
        response.headers.push(HeaderName::CONTENT_TYPE, MIXED);
        response.body = mixed("required", &sdp).into_bytes();
        dialled.send(response);
        let leg = &dialled.net.nodes[0].media[&dialled.call].legs[0];
        assert_eq!((leg.remote.unwrap().port(), leg.direction), (port, Direction::SendRecv), "{code}");
    }
    assert!(dialled.net.nodes[0].has_established());
}

/// RFC 5621 and RFC 3261 20.11: a part that must be understood, and is not, is refused with what would be.
#[test]
fn a_part_that_must_be_understood_is_415() {
    let mut called = Called::new();
    let got = say_mixed(&mut called, "INVITE", "required", PCMU);
    assert_eq!(response_with(&got, 415).unwrap().headers.get("Accept"), Some("application/sdp, multipart/mixed"));
    assert!(!called.net.nodes[0].has_incoming());
}

// Addresses.

/// RFC 3261 20.43: another network is 300, an address that is of no use is 301.
const UNUSABLE: [(&str, &str); 4] = [
    ("ATM NSAP 47.0091", "300"),
    ("IN IP6 2001:db8::9", "301"),
    ("IN IP4 phone.example.com", "301"),
    ("IN IP4 2001:db8::9", "301"),
];

fn warning(got: &[Message]) -> String {
    let refusal =
        response_with(got, 488).unwrap_or_else(|| panic!("{:?}", got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>()));
    refusal.headers.get("Warning").unwrap().split(' ').next().unwrap().to_owned()
}

/// There would be a call in which nobody is heard.
#[test]
fn an_offer_with_an_address_that_cannot_be_used_is_488_and_says_why() {
    for (address, code) in UNUSABLE {
        let media = format!("{PCMU}c={address}\r\n");
        let mut called = Called::new();
        assert_eq!(warning(&called.invite(&media)), code, "{address}");
        assert_eq!(called.net.nodes[0].ended().unwrap().0, 488);
        let mut called = Called::talking();
        let before = called.net.calls(0)[0].media.clone();
        assert_eq!(warning(&reinvited(&mut called, &media)), code, "{address}");
        assert_eq!(called.net.calls(0)[0].media, before);
    }
}

/// RFC 3261 13.2.2.4: the answer is acknowledged, and the call ended.
#[test]
fn an_answer_with_an_address_that_cannot_be_used_ends_the_call() {
    for (address, _) in UNUSABLE {
        let mut dialled = Dialled::new();
        let sdp = format!("v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc={address}\r\nt=0 0\r\n{PCMU}");
        let response = with_sdp(at(answer(&dialled.invite, 200, "f"), dialled.far), &sdp);
        dialled.send(response);
        assert_eq!(dialled.titles(), ["ACK", "BYE"], "{address}");
        let (code, reason, by) = dialled.net.nodes[0].ended().unwrap();
        assert_eq!((code, by), (488, EndedBy::Local));
        let named = address.split(' ').find(|word| *word == "ATM").or(address.rsplit(' ').next()).unwrap();
        assert!(reason.contains(named), "{reason}");
    }
}

/// B307, RFC 3264 8.4: of either family; and a name that cannot be one (RFC 2606).
#[test]
fn a_black_hole_is_taken_and_is_a_hold() {
    for address in ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 nobody.invalid"] {
        let mut called = Called::talking();
        let got = reinvited(&mut called, &format!("{PCMU}c={address}\r\n"));
        assert!(body(&response_with(&got, 200).unwrap().body).contains("a=recvonly"), "{address}");
        assert_eq!(called.net.nodes[0].hold(), Some((false, true)));
    }
}
