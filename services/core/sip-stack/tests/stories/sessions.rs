//! Session timers (RFC 4028; C19, B315, B316): what is agreed, who refreshes and by what, and the end of what nobody refreshes.

use std::time::Duration;

use sip_stack::{Command, EndedBy, Event, NamedRefresher, RefreshMethod, StackSettings};
use sip_wire::{Message, Request, Response};
use testbed::virtual_net::peer::{PCMU, answer, at, body, requests, response_with, with_sdp};
use testbed::virtual_net::{Faults, Net, seconds};

use crate::calls::talking;
use crate::dialing::Dialled;
use crate::effort::cases;
use crate::given::{ALWAYS, direct};
use crate::incoming::Called;

const SDP: &str = "v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";

fn with(mut settings: StackSettings, expires: u32, method: RefreshMethod) -> StackSettings {
    settings.lines[0].sessions.expires = expires;
    settings.lines[0].sessions.method = method;
    settings
}

fn dialled(expires: u32, method: RefreshMethod) -> Dialled {
    Dialled::with(with(direct("10.0.0.1", "100", "10.0.0.9:5060"), expires, method))
}

fn called(expires: u32) -> Called {
    Called::with(with(direct("10.0.0.1", "200", "10.0.0.9:5060"), expires, RefreshMethod::Reinvite))
}

/// 200 with SDP and these further lines.
fn accept(dialled: &mut Dialled, request: &Request, lines: &[(&str, &str)]) {
    let mut response = with_sdp(at(answer(request, 200, "f"), dialled.far), &format!("{SDP}{PCMU}"));
    add(&mut response, lines);
    dialled.send(response);
}

fn add(response: &mut Response, lines: &[(&str, &str)]) {
    for (name, value) in lines {
        response.headers.push(*name, *value);
    }
}

fn established(expires: u32, method: RefreshMethod, lines: &[(&str, &str)]) -> Dialled {
    let mut dialled = dialled(expires, method);
    let invite = dialled.invite.clone();
    accept(&mut dialled, &invite, lines);
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled
}

fn expires(message: &Message) -> Option<&str> {
    message.headers().get("Session-Expires")
}

/// The one request that came, repetitions aside.
fn only(got: &[Message], method: &str) -> Request {
    assert!(got.iter().all(|message| testbed::virtual_net::title(message) == method), "only {method}");
    let all = requests(got, method);
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "one {method}");
    all.first().map(|request| (*request).clone()).unwrap_or_else(|| panic!("no {method}"))
}

/// C19: 0 switches the extension off, both ways.
#[test]
fn without_session_time_nothing_is_said_and_nothing_required() {
    let invite = Dialled::new().invite;
    assert!(!invite.headers.has("Session-Expires"));
    assert_eq!(invite.headers.get("Supported"), Some(ALWAYS));
    let mut called = Called::new();
    let sdp = called.caller.sdp(PCMU);
    called.caller.send(&mut called.net, "INVITE", "r", "Require: timer\r\n", &sdp);
    assert_eq!(response_with(&called.got(), 420).unwrap().headers.get("Unsupported"), Some("timer"));
    called.caller.cseq += 1;
    called.caller.send(&mut called.net, "INVITE", "s", "Supported: timer\r\nSession-Expires: 10\r\n", &sdp);
    called.command(Command::Answer);
    let got = called.got();
    assert!(!response_with(&got, 200).unwrap().headers.has("Session-Expires"));
}

/// B315.
#[test]
fn the_invite_asks_for_the_interval_and_names_whom_the_setting_names() {
    for (named, value) in
        [(NamedRefresher::Nobody, "1800"), (NamedRefresher::Uas, "1800;refresher=uas"), (NamedRefresher::Uac, "1800;refresher=uac")]
    {
        let mut given = with(direct("10.0.0.1", "100", "10.0.0.9:5060"), 1800, RefreshMethod::Reinvite);
        given.lines[0].sessions.refresher = named;
        let invite = Dialled::with(given).invite;
        assert_eq!(invite.headers.get("Session-Expires"), Some(value));
        assert_eq!(invite.headers.get("Supported").unwrap(), format!("timer, {ALWAYS}"));
        assert!(!invite.headers.has("Min-SE"));
    }
}

