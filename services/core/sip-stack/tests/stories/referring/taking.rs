//! REFER of theirs: whose is taken, what follows, and what the referrer is told (RFC 3515 2.4.2 to 2.4.6).

use sip_stack::{Command, EndedBy, Event, ReferralId, Start};
use sip_wire::Message;
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, requests, with_sdp};

use super::{FAR, Lab};
use crate::given::direct;

const TO: &str = "Refer-To: <sip:300@10.0.0.9>\r\n";
const LAST: &str = "terminated;reason=noresource";
const ACTIVE: &str = "active;expires=600";

fn line(line: &str, state: &str) -> (String, String) {
    (line.to_owned(), state.to_owned())
}

/// The new call's INVITE, after `extra` has been asked for and followed.
fn followed(lab: &mut Lab, extra: &str) -> (agreements::CallIdentity, sip_wire::Request) {
    assert_eq!(lab.ask("REFER", extra, ""), [202]);
    let call = lab.accept();
    (call, lab.request("INVITE"))
}

#[test]
fn who_refers_and_to_whom_is_told_and_the_referrer_hears_that_it_is_tried() {
    let mut lab = Lab::new();
    let got = lab.ask_for("REFER", &format!("{TO}Referred-By: \"Bob\" <sip:bob@example.com>\r\n"), "");
    assert_eq!(got[0].status.code(), 202);
    assert!(got[0].headers.has("Contact"));
    let told = lab.called.net.nodes[0].events(|event| match event {
        Event::Referred { referral, line, call, by, to, replaces } => {
            Some((*referral, line.index(), *call, by.name.clone(), to.uri.clone(), *replaces))
        }
        _ => None,
    });
    let call = lab.call;
    assert_eq!(told, [(ReferralId(1), 0, Some(call), "Bob".to_owned(), "sip:300@10.0.0.9".to_owned(), false)]);
    assert_eq!(lab.told(), [line("100 Trying", ACTIVE)]);
}

/// RFC 3515 2.4.5, 2.4.7; RFC 3892 4: the INVITE says who has asked for it.
#[test]
fn an_accepted_referral_is_called_and_the_referrer_is_told_until_it_is_answered() {
    let mut lab = Lab::new();
    let extra = "Refer-To: <sip:300@10.0.0.9;method=INVITE?Subject=x&Route=%3Csip:evil%3E>\r\nReferred-By: <sip:bob@example.com>;cid=\"1@x\"\r\n";
    let (call, invite) = followed(&mut lab, extra);
    assert_eq!(invite.uri.as_str(), "sip:300@10.0.0.9");
    assert_eq!(invite.headers.get("Referred-By"), Some("<sip:bob@example.com>"), "the token is not passed on");
    assert!(!invite.headers.has("Subject") && !invite.headers.has("Route") && !invite.headers.has("Replaces"));
    assert_ne!(invite.headers.call_id().unwrap(), lab.called.caller.call_id);
    lab.reply(&invite, 180, &[]);
    lab.called.got().iter().for_each(|message| lab.put_aside(std::slice::from_ref(message)));
    let ok = with_sdp(at(answer(&invite, 200, "c"), FAR.parse().unwrap()), &lab.called.caller.sdp(PCMU));
    lab.say(&ok);
    let got = lab.called.got();
    lab.put_aside(&got);
    assert_eq!(lab.told(), [line("100 Trying", ACTIVE), line("180 Ringing", "active;expires=599"), line("200 OK", LAST)]);
    assert_eq!(lab.load().referrals, 0);
    assert!(lab.goes_on() && lab.called.net.calls(0).iter().any(|view| view.call == call && view.outgoing));
}

/// RFC 3515 2.4.6: CSeq of the REFER, in each of them.
#[test]
fn notifies_name_the_refer_that_they_are_about() {
    let mut lab = Lab::new();
    for target in ["300", "301"] {
        lab.ask_for("REFER", &format!("Refer-To: <sip:{target}@10.0.0.9>\r\n"), "");
    }
    let refers: Vec<u32> = [2, 3].to_vec();
    let phone = lab.called.net.nodes[0].ip;
    let sent = lab.called.net.log.iter().filter(|sent| sent.from == phone && sent.title() == "NOTIFY");
    let events: Vec<String> =
        sent.map(|sent| sip_wire::parse_datagram(&sent.bytes).unwrap().headers().get("Event").unwrap().to_owned()).collect();
    assert_eq!(events, refers.iter().map(|number| format!("refer;id={number}")).collect::<Vec<_>>());
    assert_eq!(lab.load().referrals, 2);
}

