//! Reliable provisional responses (RFC 3262; B217), both roles, and what offers and answers they carry.

use std::time::Duration;

use sip_stack::{Codec, Command, Direction, EndedBy, Event, Input, StackSettings};
use sip_wire::{Message, Request, Response};
use testbed::virtual_net::peer::{PCMU, answer, at, body, requests, response_with, with_sdp};
use testbed::virtual_net::{Faults, MediaMode, Net, PERFECT, seconds};

use crate::dialing::Dialled;
use crate::effort::cases;
use crate::given::{ALWAYS, direct};
use crate::incoming::Called;

const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";
const KNOWN: &str = "Supported: 100rel\r\n";

fn reliable(mut settings: StackSettings) -> StackSettings {
    settings.lines[0].sessions.reliable = true;
    settings
}

fn called() -> Called {
    Called::with(reliable(direct("10.0.0.1", "200", "10.0.0.9:5060")))
}

fn dialled() -> Dialled {
    Dialled::with(reliable(direct("10.0.0.1", "100", "10.0.0.9:5060")))
}

/// An INVITE with these header lines.
fn invite(called: &mut Called, lines: &str, media: &str) -> Vec<Message> {
    let sdp = if media.is_empty() { String::new() } else { called.caller.sdp(media) };
    let branch = format!("i{}", called.caller.cseq);
    called.caller.send(&mut called.net, "INVITE", &branch, lines, &sdp);
    called.got()
}

/// Rings; the 180, whose tag the caller has then.
fn ring(called: &mut Called) -> Response {
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    response_with(&got, 180).unwrap_or_else(|| panic!("{}", called.net.story())).clone()
}

fn prack(called: &mut Called, rack: &str, media: &str) -> Vec<Message> {
    let mut caller = called.caller.clone();
    called.caller.cseq += 1;
    caller.cseq = called.caller.cseq + 100;
    let sdp = if media.is_empty() { String::new() } else { caller.sdp(media) };
    let line = if rack.is_empty() { String::new() } else { format!("RAck: {rack}\r\n") };
    caller.send(&mut called.net, "PRACK", &format!("p{}", caller.cseq), &line, &sdp);
    called.got()
}

fn rack_of(ringing: &Response) -> String {
    format!("{} {}", ringing.headers.get("RSeq").unwrap(), ringing.headers.get("CSeq").unwrap())
}

/// Only what the INVITE's sender knows and the setting allows is reliable; what is required and not there is 420.
#[test]
fn ringing_is_reliable_where_both_sides_want_it() {
    let mut off = Called::new();
    assert_eq!(
        response_with(&invite(&mut off, "Require: 100rel\r\n", PCMU), 420).unwrap().headers.get("Unsupported"),
        Some("100rel")
    );
    off.caller.cseq += 1;
    invite(&mut off, KNOWN, PCMU);
    assert!(!ring(&mut off).headers.has("RSeq"));
    let mut unknown = called();
    invite(&mut unknown, "", PCMU);
    assert!(!ring(&mut unknown).headers.has("Require"));
    for lines in [KNOWN, "Require: 100rel\r\n", "Supported: timer, 100REL\r\n"] {
        let mut known = called();
        invite(&mut known, lines, PCMU);
        let ringing = ring(&mut known);
        assert_eq!(ringing.headers.get("Require"), Some("100rel"), "{lines}");
        assert!(ringing.headers.rseq().unwrap().is_some_and(|number| number < 1 << 31) && ringing.body.is_empty());
        assert!(ringing.headers.has("Contact"));
    }
}

/// RFC 3262 3: T1, doubling, until the PRACK.
#[test]
fn a_reliable_180_is_repeated_until_its_prack() {
    let mut called = called();
    invite(&mut called, KNOWN, PCMU);
    let begin = called.net.now;
    let ringing = ring(&mut called);
    called.net.run_for(Duration::from_secs(9));
    let sent = called.net.log.iter().filter(|sent| sent.title() == "180 INVITE");
    let after: Vec<u128> = sent.map(|sent| sent.at.since(begin).as_millis()).collect();
    assert_eq!(after, [0, 500, 1500, 3500, 7500]);
    assert!(called.got().iter().all(|message| message.headers().get("RSeq") == ringing.headers.get("RSeq")));
    assert!(response_with(&prack(&mut called, &rack_of(&ringing), ""), 200).is_some());
    called.net.run_for(Duration::from_secs(40));
    assert!(called.titles().is_empty());
    assert_eq!(called.net.calls(0).len(), 1);
}

