//! What media-engine shall do, composed from the media of each call (the stack's wish) and what the person hears (telephone's).
//! Pure: no time, no channel. It also knows which wishes of the stack are still unanswered.

use std::collections::{BTreeMap, BTreeSet};

use agreements::{CallIdentity, LineNumber, Tick};
use phone_proto::media as proto;
use sip_stack::{CallMedia, Direction, LegMedia, MediaRefusal};
use telephone::{Near, SoundWish, ToneWish};

use crate::bus::codec_name;
use crate::settings::MediaSettings;

/// How long media-engine goes on without us.
pub const LEASE_SECONDS: u32 = 30;
/// The ringer's own volume is Media1's; the wish is all of it.
const FULL_VOLUME: u32 = 100;
/// The ringing tone of DN buttons (B203); buttons come with a later version.
const RINGTONE: u32 = 1;

/// See the module.
pub struct Plan {
    /// RTP sequence and timestamp bases come from it, so it stays the same as long as the calls do.
    session_epoch: u64,
    calls: BTreeMap<CallIdentity, CallMedia>,
    /// Wishes that the stack waits for, by call: the generation.
    unanswered: BTreeMap<CallIdentity, u64>,
    /// Calls whose ports are lost: left out, so that the others are heard.
    failed: BTreeSet<CallIdentity>,
    sound: SoundWish,
    generation: u64,
    /// Which wish of which call is in which state that was given out, oldest first.
    given: BTreeMap<u64, BTreeMap<CallIdentity, u64>>,
    /// The newest state that was given out.
    newest: Option<proto::DesiredState>,
}

/// States given out and not yet answered; media-engine is only ever asked for the newest.
const GIVEN_MAX: usize = 32;

/// An answer for the stack.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready {
    /// The call.
    pub call: CallIdentity,
    /// Of its wish.
    pub generation: u64,
    /// As the stack takes it.
    pub result: Result<(), MediaRefusal>,
}

/// What became of a state.
#[derive(Debug)]
pub enum Outcome {
    /// It is in effect.
    Done,
    /// Nothing was changed.
    PortTaken(Vec<proto::PortTaken>),
    /// media-engine is not there; it goes on being asked.
    Failed(String),
}

impl Plan {
    /// Nothing to be heard.
    pub fn new(session_epoch: u64) -> Plan {
        Plan {
            session_epoch,
            calls: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            failed: BTreeSet::new(),
            sound: SoundWish::default(),
            generation: 0,
            given: BTreeMap::new(),
            newest: None,
        }
    }

    /// The stack's wish for one call.
    pub fn want_call(&mut self, media: CallMedia) {
        self.failed.remove(&media.call);
        self.unanswered.insert(media.call, media.generation);
        if media.legs.is_empty() {
            self.calls.remove(&media.call);
        } else {
            self.calls.insert(media.call, media);
        }
    }

    /// Telephone's wish.
    pub fn want_sound(&mut self, sound: SoundWish) {
        self.sound = sound;
    }

    /// Whether the call has media that is not lost.
    pub fn has(&self, call: CallIdentity) -> bool {
        self.calls.contains_key(&call) && !self.failed.contains(&call)
    }

    /// The whole state, with a generation newer than any before, also than those of an earlier life of this process. None: it is
    /// what was given out last, and whatever has come and gone since then (a call that was refused at once) needs nothing.
    pub fn compose(&mut self, now: Tick, settings: impl Fn(LineNumber) -> MediaSettings) -> Option<proto::DesiredState> {
        let mut state = self.state(settings);
        let waited_for = self.unanswered.keys().any(|call| self.calls.contains_key(call));
        if !waited_for && self.newest.as_ref() == Some(&state) {
            self.unanswered.clear();
            return None;
        }
        self.generation = now.0.max(self.generation.saturating_add(1));
        state.generation = self.generation;
        self.given.insert(self.generation, self.unanswered.clone());
        while self.given.len() > GIVEN_MAX {
            self.given.pop_first();
        }
        self.newest = Some(state.clone());
        Some(state)
    }

