//! The history of the settings, the way back, and the resets, on a running agent and over its restarts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;

use phone_proto::dbus::{CommitTuple, ProvisioningProxy, SettingsProxy};
use phone_proto::settings::{ResetReply, ResetRequest, ResetScope};
use support::{Agent, House, apply, save};
use tonic::Code;

async fn settings(connection: &zbus::Connection) -> SettingsProxy<'static> {
    SettingsProxy::builder(connection).build().await.unwrap()
}

fn name_of(error: zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, _, _) => name.to_string(),
        other => panic!("{other}"),
    }
}

/// Revision, way, who.
fn heads(history: &[CommitTuple]) -> Vec<(u64, &str, &str)> {
    history.iter().map(|commit| (commit.0, commit.3.as_str(), commit.2.as_str())).collect()
}

/// Everything that lies in the agent's state folder.
fn stored_bytes(house: &House) -> Vec<u8> {
    fn read(folder: &std::path::Path, all: &mut Vec<u8>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { read(&path, all) } else { all.extend(std::fs::read(path).unwrap()) }
        }
    }
    let mut all = Vec::new();
    read(&house.path("state"), &mut all);
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn the_history_says_who_changed_what_also_after_a_restart() {
    let house = House::new();
    let agent = house.start(&[]);
    let connection = house.connect().await;
    let proxy = settings(&connection).await;
    let start = proxy.revision().await.unwrap();
    apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna"), ("SIP_PASS_1", "quite-secret")], 0)).await.unwrap();
    proxy.set(HashMap::from([("DISPLAY_NAME_1", "Berta")]), 0, HashMap::new()).await.unwrap();
    let told = proxy.history().await.unwrap();
    let administrator = (start + 2, "administrator", "administrator at the bus");
    assert_eq!(heads(&told), [administrator, (start + 1, "web", "web admin")]);
    assert!(told[0].1 > 1_700_000_000, "the clock of this machine is set");
    let anna = ("user".to_owned(), "DISPLAY_NAME_1".to_owned(), true, "Anna".to_owned(), true, "Berta".to_owned());
    assert_eq!((told[0].4, &told[0].5), (1, &vec![anna]));
    let secret = ("user".to_owned(), "SIP_PASS_1".to_owned(), false, String::new(), true, "********".to_owned());
    assert_eq!((told[1].4, &told[1].5[1]), (2, &secret));
    agent.kill();
    let _agent = house.start(&[]);
    assert_eq!(settings(&connection).await.history().await.unwrap(), told);
}