/// RFC 4028 10: at half the interval, again and again; 7.4: with the same description, from the first time on.
#[test]
fn the_caller_refreshes_by_reinvite_at_half_the_interval() {
    let mut dialled = established(600, RefreshMethod::Reinvite, &[("Session-Expires", "600;refresher=uac"), ("Allow", "UPDATE")]);
    let said = body(&dialled.invite.body);
    for round in 0..3 {
        dialled.net.run_for(Duration::from_millis(299_800));
        assert!(dialled.titles().is_empty(), "round {round}");
        dialled.net.run_for(Duration::from_secs(1));
        let got = dialled.got();
        let refresh = only(&got, "INVITE");
        assert_eq!(refresh.headers.get("Session-Expires"), Some("600;refresher=uac"));
        assert_eq!(refresh.headers.get("Supported"), Some("timer"));
        assert_eq!(body(&refresh.body), said, "nothing has changed, the version neither");
        accept(&mut dialled, &refresh, &[("Session-Expires", "600;refresher=uac")]);
        assert_eq!(dialled.titles(), ["ACK"]);
    }
    assert!(dialled.net.nodes[0].events(|event| matches!(event, Event::HoldChanged { .. }).then_some(())).is_empty());
    assert_eq!(dialled.net.nodes[0].ended(), None);
}

/// A held call is refreshed as it is held.
#[test]
fn a_refresh_keeps_the_hold() {
    let mut dialled = established(600, RefreshMethod::Reinvite, &[("Session-Expires", "600;refresher=uac")]);
    dialled.net.command(0, Command::Hold(dialled.call));
    dialled.net.settle();
    let hold = only(&dialled.got(), "INVITE");
    assert_eq!(hold.headers.get("Session-Expires"), Some("600;refresher=uac"));
    accept(&mut dialled, &hold, &[("Session-Expires", "600;refresher=uac")]);
    dialled.titles();
    dialled.net.run_for(Duration::from_secs(300));
    let refresh = only(&dialled.got(), "INVITE");
    assert!(body(&refresh.body).contains("a=sendonly"));
    assert_eq!(body(&refresh.body), body(&hold.body));
    accept(&mut dialled, &refresh, &[("Session-Expires", "600;refresher=uac")]);
    assert_eq!(dialled.net.nodes[0].hold(), Some((true, false)));
}

/// RFC 4028 7.4: a description that was refused is none of the session's; RFC 3264 5: its version is not used again.
#[test]
fn a_refresh_after_a_refused_hold_says_what_is_in_effect() {
    let mut dialled = established(600, RefreshMethod::Reinvite, &[("Session-Expires", "600;refresher=uac")]);
    dialled.net.command(0, Command::Hold(dialled.call));
    dialled.net.settle();
    let hold = only(&dialled.got(), "INVITE");
    dialled.send(answer(&hold, 488, ""));
    dialled.titles();
    dialled.net.run_for(Duration::from_secs(301));
    let refresh = only(&dialled.got(), "INVITE");
    let parts = |request: &Request| -> (u64, String) {
        let text = body(&request.body);
        let (origin, rest) = text.split_once("s=").unwrap();
        (origin.split(' ').nth(2).unwrap().parse().unwrap(), rest.to_owned())
    };
    let ([first, last], held) = ([&dialled.invite, &refresh].map(parts), parts(&hold));
    assert_eq!(last.1, first.1);
    assert!(last.0 > held.0 && held.0 > first.0);
}