#[test]
fn a_declined_referral_is_603_to_the_referrer_and_nobody_is_called() {
    let mut lab = Lab::new();
    lab.ask("REFER", TO, "");
    lab.command(Command::DeclineReferral(lab.referral()));
    assert_eq!(lab.told().last(), Some(&line("603 Decline", LAST)));
    let late = lab.accept();
    let ended = |event: &Event| matches!(event, Event::Ended { call, by: EndedBy::Local, .. } if *call == late).then_some(());
    assert_eq!(lab.called.net.nodes[0].events(ended).len(), 1);
    let got = lab.called.got();
    assert!(requests(&got, "INVITE").is_empty() && lab.goes_on());
    lab.put_aside(&got);
    assert_eq!(lab.load().referrals, 0);
}

#[test]
fn a_referral_that_nobody_decides_about_is_declined() {
    let mut lab = Lab::new();
    lab.ask("REFER", TO, "");
    lab.seconds(61);
    let got = lab.called.got();
    lab.put_aside(&got);
    assert_eq!(lab.lines(), ["100 Trying", "603 Decline"]);
    assert_eq!(lab.load().referrals, 0);
}

/// RFC 3515 2.4.5: the referrer hears the status, whoever has said it; 503 where nobody has.
#[test]
fn a_call_that_comes_to_nothing_is_the_last_word() {
    for (code, told) in [(486, "486 Busy Here"), (404, "404 Not Found"), (603, "603 Decline")] {
        let mut lab = Lab::new();
        let (_, invite) = followed(&mut lab, TO);
        lab.reply(&invite, code, &[]);
        assert_eq!(lab.told().last(), Some(&line(told, LAST)));
        assert!(lab.goes_on());
    }
    let mut lab = Lab::new();
    let (call, invite) = followed(&mut lab, TO);
    lab.reply(&invite, 180, &[]);
    let got = lab.called.got();
    lab.put_aside(&got);
    lab.command(Command::Hangup(call));
    assert_eq!(lab.lines(), ["100 Trying", "180 Ringing", "487 Request Terminated"]);
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].proxy = None;
    let mut lab = Lab::with(given);
    lab.ask("REFER", "Refer-To: <sip:300@nowhere.example>\r\n", "");
    lab.accept();
    assert_eq!(lab.told().last(), Some(&line("503 Service Unavailable", LAST)));
}

#[test]
fn telephone_numbers_are_called_on_the_line() {
    let mut lab = Lab::new();
    let (_, invite) = followed(&mut lab, "Refer-To: <tel:+15551234>\r\n");
    assert_eq!(invite.uri.as_str(), "sip:+15551234@10.0.0.9:5060");
}

/// RFC 3515 2.4.2, RFC 3891 4: Replaces is passed on, and who does not know it shall not ring.
#[test]
fn what_is_to_be_replaced_goes_into_the_invite() {
    let mut lab = Lab::new();
    let extra = "Refer-To: <sip:300@10.0.0.9?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>\r\n";
    let (_, invite) = followed(&mut lab, extra);
    assert_eq!(invite.headers.get("Replaces"), Some("a@b;to-tag=1;from-tag=2"));
    assert_eq!(invite.headers.get("Require"), Some("replaces"));
    let told = |event: &Event| matches!(event, Event::Referred { replaces: true, .. }).then_some(());
    assert_eq!(lab.called.net.nodes[0].events(told).len(), 1);
}