/// RFC 3262 3: a PRACK for nothing that is open.
#[test]
fn a_prack_that_acknowledges_nothing_is_481() {
    let mut called = called();
    invite(&mut called, KNOWN, PCMU);
    let ringing = ring(&mut called);
    let number = ringing.headers.rseq().unwrap().unwrap();
    for rack in [format!("{} 1 INVITE", number + 1), format!("{number} 2 INVITE"), format!("{number} 1 UPDATE")] {
        assert!(response_with(&prack(&mut called, &rack, ""), 481).is_some(), "{rack}");
    }
    assert!(response_with(&prack(&mut called, "", ""), 400).is_some());
    assert!(response_with(&prack(&mut called, &rack_of(&ringing), ""), 200).is_some());
    assert!(response_with(&prack(&mut called, &rack_of(&ringing), ""), 481).is_some(), "it is not open any more");
    called.caller.to_tag = "nobody".into();
    assert!(response_with(&prack(&mut called, &rack_of(&ringing), ""), 481).is_some());
}

/// RFC 3262 3: 64*T1, then a 5xx.
#[test]
fn ringing_that_nobody_acknowledges_ends_the_call_by_504() {
    let mut called = called();
    invite(&mut called, KNOWN, PCMU);
    ring(&mut called);
    called.net.run_for(Duration::from_millis(31_800));
    assert_eq!(called.net.nodes[0].ended(), None);
    called.net.run_for(Duration::from_millis(200));
    let got = called.got();
    assert!(response_with(&got, 504).is_some());
    let ended = called.net.nodes[0].ended().unwrap();
    assert_eq!(ended, (504, "the caller did not acknowledge the ringing".into(), EndedBy::Network));
    called.over();
}

/// RFC 3262 3: none before the first is acknowledged; the next one has the next number.
#[test]
fn the_next_180_waits_for_the_prack_of_the_first() {
    let mut given = reliable(direct("10.0.0.1", "200", "10.0.0.9:5060"));
    given.lines[0].sessions.ring_again = 5;
    let mut called = Called::with(given);
    invite(&mut called, KNOWN, PCMU);
    let first = ring(&mut called);
    called.net.run_for(Duration::from_secs(14));
    assert!(called.got().iter().all(|message| message.headers().get("RSeq") == first.headers.get("RSeq")));
    assert!(response_with(&prack(&mut called, &rack_of(&first), ""), 200).is_some());
    called.net.run_for(Duration::from_secs(1));
    let second = response_with(&called.got(), 180).unwrap().clone();
    assert_eq!(second.headers.rseq().unwrap(), first.headers.rseq().unwrap().map(|number| number + 1));
    assert!(response_with(&prack(&mut called, &rack_of(&second), ""), 200).is_some());
}

/// Without the setting each minute, with it each so many seconds.
#[test]
fn the_180_goes_again_at_the_interval_of_the_setting() {
    for (interval, times) in [(0, vec![0.0, 60.0]), (20, vec![0.0, 20.0, 40.0, 60.0]), (90, vec![0.0])] {
        let mut given = direct("10.0.0.1", "200", "10.0.0.9:5060");
        given.lines[0].sessions.ring_again = interval;
        let mut called = Called::with(given);
        invite(&mut called, "", PCMU);
        let begin = seconds(called.net.now);
        ring(&mut called);
        called.net.run_for(Duration::from_secs(70));
        let sent: Vec<f64> =
            called.net.log.iter().filter(|sent| sent.title() == "180 INVITE").map(|sent| seconds(sent.at)).collect();
        assert_eq!(sent.iter().map(|at| (at - begin).round()).collect::<Vec<_>>(), times);
    }
}

/// PRACK after the 200: the 200 does not wait for a 180 without a description, which is not repeated; its PRACK still is answered.
#[test]
fn a_prack_that_comes_after_the_200_is_answered() {
    let mut called = called();
    invite(&mut called, KNOWN, PCMU);
    let ringing = ring(&mut called);
    called.command(Command::Answer);
    let ok = called.got();
    assert!(body(&response_with(&ok, 200).unwrap().body).contains("m=audio"));
    assert!(response_with(&prack(&mut called, &rack_of(&ringing), ""), 200).is_some());
    called.caller.cseq = 1;
    called.caller.ack(&mut called.net, "");
    called.net.run_for(Duration::from_secs(40));
    assert!(called.titles().is_empty());
    assert_eq!(called.net.calls(0).len(), 1);
}

