//! Journey: two phones share the line of one account at Kamailio (its module sca). What one of them does with it is seen at the other:
//! on the bus, at the lamp of the line key, with phonectl; and each call has an appearance of its own.
//!
//! The server's ways are in `registrar.rs`: what it does with Call-Info and when it ends a seizing.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, SECOND_FAR};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, PHONE_ACCOUNT, Registrar};
use serde_json::{Value, json};

struct Story {
    one: Phone,
    other: Phone,
    far: FarPhone,
    registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start_sharing(&namespace);
        let far = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
        let far = FarPhone::start(&namespace, far).await;
        // The server takes the line's address from the Request-URI as it is written (SIP_REQURI_PORT_1).
        let rows =
            ["SHARED_CALL_ENABLE_1=\"Y\"", "SIP_REQURI_PORT_1=\"N\"", "EMBEDDED_WEB_ENABLE=\"N\"", "HTTPD_PORTOPEN_AUTO=\"N\""];
        let shared = Setup::at_the_registrar(&rows);
        let one = Phone::start(&namespace, &shared).await;
        // Two devices, and so two MAC addresses: to a registrar one device has one contact.
        let options = ["--mac", "0080F0111111"].map(str::to_owned).to_vec();
        let other = Phone::start(&namespace, &Setup { address: SECOND_FAR.to_owned(), options, ..shared }).await;
        for phone in [&one, &other] {
            phone.registered().await;
            phone.until("the line is watched", async |phone| (phone.line(1, "Shared").await == "active").then_some(())).await;
        }
        Story { one, other, far, registrar, namespace }
    }

    /// Waits until both phones show these appearances of the line, and the other one's lamp what follows from them.
    async fn shows(&self, appearances: &[(u32, &str)], lamp: &str) {
        let wanted: Vec<Value> = appearances.iter().map(|(index, state)| json!([index, state])).collect();
        for phone in [&self.one, &self.other] {
            phone
                .until(&format!("{wanted:?}\n{}", self.registrar.log()), async |phone| {
                    (in_use(phone).await == wanted).then_some(())
                })
                .await;
        }
        let lit = async |phone: &Phone| (phone.json(&["board", "leds"])["line-1"] == lamp).then_some(());
        self.other.until(&format!("the lamp {lamp}"), lit).await;
    }
}

/// Number and state of those in use. Their far end is what the server makes of its Contact.
async fn in_use(phone: &Phone) -> Vec<Value> {
    let appearances = phone.line(1, "Appearances").await;
    let one = |one: &Value| json!([one[0], one[1]]);
    appearances.as_array().map(|all| all.iter().map(one).collect()).unwrap_or_default()
}

async fn appearance(phone: &Phone) -> Value {
    let path = phone.call_that("a call", |call| call.state != "ended").await.path;
    phone.objects().await[&path]["org.deskphone.Sip1.Call"]["Appearance"].clone()
}

/// B181's parameter, at a real server: from the lifted handset to the end of the call.
#[tokio::test]
async fn what_one_unit_does_with_a_shared_line_is_seen_at_the_other() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.shows(&[], "off").await;
    // Dial tone, and none dialed.
    story.one.run(&["board", "hook", "off"]);
    story.shows(&[(1, "seized")], "on").await;
    story.one.run(&["board", "hook", "on"]);
    story.shows(&[], "off").await;
    story.one.run(&["call", FAR_ACCOUNT.0]);
    story.far.event("CALL_INCOMING").await;
    assert_eq!(appearance(&story.one).await, 1);
    story.far.accept().await;
    story.shows(&[(1, "active")], "on").await;
    let lines = story.other.phonectl(&["lines"]).stdout;
    let lines = String::from_utf8_lossy(&lines).into_owned();
    assert!(lines.contains(&format!("1 active <sip:{}", FAR_ACCOUNT.0)), "{lines}");
    // What is known survives sip-agent.
    let killed = story.other.pid("sip-agent");
    story.namespace.command("kill").args(["-9", &killed.to_string()]).status().unwrap();
    story.other.until("another sip-agent", async |phone| (phone.pid("sip-agent") != killed).then_some(())).await;
    story.shows(&[(1, "active")], "on").await;
    story.one.run(&["hold"]);
    story.shows(&[(1, "held")], "flash-slow").await;
    story.one.run(&["resume"]);
    story.shows(&[(1, "active")], "on").await;
    story.far.hangup().await;
    story.shows(&[], "off").await;
}

/// The appearance that is in use is not the other unit's; its call has the next one, and each ends for itself.
#[tokio::test]
async fn a_call_of_the_other_unit_has_another_appearance() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.one.run(&["call", FAR_ACCOUNT.0]);
    story.far.event("CALL_INCOMING").await;
    story.far.accept().await;
    story.shows(&[(1, "active")], "on").await;
    story.other.run(&["call", FAR_ACCOUNT.0]);
    story.far.event("CALL_INCOMING").await;
    let both = async |phone: &Phone| {
        let used: Vec<Value> = in_use(phone).await.iter().map(|one| one[0].clone()).collect();
        (used == [1, 2]).then_some(())
    };
    story.one.until("two appearances in use", both).await;
    assert_eq!([appearance(&story.one).await, appearance(&story.other).await], [1, 2]);
    story.other.run(&["hangup"]);
    story.shows(&[(1, "active")], "on").await;
    story.one.run(&["hangup"]);
    story.shows(&[], "off").await;
}

/// A call of the far end rings at both and is taken by one. How it ends is not seen at this server: a call whose unit has not named
/// its appearance, because the server has named none in its INVITE, keeps the one that the server has chosen.
#[tokio::test]
async fn a_call_to_the_shared_line_is_seen_at_the_unit_that_did_not_take_it() {
    if !may_make_namespaces() {
        return;
    }
    let mut story = Story::begin().await;
    story.far.dial(PHONE_ACCOUNT.0).await;
    for phone in [&story.one, &story.other] {
        let rings = async |phone: &Phone| phone.calls().await.pop().filter(|call| call.state == "incoming");
        phone.until(&format!("a call\n{}\n{}", story.registrar.log(), story.far.log()), rings).await;
    }
    story.one.run(&["answer"]);
    story.shows(&[(1, "active")], "on").await;
    story.other.until("no call any more", async |phone| phone.calls().await.is_empty().then_some(())).await;
}