#[test]
fn what_cannot_be_followed_is_refused_at_once() {
    for (extra, code) in [
        ("", 400),
        ("Refer-To: <sip:1@x>\r\nRefer-To: <sip:2@x>\r\n", 400),
        ("Refer-To: <sip:1@x>, <sip:2@x>\r\n", 400),
        ("Refer-To: nobody at all\r\n", 400),
        ("Refer-To: <sip:1@x?Replaces=none>\r\n", 400),
        ("Refer-To: <sip:1@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n", 400),
        ("Refer-To: <sip:1@x>\r\nReferred-By: <sip:1@x>\r\nReferred-By: <sip:2@x>\r\n", 400),
        ("Refer-To: <sip:1@x>\r\nRefer-Sub: perhaps\r\n", 400),
        ("Refer-To: <http://example.com/>\r\n", 416),
        ("Refer-To: <sips:1@x>\r\n", 416),
        ("Refer-To: <mailto:a@example.com>\r\n", 416),
        ("Refer-To: <sip:1@x;method=BYE>\r\n", 403),
    ] {
        let mut lab = Lab::new();
        assert_eq!(lab.ask("REFER", extra, ""), [code], "{extra}");
        assert!(!lab.is_referred() && lab.load().referrals == 0 && lab.told().is_empty());
    }
}

/// RFC 4488 4.
#[test]
fn who_wants_no_notifies_gets_none() {
    let mut lab = Lab::new();
    let got = lab.ask_for("REFER", &format!("{TO}Refer-Sub: false\r\nRequire: norefersub\r\n"), "");
    assert_eq!((got[0].status.code(), got[0].headers.get("Refer-Sub")), (202, Some("false")));
    lab.accept();
    let invite = lab.request("INVITE");
    lab.reply(&invite, 180, &[]);
    lab.reply(&invite, 486, &[]);
    assert!(lab.told().is_empty());
    assert_eq!(lab.load().referrals, 0);
}

#[test]
fn referrals_are_bounded() {
    let mut lab = Lab::new();
    let codes: Vec<u16> = (0..20).flat_map(|_| lab.ask("REFER", TO, "")).collect();
    assert_eq!(codes.iter().filter(|code| **code == 202).count(), 16);
    assert_eq!(codes.iter().filter(|code| **code == 503).count(), 4);
}

/// A REFER while the call still rings here: there is nobody who could be asked.
#[test]
fn a_call_that_is_not_answered_is_not_referred() {
    let mut called = crate::incoming::Called::new();
    called.invite(PCMU);
    called.command(Command::Ring);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.cseq += 1;
    called.caller.clone().send(&mut called.net, "REFER", "r", TO, "");
    assert_eq!(called.titles(), ["480 REFER"]);
}

// Outside the call's dialog.

/// A REFER of a far end at that address, outside every dialog.
fn stray(lab: &mut Lab, from: &str, extra: &str, change: impl Fn(String) -> String) -> Vec<String> {
    let address = if from == FAR { FAR.parse().unwrap() } else { lab.called.net.peer(from) };
    let call_id = format!("stray{}", lab.called.net.log.len());
    let stranger = Caller { call_id, ..Caller::new(address, lab.called.net.nodes[0].ip, "200") };
    let text = change(String::from_utf8(stranger.request("REFER", "s", extra, "")).unwrap());
    lab.called.net.send(address, stranger.target, text.into_bytes());
    lab.called.net.settle();
    lab.called.net.titles(address)
}

/// What makes a phone call somewhere is not taken from anybody.
#[test]
fn a_stranger_cannot_refer_the_phone() {
    let mut lab = Lab::new();
    assert_eq!(stray(&mut lab, "10.0.0.66:5060", TO, |text| text), ["403 REFER"]);
    // The server only passes it on: another hop stands below its own.
    let passed_on = |text: String| text.replacen("Max-Forwards", "Via: SIP/2.0/UDP 192.0.2.66;branch=z9hG4bKx\r\nMax-Forwards", 1);
    assert_eq!(stray(&mut lab, FAR, TO, passed_on), ["403 REFER"]);
    assert!(!lab.is_referred());
}

