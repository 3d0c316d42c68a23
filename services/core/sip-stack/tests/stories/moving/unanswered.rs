//! The address changes, or the link goes and comes back, while a call rings (RFC 3261 9, 12.1, 17.2.3, 18.2.2; decision 36).

use std::time::Duration;

use sip_stack::{CallStage, Command, EndedBy, Event, Input, LineState, StackSettings, Start, Transport};
use sip_wire::{Message, Request};
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, body, requests, response_with, with_sdp};
use testbed::virtual_net::{Faults, MediaMode, Net};

use super::{FAR, NEW, SDP, move_there, sound};
use crate::calls::{pair, pair_on};
use crate::dialing::Dialled;
use crate::effort::cases;
use crate::given::{direct, over, settings};
use crate::incoming::Called;

fn ours() -> StackSettings {
    direct("10.0.0.1", "100", FAR)
}

fn theirs() -> StackSettings {
    direct("10.0.0.1", "200", FAR)
}

/// No address at all.
fn unplugged(mut given: StackSettings) -> Input {
    given.addresses.clear();
    Input::Settings(Box::new(given))
}

fn there() -> std::net::SocketAddr {
    format!("{NEW}:5060").parse().unwrap()
}

fn moves(dialled: &mut Dialled) -> Vec<Message> {
    move_there(&mut dialled.net, 0, ours());
    dialled.got()
}

fn one(got: &[Message], method: &str) -> Request {
    let all = requests(got, method);
    assert_eq!(all.len(), 1, "{method}");
    all[0].clone()
}

/// The far end's answer to an INVITE from the new address.
fn accept(dialled: &mut Dialled, invite: &Request) {
    let ok = with_sdp(at(answer(invite, 200, "g"), dialled.far), &format!("{SDP}{PCMU}"));
    dialled.net.send(dialled.far, there(), ok.to_bytes());
    dialled.net.settle();
}

fn ringbacks(net: &Net) -> Vec<bool> {
    net.nodes[0].events(|event| match event {
        Event::Ringback { early_media, .. } => Some(*early_media),
        _ => None,
    })
}

/// What the far end says to the first INVITE goes to the old address for good: that one is taken back by its own Via, from the new
/// address, and the same call is made again.
#[test]
fn a_call_of_ours_that_rings_is_made_again_from_the_new_address() {
    for heard in [None, Some(100), Some(180)] {
        let mut dialled = Dialled::with(ours());
        heard.into_iter().for_each(|code| dialled.say(code, "f"));
        let got = moves(&mut dialled);
        let first = dialled.invite.clone();
        let (cancel, again) = (one(&got, "CANCEL"), one(&got, "INVITE"));
        let via = |request: &Request| request.headers.get("Via").unwrap().to_owned();
        assert_eq!((via(&cancel), cancel.headers.cseq().unwrap().number), (via(&first), 1), "it is the first one's");
        assert_eq!(dialled.net.log.iter().find(|sent| sent.title() == "CANCEL").unwrap().from, there());
        assert_eq!(again.headers.get("Contact"), Some("<sip:100@10.0.0.101:5060>"));
        assert_eq!((again.headers.top_via().unwrap().host.to_string().as_str(), again.headers.cseq().unwrap().number), (NEW, 2));
        assert_eq!(again.headers.call_id(), first.headers.call_id());
        assert_eq!((again.headers.get("From"), again.headers.get("To")), (first.headers.get("From"), first.headers.get("To")));
        assert!(body(&again.body).contains("c=IN IP4 10.0.0.101\r\n"));
        let stage = if heard == Some(180) { CallStage::Ringback } else { CallStage::Dialing };
        assert_eq!(dialled.net.calls(0)[0].stage, stage, "for people nothing has happened");
        dialled.net.send(dialled.far, there(), answer(&cancel, 200, "f").to_bytes());
        accept(&mut dialled, &again);
        assert_eq!(dialled.titles(), ["ACK"]);
        assert_eq!((dialled.net.calls(0)[0].stage, sound(&dialled.net, 0).1.split(':').next()), (CallStage::Talking, Some(NEW)));
        let dialing = dialled.net.nodes[0].events(|event| matches!(event, Event::Dialing { .. }).then_some(()));
        assert_eq!(dialing.len(), 1);
        dialled.net.command(0, Command::Hangup(dialled.call));
        dialled.net.settle();
        let bye = one(&dialled.got(), "BYE");
        assert_eq!(bye.headers.top_via().unwrap().host.to_string(), NEW);
        dialled.net.send(dialled.far, there(), answer(&bye, 200, "g").to_bytes());
        dialled.over();
    }
}

