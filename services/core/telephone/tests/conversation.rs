//! Hold, digits, mute, and the end of a conversation.

use std::time::Duration;

use sip_stack::{Codec, Command, EndedBy, Event, Party};
use telephone::{Input, MediaState, Near, Refusal, Request, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

#[test]
fn hold_shows_only_when_the_far_end_has_agreed() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.key("hold");
    assert_eq!(desk.commands(), [Command::Hold(call)]);
    assert_eq!((desk.view(call).hold.as_str(), desk.sound.heard), ("none", Some(call)));
    desk.hold_changed(call, true, false);
    assert_eq!((desk.view(call).hold.as_str(), desk.sound.heard, desk.lamp("line-1")), ("local", None, "flash-slow"));
    desk.key("hold");
    assert_eq!(desk.commands(), [Command::Resume(call)]);
    desk.hold_changed(call, false, true);
    assert_eq!((desk.view(call).hold.as_str(), desk.sound.heard), ("remote", Some(call)));
}

/// RFC 3264 8.4: who begins on hold is shown so, whoever has called, and is resumed by themselves.
#[test]
fn a_call_that_begins_on_hold_is_shown_as_held() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    desk.lift();
    desk.sip(Event::Established { call, remote: Party::default(), codec: Some(Codec::Pcmu), held: true });
    assert_eq!((desk.view(call).hold.as_str(), desk.sound.heard), ("remote", Some(call)));
    desk.hold_changed(call, false, false);
    assert_eq!(desk.view(call).hold.as_str(), "none");
}

#[test]
fn hold_that_the_far_end_refuses_changes_nothing() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::Hold(call)).unwrap();
    assert!(matches!(desk.request(Request::Hold(call)), Err(Refusal::WrongState(_))), "one re-INVITE at a time");
    desk.sip(Event::HoldFailed { call, status: 488, reason: "Not Acceptable Here".into() });
    assert_eq!((desk.view(call).hold.as_str(), desk.sound.heard), ("none", Some(call)));
    assert_eq!(desk.request(Request::Hold(call)), Ok(None));
}

#[test]
fn a_hold_of_theirs_does_not_settle_ours() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::Hold(call)).unwrap();
    desk.hold_changed(call, false, true);
    assert!(matches!(desk.request(Request::Hold(call)), Err(Refusal::WrongState(_))));
    desk.hold_changed(call, true, true);
    assert_eq!(desk.view(call).hold.as_str(), "both");
    assert_eq!(desk.request(Request::Resume(call)), Ok(None));
}

#[test]
fn a_held_call_stays_when_the_handset_is_put_down() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.key("hold");
    desk.hold_changed(call, true, false);
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hold(call)]);
    desk.lift();
    assert_eq!(desk.tone(), Some("dial"));
    desk.key("line-1");
    assert_eq!((desk.commands(), desk.sound.near), (vec![Command::Resume(call)], Near::Handset));
}

/// B293, with the tone of B292.
#[test]
fn the_disconnect_tone_lasts_as_long_as_the_settings_say() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.ended(call, 0, EndedBy::Remote);
    assert_eq!(desk.tone(), Some("reorder"));
    desk.pass(Duration::from_millis(9999));
    assert_eq!(desk.tone(), Some("reorder"));
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.tone(), None);

    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    desk.key("speaker");
    desk.established(call);
    desk.ended(call, 0, EndedBy::Remote);
    desk.pass(Duration::from_millis(2999));
    assert_eq!((desk.tone(), desk.lamp("speaker")), (Some("reorder"), "on"));
    desk.pass(Duration::from_millis(1));
    assert_eq!((desk.tone(), desk.lamp("speaker")), (None, "off"));
}

#[test]
fn hanging_up_oneself_gives_no_tone() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.request(Request::Hangup(call)).unwrap();
    assert_eq!(desk.sound.heard, None);
    desk.ended(call, 0, EndedBy::Local);
    assert_eq!(desk.tone(), None);
    desk.key("cancel");
    assert_eq!(desk.tone(), Some("dial"));
}