/// CANCEL while a 180 is open: it ends with the call; a PRACK on its way is still answered, another one is not.
#[test]
fn a_cancel_with_an_open_180_ends_both() {
    let mut called = called();
    invite(&mut called, KNOWN, PCMU);
    let ringing = ring(&mut called);
    let mut first = called.caller.clone();
    first.to_tag = String::new();
    first.send(&mut called.net, "CANCEL", "i1", "", "");
    let got = called.got();
    assert!(response_with(&got, 200).is_some() && response_with(&got, 487).is_some());
    assert!(response_with(&prack(&mut called, &rack_of(&ringing), ""), 200).is_some());
    assert!(response_with(&prack(&mut called, "7 9 INVITE", ""), 481).is_some());
    called.net.run_for(Duration::from_secs(3));
    assert!(!called.titles().contains(&"180 INVITE".to_owned()));
    called.over();
}

/// RFC 3261 13.2.1: the first reliable response offers where the INVITE does not; it needs media, and the 2xx its PRACK.
fn offered_in_180() -> (Called, Response) {
    let mut called = called();
    called.net.nodes[0].mode = MediaMode::Silent;
    invite(&mut called, KNOWN, "");
    called.command(Command::Ring);
    assert!(called.titles().is_empty(), "no offer before the sockets");
    let call = called.net.nodes[0].incoming();
    called.net.nodes[0].mode = MediaMode::Ready;
    called.net.media_answers(0, call, Ok(()));
    called.net.settle();
    let got = called.got();
    called.caller.learn_tag(&got);
    let ringing = response_with(&got, 180).unwrap().clone();
    assert!(body(&ringing.body).contains("RTP/AVP 9 8 0 101"));
    (called, ringing)
}

#[test]
fn an_offer_in_the_180_is_answered_by_its_prack_and_the_200_has_none() {
    let (mut called, ringing) = offered_in_180();
    called.command(Command::Answer);
    assert!(called.titles().is_empty(), "no 200 before the answer");
    let got = prack(&mut called, &rack_of(&ringing), "m=audio 40000 RTP/AVP 8\r\n");
    let answers: Vec<&Message> = got.iter().filter(|message| testbed::virtual_net::title(message).starts_with("200")).collect();
    assert_eq!(answers.iter().map(|message| testbed::virtual_net::title(message)).collect::<Vec<_>>(), ["200 PRACK", "200 INVITE"]);
    assert!(got.iter().all(|message| !message.headers().has("Content-Type")));
    called.caller.cseq = 1;
    called.caller.ack(&mut called.net, "");
    let view = &called.net.calls(0)[0];
    assert_eq!((view.codec, view.media.legs[0].direction), (Some(Codec::Pcma), Direction::SendRecv));
    called.net.run_for(Duration::from_secs(40));
    assert_eq!(called.net.calls(0).len(), 1);
}

#[test]
fn a_prack_without_the_answer_that_is_due_refuses_the_call() {
    for media in ["", "m=audio 40000 RTP/AVP 18\r\n"] {
        let (mut called, ringing) = offered_in_180();
        let got = prack(&mut called, &rack_of(&ringing), media);
        assert!(response_with(&got, 200).is_some() && response_with(&got, 488).is_some());
        called.over();
    }
}

/// RFC 3262 5 and RFC 3311 5.2: once offer and answer are through, PRACK and UPDATE may offer again before the 2xx.
#[test]
fn an_offer_in_a_later_prack_or_update_is_answered_in_its_200() {
    let (mut called, ringing) = offered_in_180();
    let update = |called: &mut Called, number: u32, media: &str| {
        let mut caller = called.caller.clone();
        caller.cseq = number;
        let sdp = caller.sdp(media);
        caller.send(&mut called.net, "UPDATE", &format!("u{number}"), "", &sdp);
        called.got()
    };
    assert!(response_with(&update(&mut called, 50, PCMU), 491).is_some(), "our offer is out");
    prack(&mut called, &rack_of(&ringing), PCMU);
    called.net.run_for(Duration::from_secs(60));
    let again = response_with(&called.got(), 180).unwrap().clone();
    assert!(again.body.is_empty());
    let got = prack(&mut called, &rack_of(&again), "m=audio 41000 RTP/AVP 9\r\n");
    assert!(body(&response_with(&got, 200).unwrap().body).contains("RTP/AVP 9\r\n"));
    let got = update(&mut called, 500, "m=audio 42000 RTP/AVP 8\r\n");
    assert!(body(&response_with(&got, 200).unwrap().body).contains("RTP/AVP 8\r\n"));
    assert!(response_with(&update(&mut called, 501, "m=audio 42000 RTP/AVP 18\r\n"), 488).is_some());
    called.command(Command::Answer);
    assert!(response_with(&called.got(), 200).unwrap().body.is_empty());
    let view = &called.net.calls(0)[0];
    assert_eq!((view.codec, view.media.legs[0].remote.unwrap().port()), (Some(Codec::Pcma), 42000));
}

