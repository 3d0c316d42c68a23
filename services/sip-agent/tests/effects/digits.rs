//! How digits of a conversation travel.

use sip_stack::{Event, Party};
use testbed::virtual_net::peer::{body, requests};

use crate::configured::{Lab, Rowset, desk, line};

/// The phone's person presses a key in a conversation: what media-engine is asked for, and the INFO that the far end gets.
fn keyed(rows: Rowset, key: &str) -> (Option<char>, Option<String>) {
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
