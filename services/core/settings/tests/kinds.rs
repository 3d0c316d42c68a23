//! What the guide says of all parameters of a kind (5.2), held against every row that a file may set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use settings::catalogue::{self, Parameter};
use settings::file::Entry;
use settings::layers::{Layer, Layers};
use settings::row::{Charset, Format, Kind, Range};
use settings::{plain, value};
use testbed::any_values;

const MAGIC: &str = "# Panasonic SIP Phone Standard Format File #";

fn in_files() -> impl Iterator<Item = Parameter> {
    catalogue::parameters().filter(|parameter| parameter.row.set_by.file)
}

fn legal(parameter: &Parameter, text: &str) -> bool {
    value::check(parameter, text).is_ok()
}

/// The values that a file of this one line gives, or the code of what is wrong with it.
fn from_file(line: &str) -> Result<String, String> {
    let outcome = plain::parse(format!("{MAGIC}\r\n{line}\r\n\r\n").as_bytes(), "phone.cfg");
    match outcome.accepted.first() {
        Some(setting) => Ok(setting.value.clone()),
        None => Err(outcome.diagnoses.first().expect("a word").code.clone()),
    }
}

/// B83: no name, and no other spelling of one, is longer than 32 characters; a longer one in a file is told as such.
#[test]
fn names_have_at_most_32_characters() {
    for parameter in catalogue::parameters() {
        for name in std::iter::once(parameter.name).chain(catalogue::aliases(&parameter)) {
            assert!(name.len() <= 32, "{name}");
        }
    }
    let longest = in_files().max_by_key(|parameter| parameter.name.len()).unwrap();
    let value = any_values::of(&longest, &mut any_values::Random::new(0));
    let line = |name: &str| format!("{name}=\"{value}\"");
    assert_eq!(from_file(&line(longest.name)), Ok(value.clone()));
    assert_eq!(from_file(&line(&"N".repeat(33))), Err("name.too-long".to_owned()));
}

/// B85: `NAME=""` clears what may be empty, over a lower file's value too, and is refused for everything else.
#[test]
fn an_empty_value_clears_what_may_be_empty() {
    let mut cleared = 0;
    for parameter in in_files() {
        let told = from_file(&format!("{}=\"\"", parameter.name));
        if parameter.row.empty_allowed {
            assert_eq!(told, Ok(String::new()), "{parameter:?}");
            cleared += 1;
        } else {
            assert_eq!(told, Err("value.empty".to_owned()), "{parameter:?}");
        }
    }
    assert!(cleared > 50, "{cleared} parameters may be empty");
    let mut layers = Layers::new();
    for (layer, value) in [(Layer::Master, "192.168.0.9"), (Layer::Standard, "")] {
        let outcome = plain::parse(format!("{MAGIC}\r\nSYSLOG_ADDR=\"{value}\"\r\n\r\n").as_bytes(), "phone.cfg");
        let run = layers.merge_file(layer, "http://host/phone.cfg", &outcome, agreements::WallTime::Unset);
        layers.commit(run.plan);
        assert_eq!(layers.effective("SYSLOG_ADDR"), Some(value));
    }
}

/// B89: digits with an optional minus, and nothing else; never empty.
#[test]
fn integers_are_digits_with_an_optional_minus() {
    let mut negative = 0;
    for parameter in in_files().filter(|parameter| parameter.row.kind == Kind::Integer) {
        let number = parameter.default();
        assert!(legal(&parameter, number), "{parameter:?}");
        for wrong in ["", "-", "--1", "1-", "0x1", "1.0", "1,0", "1 ", "one", "\u{662}"] {
            assert!(!legal(&parameter, wrong), "{parameter:?}={wrong:?}");
        }
        for wrong in [format!("+{number}"), format!(" {number}"), format!("{number}.0")] {
            assert!(!legal(&parameter, &wrong), "{parameter:?}={wrong:?}");
        }
        if let Range::Integers { spans, .. } = parameter.row.range
            && let Some((first, _)) = spans.iter().find(|(first, _)| *first < 0)
        {
            assert!(legal(&parameter, &first.to_string()), "{parameter:?}={first}");
            negative += 1;
        }
    }
    assert!(negative > 5, "{negative} parameters take a negative number");
}

/// B90, C11: "Y" or "N".
#[test]
fn booleans_are_an_upper_case_letter() {
    let mut count = 0;
    for parameter in in_files().filter(|parameter| matches!(parameter.row.range, Range::Flag { .. })) {
        assert!(legal(&parameter, "Y") && legal(&parameter, "N"), "{parameter:?}");
        for wrong in ["", "y", "n", "YES", "No", "0", "1", "true", "YN", " Y", "Y "] {
            assert!(!legal(&parameter, wrong), "{parameter:?}={wrong:?}");
        }
        count += 1;
    }
    assert!(count > 50, "{count} flags");
}

/// B91: integers with commas between, none of them missing; never empty. The guide has no parameter that is a list of strings.
#[test]
fn lists_are_integers_with_commas_between() {
    let mut count = 0;
    for parameter in in_files().filter(|parameter| parameter.row.kind == Kind::IntegerList) {
        let Range::List { spans, max_count } = parameter.row.range else { panic!("{parameter:?}") };
        let number = spans[0].0.to_string();
        for right in [number.clone(), vec![number.clone(); usize::from(max_count)].join(",")] {
            assert!(legal(&parameter, &right), "{parameter:?}={right:?}");
        }
        let many = vec![number.clone(); usize::from(max_count) + 1].join(",");
        for wrong in ["", ",", &format!("{number},"), &format!(",{number}"), &format!("{number},,{number}"), "a,b", &many] {
            assert!(!legal(&parameter, wrong), "{parameter:?}={wrong:?}");
        }
        count += 1;
    }
    assert!(count > 10, "{count} lists");
}

/// B92: other than ASCII only where the row says so.
#[test]
fn only_some_texts_take_other_letters_than_ascii() {
    let mut counts = [0, 0];
    for parameter in in_files().filter(|parameter| matches!(parameter.row.range, Range::Text { .. })) {
        let takes = legal(&parameter, "Zo\u{eb} \u{65e5}");
        assert_eq!(takes, parameter.row.charset == Charset::Unicode, "{parameter:?}");
        counts[usize::from(takes)] += 1;
    }
    assert!(counts[0] > 50 && counts[1] >= 30, "{counts:?}");
}

/// B93, C58: space to tilde, but for the double quote, which the plain form cannot carry; no control character, no delete.
#[test]
fn ascii_values_hold_every_printable_character_but_the_quote() {
    let free = |parameter: &Parameter| {
        let row = parameter.row;
        row.charset == Charset::Ascii && row.format == Format::Free && matches!(row.range, Range::Text { min: 0..=1, max: 1.., .. })
    };
    let rows: Vec<Parameter> = in_files().filter(free).collect();
    assert!(rows.len() > 10, "{} rows", rows.len());
    for parameter in rows {
        for letter in '\0'..='\u{80}' {
            let right = (' '..='~').contains(&letter) && letter != '"';
            assert_eq!(legal(&parameter, &letter.to_string()), right, "{parameter:?}: {letter:?}");
            if right {
                let line = plain::write([Entry::new(parameter, &letter.to_string())]);
                let read = plain::parse(line.as_bytes(), "phone.cfg").accepted;
                assert_eq!(read[0].value, letter.to_string(), "{parameter:?}: {letter:?}");
            }
        }
    }
}