/// RFC 3262 5: an offer in a PRACK is answered in its 200, also where our 2xx has left meanwhile.
#[test]
fn an_offer_in_a_prack_that_crosses_our_200_is_answered() {
    let (mut called, ringing) = offered_in_180();
    prack(&mut called, &rack_of(&ringing), PCMU);
    called.net.run_for(Duration::from_secs(60));
    let again = response_with(&called.got(), 180).unwrap().clone();
    called.command(Command::Answer);
    assert!(response_with(&called.got(), 200).unwrap().body.is_empty());
    let got = prack(&mut called, &rack_of(&again), "m=audio 41000 RTP/AVP 9\r\na=sendonly\r\n");
    let ok = response_with(&got, 200).unwrap();
    assert!(body(&ok.body).contains("RTP/AVP 9\r\n") && !ok.headers.has("Session-Expires"));
    called.caller.cseq = 1;
    called.caller.ack(&mut called.net, "");
    let view = &called.net.calls(0)[0];
    assert_eq!((view.codec, view.media.legs[0].remote.unwrap().port()), (Some(Codec::G722), 41000));
    assert_eq!(called.net.nodes[0].hold(), Some((false, true)));
    called.net.run_for(Duration::from_secs(40));
    assert_eq!(called.net.calls(0).len(), 1);
}

/// RFC 3262 3, 3311 5.2: one that is refused because offers cross comes again as it was told to, and is then for the same response.
#[test]
fn a_prack_whose_offer_met_another_one_may_come_again() {
    let (mut called, ringing) = offered_in_180();
    prack(&mut called, &rack_of(&ringing), PCMU);
    called.net.run_for(Duration::from_secs(60));
    let again = response_with(&called.got(), 180).unwrap().clone();
    called.command(Command::Answer);
    called.got();
    let number = called.caller.cseq;
    called.caller.cseq = 1;
    called.caller.ack(&mut called.net, "");
    called.caller.cseq = number;
    called.command(Command::Hold);
    let hold = requests(&called.got(), "INVITE")[0].clone();
    let offer = "m=audio 41000 RTP/AVP 0\r\n";
    assert!(response_with(&prack(&mut called, &rack_of(&again), offer), 491).is_some());
    let held = with_sdp(at(answer(&hold, 200, ""), called.caller.address), &called.caller.sdp(PCMU));
    called.net.send(called.caller.address, called.net.nodes[0].ip, held.to_bytes());
    called.net.settle();
    called.got();
    assert!(response_with(&prack(&mut called, &rack_of(&again), offer), 200).is_some(), "{}", called.net.story());
}

// Ours.

/// A provisional response with that number, and SDP where there is a port.
fn provisional(dialled: &mut Dialled, code: u16, tag: &str, rseq: u32, port: Option<u16>) {
    let mut response = at(answer(&dialled.invite, code, tag), dialled.far);
    response.headers.push("Require", "100rel");
    response.headers.push("RSeq", rseq);
    if let Some(port) = port {
        response = with_sdp(response, &format!("{SDP}{}", PCMU.replace("40000", &port.to_string())));
    }
    dialled.send(response);
}

fn pracks(got: &[Message]) -> Vec<String> {
    requests(got, "PRACK").iter().map(|prack| prack.headers.get("RAck").unwrap().to_owned()).collect()
}

fn ringbacks(dialled: &Dialled) -> usize {
    dialled.net.nodes[0].events(|event| matches!(event, Event::Ringback { .. }).then_some(())).len()
}

/// B217; without the setting nobody is told that it is known, and nothing is acknowledged.
#[test]
fn the_invite_says_100rel_where_the_setting_does() {
    assert_eq!(dialled().invite.headers.get("Supported").unwrap(), format!("100rel, {ALWAYS}"));
    let mut off = Dialled::new();
    assert_eq!(off.invite.headers.get("Supported"), Some(ALWAYS));
    provisional(&mut off, 180, "f", 1, None);
    assert!(off.titles().is_empty());
    assert_eq!(ringbacks(&off), 1);
}

