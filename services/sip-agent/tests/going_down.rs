//! SIGTERM: with the unit (B318), or to this process alone.

#![allow(clippy::unwrap_used)]
mod house;

use house::far::header;
use house::{House, LINE_1, LINE_INTERFACE, PHONE, PHONE_INTERFACE};

/// systemd on the bus, in that state.
struct Systemd(&'static str);

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    #[zbus(property)]
    fn system_state(&self) -> &'static str {
        self.0
    }
}

async fn with_systemd(house: &House, state: &'static str) {
    house.bus.object_server().at("/org/freedesktop/systemd1", Systemd(state)).await.unwrap();
    house.bus.request_name("org.freedesktop.systemd1").await.unwrap();
}

/// Line 1 is registered, and cancels that at the end where `cancels` says so.
async fn registered(cancels: &str) -> House {
    let mut house = House::with(&[("USE_DEL_REG_CLOSE_1", cancels)]).await;
    house.agent.ready().await;
    house.far.register().await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    house.far.pending();
    house
}

/// hal-agent says that it restarts the unit, and sip-agent has heard it: facts come in their order.
async fn restarts_unit(house: &House) {
    house.board.restarts_unit("a configuration file was imported").await;
    house.board.hook("off").await;
    house.wait(PHONE, PHONE_INTERFACE, "Hook", "off").await;
}

/// The goodbye, which is challenged anew.
async fn says_goodbye(house: &mut House) {
    let goodbye = house.far.expect("REGISTER").await;
    assert!(header(&goodbye, "Contact").contains("expires=0"), "{goodbye}");
    let challenge = "WWW-Authenticate: Digest realm=\"far\", nonce=\"n2\", algorithm=MD5, qop=\"auth\"\r\n";
    house.far.respond(&goodbye, "401 Unauthorized", challenge, "").await;
    let signed = house.far.expect("REGISTER").await;
    assert!(header(&signed, "Contact").contains("expires=0") && header(&signed, "Authorization").contains("n2"), "{signed}");
    house.far.respond(&signed, "200 OK", "", "").await;
}

#[tokio::test]
async fn a_line_says_goodbye_when_the_board_restarts_the_unit() {
    let mut house = registered("Y").await;
    restarts_unit(&house).await;
    house.agent.terminate();
    says_goodbye(&mut house).await;
    house.agent.ended().await;
    // If only the service started again all the same, the line would be there again.
    house.agent.start_again();
    house.agent.ready().await;
    house.far.register().await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
}

#[tokio::test]
async fn a_line_says_goodbye_when_the_system_is_shut_down() {
    let mut house = registered("Y").await;
    with_systemd(&house, "stopping").await;
    house.agent.terminate();
    says_goodbye(&mut house).await;
    house.agent.ended().await;
}

/// Each service restarts on its own; the next life goes on with the binding.
#[tokio::test]
async fn nothing_is_said_when_the_service_alone_ends() {
    let mut house = registered("Y").await;
    with_systemd(&house, "running").await;
    house.agent.terminate();
    house.agent.ended().await;
    assert_eq!(house.far.pending(), Vec::<String>::new());
    house.agent.start_again();
    house.agent.ready().await;
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    assert_eq!(house.far.pending(), Vec::<String>::new());
}

#[tokio::test]
async fn a_line_that_does_not_want_it_says_no_goodbye() {
    let mut house = registered("N").await;
    restarts_unit(&house).await;
    house.agent.terminate();
    house.agent.ended().await;
    assert_eq!(house.far.pending(), Vec::<String>::new());
}

/// Nobody will be there to hear the far end.
#[tokio::test]
async fn a_call_ends_with_the_unit() {
    let mut house = registered("N").await;
    house.talking().await;
    restarts_unit(&house).await;
    house.agent.terminate();
    let bye = house.far.expect("BYE").await;
    house.far.respond(&bye, "200 OK", "", "").await;
    house.agent.ended().await;
}
