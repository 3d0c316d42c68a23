//! Hold, resume and other re-INVITEs (RFC 3261 14, RFC 3264 8; B307).

use std::time::Duration;

use sip_stack::{Codec, Command, Direction, EndedBy, Event};
use sip_wire::{Message, Request};
use testbed::virtual_net::peer::{PCMU, answer, at, body, request_of, requests, response_with, with_sdp};
use testbed::virtual_net::{MediaMode, Net};

use crate::calls::{pair, pair_on, talking};
use crate::dialing::Dialled;
use crate::given::direct;
use crate::incoming::Called;

const SDP: &str = "v=0\r\no=- 7 8 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";

fn direction(net: &Net, node: usize, call: agreements::CallIdentity) -> Direction {
    net.nodes[node].media[&call].legs[0].direction
}

#[test]
fn hold_and_resume_between_two_stacks() {
    let mut net = pair();
    let (ours, theirs) = talking(&mut net);
    net.command(0, Command::Hold(ours));
    net.settle();
    assert_eq!((net.nodes[0].hold(), net.nodes[1].hold()), (Some((true, false)), Some((false, true))));
    assert_eq!((direction(&net, 0, ours), direction(&net, 1, theirs)), (Direction::SendOnly, Direction::RecvOnly));
    net.command(0, Command::Resume(ours));
    net.settle();
    assert_eq!((net.nodes[0].hold(), net.nodes[1].hold()), (Some((false, false)), Some((false, false))));
    assert_eq!((direction(&net, 0, ours), direction(&net, 1, theirs)), (Direction::SendRecv, Direction::SendRecv));
    let ssrcs: Vec<u32> = net.nodes[0].wishes.iter().map(|wish| wish.legs[0].ssrc).collect();
    assert!(ssrcs.windows(2).all(|pair| pair[0] == pair[1]), "our SSRC stays");
}

/// RFC 3264 8.4: both hold, one resumes, the other still holds.
#[test]
fn both_sides_may_hold_and_resume_by_themselves() {
    let mut net = pair();
    let (ours, theirs) = talking(&mut net);
    net.command(0, Command::Hold(ours));
    net.settle();
    net.command(1, Command::Hold(theirs));
    net.settle();
    assert_eq!((net.nodes[0].hold(), net.nodes[1].hold()), (Some((true, true)), Some((true, true))));
    assert_eq!(direction(&net, 0, ours), Direction::Inactive);
    net.command(0, Command::Resume(ours));
    net.settle();
    assert_eq!((net.nodes[0].hold(), net.nodes[1].hold()), (Some((false, true)), Some((true, false))));
    assert_eq!((direction(&net, 0, ours), direction(&net, 1, theirs)), (Direction::RecvOnly, Direction::SendOnly));
    net.command(1, Command::Resume(theirs));
    net.settle();
    assert_eq!((direction(&net, 0, ours), direction(&net, 1, theirs)), (Direction::SendRecv, Direction::SendRecv));
}

/// B307: with RFC2543_HOLD_ENABLE the hold carries c=0.0.0.0, without it keeps the address.
#[test]
fn the_old_hold_carries_a_black_hole_and_is_understood() {
    let mut net = Net::new();
    let mut given = direct("10.0.0.1", "100", "10.0.0.2:5060");
    given.lines[0].rfc2543_hold = true;
    net.stack(given);
    net.stack(direct("10.0.0.2", "200", "10.0.0.1:5060"));
    let (ours, theirs) = talking(&mut net);
    net.command(0, Command::Hold(ours));
    net.settle();
    let hold = net.log.iter().rev().find(|sent| sent.title() == "INVITE").unwrap();
    assert!(body(&hold.bytes).contains("c=IN IP4 0.0.0.0\r\n"));
    let leg = &net.nodes[1].media[&theirs].legs[0];
    assert_eq!((leg.remote, leg.direction, net.nodes[1].hold()), (None, Direction::RecvOnly, Some((false, true))));
    net.command(0, Command::Resume(ours));
    net.settle();
    assert!(net.nodes[1].media[&theirs].legs[0].remote.is_some());
}

