//! The seven layers: whose value is in effect, what a save and a run may do (B109 to B120; C2, C32, C60, C64, C66, C67). Resets and
//! the history are in resets.rs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and reads its own files"
)]

use agreements::{MASK, WallTime};
use settings::layers::{FORMAT, Layer, Layers, Origin, Plan, Record, Refused, RunFile, RunPlan};
use settings::plain;

const MAGIC: &str = "# Panasonic SIP Phone Standard Format File #\r\n";
const NOW: WallTime = WallTime::Unix(1_700_000_000);

fn read(lines: &[&str]) -> plain::FileOutcome {
    let text = format!("{MAGIC}{}\r\n", lines.join("\r\n"));
    plain::parse_preset(text.as_bytes(), "file.cfg")
}

fn run(layers: &mut Layers, files: &[(Layer, &[&str])]) -> RunPlan {
    let outcomes: Vec<_> = files.iter().map(|(_, lines)| read(lines)).collect();
    let of_run: Vec<_> = files
        .iter()
        .zip(&outcomes)
        .map(|((layer, _), outcome)| RunFile { layer: *layer, source: "http://host/file.cfg", outcome })
        .collect();
    let run = layers.provision(&of_run, NOW);
    layers.commit(run.plan.clone());
    run
}

fn try_save(layers: &Layers, changes: &[(&str, &str)], origin: Origin) -> Result<Plan, Refused> {
    let changes: Vec<_> = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    layers.apply(&changes, origin, "web admin", NOW)
}

fn save(layers: &mut Layers, changes: &[(&str, &str)], origin: Origin) {
    let plan = try_save(layers, changes, origin).expect("legal");
    layers.commit(plan);
}

fn codes(refused: &Refused) -> Vec<(&str, &str)> {
    refused.0.iter().map(|one| (one.name.as_str(), one.code.as_str())).collect()
}

/// B109, C66: user, standard, product, master, pre-provisioning, dealer, factory.
#[test]
fn the_highest_layer_that_has_a_value_wins() {
    let mut layers = Layers::new();
    let name = "INTDIGIT_TIM";
    let state = |layers: &Layers| (layers.effective(name).map(str::to_owned), layers.layer(name));
    let expected = |value: &str, layer| (Some(value.to_owned()), Some(layer));
    assert_eq!(state(&layers), expected("5", Layer::Factory));
    layers.set_dealer(&[read(&["INTDIGIT_TIM=\"6\""]), read(&["INTDIGIT_TIM=\"7\"", "FIRSTDIGIT_TIM=\"9\""])], NOW);
    assert_eq!(state(&layers), expected("6", Layer::Dealer));
    assert_eq!(layers.effective("FIRSTDIGIT_TIM"), Some("9"));
    for (layer, value) in [(Layer::PreProvisioning, "8"), (Layer::Master, "9"), (Layer::Product, "10"), (Layer::Standard, "11")] {
        run(&mut layers, &[(layer, &[&format!("INTDIGIT_TIM=\"{value}\"")])]);
        assert_eq!(state(&layers), expected(value, layer));
    }
    save(&mut layers, &[(name, "12")], Origin::Web);
    assert_eq!(state(&layers), expected("12", Layer::User));
    let shown = layers.explain(name).expect("known");
    let values: Vec<_> = shown.layers.iter().map(|one| (one.layer.as_str(), one.value.as_str())).collect();
    assert_eq!(
        values,
        [
            ("user", "12"),
            ("standard", "11"),
            ("product", "10"),
            ("master", "9"),
            ("pre-provisioning", "8"),
            ("dealer", "6"),
            ("factory", "5"),
        ]
    );
    assert_eq!((shown.layers[0].source.as_str(), shown.layers[0].time), ("web admin", 1_700_000_000));
    assert_eq!((shown.layers[1].source.as_str(), shown.layers[1].line), ("http://host/file.cfg", 2));
}

