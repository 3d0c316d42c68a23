//! Calls of ours that are sent elsewhere by 3xx (RFC 3261 8.1.3.4, 19.1.5, 21.3).

use std::time::Duration;

use sip_stack::{CallStage, Command, EndedBy, Event};
use sip_wire::{HeaderName, Request, Response};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{PCMU, answer, at, body, requests, with_sdp};

use crate::dialing::Dialled;
use crate::given::{direct, settings};

const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";

fn moved(invite: &Request, contacts: &str) -> Response {
    let mut response = answer(invite, 302, "f");
    response.headers.push(HeaderName::CONTACT, contacts);
    response
}

/// Answers the INVITE at hand and takes the one that follows; none: the call is over.
fn next(dialled: &mut Dialled, response: Response) -> Option<String> {
    dialled.send(response);
    let got = dialled.got();
    assert_eq!(requests(&got, "ACK").len(), 1, "{}", dialled.net.story());
    let invite = requests(&got, "INVITE").first().map(|invite| (*invite).clone())?;
    let uri = invite.uri.to_string();
    dialled.invite = invite;
    Some(uri)
}

fn refuse(dialled: &mut Dialled, code: u16) -> Option<String> {
    let response = answer(&dialled.invite, code, "f");
    next(dialled, response)
}

fn send_to(dialled: &mut Dialled, contacts: &str) -> Option<String> {
    let response = moved(&dialled.invite, contacts);
    next(dialled, response)
}

fn ended(dialled: &Dialled) -> (u16, EndedBy) {
    let (code, _, by) = dialled.net.nodes[0].ended().unwrap();
    (code, by)
}

/// The phone's other address reaches it: media goes there before the INVITE does.
#[test]
fn a_call_is_sent_to_an_address_of_the_other_family() {
    let mut net = Net::new();
    let (four, six) = (net.peer("10.0.0.9:5060"), net.peer("[2001:db8::9]:5060"));
    let mut both = settings("10.0.0.1", "100", None);
    both.addresses.push("2001:db8::1".parse().unwrap());
    net.stack(both);
    net.dial(0, "sip:200@10.0.0.9");
    net.settle();
    let first = requests(&net.received(four), "INVITE")[0].clone();
    net.send(four, net.nodes[0].ip, moved(&first, "<sip:200@[2001:db8::9]>").to_bytes());
    net.settle();
    assert_eq!(net.titles(four), ["ACK"]);
    let second = requests(&net.received(six), "INVITE")[0].clone();
    assert_eq!((second.headers.call_id(), second.headers.cseq().unwrap().number), (first.headers.call_id(), 2));
    assert!(body(&second.body).contains("c=IN IP6 2001:db8::1\r\n"));
    let call = net.calls(0)[0].call;
    assert!(net.nodes[0].media[&call].legs[0].local.is_ipv6());
}

/// RFC 3261 8.1.3.4: From, To and Call-ID are those of the first INVITE, the number is the next.
#[test]
fn a_moved_call_goes_on_at_its_new_address() {
    let mut dialled = Dialled::new();
    let first = dialled.invite.clone();
    assert_eq!(send_to(&mut dialled, "<sip:300@10.0.0.9>").as_deref(), Some("sip:300@10.0.0.9"));
    let second = &dialled.invite;
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(second.headers.get(name), first.headers.get(name), "{name}");
    }
    assert_eq!(second.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1);
    assert_eq!(second.body, first.body);
    dialled.say_with_sdp(200, "g", 40_000);
    assert_eq!(dialled.titles(), ["ACK"]);
    assert_eq!(dialled.net.calls(0)[0].stage, CallStage::Talking);
    let told = dialled.net.nodes[0].events(|event| matches!(event, Event::Dialing { .. }).then_some(()));
    assert_eq!(told.len(), 1, "for people it is the same call");
}

#[test]
fn the_most_preferred_address_is_called_first_and_the_others_after_its_refusal() {
    let mut dialled = Dialled::new();
    let contacts = "<sip:low@10.0.0.9>;q=0.1, <sip:high@10.0.0.9>;q=0.9, <sip:also@10.0.0.9>;q=0.9, <sip:full@10.0.0.9>";
    let mut order = vec![send_to(&mut dialled, contacts).unwrap()];
    order.extend((0..3).map(|_| refuse(&mut dialled, 480).unwrap()));
    assert_eq!(order, ["full", "high", "also", "low"].map(|user| format!("sip:{user}@10.0.0.9")));
    assert_eq!(refuse(&mut dialled, 486), None);
    assert_eq!(ended(&dialled), (486, EndedBy::Remote));
    dialled.over();
}

