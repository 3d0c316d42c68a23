//! A phone that comes back from its snapshot.
#![allow(clippy::unwrap_used)]

use agreements::{CallIdentity, Correlation};
use sip_stack::{CallMedia, CallStage, CallView, Codec, Command, EndedBy, Party};
use telephone::{CallState, Phone, Request};
use testbed::desk::{Desk, factory, line};

/// As the stack says it.
fn view(call: CallIdentity, outgoing: bool, stage: CallStage) -> CallView {
    CallView {
        call,
        line: line(1),
        outgoing,
        stage,
        held_by_us: false,
        held_by_them: false,
        remote: Party { number: "300".into(), name: "Ada".into(), uri: "sip:300@example.com".into() },
        sip_call_id: "abc@example.com".into(),
        codec: Some(Codec::Pcmu),
        media: CallMedia { call, line: line(1), generation: 1, legs: Vec::new() },
        correlation: Correlation::default(),
    }
}

fn restart(desk: &Desk, calls: &[CallView]) -> Desk {
    let bytes = postcard::to_stdvec(&desk.phone).unwrap();
    let mut phone: Phone = postcard::from_bytes(&bytes).unwrap();
    phone.restored(desk.now, factory(), calls);
    Desk::of(phone, desk.now)
}

/// The same calls, the same sound, the same lamps; nothing is sent because of it.
#[test]
fn a_restarted_phone_goes_on_where_it_was() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::SendDigits(call, "1".into())).unwrap();
    let waiting = desk.invite(1);
    let mut after = restart(&desk, &[view(call, false, CallStage::Talking), view(waiting, false, CallStage::Incoming)]);
    assert_eq!(after.commands(), []);
    assert_eq!((&after.calls, &after.sound, &after.lamps), (&desk.calls, &desk.sound, &desk.lamps));
    assert_eq!(after.calls_up, 2);
    after.put_down();
    assert_eq!(after.commands(), [Command::Hangup(call)]);
    assert!(after.sound.ring, "the waiting call rings now");
    let made = after.request(Request::Dial { line: None, target: "1".into() });
    assert!(made.is_ok_and(|made| made.is_some_and(|made| made != call && made != waiting)));
}

#[test]
fn a_call_that_the_stack_has_lost_is_over() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    let after = restart(&desk, &[]);
    assert_eq!((after.view(call).state, after.tone()), (CallState::Ended, Some("reorder")));
    assert_eq!(after.view(call).end.as_ref().unwrap().by, EndedBy::Network);
}

#[test]
fn events_that_were_lost_in_the_crash_are_made_up_for() {
    let mut desk = Desk::new(factory());
    let dialed = desk.request(Request::Dial { line: None, target: "300".into() }).unwrap().unwrap();
    let unknown = CallIdentity::from_parts(9, 9);
    let calls = [view(dialed, true, CallStage::Talking), view(unknown, false, CallStage::Incoming)];
    let mut after = restart(&desk, &calls);
    assert_eq!((after.view(dialed).state, after.sound.heard), (CallState::Talking, Some(dialed)));
    assert_eq!(after.view(unknown).state, CallState::Incoming);
    assert_eq!(after.commands(), [Command::Ring(unknown)]);
    let mut held = view(dialed, true, CallStage::Talking);
    held.held_by_us = true;
    let after = restart(&after, &[held]);
    assert_eq!((after.view(dialed).hold.as_str(), after.sound.heard), ("local", None));
}
