//! Provisioning at start-up from a real web server: the guide's own example, a broken file, what stays as it was, and what the
//! bus tells about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;
use std::path::Path;

use futures_util::StreamExt as _;
use phone_proto::dbus::{ProvisioningProxy, SettingsProxy};
use support::{Agent, House, WebServer, apply, board, configuration, save};
use zbus::Connection;

/// Nothing of the factory defaults names a host: the lab's preset does the same.
fn paths(house: &House, standard: &str, master: &str) -> std::path::PathBuf {
    let (standard, master) = (format!("CFG_STANDARD_FILE_PATH=\"{standard}\""), format!("CFG_MASTER_FILE_PATH=\"{master}\""));
    house.preset("dealer.cfg", &[&standard, &master])
}

/// The agent and the end of its first run, with a board of this MAC address.
async fn provisioned(house: &House, preset: &Path, mac: &str) -> (Agent, Connection, String) {
    let agent = house.start(&[preset]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board(house, mac).await;
    let signal = finished.next().await.unwrap();
    let arguments = signal.args().unwrap();
    assert_eq!((arguments.run, provisioning.last_run().await.unwrap()), (1, 1));
    assert_eq!(arguments.revision, SettingsProxy::new(&connection).await.unwrap().revision().await.unwrap());
    assert_eq!(provisioning.state().await.unwrap(), "idle");
    let outcome = arguments.outcome.clone();
    (agent, connection, outcome)
}

/// kind, outcome, applied, skipped.
async fn files(connection: &Connection) -> Vec<(String, String, u32, u32)> {
    let files = ProvisioningProxy::new(connection).await.unwrap().files().await.unwrap();
    files.into_iter().map(|(kind, _, outcome, applied, skipped)| (kind, outcome, applied, skipped)).collect()
}

fn told(files: &[(&str, &str, u32, u32)]) -> Vec<(String, String, u32, u32)> {
    files.iter().map(|(kind, outcome, applied, skipped)| ((*kind).into(), (*outcome).into(), *applied, *skipped)).collect()
}

/// One more run, to its end.
async fn run_again(connection: &Connection) -> u64 {
    let provisioning = ProvisioningProxy::new(connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let run = provisioning.run(HashMap::new()).await.unwrap();
    let signal = finished.next().await.unwrap();
    let arguments = signal.args().unwrap();
    assert_eq!(arguments.run, run);
    arguments.revision
}

#[tokio::test]
async fn two_units_get_the_common_file_and_each_its_own() {
    // Guide 2.4.3.5; B37, B39, B40, B50, B56
    for (mac, user) in [("0080F0111111", "1001"), ("0080F0222222", "1002")] {
        let house = House::new();
        let server = WebServer::start(&house, "");
        server.serve("ConfigCommon.cfg", &configuration(&["SIP_RGSTR_ADDR_1=\"127.0.0.2\"", "SIP_PRXY_ADDR_1=\"127.0.0.2\""]));
        server.serve("Config0080F0111111.cfg", &configuration(&["SIP_AUTHID_1=\"1001\"", "SIP_PASS_1=\"pass1001\""]));
        server.serve("Config0080F0222222.cfg", &configuration(&["SIP_AUTHID_1=\"1002\"", "SIP_PASS_1=\"pass1002\""]));
        let preset = paths(&house, &server.url("/Config{MAC}.cfg"), &server.url("/ConfigCommon.cfg"));
        let (agent, connection, outcome) = provisioned(&house, &preset, mac).await;
        assert_eq!(outcome, "done");
        assert_eq!(files(&connection).await, told(&[("master", "applied", 2, 0), ("standard", "applied", 2, 0)]));
        assert_eq!(agent.value("sip-agent", "SIP_AUTHID_1").await.as_deref(), Some(user));
        assert_eq!(agent.value("sip-agent", "SIP_PASS_1").await.unwrap(), format!("pass{user}"));
        assert_eq!(agent.value("sip-agent", "SIP_RGSTR_ADDR_1").await.as_deref(), Some("127.0.0.2"));
        let asked = server.requests();
        let client = format!("Panasonic_KX-UT670/01.070 ({})", mac.to_lowercase());
        assert_eq!(
            asked,
            [format!("GET /ConfigCommon.cfg HTTP/1.0|{client}|-"), format!("GET /Config{mac}.cfg HTTP/1.0|{client}|-")]
        );
        let settings = SettingsProxy::new(&connection).await.unwrap();
        let (_, layer, layers) = settings.explain("SIP_AUTHID_1").await.unwrap();
        assert_eq!((layer.as_str(), layers[0].2.clone(), layers[0].3), ("standard", server.url(&format!("/Config{mac}.cfg")), 3));
    }
}

#[tokio::test]
async fn bad_lines_are_skipped_and_reported_and_the_rest_applies() {
    // C62, C63, B82
    let house = House::new();
    let server = WebServer::start(&house, "");
    let lines = ["SIP_AUTHID_1=\"1001\"", "SIP_SRC_PORT_1=\"99999\"", "SIP_AUTHIDD_2=\"1002\"", "SIP_PASS_2 = \"quite-secret\""];
    server.serve("phone.cfg", &configuration(&lines));
    let preset = paths(&house, &server.url("/phone.cfg"), "");
    let (agent, connection, outcome) = provisioned(&house, &preset, "0080F0111111").await;
    assert_eq!((outcome.as_str(), files(&connection).await), ("done", told(&[("standard", "applied", 1, 3)])));
    let diagnoses = ProvisioningProxy::new(&connection).await.unwrap().diagnoses().await.unwrap();
    let lines: Vec<(u32, &str)> = diagnoses.iter().filter(|one| one.5 == "error").map(|one| (one.1, one.4.as_str())).collect();
    assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 5, 6], "{diagnoses:?}");
    assert!(diagnoses.iter().all(|one| one.0 == server.url("/phone.cfg")));
    assert!(!format!("{diagnoses:?}").contains("quite-secret"), "a diagnosis never shows a secret");
    assert_eq!(agent.value("sip-agent", "SIP_AUTHID_1").await.as_deref(), Some("1001"));
    assert_eq!(agent.value("sip-agent", "SIP_SRC_PORT_1").await.as_deref(), Some("5060"));
}

