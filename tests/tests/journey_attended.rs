//! Journey: attended transfers (RFC 5589 7, RFC 3891) with phones of others, through Kamailio: we join two calls, and others join their
//! calls with us, which makes us the one that calls or the one that is called.
//!
//! | | joins | is told to call | is called |
//! |---|---|---|---|
//! | linphonec 5.1 | yes | with Replaces | gives way without ringing |
//! | baresip 1.0.0 | cannot | calls without Replaces | rings once more, as for any call |

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::linphone::{LINPHONE_TONE, Linphone, LinphoneSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, SECOND_FAR};
use house_tests::phone::{Call, Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, PHONE_ACCOUNT, Registrar, SECOND_FAR_ACCOUNT};

const SECOND_TONE: f64 = 880.0;
const FIRST: &str = FAR_ACCOUNT.0;
const SECOND: &str = SECOND_FAR_ACCOUNT.0;

/// The phone, and a namespace with a registrar for two others.
struct Story {
    phone: Phone,
    registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[])).await;
        phone.registered().await;
        Story { phone, registrar, namespace }
    }

    async fn linphone(&self, number: &str) -> Linphone {
        let first = LinphoneSetup { address: FAR, account: FAR_ACCOUNT, tone: LINPHONE_TONE };
        let second = LinphoneSetup { address: SECOND_FAR, account: SECOND_FAR_ACCOUNT, tone: SECOND_TONE };
        Linphone::start_as(&self.namespace, if number == FIRST { first } else { second }, &[]).await
    }

    async fn baresip(&self, number: &str) -> FarPhone {
        let codecs = "PCMU/8000/1";
        let first = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs, tone: LINPHONE_TONE };
        let second = FarSetup { address: SECOND_FAR, account: SECOND_FAR_ACCOUNT, codecs, tone: SECOND_TONE };
        FarPhone::start(&self.namespace, if number == FIRST { first } else { second }).await
    }

    /// A call with that one that is talked in.
    async fn talks_with(&self, number: &str) -> Call {
        let fits = |call: &Call| call.state == "talking" && call.number == number && call.hold == "none" && call.media == "flowing";
        self.phone.one_call_that(&format!("talking with {number}\n{}", self.registrar.log()), fits).await
    }

    async fn holds(&self, number: &str) -> Call {
        let fits = |call: &Call| call.state == "talking" && call.number == number && call.hold == "local";
        self.phone.one_call_that(&format!("{number} on hold"), fits).await
    }

    async fn ended(&self, call: &Call) -> Call {
        let fits = |one: &Call| one.path == call.path && one.state == "ended";
        self.phone.one_call_that(&format!("the end of the call with {}", call.number), fits).await
    }

    /// The held call with the first is joined to that with the second, which is talked in.
    fn join(&self, first: &Call, second: &Call) {
        self.phone.run(&["transfer", "--to-call", id(second), "--call", id(first)]);
    }
}

fn id(call: &Call) -> &str {
    call.path.rsplit('/').next().unwrap()
}

async fn answers(far: &mut Linphone) {
    far.says("Receiving new incoming call").await;
    far.tell("answer").await;
}

async fn pauses(far: &mut Linphone) {
    far.tell("pause").await;
    far.says("is now paused").await;
}

/// Both know Replaces: the second does not ring again, and both calls here end.
#[tokio::test]
async fn two_linphones_are_joined_by_us() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    let (mut first, mut second) = (story.linphone(FIRST).await, story.linphone(SECOND).await);
    story.phone.run(&["call", FIRST]);
    answers(&mut first).await;
    let held = story.talks_with(FIRST).await;
    story.phone.run(&["call", SECOND]);
    answers(&mut second).await;
    let talked = story.talks_with(SECOND).await;
    story.holds(FIRST).await;
    story.phone.hears_tone(&[SECOND_TONE]).await;
    story.join(&held, &talked);
    assert_eq!(story.ended(&held).await.ended_by, "local");
    story.ended(&talked).await;
    first.says(&format!("Media streams established with <sip:{SECOND}")).await;
    second.says(&format!("Media streams established with sip:{FIRST}")).await;
    story.phone.stop().await;
}