/// B110: of web and phone the newest wins.
#[test]
fn web_and_phone_share_a_layer_and_the_newest_wins() {
    let mut layers = Layers::new();
    save(&mut layers, &[("LLDP_INTERVAL", "40")], Origin::Web);
    save(&mut layers, &[("LLDP_INTERVAL", "50")], Origin::Phone);
    assert_eq!(layers.effective("LLDP_INTERVAL"), Some("50"));
    save(&mut layers, &[("LLDP_INTERVAL", "60")], Origin::Web);
    assert_eq!(layers.effective("LLDP_INTERVAL"), Some("60"));
}

/// B111: a value of the web page beats a different one of any file, now and when the file comes later.
#[test]
fn a_web_value_beats_a_different_one_of_a_file() {
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Master, &["DISPLAY_NAME_1=\"Master\""])]);
    save(&mut layers, &[("DISPLAY_NAME_1", "Web")], Origin::Web);
    for layer in Layer::FILES {
        run(&mut layers, &[(layer, &["DISPLAY_NAME_1=\"File\""])]);
        assert_eq!((layers.effective("DISPLAY_NAME_1"), layers.layer("DISPLAY_NAME_1")), (Some("Web"), Some(Layer::User)));
    }
    let shown = layers.explain("DISPLAY_NAME_1").expect("known");
    assert_eq!(shown.layers[0].reason, "in effect: the highest layer that has one");
    assert!(shown.layers[1].reason.contains("comes first"), "{:?}", shown.layers);
}

/// C64: an SD import goes to the layer of its type, like the file of that type that came over the network.
#[test]
fn an_imported_file_writes_the_layer_of_its_type() {
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Standard, &["DISPLAY_NAME_1=\"Server\"", "DISPLAY_NAME_2=\"Stays\""])]);
    let card = read(&["DISPLAY_NAME_1=\"Card\""]);
    layers.commit(layers.merge_file(Layer::Standard, "/media/sd/Config.cfg", &card, NOW).plan);
    let shown = layers.explain("DISPLAY_NAME_1").expect("known");
    assert_eq!((shown.effective.as_str(), shown.layers[0].layer.as_str()), ("Card", "standard"));
    assert_eq!((shown.layers[0].source.as_str(), shown.layers[0].line, shown.layers.len()), ("/media/sd/Config.cfg", 2, 2));
    assert_eq!(layers.effective("DISPLAY_NAME_2"), Some("Stays"));
}

/// B112, C60: for buttons the files beat the user.
#[test]
fn files_beat_the_user_for_buttons() {
    let mut layers = Layers::new();
    save(&mut layers, &[("FLEX_BUTTON_LABEL1", "Mine")], Origin::Phone);
    assert_eq!(layers.effective("FLEX_BUTTON_LABEL1"), Some("Mine"));
    run(&mut layers, &[(Layer::Master, &["FLEX_BUTTON_LABEL1=\"Theirs\""])]);
    assert_eq!((layers.effective("FLEX_BUTTON_LABEL1"), layers.layer("FLEX_BUTTON_LABEL1")), (Some("Theirs"), Some(Layer::Master)));
    let order: Vec<_> = layers.explain("FLEX_BUTTON_LABEL1").expect("known").layers.into_iter().map(|one| one.layer).collect();
    assert_eq!(order, ["master", "user", "factory"]);
    let reason = &layers.explain("FLEX_BUTTON_LABEL1").expect("known").layers[1].reason;
    assert!(reason.contains("buttons"), "{reason}");
}