// Ours against a scripted far end.

fn established() -> Dialled {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40000);
    dialled.titles();
    dialled
}

fn reinvite(dialled: &mut Dialled) -> Request {
    let got = dialled.got();
    requests(&got, "INVITE").first().map(|request| (*request).clone()).unwrap_or_else(|| panic!("{}", dialled.net.story()))
}

fn hold(dialled: &mut Dialled) -> Request {
    dialled.net.command(0, Command::Hold(dialled.call));
    dialled.net.settle();
    reinvite(dialled)
}

fn accept(dialled: &mut Dialled, request: &Request, way: &str) {
    accept_as(dialled, request, "", way);
}

/// With the tag of a first answer.
fn accept_as(dialled: &mut Dialled, request: &Request, tag: &str, way: &str) {
    let sdp = format!("{SDP}{PCMU}a={way}\r\n");
    let response = with_sdp(at(answer(request, 200, tag), dialled.far), &sdp);
    dialled.send(response);
}

/// Neither state nor media changes before the 2xx.
#[test]
fn hold_state_changes_only_after_2xx() {
    let mut dialled = established();
    let request = hold(&mut dialled);
    assert!(body(&request.body).contains("a=sendonly"));
    let call = dialled.call;
    assert_eq!((dialled.net.nodes[0].hold(), direction(&dialled.net, 0, call)), (None, Direction::SendRecv));
    accept(&mut dialled, &request, "recvonly");
    assert_eq!((dialled.net.nodes[0].hold(), direction(&dialled.net, 0, call)), (Some((true, false)), Direction::SendOnly));
    assert_eq!(dialled.titles(), ["ACK"]);
}

/// The SDP of a hold, in a call of theirs that was offered with these media lines.
fn held_after(media: &str) -> String {
    let mut called = Called::new();
    called.invite(media);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    called.command(Command::Hold);
    body(&requests(&called.got(), "INVITE")[0].body)
}

/// RFC 3264 8.3.2: what a payload type means does not change while the session lasts, whatever TELEVENT_PAYLOAD says.
#[test]
fn a_hold_offers_codecs_and_digits_with_the_payload_types_that_are_agreed() {
    let sdp = held_after("m=audio 40000 RTP/AVP 8 100\r\na=rtpmap:100 telephone-event/8000\r\n");
    assert!(sdp.contains("a=rtpmap:8 PCMA/8000\r\n") && sdp.contains("a=rtpmap:100 telephone-event/8000\r\n"), "{sdp}");
}

#[test]
fn digits_are_never_offered_with_the_payload_type_of_a_codec() {
    let sdp = held_after("m=audio 40000 RTP/AVP 101\r\na=rtpmap:101 PCMU/8000\r\n");
    assert!(sdp.contains("a=rtpmap:101 PCMU/8000\r\n") && sdp.contains("a=rtpmap:96 telephone-event/8000\r\n"), "{sdp}");
}

