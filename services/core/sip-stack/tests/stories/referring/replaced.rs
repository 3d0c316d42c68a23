//! INVITEs of theirs that take the place of another call (RFC 3891).

use agreements::CallIdentity;
use sip_stack::{AnonymousPart, CallStage, Command, EndedBy, Event, IdentitySettings, StackSettings};
use testbed::virtual_net::MediaMode;
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, requests, response_with, with_sdp};

use super::{FAR, Lab};
use crate::dialing::Dialled;
use crate::given::{direct, server_of};

/// The transferee: an INVITE from the line's proxy with this Replaces; what comes back, and the transferee.
fn replacing(lab: &mut Lab, extra: &str) -> (Vec<String>, Caller) {
    replacing_from(lab, FAR, extra)
}

fn replacing_from(lab: &mut Lab, from: &str, extra: &str) -> (Vec<String>, Caller) {
    let address = if from == FAR { FAR.parse().unwrap() } else { lab.called.net.peer(from) };
    let mut caller = Caller::new(address, lab.called.net.nodes[0].ip, "200");
    (caller.call_id, caller.tag) = ("new".into(), "new-tag".into());
    let sdp = caller.sdp(PCMU);
    caller.send(&mut lab.called.net, "INVITE", "new", extra, &sdp);
    let got = lab.called.net.received(address);
    caller.learn_tag(&got);
    (got.iter().map(testbed::virtual_net::title).collect(), caller)
}

/// Replaces that names the lab's call as the phone has it.
fn named(lab: &Lab) -> String {
    let Caller { call_id, tag, to_tag, .. } = &lab.called.caller;
    format!("Replaces: {call_id};to-tag={to_tag};from-tag={tag}")
}

/// The call that wants another's place, and which.
fn asked(lab: &Lab) -> Vec<(CallIdentity, Option<CallIdentity>)> {
    let incoming = |event: &Event| match event {
        Event::Incoming { call, replaces, .. } => Some((*call, *replaces)),
        _ => None,
    };
    lab.called.net.nodes[0].events(incoming).split_off(1)
}

/// RFC 3891 3: the new call is answered, then the old one gets its BYE.
#[test]
fn an_answered_call_gives_way_to_the_one_that_replaces_it() {
    let mut lab = Lab::new();
    let extra = format!("{}\r\nRequire: replaces\r\n", named(&lab));
    assert_eq!(replacing(&mut lab, &extra).0, ["100 INVITE"]);
    let [(new, Some(old))] = asked(&lab)[..] else { panic!("{:?}", asked(&lab)) };
    assert_eq!(old, lab.call);
    assert!(lab.goes_on(), "not before the new one is answered");
    lab.command(Command::Answer(new));
    let titles = lab.called.titles();
    assert_eq!(titles[..2], ["200 INVITE", "BYE"], "in this order");
    let calls = lab.called.net.calls(0);
    assert_eq!(calls.iter().map(|view| (view.call, view.stage)).collect::<Vec<_>>(), [(new, CallStage::Talking)]);
    let (code, reason, by) = lab.called.net.nodes[0].ended().unwrap();
    assert_eq!((code, reason.as_str(), by), (0, "another call has taken its place", EndedBy::Remote));
    assert!(lab.called.net.nodes[0].media[&new].legs[0].remote.is_some());
}

#[test]
fn a_replacement_that_is_refused_or_has_no_sound_leaves_the_old_call() {
    let mut lab = Lab::new();
    let extra = format!("{}\r\n", named(&lab));
    replacing(&mut lab, &extra);
    let new = asked(&lab)[0].0;
    lab.command(Command::Reject(new, 486));
    assert!(lab.goes_on() && lab.called.titles().contains(&"486 INVITE".to_owned()));
    let mut lab = Lab::new();
    lab.called.net.nodes[0].mode = MediaMode::Failed;
    let extra = extra_of(&lab);
    assert!(replacing(&mut lab, &extra).0.contains(&"500 INVITE".to_owned()));
    assert!(lab.goes_on());
}

fn extra_of(lab: &Lab) -> String {
    format!("{}\r\n", named(lab))
}

