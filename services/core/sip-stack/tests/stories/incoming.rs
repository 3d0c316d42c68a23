//! Calls of theirs (RFC 3261 13.3, 9.2, 12.2.2, 15; RFC 3264) from a scripted caller.

use std::time::Duration;

use sip_stack::{Codec, Command, Direction, EndedBy, Event, Input, StackSettings};
use sip_wire::Message;
use testbed::virtual_net::peer::{Caller, PCMU, answer, body, requests, response_with};
use testbed::virtual_net::{MediaMode, Net};

use crate::given::direct;

const FAR: &str = "10.0.0.9:5060";

pub struct Called {
    pub net: Net,
    pub caller: Caller,
}

impl Called {
    pub fn new() -> Called {
        Called::with(direct("10.0.0.1", "200", FAR))
    }

    pub fn with(settings: StackSettings) -> Called {
        let mut net = Net::new();
        let far = net.peer(FAR);
        net.stack(settings);
        net.settle();
        let caller = Caller::new(far, net.nodes[0].ip, "200");
        Called { net, caller }
    }

    pub fn invite(&mut self, media: &str) -> Vec<Message> {
        self.caller.invite(&mut self.net, media)
    }

    /// Brings a PCMU call to talking, acknowledged.
    pub fn talking() -> Called {
        Called::new().answered()
    }

    /// With an answered call.
    pub fn answered(mut self) -> Called {
        self.invite(PCMU);
        self.command(Command::Answer);
        let got = self.got();
        self.caller.learn_tag(&got);
        self.caller.ack(&mut self.net, "");
        self
    }

    pub fn command(&mut self, make: impl Fn(agreements::CallIdentity) -> Command) {
        let call = self.net.nodes[0].incoming();
        self.net.command(0, make(call));
        self.net.settle();
    }

    pub fn got(&mut self) -> Vec<Message> {
        self.net.received(self.caller.address)
    }

    pub fn titles(&mut self) -> Vec<String> {
        self.net.titles(self.caller.address)
    }

    pub fn send(&mut self, method: &str, branch: &str) -> Vec<Message> {
        self.caller.cseq += 1;
        let body = if method == "INVITE" { self.caller.sdp(PCMU) } else { String::new() };
        self.caller.send(&mut self.net, method, branch, "", &body);
        self.got()
    }

    pub fn over(&mut self) {
        self.net.run_for(Duration::from_secs(110));
        self.net.assert_quiet();
    }
}

fn code(messages: &[Message], code: u16) -> &sip_wire::Response {
    response_with(messages, code)
        .unwrap_or_else(|| panic!("no {code} in {:?}", messages.iter().map(testbed::virtual_net::title).collect::<Vec<_>>()))
}

#[test]
fn trying_comes_at_once_and_ringing_needs_no_media() {
    let mut called = Called::new();
    called.net.nodes[0].mode = MediaMode::Silent;
    let got = called.invite(PCMU);
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["100 INVITE"]);
    called.command(Command::Ring);
    let got = called.got();
    let ringing = code(&got, 180);
    assert!(ringing.body.is_empty() && ringing.headers.to().unwrap().tag().is_some());
    assert!(ringing.headers.has("Contact"));
    let parties = called.net.nodes[0].events(|event| match event {
        Event::Incoming { remote, .. } => Some((remote.number.clone(), remote.name.clone())),
        _ => None,
    });
    assert_eq!(parties, [("far".to_owned(), "Far".to_owned())]);
}

/// RFC 3261 13.3.1.1: a 180 each minute, or a proxy would give the call up.
#[test]
fn a_phone_that_rings_on_says_so_each_minute_until_it_is_answered() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    assert_eq!(called.titles(), ["180 INVITE"]);
    called.net.run_for(Duration::from_secs(185));
    assert_eq!(called.titles(), ["180 INVITE"; 3]);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    called.net.run_for(Duration::from_secs(185));
    assert!(called.titles().is_empty());
}

