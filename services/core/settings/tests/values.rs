//! Which values are legal, one row of a table each, and what a refusal says (B58, B82, B85, B89 to B93, B161 to B165, B246, B308,
//! C4, C8, C11, C12, C14, C39, C58).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "a test fails by panicking and reads its own files"
)]

use agreements::Diagnosis;
use settings::{catalogue, value};

fn check(name: &str, text: &str) -> Result<(), Diagnosis> {
    value::check(&catalogue::parameter(name).unwrap_or_else(|| panic!("{name}")), text)
}

/// B58, C39: the ends of what is legal.
#[test]
fn legal_values_are_taken() {
    let url = format!("http://{}:{}@host/{}", "u".repeat(127), "p".repeat(127), "x".repeat(232));
    let address = "a".repeat(127);
    let uri = format!("sip:{}@{}", "u".repeat(63), "h".repeat(127));
    for (name, text) in [
        ("SIP_SRC_PORT_1", "1024"),
        ("SIP_SRC_PORT_6", "49151"),
        ("REG_EXPIRE_TIME_1", "4294967295"),
        ("DIAL_TONE1_GAIN", "-24"),
        ("SIP_SESSION_TIME_1", "0"),
        ("SIP_SESSION_TIME_1", "60"),
        ("RTP_PORT_MIN", "48750"),
        ("DTMF_SIGNAL_LEN", "65"),
        ("SIP_TIMER_T1_1", "250"),
        ("DIAL_TONE1_FRQ", "0"),
        ("DIAL_TONE1_FRQ", "200,2000"),
        ("DIAL_TONE4_FRQ", "350,440,350,440"),
        ("SIP_RGSTR_ADDR_1", "127.0.0.2"),
        ("SIP_RGSTR_ADDR_1", "registrar.example.com"),
        ("SIP_RGSTR_ADDR_1", "2001:db8::1"),
        ("SIP_RGSTR_ADDR_1", address.as_str()),
        ("SIP_RGSTR_ADDR_1", ""),
        ("SIP_2NDPROXY_ADDR_1", "192.168.0.1"),
        ("SIP_URI_1", uri.as_str()),
        ("SIP_URI_1", "sip:user@example.com"),
        ("DISPLAY_NAME_1", "Jürgen 日本 <&'>"),
        ("FLEX_BUTTON_LABEL1", "ああああああああああ"),
        ("CFG_STANDARD_FILE_PATH", url.as_str()),
        ("CFG_STANDARD_FILE_PATH", "tftp://192.168.0.130/Config{MAC}.cfg"),
        ("CFG_STANDARD_FILE_PATH", "https://[2001:db8::1]:8443/dir/"),
        ("CFG_FILE_KEY1", "0123456789abcdef0123456789ABCDEF"),
        ("CFG_FILE_KEY1", ""),
        ("CFG_RESYNC_TIME", "23:59"),
        ("FIRM_VERSION", "15.999"),
        ("ADMIN_PASS", "secret"),
        ("SIP_USER_AGENT", "Panasonic_{MODEL}/{fwver} ({mac})"),
        ("WEB_SERVER_PORT", "80"),
        ("TIME_ZONE_COUNTRY", "-110001"),
        ("FLEX_BUTTON_FACILITY_ACT1", ""),
        ("STATIC_SUBNET_MASK", "255.255.254.0"),
        ("SIM_ADDRESS", "127.0.0.1"),
    ] {
        assert_eq!(check(name, text), Ok(()), "{name}={text:?}");
    }
}