/// RFC 3261 21.6: 6xx is said for everybody.
#[test]
fn a_global_failure_ends_the_search() {
    let mut dialled = Dialled::new();
    send_to(&mut dialled, "<sip:one@10.0.0.9>, <sip:two@10.0.0.9>").unwrap();
    assert_eq!(refuse(&mut dialled, 603), None);
    assert_eq!(ended(&dialled), (603, EndedBy::Remote));
}

/// An address that does not answer has refused as well.
#[test]
fn a_silent_address_is_given_up_for_the_next_one() {
    let mut dialled = Dialled::new();
    send_to(&mut dialled, "<sip:silent@10.0.0.9>, <sip:two@10.0.0.9>").unwrap();
    dialled.net.run_for(Duration::from_secs(33));
    let got = dialled.got();
    assert!(requests(&got, "INVITE").iter().any(|invite| invite.uri.as_str() == "sip:two@10.0.0.9"), "{}", dialled.net.story());
}

#[test]
fn two_that_send_to_each_other_are_called_once_each() {
    let mut dialled = Dialled::new();
    send_to(&mut dialled, "<sip:one@10.0.0.9>").unwrap();
    send_to(&mut dialled, "<sip:two@10.0.0.9>, <sip:200@10.0.0.9:5060>").unwrap();
    assert_eq!(send_to(&mut dialled, "<sip:one@10.0.0.9>, <sip:200@10.0.0.9:5060>"), None);
    assert_eq!(ended(&dialled), (302, EndedBy::Network));
    dialled.over();
}

#[test]
fn there_is_an_end_to_new_addresses() {
    let mut dialled = Dialled::new();
    let mut calls = 1;
    while send_to(&mut dialled, &format!("<sip:n{calls}@10.0.0.9>")).is_some() {
        calls += 1;
        assert!(calls < 100, "endless");
    }
    assert_eq!(calls, 8);
    let many: Vec<String> = (0..60).map(|number| format!("<sip:m{number}@10.0.0.9>")).collect();
    let mut dialled = Dialled::new();
    send_to(&mut dialled, &many.join(", ")).unwrap();
    let mut calls = 2;
    while refuse(&mut dialled, 404).is_some() {
        calls += 1;
    }
    assert_eq!(calls, 8);
}

/// RFC 3261 19.1.5: nobody makes us send other headers or methods; only what is spoken here is called.
#[test]
fn a_contact_is_no_more_than_an_address() {
    let mut dialled = Dialled::new();
    let contacts =
        "<sips:safe@10.0.0.9>, <mailto:ada@example.com>, <sip:300@10.0.0.9;method=BYE;x=y?Replaces=1%3Bto-tag%3D2>;q=0.5";
    assert_eq!(send_to(&mut dialled, contacts).as_deref(), Some("sip:300@10.0.0.9;x=y"));
    assert!(!dialled.invite.headers.has("Replaces"));
    assert_eq!(send_to(&mut dialled, "<tel:+4989>").as_deref(), Some("sip:+4989@10.0.0.9:5060"));
}

/// Use Proxy and Alternative Service are refusals like others.
#[test]
fn other_redirections_end_the_call() {
    for code in [305, 380] {
        let mut dialled = Dialled::new();
        let mut response = answer(&dialled.invite, code, "f");
        response.headers.push(HeaderName::CONTACT, "<sip:300@10.0.0.9>");
        assert_eq!(next(&mut dialled, response), None);
        assert_eq!(ended(&dialled).0, code);
    }
}

#[test]
fn a_call_that_was_taken_back_goes_nowhere_else() {
    let mut dialled = Dialled::new();
    dialled.say(180, "f");
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    dialled.got();
    assert_eq!(send_to(&mut dialled, "<sip:300@10.0.0.9>"), None);
    dialled.over();
}

