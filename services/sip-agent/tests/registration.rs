//! From the start to a registered line, as the bus shows it.
mod house;

use house::{House, LINE_1, LINE_INTERFACE, PHONE, PHONE_INTERFACE, error_name};

/// B185; the settings revision in effect is told apart from what is saved.
#[tokio::test]
async fn a_line_registers_with_digest_and_shows_it() {
    let mut house = House::new().await;
    house.agent.ready().await;
    let register = house.far.register().await;
    assert!(house::far::header(&register, "User-Agent").starts_with("Panasonic_KX-UT670/01.070 (0080f0abcdef)"), "{register}");
    house.wait(LINE_1, LINE_INTERFACE, "State", "registered").await;
    let port = house.far.phone_port().to_string();
    for (name, value) in [
        ("Number", "1"),
        ("AddressOfRecord", "sip:200@127.0.0.2"),
        ("PhoneNumber", "200"),
        ("DisplayName", "Desk"),
        ("Expires", "3600"),
        ("LastError", ""),
        ("SourcePort", port.as_str()),
    ] {
        assert_eq!(house.property(LINE_1, LINE_INTERFACE, name).await.as_deref(), Some(value), "{name}");
    }
    assert_eq!(house.property(PHONE, PHONE_INTERFACE, "AppliedRevision").await.as_deref(), Some("7"));
    assert_ne!(house.property(PHONE, PHONE_INTERFACE, "Epoch").await.as_deref(), Some("0"));
    let six = format!("{PHONE}/line/6");
    assert_eq!(house.property(&six, LINE_INTERFACE, "State").await.as_deref(), Some("unconfigured"));
}

/// A socket that was bound a moment ago sends: the first REGISTER does not wait for its retransmission (timer E, four seconds).
/// The line shows its port as soon as the socket is there: how long sip-agent took to start is not counted.
#[tokio::test]
async fn the_first_message_of_a_new_socket_is_not_lost() {
    let mut house = House::with(&[("SIP_TIMER_T1_1", "4000"), ("SIP_TIMER_T2_1", "32")]).await;
    let port = house.far.phone_port().to_string();
    house.wait(LINE_1, LINE_INTERFACE, "SourcePort", &port).await;
    let begin = std::time::Instant::now();
    house.far.expect("REGISTER").await;
    assert!(begin.elapsed() < std::time::Duration::from_millis(3500), "{:?}", begin.elapsed());
}

/// B12: the LAN port has its link again, the address is the same.
#[tokio::test]
async fn a_registered_line_registers_when_the_link_is_back() {
    let mut house = House::registered().await;
    house.board.link("disconnected").await;
    house.board.link("connected").await;
    house.far.expect("REGISTER").await;
}

#[tokio::test]
async fn a_changed_setting_is_in_effect_and_its_revision_says_so() {
    let house = House::registered().await;
    let revision = house.settings.change("DISPLAY_NAME_1", "Front desk").to_string();
    house.wait(LINE_1, LINE_INTERFACE, "DisplayName", "Front desk").await;
    house.wait(PHONE, PHONE_INTERFACE, "AppliedRevision", &revision).await;
}

#[tokio::test]
async fn a_line_that_is_not_there_registers_and_dials_nothing() {
    let house = House::registered().await;
    let six = format!("{PHONE}/line/6");
    let refused = house.ask(&six, LINE_INTERFACE, "Register").await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.LineUnavailable");
    let refused = house.dial("100", 6).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.LineUnavailable");
    let refused = house.dial("100", 7).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.InvalidArgument");
    let refused = house.dial("", 1).await.unwrap_err();
    assert_eq!(error_name(&refused), "org.deskphone.Error.InvalidArgument");
}

#[tokio::test]
async fn register_on_request_registers_at_once() {
    let mut house = House::registered().await;
    house.ask(LINE_1, LINE_INTERFACE, "Register").await.unwrap();
    house.far.expect("REGISTER").await;
}
