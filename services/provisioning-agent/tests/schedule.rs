//! When files are fetched, from the rows to the runs: in virtual time, and once over the bus.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::time::Duration;

use agreements::{Tick, WallTime};
use futures_util::StreamExt as _;
use phone_proto::dbus::ProvisioningProxy;
use provisioning_agent::provisioning::rules;
use provisioning_agent::provisioning::schedule::{Cause, Schedule};
use settings::layers::Layers;
use settings::plain;
use support::{House, WebServer, board, configuration, phone, phone_shows, provisioning_changes};

const START: Tick = Tick(1);

fn layers(rows: &[&str]) -> Layers {
    let mut layers = Layers::new();
    let refused = layers.set_dealer(&[plain::parse_preset(configuration(rows).as_bytes(), "dealer.cfg")], WallTime::Unset);
    assert!(refused.is_empty(), "{refused:?}");
    layers
}

/// After start-up's run: the wait until the next one, in minutes; none: never.
fn next(rows: &[&str], failed: bool) -> Option<u64> {
    let mut schedule = Schedule::new();
    schedule.set_rules(START, rules::of(&layers(rows)));
    schedule.start(START, 1, false);
    assert_eq!(schedule.due(START, None), Some(Cause::StartUp));
    schedule.ended(START, failed);
    schedule.wait(START, None).map(|wait| wait.as_secs() / 60)
}

/// B41, B284.
#[test]
fn the_interval_is_the_configured_one_where_cyclic_is_on() {
    assert_eq!(next(&["CFG_CYCLIC=\"N\"", "CFG_CYCLIC_INTVL=\"5\""], false), None);
    assert_eq!(next(&["CFG_CYCLIC=\"Y\"", "CFG_CYCLIC_INTVL=\"5\""], false), Some(5));
    assert_eq!(next(&["CFG_CYCLIC=\"Y\"", "CFG_CYCLIC_INTVL=\"40320\""], false), Some(40_320));
}

/// B51.
#[test]
fn the_retry_interval_follows_a_failure_where_cyclic_is_on() {
    for minutes in [1, 1_440] {
        let retry = format!("CFG_RTRY_INTVL=\"{minutes}\"");
        assert_eq!(next(&["CFG_CYCLIC=\"Y\"", &retry], true), Some(minutes));
        assert_eq!(next(&["CFG_CYCLIC=\"N\"", &retry], true), None);
    }
}

/// B42, B43.
#[test]
fn the_fixed_time_is_the_configured_one_and_switches_the_interval_off() {
    for (time, minutes) in [("02:30", 150), ("23:59", 1_439)] {
        let rows = layers(&["CFG_CYCLIC=\"Y\"", "CFG_CYCLIC_INTVL=\"1\"", &format!("CFG_RESYNC_TIME=\"{time}\"")]);
        let mut schedule = Schedule::new();
        schedule.set_rules(START, rules::of(&rows));
        assert_eq!(rules::of(&rows).cyclic, None);
        schedule.start(START, 1, false);
        let midnight = Some(20_000 * 86_400);
        assert_eq!(schedule.due(START, midnight), Some(Cause::StartUp));
        schedule.ended(START, true);
        assert_eq!(schedule.wait(START, midnight).map(|wait| wait.as_secs() / 60), Some(minutes));
    }
}

/// Each unit of a fleet has its own part of the spread; one without files does not wait.
#[test]
fn the_start_of_a_fleet_is_spread_as_configured() {
    for seconds in [0, 600] {
        let rows = rules::of(&layers(&[&format!("PROVISION_START_SPREAD=\"{seconds}\"")]));
        let wait = |seed, configured| {
            let mut schedule = Schedule::new();
            schedule.set_rules(START, rows.clone());
            schedule.start(START, seed, configured);
            schedule.wait(START, None).unwrap()
        };
        let latest = (0..500).map(|seed| wait(seed, true)).max().unwrap();
        assert!(latest <= Duration::from_secs(seconds) && latest >= Duration::from_secs(seconds * 9 / 10), "{latest:?}");
        assert_eq!(wait(5, false), Duration::ZERO);
    }
}

/// B45, B46, C68: the SIP server asks, the files are fetched, and the restart waits for the end of the call and says so.
#[tokio::test]
async fn a_wish_of_the_sip_server_fetches_the_files_and_the_restart_waits_for_the_call() {
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve("phone.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    let preset = house.preset("dealer.cfg", &[&format!("CFG_STANDARD_FILE_PATH=\"{}\"", server.url("/phone.cfg"))]);
    let _agent = house.start(&[&preset]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut waits = provisioning_changes(&connection).await;
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let sip = phone(&house, 1).await;
    support::phone_was_read(&sip).await;
    let _board = board(&house, "0080F0111111").await;
    assert_eq!(finished.next().await.unwrap().args().unwrap().run, 1);
    assert_eq!(provisioning.restart_wanted().await.unwrap().0, "");
    phone_shows(&sip, |phone| phone.resync_requests = 1).await;
    assert_eq!(finished.next().await.unwrap().args().unwrap().run, 2);
    while provisioning.restart_waits_for().await.unwrap() != "call" {
        waits.next().await.unwrap().unwrap();
    }
    assert_eq!(provisioning.restart_wanted().await.unwrap(), ("the SIP server asked for provisioning".to_owned(), false));
    phone_shows(&sip, |phone| phone.calls_up = 0).await;
    while !provisioning.restart_waits_for().await.unwrap().is_empty() {
        waits.next().await.unwrap().unwrap();
    }
    assert_eq!(server.requests().len(), 2);
}