/// RFC 3262 4: in the early dialog, once for each number, in order.
#[test]
fn each_reliable_response_gets_its_prack_in_order() {
    let mut dialled = dialled();
    provisional(&mut dialled, 180, "f", 700, None);
    let got = dialled.got();
    let prack = requests(&got, "PRACK")[0].clone();
    assert_eq!(prack.headers.get("RAck"), Some("700 1 INVITE"));
    assert_eq!((prack.uri.as_str(), prack.headers.cseq().unwrap().number), ("sip:far@10.0.0.9:5060", 2));
    assert_eq!(prack.headers.to().unwrap().tag(), Some("f"));
    dialled.reply_to(&got, "PRACK", 200);
    provisional(&mut dialled, 180, "f", 700, None);
    provisional(&mut dialled, 183, "f", 702, Some(40000));
    assert!(dialled.titles().is_empty(), "a repetition, and one that comes too early");
    assert_eq!(ringbacks(&dialled), 1, "what is out of order is not heard");
    provisional(&mut dialled, 183, "f", 701, None);
    provisional(&mut dialled, 183, "f", 702, Some(40000));
    assert_eq!(pracks(&dialled.got()), ["701 1 INVITE", "702 1 INVITE"]);
    assert_eq!(ringbacks(&dialled), 2, "early media");
}

/// Each branch of a fork has numbers of its own.
#[test]
fn the_branches_of_a_fork_are_acknowledged_by_themselves() {
    let mut dialled = dialled();
    provisional(&mut dialled, 180, "one", 10, None);
    provisional(&mut dialled, 180, "two", 900, None);
    provisional(&mut dialled, 183, "one", 11, Some(41000));
    let got = dialled.got();
    let tagged: Vec<String> = requests(&got, "PRACK")
        .iter()
        .map(|prack| format!("{} {}", prack.headers.to().unwrap().tag().unwrap(), prack.headers.get("RAck").unwrap()))
        .collect();
    assert_eq!(tagged, ["one 10 1 INVITE", "two 900 1 INVITE", "one 11 1 INVITE"]);
}

/// RFC 3261 12.2.1.1: the BYE of a branch that answers too late counts on from that branch's own PRACKs, also when the call is over.
#[test]
fn the_bye_of_a_late_branch_counts_on_from_its_pracks() {
    for ended in [false, true] {
        let mut dialled = dialled();
        provisional(&mut dialled, 180, "one", 10, None);
        provisional(&mut dialled, 180, "two", 900, None);
        provisional(&mut dialled, 183, "two", 901, None);
        dialled.say_with_sdp(200, "one", 40000);
        if ended {
            dialled.net.command(0, Command::Hangup(dialled.call));
            dialled.net.settle();
            let got = dialled.got();
            dialled.reply_to(&got, "BYE", 200);
        }
        dialled.titles();
        for (tag, number) in [("two", 4), ("three", 2)] {
            dialled.say_with_sdp(200, tag, 42000);
            let got = dialled.got();
            assert_eq!(requests(&got, "BYE")[0].headers.cseq().unwrap().number, number, "{tag}");
            dialled.reply_to(&got, "BYE", 200);
        }
    }
}

/// The answer in a reliable 183 stands; the 200 has none. Later requests count on from the PRACK.
#[test]
fn an_answer_in_a_reliable_183_needs_none_in_the_200() {
    let mut dialled = dialled();
    provisional(&mut dialled, 183, "f", 1, Some(40000));
    let got = dialled.got();
    dialled.reply_to(&got, "PRACK", 200);
    dialled.say(200, "f");
    assert_eq!(dialled.titles(), ["ACK"]);
    let leg = &dialled.net.nodes[0].media[&dialled.call].legs[0];
    assert_eq!((leg.remote.unwrap().port(), leg.direction), (40000, Direction::SendRecv));
    assert!(dialled.net.nodes[0].has_established());
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    assert_eq!(requests(&got, "BYE")[0].headers.cseq().unwrap().number, 3);
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
}

/// What is reliable must be acknowledged: a re-INVITE, whose provisional responses are not, does not say that it may be.
#[test]
fn a_reinvite_says_nothing_of_100rel() {
    let mut dialled = dialled();
    dialled.say_with_sdp(200, "f", 40000);
    dialled.titles();
    dialled.net.command(0, Command::Hold(dialled.call));
    dialled.net.settle();
    assert!(!requests(&dialled.got(), "INVITE")[0].headers.has("Supported"));
}

#[test]
fn a_challenged_prack_goes_again_with_credentials() {
    let mut dialled = dialled();
    provisional(&mut dialled, 180, "f", 5, None);
    let got = dialled.got();
    let mut refusal = answer(requests(&got, "PRACK")[0], 407, "");
    refusal.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"");
    dialled.send(refusal);
    let got = dialled.got();
    let again = requests(&got, "PRACK")[0];
    assert!(again.headers.has("Proxy-Authorization"));
    assert_eq!((again.headers.get("RAck"), again.headers.cseq().unwrap().number), (Some("5 1 INVITE"), 3));
}

