//! XML configuration files: what is taken, what is skipped with a reason, what rejects the whole file (B94 to B103; C47, C48, C56,
//! C58, C62, C63).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and reads its own files"
)]

use agreements::Severity;
use settings::file::{self, Entry, FileOutcome, Form, MAX_DIAGNOSES, Size};
use settings::{catalogue, plain, xml};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- # Panasonic SIP Phone Standard Format File # -->\r\n";

/// A right file around these elements, which begin in line 4.
fn document(elements: &str) -> String {
    format!("{HEAD}<PANASipPhoneConfig>\r\n{elements}\r\n</PANASipPhoneConfig>\r\n")
}

fn read(elements: &str) -> FileOutcome {
    file::parse(document(elements).as_bytes(), "phone.xml")
}

fn values(outcome: &FileOutcome) -> Vec<(&str, &str, u32)> {
    outcome.accepted.iter().map(|one| (one.name.as_str(), one.value.as_str(), one.line)).collect()
}

fn findings(outcome: &FileOutcome) -> Vec<(u32, u32, &str)> {
    outcome.diagnoses.iter().map(|one| (one.line, one.column, one.code.as_str())).collect()
}

fn codes(outcome: &FileOutcome) -> Vec<&str> {
    outcome.diagnoses.iter().map(|one| one.code.as_str()).collect()
}

/// B99 to B101: lines, buttons and codecs in the places of the guide are taken without a word.
#[test]
fn lines_buttons_and_codecs_are_taken_from_their_places() {
    let outcome = read(
        "<Dev><Srv><Prof><SIP>\r\n\
         <UserAgentPort1 SIP_SRC_PORT_1=\"5062\"/>\r\n\
         <UserAgentPort6 SIP_SRC_PORT_6=\"5072\" />\r\n\
         </SIP><ButtonMap><Button ID=\"24\">\r\n\
         <FacilityAction FLEX_BUTTON_FACILITY_ACT24=\"X_PANASONIC_IPTEL_DN\" />\r\n\
         <FacilityActionArgument FLEX_BUTTON_FACILITY_ARG24=\"1\" />\r\n\
         <ButtonMessage FLEX_BUTTON_LABEL24=\"\" />\r\n\
         </Button></ButtonMap><Line ID=\"2\"><Codec>\r\n\
         <List ID=\"0\"><Enable CODEC_ENABLE0_2=\"Y\"/></List>\r\n\
         <List ID=\"1\"><Enable CODEC_ENABLE1_2=\"N\"/></List>\r\n\
         <List ID=\"3\"><Priority CODEC_PRIORITY3_2=\"2\"/></List>\r\n\
         <List ID=\"4\"><Priority CODEC_PRIORITY4_2=\"1\"/></List>\r\n\
         </Codec></Line></Prof></Srv></Dev>",
    );
    assert_eq!(findings(&outcome), []);
    assert_eq!(
        values(&outcome),
        [
            ("SIP_SRC_PORT_1", "5062", 5),
            ("SIP_SRC_PORT_6", "5072", 6),
            ("FLEX_BUTTON_FACILITY_ACT24", "X_PANASONIC_IPTEL_DN", 8),
            ("FLEX_BUTTON_FACILITY_ARG24", "1", 9),
            ("FLEX_BUTTON_LABEL24", "", 10),
            ("CODEC_ENABLE0_2", "Y", 12),
            ("CODEC_ENABLE1_2", "N", 13),
            ("CODEC_PRIORITY3_2", "2", 14),
            ("CODEC_PRIORITY4_2", "1", 15),
        ]
    );
}

