//! A line that other units have too, before a server that deals out its appearances: from the wire to the bus and the lamp, and over
//! the death of sip-agent (SHARED_CALL_ENABLE_n, B181).
#![allow(clippy::indexing_slicing)]

mod house;

use house::far::header;
use house::{CALL_INTERFACE, House, LINE_1, LINE_INTERFACE};

const IN_USE: &str = "Subscription-State: active;expires=600\r\nCall-Info: <sip:far.example>;appearance-index=1;appearance-state=active;\
                      appearance-uri=\"Ada <sip:300@far.example>\", <sip:far.example>;appearance-index=*;appearance-state=idle\r\n";
const GRANTED: &str = "Subscription-State: active;expires=15\r\nCall-Info: <sip:far.example>;appearance-index=2\r\n";

/// Line 1 is registered and shared; another unit has a call on it.
async fn shared() -> House {
    let mut house = House::with(&[("SHARED_CALL_ENABLE_1", "Y")]).await;
    house.agent.ready().await;
    house.far.register().await;
    let watch = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&watch, "Event"), header(&watch, "Call-Info")), ("call-info", ""));
    house.far.respond(&watch, "202 Accepted", "Expires: 600\r\n", "").await;
    house.far.notify_with(&watch, 1, IN_USE, "").await;
    house.far.expect("SIP/2.0 200").await;
    house.wait(LINE_1, LINE_INTERFACE, "Shared", "active").await;
    house
}

async fn shows_the_other_unit(house: &mut House) {
    house.wait(LINE_1, LINE_INTERFACE, "Appearances", "1 active Ada <sip:300@far.example>").await;
    house.board.lamp("line-1", "on").await;
}

#[tokio::test]
async fn the_invite_waits_for_the_servers_word_also_over_a_crash() {
    let mut house = shared().await;
    shows_the_other_unit(&mut house).await;
    let call = house.dial("100", 1).await.unwrap();
    let seize = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&seize, "Event"), header(&seize, "Expires")), ("line-seize", "15"));
    assert!(header(&seize, "Call-Info").ends_with(">;appearance-index=2"), "{seize}");
    house.far.respond(&seize, "200 OK", "Expires: 15\r\n", "").await;
    house.agent.crash().await;
    house.agent.ready().await;
    shows_the_other_unit(&mut house).await;
    house.wait(&call, CALL_INTERFACE, "State", "dialing").await;
    let before = house.far.pending();
    assert!(!before.iter().any(|text| text.starts_with("INVITE")), "{before:?}");
    house.far.notify_with(&seize, 1, GRANTED, "").await;
    let invite = house.far.expect("INVITE").await;
    assert_eq!(header(&invite, "Call-Info"), header(&seize, "Call-Info"));
    house.wait(&call, CALL_INTERFACE, "Appearance", "2").await;
    house.far.answer(&invite, "sendrecv").await;
    house.far.expect("ACK").await;
    house.wait(&call, CALL_INTERFACE, "State", "talking").await;
}

#[tokio::test]
async fn a_server_that_refuses_gets_no_invite_and_the_call_says_why() {
    let mut house = shared().await;
    let call = house.dial("100", 1).await.unwrap();
    let seize = house.far.expect("SUBSCRIBE").await;
    house.far.respond(&seize, "403 Forbidden", "", "").await;
    house.media.state("the failure tone", |state| state.tone.as_ref().is_some_and(|tone| tone.name == "reorder")).await;
    house.wait(&call, CALL_INTERFACE, "State", "ended").await;
    let why = house.property(&call, CALL_INTERFACE, "EndReason").await.unwrap();
    assert!(why.contains("shared line cannot be seized") && why.contains("403 Forbidden"), "{why}");
    let heard = house.far.pending();
    assert!(!heard.iter().any(|text| text.starts_with("INVITE")), "{heard:?}");
}

#[tokio::test]
async fn a_line_that_is_shared_no_more_is_forgotten() {
    let mut house = shared().await;
    shows_the_other_unit(&mut house).await;
    house.settings.change("SHARED_CALL_ENABLE_1", "N");
    let last = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&last, "Event"), header(&last, "Expires")), ("call-info", "0"));
    house.board.lamp("line-1", "off").await;
    house.wait(LINE_1, LINE_INTERFACE, "Appearances", "").await;
    house.wait(LINE_1, LINE_INTERFACE, "Shared", "off").await;
    house.dial("100", 1).await.unwrap();
    assert_eq!(header(&house.far.expect("INVITE").await, "Call-Info"), "");
}