/// RFC 3261 22: each request has its own challenges; that of the INVITE was answered, and the nonce has been used up since.
#[test]
fn a_prack_is_challenged_anew_after_its_invite_was() {
    let mut dialled = dialled();
    let mut refusal = answer(&dialled.invite, 407, "c");
    refusal.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n1\", qop=\"auth\"");
    dialled.send(refusal);
    let got = dialled.got();
    dialled.invite = requests(&got, "INVITE")[0].clone();
    provisional(&mut dialled, 180, "a", 1, None);
    let got = dialled.got();
    let mut refusal = answer(requests(&got, "PRACK")[0], 407, "");
    refusal.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n2\", qop=\"auth\"");
    dialled.send(refusal);
    let got = dialled.got();
    let again = requests(&got, "PRACK")[0];
    assert_eq!(again.headers.proxy_authorization().unwrap()[0].get("nonce"), Some("n2"));
}

/// B185: a PRACK between two challenges of the INVITE does not make the second one a first one, so that a wrong password is not tried
/// again and again.
#[test]
fn a_prack_makes_no_refused_password_a_new_one() {
    let mut dialled = dialled();
    let challenge = |dialled: &mut Dialled, nonce: &str| {
        let mut refusal = answer(&dialled.invite, 407, "c");
        refusal.headers.push("Proxy-Authenticate", format!("Digest realm=\"lab\", nonce=\"{nonce}\", qop=\"auth\""));
        dialled.send(refusal);
        dialled.got()
    };
    let got = challenge(&mut dialled, "n1");
    dialled.invite = requests(&got, "INVITE")[0].clone();
    provisional(&mut dialled, 183, "a", 1, None);
    assert_eq!(pracks(&dialled.got()).len(), 1);
    let got = challenge(&mut dialled, "n2");
    assert!(requests(&got, "INVITE").is_empty(), "{}", dialled.net.story());
    assert_eq!(dialled.net.nodes[0].ended().unwrap().0, 407);
}

/// A PRACK that fails says nothing about the call.
#[test]
fn a_refused_prack_changes_nothing() {
    let mut dialled = dialled();
    provisional(&mut dialled, 180, "f", 5, None);
    let got = dialled.got();
    dialled.reply_to(&got, "PRACK", 481);
    dialled.say_with_sdp(200, "f", 40000);
    assert_eq!(dialled.titles(), ["ACK"]);
    assert!(dialled.net.nodes[0].has_established());
}

/// The far end's request in the dialog with the tag `f`.
pub fn asked(dialled: &mut Dialled, method: &str, number: u32, media: &str) -> Vec<Message> {
    let headers = &dialled.invite.headers;
    let sdp = if media.is_empty() { String::new() } else { format!("{SDP}{media}") };
    let kind = if media.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let text = format!(
        "{method} sip:100@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKe{number}\r\nMax-Forwards: 70\r\n\
         From: {};tag=f\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContact: <sip:far@10.0.0.9:5060>\r\n{kind}\
         Content-Length: {}\r\n\r\n{sdp}",
        headers.get("To").unwrap(),
        headers.get("From").unwrap(),
        headers.get("Call-ID").unwrap(),
        sdp.len()
    );
    dialled.net.send(dialled.far, dialled.net.nodes[0].ip, text.into_bytes());
    dialled.net.settle();
    dialled.got()
}

/// RFC 3311 5.2, before the 2xx: our offer is out until a reliable response has answered it.
#[test]
fn an_early_update_is_491_until_our_offer_is_answered_reliably() {
    let mut dialled = dialled();
    assert!(response_with(&asked(&mut dialled, "UPDATE", 1, ""), 481).is_some(), "no dialog yet");
    provisional(&mut dialled, 180, "f", 1, None);
    let got = dialled.got();
    dialled.reply_to(&got, "PRACK", 200);
    assert!(response_with(&asked(&mut dialled, "UPDATE", 2, PCMU), 491).is_some());
    assert!(response_with(&asked(&mut dialled, "UPDATE", 3, ""), 200).is_some());
    assert!(response_with(&asked(&mut dialled, "UPDATE", 3, "m=audio 9 RTP/AVP 8\r\n"), 200).is_some(), "the same once more");
    assert!(response_with(&asked(&mut dialled, "UPDATE", 1, ""), 481).is_some(), "answered before");
    assert!(response_with(&asked(&mut dialled, "OPTIONS", 4, ""), 200).is_some());
    provisional(&mut dialled, 183, "f", 2, Some(40000));
    let got = dialled.got();
    dialled.reply_to(&got, "PRACK", 200);
    let got = asked(&mut dialled, "UPDATE", 5, "m=audio 43000 RTP/AVP 8\r\n");
    assert!(body(&response_with(&got, 200).unwrap().body).contains("RTP/AVP 8\r\n"));
    dialled.say_with_sdp(200, "f", 40000);
    assert_eq!(dialled.titles(), ["ACK"]);
    let view = &dialled.net.calls(0)[0];
    assert_eq!((view.codec, view.media.legs[0].remote.unwrap().port()), (Some(Codec::Pcma), 43000), "the newest exchange counts");
    assert!(response_with(&asked(&mut dialled, "UPDATE", 5, ""), 200).is_some(), "the same once more");
    assert!(response_with(&asked(&mut dialled, "OPTIONS", 3, ""), 500).is_some(), "their numbers count on");
}