/// RFC 4028 7.2: the far end has the last word on the interval, and a 2xx without one ends the timer.
#[test]
fn the_answer_decides_interval_and_refresher() {
    let mut shorter = established(1800, RefreshMethod::Reinvite, &[("Session-Expires", "200;refresher=uac")]);
    shorter.net.run_for(Duration::from_secs(101));
    let refresh = only(&shorter.got(), "INVITE");
    assert_eq!(refresh.headers.get("Session-Expires"), Some("200;refresher=uac"));
    accept(&mut shorter, &refresh, &[]);
    shorter.titles();
    let mut none = established(1800, RefreshMethod::Reinvite, &[]);
    for dialled in [&mut shorter, &mut none] {
        dialled.net.run_for(Duration::from_secs(7000));
        assert!(dialled.titles().is_empty() && dialled.net.nodes[0].ended().is_none());
    }
}

/// B316: by the setting, or by what the far end's Allow names. RFC 4028 7.4: no offer in it.
#[test]
fn the_method_of_the_refresh_follows_the_setting() {
    use RefreshMethod::{Automatic, Reinvite, Update};
    for (method, allow, title) in [
        (Reinvite, "INVITE, UPDATE", "INVITE"),
        (Update, "INVITE", "UPDATE"),
        (Automatic, "INVITE, UPDATE", "UPDATE"),
        (Automatic, "INVITE", "INVITE"),
    ] {
        let mut dialled = established(100, method, &[("Session-Expires", "100;refresher=uac"), ("Allow", allow)]);
        for _ in 0..2 {
            dialled.net.run_for(Duration::from_secs(51));
            let refresh = only(&dialled.got(), title);
            assert_eq!(refresh.body.is_empty(), title == "UPDATE");
            assert_eq!(refresh.headers.get("Session-Expires"), Some("100;refresher=uac"));
            accept(&mut dialled, &refresh, &[("Session-Expires", "100;refresher=uac")]);
            dialled.titles();
        }
    }
}

/// An UPDATE that the far end does not serve: the re-INVITE goes at once, and no UPDATE any more.
#[test]
fn a_refused_update_is_followed_by_reinvites() {
    for status in [405, 501] {
        let mut dialled = established(100, RefreshMethod::Update, &[("Session-Expires", "100;refresher=uac")]);
        dialled.net.run_for(Duration::from_secs(51));
        let update = only(&dialled.got(), "UPDATE");
        dialled.send(answer(&update, status, ""));
        for _ in 0..2 {
            let refresh = only(&dialled.got(), "INVITE");
            accept(&mut dialled, &refresh, &[("Session-Expires", "100;refresher=uac"), ("Allow", "UPDATE")]);
            dialled.titles();
            dialled.net.run_for(Duration::from_secs(51));
        }
    }
}

/// RFC 4028 7.3: once more with the Min-SE of the 422, which is said from then on.
#[test]
fn a_422_is_answered_with_the_larger_interval() {
    let mut dialled = dialled(100, RefreshMethod::Update);
    let mut small = answer(&dialled.invite, 422, "p");
    add(&mut small, &[("Min-SE", "300")]);
    dialled.send(small);
    let again = requests(&dialled.got(), "INVITE")[0].clone();
    assert_eq!((again.headers.get("Session-Expires"), again.headers.get("Min-SE")), (Some("300"), Some("300")));
    assert_eq!(again.headers.call_id().unwrap(), dialled.invite.headers.call_id().unwrap());
    assert_eq!(again.headers.cseq().unwrap().number, dialled.invite.headers.cseq().unwrap().number + 1);
    accept(&mut dialled, &again, &[("Session-Expires", "300;refresher=uac")]);
    dialled.titles();
    dialled.net.run_for(Duration::from_secs(151));
    let update = only(&dialled.got(), "UPDATE");
    let mut small = answer(&update, 422, "");
    add(&mut small, &[("Min-SE", "400")]);
    dialled.send(small);
    let again = only(&dialled.got(), "UPDATE");
    assert_eq!((again.headers.get("Session-Expires"), again.headers.get("Min-SE")), (Some("400;refresher=uac"), Some("400")));
}

