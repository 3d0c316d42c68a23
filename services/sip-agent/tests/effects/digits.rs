//! How digits of a conversation travel, and what Flash is in it.

use sip_stack::{Event, Party};
use testbed::desk::Desk;
use testbed::virtual_net::peer::{body, requests};

use crate::configured::{Lab, Rowset, desk, line};

/// The phone's person presses a key in a conversation.
fn pressed(rows: Rowset, key: &str) -> (Lab, Desk) {
    let (mut lab, mut desk) = (Lab::calling(rows), desk(rows));
    let (call, mut caller) = lab.ringing();
    let remote = Party { number: "far".into(), name: String::new(), uri: "sip:far@10.0.0.9".into() };
    desk.sip(Event::Incoming { call, line: line(1), remote, sip_call_id: "abc".into(), replaces: None });
    desk.lift();
    desk.commands().into_iter().for_each(|command| lab.command(command));
    caller.learn_tag(&lab.got());
    caller.ack(&mut lab.net, "");
    desk.established(call);
    desk.key(key);
    desk.commands().into_iter().for_each(|command| lab.command(command));
    (lab, desk)
}

/// What media-engine is asked for, and the INFO that the far end gets.
fn keyed(rows: Rowset, key: &str) -> (Option<char>, Option<String>) {
    let (mut lab, desk) = pressed(rows, key);
    let played = desk.sound.digits.values().flatten().next().map(|digit| digit.digit);
    let got = lab.got();
    (played, requests(&got, "INFO").first().map(|info| body(&info.body)))
}

/// B305: by INFO, whatever OUTBANDDTMF_n says, or with the sound; each line for itself.
#[test]
fn digits_travel_by_info_where_that_is_wanted() {
    for outband in ["Y", "N"] {
        let with = |row, value| keyed(&[("OUTBANDDTMF_1", outband), ("DTMF_SIGNAL_LEN", "150"), (row, value)], "5");
        assert_eq!(with("DTMF_RELAY_1", "N"), (Some('5'), None));
        assert_eq!(with("DTMF_RELAY_1", "Y"), (None, Some("Signal=5\r\nDuration=150\r\n".to_owned())));
        assert_eq!(with("DTMF_RELAY_2", "Y"), (Some('5'), None));
    }
}

/// B309: the far end gets a BYE and the person dial tone, or the far end gets an INFO and the call goes on.
#[test]
fn flash_ends_the_call_or_tells_the_far_end() {
    for (ends, title, tone) in [("Y", "BYE", Some("dial")), ("N", "INFO", None)] {
        let (mut lab, desk) = pressed(&[("FLASH_RECALL_TERMINATE", ends)], "flash");
        assert_eq!((lab.titles(), desk.tone()), (vec![title.to_owned()], tone));
        assert_eq!(desk.sound.heard.is_some(), ends == "N");
    }
}

/// B309, decision 32.
#[test]
fn a_flash_hook_is_told_in_the_form_of_the_row() {
    for (form, content_type, said) in [
        ("Signal", "application/dtmf-relay", "Signal=16\r\nDuration=150\r\n"),
        ("flashhook", "application/broadsoft;version=1.0", "event flashhook\r\n"),
    ] {
        let rows = [("FLASH_RECALL_TERMINATE", "N"), ("FLASHHOOK_CONTENT_TYPE", form), ("DTMF_SIGNAL_LEN", "150")];
        let info = pressed(&rows, "flash").0.first("INFO");
        assert_eq!((info.headers.get("Content-Type"), body(&info.body).as_str()), (Some(content_type), said));
    }
}