/// RFC 5057 5.1: 481 would say that the early dialog is gone, which it is not.
#[test]
fn what_is_asked_in_an_early_dialog_is_answered_as_in_a_call() {
    for (method, code) in [("OPTIONS", 200), ("INFO", 200), ("REFER", 480), ("INVITE", 491), ("NOTIFY", 489), ("PRACK", 481)] {
        let mut dialled = dialled();
        dialled.say(180, "f");
        let got = asked(&mut dialled, method, 1, "");
        assert!(response_with(&got, code).is_some(), "{method}: {}", dialled.net.story());
        dialled.say_with_sdp(200, "f", 40000);
        assert_eq!(dialled.net.calls(0).len(), 1);
    }
}

/// B217: what the INVITE has said holds for its call. A line that has the extension switched off meanwhile still owes the PRACK,
/// without which the far end ends the call (RFC 3262 3 and 4).
#[test]
fn a_call_that_said_100rel_acknowledges_whatever_is_set_meanwhile() {
    let mut dialled = dialled();
    dialled.net.input(0, Input::Settings(Box::new(direct("10.0.0.1", "100", "10.0.0.9:5060"))));
    dialled.net.settle();
    provisional(&mut dialled, 180, "f", 1, None);
    let got = dialled.got();
    assert_eq!(pracks(&got), ["1 1 INVITE"]);
    dialled.reply_to(&got, "PRACK", 200);
    let mut off = Dialled::new();
    off.net.input(0, Input::Settings(Box::new(reliable(direct("10.0.0.1", "100", "10.0.0.9:5060")))));
    off.net.settle();
    provisional(&mut off, 180, "f", 1, None);
    assert!(off.titles().is_empty(), "the far end has not read that we know it");
}

/// RFC 3261 13.2.2.4: each dialog of a fork has its own exchange; what an UPDATE has changed in one is nothing to another.
#[test]
fn the_answer_of_another_branch_counts_after_an_early_update() {
    let mut dialled = dialled();
    provisional(&mut dialled, 183, "f", 1, Some(40000));
    let got = dialled.got();
    dialled.reply_to(&got, "PRACK", 200);
    assert!(response_with(&asked(&mut dialled, "UPDATE", 1, "m=audio 43000 RTP/AVP 8\r\n"), 200).is_some());
    // Once more what the INVITE's offer has been answered with: the UPDATE is newer.
    provisional(&mut dialled, 183, "f", 2, Some(40000));
    let got = dialled.got();
    dialled.reply_to(&got, "PRACK", 200);
    let leg = &dialled.net.nodes[0].media[&dialled.call].legs[0];
    assert_eq!((leg.codecs.as_slice(), leg.remote.unwrap().port()), ([(Codec::Pcma, 8)].as_slice(), 43000));
    dialled.say_with_sdp(200, "b", 41000);
    assert_eq!(dialled.titles(), ["ACK"]);
    let leg = &dialled.net.nodes[0].media[&dialled.call].legs[0];
    assert_eq!((leg.codecs.as_slice(), leg.remote.map(|remote| remote.port())), ([(Codec::Pcmu, 0)].as_slice(), Some(41000)));
    assert_eq!(dialled.net.calls(0)[0].codec, Some(Codec::Pcmu));
}

/// A call that is taken back while its 180 is being acknowledged.
#[test]
fn a_call_that_is_taken_back_leaves_no_prack_behind() {
    let mut dialled = dialled();
    provisional(&mut dialled, 180, "f", 1, None);
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    assert!(!requests(&got, "PRACK").is_empty() && !requests(&got, "CANCEL").is_empty());
    dialled.reply_to(&got, "CANCEL", 200);
    provisional(&mut dialled, 180, "f", 2, None);
    assert!(pracks(&dialled.got()).iter().all(|rack| rack.starts_with("1 ")), "nothing new is acknowledged");
    let terminated = answer(&dialled.invite.clone(), 487, "f");
    dialled.send(terminated);
    dialled.over();
}

