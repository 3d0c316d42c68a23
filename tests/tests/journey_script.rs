//! Journey: far ends that do what no friendly phone does, on a real wire: sipp follows a script to the letter.

use std::ops::Range;

use house_tests::far_script::{FarScript, SCRIPT_PORT, SCRIPT_TONE};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, SECOND_FAR};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::Registrar;
use testbed::tones::Recording;

/// What the branch of a forked call plays that does not answer.
const OTHER_TONE: f64 = 880.0;

struct Story {
    phone: Phone,
    registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl Story {
    async fn begin(preset: &[&str]) -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(preset)).await;
        phone.registered().await;
        Story { phone, registrar, namespace }
    }

    async fn hang_up(&self) {
        self.phone.run(&["hangup"]);
        assert_eq!(self.phone.call_in("ended").await.ended_by, "local");
    }
}

/// RFC 3264 4: a call without an offer rings, our 200 offers, and the answer comes with the ACK.
#[tokio::test]
async fn a_call_without_an_offer_is_answered_with_ours() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&[]).await;
    let script = FarScript::start(&story.namespace, "delayed_offer");
    assert_eq!(story.phone.call_in("incoming").await.number, "400");
    story.phone.run(&["answer"]);
    let call = story.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    assert_eq!(call.codec, "PCMU");
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    story.hang_up().await;
    script.went_as_written().await;
    story.phone.stop().await;
}

/// RFC 3261 13.2.2.1: what the far end plays before it answers is heard in place of our ringback tone.
#[tokio::test]
async fn early_media_is_heard_before_and_after_the_answer() {
    if !may_make_namespaces() {
        return;
    }
    let far = format!("SIP_PRXY_ADDR_1=\"{FAR}\"");
    let story = Story::begin(&[&far]).await;
    let script = FarScript::start(&story.namespace, "early_media");
    story.phone.run(&["call", "400"]);
    story.phone.call_that("early media", |call| call.state == "ringback" && call.media == "flowing").await;
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    assert_eq!(story.phone.calls().await.pop().map(|call| call.state).as_deref(), Some("ringback"), "heard only after the answer");
    assert_eq!(story.phone.call_in("talking").await.codec, "PCMU");
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    story.hang_up().await;
    script.went_as_written().await;
    story.phone.stop().await;
}

/// RFC 3261 13.2.2.4: a proxy forks the call, both branches play before one answers, and each To-tag has its own leg: both
/// are heard, and then the one that has answered.
#[tokio::test]
async fn early_media_of_both_branches_of_a_forked_call_is_heard_until_one_answers() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&[]).await;
    for address in [FAR, SECOND_FAR] {
        story.registrar.learn("400", &format!("sip:400@{address}:{SCRIPT_PORT}")).await;
    }
    let answers = FarScript::start(&story.namespace, "early_media");
    let loses = FarScript::start_with(&story.namespace, (SECOND_FAR, SCRIPT_PORT), "early_media_cancelled", OTHER_TONE);
    story.phone.run(&["call", "400"]);
    let both = |heard: &Recording, stretch: Range<f64>| {
        [SCRIPT_TONE, OTHER_TONE].iter().all(|tone| heard.share(&[*tone], stretch.clone()) > 0.2)
    };
    story.phone.hears("both branches", both).await;
    assert_eq!(story.phone.calls().await.pop().map(|call| call.state).as_deref(), Some("ringback"), "heard only after the answer");
    story.phone.call_in("talking").await;
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    loses.went_as_written().await;
    story.hang_up().await;
    answers.went_as_written().await;
    story.phone.stop().await;
}

/// RFC 3262, 3311 and 4028: a 183 that wants its PRACK and carries the answer, a 200 without one, a session refreshed by UPDATE.
#[tokio::test]
async fn a_reliable_183_is_acknowledged_and_the_session_refreshed() {
    if !may_make_namespaces() {
        return;
    }
    let far = format!("SIP_PRXY_ADDR_1=\"{FAR}\"");
    let story = Story::begin(&[&far, "SIP_100REL_ENABLE_1=\"Y\"", "SIP_SESSION_TIME_1=\"90\""]).await;
    let script = FarScript::start(&story.namespace, "reliable_session");
    story.phone.run(&["call", "400"]);
    story.phone.call_that("early media", |call| call.state == "ringback" && call.media == "flowing").await;
    assert_eq!(story.phone.call_in("talking").await.codec, "PCMU");
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    story.hang_up().await;
    script.went_as_written().await;
    story.phone.stop().await;
}

