//! Calls that come in.

use std::time::Duration;

use sip_stack::{Command, EndedBy, Event};
use telephone::{CallState, Near, Refusal, Request, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

#[test]
fn an_incoming_call_rings_and_is_answered_by_lifting() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(call)]);
    assert!(desk.sound.ring);
    assert_eq!((desk.lamp("ringer"), desk.lamp("line-1")), ("flash-fast", "flash-fast"));
    let view = desk.view(call).clone();
    assert_eq!((view.state, view.remote.name.as_str(), view.sip_call_id.as_str()), (CallState::Incoming, "Ada", "abc@example.com"));
    desk.lift();
    assert_eq!(desk.commands(), [Command::Answer(call)]);
    assert!(!desk.sound.ring);
    desk.established(call);
    assert_eq!((desk.sound.heard, desk.sound.near, desk.lamp("line-1")), (Some(call), Near::Handset, "on"));
    assert_eq!(desk.view(call).answered_at, Some(desk.now));
    desk.put_down();
    assert_eq!((desk.commands(), desk.sound.heard), (vec![Command::Hangup(call)], None));
}

#[test]
fn answer_over_the_bus_is_hands_free_and_only_once() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    desk.commands();
    desk.request(Request::Answer(call)).unwrap();
    assert_eq!((desk.commands(), desk.sound.near), (vec![Command::Answer(call)], Near::Speaker));
    assert!(matches!(desk.request(Request::Answer(call)), Err(Refusal::WrongState(_))));
    desk.established(call);
    desk.key("speaker");
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
}

/// B191.
#[test]
fn a_rejected_call_is_answered_with_the_configured_status() {
    let mut desk = Desk::new(TelephoneSettings { reject_status: 480, ..factory() });
    let call = desk.invite(1);
    desk.request(Request::Reject(call)).unwrap();
    assert_eq!(desk.commands(), [Command::Ring(call), Command::Reject(call, 480)]);
    assert!(!desk.sound.ring);
    desk.lift();
    assert_eq!(desk.tone(), Some("dial"), "a rejected call is not answered by lifting");
    desk.put_down();
    let call = desk.invite(1);
    desk.key("cancel");
    assert_eq!(desk.commands(), [Command::Ring(call), Command::Reject(call, 480)]);
}

#[test]
fn one_call_waits_during_a_call_and_the_next_one_is_busy() {
    let mut desk = Desk::new(factory());
    let talking = desk.talking(1);
    let waiting = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(waiting)]);
    assert!(!desk.sound.ring, "the ringer is quiet while somebody talks");
    assert_eq!(desk.lamp("ringer"), "flash-fast");
    let third = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Reject(third, 486)]);
    desk.ended(third, 486, EndedBy::Local);
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(talking)]);
    desk.ended(talking, 0, EndedBy::Local);
    assert!(desk.sound.ring, "the waiting call rings when the other is over");
}

#[test]
fn of_three_calls_at_once_the_third_is_busy() {
    let mut desk = Desk::new(factory());
    let calls = [desk.invite(1), desk.invite(1), desk.invite(1)];
    assert_eq!(desk.commands(), [Command::Ring(calls[0]), Command::Ring(calls[1]), Command::Reject(calls[2], 486)]);
    desk.lift();
    assert_eq!(desk.commands(), [Command::Answer(calls[0])]);
}

#[test]
fn answering_a_waiting_call_over_the_bus_holds_the_other() {
    let mut desk = Desk::new(factory());
    let first = desk.talking(1);
    let second = desk.invite(1);
    desk.commands();
    desk.request(Request::Answer(second)).unwrap();
    assert_eq!(desk.commands(), [Command::Hold(first), Command::Answer(second)]);
    desk.hold_changed(first, true, false);
    desk.established(second);
    assert_eq!(desk.sound.heard, Some(second));
    desk.request(Request::Resume(first)).unwrap();
    assert_eq!(desk.commands(), [Command::Hold(second), Command::Resume(first)]);
}

/// B289.
#[test]
fn a_line_key_in_a_conversation_ends_or_holds_it() {
    for (auto_call_hold, left) in [(false, Command::Hangup as fn(_) -> _), (true, Command::Hold)] {
        let mut desk = Desk::new(TelephoneSettings { auto_call_hold, ..factory() });
        desk.sip(Event::Line(line(2), registered()));
        let first = desk.talking(1);
        let second = desk.invite(2);
        desk.commands();
        desk.key("line-2");
        assert_eq!(desk.commands(), [left(first), Command::Answer(second)]);
    }
}

/// B296: nought seconds means at once; the 180 still goes first.
#[test]
fn auto_answer_without_ringing_time_answers_at_once() {
    let settings = TelephoneSettings { auto_answer: true, auto_answer_ring: Duration::ZERO, ..factory() };
    let mut desk = Desk::new(settings);
    let call = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(call), Command::Answer(call)]);
    assert_eq!((desk.sound.ring, desk.sound.near), (false, Near::Speaker));
}