/// B114, B116 to B119: once the phone has set one of a group, file values of the whole group stand back.
#[test]
fn a_value_set_on_the_phone_hides_the_file_values_of_its_group() {
    let mut layers = Layers::new();
    run(
        &mut layers,
        &[(Layer::Standard, &["NTP_ADDR=\"ntp.example.com\"", "TIME_QUERY_INTVL=\"3600\"", "DISPLAY_TIME_PATTERN=\"2\""])],
    );
    assert_eq!(layers.effective("TIME_QUERY_INTVL"), Some("3600"));
    save(&mut layers, &[("NTP_ADDR", "time.example.com")], Origin::Phone);
    assert_eq!(layers.effective("NTP_ADDR"), Some("time.example.com"));
    assert_eq!((layers.effective("TIME_QUERY_INTVL"), layers.layer("TIME_QUERY_INTVL")), (Some("43200"), Some(Layer::Factory)));
    assert_eq!(layers.effective("DISPLAY_TIME_PATTERN"), Some("2"), "another group");
    let notes = layers.explain("TIME_QUERY_INTVL").expect("known").notes;
    assert!(notes.iter().any(|note| note.contains("set on the phone")), "{notes:?}");
}

/// B114 time zone, B116 time server, B117 tones of keys, B118 formats, B119 language: what a file says of the same thing later stands
/// back as well, and `explain` says why.
#[test]
fn a_file_cannot_take_back_what_was_set_on_the_phone() {
    for (name, phone, file) in [
        ("TIME_ZONE_COUNTRY", "90001", "10001"),
        ("NTP_ADDR", "time.example.com", "ntp.example.com"),
        ("KEY_PAD_TONE", "N", "Y"),
        ("DISPLAY_DATE_PATTERN", "1", "2"),
        ("DISPLAY_TIME_PATTERN", "1", "2"),
        ("DEFAULT_LANGUAGE", "de", "fr"),
    ] {
        let line = format!("{name}=\"{file}\"");
        let mut layers = Layers::new();
        run(&mut layers, &[(Layer::Standard, &[&line])]);
        assert_eq!(layers.effective(name), Some(file), "{name}: nothing was set on the phone yet");
        save(&mut layers, &[(name, phone)], Origin::Phone);
        run(&mut layers, &[(Layer::Standard, &[&line]), (Layer::Master, &[&line])]);
        assert_eq!((layers.effective(name), layers.layer(name)), (Some(phone), Some(Layer::User)), "{name}");
        let shown = layers.explain(name).expect("known");
        assert!(shown.layers[1].reason.contains("was set on the phone"), "{name}: {:?}", shown.layers);
    }
}

/// B116 to B118: the other rows of a group stand back too, with their factory default and not with what a file says.
#[test]
fn one_value_set_on_the_phone_closes_its_whole_group_to_files() {
    for (set, value, other, file) in [
        ("NTP_ADDR", "time.example.com", "TIME_SYNC_INTVL", "90"),
        ("NTP_ADDR", "time.example.com", "TIME_QUERY_INTVL", "3600"),
        ("DISPLAY_DATE_PATTERN", "1", "DISPLAY_TIME_PATTERN", "2"),
        ("DISPLAY_TIME_PATTERN", "1", "DISPLAY_DATE_PATTERN", "2"),
    ] {
        let mut layers = Layers::new();
        save(&mut layers, &[(set, value)], Origin::Phone);
        run(&mut layers, &[(Layer::Standard, &[&format!("{other}=\"{file}\"")])]);
        assert_eq!(layers.layer(other), Some(Layer::Factory), "{other} after {set}");
    }
}

/// B115, C32: VLAN values of files need NW_SETTING_ENABLE=N.
#[test]
fn vlan_values_of_files_need_closed_network_settings() {
    let mut layers = Layers::new();
    let first = run(&mut layers, &[(Layer::Standard, &["VLAN_ENABLE=\"Y\""])]);
    assert!(first.plan.diagnoses.iter().any(|one| one.reason.contains("needs NW_SETTING_ENABLE=N")));
    assert_eq!(layers.effective("VLAN_ENABLE"), Some("N"));
    let reason = layers.explain("VLAN_ENABLE").expect("known").layers[0].reason.clone();
    assert_eq!(reason, "stored, not applied: needs NW_SETTING_ENABLE=N");
    run(&mut layers, &[(Layer::Master, &["NW_SETTING_ENABLE=\"N\""])]);
    assert_eq!(layers.effective("VLAN_ENABLE"), Some("Y"));
}