/// C56: an attribute counts wherever it stands; several lines on one element are normal; an unusual place is only told.
#[test]
fn an_attribute_counts_wherever_it_stands() {
    let outcome = read(
        "<Dev><Srv><Prof><SIP><ProxyServer SIP_PRXY_ADDR_1=\"10.0.0.1\" SIP_PRXY_ADDR_2='10.0.0.2'/></SIP></Prof></Srv></Dev>",
    );
    assert_eq!((values(&outcome).len(), findings(&outcome)), (2, vec![]));
    let outcome = read("<MaximumDelay MAX_DELAY_1=\"30\"/>");
    assert_eq!(values(&outcome), [("MAX_DELAY_1", "30", 4)]);
    assert_eq!(findings(&outcome), [(4, 15, "xml.misplaced")]);
    assert!(outcome.diagnoses[0].severity == Severity::Warning && outcome.diagnoses[0].suggestion.contains("<MaxDelay>"));
    // The wrong number around it.
    let outcome = read("<Dev><Srv><Prof><Line ID=\"1\"><Enable LINE_ENABLE_2=\"Enabled\"/></Line></Prof></Srv></Dev>");
    assert_eq!((values(&outcome).len(), codes(&outcome)), (1, vec!["xml.misplaced"]));
    // One of many is told one by one, the rest is counted.
    let many: String = (1..=6)
        .map(|n| format!("<A SIP_AUTHID_{n}=\"a\" SIP_PASS_{n}=\"b\" PHONE_NUMBER_{n}=\"{n}\" SIP_URI_{n}=\"\"/>"))
        .collect();
    let outcome = read(&many);
    assert_eq!((values(&outcome).len(), codes(&outcome).len()), (24, 21));
    assert!(outcome.diagnoses.iter().any(|one| one.reason.starts_with("24 attributes")), "{:?}", outcome.diagnoses);
}

/// C9, C10: aliases are read in XML, too.
#[test]
fn misprinted_names_are_read_as_the_right_ones() {
    let outcome = read("<Prof><Enable PROFILE_ENABLE_3=\"Disabled\"/></Prof><X REDIALKEY_CALLOG_ENABLE=\"Y\"/>");
    let names: Vec<_> = values(&outcome).into_iter().map(|one| one.0).collect();
    assert_eq!(names, ["PROFILE_ENABLE3", "REDIALKEY_CALLLOG_ENABLE"]);
}

/// B102, B103: the five entities; a dial plan's substitution is written with them.
#[test]
fn entities_stand_for_their_characters() {
    let outcome = read("<D DIAL_PLAN_1=\"&lt;101:9999&gt;\" DISPLAY_NAME_1=\"Tom &amp; Ann&apos;s &#x41;\"/>");
    assert_eq!(values(&outcome), [("DIAL_PLAN_1", "<101:9999>", 4), ("DISPLAY_NAME_1", "Tom & Ann's A", 4)]);
    // C58: a plain file could not carry it.
    let outcome = read("<D DISPLAY_NAME_1=\"&quot;Tom&quot;\"/>");
    assert_eq!((values(&outcome), codes(&outcome)), (vec![], vec!["value.illegal-character"]));
    for (value, code, hint) in [
        ("Tom & Ann", "xml.entity", "&amp;"),
        ("&uuml;", "xml.entity", "&quot;"),
        ("&#xZZ;", "xml.entity", "character itself"),
        ("one\r\ntwo", "xml.value-over-lines", "one line"),
    ] {
        let outcome = read(&format!("<D DISPLAY_NAME_1=\"{value}\"/><D TALK_PACKAGE=\"Y\"/>"));
        assert_eq!(values(&outcome).iter().map(|one| one.0).collect::<Vec<_>>(), ["TALK_PACKAGE"], "{value}");
        assert_eq!(outcome.diagnoses[0].code, code, "{value}");
        assert!(outcome.diagnoses[0].suggestion.contains(hint), "{value}: {:?}", outcome.diagnoses[0]);
    }
    // Leniently.
    let outcome = read("<Dev><Srv><Prof><DigitMap DIAL_PLAN_1=\"<101:9999>\"/></Prof></Srv></Dev>");
    assert_eq!((values(&outcome), codes(&outcome)), (vec![("DIAL_PLAN_1", "<101:9999>", 4)], vec!["xml.bare-character"]));
}

