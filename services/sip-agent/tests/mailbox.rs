//! A line's mailbox, from the server to the bus and to the lamp (RFC 6665, RFC 3842), and over the death of sip-agent.
#![allow(clippy::indexing_slicing)]

mod house;

use house::far::header;
use house::{House, LINE_1, LINE_INTERFACE};

const TWO: &str = "Messages-Waiting: yes\r\nVoice-Message: 2/8\r\n";

/// Line 1 is registered and its mailbox watched; the SUBSCRIBE.
async fn watched() -> (House, String) {
    let mut house = House::with(&[("VM_SUBSCRIBE_ENABLE", "Y")]).await;
    house.agent.ready().await;
    house.far.register().await;
    let subscribe = house.far.expect("SUBSCRIBE").await;
    house.far.respond(&subscribe, "200 OK", "Expires: 3600\r\n", "").await;
    (house, subscribe)
}

async fn shows(house: &House, values: &[(&str, &str)]) {
    for (name, value) in values {
        house.wait(LINE_1, LINE_INTERFACE, name, value).await;
    }
}

#[tokio::test]
async fn messages_are_shown_on_the_bus_and_light_the_lamp() {
    let (mut house, subscribe) = watched().await;
    assert_eq!(header(&subscribe, "Event"), "message-summary");
    shows(&house, &[("MessagesWaiting", "false"), ("Mailbox", "asking")]).await;
    house.far.notify(&subscribe, 1, TWO).await;
    house.far.expect("SIP/2.0 200").await;
    shows(&house, &[("MessagesWaiting", "true"), ("NewMessages", "2"), ("OldMessages", "8"), ("Mailbox", "active")]).await;
    house.board.lamp("message", "on").await;
    house.far.notify(&subscribe, 2, "Messages-Waiting: no\r\n").await;
    house.board.lamp("message", "off").await;
    shows(&house, &[("MessagesWaiting", "false"), ("NewMessages", "0")]).await;
}

#[tokio::test]
async fn a_killed_sip_agent_comes_back_with_the_messages_and_the_subscription() {
    let (mut house, subscribe) = watched().await;
    house.far.notify(&subscribe, 1, TWO).await;
    house.board.lamp("message", "on").await;
    house.far.pending();
    house.agent.crash().await;
    house.agent.ready().await;
    house.board.lamp("message", "on").await;
    shows(&house, &[("MessagesWaiting", "true"), ("NewMessages", "2"), ("Mailbox", "active")]).await;
    house.far.notify(&subscribe, 2, "Messages-Waiting: no\r\n").await;
    house.far.expect("SIP/2.0 200").await;
    house.board.lamp("message", "off").await;
    let heard = house.far.seen();
    assert!(!heard.iter().any(|text| text.starts_with("SUBSCRIBE")), "{heard:?}");
}

#[tokio::test]
async fn the_switch_ends_the_subscription() {
    let (mut house, subscribe) = watched().await;
    house.far.notify(&subscribe, 1, TWO).await;
    house.board.lamp("message", "on").await;
    house.settings.change("VM_SUBSCRIBE_ENABLE", "N");
    let last = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&last, "Expires"), header(&last, "Call-ID")), ("0", header(&subscribe, "Call-ID")));
    house.board.lamp("message", "off").await;
    shows(&house, &[("MessagesWaiting", "false"), ("Mailbox", "off")]).await;
}