/// RFC 4028 6 and 7.1, RFC 3311 5: a session that is too short is asked for again with the far end's interval; it holds by UPDATE.
#[tokio::test]
async fn a_session_that_is_too_short_is_lengthened_and_held_by_update() {
    if !may_make_namespaces() {
        return;
    }
    let far = format!("SIP_PRXY_ADDR_1=\"{FAR}\"");
    let story = Story::begin(&[&far, "SIP_SESSION_TIME_1=\"90\""]).await;
    let script = FarScript::start(&story.namespace, "longer_session");
    story.phone.run(&["call", "400"]);
    story.phone.call_that("held by them", |call| call.state == "talking" && call.hold == "remote").await;
    story.phone.call_that("talking again", |call| call.state == "talking" && call.hold == "none").await;
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    story.hang_up().await;
    script.went_as_written().await;
    story.phone.stop().await;
}

/// RFC 3261 8.2, 18.3, 21.4 and 21.5; what is turned away leaves no call behind.
#[tokio::test]
async fn requests_that_are_not_for_a_phone_are_turned_away_by_the_book() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&[]).await;
    FarScript::start(&story.namespace, "odd_requests").went_as_written().await;
    assert_eq!(story.phone.calls().await, []);
    assert_eq!(story.phone.line(1, "State").await, "registered");
    story.phone.stop().await;
}

async fn transferred_by_the_script(name: &str) -> (Story, FarScript) {
    let story = Story::begin(&[&format!("SIP_PRXY_ADDR_1=\"{FAR}\"")]).await;
    let script = FarScript::start(&story.namespace, name);
    story.phone.run(&["call", "400"]);
    story.phone.call_in("talking").await;
    story.phone.run(&["transfer", "301"]);
    (story, script)
}

/// RFC 3515 2.4: hold, REFER, three NOTIFYs, BYE, in this order and to the letter.
#[tokio::test]
async fn a_far_end_that_takes_the_refer_and_tells_of_it_is_hung_up_at_the_last_word() {
    if !may_make_namespaces() {
        return;
    }
    let (story, script) = transferred_by_the_script("taken_refer").await;
    script.went_as_written().await;
    assert_eq!(story.phone.call_in("ended").await.ended_by, "local");
    story.phone.stop().await;
}

#[tokio::test]
async fn a_far_end_that_refuses_the_refer_is_talked_with_again() {
    if !may_make_namespaces() {
        return;
    }
    let (story, script) = transferred_by_the_script("refused_refer").await;
    story.phone.call_that("on hold", |call| call.hold == "local").await;
    story.phone.run(&["resume"]);
    story.phone.call_that("talking again", |call| call.state == "talking" && call.hold == "none").await;
    story.phone.run(&["hangup"]);
    script.went_as_written().await;
    story.phone.stop().await;
}

/// RFC 3891 3: no ringing, the new call is where the old one was, and the old one is ended by us.
#[tokio::test]
async fn a_call_that_takes_the_place_of_another_is_heard_at_once() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin(&[&format!("SIP_PRXY_ADDR_1=\"{FAR}\"")]).await;
    let script = FarScript::start(&story.namespace, "replaces");
    let old = story.phone.call_in("incoming").await;
    story.phone.run(&["answer"]);
    let new = story.phone.call_that("the new call", |call| call.state == "talking" && call.path != old.path).await;
    let ended = story.phone.one_call_that("the old one", |call| call.path == old.path && call.state == "ended").await;
    assert_eq!((ended.ended_by.as_str(), ended.end_reason.as_str()), ("remote", "another call has taken its place"));
    assert_eq!(new.number, "400");
    story.phone.hears_tone(&[SCRIPT_TONE]).await;
    story.phone.run(&["hangup"]);
    script.went_as_written().await;
    story.phone.stop().await;
}