/// B115: and what was set on the phone before stays.
#[test]
fn vlan_values_set_on_the_phone_stay_whatever_a_file_says() {
    let mut layers = Layers::new();
    save(&mut layers, &[("VLAN_ID_IP_PHONE", "7")], Origin::Phone);
    run(&mut layers, &[(Layer::Master, &["NW_SETTING_ENABLE=\"N\"", "VLAN_ID_IP_PHONE=\"9\"", "VLAN_ID_PC=\"11\""])]);
    assert_eq!((layers.effective("VLAN_ID_IP_PHONE"), layers.effective("VLAN_ID_PC")), (Some("7"), Some("11")));
}

/// B4, B5: closed network settings can be shown but not changed at the unit.
#[test]
fn closed_network_settings_refuse_changes_at_the_unit() {
    let mut layers = Layers::new();
    save(&mut layers, &[("DHCP_DNS1", "192.168.0.1")], Origin::Web);
    let closing = run(&mut layers, &[(Layer::Master, &["NW_SETTING_ENABLE=\"N\""])]);
    assert!(closing.plan.diagnoses.iter().any(|one| one.code == "network.values-by-hand"), "B120");
    let refused = try_save(&layers, &[("CONNECTION_MODE", "DHCP")], Origin::Phone).err().expect("closed");
    assert_eq!(codes(&refused), [("CONNECTION_MODE", "set.network-closed")]);
    assert!(try_save(&layers, &[("DISPLAY_NAME_1", "x")], Origin::Web).is_ok());
}

/// C2: a save is whole or nothing, and says for each value why.
#[test]
fn a_save_is_all_or_nothing() {
    let layers = Layers::new();
    let refused = try_save(
        &layers,
        &[("DISPLAY_NAME_1", "fine"), ("SIP_SRC_PORT_1", "80"), ("NO_SUCH", "1"), ("SIP_TIMER_T4_1", "1"), ("DISPLAY_NAME_1", "x")],
        Origin::Web,
    );
    let refused = refused.err().expect("refused");
    assert_eq!(
        codes(&refused),
        [
            ("SIP_SRC_PORT_1", "value.out-of-range"),
            ("NO_SUCH", "name.unknown"),
            ("SIP_TIMER_T4_1", "set.not-here"),
            ("DISPLAY_NAME_1", "set.twice"),
        ]
    );
    assert!(try_save(&layers, &[("SIP_TIMER_T4_1", "1"), ("ADMIN_ID", "root")], Origin::Admin).is_ok(), "an administrator may");
}

/// Exactly what as-feature-event speaks of.
#[test]
fn a_lines_sip_server_sets_do_not_disturb_and_forwarding_alone() {
    let set_by_server: Vec<&str> = settings::catalogue::ROWS.iter().filter(|row| row.set_by.server).map(|row| row.name).collect();
    let forwarding =
        ["ALL_ENABLE", "ALL_NUMBER", "BUSY_ENABLE", "BUSY_NUMBER", "NOANSWER_ENABLE", "NOANSWER_NUMBER", "NOANSWER_RINGS"];
    let forwarding = forwarding.map(|row| format!("FWD_{row}_n"));
    assert_eq!(set_by_server, [&["DO_NOT_DISTURB_n"][..], &forwarding.each_ref().map(String::as_str)].concat());
    let mut layers = Layers::new();
    save(&mut layers, &[("DO_NOT_DISTURB_2", "Y"), ("FWD_ALL_ENABLE_2", "Y"), ("FWD_ALL_NUMBER_2", "300")], Origin::Server);
    assert_eq!((layers.effective("DO_NOT_DISTURB_2"), layers.layer("DO_NOT_DISTURB_2")), (Some("Y"), Some(Layer::User)));
    let refused = try_save(&layers, &[("BLOCK_ANONYMOUS_CALL_2", "Y")], Origin::Server).err().expect("a row of the same screen");
    assert_eq!(codes(&refused), [("BLOCK_ANONYMOUS_CALL_2", "set.not-here")]);
}

