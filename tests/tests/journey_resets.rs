//! Journey: an administrator looks at what was changed, takes it back, and resets the phone, with phonectl; nobody else may.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use serde_json::Value;

const SETTINGS: [&str; 3] = ["org.deskphone.Settings1", "/org/deskphone/Settings1", "org.deskphone.Settings1"];

/// busctl call of a method of Settings1, as a user who is nobody in this house.
fn as_a_stranger(phone: &Phone, method: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "busctl", "--no-pager"]);
    command.arg(format!("--address={}", phone.ready["bus"].as_str().unwrap())).arg("call").args(SETTINGS);
    command.args(method).output().unwrap()
}

/// Revision, way, and names that it changed.
fn newest(phone: &Phone) -> (u64, String, Vec<String>) {
    let history = phone.json(&["settings", "history", "--limit", "1"]);
    let commit = history[0].clone();
    let names = commit["changes"].as_array().unwrap().iter().map(|change| change["name"].as_str().unwrap().to_owned());
    (commit["revision"].as_u64().unwrap(), commit["way"].as_str().unwrap().to_owned(), names.collect())
}

async fn restart_wanted(phone: &Phone) -> Value {
    let provisioning = ("org.deskphone.Provisioning1", "org.deskphone.Provisioning1");
    let facts = phone.facts(provisioning.0, provisioning.1).await;
    facts["RestartWanted"].clone()
}

/// B17, B62, B113, B265, B266, B268, B269, B271, C61, C67.
#[tokio::test]
async fn an_administrator_looks_back_takes_back_and_resets() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.registered().await;
    phone.run(&["settings", "set", "ADMIN_PASS=quite-secret", "DISPLAY_NAME_1=Anna"]);
    let (revision, way, names) = newest(&phone);
    assert_eq!((way.as_str(), names), ("administrator", vec!["ADMIN_PASS".to_owned(), "DISPLAY_NAME_1".to_owned()]));

    let (undone, way, _) = {
        phone.run(&["settings", "undo", "--expected", &revision.to_string()]);
        newest(&phone)
    };
    assert_eq!((undone, way.as_str()), (revision + 1, "undo"));
    assert_ne!(phone.explain("DISPLAY_NAME_1").0, "Anna");
    phone.run(&["settings", "undo"]);
    assert_eq!(phone.explain("DISPLAY_NAME_1").0, "Anna");
    phone.run(&["settings", "remove", "user", "DISPLAY_NAME_1"]);
    assert_ne!(phone.explain("DISPLAY_NAME_1").1, "user");

    // Nobody else may do it, or see a secret; everybody may look at the history, in which there is none.
    for method in [&["Undo", "ta{sv}", "0", "0"][..], &["Reset", "sa{sv}", "web", "0"], &["Reveal", "sa{sv}", "", "0"]] {
        let output = as_a_stranger(&phone, method);
        assert!(!output.status.success(), "{method:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let output = as_a_stranger(&phone, &["History"]);
    let history = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && history.contains("ADMIN_PASS") && !history.contains("quite-secret"), "{history}");

    let unasked = phone.phonectl(&["reset", "factory"]);
    assert_eq!(unasked.status.code(), Some(2), "nobody was there to ask, and nobody said --yes");
    assert_eq!(restart_wanted(&phone).await[0], "");
    let before = phone.epochs().await;
    phone.run(&["reset", "web", "--yes"]);
    assert_eq!(phone.explain("ADMIN_PASS").1, "factory");
    assert_eq!(restart_wanted(&phone).await, serde_json::json!(["Reset Web Settings", true]));
    phone.restarted(before).await;
    phone.registered().await;
    assert_eq!(restart_wanted(&phone).await, serde_json::json!(["", false]), "it has happened");

    let key = phone.json(&["settings", "get", "CFG_FILE_KEY1", "--reveal"])["value"].clone();
    phone.run(&["settings", "set", "ADMIN_PASS=quite-secret"]);
    let card = tempfile::tempdir().unwrap();
    std::fs::set_permissions(card.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(card.path().join("phone.cfg"), "kept").unwrap();
    phone.run(&["board", "card", &card.path().display().to_string()]);
    let before = phone.epochs().await;
    phone.run(&["reset", "factory", "--yes"]);
    assert_eq!(newest(&phone).1, "reset");
    assert_eq!(phone.json(&["settings", "history"]).as_array().map(Vec::len), Some(1), "the history begins anew");
    assert_eq!(phone.phonectl(&["settings", "undo"]).status.code(), Some(8), "nothing is left to come back");
    assert_eq!(phone.json(&["settings", "get", "CFG_FILE_KEY1", "--reveal"])["value"], key);
    phone.restarted(before).await;
    assert_eq!(phone.json(&["provision", "card"]), serde_json::json!(["phone.cfg"]));
    assert_eq!(std::fs::read_to_string(card.path().join("phone.cfg")).unwrap(), "kept");
    assert!(!phone.logs().contains("quite-secret"));
    phone.stop().await;
}
