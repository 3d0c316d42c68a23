//! Properties: no bytes make the reader panic or exceed its bounds, and a legal value survives being written to a file and read
//! back. The corpus of the fuzz target is replayed here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reads its own files"
)]

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use settings::catalogue::{self, Parameter};
use settings::layers::{Layer, Layers};
use settings::plain::{self, MAX_BYTES, MAX_DIAGNOSES};
use settings::value;

const MAGIC: &[u8] = b"# Panasonic SIP Phone Standard Format File #";

fn sound(bytes: &[u8]) {
    let outcome = plain::parse(bytes, "any.cfg");
    assert!(outcome.diagnoses.len() <= MAX_DIAGNOSES + 3);
    assert!(!outcome.rejected || outcome.accepted.is_empty());
    for setting in &outcome.accepted {
        let parameter = catalogue::parameter(&setting.name).expect("canonical");
        assert_eq!((parameter.name, value::check(&parameter, &setting.value)), (setting.name.as_str(), Ok(())));
    }
    for diagnosis in &outcome.diagnoses {
        assert!(diagnosis.reason.len() < 1000 && diagnosis.suggestion.len() < 2000, "{diagnosis:?}");
        plain::render(diagnosis, Some(bytes));
    }
    let run = Layers::new().merge_file(Layer::Standard, "http://host/any.cfg", &outcome, agreements::WallTime::Unset);
    let resolved = run.plan.outcome();
    assert!(settings::rules::check(resolved.all_effective()).iter().all(|clash| clash.severity != agreements::Severity::Error));
}

fn any_parameter() -> impl Strategy<Value = Parameter> {
    let all: Vec<_> = catalogue::parameters().filter(|one| one.row.set_by.file).collect();
    (0..all.len()).prop_map(move |at| all[at])
}

/// Values near what a row likes: its default, its neighbours, numbers, lists, text.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,6}",
        "-?[0-9]{1,12}",
        "[0-9]{1,5}(,[0-9]{1,5}){0,23}",
        "[YNyn]",
        "[a-zA-Z0-9._-]{0,130}",
        "sip:[a-z]{1,10}@[a-z.]{1,20}",
        "(http|ftp|tftp)://[a-z.:@]{1,20}/[a-z{}/]{0,30}",
        "[0-9xXtTsS|.<>:*#!+\\[\\]-]{0,40}",
        "\\PC{0,40}",
        "[0-2][0-9]:[0-5][0-9]",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..2000)) {
        sound(&bytes);
        let mut with_magic = MAGIC.to_vec();
        with_magic.extend_from_slice(b"\r\n");
        with_magic.extend_from_slice(&bytes);
        sound(&with_magic);
    }

    #[test]
    fn any_lines_are_read_without_panic(lines in vec((any_parameter(), "[ =\"#]{0,3}", any_value(), "[ \"#\r]{0,2}"), 0..40)) {
        let mut text = String::from_utf8_lossy(MAGIC).into_owned();
        for (parameter, middle, value, end) in lines {
            text.push_str(&format!("\r\n{}{middle}=\"{value}\"{end}", parameter.name));
        }
        sound(text.as_bytes());
    }

    #[test]
    fn a_legal_value_round_trips_through_a_file(parameter in any_parameter(), text in any_value()) {
        if value::check(&parameter, &text).is_ok() {
            let file = format!("{}\r\n{}=\"{text}\"\r\n", String::from_utf8_lossy(MAGIC), parameter.name);
            let outcome = plain::parse(file.as_bytes(), "one.cfg");
            prop_assert_eq!(outcome.accepted.len(), 1, "{:?}", outcome.diagnoses);
            prop_assert_eq!(&outcome.accepted[0].value, &value::canonical(&parameter, &text));
        }
    }

    #[test]
    fn any_run_ends_without_a_clash(ports in vec((1..=6_u8, 5060..5064_u16), 0..12), delays in vec((0..3_usize, 1..=7_u8), 0..6)) {
        let mut files = [String::new(), String::new()];
        for (at, (line, port)) in ports.iter().enumerate() {
            files[at % 2].push_str(&format!("SIP_SRC_PORT_{line}=\"{port}\"\r\n"));
        }
        for (at, (which, delay)) in delays.iter().enumerate() {
            files[at % 2].push_str(&format!("{}_DELAY_1=\"{delay}\"\r\n", ["MIN", "NOM", "MAX"][*which]));
        }
        let read = |text: &String| plain::parse(format!("{}\r\n{text}", String::from_utf8_lossy(MAGIC)).as_bytes(), "f.cfg");
        let [standard, master] = files.each_ref().map(read);
        let run = Layers::new().provision(
            &[
                settings::layers::RunFile { layer: Layer::Standard, source: "s", outcome: &standard },
                settings::layers::RunFile { layer: Layer::Master, source: "m", outcome: &master },
            ],
            agreements::WallTime::Unset,
        );
        let after = run.plan.outcome();
        prop_assert!(after.suppressed().is_empty());
        prop_assert!(settings::rules::check(after.all_effective()).iter().all(|clash| clash.severity != agreements::Severity::Error));
    }
}

/// Every factory default that is a legal value survives a file.
#[test]
fn factory_defaults_round_trip_through_a_file() {
    let mut text = format!("{}\r\n", String::from_utf8_lossy(MAGIC));
    let mut expected = Vec::new();
    for parameter in catalogue::parameters().filter(|one| one.row.set_by.file && one.name != "USER_PASS") {
        text.push_str(&format!("{}=\"{}\"\r\n", parameter.name, parameter.default()));
        expected.push((parameter.name.to_owned(), parameter.default().to_owned()));
    }
    assert!(text.len() < MAX_BYTES);
    let outcome = plain::parse(text.as_bytes(), "all.cfg");
    let got: Vec<_> = outcome.accepted.into_iter().map(|one| (one.name, one.value)).collect();
    assert_eq!(got, expected);
}

/// The corpus of fuzz/.
#[test]
fn the_fuzz_corpus_is_read_without_panic() -> std::io::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/plain");
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        sound(&fs::read(entry?.path())?);
        count += 1;
    }
    assert!(count >= 8, "{count} files in {folder}");
    Ok(())
}
