//! Numbers, the mailbox and the flash hook as the bus asks for them and the far end gets them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;

use std::collections::HashMap;

use house::far::{body, header};
use house::{CALL_INTERFACE, House, LINE_1, LINE_INTERFACE, PHONE, PHONE_INTERFACE, error_name};
use zbus::Variant;

async fn registered(rows: &[(&str, &str)]) -> House {
    let mut house = House::with(rows).await;
    house.agent.ready().await;
    house.far.register().await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    house
}

async fn call_mailbox(house: &House, line: u8) -> zbus::Result<()> {
    let options: HashMap<&str, Variant<'_>> = HashMap::new();
    let name = Some("org.deskphone.Sip1");
    house.bus.call_method(name, PHONE, Some(PHONE_INTERFACE), "CallMailbox", &(line, options)).await.map(drop)
}

/// B226, B240: what is denied says why; another number may be called than was asked for; a SIP URI is not touched.
#[tokio::test]
async fn the_dial_plan_applies_to_what_the_bus_dials() {
    let plan = [("DIAL_PLAN_1", "<101:9999>"), ("DIAL_PLAN_NOT_MATCH_ENABLE_1", "Y")];
    let mut house = registered(&plan).await;
    let refused = house.dial("102", 0).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.NumberDenied");
    assert!(refused.to_string().contains("the dial plan of line 1 does not let 102 be called"), "{refused}");
    for (asked, called) in [("101", "INVITE sip:9999@"), ("sip:102@127.0.0.2", "INVITE sip:102@")] {
        let call = house.dial(asked, 1).await.unwrap();
        let invite = house.far.expect("INVITE").await;
        assert!(invite.starts_with(called), "{invite}");
        house.far.respond(&invite, "404 Not Found", "", "").await;
        house.far.expect("ACK").await;
        house.wait(&call, CALL_INTERFACE, "EndCode", "404").await;
    }
    let revision = house.settings.change("DIAL_PLAN_1", "").to_string();
    house.wait(PHONE, PHONE_INTERFACE, "AppliedRevision", &revision).await;
    house.dial("102", 0).await.unwrap();
    assert!(house.far.expect("INVITE").await.starts_with("INVITE sip:102@"));
}

/// The key of the board, and the method.
#[tokio::test]
async fn the_mailbox_is_called_by_its_key_and_over_the_bus() {
    let mut house = registered(&[("VM_NUMBER_1", "8500")]).await;
    house.board.key("message").await;
    let invite = house.far.expect("INVITE").await;
    assert!(invite.starts_with("INVITE sip:8500@"), "{invite}");
    house.board.lamp("speaker", "on").await;
    house.far.respond(&invite, "480 Temporarily Unavailable", "", "").await;
    house.far.expect("ACK").await;
    call_mailbox(&house, 0).await.unwrap();
    assert!(house.far.expect("INVITE").await.starts_with("INVITE sip:8500@"));
    let refused = call_mailbox(&house, 2).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.WrongState");
    assert!(refused.to_string().contains("VM_NUMBER_2"), "{refused}");
    let refused = call_mailbox(&house, 7).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.InvalidArgument");
}

/// B309: by the key, and by the method whatever the key does.
#[tokio::test]
async fn a_flash_hook_is_sent_by_its_key_and_over_the_bus() {
    let mut house = registered(&[("FLASH_RECALL_TERMINATE", "N"), ("FLASHHOOK_CONTENT_TYPE", "flashhook")]).await;
    let call = house.talking().await;
    for by_key in [true, false] {
        if by_key {
            house.board.key("flash").await
        } else {
            house.ask(&call, CALL_INTERFACE, "SendFlashHook").await.unwrap()
        }
        let info = house.far.expect("INFO").await;
        assert_eq!((header(&info, "Content-Type"), body(&info)), ("application/broadsoft;version=1.0", "event flashhook\r\n"));
        house.far.respond(&info, "200 OK", "", "").await;
    }
    let revision = house.settings.change("FLASH_RECALL_TERMINATE", "Y").to_string();
    house.wait(PHONE, PHONE_INTERFACE, "AppliedRevision", &revision).await;
    house.ask(&call, CALL_INTERFACE, "SendFlashHook").await.unwrap();
    let info = house.far.expect("INFO").await;
    house.far.respond(&info, "200 OK", "", "").await;
    house.board.key("flash").await;
    house.far.expect("BYE").await;
    house.media.state("dial tone", |state| state.tone.as_ref().is_some_and(|tone| tone.name == "dial")).await;
    let refused = house.ask(&call, CALL_INTERFACE, "SendFlashHook").await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.WrongState");
}
