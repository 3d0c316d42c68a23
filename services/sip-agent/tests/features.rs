//! Do-not-disturb and forwarding of a line kept the same at its server: from the server to the settings, from the settings to the
//! server, over the death of sip-agent and of provisioning-agent (event package as-feature-event).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;

use std::collections::BTreeMap;

use house::far::{body, header};
use house::{House, LINE_1, LINE_INTERFACE};
use phone_proto::settings::Origin;

const FEATURES: &str = "application/x-as-feature-event+xml";

fn dnd(on: bool) -> String {
    format!("<DoNotDisturbEvent><device/><doNotDisturbOn>{on}</doNotDisturbOn></DoNotDisturbEvent>")
}

async fn house_with(rows: &[(&str, &str)]) -> House {
    let mut house = House::with(&[&[("FWD_DND_SYNCHRO_ENABLE_1", "Y")], rows].concat()).await;
    house.agent.ready().await;
    house.far.register().await;
    house
}

/// The server holds the subscription and keeps do-not-disturb; the SUBSCRIBE.
async fn kept(rows: &[(&str, &str)], on: bool) -> (House, String) {
    let mut house = house_with(rows).await;
    let subscribe = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&subscribe, "Event"), body(&subscribe)), ("as-feature-event", ""));
    house.far.respond(&subscribe, "200 OK", "Expires: 3600\r\n", "").await;
    house.far.notify_of(&subscribe, 1, ("", FEATURES), &dnd(on)).await;
    house.far.expect("SIP/2.0 200").await;
    house.wait(LINE_1, LINE_INTERFACE, "FeatureSync", "active").await;
    (house, subscribe)
}

/// The next save; it is made in the name of the line's server.
async fn saved(house: &House) -> BTreeMap<String, String> {
    let save = house.settings.saved().await;
    assert_eq!((save.service.as_str(), save.origin()), ("sip-agent", Origin::Server));
    assert_eq!(save.account, "the SIP server of line 1");
    save.changes.into_iter().map(|value| (value.name, value.value)).collect()
}

fn row(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

/// Calls the line; what comes of it after 100.
async fn call(house: &mut House) -> String {
    house.far.invite().await;
    house.far.expect("SIP/2.0 100").await;
    house.far.expect("SIP/2.0 ").await
}

#[tokio::test]
async fn a_change_at_the_server_becomes_the_setting() {
    let (mut house, subscribe) = kept(&[("DO_NOT_DISTURB_1", "Y")], false).await;
    assert_eq!(saved(&house).await, row("DO_NOT_DISTURB_1", "N"), "the server is right at first");
    let forwarding = "<ForwardingEvent><device/><forwardingType>forwardNoAns</forwardingType><forwardStatus>true</forwardStatus>\
         <forwardTo>300</forwardTo><ringCount>4</ringCount></ForwardingEvent>";
    let part = |document: &str| format!("--b\r\nContent-Type: {FEATURES}\r\n\r\n{document}\r\n");
    let both = format!("{}{}--b--\r\n", part(&dnd(true)), part(forwarding));
    house.far.notify_of(&subscribe, 2, ("", "multipart/mixed;boundary=b"), &both).await;
    let rows = [
        ("DO_NOT_DISTURB_1", "Y"),
        ("FWD_NOANSWER_ENABLE_1", "Y"),
        ("FWD_NOANSWER_NUMBER_1", "300"),
        ("FWD_NOANSWER_RINGS_1", "4"),
    ];
    assert_eq!(saved(&house).await, rows.into_iter().flat_map(|(name, value)| row(name, value)).collect());
    house.far.expect("SIP/2.0 200").await;
    // B187: what the server lets through rings.
    let answer = call(&mut house).await;
    assert!(answer.starts_with("SIP/2.0 180"), "{answer}");
    let heard = house.far.seen();
    assert!(!heard.iter().any(|text| text.starts_with("SUBSCRIBE")), "nothing of it is sent back: {heard:?}");
}

#[tokio::test]
async fn a_change_of_the_setting_goes_to_the_server_whose_answer_decides() {
    let (mut house, first) = kept(&[], false).await;
    house.settings.change("DO_NOT_DISTURB_1", "Y");
    let set = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&set, "Call-ID"), header(&set, "Content-Type")), (header(&first, "Call-ID"), FEATURES));
    assert!(body(&set).contains("<doNotDisturbOn>true</doNotDisturbOn>"), "{set}");
    house.far.respond(&set, "200 OK", "Expires: 3600\r\n", "").await;
    house.far.notify_of(&first, 2, ("", FEATURES), &dnd(false)).await;
    assert_eq!(saved(&house).await, row("DO_NOT_DISTURB_1", "N"), "it has not taken it");
}

#[tokio::test]
async fn a_killed_sip_agent_goes_on_where_it_was() {
    let (mut house, subscribe) = kept(&[], true).await;
    saved(&house).await;
    house.far.pending();
    house.agent.crash().await;
    house.agent.ready().await;
    house.wait(LINE_1, LINE_INTERFACE, "FeatureSync", "active").await;
    let answer = call(&mut house).await;
    assert!(answer.starts_with("SIP/2.0 180"), "the server acts: {answer}");
    house.far.notify_of(&subscribe, 2, ("", FEATURES), &dnd(false)).await;
    // A save that was not answered in the life before is made once more.
    while saved(&house).await != row("DO_NOT_DISTURB_1", "N") {}
    let heard = house.far.seen();
    assert!(!heard.iter().any(|text| text.starts_with("SUBSCRIBE")), "{heard:?}");
}

#[tokio::test]
async fn without_provisioning_agent_the_setting_waits_for_it() {
    let (mut house, subscribe) = kept(&[], false).await;
    house.settings.stop();
    house.far.notify_of(&subscribe, 2, ("", FEATURES), &dnd(true)).await;
    house.far.expect("SIP/2.0 200").await;
    assert_eq!(house.settings.saves(), []);
    house.settings.start();
    assert_eq!(saved(&house).await, row("DO_NOT_DISTURB_1", "Y"));
}

/// It goes on by itself, and says so.
#[tokio::test]
async fn a_server_that_refuses_leaves_the_phone_to_itself() {
    let cases = [
        ("403 Forbidden", "refused", "the server refuses: 403 Forbidden"),
        ("489 Bad Event", "asking", "the server answered 489 Bad Event"),
    ];
    for (status, shown, why) in cases {
        let mut house = house_with(&[("DO_NOT_DISTURB_1", "Y")]).await;
        let subscribe = house.far.expect("SUBSCRIBE").await;
        house.far.respond(&subscribe, status, "", "").await;
        house.wait(LINE_1, LINE_INTERFACE, "FeatureSyncError", why).await;
        house.wait(LINE_1, LINE_INTERFACE, "FeatureSync", shown).await;
        let answer = call(&mut house).await;
        assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
        house.far.ack_failure(&answer).await;
    }
}