/// B170, B171, B175, B177, B181, B172, B179: one story for each cross-field rule, from the web and from a file.
#[test]
fn clashing_values_are_refused_whatever_way_they_come() {
    for (changes, code) in [
        (&[("SIP_SRC_PORT_2", "5060")][..], "clash.port"),
        (&[("WEB_SERVER_PORT", "5070")], "clash.port"),
        (&[("RTP_PORT_MAX", "16200")], "clash.rtp-range"),
        (&[("MAX_DELAY_1", "5"), ("NOM_DELAY_1", "5")], "clash.jitter-order"),
        (&[("MIN_DELAY_2", "2"), ("NOM_DELAY_2", "1")], "clash.jitter-order"),
        (&[("SHARED_CALL_ENABLE_1", "Y"), ("FWD_DND_SYNCHRO_ENABLE_1", "Y")], "clash.shared-call"),
        (&[("HTTP_PROXY_ENABLE", "Y")], "clash.required"),
        (&[("FWD_BUSY_ENABLE_3", "Y")], "clash.required"),
        (&[("GLOBAL_IP_ENABLE_1", "Y")], "clash.required"),
        (&[("DNS_MODE", "MANUAL")], "clash.required"),
        (&[("EXTERNAL_RTP_PORT1", "30000"), ("GLOBAL_IP_ADDRESS", "203.0.113.9")], "clash.external-rtp-incomplete"),
    ] {
        let refused = try_save(&Layers::new(), changes, Origin::Web).err().expect(code);
        assert!(refused.0.iter().all(|one| one.code == code && changes.iter().any(|(name, _)| *name == one.name)), "{refused}");
        let lines: Vec<_> = changes.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        if settings::catalogue::parameter(changes[0].0).is_some_and(|one| one.row.set_by.file) {
            let mut layers = Layers::new();
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let run = run(&mut layers, &[(Layer::Standard, &lines)]);
            assert!(run.plan.diagnoses.iter().any(|one| one.code == code && one.line > 1), "{changes:?}");
            assert_eq!(run.files[0].skipped, 1, "{changes:?}");
        }
    }
    // Swapping is legal: only the outcome counts.
    assert!(try_save(&Layers::new(), &[("SIP_SRC_PORT_1", "5070"), ("SIP_SRC_PORT_2", "5060")], Origin::Web).is_ok());
}

/// B168, B169: 25 external ports, unique, not on a source port nor one below it.
#[test]
fn external_ports_keep_clear_of_source_ports() {
    let ports = |first: u16| {
        let mut changes: Vec<_> = (1..=25_u16).map(|n| (format!("EXTERNAL_RTP_PORT{n}"), (first + 2 * n).to_string())).collect();
        changes.push(("GLOBAL_IP_ADDRESS".to_owned(), "203.0.113.9".to_owned()));
        changes
    };
    let layers = Layers::new();
    assert!(layers.apply(&ports(30000), Origin::Web, "web admin", NOW).is_ok());
    let refused = layers.apply(&ports(5050), Origin::Web, "web admin", NOW).err().expect("5060 is line 1");
    assert!(refused.0.iter().any(|one| one.name == "EXTERNAL_RTP_PORT5" && one.code == "clash.port"), "{refused}");
    let mut odd = ports(5048);
    odd.extend((1..=6).map(|line| (format!("SIP_SRC_PORT_{line}"), (5059 + 100 * line).to_string())));
    odd.push(("SIP_SRC_PORT_1".to_owned(), "5053".to_owned()));
    odd.remove(26);
    let refused = layers.apply(&odd, Origin::Web, "web admin", NOW).err().expect("5053 is the RTCP port of 5052");
    assert!(refused.0.iter().any(|one| one.reason.contains("EXTERNAL_RTP_PORT2")), "{refused}");
}