/// A 422 that asks for nothing more ends the call: there is no loop.
#[test]
fn a_422_that_asks_for_no_more_ends_the_call() {
    let mut dialled = dialled(300, RefreshMethod::Reinvite);
    let mut small = answer(&dialled.invite, 422, "p");
    add(&mut small, &[("Min-SE", "300")]);
    dialled.send(small);
    assert_eq!(dialled.net.nodes[0].ended().unwrap().0, 422);
    dialled.over();
}

/// RFC 4028 10: the other side has promised to refresh, and does not.
#[test]
fn a_session_that_the_far_end_does_not_refresh_ends_by_bye() {
    let mut dialled = established(600, RefreshMethod::Reinvite, &[("Session-Expires", "600;refresher=uas")]);
    dialled.net.run_for(Duration::from_secs(567));
    assert!(dialled.titles().is_empty());
    dialled.net.run_for(Duration::from_secs(1));
    let got = dialled.got();
    assert_eq!(requests(&got, "BYE").len(), 1);
    let ended = dialled.net.nodes[0].ended().unwrap();
    assert_eq!(ended, (408, "the session was not refreshed".into(), EndedBy::Network));
    dialled.reply_to(&got, "BYE", 200);
    dialled.over();
}

/// RFC 4028 7.4 and RFC 3261 14.1: 481, 408 and silence end it; by either method.
#[test]
fn a_refresh_that_finds_no_dialog_or_no_answer_ends_the_call() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        for status in [481, 408, 0] {
            let mut dialled = established(600, method, &[("Session-Expires", "600;refresher=uac")]);
            dialled.net.run_for(Duration::from_secs(301));
            let got = dialled.got();
            let refresh = match &got[0] {
                Message::Request(request) => request.clone(),
                Message::Response(_) => panic!("no refresh"),
            };
            match status {
                0 => dialled.net.run_for(Duration::from_secs(33)),
                status => dialled.send(answer(&refresh, status, "")),
            }
            assert_eq!(dialled.net.nodes[0].ended().map(|(_, _, by)| by), Some(EndedBy::Network), "{method:?} {status}");
            assert!(dialled.titles().contains(&"BYE".to_owned()));
            dialled.over();
        }
    }
}

/// Another refusal is no end: tried again, and only the end of the session ends it. Nobody is told of a failed hold.
#[test]
fn a_refresh_that_is_refused_is_tried_again() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        let mut dialled = established(100, method, &[("Session-Expires", "100;refresher=uac")]);
        dialled.net.run_for(Duration::from_millis(49_950));
        let mut tries = 0;
        for _ in 0..200 {
            let got = dialled.got();
            for message in &got {
                if let Message::Request(request) = message
                    && ["INVITE", "UPDATE"].contains(&request.method.as_str())
                {
                    tries += 1;
                    let refusal = answer(request, 503, "");
                    dialled.send(refusal);
                }
            }
            dialled.net.run_for(Duration::from_millis(300));
        }
        assert_eq!(tries, 5, "{method:?}: at 50, 60, 70, 80, 90 s");
        assert_eq!(dialled.net.nodes[0].ended().unwrap().1, "the session was not refreshed");
        assert!(dialled.net.nodes[0].events(|event| matches!(event, Event::HoldFailed { .. }).then_some(())).is_empty());
        dialled.over();
    }
}

/// RFC 3261 20.33: not before the time that the far end asks for; but one that is longer than the session would end it, so that it
/// is tried while there is one.
#[test]
fn a_refused_refresh_waits_as_long_as_it_is_asked_to() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        for (asked, waits) in [("60", 60), ("0", 10), ("86400", 200)] {
            let mut dialled = established(600, method, &[("Session-Expires", "600;refresher=uac")]);
            dialled.net.run_for(Duration::from_millis(300_100));
            let mut refusal = answer(&only(&dialled.got(), method_name(method)), 503, "");
            add(&mut refusal, &[("Retry-After", asked)]);
            dialled.send(refusal);
            dialled.got();
            dialled.net.run_for(Duration::from_millis(waits * 1000 - 300));
            assert!(dialled.titles().is_empty(), "{method:?} {asked}");
            dialled.net.run_for(Duration::from_millis(400));
            let again = only(&dialled.got(), method_name(method));
            let response = with_sdp(at(answer(&again, 200, ""), dialled.far), &format!("{SDP}{PCMU}"));
            dialled.send(response);
            assert_eq!(dialled.net.calls(0).len(), 1);
        }
    }
}

