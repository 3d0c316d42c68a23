//! Two users, one of them with up to three phones, behind a proxy that forks, on a bad net: whatever they do at whatever moment, no
//! transaction, dialog, timer, subscription or look-up is left when all is over, each phone keeps no more than at the start,
//! each call has ended once, and nobody has talked without end (RFC 3261 13.2.2.4, 16.7; RFC 3262, 4028, 6665).
//!
//! A longer run: `PROPTEST_CASES=100000 cargo test -p sip-stack --test stories crossings`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use proptest::prelude::*;
use sip_stack::{
    CallStage, Command, Diverted, Event, Input, LineState, RefreshMethod, RelayedDigit, StackSettings, SubscriptionKey,
    SubscriptionWish,
};
use sip_wire::parse_datagram;
use testbed::virtual_net::{Faults, MediaMode, Net, PERFECT};

use crate::given::settings;

const PROXY: &str = "10.0.0.9:5060";
/// Longest life of anything after the last word: the proxy's longest ringing and forgetting, and a margin.
const ALL_OVER: Duration = Duration::from_secs(400);
/// What numbers that only count may grow by in a snapshot, in octets.
const COUNTERS: usize = 16;

/// What one of the phones, or the net, does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Dial {
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
    Register,
    Subscribe,
    Unsubscribe,
    Settings(u8),
    Media(u8),
    Restart,
    Net(Faults),
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
        5 => Just(Act::Ring),
        4 => Just(Act::Answer),
        3 => Just(Act::AnswerAll),
        2 => prop_oneof![Just(486), Just(603), Just(480)].prop_map(Act::Reject),
        1 => (0..3u8).prop_map(|user| Act::Forward { user }),
        4 => Just(Act::Hangup),
        3 => Just(Act::Hold),
        3 => Just(Act::Resume),
        1 => (1..6u8).prop_map(Act::Digits),
        1 => Just(Act::Register),
        1 => Just(Act::Subscribe),
        1 => Just(Act::Unsubscribe),
        2 => any::<u8>().prop_map(Act::Settings),
        1 => (0..4u8).prop_map(Act::Media),
        1 => Just(Act::Restart),
        1 => faults().prop_map(Act::Net),
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

/// The first phone is user 100's, all others are user 200's. The bits of `kind` choose the extensions.
fn phone(number: usize, kind: u8) -> StackSettings {
    let user = if number == 0 { "100" } else { "200" };
    let mut given = settings(&format!("10.0.0.{}", number + 1), user, Some(PROXY));
    let line = &mut given.lines[0];
    line.sessions.expires = if kind & 1 == 0 { 0 } else { 90 };
    line.sessions.reliable = kind & 2 != 0;
    line.sessions.method = [RefreshMethod::Reinvite, RefreshMethod::Update, RefreshMethod::Automatic][usize::from(kind >> 2) % 3];
    line.sessions.ring_again = u32::from(kind & 16);
    line.register_expires = if kind & 32 == 0 { 3600 } else { 60 };
    line.subscribe_expires = if kind & 64 == 0 { 3600 } else { 60 };
    line.invite_expires = if kind & 128 == 0 { 0 } else { 20 };
    line.unregister_first = kind & 4 != 0;
    line.unregister_on_stop = kind & 8 != 0;
    given
}

/// Without its line.
fn idle(number: usize) -> StackSettings {
    let mut given = phone(number, 0);
    given.lines[0].enabled = false;
    given
}

fn key() -> SubscriptionKey {
    SubscriptionKey { line: LineNumber::new(1).unwrap(), event: "dialog".into(), resource: "200".into() }
}

/// A story that is being played.
struct Play {
    net: Net,
    proxy: SocketAddr,
    /// What the phones have told before their restarts.
    told: Vec<Vec<Event>>,
    /// Octets of each phone's snapshot before all.
    before: Vec<usize>,
}

impl Play {
    fn new(story: &Story) -> Play {
        let mut net = Net::with_faults(story.seed, PERFECT);
        let proxy = net.proxy(PROXY);
        net.proxies.get_mut(&proxy).unwrap().expires = 300;
        for number in 0..story.phones {
            net.stack(phone(number, 0));
        }
        let mut play = Play { net, proxy, told: vec![Vec::new(); story.phones], before: Vec::new() };
        play.go_idle();
        play.before = play.kept();
        for number in 0..story.phones {
            play.give(number, phone(number, story.kinds[number]));
        }
        play.net.settle();
        play.tune_proxy(story.patience, false);
        play.net.faults = story.faults;
        play
    }

    fn give(&mut self, number: usize, given: StackSettings) {
        self.net.input(number, Input::Settings(Box::new(given)));
    }

