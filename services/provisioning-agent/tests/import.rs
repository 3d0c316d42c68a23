//! A configuration file that a person brings, as from an SD card: into the layer of its type, not during a call, all or nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::HashMap;

use futures_util::StreamExt as _;
use phone_proto::dbus::{ProvisioningProxy, SettingsProxy};
use support::{House, board, configuration, phone, phone_shows, provisioning_changes};

/// B104, B105, B107, C64, C68: type and file are named, and the wish to restart is there.
#[tokio::test]
async fn an_imported_file_goes_into_the_layer_of_its_type_but_not_during_a_call() {
    let house = House::new();
    let _agent = house.start(&[&house.preset("dealer.cfg", &["PROVISION_ENABLE=\"N\""])]);
    let connection = house.connect().await;
    let (provisioning, settings) =
        (ProvisioningProxy::new(&connection).await.unwrap(), SettingsProxy::new(&connection).await.unwrap());
    let mut waits = provisioning_changes(&connection).await;
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let mut changed = provisioning.receive_run_finished().await.unwrap();
    let sip = phone(&house, 0).await;
    let _board = board(&house, "0080F0111111").await;
    let import = async |kind: &str, name: &str, text: &str| provisioning.import(kind, name, text.as_bytes(), HashMap::new()).await;

    // The board may be a moment away: then the answer is NotReady, and the facts are asked for again.
    let product = configuration(&["DISPLAY_NAME_1=\"product\"", "DISPLAY_NAME_2=\"product\""]);
    let run = loop {
        match import("product", "model.cfg", &product).await {
            Ok(run) => break run,
            Err(error) => assert!(error.to_string().contains("NotReady"), "{error}"),
        }
    };
    assert_eq!(finished.next().await.unwrap().args().unwrap().run, run);
    import(
        "standard",
        "phone.xml",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<PANASipPhoneConfig><B DISPLAY_NAME_1=\"own\"/></PANASipPhoneConfig>",
    )
    .await
    .unwrap();
    finished.next().await.unwrap();
    changed.next().await.unwrap();
    let shown = format!("{:?} {:?}", provisioning.files().await.unwrap(), provisioning.diagnoses().await.unwrap());
    assert_eq!(settings.get("DISPLAY_NAME_1").await.unwrap(), "own", "{shown}");
    let (_, layer, layers) = settings.explain("DISPLAY_NAME_2").await.unwrap();
    assert_eq!((layer.as_str(), layers[0].2.as_str(), layers[0].3), ("product", "model.cfg", 4));
    assert_eq!(provisioning.restart_wanted().await.unwrap(), ("a configuration file was imported".to_owned(), false));

    let revision = settings.revision().await.unwrap();
    import("standard", "broken.cfg", "DISPLAY_NAME_1=\"broken\"\r\n").await.unwrap();
    finished.next().await.unwrap();
    assert_eq!(provisioning.files().await.unwrap()[0].2, "refused");
    assert_eq!(settings.revision().await.unwrap(), revision);

    phone_shows(&sip, |phone| phone.calls_up = 1).await;
    while provisioning.restart_waits_for().await.unwrap() != "call" {
        waits.next().await.unwrap().unwrap();
    }
    let refused = import("standard", "phone.cfg", &configuration(&["DISPLAY_NAME_1=\"late\""])).await.unwrap_err().to_string();
    assert!(refused.contains("WrongState") && refused.contains("a call is up"), "{refused}");
    let refused = import("standard", "phone.txt", "").await.unwrap_err().to_string();
    assert!(refused.contains("InvalidArgument"), "{refused}");
    assert_eq!(settings.revision().await.unwrap(), revision);
}
