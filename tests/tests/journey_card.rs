//! Journey: a person brings configuration files on an SD card (guide 2.4.5), and restarts the unit; the card is a folder of the
//! simulated board.

use std::os::unix::fs::PermissionsExt as _;

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{FIRST_LINE, Phone, Setup};

/// B104, B105, B107, B108, C49, C64, C68.
#[tokio::test]
async fn a_file_on_the_card_is_imported_and_the_unit_restarts_but_not_during_a_call() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.registered().await;
    let refused = phone.phonectl(&["provision", "card"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no SD card"), "{refused:?}");

    let card = tempfile::tempdir().unwrap();
    std::fs::set_permissions(card.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let good = format!("{FIRST_LINE}\r\nDISPLAY_NAME_1=\"From the card\"\r\nSIP_SRC_PORT_2=\"99999\"\r\n\r\n");
    std::fs::write(card.path().join("phone.cfg"), good).unwrap();
    std::fs::write(card.path().join("photo.jpg"), "").unwrap();
    phone.run(&["board", "card", &card.path().display().to_string()]);
    assert_eq!(phone.json(&["provision", "card"]), serde_json::json!(["phone.cfg"]));
    let import = ["provision", "import", "standard", "phone.cfg", "--card"];

    phone.run(&["call", "100"]);
    phone.call_in("talking").await;
    let refused = phone.phonectl(&import);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a call is up"), "{refused:?}");
    phone.run(&["hangup"]);
    phone.call_in("ended").await;
    let idle = async |phone: &Phone| {
        let sip = phone.facts("org.deskphone.Sip1", "org.deskphone.Sip1.Phone").await;
        (sip["CallsUp"] == 0).then_some(())
    };
    phone.until("no call is up", idle).await;

    let before = phone.epochs().await;
    let report = phone.json(&import);
    let file = &report["files"][0];
    assert_eq!((&file["kind"], &file["outcome"], &file["applied"]), (&"standard".into(), &"applied".into(), &1.into()), "{report}");
    assert_eq!(
        (&report["diagnoses"][0]["line"], &report["diagnoses"][0]["name"]),
        (&3.into(), &"SIP_SRC_PORT_2".into()),
        "{report}"
    );
    let announced = async |phone: &Phone| {
        let board = phone.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await;
        (board["RestartPending"] == "a configuration file was imported").then_some(())
    };
    phone.until("the restart is announced", announced).await;
    phone.restarted(before).await;
    phone.registered().await;
    let (value, layer, source, line) = phone.explain("DISPLAY_NAME_1");
    assert_eq!((value.as_str(), layer.as_str(), source.as_str(), line), ("From the card", "standard", "phone.cfg", 2));
    assert_eq!(phone.json(&["provision", "card"]), serde_json::json!(["phone.cfg"]), "the card is still in");

    phone.run(&["board", "card"]);
    assert!(!phone.phonectl(&import).status.success());
    phone.stop().await;
}

/// B273: an administrator restarts the unit, and a call does not keep it from that.
#[tokio::test]
async fn an_administrator_restarts_the_unit_in_the_middle_of_a_call() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.registered().await;
    phone.run(&["call", "100"]);
    phone.call_in("talking").await;
    let before = phone.epochs().await;
    assert_eq!(phone.phonectl(&["restart"]).status.code(), Some(2), "nobody was there to ask, and nobody said --yes");
    phone.run(&["restart", "--yes"]);
    phone.restarted(before).await;
    phone.registered().await;
    assert!(phone.calls().await.is_empty(), "nothing is left of the time before");
    phone.stop().await;
}