/// MediaDesired before an SDP leaves, and the SDP only after MediaReady.
#[test]
fn the_answer_leaves_once_media_is_ready() {
    let mut called = Called::new();
    called.net.nodes[0].mode = MediaMode::Silent;
    called.invite(PCMU);
    called.command(Command::Answer);
    assert!(called.titles().is_empty());
    let call = called.net.nodes[0].incoming();
    assert_eq!(called.net.nodes[0].media[&call].legs[0].direction, Direction::Inactive, "nothing flows before the answer");
    called.net.media_answers(0, call, Ok(()));
    called.net.settle();
    let got = called.got();
    let ok = code(&got, 200);
    let sdp = body(&ok.body);
    assert!(sdp.contains("m=audio 16000 RTP/AVP 0\r\n") && sdp.contains("a=sendrecv"), "{sdp}");
    assert_eq!(called.net.nodes[0].media[&call].legs[0].direction, Direction::SendRecv);
    assert!(called.net.nodes[0].has_established());
}

/// RFC 3261 13.3.1.4: T1, doubling up to T2, until the ACK.
#[test]
fn retransmitted_200_stops_at_ack() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    called.net.run_for(Duration::from_secs(8));
    let got = called.got();
    assert_eq!(got.len(), 5, "at 0, 0.5, 1.5, 3.5 and 7.5 s");
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    called.net.run_for(Duration::from_secs(60));
    assert!(called.titles().is_empty());
    assert_eq!(called.net.calls(0).len(), 1);
}

/// RFC 3261 13.3.1.4: without an ACK the session ends by BYE after 64*T1.
#[test]
fn an_answer_that_is_never_acknowledged_ends_the_call_by_bye() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    called.net.run_for(Duration::from_secs(33));
    let got = called.got();
    assert!(!requests(&got, "BYE").is_empty());
    assert_eq!(called.net.nodes[0].ended().unwrap().2, EndedBy::Network);
    called.over();
}

/// RFC 3261 15.1.2: the far end may hang up before its ACK arrives.
#[test]
fn bye_before_ack_is_accepted() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    let got = called.send("BYE", "b");
    code(&got, 200);
    assert_eq!(called.net.nodes[0].ended().unwrap().2, EndedBy::Remote);
    called.net.run_for(Duration::from_secs(60));
    assert!(called.titles().is_empty(), "the 200 is not repeated any more");
    called.over();
}

/// RFC 3261 15: the callee must not send BYE before the ACK.
#[test]
fn our_bye_waits_for_the_ack_of_our_200() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.command(Command::Hangup);
    assert!(called.titles().is_empty());
    assert_eq!(called.net.nodes[0].ended().unwrap().2, EndedBy::Local);
    called.caller.ack(&mut called.net, "");
    let got = called.got();
    let bye = requests(&got, "BYE")[0].clone();
    called.net.send(called.caller.address, called.net.nodes[0].ip, answer(&bye, 200, "").to_bytes());
    called.over();
}

#[test]
fn our_bye_goes_without_an_ack_when_none_comes() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    called.command(Command::Hangup);
    called.net.run_for(Duration::from_secs(33));
    assert!(called.titles().contains(&"BYE".to_owned()));
    called.over();
}

/// RFC 3261 9.2.
#[test]
fn cancel_is_answered_and_ends_the_invite_with_487() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    called.got();
    let caller = called.caller.clone();
    let cancel = Caller { to_tag: String::new(), ..caller.clone() };
    cancel.send(&mut called.net, "CANCEL", "i1", "", "");
    let got = called.got();
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(called.net.nodes[0].ended(), Some((487, "the caller has hung up".into(), EndedBy::Remote)));
    let tag = code(&got, 487).headers.to().unwrap().tag().unwrap().to_owned();
    Caller { to_tag: tag, ..caller }.send(&mut called.net, "ACK", "i1", "", "");
    called.net.run_for(Duration::from_secs(10));
    assert!(called.titles().is_empty(), "the ACK stopped the 487");
    called.over();
}

/// Too late: the call goes on.
#[test]
fn cancel_after_the_answer_changes_nothing() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    called.got();
    let cancel = Caller { to_tag: String::new(), ..called.caller.clone() };
    cancel.send(&mut called.net, "CANCEL", "i1", "", "");
    let got = called.got();
    code(&got, 200);
    assert!(response_with(&got, 487).is_none());
    assert_eq!(called.net.calls(0).len(), 1);
}

