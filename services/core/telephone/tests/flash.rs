//! The Flash key (FLASH_RECALL_TERMINATE, FLASHHOOK_CONTENT_TYPE; B309, decision 32).
#![allow(clippy::unwrap_used, missing_docs)]

use sip_stack::{Command, EndedBy, Event, FlashHookForm};
use telephone::{Near, Refusal, Request, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

fn signalling(flash_hook: FlashHookForm) -> TelephoneSettings {
    TelephoneSettings { flash_ends_call: false, flash_hook, ..factory() }
}

/// B309: the next call is made without the handset being put down, from the same line.
#[test]
fn flash_ends_the_conversation_and_offers_dial_tone_on_its_line() {
    let mut desk = Desk::new(factory());
    desk.sip(Event::Line(line(2), registered()));
    let call = desk.talking(2);
    desk.key("flash");
    assert_eq!((desk.commands(), desk.tone(), desk.lamp("line-2")), (vec![Command::Hangup(call)], Some("dial"), "on"));
    desk.ended(call, 0, EndedBy::Local);
    assert_eq!(desk.tone(), Some("dial"), "the end of the old call is not heard");
    desk.keys(&["7", "enter"]);
    let (_, on, number) = desk.dialed();
    assert_eq!((on, number.as_str(), desk.sound.near), (line(2), "7", Near::Handset));
}

#[test]
fn flash_does_so_hands_free_and_while_the_far_end_rings() {
    let mut desk = Desk::new(factory());
    desk.keys(&["speaker", "7", "enter"]);
    let call = desk.dialed().0;
    desk.sip(Event::Ringback { call, early_media: false });
    desk.key("flash");
    assert_eq!((desk.commands(), desk.tone(), desk.sound.near), (vec![Command::Hangup(call)], Some("dial"), Near::Speaker));
}

/// B309.
#[test]
fn flash_tells_the_far_end_where_it_does_not_end_the_call() {
    for form in [FlashHookForm::DtmfRelay, FlashHookForm::BroadSoft] {
        let mut desk = Desk::new(signalling(form));
        let call = desk.talking(1);
        desk.key("flash");
        assert_eq!(desk.commands(), [Command::SendFlashHook { call, form, duration_ms: 180 }]);
        assert_eq!((desk.sound.heard, desk.tone()), (Some(call), None));
    }
}

#[test]
fn flash_does_nothing_where_there_is_no_conversation() {
    for settings in [factory(), signalling(FlashHookForm::DtmfRelay)] {
        let mut desk = Desk::new(settings);
        desk.key("flash");
        desk.invite(1);
        desk.commands();
        desk.key("flash");
        assert_eq!((desk.commands(), desk.sound.ring), (vec![], true));
        let mut desk = Desk::new(factory());
        let call = desk.talking(1);
        desk.key("hold");
        desk.hold_changed(call, true, false);
        desk.commands();
        desk.key("flash");
        assert_eq!(desk.commands(), [], "nobody is in front of a call that is held");
    }
    let mut desk = Desk::new(signalling(FlashHookForm::DtmfRelay));
    desk.lift();
    desk.keys(&["7", "enter"]);
    desk.dialed();
    desk.key("flash");
    assert_eq!(desk.commands(), [], "not answered");
}

/// Whatever the key does.
#[test]
fn the_bus_sends_a_flash_hook_into_a_conversation() {
    for ends in [true, false] {
        let mut desk = Desk::new(TelephoneSettings { flash_ends_call: ends, ..factory() });
        let call = desk.talking(1);
        desk.request(Request::SendFlashHook(call)).unwrap();
        assert!(matches!(desk.commands().as_slice(), [Command::SendFlashHook { .. }]));
        desk.request(Request::Hold(call)).unwrap();
        desk.hold_changed(call, true, false);
        let refused = desk.request(Request::SendFlashHook(call)).unwrap_err();
        assert_eq!(refused, Refusal::WrongState("a call that is talking, held cannot be sent a flash hook".into()));
        desk.ended(call, 0, EndedBy::Remote);
        assert!(matches!(desk.request(Request::SendFlashHook(call)), Err(Refusal::WrongState(_))));
    }
}
