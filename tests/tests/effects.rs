//! The effect table: every row of the catalogue names the test that shows its observable effect, or is marked pending in the
//! catalogue with the area that will bring it. A row with neither fails, one with both fails, and so does a test that is not there.
//! The counts are printed (`cargo test -p house-tests --test effects -- --nocapture`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use settings::catalogue::ROWS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Parameter family to "file::test".
fn table() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("tests/effects/effects.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("tests/effects/effects.toml: {error}"));
    table.into_iter().map(|(name, test)| (name, test.as_str().expect("\"file::test\"").to_owned())).collect()
}

#[test]
fn every_row_has_a_test_of_its_effect_or_says_what_it_waits_for() {
    let table = table();
    let mut wrong = Vec::new();
    let mut pending: BTreeMap<&str, usize> = BTreeMap::new();
    for row in ROWS {
        match (row.pending, table.get(row.name)) {
            (Some(area), None) => *pending.entry(area).or_default() += 1,
            (None, Some(_)) => {}
            (None, None) => {
                wrong.push(format!("{}: neither a test in tests/effects/effects.toml nor pending in the catalogue", row.name))
            }
            (Some(area), Some(test)) => wrong.push(format!("{}: pending ({area}), and yet {test} shows its effect", row.name)),
        }
    }
    let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    wrong.extend(
        table.keys().filter(|name| !names.contains(name.as_str())).map(|name| format!("{name}: no such row in the catalogue")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let waiting: usize = pending.values().sum();
    println!("effects: {} rows, {} shown by tests, {waiting} pending", ROWS.len(), table.len());
    for (area, count) in pending {
        println!("  pending: {area}: {count}");
    }
}

#[test]
fn every_named_test_exists() {
    let mut wrong = Vec::new();
    for (name, test) in table() {
        let Some((file, function)) = test.split_once("::") else {
            wrong.push(format!("{name}: \"{test}\" is not file::test"));
            continue;
        };
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let at = lines.iter().position(|line| line.trim_start_matches("async ").starts_with(&format!("fn {function}(")));
        let marked =
            at.is_some_and(|at| lines[at.saturating_sub(4)..at].iter().any(|line| line.starts_with("#[") && line.contains("test")));
        if !marked {
            wrong.push(format!("{name}: {file} has no test {function}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