#[test]
fn cancel_of_nothing_is_481() {
    let mut called = Called::new();
    let got = called.send("CANCEL", "nothing");
    code(&got, 481);
    called.over();
}

/// RFC 3261 13.2.1: no offer in the INVITE, ours in the 200, their answer in the ACK.
#[test]
fn without_sdp_we_offer_in_the_200_and_the_ack_answers() {
    let mut called = Called::new();
    called.invite("");
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    assert!(body(&code(&got, 200).body).contains("RTP/AVP 9 8 0 101\r\n"));
    let call = called.net.nodes[0].incoming();
    assert!(called.net.nodes[0].media[&call].legs[0].codecs.is_empty());
    let sdp = called.caller.sdp("m=audio 40000 RTP/AVP 8\r\n");
    called.caller.ack(&mut called.net, &sdp);
    let leg = &called.net.nodes[0].media[&call].legs[0];
    assert_eq!((leg.codecs.as_slice(), leg.direction), ([(Codec::Pcma, 8)].as_slice(), Direction::SendRecv));
}

#[test]
fn an_ack_without_the_answer_that_was_due_ends_the_call() {
    let mut called = Called::new();
    called.invite("");
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    assert!(called.titles().contains(&"BYE".to_owned()));
    called.over();
}

/// 488 with Warning, and a call that ends with the reason.
#[test]
fn no_common_codec_is_488_and_the_reason_is_told() {
    let mut called = Called::new();
    let got = called.invite("m=audio 40000 RTP/AVP 18\r\n");
    let refusal = code(&got, 488);
    let reason = "no common codec: offered G729; enabled here G722, PCMA, PCMU";
    assert_eq!(refusal.headers.warning().unwrap()[0].text, reason);
    assert!(called.net.nodes[0].has_incoming());
    assert_eq!(called.net.nodes[0].ended(), Some((488, reason.into(), EndedBy::Local)));
    called.caller.send(&mut called.net, "ACK", "i1", "", "");
    called.over();
}

#[test]
fn a_line_that_can_play_nothing_refuses_also_without_an_offer() {
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].codecs = vec![Codec::G729];
    let mut called = Called::with(given);
    code(&called.invite(""), 488);
    assert!(called.net.nodes[0].ended().unwrap().1.contains("no playable codec"));
}

#[test]
fn reject_says_what_it_is_told() {
    for (status, wanted) in [(486, 486), (603, 603), (403, 403), (200, 603), (9999, 603)] {
        let mut called = Called::new();
        called.invite(PCMU);
        called.command(|call| Command::Reject(call, status));
        code(&called.got(), wanted);
        let ended = called.net.nodes[0].ended().unwrap();
        assert_eq!((ended.0, ended.2), (wanted, EndedBy::Local));
        called.over();
    }
}

#[test]
fn hangup_of_a_ringing_call_is_603() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Hangup);
    code(&called.got(), 603);
    called.over();
}

/// RFC 3261 13.3.1.
#[test]
fn an_invite_that_expires_unanswered_is_487() {
    let mut called = Called::new();
    let sdp = called.caller.sdp(PCMU);
    called.caller.clone().send(&mut called.net, "INVITE", "i1", "Expires: 20\r\n", &sdp);
    called.net.run_for(Duration::from_secs(20));
    code(&called.got(), 487);
    called.over();
}

/// A caller that vanishes while the phone rings sends no CANCEL.
#[test]
fn a_phone_does_not_ring_for_ever() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    called.net.run_for(Duration::from_secs(599));
    assert_eq!(called.net.calls(0).len(), 1);
    called.net.run_for(Duration::from_secs(2));
    code(&called.got(), 487);
    called.over();
}

/// A far end that moves from name to name makes one look-up at a time.
#[test]
fn a_wandering_contact_makes_one_look_up_at_a_time() {
    let mut called = Called::talking();
    called.net.nodes[0].deaf = true;
    for number in 0..20 {
        called.caller.cseq += 1;
        let sdp = called.caller.sdp(PCMU);
        let text = String::from_utf8(called.caller.request("INVITE", &format!("w{number}"), "", &sdp)).unwrap();
        let text = text.replace("Contact: <sip:far@10.0.0.9:5060>", &format!("Contact: <sip:far@host{number}.example.com>"));
        called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
        called.net.settle();
        called.caller.ack(&mut called.net, "");
    }
    assert_eq!(called.net.nodes[0].asked.len(), 20);
    assert_eq!(called.net.nodes[0].stack.load().queries, 1);
}