/// A server of the line may ask for a call by itself (click to dial); its NOTIFYs have a dialog of their own.
#[test]
fn a_server_of_the_line_may_refer_outside_every_call() {
    let mut lab = Lab::new();
    assert_eq!(stray(&mut lab, FAR, TO, |text| text), ["202 REFER", "NOTIFY"]);
    let calls = lab.called.net.nodes[0].events(|event| match event {
        Event::Referred { call, .. } => Some(*call),
        _ => None,
    });
    assert_eq!(calls, [None]);
    let notify = lab.called.net.log.iter().rev().find(|sent| sent.title() == "NOTIFY").unwrap();
    let message = sip_wire::parse_datagram(&notify.bytes).unwrap();
    assert!(message.headers().call_id().unwrap().starts_with("stray"));
}

/// RFC 4538: it names the call that is meant. The names are no secret to third parties, so they do not say who may speak of it: the
/// far end of the call and the line's servers may.
#[test]
fn target_dialog_says_which_call_a_referral_is_about() {
    let mut lab = Lab::new();
    let Caller { call_id, tag, to_tag, .. } = lab.called.caller.clone();
    let named = format!("{TO}Require: tdialog\r\nTarget-Dialog: {call_id};local-tag={to_tag};remote-tag={tag}\r\n");
    assert_eq!(stray(&mut lab, "10.0.0.66:5060", &named.replace("peer-tag", "other"), |text| text), ["403 REFER"]);
    let twice = format!("{named}Target-Dialog: {call_id};local-tag={to_tag};remote-tag={tag}\r\n");
    assert_eq!(stray(&mut lab, "10.0.0.67:5060", &twice, |text| text), ["400 REFER"]);
    assert_eq!(stray(&mut lab, "10.0.0.68:5060", &named, |text| text), ["403 REFER"], "a stranger who knows the names");
    let far = lab.called.caller.address.ip();
    assert_eq!(stray(&mut lab, &format!("{far}:5070"), &named, |text| text), ["202 REFER", "NOTIFY"]);
    let call = lab.call;
    let calls = lab.called.net.nodes[0].events(|event| match event {
        Event::Referred { call, .. } => Some(*call),
        _ => None,
    });
    assert_eq!(calls, [Some(call)]);
}

// The NOTIFYs' own fate.

/// RFC 6665 4.2.2: a referrer that does not want to know ends nothing but its subscription.
#[test]
fn a_referrer_that_refuses_notifies_gets_no_more_and_the_call_goes_on() {
    let mut lab = Lab::new();
    lab.called.caller.cseq += 1;
    lab.called.caller.clone().send(&mut lab.called.net, "REFER", "r", TO, "");
    let notify = lab.request_unanswered("NOTIFY");
    lab.reply(&notify, 481, &[]);
    lab.accept();
    let invite = lab.request("INVITE");
    lab.reply(&invite, 180, &[]);
    assert_eq!(lab.lines(), ["100 Trying"]);
    assert_eq!(lab.called.net.calls(0).len(), 2);
}

/// One at a time: what has become old meanwhile is never said.
#[test]
fn only_the_newest_state_follows_a_notify_that_was_slow() {
    let mut lab = Lab::new();
    lab.called.caller.cseq += 1;
    lab.called.caller.clone().send(&mut lab.called.net, "REFER", "r", TO, "");
    let notify = lab.request_unanswered("NOTIFY");
    lab.accept();
    let invite = lab.request_unanswered("INVITE");
    lab.reply(&invite, 180, &[]);
    lab.reply(&invite, 486, &[]);
    assert_eq!(lab.lines(), ["100 Trying"]);
    lab.reply(&notify, 200, &[]);
    assert_eq!(lab.lines(), ["100 Trying", "486 Busy Here"]);
}

#[test]
fn notifies_give_credentials_where_they_are_asked_for() {
    let mut lab = Lab::new();
    lab.called.caller.cseq += 1;
    lab.called.caller.clone().send(&mut lab.called.net, "REFER", "r", TO, "");
    let notify = lab.request_unanswered("NOTIFY");
    lab.reply(&notify, 407, &[("Proxy-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")]);
    let signed = lab.request_unanswered("NOTIFY");
    assert!(signed.headers.has("Proxy-Authorization") && signed.body == notify.body);

    // A nonce may be good for one request (RFC 7616 3.4): each NOTIFY begins anew.
    lab.reply(&signed, 200, &[]);
    lab.accept();
    let invite = lab.request("INVITE");
    lab.reply(&invite, 486, &[]);
    let last = lab.request_unanswered("NOTIFY");
    lab.reply(&last, 407, &[("Proxy-Authenticate", "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\"")]);
    let again = lab.request_unanswered("NOTIFY");
    assert!(again.body == last.body && again.headers.get("Proxy-Authorization").is_some_and(|given| given.contains("n2")));
}