/// C48, B96: the comment before or after the declaration, or none if the root is right.
#[test]
fn the_comment_stands_anywhere_before_the_root_or_the_root_is_right() {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let comment = "<!-- # Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE! -->";
    let root = "<PANASipPhoneConfig><X_P_IPTEL_Syslog><SyslogPort SYSLOG_PORT=\"515\"/></X_P_IPTEL_Syslog></PANASipPhoneConfig>";
    let other = "<Configuration><SyslogPort SYSLOG_PORT=\"515\"/></Configuration>";
    for (text, expected) in [
        (format!("{declaration}\n{comment}\n{root}"), vec!["xml.misplaced"; 0]),
        (format!("{comment}\n{declaration}\n{root}"), vec![]),
        (format!("{comment}\n{root}"), vec![]),
        (format!("{declaration}\n{root}"), vec!["xml.no-magic"]),
        (root.to_owned(), vec!["xml.no-magic"]),
        (format!("\u{feff}{declaration}{comment}{root}"), vec!["file.byte-order-mark"]),
        (format!("{}\r\n{declaration}\n{root}", file::MAGIC), vec!["xml.bare-first-line"]),
        (format!("{declaration}{comment}{other}"), vec!["xml.root", "xml.misplaced"]),
    ] {
        let outcome = file::parse(text.as_bytes(), "any-name.cfg");
        assert_eq!(outcome.accepted.len(), 1, "{text}");
        assert!(!outcome.rejected && codes(&outcome) == expected, "{text}: {:?}", codes(&outcome));
        assert!(outcome.diagnoses.iter().all(|one| one.severity == Severity::Warning));
    }
    for text in [format!("{declaration}{other}"), other.to_owned(), format!("{declaration}<!-- sample -->{other}{comment}")] {
        let outcome = file::parse(text.as_bytes(), "phone.xml");
        assert!(outcome.rejected && outcome.accepted.is_empty() && codes(&outcome) == ["file.no-magic"], "{text}");
    }
}

/// B95: content decides, not the name; a web page is none of both.
#[test]
fn the_form_is_seen_from_the_content() {
    assert_eq!(file::form_of(document("").as_bytes()), Form::Xml);
    assert_eq!(file::form_of(b"\xef\xbb\xbf\r\n <PANASipPhoneConfig/>"), Form::Xml);
    assert_eq!(file::form_of(b"# Panasonic SIP Phone Standard Format File #\r\nTALK_PACKAGE=\"Y\"\r\n"), Form::Plain);
    assert_eq!(codes(&file::parse(b"<!DOCTYPE html><html></html>", "phone.xml")), ["file.is-html"]);
    assert_eq!(codes(&file::parse(b"<HTML>", "phone.xml")), ["file.is-html"]);
    assert_eq!(codes(&file::parse(b"", "phone.xml")), ["file.empty"]);
}

/// B97: version 1.0 and utf-8; anything else is told, and what is no UTF-8 costs its value only.
#[test]
fn another_encoding_is_told_and_costs_only_what_it_touches() {
    let mut bytes = b"<?xml version=\"1.1\" encoding=\"iso-8859-1\"?>\n<PANASipPhoneConfig>\n".to_vec();
    bytes.extend_from_slice(
        b"<!-- f\xfcr Leitung 1 --><A DISPLAY_NAME_1=\"J\xfcrgen\"/><A DISPLAY_NAME_2=\"Ann\"/>\n</PANASipPhoneConfig>",
    );
    let outcome = file::parse(&bytes, "phone.xml");
    assert_eq!(values(&outcome), [("DISPLAY_NAME_2", "Ann", 3)]);
    let found = codes(&outcome);
    for code in ["xml.version", "xml.encoding", "xml.no-magic", "line.not-utf8"] {
        assert!(found.contains(&code), "{code}: {found:?}");
    }
    assert_eq!(outcome.skipped, 1);
}

