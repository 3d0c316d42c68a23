//! Who may use whom, read from `cargo metadata`: a new edge that the house does not allow fails here with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Plain crates that the pure core may use: no clock, socket, file, thread or OS randomness behind them.
const CORE_MAY_USE: &[&str] = &[
    "aes",
    "cbc",
    "md-5",
    "pbkdf2",
    "postcard",
    "quick-xml",
    "rand_chacha",
    "rand_core",
    "rsip",
    "serde",
    "serde_bytes",
    "serde_json",
    "sha2",
    "thiserror",
    "ulid",
];

/// Crates with one home: the first may be used by the second alone.
const ONE_HOME: &[(&str, &str)] = &[
    ("sled", "store"),
    ("gstreamer", "media-engine"),
    ("gstreamer-app", "media-engine"),
    ("gstreamer-audio", "media-engine"),
    ("gstreamer-check", "media-engine"),
    ("gstreamer-rtp", "media-engine"),
    ("rsip", "sip-wire"),
    ("curl", "provisioning-agent"),
    ("axum", "web-ui"),
    ("slint", "touch-ui"),
    ("evdev", "hal-agent"),
];

/// Where a layer's normal dependencies may point.
fn may_use(layer: &str) -> &'static [&'static str] {
    match layer {
        "proto" => &[],
        "core" => &["core"],
        "kit" => &["core", "proto", "kit"],
        "service" | "board" => &["core", "kit", "proto"],
        "testbed" => &["core", "kit", "proto"],
        "tests" => &["core", "kit", "proto", "testbed", "service", "board"],
        other => panic!("layer \"{other}\" is not known: proto, core, kit, service, board, testbed or tests"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap()
}

fn layers(metadata: &Metadata) -> BTreeMap<String, String> {
    let table = metadata.workspace_metadata["house"]["layers"].as_object().expect("[workspace.metadata.house.layers]");
    table.iter().map(|(name, layer)| (name.clone(), layer.as_str().unwrap().to_owned())).collect()
}

fn members(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

#[test]
fn every_crate_has_a_layer_and_every_layer_row_a_crate() {
    let metadata = metadata();
    let rows: BTreeSet<String> = layers(&metadata).into_keys().collect();
    let crates: BTreeSet<String> = members(&metadata).iter().map(|package| package.name.to_string()).collect();
    assert_eq!(rows, crates);
}

#[test]
fn dependencies_point_down_the_house() {
    let metadata = metadata();
    let layers = layers(&metadata);
    let mut wrong = Vec::new();
    for package in members(&metadata) {
        let layer = &layers[package.name.as_str()];
        for dependency in &package.dependencies {
            let Some(target) = layers.get(&dependency.name) else { continue };
            let only_for_tests = dependency.kind == DependencyKind::Development;
            let allowed = may_use(layer).contains(&target.as_str()) || only_for_tests && target == "testbed" && layer != "proto";
            if !allowed {
                wrong.push(format!("{} ({layer}) uses {} ({target})", package.name, dependency.name));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that the house does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let metadata = metadata();
    let layers = layers(&metadata);
    let mut wrong = Vec::new();
    for package in members(&metadata).into_iter().filter(|package| layers[package.name.as_str()] == "core") {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal) {
            let name = dependency.name.as_str();
            if !layers.contains_key(name) && !CORE_MAY_USE.contains(&name) {
                wrong.push(format!("{} uses {name}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "not on the list of plain crates:\n{}", wrong.join("\n"));
}

#[test]
fn crates_with_one_home_stay_there() {
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in members(&metadata) {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development) {
            if let Some((name, home)) = ONE_HOME.iter().find(|(name, _)| *name == dependency.name)
                && *home != package.name.as_str()
            {
                wrong.push(format!("{} uses {name}, whose home is {home}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_service_has_the_one_shape() {
    let metadata = metadata();
    let house: toml::Table = phone_proto::HOUSE.parse().unwrap();
    let services = house["service"].as_table().unwrap();
    for package in members(&metadata).into_iter().filter(|package| services.contains_key(package.name.as_str())) {
        let folder = package.manifest_path.parent().unwrap().as_std_path();
        let main = std::fs::read_to_string(folder.join("src/main.rs")).unwrap();
        assert!(main.lines().count() < 60, "{}: main.rs is wiring, under 60 lines; it has {}", package.name, main.lines().count());
        for file in ["src/driver.rs", "src/bus.rs"] {
            assert!(
                folder.join(file).exists() || folder.join(file.replace(".rs", "/mod.rs")).exists(),
                "{}: {file} is missing",
                package.name
            );
        }
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default().to_lowercase();
        for heading in ["owns", "serves", "calls", "survives", "when a peer dies"] {
            assert!(
                readme.lines().any(|line| line.trim_start_matches('#').trim() == heading && line.starts_with('#')),
                "{}: README.md has no heading \"{heading}\"",
                package.name
            );
        }
    }
}

#[test]
fn the_nested_clippy_file_repeats_the_bans_of_the_top() {
    let bans = |path: &Path| -> BTreeSet<String> {
        let table: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        table["disallowed-methods"].as_array().unwrap().iter().map(|ban| ban["path"].as_str().unwrap().to_owned()).collect()
    };
    let top = bans(&root().join("clippy.toml"));
    let core = bans(&root().join("services/core/clippy.toml"));
    assert!(
        top.is_subset(&core),
        "services/core/clippy.toml replaces the top file and lacks {:?}",
        top.difference(&core).collect::<Vec<_>>()
    );
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    // The crate of the tests may panic: that is how tests fail.
    for package in members(&metadata()).into_iter().filter(|package| package.name.as_str() != "house-tests") {
        let manifest: toml::Table = std::fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap();
        assert_eq!(
            manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool),
            Some(true),
            "{}: [lints] workspace = true is missing",
            package.name
        );
    }
}