/// B58, B82, C4, C14, C39: one step beyond.
#[test]
fn illegal_values_are_refused_with_a_code_and_a_way_out() {
    let long_user = format!("http://{}@host/", "u".repeat(128));
    let long_place = format!("http://host/{}", "x".repeat(234));
    let long_address = "a".repeat(128);
    for (name, text, code, hint) in [
        ("SIP_SRC_PORT_1", "1023", "value.out-of-range", "1024–49151"),
        ("SIP_SRC_PORT_1", "99999999999999999999999", "value.out-of-range", "1024–49151"),
        ("SIP_SRC_PORT_1", "", "value.empty", "1024–49151"),
        ("SIP_SRC_PORT_1", "+5060", "value.not-a-number", "1024–49151"),
        ("SIP_SRC_PORT_1", " 5060", "value.not-a-number", "without the blanks"),
        ("SIP_SRC_PORT_1", "-", "value.not-a-number", "1024–49151"),
        ("SIP_SESSION_TIME_1", "59", "value.out-of-range", "0, 60–65535"),
        ("RTP_PORT_MIN", "16001", "value.wrong-step", "16000 or 16002"),
        ("DTMF_SIGNAL_LEN", "62", "value.wrong-step", "60 or 65"),
        ("SIP_TIMER_T1_1", "300", "value.not-a-choice", "250, 500"),
        ("TALK_PACKAGE", "y", "value.lower-case-flag", "use upper-case Y"),
        ("TALK_PACKAGE", "Yes", "value.not-a-flag", "write Y"),
        ("TALK_PACKAGE", "0", "value.not-a-flag", "write N"),
        ("TALK_PACKAGE", "maybe", "value.not-a-flag", "Y or N"),
        ("LINE_ENABLE_1", "enabled", "value.not-a-choice", "write \"Enabled\""),
        ("SIP_TRANSPORT_1", "TCP", "value.not-a-choice", "write \"1\""),
        ("BUSY_TONE_TIMING", "500/500", "value.list-separator", "\"500,500\""),
        ("BUSY_TONE_TIMING", "60, 500", "value.list-separator", "\"60,500\""),
        ("BUSY_TONE_FRQ", "480,620,700", "value.too-many", "leave out the last 1"),
        ("BUSY_TONE_FRQ", "100", "value.out-of-range", "200–2000"),
        ("BUSY_TONE_FRQ", "480,", "value.not-a-number", "200–2000"),
        ("SIP_RGSTR_ADDR_1", "127.0.0.1", "value.unusable-address", "real address"),
        ("SIP_RGSTR_ADDR_1", "0.0.0.0", "value.unusable-address", "real address"),
        ("SIP_RGSTR_ADDR_1", "255.255.255.255", "value.unusable-address", "real address"),
        ("SIP_RGSTR_ADDR_1", "192.168.0.300", "value.not-an-address", "0 to 255"),
        ("SIP_RGSTR_ADDR_1", "sip.example.com:5080", "value.not-a-host", "SIP_RGSTR_PORT_1"),
        ("SIP_RGSTR_ADDR_1", "sip://sip.example.com/", "value.not-a-host", "\"sip.example.com\""),
        ("SIP_RGSTR_ADDR_1", "a b", "value.illegal-character", "space"),
        ("SIP_RGSTR_ADDR_1", long_address.as_str(), "value.too-long", "127"),
        ("SIP_2NDPROXY_ADDR_1", "proxy.example.com", "value.not-an-address", "192.168.0.10"),
        ("SIP_URI_1", "user@example.com", "value.not-a-sip-uri", "\"sip:user@example.com\""),
        ("SIP_URI_1", "sip:example.com", "value.not-a-sip-uri", "sip:user@host"),
        ("SIP_URI_1", "sip:user@example.com:5060", "value.illegal-character", "sip:"),
        ("SIP_AUTHID_1", "a:b", "value.illegal-character", "without"),
        ("DISPLAY_NAME_1", "1234567890123456789012345", "value.too-long", "24"),
        ("DISPLAY_NAME_1", "a\u{7}b", "value.illegal-character", "control"),
        ("DISPLAY_NAME_1", "say \"hello\"", "value.illegal-character", "double quote"),
        ("VM_NUMBER_1", "Zürich", "value.illegal-character", "ASCII"),
        ("FLEX_BUTTON_LABEL1", "01234567890", "value.too-long", "10 characters"),
        ("FLEX_BUTTON_LABEL1", "😀😀😀😀😀😀😀😀", "value.too-long", "30 bytes"),
        ("CFG_STANDARD_FILE_PATH", "prov.example.com/a.cfg", "value.not-a-url", "scheme://"),
        ("CFG_STANDARD_FILE_PATH", "gopher://host/", "value.not-a-url", "http"),
        ("CFG_STANDARD_FILE_PATH", "http://", "value.not-a-url", "http://host/path"),
        ("CFG_STANDARD_FILE_PATH", "http://host:99999/", "value.not-a-url", "65535"),
        ("CFG_STANDARD_FILE_PATH", "http://host/a b", "value.not-a-url", "%20"),
        ("CFG_STANDARD_FILE_PATH", long_user.as_str(), "value.too-long", "account"),
        ("CFG_STANDARD_FILE_PATH", long_place.as_str(), "value.too-long", "245"),
        ("CFG_RESYNC_TIME", "24:00", "value.not-a-time", "23:59"),
        ("CFG_RESYNC_TIME", "7:30", "value.not-a-time", "two digits"),
        ("FIRM_VERSION", "16.000", "value.not-a-version", "15.999"),
        ("ADMIN_PASS", "short", "value.too-short", "6–16"),
        ("USER_PASS", "", "value.empty", "6–16"),
        ("ADMIN_ID", "", "value.empty", "16"),
        ("WEB_SERVER_PORT", "443", "value.out-of-range", "80, 1024"),
        ("TIME_ZONE_COUNTRY", "3", "value.not-a-choice", "86"),
        ("INTERNATIONAL_ACCESS_CODE", "00+", "value.illegal-character", "0-9"),
        ("DIAL_PLAN_1", "1xS", "value.dial-plan", "S2"),
        ("STATIC_SUBNET_MASK", "255.0.255.0", "value.not-a-mask", "255.255.255.0"),
    ] {
        let refused = check(name, text).expect_err(&format!("{name}={text:?}"));
        assert_eq!((refused.code.as_str(), refused.name.as_str()), (code, name), "{name}={text:?}");
        let told = format!("{} | {}", refused.reason, refused.suggestion);
        assert!(told.contains(hint), "{name}={text:?}: {told}");
    }
}