fn method_name(method: RefreshMethod) -> &'static str {
    if method == RefreshMethod::Update { "UPDATE" } else { "INVITE" }
}

/// A refresh that meets one of theirs waits and goes again.
#[test]
fn a_refresh_that_meets_491_goes_again_after_the_glare() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        let mut dialled = established(600, method, &[("Session-Expires", "600;refresher=uac")]);
        dialled.net.run_for(Duration::from_secs(301));
        let first = dialled.got();
        let Message::Request(refresh) = &first[0] else { panic!("no refresh") };
        dialled.send(answer(refresh, 491, ""));
        dialled.net.run_for(Duration::from_secs(4));
        let again = dialled.got();
        let name = refresh.method.as_str();
        assert!(!requests(&again, name).is_empty());
    }
}

#[test]
fn a_challenged_refresh_goes_again_with_credentials() {
    let mut dialled = established(600, RefreshMethod::Update, &[("Session-Expires", "600;refresher=uac")]);
    dialled.net.run_for(Duration::from_secs(301));
    let update = only(&dialled.got(), "UPDATE");
    let mut response = answer(&update, 407, "");
    response.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"");
    dialled.send(response);
    let again = only(&dialled.got(), "UPDATE");
    assert!(again.headers.has("Proxy-Authorization"));
    accept(&mut dialled, &again, &[("Session-Expires", "600;refresher=uac")]);
    dialled.net.run_for(Duration::from_secs(290));
    assert!(dialled.titles().is_empty());
}

/// Credentials that are refused are no end: the session is refreshed a little later, and nobody hears of it.
#[test]
fn a_refresh_whose_credentials_are_refused_is_tried_again() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        let mut dialled = established(600, method, &[("Session-Expires", "600;refresher=uac")]);
        let newest = |dialled: &mut Dialled| requests(&dialled.got(), method_name(method)).last().map(|request| (*request).clone());
        dialled.net.run_for(Duration::from_millis(300_100));
        for nonce in ["first", "second"] {
            let refresh = newest(&mut dialled).unwrap();
            assert_eq!(refresh.headers.has("Proxy-Authorization"), nonce == "second");
            let mut refusal = answer(&refresh, 407, "");
            add(&mut refusal, &[("Proxy-Authenticate", &format!("Digest realm=\"lab\", nonce=\"{nonce}\", qop=\"auth\""))]);
            dialled.send(refusal);
        }
        dialled.net.run_for(Duration::from_millis(9_500));
        assert_eq!((newest(&mut dialled), dialled.net.calls(0).len()), (None, 1));
        dialled.net.run_for(Duration::from_millis(500));
        let again = newest(&mut dialled).unwrap();
        accept(&mut dialled, &again, &[("Session-Expires", "600;refresher=uac")]);
        dialled.net.run_for(Duration::from_secs(290));
        assert!(newest(&mut dialled).is_none() && dialled.net.calls(0).len() == 1, "the interval begins anew");
        assert!(dialled.net.nodes[0].events(|event| matches!(event, Event::HoldFailed { .. }).then_some(())).is_empty());
    }
}

/// BYE inside a refresh of ours, and its late answer: nothing is left behind.
#[test]
fn hangup_inside_a_refresh_is_a_bye_and_leaves_nothing() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        for theirs in [false, true] {
            let mut dialled = established(600, method, &[("Session-Expires", "600;refresher=uac")]);
            dialled.net.run_for(Duration::from_secs(301));
            let first = dialled.got();
            let Message::Request(refresh) = &first[0] else { panic!("no refresh") };
            if theirs {
                let bye = bye_of_the_far_end(&dialled);
                dialled.net.send(dialled.far, dialled.net.nodes[0].ip, bye);
                dialled.net.settle();
                assert!(response_with(&dialled.got(), 200).is_some());
            } else {
                dialled.net.command(0, Command::Hangup(dialled.call));
                dialled.net.settle();
                let got = dialled.got();
                dialled.reply_to(&got, "BYE", 200);
            }
            accept(&mut dialled, refresh, &[("Session-Expires", "600;refresher=uac")]);
            let late: &[&str] = if method == RefreshMethod::Reinvite { &["ACK"] } else { &[] };
            assert_eq!(dialled.titles(), late);
            dialled.over();
        }
    }
}

