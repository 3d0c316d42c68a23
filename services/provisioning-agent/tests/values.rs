//! A legal value of every row, another one in each round, written over the bus, is the same when it is read back: from the bus, by
//! gRPC, and from the store after a restart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::{BTreeMap, HashMap};

use phone_proto::dbus::SettingsProxy;
use settings::{catalogue, value};
use support::House;
use testbed::any_values;

const ROUNDS: u64 = 4;

/// In the spelling that is stored.
fn values(round: u64) -> BTreeMap<String, String> {
    let stored = |(name, text): (&str, String)| {
        let parameter = catalogue::parameter(name).unwrap();
        (name.to_owned(), value::canonical(&parameter, &text).into_owned())
    };
    any_values::of_every_row(round).into_iter().map(stored).collect()
}

async fn user_layer(proxy: &SettingsProxy<'_>) -> BTreeMap<String, String> {
    proxy.reveal("user", HashMap::new()).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn any_value_is_the_same_after_the_bus_and_the_store() {
    let house = House::new();
    let mut agent = house.start(&[]);
    let connection = house.connect().await;
    let proxy = SettingsProxy::new(&connection).await.unwrap();
    for round in 0..ROUNDS {
        let expected = values(round);
        assert_eq!(expected.len(), catalogue::parameters().count());
        proxy.reset("factory", HashMap::new()).await.unwrap();
        let changes = expected.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        proxy.set(changes, 0, HashMap::new()).await.unwrap();
        assert_eq!(user_layer(&proxy).await, expected);
        agent.kill();
        agent = house.start(&[]);
        assert_eq!(user_layer(&proxy).await, expected, "round {round}, after a restart");
        assert_eq!(proxy.alarms().await.unwrap(), Vec::<String>::new());
        for (name, effective, _) in proxy.list().await.unwrap() {
            let row = catalogue::parameter(&name).unwrap().row;
            // Buttons have no files here, so what was set is in effect everywhere.
            assert_eq!(effective, row.shown(&expected[&name]), "{name}");
        }
        for service in ["sip-agent", "hal-agent", "web-ui"] {
            for seen in agent.snapshot(service).await.unwrap().values {
                let row = catalogue::parameter(&seen.name).unwrap().row;
                assert_eq!(Some(seen.value), row.seen_by(service, &expected[&seen.name]), "{} for {service}", seen.name);
            }
        }
    }
}
