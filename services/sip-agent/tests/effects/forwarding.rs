//! Calls of others that are sent elsewhere.

use std::time::Duration;

use agreements::CallIdentity;
use sip_stack::{Command, Diverted, Event, Party};
use testbed::desk::{Desk, registered};
use testbed::virtual_net::peer::{Caller, PCMU, response_with};

use crate::configured::{Lab, Rowset, desk, line};

fn forward(call: CallIdentity, to: &str, why: Diverted) -> Vec<Command> {
    vec![Command::Forward { call, to: to.into(), why }]
}

fn of_lines(rows: Rowset) -> Desk {
    let mut desk = desk(rows);
    desk.sip(Event::Line(line(2), registered()));
    desk
}

/// B179: every call of its line, also while nobody would answer it anyway.
#[test]
fn every_call_is_forwarded_where_that_is_wanted() {
    for number in ["4711", "*21"] {
        let mut desk = of_lines(&[("FWD_ALL_ENABLE_1", "Y"), ("FWD_ALL_NUMBER_1", number)]);
        let call = desk.invite(1);
        assert_eq!(desk.commands(), forward(call, number, Diverted::Unconditional));
        assert!(!desk.sound.ring);
        let other = desk.invite(2);
        assert_eq!(desk.commands(), [Command::Ring(other)], "the other line's");
    }
    let mut desk = desk(&[("FWD_ALL_ENABLE_1", "N"), ("FWD_ALL_NUMBER_1", "4711")]);
    let call = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(call)]);
}

/// B179: in use is the line, not the phone; without it the second call waits.
#[test]
fn calls_are_forwarded_while_the_line_is_in_use() {
    for (enabled, number) in [("Y", "4711"), ("Y", "4712"), ("N", "4711")] {
        let mut desk = of_lines(&[("FWD_BUSY_ENABLE_1", enabled), ("FWD_BUSY_NUMBER_1", number)]);
        desk.talking(1);
        let other = desk.invite(2);
        assert_eq!(desk.commands(), [Command::Ring(other)]);
        desk.ended(other, 487, sip_stack::EndedBy::Remote);
        let second = desk.invite(1);
        let waits = vec![Command::Ring(second)];
        assert_eq!(desk.commands(), if enabled == "Y" { forward(second, number, Diverted::Busy) } else { waits });
    }
    let mut desk = desk(&[("FWD_BUSY_ENABLE_1", "Y"), ("FWD_BUSY_NUMBER_1", "4711")]);
    let first = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Ring(first)], "free");
}

/// A ring lasts six seconds for the caller (guide, 4.7.3).
#[test]
fn calls_that_nobody_answers_are_forwarded_after_so_many_rings() {
    for (rings, seconds) in [("2", 12), ("3", 18), ("20", 120)] {
        for number in ["4711", "4712"] {
            let rows = [("FWD_NOANSWER_ENABLE_1", "Y"), ("FWD_NOANSWER_NUMBER_1", number), ("FWD_NOANSWER_RINGS_1", rings)];
            let mut desk = desk(&rows);
            let call = desk.invite(1);
            desk.pass(Duration::from_millis(seconds * 1000 - 1));
            assert_eq!((desk.commands(), desk.sound.ring), (vec![Command::Ring(call)], true));
            desk.pass(Duration::from_millis(1));
            assert_eq!((desk.commands(), desk.sound.ring), (forward(call, number, Diverted::NoAnswer), false));
        }
    }
    let silent = [("FWD_NOANSWER_ENABLE_1", "Y"), ("FWD_NOANSWER_NUMBER_1", "4711"), ("FWD_NOANSWER_RINGS_1", "0")];
    let mut unheard = desk(&silent);
    let call = unheard.invite(1);
    assert_eq!(unheard.commands(), forward(call, "4711", Diverted::NoAnswer), "no ring");
    let mut off = desk(&[("FWD_NOANSWER_ENABLE_1", "N"), ("FWD_NOANSWER_NUMBER_1", "4711")]);
    let call = off.invite(1);
    off.seconds(300);
    assert_eq!(off.commands(), [Command::Ring(call)]);
}

/// Whoever answers in time has it; auto answer comes before where its time is shorter.
#[test]
fn an_answered_call_is_not_forwarded() {
    let rows = [("FWD_NOANSWER_ENABLE_1", "Y"), ("FWD_NOANSWER_NUMBER_1", "4711"), ("FWD_NOANSWER_RINGS_1", "2")];
    let mut answered = desk(&rows);
    answered.talking(1);
    answered.seconds(60);
    assert_eq!(answered.commands(), []);
    let auto = |seconds| {
        let mut desk = desk(&[&rows[..], &[("AUTO_ANSWER_ENABLE", "Y"), ("AUTO_ANS_RING_TIM", seconds)]].concat());
        desk.invite(1);
        desk.seconds(60);
        desk.commands().pop()
    };
    assert!(matches!(auto("10"), Some(Command::Answer(_))));
    assert!(matches!(auto("15"), Some(Command::Forward { .. })));
}

/// B190, B179: who is not let in is not sent elsewhere either.
#[test]
fn do_not_disturb_comes_before_forwarding() {
    let mut desk = desk(&[("DO_NOT_DISTURB_1", "Y"), ("FWD_ALL_ENABLE_1", "Y"), ("FWD_ALL_NUMBER_1", "4711")]);
    let call = desk.invite(1);
    assert_eq!(desk.commands(), [Command::Reject(call, 403)]);
}

/// B324: from the INVITE to the 302, through the telephone.
#[test]
fn a_forwarded_call_says_who_has_forwarded_it() {
    let before = "<sip:500@example.com>;reason=user-busy";
    let own = "<sip:200@10.0.0.9>;reason=unconditional;counter=1";
    for (mode, expected) in [("0", vec![]), ("1", vec![own]), ("2", vec![own, before])] {
        let rows = [("FWD_ALL_ENABLE_1", "Y"), ("FWD_ALL_NUMBER_1", "4711"), ("SIP_ADD_DIVERSION_1", mode)];
        let (mut lab, mut desk) = (Lab::calling(&rows), desk(&rows));
        let caller = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
        let sdp = caller.sdp(PCMU);
        caller.send(&mut lab.net, "INVITE", "i1", &format!("Diversion: {before}\r\n"), &sdp);
        let call = lab.net.nodes[0].incoming();
        desk.sip(Event::Incoming { call, line: line(1), remote: Party::default(), sip_call_id: "abc".into(), replaces: None });
        desk.commands().into_iter().for_each(|command| lab.command(command));
        let got = lab.got();
        let moved = response_with(&got, 302).unwrap();
        assert_eq!(moved.headers.all("Diversion").collect::<Vec<_>>(), expected);
        assert_eq!(moved.headers.contact().unwrap().first().unwrap().uri.user(), Some("4711"));
    }
}
