//! The resets, what they bring to light, the history and the way back (B17, B62, B113, B120, B264, B265, B269, B270; C60, C61, C67).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking and reads its own files"
)]

use agreements::{MASK, WallTime};
use settings::layers::{Layer, Layers, MOST_LINES, Origin, Reset, Write};
use settings::{catalogue, plain};

const NOW: WallTime = WallTime::Unix(1_700_000_000);

fn run(layers: &mut Layers, layer: Layer, lines: &[&str]) -> Vec<String> {
    let text = format!("# Panasonic SIP Phone Standard Format File #\r\n{}\r\n", lines.join("\r\n"));
    let outcome = plain::parse(text.as_bytes(), "file.cfg");
    let plan = layers.merge_file(layer, "http://host/file.cfg", &outcome, NOW).plan;
    let codes = plan.diagnoses.iter().map(|one| one.code.clone()).collect();
    layers.commit(plan);
    codes
}

fn save(layers: &mut Layers, changes: &[(&str, &str)], origin: Origin) {
    let changes: Vec<_> = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let plan = layers.apply(&changes, origin, "web admin", NOW).expect("legal");
    layers.commit(plan);
}

fn reset(layers: &mut Layers, reset: Reset) {
    layers.commit(layers.reset(reset));
}

/// B269, B270, C61: the user layer of every row with a web field goes, the phone's own stays.
#[test]
fn reset_web_settings_drops_what_has_a_web_field() {
    let mut layers = Layers::new();
    save(&mut layers, &[("ADMIN_PASS", "newsecret"), ("DISPLAY_NAME_1", "Me"), ("LLDP_INTERVAL", "50")], Origin::Web);
    save(&mut layers, &[("TIME_ZONE_COUNTRY", "90001"), ("LLDP_INTERVAL", "60")], Origin::Phone);
    run(&mut layers, Layer::Standard, &["DISPLAY_NAME_1=\"File\""]);
    let plan = layers.reset(Reset::WebSettings);
    let mut gone: Vec<_> = plan.writes.iter().map(Write::key).collect();
    gone.sort();
    assert_eq!(gone, ["user/ADMIN_PASS", "user/DISPLAY_NAME_1", "user/LLDP_INTERVAL"]);
    layers.commit(plan);
    assert_eq!((layers.effective("ADMIN_PASS"), layers.effective("DISPLAY_NAME_1")), (Some("adminpass"), Some("File")));
    assert_eq!(layers.effective("TIME_ZONE_COUNTRY"), Some("90001"));
}

/// B269: afterwards everything with a web field is as the latest provisioning left it, in whatever order both came.
#[test]
fn reset_web_settings_gives_the_state_after_the_latest_provisioning() {
    let mut provisioned = Layers::new();
    run(&mut provisioned, Layer::Master, &["INTDIGIT_TIM=\"7\"", "DISPLAY_NAME_1=\"Master\""]);
    run(&mut provisioned, Layer::Standard, &["DISPLAY_NAME_1=\"Standard\""]);
    let mut layers = Layers::new();
    save(&mut layers, &[("DISPLAY_NAME_1", "Mine"), ("DISPLAY_NAME_3", "Mine")], Origin::Web);
    run(&mut layers, Layer::Master, &["INTDIGIT_TIM=\"7\"", "DISPLAY_NAME_1=\"Master\""]);
    save(&mut layers, &[("INTDIGIT_TIM", "9")], Origin::Web);
    run(&mut layers, Layer::Standard, &["DISPLAY_NAME_1=\"Standard\""]);
    reset(&mut layers, Reset::WebSettings);
    assert_eq!(layers.all_effective(), provisioned.all_effective());
}

/// B120: values set by hand stay in effect after NW_SETTING_ENABLE=N, with a warning; Reset Web Settings once, and the files' apply.
#[test]
fn closing_the_network_settings_needs_one_reset_of_web_settings() {
    let mut layers = Layers::new();
    save(&mut layers, &[("VLAN_ENABLE", "Y"), ("VLAN_ID_IP_PHONE", "7")], Origin::Web);
    save(&mut layers, &[("DHCP_DNS1", "192.168.0.1")], Origin::Web);
    let told = run(&mut layers, Layer::Master, &["NW_SETTING_ENABLE=\"N\"", "VLAN_ID_IP_PHONE=\"9\""]);
    assert!(told.iter().any(|code| code == "network.values-by-hand"), "{told:?}");
    assert_eq!((layers.effective("VLAN_ID_IP_PHONE"), layers.effective("DHCP_DNS1")), (Some("7"), Some("192.168.0.1")));
    reset(&mut layers, Reset::WebSettings);
    assert_eq!((layers.effective("VLAN_ID_IP_PHONE"), layers.effective("DHCP_DNS1")), (Some("9"), Some("")));
}

