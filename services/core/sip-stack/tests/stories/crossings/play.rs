//! A story of `crossings` as it is played, and what must hold at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use agreements::{CallIdentity, LineNumber};
use sip_stack::{
    CallStage, Command, Diverted, Event, FlashHookForm, Input, LineState, ReferTarget, RefreshMethod, RelayedDigit, StackSettings,
    SubscriptionKey, SubscriptionWish,
};
use sip_wire::parse_datagram;
use testbed::virtual_net::{MediaMode, Net, PERFECT};

use super::{Act, Step, Story};
use crate::given::settings;

/// The second one is asked where the first one does not answer; neither knows who is registered at the other.
const PROXIES: [&str; 2] = ["10.0.0.9:5060", "10.0.0.8:5060"];
/// Longest life of anything after the last word: the proxy's longest ringing and forgetting, and a margin.
const ALL_OVER: Duration = Duration::from_secs(400);
/// What numbers that only count may grow by in a snapshot, in octets.
const COUNTERS: usize = 16;

/// The first phone is user 100's, all others are user 200's. The bits of `kind` choose the extensions.
fn phone(number: usize, kind: u8) -> StackSettings {
    let user = if number == 0 { "100" } else { "200" };
    let mut given = settings(&format!("10.0.0.{}", number + 1), user, Some(PROXIES[0]));
    let line = &mut given.lines[0];
    line.sessions.expires = if kind & 1 == 0 { 0 } else { 90 };
    line.sessions.reliable = kind & 2 != 0;
    line.sessions.method = [RefreshMethod::Reinvite, RefreshMethod::Update, RefreshMethod::Automatic][usize::from(kind >> 2) % 3];
    line.sessions.ring_again = u32::from(kind & 16);
    line.register_expires = if kind & 32 == 0 { 3600 } else { 60 };
    line.subscribe_expires = if kind & 64 == 0 { 3600 } else { 60 };
    line.invite_expires = if kind & 128 == 0 { 0 } else { 20 };
    let second = if kind & 32 == 0 { PROXIES[1].parse().ok() } else { None };
    (line.second_registrar, line.second_proxy) = (second, second);
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
pub struct Play {
    pub net: Net,
    proxies: [SocketAddr; 2],
    /// What the phones have told before their restarts.
    told: Vec<Vec<Event>>,
    /// Octets of each phone's snapshot before all.
    before: Vec<usize>,
}

impl Play {
    pub fn new(story: &Story) -> Play {
        let mut net = Net::with_faults(story.seed, PERFECT);
        let proxies = PROXIES.map(|proxy| net.proxy(proxy));
        net.proxies.values_mut().for_each(|proxy| proxy.expires = 300);
        for number in 0..story.phones {
            net.stack(phone(number, 0));
        }
        let mut play = Play { net, proxies, told: vec![Vec::new(); story.phones], before: Vec::new() };
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

    pub fn step(&mut self, step: Step) {
        self.net.run_for(Duration::from_millis(step.wait));
        let number = step.phone % self.net.nodes.len();
        let calls = self.net.calls(number);
        let call = calls.get(step.call % calls.len().max(1)).map(|view| view.call);
        match (step.act, call) {
            (Act::Dial { user }, _) => drop(self.net.dial(number, name(user))),
            (Act::Talk { user }, _) => {
                self.net.dial(number, name(user));
                self.net.run_for(Duration::from_millis(500));
                self.answer_all();
                self.net.run_for(Duration::from_millis(500));
            }
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
            (Act::Flash, Some(call)) => {
                let flash = Command::SendFlashHook { call, form: FlashHookForm::BroadSoft, duration_ms: 0 };
                self.net.command(number, flash);
            }
            (Act::Refer { user }, Some(call)) => {
                self.net.command(number, Command::Refer { call, target: ReferTarget::Address(name(user).into()) });
            }
            (Act::ReferToOther, Some(call)) => {
                if let Some(other) = calls.iter().map(|view| view.call).find(|other| *other != call) {
                    self.net.command(number, Command::Refer { call, target: ReferTarget::Call(other) });
                }
            }
            (Act::Follow(follow), _) => self.follow(number, follow),
            (Act::Register, _) => self.net.command(number, Command::Register(LineNumber::new(1).unwrap())),
            (Act::Subscribe, _) => {
                self.net.command(number, Command::Subscribe { key: key(), wish: SubscriptionWish::default(), body: None });
            }
            (Act::Unsubscribe, _) => self.net.command(number, Command::Unsubscribe(key())),
            (Act::Settings(kind), _) => self.give(number, phone(number, kind)),
            (Act::Media(mode), _) => self.net.nodes[number].mode = media(mode),
            (Act::Restart, _) => self.restart(number),
            (Act::Net(faults), _) => self.net.faults = faults,
            (Act::CutOff(which), _) => self.net.dead = self.proxies.get(which).copied().into_iter().collect(),
            (Act::Proxy { patience, challenging }, _) => self.tune_proxy(patience, challenging),
            _ => {}
        }
    }

    fn follow(&mut self, number: usize, follow: bool) {
        let referred = self.told(number).filter_map(|event| match event {
            Event::Referred { referral, .. } => Some(*referral),
            _ => None,
        });
        let Some(referral) = referred.last() else { return };
        let call = self.net.fresh_call();
        let follow = if follow { Command::AcceptReferral { referral, call } } else { Command::DeclineReferral(referral) };
        self.net.command(number, follow);
    }

    pub fn answer_all(&mut self) {
        for number in 0..self.net.nodes.len() {
            for view in self.net.calls(number).into_iter().filter(|view| view.stage == CallStage::Incoming) {
                self.net.command(number, Command::Answer(view.call));
            }
        }
    }

    fn tune_proxy(&mut self, patience: u64, challenging: bool) {
        for proxy in self.net.proxies.values_mut() {
            proxy.patience = Duration::from_millis(patience);
            proxy.challenging = challenging;
        }
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
    pub fn assert_nobody_talks_alone(&mut self) {
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
        for sent in self.net.log.iter().filter(|sent| !self.proxies.contains(&sent.from) && sent.title().ends_with("BYE")) {
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
        self.net.dead.clear();
        self.net.nodes.iter_mut().for_each(|node| node.mode = MediaMode::Ready);
    }

    /// Everybody hangs up, what still comes in is hung up as well, and the lines go off.
    pub fn end(&mut self) {
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

    pub fn told(&self, number: usize) -> impl Iterator<Item = &Event> {
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

    pub fn assert_over(&self) {
        self.net.assert_quiet();
        for proxy in self.net.proxies.values() {
            assert!(proxy.is_idle(), "a proxy waits\n{}", self.net.story());
            assert_eq!((proxy.contacts("100"), proxy.contacts("200"), proxy.watchers()), (0, 0, 0), "{}", self.net.story());
        }
        for (number, (before, after)) in self.before.iter().zip(self.kept()).enumerate() {
            assert!(after <= before + COUNTERS, "phone {number} keeps {after} octets, {before} before\n{}", self.net.story());
            assert_eq!(self.net.line(number), LineState::Disabled);
            self.assert_ends(number);
        }
    }

    /// Each BYE is one transaction; more than two of one phone in one dialog is a storm.
    pub fn assert_no_storm(&self, steps: usize) {
        let mut byes: BTreeMap<(SocketAddr, String), BTreeSet<String>> = BTreeMap::new();
        for sent in self.net.log.iter().filter(|sent| !self.proxies.contains(&sent.from) && sent.title() == "BYE") {
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