/// The far end's sound went to the old address: people hear that it rings.
#[test]
fn early_media_ends_with_the_old_address() {
    let mut dialled = Dialled::with(ours());
    dialled.say_with_sdp(183, "f", 40_000);
    assert_eq!(ringbacks(&dialled.net), [true]);
    let got = moves(&mut dialled);
    assert_eq!(ringbacks(&dialled.net), [true, false]);
    assert_eq!(dialled.net.nodes[0].media[&dialled.call].legs[0].remote, None);
    let again = one(&got, "INVITE");
    let early = with_sdp(at(answer(&again, 183, "g"), dialled.far), &format!("{SDP}{PCMU}"));
    dialled.net.send(dialled.far, there(), early.to_bytes());
    dialled.net.settle();
    assert_eq!(ringbacks(&dialled.net), [true, false, true]);
}

/// The first INVITE leaves from where its media is, also when the service starts again in between.
#[test]
fn media_moves_before_the_invite_does() {
    for sent in [false, true] {
        let mut net = Net::new();
        let far = net.peer(FAR);
        net.stack(ours());
        if !sent {
            net.nodes[0].mode = MediaMode::Silent;
        }
        net.dial(0, "200");
        net.settle();
        assert_eq!(net.titles(far).len(), usize::from(sent));
        net.nodes[0].mode = MediaMode::Silent;
        move_there(&mut net, 0, ours());
        assert!(!net.titles(far).contains(&"INVITE".to_owned()));
        net.nodes[0].mode = MediaMode::Taken(vec![16_000]);
        assert_eq!(net.restart(0), Start::Restored);
        net.settle();
        let invite = one(&net.received(far), "INVITE");
        assert!(body(&invite.body).contains("c=IN IP4 10.0.0.101\r\n"));
        assert!(body(&invite.body).contains("m=audio 16002 "));
        assert_eq!(invite.headers.cseq().unwrap().number, if sent { 2 } else { 1 });
    }
}

/// No address, and nothing that is sent leaves.
fn unplug(net: &mut Net, given: StackSettings) {
    net.input(0, unplugged(given));
    net.faults.loss = 100;
}

/// A socket whose address is not there any more says so with each message.
fn undelivered(net: &mut Net) {
    let flows: Vec<_> = net.nodes[0].flows.keys().copied().collect();
    for flow in flows {
        net.input(0, Input::Unreachable { flow, remote: FAR.parse().unwrap() });
    }
    net.settle();
}

/// Nobody can say CANCEL or BYE without an address: it is said once there is one.
#[test]
fn what_was_ended_without_an_address_is_ended_from_the_new_one() {
    let mut ringing = Dialled::with(ours());
    ringing.say(180, "f");
    unplug(&mut ringing.net, ours());
    ringing.net.command(0, Command::Hangup(ringing.call));
    undelivered(&mut ringing.net);
    assert!(ringing.titles().is_empty());
    ringing.net.faults.loss = 0;
    assert_eq!(moves(&mut ringing).iter().map(testbed::virtual_net::title).collect::<Vec<_>>(), ["CANCEL"]);
    ringing.over();

    let mut talking = Dialled::with(ours());
    talking.say_with_sdp(200, "f", 40_000);
    talking.titles();
    unplug(&mut talking.net, ours());
    talking.net.command(0, Command::Hangup(talking.call));
    undelivered(&mut talking.net);
    talking.net.run_for(Duration::from_secs(5));
    talking.net.faults.loss = 0;
    let got = moves(&mut talking);
    let bye = one(&got, "BYE");
    assert_eq!(bye.headers.top_via().unwrap().host.to_string(), NEW);
    talking.over();
}

/// An INVITE that cannot leave waits for the next address as well.
#[test]
fn a_call_that_cannot_be_sent_without_an_address_is_made_from_the_new_one() {
    let mut dialled = Dialled::with(ours());
    unplug(&mut dialled.net, ours());
    undelivered(&mut dialled.net);
    dialled.net.run_for(Duration::from_secs(5));
    dialled.net.faults.loss = 0;
    let again = one(&moves(&mut dialled), "INVITE");
    assert_eq!((again.headers.top_via().unwrap().host.to_string().as_str(), dialled.net.calls(0).len()), (NEW, 1));
}

/// A call of theirs that rings, and its caller that can be heard at either address.
struct Ringing {
    called: Called,
    /// As the phone is reached by what it says itself.
    at_new: Caller,
}

