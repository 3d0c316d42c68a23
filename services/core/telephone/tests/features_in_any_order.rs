//! Persons, the server and the owner of the settings in any order, each of them late: in the end all three say the same, and
//! nobody says anything more.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod server;

use std::collections::VecDeque;

use proptest::prelude::*;
use server::{Story, dnd, forward, in_short, key, multipart};
use sip_stack::{Command, SubscriptionState};
use telephone::{LineFeatures, Written};

#[derive(Clone, Debug)]
enum Step {
    /// A person saves; where.
    Person(Change),
    /// Somebody changes it at the server.
    Portal(Change),
    /// The oldest SUBSCRIBE arrives; whether the answer says everything.
    Subscribe(bool),
    /// The oldest NOTIFY arrives.
    Notify,
    /// What is to be written is, unless somebody was faster or its owner is away.
    Write(bool),
    /// The oldest of the new settings arrives.
    Settings,
    /// The subscription is lost, and back with everything.
    Lost,
    Seconds(u64),
}

#[derive(Clone, Debug)]
enum Change {
    DoNotDisturb(bool),
    Forward(bool, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![Just("300"), Just("400")];
    prop_oneof![any::<bool>().prop_map(Change::DoNotDisturb), (any::<bool>(), number).prop_map(|(on, to)| Change::Forward(on, to))]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => change().prop_map(Step::Person),
        2 => change().prop_map(Step::Portal),
        3 => any::<bool>().prop_map(Step::Subscribe),
        3 => Just(Step::Notify),
        3 => prop_oneof![3 => Just(true), 1 => Just(false)].prop_map(Step::Write),
        3 => Just(Step::Settings),
        1 => Just(Step::Lost),
        1 => (0_u64..15).prop_map(Step::Seconds),
    ]
}

fn make(change: &Change, rows: &mut LineFeatures) {
    match change {
        Change::DoNotDisturb(on) => rows.do_not_disturb = *on,
        Change::Forward(on, to) => {
            rows.forwarding.all.enabled = *on;
            (*to).clone_into(&mut rows.forwarding.all.to);
        }
    }
}

struct World {
    story: Story,
    /// As the server has them.
    server: LineFeatures,
    subscribes: VecDeque<String>,
    notifies: VecDeque<String>,
    /// As they are stored, with their revision; older ones are still on their way.
    stored: (u64, LineFeatures),
    settings: VecDeque<(u64, LineFeatures)>,
    /// In effect.
    seen: u64,
    /// To be written, from this revision on.
    write: Option<(u64, LineFeatures)>,
    /// Stored with this revision, and not yet answered.
    written: Option<u64>,
    said: u32,
}

impl World {
    fn new() -> World {
        let off = [dnd(false), forward("forwardImmediate", false, "300", None)];
        let mut story = Story::active(&off);
        story.written();
        let rows = story.rows();
        let (subscribes, notifies, settings) = Default::default();
        let stored = (1, rows.clone());
        World { story, server: rows, subscribes, notifies, stored, settings, seen: 1, write: None, written: None, said: 0 }
    }

    fn everything(&self) -> String {
        let all = &self.server.forwarding.all;
        multipart(&[dnd(self.server.do_not_disturb), forward("forwardImmediate", all.enabled, &all.to, None)])
    }

    fn store(&mut self, rows: LineFeatures) {
        self.stored = (self.stored.0 + 1, rows);
        self.settings.push_back(self.stored.clone());
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Person(change) => {
                let mut rows = self.stored.1.clone();
                make(change, &mut rows);
                self.store(rows);
            }
            Step::Portal(change) => {
                make(change, &mut self.server);
                self.notifies.push_back(self.everything());
            }
            Step::Subscribe(everything) => self.subscribe(*everything),
            Step::Notify => {
                if let Some(body) = self.notifies.pop_front() {
                    self.story.notified(&body);
                }
            }
            Step::Write(owner_is_there) => self.write(*owner_is_there),
            Step::Settings => {
                if let Some((revision, rows)) = self.settings.pop_front() {
                    self.story.change(|own| *own = rows);
                    self.seen = revision;
                }
            }
            Step::Lost => {
                self.subscribes.clear();
                self.notifies.clear();
                self.story.state(SubscriptionState::Asking { last_error: "lost".into() });
                self.story.notified(&self.everything());
                self.story.state(SubscriptionState::Active);
            }
            Step::Seconds(seconds) => self.story.desk.seconds(*seconds),
        }
        self.settle();
    }

    fn subscribe(&mut self, everything: bool) {
        let Some(body) = self.subscribes.pop_front() else { return };
        let words: Vec<&str> = body.split(' ').collect();
        let answer = match words[..] {
            ["SetDoNotDisturb", on] => {
                self.server.do_not_disturb = on == "true";
                dnd(self.server.do_not_disturb)
            }
            [_, _, on, to, _] => {
                make(&Change::Forward(on == "true", ""), &mut self.server);
                to.clone_into(&mut self.server.forwarding.all.to);
                forward("forwardImmediate", on == "true", to, None)
            }
            _ => unreachable!("{body}"),
        };
        self.notifies.push_back(if everything { self.everything() } else { answer });
    }

    fn write(&mut self, owner_is_there: bool) {
        let Some((from, rows)) = self.write.take() else { return };
        if owner_is_there && from == self.stored.0 {
            self.store(rows);
            self.written = Some(self.stored.0);
        } else {
            self.story.answer(Written::Failed);
        }
    }

    fn settle(&mut self) {
        if self.written.is_some_and(|revision| revision <= self.seen) {
            self.written = None;
            self.story.answer(Written::Done);
        }
        for command in self.story.desk.commands() {
            if let Command::Subscribe { key: of, body: Some(body), .. } = command
                && of == key()
            {
                self.subscribes.push_back(in_short(&body.bytes));
                self.said += 1;
            }
        }
        for (_, rows) in self.story.desk.writes() {
            assert!(self.write.is_none() && self.written.is_none(), "one at a time");
            self.write = Some((self.seen, rows));
            self.said += 1;
        }
    }

    /// Everything that is on its way arrives.
    fn calm_down(&mut self) {
        for _ in 0..60 {
            for step in [Step::Subscribe(true), Step::Notify, Step::Write(true), Step::Settings, Step::Seconds(2)] {
                self.take(&step);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn phone_server_and_settings_agree_in_the_end_and_are_silent(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.calm_down();
        prop_assert_eq!(&world.stored.1, &world.server);
        prop_assert_eq!(&world.story.rows(), &world.server);
        let said = world.said;
        world.calm_down();
        prop_assert_eq!(world.said, said, "a loop");
    }
}
