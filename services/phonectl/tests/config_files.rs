//! `phonectl config` without a phone: files held against each other, converted, encrypted, and templates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const FIRST_LINE: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!\r\n\r\n";

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn plain(&self, name: &str, lines: &[&str]) -> String {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.file(name, format!("{FIRST_LINE}{lines}"))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

fn phonectl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phonectl"))
        .args(arguments)
        .env("DESKPHONE_BUS", "unix:path=/nonexistent/bus")
        .output()
        .unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = phonectl(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn findings(output: &Output) -> Vec<Value> {
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

/// B109: standard before product before master; what stands back is told at its own line.
#[test]
fn files_of_several_layers_are_held_against_each_other() {
    let desk = Desk::new();
    let master = desk.plain("sip.cfg", &["SYSLOG_PORT=\"1001\"", "INTDIGIT_TIM=\"7\"", "TALK_PACKAGE=\"Y\""]);
    let product = desk.plain("KX-UT670.cfg", &["SYSLOG_PORT=\"1002\""]);
    let standard = desk.file("phone.xml", "<PANASipPhoneConfig><A\nSYSLOG_PORT=\"1003\" INTDIGIT_TIM=\"8\"/></PANASipPhoneConfig>");
    let output = phonectl(&["config", "lint", "--json", "--master", &master, "--product", &product, "--standard", &standard]);
    assert_eq!(output.status.code(), Some(0));
    let back: Vec<_> = findings(&output)
        .into_iter()
        .filter(|one| one["code"] == "layer.stands-back")
        .map(|one| {
            (one["file"].as_str().unwrap().to_owned(), one["line"].as_u64().unwrap(), one["name"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        back,
        [
            (product, 3, "SYSLOG_PORT".to_owned()),
            (master.clone(), 3, "SYSLOG_PORT".to_owned()),
            (master, 4, "INTDIGIT_TIM".to_owned())
        ]
    );
}

/// C2: what two files do not agree on is told, and the file of the lower layer loses.
#[test]
fn a_clash_between_two_files_is_an_error() {
    let desk = Desk::new();
    let master = desk.plain("sip.cfg", &["SIP_SRC_PORT_1=\"6000\""]);
    let standard = desk.plain("phone.cfg", &["SIP_SRC_PORT_2=\"6000\""]);
    assert!(phonectl(&["config", "lint", &master, &standard]).status.success(), "each for itself is right");
    let output = phonectl(&["config", "lint", "--json", "--master", &master, "--standard", &standard]);
    assert_eq!(output.status.code(), Some(4));
    let clash = findings(&output).into_iter().find(|one| one["code"] == "clash.port").unwrap();
    assert_eq!((clash["file"].as_str(), clash["line"].as_u64()), (Some(master.as_str()), Some(3)));
}

/// C47: all plain files of a run together.
#[test]
fn files_that_are_too_large_together_are_told() {
    let desk = Desk::new();
    let comments = vec!["# a comment of some length, to fill the file with something"; 1100];
    let (master, standard) = (desk.plain("sip.cfg", &comments), desk.plain("phone.cfg", &comments));
    assert!(phonectl(&["config", "lint", &master, &standard]).status.success());
    let output = phonectl(&["config", "lint", "--json", "--master", &master, "--standard", &standard]);
    let large = findings(&output).into_iter().find(|one| one["code"] == "file.too-large").unwrap();
    assert_eq!((output.status.code(), large["file"].as_str()), (Some(4), Some(master.as_str())));
}

#[test]
fn a_file_is_converted_there_and_back() {
    let desk = Desk::new();
    let lines =
        ["DIAL_PLAN_1=\"<101:9999>|[1-5]x.S2\"", "DISPLAY_NAME_2=\"Tom & Ann's Zoë\"", "SIP_PASS_2=\"x-1\"", "KEY_PAD_TONE=\"N\""];
    let plain = desk.plain("phone.cfg", &lines);
    done(&["config", "convert", &plain, "-o", &desk.path("phone.xml")]);
    assert!(desk.read("phone.xml").contains("DIAL_PLAN_1=\"&lt;101:9999&gt;|[1-5]x.S2\""), "B103");
    let back = done(&["config", "convert", &desk.path("phone.xml")]);
    for line in lines {
        assert!(back.contains(&format!("{line}\r\n")), "{back}");
    }
    let again = desk.file("back.cfg", &back);
    assert_eq!(done(&["config", "convert", "--to", "plain", &again]), back);
    assert_eq!(done(&["config", "lint", "--json", &again, &desk.path("phone.xml")]), "[]\n");
}

/// What the phone would not take is told and left out; a refused file is not written at all.
#[test]
fn a_bad_file_is_converted_as_far_as_the_phone_would_take_it() {
    let desk = Desk::new();
    let plain = desk.plain("phone.cfg", &["SYSLOG_PORT=\"99999\"", "INTDIGIT_TIM=\"7\""]);
    let output = phonectl(&["config", "convert", &plain]);
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(4));
    assert!(text.contains("INTDIGIT_TIM=\"7\"") && !text.contains("SYSLOG_PORT"), "{text}");
    assert!(said.contains("phone.cfg:3:") && said.contains("value.out-of-range"), "{said}");
    let none = desk.file("none.cfg", "nothing\r\n");
    let output = phonectl(&["config", "convert", &none]);
    assert!(output.status.code() == Some(4) && output.stdout.is_empty());
}

#[test]
fn templates_are_right_files_and_the_schema_is_at_hand() {
    let desk = Desk::new();
    for form in ["plain", "xml"] {
        done(&["config", "template", "--form", form, "-o", &desk.path(form)]);
        assert_eq!(done(&["config", "lint", "--json", &desk.path(form)]), "[]\n");
        assert!(desk.read(form).contains("SIP_SRC_PORT_6=\"5110\""));
    }
    assert!(done(&["config", "template", "--form", "schema"]).contains("<xs:schema "));
}

/// C8, B63, B65: what openssl makes is read and the other way; a wrong key is a clear error, and nothing is written.
#[test]
fn files_are_encrypted_and_decrypted_as_openssl_does() {
    let desk = Desk::new();
    let key = "0123456789abcdefghijklmnopqrstuv";
    let (right, wrong) = (desk.file("key", format!("{key}\n")), desk.file("wrong", "v".repeat(32)));
    let plain = desk.plain("phone.cfg", &["SIP_PASS_1=\"x-1\""]);
    done(&["config", "encrypt", &plain, "--slot", "2", "--key-file", &right, "--length", "256"]);
    let openssl = Command::new("openssl")
        .args(["enc", "-d", "-aes-256-cbc", "-md", "sha256", "-pass", &format!("pass:{key}"), "-in", &desk.path("phone.e2c")])
        .output()
        .unwrap();
    assert_eq!(openssl.stdout, std::fs::read(&plain).unwrap());
    assert_eq!(
        done(&["config", "decrypt", &desk.path("phone.e2c"), "--key-file", &right, "--length", "256"]),
        desk.read("phone.cfg")
    );
    assert_eq!(done(&["config", "lint", "--json", &desk.path("phone.e2c"), "--key-file", &right, "--length", "256"]), "[]\n");

    let output =
        phonectl(&["config", "decrypt", &desk.path("phone.e2c"), "--key-file", &wrong, "--length", "256", "-o", &desk.path("out")]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not fit") && !std::path::Path::new(&desk.path("out")).exists());
    for (key, code) in [(&wrong, "file.wrong-key"), (&right, "file.wrong-key")] {
        let output = phonectl(&["config", "lint", "--json", &desk.path("phone.e2c"), "--key-file", key]);
        assert_eq!((output.status.code(), findings(&output)[0]["code"].as_str()), (Some(4), Some(code)));
    }
    let output = phonectl(&["config", "lint", "--json", &desk.path("phone.e2c")]);
    assert_eq!(findings(&output)[0]["code"], "file.no-key");
    let output = phonectl(&["config", "encrypt", &plain, "--key-file", &right, "-o", &desk.path("phone.cfg2")]);
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains(".e1c"));
    let short = desk.file("short", "too short");
    assert_eq!(phonectl(&["config", "encrypt", &plain, "--key-file", &short]).status.code(), Some(2));
}

#[test]
fn without_a_file_or_a_phone_it_says_so() {
    assert_eq!(phonectl(&["config", "lint"]).status.code(), Some(2));
    assert_eq!(phonectl(&["config", "diff"]).status.code(), Some(2));
    assert_eq!(phonectl(&["config", "lint", "/nonexistent/phone.cfg"]).status.code(), Some(2));
    let desk = Desk::new();
    let plain = desk.plain("phone.cfg", &["INTDIGIT_TIM=\"7\""]);
    assert_eq!(phonectl(&["config", "diff", "--standard", &plain]).status.code(), Some(13));
    assert_eq!(phonectl(&["config", "export"]).status.code(), Some(13));
}