impl Ringing {
    fn new(mut given: StackSettings, extra: &str) -> Ringing {
        given.lines[0].sessions.reliable = !extra.is_empty();
        let mut called = Called::with(given);
        let sdp = called.caller.sdp(PCMU);
        called.caller.send(&mut called.net, "INVITE", "i1", extra, &sdp);
        called.command(Command::Ring);
        let got = called.got();
        called.caller.learn_tag(&got);
        let at_new = Caller { target: there(), ..called.caller.clone() };
        Ringing { called, at_new }
    }

    fn moves(&mut self) -> Vec<Message> {
        let mut given = theirs();
        given.lines[0].sessions.reliable = self.called.net.log.iter().any(|sent| sent.bytes.windows(4).any(|part| part == b"RSeq"));
        move_there(&mut self.called.net, 0, given);
        self.called.got()
    }
}

fn contact(message: &sip_wire::Response) -> String {
    message.headers.contact().unwrap().first().unwrap().uri.to_string()
}

/// RFC 3261 18.2.2: the answer goes where the INVITE's Via wants it, whichever socket it leaves by. What the far end has made of our
/// Contact before the answer is asked again after it.
#[test]
fn a_call_of_theirs_that_rings_is_answered_at_the_new_address() {
    let mut ringing = Ringing::new(theirs(), "");
    let got = ringing.moves();
    let again = response_with(&got, 180).unwrap();
    assert_eq!(contact(again), "sip:200@10.0.0.101:5060");
    ringing.called.command(Command::Answer);
    let sent = ringing.called.net.log.iter().rev().find(|sent| sent.title() == "200 INVITE").unwrap();
    assert_eq!((sent.from, sent.to), (there(), FAR.parse().unwrap()));
    let got = ringing.called.got();
    let ok = response_with(&got, 200).unwrap();
    assert_eq!(contact(ok), "sip:200@10.0.0.101:5060");
    assert!(body(&ok.body).contains("c=IN IP4 10.0.0.101\r\n"), "{}", body(&ok.body));
    ringing.at_new.ack(&mut ringing.called.net, "");
    let reinvite = one(&ringing.called.got(), "INVITE");
    assert_eq!(reinvite.headers.get("Contact"), Some("<sip:200@10.0.0.101:5060>"));
    let ok = with_sdp(at(answer(&reinvite, 200, ""), ringing.at_new.address), &ringing.at_new.sdp(PCMU));
    ringing.called.net.send(ringing.at_new.address, there(), ok.to_bytes());
    ringing.called.net.settle();
    assert_eq!(ringing.called.titles(), ["ACK"]);
    assert_eq!((ringing.called.net.calls(0).len(), sound(&ringing.called.net, 0).1.split(':').next()), (1, Some(NEW)));
}

/// RFC 3261 13.2.2.4: a caller may go on with the Contact of our 180. Its ACK is not heard; the re-INVITE finds out.
#[test]
fn a_caller_that_acknowledges_to_the_old_contact_is_told_the_new_one() {
    let mut ringing = Ringing::new(theirs(), "");
    ringing.moves();
    ringing.called.command(Command::Answer);
    ringing.called.net.run_for(Duration::from_secs(33));
    let got = ringing.called.got();
    assert!(!requests(&got, "INVITE").is_empty() && requests(&got, "BYE").is_empty(), "{}", ringing.called.net.story());
    assert_eq!(ringing.called.net.calls(0).len(), 1);
}

/// Its CANCEL goes where its INVITE went, so that nobody knows whether it still waits.
#[test]
fn a_call_of_theirs_does_not_ring_on_at_the_new_address_without_end() {
    let mut ringing = Ringing::new(theirs(), "");
    ringing.moves();
    ringing.called.net.run_for(Duration::from_secs(29));
    assert_eq!((ringing.called.titles(), ringing.called.net.calls(0).len()), (vec![], 1));
    ringing.called.net.run_for(Duration::from_secs(2));
    let got = ringing.called.got();
    assert!(response_with(&got, 480).is_some());
    let (code, reason, by) = ringing.called.net.nodes[0].ended().unwrap();
    assert_eq!((code, by), (480, EndedBy::Network));
    assert!(reason.contains("address"), "{reason}");
}