/// No diagnosis shows what was typed into a secret field.
#[test]
fn a_refused_secret_is_not_repeated() {
    for secret in ["hunter 2", "pass:word", "geheimnis!geheimnis!geheimnis!", "s<cret"] {
        for name in ["ADMIN_PASS", "SIP_PASS_1", "CFG_FILE_KEY1"] {
            if let Err(refused) = check(name, secret) {
                let all = format!("{refused:?}");
                assert!(!all.contains(secret), "{all}");
            }
        }
    }
}

/// Field notes: legal, but hardly meant.
#[test]
fn suspicious_values_are_taken_with_a_warning() {
    for (name, text, code, hint) in [
        ("CFG_RESYNC_FROM_SIP", "Y", "value.event-looks-like-flag", "check-sync"),
        ("SIP_USER_AGENT", "Panasonic_{MODEL}{/{fwver}", "value.unknown-macro", "only {mac}"),
        ("CFG_STANDARD_FILE_PATH", "http://host/{Mac}.cfg", "value.unknown-macro", "write {mac}"),
        ("BUSY_TONE_TIMING", "20,500", "value.short-pause", "60 or more"),
        ("VLAN_ID_PC", "7", "value.needs-network-closed", "NW_SETTING_ENABLE"),
    ] {
        let parameter = catalogue::parameter(name).unwrap();
        assert_eq!(value::check(&parameter, text), Ok(()));
        let advice = value::advise(&parameter, text);
        assert_eq!(advice.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), [code], "{name}={text}");
        assert!(advice[0].suggestion.contains(hint), "{}", advice[0].suggestion);
    }
    // HOLD_ALARM and CW_TONE1 begin with a sound (C7).
    assert!(value::advise(&catalogue::parameter("CW_TONE1_TIMING").unwrap(), "20,500").is_empty());
}