fn bye_of_the_far_end(dialled: &Dialled) -> Vec<u8> {
    let headers = &dialled.invite.headers;
    format!(
        "BYE sip:100@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKfb\r\nMax-Forwards: 70\r\n\
         From: {};tag=f\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n",
        headers.get("To").unwrap(),
        headers.get("From").unwrap(),
        headers.get("Call-ID").unwrap()
    )
    .into_bytes()
}

// Theirs.

fn invited(called: &mut Called, lines: &str) -> Vec<Message> {
    let sdp = called.caller.sdp(PCMU);
    let branch = format!("s{}", called.caller.cseq);
    called.caller.send(&mut called.net, "INVITE", &branch, lines, &sdp);
    called.got()
}

fn answered(called: &mut Called, lines: &str) -> Response {
    invited(called, lines);
    called.command(Command::Answer);
    let got = called.got();
    called.caller.learn_tag(&got);
    called.caller.ack(&mut called.net, "");
    response_with(&got, 200).unwrap().clone()
}

/// RFC 4028 9.
#[test]
fn their_interval_is_answered_and_counted() {
    let mut called = called(1800);
    let ok = answered(&mut called, "Supported: timer\r\nSession-Expires: 600\r\n");
    assert_eq!((ok.headers.get("Session-Expires"), ok.headers.get("Require")), (Some("600;refresher=uac"), Some("timer")));
    called.net.run_for(Duration::from_secs(400));
    called.caller.cseq += 1;
    let got = invited(&mut called, "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    assert_eq!(response_with(&got, 200).unwrap().headers.get("Session-Expires"), Some("600;refresher=uac"));
    called.caller.ack(&mut called.net, "");
    called.net.run_for(Duration::from_secs(560));
    assert!(called.titles().is_empty() && called.net.nodes[0].ended().is_none(), "their refresh counts");
    called.net.run_for(Duration::from_secs(9));
    assert!(called.titles().contains(&"BYE".to_owned()));
}

/// RFC 4028 9: 422 with Min-SE, no ringing; in the dialog too.
#[test]
fn an_interval_that_is_too_small_is_422_with_min_se() {
    let mut called = called(1800);
    let got = invited(&mut called, "Supported: timer\r\nSession-Expires: 60\r\n");
    assert_eq!(response_with(&got, 422).unwrap().headers.get("Min-SE"), Some("90"));
    assert!(!called.net.nodes[0].has_incoming());
    called.caller.cseq += 1;
    answered(&mut called, "Supported: timer\r\nSession-Expires: 90\r\n");
    for method in ["INVITE", "UPDATE"] {
        called.caller.cseq += 1;
        let sdp = called.caller.sdp(PCMU);
        called.caller.send(&mut called.net, method, &format!("small{method}"), "Supported: timer\r\nSession-Expires: 20\r\n", &sdp);
        assert!(response_with(&called.got(), 422).is_some(), "{method}");
    }
    assert_eq!(called.net.calls(0).len(), 1);
}

/// RFC 4028 9, table 2: a caller that knows nothing of it is refreshed by us.
#[test]
fn a_caller_without_timer_is_refreshed_by_us() {
    let mut called = called(600);
    let ok = answered(&mut called, "");
    assert_eq!((ok.headers.get("Session-Expires"), ok.headers.has("Require")), (Some("600;refresher=uas"), false));
    for _ in 0..2 {
        called.net.run_for(Duration::from_millis(300_200));
        let refresh = requests(&called.got(), "INVITE")[0].clone();
        assert_eq!(refresh.headers.get("Session-Expires"), Some("600;refresher=uac"));
        assert_eq!(body(&refresh.body), body(&ok.body), "RFC 4028 7.4");
        let response = with_sdp(at(answer(&refresh, 200, ""), called.caller.address), &called.caller.sdp(PCMU));
        called.net.send(called.caller.address, called.net.nodes[0].ip, response.to_bytes());
        called.net.settle();
        assert_eq!(called.titles(), ["ACK"]);
    }
}

/// SIP_HOLD_HOLDRECEIVE_n=N: what only refreshes a held session is taken, by its description or without one, else the session's end
/// would end the call (RFC 4028 7.4, 10); what changes it is refused.
#[test]
fn a_held_call_that_takes_no_reinvite_takes_their_refresh() {
    let mut given = with(direct("10.0.0.1", "200", "10.0.0.9:5060"), 1800, RefreshMethod::Reinvite);
    given.lines[0].details.reinvite_while_held = false;
    let mut called = Called::with(given);
    let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    answered(&mut called, asks);
    called.command(Command::Hold);
    let hold = requests(&called.got(), "INVITE")[0].clone();
    let mut response = with_sdp(at(answer(&hold, 200, ""), called.caller.address), &called.caller.sdp(PCMU));
    add(&mut response, &[("Session-Expires", "600;refresher=uas")]);
    called.net.send(called.caller.address, called.net.nodes[0].ip, response.to_bytes());
    called.net.settle();
    for (media, status) in [(PCMU, 200), ("", 200), ("m=audio 42000 RTP/AVP 0\r\n", 488), (PCMU, 200)] {
        called.got();
        called.net.run_for(Duration::from_secs(400));
        called.caller.cseq += 1;
        let sdp = if media.is_empty() { String::new() } else { called.caller.sdp(media) };
        let branch = format!("r{}", called.caller.cseq);
        called.caller.send(&mut called.net, "INVITE", &branch, asks, &sdp);
        let got = called.got();
        assert!(response_with(&got, status).is_some(), "{media}");
        let ack = if media.is_empty() { called.caller.sdp(PCMU) } else { String::new() };
        called.caller.ack(&mut called.net, &ack);
        assert!(called.net.calls(0)[0].held_by_us);
        if status == 488 {
            // In time for the session.
            called.caller.cseq += 1;
            let sdp = called.caller.sdp(PCMU);
            called.caller.send(&mut called.net, "INVITE", "again", asks, &sdp);
            called.caller.ack(&mut called.net, "");
        }
    }
    assert_eq!(called.net.nodes[0].ended(), None);
}

// Two stacks.

fn pair(net: &mut Net, expires: [u32; 2], method: RefreshMethod) {
    net.stack(with(direct("10.0.0.1", "100", "10.0.0.2:5060"), expires[0], method));
    net.stack(with(direct("10.0.0.2", "200", "10.0.0.1:5060"), expires[1], method));
}

/// Two hours over a lossy net: the session stays, by each method and whoever asks for it.
#[test]
fn sessions_are_refreshed_for_hours_over_a_lossy_net() {
    for (seed, method) in [(1, RefreshMethod::Reinvite), (2, RefreshMethod::Update), (3, RefreshMethod::Automatic)] {
        for expires in [[600, 600], [600, 0], [0, 600], [60, 1800]] {
            let mut net = Net::with_faults(seed, Faults { loss: 20, twice: 10, delay: (1, 80) });
            pair(&mut net, expires, method);
            let (ours, _) = talking(&mut net);
            net.run_for(Duration::from_secs(7200));
            assert_eq!((net.calls(0).len(), net.calls(1).len()), (1, 1), "{method:?} {expires:?}\n{}", net.story());
            net.faults = testbed::virtual_net::PERFECT;
            net.command(0, Command::Hangup(ours));
            net.run_for(Duration::from_secs(120));
            net.assert_quiet();
        }
    }
}

/// One side is cut off: both calls end, neither lasts longer than its interval.
#[test]
fn a_call_whose_far_end_has_gone_ends_on_both_sides() {
    for method in [RefreshMethod::Reinvite, RefreshMethod::Update] {
        let mut net = Net::new();
        pair(&mut net, [600, 600], method);
        talking(&mut net);
        net.faults.loss = 100;
        let cut = net.now;
        net.run_until("both have ended", |net| net.nodes.iter().all(|node| node.ended().is_some()));
        assert!(net.now.since(cut) <= Duration::from_secs(600), "{}", seconds(net.now));
        net.run_for(Duration::from_secs(120));
        net.assert_quiet();
    }
}

/// The timer is in the snapshot: a restart in the middle of an interval changes nothing.
#[test]
fn a_restart_keeps_the_session_timer() {
    let mut net = Net::new();
    pair(&mut net, [600, 600], RefreshMethod::Reinvite);
    talking(&mut net);
    net.run_for(Duration::from_secs(200));
    net.restart(0);
    net.restart(1);
    let invites = |net: &Net| net.log.iter().filter(|sent| sent.title() == "INVITE").count();
    let before = invites(&net);
    net.run_for(Duration::from_secs(102));
    assert_eq!(invites(&net), before + 1);
    net.run_for(Duration::from_secs(3000));
    assert_eq!((net.calls(0).len(), net.calls(1).len()), (1, 1));
}

/// The header as both sides write it.
#[test]
fn both_sides_agree_who_refreshes() {
    let mut net = Net::new();
    pair(&mut net, [600, 300], RefreshMethod::Automatic);
    talking(&mut net);
    net.run_for(Duration::from_secs(1000));
    let said: Vec<String> = net
        .log
        .iter()
        .filter_map(|sent| {
            let message = sip_wire::parse_datagram(&sent.bytes).unwrap();
            Some(format!("{} {}", sent.title(), expires(&message)?))
        })
        .collect();
    let first = ["INVITE 600", "200 INVITE 300;refresher=uac"];
    let then = ["UPDATE 300;refresher=uac", "200 UPDATE 300;refresher=uac"];
    assert_eq!(said[..2], first);
    assert_eq!(said.len(), 2 + 2 * 6);
    assert!(said[2..].chunks(2).all(|pair| *pair == then), "{said:?}");
}

proptest::proptest! {
    #![proptest_config(cases(40))]

    /// Holds of both sides at any moment among the refreshes of a short interval: no call is lost, and both agree who holds.
    #[test]
    fn holds_and_refreshes_in_any_order_keep_the_call(
        seed in 1..u64::MAX,
        wishes in proptest::collection::vec((0..2_usize, 0..50_000_u64, proptest::bool::ANY), 1..20),
        method in 0..3_usize,
        restarts in proptest::bool::ANY,
    ) {
        let method = [RefreshMethod::Reinvite, RefreshMethod::Update, RefreshMethod::Automatic][method];
        let mut net = Net::with_faults(seed, Faults { loss: 8, twice: 10, delay: (1, 300) });
        pair(&mut net, [90, 90], method);
        let (ours, theirs) = talking(&mut net);
        for (node, wait, hold) in wishes {
            let call = [ours, theirs][node];
            net.command(node, if hold { Command::Hold(call) } else { Command::Resume(call) });
            net.run_for(Duration::from_millis(wait));
            if restarts {
                net.restart(node);
            }
        }
        net.faults = testbed::virtual_net::PERFECT;
        net.run_for(Duration::from_secs(100));
        let views = [net.calls(0), net.calls(1)];
        assert!(views.iter().all(|calls| calls.len() == 1), "{}", net.story());
        let [ours_view, theirs_view] = views.map(|mut calls| calls.remove(0));
        assert_eq!(ours_view.held_by_us, theirs_view.held_by_them, "{}", net.story());
        assert_eq!(theirs_view.held_by_us, ours_view.held_by_them, "{}", net.story());
        net.command(0, Command::Hangup(ours));
        net.run_for(Duration::from_secs(120));
        net.assert_quiet();
    }
}