/// The old call ends while the new one waits for its sound: there is nothing to be replaced any more.
#[test]
fn what_has_ended_meanwhile_is_not_replaced() {
    let mut lab = Lab::new();
    lab.called.net.nodes[0].mode = MediaMode::Silent;
    let extra = extra_of(&lab);
    replacing(&mut lab, &extra);
    let new = asked(&lab)[0].0;
    lab.command(Command::Answer(new));
    assert_eq!(lab.ask("BYE", "", ""), [200]);
    lab.called.net.media_answers(0, new, Ok(()));
    lab.called.net.settle();
    assert_eq!(lab.called.titles(), ["603 INVITE"]);
    assert!(lab.called.net.calls(0).is_empty());
}

/// RFC 3891 3, 6.1: what names no call that can be replaced.
#[test]
fn what_names_no_call_of_this_line_is_481() {
    let lab = Lab::new();
    let name = named(&lab);
    let Caller { call_id, tag, to_tag, .. } = lab.called.caller.clone();
    for (extra, code) in [
        (name.replace("call-", "other-"), 481),
        (format!("Replaces: {call_id};to-tag={tag};from-tag={to_tag}"), 481),
        (format!("Replaces: {call_id};to-tag={to_tag};from-tag=0"), 481),
        (format!("Replaces: {call_id};to-tag={to_tag}"), 400),
        (format!("{name}\r\n{name}"), 400),
        (format!("{name}, {call_id};to-tag=1;from-tag=2"), 400),
        (format!("{name};early-only"), 486),
    ] {
        let mut lab = Lab::new();
        assert_eq!(lab.called.caller.to_tag, to_tag, "the same story each time");
        assert_eq!(replacing(&mut lab, &format!("{extra}\r\n")).0, ["100 INVITE".to_owned(), format!("{code} INVITE")], "{extra}");
        assert!(lab.goes_on() && asked(&lab).is_empty());
    }
}

/// RFC 3891 8: the names of a dialog are no password.
#[test]
fn a_stranger_who_knows_the_names_takes_nothing_over() {
    let mut lab = Lab::new();
    let extra = extra_of(&lab);
    assert_eq!(replacing_from(&mut lab, "10.0.0.66:5060", &extra).0, ["100 INVITE", "403 INVITE"]);
    assert!(lab.goes_on());
}

fn two_lines() -> StackSettings {
    let mut given = direct("10.0.0.1", "200", FAR);
    let mut second = given.lines[0].clone();
    (second.user, second.source_port) = ("201".into(), 5070);
    given.lines[1] = second;
    given
}

/// What one line's server vouches for says nothing of another's calls.
#[test]
fn a_call_of_another_line_is_not_replaced() {
    let mut lab = Lab::with(two_lines());
    let extra = extra_of(&lab);
    let second = "10.0.0.1:5070".parse().unwrap();
    let caller = Caller { call_id: "new".into(), ..Caller::new(FAR.parse().unwrap(), second, "201") };
    let sdp = caller.sdp(PCMU);
    caller.send(&mut lab.called.net, "INVITE", "new", &extra, &sdp);
    assert_eq!(lab.called.titles(), ["100 INVITE", "481 INVITE"]);
    assert!(lab.goes_on());
}

/// RFC 3891 3: one that rings here is its caller's to give up; one that is being hung up is over.
#[test]
fn calls_that_ring_here_or_end_are_not_replaced() {
    let mut lab = Lab::new();
    let extra = extra_of(&lab);
    lab.command(Command::Hangup(lab.call));
    assert!(lab.called.titles().contains(&"BYE".to_owned()));
    assert_eq!(replacing(&mut lab, &extra).0, ["100 INVITE", "603 INVITE"]);
    let mut called = crate::incoming::Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    let mut lab = Lab { call: called.net.nodes[0].incoming(), called };
    let extra = extra_of(&lab);
    assert_eq!(replacing(&mut lab, &extra).0, ["100 INVITE", "481 INVITE"]);
}

/// A far end of RFC 2543 has no tag; "0" is what stands for it (RFC 3891 3).
#[test]
fn a_far_end_without_a_tag_is_named_by_0() {
    let mut called = crate::incoming::Called::new();
    let sdp = called.caller.sdp(PCMU);
    let untagged = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(";tag=peer-tag", "").into_bytes();
    let invite = untagged(called.caller.request("INVITE", "i", "", &sdp));
    let (from, to) = (called.caller.address, called.net.nodes[0].ip);
    called.net.send(from, to, invite);
    called.net.settle();
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    let mut lab = Lab { call: called.net.nodes[0].incoming(), called };
    let Caller { call_id, to_tag, .. } = lab.called.caller.clone();
    replacing(&mut lab, &format!("Replaces: {call_id};to-tag={to_tag};from-tag=0\r\n"));
    assert_eq!(asked(&lab)[0].1, Some(lab.call));
}

