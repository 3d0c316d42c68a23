//! From the lifted handset to the INVITE.

use std::time::Duration;

use sip_stack::{Command, EndedBy, Event, LineState, Party};
use telephone::{CallState, DisconnectionTone, Refusal, Request};
use testbed::desk::{Desk, factory, line, registered};

#[test]
fn lifting_gives_dial_tone_until_the_first_digit() {
    let mut desk = Desk::new(factory());
    desk.lift();
    assert_eq!((desk.tone(), desk.lamp("line-1")), (Some("dial"), "on"));
    assert_eq!(desk.sound.tone.as_ref().unwrap().sound.frequencies, [350, 440]);
    desk.key("1");
    assert_eq!((desk.tone(), desk.pending_digits.as_str()), (None, "1"));
    desk.put_down();
    assert_eq!(desk.commands(), []);
    assert_eq!((desk.pending_digits.as_str(), desk.lamp("line-1")), ("", "off"));
}

/// B193.
#[test]
fn the_number_is_dialed_after_the_inter_digit_time() {
    let mut desk = Desk::new(factory());
    desk.lift();
    desk.keys(&["1", "0"]);
    desk.pass(Duration::from_millis(4999));
    desk.key("0");
    desk.pass(Duration::from_millis(4999));
    assert_eq!(desk.commands(), []);
    desk.pass(Duration::from_millis(1));
    let (call, on, target) = desk.dialed();
    assert_eq!((on, target.as_str()), (line(1), "100"));
    assert_eq!((desk.view(call).state, desk.view(call).remote.number.as_str()), (CallState::Dialing, "100"));
    assert_eq!((desk.pending_digits.as_str(), desk.calls_up), ("", 1));
}

/// B194, C27.
#[test]
fn pound_ends_dialing_but_not_as_the_first_digit() {
    let mut desk = Desk::new(factory());
    desk.lift();
    desk.keys(&["pound", "1", "star", "pound"]);
    assert_eq!(desk.dialed().2, "#1*");
}

/// B194.
#[test]
fn pound_is_a_digit_when_it_is_no_delimiter() {
    let mut desk = Desk::new(telephone::TelephoneSettings { pound_ends_dialing: false, ..factory() });
    desk.lift();
    desk.keys(&["1", "pound"]);
    assert_eq!(desk.pending_digits, "1#");
    desk.key("enter");
    assert_eq!(desk.dialed().2, "1#");
}

/// B192.
#[test]
fn no_first_digit_in_time_ends_in_busy_tone() {
    let mut desk = Desk::new(factory());
    desk.lift();
    desk.seconds(29);
    assert_eq!(desk.tone(), Some("dial"));
    desk.seconds(1);
    assert_eq!(desk.tone(), Some("busy"));
    desk.seconds(3600);
    desk.key("1");
    assert_eq!(desk.tone(), Some("busy"));
    desk.put_down();
    assert_eq!(desk.tone(), None);
}

/// B206.
#[test]
fn digits_keyed_first_are_dialed_when_the_handset_is_lifted() {
    let mut desk = Desk::new(factory());
    desk.keys(&["1", "0", "1"]);
    desk.seconds(60);
    assert_eq!((desk.commands(), desk.pending_digits.as_str()), (vec![], ""));
    desk.lift();
    assert_eq!(desk.dialed().2, "101");
    desk.put_down();
    desk.lift();
    assert_eq!(desk.tone(), Some("dial"), "the digits were dialed once");
}

#[test]
fn cancel_clears_keyed_digits() {
    let mut desk = Desk::new(factory());
    desk.keys(&["1", "cancel"]);
    desk.lift();
    desk.keys(&["2", "cancel"]);
    assert_eq!((desk.tone(), desk.pending_digits.as_str()), (Some("dial"), ""));
}

#[test]
fn the_default_line_is_used_when_it_is_registered_and_else_the_first() {
    let mut desk = Desk::new(telephone::TelephoneSettings { default_line: line(3), ..factory() });
    desk.sip(Event::Line(line(2), registered()));
    assert!(desk.request(Request::Dial { line: None, target: "1".into() }).is_ok());
    assert_eq!(desk.dialed().1, line(1));
    let mut desk = Desk::new(telephone::TelephoneSettings { default_line: line(3), ..factory() });
    desk.sip(Event::Line(line(3), registered()));
    desk.lift();
    desk.keys(&["1", "enter"]);
    assert_eq!(desk.dialed().1, line(3));
}

#[test]
fn a_line_key_chooses_the_line() {
    let mut desk = Desk::new(factory());
    desk.sip(Event::Line(line(2), registered()));
    desk.lift();
    desk.keys(&["4", "line-2"]);
    assert_eq!((desk.pending_digits.as_str(), desk.lamp("line-1"), desk.lamp("line-2")), ("4", "off", "on"));
    desk.key("enter");
    assert_eq!(desk.dialed().1, line(2));
}

/// B292, B293: without a line there is nothing to dial on.
#[test]
fn without_a_registered_line_there_is_no_dial_tone() {
    let mut desk = Desk::new(factory());
    desk.sip(Event::Line(line(1), LineState::Failed { reason: "403 Forbidden".into() }));
    desk.lift();
    assert_eq!(desk.tone(), Some("reorder"));
    desk.seconds(10);
    assert_eq!(desk.tone(), None);
    let refused = desk.request(Request::Dial { line: Some(line(1)), target: "100".into() });
    assert_eq!(refused, Err(Refusal::LineUnavailable("line 1 is not registered: 403 Forbidden".into())));
    let refused = desk.request(Request::Dial { line: None, target: "100".into() });
    assert_eq!(refused, Err(Refusal::LineUnavailable("no line is registered".into())));
}

