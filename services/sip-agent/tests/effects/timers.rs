//! The timers of RFC 3261 (table 4), each by when messages are sent or not sent any more.

use sip_stack::{Command, LineState};
use sip_wire::Message;
use testbed::virtual_net::peer::{Caller, answer};

use crate::configured::Lab;

/// RFC 3261 17.1.2.2: the first repetition after T1.
#[test]
fn t1_is_the_first_wait() {
    for (t1, seconds) in [("250", 0.25), ("2000", 2.0)] {
        let mut lab = Lab::registering(&[("SIP_TIMER_T1_1", t1)]);
        lab.seconds(5);
        assert_eq!(lab.times("REGISTER")[1], seconds);
    }
}

/// RFC 3261 17.1.2.2: the waits double up to T2.
#[test]
fn t2_is_the_longest_wait() {
    for (t2, seconds) in [("2", 2.0), ("8", 8.0)] {
        let mut lab = Lab::registering(&[("SIP_TIMER_T2_1", t2)]);
        lab.seconds(30);
        let times = lab.times("REGISTER");
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!((longest - seconds).abs() < 0.001, "{longest}");
    }
}

/// A call that was refused and whose refusal was acknowledged; then the same INVITE once more.
fn invite_after_its_end(t4: &str, milliseconds: u64) -> Vec<String> {
    let mut lab = Lab::calling(&[("SIP_TIMER_T4_1", t4)]);
    let (call, mut caller) = lab.ringing();
    lab.command(Command::Reject(call, 486));
    let got = lab.got();
    caller.learn_tag(&got);
    // The ACK of a refusal is part of the transaction: it has the INVITE's branch (17.1.1.3).
    caller.send(&mut lab.net, "ACK", "i1", "", "");
    lab.run_ms(milliseconds);
    caller.to_tag = String::new();
    let body = caller.sdp(testbed::virtual_net::peer::PCMU);
    caller.send(&mut lab.net, "INVITE", "i1", "", &body);
    lab.titles()
}

/// RFC 3261 17.2.1, timer I: so long a late copy of what is over is known as such.
#[test]
fn t4_is_how_long_late_copies_are_absorbed() {
    assert_eq!(invite_after_its_end("5", 3000), Vec::<String>::new());
    assert_eq!(invite_after_its_end("2", 3000), ["100 INVITE"], "taken for a new call");
    assert_eq!(invite_after_its_end("0", 1), ["100 INVITE"]);
}

/// RFC 3261 17.1.1.2.
#[test]
fn timer_b_gives_an_unanswered_call_up() {
    for (b, milliseconds) in [("250", 250), ("1000", 1000), ("10000", 10_000)] {
        let mut lab = Lab::calling(&[("SIP_TIMER_B_1", b)]);
        // A tenth of a second has passed then.
        lab.dial();
        lab.run_ms(milliseconds - 150);
        assert_eq!(lab.net.nodes[0].ended(), None, "{b}");
        lab.run_ms(100);
        assert_eq!(lab.net.nodes[0].ended().map(|(code, ..)| code), Some(408), "{b}");
    }
}

/// RFC 3261 17.1.2.2.
#[test]
fn timer_f_gives_an_unanswered_register_up() {
    for (f, seconds) in [("1000", 1), ("10000", 10)] {
        let mut lab = Lab::registering(&[("SIP_TIMER_F_1", f)]);
        lab.run_ms(1000 * seconds - 300);
        assert_eq!(lab.net.line(0), LineState::Registering { last_error: String::new() }, "{f}");
        lab.run_ms(400);
        assert_eq!(lab.net.line(0), LineState::Registering { last_error: "no answer".into() }, "{f}");
    }
}

/// RFC 3261 17.1.1.2: so long a repeated refusal is acknowledged again.
#[test]
fn timer_d_is_how_long_repeated_refusals_are_acknowledged() {
    for (d, seconds, acknowledged) in [("0", 0, 0), ("1000", 3, 0), ("5000", 3, 1)] {
        let mut lab = Lab::calling(&[("SIP_TIMER_D_1", d)]);
        let (_, invite) = lab.dial();
        lab.say(answer(&invite, 486, "f"));
        assert_eq!(lab.titles(), ["ACK"]);
        lab.seconds(seconds);
        lab.say(answer(&invite, 486, "f"));
        assert_eq!(lab.titles().len(), acknowledged, "{d}");
    }
}

/// RFC 3261 17.2.1: so long a refusal is repeated without an ACK.
#[test]
fn timer_h_ends_the_wait_for_an_ack() {
    let last = |h: &str| {
        let mut lab = Lab::calling(&[("SIP_TIMER_H_1", h)]);
        let (call, _) = lab.ringing();
        lab.command(Command::Reject(call, 486));
        lab.seconds(60);
        *lab.times("486 INVITE").last().unwrap()
    };
    // 0.5, 1.5, 3.5, 7.5, and every four seconds then.
    assert_eq!(last("2000"), 1.5);
    assert_eq!(last("10000"), 7.5);
}

fn tag_of(messages: &[Message]) -> String {
    assert_eq!(messages.len(), 1, "one answer");
    messages[0].headers().to().unwrap().tag().unwrap().to_owned()
}

/// RFC 3261 17.2.2: so long a repeated request gets the same answer; later it is a new one.
#[test]
fn timer_j_is_how_long_a_repeated_request_gets_the_same_answer() {
    for (j, seconds, same) in [("0", 0, false), ("1000", 3, false), ("5000", 3, true)] {
        let mut lab = Lab::calling(&[("SIP_TIMER_J_1", j)]);
        let caller = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
        caller.send(&mut lab.net, "OPTIONS", "o", "", "");
        let first = tag_of(&lab.got());
        lab.seconds(seconds);
        caller.send(&mut lab.net, "OPTIONS", "o", "", "");
        assert_eq!(tag_of(&lab.got()) == first, same, "{j}");
    }
}