/// RFC 3891 3: a call of ours that rings elsewhere is taken by somebody (pickup): ours is taken back.
#[test]
fn a_dialled_call_gives_way_to_who_picks_it_up() {
    for (early_only, code) in [("", 180), (";early-only", 183)] {
        let mut dialled = Dialled::with(direct("10.0.0.1", "100", FAR));
        dialled.say(code, "f");
        let invite = &dialled.invite;
        let ours = invite.headers.from().unwrap().tag().unwrap().to_owned();
        let name = format!("{};to-tag={ours};from-tag=f{early_only}", invite.headers.call_id().unwrap());
        let mut caller = Caller::new(dialled.far, dialled.net.nodes[0].ip, "100");
        caller.call_id = "new".into();
        let sdp = caller.sdp(PCMU);
        caller.send(&mut dialled.net, "INVITE", "new", &format!("Replaces: {name}\r\n"), &sdp);
        let new = dialled.net.nodes[0].incoming();
        dialled.net.command(0, Command::Answer(new));
        dialled.net.settle();
        let got = dialled.got();
        assert!(response_with(&got, 200).is_some() && requests(&got, "CANCEL").len() == 1);
        assert_eq!(dialled.net.nodes[0].ended().unwrap().1, "another call has taken its place");
        // What answers nonetheless gets ACK and BYE.
        dialled.reply_to(&got, "CANCEL", 200);
        dialled.say_with_sdp(200, "f", 40000);
        assert_eq!(dialled.titles()[..2], ["ACK", "BYE"]);
        assert_eq!(dialled.net.calls(0).len(), 1);
    }
}

/// The same request again, and a wire that repeats it, replace once.
/// Who has referred us hears that we talk: with whoever has picked up what it referred us to.
#[test]
fn a_referral_whose_call_is_picked_up_has_succeeded() {
    let mut lab = Lab::new();
    assert_eq!(lab.ask("REFER", "Refer-To: <sip:300@10.0.0.9>\r\n", ""), [202]);
    lab.accept();
    let invite = lab.request("INVITE");
    lab.say(&at(answer(&invite, 180, "c"), FAR.parse().unwrap()));
    let ours = invite.headers.from().unwrap().tag().unwrap().to_owned();
    let name = format!("Replaces: {};to-tag={ours};from-tag=c\r\n", invite.headers.call_id().unwrap());
    replacing(&mut lab, &name);
    let [(new, Some(_))] = asked(&lab)[..] else { panic!("{:?}", asked(&lab)) };
    lab.command(Command::Answer(new));
    // One NOTIFY waits for the answer of the one before it, which comes again.
    for _ in 0..3 {
        lab.seconds(1);
        let got = lab.called.got();
        lab.put_aside(&got);
    }
    assert_eq!(lab.lines().last().map(String::as_str), Some("200 OK"));
}

#[test]
fn a_repeated_invite_replaces_once() {
    let mut lab = Lab::new();
    let extra = extra_of(&lab);
    let (_, caller) = replacing(&mut lab, &extra);
    let sdp = caller.sdp(PCMU);
    let first = Caller { to_tag: String::new(), ..caller.clone() };
    first.send(&mut lab.called.net, "INVITE", "new", &extra, &sdp);
    assert_eq!(asked(&lab).len(), 1);
    lab.command(Command::Answer(asked(&lab)[0].0));
    first.send(&mut lab.called.net, "INVITE", "new", &extra, &sdp);
    let got = lab.called.got();
    assert_eq!(requests(&got, "BYE").iter().filter(|bye| bye.headers.call_id().unwrap() != "new").count(), 1);
    assert_eq!(lab.called.net.calls(0).len(), 1);
}

