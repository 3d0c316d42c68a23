//! Desired state against actual state makes steps. Pure, so that it can be tried without a socket; carried out by engine.rs,
//! which tells [`Actual`] of each step that is done. A plan for what is already so is empty.
//!
//! Order: sockets are bound first, so that a port that is taken leaves everything as it was; what goes makes room before what
//! comes; digits come last, when their session is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::desired::{Desired, Ring, Route, Session};
use crate::rtp::digits::Digit;
use crate::sound::tone::ToneSpec;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bind this pair of ports (RTP, and RTCP at the next one).
    Bind {
        /// For which session, in case it is taken.
        session: String,
        /// RTP.
        local: SocketAddr,
    },
    /// Tear a session down.
    Remove(String),
    /// Close this pair of ports.
    Release(SocketAddr),
    /// The device pipeline plays, or rests.
    Device(bool),
    /// Set a session up.
    Add(Box<Session>),
    /// A session goes on in another way, on the same socket.
    Change(Box<Session>),
    /// The tone in the earpiece.
    Tone(Option<ToneSpec>),
    /// The ringer.
    Ring(Option<Ring>),
    /// Where the far end is heard.
    Route(Route),
    /// Send these.
    Digits {
        /// Where.
        session: String,
        /// In order.
        digits: Vec<Digit>,
    },
}

/// What is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// RTP addresses of the pairs that are bound.
    pub ports: BTreeSet<SocketAddr>,
    /// By id.
    pub sessions: BTreeMap<String, Session>,
    /// In the earpiece.
    pub tone: Option<ToneSpec>,
    /// The ringer.
    pub ring: Option<Ring>,
    /// Where the far end is heard.
    pub route: Route,
    /// Whether the device pipeline plays.
    pub device: bool,
    /// The highest number of a digit that was taken on, by call.
    pub digits: BTreeMap<String, u64>,
}

/// The steps from `actual` to `desired`.
pub fn plan(desired: &Desired, actual: &Actual) -> Vec<Step> {
    let mut steps = ports_to_bind(desired, actual);
    let leaves = |session: &&Session| desired.sessions.get(&session.id).is_none_or(|wanted| wanted.local != session.local);
    let leaving: BTreeSet<&String> = actual.sessions.values().filter(leaves).map(|session| &session.id).collect();
    steps.extend(leaving.iter().map(|id| Step::Remove((*id).clone())));
    let wanted: BTreeSet<SocketAddr> = desired.sessions.values().map(|session| session.local).collect();
    steps.extend(actual.ports.difference(&wanted).copied().map(Step::Release));
    let plays = plays(desired);
    if plays && !actual.device {
        steps.push(Step::Device(true));
    }
    for (id, session) in &desired.sessions {
        match actual.sessions.get(id).filter(|_| !leaving.contains(id)) {
            None => steps.push(Step::Add(Box::new(session.clone()))),
            Some(present) if present != session => steps.push(Step::Change(Box::new(session.clone()))),
            Some(_) => {}
        }
    }
    steps.extend((desired.tone != actual.tone).then(|| Step::Tone(desired.tone.clone())));
    steps.extend((desired.ring != actual.ring).then_some(Step::Ring(desired.ring)));
    steps.extend((desired.route != actual.route).then_some(Step::Route(desired.route)));
    steps.extend(digits_to_send(desired, actual));
    if !plays && actual.device {
        steps.push(Step::Device(false));
    }
    steps
}

/// Whether anything needs the sound device: a session that is only bound does not.
fn plays(desired: &Desired) -> bool {
    desired.tone.is_some() || desired.ring.is_some() || desired.sessions.values().any(|session| session.part.agreed.is_some())
}

fn ports_to_bind(desired: &Desired, actual: &Actual) -> Vec<Step> {
    let mut bound = actual.ports.clone();
    let new = desired.sessions.values().filter(|session| bound.insert(session.local));
    new.map(|session| Step::Bind { session: session.id.clone(), local: session.local }).collect()
}