    /// Lines off, and everything forgotten.
    fn go_idle(&mut self) {
        for number in 0..self.net.nodes.len() {
            self.give(number, idle(number));
        }
        self.net.run_for(ALL_OVER);
    }

    fn kept(&self) -> Vec<usize> {
        self.net.nodes.iter().map(|node| node.stack.snapshot().len()).collect()
    }

    fn step(&mut self, step: Step) {
        self.net.run_for(Duration::from_millis(step.wait));
        let number = step.phone % self.net.nodes.len();
        let calls = self.net.calls(number);
        let call = calls.get(step.call % calls.len().max(1)).map(|view| view.call);
        match (step.act, call) {
            (Act::Dial { user }, _) => drop(self.net.dial(number, name(user))),
            (Act::Ring, Some(call)) => self.net.command(number, Command::Ring(call)),
            (Act::Answer, Some(call)) => self.net.command(number, Command::Answer(call)),
            (Act::AnswerAll, _) => self.answer_all(),
            (Act::Reject(code), Some(call)) => self.net.command(number, Command::Reject(call, code)),
            (Act::Forward { user }, Some(call)) => {
                self.net.command(number, Command::Forward { call, to: name(user).into(), why: Diverted::NoAnswer });
            }
            (Act::Hangup, Some(call)) => self.net.command(number, Command::Hangup(call)),
            (Act::Hold, Some(call)) => self.net.command(number, Command::Hold(call)),
            (Act::Resume, Some(call)) => self.net.command(number, Command::Resume(call)),
            (Act::Digits(count), Some(call)) => {
                let digits = vec![RelayedDigit { digit: '5', duration_ms: 100 }; count.into()];
                self.net.command(number, Command::SendDigits(call, digits));
            }
            (Act::Register, _) => self.net.command(number, Command::Register(LineNumber::new(1).unwrap())),
            (Act::Subscribe, _) => {
                self.net.command(number, Command::Subscribe { key: key(), wish: SubscriptionWish::default(), body: None });
            }
            (Act::Unsubscribe, _) => self.net.command(number, Command::Unsubscribe(key())),
            (Act::Settings(kind), _) => self.give(number, phone(number, kind)),
            (Act::Media(mode), _) => self.net.nodes[number].mode = media(mode),
            (Act::Restart, _) => self.restart(number),
            (Act::Net(faults), _) => self.net.faults = faults,
            (Act::Proxy { patience, challenging }, _) => self.tune_proxy(patience, challenging),
            _ => {}
        }
    }

    fn answer_all(&mut self) {
        for number in 0..self.net.nodes.len() {
            for view in self.net.calls(number).into_iter().filter(|view| view.stage == CallStage::Incoming) {
                self.net.command(number, Command::Answer(view.call));
            }
        }
    }

    fn tune_proxy(&mut self, patience: u64, challenging: bool) {
        let proxy = self.net.proxies.get_mut(&self.proxy).unwrap();
        proxy.patience = Duration::from_millis(patience);
        proxy.challenging = challenging;
    }

    fn restart(&mut self, number: usize) {
        let told = std::mem::take(&mut self.net.nodes[number].events);
        self.told[number].extend(told);
        self.net.restart(number);
    }

    fn hang_up_all(&mut self) {
        for number in 0..self.net.nodes.len() {
            for view in self.net.calls(number) {
                self.net.command(number, Command::Hangup(view.call));
            }
        }
    }

    /// On a net that is good again a call has two ends or none, unless a BYE was lost for good.
    fn assert_nobody_talks_alone(&mut self) {
        self.heal();
        self.net.run_for(Duration::from_secs(80));
        let mut talking: BTreeMap<String, usize> = BTreeMap::new();
        for number in 0..self.net.nodes.len() {
            for view in self.net.calls(number).into_iter().filter(|view| view.stage == CallStage::Talking) {
                *talking.entry(view.sip_call_id).or_default() += 1;
            }
        }
        for (call, ends) in talking.iter().filter(|(_, ends)| **ends != 2) {
            assert!(self.has_lost_a_bye(call), "{ends} end(s) of {call}\n{}", self.net.story());
        }
    }

    /// No phone has ever answered it.
    fn has_lost_a_bye(&self, call: &str) -> bool {
        let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
        for sent in self.net.log.iter().filter(|sent| sent.from != self.proxy && sent.title().ends_with("BYE")) {
            let message = parse_datagram(&sent.bytes).unwrap();
            let headers = message.headers();
            if headers.call_id() == Ok(call) {
                let branch = headers.via().unwrap().pop().and_then(|via| via.branch().map(str::to_owned));
                if sent.title() == "BYE" {
                    asked.insert(branch)
                } else {
                    answered.insert(branch)
                };
            }
        }
        !asked.is_subset(&answered)
    }