/// A 3xx of the one that a referral leads to keeps what is to be replaced (RFC 3261 8.1.3.4).
#[test]
fn a_redirected_referral_still_says_what_it_replaces() {
    let mut lab = Lab::new();
    lab.ask("REFER", "Refer-To: <sip:300@10.0.0.9?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n", "");
    lab.accept();
    let invite = lab.request("INVITE");
    lab.reply(&invite, 302, &[("Contact", "<sip:301@10.0.0.9>")]);
    let again = lab.request("INVITE");
    assert_eq!((again.uri.as_str(), again.headers.get("Replaces")), ("sip:301@10.0.0.9", Some("a;to-tag=1;from-tag=2")));
    let ok = with_sdp(at(answer(&again, 200, "c"), FAR.parse().unwrap()), &lab.called.caller.sdp(PCMU));
    lab.say(&ok);
    assert_eq!(lab.lines().last().map(String::as_str), Some("200 OK"));
}

/// A line whose servers are not where the old call's messages come from: both may say it.
#[test]
fn the_old_calls_way_and_the_lines_servers_are_believed() {
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].proxy = Some(server_of("10.0.0.8:5060"));
    for (from, believed) in [(FAR, true), ("10.0.0.8:5060", true), ("10.0.0.7:5060", false)] {
        let mut lab = Lab::with(given.clone());
        let extra = extra_of(&lab);
        replacing_from(&mut lab, from, &extra);
        assert_eq!(!asked(&lab).is_empty(), believed, "{from}");
    }
}

/// RFC 3261 8.1.1.8: the Contact of an anonymous call (B321) leads to it from outside its dialog as well, as long as it lasts:
/// who is transferred to it comes by it.
#[test]
fn a_call_that_hides_its_number_is_replaced_where_its_contact_says() {
    for (part, user) in [(AnonymousPart::Anonymous, "anonymous@"), (AnonymousPart::Absent, "")] {
        let mut given = direct("10.0.0.1", "100", FAR);
        given.lines[0].identity = IdentitySettings { anonymous: true, anonymous_user: part, ..IdentitySettings::default() };
        given.lines[0].details.check_to = true;
        let mut dialled = Dialled::with(given);
        let contact = dialled.invite.headers.contact().unwrap().first().unwrap().uri.to_string();
        assert_eq!(contact, format!("sip:{user}10.0.0.1:5060"));
        dialled.say_with_sdp(200, "f", 40000);
        dialled.titles();
        let ours = dialled.invite.headers.from().unwrap().tag().unwrap().to_owned();
        let name = format!("Replaces: {};to-tag={ours};from-tag=f\r\n", dialled.invite.headers.call_id().unwrap());
        let ask = |dialled: &mut Dialled, call_id: &str, extra: &str| {
            let mut caller = Caller::new(dialled.far, dialled.net.nodes[0].ip, "100");
            (caller.call_id, caller.tag) = (call_id.to_owned(), "new-tag".to_owned());
            let text = String::from_utf8(caller.request("INVITE", call_id, extra, &caller.sdp(PCMU))).unwrap();
            dialled.net.send(dialled.far, caller.target, text.replace("sip:100@", &format!("sip:{user}")).into_bytes());
            dialled.net.settle();
            dialled.titles()
        };
        assert_eq!(ask(&mut dialled, "new", &name), ["100 INVITE"], "{contact}");
        let new = dialled.net.nodes[0].incoming();
        dialled.net.command(0, Command::Answer(new));
        dialled.net.settle();
        let got = dialled.got();
        assert!(response_with(&got, 200).is_some());
        dialled.reply_to(&got, "BYE", 200);
        assert_eq!(ask(&mut dialled, "late", ""), ["404 INVITE"], "nobody is called so any more");
    }
}

/// RFC 3891 3: in the INVITE that begins a call alone.
#[test]
fn replaces_in_any_other_request_is_400() {
    let mut lab = Lab::new();
    let extra = extra_of(&lab);
    for method in ["OPTIONS", "INFO", "UPDATE"] {
        assert_eq!(lab.ask(method, &extra, ""), [400], "{method}");
    }
    assert_eq!(lab.ask("REFER", &format!("{extra}Refer-To: <sip:300@10.0.0.9>\r\n"), ""), [400]);
    lab.called.caller.cseq += 1;
    let sdp = lab.called.caller.sdp(PCMU);
    lab.called.caller.send(&mut lab.called.net, "INVITE", "again", &extra, &sdp);
    assert_eq!(lab.called.titles(), ["400 INVITE"]);
    assert!(lab.goes_on());
}
