//! Hands, far ends and the bus in any order: whatever happens, what the phone wishes stays sensible.
#![allow(clippy::unwrap_used)]

use agreements::CallIdentity;
use proptest::prelude::*;
use sip_stack::{Command, EndedBy, Event, ReferProgress, SubscriptionState};
use telephone::{CALLS_MAX, CallState, Forward, Input, LineForwarding, MediaState, Phone, Request, SoundWish, TelephoneSettings};
use testbed::desk::{Desk, factory, line, registered};

#[derive(Clone, Debug)]
enum Step {
    Lift,
    PutDown,
    Key(&'static str),
    Invite(u32),
    Dial,
    /// The call of this number among those known, and what happens to it.
    Call(usize, Happening),
    /// Two of them are to be joined.
    Join(usize, usize),
    Seconds(u64),
}

#[derive(Clone, Debug)]
enum Happening {
    Ringback(bool),
    Established,
    Hold(bool, bool),
    HoldFailed,
    Ended(u16),
    Answer,
    Reject,
    Hangup,
    AskHold,
    AskResume,
    Digits,
    Flow,
    Referred,
    Replaced,
    Transfer,
    Transferred,
    NotTransferred,
    FlashHook,
    TalkRequested,
    HoldRequested,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        any::<bool>().prop_map(Happening::Ringback),
        Just(Happening::Established),
        (any::<bool>(), any::<bool>()).prop_map(|(local, remote)| Happening::Hold(local, remote)),
        Just(Happening::HoldFailed),
        prop_oneof![Just(0), Just(486), Just(503)].prop_map(Happening::Ended),
        Just(Happening::Answer),
        Just(Happening::Reject),
        Just(Happening::Hangup),
        Just(Happening::AskHold),
        Just(Happening::AskResume),
        Just(Happening::Digits),
        Just(Happening::Flow),
        Just(Happening::Referred),
        Just(Happening::Replaced),
        Just(Happening::Transfer),
        Just(Happening::NotTransferred),
        Just(Happening::Transferred),
        Just(Happening::FlashHook),
        Just(Happening::TalkRequested),
        Just(Happening::HoldRequested),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![
        Just("1"),
        Just("pound"),
        Just("star"),
        Just("line-1"),
        Just("line-2"),
        Just("speaker"),
        Just("headset"),
        Just("mute"),
        Just("hold"),
        Just("redial"),
        Just("message"),
        Just("flash"),
        Just("cancel"),
        Just("enter"),
    ];
    prop_oneof![
        2 => Just(Step::Lift),
        2 => Just(Step::PutDown),
        4 => key.prop_map(Step::Key),
        2 => (1_u32..3).prop_map(Step::Invite),
        1 => Just(Step::Dial),
        6 => (0_usize..4, happening()).prop_map(|(call, what)| Step::Call(call, what)),
        1 => (0_usize..4, 0_usize..4).prop_map(|(call, other)| Step::Join(call, other)),
        1 => (0_u64..40).prop_map(Step::Seconds),
    ]
}

fn seizing() -> impl Strategy<Value = Seizing> {
    prop_oneof![Just(Seizing::Granted), Just(Seizing::Refused), Just(Seizing::InUse), Just(Seizing::Silent)]
}

fn happen(desk: &mut Desk, call: CallIdentity, what: Happening) {
    // A refusal is an answer like any other here.
    let mut ask = |request| drop(desk.request(request));
    match what {
        Happening::Answer => ask(Request::Answer(call)),
        Happening::Reject => ask(Request::Reject(call)),
        Happening::Hangup => ask(Request::Hangup(call)),
        Happening::AskHold => ask(Request::Hold(call)),
        Happening::AskResume => ask(Request::Resume(call)),
        Happening::Digits => ask(Request::SendDigits(call, "12".into())),
        Happening::Ringback(early_media) => desk.sip(Event::Ringback { call, early_media }),
        Happening::Established => desk.established(call),
        Happening::Hold(local, remote) => desk.hold_changed(call, local, remote),
        Happening::HoldFailed => desk.sip(Event::HoldFailed { call, status: 488, reason: String::new() }),
        Happening::Ended(code) => desk.ended(call, code, EndedBy::Remote),
        Happening::FlashHook => ask(Request::SendFlashHook(call)),
        Happening::Transfer => ask(Request::Transfer(call, "500".into())),
        Happening::NotTransferred => {
            let progress = ReferProgress::Failed { status: 486, reason: String::new() };
            desk.sip(Event::Refer { call, progress });
        }
        Happening::Transferred => desk.sip(Event::Refer { call, progress: ReferProgress::Succeeded }),
        Happening::Referred => desk.refer(call, 1),
        Happening::Replaced => drop(desk.replace(call)),
        Happening::TalkRequested => desk.sip(Event::TalkRequested { call }),
        Happening::HoldRequested => desk.sip(Event::HoldRequested { call }),
        Happening::Flow => desk.input(Input::Media(call, MediaState::Flowing)),
    }
}

fn take(desk: &mut Desk, step: Step) {
    match step {
        Step::Lift => desk.lift(),
        Step::PutDown => desk.put_down(),
        Step::Key(name) => desk.key(name),
        Step::Invite(on) => drop(desk.invite(on)),
        Step::Dial => drop(desk.request(Request::Dial { line: None, target: "100".into() })),
        Step::Call(number, what) => {
            if let Some(call) = desk.calls.keys().nth(number).copied() {
                happen(desk, call, what);
            }
        }
        Step::Join(call, other) => {
            let known: Vec<CallIdentity> = desk.calls.keys().copied().collect();
            if let (Some(call), Some(other)) = (known.get(call).copied(), known.get(other).copied()) {
                drop(desk.request(Request::TransferTo { call, other }));
            }
        }
        Step::Seconds(seconds) => desk.seconds(seconds),
    }
}

fn check(desk: &Desk) {
    let up = desk.calls.values().filter(|call| call.state != CallState::Ended).count();
    assert_eq!(desk.calls_up as usize, up);
    // One more while it takes the place of another one.
    assert!(up <= CALLS_MAX + 1, "{up}");
    if let Some(heard) = desk.sound.heard {
        let call = desk.view(heard);
        assert!(matches!(call.state, CallState::Talking | CallState::Ringback) && !call.hold.local, "{call:?}");
        assert_eq!(desk.tone(), None, "a tone over a voice");
    }
    assert!(!(desk.sound.ring && desk.sound.heard.is_some()), "ringing into a conversation");
    assert!(!(desk.sound.ring && desk.tone().is_some()), "ringing over a tone");
    assert!(desk.sound.digits.keys().all(|call| desk.view(*call).state == CallState::Talking));
}

/// What the server of a shared line does when it is to be seized.
#[derive(Clone, Copy, Debug)]
enum Seizing {
    Granted,
    Refused,
    InUse,
    Silent,
}

/// The stack's part: each command is about a call that is shown; refusing and hanging up end it.
fn obey(desk: &mut Desk, seizing: Seizing) {
    for command in desk.commands() {
        let (call, end) = match command {
            Command::Ring(call) | Command::Answer(call) | Command::Hold(call) | Command::Resume(call) => (call, None),
            Command::Dial { call, .. } | Command::AcceptReferral { call, .. } => (call, None),
            Command::SendDigits(call, ref digits) => {
                assert!(!digits.is_empty() && desk.view(call).state == CallState::Talking);
                (call, None)
            }
            Command::SendFlashHook { call, .. } => {
                assert_eq!(desk.view(call).state, CallState::Talking);
                (call, None)
            }
            Command::Reject(call, status) => (call, Some(status)),
            Command::Forward { call, .. } => (call, Some(302)),
            Command::Hangup(call) => (call, Some(0)),
            Command::Refer { call, .. } => (call, None),
            Command::DeclineReferral(_) => continue,
            Command::Subscribe { key, .. } if key.event == "line-seize" => {
                match seizing {
                    Seizing::Granted => desk.sip(Event::Subscription { key, state: SubscriptionState::Active }),
                    Seizing::Refused => {
                        let reason = "no".to_owned();
                        desk.sip(Event::Subscription { key, state: SubscriptionState::Refused { reason } });
                    }
                    Seizing::InUse => {
                        let reason = "no".to_owned();
                        desk.sip(Event::Subscription { key, state: SubscriptionState::InUse { reason } });
                    }
                    Seizing::Silent => {}
                }
                continue;
            }
            Command::Register(_) | Command::Subscribe { .. } | Command::Unsubscribe(_) => continue,
            Command::LetLapse(_) | Command::Stop => continue,
        };
        assert!(desk.calls.contains_key(&call), "{command:?}");
        if let Some(status) = end {
            desk.ended(call, status, EndedBy::Local);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_the_wishes_stay_sensible(steps in prop::collection::vec(step(), 1..60), auto_call_hold: bool, auto_answer: bool, relay: bool, away: bool, flash_ends_call: bool, shared: bool, seizing in seizing()) {
        let relay_digits = [relay; 6];
        let mut settings = TelephoneSettings { auto_call_hold, auto_answer, relay_digits, flash_ends_call, shared: [shared; 6], ..factory() };
        let no_answer = Forward { enabled: away, to: "4711".into() };
        settings.forwarding[0] = LineForwarding { no_answer, rings: 2, ..LineForwarding::default() };
        settings.mailbox_numbers[0] = "1001".into();
        let mut desk = Desk::new(settings);
        desk.sip(Event::Line(line(2), registered()));
        for step in steps {
            take(&mut desk, step);
            obey(&mut desk, seizing);
            check(&desk);
        }
        let bytes = postcard::to_stdvec(&desk.phone).unwrap();
        prop_assert!(postcard::from_bytes::<Phone>(&bytes).is_ok());
        // Everybody leaves: after a while nothing is up, nothing sounds, and no deadline is left.
        desk.put_down();
        // Digits that were keyed hands-free are still dialed in the first round.
        for _ in 0..2 {
            for call in desk.calls.keys().copied().collect::<Vec<_>>() {
                desk.ended(call, 0, EndedBy::Remote);
            }
            desk.seconds(60);
        }
        prop_assert!(desk.calls.is_empty());
        prop_assert_eq!(desk.sound, SoundWish::default());
    }
}
