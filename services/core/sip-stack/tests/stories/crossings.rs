//! Two users, one of them with up to three phones, behind two proxies that fork and fail, on a bad net: whatever they do at whatever
//! moment, no transaction, dialog, timer, subscription or look-up is left when all is over, each phone keeps no more than at the
//! start, each call has ended once, and nobody has talked without end (RFC 3261 13.2.2.4, 16.7; RFC 3262, 3263 4.3, 3515, 3891, 4028,
//! 6665).
//!
//! A longer run: `PROPTEST_CASES=100000 cargo test -p sip-stack --test stories crossings`.

mod play;

use std::time::Duration;

use proptest::prelude::*;
use sip_stack::{Command, Event};
use testbed::virtual_net::{Faults, PERFECT};

use play::Play;

/// What one of the phones, or the net, does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Dial {
        user: u8,
    },
    /// A call from this phone, which whoever rings answers.
    Talk {
        user: u8,
    },
    Ring,
    Answer,
    /// All phones answer whatever rings.
    AnswerAll,
    Reject(u16),
    Forward {
        user: u8,
    },
    Hangup,
    Hold,
    Resume,
    Digits(u8),
    Flash,
    /// The far end shall call a user, or take the place of another call of this phone (RFC 5589).
    Refer {
        user: u8,
    },
    ReferToOther,
    /// The last REFER that came in is followed, or not.
    Follow(bool),
    Register,
    Subscribe,
    Unsubscribe,
    Settings(u8),
    Media(u8),
    Restart,
    Net(Faults),
    /// This proxy is cut off, the others are not; beyond the last: none is.
    CutOff(usize),
    Proxy {
        patience: u64,
        challenging: bool,
    },
}

/// After that many milliseconds this phone does something, with that one of its calls.
#[derive(Clone, Copy, Debug)]
struct Step {
    wait: u64,
    phone: usize,
    call: usize,
    act: Act,
}

/// A whole story.
#[derive(Clone, Debug)]
struct Story {
    seed: u64,
    faults: Faults,
    phones: usize,
    /// Of the proxy, in milliseconds.
    patience: u64,
    kinds: Vec<u8>,
    steps: Vec<Step>,
    /// The net gets good before all hang up; else they hang up on a bad one.
    heals: bool,
}