/// If a reset uncovers a clash, the next valid layer value applies, with an alarm.
#[test]
fn a_clash_that_a_reset_uncovers_is_settled_with_an_alarm() {
    let mut layers = Layers::new();
    save(&mut layers, &[("SIP_SRC_PORT_1", "6010"), ("SIP_SRC_PORT_2", "5060")], Origin::Web);
    run(&mut layers, Layer::Master, &["SIP_SRC_PORT_3=\"5070\""]);
    assert_eq!(layers.effective("SIP_SRC_PORT_3"), Some("5070"));
    reset(&mut layers, Reset::WebSettings);
    assert_eq!(layers.effective("SIP_SRC_PORT_2"), Some("5070"), "the factory default cannot give way");
    assert_eq!((layers.effective("SIP_SRC_PORT_3"), layers.layer("SIP_SRC_PORT_3")), (Some("5080"), Some(Layer::Factory)));
    let alarms = layers.alarms();
    let told: Vec<_> = alarms.iter().map(|one| (one.name.as_str(), one.code.as_str(), one.line)).collect();
    assert_eq!(told, [("SIP_SRC_PORT_3", "clash.port", 2)]);
    let shown = layers.explain("SIP_SRC_PORT_3").expect("known");
    assert!(shown.notes.iter().any(|note| note.contains("stands back")));
    assert!(shown.layers[0].reason.contains("stands back: SIP_SRC_PORT_3 and SIP_SRC_PORT_2"), "{:?}", shown.layers);
    // Stored all the time: it is back when there is room for it.
    save(&mut layers, &[("SIP_SRC_PORT_2", "6020")], Origin::Web);
    assert_eq!((layers.effective("SIP_SRC_PORT_3"), layers.alarms().len()), (Some("5070"), 0));
}

/// B17: the accounts alone, whatever layer set them.
#[test]
fn reset_of_ids_and_passwords_touches_nothing_else() {
    let mut layers = Layers::new();
    run(&mut layers, Layer::Standard, &["ADMIN_ID=\"root\"", "INTDIGIT_TIM=\"9\""]);
    save(&mut layers, &[("USER_PASS", "secret1"), ("DISPLAY_NAME_1", "Me")], Origin::Web);
    reset(&mut layers, Reset::Accounts);
    assert_eq!((layers.effective("ADMIN_ID"), layers.effective("USER_PASS")), (Some("admin"), Some("")));
    assert_eq!((layers.effective("INTDIGIT_TIM"), layers.effective("DISPLAY_NAME_1")), (Some("9"), Some("Me")));
    assert!(!Reset::Accounts.restarts() && !Reset::Accounts.erases());
}

/// C67: an administrator's explicit command takes a value out of a layer; a preset is out of reach.
#[test]
fn a_value_is_taken_out_of_a_layer_by_command() {
    let mut layers = Layers::new();
    run(&mut layers, Layer::Standard, &["INTDIGIT_TIM=\"9\""]);
    assert!(layers.remove(Layer::Dealer, &["INTDIGIT_TIM".to_owned()]).is_err());
    let plan = layers.remove(Layer::Standard, &["INTDIGIT_TIM".to_owned()]).expect("removable");
    layers.commit(plan);
    assert_eq!(layers.layer("INTDIGIT_TIM"), Some(Layer::Factory));
}

/// B113, B264, B265, C67: nothing of the former telephone system is left in any layer; what a dealer and the factory gave stays.
#[test]
fn both_resets_of_the_unit_leave_no_stored_value() {
    for kind in [Reset::Data, Reset::Factory] {
        let mut layers = Layers::new();
        let preset =
            plain::parse_preset(b"# Panasonic SIP Phone Standard Format File #\r\nINTDIGIT_TIM=\"6\"\r\n\r\n", "dealer.cfg");
        layers.set_dealer(&[preset], NOW);
        layers.set_unit_values(&[("CFG_FILE_KEY1", "0123456789abcdef0123456789ABCDEF")]);
        let fresh = layers.all_effective().clone();
        for layer in Layer::FILES {
            run(&mut layers, layer, &["SIP_PASS_1=\"hunter2\"", "SIP_RGSTR_ADDR_1=\"old.example.com\"", "INTDIGIT_TIM=\"9\""]);
        }
        save(&mut layers, &[("DISPLAY_NAME_1", "x"), ("CFG_FILE_KEY1", "")], Origin::Admin);
        reset(&mut layers, kind);
        assert_eq!(layers.records().count(), 0);
        assert_eq!(*layers.all_effective(), fresh);
        assert!(kind.erases() && kind.restarts());
    }
}

