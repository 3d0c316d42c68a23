//! The path of a file as it comes to the unit: with pre-provisioning, and on the web page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;

use agreements::WallTime;
use futures_util::StreamExt as _;
use phone_proto::dbus::ProvisioningProxy;
use provisioning_agent::provisioning::identity::Identity;
use provisioning_agent::provisioning::memory::Memory;
use provisioning_agent::provisioning::request;
use settings::layers::{Layer, Layers};
use settings::plain;
use settings::template::Facts;
use support::{House, WebServer, apply, board, configuration, save};

/// B32, guide 2.4.2.3: the file of pre-provisioning holds nothing but where the unit's own file is.
#[test]
fn a_path_of_pre_provisioning_leads_to_the_units_own_file() {
    let file = configuration(&["CFG_STANDARD_FILE_PATH=\"http://provisioning.example.com/Config{MAC}.cfg\""]);
    let outcome = plain::parse(file.as_bytes(), "KX-UT670.cfg");
    let mut layers = Layers::new();
    let run = layers.merge_file(Layer::PreProvisioning, "tftp://192.168.0.130/KX-UT670.cfg", &outcome, WallTime::Unset);
    layers.commit(run.plan);
    for mac in ["0080F0123456", "0080F0ABCDEF"] {
        let facts = Facts { mac: mac.into(), model: "KX-UT670".into(), firmware: "01.070".into() };
        let run = request::of(&layers, &Identity { facts, ..Identity::default() }, &Memory::default());
        let urls: Vec<&str> = run.request.files.iter().map(|wanted| wanted.url.as_str()).collect();
        assert_eq!(urls, [format!("http://provisioning.example.com/Config{mac}.cfg")]);
    }
}

/// B52: a path that is set while provisioning is switched off leads nowhere; set together with PROVISION_ENABLE=Y it does.
#[tokio::test]
async fn a_new_path_needs_provisioning_switched_on_with_it() {
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve("one.cfg", &configuration(&["DISPLAY_NAME_1=\"One\""]));
    server.serve("two.cfg", &configuration(&["DISPLAY_NAME_1=\"Two\""]));
    let agent = house.start(&[&house.preset("dealer.cfg", &["PROVISION_ENABLE=\"N\""])]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board(&house, "0080F0111111").await;
    apply(&mut agent.client(), save(&[("CFG_STANDARD_FILE_PATH", &server.url("/one.cfg"))], 0)).await.unwrap();
    let refused = provisioning.run(HashMap::new()).await.unwrap_err().to_string();
    assert!(refused.contains("ProvisioningDisabled"), "{refused}");
    let path = server.url("/two.cfg");
    apply(&mut agent.client(), save(&[("CFG_STANDARD_FILE_PATH", &path), ("PROVISION_ENABLE", "Y")], 0)).await.unwrap();
    // The board may be a moment away: then the answer is NotReady.
    while let Err(error) = provisioning.run(HashMap::new()).await {
        assert!(error.to_string().contains("NotReady"), "{error}");
    }
    assert_eq!(finished.next().await.unwrap().args().unwrap().outcome, "done");
    assert_eq!(agent.value("web-ui", "DISPLAY_NAME_1").await.as_deref(), Some("Two"));
    assert!(server.requests().iter().all(|request| request.starts_with("GET /two.cfg ")), "{:?}", server.requests());
}
