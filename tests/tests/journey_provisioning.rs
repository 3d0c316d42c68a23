//! Journey: the phone reads its configuration files from a web server. The examples are those of the guide's sections 2.4.3.5 and
//! 5.3.1, on the lab's addresses.

use std::time::Duration;

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, REGISTRAR};
use house_tests::phone::{FIRST_LINE, Phone, Setup};
use house_tests::registrar::{DOMAIN, FAR_ACCOUNT, Registrar};
use house_tests::web_server::WebServer;

/// What runs besides the phone.
struct Network {
    server: WebServer,
    _registrar: Registrar,
    namespace: Namespace,
}

impl Network {
    fn new() -> Network {
        let namespace = Namespace::new();
        Network { server: WebServer::start(&namespace), _registrar: Registrar::start(&namespace), namespace }
    }

    /// A phone that knows its files' URLs and nothing else.
    fn setup(&self, mac: &str) -> Setup {
        let preset = vec![
            format!("CFG_STANDARD_FILE_PATH=\"{}\"", self.server.url("Config{MAC}.cfg")),
            format!("CFG_MASTER_FILE_PATH=\"{}\"", self.server.url("ConfigCommon.cfg")),
        ];
        let mut setup = Setup::at_the_registrar(&[]);
        setup.preset = Some(preset);
        setup.options = vec!["--mac".to_owned(), mac.to_owned()];
        setup
    }

    fn put(&self, name: &str, lines: &[&str]) {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.server.put(name, format!("{FIRST_LINE}\r\n\r\n{lines}\r\n"));
    }

    /// The common settings of all units.
    fn put_common(&self) {
        let server = format!("SIP_RGSTR_ADDR_1=\"{REGISTRAR}\"");
        let proxy = format!("SIP_PRXY_ADDR_1=\"{REGISTRAR}\"");
        let domain = format!("SIP_SVCDOMAIN_1=\"{DOMAIN}\"");
        self.put("ConfigCommon.cfg", &[&server, &proxy, &domain]);
    }

    fn put_unit(&self, mac: &str, user: &str, further: &[&str]) {
        let number = format!("PHONE_NUMBER_1=\"{user}\"");
        let account = format!("SIP_AUTHID_1=\"{user}\"");
        let password = format!("SIP_PASS_1=\"phone-{user}-secret\"");
        self.put(&format!("Config{mac}.cfg"), &[&[number.as_str(), &account, &password], further].concat());
    }

    async fn far_phone(&self, codecs: &str) -> FarPhone {
        FarPhone::start(&self.namespace, FarSetup { address: FAR, account: FAR_ACCOUNT, codecs, tone: 660.0 }).await
    }
}

/// 2.4.3.5: two units, each with the common file and its own (B39, B56).
#[tokio::test]
async fn two_units_read_the_common_file_and_each_its_own() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    network.put_common();
    for (mac, user) in [("0080F0111111", "200"), ("0080F0222222", "201")] {
        network.put_unit(mac, user, &[]);
        let phone = Phone::start(&network.namespace, &network.setup(mac)).await;
        phone.registered().await;
        let file = network.server.url(&format!("Config{mac}.cfg"));
        assert_eq!(phone.explain("PHONE_NUMBER_1"), (user.to_owned(), "standard".to_owned(), file, 3));
        let common = network.server.url("ConfigCommon.cfg");
        assert_eq!(phone.explain("SIP_RGSTR_ADDR_1"), (REGISTRAR.to_owned(), "master".to_owned(), common, 3));
        phone.stop().await;
        let asked: Vec<_> = network.server.requests();
        for path in [format!("/Config{mac}.cfg"), "/ConfigCommon.cfg".to_owned()] {
            assert!(asked.iter().any(|line| line.starts_with(&format!("200 {path} Panasonic_"))), "{path} in {asked:?}");
        }
    }
}