/// RFC 3261 12.1.2: the PRACK of any 180 goes where the first one said, so that the next one asks for none; who wants no other hears
/// nothing until it is answered.
#[test]
fn ringing_is_not_reliable_after_a_move() {
    for (extra, rings) in [("Supported: 100rel\r\n", true), ("Require: 100rel\r\n", false)] {
        let mut ringing = Ringing::new(theirs(), extra);
        let got = ringing.moves();
        let again = response_with(&got, 180);
        assert_eq!(again.is_some(), rings);
        assert!(again.is_none_or(|again| !again.headers.has("RSeq") && contact(again) == "sip:200@10.0.0.101:5060"));
        ringing.called.net.run_for(Duration::from_secs(10));
        assert!(ringing.called.titles().is_empty(), "the first one is not repeated");
        ringing.called.command(Command::Answer);
        let ok = response_with(&ringing.called.got(), 200).cloned().unwrap();
        assert!(body(&ok.body).contains("c=IN IP4 10.0.0.101\r\n"));
    }
}

/// What a person has said while there was no address: it goes on being repeated from the new one.
#[test]
fn a_refusal_without_an_address_reaches_the_caller_from_the_new_one() {
    let mut ringing = Ringing::new(theirs(), "");
    unplug(&mut ringing.called.net, theirs());
    ringing.called.command(|call| Command::Reject(call, 603));
    undelivered(&mut ringing.called.net);
    ringing.called.net.run_for(Duration::from_secs(3));
    assert!(ringing.called.titles().is_empty());
    ringing.called.net.faults.loss = 0;
    move_there(&mut ringing.called.net, 0, theirs());
    ringing.called.net.run_for(Duration::from_secs(5));
    assert!(response_with(&ringing.called.got(), 603).is_some());
    assert_eq!(ringing.called.net.log.last().unwrap().from, there());
}

/// Nobody has acknowledged our 2xx yet.
#[test]
fn an_answer_is_repeated_from_the_new_address() {
    let mut ringing = Ringing::new(theirs(), "");
    ringing.called.net.faults.loss = 100;
    ringing.called.command(Command::Answer);
    ringing.called.net.faults.loss = 0;
    move_there(&mut ringing.called.net, 0, theirs());
    ringing.called.net.run_for(Duration::from_secs(5));
    assert!(response_with(&ringing.called.got(), 200).is_some());
    let again = ringing.called.net.log.iter().rev().find(|sent| sent.title() == "200 INVITE").unwrap();
    assert_eq!(again.from, there());
}

/// Media is asked for first, also where the user has answered already.
#[test]
fn an_answer_that_waits_for_media_leaves_from_the_new_address() {
    let mut called = Called::with(theirs());
    called.net.nodes[0].mode = MediaMode::Silent;
    called.invite(PCMU);
    called.command(Command::Answer);
    called.net.nodes[0].mode = MediaMode::Ready;
    move_there(&mut called.net, 0, theirs());
    let got = called.got();
    let ok = response_with(&got, 200).unwrap();
    assert!(body(&ok.body).contains("c=IN IP4 10.0.0.101\r\n") && contact(ok).contains(NEW));
}

/// RFC 3261 18.2.2: the connections of the old address are gone; what is said goes over new ones.
#[test]
fn over_tcp_new_connections_leave_from_the_new_address() {
    let over_tcp = |given| over(Transport::Tcp, given);
    let mut dialled = Dialled::with(over_tcp(ours()));
    dialled.say(180, "f");
    move_there(&mut dialled.net, 0, over_tcp(ours()));
    assert_eq!(dialled.titles(), ["CANCEL", "INVITE"]);
    let mut called = Called::with(over_tcp(theirs()));
    called.invite(PCMU);
    called.command(Command::Ring);
    called.titles();
    move_there(&mut called.net, 0, over_tcp(theirs()));
    called.command(Command::Answer);
    assert_eq!(called.titles(), ["180 INVITE", "200 INVITE"]);
    for net in [&dialled.net, &called.net] {
        assert_eq!(net.log.last().unwrap().from, there());
        assert!(net.nodes[0].flows.values().eq([&there()]), "the old socket is closed");
    }
}

