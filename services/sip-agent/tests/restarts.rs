//! Each process on its own: a call outlives the death of any of them.
#![allow(clippy::indexing_slicing, clippy::panic)]

mod house;

use std::time::{Duration, Instant};

use house::{CALL_INTERFACE, House, LINE_1, LINE_INTERFACE, PHONE, PHONE_INTERFACE};

/// From the beginning of one life to that of the next: a shorter one has ended quickly (`snapshot.rs`).
const QUICK: Duration = Duration::from_millis(500);
/// On a machine that needs longer for a start than this, most of the time.
const MOST_TRIES: u32 = 20;

#[tokio::test]
async fn a_killed_sip_agent_comes_back_with_the_call() {
    let mut house = House::registered().await;
    house.agent.ready().await;
    let call = house.talking().await;
    let before = house.media.state("talking", |state| state.sessions.iter().any(|one| one.heard_by_handset)).await;
    let epoch = house.property(PHONE, PHONE_INTERFACE, "Epoch").await.unwrap();
    assert_eq!(house.agent.stored(), ["sip-snapshot", "sip-line-1"]);
    house.agent.crash().await;
    house.agent.ready().await;
    assert_eq!(house.calls().await, [call.as_str()]);
    assert_ne!(house.property(PHONE, PHONE_INTERFACE, "Epoch").await.unwrap(), epoch);
    for (name, value) in [("State", "talking"), ("Codec", "PCMU"), ("RemoteNumber", "300")] {
        assert_eq!(house.property(&call, CALL_INTERFACE, name).await.as_deref(), Some(value), "{name}");
    }
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    let after = house.media.state("the same media", |state| !state.sessions.is_empty()).await;
    assert_eq!((after.session_epoch, &after.sessions), (before.session_epoch, &before.sessions));
    assert!(after.generation > before.generation);
    assert_eq!(house.far.pending(), Vec::<String>::new(), "the far end has heard nothing of it");
    house.far.bye().await;
    house.far.expect("SIP/2.0 200").await;
    house.wait(&call, CALL_INTERFACE, "State", "ended").await;
}

#[tokio::test]
async fn a_killed_sip_agent_goes_on_ringing() {
    let mut house = House::registered().await;
    house.agent.ready().await;
    house.far.invite().await;
    house.far.expect("SIP/2.0 180").await;
    let call = house.one_call().await;
    house.agent.crash().await;
    house.agent.ready().await;
    assert_eq!(house.calls().await, [call.as_str()]);
    house.media.state("ringing", |state| state.ring.is_some()).await;
    house.ask(&call, CALL_INTERFACE, "Answer").await.unwrap();
    let answer = house.far.expect("SIP/2.0 200").await;
    house.far.ack(&answer).await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
}

#[tokio::test]
async fn a_killed_sip_agent_goes_on_with_a_re_invite() {
    let mut house = House::registered().await;
    house.agent.ready().await;
    let call = house.talking().await;
    house.ask(&call, CALL_INTERFACE, "Hold").await.unwrap();
    let hold = house.far.expect("INVITE").await;
    house.agent.crash().await;
    house.agent.ready().await;
    house.far.answer(&hold, "recvonly").await;
    house.far.expect("ACK").await;
    house.wait(&call, CALL_INTERFACE, "Hold", "local").await;
    house.ask(&call, CALL_INTERFACE, "Hangup").await.unwrap();
    let bye = house.far.expect("BYE").await;
    house.far.respond(&bye, "200 OK", "", "").await;
    house.wait(&call, CALL_INTERFACE, "State", "ended").await;
}

/// How long a life lasts is the machine's affair: it is ended as soon as sip-agent is ready, until two in a row were short. What
/// is measured here is longer than a life, so that two that look short must have led to the cold start.
#[tokio::test]
async fn two_quick_crashes_mean_a_cold_start() {
    let mut house = House::registered().await;
    house.agent.ready().await;
    house.talking().await;
    house.agent.crash().await;
    house.agent.ready().await;
    assert_eq!(house.calls().await.len(), 1, "one crash is not two");
    for _ in 0..MOST_TRIES {
        let (mut crashed, mut ready) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            crashed.push(Instant::now());
            house.agent.crash().await;
            house.agent.ready().await;
            ready.push(Instant::now());
        }
        let quick = (0..2).all(|life| ready[life + 1] - crashed[life] < QUICK);
        if house.calls().await.is_empty() {
            house.far.register().await;
            house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
            return;
        }
        assert!(!quick, "the call is still there: {crashed:?} {ready:?}");
    }
    panic!("no two lives in a row were short");
}

#[tokio::test]
async fn a_media_engine_that_starts_again_gets_the_same_state_without_a_re_invite() {
    let mut house = House::registered().await;
    house.talking().await;
    let before = house.media.state("talking", |state| state.sessions.iter().any(|one| one.heard_by_handset)).await;
    house.media.stop();
    house.media.start();
    let after = house.media.state("the state again", |_| true).await;
    assert_eq!((&after.sessions, after.session_epoch), (&before.sessions, before.session_epoch));
    assert_eq!(house.far.pending(), Vec::<String>::new());
    house.far.bye().await;
    house.far.expect("SIP/2.0 200").await;
}

#[tokio::test]
async fn a_call_comes_in_while_media_engine_starts_again() {
    let mut house = House::registered().await;
    house.media.stop();
    house.far.invite().await;
    house.far.expect("SIP/2.0 180").await;
    let call = house.one_call().await;
    house.ask(&call, CALL_INTERFACE, "Answer").await.unwrap();
    house.media.start();
    let answer = house.far.expect("SIP/2.0 200").await;
    house.far.ack(&answer).await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
}

#[tokio::test]
async fn hal_agent_and_provisioning_agent_come_and_go_under_a_call() {
    let mut house = House::registered().await;
    let call = house.talking().await;
    house.board.lamp("line-1", "on").await;
    house.board.restart().await;
    house.board.lamp("line-1", "on").await;
    house.settings.stop();
    house.settings.start();
    let revision = house.settings.change("INTDIGIT_TIM", "7").to_string();
    house.wait(PHONE, PHONE_INTERFACE, "AppliedRevision", &revision).await;
    assert_eq!(house.property(&call, CALL_INTERFACE, "State").await.as_deref(), Some("talking"));
    assert_eq!(house.property(LINE_1, LINE_INTERFACE, "State").await.as_deref(), Some("registered"));
    assert_eq!(house.far.pending(), Vec::<String>::new());
}