/// 5.3.1, third example: only G.729A, which this version cannot play. The line registers, and a call on it fails cleanly.
#[tokio::test]
async fn a_line_with_g729a_only_registers_and_its_calls_fail_cleanly() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    network.put_common();
    let codecs = [
        "CODEC_ENABLE0_1=\"N\"",
        "CODEC_ENABLE1_1=\"N\"",
        "CODEC_ENABLE3_1=\"Y\"",
        "CODEC_PRIORITY3_1=\"1\"",
        "CODEC_ENABLE4_1=\"N\"",
        "CODEC_G711_REQ=\"0\"",
    ];
    network.put_unit("0080F0111111", "200", &codecs);
    let mut far = network.far_phone("PCMU/8000/1,PCMA/8000/1").await;
    let phone = Phone::start(&network.namespace, &network.setup("0080F0111111")).await;
    phone.registered().await;

    far.dial("200").await;
    let closed = far.event("CALL_CLOSED").await;
    assert!(closed["param"].as_str().unwrap_or_default().starts_with("488"), "{closed}");
    let ended = phone.call_in("ended").await;
    assert!(ended.end_code == 488 && ended.end_reason.contains("enabled on this line G729"), "{ended:?}");

    let dialled = phone.phonectl(&["call", FAR_ACCOUNT.0]);
    if dialled.status.success() {
        let out = phone.call_that("the end of the call out", |call| call.state == "ended" && call.path != ended.path).await;
        assert!(out.end_reason.contains("G729") || out.end_reason.contains("codec"), "{out:?}");
    } else {
        let said = String::from_utf8_lossy(&dialled.stderr).into_owned();
        assert!(said.contains("codec") || said.contains("G729"), "{said}");
    }
    assert_eq!(phone.line(1, "State").await, "registered");
    phone.stop().await;
}

/// 5.3.1, first and second example (B208, B209): what cannot be played is passed over, the next in order is taken.
#[tokio::test]
async fn the_codecs_of_the_guides_examples_are_agreed_in_their_order() {
    if !may_make_namespaces() {
        return;
    }
    let first = [
        "CODEC_ENABLE0_1=\"Y\"",
        "CODEC_PRIORITY0_1=\"3\"",
        "CODEC_ENABLE1_1=\"N\"",
        "CODEC_ENABLE3_1=\"Y\"",
        "CODEC_PRIORITY3_1=\"1\"",
        "CODEC_ENABLE4_1=\"Y\"",
        "CODEC_PRIORITY4_1=\"2\"",
    ];
    let second = [
        "CODEC_ENABLE0_1=\"N\"",
        "CODEC_ENABLE1_1=\"Y\"",
        "CODEC_PRIORITY1_1=\"1\"",
        "CODEC_ENABLE3_1=\"Y\"",
        "CODEC_PRIORITY3_1=\"1\"",
        "CODEC_ENABLE4_1=\"N\"",
    ];
    let network = Network::new();
    network.put_common();
    for (codecs, offered, agreed) in
        [(&first[..], "PCMU/8000/1,G722/16000/1", "PCMU"), (&second[..], "PCMU/8000/1,PCMA/8000/1", "PCMA")]
    {
        network.put_unit("0080F0111111", "200", codecs);
        let mut setup = network.setup("0080F0111111");
        // With its default 1, PCMU is always enabled, too (B208).
        setup.preset.as_mut().unwrap().push("CODEC_G711_REQ=\"0\"".to_owned());
        let mut far = network.far_phone(offered).await;
        let phone = Phone::start(&network.namespace, &setup).await;
        phone.registered().await;
        far.dial("200").await;
        phone.call_in("incoming").await;
        phone.run(&["answer"]);
        let call = phone.call_in("talking").await;
        assert_eq!(call.codec, agreed);
        far.event("CALL_ESTABLISHED").await;
        far.hangup().await;
        phone.call_in("ended").await;
        phone.stop().await;
    }
}

