//! phonectl without a phone: what needs none works, what needs one says so, with the exit codes that scripts rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::process::{Command, Output};

use serde_json::Value;

fn phonectl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phonectl"))
        .args(arguments)
        .env("DESKPHONE_BUS", "unix:path=/nonexistent/bus")
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const FIRST_LINE: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!\r\n\r\n";

#[test]
fn every_family_is_listed_with_the_fields_that_tools_rely_on() {
    let output = phonectl(&["settings", "list", "--json"]);
    assert!(output.status.success());
    let list = json(&output);
    let port = list.as_array().unwrap().iter().find(|row| row["name"] == "SIP_SRC_PORT_n").unwrap();
    assert_eq!(port["default"], serde_json::json!(["5060", "5070", "5080", "5090", "5100", "5110"]));
    for row in list.as_array().unwrap() {
        for field in [
            "name",
            "scope",
            "kind",
            "range",
            "default",
            "empty_allowed",
            "secret",
            "set_by",
            "xml",
            "web",
            "effect",
            "pending",
            "doc",
        ] {
            assert!(row.get(field).is_some(), "{field} of {row}");
        }
    }
}

#[test]
fn a_good_file_passes_and_a_bad_line_is_shown_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(&folder, "good.cfg", &format!("{FIRST_LINE}SIP_SRC_PORT_1=\"5062\"\r\n\r\n"));
    let output = phonectl(&["config", "lint", "--json", &good]);
    assert_eq!((output.status.code(), json(&output)), (Some(0), serde_json::json!([])));

    let bad = file(&folder, "bad.cfg", &format!("{FIRST_LINE}SIP_SRC_PORT_1=\"99999\"\r\n\r\n"));
    let output = phonectl(&["config", "lint", "--json", &good, &bad]);
    assert_eq!(output.status.code(), Some(4));
    let finding = &json(&output)[0];
    assert_eq!((finding["file"].as_str(), finding["line"].as_u64()), (Some(bad.as_str()), Some(3)));
    assert_eq!((finding["name"].as_str(), finding["severity"].as_str()), (Some("SIP_SRC_PORT_1"), Some("error")));

    let output = phonectl(&["config", "lint", &bad]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("bad.cfg:3:") && text.contains('^'), "{text}");
}

#[test]
fn a_secret_in_a_bad_line_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let bad = file(&folder, "bad.cfg", &format!("{FIRST_LINE}SIP_PASS_1=\"top secret\"\r\n\r\n"));
    for arguments in [&["config", "lint", &bad][..], &["config", "lint", "--json", &bad]] {
        let output = phonectl(arguments);
        assert_eq!(output.status.code(), Some(4));
        let said = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&said).contains("top secret"), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn a_phone_that_is_not_there_is_a_clear_error() {
    for verb in [
        &["status"][..],
        &["lines"],
        &["watched"],
        &["call", "100"],
        &["transfer", "--to-call", "01A"],
        &["settings", "get", "SIP_SRC_PORT_1"],
        &["board", "leds"],
        &["watch"],
    ] {
        let output = phonectl(verb);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(13), "{verb:?}: {said}");
        assert!(said.contains("/nonexistent/bus"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_wrong_argument_is_refused_before_anybody_is_asked() {
    for verb in [
        &["call"][..],
        &["call", "100", "--line", "7"],
        &["transfer"],
        &["transfer", "100", "--to-call", "01A"],
        &["settings", "set", "NAME"],
        &["board", "hook", "sideways"],
    ] {
        assert_eq!(phonectl(verb).status.code(), Some(2), "{verb:?}");
    }
}
