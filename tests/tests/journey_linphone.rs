//! Journey: the phone and linphonec, over Kamailio. liblinphone is another school of SIP than baresip: it has session timers and
//! reliable provisional answers, and holds in its own way.

use house_tests::linphone::{LINPHONE_TONE, Linphone};
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, PHONE_ACCOUNT, Registrar};
use house_tests::watch::Watch;
use house_tests::{LIMIT, may_make_namespaces};

/// What our microphone hears.
const OUR_TONE: f64 = 440.0;

struct Story {
    phone: Phone,
    far: Linphone,
    _registrar: Registrar,
    // Last: it ends what is still there.
    _namespace: Namespace,
}

impl Story {
    async fn begin(sip: &[&str], preset: &[&str]) -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let far = Linphone::start(&namespace, sip).await;
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(preset)).await;
        phone.registered().await;
        Story { phone, far, _registrar: registrar, _namespace: namespace }
    }

    /// We call, they answer; both talk.
    async fn call_out(&mut self) {
        self.phone.run(&["call", FAR_ACCOUNT.0]);
        self.far.says("Receiving new incoming call").await;
        self.phone.call_in("ringback").await;
        self.far.tell("answer").await;
        self.talks().await;
    }

    async fn talks(&self) {
        let talking = |call: &house_tests::phone::Call| call.state == "talking" && call.media == "flowing" && call.hold == "none";
        self.phone.call_that("talking with sound", talking).await;
        self.phone.hears_tone(&[LINPHONE_TONE]).await;
    }
}

/// RFC 3264 8.4: a call out; each side holds and goes on, and digits arrive both ways (RFC 4733).
#[tokio::test]
async fn a_call_to_linphone_is_held_by_either_side_and_carries_digits_both_ways() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&[], &[]).await;
    let mut watch = Watch::start(&story.phone).await;
    story.call_out().await;
    assert_eq!(story.phone.call_in("talking").await.codec, "PCMU");

    story.phone.run(&["hold"]);
    story.phone.call_that("on hold", |call| call.hold == "local").await;
    story.far.says("has been paused by").await;
    story.phone.run(&["resume"]);
    story.talks().await;

    story.far.tell("pause").await;
    story.phone.call_that("held by them", |call| call.hold == "remote").await;
    story.far.says("is now paused").await;
    story.far.tell("resume").await;
    story.talks().await;

    story.phone.run(&["dtmf", "5"]);
    story.far.says("Receiving tone 5").await;
    story.far.tell("7").await;
    watch.event("their digit", |event| event["signal"] == "DigitReceived" && event["arguments"][0] == "7").await;

    story.far.tell("terminate").await;
    assert_eq!(story.phone.call_in("ended").await.ended_by, "remote");
    story.phone.stop().await;
}

#[tokio::test]
async fn a_call_from_linphone_rings_is_answered_and_ended_here() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&[], &[]).await;
    story.far.dial(PHONE_ACCOUNT.0).await;
    assert_eq!(story.phone.call_in("incoming").await.number, FAR_ACCOUNT.0);
    story.far.says("ringing").await;
    story.phone.run(&["board", "hook", "off"]);
    story.talks().await;
    story.phone.hear(2.0).await;
    story.phone.run(&["board", "hook", "on"]);
    story.far.says("ended").await;
    story.far.has_heard_tone(OUR_TONE).await;
    assert_eq!(story.phone.call_in("ended").await.ended_by, "local");
    story.phone.stop().await;
}

/// Its provisional answers are reliable where we know of it, and its sessions last 90 seconds unless they are refreshed.
const STRICT: [&str; 4] =
    ["100rel_support_level=2", "session_expires_enabled=1", "session_expires_value=90", "session_expires_min_value=90"];

/// RFC 3262 and RFC 4028: its 180 is reliable, and it refreshes the session after half of its time, which disturbs nobody.
#[tokio::test]
async fn a_call_to_linphone_has_reliable_answers_and_is_refreshed_by_it() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&STRICT, &["SIP_100REL_ENABLE_1=\"Y\"", "SIP_SESSION_TIME_1=\"90\""]).await;
    story.call_out().await;
    story.far.logs("PRACK sip:", LIMIT).await;
    story.far.logs("Session-Expires: 90;refresher=uas", LIMIT).await;
    story.far.logs(&format!("UPDATE sip:{}@", PHONE_ACCOUNT.0), LIMIT * 3).await;
    story.talks().await;
    story.phone.run(&["hangup"]);
    story.far.says("ended").await;
    story.phone.stop().await;
}

/// RFC 4028 7.4 and 10, B315, B316: we have said that we refresh, and do so by UPDATE; its session, which would be over after 90 seconds,
/// goes on.
#[tokio::test]
async fn a_call_to_linphone_is_refreshed_by_us() {
    if !may_make_namespaces() {
        return;
    }
    let ours = ["SIP_SESSION_TIME_1=\"90\"", "SIP_REFRESHER_1=\"2\"", "SIP_SESSION_METHOD_1=\"1\""];
    let mut story = Story::begin(&STRICT[1..], &ours).await;
    story.call_out().await;
    story.far.logs("Session-Expires: 90;refresher=uac", LIMIT).await;
    // The INVITE was sent twice, for Kamailio wants to know who calls. The second UPDATE comes when the first one alone would just have kept it alive.
    for number in [3, 4] {
        story.far.logs(&format!("CSeq: {number} UPDATE"), LIMIT * 2).await;
        story.talks().await;
    }
    story.phone.run(&["hangup"]);
    story.far.says("ended").await;
    story.phone.stop().await;
}

/// The same the other way: our 180 is reliable because it knows of it.
#[tokio::test]
async fn a_call_from_linphone_has_our_answers_reliably() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin(&STRICT, &["SIP_100REL_ENABLE_1=\"Y\""]).await;
    story.far.dial(PHONE_ACCOUNT.0).await;
    story.phone.call_in("incoming").await;
    story.far.logs("PRACK sip:", LIMIT).await;
    story.phone.run(&["answer"]);
    story.talks().await;
    story.far.tell("terminate").await;
    assert_eq!(story.phone.call_in("ended").await.ended_by, "remote");
    story.phone.stop().await;
}
