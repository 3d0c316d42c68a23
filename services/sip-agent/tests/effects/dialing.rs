//! What becomes of keyed digits and of the message key, up to the INVITE at the far end.

use std::time::Duration;

use sip_stack::Event;
use sip_wire::Request;
use telephone::Input;
use testbed::desk::{Desk, registered};
use testbed::virtual_net::peer::requests;

use crate::configured::{Lab, Rowset, desk, line, telephone_settings};

/// A person with the handset lifted, and the far end of the net.
struct Room {
    desk: Desk,
    lab: Lab,
}

impl Room {
    fn with(rows: Rowset) -> Room {
        let second = [("PHONE_NUMBER_2", "201"), ("SIP_SVCDOMAIN_2", "10.0.0.9"), ("SIP_PRXY_ADDR_2", "10.0.0.9")];
        let mut desk = desk(rows);
        desk.sip(Event::Line(line(2), registered()));
        let rows: Vec<_> = rows.iter().copied().chain(second).collect();
        Room { desk, lab: Lab::calling(&rows) }
    }

    fn lifted(rows: Rowset) -> Room {
        let mut room = Room::with(rows);
        room.desk.lift();
        room
    }

    fn key(&mut self, digits: &str) {
        digits.chars().for_each(|digit| self.desk.key(&digit.to_string()));
    }

    /// Who is called by the INVITEs at the far end, and who calls.
    fn invited(&mut self) -> Vec<(String, String)> {
        self.desk.commands().into_iter().for_each(|command| self.lab.command(command));
        let got = self.lab.got();
        let users = |invite: &Request| {
            let caller = invite.headers.from().unwrap().uri.user_decoded().unwrap().into_owned();
            (invite.uri.user_decoded().unwrap().into_owned(), caller)
        };
        requests(&got, "INVITE").into_iter().map(users).collect()
    }

    /// The one who is called, if anybody is.
    fn called(&mut self) -> Option<String> {
        let mut invited = self.invited();
        assert!(invited.len() <= 1, "{invited:?}");
        invited.pop().map(|(called, _)| called)
    }
}

/// What is called at once, and what is called after so many milliseconds more.
fn called(rows: Rowset, digits: &str, later: u64) -> (Option<String>, Option<String>) {
    let mut room = Room::lifted(rows);
    room.key(digits);
    let at_once = room.called();
    room.desk.pass(Duration::from_millis(later));
    (at_once, room.called())
}

fn some(number: &str) -> Option<String> {
    Some(number.to_owned())
}

/// B219 to B232: numbers of the plan are called at once, others wait; each line for itself.
#[test]
fn the_dial_plan_says_when_which_number_is_called() {
    const EXAMPLE: &str = "[2346789]11|01[2-9]x.|[2-9]xxxxxxxxx";
    assert_eq!(called(&[("DIAL_PLAN_1", "")], "911", 4999), (None, None));
    assert_eq!(called(&[("DIAL_PLAN_1", "")], "911", 5000), (None, some("911")));
    assert_eq!(called(&[("DIAL_PLAN_1", EXAMPLE)], "911", 0), (some("911"), None));
    assert_eq!(called(&[("DIAL_PLAN_2", EXAMPLE)], "911", 4999), (None, None));
    assert_eq!(called(&[("DIAL_PLAN_1", EXAMPLE)], "5987654321", 0), (some("5987654321"), None));
    assert_eq!(called(&[("DIAL_PLAN_1", "<101:9999>")], "101", 0), (some("9999"), None));
    assert_eq!(called(&[("DIAL_PLAN_1", "1x.S2")], "12", 1999), (None, None));
    assert_eq!(called(&[("DIAL_PLAN_1", "1x.S2")], "12", 2000), (None, some("12")));
    assert_eq!(called(&[("DIAL_PLAN_1", "123xxx!")], "123456", 60_000), (None, None));
}

/// B234 to B241, C3.
#[test]
fn what_the_dial_plan_does_not_know_is_called_anyway_or_denied() {
    let keyed = |filters: &str, digits: &str| {
        called(&[("DIAL_PLAN_1", "[2346789]11"), ("DIAL_PLAN_NOT_MATCH_ENABLE_1", filters)], digits, 5000)
    };
    for digits in ["21", "0011"] {
        assert_eq!(keyed("N", digits), (None, some(digits)));
        assert_eq!(keyed("Y", digits), (None, None));
    }
    assert_eq!(keyed("Y", "911"), (some("911"), None));
    let denied = |filters| {
        let mut room = Room::lifted(&[("DIAL_PLAN_1", "[2346789]11"), ("DIAL_PLAN_NOT_MATCH_ENABLE_1", filters)]);
        room.key("0");
        room.desk.tone()
    };
    assert_eq!((denied("N"), denied("Y")), (None, Some("reorder")));
    // The other line is not filtered.
    let mut room = Room::lifted(&[("DIAL_PLAN_1", "1"), ("DIAL_PLAN_2", "1"), ("DIAL_PLAN_NOT_MATCH_ENABLE_1", "Y")]);
    room.desk.key("line-2");
    room.key("00");
    room.desk.key("enter");
    assert_eq!(room.invited(), [("00".to_owned(), "201".to_owned())]);
}

/// B228.
#[test]
fn t_in_a_dial_plan_waits_so_long() {
    for (time, milliseconds) in [("1", 1000), ("9", 9000)] {
        let rows = [("DIAL_PLAN_1", "1x.T"), ("MACRODIGIT_TIM", time)];
        assert_eq!(called(&rows, "12", milliseconds - 1), (None, None));
        assert_eq!(called(&rows, "12", milliseconds), (None, some("12")));
    }
}

/// Each line has its own; without one nobody is called and the failure tone says so.
#[test]
fn the_message_key_calls_the_voice_mail_number() {
    let pressed = |rows: Rowset| {
        let mut room = Room::with(rows);
        room.desk.key("message");
        (room.invited(), room.desk.tone())
    };
    let calls = |called: &str, caller: &str| (vec![(called.to_owned(), caller.to_owned())], None);
    assert_eq!(pressed(&[("VM_NUMBER_1", "*97")]), calls("*97", "200"));
    assert_eq!(pressed(&[("VM_NUMBER_1", "8500"), ("VM_NUMBER_2", "8501")]), calls("8500", "200"));
    let default = [("VM_NUMBER_1", "8500"), ("VM_NUMBER_2", "8501"), ("DEFAULT_LINE_SELECT", "2")];
    assert_eq!(pressed(&default), calls("8501", "201"));
    assert_eq!(pressed(&[("VM_NUMBER_2", "8501")]), (vec![], Some("reorder")));
}

/// A value that the settings would refuse may still be stored, by a broken peer: it is no plan, and numbers are called.
#[test]
fn a_text_that_is_no_dial_plan_denies_nothing() {
    for text in ["[12-21]", "1xS", "<1:2", "\u{feff}\0é|", &"x".repeat(600), &"|".repeat(499)] {
        let mut values = crate::configured::values(&[&[("DIAL_PLAN_NOT_MATCH_ENABLE_1", "Y")]]);
        values.insert("DIAL_PLAN_1".to_owned(), text.to_owned());
        let mut desk = Desk::new(telephone_settings(&[]));
        desk.input(Input::Settings(Box::new(sip_agent::settings::Rows::new(&values).telephone(line(1)))));
        desk.lift();
        desk.keys(&["7", "enter"]);
        assert_eq!(desk.dialed().2, "7", "{text:?}");
    }
}
