//! Any legal value of any row, written over the bus, is the same when it is read back: from the bus, by gRPC, and from the store
//! after a restart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use std::collections::{BTreeMap, HashMap};

use agreements::WallTime;
use phone_proto::dbus::SettingsProxy;
use settings::catalogue::{self, Parameter};
use settings::layers::{Layers, Origin};
use settings::row::{Charset, Format, Range};
use settings::value;
use support::House;

const ROUNDS: u64 = 4;
/// Attempts at a legal value of one row.
const ATTEMPTS: usize = 20;

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
    fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }
    fn between(&mut self, first: i64, last: i64) -> i64 {
        // The ends are where mistakes are.
        match self.below(4) {
            0 => first,
            1 => last,
            _ => first + i64::try_from(self.below(usize::try_from(last - first).unwrap() + 1)).unwrap(),
        }
    }
    fn text(&mut self, letters: &str, min: u16, max: u16) -> String {
        let letters: Vec<char> = letters.chars().collect();
        let length = self.between(i64::from(min), i64::from(max));
        (0..length).map(|_| *self.one(&letters)).collect()
    }
}

fn letters(charset: Charset) -> &'static str {
    match charset {
        Charset::Ascii => "abcXYZ019 !#$%&'()*+,-./:;<=>?@[]^_`{|}~",
        Charset::Unicode => "abc XYZ&<>'\u{e4}\u{df}\u{424}\u{4e2d}\u{1f4de}",
        Charset::Account => "abcXYZ019!#$%()*+,-./;=?@",
        Charset::Host | Charset::Uri => "abcxyz019-.",
        Charset::Digits => "0123456789",
        Charset::Dial => "0123456789*#",
        Charset::DialPlan => "0123456789x",
        Charset::Hex => "0123456789abcdefABCDEF",
    }
}

fn candidate(parameter: &Parameter, random: &mut Random) -> String {
    let row = parameter.row;
    if row.empty_allowed && random.below(8) == 0 {
        return String::new();
    }
    match row.range {
        Range::Flag { .. } => (*random.one(&["Y", "N"])).to_owned(),
        Range::Choices(choices) => random.one(choices).value.to_owned(),
        Range::Integers { spans, multiple_of } => {
            let (first, last) = *random.one(spans);
            (random.between(first, last) / multiple_of * multiple_of).to_string()
        }
        Range::List { spans, max_count } => {
            let count = random.between(1, i64::from(max_count));
            let numbers: Vec<String> = (0..count)
                .map(|_| {
                    let (first, last) = *random.one(spans);
                    random.between(first, last).to_string()
                })
                .collect();
            numbers.join(",")
        }
        Range::Text { min, max, .. } => match row.format {
            Format::Free => random.text(letters(row.charset), min, max),
            Format::Host => format!("host-{}.example.com", random.below(1000)),
            Format::IpAddress => format!("192.0.2.{}", random.below(255)),
            Format::SubnetMask => (*random.one(&["255.255.255.0", "255.255.0.0", "255.255.255.252"])).to_owned(),
            Format::Url => format!("{}://joe:pw{}@host/{{mac}}.cfg", random.one(&["http", "ftp", "tftp"]), random.below(100)),
            Format::SipUri => format!("sip:user{}@example.com", random.below(1000)),
            Format::TimeOfDay => format!("{:02}:{:02}", random.below(24), random.below(60)),
            Format::FirmwareVersion => format!("{:02}.{:03}", random.below(16), random.below(1000)),
            Format::DialPlan => format!("[1-{}]xx|0x.T", 2 + random.below(8)),
        },
    }
}

/// A legal value for every row but those that clash with another.
fn values(round: u64) -> BTreeMap<String, String> {
    let mut random = Random(round);
    let mut changes: Vec<(String, String)> = Vec::new();
    for parameter in catalogue::parameters() {
        let legal = (0..ATTEMPTS).map(|_| candidate(&parameter, &mut random)).find(|text| value::check(&parameter, text).is_ok());
        changes.extend(legal.map(|text| (parameter.name.to_owned(), text)));
    }
    loop {
        match Layers::new().apply(&changes, Origin::Admin, "test", WallTime::Unset) {
            Ok(_) => break,
            Err(refused) => {
                let before = changes.len();
                changes.retain(|(name, _)| refused.0.iter().all(|one| one.name != *name));
                assert!(changes.len() < before, "{refused}");
            }
        }
    }
    changes.into_iter().collect()
}

fn as_stored(values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let stored = |(name, text): (&String, &String)| {
        let parameter = catalogue::parameter(name).unwrap();
        (name.clone(), value::canonical(&parameter, text).into_owned())
    };
    values.iter().map(stored).collect()
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
    let everything = catalogue::parameters().count();
    for round in 0..ROUNDS {
        let values = values(round);
        assert!(values.len() * 10 > everything * 8, "only {} of {everything} rows", values.len());
        proxy.reset("factory", HashMap::new()).await.unwrap();
        let changes = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        proxy.set(changes, 0, HashMap::new()).await.unwrap();
        let expected = as_stored(&values);
        assert_eq!(user_layer(&proxy).await, expected);
        agent.kill();
        agent = house.start(&[]);
        assert_eq!(user_layer(&proxy).await, expected, "round {round}, after a restart");
        assert_eq!(proxy.alarms().await.unwrap(), Vec::<String>::new());
        for (name, effective, _) in proxy.list().await.unwrap() {
            let row = catalogue::parameter(&name).unwrap().row;
            // Buttons have no files here, so what was set is in effect everywhere.
            if let Some(value) = expected.get(&name) {
                assert_eq!(effective, row.shown(value), "{name}");
            }
        }
        for service in ["sip-agent", "hal-agent", "web-ui"] {
            for seen in agent.snapshot(service).await.unwrap().values {
                let row = catalogue::parameter(&seen.name).unwrap().row;
                if let Some(value) = expected.get(&seen.name) {
                    assert_eq!(Some(seen.value), row.seen_by(service, value), "{} for {service}", seen.name);
                }
            }
        }
    }
}