    /// With the generation of the one before.
    fn state(&self, settings: impl Fn(LineNumber) -> MediaSettings) -> proto::DesiredState {
        let calls = self.calls.values().filter(|media| !self.failed.contains(&media.call));
        let legs = calls.flat_map(|media| media.legs.iter().map(move |leg| (media, leg)));
        let sessions: Vec<_> = legs.map(|(media, leg)| self.session(media, leg, &settings(media.line))).collect();
        proto::DesiredState {
            generation: self.generation,
            session_epoch: self.session_epoch,
            lease_seconds: LEASE_SECONDS,
            sessions,
            tone: self.sound.tone.as_ref().map(tone),
            ring: self.sound.ring.then_some(proto::Ring { ringtone: RINGTONE, volume_percent: FULL_VOLUME }),
            route: route(self.sound.near).into(),
        }
    }

    fn session(&self, media: &CallMedia, leg: &LegMedia, settings: &MediaSettings) -> proto::Session {
        let heard = self.sound.heard == Some(media.call);
        let spoken_to = heard && !self.sound.muted;
        let (jitter_min_ms, jitter_nominal_ms, jitter_max_ms) = settings.jitter_ms;
        proto::Session {
            id: session_id(media.call, leg.leg),
            call: media.call.to_string(),
            local_address: leg.local.ip().to_string(),
            local_port: leg.local.port().into(),
            remote_address: leg.remote.map(|remote| remote.ip().to_string()).unwrap_or_default(),
            remote_port: leg.remote.map_or(0, |remote| remote.port().into()),
            remote_rtcp_port: leg.remote_rtcp.map_or(0, |remote| remote.port().into()),
            direction: direction(leg.direction).into(),
            codecs: leg
                .codecs
                .iter()
                .map(|(codec, payload_type)| proto::Codec { name: codec_name(*codec).into(), payload_type: (*payload_type).into() })
                .collect(),
            telephone_event: leg.telephone_event.unwrap_or(0).into(),
            ssrc: leg.ssrc,
            ptime_ms: leg.ptime_ms,
            dscp: settings.dscp,
            dscp_rtcp: settings.dscp_rtcp,
            jitter_min_ms,
            jitter_nominal_ms,
            jitter_max_ms,
            rtcp_interval: if settings.rtcp_by_sdp && !leg.rtcp_named { 0 } else { settings.rtcp_interval },
            hears: if spoken_to { vec!["handset".into()] } else { Vec::new() },
            heard_by_handset: heard,
            digits: self.digits(media, leg),
        }
    }

    /// Digits go out on the first leg only: a forked call is not in conversation yet.
    fn digits(&self, media: &CallMedia, leg: &LegMedia) -> Vec<proto::Digit> {
        let first = media.legs.first().is_some_and(|first| first.leg == leg.leg);
        let digits = self.sound.digits.get(&media.call).filter(|_| first);
        digits
            .into_iter()
            .flatten()
            .map(|digit| proto::Digit {
                number: digit.number,
                digit: digit.digit.into(),
                duration_ms: digit.duration_ms,
                pause_ms: digit.pause_ms,
                in_band: leg.telephone_event.is_none(),
            })
            .collect()
    }

    /// What the stack is told about a state that was given out.
    pub fn outcome(&mut self, generation: u64, outcome: Outcome) -> Vec<Ready> {
        let newer = self.given.split_off(&generation.saturating_add(1));
        let answered = self.given.remove(&generation).unwrap_or_default();
        self.given = newer;
        match outcome {
            Outcome::Done => self.answer(answered, |_| Ok(())),
            Outcome::Failed(reason) => self.answer(answered, |_| Err(MediaRefusal::Failed(reason.clone()))),
            Outcome::PortTaken(ports) => self.ports_taken(answered, &ports),
        }
    }

    fn ports_taken(&mut self, answered: BTreeMap<CallIdentity, u64>, ports: &[proto::PortTaken]) -> Vec<Ready> {
        let taken: BTreeMap<CallIdentity, u16> =
            ports.iter().filter_map(|port| Some((call_of(&port.session)?, u16::try_from(port.port).unwrap_or(0)))).collect();
        // A call that was up already cannot propose another port now.
        let lost = taken.keys().filter(|call| !self.unanswered.contains_key(call));
        self.failed.extend(lost);
        let answered = answered.into_iter().filter(|(call, _)| taken.contains_key(call)).collect();
        self.answer(answered, |call| Err(MediaRefusal::PortTaken(taken.get(&call).copied().unwrap_or(0))))
    }

