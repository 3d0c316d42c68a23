//! Journey: the phone's interface loses its address and gets another one, and its cable goes out and in, while it is registered at
//! Kamailio and calls baresip or is called by it (B12, decision 36).

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, PHONE};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, PHONE_ACCOUNT, Registrar};

/// What the far phone plays.
const FAR_TONE: f64 = 660.0;
/// What our microphone hears.
const OUR_TONE: f64 = 440.0;
/// Where the phone is then.
const NEW: &str = "10.77.0.9";

struct Story {
    phone: Phone,
    far: FarPhone,
    registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

fn contact(address: &str) -> String {
    format!("sip:{}@{address}:5060", PHONE_ACCOUNT.0)
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        // The first address of a link is whom everybody there speaks as, who has not said otherwise: it is to be one that stays.
        namespace.renumber(Some(PHONE), Some(PHONE));
        let registrar = Registrar::start(&namespace);
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: FAR_TONE };
        let far = FarPhone::start(&namespace, setup).await;
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[])).await;
        phone.registered().await;
        registrar.binds(PHONE_ACCOUNT.0, &contact(PHONE)).await;
        Story { phone, far, registrar, namespace }
    }

    async fn ring_there(&mut self) {
        self.phone.run(&["call", FAR_ACCOUNT.0]);
        self.far.event("CALL_INCOMING").await;
        self.phone.call_in("ringback").await;
    }

    /// The interface has another address, and the unit knows; the line is bound there at once.
    async fn moves(&self) {
        self.namespace.renumber(Some(PHONE), Some(NEW));
        self.phone.run(&["board", "cable", "connected", NEW]);
        self.registrar.binds(PHONE_ACCOUNT.0, &contact(NEW)).await;
    }

    async fn talks(&self) {
        self.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
        self.phone.hears_tone(&[FAR_TONE]).await;
    }

    /// We hear them, and they hear us.
    async fn goes_on(&self) {
        self.talks().await;
        self.far.hears_tone(OUR_TONE).await;
    }

    async fn hang_up(&mut self) {
        self.phone.run(&["hangup"]);
        self.far.event("CALL_CLOSED").await;
        self.phone.call_in("ended").await;
    }
}

/// RFC 3261 14. Without an address for a while, and without a link, the call waits.
#[tokio::test]
async fn a_call_goes_on_at_another_address_and_over_a_link_that_was_lost() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.ring_there().await;
    story.far.accept().await;
    story.talks().await;
    let call = story.phone.call_in("talking").await;

    story.moves().await;
    story.registrar.passes_on("INVITE", PHONE_ACCOUNT.0, &contact(NEW)).await;
    story.goes_on().await;

    let registered = story.registrar.taken("REGISTER", PHONE_ACCOUNT.0);
    story.namespace.renumber(Some(NEW), None);
    story.phone.run(&["board", "cable", "disconnected"]);
    story.phone.hears_nothing().await;
    assert_eq!(story.registrar.taken("REGISTER", PHONE_ACCOUNT.0), registered);
    story.namespace.renumber(None, Some(NEW));
    story.phone.run(&["board", "cable", "connected"]);
    story.registrar.takes("REGISTER", PHONE_ACCOUNT.0, registered + 1, house_tests::LIMIT).await;
    story.phone.registered().await;
    story.goes_on().await;
    assert_eq!(story.phone.call_in("talking").await.path, call.path);
    story.hang_up().await;

    // They find it there as well.
    story.far.dial(PHONE_ACCOUNT.0).await;
    story.phone.call_in("incoming").await;
    story.phone.run(&["answer"]);
    story.talks().await;
    story.far.hangup().await;
    story.phone.call_in("ended").await;
    story.phone.stop().await;
}

/// Kamailio and baresip take the CANCEL from the new address for the INVITE from the old one, and ring again.
#[tokio::test]
async fn a_call_that_rings_there_rings_again_from_the_new_address() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.ring_there().await;
    let call = story.phone.call_in("ringback").await;
    story.moves().await;
    story.far.event("CALL_CLOSED").await;
    story.far.event("CALL_INCOMING").await;
    assert_eq!(story.phone.call_in("ringback").await.path, call.path);
    story.far.accept().await;
    story.goes_on().await;
    story.hang_up().await;
    story.phone.stop().await;
}

#[tokio::test]
async fn a_call_that_rings_here_is_answered_at_the_new_address() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.far.dial(PHONE_ACCOUNT.0).await;
    let call = story.phone.call_in("incoming").await;
    story.far.event("CALL_RINGING").await;
    story.moves().await;
    story.phone.run(&["answer"]);
    story.far.event("CALL_ESTABLISHED").await;
    story.goes_on().await;
    story.registrar.passes_on("INVITE", PHONE_ACCOUNT.0, &contact(NEW)).await;
    assert_eq!(story.phone.call_in("talking").await.path, call.path);
    story.hang_up().await;
    story.phone.stop().await;
}
