//! Every crate that this platform builds has a licence that deny.toml allows, or stands among its clarified ones. A stand-in for
//! `cargo deny check licenses` that needs no further tool, so that a new dependency cannot slip past CI.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::MetadataCommand;

fn deny() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Whether a licence expression can be met with the allowed ones: one side of an OR, both sides of an AND.
fn met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    split(expression, "AND").all(|part| split(&part, "OR").any(|one| met_one(&one, allowed)))
}

fn met_one(one: &str, allowed: &BTreeSet<String>) -> bool {
    match one.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => met(inner, allowed),
        None => allowed.contains(one),
    }
}

/// Parts between an operator, outside parentheses.
fn split(expression: &str, operator: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_i32;
    for word in expression.split_whitespace() {
        depth += word.matches('(').count() as i32 - word.matches(')').count() as i32;
        match parts.last_mut() {
            Some(_) if depth == 0 && word == operator => parts.push(String::new()),
            Some(part) => *part = format!("{part} {word}").trim().to_owned(),
            None => {}
        }
    }
    parts.into_iter()
}

#[test]
fn expressions_are_read_as_spdx_has_them() {
    let allowed: BTreeSet<String> = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for yes in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"] {
        assert!(met(yes, &allowed), "{yes}");
    }
    for no in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-2.1) AND MIT", ""] {
        assert!(!met(no, &allowed), "{no}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let deny = deny();
    let licenses = deny["licenses"].as_table().expect("[licenses] in deny.toml");
    let allowed: BTreeSet<String> =
        licenses["allow"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    let clarified = licenses.get("clarify").and_then(toml::Value::as_array);
    let clarified: BTreeSet<String> =
        clarified.into_iter().flatten().map(|row| row["crate"].as_str().unwrap().to_owned()).collect();
    let metadata = MetadataCommand::new()
        .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .other_options(["--offline", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned))
        .exec()
        .unwrap();
    let foreign = metadata.packages.iter().filter(|package| package.source.is_some());
    let wrong: Vec<String> = foreign
        .filter(|package| {
            !met(package.license.as_deref().unwrap_or_default(), &allowed) && !clarified.contains(package.name.as_str())
        })
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(wrong.is_empty(), "not allowed by deny.toml:\n{}", wrong.join("\n"));
}
