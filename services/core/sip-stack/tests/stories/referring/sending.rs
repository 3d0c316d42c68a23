//! REFER of ours: what it says, when it leaves, and what is made of the answers (RFC 3515 2.4.1 to 2.4.7).

use agreements::CallIdentity;
use sip_stack::{AnonymousPart, Command, Event, ReferProgress, ReferTarget};
use sip_wire::{ReferTo, Request, StatusCode};
use testbed::virtual_net::peer::{PCMU, answer, at, requests, with_sdp};

use super::{FAR, Lab, accepted, failed};
use crate::given::direct;

/// RFC 3515 2.1, RFC 3892 2.1.
#[test]
fn a_refer_says_whom_to_call_and_who_asks() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    assert_eq!(refer.uri.as_str(), "sip:far@10.0.0.9:5060");
    let said = |name: &str| refer.headers.get(name).unwrap_or_default().to_owned();
    assert_eq!([said("Refer-To"), said("Referred-By")], ["<sip:300@10.0.0.9:5060>", "<sip:200@10.0.0.9>"]);
    assert!(refer.headers.has("Contact") && said("Supported").contains("norefersub") && said("Allow").contains("REFER"));
    assert_eq!(refer.headers.to().unwrap().tag(), Some("peer-tag"));
}

#[test]
fn how_the_far_ends_call_goes_is_told_and_the_last_word_is_the_last() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[]);
    assert_eq!(lab.progress(), [accepted()]);
    for (state, line) in
        [("active;expires=60", "100 Trying"), ("active;expires=60", "180 Ringing"), ("terminated;reason=noresource", "200 OK")]
    {
        assert_eq!(lab.notify(state, line), [200]);
    }
    let progress = |status| ReferProgress::Progress { status };
    assert_eq!(lab.progress(), [accepted(), progress(100), progress(180), ReferProgress::Succeeded]);
    assert_eq!(lab.load().referrals, 0);
    assert_eq!(lab.notify("terminated;reason=noresource", "200 OK"), [481]);
    assert!(lab.goes_on(), "whether to hang up is the user's affair");
}

#[test]
fn a_call_that_fails_at_the_far_end_is_told_with_its_status() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 200, &[]);
    lab.notify("terminated;reason=noresource", "486 Busy Here");
    assert_eq!(lab.progress(), [accepted(), failed(486, "486 Busy Here")]);
    assert!(lab.goes_on());
    // The next one is asked for as if nothing had been.
    let again = lab.refer("301");
    assert!(again.headers.cseq().unwrap().number > refer.headers.cseq().unwrap().number);
}

/// The call stays in each case but the one where the far end does not know it (RFC 5057 5.1).
#[test]
fn a_refused_refer_leaves_the_call_as_it_was() {
    for code in [403, 405, 420, 500, 501, 603] {
        let mut lab = Lab::new();
        let refer = lab.refer("300");
        lab.reply(&refer, code, &[]);
        let words = format!("{code} {}", StatusCode::new(code).unwrap().reason());
        assert_eq!(lab.progress(), [failed(code, &words)]);
        assert!(lab.goes_on() && lab.load().referrals == 0, "{code}");
    }
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 481, &[]);
    assert!(matches!(lab.progress().as_slice(), [ReferProgress::Failed { status: 481, .. }]));
    assert_eq!(lab.called.net.nodes[0].ended().unwrap().0, 481);
}

/// RFC 3515 2.4.2 lets nobody wait: an answer that never comes is one.
#[test]
fn a_refer_that_nobody_answers_has_failed_and_the_call_stays() {
    let mut lab = Lab::new();
    lab.refer("300");
    lab.seconds(33);
    assert_eq!(lab.progress(), [failed(408, "no answer")]);
    assert!(lab.goes_on());
}

/// RFC 4488 4.
#[test]
fn who_takes_it_without_a_subscription_says_no_more() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[("Refer-Sub", "false")]);
    assert_eq!(lab.progress(), [ReferProgress::Accepted { followed: false }]);
    assert_eq!(lab.load().referrals, 0);
    lab.seconds(3600);
    assert_eq!(lab.progress().len(), 1);
}

