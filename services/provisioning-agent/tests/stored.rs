//! What earlier versions of the agent have stored is read by every later one: tests/fixtures/settings-N is a state folder as the
//! version left it behind that first had this format of records. A fixture is never made again; a new format gets a new folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use phone_proto::dbus::SettingsProxy;
use support::{House, apply, save};

fn fixture(format: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/settings-{format}"))
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Only for a new format: AGENT_WRITE_FIXTURE=N writes folder N with this agent.
#[tokio::test]
#[ignore = "writes a fixture, once per format"]
async fn write_a_fixture() {
    let format = std::env::var("AGENT_WRITE_FIXTURE").unwrap().parse().unwrap();
    assert!(!fixture(format).exists(), "a fixture is never made again");
    let house = House::new();
    let agent = house.start(&[]);
    let proxy = SettingsProxy::new(&house.connect().await).await.unwrap();
    proxy.reset("data", HashMap::new()).await.unwrap();
    apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Zo\u{eb}"), ("SIP_PASS_1", "first")], 0)).await.unwrap();
    apply(&mut agent.client(), save(&[("SIP_PASS_1", "second")], 0)).await.unwrap();
    agent.kill();
    copy_tree(&house.path("state/settings"), &fixture(format));
}

#[tokio::test]
async fn a_state_folder_of_format_1_is_read() {
    let house = House::new();
    copy_tree(&fixture(1), &house.path("state/settings"));
    let agent = house.start(&[]);
    let proxy = SettingsProxy::new(&house.connect().await).await.unwrap();
    assert_eq!(proxy.alarms().await.unwrap(), Vec::<String>::new());
    assert_eq!(proxy.get("DISPLAY_NAME_1").await.unwrap(), "Zo\u{eb}");
    assert_eq!(agent.value("sip-agent", "SIP_PASS_1").await.as_deref(), Some("second"));
    let (_, layer, layers) = proxy.explain("DISPLAY_NAME_1").await.unwrap();
    assert_eq!((layer.as_str(), layers[0].2.as_str()), ("user", "web admin"));
    assert!(layers[0].4 > 1_700_000_000, "the time is kept");
    let ways: Vec<String> = proxy.history().await.unwrap().into_iter().map(|commit| commit.3).collect();
    assert_eq!(ways, ["web", "web", "reset"]);
    assert_eq!(proxy.clear_wanted().await.unwrap(), (1, "data".to_owned()));
    let values = proxy.reveal("", HashMap::new()).await.unwrap();
    let key = values.into_iter().find(|(name, _)| name == "CFG_FILE_KEY1").unwrap().1;
    assert_eq!(key.len(), 32, "the unit's own key");
    proxy.undo(0, HashMap::new()).await.unwrap();
    assert_eq!(agent.value("sip-agent", "SIP_PASS_1").await.as_deref(), Some("first"));
}