fn faults() -> impl Strategy<Value = Faults> {
    prop_oneof![
        Just(PERFECT),
        (0..40u64, 0..40u64, 1..400u64).prop_map(|(loss, twice, late)| Faults { loss, twice, delay: (1, 1 + late) }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => prop_oneof![4 => Just(1), 1 => 0..3u8].prop_map(|user| Act::Dial { user }),
        3 => prop_oneof![4 => Just(1), 1 => 0..3u8].prop_map(|user| Act::Talk { user }),
        5 => Just(Act::Ring),
        4 => Just(Act::Answer),
        3 => Just(Act::AnswerAll),
        2 => prop_oneof![Just(486), Just(603), Just(480)].prop_map(Act::Reject),
        1 => (0..3u8).prop_map(|user| Act::Forward { user }),
        4 => Just(Act::Hangup),
        3 => Just(Act::Hold),
        3 => Just(Act::Resume),
        1 => (1..6u8).prop_map(Act::Digits),
        1 => Just(Act::Flash),
        2 => (0..3u8).prop_map(|user| Act::Refer { user }),
        2 => Just(Act::ReferToOther),
        3 => any::<bool>().prop_map(Act::Follow),
        1 => Just(Act::Register),
        1 => Just(Act::Subscribe),
        1 => Just(Act::Unsubscribe),
        2 => any::<u8>().prop_map(Act::Settings),
        1 => (0..4u8).prop_map(Act::Media),
        1 => Just(Act::Restart),
        1 => faults().prop_map(Act::Net),
        2 => (0..3usize).prop_map(Act::CutOff),
        1 => (0..1500u64, any::<bool>()).prop_map(|(patience, challenging)| Act::Proxy { patience, challenging }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![6 => 0..300u64, 3 => 0..5_000u64, 1 => 0..120_000u64];
    (wait, 0..4usize, 0..3usize, act()).prop_map(|(wait, phone, call, act)| Step { wait, phone, call, act })
}

fn story() -> impl Strategy<Value = Story> {
    let proxy = (2..5usize, 0..2_000u64);
    let kinds = proptest::collection::vec(any::<u8>(), 4);
    let steps = proptest::collection::vec(step(), 1..30);
    (any::<u64>(), faults(), proxy, kinds, steps, any::<bool>()).prop_map(
        |(seed, faults, (phones, patience), kinds, steps, heals)| Story { seed, faults, phones, patience, kinds, steps, heals },
    )
}

fn play(story: &Story) {
    let mut play = Play::new(story);
    for step in &story.steps {
        play.step(*step);
    }
    if story.heals {
        play.assert_nobody_talks_alone();
    }
    play.end();
    play.assert_over();
    play.assert_no_storm(story.steps.len());
}

proptest! {
    #![proptest_config(crate::effort::cases(64))]

    #[test]
    fn nothing_is_left_of_any_story(story in story()) {
        play(&story);
    }
}

/// Three phones: the caller's and two of the one who is called.
fn three(patience: u64) -> Play {
    Play::new(&Story { seed: 1, faults: PERFECT, phones: 3, patience, kinds: vec![0; 4], steps: Vec::new(), heals: true })
}

fn ends(play: &Play, number: usize) -> Vec<sip_stack::EndedBy> {
    let by = |event: &Event| match event {
        Event::Ended { by, .. } => Some(*by),
        _ => None,
    };
    play.told(number).filter_map(by).collect()
}

/// Both answer before the proxy can cancel one: the first 2xx is the call, the second is acknowledged and hung up (RFC 3261 13.2.2.4).
#[test]
fn of_two_phones_that_answer_at_once_one_talks_and_the_other_is_hung_up() {
    let mut play = three(1_000);
    play.net.dial(0, "200");
    play.net.settle();
    for number in [1, 2] {
        let call = play.net.nodes[number].incoming();
        play.net.command(number, Command::Answer(call));
    }
    play.net.settle();
    assert!(play.net.nodes.iter().all(testbed::virtual_net::Node::has_established));
    play.net.run_for(Duration::from_secs(10));
    let talking: Vec<usize> = (0..3).map(|number| play.net.calls(number).len()).collect();
    assert_eq!(talking.iter().sum::<usize>(), 2, "{talking:?}");
    assert_eq!(talking[0], 1);
    assert_eq!(ends(&play, if talking[1] == 1 { 2 } else { 1 }), [sip_stack::EndedBy::Remote]);
    play.end();
    play.assert_over();
    play.assert_no_storm(1);
}

/// The one that is too late has rung reliably: its BYE comes after the PRACK, also by its number (RFC 3261 12.2.2, RFC 3262 4).
#[test]
fn a_late_answer_after_a_prack_is_hung_up_for_good() {
    let reliable = 2;
    let mut play = Play::new(&Story {
        seed: 1,
        faults: PERFECT,
        phones: 3,
        patience: 1_000,
        kinds: vec![reliable; 4],
        steps: vec![],
        heals: true,
    });
    play.net.dial(0, "200");
    play.net.settle();
    for number in [1, 2] {
        let call = play.net.nodes[number].incoming();
        play.net.command(number, Command::Ring(call));
    }
    play.net.settle();
    play.answer_all();
    play.net.settle();
    assert!(play.net.log.iter().any(|sent| sent.title() == "PRACK"));
    play.assert_nobody_talks_alone();
    assert_eq!((0..3).map(|number| play.net.calls(number).len()).sum::<usize>(), 2, "{}", play.net.story());
    play.end();
    play.assert_over();
}

/// The proxy cancels who has not answered (RFC 3261 16.7, step 10), and a refusal of one does not end the ringing of the other.
#[test]
fn one_phone_refuses_and_the_other_still_answers() {
    let mut play = three(0);
    play.net.dial(0, "200");
    play.net.settle();
    let (first, second) = (play.net.nodes[1].incoming(), play.net.nodes[2].incoming());
    play.net.command(1, Command::Reject(first, 486));
    play.net.settle();
    assert!(ends(&play, 0).is_empty());
    play.net.command(2, Command::Answer(second));
    play.net.settle();
    assert!(play.net.nodes[0].has_established());
    play.end();
    play.assert_over();
}
