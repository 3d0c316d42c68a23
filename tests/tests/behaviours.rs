//! The behaviours of `spec/behaviours.md`, the decisions of `spec/decisions.md`, and the tests that name them. Each behaviour of
//! settings and provisioning and each decision is cited by a test or says in `spec/coverage.toml` what it waits for; never both, but
//! where only a part of it waits. All behaviours that no test cites are printed (`cargo test -p house-tests --test behaviours --
//! --nocapture`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use house_tests::citations::{self, Citation};
use serde::Deserialize;

/// A behaviour or a decision: its letter and its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item(char, u32);

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

/// Provisioning, files and priority; resets; effects of their parameters; every decision.
fn has_to_be_proven(item: Item) -> bool {
    item.0 == 'C' || matches!(item.1, 27..=121 | 263..=273 | 280..=286)
}

/// An entry of `spec/coverage.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waits {
    /// The area that brings the rest.
    pending: String,
    /// What is missing, in one line.
    reason: String,
    /// Only a part is missing: a test must show the other part.
    #[serde(default)]
    part: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `- B43. Text` in one file, `- C20, C21 text` and `C22 text` in the other.
fn items() -> BTreeSet<Item> {
    let behaviours = read("tests/spec/behaviours.md");
    let behaviours = behaviours.lines().filter_map(|line| line.strip_prefix("- B")?.split_once(". ")?.0.parse().ok());
    let behaviours: BTreeSet<Item> = behaviours.map(|number| Item('B', number)).collect();
    assert_eq!(behaviours.len(), 330, "spec/behaviours.md has 330 of them");
    let decisions = read("tests/spec/decisions.md");
    let words = decisions.lines().skip_while(|line| !line.starts_with("## ")).flat_map(|line| line.split([' ', ',']));
    let decisions = words.filter_map(|word| word.strip_prefix('C')?.parse().ok()).map(|number| Item('C', number));
    let all: BTreeSet<Item> = behaviours.into_iter().chain(decisions).collect();
    assert!(all.len() > 380, "spec/decisions.md has more than 50 of them");
    all
}

/// Each citation with its place.
fn all_citations() -> Vec<(String, Citation)> {
    let root = root();
    let mut all = Vec::new();
    for path in citations::rust_files(&root) {
        // What it knows of itself is examples.
        if path.ends_with("tests/src/citations.rs") {
            continue;
        }
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let found = citations::of(&std::fs::read_to_string(&path).unwrap());
        all.extend(found.into_iter().map(|one| (format!("{name}:{}", one.line), one)));
    }
    all
}

/// What a test cites.
fn proven() -> BTreeSet<Item> {
    let by_tests = all_citations().into_iter().map(|(_, one)| one).filter(|one| one.test.is_some());
    by_tests.flat_map(|one| (one.first..=one.last).map(move |number| Item(one.letter, number))).collect()
}

fn waiting() -> BTreeMap<Item, Waits> {
    let table: BTreeMap<String, Waits> =
        toml::from_str(&read("tests/spec/coverage.toml")).unwrap_or_else(|error| panic!("tests/spec/coverage.toml: {error}"));
    let item = |name: &str| {
        let (letter, number) = name.split_at_checked(1)?;
        Some(Item(letter.chars().next()?, number.parse().ok()?))
    };
    table.into_iter().map(|(name, waits)| (item(&name).unwrap_or_else(|| panic!("no such thing as {name}")), waits)).collect()
}

#[test]
fn every_behaviour_of_the_settings_is_proven_or_says_what_it_waits_for() {
    let (items, proven, waiting) = (items(), proven(), waiting());
    let mut wrong = Vec::new();
    for item in items.iter().filter(|item| has_to_be_proven(**item) && !proven.contains(item) && !waiting.contains_key(item)) {
        wrong.push(format!("{item}: no test names it, and tests/spec/coverage.toml does not say what it waits for"));
    }
    for (item, waits) in &waiting {
        match (waits.part, proven.contains(item)) {
            (false, false) | (true, true) => {}
            (false, true) => wrong.push(format!("{item}: pending ({}), and yet a test names it", waits.pending)),
            (true, false) => wrong.push(format!("{item}: a part of it waits ({}), and no test names the other", waits.pending)),
        }
        if !items.contains(item) || waits.pending.is_empty() || waits.reason.len() < 10 || waits.reason.contains('\n') {
            wrong.push(format!("{item}: an entry of tests/spec/coverage.toml names an area and a reason in one line"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    summary(&items, &proven, &waiting);
}

#[test]
fn no_comment_names_a_behaviour_that_there_is_not() {
    let items = items();
    let wrong = all_citations().into_iter().filter(|(_, one)| {
        one.first > one.last || ![one.first, one.last].iter().all(|number| items.contains(&Item(one.letter, *number)))
    });
    let wrong: Vec<String> = wrong.map(|(place, one)| format!("{place}: {} {} to {}", one.letter, one.first, one.last)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn summary(items: &BTreeSet<Item>, proven: &BTreeSet<Item>, waiting: &BTreeMap<Item, Waits>) {
    let behaviours: Vec<Item> = items.iter().copied().filter(|item| item.0 == 'B').collect();
    let without: Vec<Item> = behaviours.iter().copied().filter(|item| !proven.contains(item)).collect();
    println!("behaviours: {}, named by tests: {}", behaviours.len(), behaviours.len() - without.len());
    println!("  by none: {}: {}", without.len(), as_ranges(&without));
    let mut areas: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
    waiting.iter().for_each(|(item, waits)| areas.entry(&waits.pending).or_default().push(*item));
    for (area, items) in areas {
        println!("  pending: {area}: {}", as_ranges(&items));
    }
}

/// "B1 to B3, B7".
fn as_ranges(items: &[Item]) -> String {
    let runs = items.chunk_by(|one, next| one.0 == next.0 && one.1 + 1 == next.1);
    let text = runs.map(|run| match run {
        [only] => only.to_string(),
        _ => format!("{} to {}", run[0], run[run.len() - 1]),
    });
    text.collect::<Vec<_>>().join(", ")
}
