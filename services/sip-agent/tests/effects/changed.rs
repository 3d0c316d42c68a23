//! Rows that are changed while the line is registered and a call is up: the new value holds from the next message on, nothing is
//! registered again, and the call stays.

use sip_stack::{CallStage, LineState};
use sip_wire::Request;
use testbed::virtual_net::peer::{Caller, PCMU};

use crate::configured::{Lab, Rowset};

/// Registered, and in a call, under these rows.
fn busy(rows: Rowset) -> Lab {
    let mut lab = Lab::registering(rows);
    lab.bind();
    lab.talking();
    lab
}

/// Other rows; nothing is sent for them.
fn change(lab: &mut Lab, rows: Rowset) {
    lab.configure(rows);
    assert_eq!(lab.titles(), Vec::<String>::new(), "{rows:?}");
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
    assert_eq!(lab.net.calls(0).iter().map(|call| call.stage).collect::<Vec<_>>(), [CallStage::Talking]);
}

/// A second call's INVITE.
fn invite(lab: &mut Lab) -> Request {
    lab.dial().1
}

/// B212.
#[test]
fn who_is_listened_to_changes_with_the_next_message() {
    let mut lab = busy(&[]);
    let stranger = lab.net.peer("10.0.0.66:5060");
    for (at, (filtered, heard)) in [("N", true), ("Y", false), ("N", true)].into_iter().enumerate() {
        change(&mut lab, &[("SIP_DETECT_SSAF_1", filtered)]);
        let caller = Caller::new(stranger, lab.net.nodes[0].ip, "200");
        caller.send(&mut lab.net, "OPTIONS", &format!("o{at}"), "", "");
        assert_eq!(!lab.net.titles(stranger).is_empty(), heard, "{filtered}");
    }
}

/// B213.
#[test]
fn packets_that_keep_a_nat_open_begin_and_end_at_once() {
    let mut lab = busy(&[]);
    for (interval, packets) in [("10", 6), ("30", 2), ("0", 0)] {
        change(&mut lab, &[("PORT_PUNCH_INTVL_1", interval)]);
        let before = lab.net.log.len();
        lab.seconds(65);
        let sent = &lab.net.log[before..];
        assert_eq!(sent.iter().filter(|sent| sent.to == lab.far && sent.bytes == b"\r\n\r\n").count(), packets, "{interval}");
        lab.net.bytes(lab.far);
    }
}

/// RFC 3261 17.1.1.2: those of a request that is out are what they were.
#[test]
fn the_timers_are_those_of_the_moment_when_a_request_leaves() {
    let mut lab = busy(&[("SIP_TIMER_T1_1", "250")]);
    change(&mut lab, &[("SIP_TIMER_T1_1", "2000")]);
    lab.net.dial(0, "100");
    lab.run_ms(1500);
    lab.configure(&[("SIP_TIMER_T1_1", "250")]);
    assert_eq!(lab.titles(), ["INVITE"]);
    lab.run_ms(300);
    assert_eq!(lab.titles(), Vec::<String>::new());
    lab.run_ms(200);
    assert_eq!(lab.titles(), ["INVITE"], "after two seconds");
    lab.net.dial(0, "101");
    lab.run_ms(300);
    let second = lab.titles();
    assert_eq!(second.iter().filter(|title| *title == "INVITE").count(), 2, "{second:?}");
}

/// B311.
#[test]
fn the_next_message_names_the_new_user_agent() {
    let mut lab = busy(&[("SIP_USER_AGENT", "Before")]);
    change(&mut lab, &[("SIP_USER_AGENT", "After {mac}")]);
    assert_eq!(invite(&mut lab).headers.get("User-Agent"), Some("After 0080f0abcdef"));
}

/// C19, B217: what the call that is up has agreed stays agreed.
#[test]
fn the_next_call_asks_for_the_new_session_time_and_reliability() {
    let mut lab = busy(&[("SIP_SESSION_TIME_1", "0"), ("SIP_100REL_ENABLE_1", "N")]);
    change(&mut lab, &[("SIP_SESSION_TIME_1", "90"), ("SIP_100REL_ENABLE_1", "Y")]);
    let invite = invite(&mut lab);
    assert_eq!(invite.headers.get("Session-Expires"), Some("90"));
    let supported = invite.headers.supported().unwrap();
    assert!(["timer", "100rel"].iter().all(|tag| supported.iter().any(|one| one == tag)), "{supported:?}");
    lab.say(testbed::virtual_net::peer::answer(&invite, 486, "f"));
    lab.titles();
    lab.seconds(200);
    assert_eq!((lab.titles(), lab.net.calls(0).len()), (vec![], 1), "nobody refreshes or ends the first one");
    let caller = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
    let sdp = caller.sdp(PCMU);
    caller.send(&mut lab.net, "INVITE", "i", "Require: 100rel\r\n", &sdp);
    assert_eq!(lab.titles(), ["100 INVITE"], "it may be required now");
}