/// A NOTIFY has shown that there is a subscription: the last word is its own, or that there is none.
#[test]
fn a_last_word_follows_where_a_notify_has_come_before_refer_sub_false() {
    for last in [true, false] {
        let mut lab = Lab::new();
        let refer = lab.refer("300");
        assert_eq!(lab.notify("active", "100 Trying"), [200]);
        lab.reply(&refer, 202, &[("Refer-Sub", "false")]);
        if last {
            assert_eq!(lab.notify("terminated;reason=noresource", "200 OK"), [200]);
            assert_eq!(lab.progress().last(), Some(&ReferProgress::Succeeded));
        } else {
            lab.seconds(181);
            assert_eq!(lab.progress().last(), Some(&failed(0, "the far end does not say how it went")));
        }
        assert_eq!((lab.progress()[0].clone(), lab.load().referrals), (accepted(), 0));
    }
}

/// RFC 3515 2.4.4: NOTIFYs may overtake the 202, all of them.
#[test]
fn notifies_before_the_answer_count() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    assert_eq!(lab.notify("active", "100 Trying"), [200]);
    assert_eq!(lab.progress(), [accepted(), ReferProgress::Progress { status: 100 }]);
    lab.notify("terminated;reason=noresource", "200 OK");
    lab.reply(&refer, 202, &[]);
    assert_eq!(lab.progress().last(), Some(&ReferProgress::Succeeded));
    assert_eq!((lab.progress().len(), lab.load().referrals), (3, 0));
    assert!(lab.goes_on());
}

