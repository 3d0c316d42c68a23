//! Journey: transfers with phones of others on a real wire (RFC 3515, RFC 5589): baresip refers, is referred and is called, all of it
//! through Kamailio.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, SECOND_FAR};
use house_tests::phone::{Call, Phone, Setup};
use house_tests::registrar::{DOMAIN, FAR_ACCOUNT, Registrar, SECOND_FAR_ACCOUNT};

const FAR_TONE: f64 = 660.0;
const SECOND_TONE: f64 = 880.0;

struct Story {
    phone: Phone,
    first: FarPhone,
    second: FarPhone,
    _registrar: Registrar,
    // Last: it ends what is still there.
    _namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let codecs = "PCMU/8000/1";
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs, tone: FAR_TONE };
        let first = FarPhone::start(&namespace, setup).await;
        let setup = FarSetup { address: SECOND_FAR, account: SECOND_FAR_ACCOUNT, codecs, tone: SECOND_TONE };
        let second = FarPhone::start(&namespace, setup).await;
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[])).await;
        phone.registered().await;
        Story { phone, first, second, _registrar: registrar, _namespace: namespace }
    }

    /// The first one calls, and the phone answers.
    async fn called(&mut self) -> Call {
        self.first.dial("200").await;
        self.phone.call_in("incoming").await;
        self.phone.run(&["answer"]);
        self.talks_with(FAR_ACCOUNT.0).await
    }

    async fn talks_with(&self, number: &str) -> Call {
        let fits = |call: &Call| call.state == "talking" && call.number == number && call.media == "flowing";
        self.phone.call_that("talking with sound", fits).await
    }
}

/// The far end sends us to somebody else: we call there, hear that one, and the old call is ended by who transferred.
#[tokio::test]
async fn who_is_transferred_by_another_phone_talks_with_the_third() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    let old = story.called().await;
    story.phone.hears_tone(&[FAR_TONE]).await;
    story.first.ask("transfer", &format!("sip:{}@{DOMAIN}", SECOND_FAR_ACCOUNT.0)).await;
    story.second.event("CALL_INCOMING").await;
    story.second.accept().await;
    let ended = story.phone.one_call_that("ended by who transferred", |call| call.state == "ended").await;
    assert_eq!((ended.path, ended.ended_by.as_str()), (old.path, "remote"), "{}", story.first.log());
    story.talks_with(SECOND_FAR_ACCOUNT.0).await;
    story.phone.hears_tone(&[SECOND_TONE]).await;
    story.phone.run(&["hangup"]);
    story.second.event("CALL_CLOSED").await;
    story.phone.stop().await;
}

/// We send the far end to somebody else, and are out of it when they talk.
#[tokio::test]
async fn another_phone_that_is_transferred_talks_with_the_third() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.phone.run(&["call", FAR_ACCOUNT.0]);
    story.first.event("CALL_INCOMING").await;
    story.first.accept().await;
    story.talks_with(FAR_ACCOUNT.0).await;
    story.phone.run(&["transfer", SECOND_FAR_ACCOUNT.0]);
    story.second.event("CALL_INCOMING").await;
    let held = story.phone.call_in("talking").await;
    assert_eq!(held.hold, "local", "on hold before, and up until the other one has answered");
    story.second.accept().await;
    let ended = story.phone.call_in("ended").await;
    assert_eq!(ended.ended_by, "local", "{}", story.first.log());
    story.second.event("CALL_ESTABLISHED").await;
    story.phone.stop().await;
}

/// A third that does not want to leaves the call where it was: on hold, to be talked with again.
#[tokio::test]
async fn a_transfer_that_the_third_refuses_leaves_the_call_on_hold() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.called().await;
    story.phone.run(&["transfer", SECOND_FAR_ACCOUNT.0]);
    story.second.event("CALL_INCOMING").await;
    story.second.hangup().await;
    story.second.event("CALL_CLOSED").await;
    story.phone.run(&["resume"]);
    story.phone.call_that("talking again", |call| call.state == "talking" && call.hold == "none").await;
    story.phone.run(&["hangup"]);
    story.first.event("CALL_CLOSED").await;
    story.phone.stop().await;
}
