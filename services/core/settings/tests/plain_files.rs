//! Plain-text configuration files: what is taken, what is skipped, what rejects the whole file (B66 to B93; C11, C47, C58, C62,
//! C63), and the mistakes that are common in the field.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and reads its own files"
)]

use agreements::Severity;
use settings::file::{self, FileOutcome, Form, MAX_DIAGNOSES, Size};
use settings::plain::{self, MAX_BYTES};

const MAGIC: &str = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!";

/// A file with the right first line and line ends.
fn lines_of(lines: &[&str]) -> FileOutcome {
    let mut text = format!("{MAGIC}\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    plain::parse(text.as_bytes(), "phone.cfg")
}

fn values(outcome: &FileOutcome) -> Vec<(&str, &str, u32)> {
    outcome.accepted.iter().map(|one| (one.name.as_str(), one.value.as_str(), one.line)).collect()
}

fn findings(outcome: &FileOutcome) -> Vec<(u32, u32, &str)> {
    outcome.diagnoses.iter().map(|one| (one.line, one.column, one.code.as_str())).collect()
}

/// B71 to B74, B77, B86: comments and empty lines are passed over, values are taken in any order.
#[test]
fn a_right_file_is_taken_without_a_word() {
    let outcome = lines_of(&["", "# a comment", "DISPLAY_NAME_1=\"John Smith\"", "SYSLOG_ADDR=\"\"", "DISPLAY_NAME_2=\"Zoë\""]);
    assert_eq!(findings(&outcome), []);
    assert_eq!(values(&outcome), [("DISPLAY_NAME_1", "John Smith", 4), ("SYSLOG_ADDR", "", 5), ("DISPLAY_NAME_2", "Zoë", 6)]);
    assert!(!outcome.rejected && outcome.skipped == 0);
}

/// B302, B208 and 5.3.1: the three codec examples of the guide.
#[test]
fn the_codec_examples_are_taken_whole() {
    let outcome = lines_of(&[
        "## Codec Settings",
        "# Enable G722",
        "CODEC_ENABLE0_1=\"Y\"",
        "CODEC_PRIORITY0_1=\"3\"",
        "# Disable PCMA",
        "CODEC_ENABLE1_1=\"N\"",
        "# Enable G729A",
        "CODEC_ENABLE3_1=\"Y\"",
        "CODEC_PRIORITY3_1=\"1\"",
        "# Enable PCMU",
        "CODEC_ENABLE4_1=\"Y\"",
        "CODEC_PRIORITY4_1=\"2\"",
    ]);
    assert_eq!((values(&outcome).len(), findings(&outcome)), (7, vec![]));
    let outcome = lines_of(&[
        "## Codec Settings",
        "# Disable G722",
        "CODEC_ENABLE0_1=\"N\"",
        "# Disable PCMA",
        "CODEC_ENABLE1_1=\"N\"",
        "# Enable G729A",
        "CODEC_ENABLE3_1=\"Y\"",
        "CODEC_PRIORITY3_1=\"1\"",
        "# Disable PCMU",
        "CODEC_ENABLE4_1=\"N\"",
        "# Do not set PCMU",
        "CODEC_G711_REQ=\"0\"",
    ]);
    assert_eq!((values(&outcome).len(), findings(&outcome)), (6, vec![]));
}

/// B75 and 5.3.2: a wrong first line rejects the whole file.
#[test]
fn a_wrong_first_line_rejects_the_file_and_says_what_it_looks_like() {
    let good = "TALK_PACKAGE=\"Y\"\r\n";
    for (start, code) in [
        ("# This is a simplified sample configuration file.\r\n", "file.no-magic"),
        ("#Panasonic SIP Phone Standard Format File#\r\n", "file.magic-without-blanks"),
        ("#PanasonicSIPPhoneStandardFormatFile#\r\n", "file.magic-without-blanks"),
        ("# PANASONIC SIP Phone standard format file #\r\n", "file.magic-case"),
        ("\r\n# Panasonic SIP Phone Standard Format File #\r\n", "file.magic-not-first"),
        ("<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n", "file.is-xml"),
        ("<!DOCTYPE html><html>\r\n", "file.is-html"),
        ("Salted__12345678", "file.is-encrypted"),
    ] {
        let outcome = plain::parse(format!("{start}{good}").as_bytes(), "phone.cfg");
        assert!(outcome.rejected && outcome.accepted.is_empty(), "{start}");
        assert_eq!(findings(&outcome), [(1, 1, code)], "{start}");
        assert!(!outcome.diagnoses[0].suggestion.is_empty());
    }
    assert_eq!(findings(&plain::parse(b"", "phone.cfg")), [(1, 1, "file.empty")]);
    let wide: Vec<u8> = format!("\u{feff}{MAGIC}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(findings(&plain::parse(&wide, "phone.cfg")), [(1, 1, "file.utf16")]);
    let carriage = format!("{MAGIC}\rTALK_PACKAGE=\"Y\"\r");
    assert_eq!(findings(&plain::parse(carriage.as_bytes(), "phone.cfg")), [(1, 1, "file.cr-line-ends")]);
}

/// C63, B66, B68, B76: each oddity at the beginning, at the ends of lines and at the end is accepted with a warning of its own.
#[test]
fn harmless_oddities_are_taken_with_a_warning() {
    let text = format!("\u{feff}{MAGIC}\n # indented\nTALK_PACKAGE=\"Y\"\n# trailing \nHOLD_PACKAGE=\"Y\"");
    let outcome = plain::parse(text.as_bytes(), "phone.cfg");
    assert_eq!(values(&outcome), [("TALK_PACKAGE", "Y", 3), ("HOLD_PACKAGE", "Y", 5)]);
    let codes = ["file.byte-order-mark", "file.bare-line-feed", "file.blanks-at-comment", "file.no-final-line"];
    assert_eq!(findings(&outcome).iter().map(|one| one.2).collect::<Vec<_>>(), codes);
    assert!(outcome.diagnoses.iter().all(|one| one.severity == Severity::Warning));
    assert!(!outcome.rejected && outcome.skipped == 0);
}

/// C62, B70, B79 to B82, B84, C11, C58: the line is skipped with line, column, reason and a way out; the rest applies.
#[test]
fn a_bad_line_is_skipped_and_the_rest_applies() {
    let long = format!("DIAL_PLAN_1=\"{}\"", "1".repeat(501));
    let longer = format!("DIAL_PLAN_1=\"{}\"", "1".repeat(523));
    for (line, column, code, hint) in [
        ("TALK_PACKAGE = \"Y\"", 13, "line.inner-space", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE= \"Y\"", 14, "line.inner-space", "TALK_PACKAGE=\"Y\""),
        (" TALK_PACKAGE=\"Y\"", 1, "line.inner-space", "blanks away"),
        ("TALK_PACKAGE=\"Y\" ", 17, "line.inner-space", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE=\"Y\" # comment", 18, "line.inner-comment", "line of its own"),
        ("TALK_PACKAGE=\"Y\"—❸", 17, "line.text-after-value", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE=Y", 14, "line.no-quotes", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE='Y'", 14, "line.no-quotes", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE=“Y”", 14, "line.curly-quotes", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE=\"Y", 16, "line.missing-quote", "TALK_PACKAGE=\"Y\""),
        ("TALK_PACKAGE", 13, "line.no-setting", "NAME=\"value\""),
        ("; a comment of another kind", 1, "line.no-setting", "begins with #"),
        ("DISPLAY_NAME_1=\"a\"b\"", 18, "value.quote-inside", "double quote"),
        ("TALK_PACKAGE=\"y\"", 15, "value.lower-case-flag", "upper-case Y"),
        ("SIP_SRC_PORT_1=\"70000\"", 17, "value.out-of-range", "1024–49151"),
        ("SIP_SRC_PORT_1=\"\"", 17, "value.empty", "1024–49151"),
        ("SIP_RGSTR_ADR_1=\"a\"", 1, "name.unknown", "SIP_RGSTR_ADDR_1"),
        ("WEB_SERVER_PORT=\"8080\"", 1, "name.not-in-files", "web"),
        ("SIM_MAC=\"0080F0123456\"", 1, "name.not-in-files", "preset"),
        (long.as_str(), 14, "value.too-long", "shorten"),
        (longer.as_str(), 0, "line.too-long", "shorten"),
    ] {
        let outcome = lines_of(&[line, "HOLD_PACKAGE=\"Y\""]);
        assert_eq!(values(&outcome), [("HOLD_PACKAGE", "Y", 3)], "{line}");
        assert_eq!(findings(&outcome), [(2, column, code)], "{line}");
        assert_eq!(outcome.skipped, 1);
        let diagnosis = &outcome.diagnoses[0];
        let told = format!("{} {}", diagnosis.reason, diagnosis.suggestion);
        assert!(diagnosis.severity == Severity::Error && told.contains(hint), "{line}: {told}");
    }
}

/// B69: 537 bytes with CR LF are the most, and fit name, value and quotes.
#[test]
fn the_longest_line_is_taken() {
    let line = format!("CFG_STANDARD_FILE_PATH=\"{}\"", "x".repeat(500));
    assert_eq!(findings(&lines_of(&[&line]))[0].2, "value.not-a-url");
    let exact = format!("{}=\"{}\"", "N".repeat(32), "x".repeat(500));
    assert_eq!(exact.len() + 2, 537);
    assert_eq!(findings(&lines_of(&[&exact]))[0].2, "name.unknown");
    assert_eq!(findings(&lines_of(&[&format!("{exact}x")]))[0].2, "line.too-long");
}

/// B78, C62: a setting over several lines rejects the whole file.
#[test]
fn a_value_over_several_lines_rejects_the_file() {
    for lines in [
        ["TALK_PACKAGE=\"Y\"", "DISPLAY_NAME_1=\"John", "Smith\""],
        ["TALK_PACKAGE=\"Y\"", "DIAL_PLAN_1=\"1xx|", "2xx\""],
        ["TALK_PACKAGE=\"Y\"", "DISPLAY_NAME_1=", "\"John Smith\""],
    ] {
        let outcome = lines_of(&lines);
        assert!(outcome.rejected && outcome.accepted.is_empty(), "{lines:?}");
        assert_eq!(findings(&outcome), [(3, 0, "file.value-over-lines")], "{lines:?}");
    }
    // A forgotten quote before an ordinary line is only that.
    let outcome = lines_of(&["DISPLAY_NAME_1=\"John", "# Smith", "TALK_PACKAGE=\"Y\""]);
    assert_eq!(values(&outcome), [("TALK_PACKAGE", "Y", 4)]);
    assert_eq!(findings(&outcome), [(2, 21, "line.missing-quote")]);
}

/// B87: the first of two counts, whatever name it goes by.
#[test]
fn the_first_of_two_values_counts() {
    let outcome =
        lines_of(&["INTDIGIT_TIM=\"7\"", "INTDIGIT_TIM=\"9\"", "PROFILE_ENABLE_1=\"Disabled\"", "PROFILE_ENABLE1=\"Enabled\""]);
    assert_eq!(values(&outcome), [("INTDIGIT_TIM", "7", 2), ("PROFILE_ENABLE1", "Disabled", 4)]);
    assert_eq!(findings(&outcome), [(3, 1, "line.twice"), (5, 1, "line.twice")]);
    assert!(outcome.diagnoses[0].reason.contains("line 2"));
}

/// Field notes: mistakes that are diagnosed by name.
#[test]
fn mistakes_of_the_field_are_named() {
    for (line, code, hint) in [
        ("TIME_ZONE=\"GMT +9:00\"", "name.sister-model", "TIME_ZONE_COUNTRY=\"80003\""),
        ("TIME_ZONE_COUNTRY=\"GMT-3:30\"", "value.not-a-choice", "TIME_ZONE_COUNTRY=\"-35001\""),
        ("BUSY_TONE_TIMING=\"500/500\"", "value.list-separator", "\"500,500\""),
        ("HOLD_SOUND_PATH_1=\"1\"", "name.sister-model", "leave the line out"),
        ("DIAL_TONE4_RPT=\"0\"", "name.sister-model", "leave the line out"),
        ("SRTP_CONNECT_MODE_1=\"1\"", "name.sister-model", "leave the line out"),
        ("CFG_RESYNC_FROM_SIP=\"Y\"", "value.event-looks-like-flag", "check-sync"),
        ("HTTP_USER_AGENT=\"Panasonic_{MODEL}{/{fwver}\"", "value.unknown-macro", "{fwver}"),
    ] {
        let outcome = lines_of(&[line]);
        assert_eq!(outcome.diagnoses.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), [code], "{line}");
        assert!(outcome.diagnoses[0].suggestion.contains(hint), "{line}: {}", outcome.diagnoses[0].suggestion);
    }
}

/// 5.3.2: the guide's own example of wrong descriptions, but for its first line.
#[test]
fn the_example_of_wrong_lines_is_reported_line_by_line() {
    let outcome = lines_of(&[
        "CFG_STANDARD_FILE_PATH=\"http://config.example.com/0123456789AB.cfg\"",
        "                                # URL of this configuration file",
        "SIP_RGSTR_ADDR_1=\"registrar.example.com\" # IP Address or FQDN of SIP registrar server",
        "SIP_PRXY_ADDR_1=\"proxy.example.com\"     # IP Address or FQDN of proxy server",
        "SIP_DNSSRV_ENA_1=\"Y\"",
        "SIP_AUTHID_1 = \"SIP_User\"",
        "VM_SUBSCRIBE_ENABLE=\"Yes\"",
    ]);
    let names: Vec<_> = values(&outcome).into_iter().map(|one| one.0).collect();
    assert_eq!(names, ["CFG_STANDARD_FILE_PATH", "SIP_DNSSRV_ENA_1"]);
    let found = findings(&outcome).into_iter().map(|one| (one.0, one.2)).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            (3, "file.blanks-at-comment"),
            (4, "line.inner-comment"),
            (5, "line.inner-comment"),
            (7, "line.inner-space"),
            (8, "value.not-a-flag"),
        ]
    );
}