#[test]
fn a_refused_hold_is_told_and_the_call_goes_on_as_it_was() {
    let mut dialled = established();
    let request = hold(&mut dialled);
    dialled.send(answer(&request, 488, ""));
    let failed = dialled.net.nodes[0].events(|event| match event {
        Event::HoldFailed { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(failed, [488]);
    assert_eq!(direction(&dialled.net, 0, dialled.call), Direction::SendRecv);
    assert!(!dialled.net.calls(0)[0].held_by_us);
    // The next one may work, with the next session version.
    let again = hold(&mut dialled);
    accept(&mut dialled, &again, "recvonly");
    assert_eq!(dialled.net.nodes[0].hold(), Some((true, false)));
}

/// RFC 3264 5: the version grows by one with a change, and only then.
#[test]
fn the_session_version_grows_only_with_a_change() {
    let version = |body: &[u8]| -> u64 {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let origin = text.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
        origin.split(' ').nth(2).unwrap().parse().unwrap()
    };
    let mut dialled = established();
    let first = version(&dialled.invite.body.clone());
    let held = hold(&mut dialled);
    assert_eq!(version(&held.body), first + 1);
    // 491: the very same description again.
    dialled.send(answer(&held, 491, ""));
    dialled.net.run_for(Duration::from_secs(5));
    assert_eq!(version(&reinvite(&mut dialled).body), first + 1);
}

/// RFC 3261 14.1: who made the Call-ID waits 2.1 to 4 s.
#[test]
fn glare_of_the_call_id_owner_waits_2100_to_4000_ms() {
    let mut dialled = established();
    let mut request = hold(&mut dialled);
    let mut all = std::collections::BTreeSet::new();
    for _ in 0..20 {
        dialled.send(answer(&request, 491, ""));
        let waited = next_invite(&mut dialled.net);
        assert!((2100..=4000).contains(&waited) && waited.is_multiple_of(10), "{waited} ms");
        all.insert(waited);
        dialled.net.settle();
        request = reinvite(&mut dialled);
    }
    assert!(all.len() > 10, "at random: {all:?}");
    assert!(dialled.net.nodes[0].events(|event| matches!(event, Event::HoldFailed { .. }).then_some(())).is_empty());
}

/// Milliseconds from the last 491, which has just got there in one, to the next INVITE of node 0.
fn next_invite(net: &mut Net) -> u128 {
    let refused = net.log.iter().rev().find(|sent| sent.title() == "491 INVITE").unwrap().at;
    let count = |net: &Net| net.log.iter().filter(|sent| sent.from == net.nodes[0].ip && sent.title() == "INVITE").count();
    let before = count(net);
    net.run_until("the re-INVITE goes again", |net| count(net) > before);
    net.log.iter().rev().find(|sent| sent.title() == "INVITE").unwrap().at.since(refused).as_millis() - 1
}

/// RFC 3261 14.1: the other one waits 0 to 2 s.
#[test]
fn glare_of_the_other_side_waits_0_to_2000_ms() {
    let mut called = Called::talking();
    called.command(Command::Hold);
    let got = called.got();
    let request = requests(&got, "INVITE")[0].clone();
    called.net.send(called.caller.address, called.net.nodes[0].ip, answer(&request, 491, "").to_bytes());
    called.net.run_for(Duration::from_millis(2010));
    assert!(!requests(&called.got(), "INVITE").is_empty());
}

/// Both hold at the same moment: 491 both ways, back-off, and in the end both hold.
#[test]
fn two_stacks_that_hold_at_once_both_get_there() {
    let mut net = pair();
    let (ours, theirs) = talking(&mut net);
    net.command(0, Command::Hold(ours));
    net.command(1, Command::Hold(theirs));
    net.settle();
    assert!(net.log.iter().any(|sent| sent.title() == "491 INVITE"), "{}", net.story());
    net.run_until("both hold", |net| net.nodes[0].hold() == Some((true, true)) && net.nodes[1].hold() == Some((true, true)));
}

/// Hold and resume keyed quickly: only the newest wish counts, and no second re-INVITE while one is out.
#[test]
fn quick_wishes_run_one_after_the_other_and_the_newest_counts() {
    let mut dialled = established();
    let first = hold(&mut dialled);
    for wish in [Command::Resume(dialled.call), Command::Hold(dialled.call), Command::Resume(dialled.call)] {
        dialled.net.command(0, wish);
    }
    dialled.net.settle();
    assert!(dialled.titles().is_empty());
    accept(&mut dialled, &first, "recvonly");
    let second = reinvite(&mut dialled);
    assert!(body(&second.body).contains("a=sendrecv"));
    accept(&mut dialled, &second, "sendrecv");
    assert_eq!(dialled.net.nodes[0].hold(), Some((false, false)));
}

#[test]
fn a_challenged_reinvite_goes_again_with_credentials() {
    let mut dialled = established();
    let request = hold(&mut dialled);
    let mut response = answer(&request, 407, "");
    response.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"");
    dialled.send(response);
    let again = reinvite(&mut dialled);
    assert!(again.headers.has("Proxy-Authorization"));
    assert_eq!(again.headers.cseq().unwrap().number, request.headers.cseq().unwrap().number + 1);
    accept(&mut dialled, &again, "recvonly");
    assert_eq!(dialled.net.nodes[0].hold(), Some((true, false)));
}

/// RFC 3261 14.1: 481 and no answer end the call.
#[test]
fn a_reinvite_that_finds_no_dialog_or_no_answer_ends_the_call() {
    let mut dialled = established();
    let request = hold(&mut dialled);
    dialled.send(answer(&request, 481, ""));
    assert_eq!(dialled.net.nodes[0].ended().unwrap().2, EndedBy::Network);
    let mut dialled = established();
    hold(&mut dialled);
    dialled.net.run_for(Duration::from_secs(33));
    assert_eq!(dialled.net.nodes[0].ended().unwrap(), (408, "no answer".into(), EndedBy::Network));
    assert!(dialled.titles().contains(&"BYE".to_owned()));
    dialled.over();
}

/// BYE inside a re-INVITE of ours; its late 2xx still gets its ACK.
#[test]
fn hangup_inside_a_reinvite_is_a_bye_and_the_late_200_is_acknowledged() {
    let mut dialled = established();
    let request = hold(&mut dialled);
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    accept(&mut dialled, &request, "recvonly");
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled.reply_to(&got, "BYE", 200);
    accept(&mut dialled, &request, "recvonly");
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled.over();
}

// Theirs.

/// RFC 3264 8.4: by the offer of their INVITE, by the answer of their 200, and by the answer of an ACK, which comes after the event.
#[test]
fn a_call_may_begin_on_hold() {
    let held = |net: &Net| {
        net.nodes[0].events(|event| match event {
            Event::Established { held, .. } => Some(*held),
            _ => None,
        })
    };
    let media = format!("{PCMU}a=sendonly\r\n");
    let mut called = Called::new();
    called.invite(&media);
    called.command(Command::Answer);
    assert_eq!((held(&called.net), called.net.nodes[0].hold()), (vec![true], None));
    let mut dialled = Dialled::new();
    let request = dialled.invite.clone();
    accept_as(&mut dialled, &request, "f", "inactive");
    assert_eq!((held(&dialled.net), dialled.net.nodes[0].hold()), (vec![true], None));
    let mut called = Called::new();
    called.invite("");
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    let sdp = called.caller.sdp(&media);
    called.caller.ack(&mut called.net, &sdp);
    assert_eq!((held(&called.net), called.net.nodes[0].hold()), (vec![false], Some((false, true))));
}

fn reinvited(called: &mut Called, media: &str) -> Vec<Message> {
    called.caller.cseq += 1;
    called.invite(media)
}

#[test]
fn their_hold_is_answered_recvonly_and_their_resume_sendrecv() {
    let mut called = Called::talking();
    let got = reinvited(&mut called, &format!("{PCMU}a=sendonly\r\n"));
    assert!(body(&response_with(&got, 200).unwrap().body).contains("a=recvonly"));
    assert_eq!(called.net.nodes[0].hold(), Some((false, true)));
    called.caller.ack(&mut called.net, "");
    let got = reinvited(&mut called, PCMU);
    assert!(body(&response_with(&got, 200).unwrap().body).contains("a=sendrecv"));
    assert_eq!(called.net.nodes[0].hold(), Some((false, false)));
}

#[test]
fn their_change_of_codec_and_port_is_followed_once_media_is_ready() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    let got = reinvited(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    assert!(response_with(&got, 200).is_none(), "the sockets first");
    let call = called.net.calls(0)[0].call;
    called.net.media_answers(0, call, Ok(()));
    called.net.settle();
    assert!(response_with(&called.got(), 200).is_some());
    let leg = &called.net.nodes[0].media[&call].legs[0];
    assert_eq!((leg.codecs.as_slice(), leg.remote.unwrap().port()), ([(Codec::G722, 9)].as_slice(), 42000));
}

/// An offer that changes nothing needs no new media.
#[test]
fn the_same_offer_again_is_answered_without_asking_media() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    assert!(response_with(&reinvited(&mut called, PCMU), 200).is_some());
    assert_eq!(called.net.nodes[0].hold(), None, "nothing has changed");
}

#[test]
fn a_reinvite_without_sdp_gets_our_offer_and_its_ack_answers() {
    let mut called = Called::talking();
    let got = reinvited(&mut called, "");
    let offer = body(&response_with(&got, 200).unwrap().body);
    assert!(offer.contains("RTP/AVP 0 9 8 101\r\n"), "what is agreed stays in front: {offer}");
    let sdp = called.caller.sdp("m=audio 40000 RTP/AVP 8\r\na=sendonly\r\n");
    called.caller.ack(&mut called.net, &sdp);
    assert_eq!(called.net.nodes[0].hold(), Some((false, true)));
    assert_eq!(called.net.calls(0)[0].codec, Some(Codec::Pcma));
}

#[test]
fn a_reinvite_without_common_codec_is_488_and_changes_nothing() {
    let mut called = Called::talking();
    let got = reinvited(&mut called, "m=audio 42000 RTP/AVP 18\r\n");
    assert!(response_with(&got, 488).unwrap().headers.has("Warning"));
    let view = &called.net.calls(0)[0];
    assert_eq!((view.codec, view.media.legs[0].remote.unwrap().port()), (Some(Codec::Pcmu), 40000));
}

/// RFC 3261 14.2: theirs while ours is out.
#[test]
fn their_reinvite_while_ours_is_out_is_491() {
    let mut called = Called::talking();
    called.command(Command::Hold);
    called.got();
    let got = reinvited(&mut called, PCMU);
    assert!(response_with(&got, 491).is_some());
}

/// RFC 3261 14.2: a second one before the answer to the first.
#[test]
fn a_second_reinvite_before_the_answer_to_the_first_is_500_with_retry_after() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    reinvited(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    let got = reinvited(&mut called, PCMU);
    let again = response_with(&got, 500).unwrap().headers.retry_after().unwrap().unwrap();
    assert!(again.seconds <= 10);
}

/// They take a re-INVITE back before media is ready: everything as it was.
#[test]
fn a_cancelled_reinvite_leaves_the_session_as_it_was() {
    let mut called = Called::talking();
    let before = called.net.calls(0)[0].media.legs.clone();
    called.net.nodes[0].mode = MediaMode::Silent;
    reinvited(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    let branch = format!("i{}", called.caller.cseq);
    called.caller.clone().send(&mut called.net, "CANCEL", &branch, "", "");
    let got = called.got();
    assert!(response_with(&got, 200).is_some() && response_with(&got, 487).is_some());
    assert_eq!(called.net.calls(0)[0].media.legs, before);
}

#[test]
fn media_that_fails_in_their_reinvite_is_500_and_the_call_goes_on() {
    let mut called = Called::talking();
    let before = called.net.calls(0)[0].media.legs.clone();
    called.net.nodes[0].mode = MediaMode::Failed;
    let got = reinvited(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    assert!(response_with(&got, 500).is_some());
    assert_eq!(called.net.calls(0)[0].media.legs, before);
}

/// BYE inside a re-INVITE of theirs: 200, and 487 for the INVITE.
#[test]
fn bye_inside_their_reinvite_is_200_and_487() {
    let mut called = Called::talking();
    called.net.nodes[0].mode = MediaMode::Silent;
    reinvited(&mut called, "m=audio 42000 RTP/AVP 9\r\n");
    let got = called.send("BYE", "bye");
    assert!(response_with(&got, 200).is_some() && response_with(&got, 487).is_some());
    assert_eq!(called.net.nodes[0].ended().unwrap().2, EndedBy::Remote);
}

/// RFC 3261 12.2.2: a re-INVITE moves the remote target.
#[test]
fn a_reinvite_refreshes_the_remote_target() {
    let mut called = Called::talking();
    let moved = called.net.peer("10.0.0.99:5099");
    called.caller.cseq += 1;
    let sdp = called.caller.sdp(PCMU);
    let text = String::from_utf8(called.caller.request("INVITE", "move", "", &sdp)).unwrap();
    let text = text.replace("Contact: <sip:far@10.0.0.9:5060>", "Contact: <sip:far@10.0.0.99:5099>");
    called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
    called.net.settle();
    called.caller.ack(&mut called.net, "");
    called.command(Command::Hangup);
    let got = called.net.received(moved);
    assert_eq!(request_of(&got[0]).uri.as_str(), "sip:far@10.0.0.99:5099");
}

/// Our hold waits while the ACK of our 2xx is missing (RFC 3261 14.1).
#[test]
fn our_hold_waits_for_the_ack_of_our_answer() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.command(Command::Hold);
    assert!(requests(&called.got(), "INVITE").is_empty());
    called.caller.ack(&mut called.net, "");
    assert_eq!(requests(&called.got(), "INVITE").len(), 1);
}

/// RFC 3261 14.2: who sends the next INVITE has our 2xx. Where that INVITE is refused the hold that has waited for the ACK waits no
/// longer.
#[test]
fn our_hold_goes_when_a_reinvite_comes_instead_of_the_ack_and_is_refused() {
    for (kind, code) in [("application/sdp", 488), ("text/plain", 415)] {
        let mut called = Called::new();
        called.invite(PCMU);
        called.command(Command::Answer);
        let got = called.got();
        called.caller.learn_tag(&got);
        called.command(Command::Hold);
        called.caller.cseq += 1;
        let sdp = called.caller.sdp("m=audio 42000 RTP/AVP 18\r\n");
        let text = String::from_utf8(called.caller.request("INVITE", "again", "", &sdp)).unwrap();
        let text = text.replace("Content-Type: application/sdp", &format!("Content-Type: {kind}"));
        called.net.send(called.caller.address, called.net.nodes[0].ip, text.into_bytes());
        called.net.settle();
        let got = called.got();
        assert!(response_with(&got, code).is_some());
        assert_eq!(requests(&got, "INVITE").len(), 1, "{code}");
    }
}

/// RFC 3261 13.3.1.4, 14.2: a re-INVITE says what the lost ACK would have said; its own 200 is repeated from then on.
#[test]
fn a_reinvite_before_the_ack_of_our_answer_is_taken() {
    let mut called = Called::new();
    called.invite(PCMU);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    let got = reinvited(&mut called, "m=audio 42000 RTP/AVP 0\r\n");
    assert!(response_with(&got, 200).is_some());
    called.net.run_for(Duration::from_secs(5));
    let got = called.got();
    assert!(!got.is_empty() && got.iter().all(|message| message.headers().cseq().unwrap().number == 2), "{}", called.net.story());
    called.caller.ack(&mut called.net, "");
    called.net.run_for(Duration::from_secs(60));
    assert!(called.titles().is_empty());
    assert_eq!(called.net.calls(0)[0].media.legs[0].remote.unwrap().port(), 42000);
}

/// RFC 3261 14.2, RFC 3311 5.2: our 200 has offered, and its ACK has not answered; in the first exchange and in a later one.
#[test]
fn an_offer_of_theirs_while_that_of_our_200_is_open_is_491() {
    for first in [true, false] {
        let mut called = if first { Called::new() } else { Called::talking() };
        if first {
            called.invite("");
            called.command(Command::Answer);
            let got = called.got();
            called.caller.learn_tag(&got);
        } else {
            reinvited(&mut called, "");
        }
        let invited = called.caller.cseq;
        assert!(response_with(&reinvited(&mut called, PCMU), 491).is_some());
        called.caller.ack(&mut called.net, "");
        for (number, media, code) in [(10, PCMU, 491), (11, "", 200)] {
            called.caller.cseq = number;
            let sdp = if media.is_empty() { String::new() } else { called.caller.sdp(media) };
            called.caller.send(&mut called.net, "UPDATE", &format!("u{number}"), "", &sdp);
            assert!(response_with(&called.got(), code).is_some(), "{code}");
        }
        called.caller.cseq = invited;
        let sdp = called.caller.sdp("m=audio 42000 RTP/AVP 0\r\n");
        called.caller.ack(&mut called.net, &sdp);
        assert_eq!(called.net.calls(0)[0].media.legs[0].remote.unwrap().port(), 42000);
        called.net.run_for(Duration::from_secs(60));
        assert_eq!(called.net.nodes[0].ended(), None);
    }
}

/// RFC 3261 15.1.2: what is not answered yet is 487, then the BYE goes.
#[test]
fn hangup_inside_their_reinvite_or_update_is_487_and_a_bye() {
    for method in ["INVITE", "UPDATE"] {
        let mut called = Called::talking();
        called.net.nodes[0].mode = MediaMode::Silent;
        called.caller.cseq += 1;
        let sdp = called.caller.sdp("m=audio 42000 RTP/AVP 9\r\n");
        called.caller.send(&mut called.net, method, "theirs", "", &sdp);
        called.got();
        called.command(Command::Hangup);
        let got = called.got();
        assert_eq!(got.iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), [format!("487 {method}"), "BYE".to_owned()]);
        if method == "INVITE" {
            called.caller.ack(&mut called.net, "");
        }
        let bye = answer(requests(&got, "BYE")[0], 200, "");
        called.net.send(called.caller.address, called.net.nodes[0].ip, bye.to_bytes());
        called.over();
    }
}

/// On IPv6 too, with the black hole of RFC 3264's IPv6 form.
#[test]
fn a_call_with_hold_over_ipv6() {
    let mut net = Net::new();
    let mut given = direct("2001:db8::1", "100", "[2001:db8::2]:5060");
    given.lines[0].rfc2543_hold = true;
    net.stack(given);
    net.stack(direct("2001:db8::2", "200", "[2001:db8::1]:5060"));
    let (ours, theirs) = talking(&mut net);
    let invite = net.log.iter().find(|sent| sent.title() == "INVITE").unwrap();
    let text = body(&invite.bytes);
    assert!(text.contains("sip:200@[2001:db8::2]:5060 SIP/2.0") && text.contains("c=IN IP6 2001:db8::1\r\n"), "{text}");
    net.command(0, Command::Hold(ours));
    net.settle();
    assert_eq!(net.nodes[1].hold(), Some((false, true)));
    net.command(1, Command::Hangup(theirs));
    net.run_for(Duration::from_secs(70));
    net.assert_quiet();
}

/// With loss in between, hold and resume still get there.
#[test]
fn hold_gets_through_a_lossy_net() {
    for seed in 1..40 {
        let mut net = Net::with_faults(seed, testbed::virtual_net::Faults { loss: 25, twice: 10, delay: (1, 80) });
        pair_on(&mut net);
        let (ours, _) = talking(&mut net);
        net.command(0, Command::Hold(ours));
        net.run_until("held", |net| net.nodes[0].hold() == Some((true, false)) && net.nodes[1].hold() == Some((false, true)));
    }
}