#[test]
fn credentials_are_given_where_they_are_asked_for() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 407, &[("Proxy-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"")]);
    let signed = lab.request("REFER");
    assert!(signed.headers.has("Proxy-Authorization"));
    assert_eq!(signed.headers.get("Refer-To"), refer.headers.get("Refer-To"));
    let number = signed.headers.cseq().unwrap().number;
    assert_eq!(number, refer.headers.cseq().unwrap().number + 1);
    lab.reply(&signed, 202, &[]);
    assert_eq!(lab.notify_about(&format!("refer;id={number}"), "active", "100 Trying"), [200]);
    lab.notify_about("refer", "terminated", "200 OK");
    let refused = lab.refer("301");
    lab.reply(&refused, 407, &[("Proxy-Authenticate", "Digest realm=\"r\", nonce=\"m\", qop=\"auth\"")]);
    let again = lab.request("REFER");
    lab.reply(&again, 407, &[("Proxy-Authenticate", "Digest realm=\"r\", nonce=\"o\", qop=\"auth\"")]);
    assert!(matches!(lab.progress().last(), Some(ReferProgress::Failed { status: 407, .. })));
    assert!(lab.goes_on());
}

/// RFC 3515 2.4.6: each NOTIFY is about the REFER whose CSeq it names.
#[test]
fn a_notify_about_another_refer_is_481() {
    let mut lab = Lab::new();
    let first = lab.refer("300");
    lab.reply(&first, 603, &[]);
    let second = lab.refer("301");
    lab.reply(&second, 202, &[]);
    let id = |request: &Request| format!("refer;id={}", request.headers.cseq().unwrap().number);
    assert_eq!(lab.notify_about(&id(&first), "terminated", "200 OK"), [481]);
    assert_eq!(lab.notify_about(&id(&second), "terminated", "200 OK"), [200]);
    assert_eq!(lab.progress().last(), Some(&ReferProgress::Succeeded));
}

#[test]
fn notifies_that_cannot_be_read_are_refused_and_change_nothing() {
    let mut lab = Lab::new();
    let refer = lab.refer("300");
    lab.reply(&refer, 202, &[]);
    assert_eq!(lab.ask("NOTIFY", "Event: refer\r\n", "SIP/2.0 200 OK\r\n"), [400], "no Subscription-State");
    assert_eq!(lab.ask("NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", "HTTP/1.1 200 OK\r\n"), [400]);
    let other = "Event: refer\r\nSubscription-State: active\r\nContent-Type: text/plain\r\n";
    let text = String::from_utf8(lab.called.caller.request("NOTIFY", "other", other, "hello")).unwrap();
    let text = text.replace("Content-Type: application/sdp\r\n", "").replace("CSeq: 3", "CSeq: 4");
    lab.called.net.send(FAR.parse().unwrap(), "10.0.0.1:5060".parse().unwrap(), text.into_bytes());
    lab.called.net.settle();
    assert_eq!(lab.called.titles(), ["415 NOTIFY"]);
    assert_eq!(lab.progress(), [accepted()]);
}

// When it leaves, and whether it does.

fn hold(lab: &mut Lab) -> Request {
    lab.command(Command::Hold(lab.call));
    lab.request("INVITE")
}

fn confirm(lab: &mut Lab, hold: &Request) {
    let sdp = format!("{}a=recvonly\r\n", lab.called.caller.sdp(PCMU));
    let ok = with_sdp(at(answer(hold, 200, ""), FAR.parse().unwrap()), &sdp);
    lab.say(&ok);
}

/// The trap of architecture 4: who is sent away while still in conversation meets the new call with the old one's sound.
#[test]
fn refer_leaves_only_after_the_hold_is_confirmed() {
    let mut lab = Lab::new();
    let reinvite = hold(&mut lab);
    lab.refer_to("300");
    assert!(lab.called.titles().iter().all(|title| title == "INVITE"), "the hold is not confirmed");
    confirm(&mut lab, &reinvite);
    assert_eq!(lab.called.titles(), ["ACK", "REFER"]);
    assert_eq!(lab.called.net.nodes[0].hold(), Some((true, false)));
}

/// RFC 3261 14.1: a hold that meets their re-INVITE is said again later, and the REFER waits for that.
#[test]
fn refer_waits_for_a_hold_that_met_glare() {
    let mut lab = Lab::new();
    let reinvite = hold(&mut lab);
    lab.refer_to("300");
    lab.reply(&reinvite, 491, &[]);
    assert_eq!(lab.called.titles(), ["ACK"]);
    lab.seconds(5);
    let again = lab.request("INVITE");
    confirm(&mut lab, &again);
    assert_eq!(lab.called.titles(), ["ACK", "REFER"]);
}

#[test]
fn a_hold_that_is_refused_keeps_the_refer_here() {
    let mut lab = Lab::new();
    let reinvite = hold(&mut lab);
    lab.refer_to("300");
    lab.reply(&reinvite, 488, &[]);
    assert_eq!(lab.called.titles(), ["ACK"]);
    assert_eq!(lab.progress(), [failed(488, "the call cannot be held: 488 Not Acceptable Here")]);
    assert!(lab.goes_on() && lab.load().referrals == 0);
}

#[test]
fn a_call_that_ends_takes_a_waiting_refer_along() {
    let mut lab = Lab::new();
    hold(&mut lab);
    lab.refer_to("300");
    lab.command(Command::Hangup(lab.call));
    assert_eq!(lab.progress(), [failed(0, "the call has ended")]);
    assert!(!lab.called.titles().contains(&"REFER".to_owned()));
    assert_eq!(lab.load().referrals, 0);
}

/// Whose place the far end's call was to take is gone by the time that the hold is confirmed.
#[test]
fn a_refer_to_a_call_that_has_ended_meanwhile_does_not_leave() {
    let mut lab = Lab::new();
    let (other, invite) = consulted(&mut lab);
    let reinvite = hold(&mut lab);
    lab.command(Command::Refer { call: lab.call, target: ReferTarget::Call(other) });
    assert_eq!((lab.progress(), lab.called.titles()), (vec![], vec![]));
    let (ours, call_id) = (invite.headers.get("From").unwrap(), invite.headers.call_id().unwrap());
    let bye = format!(
        "BYE sip:200@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {FAR};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\n\
         From: <sip:300@10.0.0.9>;tag=c-tag\r\nTo: {ours}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
    );
    lab.called.net.send(FAR.parse().unwrap(), lab.called.net.nodes[0].ip, bye.into_bytes());
    lab.called.net.settle();
    assert_eq!(lab.called.titles(), ["200 BYE"]);
    confirm(&mut lab, &reinvite);
    assert_eq!(lab.called.titles(), ["ACK"]);
    assert_eq!(lab.progress(), [ReferProgress::Unasked { reason: "the other call is not up".into() }]);
    assert!(lab.goes_on() && lab.load().referrals == 0);
}

/// A second call, which the far end has answered with the tag `c-tag`; its INVITE.
fn consulted(lab: &mut Lab) -> (CallIdentity, Request) {
    let other = lab.called.net.dial(0, "300");
    lab.called.net.settle();
    let invite = lab.request("INVITE");
    let ok = with_sdp(at(answer(&invite, 200, "c-tag"), FAR.parse().unwrap()), &lab.called.caller.sdp(PCMU));
    lab.say(&ok);
    lab.called.titles();
    (other, invite)
}

#[test]
fn what_cannot_be_asked_is_not_sent() {
    let mut lab = Lab::new();
    let unasked = |lab: &Lab| matches!(lab.progress().last(), Some(ReferProgress::Unasked { .. }));
    // The far end itself, and this line: the call would meet itself.
    for target in ["sip:far@10.0.0.9", "200", "", "sip:@@"] {
        lab.refer_to(target);
        assert!(unasked(&lab) && lab.called.titles().is_empty(), "{target}");
    }
    let nobody = lab.called.net.fresh_call();
    for target in [lab.call, nobody] {
        lab.command(Command::Refer { call: lab.call, target: ReferTarget::Call(target) });
        assert!(unasked(&lab) && lab.called.titles().is_empty());
    }
    lab.command(Command::Refer { call: nobody, target: ReferTarget::Address("300".into()) });
    assert!(unasked(&lab) && lab.called.titles().is_empty());
    // One at a time in a call.
    lab.refer("300");
    lab.refer_to("301");
    assert!(unasked(&lab) && lab.called.titles().is_empty());
    assert_eq!(lab.load().referrals, 1);
}

/// RFC 3323: a call that hides whose it is does not tell it now.
#[test]
fn an_anonymous_call_refers_anonymously() {
    let mut given = direct("10.0.0.1", "200", FAR);
    given.lines[0].identity.anonymous = true;
    given.lines[0].identity.anonymous_user = AnonymousPart::Anonymous;
    let mut dialled = crate::dialing::Dialled::with(given);
    dialled.say_with_sdp(200, "f", 40000);
    dialled.titles();
    dialled.net.command(0, Command::Refer { call: dialled.call, target: ReferTarget::Address("300".into()) });
    dialled.net.settle();
    let got = dialled.got();
    let refer = requests(&got, "REFER")[0];
    assert!(!refer.headers.has("Referred-By"));
    let contact = refer.headers.contact().unwrap().first().unwrap().uri.user_decoded().unwrap().into_owned();
    assert_eq!(contact, "anonymous");
}

/// RFC 5589 7, RFC 3891 3: the other call's names as its far end has them.
#[test]
fn an_attended_refer_names_the_other_call_as_its_far_end_knows_it() {
    let mut lab = Lab::new();
    let ringing = lab.called.net.dial(0, "301");
    lab.called.net.settle();
    lab.called.titles();
    lab.command(Command::Refer { call: lab.call, target: ReferTarget::Call(ringing) });
    assert!(matches!(lab.progress().as_slice(), [ReferProgress::Unasked { .. }]), "it is not answered");
    let (other, invite) = consulted(&mut lab);
    lab.command(Command::Refer { call: lab.call, target: ReferTarget::Call(other) });
    let refer = lab.request("REFER");
    let text = refer.headers.get("Refer-To").unwrap();
    let refer_to: ReferTo = text.parse().unwrap();
    assert_eq!(refer_to.address.uri.as_str(), "sip:300@10.0.0.9");
    let replaces = refer_to.replaces.unwrap();
    let ours = invite.headers.from().unwrap();
    assert_eq!((replaces.call_id.as_str(), replaces.to_tag.as_str()), (invite.headers.call_id().unwrap(), "c-tag"));
    assert_eq!((Some(replaces.from_tag.as_str()), replaces.early_only), (ours.tag(), false));
    assert!(text.contains("%3Bto-tag%3Dc-tag"), "escaped: {text}");
    let told = |event: &Event| matches!(event, Event::Ended { .. }).then_some(());
    assert!(lab.called.net.nodes[0].events(told).is_empty());
}