#[tokio::test]
async fn a_file_that_is_refused_leaves_its_layer_as_it_was_and_the_others_apply() {
    // C62, B75
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve("standard.cfg", &configuration(&["DISPLAY_NAME_1=\"before\""]));
    server.serve("master.cfg", &configuration(&["DISPLAY_NAME_2=\"before\""]));
    let preset = paths(&house, &server.url("/standard.cfg"), &server.url("/master.cfg"));
    let (agent, connection, _) = provisioned(&house, &preset, "0080F0111111").await;
    server.serve("standard.cfg", "DISPLAY_NAME_1=\"after\"\r\n");
    server.serve("master.cfg", &configuration(&["DISPLAY_NAME_2=\"after\""]));
    run_again(&connection).await;
    assert_eq!(files(&connection).await, told(&[("master", "applied", 1, 0), ("standard", "refused", 0, 0)]));
    assert_eq!(agent.value("web-ui", "DISPLAY_NAME_1").await.as_deref(), Some("before"));
    assert_eq!(agent.value("web-ui", "DISPLAY_NAME_2").await.as_deref(), Some("after"));
}

#[tokio::test]
async fn a_file_that_says_nothing_new_costs_no_revision_and_no_write() {
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve("phone.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    let preset = paths(&house, &server.url("/phone.cfg"), "");
    let (_agent, connection, _) = provisioned(&house, &preset, "0080F0111111").await;
    let revision = SettingsProxy::new(&connection).await.unwrap().revision().await.unwrap();
    let written = |name: &str| std::fs::metadata(house.path("state/settings").join(name)).and_then(|file| file.modified()).ok();
    let before = (written("copy-0"), written("copy-1"));
    assert_eq!(run_again(&connection).await, revision);
    assert_eq!(files(&connection).await, told(&[("standard", "unchanged", 1, 0)]));
    assert_eq!((written("copy-0"), written("copy-1")), before);
    // B38, C67: what a file does not name any more keeps its value.
    server.serve("phone.cfg", &configuration(&["DISPLAY_NAME_2=\"Berta\""]));
    run_again(&connection).await;
    let settings = SettingsProxy::new(&connection).await.unwrap();
    assert_eq!(
        (settings.get("DISPLAY_NAME_1").await.unwrap(), settings.get("DISPLAY_NAME_2").await.unwrap()),
        ("Anna".into(), "Berta".into())
    );
}

#[tokio::test]
async fn a_missing_file_and_a_dead_server_are_told_apart() {
    let house = House::new();
    let server = WebServer::start(&house, "");
    let closed = std::net::SocketAddr::from(([127, 0, 0, 1], testbed::ports::free_at([127, 0, 0, 1].into()).unwrap()));
    let preset = paths(&house, &server.url("/missing.cfg"), &format!("http://joe:quite-secret@{closed}/"));
    let (_agent, connection, outcome) = provisioned(&house, &preset, "0080F0111111").await;
    assert_eq!(
        (outcome.as_str(), files(&connection).await),
        ("failed", told(&[("master", "failed", 0, 0), ("standard", "not-found", 0, 0)]))
    );
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let shown = format!("{:?} {:?}", provisioning.files().await.unwrap(), provisioning.diagnoses().await.unwrap());
    assert!(!shown.contains("quite-secret") && shown.contains("/sip.cfg"), "{shown}");
    let codes: Vec<String> = provisioning.diagnoses().await.unwrap().into_iter().map(|one| one.3).collect();
    assert_eq!(codes, ["file.unreachable", "file.not-found"]);
}

#[tokio::test]
async fn a_unit_with_provisioning_switched_off_asks_nobody() {
    // B48, B49
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve("phone.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    let standard = format!("CFG_STANDARD_FILE_PATH=\"{}\"", server.url("/phone.cfg"));
    let preset = house.preset("dealer.cfg", &[&standard, "PROVISION_ENABLE=\"N\""]);
    let agent = house.start(&[&preset]);
    let _board = board(&house, "0080F0111111").await;
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    // The board may not be known yet; then the answer is NotReady, and the agent is asked again when it has changed.
    let refused = provisioning.run(HashMap::new()).await.unwrap_err().to_string();
    assert!(refused.contains("ProvisioningDisabled"), "{refused}");
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    apply(&mut agent.client(), save(&[("PROVISION_ENABLE", "Y")], 0)).await.unwrap();
    provisioning.run(HashMap::new()).await.unwrap();
    assert_eq!(finished.next().await.unwrap().args().unwrap().outcome, "done");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_child_that_cannot_be_had_fails_the_run_and_nothing_else() {
    let house = House::new();
    let alone = house.path("provisioning-agent");
    std::fs::copy(env!("CARGO_BIN_EXE_provisioning-agent"), &alone).unwrap();
    let preset = paths(&house, "http://127.0.0.1:9/phone.cfg", "");
    let agent = house.start_program(&alone, &[&preset]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board(&house, "0080F0111111").await;
    assert_eq!(finished.next().await.unwrap().args().unwrap().outcome, "failed");
    assert_eq!(provisioning.diagnoses().await.unwrap()[0].3, "file.not-fetched");
    apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna")], 0)).await.unwrap();
}

#[tokio::test]
async fn an_xml_file_is_taken_beside_a_plain_one() {
    // B94, B95, C47, C48, C56, C64
    let house = House::new();
    let server = WebServer::start(&house, "");
    let fill = format!("<!-- {} -->", "a comment ".repeat(13 * 1024));
    assert!(fill.len() > settings::plain::MAX_BYTES);
    server.serve(
        "phone.cfg",
        &format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<PANASipPhoneConfig>{fill}\r\n\
             <A SIP_AUTHID_1=\"1001\" SIP_AUTHID_2=\"1002\" SIP_SRC_PORT_1=\"99999\"/>\r\n</PANASipPhoneConfig>\r\n"
        ),
    );
    server.serve("master.cfg", &configuration(&["SIP_AUTHID_2=\"2002\"", "SIP_AUTHID_3=\"2003\""]));
    let preset = paths(&house, &server.url("/phone.cfg"), &server.url("/master.cfg"));
    let (agent, connection, outcome) = provisioned(&house, &preset, "0080F0111111").await;
    assert_eq!(outcome, "done");
    assert_eq!(files(&connection).await, told(&[("master", "applied", 2, 0), ("standard", "applied", 2, 1)]));
    for (name, value) in [("SIP_AUTHID_1", "1001"), ("SIP_AUTHID_2", "1002"), ("SIP_AUTHID_3", "2003")] {
        assert_eq!(agent.value("sip-agent", name).await.as_deref(), Some(value), "{name}");
    }
    let diagnoses = ProvisioningProxy::new(&connection).await.unwrap().diagnoses().await.unwrap();
    let found = diagnoses.iter().find(|one| one.5 == "error").unwrap();
    assert_eq!((found.1, found.3.as_str(), found.4.as_str()), (3, "value.out-of-range", "SIP_SRC_PORT_1"));
}
