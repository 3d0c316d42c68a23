//! Calling the voice mail number: the message key, and the bus (VM_NUMBER_n).
#![allow(clippy::unwrap_used, missing_docs)]

use sip_stack::{Command, EndedBy, Event, LineState, SubscriptionKey};
use telephone::{DialPlan, Near, Refusal, Request, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

/// The lines 1 to 3 have the numbers 1001 to 1003.
fn settings() -> TelephoneSettings {
    let mut settings = TelephoneSettings { voice_mail: true, ..factory() };
    for (number, line) in settings.mailbox_numbers.iter_mut().zip(1..=3) {
        *number = format!("100{line}");
    }
    settings
}

/// With the lines 1 to 3 registered.
fn phone(settings: TelephoneSettings) -> Desk {
    let mut desk = Desk::new(settings);
    desk.sip(Event::Line(line(2), registered()));
    desk.sip(Event::Line(line(3), registered()));
    desk.commands();
    desk
}

fn leave_a_message(desk: &mut Desk, number: u32) {
    let key = SubscriptionKey { line: line(number), event: "message-summary".into(), resource: String::new() };
    let body = b"Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n".to_vec();
    desk.sip(Event::Notified { key, content_type: "application/simple-message-summary".into(), body });
}

fn called(desk: &mut Desk) -> (u32, String) {
    let (_, on, number) = desk.dialed();
    (on.number().into(), number)
}

#[test]
fn the_message_key_calls_the_mailbox_with_messages_and_else_that_of_the_default_line() {
    let mut desk = phone(settings());
    desk.key("message");
    assert_eq!(called(&mut desk), (1, "1001".into()));
    for (waiting, expected) in [(&[3][..], 3), (&[3, 2], 2), (&[3, 2, 1], 1)] {
        let mut desk = phone(settings());
        waiting.iter().for_each(|number| leave_a_message(&mut desk, *number));
        desk.key("message");
        assert_eq!(called(&mut desk), (expected, format!("100{expected}")));
    }
    let mut desk = phone(TelephoneSettings { default_line: line(3), ..settings() });
    leave_a_message(&mut desk, 2);
    leave_a_message(&mut desk, 3);
    desk.key("message");
    assert_eq!(called(&mut desk), (3, "1003".into()), "the default line goes before the others");
}

#[test]
fn the_message_key_opens_hands_free_or_uses_what_is_in_hand() {
    let mut desk = phone(settings());
    desk.key("message");
    assert_eq!((desk.sound.near, desk.lamp("speaker")), (Near::Speaker, "on"));
    let mut desk = phone(settings());
    desk.lift();
    desk.keys(&["5", "message"]);
    assert_eq!((called(&mut desk).0, desk.sound.near, desk.lamp("speaker")), (1, Near::Handset, "off"));
    let mut desk = phone(settings());
    desk.keys(&["headset", "message"]);
    assert_eq!((called(&mut desk).0, desk.sound.near), (1, Near::Headset));
}

/// On-hook and in the hand: nothing is called, and the failure tone says so.
#[test]
fn without_a_number_or_a_line_the_failure_tone_is_heard() {
    let no_number = TelephoneSettings { mailbox_numbers: Default::default(), ..settings() };
    let mut not_registered = phone(settings());
    not_registered.sip(Event::Line(line(1), LineState::Failed { reason: "403".into() }));
    for mut desk in [phone(no_number.clone()), not_registered] {
        desk.commands();
        desk.key("message");
        assert_eq!((desk.commands(), desk.tone(), desk.sound.near), (vec![], Some("reorder"), Near::Speaker));
        desk.seconds(3);
        assert_eq!((desk.tone(), desk.lamp("speaker")), (None, "off"));
    }
    let mut desk = phone(no_number);
    desk.lift();
    desk.key("message");
    assert_eq!((desk.commands(), desk.tone(), desk.sound.near), (vec![], Some("reorder"), Near::Handset));
}

#[test]
fn a_conversation_is_not_left_for_the_mailbox() {
    let mut desk = phone(settings());
    let call = desk.talking(2);
    desk.key("message");
    assert_eq!((desk.commands(), desk.sound.heard), (vec![], Some(call)));
}

/// The dial plan is for what people dial; redial is for what they dialed last.
#[test]
fn the_dial_plan_does_not_apply_and_redial_remembers_something_else() {
    let mut settings = settings();
    settings.dial_plans[0] = DialPlan::parse("<1001:9>|7", true).unwrap();
    let mut desk = phone(settings);
    let dial = Request::Dial { line: None, target: "7".into() };
    for request in [dial, Request::CallMailbox { line: None }] {
        let call = desk.request(request).unwrap().unwrap();
        desk.request(Request::Hangup(call)).unwrap();
        desk.ended(call, 487, EndedBy::Local);
    }
    let numbers: Vec<String> = desk
        .commands()
        .into_iter()
        .filter_map(|command| match command {
            Command::Dial { target, .. } => Some(target),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, ["7", "1001"]);
    desk.key("redial");
    assert_eq!(called(&mut desk), (1, "7".into()));
}

#[test]
fn the_bus_calls_the_mailbox_of_a_line_or_leaves_it_to_the_phone() {
    let mut desk = phone(settings());
    leave_a_message(&mut desk, 3);
    for (asked, expected) in [(None, 3), (Some(line(2)), 2)] {
        let call = desk.request(Request::CallMailbox { line: asked }).unwrap().unwrap();
        assert_eq!(called(&mut desk), (expected, format!("100{expected}")));
        desk.ended(call, 404, EndedBy::Remote);
    }
    let refused = |desk: &mut Desk, number| desk.request(Request::CallMailbox { line: Some(line(number)) }).unwrap_err();
    assert_eq!(refused(&mut desk, 4), Refusal::WrongState("line 4 has no voice mail number (VM_NUMBER_4)".into()));
    desk.sip(Event::Line(line(2), LineState::Disabled));
    assert_eq!(refused(&mut desk, 2), Refusal::LineUnavailable("line 2 is disabled".into()));
}

/// As for every call from the bus.
#[test]
fn the_bus_holds_the_conversation_for_the_mailbox() {
    let mut desk = phone(settings());
    let call = desk.talking(2);
    desk.request(Request::CallMailbox { line: None }).unwrap();
    assert!(
        matches!(desk.commands().as_slice(), [Command::Hold(held), Command::Dial { target, .. }] if *held == call && target == "1001")
    );
}