    fn answer(
        &mut self,
        answered: BTreeMap<CallIdentity, u64>,
        result: impl Fn(CallIdentity) -> Result<(), MediaRefusal>,
    ) -> Vec<Ready> {
        let mut ready = Vec::new();
        for (call, generation) in answered {
            if self.unanswered.get(&call) == Some(&generation) {
                self.unanswered.remove(&call);
                ready.push(Ready { call, generation, result: result(call) });
            }
        }
        ready
    }
}

/// `<call>/<leg>`.
fn session_id(call: CallIdentity, leg: u32) -> String {
    format!("{call}/{leg}")
}

/// The call that a session of ours belongs to.
pub fn call_of(session: &str) -> Option<CallIdentity> {
    session.split('/').next()?.parse().ok()
}

fn direction(direction: Direction) -> proto::Direction {
    match direction {
        Direction::Inactive => proto::Direction::Inactive,
        Direction::SendOnly => proto::Direction::Sendonly,
        Direction::RecvOnly => proto::Direction::Recvonly,
        Direction::SendRecv => proto::Direction::Sendrecv,
    }
}

fn route(near: Near) -> proto::Route {
    match near {
        Near::Handset => proto::Route::Handset,
        Near::Speaker => proto::Route::Speaker,
        Near::Headset => proto::Route::Headset,
    }
}