#[test]
fn media_that_fails_is_500_and_told() {
    let mut called = Called::new();
    called.net.nodes[0].mode = MediaMode::Failed;
    code(&called.invite(PCMU), 500);
    assert!(called.net.nodes[0].ended().unwrap().1.starts_with("no media"));
    called.over();
}

#[test]
fn media_that_never_answers_is_500_after_a_while() {
    let mut called = Called::new();
    called.net.nodes[0].mode = MediaMode::Silent;
    called.invite(PCMU);
    called.net.run_for(Duration::from_secs(10));
    code(&called.got(), 500);
    called.over();
}

#[test]
fn a_taken_port_moves_the_answer_to_the_next_pair() {
    let mut called = Called::new();
    called.net.nodes[0].mode = MediaMode::Taken(vec![16000]);
    called.invite(PCMU);
    called.command(Command::Answer);
    assert!(body(&code(&called.got(), 200).body).contains("m=audio 16002 "));
}

/// RFC 3261 14.2: an INVITE in the dialog before the first one is answered; the call rings on.
#[test]
fn an_invite_before_the_answer_to_the_first_is_500_with_retry_after() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.cseq += 1;
    let got = called.invite(PCMU);
    assert!(code(&got, 500).headers.retry_after().unwrap().unwrap().seconds <= 10);
    called.command(Command::Answer);
    assert_eq!(code(&called.got(), 200).headers.cseq().unwrap().number, 1);
}

/// RFC 3261 8.2.3.
#[test]
fn an_encoded_body_is_415_with_the_encodings_that_are_understood() {
    let mut called = Called::new();
    let sdp = called.caller.sdp(PCMU);
    called.caller.clone().send(&mut called.net, "INVITE", "e", "Content-Encoding: gzip\r\n", &sdp);
    let got = called.got();
    assert_eq!(code(&got, 415).headers.get("Accept-Encoding"), Some("identity"));
}

/// RFC 3261 20.11: such a body is as good as none, and the call begins with our offer.
#[test]
fn a_strange_body_that_is_optional_is_ignored() {
    let mut called = Called::new();
    let text = String::from_utf8(called.caller.request("INVITE", "o", "", "hello")).unwrap();
    let strange = "Content-Type: text/plain\r\nContent-Disposition: render; handling=optional";
    let text = text.replace("Content-Type: application/sdp", strange);
    called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
    called.net.settle();
    called.command(Command::Answer);
    assert!(body(&code(&called.got(), 200).body).contains("m=audio 16000"));
}

/// RFC 3261 8.2.3.
#[test]
fn a_body_that_is_no_sdp_is_415_with_accept() {
    let mut called = Called::new();
    called.caller.clone().send(&mut called.net, "INVITE", "i1", "Content-Type: text/plain\r\nX: ", "hello");
    let got = called.got();
    assert_eq!(code(&got, 415).headers.get("Accept"), Some("application/sdp, multipart/mixed"));
    called.over();
}

#[test]
fn sdp_or_a_contact_that_cannot_be_read_is_400() {
    for contact in ["<sip:far@10.0.0.9:5060>", "<sip:far@", "*"] {
        let mut called = Called::new();
        let sdp = if contact.ends_with('>') { "nonsense".to_owned() } else { called.caller.sdp(PCMU) };
        let text = String::from_utf8(called.caller.request("INVITE", "i1", "", &sdp)).unwrap();
        let text = text.replace("Contact: <sip:far@10.0.0.9:5060>", &format!("Contact: {contact}"));
        called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
        called.net.settle();
        code(&called.got(), 400);
        assert!(!called.net.nodes[0].has_incoming());
        called.over();
    }
}

