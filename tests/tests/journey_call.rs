//! Journey: the phone registers with digest authentication at Kamailio and talks with baresip, with real sound both ways.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, Registrar};

/// What the far phone plays.
const FAR_TONE: f64 = 660.0;
/// What our microphone hears.
const OUR_TONE: f64 = 440.0;

struct Story {
    phone: Phone,
    far: FarPhone,
    _registrar: Registrar,
    // Last: it ends what is still there.
    _namespace: Namespace,
}

impl Story {
    async fn begin(far_codecs: &str, preset: &[&str]) -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: far_codecs, tone: FAR_TONE };
        let far = FarPhone::start(&namespace, setup).await;
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(preset)).await;
        phone.registered().await;
        Story { phone, far, _registrar: registrar, _namespace: namespace }
    }

    /// We call, they answer; both talk.
    async fn call_out(&mut self) {
        self.phone.run(&["call", FAR_ACCOUNT.0]);
        self.far.event("CALL_INCOMING").await;
        self.phone.call_in("ringback").await;
        self.far.accept().await;
        self.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    }

    async fn both_are_heard(&self) {
        self.phone.hears_tone(&[FAR_TONE]).await;
        self.far.hears_tone(OUR_TONE).await;
    }
}

async fn talk_hold_resume_and_far_hang_up(far_codecs: &str, preset: &[&str], codec: &str) {
    let mut story = Story::begin(far_codecs, preset).await;
    story.call_out().await;
    let call = story.phone.call_in("talking").await;
    assert_eq!((call.codec.as_str(), call.number.as_str(), call.hold.as_str()), (codec, FAR_ACCOUNT.0, "none"));
    story.both_are_heard().await;

    story.phone.run(&["hold"]);
    let held = story.phone.call_that("on hold", |call| call.hold == "local").await;
    assert_eq!(held.path, call.path);
    story.phone.hears_nothing().await;
    story.phone.run(&["resume"]);
    story.phone.call_that("talking again", |call| call.hold == "none").await;
    story.both_are_heard().await;

    story.far.hangup().await;
    let ended = story.phone.call_in("ended").await;
    assert_eq!((ended.path, ended.ended_by.as_str()), (call.path, "remote"));
    story.phone.stop().await;
}

/// B101: PCMU. Before the answer the earpiece plays ringback, which is not the far tone.
#[tokio::test]
async fn a_call_out_in_pcmu_has_sound_both_ways_and_silence_on_hold() {
    if may_make_namespaces() {
        talk_hold_resume_and_far_hang_up("PCMU/8000/1", &[], "PCMU").await;
    }
}

/// B101, B209: G.722 first.
#[tokio::test]
async fn a_call_out_in_g722_has_sound_both_ways_and_silence_on_hold() {
    if may_make_namespaces() {
        talk_hold_resume_and_far_hang_up("G722/16000/1,PCMU/8000/1", &["CODEC_ENABLE0_1=\"Y\"", "CODEC_PRIORITY0_1=\"1\""], "G722")
            .await;
    }
}

#[tokio::test]
async fn a_call_in_rings_is_answered_by_the_handset_and_ended_by_it() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin("PCMU/8000/1", &[]).await;
    story.far.dial("200").await;
    let call = story.phone.call_in("incoming").await;
    assert_eq!(call.number, FAR_ACCOUNT.0);
    // 180
    story.far.event("CALL_RINGING").await;
    let ringing =
        async |phone: &Phone| (phone.facts("org.deskphone.Media1", "org.deskphone.Media1").await["Ringing"] == true).then_some(());
    story.phone.until("the ringer rings", ringing).await;
    story.phone.rings_audibly().await;

    story.phone.run(&["board", "hook", "off"]);
    story.far.event("CALL_ESTABLISHED").await;
    story.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    story.both_are_heard().await;

    story.phone.run(&["board", "hook", "on"]);
    story.far.event("CALL_CLOSED").await;
    let ended = story.phone.call_in("ended").await;
    assert_eq!((ended.path, ended.ended_by.as_str()), (call.path, "local"));
    story.phone.stop().await;
}

#[tokio::test]
async fn a_busy_far_end_and_a_rejected_call_say_so() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin("PCMU/8000/1", &[]).await;
    story.phone.run(&["call", FAR_ACCOUNT.0]);
    story.far.event("CALL_INCOMING").await;
    story.far.hangup().await;
    let ended = story.phone.call_in("ended").await;
    assert_eq!((ended.end_code, ended.ended_by.as_str()), (486, "remote"));
    story.far.event("CALL_CLOSED").await;
    // Busy tone until the caller gives up; then everything is quiet.
    story.phone.run(&["board", "hook", "on"]);

    story.far.dial("200").await;
    let incoming = story.phone.call_in("incoming").await;
    story.phone.run(&["hangup"]);
    let closed = story.far.event("CALL_CLOSED").await;
    let reason = closed["param"].as_str().unwrap_or_default().to_owned();
    assert!(reason.starts_with("603") || reason.starts_with("486"), "{reason}");
    let ended = story.phone.call_that("the rejected call's end", |call| call.state == "ended" && call.path == incoming.path).await;
    assert_eq!(ended.ended_by, "local");
    story.phone.stop().await;
}

/// RFC 3261 13.3.1.3: 488, and the Call object says what was offered and what is enabled.
#[tokio::test]
async fn no_common_codec_is_answered_488_and_explained() {
    if !may_make_namespaces() {
        return;
    }
    let only_pcma = [
        "CODEC_G711_REQ=\"0\"",
        "CODEC_ENABLE0_1=\"N\"",
        "CODEC_ENABLE1_1=\"Y\"",
        "CODEC_ENABLE3_1=\"N\"",
        "CODEC_ENABLE4_1=\"N\"",
    ];
    let mut story = Story::begin("PCMU/8000/1", &only_pcma).await;
    story.far.dial("200").await;
    let closed = story.far.event("CALL_CLOSED").await;
    assert!(closed["param"].as_str().unwrap_or_default().starts_with("488"), "{closed}");
    let ended = story.phone.call_in("ended").await;
    assert_eq!(ended.end_code, 488);
    assert!(ended.end_reason.contains("PCMU") && ended.end_reason.contains("PCMA"), "{}", ended.end_reason);
    story.phone.stop().await;
}

/// The lab's peers are known to be good without the phone: two baresips register and talk.
#[tokio::test]
async fn the_peers_of_the_lab_talk_with_each_other() {
    if !may_make_namespaces() {
        return;
    }
    use house_tests::namespace::SECOND_FAR;
    use house_tests::registrar::SECOND_FAR_ACCOUNT;
    let namespace = Namespace::new();
    let _registrar = Registrar::start(&namespace);
    let setup = |address, account, tone| FarSetup { address, account, codecs: "PCMU/8000/1", tone };
    let mut one = FarPhone::start(&namespace, setup(FAR, FAR_ACCOUNT, OUR_TONE)).await;
    let mut other = FarPhone::start(&namespace, setup(SECOND_FAR, SECOND_FAR_ACCOUNT, FAR_TONE)).await;
    one.dial(SECOND_FAR_ACCOUNT.0).await;
    other.event("CALL_INCOMING").await;
    other.accept().await;
    one.event("CALL_ESTABLISHED").await;
    one.hears_tone(FAR_TONE).await;
    other.hears_tone(OUR_TONE).await;
    other.hangup().await;
    one.event("CALL_CLOSED").await;
}
