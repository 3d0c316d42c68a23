//! What is made from the catalogue: the committed copies are those that the catalogue makes, the schema takes what the phone takes, and
//! a template changes nothing (B98, B99 to B101, B103).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and reads its own files"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use settings::catalogue::{self, ROWS};
use settings::document::{self, Form};
use settings::file::{self, Entry};
use settings::{plain, value, xml};

fn generated(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("generated").join(name)
}

/// B98: the schema has the name and the namespace of the guide.
#[test]
fn the_committed_documents_are_those_of_the_catalogue() {
    let schema = std::fs::read_to_string(generated("UT670_config.xsd")).expect("the schema");
    assert!(schema.contains("<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">"));
    for (name, text) in document::all() {
        let committed = std::fs::read_to_string(generated(name)).unwrap_or_default();
        let first = text.lines().zip(committed.lines()).position(|(made, kept)| made != kept);
        assert!(
            committed == text,
            "generated/{name} is not what the catalogue makes (first difference in line {}): run `cargo run -p settings --example generate`",
            first.map_or(text.lines().count().min(committed.lines().count()), |at| at) + 1
        );
    }
}

/// C62: whoever puts a template on a server as it is has changed nothing, and has made no mistake.
#[test]
fn a_template_is_a_right_file_that_sets_nothing() {
    for (form, limit) in [(Form::Plain, plain::MAX_BYTES), (Form::Xml, xml::MAX_BYTES)] {
        let text = document::template(form);
        let outcome = file::parse(text.as_bytes(), "template");
        assert_eq!((outcome.accepted.len(), outcome.diagnoses.len(), outcome.rejected), (0, 0, false), "{:?}", outcome.diagnoses);
        assert!(text.len() < limit, "{form:?}: {}", text.len());
        for parameter in catalogue::parameters().filter(|one| one.row.set_by.file) {
            let value = parameter.default().replace('&', "&amp;").replace('\'', "&apos;").replace('<', "&lt;").replace('>', "&gt;");
            assert!(text.contains(&format!("{}=\"{value}\"", parameter.name)), "{} is missing from {form:?}", parameter.name);
        }
    }
}

#[test]
fn the_manual_has_every_row() {
    let manual = document::manual();
    for row in ROWS {
        assert!(manual.contains(&format!("\n### {}\n", row.name)), "{}", row.name);
    }
}

/// xmllint's verdict on a text, held against the schema.
fn validated(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.xml");
    std::fs::write(&path, text).unwrap();
    let output = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(generated("UT670_config.xsd"))
        .arg(&path)
        .output()
        .expect("xmllint is in the package libxml2-utils");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn one(name: &str, value: &str) -> String {
    xml::write([Entry::new(catalogue::parameter(name).unwrap(), value)])
}

#[test]
fn the_schema_takes_the_template_and_every_default() {
    for text in [
        document::template(Form::Xml),
        xml::write(
            catalogue::parameters()
                .filter(|one| one.row.set_by.file && one.name != "USER_PASS")
                .map(|one| Entry::new(one, one.default())),
        ),
    ] {
        let (valid, said) = validated(&text);
        assert!(valid, "{said}");
    }
}

/// The schema refuses what the phone refuses, as far as one value goes, and takes both ends of every range.
#[test]
fn the_schema_knows_the_ranges() {
    for (name, good, bad) in [
        ("SIP_SRC_PORT_2", &["1024", "49151"][..], &["1023", "49152", "", "x"][..]),
        ("SIP_SESSION_TIME_1", &["0", "60", "65535"], &["1", "59", "65536"]),
        ("RTP_PORT_MIN", &["1024", "48750"], &["1025", "48752"]),
        ("DTMF_SIGNAL_LEN", &["60", "65", "200"], &["61", "205"]),
        ("TALK_PACKAGE", &["Y", "N"], &["y", "Yes", ""]),
        ("CFG_RESYNC_TIME", &["", "00:00", "23:59"], &["24:00", "1:00"]),
        ("FIRM_VERSION", &["", "01.070", "15.999"], &["16.000", "1.07"]),
        ("DIAL_PLAN_3", &["", "<101:9999>|[1-5]x.S2"], &["abc"]),
        ("SIP_PASS_6", &["", "a-%b"], &["a b", "a&b", "a<b"]),
        ("ADMIN_PASS", &["sixsix"], &["five5", ""]),
        ("FLEX_BUTTON_FACILITY_ACT24", &["X_PANASONIC_IPTEL_DN", "X_PANASONIC_IPTTEL_DN", ""], &["DN"]),
        ("CODEC_PRIORITY4_6", &["1", "255"], &["0", "256"]),
        ("DIAL_TONE1_FRQ", &["350", "350,440"], &["350,440,500", "350;440"]),
        ("CFG_FILE_KEY_LENGTH", &["128", "192", "256"], &["64"]),
    ] {
        let parameter = catalogue::parameter(name).unwrap();
        for text in good {
            assert_eq!(value::check(&parameter, text), Ok(()), "{name}={text}");
            let (valid, said) = validated(&one(name, text));
            assert!(valid, "{name}={text}: {said}");
        }
        for text in bad {
            assert!(value::check(&parameter, text).is_err(), "{name}={text}");
            assert!(!validated(&one(name, text)).0, "{name}={text}");
        }
    }
}

/// The guide's own example, an alias, and several lines on one element; a wrong number and an unknown attribute are refused.
#[test]
fn the_schema_knows_the_places() {
    let around = |inner: &str| format!("<PANASipPhoneConfig><Dev><Srv><Prof>{inner}</Prof></Srv></Dev></PANASipPhoneConfig>");
    for (inner, right) in [
        ("<SIP><UserAgentPort1 SIP_SRC_PORT_1=\"5060\" /><UserAgentPort6 SIP_SRC_PORT_6=\"5110\" /></SIP>", true),
        ("<SIP><ProxyServer SIP_PRXY_ADDR_1=\"10.0.0.1\" SIP_PRXY_ADDR_2=\"10.0.0.2\"/></SIP>", true),
        ("<Line ID=\"2\"><Codec><List ID=\"0\"><Enable CODEC_ENABLE0_2=\"Y\" /></List></Codec></Line>", true),
        ("<Enable PROFILE_ENABLE_3=\"Enabled\"/>", true),
        ("<Line ID=\"7\"/>", false),
        ("<Line ID=\"2\"><Codec><List ID=\"2\"/></Codec></Line>", false),
        ("<SIP><ProxyServer NO_SUCH=\"1\"/></SIP>", false),
        ("<SIP><UserAgentPort1 SIP_SRC_PORT_2=\"5060\" /></SIP>", false),
    ] {
        let (valid, said) = validated(&around(inner));
        assert_eq!(valid, right, "{inner}: {said}");
    }
}
