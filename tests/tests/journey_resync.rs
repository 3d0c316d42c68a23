//! Journey: the SIP server asks for provisioning with a NOTIFY on a real wire, and a stranger cannot.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::far_script::FarScript;
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, REGISTRAR, SECOND_FAR};
use house_tests::phone::{FIRST_LINE, Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, Registrar};
use house_tests::web_server::WebServer;

const PROVISIONING: &str = "org.deskphone.Provisioning1";

struct Story {
    phone: Phone,
    far: FarPhone,
    server: WebServer,
    _registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl Story {
    /// A registered phone that has read its file at start-up.
    async fn begin() -> Story {
        let namespace = Namespace::new();
        let server = WebServer::start(&namespace);
        put_name(&server, "Before");
        let registrar = Registrar::start(&namespace);
        let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
        let far = FarPhone::start(&namespace, setup).await;
        let path = format!("CFG_STANDARD_FILE_PATH=\"{}\"", server.url("phone.cfg"));
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[&path])).await;
        phone.registered().await;
        let story = Story { phone, far, server, _registrar: registrar, namespace };
        story.ran(1).await;
        assert_eq!(story.phone.explain("DISPLAY_NAME_1").0, "Before");
        story
    }

    async fn ran(&self, run: u64) {
        let finished = async |phone: &Phone| (phone.facts(PROVISIONING, PROVISIONING).await["LastRun"] == run).then_some(());
        self.phone.until(&format!("the end of run {run}"), finished).await;
    }
}

fn put_name(server: &WebServer, name: &str) {
    server.put("phone.cfg", format!("{FIRST_LINE}\r\n\r\nDISPLAY_NAME_1=\"{name}\"\r\n\r\n"));
}

/// B45, B46, B47, C68: from the registrar's address, during a call: the files are fetched, what they say is in effect at once, and the
/// restart that belongs to it waits for the call's end and then happens.
#[tokio::test]
async fn a_notify_of_the_lines_server_fetches_the_files_and_leaves_the_call_alone() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.phone.run(&["call", FAR_ACCOUNT.0]);
    story.far.event("CALL_INCOMING").await;
    story.far.accept().await;
    let call = story.phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;

    put_name(&story.server, "After");
    FarScript::start_at(&story.namespace, (REGISTRAR, 5070), "resync").went_as_written().await;
    story.ran(2).await;
    assert_eq!(story.phone.explain("DISPLAY_NAME_1").0, "After");
    let revision = story.phone.facts("org.deskphone.Settings1", "org.deskphone.Settings1").await["Revision"].clone();
    assert!(revision.is_u64(), "{revision}");
    let applied = async |phone: &Phone| {
        let shown = phone.facts("org.deskphone.Sip1", "org.deskphone.Sip1.Phone").await["AppliedRevision"].clone();
        (shown.as_u64() >= revision.as_u64()).then_some(())
    };
    story.phone.until("the new value in effect in sip-agent", applied).await;
    let waits = async |phone: &Phone| (phone.facts(PROVISIONING, PROVISIONING).await["RestartWaitsFor"] == "call").then_some(());
    story.phone.until("the restart waits for the call", waits).await;
    let after = story.phone.call_in("talking").await;
    assert_eq!((after.path, after.media.as_str()), (call.path, "flowing"));
    story.phone.hears_tone(&[660.0]).await;
    let before = story.phone.epochs().await;
    story.far.hangup().await;
    story.phone.restarted(before).await;
    story.phone.registered().await;
    story.phone.stop().await;
}

/// C68: a NOTIFY from an address that is none of the line's servers is turned away, and nobody is asked for files.
#[tokio::test]
async fn a_notify_of_a_stranger_fetches_nothing() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    put_name(&story.server, "After");
    let asked = story.server.requests();
    FarScript::start_at(&story.namespace, (SECOND_FAR, 5060), "resync_of_a_stranger").went_as_written().await;
    // The one run that there is now is ours: had the NOTIFY begun another, this one would be the third.
    story.phone.json(&["provision", "now"]);
    story.ran(2).await;
    assert_eq!(story.server.requests().len(), asked.len() + 1, "{:?}", story.server.requests());
    assert_eq!(story.phone.facts("org.deskphone.Sip1", "org.deskphone.Sip1.Phone").await["ResyncRequests"], 0);
    story.phone.stop().await;
}
