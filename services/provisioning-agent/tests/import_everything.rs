//! Whatever a configuration file may set, a file from a card sets, too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt as _;
use phone_proto::dbus::{ProvisioningProxy, SettingsProxy};
use settings::file::Entry;
use settings::{catalogue, plain, value, xml};
use support::{House, board};
use testbed::any_values;

/// B106: a value of every row, in the form of either kind, all of them in the layer of the file's type.
#[tokio::test]
async fn every_setting_of_files_can_be_imported() {
    let values = any_values::of_every_row(11);
    let rows: Vec<_> = catalogue::parameters().filter(|parameter| parameter.row.set_by.file).collect();
    let expected: BTreeMap<String, String> =
        rows.iter().map(|row| (row.name.to_owned(), value::canonical(row, &values[row.name]).into_owned())).collect();
    let house = House::new();
    let _agent = house.start(&[&house.preset("dealer.cfg", &["PROVISION_ENABLE=\"N\""])]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let settings = SettingsProxy::new(&connection).await.unwrap();
    let _board = board(&house, "0080F0111111").await;
    // A few rows in each: all of them do not fit into the 120 KB of one plain file.
    let entries = || rows.chunks(200).map(|rows| rows.iter().map(|row| Entry::new(*row, &values[row.name])));
    let plain: Vec<String> = entries().map(plain::write).collect();
    let xml: Vec<String> = entries().map(xml::write).collect();
    for (kind, files) in [("master", plain), ("standard", xml)] {
        let mut finished = provisioning.receive_run_finished().await.unwrap();
        for file in files {
            import(&provisioning, kind, &file).await;
            assert_eq!(finished.next().await.unwrap().args().unwrap().outcome, "done");
            let (_, _, outcome, _, skipped) = provisioning.files().await.unwrap().remove(0);
            assert_eq!((outcome.as_str(), skipped), ("applied", 0), "{:?}", provisioning.diagnoses().await.unwrap());
        }
        let stored: BTreeMap<String, String> = settings.reveal(kind, HashMap::new()).await.unwrap().into_iter().collect();
        assert_eq!(stored, expected, "{kind}");
    }
}

/// The board may be a moment away: then the answer is NotReady, and it is asked for again.
async fn import(provisioning: &ProvisioningProxy<'_>, kind: &str, file: &str) {
    while let Err(error) = provisioning.import(kind, "phone.cfg", file.as_bytes(), HashMap::new()).await {
        assert!(error.to_string().contains("NotReady"), "{error}");
    }
}
