//! What calls say beside their codecs.

use sip_stack::{Command, Event};
use testbed::virtual_net::peer::{answer, body};

use crate::configured::Lab;

/// RFC 3261 13.2.1: the header, and the end of what nobody answers.
#[test]
fn invite_expires_ends_a_call_that_only_rings() {
    assert_eq!(Lab::calling(&[("SIP_INVITE_EXPIRE_1", "0")]).dial().1.headers.expires().unwrap(), None);
    for (rows, seconds) in [("60", 60), ("90", 90)] {
        let mut lab = Lab::calling(&[("SIP_INVITE_EXPIRE_1", rows)]);
        let (_, invite) = lab.dial();
        assert_eq!(invite.headers.expires().unwrap(), Some(seconds));
        lab.say(answer(&invite, 180, "f"));
        lab.seconds(u64::from(seconds) - 1);
        assert!(lab.titles().is_empty());
        lab.seconds(2);
        assert!(lab.titles().contains(&"CANCEL".to_owned()));
    }
}

/// RFC 4566 5.2.
#[test]
fn the_sdp_user_stands_in_the_origin() {
    for (user, origin) in [("", "o=- "), ("ada", "o=ada "), ("desk-7", "o=desk-7 ")] {
        let offer = Lab::calling(&[("SDP_USER_ID_1", user)]).offer();
        assert!(offer.contains(&format!("\r\n{origin}")), "{offer}");
    }
}

/// B307.
#[test]
fn hold_carries_no_address_or_keeps_it() {
    for (old, connection) in [("Y", "c=IN IP4 0.0.0.0\r\n"), ("N", "c=IN IP4 10.0.0.1\r\n")] {
        let mut lab = Lab::calling(&[("RFC2543_HOLD_ENABLE_1", old)]);
        let call = lab.talking();
        lab.command(Command::Hold(call));
        let hold = body(&lab.first("INVITE").body);
        assert!(hold.contains(connection) && hold.contains("a=sendonly"), "{hold}");
    }
}

fn allow_events(rows: &[(&str, &str)]) -> Option<String> {
    Lab::registering(rows).register().headers.get("Allow-Events").map(str::to_owned)
}

/// What the server has wanted by NOTIFY, as telephone is told.
fn wanted(lab: &Lab) -> Vec<&'static str> {
    lab.net.nodes[0].events(|event| match event {
        Event::TalkRequested { .. } => Some("talk"),
        Event::HoldRequested { .. } => Some("hold"),
        _ => None,
    })
}

/// B198: a NOTIFY has an incoming call answered, or not.
#[test]
fn the_talk_package_is_announced_and_answers() {
    assert_eq!(allow_events(&[("TALK_PACKAGE", "N")]), None);
    assert_eq!(allow_events(&[("TALK_PACKAGE", "Y")]).as_deref(), Some("talk"));
    for (enabled, title, told) in [("N", "489 NOTIFY", vec![]), ("Y", "200 NOTIFY", vec!["talk"])] {
        let mut lab = Lab::calling(&[("TALK_PACKAGE", enabled)]);
        let (_, mut caller) = lab.ringing();
        caller.cseq += 1;
        caller.send(&mut lab.net, "NOTIFY", "n", "Event: talk\r\n", "");
        assert_eq!((lab.titles(), wanted(&lab)), (vec![title.to_owned()], told));
    }
}

/// B198: a NOTIFY has a call held, or not.
#[test]
fn the_hold_package_is_announced_and_holds() {
    assert_eq!(allow_events(&[("HOLD_PACKAGE", "N")]), None);
    assert_eq!(allow_events(&[("HOLD_PACKAGE", "Y"), ("TALK_PACKAGE", "Y")]).as_deref(), Some("talk, hold"));
    for (enabled, title, told) in [("N", "489 NOTIFY", vec![]), ("Y", "200 NOTIFY", vec!["hold"])] {
        let mut lab = Lab::calling(&[("HOLD_PACKAGE", enabled)]);
        let (call, mut caller) = lab.ringing();
        lab.command(Command::Answer(call));
        caller.learn_tag(&lab.got());
        caller.ack(&mut lab.net, "");
        caller.cseq += 1;
        caller.send(&mut lab.net, "NOTIFY", "n", "Event: hold\r\n", "");
        assert_eq!((lab.titles(), wanted(&lab)), (vec![title.to_owned()], told));
    }
}
