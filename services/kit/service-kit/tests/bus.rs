//! Peers and their facts over restarts, on a private bus.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use service_kit::bus::{self, Facts, PeerEvent, Peers};
use testbed::open_bus::OpenBus;
use zbus::Connection;

const NAME: &str = "org.deskphone.Hal1";
const PATH: &str = "/org/deskphone/Hal1";

struct Handset(&'static str);

#[zbus::interface(name = "org.deskphone.Hal1")]
impl Handset {
    #[zbus(property)]
    fn hook(&self) -> &str {
        self.0
    }
}

async fn handset(bus: &OpenBus, hook: &'static str) -> Connection {
    let connection = bus.connect().await.unwrap();
    connection.object_server().at(PATH, Handset(hook)).await.unwrap();
    connection.request_name(NAME).await.unwrap();
    connection
}

fn hook(facts: &Facts) -> Option<&str> {
    facts.values().get("Hook").and_then(|value| value.downcast_ref::<&str>().ok())
}

#[tokio::test]
async fn peers_are_told_as_they_are_and_then_as_they_come_and_go() {
    let bus = OpenBus::start().unwrap();
    let connection = bus.connect().await.unwrap();
    let first = handset(&bus, "on").await;
    let mut peers = Peers::watch(&connection, &[NAME, "org.deskphone.Sip1"]).await.unwrap();
    let up = || PeerEvent::Up { name: NAME.into() };
    let down = || PeerEvent::Down { name: NAME.into() };
    assert_eq!(peers.next().await, Some(up()));
    assert_eq!(peers.next().await, Some(PeerEvent::Down { name: "org.deskphone.Sip1".into() }));
    first.close().await.unwrap();
    assert_eq!(peers.next().await, Some(down()));
    let _second = handset(&bus, "on").await;
    assert_eq!(peers.next().await, Some(up()));
}

#[tokio::test]
async fn facts_follow_a_peer_over_its_restart_and_are_unknown_in_between() {
    let bus = OpenBus::start().unwrap();
    let connection = bus.connect().await.unwrap();
    let mut facts = Facts::watch(&connection, NAME, PATH, NAME).await.unwrap();
    facts.changed().await.unwrap();
    assert_eq!(hook(&facts), None);
    let first = handset(&bus, "on").await;
    facts.changed().await.unwrap();
    assert_eq!(hook(&facts), Some("on"));
    let object = first.object_server().interface::<_, Handset>(PATH).await.unwrap();
    object.get_mut().await.0 = "off";
    object.get().await.hook_changed(object.signal_emitter()).await.unwrap();
    facts.changed().await.unwrap();
    assert_eq!(hook(&facts), Some("off"));
    first.close().await.unwrap();
    facts.changed().await.unwrap();
    assert_eq!(hook(&facts), None);
    let _second = handset(&bus, "on").await;
    facts.changed().await.unwrap();
    assert_eq!(hook(&facts), Some("on"));
}

#[tokio::test]
async fn facts_are_not_lost_when_the_wait_for_them_is_given_up() {
    let bus = OpenBus::start().unwrap();
    let connection = bus.connect().await.unwrap();
    let mut facts = Facts::watch(&connection, NAME, PATH, NAME).await.unwrap();
    facts.changed().await.unwrap();
    let _handset = handset(&bus, "on").await;
    while hook(&facts).is_none() {
        // A select loop whose other branch is always ready.
        tokio::select! {
            biased;
            changed = facts.changed() => assert!(changed.is_some()),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(hook(&facts), Some("on"));
}

#[tokio::test]
async fn the_end_of_the_bus_is_told() {
    let mut bus = OpenBus::start().unwrap();
    let connection = bus.connect().await.unwrap();
    let mut peers = Peers::watch(&connection, &[NAME]).await.unwrap();
    assert!(peers.next().await.is_some());
    bus.end();
    assert_eq!(peers.next().await, None);
    assert!(bus::properties(&connection, NAME, PATH, NAME).await.is_err());
}
