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
use settings::container::{self, Derivation, KeyLength};
use settings::file::{self, Entry, LAST_WORDS, MAX_DIAGNOSES};
use settings::layers::{Layer, Layers};
use settings::plain::{self, MAX_BYTES};
use settings::{value, xml};

const MAGIC: &[u8] = b"# Panasonic SIP Phone Standard Format File #";

fn sound(bytes: &[u8]) {
    let outcome = file::parse(bytes, "any.cfg");
    assert!(outcome.diagnoses.len() <= MAX_DIAGNOSES + LAST_WORDS);
    assert!(
        !outcome.accepted.is_empty() || !outcome.diagnoses.is_empty() || is_empty_of_settings(bytes),
        "neither a value nor a word"
    );
    assert!(!outcome.rejected || outcome.accepted.is_empty());
    for setting in &outcome.accepted {
        let parameter = catalogue::parameter(&setting.name).expect("canonical");
        assert_eq!((parameter.name, value::check(&parameter, &setting.value)), (setting.name.as_str(), Ok(())));
    }
    for diagnosis in &outcome.diagnoses {
        assert!(diagnosis.reason.len() < 1000 && diagnosis.suggestion.len() < 2000, "{diagnosis:?}");
        file::render(diagnosis, Some(bytes));
    }
    let run = Layers::new().merge_file(Layer::Standard, "http://host/any.cfg", &outcome, agreements::WallTime::Unset);
    let resolved = run.plan.outcome();
    assert!(settings::rules::check(resolved.all_effective()).iter().all(|clash| clash.severity != agreements::Severity::Error));
}

/// A right file may say nothing: comments, empty lines and elements without attributes.
fn is_empty_of_settings(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match file::form_of(bytes) {
        file::Form::Plain => text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')),
        file::Form::Xml => !catalogue::parameters().any(|one| text.contains(one.name)),
    }
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

/// Pieces of markup, right and wrong.
fn any_markup() -> impl Strategy<Value = String> {
    let attribute = (any_parameter(), any_value(), 0..4_usize).prop_map(|(parameter, value, form)| {
        let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        match form {
            0 => format!("<A {}=\"{value}\"/>", parameter.name),
            1 => format!("<Line ID=\"1\"><B {}='{}'/></Line>", parameter.name, escaped.replace('\'', "&apos;")),
            2 => format!("<A {}={value} {}=\"{escaped}\">", parameter.name, parameter.name),
            _ => format!("<A\n{}=\"{escaped}\"\r\n/>", parameter.name),
        }
    });
    prop_oneof![
        4 => attribute,
        1 => "</?[A-Za-z]{1,3}/?>",
        1 => "<!--[ -~]{0,20}-->",
        1 => "<!\\[CDATA\\[[a-z<>&]{0,9}\\]\\]>",
        1 => "<\\?[a-z]{1,4} [a-z]{0,9}\\?>",
        1 => "&[a-z#0-9]{0,5};?",
        1 => "[<>&\"'=/ a-z\\n]{0,12}",
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
    fn any_bytes_after_an_xml_head_are_read_without_panic(bytes in vec(any::<u8>(), 0..2000)) {
        for head in [&b"<?xml version=\"1.0\"?>"[..], b"<PANASipPhoneConfig ", b"<!-- # Panasonic SIP Phone Standard Format File # --><a>"] {
            sound(&[head, &bytes].concat());
        }
    }

    #[test]
    fn any_markup_is_read_without_panic(parts in vec(any_markup(), 0..60)) {
        sound(format!("<PANASipPhoneConfig>{}</PANASipPhoneConfig>", parts.concat()).as_bytes());
        sound(parts.concat().as_bytes());
    }

    #[test]
    fn legal_values_round_trip_through_both_forms(settings in vec((any_parameter(), any_value()), 1..20)) {
        let mut seen = std::collections::BTreeMap::new();
        for (parameter, text) in &settings {
            if value::check(parameter, text).is_ok() {
                seen.entry(parameter.name).or_insert((*parameter, text.as_str()));
            }
        }
        let expected: Vec<_> =
            seen.values().map(|(parameter, text)| (parameter.name.to_owned(), value::canonical(parameter, text).into_owned())).collect();
        let entries = || seen.values().map(|(parameter, text)| Entry::new(*parameter, text));
        for file in [plain::write(entries()), xml::write(entries())] {
            let outcome = file::parse(file.as_bytes(), "some.cfg");
            let mut got: Vec<_> = outcome.accepted.into_iter().map(|one| (one.name, one.value)).collect();
            got.sort();
            prop_assert_eq!(&got, &expected, "{}: {:?}", file, outcome.diagnoses);
        }
    }

    #[test]
    fn any_bytes_as_a_container_are_refused_or_a_text(bytes in vec(any::<u8>(), 0..200)) {
        let key = agreements::Secret::new("k".repeat(32));
        for container in [bytes.clone(), [&b"Salted__"[..], &bytes].concat()] {
            if let Ok(content) = container::decrypt(&container, &key, KeyLength::Bits256) {
                prop_assert!(std::str::from_utf8(&content).is_ok());
            }
        }
    }

    #[test]
    fn a_container_holds_what_was_put_in(text in "\\PC{0,300}", key in "[ !#-~]{32}", salt in any::<[u8; 8]>()) {
        let key = agreements::Secret::new(key);
        for (length, derivation) in [(KeyLength::Bits128, Derivation::Md5), (KeyLength::Bits256, Derivation::Sha256)] {
            let made = container::encrypt(text.as_bytes(), &key, length, derivation, salt);
            prop_assert_eq!(container::decrypt(&made, &key, length), Ok(text.clone().into_bytes()));
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

/// Every row that a file may set, in each round with another value, through files of either form. As many of them as fit into one
/// plain file stand together.
#[test]
fn a_value_of_every_row_round_trips_through_both_forms() {
    for round in 0..8 {
        let values = testbed::any_values::of_every_row(round);
        let rows: Vec<Parameter> = catalogue::parameters().filter(|one| one.row.set_by.file).collect();
        for rows in rows.chunks(100) {
            let expected: Vec<_> =
                rows.iter().map(|row| (row.name.to_owned(), value::canonical(row, &values[row.name]).into_owned())).collect();
            let entries = || rows.iter().map(|row| Entry::new(*row, &values[row.name]));
            for file in [plain::write(entries()), xml::write(entries())] {
                assert!(file.len() < MAX_BYTES, "{} bytes", file.len());
                let outcome = file::parse(file.as_bytes(), "some.cfg");
                let mut got: Vec<_> = outcome.accepted.into_iter().map(|one| (one.name, one.value)).collect();
                got.sort();
                assert_eq!(got, expected, "round {round}: {:?}", outcome.diagnoses);
            }
        }
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

/// The corpora of fuzz/: as files of either form, and as containers.
#[test]
fn the_fuzz_corpora_are_read_without_panic() -> std::io::Result<()> {
    let key = agreements::Secret::new("k".repeat(32));
    for (corpus, least) in [("plain", 150), ("xml", 200), ("container", 25)] {
        let folder = format!("{}/fuzz/corpus/{corpus}", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for entry in fs::read_dir(&folder)? {
            let bytes = fs::read(entry?.path())?;
            sound(&bytes);
            let _ = container::decrypt(&bytes, &key, KeyLength::Bits128);
            count += 1;
        }
        assert!(count >= least, "{count} files in {folder}");
    }
    Ok(())
}