/// C62: the attribute is skipped with line, column, reason and a way out; the rest applies.
#[test]
fn a_bad_attribute_is_skipped_and_the_rest_applies() {
    for (element, column, code, hint) in [
        ("<E TALK_PACKAGE=\"y\"/>", 18, "value.lower-case-flag", "upper-case Y"),
        ("<E SIP_SRC_PORT_1=\"70000\"/>", 20, "value.out-of-range", "1024–49151"),
        ("<E SIP_RGSTR_ADR_1=\"a\"/>", 4, "name.unknown", "SIP_RGSTR_ADDR_1"),
        ("<E SIP_PASS_7=\"a\"/>", 4, "name.no-such-number", "lines 1 to 6"),
        ("<E WEB_SERVER_PORT=\"8080\"/>", 4, "name.not-in-files", "web"),
        ("<E TALK_PACKAGE=Y/>", 17, "xml.no-quotes", "NAME=\"value\""),
        ("<E TALK_PACKAGE/>", 16, "xml.no-equals", "NAME=\"value\""),
    ] {
        let outcome = read(&format!("{element}<E HOLD_PACKAGE=\"Y\"/>"));
        assert_eq!(values(&outcome), [("HOLD_PACKAGE", "Y", 4)], "{element}");
        let told = outcome.diagnoses.iter().find(|one| one.severity == Severity::Error).expect(element);
        assert_eq!((told.line, told.column, told.code.as_str()), (4, column, code), "{element}");
        assert!(format!("{} {}", told.reason, told.suggestion).contains(hint), "{element}: {told:?}");
        assert_eq!(outcome.skipped, 1, "{element}");
    }
}

/// B87 in XML: the first of two counts, on one element or on two.
#[test]
fn the_first_of_two_values_counts() {
    for elements in ["<A INTDIGIT_TIM=\"7\"/>\n<A INTDIGIT_TIM=\"9\"/>", "<A INTDIGIT_TIM=\"7\"\nINTDIGIT_TIM=\"9\"/>"] {
        let outcome = read(elements);
        assert_eq!(values(&outcome), [("INTDIGIT_TIM", "7", 4)]);
        let twice = outcome.diagnoses.iter().find(|one| one.code == "line.twice").unwrap();
        assert!(twice.line == 5 && twice.reason.contains("line 4"), "{twice:?}");
    }
}

/// What is not well-formed, brings a document type, or is too deep: nothing of it applies.
#[test]
fn a_broken_file_is_rejected_whole() {
    let good = "<A TALK_PACKAGE=\"Y\"/>";
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let head_and = |rest: &str| format!("{HEAD}<PANASipPhoneConfig>{good}{rest}");
    for (text, code, hint) in [
        (head_and("<Dev>"), "xml.broken", "<Dev>"),
        (head_and(""), "xml.broken", "cut off"),
        (head_and("<Dev></Srv></PANASipPhoneConfig>"), "xml.broken", "</Srv>"),
        (head_and("</PANASipPhoneConfig></Dev>"), "xml.broken", "</Dev>"),
        (head_and("<A X=\"1"), "xml.broken", "not closed"),
        (head_and("<!-- no end"), "xml.broken", "comment"),
        (head_and("</PANASipPhoneConfig><More/>"), "xml.broken", "beside the root"),
        (
            format!("{HEAD}<!DOCTYPE x [<!ENTITY a \"b\">]><PANASipPhoneConfig>{good}</PANASipPhoneConfig>"),
            "xml.document-type",
            "DOCTYPE",
        ),
        (document(&format!("{good}{deep}")), "xml.too-deep", "32 deep"),
        (HEAD.to_owned(), "xml.broken", "no element"),
    ] {
        let outcome = file::parse(text.as_bytes(), "phone.xml");
        assert!(outcome.rejected && outcome.accepted.is_empty(), "{text}");
        let told = outcome.diagnoses.last().unwrap();
        assert_eq!(told.code, code, "{text}: {told:?}");
        assert!(format!("{} {}", told.reason, told.suggestion).contains(hint), "{text}: {told:?}");
    }
}