// Two stacks.

fn pair(net: &mut Net) {
    net.stack(reliable(direct("10.0.0.1", "100", "10.0.0.2:5060")));
    net.stack(reliable(direct("10.0.0.2", "200", "10.0.0.1:5060")));
}

fn count(net: &Net, title: &str) -> usize {
    net.log.iter().filter(|sent| sent.title() == title).count()
}

#[test]
fn two_stacks_ring_reliably() {
    let mut net = Net::new();
    pair(&mut net);
    let ours = net.dial(0, "200");
    net.settle();
    let theirs = net.nodes[1].incoming();
    net.command(1, Command::Ring(theirs));
    net.run_for(Duration::from_secs(130));
    assert_eq!((count(&net, "180 INVITE"), count(&net, "PRACK"), count(&net, "200 PRACK")), (3, 3, 3));
    net.command(1, Command::Answer(theirs));
    net.settle();
    assert!(net.nodes[0].has_established() && net.nodes[1].has_established());
    net.command(1, Command::Hangup(theirs));
    net.settle();
    assert!(net.nodes[0].ended().is_some() && net.calls(0).is_empty(), "{ours:?}");
    net.run_for(Duration::from_secs(70));
    net.assert_quiet();
}

/// A restart between the 180 and its PRACK: both sides go on.
#[test]
fn a_restart_keeps_what_is_not_acknowledged() {
    let mut net = Net::new();
    pair(&mut net);
    net.dial(0, "200");
    net.settle();
    let theirs = net.nodes[1].incoming();
    net.faults.loss = 100;
    net.command(1, Command::Ring(theirs));
    net.restart(1);
    net.restart(0);
    net.run_for(Duration::from_secs(1));
    net.faults = PERFECT;
    net.run_for(Duration::from_secs(10));
    assert_eq!(count(&net, "200 PRACK"), 1, "{}", net.story());
    net.command(1, Command::Answer(theirs));
    net.settle();
    assert!(net.nodes[0].has_established());
}

proptest::proptest! {
    #![proptest_config(cases(60))]

    /// Ring, answer, cancel and hang-up at any moment over a bad net: it gets there, or ends on both sides; nothing is left.
    #[test]
    fn races_over_a_bad_net_leave_nothing_behind(
        seed in 1..u64::MAX,
        waits in proptest::array::uniform3(0..4000_u64),
        caller_gives_up in proptest::bool::ANY,
    ) {
        let mut net = Net::with_faults(seed, Faults { loss: 20, twice: 10, delay: (1, 400) });
        pair(&mut net);
        let ours = net.dial(0, "200");
        net.run_until("it comes in, or is given up", |net| net.nodes[1].has_incoming() || net.nodes[0].ended().is_some());
        if net.nodes[1].has_incoming() {
            let theirs = net.nodes[1].incoming();
            net.run_for(Duration::from_millis(waits[0]));
            net.command(1, Command::Ring(theirs));
            net.run_for(Duration::from_millis(waits[1]));
            if caller_gives_up {
                net.command(0, Command::Hangup(ours));
            } else {
                net.command(1, Command::Answer(theirs));
            }
            net.run_for(Duration::from_millis(waits[2]));
        }
        net.faults = PERFECT;
        net.run_for(Duration::from_secs(10));
        if !caller_gives_up && net.nodes[0].ended().is_none() {
            assert!(net.nodes[0].has_established() && net.nodes[1].has_established(), "{}", net.story());
        }
        net.command(0, Command::Hangup(ours));
        net.run_for(Duration::from_secs(120));
        net.assert_quiet();
    }
}

/// The PRACK's own request, for a peer that reads it.
#[test]
fn a_prack_carries_the_route_set_of_the_early_dialog() {
    let mut dialled = dialled();
    let mut response = at(answer(&dialled.invite, 180, "f"), dialled.far);
    response.headers.push("Record-Route", "<sip:10.0.0.9:5060;lr>");
    response.headers.push("Require", "100rel");
    response.headers.push("RSeq", 3);
    dialled.send(response);
    let got = dialled.got();
    let prack: &Request = requests(&got, "PRACK")[0];
    assert_eq!(prack.headers.get("Route"), Some("<sip:10.0.0.9:5060;lr>"));
    assert!(prack.body.is_empty());
}