    fn heal(&mut self) {
        self.net.faults = PERFECT;
        self.net.nodes.iter_mut().for_each(|node| node.mode = MediaMode::Ready);
    }

    /// Everybody hangs up, what still comes in is hung up as well, and the lines go off.
    fn end(&mut self) {
        self.hang_up_all();
        self.net.run_for(Duration::from_secs(40));
        self.heal();
        for number in 0..self.net.nodes.len() {
            self.net.command(number, Command::Unsubscribe(key()));
        }
        for _ in 0..3 {
            self.hang_up_all();
            self.net.run_for(Duration::from_secs(70));
        }
        self.hang_up_all();
        self.go_idle();
    }

    fn told(&self, number: usize) -> impl Iterator<Item = &Event> {
        self.told[number].iter().chain(&self.net.nodes[number].events)
    }

    /// Each call that was told has ended once, and was not spoken of afterwards; it was answered at most once.
    fn assert_ends(&self, number: usize) {
        let mut ended: BTreeMap<CallIdentity, (bool, bool)> = BTreeMap::new();
        for event in self.told(number) {
            let Some(call) = call_of(event) else { continue };
            let (answered, over) = ended.entry(call).or_default();
            assert!(!*over, "after its end: {event:?}\n{}", self.net.story());
            match event {
                Event::Ended { .. } => *over = true,
                Event::Established { .. } => assert!(!std::mem::replace(answered, true), "answered twice: {event:?}"),
                _ => {}
            }
        }
        for (call, (_, over)) in ended {
            assert!(over, "phone {number}: {call} has no end\n{}", self.net.story());
            let media = self.net.nodes[number].media.get(&call);
            assert!(media.is_none_or(|media| media.legs.is_empty()), "phone {number}: media of {call} is left");
        }
    }

    fn assert_over(&self) {
        self.net.assert_quiet();
        let proxy = &self.net.proxies[&self.proxy];
        assert!(proxy.is_idle(), "the proxy waits\n{}", self.net.story());
        assert_eq!((proxy.contacts("100"), proxy.contacts("200"), proxy.watchers()), (0, 0, 0), "{}", self.net.story());
        for (number, (before, after)) in self.before.iter().zip(self.kept()).enumerate() {
            assert!(after <= before + COUNTERS, "phone {number} keeps {after} octets, {before} before\n{}", self.net.story());
            assert_eq!(self.net.line(number), LineState::Disabled);
            self.assert_ends(number);
        }
    }

    /// Each BYE is one transaction; more than two of one phone in one dialog is a storm.
    fn assert_no_storm(&self, steps: usize) {
        let mut byes: BTreeMap<(SocketAddr, String), BTreeSet<String>> = BTreeMap::new();
        for sent in self.net.log.iter().filter(|sent| sent.from != self.proxy && sent.title() == "BYE") {
            let message = parse_datagram(&sent.bytes).unwrap();
            let headers = message.headers();
            let tags = [headers.from().unwrap(), headers.to().unwrap()].map(|address| address.tag().unwrap_or_default().to_owned());
            let dialog = format!("{} {tags:?}", headers.call_id().unwrap());
            byes.entry((sent.from, dialog)).or_default().insert(headers.top_via().unwrap().branch().unwrap_or_default().to_owned());
        }
        let most = byes.values().map(BTreeSet::len).max().unwrap_or(0);
        assert!(most <= 2, "{most} BYEs in one dialog\n{}", self.net.story());
        let bound = 4_000 + steps * 600;
        assert!(self.net.log.len() < bound, "{} messages\n{}", self.net.log.len(), self.net.story());
    }
}

fn name(user: u8) -> &'static str {
    ["100", "200", "300"][usize::from(user) % 3]
}

fn media(mode: u8) -> MediaMode {
    match mode {
        0 => MediaMode::Failed,
        1 => MediaMode::Taken(vec![16_000, 16_004, 16_008]),
        2 => MediaMode::Silent,
        _ => MediaMode::Ready,
    }
}

fn call_of(event: &Event) -> Option<CallIdentity> {
    match event {
        Event::Incoming { call, .. }
        | Event::Dialing { call, .. }
        | Event::Ringback { call, .. }
        | Event::Established { call, .. }
        | Event::HoldChanged { call, .. }
        | Event::HoldFailed { call, .. }
        | Event::Ended { call, .. } => Some(*call),
        _ => None,
    }
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
