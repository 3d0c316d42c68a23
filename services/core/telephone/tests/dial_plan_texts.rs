//! Any text as a dial plan and any digits: what the settings refuse is no plan here and the other way round, a plan's two answers
//! fit each other, and a plain matcher that tries everything finds the same. The corpus of the fuzz target is replayed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod plans;

use proptest::prelude::*;
use telephone::DialPlan;

/// Parts of plans: what stands together in one often makes a legal text.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[0-9*#+xX]",
        2 => "[0-9xX]\\.",
        2 => "\\[[0-9*#+]{1,3}\\]\\.?",
        2 => "\\[[0-9]-[0-9]{1,2}\\]",
        2 => "\\[[0-9*-]{1,5}\\]",
        1 => "\\[[0-4]{1,2}-[0-9]{1,2}\\]",
        2 => "<[0-9x]{0,3}:[0-9*]{0,3}>",
        1 => "<[0-9x.]{0,2}:[0-9xS]{0,2}>\\.?",
        1 => "[!.STst<>:\\[\\]-]",
        2 => "(!|S[0-9]|T|!T)?\\|",
    ]
}

fn plan_text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(part(), 0..4).prop_map(|parts| parts.concat()),
        3 => prop::collection::vec(part(), 0..14).prop_map(|parts| parts.concat()),
        1 => prop::collection::vec(part(), 20..60).prop_map(|parts| parts.concat()),
        1 => "[-0-9\\[\\]<:>*#!SsTtXx.|+]{0,20}",
        1 => "[-0-9\\[\\]<:>*#!SsTtXx.|+]{480,520}",
        1 => "\\PC{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// B219, B220, C20 to C26.
    #[test]
    fn any_text_and_any_digits_hold(text in plan_text(), digits in "[0-9*#+]{1,20}", filters: bool) {
        plans::holds(&text, &digits, filters).unwrap();
    }

    #[test]
    fn any_digits_are_taken(text in plan_text(), digits in "\\PC{0,70}", filters: bool) {
        let plan = DialPlan::parse(&text, filters).unwrap_or_default();
        let _ = (plan.while_keying(&digits), plan.when_whole(&digits));
    }

    /// Against a matcher that knows nothing but the grammar and tries all ways.
    #[test]
    fn a_matcher_that_tries_everything_finds_the_same(items in prop::collection::vec(("[1-3x]", any::<bool>()), 1..6), digits in "[1-4]{1,7}") {
        let text: String = items.iter().map(|(item, repeats)| format!("{item}{}", if *repeats { "." } else { "" })).collect();
        let plan = DialPlan::parse(&text, true).unwrap();
        let form: Vec<(char, bool)> = items.iter().map(|(item, repeats)| (item.chars().next().unwrap(), *repeats)).collect();
        let digits: Vec<char> = digits.chars().collect();
        let number: String = digits.iter().collect();
        prop_assert_eq!(plan.when_whole(&number).is_some(), matches(&form, &digits), "{} {}", text, number);
    }
}

fn matches(form: &[(char, bool)], digits: &[char]) -> bool {
    let ([(item, repeats), form @ ..], [digit, digits @ ..]) = (form, digits) else { return form.is_empty() && digits.is_empty() };
    (*item == 'x' || item == digit) && (matches(form, digits) || *repeats && matches(&[&[(*item, true)], form].concat(), digits))
}

#[test]
fn plans_of_the_corpus_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/dial_plan");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 12, "{} holds {} files", folder.display(), files.len());
    for file in files {
        let octets = std::fs::read(&file).unwrap();
        plans::octets_hold(&octets).unwrap_or_else(|broken| panic!("{}: {broken}", file.display()));
    }
}

/// B219: forty formats of thirty-two repeated positions each are no more work than others.
#[test]
fn repeats_do_not_make_the_work_grow() {
    let text = vec!["x.".repeat(6); 40].join("|");
    assert_eq!(text.len(), 519);
    let text = vec!["x.".repeat(5); 40].join("|");
    let plan = DialPlan::parse(&text, true).unwrap();
    // Tried one by one these would be more ways than there are seconds.
    let digits = "1".repeat(10_000);
    assert_eq!(plan.when_whole(&digits), Some(digits.clone()));
    let plan = DialPlan::parse(&format!("{}2", "x.".repeat(31)), true).unwrap();
    assert_eq!(plan.when_whole(&digits), None);
}