/// The referrer hangs up as soon as its REFER is taken: its NOTIFYs go on in what was the call's dialog.
#[test]
fn a_referrer_that_has_hung_up_is_still_told() {
    let mut lab = Lab::new();
    lab.ask("REFER", TO, "");
    assert_eq!(lab.ask("BYE", "", ""), [200]);
    lab.accept();
    let invite = lab.request("INVITE");
    lab.reply(&invite, 486, &[]);
    assert_eq!(lab.told(), [line("100 Trying", ACTIVE), line("486 Busy Here", LAST)]);
    let got = lab.called.got();
    lab.put_aside(&got);
    lab.called.over();
}

/// No call moves it when the phone's address changes: its NOTIFYs leave from the line's socket that there is.
#[test]
fn a_referral_without_its_call_goes_on_at_another_address() {
    for own_dialog in [false, true] {
        let mut lab = Lab::new();
        if own_dialog {
            assert_eq!(stray(&mut lab, FAR, TO, |text| text), ["202 REFER", "NOTIFY"]);
        } else {
            lab.ask("REFER", TO, "");
        }
        let first = lab.called.net.log.iter().rev().find(|sent| sent.title() == "NOTIFY").unwrap().bytes.clone();
        let Ok(Message::Request(first)) = sip_wire::parse_datagram(&first) else { panic!("a request") };
        lab.reply(&first, 200, &[]);
        assert_eq!(lab.ask("BYE", "", ""), [200]);
        lab.seconds(40);
        let mut moved = direct("10.0.0.1", "200", FAR);
        moved.addresses = vec!["10.0.0.101".parse().unwrap()];
        lab.called.net.input(0, sip_stack::Input::Settings(Box::new(moved)));
        lab.called.net.settle();
        assert_eq!(lab.called.net.nodes[0].flows.len(), 1, "the old socket is closed");
        lab.called.got();
        lab.command(Command::DeclineReferral(lab.referral()));
        let got = lab.called.got();
        let notify = requests(&got, "NOTIFY")[0];
        assert_eq!(notify.headers.top_via().unwrap().host.to_string(), "10.0.0.101");
        assert_eq!(notify.headers.get("Contact"), Some("<sip:200@10.0.0.101:5060>"));
        assert_eq!(notify.body, b"SIP/2.0 603 Decline\r\n");
    }
}

/// RFC 6665 4.1.3, timeout: what is known is the last word, and the call rings on.
#[test]
fn a_referral_does_not_last_for_ever() {
    let mut lab = Lab::new();
    let (_, invite) = followed(&mut lab, TO);
    lab.reply(&invite, 180, &[]);
    let got = lab.called.got();
    lab.put_aside(&got);
    lab.seconds(601);
    let got = lab.called.got();
    lab.put_aside(&got);
    assert_eq!(lab.told().last(), Some(&line("180 Ringing", "terminated;reason=timeout")));
    assert_eq!((lab.load().referrals, lab.called.net.calls(0).len()), (0, 2));
}

#[test]
fn a_restart_forgets_no_referral_of_theirs() {
    let mut lab = Lab::new();
    lab.ask("REFER", TO, "");
    let referral = lab.referral();
    assert_eq!(lab.called.net.restart(0), Start::Restored);
    let call = lab.called.net.fresh_call();
    lab.command(Command::AcceptReferral { referral, call });
    let invite = lab.request("INVITE");
    assert_eq!(lab.called.net.restart(0), Start::Restored);
    lab.reply(&invite, 486, &[]);
    assert_eq!(lab.told().last(), Some(&line("486 Busy Here", LAST)));
}