/// C44: only a warning.
#[test]
fn a_source_port_inside_the_rtp_range_is_a_warning() {
    let plan = try_save(&Layers::new(), &[("SIP_SRC_PORT_1", "16002")], Origin::Web).expect("legal");
    assert!(plan.diagnoses.iter().any(|one| one.code == "clash.port-in-rtp-range" && one.name == "SIP_SRC_PORT_1"));
    let mut layers = Layers::new();
    let run = run(&mut layers, &[(Layer::Standard, &["SIP_SRC_PORT_1=\"16002\""])]);
    let warned = run.plan.diagnoses.iter().find(|one| one.code == "clash.port-in-rtp-range").expect("told");
    assert_eq!((warned.line, run.files[0].applied), (2, 1));
}

/// C67: a file merges; an empty value is a value; unchanged values write nothing.
#[test]
fn a_file_merges_into_its_layer() {
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Standard, &["DISPLAY_NAME_1=\"One\"", "DISPLAY_NAME_2=\"Two\""])]);
    let second = run(&mut layers, &[(Layer::Standard, &["DISPLAY_NAME_2=\"\""])]);
    assert_eq!((layers.effective("DISPLAY_NAME_1"), layers.effective("DISPLAY_NAME_2")), (Some("One"), Some("")));
    assert_eq!(layers.layer("DISPLAY_NAME_2"), Some(Layer::Standard));
    assert_eq!(second.plan.changed.iter().map(|one| one.name).collect::<Vec<_>>(), ["DISPLAY_NAME_2"]);
    let again = run(&mut layers, &[(Layer::Standard, &["DISPLAY_NAME_2=\"\""])]);
    assert!(again.plan.is_empty() && again.plan.changed.is_empty());
    assert_eq!((again.files[0].unchanged, again.files[0].applied), (true, 1));
}

/// One run is one plan: a rejected file leaves its layer as it was, the others apply.
#[test]
fn a_rejected_file_leaves_its_layer_as_it_was() {
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Standard, &["DISPLAY_NAME_1=\"Old\""])]);
    let standard = plain::parse(b"# no magic\r\nDISPLAY_NAME_1=\"New\"\r\n", "std.cfg");
    let master = read(&["INTDIGIT_TIM=\"9\""]);
    let run = layers.provision(
        &[
            RunFile { layer: Layer::Master, source: "http://host/m.cfg", outcome: &master },
            RunFile { layer: Layer::Standard, source: "http://host/s.cfg", outcome: &standard },
        ],
        NOW,
    );
    let report: Vec<_> = run.files.iter().map(|one| (one.layer, one.rejected, one.unchanged, one.applied)).collect();
    assert_eq!(report, [(Layer::Master, false, false, 1), (Layer::Standard, true, true, 0)]);
    layers.commit(run.plan);
    assert_eq!((layers.effective("DISPLAY_NAME_1"), layers.effective("INTDIGIT_TIM")), (Some("Old"), Some("9")));
}

/// C2: of two files the lower one's line loses, of two lines of one file the later one, whatever order the files come in.
#[test]
fn the_later_line_of_the_lower_file_gives_way() {
    for turned in [false, true] {
        let mut files: Vec<(Layer, &[&str])> = vec![
            (Layer::Master, &["TALK_PACKAGE=\"Y\"", "SIP_SRC_PORT_2=\"6000\""]),
            (Layer::Standard, &["SIP_SRC_PORT_1=\"6000\""]),
        ];
        if turned {
            files.reverse();
        }
        let mut layers = Layers::new();
        let run = run(&mut layers, &files);
        assert_eq!((layers.effective("SIP_SRC_PORT_1"), layers.effective("SIP_SRC_PORT_2")), (Some("6000"), Some("5070")));
        let told: Vec<_> = run.plan.diagnoses.iter().map(|one| (one.name.as_str(), one.line, one.code.as_str())).collect();
        assert_eq!(told, [("SIP_SRC_PORT_2", 3, "clash.port")]);
        assert_eq!(layers.effective("TALK_PACKAGE"), Some("Y"), "the rest applies");
        assert!(layers.suppressed().is_empty(), "a refused line is not stored");
    }
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Standard, &["SIP_SRC_PORT_2=\"6000\"", "SIP_SRC_PORT_1=\"6000\""])]);
    assert_eq!((layers.effective("SIP_SRC_PORT_1"), layers.effective("SIP_SRC_PORT_2")), (Some("5060"), Some("6000")));
}

