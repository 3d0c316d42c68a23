//! The catalogue against facts: names, ranges, defaults, web fields and XML places of the guide, and that no row contradicts
//! itself (B83, B88, B101, C1, C4 to C11, C14 to C19).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and reads its own files"
)]

use std::collections::{BTreeMap, BTreeSet};

use settings::catalogue::{self, ROWS};
use settings::row::{Access, Charset, Kind, Range, Scope, Visibility};
use settings::{listing, rules, value};

/// Sections 5.4 to 5.8 have 215 families (the lost page of the busy tone counted, C6).
#[test]
fn every_family_of_the_guide_is_there_once() {
    let of_files: Vec<_> = ROWS.iter().filter(|row| row.section.starts_with("5.")).collect();
    assert_eq!(of_files.len(), 215);
    assert!(of_files.iter().all(|row| row.set_by.file && row.guide > 0), "the guide's parameters are settable by file");
    let names: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ROWS.len());
    let count = |section: &str| of_files.iter().filter(|row| row.section.starts_with(section)).count();
    assert_eq!([count("5.4"), count("5.5"), count("5.6"), count("5.7"), count("5.8")], [24, 23, 64, 22, 82]);
}

/// The guide counts one parameter, one per line, one per codec and line, or one per button.
#[test]
fn the_families_of_the_guide_have_its_scopes() {
    let count = |scope| ROWS.iter().filter(|row| row.section.starts_with("5.") && row.scope == scope).count();
    assert_eq!([Scope::Global, Scope::Line, Scope::CodecLine, Scope::Button].map(count), [122, 88, 2, 3]);
}

