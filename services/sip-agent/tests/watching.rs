//! Those on a line's resource list, from the server to the bus (RFC 4662, RFC 4235), and over the death of sip-agent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;

use futures_util::StreamExt as _;
use house::far::header;
use house::{House, LINE_1, LINE_INTERFACE, soon};

const LIST: &str = "sip:colleagues@example.com";
const LISTS: (&str, &str) = ("Require: eventlist\r\n", "multipart/related;type=\"application/rlmi+xml\";boundary=b");

/// Line 1 is registered and its list watched; the SUBSCRIBE.
async fn watching() -> (House, String) {
    let mut house = House::with(&[("RESOURCELIST_URI_1", LIST)]).await;
    house.agent.ready().await;
    house.far.register().await;
    let subscribe = house.far.expect("SUBSCRIBE").await;
    house.far.respond(&subscribe, "200 OK", "Expires: 3600\r\n", "").await;
    (house, subscribe)
}

/// The whole list, or one of it with news.
fn body(version: u32, full: bool, state: &str) -> String {
    let second = "<resource uri=\"sip:301@example.com\"><instance id=\"2\" state=\"terminated\" reason=\"rejected\"/></resource>";
    format!(
        "--b\r\nContent-Type: application/rlmi+xml\r\n\r\n<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"{LIST}\" \
         version=\"{version}\" fullState=\"{full}\"><resource uri=\"sip:300@example.com\"><name>Ada</name><instance id=\"1\" \
         state=\"active\" cid=\"a@x\"/></resource>{}</list>\r\n--b\r\nContent-ID: <a@x>\r\n\
         Content-Type: application/dialog-info+xml\r\n\r\n<dialog-info version=\"{version}\" state=\"full\" \
         entity=\"sip:300@example.com\"><dialog id=\"d\" direction=\"recipient\"><state>{state}</state></dialog></dialog-info>\r\n\
         --b--\r\n",
        if full { second } else { "" }
    )
}

async fn shows(house: &House, people: &[(&str, &str, &str)]) {
    let wanted: Vec<_> = people.iter().map(|(uri, name, state)| ((*uri).into(), (*name).into(), (*state).into())).collect();
    let mut signals = house.signals().await;
    soon(&format!("{people:?}"), async {
        loop {
            let properties = house.properties(LINE_1, LINE_INTERFACE).await.unwrap_or_default();
            let shown = properties.get("Watched").and_then(|value| value.try_clone().ok());
            let shown: Option<Vec<(String, String, String)>> = shown.and_then(|value| value.try_into().ok());
            if shown.as_ref() == Some(&wanted) {
                return;
            }
            signals.next().await;
        }
    })
    .await;
}

const SECOND: (&str, &str, &str) = ("sip:301@example.com", "", "terminated");

#[tokio::test]
async fn what_those_on_the_list_do_is_shown_and_survives_a_crash() {
    let (mut house, subscribe) = watching().await;
    assert_eq!((header(&subscribe, "Event"), subscribe.split_whitespace().nth(1)), ("dialog", Some(LIST)));
    house.far.notify_of(&subscribe, 1, LISTS, &body(0, true, "early")).await;
    house.far.expect("SIP/2.0 200").await;
    shows(&house, &[("sip:300@example.com", "Ada", "ringing"), SECOND]).await;
    house.wait(LINE_1, LINE_INTERFACE, "ResourceList", "active").await;
    house.far.pending();
    house.agent.crash().await;
    house.agent.ready().await;
    shows(&house, &[("sip:300@example.com", "Ada", "ringing"), SECOND]).await;
    house.far.notify_of(&subscribe, 2, LISTS, &body(1, false, "confirmed")).await;
    house.far.expect("SIP/2.0 200").await;
    shows(&house, &[("sip:300@example.com", "Ada", "talking"), SECOND]).await;
    let heard = house.far.seen();
    assert!(!heard.iter().any(|text| text.starts_with("SUBSCRIBE")), "{heard:?}");
}

#[tokio::test]
async fn another_list_ends_the_first_subscription() {
    let (mut house, subscribe) = watching().await;
    house.far.notify_of(&subscribe, 1, LISTS, &body(0, true, "terminated")).await;
    shows(&house, &[("sip:300@example.com", "Ada", "idle"), SECOND]).await;
    house.settings.change("RESOURCELIST_URI_1", "sip:others@example.com");
    let last = house.far.expect("SUBSCRIBE").await;
    assert_eq!((header(&last, "Expires"), header(&last, "Call-ID")), ("0", header(&subscribe, "Call-ID")));
    let next = house.far.expect("SUBSCRIBE").await;
    assert_eq!(next.split_whitespace().nth(1), Some("sip:others@example.com"));
    shows(&house, &[]).await;
    house.wait(LINE_1, LINE_INTERFACE, "ResourceList", "asking").await;
}