/// A refused line leaves the value that its layer had.
#[test]
fn a_refused_line_keeps_the_old_value_of_its_layer() {
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Standard, &["SIP_SRC_PORT_2=\"6002\""])]);
    save(&mut layers, &[("SIP_SRC_PORT_1", "6000")], Origin::Web);
    run(&mut layers, &[(Layer::Standard, &["SIP_SRC_PORT_2=\"6000\""])]);
    assert_eq!((layers.effective("SIP_SRC_PORT_2"), layers.layer("SIP_SRC_PORT_2")), (Some("6002"), Some(Layer::Standard)));
}

/// What is stored comes back, in the same format that a store writes.
#[test]
fn records_bring_the_state_back() -> Result<(), postcard::Error> {
    let mut layers = Layers::new();
    run(&mut layers, &[(Layer::Standard, &["SIP_PASS_1=\"hunter2\"", "INTDIGIT_TIM=\"9\""])]);
    save(&mut layers, &[("DISPLAY_NAME_1", "Zoë")], Origin::Web);
    let mut bytes = Vec::new();
    for record in layers.records() {
        assert!(!format!("{record:?}").contains("hunter2"));
        bytes.push(postcard::to_allocvec(&record)?);
    }
    let records = bytes.iter().map(|one| postcard::from_bytes::<Record>(one)).collect::<Result<Vec<_>, _>>()?;
    let (again, diagnoses) = Layers::load(records);
    assert_eq!(diagnoses, []);
    assert_eq!(again.all_effective(), layers.all_effective());
    assert_eq!(again.explain("DISPLAY_NAME_1"), layers.explain("DISPLAY_NAME_1"));
    Ok(())
}

/// Records of a newer version, of a retired row or with a value that is no longer legal are kept, not used.
#[test]
fn records_that_cannot_be_used_are_put_aside() {
    let mut layers = Layers::new();
    save(&mut layers, &[("INTDIGIT_TIM", "9"), ("DISPLAY_NAME_1", "x"), ("DISPLAY_NAME_2", "y")], Origin::Web);
    let mut records: Vec<_> = layers.records().collect();
    records[0].format = FORMAT + 1;
    records[1].name = "RETIRED_PARAMETER".to_owned();
    records[2].stored.value = "99".to_owned();
    let (loaded, diagnoses) = Layers::load(records.clone());
    assert_eq!(
        diagnoses.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(),
        ["store.newer-format", "store.unknown-parameter", "store.illegal-value",]
    );
    assert_eq!(loaded.effective("INTDIGIT_TIM"), Some("5"));
    assert_eq!(loaded.records().collect::<Vec<_>>(), records, "nothing is erased");
}

/// A renamed row is read under its old name.
#[test]
fn a_record_with_an_alias_is_read() {
    let mut layers = Layers::new();
    save(&mut layers, &[("PROFILE_ENABLE2", "Disabled")], Origin::Admin);
    let mut records: Vec<_> = layers.records().collect();
    records[0].name = "PROFILE_ENABLE_2".to_owned();
    let (loaded, diagnoses) = Layers::load(records);
    assert_eq!((loaded.effective("PROFILE_ENABLE2"), diagnoses.len()), (Some("Disabled"), 0));
}