/// C62: a bad line is skipped and reported, the rest applies; a wrong first line rejects the file and leaves its layer as it was.
#[tokio::test]
async fn a_broken_file_applies_what_is_good_and_reports_the_rest() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    network.put_common();
    network.put_unit(
        "0080F0111111",
        "200",
        &["DISPLAY_NAME_1=\"Front Desk\"", "SIP_SRC_PORT_1=\"99999\"", "NO_SUCH_PARAMETER=\"1\"", "SIP_DNSSRV_ENA_1=\"y\""],
    );
    let phone = Phone::start(&network.namespace, &network.setup("0080F0111111")).await;
    phone.registered().await;
    assert_eq!(phone.explain("DISPLAY_NAME_1").0, "Front Desk");
    assert_eq!(phone.explain("SIP_SRC_PORT_1").1, "factory");

    let run = phone.json(&["provision", "now"]);
    let of = |name: &str| {
        let findings = run["diagnoses"].as_array().unwrap();
        findings
            .iter()
            .find(|finding| finding["name"] == name || finding["reason"].as_str().unwrap_or_default().contains(name))
            .cloned()
    };
    for (name, line) in [("SIP_SRC_PORT_1", 7), ("NO_SUCH_PARAMETER", 8), ("SIP_DNSSRV_ENA_1", 9)] {
        let finding = of(name).unwrap_or_else(|| panic!("{name} in {run}"));
        assert_eq!((finding["line"].as_u64(), finding["severity"].as_str()), (Some(line), Some("error")), "{finding}");
        assert!(finding["file"].as_str().unwrap().ends_with("Config0080F0111111.cfg"), "{finding}");
    }

    network.server.put("Config0080F0111111.cfg", "DISPLAY_NAME_1=\"Other\"\r\n\r\n");
    let run = phone.phonectl(&["provision", "now", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let files = report["files"].as_array().unwrap();
    let standard = files.iter().find(|file| file["kind"] == "standard").unwrap();
    assert_eq!(standard["outcome"], "refused", "{report}");
    assert_eq!(phone.explain("DISPLAY_NAME_1").0, "Front Desk");
    phone.stop().await;
}

/// Architecture 3 and B40: registration starts at once from the stored layers; a web server that is not there changes nothing.
#[tokio::test]
async fn without_the_web_server_the_phone_starts_from_what_it_has() {
    if !may_make_namespaces() {
        return;
    }
    let mut network = Network::new();
    network.put_common();
    network.put_unit("0080F0111111", "200", &[]);
    let setup = network.setup("0080F0111111");
    let phone = Phone::start(&network.namespace, &setup).await;
    phone.registered().await;
    let folder = phone.stop().await;
    // Nobody listens there any more.
    network.server.stop();
    let phone = Phone::start_again(&network.namespace, &setup, folder).await;
    let quick = Duration::from_secs(10);
    let registered = async |phone: &Phone| (phone.line(1, "State").await == "registered").then_some(());
    phone.until_within(quick, "line 1 registered from the stored layers", registered).await;
    assert_eq!(phone.explain("PHONE_NUMBER_1").1, "standard");
    phone.stop().await;
}

/// B38, B109, C67: what other files would change on this phone as it is, and what it has, as a file of its own without its secrets.
#[tokio::test]
async fn files_are_held_against_the_running_phone_and_its_settings_are_exported() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    network.put_common();
    network.put_unit("0080F0111111", "200", &["SYSLOG_PORT=\"1003\""]);
    let phone = Phone::start(&network.namespace, &network.setup("0080F0111111")).await;
    phone.registered().await;
    let desk = tempfile::tempdir().unwrap();
    let file = |name: &str, lines: &str| {
        let path = desk.path().join(name);
        std::fs::write(&path, format!("{FIRST_LINE}\r\n{lines}")).unwrap();
        path.display().to_string()
    };
    let standard = file("phone.cfg", "SYSLOG_PORT=\"1004\"\r\nINTDIGIT_TIM=\"7\"\r\n");
    let master = file("sip.cfg", "SYSLOG_PORT=\"1005\"\r\nFIRSTDIGIT_TIM=\"30\"\r\n");
    let diff = ["config", "diff", "--standard", &standard, "--master", &master];
    let change = |name: &str, before: &str, after: &str| serde_json::json!({"name": name, "before": before, "after": after});
    assert_eq!(phone.json(&diff), serde_json::json!([change("INTDIGIT_TIM", "5", "7"), change("SYSLOG_PORT", "1003", "1004")]));
    // What a person has set stays.
    phone.run(&["settings", "set", "SYSLOG_PORT=1009"]);
    assert_eq!(phone.json(&diff), serde_json::json!([change("INTDIGIT_TIM", "5", "7")]));

    let export =
        |arguments: &[&str]| String::from_utf8(phone.phonectl(&[&["config", "export"], arguments].concat()).stdout).unwrap();
    let effective = export(&[]);
    assert!(
        effective.contains("\r\nSYSLOG_PORT=\"1009\"\r\n") && effective.contains("\r\n#SIP_PASS_1=\"********\"\r\n"),
        "{effective}"
    );
    assert!(!effective.contains("INTDIGIT_TIM"), "a factory default is nobody's setting: {effective}");
    let full = export(&["--secrets"]);
    assert!(full.contains("\r\nSIP_PASS_1=\"phone-200-secret\"\r\n"), "{full}");
    let of_standard = export(&["--layer", "standard", "--form", "xml"]);
    assert!(of_standard.contains(" SYSLOG_PORT=\"1003\"") && !of_standard.contains("1009"), "{of_standard}");
    for (name, text) in [("effective", effective), ("standard", of_standard)] {
        let path = desk.path().join(name);
        std::fs::write(&path, text).unwrap();
        let findings = phone.json(&["config", "lint", &path.display().to_string()]);
        let errors: Vec<_> = findings.as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    phone.stop().await;
}