/// Two stacks, each in both roles: whoever moves while it rings, the call is answered and ended as ever.
#[test]
fn either_side_may_move_while_it_rings() {
    for mover in [0, 1] {
        let mut net = pair();
        let ours = net.dial(0, "200");
        net.settle();
        let theirs = net.nodes[1].incoming();
        net.command(1, Command::Ring(theirs));
        net.settle();
        let (own, user, other) = [("10.0.0.1", "100", "10.0.0.2:5060"), ("10.0.0.2", "200", "10.0.0.1:5060")][mover];
        // From now on nothing comes to the old socket, and what it sends is nobody's.
        net.nodes[mover].flows.values_mut().for_each(|local| *local = "192.0.2.255:5060".parse().unwrap());
        move_there(&mut net, mover, direct(own, user, other));
        let theirs = net.nodes[1].incoming();
        net.command(1, Command::Ring(theirs));
        net.command(1, Command::Answer(theirs));
        net.settle();
        assert!((0..2).all(|node| net.calls(node).len() == 1 && net.calls(node)[0].stage == CallStage::Talking), "{}", net.story());
        assert_eq!((sound(&net, 0).0, sound(&net, 1).0), (sound(&net, 1).1, sound(&net, 0).1));
        net.command(0, Command::Hangup(ours));
        net.settle();
        assert!(net.calls(1).is_empty());
        net.run_for(Duration::from_secs(110));
        net.assert_quiet();
        let sockets: Vec<String> = net.nodes[mover].flows.values().map(ToString::to_string).collect();
        assert_eq!(sockets, [format!("{NEW}:5060")]);
    }
}

/// The same address again: the socket is still there, for the call as for the line.
#[test]
fn a_link_that_comes_back_finds_the_call_and_registers_at_once() {
    let given = settings("10.0.0.1", "100", Some(FAR));
    let mut net = Net::new();
    let far = net.peer(FAR);
    net.stack(given.clone());
    net.settle();
    let grant = |net: &mut Net| {
        let register = one(&net.received(far), "REGISTER");
        net.send(far, net.nodes[0].ip, answer(&register, 200, "r").to_bytes());
        net.settle();
    };
    grant(&mut net);
    net.dial(0, "200");
    net.settle();
    let invite = one(&net.received(far), "INVITE");
    net.send(far, net.nodes[0].ip, at(answer(&invite, 180, "f"), far).to_bytes());
    net.settle();
    net.input(0, unplugged(given.clone()));
    net.run_for(Duration::from_secs(20));
    assert!(net.titles(far).is_empty() && !matches!(net.line(0), LineState::Registered { .. }));
    net.input(0, Input::Settings(Box::new(given)));
    net.settle();
    grant(&mut net);
    assert!(matches!(net.line(0), LineState::Registered { .. }));
    let ok = with_sdp(at(answer(&invite, 200, "f"), far), &format!("{SDP}{PCMU}"));
    net.send(far, net.nodes[0].ip, ok.to_bytes());
    net.settle();
    assert_eq!((net.titles(far), net.calls(0)[0].stage), (vec!["ACK".to_owned()], CallStage::Talking));
}

proptest::proptest! {
    #![proptest_config(cases(96))]

    /// Either side gets other addresses, or none for a while, at any moments of a call on a bad net: nothing panics, nothing is left.
    #[test]
    fn moves_at_random_moments_leave_nothing(
        seed in 1..u64::MAX, loss in 0..20u64,
        moves in proptest::collection::vec((0..2500u64, 0..2usize, proptest::prelude::any::<bool>()), 1..8),
        answer_at in 0..8usize,
    ) {
        let mut net = Net::with_faults(seed, Faults { loss, twice: 10, delay: (1, 50) });
        pair_on(&mut net);
        net.dial(0, "200");
        for (step, (wait, node, gone)) in moves.into_iter().enumerate() {
            net.run_for(Duration::from_millis(wait));
            if let Some(view) = net.calls(1).last().filter(|view| view.stage == CallStage::Incoming) {
                net.command(1, if step < answer_at { Command::Ring(view.call) } else { Command::Answer(view.call) });
            }
            let (user, other) = [("100", "10.0.0.2:5060"), ("200", "10.0.0.1:5060")][node];
            let address = format!("10.0.{}.{}", step + 1, node + 1);
            net.nodes[node].flows.values_mut().for_each(|local| *local = "192.0.2.255:5060".parse().unwrap());
            let given = direct(&address, user, other);
            net.input(node, if gone { unplugged(given) } else { Input::Settings(Box::new(given)) });
        }
        for _ in 0..2 {
            for (node, (user, other)) in [("100", "10.0.0.2:5060"), ("200", "10.0.0.1:5060")].into_iter().enumerate() {
                net.input(node, Input::Settings(Box::new(direct(&format!("10.0.9.{}", node + 1), user, other))));
                let calls: Vec<_> = net.calls(node).into_iter().map(|view| view.call).collect();
                calls.into_iter().for_each(|call| net.command(node, Command::Hangup(call)));
            }
            net.run_for(Duration::from_secs(200));
        }
        net.assert_quiet();
        for node in &net.nodes {
            proptest::prop_assert_eq!(node.flows.len(), 1, "{}", net.story());
        }
    }
}