/// A table of facts, one line per row, without its heading.
fn facts(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// 5.1 and 2.4.4.2: each parameter in the guide's order, whether the web or the phone sets it, too, and where it stands in XML files.
/// What the text says of the phone beyond the list (B114 to B119, C30, C38) is settable there as well.
#[test]
fn the_catalogue_is_the_guides_list_of_parameters() {
    let listed: Vec<_> = facts(include_str!("facts/parameters.tsv")).collect();
    let rows: Vec<_> = ROWS.iter().filter(|row| row.section.starts_with("5.")).collect();
    assert_eq!(listed.len(), rows.len());
    for (fact, row) in listed.iter().zip(rows) {
        let [name, elsewhere, element, attribute] = fact[..] else { panic!("{fact:?}") };
        assert_eq!(row.name, name);
        let found = row.xml.map_or(("-", "-"), |xml| (xml.element, xml.attribute));
        assert_eq!(found, (element, attribute), "{name}");
        match elsewhere {
            "web" => assert!(row.set_by.web, "{name}"),
            "other" => assert!(row.set_by.web || row.set_by.phone, "{name}"),
            "-" => assert!(!row.set_by.web, "{name}"),
            other => panic!("{other}"),
        }
    }
}

/// 4.1: each field of the web interface, with its place and who sees it.
#[test]
fn the_catalogue_is_the_guides_list_of_web_fields() {
    let listed: BTreeSet<Vec<&str>> = facts(include_str!("facts/web.tsv")).collect();
    let fields = ROWS.iter().filter_map(|row| row.web);
    let found: BTreeSet<_> = fields.map(|web| vec![web.tab, web.screen, web.section, web.label, web.access.as_str()]).collect();
    assert_eq!(found, listed);
}

/// Sections 1.1, 3.1 and 6.4: what only the phone sets.
#[test]
fn settings_of_the_phone_alone_are_rows() {
    for (name, default) in [
        ("TERMINAL_NUMBER", "0"),
        ("NTP_ENABLE", "Y"),
        ("EMBEDDED_WEB_ENABLE", "N"),
        ("AUTO_ANSWER_ENABLE", "N"),
        ("RINGER_OFF", "N"),
        ("ACCESSIBILITY_MODE", "N"),
        ("WALLPAPER_FROM_FILE", "N"),
        ("WALLPAPER_HOME_LOCK", "N"),
        ("WALLPAPER_PHONE_LOCK", "N"),
    ] {
        let row = catalogue::family(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(row.set_by.phone && !row.set_by.file && row.web.is_none(), "{name}");
        assert_eq!(row.default_for(1), default, "{name}");
    }
    let terminal = catalogue::parameter("TERMINAL_NUMBER").unwrap();
    assert!(value::check(&terminal, "9").is_ok() && value::check(&terminal, "10").is_err(), "B16");
}

#[test]
fn every_row_is_documented_and_wanted_by_somebody() {
    for row in ROWS {
        assert!(row.doc.len() > 20 && row.doc.len() < 400, "{}", row.name);
        assert!(!row.consumers.is_empty(), "{}", row.name);
        assert!(row.set_by.names().len() + usize::from(row.section == "board") > 0, "{}", row.name);
    }
}

/// name, kind, range, default of line 1, empty allowed: from the tables of 5.4 to 5.8 and 4.5.4.
#[test]
fn ranges_and_defaults_are_those_of_the_guide() {
    let facts = [
        ("ADMIN_ID", "string", "max. 16 characters", "admin", false),
        ("ADMIN_PASS", "string", "6–16 characters", "adminpass", false),
        ("USER_PASS", "string", "6–16 characters", "", false),
        ("SYSLOG_PORT", "integer", "1–65535", "514", false),
        ("FIRM_VERSION", "string", "00.000–15.999", "", true),
        (
            "CFG_STANDARD_FILE_PATH",
            "string",
            "max. 500 characters",
            "http://provisioning.e-connecting.net/redirect/conf/{mac}.cfg",
            true,
        ),
        ("CFG_FILE_KEY2", "string", "32 characters", "", true),
        ("CFG_FILE_KEY_LENGTH", "integer", "128, 192, 256", "128", false),
        ("CFG_CYCLIC_INTVL", "integer", "1–40320", "10080", false),
        ("CFG_RESYNC_TIME", "string", "00:00–23:59", "", true),
        ("CFG_RESYNC_FROM_SIP", "string", "max. 15 characters", "check-sync", false),
        ("VLAN_ID_IP_PHONE", "integer", "1–4094", "2", false),
        ("HTTP_VER", "integer", "1, 0", "1", false),
        ("TIME_QUERY_INTVL", "integer", "10–86400", "43200", false),
        ("STUN_SERV_ADDR", "string", "max. 127 characters (IP address or host name)", "", true),
        ("STUN_2NDSERV_ADDR", "string", "IP address", "", true),
        ("FIRSTDIGIT_TIM", "integer", "1–600", "30", false),
        ("INTDIGIT_TIM", "integer", "1–15", "5", false),
        ("HOLD_RECALL_TIM", "integer", "0–240", "60", false),
        ("AUTO_ANS_RING_TIM", "integer", "0–15", "5", false),
        ("DIAL_TONE1_FRQ", "comma-separated integer", "0, 200–2000; up to 2 values", "350,440", false),
        ("DIAL_TONE1_GAIN", "integer", "-24–6", "0", false),
        ("DIAL_TONE4_FRQ", "comma-separated integer", "0, 200–2000; up to 4 values", "350,440", false),
        ("BUSY_TONE_FRQ", "comma-separated integer", "0, 200–2000; up to 2 values", "480,620", false),
        ("BUSY_TONE_TIMING", "comma-separated integer", "0–16000; up to 10 values", "60,500,440", false),
        ("HOLD_TONE_TIMING", "comma-separated integer", "0–16000; up to 10 values", "500,190,190,190,2890", false),
        ("FLEX_BUTTON_LABELx", "string", "max. 10 characters or 30 bytes", "", true),
        ("CODEC_ENABLEx_n", "boolean", "Y, N", "Y", false),
        ("CODEC_PRIORITYx_n", "integer", "1–255", "1", false),
        ("RTCP_INTVL_n", "integer", "5–65535", "5", false),
        ("MAX_DELAY_n", "integer", "3–50", "20", false),
        ("MIN_DELAY_n", "integer", "1–2", "2", false),
        ("NOM_DELAY_n", "integer", "1–7", "2", false),
        ("RTP_PORT_MIN", "integer", "1024–48750 (even numbers only)", "16000", false),
        ("RTP_PORT_MAX", "integer", "1424–49150 (even numbers only)", "20000", false),
        ("RTP_PTIME", "integer", "20, 30, 40", "20", false),
        ("TELEVENT_PAYLOAD", "integer", "96–127", "101", false),
        ("DTMF_SIGNAL_LEN", "integer", "60–200 (in steps of 5)", "180", false),
        ("DISPLAY_NAME_n", "string", "max. 24 characters", "", true),
        ("DIAL_PLAN_n", "string", "max. 500 characters", "", true),
        ("SIP_USER_AGENT", "string", "max. 40 characters", "Panasonic_{MODEL}/{fwver} ({mac})", false),
        ("SIP_URI_n", "string", "max. 195 characters", "", true),
        ("LINE_ENABLE_n", "string", "Disabled, Enabled", "Enabled", false),
        ("SIP_PASS_n", "string", "max. 64 characters", "", true),
        ("SIP_SRC_PORT_n", "integer", "1024–49151", "5060", false),
        ("REG_EXPIRE_TIME_n", "integer", "1–4294967295", "3600", false),
        ("REG_INTERVAL_RATE_n", "integer", "1–100", "90", false),
        ("SIP_SESSION_TIME_n", "integer", "0, 60–65535", "0", false),
        ("SIP_TIMER_T1_n", "integer", "250, 500, 1000, 2000, 4000", "500", false),
        ("SIP_TIMER_T4_n", "integer", "0, 1, 2, 3, 4, 5", "0", false),
        ("SIP_TIMER_D_n", "integer", "0, 250–64000", "5000", false),
        ("SIP_UDP_SRV_PREFIX_n", "string", "max. 32 characters", "_sip._udp.", true),
        ("PORT_PUNCH_INTVL_n", "integer", "0, 10–300", "0", false),
        ("SIP_RESPONSE_CODE_DND", "integer", "400–699", "403", false),
        ("SIP_RESPONSE_CODE_CALL_REJECT", "integer", "400–699", "603", false),
        ("WEB_SERVER_PORT", "integer", "80, 1024–49151", "80", false),
        ("WEB_CLOSE_TIMER", "integer", "1–1440", "30", false),
    ];
    for (name, kind, range, default, empty_allowed) in facts {
        let row = catalogue::family(name).unwrap_or_else(|| panic!("{name} is missing"));
        let found = (row.kind.as_str(), row.range_text(), row.default_for(1), row.empty_allowed);
        assert_eq!(found, (kind, range.to_owned(), default, empty_allowed), "{name}");
    }
}

/// C1, B282: the later guide's ports, one per line.
#[test]
fn source_ports_differ_by_line() {
    let ports: Vec<_> =
        (1..=6).filter_map(|n| catalogue::parameter(&format!("SIP_SRC_PORT_{n}"))).map(|one| one.default()).collect();
    assert_eq!(ports, ["5060", "5070", "5080", "5090", "5100", "5110"]);
}

/// B280, B281, C66: a dealer may ship other defaults than the printed ones, the note's ports (C1) among them.
#[test]
fn a_dealers_preset_stands_before_the_printed_defaults() {
    let ports: String = (1..=6).map(|n| format!("SIP_SRC_PORT_{n}=\"{}\"\r\n", 5059 + n)).collect();
    let text = format!(
        "{}\r\nCFG_PRODUCT_FILE_PATH=\"http://a/\"\r\nCFG_MASTER_FILE_PATH=\"http://b/\"\r\n{ports}",
        settings::file::MAGIC
    );
    let mut layers = settings::Layers::new();
    let refused = layers.set_dealer(&[settings::plain::parse_preset(text.as_bytes(), "dealer.cfg")], agreements::WallTime::Unset);
    assert_eq!(refused, []);
    for (name, value) in [("CFG_PRODUCT_FILE_PATH", "http://a/"), ("CFG_MASTER_FILE_PATH", "http://b/"), ("SIP_SRC_PORT_6", "5065")]
    {
        assert_eq!(layers.effective(name), Some(value));
        assert_eq!(layers.layer(name), Some(settings::Layer::Dealer));
    }
}

/// B284: what counts minutes and what seconds.
#[test]
fn intervals_have_the_units_of_the_guide() {
    for (unit, names) in [
        ("minutes", &["CFG_CYCLIC_INTVL", "CFG_RTRY_INTVL", "WEB_CLOSE_TIMER"][..]),
        (
            "seconds",
            &[
                "LLDP_INTERVAL",
                "TIME_SYNC_INTVL",
                "TIME_QUERY_INTVL",
                "REG_EXPIRE_TIME_n",
                "REG_RTX_INTVL_n",
                "SUB_RTX_INTVL_n",
                "PORT_PUNCH_INTVL_n",
            ],
        ),
    ] {
        for name in names {
            assert_eq!(catalogue::family(name).and_then(|row| row.unit), Some(unit), "{name}");
        }
    }
}

/// C17, C30, C31, C42: what is decided where the guide is silent or says two things.
#[test]
fn rows_that_the_guide_leaves_open_are_as_decided() {
    let row = |name: &str| catalogue::family(name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(row("HOLD_RECALL_TIM").unit, Some("seconds"));
    assert!((1..=6).all(|line| catalogue::parameter(&format!("SDP_USER_ID_{line}")).is_some_and(|one| one.default().is_empty())));
    for name in ["VLAN_ID_PC", "VLAN_PRI_PC", "LLDP_VLAN_ID_PC", "LLDP_VLAN_PRI_PC"] {
        assert!(row(name).set_by.phone, "{name}");
    }
    let pairs = ["DHCP_DNS1", "DHCP_DNS2", "STATIC_DNS1", "STATIC_DNS2"].map(|name| row(name).web.expect(name));
    assert_eq!(pairs.map(|web| (web.section, web.label)), {
        let (dhcp, fixed) = ("DHCP Settings", "Static Settings");
        [(dhcp, "DNS1"), (dhcp, "DNS2"), (fixed, "DNS1"), (fixed, "DNS2")]
    });
}

/// C5: 560, then twenty times 100, then 0; up to 22 values.
#[test]
fn stutter_tone_has_twenty_two_values() {
    let stutter = catalogue::parameter("DIAL_TONE4_TIMING").map(|one| one.default().split(',').collect::<Vec<_>>());
    let stutter = stutter.unwrap_or_default();
    assert_eq!((stutter.len(), stutter[0], stutter[21]), (22, "560", "0"));
    assert!(stutter[1..21].iter().all(|one| *one == "100"));
}

/// C16, B283: the 86 printed codes.
#[test]
fn time_zones_are_the_listed_codes() {
    let row = catalogue::family("TIME_ZONE_COUNTRY").map(|row| row.range);
    let Some(Range::Choices(codes)) = row else { panic!("no choices") };
    assert_eq!(codes.len(), 86);
    assert!(codes.iter().any(|code| code.value == "90001" && code.label.starts_with("Tokyo")));
}

/// C9, C10, and the misprint of the RTP packet time.
#[test]
fn misprinted_names_are_read_as_the_right_ones() {
    for (written, meant) in [
        ("PROFILE_ENABLE_3", "PROFILE_ENABLE3"),
        ("REDIALKEY_CALLOG_ENABLE", "REDIALKEY_CALLLOG_ENABLE"),
        ("RTP_PTME", "RTP_PTIME"),
        ("PROFILE_ENABLE6", "PROFILE_ENABLE6"),
    ] {
        assert_eq!(catalogue::parameter(written).map(|one| one.name), Some(meant));
    }
    let button = catalogue::parameter("FLEX_BUTTON_FACILITY_ACT24").unwrap();
    assert!(value::check(&button, "X_PANASONIC_IPTTEL_DN").is_ok());
    assert_eq!(value::canonical(&button, "X_PANASONIC_IPTTEL_DN"), "X_PANASONIC_IPTEL_DN");
}

/// B88, B100, B101.
#[test]
fn families_unfold_to_lines_codecs_and_buttons() {
    let members = |name: &str| catalogue::members(catalogue::family(name).unwrap()).map(|one| one.name).collect::<Vec<_>>();
    assert_eq!(members("SIP_PASS_n").len(), 6);
    assert_eq!(members("FLEX_BUTTON_LABELx").len(), 24);
    assert_eq!(members("CODEC_ENABLEx_n").len(), 24);
    assert_eq!(members("EXTERNAL_RTP_PORTx").len(), 25);
    assert_eq!(members("CALL_REJECT_NUMBERx").len(), 30);
    let codec = catalogue::parameter("CODEC_ENABLE3_5").unwrap();
    assert_eq!((codec.codec, codec.number, codec.web_label().as_deref()), (3, 5, Some("G729A (Enable)")));
    assert!(catalogue::parameter("CODEC_ENABLE2_1").is_none() && catalogue::parameter("SIP_PASS_7").is_none());
    assert_eq!(codec.beside("CODEC_PRIORITYx_n").map(|one| one.name), Some("CODEC_PRIORITY3_5"));
    assert!(catalogue::parameters().all(|one| one.name.len() <= 32), "B83");
}

#[test]
fn factory_defaults_are_legal_and_do_not_clash() {
    let mut effective = BTreeMap::new();
    for parameter in catalogue::parameters() {
        let default = parameter.default();
        // The user's password is blank until it is set (C34).
        if parameter.name != "USER_PASS" {
            assert!(value::check(&parameter, default).is_ok(), "{}={default:?}", parameter.name);
        }
        assert!(
            value::advise(&parameter, default).iter().all(|one| one.code == "value.needs-network-closed"),
            "{}",
            parameter.name
        );
        effective.insert(parameter.name, default.to_owned());
    }
    assert_eq!(rules::check(&effective), []);
}

/// C15, B162 to B165: the characters of a field are those of the file.
#[test]
fn text_fields_have_the_tight_character_sets() {
    let charset = |name: &str| catalogue::family(name).unwrap().charset;
    assert_eq!(charset("ADMIN_PASS"), Charset::Account);
    assert_eq!(charset("SIP_PASS_n"), Charset::Account);
    assert_eq!(charset("SIP_RGSTR_ADDR_n"), Charset::Host);
    assert_eq!(charset("SIP_URI_n"), Charset::Uri);
    let unicode: Vec<_> = ROWS.iter().filter(|row| row.charset == Charset::Unicode).map(|row| row.name).collect();
    assert_eq!(unicode, ["FLEX_BUTTON_LABELx", "DISPLAY_NAME_n"]);
}

/// 4.6.2 and 4.7.2, in the order of the guide's own table (4.1).
#[test]
fn the_screens_of_a_line_have_their_fields_in_order() {
    let labels = |tab: &str, screen: &str| {
        let fields = catalogue::screen(tab, screen, 2);
        assert!(fields.iter().all(|one| one.number == 2));
        fields.iter().filter_map(|one| one.web_label()).collect::<Vec<_>>()
    };
    assert_eq!(
        labels("VoIP", "SIP Settings [Line n]"),
        [
            "Phone Number",
            "SIP URI",
            "Registrar Server Address",
            "Registrar Server Port",
            "Proxy Server Address",
            "Proxy Server Port",
            "Presence Server Address",
            "Presence Server Port",
            "Outbound Proxy Server Address",
            "Outbound Proxy Server Port",
            "Service Domain",
            "Source Port",
            "Authentication ID",
            "Authentication Password",
            "Enable DNS SRV lookup",
            "SRV lookup Prefix for UDP",
            "SRV lookup Prefix for TCP",
            "Transport Protocol",
            "T1 Timer",
            "T2 Timer",
            "Timer B",
            "Timer D",
            "Timer F",
            "Timer H",
            "Timer J",
            "SIP Packet QoS (DSCP)",
            "Supports 100rel (RFC 3262)",
            "Supports Session Timer (RFC 4028)",
            "Keep Alive Interval",
            "Supports Rport (RFC 3581)",
            "Enable SSAF (SIP Source Address Filter)",
        ]
    );
    let call = labels("Telephone", "Call Control [Line n]");
    assert_eq!(
        call[..6],
        [
            "Display Name",
            "Voice Mail Access Number",
            "Enable Shared Call",
            "Synchronize Do Not Disturb and Call Forward",
            "Resource List URI",
            "Dial Plan (max 500 columns)",
        ]
    );
    assert_eq!(call.last().map(String::as_str), Some("No Answer (Ring Count)"));
    let voip = labels("VoIP", "VoIP Settings [Line n]");
    assert_eq!(
        voip[10..],
        [
            "G722 (Enable)",
            "G722 (Priority)",
            "PCMA (Enable)",
            "PCMA (Priority)",
            "G729A (Enable)",
            "G729A (Priority)",
            "PCMU (Enable)",
            "PCMU (Priority)",
        ]
    );
}

/// C3: the web field shows the inverse; access as in the table of 4.1.
#[test]
fn web_fields_know_their_inverse_and_their_access() {
    let web = |name: &str| catalogue::family(name).and_then(|row| row.web).unwrap();
    assert!(web("DIAL_PLAN_NOT_MATCH_ENABLE_n").inverted && !web("SHARED_CALL_ENABLE_n").inverted);
    assert_eq!(web("DISPLAY_NAME_n").access, Access::User);
    assert_eq!(web("VM_NUMBER_n").access, Access::Administrator);
    assert_eq!(web("DEFAULT_LINE_SELECT").access, Access::User);
}

#[test]
fn xml_places_carry_the_number_marks_of_the_table() {
    let xml = |name: &str| catalogue::family(name).and_then(|row| row.xml).map(|xml| (xml.element, xml.attribute));
    assert_eq!(xml("SIP_SRC_PORT_n"), Some(("UserAgentPort[n]", "SIP_SRC_PORT_[n]")));
    assert_eq!(xml("CODEC_ENABLEx_n"), Some(("Enable", "CODEC_ENABLE[y]_[n]")));
    assert_eq!(xml("FLEX_BUTTON_LABELx"), Some(("ButtonMessage", "FLEX_BUTTON_LABEL[x]")));
    assert_eq!(xml("PROFILE_ENABLEn"), Some(("Enable", "PROFILE_ENABLE[n]")));
    assert_eq!(xml("KEY_PAD_TONE"), None);
}

/// A service sees what names it; the web interface sees of secrets only whether they are set.
#[test]
fn services_see_their_rows_alone() {
    let seen = |name: &str, service: &str| catalogue::family(name).unwrap().visibility(service);
    assert_eq!(seen("SIP_PASS_n", "sip-agent"), Visibility::Full);
    assert_eq!(seen("SIP_PASS_n", "web-ui"), Visibility::Masked);
    assert_eq!(seen("SIP_PASS_n", "media-engine"), Visibility::Hidden);
    assert_eq!(seen("ADMIN_PASS", "web-ui"), Visibility::Full);
    assert_eq!(seen("SIP_SRC_PORT_n", "web-ui"), Visibility::Shown);
    assert_eq!(seen("CFG_FILE_KEY1", "web-ui"), Visibility::Hidden);
}

/// The form that scripts read.
#[test]
fn the_listing_has_the_promised_form() -> Result<(), serde_json::Error> {
    let list = serde_json::to_value(listing::families())?;
    let list = list.as_array().unwrap();
    let of = |name: &str| list.iter().find(|one| one["name"] == name).unwrap();
    let port = of("SIP_SRC_PORT_n");
    let keys: BTreeSet<_> = port.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = "name scope kind range default empty_allowed secret set_by xml web effect pending doc";
    assert_eq!(keys, promised.split(' ').collect());
    assert_eq!(port["default"][5], "5110");
    assert_eq!(port["set_by"], serde_json::json!(["file", "web"]));
    assert_eq!(port["web"]["screen"], "SIP Settings [Line n]");
    assert_eq!(of("CODEC_ENABLEx_n")["scope"], "codec x line");
    assert_eq!(of("TALK_PACKAGE")["web"], serde_json::Value::Null);
    assert_eq!(of("ADMIN_PASS")["default"], agreements::MASK);
    assert_eq!(of("SIP_PASS_n")["default"], "");
    Ok(())
}

#[test]
fn numbers_that_a_form_shows_have_numbers_of_their_kind() {
    for row in ROWS {
        let number = matches!(row.range, Range::Integers { .. } | Range::List { .. });
        assert!(!(number && row.kind == Kind::String), "{}", row.name);
        let buttons = row.scope == Scope::Button;
        assert_eq!(buttons, row.section == "5.6.4", "{}", row.name);
    }
}
