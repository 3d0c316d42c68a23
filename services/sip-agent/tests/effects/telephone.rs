//! What the person at the phone notices.

use std::time::Duration;

use sip_stack::{Command, EndedBy, Event};
use telephone::Request;
use testbed::desk::registered;

use crate::configured::{desk, line};

fn just_before(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 1000 - 1)
}

const MOMENT: Duration = Duration::from_millis(1);

/// B192.
#[test]
fn the_first_digit_is_waited_for_so_long() {
    for (time, seconds) in [("3", 3), ("30", 30)] {
        let mut desk = desk(&[("FIRSTDIGIT_TIM", time)]);
        desk.lift();
        desk.pass(just_before(seconds));
        assert_eq!(desk.tone(), Some("dial"));
        desk.pass(MOMENT);
        assert_eq!(desk.tone(), Some("busy"));
    }
}

/// B193.
#[test]
fn the_next_digit_is_waited_for_so_long() {
    for (time, seconds) in [("2", 2), ("15", 15)] {
        let mut desk = desk(&[("INTDIGIT_TIM", time)]);
        desk.lift();
        desk.keys(&["1", "0"]);
        desk.pass(just_before(seconds));
        assert_eq!(desk.commands(), []);
        desk.pass(MOMENT);
        assert_eq!(desk.dialed().2, "10");
    }
}

/// B194, C27.
#[test]
fn pound_dials_or_is_a_digit() {
    let keyed = |ends: &str| {
        let mut desk = desk(&[("POUND_KEY_DELIMITER_ENABLE", ends)]);
        desk.lift();
        desk.keys(&["1", "pound"]);
        (desk.commands().len(), desk.pending_digits.clone())
    };
    assert_eq!(keyed("Y"), (1, String::new()));
    assert_eq!(keyed("N"), (0, "1#".to_owned()));
}

/// B310: by line, whatever goes on at the others.
#[test]
fn a_second_call_waits_on_the_line_or_finds_it_busy() {
    for (enabled, waits) in [("Y", true), ("N", false)] {
        let mut desk = desk(&[("CW_ENABLE_1", enabled)]);
        desk.talking(1);
        let second = desk.invite(1);
        assert_eq!(desk.commands(), [if waits { Command::Ring(second) } else { Command::Reject(second, 486) }]);
    }
    let mut desk = desk(&[("CW_ENABLE_1", "N")]);
    desk.talking(2);
    let first = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(first)]);
    desk.ended(first, 487, EndedBy::Remote);
    let again = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(again)], "free again");
}

#[test]
fn a_call_leaves_by_the_default_line() {
    for number in [1, 3] {
        let mut desk = desk(&[("DEFAULT_LINE_SELECT", &number.to_string())]);
        desk.sip(Event::Line(line(3), registered()));
        desk.request(Request::Dial { line: None, target: "100".into() }).unwrap();
        assert_eq!(desk.dialed().1, line(number));
    }
}

/// B296.
#[test]
fn calls_are_answered_by_themselves_where_that_is_wanted() {
    let answered = |enabled: &str| {
        let mut desk = desk(&[("AUTO_ANSWER_ENABLE", enabled)]);
        let call = desk.invite(1);
        desk.seconds(60);
        desk.commands().contains(&Command::Answer(call))
    };
    assert_eq!((answered("N"), answered("Y")), (false, true));
}

/// B296.
#[test]
fn a_call_rings_so_long_before_it_is_answered_by_itself() {
    for (time, seconds) in [("2", 2), ("15", 15)] {
        let mut desk = desk(&[("AUTO_ANSWER_ENABLE", "Y"), ("AUTO_ANS_RING_TIM", time)]);
        let call = desk.invite(1);
        desk.pass(just_before(seconds));
        assert_eq!((desk.sound.ring, desk.commands()), (true, vec![Command::Ring(call)]));
        desk.pass(MOMENT);
        assert_eq!((desk.sound.ring, desk.commands()), (false, vec![Command::Answer(call)]));
    }
}

/// B289.
#[test]
fn a_line_key_ends_the_conversation_or_holds_it() {
    for (holds, left) in [("N", Command::Hangup as fn(_) -> _), ("Y", Command::Hold)] {
        let mut desk = desk(&[("AUTO_CALL_HOLD", holds)]);
        desk.sip(Event::Line(line(2), registered()));
        let first = desk.talking(1);
        let second = desk.invite(2);
        desk.commands();
        desk.key("line-2");
        assert_eq!(desk.commands(), [left(first), Command::Answer(second)]);
    }
}

/// B292.
#[test]
fn a_call_that_cannot_be_made_ends_in_the_tone_of_the_mode() {
    for (mode, tone) in [("1", "reorder"), ("2", "busy")] {
        let mut desk = desk(&[("DISCONNECTION_MODE", mode)]);
        desk.lift();
        desk.keys(&["1", "enter"]);
        let call = desk.dialed().0;
        desk.ended(call, 404, EndedBy::Remote);
        assert_eq!(desk.tone(), Some(tone));
    }
}

/// B293: each row moves its own time and not the other's.
#[test]
fn the_disconnect_tone_lasts_so_long_on_the_handset() {
    for (time, seconds) in [("2", 2), ("15", 15)] {
        let mut desk = desk(&[("TONE_LEN_DISCONNECT_HANDSET", time), ("TONE_LEN_DISCONNECT_HANDSFREE", "7")]);
        let call = desk.talking(1);
        desk.ended(call, 0, EndedBy::Remote);
        desk.pass(just_before(seconds));
        assert_eq!(desk.tone(), Some("reorder"));
        desk.pass(MOMENT);
        assert_eq!(desk.tone(), None);
    }
}

/// B293.
#[test]
fn the_disconnect_tone_lasts_so_long_hands_free() {
    for (time, seconds) in [("2", 2), ("15", 15)] {
        let mut desk = desk(&[("TONE_LEN_DISCONNECT_HANDSFREE", time), ("TONE_LEN_DISCONNECT_HANDSET", "7")]);
        let call = desk.invite(1);
        desk.key("speaker");
        desk.established(call);
        desk.ended(call, 0, EndedBy::Remote);
        desk.pass(just_before(seconds));
        assert_eq!(desk.tone(), Some("reorder"));
        desk.pass(MOMENT);
        assert_eq!(desk.tone(), None);
    }
}

/// B191.
#[test]
fn a_rejected_call_gets_the_configured_status() {
    for (code, status) in [("603", 603), ("486", 486)] {
        let mut desk = desk(&[("SIP_RESPONSE_CODE_CALL_REJECT", code)]);
        let call = desk.invite(1);
        desk.request(Request::Reject(call)).unwrap();
        assert_eq!(desk.commands(), [Command::Ring(call), Command::Reject(call, status)]);
    }
}
