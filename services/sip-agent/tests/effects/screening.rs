//! Calls of others that are not let in.

use agreements::CallIdentity;
use sip_stack::{Command, Event, Party};
use testbed::desk::{Desk, registered};

use crate::configured::{Rowset, desk, line};

/// A call from there on a line; whether it rings, or the status that it is refused with.
fn called(desk: &mut Desk, on: u32, uri: &str) -> Result<(), u16> {
    let call = CallIdentity::from_parts(desk.now.0 / 1_000_000, desk.calls.len() as u128);
    let number = uri.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
    let remote = Party { number, name: String::new(), uri: uri.into() };
    desk.sip(Event::Incoming { call, line: line(on), remote, sip_call_id: "abc".into(), replaces: None });
    let outcome = match desk.commands().as_slice() {
        [Command::Ring(_)] => Ok(()),
        [Command::Reject(_, status)] => Err(*status),
        other => panic!("a call rings or is refused: {other:?}"),
    };
    desk.ended(call, 487, sip_stack::EndedBy::Remote);
    desk.seconds(10);
    outcome
}

fn called_by(rows: Rowset, uri: &str) -> Result<(), u16> {
    called(&mut desk(rows), 1, uri)
}

/// B190: on its line only.
#[test]
fn do_not_disturb_keeps_the_calls_of_its_line_out() {
    for (on, first) in [("N", Ok(())), ("Y", Err(403))] {
        let mut desk = desk(&[("DO_NOT_DISTURB_1", on)]);
        desk.sip(Event::Line(line(2), registered()));
        assert_eq!((called(&mut desk, 1, "sip:300@example.com"), called(&mut desk, 2, "sip:300@example.com")), (first, Ok(())));
    }
}

/// B190.
#[test]
fn do_not_disturb_answers_with_the_configured_status() {
    for (code, status) in [("403", 403), ("480", 480), ("600", 600)] {
        let rows = [("DO_NOT_DISTURB_1", "Y"), ("SIP_RESPONSE_CODE_DND", code)];
        assert_eq!(called_by(&rows, "sip:300@example.com"), Err(status));
    }
}

/// B182, B191: any of the thirty, the whole number.
#[test]
fn unwanted_numbers_are_rejected() {
    for row in ["CALL_REJECT_NUMBER1", "CALL_REJECT_NUMBER30"] {
        let mut desk = desk(&[(row, "300"), ("SIP_RESPONSE_CODE_CALL_REJECT", "608")]);
        assert_eq!(called(&mut desk, 1, "sip:300@example.com"), Err(608), "{row}");
        assert_eq!(called(&mut desk, 1, "sip:3000@example.com"), Ok(()));
    }
    assert_eq!(called_by(&[("CALL_REJECT_NUMBER1", "301")], "sip:300@example.com"), Ok(()));
    assert_eq!(called_by(&[("CALL_REJECT_NUMBER1", "+49*#7")], "sip:+49*#7@example.com"), Err(603));
}

/// B191; RFC 3323 4.1.1.3 says what an anonymous call looks like.
#[test]
fn calls_without_a_number_are_rejected_where_that_is_wanted() {
    let hidden = ["sip:anonymous@anonymous.invalid", "sip:Anonymous@example.com", "sip:300@anonymous.invalid", "sip:example.com"];
    for uri in hidden {
        assert_eq!(called_by(&[("BLOCK_ANONYMOUS_CALL_1", "N")], uri), Ok(()), "{uri}");
        assert_eq!(called_by(&[("BLOCK_ANONYMOUS_CALL_1", "Y")], uri), Err(603), "{uri}");
        assert_eq!(called_by(&[("BLOCK_ANONYMOUS_CALL_2", "Y")], uri), Ok(()), "the other line's: {uri}");
    }
    assert_eq!(called_by(&[("BLOCK_ANONYMOUS_CALL_1", "Y")], "sip:300@example.com"), Ok(()));
}