/// A number that was taken on already is not sent again, whichever leg of the call it stands in.
fn digits_to_send(desired: &Desired, actual: &Actual) -> Vec<Step> {
    let mut steps = Vec::new();
    for (id, session) in &desired.sessions {
        let highest = actual.digits.get(&session.call).copied().unwrap_or(0);
        let digits = desired.digits.get(id).map(Vec::as_slice).unwrap_or_default();
        let digits: Vec<Digit> = digits.iter().filter(|digit| digit.number > highest).cloned().collect();
        if !digits.is_empty() {
            steps.push(Step::Digits { session: id.clone(), digits });
        }
    }
    steps
}

impl Actual {
    /// This step is done.
    pub fn done(&mut self, step: &Step) {
        match step {
            Step::Bind { local, .. } => {
                self.ports.insert(*local);
            }
            Step::Remove(id) => {
                if let Some(gone) = self.sessions.remove(id)
                    && !self.sessions.values().any(|session| session.call == gone.call)
                {
                    self.digits.remove(&gone.call);
                }
            }
            Step::Release(local) => {
                self.ports.remove(local);
            }
            Step::Device(plays) => self.device = *plays,
            Step::Add(session) | Step::Change(session) => {
                self.sessions.insert(session.id.clone(), (**session).clone());
            }
            Step::Tone(tone) => self.tone.clone_from(tone),
            Step::Ring(ring) => self.ring = *ring,
            Step::Route(route) => self.route = *route,
            Step::Digits { session, digits } => self.took_on(session, digits),
        }
    }

    fn took_on(&mut self, session: &str, digits: &[Digit]) {
        let Some(call) = self.sessions.get(session).map(|session| session.call.clone()) else { return };
        let highest = self.digits.entry(call).or_default();
        *highest = digits.iter().map(|digit| digit.number).fold(*highest, u64::max);
    }
}

#[cfg(test)]
mod tests {
    use phone_proto::media as wire;
    use proptest::prelude::*;

    use super::*;

    fn session(id: &str, port: u32) -> wire::Session {
        wire::Session {
            id: id.into(),
            call: "call".into(),
            local_address: "127.0.0.1".into(),
            local_port: port,
            remote_address: "127.0.0.2".into(),
            remote_port: 4_000,
            direction: wire::Direction::Sendrecv.into(),
            codecs: vec![wire::Codec { name: "PCMU".into(), payload_type: 0 }],
            ..Default::default()
        }
    }

    fn desired(sessions: Vec<wire::Session>) -> Desired {
        Desired::read(wire::DesiredState { sessions, ..Default::default() }).unwrap()
    }

    fn carry_out(actual: &mut Actual, desired: &Desired) -> Vec<Step> {
        let steps = plan(desired, actual);
        steps.iter().for_each(|step| actual.done(step));
        steps
    }

    fn names(steps: &[Step]) -> Vec<String> {
        let name = |step: &Step| format!("{step:?}").split(['(', ' ']).next().unwrap_or_default().to_owned();
        steps.iter().map(name).collect()
    }

    #[test]
    fn a_session_is_bound_before_it_is_added_and_released_after_it_is_removed() {
        let mut actual = Actual::default();
        assert_eq!(names(&carry_out(&mut actual, &desired(vec![session("a", 16_000)]))), ["Bind", "Device", "Add"]);
        assert_eq!(names(&carry_out(&mut actual, &desired(vec![]))), ["Remove", "Release", "Device"]);
        assert_eq!(actual, Actual::default());
    }

    #[test]
    fn hold_and_another_codec_keep_the_socket() {
        let mut actual = Actual::default();
        carry_out(&mut actual, &desired(vec![session("a", 16_000)]));
        let held = wire::Session { direction: wire::Direction::Inactive.into(), ..session("a", 16_000) };
        assert_eq!(names(&carry_out(&mut actual, &desired(vec![held]))), ["Change"]);
        let wide = wire::Session { codecs: vec![wire::Codec { name: "G722".into(), payload_type: 9 }], ..session("a", 16_000) };
        assert_eq!(names(&carry_out(&mut actual, &desired(vec![wide]))), ["Change"]);
    }

