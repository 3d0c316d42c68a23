//! Digits and flash hooks as messages (B305, B309).

use std::time::Duration;

use sip_stack::{CallStage, Command, EndedBy, FlashHookForm, RelayedDigit};
use sip_wire::{Message, Request};
use testbed::virtual_net::peer::{answer, body, requests, response_with};

use crate::dialing::Dialled;
use crate::incoming::Called;

/// A call of ours that talks.
fn talking() -> Dialled {
    let mut dialled = Dialled::new();
    dialled.say_with_sdp(200, "f", 40_000);
    assert_eq!(dialled.titles(), ["ACK"]);
    dialled
}

fn key(dialled: &mut Dialled, digits: &str) {
    let digits = digits.chars().map(|digit| RelayedDigit { digit, duration_ms: 180 }).collect();
    dialled.net.command(0, Command::SendDigits(dialled.call, digits));
    dialled.net.settle();
}

fn flash(dialled: &mut Dialled, form: FlashHookForm) {
    dialled.net.command(0, Command::SendFlashHook { call: dialled.call, form, duration_ms: 180 });
    dialled.net.settle();
}

fn info(messages: &[Message]) -> Option<Request> {
    let infos = requests(messages, "INFO");
    assert!(infos.len() <= 1, "one at a time");
    infos.first().map(|info| (*info).clone())
}

/// Answers each INFO; the digits that they told.
fn told(dialled: &mut Dialled) -> String {
    let mut digits = String::new();
    while let Some(info) = info(&dialled.got()) {
        digits.push(body(&info.body).chars().nth("Signal=".len()).unwrap());
        dialled.send(answer(&info, 200, "f"));
    }
    digits
}

#[test]
fn a_digit_is_told_by_an_info_of_the_dialog() {
    let mut dialled = talking();
    key(&mut dialled, "5");
    let info = info(&dialled.got()).unwrap();
    assert_eq!(info.headers.get("Content-Type"), Some("application/dtmf-relay"));
    assert_eq!(body(&info.body), "Signal=5\r\nDuration=180\r\n");
    assert_eq!(info.headers.call_id().unwrap(), dialled.invite.headers.call_id().unwrap());
    assert_eq!(info.headers.to().unwrap().tag(), Some("f"));
    assert_eq!(info.headers.cseq().unwrap().number, 2);
}

/// B309, decision 32.
#[test]
fn a_flash_hook_is_told_as_a_digit_or_as_an_event() {
    for (form, content_type, said) in [
        (FlashHookForm::DtmfRelay, "application/dtmf-relay", "Signal=16\r\nDuration=180\r\n"),
        (FlashHookForm::BroadSoft, "application/broadsoft;version=1.0", "event flashhook\r\n"),
    ] {
        let mut dialled = talking();
        flash(&mut dialled, form);
        let info = info(&dialled.got()).unwrap();
        assert_eq!((info.headers.get("Content-Type"), body(&info.body).as_str()), (Some(content_type), said));
        assert_eq!((info.headers.to().unwrap().tag(), info.headers.cseq().unwrap().number), (Some("f"), 2));
        dialled.send(answer(&info, 200, "f"));
        assert!(dialled.titles().is_empty());
    }
}