#[tokio::test]
async fn fifty_commits_are_told_of() {
    let house = House::new();
    let _agent = house.start(&[]);
    let proxy = settings(&house.connect().await).await;
    for number in 0..53 {
        proxy.set(HashMap::from([("DISPLAY_NAME_1", format!("save {number}").as_str())]), 0, HashMap::new()).await.unwrap();
    }
    let told = proxy.history().await.unwrap();
    let newest = proxy.revision().await.unwrap();
    assert_eq!(told.iter().map(|commit| commit.0).collect::<Vec<_>>(), (newest - 49..=newest).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_administrator_takes_the_newest_commit_back_and_again() {
    let house = House::new();
    let agent = house.start(&[]);
    let proxy = settings(&house.connect().await).await;
    apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna"), ("SIP_PASS_1", "first")], 0)).await.unwrap();
    let second =
        apply(&mut agent.client(), save(&[("SIP_PASS_1", "second"), ("DISPLAY_NAME_2", "Two")], 0)).await.unwrap().revision;
    assert_eq!(name_of(proxy.undo(second - 1, HashMap::new()).await.unwrap_err()), "org.deskphone.Error.RevisionConflict");
    agent.kill();
    let agent = house.start(&[]);
    assert_eq!(proxy.undo(second, HashMap::new()).await.unwrap(), second + 1);
    assert_eq!(agent.value("sip-agent", "SIP_PASS_1").await.as_deref(), Some("first"));
    assert_eq!(proxy.explain("DISPLAY_NAME_2").await.unwrap().1, "factory");
    assert_eq!(proxy.get("DISPLAY_NAME_1").await.unwrap(), "Anna");
    let newest = proxy.history().await.unwrap().remove(0);
    assert_eq!((newest.2.as_str(), newest.3.as_str(), newest.4), ("administrator at the bus", "undo", 2));
    assert_eq!(proxy.undo(0, HashMap::new()).await.unwrap(), second + 2);
    assert_eq!(agent.value("sip-agent", "SIP_PASS_1").await.as_deref(), Some("second"));
}

/// C67: an administrator's explicit command.
#[tokio::test]
async fn an_administrator_takes_values_out_of_a_layer() {
    let house = House::new();
    let agent = house.start(&[]);
    let proxy = settings(&house.connect().await).await;
    let revision = apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna")], 0)).await.unwrap().revision;
    let remove = |layer, name, expected| proxy.remove(layer, name, expected, HashMap::new());
    assert_eq!(name_of(remove("user", &["NO_SUCH"], 0).await.unwrap_err()), "org.deskphone.Error.UnknownParameter");
    assert_eq!(name_of(remove("nobody's", &["DISPLAY_NAME_1"], 0).await.unwrap_err()), "org.deskphone.Error.InvalidArgument");
    assert_eq!(name_of(remove("factory", &["DISPLAY_NAME_1"], 0).await.unwrap_err()), "org.deskphone.Error.InvalidValue");
    let early = remove("user", &["DISPLAY_NAME_1"], revision - 1).await.unwrap_err();
    assert_eq!(name_of(early), "org.deskphone.Error.RevisionConflict");
    assert_eq!(remove("user", &["DISPLAY_NAME_1"], revision).await.unwrap(), revision + 1);
    assert_eq!(proxy.explain("DISPLAY_NAME_1").await.unwrap().1, "factory");
    assert_eq!(heads(&proxy.history().await.unwrap())[0], (revision + 1, "administrator", "administrator at the bus"));
}

#[tokio::test]
async fn each_layer_says_why_its_value_is_in_effect_or_not() {
    let house = House::new();
    let dealer = house.preset("dealer.cfg", &["DISPLAY_NAME_1=\"Dealer\""]);
    let agent = house.start(&[&dealer]);
    let proxy = settings(&house.connect().await).await;
    apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna")], 0)).await.unwrap();
    let (reasons, _) = proxy.reasons("DISPLAY_NAME_1").await.unwrap();
    let layers: Vec<&str> = reasons.iter().map(|(layer, _)| layer.as_str()).collect();
    assert_eq!(layers, ["user", "dealer", "factory"]);
    assert!(reasons[0].1.contains("in effect") && reasons[1].1.contains("comes first"), "{reasons:?}");
    let (_, notes) = proxy.reasons("KEY_PAD_TONE").await.unwrap();
    assert!(notes.iter().any(|note| note.contains("no effect in this version")), "{notes:?}");
}

async fn filled(house: &House, agent: &Agent) -> zbus::Connection {
    apply(&mut agent.client(), save(&[("ADMIN_PASS", "quite-secret-1"), ("DISPLAY_NAME_1", "quite-secret-2")], 0)).await.unwrap();
    apply(&mut agent.client(), save(&[("ADMIN_PASS", "quite-secret-3")], 0)).await.unwrap();
    house.connect().await
}

async fn ask_for_web_reset(agent: &Agent, service: &str, scope: ResetScope) -> Result<ResetReply, tonic::Status> {
    let request =
        ResetRequest { service: service.into(), scope: scope.into(), account: "web admin".into(), correlation: String::new() };
    agent.client().reset(request).await.map(tonic::Response::into_inner)
}

/// B269, B271: asked for by the web interface; the unit is to restart, calls or not. And it can be taken back.
#[tokio::test]
async fn reset_web_settings_from_the_web_page_wants_a_restart_at_once() {
    let house = House::new();
    let agent = house.start(&[]);
    let connection = filled(&house, &agent).await;
    let before = settings(&connection).await.revision().await.unwrap();
    let refused = ask_for_web_reset(&agent, "sip-agent", ResetScope::WebSettings).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = ask_for_web_reset(&agent, "web-ui", ResetScope::Unspecified).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let reply = ask_for_web_reset(&agent, "web-ui", ResetScope::WebSettings).await.unwrap();
    assert_eq!(reply.revision, before + 1);
    assert_eq!(agent.value("web-ui", "ADMIN_PASS").await.as_deref(), Some("adminpass"));
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    assert_eq!(provisioning.restart_wanted().await.unwrap(), ("Reset Web Settings".to_owned(), true));
    let proxy = settings(&connection).await;
    assert_eq!(heads(&proxy.history().await.unwrap())[0], (before + 1, "reset", "web admin"));
    assert_eq!(proxy.clear_wanted().await.unwrap(), (0, String::new()), "other services keep what they have");
    proxy.undo(0, HashMap::new()).await.unwrap();
    assert_eq!(agent.value("web-ui", "ADMIN_PASS").await.as_deref(), Some("quite-secret-3"));
}

/// B17: the accounts alone, and no restart.
#[tokio::test]
async fn reset_of_ids_and_passwords_restarts_nothing() {
    let house = House::new();
    let agent = house.start(&[]);
    let connection = filled(&house, &agent).await;
    settings(&connection).await.reset("accounts", HashMap::new()).await.unwrap();
    assert_eq!(agent.value("web-ui", "ADMIN_PASS").await.as_deref(), Some("adminpass"));
    assert_eq!(agent.value("web-ui", "DISPLAY_NAME_1").await.as_deref(), Some("quite-secret-2"));
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    assert_eq!(provisioning.restart_wanted().await.unwrap(), (String::new(), false));
}

/// B113, B264, B265, B268: nothing of before is in any file, the other services are told, the unit's own key stays (B62).
#[tokio::test]
async fn a_reset_of_the_unit_leaves_nothing_and_tells_everybody() {
    for (scope, title) in [("data", "Clear data and settings"), ("factory", "Reset to factory default")] {
        let house = House::new();
        let agent = house.start(&[]);
        let connection = filled(&house, &agent).await;
        let proxy = settings(&connection).await;
        let key = key_of_the_unit(&proxy).await;
        let before = proxy.revision().await.unwrap();
        assert!(holds(&stored_bytes(&house), "quite-secret"));
        assert_eq!(proxy.reset(scope, HashMap::new()).await.unwrap(), before + 1);
        assert!(!holds(&stored_bytes(&house), "quite-secret"), "{scope}");
        assert_eq!(agent.value("web-ui", "DISPLAY_NAME_1").await.as_deref(), Some(""));
        assert_eq!(proxy.clear_wanted().await.unwrap(), (1, scope.to_owned()));
        let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
        assert_eq!(provisioning.restart_wanted().await.unwrap(), (title.to_owned(), true));
        assert_eq!(name_of(proxy.undo(0, HashMap::new()).await.unwrap_err()), "org.deskphone.Error.WrongState");
        assert_eq!(heads(&proxy.history().await.unwrap()), [(before + 1, "reset", "administrator at the bus")]);
        agent.kill();
        let agent = house.start(&[]);
        assert_eq!(agent.snapshot("web-ui").await.unwrap().revision, before + 1, "revisions never go back");
        assert_eq!(proxy.clear_wanted().await.unwrap(), (1, scope.to_owned()), "for who was down");
        assert_eq!((key_of_the_unit(&proxy).await, proxy.alarms().await.unwrap()), (key, vec![]));
        proxy.reset(scope, HashMap::new()).await.unwrap();
        assert_eq!(proxy.clear_wanted().await.unwrap().0, 2);
    }
}

async fn key_of_the_unit(proxy: &SettingsProxy<'_>) -> String {
    let values = proxy.reveal("", HashMap::new()).await.unwrap();
    values.into_iter().find(|(name, _)| name == "CFG_FILE_KEY1").unwrap().1
}

/// B62: made at the first start, the same ever after, another one in every unit; masked but for an administrator who asks.
#[tokio::test]
async fn every_unit_has_a_key_of_its_own() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let house = House::new();
        let agent = house.start(&[]);
        let proxy = settings(&house.connect().await).await;
        let key = key_of_the_unit(&proxy).await;
        assert_eq!((key.len(), proxy.get("CFG_FILE_KEY1").await.unwrap().as_str()), (32, "********"));
        assert!(proxy.reveal("user", HashMap::new()).await.unwrap().is_empty());
        assert!(!format!("{:?}", proxy.list().await.unwrap()).contains(&key));
        agent.kill();
        let _agent = house.start(&[]);
        assert_eq!(key_of_the_unit(&proxy).await, key);
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn only_the_four_scopes_of_the_guide_are_resets() {
    let house = House::new();
    let _agent = house.start(&[]);
    let proxy = settings(&house.connect().await).await;
    assert_eq!(name_of(proxy.reset("everything", HashMap::new()).await.unwrap_err()), "org.deskphone.Error.InvalidArgument");
    let before = proxy.revision().await.unwrap();
    assert_eq!(proxy.reset("web", HashMap::new()).await.unwrap(), before, "there was nothing to reset");
}
