//! What is agreed with a session beside its sound: its timer, and whether ringing is reliable.

use agreements::CallIdentity;
use sip_stack::Command;
use sip_wire::Request;
use testbed::virtual_net::peer::{Caller, PCMU, answer, at, response_with, with_sdp};

use crate::configured::{Lab, Rowset};

/// A call of ours that is answered with these header lines.
fn talking(rows: Rowset, lines: &[(&str, &str)]) -> (Lab, CallIdentity, Request) {
    let mut lab = Lab::calling(rows);
    let (call, invite) = lab.dial();
    let sdp = format!("v=0\r\no=- 7 7 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n{PCMU}");
    let mut ok = with_sdp(at(answer(&invite, 200, "f"), lab.far), &sdp);
    for (name, value) in lines {
        ok.headers.push(*name, *value);
    }
    lab.say(ok);
    assert_eq!(lab.titles(), ["ACK"]);
    (lab, call, invite)
}

fn supports(invite: &Request, tag: &str) -> bool {
    invite.headers.supported().unwrap().iter().any(|one| one == tag)
}

/// C19, RFC 4028 10: Session-Expires, and the BYE when the far end has promised to refresh and does not.
#[test]
fn the_session_time_is_asked_for_and_ends_what_nobody_refreshes() {
    for (time, asked, last) in [("0", None, None), ("60", Some("60"), Some(40)), ("1800", Some("1800"), Some(1768))] {
        let said: Vec<(&str, String)> = last.map(|_| ("Session-Expires", format!("{time};refresher=uas"))).into_iter().collect();
        let said: Vec<(&str, &str)> = said.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (mut lab, _, invite) = talking(&[("SIP_SESSION_TIME_1", time)], &said);
        assert_eq!(invite.headers.get("Session-Expires"), asked);
        assert_eq!(supports(&invite, "timer"), asked.is_some());
        lab.seconds(last.unwrap_or(10_000) - 1);
        assert!(lab.titles().is_empty(), "{time}");
        lab.seconds(1);
        assert_eq!(lab.titles().first().map(String::as_str), last.map(|_| "BYE"), "{time}");
    }
}

/// B315.
#[test]
fn the_refresher_is_named_as_the_row_says() {
    for (named, value) in [("0", "90"), ("1", "90;refresher=uas"), ("2", "90;refresher=uac")] {
        let (_, invite) = Lab::calling(&[("SIP_SESSION_TIME_1", "90"), ("SIP_REFRESHER_1", named)]).dial();
        assert_eq!(invite.headers.get("Session-Expires"), Some(value));
    }
}

/// B316: at half the interval; automatic looks at the far end's Allow.
#[test]
fn sessions_are_refreshed_by_the_method_of_the_row() {
    for (method, allow, title) in
        [("0", "INVITE, UPDATE", "INVITE"), ("1", "INVITE", "UPDATE"), ("2", "INVITE, UPDATE", "UPDATE"), ("2", "INVITE", "INVITE")]
    {
        let rows = [("SIP_SESSION_TIME_1", "90"), ("SIP_SESSION_METHOD_1", method)];
        let (mut lab, ..) = talking(&rows, &[("Session-Expires", "90;refresher=uac"), ("Allow", allow)]);
        lab.run_ms(44_800);
        assert!(lab.titles().is_empty());
        lab.run_ms(300);
        assert_eq!(lab.titles(), [title], "{method} {allow}");
    }
}

/// B217: Supported of our INVITE, Require of our 180; without it a caller that requires it is refused (420).
#[test]
fn ringing_is_reliable_and_100rel_announced_where_it_is_wanted() {
    for (enabled, tag) in [("N", None), ("Y", Some("100rel"))] {
        let rows = [("SIP_100REL_ENABLE_1", enabled)];
        assert_eq!(supports(&Lab::calling(&rows).dial().1, "100rel"), tag.is_some());
        let mut lab = Lab::calling(&rows);
        let caller = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
        caller.send(&mut lab.net, "INVITE", "i", "Supported: 100rel\r\n", &caller.sdp(PCMU));
        let call = lab.net.nodes[0].incoming();
        lab.command(Command::Ring(call));
        let ringing = response_with(&lab.got(), 180).unwrap().clone();
        assert_eq!((ringing.headers.get("Require"), ringing.headers.has("RSeq")), (tag, tag.is_some()));
        // Nobody sends a PRACK: only what is reliable is repeated (RFC 3262 3).
        lab.seconds(2);
        assert_eq!(lab.times("180 INVITE"), if enabled == "Y" { vec![0.0, 0.5, 1.5] } else { vec![0.0] });
    }
    let mut lab = Lab::calling(&[("SIP_100REL_ENABLE_1", "N")]);
    let caller = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
    caller.send(&mut lab.net, "INVITE", "i", "Require: 100rel\r\n", &caller.sdp(PCMU));
    assert_eq!(response_with(&lab.got(), 420).unwrap().headers.get("Unsupported"), Some("100rel"));
}

/// Guide line 5799.
#[test]
fn the_180_goes_again_after_the_interval_of_the_row() {
    for (interval, times) in [("0", vec![0.0, 60.0]), ("25", vec![0.0, 25.0, 50.0]), ("600", vec![0.0])] {
        let mut lab = Lab::calling(&[("SIP_18X_RTX_INTVL_1", interval)]);
        lab.ringing();
        lab.seconds(70);
        assert_eq!(lab.times("180 INVITE"), times, "{interval}");
    }
}