/// linphonec transfers us: we call the second in the place of its call, and hear it; the first ends the call with us.
#[tokio::test]
async fn linphone_joins_us_to_another() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    let (mut first, mut second) = (story.linphone(FIRST).await, story.linphone(SECOND).await);
    first.dial(PHONE_ACCOUNT.0).await;
    story.phone.call_in("incoming").await;
    story.phone.run(&["answer"]);
    let old = story.talks_with(FIRST).await;
    pauses(&mut first).await;
    first.dial(SECOND).await;
    answers(&mut second).await;
    first.says("Media streams established with sip:301").await;
    first.tell("transfer 1 --to-call 2").await;
    story.talks_with(SECOND).await;
    story.phone.hears_tone(&[SECOND_TONE]).await;
    assert_eq!(story.ended(&old).await.ended_by, "remote");
    story.phone.run(&["hangup"]);
    second.says("ended").await;
    story.phone.stop().await;
}

/// linphonec transfers another one to us: its call takes the place of the one that we talk in, without ringing.
#[tokio::test]
async fn linphone_joins_another_to_us() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    let (mut first, mut second) = (story.linphone(FIRST).await, story.linphone(SECOND).await);
    first.dial(SECOND).await;
    answers(&mut second).await;
    first.says("Media streams established with sip:301").await;
    pauses(&mut first).await;
    first.dial(PHONE_ACCOUNT.0).await;
    story.phone.call_in("incoming").await;
    story.phone.run(&["answer"]);
    let old = story.talks_with(FIRST).await;
    first.tell("transfer 1 --to-call 2").await;
    story.talks_with(SECOND).await;
    story.phone.hears_tone(&[SECOND_TONE]).await;
    assert_eq!(story.ended(&old).await.end_reason, "another call has taken its place");
    story.phone.run(&["hangup"]);
    second.says("ended").await;
    story.phone.stop().await;
}

/// baresip is called by linphonec in the place of our call and takes it for a call of its own, which it rings for. When that is answered
/// we end both.
#[tokio::test]
async fn linphone_is_joined_by_us_to_a_baresip_that_rings_once_more() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    let (mut first, mut second) = (story.linphone(FIRST).await, story.baresip(SECOND).await);
    story.phone.run(&["call", FIRST]);
    answers(&mut first).await;
    let held = story.talks_with(FIRST).await;
    story.phone.run(&["call", SECOND]);
    second.event("CALL_INCOMING").await;
    second.accept().await;
    let talked = story.talks_with(SECOND).await;
    story.join(&held, &talked);
    second.event("CALL_INCOMING").await;
    second.accept().await;
    assert_eq!(story.ended(&held).await.ended_by, "local");
    assert_eq!(story.ended(&talked).await.ended_by, "local");
    first.says(&format!("Media streams established with <sip:{SECOND}")).await;
    story.phone.stop().await;
}

/// baresip calls the second, but not in the place of our call: it has no header Replaces of what stands in Refer-To. So it rings there
/// once more, and when that is answered we end both.
#[tokio::test]
async fn baresip_is_joined_by_us_to_a_linphone_that_rings_once_more() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    let (mut first, mut second) = (story.baresip(FIRST).await, story.linphone(SECOND).await);
    story.phone.run(&["call", FIRST]);
    first.event("CALL_INCOMING").await;
    first.accept().await;
    first.event("CALL_ESTABLISHED").await;
    let held = story.talks_with(FIRST).await;
    story.phone.run(&["call", SECOND]);
    answers(&mut second).await;
    let talked = story.talks_with(SECOND).await;
    story.join(&held, &talked);
    first.event("TRANSFER").await;
    second.says("Receiving new incoming call").await;
    second.tell("answer 2").await;
    assert_eq!(story.ended(&held).await.ended_by, "local");
    assert_eq!(story.ended(&talked).await.ended_by, "local");
    first.event("CALL_ESTABLISHED").await;
    story.phone.stop().await;
}

/// Whom the first was to call does not want to: we are back with the first, which was put on hold for it, and hear it; the second waits.
#[tokio::test]
async fn who_could_not_be_joined_is_heard_again() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    let (mut first, mut second) = (story.linphone(FIRST).await, story.baresip(SECOND).await);
    story.phone.run(&["call", SECOND]);
    second.event("CALL_INCOMING").await;
    second.accept().await;
    let held = story.talks_with(SECOND).await;
    story.phone.run(&["call", FIRST]);
    answers(&mut first).await;
    let talked = story.talks_with(FIRST).await;
    story.holds(SECOND).await;
    story.join(&talked, &held);
    story.holds(FIRST).await;
    second.event("CALL_INCOMING").await;
    second.hangup().await;
    story.talks_with(FIRST).await;
    story.phone.hears_tone(&[LINPHONE_TONE]).await;
    story.holds(SECOND).await;
    story.phone.stop().await;
}