/// Entities of the file's own are not expanded, however they multiply: the document type alone rejects it.
#[test]
fn entities_cannot_multiply() {
    let mut text = "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY l0 \"lol\">".to_owned();
    for at in 1..20 {
        text.push_str(&format!("<!ENTITY l{at} \"{}\">", format!("&l{};", at - 1).repeat(10)));
    }
    text.push_str("]><PANASipPhoneConfig DISPLAY_NAME_1=\"&l19;\"/>");
    let outcome = file::parse(text.as_bytes(), "phone.xml");
    assert!(outcome.rejected && codes(&outcome).last() == Some(&"xml.document-type"));
}

/// Text is no value; it is told once.
#[test]
fn text_between_elements_is_not_read() {
    let outcome = read("<A>SYSLOG_PORT=\"515\"</A><![CDATA[x]]><B>&amp;</B>");
    assert_eq!((values(&outcome), codes(&outcome)), (vec![], vec!["xml.text"]));
    assert!(outcome.diagnoses[0].reason.starts_with("3 texts"), "{:?}", outcome.diagnoses);
}

/// Namespaces and schema places are no parameters.
#[test]
fn markup_attributes_are_passed_over() {
    let text = format!(
        "{HEAD}<PANASipPhoneConfig xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:noNamespaceSchemaLocation=\"UT670_config.xsd\" xmlns=\"x\"></PANASipPhoneConfig>"
    );
    assert_eq!(findings(&file::parse(text.as_bytes(), "phone.xml")), []);
}

/// B94, C47: 240 KB for each XML file, whatever the plain ones have.
#[test]
fn each_xml_file_has_its_own_limit() {
    let mut text = document("<A TALK_PACKAGE=\"Y\"/>");
    text.push_str(&" ".repeat(xml::MAX_BYTES - text.len()));
    assert!(!file::parse(text.as_bytes(), "phone.xml").rejected);
    text.push(' ');
    let outcome = file::parse(text.as_bytes(), "phone.xml");
    assert!(outcome.rejected && codes(&outcome) == ["file.too-large"]);
    let of = |form, kilobytes: usize| Size { form, bytes: kilobytes * 1024 };
    let run = [of(Form::Xml, 240), of(Form::Plain, 100), of(Form::Xml, 240)];
    assert_eq!(file::within_limit(&run), [true, true, true]);
    let run = [of(Form::Plain, 60), of(Form::Xml, 241), of(Form::Plain, 61), of(Form::Plain, 60)];
    assert_eq!(file::within_limit(&run), [true, false, false, true]);
    let refused = file::over_the_limit(of(Form::Xml, 241), "http://host/a.xml");
    assert!(refused.rejected && refused.diagnoses[0].reason.contains("240 KB"));
}

/// A file full of mistakes costs no more than its bound.
#[test]
fn findings_are_bounded_and_the_rest_is_counted() {
    let outcome = read(&"<A NO_SUCH=\"x\"/>\n".repeat(3000));
    assert_eq!((outcome.diagnoses.len(), outcome.skipped), (MAX_DIAGNOSES + 1, 3000));
    assert!(outcome.diagnoses.iter().any(|one| one.code == "file.more-findings"));
    let crowd: String = (0..5000).map(|at| format!(" A{at}=\"\"")).collect();
    let outcome = read(&format!("<A{crowd} TALK_PACKAGE=\"Y\"/><B HOLD_PACKAGE=\"Y\"/>"));
    assert_eq!(values(&outcome).iter().map(|one| one.0).collect::<Vec<_>>(), ["HOLD_PACKAGE"]);
    assert_eq!(outcome.skipped as usize, xml::MAX_ATTRIBUTES + 1);
}