/// B67, C47: 120 KB for all plain files of a run.
#[test]
fn too_many_bytes_reject_the_file() {
    let mut text = format!("{MAGIC}\r\nTALK_PACKAGE=\"Y\"\r\n");
    let fill = MAX_BYTES - text.len();
    text.push_str(&"#\r\n".repeat(fill / 3));
    text.push_str(&"\n".repeat(fill % 3));
    assert_eq!(text.len(), MAX_BYTES);
    assert!(!plain::parse(text.as_bytes(), "phone.cfg").rejected);
    text.push('\n');
    let outcome = plain::parse(text.as_bytes(), "phone.cfg");
    assert!(outcome.rejected && outcome.accepted.is_empty());
    assert_eq!(findings(&outcome), [(0, 0, "file.too-large")]);
    let of = |kilobytes: usize| Size { form: Form::Plain, bytes: kilobytes * 1024 };
    assert_eq!(file::within_limit(&[of(60), of(61), of(60)]), [true, false, true]);
    let refused = file::over_the_limit(of(61), "http://host/sip.cfg");
    assert!(refused.rejected && refused.diagnoses[0].code == "file.too-large");
}

/// A file full of mistakes costs no more than its bound.
#[test]
fn findings_are_bounded_and_the_rest_is_counted() {
    let lines: Vec<String> = (0..3000).map(|number| format!("NO_SUCH_NAME_{number}=\"x\"")).collect();
    let outcome = lines_of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((outcome.diagnoses.len(), outcome.skipped), (MAX_DIAGNOSES + 1, 3000));
    assert!(outcome.diagnoses.iter().any(|one| one.code == "file.more-findings" && one.reason.contains("2800")));
    let mut rejected: Vec<&str> = lines.iter().map(String::as_str).collect();
    rejected.extend(["DISPLAY_NAME_1=\"John", "Smith\""]);
    let outcome = lines_of(&rejected);
    assert!(outcome.rejected && outcome.diagnoses.iter().any(|one| one.code == "file.value-over-lines"));
}