/// RFC 2543 6.13 (torture message of RFC 4475 3.4.1): without Contact the far end is where its From says.
#[test]
fn an_invite_of_rfc_2543_without_contact_is_a_call() {
    let mut called = Called::new();
    let send = |called: &mut Called, method: &str, branch: &str, sdp: &str| {
        let text = String::from_utf8(called.caller.request(method, branch, "", sdp)).unwrap();
        let old = text.replace("Contact: <sip:far@10.0.0.9:5060>\r\n", "").replace(";tag=peer-tag", "");
        called.net.send(called.caller.address, called.net.nodes[0].ip, old.into_bytes());
        called.net.settle();
    };
    let sdp = called.caller.sdp(PCMU);
    send(&mut called, "INVITE", "i1", &sdp);
    called.command(Command::Answer);
    let got = called.got();
    code(&got, 200);
    called.caller.learn_tag(&got);
    send(&mut called, "ACK", "a1", "");
    called.command(Command::Hangup);
    let got = called.got();
    assert_eq!(requests(&got, "BYE")[0].uri.as_str(), "sip:far@10.0.0.9:5060");
}

/// RFC 6026 7.1: 64*T1, however soon the line gives up waiting for an ACK (SIP_TIMER_H_n).
#[test]
fn a_repeated_invite_is_no_new_call_for_64_t1_also_with_a_short_timer_h() {
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].timer_h = Duration::from_millis(250);
    let mut called = Called::with(given).answered();
    for _ in 0..3 {
        called.net.run_for(Duration::from_secs(9));
        let again = Caller { to_tag: String::new(), ..called.caller.clone() };
        let sdp = again.sdp(PCMU);
        again.send(&mut called.net, "INVITE", "i1", "", &sdp);
        assert!(called.titles().is_empty());
    }
    assert_eq!(called.net.calls(0).len(), 1);
}

/// RFC 3264 6: the answer to sendonly is recvonly; a call may begin on hold.
#[test]
fn an_offer_on_hold_is_answered_recvonly() {
    let mut called = Called::new();
    called.invite(&format!("{PCMU}a=sendonly\r\n"));
    called.command(Command::Answer);
    assert!(body(&code(&called.got(), 200).body).contains("a=recvonly"));
    assert!(called.net.calls(0)[0].held_by_them);
}

#[test]
fn their_order_of_codecs_and_payload_types_is_kept() {
    let mut called = Called::new();
    let media = "m=audio 40000 RTP/AVP 18 8 9 100\r\na=rtpmap:100 telephone-event/8000\r\n";
    called.invite(media);
    called.command(Command::Answer);
    assert!(body(&code(&called.got(), 200).body).contains("RTP/AVP 8 9 100\r\n"));
    let call = called.net.nodes[0].incoming();
    assert_eq!(called.net.nodes[0].media[&call].legs[0].telephone_event, Some(100));
}

/// Record-Route goes into what makes the dialog, and our BYE follows it.
#[test]
fn the_callers_record_route_is_echoed_and_followed() {
    let mut called = Called::new();
    let proxy = called.net.peer("10.0.0.8:5060");
    let sdp = called.caller.sdp(PCMU);
    let route = "Record-Route: <sip:10.0.0.8;lr>\r\n";
    called.caller.clone().send(&mut called.net, "INVITE", "i1", route, &sdp);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    assert_eq!(code(&got, 200).headers.get("Record-Route"), Some("<sip:10.0.0.8;lr>"));
    called.caller.ack(&mut called.net, "");
    called.command(Command::Hangup);
    let got = called.net.received(proxy);
    let bye = requests(&got, "BYE")[0];
    assert_eq!((bye.uri.as_str(), bye.headers.get("Route")), ("sip:far@10.0.0.9:5060", Some("<sip:10.0.0.8;lr>")));
}

#[test]
fn the_far_end_hangs_up() {
    let mut called = Called::talking();
    let got = called.send("BYE", "b");
    code(&got, 200);
    assert_eq!(called.net.nodes[0].ended().unwrap().2, EndedBy::Remote);
    code(&called.send("BYE", "b2"), 481);
    called.over();
}

/// RFC 3261 12.2.2: a request out of order is 500 and changes nothing.
#[test]
fn a_bye_with_an_old_number_is_500() {
    let mut called = Called::talking();
    called.caller.cseq = 0;
    let got = called.send("BYE", "old");
    code(&got, 500);
    assert_eq!(called.net.calls(0).len(), 1);
}