/// Early media of the first far end is not that of the next.
#[test]
fn early_media_ends_with_the_address_it_came_from() {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(183, "early", 41_000);
    assert!(dialled.net.calls(0)[0].media.legs[0].remote.is_some());
    send_to(&mut dialled, "<sip:300@10.0.0.9>").unwrap();
    let legs = dialled.net.calls(0)[0].media.legs.clone();
    assert!(legs.len() == 1 && legs[0].remote.is_none() && legs[0].codecs.is_empty(), "{legs:?}");
    dialled.say_with_sdp(200, "g", 42_000);
    assert_eq!(dialled.net.calls(0)[0].media.legs[0].remote.unwrap().port(), 42_000);
}

/// Without any server the call goes where the Contact leads; a name is looked up, one that is not there passed over.
#[test]
fn without_a_server_the_contacts_lead_the_way() {
    let mut given = direct("10.0.0.1", "100", "10.0.0.9:5060");
    given.lines[0].proxy = None;
    let mut dialled = Dialled::with(given);
    let there = dialled.net.peer("10.0.0.40:5060");
    dialled.net.nodes[0].names.insert("moved.example.com".into(), vec![there]);
    dialled.send(moved(&dialled.invite.clone(), "<sip:300@gone.example.com>, <sip:300@moved.example.com>;q=0.5"));
    assert_eq!(dialled.titles(), ["ACK"]);
    let got = dialled.net.received(there);
    let invite = requests(&got, "INVITE")[0].clone();
    assert_eq!(invite.uri.as_str(), "sip:300@moved.example.com");
    let ok = with_sdp(at(answer(&invite, 200, "g"), there), &format!("{SDP}{PCMU}"));
    dialled.net.send(there, dialled.net.nodes[0].ip, ok.to_bytes());
    dialled.net.settle();
    assert_eq!(dialled.net.titles(there), ["ACK"]);
    assert_eq!(dialled.net.calls(0)[0].stage, CallStage::Talking);
}

/// A challenge on the way is answered as at the first address.
#[test]
fn a_challenge_at_the_new_address_is_answered() {
    let mut dialled = Dialled::new();
    send_to(&mut dialled, "<sip:300@10.0.0.9>, <sip:400@10.0.0.9>;q=0.1").unwrap();
    let mut challenge = answer(&dialled.invite, 407, "f");
    challenge.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"");
    assert_eq!(next(&mut dialled, challenge).as_deref(), Some("sip:300@10.0.0.9"));
    assert!(dialled.invite.headers.has("Proxy-Authorization"));
    assert_eq!(refuse(&mut dialled, 480).as_deref(), Some("sip:400@10.0.0.9"));
    assert!(dialled.invite.headers.has("Proxy-Authorization"), "the realm is known by now");
    let number = dialled.invite.headers.cseq().unwrap().number;
    assert_eq!(number, 4, "each INVITE has a number of its own");
}

/// RFC 3261 8.1.3.5 and 8.1.3.4: each INVITE of the call has a number of its own, also after an address that has asked for a password
/// and then met silence.
#[test]
fn the_numbers_go_on_after_a_challenge_and_silence() {
    let mut dialled = Dialled::new();
    let mut numbers = vec![1];
    send_to(&mut dialled, "<sip:silent@10.0.0.9>, <sip:two@10.0.0.9>").unwrap();
    numbers.push(dialled.invite.headers.cseq().unwrap().number);
    let mut challenge = answer(&dialled.invite, 407, "f");
    challenge.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"");
    assert_eq!(next(&mut dialled, challenge).as_deref(), Some("sip:silent@10.0.0.9"));
    numbers.push(dialled.invite.headers.cseq().unwrap().number);
    dialled.net.run_for(Duration::from_secs(33));
    let got = dialled.got();
    let last = requests(&got, "INVITE").into_iter().find(|invite| invite.uri.as_str() == "sip:two@10.0.0.9").unwrap();
    numbers.push(last.headers.cseq().unwrap().number);
    assert_eq!(numbers, [1, 2, 3, 4]);
}

/// RFC 3261 8.1.3.2: a redirection that nobody knows counts as 300; Use Proxy and Alternative Service are known, and are none.
#[test]
fn an_unknown_redirection_counts_as_300() {
    for (code, follows) in [(300, true), (303, true), (399, true), (305, false), (380, false)] {
        let mut dialled = Dialled::new();
        let mut response = answer(&dialled.invite, code, "f");
        response.headers.push(HeaderName::CONTACT, "<sip:300@10.0.0.9>");
        assert_eq!(next(&mut dialled, response).is_some(), follows, "{code}");
    }
}