/// B62: the unit's own key is its factory default: below every layer, masked, and back after a factory reset.
#[test]
fn the_key_of_the_unit_is_its_factory_default() {
    let key = "0123456789abcdef0123456789ABCDEF";
    let mut layers = Layers::new();
    layers.set_unit_values(&[("CFG_FILE_KEY1", key), ("CFG_FILE_KEY2", "too short")]);
    assert_eq!((layers.effective("CFG_FILE_KEY1"), layers.effective("CFG_FILE_KEY2")), (Some(key), Some("")));
    let shown = layers.explain("CFG_FILE_KEY1").expect("known");
    assert_eq!((shown.effective.as_str(), shown.layer.as_str(), shown.layers[0].source.as_str()), (MASK, "factory", "this unit"));
    assert_eq!(layers.records().count(), 0, "it is no setting that anybody has made");
    // B61: empty switches it off.
    run(&mut layers, Layer::Master, &["CFG_FILE_KEY1=\"\""]);
    assert_eq!(layers.effective("CFG_FILE_KEY1"), Some(""));
    reset(&mut layers, Reset::Factory);
    assert_eq!(layers.effective("CFG_FILE_KEY1"), Some(key));
}

/// The history names each value of each layer, before and after; secrets and passwords inside URLs are masked.
#[test]
fn the_history_tells_before_and_after_and_no_secret() {
    let mut layers = Layers::new();
    run(&mut layers, Layer::Standard, &["DISPLAY_NAME_1=\"File\""]);
    save(&mut layers, &[("SIP_PASS_1", "hunter2")], Origin::Web);
    let url = "http://joe:quite-secret@host/";
    let long = format!("http://host/{}", "x".repeat(100));
    let changes = [
        ("SIP_PASS_1", "hunter3"),
        ("DISPLAY_NAME_1", ""),
        ("CFG_MASTER_FILE_PATH", url),
        ("CFG_STANDARD_FILE_PATH", long.as_str()),
    ];
    let changes: Vec<_> = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let plan = layers.apply(&changes, Origin::Admin, "administrator at the bus", NOW).expect("legal");
    let (count, lines) = layers.lines_of(&plan);
    assert_eq!(count, 4);
    let line = |name: &str| lines.iter().find(|line| line.name == name).map(|line| (line.before.clone(), line.after.clone()));
    assert_eq!(line("SIP_PASS_1"), Some((Some(MASK.to_owned()), Some(MASK.to_owned()))));
    assert_eq!(line("DISPLAY_NAME_1"), Some((None, Some(String::new()))), "the user layer had none");
    assert_eq!(line("CFG_MASTER_FILE_PATH"), Some((None, Some("http://joe:********@host/".to_owned()))));
    assert_eq!(line("CFG_STANDARD_FILE_PATH").and_then(|(_, after)| after).map(|after| after.chars().count()), Some(81));
    assert!(!format!("{lines:?}").contains("hunter") && !format!("{lines:?}").contains("quite-secret"));
}

/// A large commit is told by its number and its first lines.
#[test]
fn the_history_of_a_large_commit_is_bounded() {
    let layers = Layers::new();
    let names =
        catalogue::parameters().filter(|one| one.row.name == "DISPLAY_NAME_n" || one.row.name.starts_with("FLEX_BUTTON_LABEL"));
    let names: Vec<_> = names.map(|one| (one.name.to_owned(), "x".to_owned())).collect();
    let plan = layers.apply(&names, Origin::Admin, "a", NOW).expect("legal");
    let (count, lines) = layers.lines_of(&plan);
    assert_eq!(usize::try_from(count), Ok(names.len()));
    assert_eq!(lines.len(), names.len().min(MOST_LINES));
}

/// Undo puts every place back as it was: changed, new and removed ones; undoing the undo brings the change back.
#[test]
fn undo_puts_every_place_back() {
    let mut layers = Layers::new();
    run(&mut layers, Layer::Standard, &["DISPLAY_NAME_1=\"File\"", "INTDIGIT_TIM=\"9\""]);
    save(&mut layers, &[("DISPLAY_NAME_1", "Mine"), ("SIP_PASS_1", "hunter2")], Origin::Web);
    let before: Vec<_> = layers.records().collect();
    let plan = layers.reset(Reset::WebSettings);
    let undo = layers.undo_of(&plan, 7);
    layers.commit(plan);
    assert_eq!((layers.effective("DISPLAY_NAME_1"), layers.effective("SIP_PASS_1")), (Some("File"), Some("")));
    let bytes = postcard::to_allocvec(&undo).expect("serialises");
    let undo: settings::layers::Undo = postcard::from_bytes(&bytes).expect("comes back");
    let plan = layers.undo(&undo);
    let redo = layers.undo_of(&plan, 8);
    layers.commit(plan);
    assert_eq!(layers.records().collect::<Vec<_>>(), before);
    layers.commit(layers.undo(&redo));
    assert_eq!(layers.effective("SIP_PASS_1"), Some(""));
}