/// B308: length and pause come from the settings.
#[test]
fn digits_are_numbered_and_asked_for_until_they_are_sent() {
    let mut desk = Desk::new(TelephoneSettings { digit_length_ms: 100, digit_pause_ms: 60, ..factory() });
    let call = desk.talking(1);
    desk.request(Request::SendDigits(call, "1#".into())).unwrap();
    desk.key("star");
    let digits = |desk: &Desk| -> Vec<(u64, char)> {
        desk.sound.digits.get(&call).into_iter().flatten().map(|digit| (digit.number, digit.digit)).collect()
    };
    assert_eq!(digits(&desk), [(1, '1'), (2, '#'), (3, '*')]);
    assert_eq!((desk.sound.digits[&call][0].duration_ms, desk.sound.digits[&call][0].pause_ms), (100, 60));
    desk.input(Input::DigitsSent { call, number: 2 });
    assert_eq!(digits(&desk), [(3, '*')]);
    desk.input(Input::DigitsSent { call, number: 3 });
    assert_eq!(digits(&desk), []);
    desk.key("0");
    assert_eq!(digits(&desk), [(4, '0')]);
}

#[test]
fn only_digits_are_sent_and_only_in_a_conversation() {
    let mut desk = Desk::new(factory());
    let call = desk.invite(1);
    assert!(matches!(desk.request(Request::SendDigits(call, "1".into())), Err(Refusal::WrongState(_))));
    desk.lift();
    desk.established(call);
    for wrong in ["", "1x", "e", "1 2"] {
        assert!(matches!(desk.request(Request::SendDigits(call, wrong.into())), Err(Refusal::InvalidArgument(_))), "{wrong:?}");
    }
    let refused = desk.request(Request::SendDigits(call, "1".repeat(65)));
    assert!(matches!(refused, Err(Refusal::Busy(_))));
}

#[test]
fn mute_is_for_this_call_only() {
    let mut desk = Desk::new(factory());
    desk.key("mute");
    assert!(!desk.sound.muted, "there is nothing to mute");
    let call = desk.talking(1);
    desk.key("mute");
    assert_eq!((desk.sound.muted, desk.lamp("mute"), desk.sound.heard), (true, "on", Some(call)));
    desk.ended(call, 0, EndedBy::Remote);
    assert_eq!((desk.sound.muted, desk.lamp("mute")), (false, "off"));
}

/// Whichever way the conversation is left; nobody begins the next one unheard.
#[test]
fn mute_does_not_follow_a_person_to_another_line() {
    for (auto_call_hold, waits) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut desk = Desk::new(TelephoneSettings { auto_call_hold, ..factory() });
        desk.sip(Event::Line(line(2), registered()));
        desk.talking(1);
        desk.key("mute");
        if waits {
            desk.invite(2);
        }
        desk.key("line-2");
        assert_eq!((desk.sound.muted, desk.lamp("mute")), (false, "off"), "hold {auto_call_hold}, a call waits {waits}");
    }
}

#[test]
fn the_speaker_key_moves_the_call_and_keeps_it() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.key("speaker");
    desk.put_down();
    assert_eq!((desk.commands(), desk.sound.near, desk.sound.heard), (vec![], Near::Speaker, Some(call)));
    desk.lift();
    assert_eq!(desk.sound.near, Near::Handset);
}

#[test]
fn what_is_known_of_the_media_is_shown_and_forgotten_at_the_end() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.input(Input::Media(call, MediaState::Flowing));
    assert_eq!(desk.view(call).media, MediaState::Flowing);
    desk.input(Input::Media(call, MediaState::Starting));
    assert_eq!(desk.view(call).media, MediaState::Flowing, "asked for again after a restart or a re-INVITE");
    desk.ended(call, 0, EndedBy::Remote);
    desk.input(Input::Media(call, MediaState::Silent));
    assert_eq!(desk.view(call).media, MediaState::None);
}

#[test]
fn a_hook_that_is_told_twice_is_one_hook() {
    let mut desk = Desk::new(factory());
    let call = desk.talking(1);
    desk.lift();
    assert_eq!((desk.commands(), desk.sound.heard), (vec![], Some(call)));
    desk.put_down();
    desk.put_down();
    assert_eq!(desk.commands(), [Command::Hangup(call)]);
}

#[test]
fn an_unknown_key_does_nothing() {
    let mut desk = Desk::new(factory());
    let lamps = desk.lamps.clone();
    desk.keys(&["line-7", "line-", "10", "", "forward", "\u{e9}"]);
    assert_eq!((desk.commands(), desk.tone(), &desk.lamps), (vec![], None, &lamps));
}