/// Secrets are masked wherever they are shown; only the services that need them get them.
#[test]
fn secrets_are_masked() {
    let mut layers = Layers::new();
    save(&mut layers, &[("SIP_PASS_1", "hunter2")], Origin::Web);
    let shown = layers.explain("SIP_PASS_1").expect("known");
    assert_eq!((shown.effective.as_str(), shown.layers[0].value.as_str(), shown.layers[1].value.as_str()), (MASK, MASK, ""));
    assert_eq!(layers.explain("ADMIN_PASS").expect("known").effective, MASK);
    let of = |service: &str| layers.values_for(service).get("SIP_PASS_1").cloned();
    assert_eq!(of("sip-agent").as_deref(), Some("hunter2"));
    assert_eq!(of("web-ui").as_deref(), Some(MASK));
    assert_eq!((of("media-engine"), of("hal-agent")), (None, None));
    assert_eq!(layers.values_for("web-ui").get("SIP_PASS_2").map(String::as_str), Some(""));
    assert!(!layers.values_for("sip-agent").contains_key("ADMIN_PASS"));
    let plan = try_save(&layers, &[("SIP_PASS_1", "other")], Origin::Web).expect("legal");
    assert!(!format!("{:?} {:?}", plan.writes, plan.changed).contains("other"));
    let refused = try_save(&layers, &[("SIP_PASS_1", MASK)], Origin::Web).err().expect("the mask is no password");
    assert_eq!(codes(&refused), [("SIP_PASS_1", "set.mask")]);
}

/// A password inside a URL is shown to nobody but who uses it, and coming back as it was shown it is no change; put into another
/// URL the mask is refused, so that no password goes to another server.
#[test]
fn a_password_inside_a_url_is_masked_for_the_web_page() {
    let mut layers = Layers::new();
    save(&mut layers, &[("CFG_MASTER_FILE_PATH", "http://joe:quite-secret@host/")], Origin::Web);
    let seen = layers.values_for("web-ui").get("CFG_MASTER_FILE_PATH").cloned().unwrap_or_default();
    assert_eq!(seen, "http://joe:********@host/");
    assert_eq!(layers.explain("CFG_MASTER_FILE_PATH").expect("known").effective, seen);
    let same = try_save(&layers, &[("CFG_MASTER_FILE_PATH", &seen)], Origin::Web).expect("no change");
    assert!(same.is_empty());
    let other = seen.replace("host", "elsewhere");
    let refused = try_save(&layers, &[("CFG_MASTER_FILE_PATH", &other)], Origin::Web).err().expect("the mask is no password");
    assert_eq!(codes(&refused), [("CFG_MASTER_FILE_PATH", "set.mask")]);
}

/// A file's values were read in another process: they are checked again, and a file cannot set what no file may.
#[test]
fn values_from_the_reader_are_not_believed() {
    let layers = Layers::new();
    let mut outcome = read(&["INTDIGIT_TIM=\"9\"", "WEB_SERVER_PORT=\"8080\""]);
    outcome.accepted[0].value = "9999".to_owned();
    let run = layers.merge_file(Layer::Standard, "http://host/s.cfg", &outcome, NOW);
    assert!(run.plan.is_empty());
    let codes: Vec<_> = run.plan.diagnoses.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["value.out-of-range", "set.not-here"]);
    // Nor can a run write the layers that are none of files.
    outcome.accepted[0].value = "9".to_owned();
    assert!(layers.merge_file(Layer::User, "http://host/s.cfg", &outcome, NOW).plan.is_empty());
}

/// The pinned form of `settings explain`.
#[test]
fn an_explanation_has_the_promised_form() -> Result<(), serde_json::Error> {
    let json = serde_json::to_value(Layers::new().explain("INTDIGIT_TIM"))?;
    let factory = serde_json::json!({"layer": "factory", "value": "5", "source": "catalogue", "line": 0, "time": 0,
        "reason": "in effect: no layer has another"});
    assert_eq!(json, serde_json::json!({"name": "INTDIGIT_TIM", "effective": "5", "layer": "factory", "layers": [factory]}));
    let notes = Layers::new().explain("KEY_PAD_TONE").map(|one| one.notes);
    assert!(notes.is_some_and(|notes| notes.iter().any(|note| note.contains("no effect in this version"))));
    Ok(())
}