#[test]
fn what_is_no_number_is_not_dialed() {
    let mut desk = Desk::new(factory());
    for wrong in ["", "1 2", "<sip:a@b>", "a\"b", &"1".repeat(256), "1\r\n2"] {
        let refused = desk.request(Request::Dial { line: None, target: wrong.into() });
        assert!(matches!(refused, Err(Refusal::InvalidArgument(_))), "{wrong:?}");
    }
    assert_eq!(desk.commands(), []);
}

#[test]
fn the_tone_of_the_far_end_is_played_here_unless_it_sends_it() {
    let mut desk = Desk::new(factory());
    desk.lift();
    desk.keys(&["1", "enter"]);
    let call = desk.dialed().0;
    assert_eq!((desk.tone(), desk.sound.heard), (None, None));
    desk.sip(Event::Ringback { call, early_media: false });
    assert_eq!((desk.tone(), desk.sound.heard, desk.view(call).state), (Some("ringback"), None, CallState::Ringback));
    desk.sip(Event::Ringback { call, early_media: true });
    assert_eq!((desk.tone(), desk.sound.heard), (None, Some(call)));
    desk.established(call);
    assert_eq!((desk.tone(), desk.sound.heard, desk.view(call).state), (None, Some(call), CallState::Talking));
}

/// RFC 3325: the line's server says whom the call has reached, before the answer and in the call.
#[test]
fn a_call_shows_whom_it_has_reached() {
    let mut desk = Desk::new(factory());
    desk.lift();
    desk.keys(&["1", "enter"]);
    let call = desk.dialed().0;
    let party = |number: &str| Party { number: number.into(), name: "Ada".into(), uri: format!("sip:{number}@example.com") };
    desk.sip(Event::Reached { call, remote: party("4711") });
    assert_eq!((desk.view(call).remote.clone(), desk.view(call).state), (party("4711"), CallState::Dialing));
    desk.established(call);
    desk.sip(Event::Reached { call, remote: party("4712") });
    assert_eq!((desk.view(call).remote.clone(), desk.view(call).state), (party("4712"), CallState::Talking));
}

/// B292: the tone of a call that cannot be made; a busy far end always sounds busy.
#[test]
fn a_failed_call_ends_in_the_tone_of_the_disconnection_mode() {
    for (mode, code, tone) in [
        (DisconnectionTone::Reorder, 404, "reorder"),
        (DisconnectionTone::Busy, 404, "busy"),
        (DisconnectionTone::Reorder, 486, "busy"),
        (DisconnectionTone::Reorder, 600, "busy"),
    ] {
        let mut desk = Desk::new(telephone::TelephoneSettings { disconnection_tone: mode, ..factory() });
        desk.lift();
        desk.keys(&["1", "enter"]);
        let call = desk.dialed().0;
        desk.ended(call, code, EndedBy::Remote);
        assert_eq!(desk.tone(), Some(tone), "{code}");
        assert_eq!(desk.view(call).end.as_ref().unwrap().code, code);
    }
}

#[test]
fn putting_the_handset_down_ends_a_call_that_is_being_set_up() {
    let mut desk = Desk::new(factory());
    desk.lift();
    desk.keys(&["1", "enter"]);
    let call = desk.dialed().0;
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
    desk.ended(call, 487, EndedBy::Local);
    assert_eq!(desk.tone(), None);
}

#[test]
fn a_call_from_the_bus_is_hands_free_while_the_handset_lies() {
    let mut desk = Desk::new(factory());
    let call = desk.request(Request::Dial { line: None, target: "sip:100@example.com".into() }).unwrap().unwrap();
    assert_eq!(desk.dialed(), (call, line(1), "sip:100@example.com".into()));
    assert_eq!((desk.sound.near, desk.lamp("speaker")), (telephone::Near::Speaker, "on"));
    desk.established(call);
    desk.lift();
    assert_eq!((desk.sound.near, desk.lamp("speaker"), desk.commands()), (telephone::Near::Handset, "off", vec![]));
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
}

#[test]
fn redial_calls_the_last_number_again() {
    let mut desk = Desk::new(factory());
    desk.key("redial");
    assert_eq!(desk.commands(), []);
    let call = desk.request(Request::Dial { line: None, target: "100".into() }).unwrap().unwrap();
    desk.request(Request::Hangup(call)).unwrap();
    desk.ended(call, 487, EndedBy::Local);
    desk.commands();
    desk.key("redial");
    assert_eq!(desk.dialed().2, "100");
}

#[test]
fn there_is_an_end_to_calls_at_the_same_time() {
    let mut desk = Desk::new(factory());
    for _ in 0..telephone::CALLS_MAX {
        let call = desk.request(Request::Dial { line: None, target: "100".into() }).unwrap().unwrap();
        desk.established(call);
        desk.hold_changed(call, true, false);
    }
    let refused = desk.request(Request::Dial { line: None, target: "100".into() });
    assert!(matches!(refused, Err(Refusal::Busy(_))));
    let call = desk.invite(1);
    assert!(desk.commands().contains(&Command::Reject(call, 486)));
}