/// The text shows where, the line and a caret, but no secret: not even one behind a misspelt name or in a stray text.
#[test]
fn a_finding_is_shown_with_its_line_and_a_caret() {
    let text = document(
        "<Line ID=\"1\"><P SIP_PASS_1=\"hunter2\" SIP_SRC_PORT_1=\"99\"/>hunter2</Line>\r\n<P SIP_PSAS_1='hunter2' INTDIGIT_TIM=\"x\"/>\r\n\
         <P SIP_PASS_2=\r\n\"hunter2\" INTDIGIT_TIM=\"y\"/>\r\n<P CFG_MASTER_FILE_PATH=\"htp://joe:hunter2@host/\"/>",
    );
    let outcome = file::parse(text.as_bytes(), "phone.xml");
    let shown: Vec<_> = outcome.diagnoses.iter().map(|one| file::render(one, Some(text.as_bytes()))).collect();
    let port = shown.iter().find(|one| one.contains("99 is outside")).unwrap();
    assert!(port.contains("4 | <Line ID=\"1\"><P SIP_PASS_1=\"********\" SIP_SRC_PORT_1=\"99\"/></Line>"), "{port}");
    let (line, caret) = (port.lines().nth(1).unwrap(), port.lines().nth(2).unwrap());
    assert_eq!(line.find("99\"/"), caret.find('^'), "{port}");
    assert!(!shown.join("\n").contains("hunter2"), "{shown:#?}");
    assert!(!format!("{:?}", outcome.diagnoses).contains("hunter2"));
}

/// What is written is read back without a word, from both forms, for every parameter that a file may set.
#[test]
fn every_default_is_written_and_read_back_in_both_forms() {
    let all: Vec<_> = catalogue::parameters().filter(|one| one.row.set_by.file && one.name != "USER_PASS").collect();
    let given = || all.iter().map(|one| Entry::new(*one, one.default()));
    let mut expected: Vec<_> = all.iter().map(|one| (one.name.to_owned(), one.default().to_owned())).collect();
    expected.sort();
    for text in [plain::write(given()), xml::write(given())] {
        let outcome = file::parse(text.as_bytes(), "all");
        let odd: Vec<_> = outcome.diagnoses.iter().filter(|one| one.code != "value.needs-network-closed").collect();
        assert!(odd.is_empty(), "{odd:?}");
        let mut got: Vec<_> = outcome.accepted.into_iter().map(|one| (one.name, one.value)).collect();
        got.sort();
        assert_eq!(got, expected);
    }
}

/// B102, B165: what a name may hold comes back out of both forms; the mark of a lost character, and what no XML file can hold, are refused.
#[test]
fn odd_characters_of_a_name_come_back_or_are_refused() {
    let parameter = catalogue::parameter("DISPLAY_NAME_1").unwrap();
    for legal in ['\u{fffc}', '\u{1fffe}', '\u{10ffff}', '\u{e000}', '\u{feff}', '&', '<', '\''] {
        let name = format!("a{legal}b");
        assert!(settings::value::check(&parameter, &name).is_ok(), "{name:?}");
        for text in [plain::write([Entry::new(parameter, &name)]), xml::write([Entry::new(parameter, &name)])] {
            let outcome = file::parse(text.as_bytes(), "some.cfg");
            assert_eq!(values(&outcome).first().map(|value| value.1), Some(name.as_str()), "{name:?}: {:?}", outcome.diagnoses);
        }
    }
    for wrong in ['\u{fffd}', '\u{fffe}', '\u{ffff}'] {
        let refused = settings::value::check(&parameter, &wrong.to_string()).unwrap_err();
        assert_eq!((refused.code.as_str(), refused.reason.contains("is no character")), ("value.illegal-character", true));
    }
}