/// Both hang up at once.
#[test]
fn byes_that_cross_are_both_answered() {
    let mut called = Called::talking();
    called.command(Command::Hangup);
    let ours = requests(&called.got(), "BYE")[0].clone();
    let got = called.send("BYE", "theirs");
    code(&got, 200);
    called.net.send(called.caller.address, called.net.nodes[0].ip, answer(&ours, 481, "").to_bytes());
    called.over();
}

fn notify(called: &mut Called, branch: &str, event: &str, extra: &str) -> Vec<String> {
    called.caller.cseq += 1;
    called.caller.clone().send(&mut called.net, "NOTIFY", branch, &format!("Event: {event}\r\n{extra}"), "");
    called.titles()
}

fn wanted(called: &Called) -> Vec<&'static str> {
    called.net.nodes[0].events(|event| match event {
        Event::TalkRequested { .. } => Some("talk"),
        Event::HoldRequested { .. } => Some("hold"),
        _ => None,
    })
}

/// With talk and hold packages offered, a server may want a call to be answered and held (B198); who does it is told, the stack does
/// nothing by itself.
#[test]
fn notify_talk_and_hold_are_told_only_where_they_are_offered() {
    let mut called = Called::talking();
    assert_eq!(notify(&mut called, "n1", "hold", ""), ["489 NOTIFY"]);
    let mut given = direct("10.0.0.1", "200", FAR);
    (given.talk_package, given.hold_package) = (true, true);
    let mut called = Called::with(given);
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    assert_eq!(code(&got, 180).headers.get("Allow-Events"), Some("talk, hold"));
    called.caller.learn_tag(&got);
    assert_eq!(notify(&mut called, "n1", "Talk", ""), ["200 NOTIFY"]);
    assert_eq!(notify(&mut called, "n2", "hold", ""), ["200 NOTIFY"]);
    assert_eq!(notify(&mut called, "n3", "other", ""), ["489 NOTIFY"]);
    assert_eq!(wanted(&called), ["talk", "hold"]);
}

/// B198: a far end that may answer its own call listens to whoever sits there. What has come through another hop is not the
/// server's own word either.
#[test]
fn only_a_server_of_the_line_may_want_a_call_to_be_answered() {
    let mut given = direct("10.0.0.1", "200", "10.0.0.8:5060");
    given.talk_package = true;
    let mut called = Called::with(given);
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    assert_eq!(notify(&mut called, "n1", "talk", ""), ["403 NOTIFY"]);
    let mut given = direct("10.0.0.1", "200", FAR);
    given.talk_package = true;
    let mut called = Called::with(given);
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    let passed_on = "Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bKbefore\r\n";
    assert_eq!(notify(&mut called, "n2", "talk", passed_on), ["403 NOTIFY"]);
    assert!(wanted(&called).is_empty());
}

/// B215: a line that is switched off rings no more; the call that is up on it goes on, and is hung up from either side.
#[test]
fn a_line_that_is_switched_off_in_a_call_takes_no_other_one() {
    let mut called = Called::talking();
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].enabled = false;
    called.net.input(0, Input::Settings(Box::new(given)));
    called.net.settle();
    let (far, phone) = (called.caller.address, called.net.nodes[0].ip);
    let mut other = Caller { call_id: "other@10.0.0.9".into(), cseq: 7, ..Caller::new(far, phone, "200") };
    let got = other.invite(&mut called.net, PCMU);
    assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["480 INVITE"]);
    other.send(&mut called.net, "ACK", "i7", "", "");
    for method in ["OPTIONS", "NOTIFY", "REFER"] {
        let stray = Caller { call_id: format!("{method}@10.0.0.9"), ..Caller::new(other.address, other.target, "200") };
        stray.send(&mut called.net, method, method, "Event: check-sync\r\nRefer-To: <sip:300@10.0.0.9>\r\n", "");
        assert_eq!(called.titles(), [format!("480 {method}")]);
    }
    assert_eq!(called.net.calls(0).len(), 1);
    code(&called.send("INVITE", "again"), 200);
    called.caller.ack(&mut called.net, "");
    code(&called.send("BYE", "bye"), 200);
    called.over();
}