/// A recall and the digits for whoever answers it stay in their order.
#[test]
fn a_flash_hook_waits_for_its_turn_among_the_digits() {
    let mut dialled = talking();
    key(&mut dialled, "1");
    flash(&mut dialled, FlashHookForm::BroadSoft);
    key(&mut dialled, "2");
    let bodies = std::iter::from_fn(|| {
        let info = info(&dialled.got())?;
        dialled.send(answer(&info, 200, "f"));
        Some(body(&info.body))
    });
    let bodies: Vec<String> = bodies.map(|body| body.lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(bodies, ["Signal=1", "event flashhook", "Signal=2"]);
}

#[test]
fn a_flash_hook_of_a_call_that_is_not_answered_goes_nowhere() {
    let mut dialled = Dialled::new();
    flash(&mut dialled, FlashHookForm::DtmfRelay);
    dialled.say_with_sdp(200, "f", 40_000);
    assert_eq!(dialled.titles(), ["ACK"]);
}

/// In their order, each after the answer to the one before; a lost one is repeated.
#[test]
fn digits_do_not_overtake_each_other() {
    let mut dialled = talking();
    key(&mut dialled, "12");
    key(&mut dialled, "#");
    let first = info(&dialled.got()).unwrap();
    dialled.net.run_for(Duration::from_millis(600));
    assert_eq!(info(&dialled.got()), Some(first.clone()), "again, and no other");
    dialled.send(answer(&first, 200, "f"));
    assert_eq!(told(&mut dialled), "2#");
}

#[test]
fn too_many_digits_are_dropped() {
    let mut dialled = talking();
    key(&mut dialled, &"9".repeat(500));
    assert_eq!(told(&mut dialled).len(), 64);
}

#[test]
fn digits_of_a_call_that_is_not_answered_go_nowhere() {
    let mut dialled = Dialled::new();
    key(&mut dialled, "5");
    dialled.say_with_sdp(200, "f", 40_000);
    assert_eq!(dialled.titles(), ["ACK"]);
}

/// A far end that does not understand it: the call goes on, the digits that wait are of no use.
#[test]
fn a_refused_digit_takes_those_behind_it_along() {
    let mut dialled = talking();
    key(&mut dialled, "123");
    let refused = info(&dialled.got()).unwrap();
    dialled.send(answer(&refused, 415, "f"));
    assert!(dialled.titles().is_empty());
    assert_eq!(dialled.net.calls(0)[0].stage, CallStage::Talking);
    key(&mut dialled, "4");
    assert_eq!(told(&mut dialled), "4", "the next one is tried");
}

#[test]
fn a_challenged_digit_is_told_once_more_with_credentials() {
    let mut dialled = talking();
    key(&mut dialled, "12");
    let mut challenge = answer(&info(&dialled.got()).unwrap(), 407, "f");
    challenge.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n1\"");
    dialled.send(challenge.clone());
    let again = info(&dialled.got()).unwrap();
    assert!(again.headers.has("Proxy-Authorization") && body(&again.body).starts_with("Signal=1"));
    let mut refused = answer(&again, 407, "f");
    refused.headers.push("Proxy-Authenticate", "Digest realm=\"lab\", nonce=\"n2\"");
    dialled.send(refused);
    assert!(dialled.titles().is_empty(), "the password is wrong: that is the end of these digits");
    assert_eq!(dialled.net.calls(0)[0].stage, CallStage::Talking);
}

/// RFC 5057 5.1.
#[test]
fn a_far_end_that_does_not_know_the_call_ends_it() {
    let mut dialled = talking();
    key(&mut dialled, "1");
    let info = info(&dialled.got()).unwrap();
    dialled.send(answer(&info, 481, "f"));
    assert_eq!(dialled.titles(), ["BYE"]);
    let (code, _, by) = dialled.net.nodes[0].ended().unwrap();
    assert_eq!((code, by), (481, EndedBy::Network));
}

#[test]
fn digits_and_hold_do_not_disturb_each_other() {
    let mut dialled = talking();
    key(&mut dialled, "1");
    dialled.net.command(0, Command::Hold(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    let (info, hold) = (info(&got).unwrap(), requests(&got, "INVITE")[0].clone());
    assert_eq!((info.headers.cseq().unwrap().number, hold.headers.cseq().unwrap().number), (2, 3));
    dialled.send(answer(&info, 200, "f"));
    dialled.invite = hold;
    dialled.say_with_sdp(200, "f", 40_000);
    assert!(dialled.net.calls(0)[0].held_by_us);
}

#[test]
fn a_call_that_ends_takes_its_digits_along() {
    let mut dialled = talking();
    key(&mut dialled, "123");
    dialled.net.command(0, Command::Hangup(dialled.call));
    dialled.net.settle();
    let got = dialled.got();
    assert_eq!(requests(&got, "INFO").len(), 1);
    dialled.reply_to(&got, "INFO", 200);
    dialled.reply_to(&got, "BYE", 200);
    assert!(dialled.titles().is_empty());
    dialled.over();
}

/// B305: theirs are heard; what else has a body is refused with what would be understood.
#[test]
fn digits_of_theirs_are_answered() {
    let mut called = Called::talking();
    for (kind, code) in
        [("application/dtmf-relay", 200), ("Application/DTMF-Relay;v=1", 200), ("application/media_control+xml", 415)]
    {
        called.caller.cseq += 1;
        let branch = format!("d{}", called.caller.cseq);
        let text = String::from_utf8(called.caller.request("INFO", &branch, "", "Signal=5\r\nDuration=160\r\n")).unwrap();
        let bytes = text.replace("application/sdp", kind).into_bytes();
        called.net.send(called.caller.address, called.caller.target, bytes);
        called.net.settle();
        let got = called.got();
        let response = response_with(&got, code).unwrap_or_else(|| panic!("{kind}"));
        assert_eq!(response.headers.get("Accept"), (code == 415).then_some("application/dtmf-relay"));
    }
}
