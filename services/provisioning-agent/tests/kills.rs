//! SIGKILL of the agent in the middle of saves over gRPC: nothing answered is lost, and of what was not answered at most the one
//! save that was under way is there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::time::Duration;

use phone_proto::dbus::SettingsProxy;
use support::{Agent, House, apply, save};
use tokio::sync::watch;

const KILLS: u64 = 50;
const SAVES_PER_LIFE: u64 = 20;

/// Both parameters change with every save and always say the same.
fn pair(number: u64) -> [(&'static str, String); 2] {
    [("DISPLAY_NAME_1", format!("save {number}")), ("DISPLAY_NAME_2", format!("save {number}"))]
}

async fn saved(agent: &Agent) -> u64 {
    let values = agent.snapshot("web-ui").await.unwrap().values;
    let number = |name: &str| {
        let value = values.iter().find(|value| value.name == name).map(|value| value.value.as_str()).unwrap();
        value.strip_prefix("save ").map_or(0, |number| number.parse::<u64>().unwrap())
    };
    assert_eq!(number("DISPLAY_NAME_1"), number("DISPLAY_NAME_2"), "a save is whole or not there");
    number("DISPLAY_NAME_1")
}

/// Saves until the connection breaks, telling how many were answered; the last one of them.
async fn save_until_it_dies(agent: &Agent, from: u64, told: &watch::Sender<u64>) -> u64 {
    let mut client = agent.client();
    let mut answered = from;
    loop {
        let changes = pair(answered + 1);
        let changes: Vec<(&str, &str)> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match apply(&mut client, save(&changes, 0)).await {
            Ok(reply) => assert!(reply.refused.is_empty(), "{:?}", reply.refused),
            Err(_) => return answered,
        }
        answered += 1;
        told.send_replace(answered);
    }
}

/// Kills after `saves` answered saves and at this phase of the next one.
async fn kill_in_a_save(agent: &Agent, mut answered: watch::Receiver<u64>, saves: u64, phase: Duration) {
    let from = *answered.borrow();
    answered.wait_for(|now| *now >= from + saves).await.unwrap();
    tokio::time::sleep(phase).await;
    let pid = rustix::process::Pid::from_child(&agent.process.0);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn the_agent_killed_in_the_middle_of_saves_loses_nothing_answered() {
    let house = House::new();
    let preset = house.preset("dealer.cfg", &["CFG_STANDARD_FILE_PATH=\"\""]);
    let (mut answered, mut revision) = (0, 0);
    for life in 0..KILLS {
        let mut agent = house.start(&[&preset]);
        let found = saved(&agent).await;
        assert!(found == answered || found == answered + 1, "{found} found after {answered} was answered");
        let now = agent.snapshot("web-ui").await.unwrap().revision;
        assert!(now >= revision, "revisions never go back");
        revision = now;
        let (told, heard) = watch::channel(found);
        // A save takes a few milliseconds: the phases reach from its first moment into the one after.
        let phase = Duration::from_micros(life * 331 % 9_000);
        (answered, ()) =
            tokio::join!(save_until_it_dies(&agent, found, &told), kill_in_a_save(&agent, heard, SAVES_PER_LIFE, phase));
        agent.process.0.wait().unwrap();
        if life % 5 == 0 {
            house.start_and_kill(&[&preset], Duration::from_millis(life));
        }
    }
    let agent = house.start(&[&preset]);
    let last = saved(&agent).await;
    assert!(last == answered || last == answered + 1);
    assert!(last >= 1_000);
    let connection = house.connect().await;
    let alarms = SettingsProxy::new(&connection).await.unwrap().alarms().await.unwrap();
    assert!(alarms.is_empty(), "{alarms:?}");
}