/// B66, B92: bytes that are no UTF-8 cost their line, in a comment nothing.
#[test]
fn a_line_in_another_encoding_is_skipped() {
    let mut bytes = format!("{MAGIC}\r\n").into_bytes();
    bytes.extend_from_slice(b"# f\xfcr Leitung 1\r\nDISPLAY_NAME_1=\"J\xfcrgen\"\r\nTALK_PACKAGE=\"Y\"\r\n");
    let outcome = plain::parse(&bytes, "phone.cfg");
    assert_eq!(values(&outcome), [("TALK_PACKAGE", "Y", 4)]);
    assert_eq!(findings(&outcome), [(3, 0, "line.not-utf8")]);
}

/// C66: a dealer preset may hold any row.
#[test]
fn a_preset_may_hold_rows_that_no_file_may_set() {
    let text = format!(
        "{MAGIC}\r\nAUTO_ANSWER_ENABLE=\"Y\"\r\nWEB_SERVER_PORT=\"8080\"\r\nSIM_ADDRESS=\"127.0.0.1\"\r\nSIM_MAC=\"0080F0ABCDEF\"\r\n"
    );
    let outcome = plain::parse_preset(text.as_bytes(), "dealer.cfg");
    assert_eq!((values(&outcome).len(), findings(&outcome)), (4, vec![]));
    assert_eq!(plain::parse(text.as_bytes(), "phone.cfg").skipped, 4);
}

