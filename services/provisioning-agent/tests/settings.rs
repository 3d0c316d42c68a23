//! The agent as a process: gRPC Settings and Settings1, with a store in a folder, over restarts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;

use futures_util::StreamExt as _;
use phone_proto::dbus::{ProvisioningProxy, SettingsProxy};
use phone_proto::settings::{ApplyRequest, ExplainRequest, Origin, WatchRequest};
use service_kit::settings_client::{self, SettingsEvent};
use support::{Agent, House, apply, save};
use tonic::Code;

async fn watch(
    agent: &Agent,
    service: &str,
    epoch: u64,
    from_revision: u64,
) -> Result<tonic::Streaming<phone_proto::settings::Change>, tonic::Status> {
    let request = WatchRequest { service: service.into(), epoch, from_revision };
    agent.client().watch(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_save_is_answered_streamed_and_there_after_a_restart() {
    let house = House::new();
    let agent = house.start(&[]);
    let before = agent.snapshot("sip-agent").await.unwrap();
    let mut changes = watch(&agent, "sip-agent", before.epoch, before.revision).await.unwrap();
    let reply =
        apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna"), ("SIP_SRC_PORT_2", "6070")], before.revision)).await.unwrap();
    assert_eq!((reply.revision, reply.refused.len()), (before.revision + 1, 0));
    let change = changes.message().await.unwrap().unwrap();
    let names: Vec<&str> = change.values.iter().map(|value| value.name.as_str()).collect();
    assert_eq!((change.revision, change.correlation.as_str()), (reply.revision, "test-1"));
    assert_eq!(names, ["DISPLAY_NAME_1", "SIP_SRC_PORT_2"]);
    agent.kill();

    let agent = house.start(&[]);
    let after = agent.snapshot("sip-agent").await.unwrap();
    assert_eq!(after.revision, reply.revision);
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(agent.value("sip-agent", "SIP_SRC_PORT_2").await.as_deref(), Some("6070"));
    let request = ExplainRequest { service: "web-ui".into(), name: "DISPLAY_NAME_1".into() };
    let explained = agent.client().explain(request).await.unwrap().into_inner();
    assert_eq!((explained.effective.as_str(), explained.layer.as_str()), ("Anna", "user"));
    assert_eq!((explained.layers[0].source.as_str(), explained.layers[1].source.as_str()), ("web admin", "catalogue"));
    let of_old_epoch = watch(&agent, "sip-agent", before.epoch, before.revision).await.unwrap_err();
    assert_eq!(of_old_epoch.code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_service_follows_its_settings_over_a_death_of_the_agent() {
    let house = House::new();
    let agent = house.start(&[]);
    let mut events = settings_client::start_at("sip-agent", agent.socket.clone());
    let Some(SettingsEvent::Snapshot { revision, values }) = events.recv().await else { panic!("a snapshot comes first") };
    assert_eq!(values.get("SIP_SRC_PORT_1").map(String::as_str), Some("5060"));
    apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna")], 0)).await.unwrap();
    let changed = [("DISPLAY_NAME_1".to_owned(), "Anna".to_owned())].into();
    assert_eq!(events.recv().await, Some(SettingsEvent::Changed { revision: revision + 1, values: changed }));
    agent.kill();
    assert_eq!(events.recv().await, Some(SettingsEvent::Unavailable));
    let _agent = house.start(&[]);
    let Some(SettingsEvent::Snapshot { revision: again, values }) = events.recv().await else { panic!("a new snapshot comes") };
    assert_eq!((again, values.get("DISPLAY_NAME_1").map(String::as_str)), (revision + 1, Some("Anna")));
}

#[tokio::test]
async fn a_save_with_one_bad_value_changes_nothing() {
    let house = House::new();
    let agent = house.start(&[]);
    let before = agent.snapshot("sip-agent").await.unwrap();
    let reply = apply(&mut agent.client(), save(&[("DISPLAY_NAME_1", "Anna"), ("SIP_SRC_PORT_2", "99999")], 0)).await.unwrap();
    assert_eq!(reply.revision, 0);
    assert_eq!((reply.refused[0].name.as_str(), reply.refused[0].severity.as_str()), ("SIP_SRC_PORT_2", "error"));
    assert_eq!(agent.snapshot("sip-agent").await.unwrap(), before);
}

#[tokio::test]
async fn a_save_over_somebody_elses_newer_one_is_refused() {
    let house = House::new();
    let agent = house.start(&[]);
    let mut client = agent.client();
    let seen = agent.snapshot("web-ui").await.unwrap().revision;
    apply(&mut client, save(&[("DISPLAY_NAME_1", "Anna")], seen)).await.unwrap();
    let conflict = apply(&mut client, save(&[("DISPLAY_NAME_1", "Berta")], seen)).await.unwrap_err();
    assert_eq!(conflict.code(), Code::Aborted);
    let other_parameter = apply(&mut client, save(&[("DISPLAY_NAME_2", "Berta")], seen)).await.unwrap();
    assert_eq!(other_parameter.revision, seen + 2);
    assert_eq!(agent.value("web-ui", "DISPLAY_NAME_1").await.as_deref(), Some("Anna"));
}

#[tokio::test]
async fn a_service_gets_only_the_settings_that_name_it() {
    let mut house = House::new();
    let own = rustix::process::getuid().as_raw();
    house.users = format!("sip-agent={own},media-engine=61003,web-ui=61004,hal-agent=61005");
    let agent = house.start(&[]);
    let names: Vec<String> = agent.snapshot("sip-agent").await.unwrap().values.into_iter().map(|value| value.name).collect();
    assert!(names.contains(&"SIP_PASS_1".to_owned()), "sip-agent needs it");
    assert!(!names.contains(&"ADMIN_PASS".to_owned()), "nothing of sip-agent's");
    assert_eq!(agent.snapshot("web-ui").await.unwrap_err().code(), Code::PermissionDenied, "our user is not web-ui");
    assert_eq!(agent.snapshot("provisioning-agent").await.unwrap_err().code(), Code::PermissionDenied);
    let request = ExplainRequest { service: "sip-agent".into(), name: "ADMIN_PASS".into() };
    assert_eq!(agent.client().explain(request).await.unwrap_err().code(), Code::PermissionDenied);
}

/// What a line's server says of do-not-disturb and forwarding comes through sip-agent, which may save nothing else.
#[tokio::test]
async fn sip_agent_saves_in_the_name_of_a_lines_server_and_in_no_other() {
    let house = House::new();
    let agent = house.start(&[]);
    let saved = async |service: &str, origin: Origin, name: &str| {
        let account = "the SIP server of line 1".to_owned();
        let request = ApplyRequest { service: service.into(), origin: origin.into(), account, ..save(&[(name, "Y")], 0) };
        apply(&mut agent.client(), request).await
    };
    for (service, origin) in [
        ("sip-agent", Origin::Web),
        ("sip-agent", Origin::Phone),
        ("web-ui", Origin::Server),
        ("hal-agent", Origin::Web),
        ("hal-agent", Origin::Server),
    ] {
        let refused = saved(service, origin, "DO_NOT_DISTURB_1").await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{service} {origin:?}");
    }
    let missing = saved("sip-agent", Origin::Unspecified, "DO_NOT_DISTURB_1").await.unwrap_err();
    assert_eq!(missing.code(), Code::InvalidArgument);
    let another_row = saved("sip-agent", Origin::Server, "TALK_PACKAGE").await.unwrap();
    assert_eq!(another_row.refused[0].code, "set.not-here");
    let reply = saved("sip-agent", Origin::Server, "DO_NOT_DISTURB_1").await.unwrap();
    assert_eq!(reply.refused.len(), 0);
    let request = ExplainRequest { service: "web-ui".into(), name: "DO_NOT_DISTURB_1".into() };
    let explained = agent.client().explain(request).await.unwrap().into_inner();
    let layer = &explained.layers[0];
    assert_eq!((layer.layer.as_str(), layer.value.as_str(), layer.source.as_str()), ("user", "Y", "the SIP server of line 1"));
    let history = SettingsProxy::new(&house.connect().await).await.unwrap().history().await.unwrap();
    assert_eq!(
        (history[0].0, history[0].2.as_str(), history[0].3.as_str()),
        (reply.revision, "the SIP server of line 1", "server")
    );
}

#[tokio::test]
async fn presets_lie_below_everything_stored_and_the_first_one_wins() {
    // C66
    let house = House::new();
    let overlay = house.preset("overlay.cfg", &["SIM_ADDRESS=\"127.0.0.9\"", "CFG_STANDARD_FILE_PATH=\"\""]);
    let dealer = house.preset("dealer.cfg", &["SIM_ADDRESS=\"127.0.0.1\"", "SIP_SRC_PORT_1=\"5566\""]);
    let agent = house.start(&[&overlay, &dealer]);
    assert_eq!(agent.value("hal-agent", "SIM_ADDRESS").await.as_deref(), Some("127.0.0.9"));
    assert_eq!(agent.value("sip-agent", "SIP_SRC_PORT_1").await.as_deref(), Some("5566"));
    apply(&mut agent.client(), save(&[("SIP_SRC_PORT_1", "5577")], 0)).await.unwrap();
    agent.kill();
    let agent = house.start(&[&overlay, &dealer]);
    let request = ExplainRequest { service: "web-ui".into(), name: "SIP_SRC_PORT_1".into() };
    let explained = agent.client().explain(request).await.unwrap().into_inner();
    let layers: Vec<(&str, &str)> = explained.layers.iter().map(|layer| (layer.layer.as_str(), layer.value.as_str())).collect();
    assert_eq!(layers, [("user", "5577"), ("dealer", "5566"), ("factory", "5060")]);
    assert!(explained.layers[1].source.ends_with("dealer.cfg") && explained.layers[1].line == 4);
}

#[test]
fn a_preset_that_cannot_be_read_stops_the_start_with_a_clear_error() {
    let house = House::new();
    let broken = house.write("broken.cfg", "SIP_SRC_PORT_1=\"5566\"\r\n");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_provisioning-agent"));
    for preset in [broken, house.path("missing.cfg")] {
        let output = house.command(program, &[&preset], &house.path("notify")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(&preset.display().to_string()), "{text}");
    }
}

#[tokio::test]
async fn the_bus_shows_values_masks_secrets_and_lets_an_administrator_set() {
    let house = House::new();
    let agent = house.start(&[]);
    let connection = house.connect().await;
    let settings = SettingsProxy::new(&connection).await.unwrap();
    let mut changed = settings.receive_changed().await.unwrap();
    let revision = settings.revision().await.unwrap();
    let changes = HashMap::from([("SIP_PASS_1", "quite-secret"), ("DISPLAY_NAME_1", "Anna")]);
    let new = settings.set(changes, revision, HashMap::new()).await.unwrap();
    assert_eq!((new, settings.revision().await.unwrap()), (revision + 1, revision + 1));
    let signal = changed.next().await.unwrap();
    let arguments = signal.args().unwrap();
    assert_eq!(
        (arguments.revision, arguments.names.as_slice()),
        (new, ["DISPLAY_NAME_1".to_owned(), "SIP_PASS_1".to_owned()].as_slice())
    );
    assert_eq!(settings.get("DISPLAY_NAME_1").await.unwrap(), "Anna");
    assert_eq!(settings.get("SIP_PASS_1").await.unwrap(), "********");
    let listed = settings.list().await.unwrap();
    assert!(listed.contains(&("SIP_PASS_1".into(), "********".into(), "user".into())));
    assert!(!format!("{listed:?} {:?}", settings.explain("SIP_PASS_1").await.unwrap()).contains("quite-secret"));
    assert_eq!(agent.value("sip-agent", "SIP_PASS_1").await.as_deref(), Some("quite-secret"));
    assert_eq!(
        (settings.epoch().await.unwrap(), settings.alarms().await.unwrap().len()),
        (agent.snapshot("sip-agent").await.unwrap().epoch, 0)
    );
}

/// Catalogue: a row whose effect is still to come is stored; a restart would not bring it about, so none is asked for.
#[tokio::test]
async fn saving_what_has_no_effect_yet_asks_for_no_restart() {
    let pending = |row: &&settings::Row| row.effect == settings::row::Effect::RestartUnit && row.pending.is_some();
    let Some(row) = settings::catalogue::ROWS.iter().filter(pending).find(|row| row.name == "LAN_PORT_MODE") else {
        panic!("LAN_PORT_MODE has its effect now: this test wants another row, and that one a restart");
    };
    let house = House::new();
    let _agent = house.start(&[]);
    let connection = house.connect().await;
    let settings = SettingsProxy::new(&connection).await.unwrap();
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let revision = settings.set(HashMap::from([(row.name, "100FULL")]), 0, HashMap::new()).await.unwrap();
    assert_eq!(settings.revision().await.unwrap(), revision);
    assert_eq!(settings.get(row.name).await.unwrap(), "100FULL");
    assert_eq!(provisioning.restart_wanted().await.unwrap(), (String::new(), false));
}

#[tokio::test]
async fn a_password_inside_a_url_is_masked_like_any_other() {
    let house = House::new();
    let agent = house.start(&[]);
    let url = "http://joe:quite-secret@127.0.0.1/";
    apply(&mut agent.client(), save(&[("CFG_MASTER_FILE_PATH", url)], 0)).await.unwrap();
    let connection = house.connect().await;
    let settings = SettingsProxy::new(&connection).await.unwrap();
    assert_eq!(settings.get("CFG_MASTER_FILE_PATH").await.unwrap(), "http://joe:********@127.0.0.1/");
    let all = format!("{:?} {:?}", settings.list().await.unwrap(), settings.explain("CFG_MASTER_FILE_PATH").await.unwrap());
    assert!(!all.contains("quite-secret"));
}

#[tokio::test]
async fn errors_on_the_bus_have_the_names_of_the_house() {
    let house = House::new();
    let _agent = house.start(&[]);
    let connection = house.connect().await;
    let settings = SettingsProxy::new(&connection).await.unwrap();
    let name = |error: zbus::Error| match error {
        zbus::Error::MethodError(name, _, _) => name.to_string(),
        other => panic!("{other}"),
    };
    let set = |name, value, expected| settings.set(HashMap::from([(name, value)]), expected, HashMap::new());
    assert_eq!(name(settings.get("NO_SUCH_THING").await.unwrap_err()), "org.deskphone.Error.UnknownParameter");
    assert_eq!(name(set("NO_SUCH_THING", "1", 0).await.unwrap_err()), "org.deskphone.Error.UnknownParameter");
    assert_eq!(name(set("SIP_SRC_PORT_1", "x", 0).await.unwrap_err()), "org.deskphone.Error.InvalidValue");
    assert_eq!(name(set("SIP_SRC_PORT_1", "5062", 999).await.unwrap_err()), "org.deskphone.Error.RevisionConflict");
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    assert_eq!(name(provisioning.run(HashMap::new()).await.unwrap_err()), "org.deskphone.Error.NotReady");
}