/// B296.
#[test]
fn auto_answer_rings_first() {
    let mut desk = Desk::new(TelephoneSettings { auto_answer: true, ..factory() });
    let call = desk.invite(1);
    desk.seconds(4);
    assert!(desk.sound.ring);
    assert_eq!(desk.commands(), [Command::Ring(call)]);
    desk.seconds(1);
    assert_eq!(desk.commands(), [Command::Answer(call)]);
}

/// B296: nobody is torn out of a call, or of dialing.
#[test]
fn auto_answer_leaves_a_person_alone() {
    let mut desk = Desk::new(TelephoneSettings { auto_answer: true, ..factory() });
    desk.invite(1);
    desk.lift();
    let waiting = desk.invite(1);
    desk.commands();
    desk.seconds(60);
    assert_eq!((desk.commands(), desk.view(waiting).state), (vec![], CallState::Incoming));
    let mut desk = Desk::new(TelephoneSettings { auto_answer: true, ..factory() });
    let call = desk.invite(1);
    desk.key("speaker");
    assert_eq!(desk.commands(), [Command::Ring(call), Command::Answer(call)]);
    desk.seconds(60);
    assert_eq!(desk.commands(), []);
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    desk.ended(call, 487, EndedBy::Remote);
    assert_eq!((desk.sound.ring, desk.tone(), desk.lamp("line-1")), (false, None, "off"));
    assert_eq!((desk.calls_up, desk.view(call).state), (0, CallState::Ended));
}

#[test]
fn an_ended_call_is_shown_five_seconds_longer() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    desk.ended(call, 487, EndedBy::Remote);
    let ended = desk.now;
    desk.pass(Duration::from_millis(4999));
    assert_eq!(desk.view(call).ended_at, Some(ended));
    assert!(matches!(desk.request(Request::Hangup(call)), Err(Refusal::WrongState(_))));
    desk.pass(Duration::from_millis(1));
    assert!(desk.calls.is_empty());
    assert_eq!(desk.request(Request::Hangup(call)), Err(Refusal::NoSuchCall(call)));
}

#[test]
fn a_flood_of_calls_does_not_fill_the_memory() {
    let mut desk = Desk::new(factory());
    for _ in 0..1000 {
        let call = desk.invite(1);
        desk.ended(call, 487, EndedBy::Remote);
    }
    assert!(desk.calls.len() <= 17, "{}", desk.calls.len());
}

/// B198, Click to Answer: whoever sits there hears and is heard, as if it had been answered over the bus.
#[test]
fn a_server_answers_a_call_that_rings() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    desk.commands();
    desk.sip(Event::TalkRequested { call });
    assert_eq!((desk.commands(), desk.sound.ring), (vec![Command::Answer(call)], false));
    desk.established(call);
    assert_eq!((desk.sound.heard, desk.sound.near, desk.lamp("speaker")), (Some(call), Near::Speaker, "on"));
    desk.sip(Event::TalkRequested { call });
    assert!(desk.commands().is_empty(), "it talks already");
    desk.key("speaker");
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
}

/// B198: the conversation at the desk gives way, as for an answer over the bus; a call that is being set up does not.
#[test]
fn a_server_answers_a_waiting_call_in_the_place_of_a_conversation() {
    let mut desk = Desk::new(factory());
    let first = desk.talking(1);
    let second = desk.invite(1);
    desk.commands();
    desk.sip(Event::TalkRequested { call: second });
    assert_eq!(desk.commands(), [Command::Hold(first), Command::Answer(second)]);
    desk.established(second);
    assert_eq!((desk.sound.heard, desk.sound.near), (Some(second), Near::Handset));

    let mut desk = Desk::new(factory());
    let ours = desk.request(Request::Dial { line: None, target: "100".into() }).unwrap();
    let theirs = desk.invite(1);
    desk.commands();
    desk.sip(Event::TalkRequested { call: theirs });
    assert!(desk.commands().is_empty() && desk.view(theirs).state == CallState::Incoming);
    assert_eq!(desk.view(ours.unwrap()).state, CallState::Dialing);
}

/// B198, Click to Hold and Click to Retrieve.
#[test]
fn a_server_holds_a_call_and_has_it_talked_on() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.sip(Event::HoldRequested { call });
    assert_eq!(desk.commands(), [Command::Hold(call)]);
    desk.sip(Event::HoldRequested { call });
    assert!(desk.commands().is_empty());
    desk.hold_changed(call, true, false);
    desk.put_down();
    assert_eq!((desk.commands(), desk.sound.heard), (Vec::new(), None), "what is held stays");
    desk.sip(Event::TalkRequested { call });
    assert_eq!(desk.commands(), [Command::Resume(call)]);
    desk.hold_changed(call, false, false);
    assert_eq!((desk.sound.heard, desk.sound.near), (Some(call), Near::Speaker));
}