/// The text shows where, the line, a caret under the column and a way out, but no secret.
#[test]
fn a_finding_is_shown_with_its_line_and_a_caret() {
    let text = format!("{MAGIC}\r\nSIP_SRC_PORT_1=\"99\"\r\nSIP_PASS_1 = \"hunter2\"\r\nSIP_PSAS_1=\"hunter2\"\r\n");
    let outcome = plain::parse(text.as_bytes(), "phone.cfg");
    let shown: Vec<_> = outcome.diagnoses.iter().map(|one| plain::render(one, Some(text.as_bytes()))).collect();
    assert_eq!(
        shown[0],
        "phone.cfg:2:17: error: 99 is outside the range of SIP_SRC_PORT_1 [value.out-of-range]\n    \
         2 | SIP_SRC_PORT_1=\"99\"\n      |                 ^\n  help: legal: 1024–49151"
    );
    assert!(shown[1].contains("********") && shown[2].contains("did you mean SIP_PASS_1?"));
    assert!(!shown.join("\n").contains("hunter2"), "{shown:#?}");
    assert!(!format!("{outcome:?}").contains("hunter2"));
    assert_eq!(plain::render(&outcome.diagnoses[0], None).lines().count(), 2);
}

/// A password in the file's own URL is not kept.
#[test]
fn the_password_of_the_url_is_masked() {
    assert_eq!(plain::parse(b"", "ftp://joe:secret@host/a.cfg").file, "ftp://joe:********@host/a.cfg");
}