/// The progress tones begin with their OFF time (B204).
fn tone(tone: &ToneWish) -> proto::Tone {
    proto::Tone {
        name: tone.name.as_str().to_owned(),
        frequencies: tone.sound.frequencies.clone(),
        timing_ms: tone.sound.timing_ms.clone(),
        starts_with_on: false,
        gain_db: tone.sound.gain_db,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> LineNumber {
        LineNumber::new(1).unwrap()
    }
    fn call(number: u64) -> CallIdentity {
        CallIdentity::from_parts(number, 0)
    }
    fn media(number: u64, generation: u64, port: u16) -> CallMedia {
        let leg = LegMedia {
            leg: 0,
            local: format!("192.0.2.7:{port}").parse().unwrap(),
            remote: "192.0.2.9:4000".parse().ok(),
            remote_rtcp: None,
            rtcp_named: false,
            direction: Direction::SendRecv,
            codecs: vec![(sip_stack::Codec::Pcmu, 0)],
            telephone_event: Some(101),
            ssrc: 7,
            ptime_ms: 20,
        };
        CallMedia { call: call(number), line: line(), generation, legs: vec![leg] }
    }
    fn composed(plan: &mut Plan, now: u64) -> Option<proto::DesiredState> {
        plan.compose(Tick(now), |_| MediaSettings {
            dscp: 46,
            dscp_rtcp: 26,
            rtcp_by_sdp: false,
            jitter_ms: (20, 30, 200),
            rtcp_interval: 5,
        })
    }
    fn compose(plan: &mut Plan, now: u64) -> proto::DesiredState {
        composed(plan, now).expect("a new state")
    }

    #[test]
    fn a_call_in_the_ear_hears_and_is_heard() {
        let mut plan = Plan::new(99);
        plan.want_call(media(1, 1, 16000));
        plan.want_call(media(2, 1, 16002));
        let digit = telephone::Digit { number: 3, digit: '#', duration_ms: 180, pause_ms: 90 };
        let digits = BTreeMap::from([(call(1), vec![digit])]);
        plan.want_sound(SoundWish { heard: Some(call(1)), digits, ..SoundWish::default() });
        let state = compose(&mut plan, 1000);
        assert_eq!((state.generation, state.session_epoch, state.lease_seconds), (1000, 99, 30));
        let [first, second] = state.sessions.as_slice() else { panic!("two sessions") };
        assert_eq!((first.hears.as_slice(), first.heard_by_handset), (["handset".to_owned()].as_slice(), true));
        assert_eq!((second.hears.len(), second.heard_by_handset), (0, false));
        assert_eq!((first.digits[0].number, first.digits[0].in_band, second.digits.len()), (3, false, 0));
        assert_eq!((first.id.as_str(), first.dscp, first.jitter_nominal_ms), (format!("{}/0", call(1)).as_str(), 46, 30));
        assert_eq!(call_of(&first.id), Some(call(1)));
    }

    #[test]
    fn a_muted_call_is_heard_and_hears_nothing() {
        let mut plan = Plan::new(99);
        plan.want_call(media(1, 1, 16000));
        plan.want_sound(SoundWish { heard: Some(call(1)), muted: true, ..SoundWish::default() });
        let state = compose(&mut plan, 1);
        assert_eq!((state.sessions[0].hears.len(), state.sessions[0].heard_by_handset), (0, true));
    }

    #[test]
    fn each_wish_is_answered_once_and_only_with_a_state_that_holds_it() {
        let mut plan = Plan::new(99);
        plan.want_call(media(1, 1, 16000));
        let first = compose(&mut plan, 1).generation;
        plan.want_call(media(2, 1, 16002));
        let second = compose(&mut plan, 1).generation;
        assert!(second > first);
        let ready = |call, generation| Ready { call, generation, result: Ok(()) };
        assert_eq!(plan.outcome(first, Outcome::Done), [ready(call(1), 1)]);
        assert_eq!(plan.outcome(second, Outcome::Done), [ready(call(2), 1)]);
        assert_eq!(plan.outcome(second, Outcome::Done), []);
    }

    #[test]
    fn the_newest_state_answers_for_those_before_it() {
        let mut plan = Plan::new(99);
        plan.want_call(media(1, 1, 16000));
        compose(&mut plan, 1);
        plan.want_call(media(1, 2, 16000));
        let newest = compose(&mut plan, 2).generation;
        assert_eq!(plan.outcome(newest, Outcome::Done), [Ready { call: call(1), generation: 2, result: Ok(()) }]);
    }

    #[test]
    fn a_taken_port_is_the_call_s_own_matter() {
        let mut plan = Plan::new(99);
        plan.want_call(media(1, 1, 16000));
        plan.want_call(media(2, 1, 16002));
        let taken = vec![proto::PortTaken { session: format!("{}/0", call(1)), port: 16000 }];
        let generation = compose(&mut plan, 1).generation;
        let refused = Ready { call: call(1), generation: 1, result: Err(MediaRefusal::PortTaken(16000)) };
        assert_eq!(plan.outcome(generation, Outcome::PortTaken(taken.clone())), [refused]);
        plan.want_call(media(1, 2, 16004));
        let generation = compose(&mut plan, 2).generation;
        assert_eq!(plan.outcome(generation, Outcome::Done).len(), 2);
        // Taken by somebody else while media-engine was away and was asked again: the other call goes on.
        assert_eq!(plan.outcome(generation, Outcome::PortTaken(taken)), []);
        assert!(!plan.has(call(1)) && plan.has(call(2)));
        assert_eq!(compose(&mut plan, 4).sessions.len(), 1);
    }

    #[test]
    fn a_call_without_legs_is_gone_and_its_end_is_answered() {
        let mut plan = Plan::new(99);
        plan.want_call(media(1, 1, 16000));
        compose(&mut plan, 1);
        plan.want_call(CallMedia { legs: Vec::new(), ..media(1, 2, 16000) });
        let state = compose(&mut plan, 2);
        assert!(state.sessions.is_empty());
        assert_eq!(plan.outcome(state.generation, Outcome::Done).len(), 1);
    }

    #[test]
    fn a_call_that_came_and_went_needs_nothing_and_one_that_waits_does() {
        let mut plan = Plan::new(99);
        compose(&mut plan, 1);
        plan.want_call(media(1, 1, 16000));
        plan.want_call(CallMedia { legs: Vec::new(), ..media(1, 2, 16000) });
        assert_eq!((composed(&mut plan, 2), plan.unanswered.len()), (None, 0));
        plan.want_call(media(2, 1, 16000));
        compose(&mut plan, 3);
        plan.want_call(media(2, 2, 16000));
        let again = composed(&mut plan, 4).map(|state| state.generation);
        assert_eq!(again, Some(4), "the stack waits for an answer to its second wish, though it wishes the same");
    }
}
