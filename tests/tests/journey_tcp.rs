//! Journey: a line over TCP (SIP_TRANSPORT_1, B325) at Kamailio, which speaks UDP with the far phone: calls both ways, hold, and
//! the ends of calls from both sides. A call to us comes over a connection that Kamailio opens.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, Registrar};

struct Story {
    phone: Phone,
    far: FarPhone,
    _registrar: Registrar,
    // Last: it ends what is still there.
    _namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
        let far = FarPhone::start(&namespace, setup).await;
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&["SIP_TRANSPORT_1=\"1\""])).await;
        phone.registered().await;
        Story { phone, far, _registrar: registrar, _namespace: namespace }
    }

    async fn talks(&self) {
        self.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    }
}

#[tokio::test]
async fn a_line_over_tcp_calls_holds_and_hears_the_far_end_hang_up() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.phone.run(&["call", FAR_ACCOUNT.0]);
    story.far.event("CALL_INCOMING").await;
    story.phone.call_in("ringback").await;
    story.far.accept().await;
    story.talks().await;
    story.phone.run(&["hold"]);
    story.phone.call_that("on hold", |call| call.hold == "local").await;
    story.phone.run(&["resume"]);
    story.phone.call_that("talking again", |call| call.hold == "none").await;
    story.far.hangup().await;
    assert_eq!(story.phone.call_in("ended").await.ended_by, "remote");
    story.phone.stop().await;
}

#[tokio::test]
async fn a_line_over_tcp_is_called_answers_and_hangs_up() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.far.dial("200").await;
    story.phone.call_in("incoming").await;
    story.far.event("CALL_RINGING").await;
    story.phone.run(&["board", "hook", "off"]);
    story.far.event("CALL_ESTABLISHED").await;
    story.talks().await;
    story.phone.run(&["board", "hook", "on"]);
    story.far.event("CALL_CLOSED").await;
    assert_eq!(story.phone.call_in("ended").await.ended_by, "local");
    story.phone.stop().await;
}