    #[test]
    fn legs_of_a_forked_call_share_a_port() {
        let mut actual = Actual::default();
        let steps = carry_out(&mut actual, &desired(vec![session("a/1", 16_000), session("a/2", 16_000)]));
        assert_eq!(names(&steps), ["Bind", "Device", "Add", "Add"]);
        assert_eq!(names(&carry_out(&mut actual, &desired(vec![session("a/2", 16_000)]))), ["Remove"]);
    }

    #[test]
    fn a_session_that_moves_to_another_port_is_set_up_anew() {
        let mut actual = Actual::default();
        carry_out(&mut actual, &desired(vec![session("a", 16_000)]));
        let steps = carry_out(&mut actual, &desired(vec![session("a", 16_002)]));
        assert_eq!(names(&steps), ["Bind", "Remove", "Release", "Add"]);
    }

    #[test]
    fn a_session_that_is_only_bound_leaves_the_device_asleep() {
        let bound = wire::Session { codecs: Vec::new(), ..session("a", 16_000) };
        assert_eq!(names(&plan(&desired(vec![bound]), &Actual::default())), ["Bind", "Add"]);
    }

    #[test]
    fn a_digit_is_taken_on_once_also_on_another_leg_of_the_call() {
        let digit = |number| wire::Digit { number, digit: "1".into(), duration_ms: 100, ..Default::default() };
        let with = |id: &str, numbers: &[u64]| wire::Session {
            digits: numbers.iter().map(|number| digit(*number)).collect(),
            ..session(id, 16_000)
        };
        let sent = |steps: &[Step]| -> Vec<u64> {
            let digits = steps.iter().filter_map(|step| if let Step::Digits { digits, .. } = step { Some(digits) } else { None });
            digits.flatten().map(|digit| digit.number).collect()
        };
        let mut actual = Actual::default();
        assert_eq!(sent(&carry_out(&mut actual, &desired(vec![with("a/1", &[1, 2])]))), [1, 2]);
        assert_eq!(sent(&carry_out(&mut actual, &desired(vec![with("a/1", &[2, 3])]))), [3]);
        assert_eq!(sent(&carry_out(&mut actual, &desired(vec![with("a/1", &[]), with("a/2", &[3, 4])]))), [4]);
        carry_out(&mut actual, &desired(vec![]));
        assert_eq!(sent(&carry_out(&mut actual, &desired(vec![with("a/1", &[1])]))), [1]);
    }

    prop_compose! {
        fn any_session()(id in "[abc]", port in 0u32..4, codec in 0usize..3, direction in 0i32..5, remote in 0u32..3)
            -> wire::Session {
            let codec = ["PCMU", "PCMA", "G722"].get(codec).map(|name| wire::Codec { name: (*name).into(), payload_type: 9 });
            wire::Session { direction, codecs: codec.into_iter().collect(), remote_port: remote, ..session(&id, 16_000 + port * 2) }
        }
    }

    prop_compose! {
        fn any_state()(sessions in prop::collection::vec(any_session(), 0..5), tone: bool, ring: bool) -> Desired {
            let unique: BTreeMap<String, wire::Session> =
                sessions.into_iter().map(|session| (session.id.clone(), session)).collect();
            let tone = tone.then(|| wire::Tone { name: "dial".into(), frequencies: vec![440], ..Default::default() });
            let ring = ring.then_some(wire::Ring { ringtone: 1, volume_percent: 50 });
            let sessions = unique.into_values().collect();
            Desired::read(wire::DesiredState { sessions, tone, ring, ..Default::default() }).unwrap()
        }
    }

    proptest! {
        #[test]
        fn from_any_state_to_any_other_and_then_nothing_is_left_to_do(states in prop::collection::vec(any_state(), 1..6)) {
            let mut actual = Actual::default();
            for state in &states {
                carry_out(&mut actual, state);
                prop_assert_eq!(&actual.sessions, &state.sessions);
                prop_assert_eq!(&actual.tone, &state.tone);
                let ports: BTreeSet<SocketAddr> = state.sessions.values().map(|session| session.local).collect();
                prop_assert_eq!(&actual.ports, &ports);
                prop_assert_eq!(plan(state, &actual), Vec::new());
            }
        }
    }
}
