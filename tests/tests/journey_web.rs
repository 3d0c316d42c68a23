//! Journey: a person with a browser. Chromium logs in with Digest, changes a line's display name and sees it saved, in effect, and the
//! far phone sees it in the next INVITE.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace};
use house_tests::phone::{FIRST_LINE, Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, Registrar};
use house_tests::web_server::WebServer;

#[path = "../lab/web/browser.rs"]
mod browser;
use browser::Browser;

const WEB: &str = "org.deskphone.Web1";
/// With the password of the factory, and with another.
const ADMIN: &str = "admin:adminpass";
const STRANGER: &str = "admin:wrong";
const CALL_CONTROL: &str = "/telephone/call-control-line/1";
const NAME: &str = "#DISPLAY_NAME_1";
const SAVE: &str = "form.settings button[type=submit]";

/// A person at a browser, before the page of a phone.
struct Visit {
    browser: Browser,
    phone: Phone,
    _namespace: Namespace,
}

impl Visit {
    /// None where no namespace may be made.
    async fn start(setup: &Setup) -> Option<Visit> {
        if !may_make_namespaces() {
            return None;
        }
        let namespace = Namespace::new();
        namespace.enter();
        Some(Visit::with(namespace, setup).await)
    }

    /// In a namespace that the thread has entered.
    async fn with(namespace: Namespace, setup: &Setup) -> Visit {
        let phone = Phone::start(&namespace, setup).await;
        let browser = Browser::start(&namespace).await;
        Visit { browser, phone, _namespace: namespace }
    }

    /// Opens a page, with an account for Digest.
    async fn open(&self, account: &str, path: &str) {
        let web = self.phone.ready["web"].as_str().expect("the web address").trim_end_matches('/').to_owned();
        let url = web.replacen("http://", &format!("http://{account}@"), 1) + path;
        self.browser.open(&url).await;
    }

    /// Saves the form; the result that the page shows.
    async fn save(&self) -> String {
        self.browser.submit(SAVE).await;
        self.browser.until("#result", |text| !text.is_empty()).await
    }

    /// Until what was saved is in effect; how the page says so.
    async fn in_effect(&self) -> String {
        self.browser.until("#saved", |text| text.contains("in effect")).await
    }

    async fn end(self) {
        self.browser.stop().await;
        self.phone.stop().await;
    }
}

/// B129, B149, B165, B185: the whole story of a saved setting, from the browser to the wire.
#[tokio::test]
async fn a_display_name_changed_in_the_browser_is_in_the_next_invite() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let _registrar = Registrar::start(&namespace);
    let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
    let mut far = FarPhone::start(&namespace, setup).await;
    let visit = Visit::with(namespace, &Setup::at_the_registrar(&[])).await;
    let Visit { browser, phone, .. } = &visit;

    visit.open(ADMIN, "/").await;
    assert_eq!(browser.title().await, "Version Information \u{2013} Deskphone");
    assert_eq!(browser.text("[data-fact=model]").await, "KX-UT670");

    // The page follows the line without a reload.
    visit.open(ADMIN, "/status/voip-status").await;
    browser.until("[data-fact=voip-1]", |text| text == "Registered").await;
    phone.run(&["settings", "set", "LINE_ENABLE_1=Disabled"]);
    browser.until("[data-fact=voip-1]", str::is_empty).await;
    phone.run(&["settings", "set", "LINE_ENABLE_1=Enabled"]);
    browser.until("[data-fact=voip-1]", |text| text == "Registered").await;

    visit.open(ADMIN, CALL_CONTROL).await;
    assert_eq!(browser.value(NAME).await, "Desk");
    browser.type_into(NAME, "Front Office").await;
    assert_eq!(visit.save().await, "Complete");
    let saved = visit.in_effect().await;
    assert!(saved.starts_with("Saved as revision "), "{saved}");
    assert_eq!(browser.value(NAME).await, "Front Office");
    let (value, layer, source, _) = phone.explain("DISPLAY_NAME_1");
    assert_eq!((value.as_str(), layer.as_str(), source.as_str()), ("Front Office", "user", "web admin"));

    phone.run(&["call", FAR_ACCOUNT.0]);
    let incoming = far.event("CALL_INCOMING").await;
    assert_eq!(incoming["peerdisplayname"], "Front Office", "{incoming}");
    phone.run(&["hangup"]);

    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{complaints:?}");
    visit.end().await;
}

/// B150: a wrong value is refused beside its field, and nothing is saved.
#[tokio::test]
async fn a_wrong_value_is_explained_in_the_browser() {
    let Some(visit) = Visit::start(&Setup::with_the_exchange()).await else { return };
    visit.open(ADMIN, "/voip/sip-settings-line/2").await;
    visit.browser.type_into("#SIP_SRC_PORT_2", "5060").await;
    assert_eq!(visit.save().await, "Failed (Parameter Error)");
    let reason = visit.browser.text("#SIP_SRC_PORT_2-error").await;
    assert!(reason.contains("Source Port [Line 1]"), "{reason}");
    assert_eq!(visit.phone.explain("SIP_SRC_PORT_2").1, "factory");
    visit.end().await;
}

/// B141: without the password there is nothing to see.
#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    let Some(visit) = Visit::start(&Setup::with_the_exchange()).await else { return };
    visit.open(STRANGER, "/status/version-information").await;
    assert_eq!(visit.browser.status().await, 401);
    assert!(!visit.browser.text("body").await.contains("KX-UT670"));
    assert_eq!(visit.phone.facts(WEB, WEB).await["Session"], "");
    visit.end().await;
}

/// The page outlives its process: the browser logs in again by itself and goes on.
#[tokio::test]
async fn a_restart_of_web_ui_is_not_noticed_in_the_browser() {
    let Some(visit) = Visit::start(&Setup::with_the_exchange()).await else { return };
    visit.open(ADMIN, CALL_CONTROL).await;
    let pid = rustix::process::Pid::from_raw(visit.phone.pid("web-ui")).expect("a pid");
    let epoch = visit.phone.facts(WEB, WEB).await["Epoch"].clone();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the kill");
    let back = async |phone: &Phone| {
        let facts = phone.facts(WEB, WEB).await;
        (facts["PortOpen"] == true && facts["Epoch"] != epoch).then_some(())
    };
    visit.phone.until("web-ui is back", back).await;
    visit.open(ADMIN, CALL_CONTROL).await;
    visit.browser.type_into(NAME, "After").await;
    assert_eq!(visit.save().await, "Complete");
    visit.in_effect().await;
    visit.end().await;
}

/// B104, B105, B107, C64: a file from the administrator's disk. Refused during a call; then read, reported line by line, and
/// in effect in the layer of its type after the restart that follows by itself.
#[tokio::test]
async fn a_configuration_file_is_imported_in_the_browser_and_the_unit_restarts() {
    let Some(visit) = Visit::start(&Setup::with_the_exchange()).await else { return };
    let Visit { browser, phone, .. } = &visit;
    phone.registered().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.cfg");
    let lines = ["DISPLAY_NAME_1=\"Imported\"", "SIP_SRC_PORT_2=\"99999\"", "ADMIN_PASS=\"quite secret\""];
    let head = "# Panasonic SIP Phone Standard Format File # DO NOT CHANGE THIS LINE!\r\n\r\n";
    std::fs::write(&file, format!("{head}{}\r\n\r\n", lines.join("\r\n"))).expect("the file");
    let import = async || {
        browser.choose_file("#file", &file).await;
        browser.submit(SAVE).await;
        browser.until("#result", |text| !text.is_empty()).await
    };

    visit.open(ADMIN, "/maintenance").await;
    browser.click("a[href='/maintenance/import-configuration-file']").await;
    browser.click("input[value=product]").await;
    phone.run(&["call", "102"]);
    phone.call_in("ringback").await;
    assert_eq!(import().await, "Failed (Busy)");
    assert!(browser.text(".result").await.contains("A call is up"));
    phone.run(&["hangup"]);
    phone.call_in("ended").await;

    let before = phone.epochs().await;
    let mut result = import().await;
    for _ in 0..20 {
        // The end of the call may not have come to everybody yet.
        if result == "Failed (Busy)" {
            result = import().await;
        }
    }
    assert_eq!(result, "Complete", "{}", browser.text("main").await);
    assert!(browser.text(".result").await.contains("The unit restarts in a few seconds."));
    let file = browser.text("#files tbody").await;
    assert!(file.contains("model.cfg") && file.contains("Product") && file.contains("1 values, 2 lines skipped"), "{file}");
    let found = browser.text("#findings tbody").await;
    assert!(found.contains("SIP_SRC_PORT_2") && found.contains("model.cfg, line 4, column"), "{found}");
    assert!(found.contains("ADMIN_PASS") && found.contains("model.cfg, line 5"), "{found}");
    assert!(!browser.text("body").await.contains("quite secret"), "never a secret");
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|one| !one.to_string().contains("Content Security Policy")), "{complaints:?}");

    phone.restarted(before).await;
    let (value, layer, source, line) = phone.explain("DISPLAY_NAME_1");
    assert_eq!((value.as_str(), layer.as_str(), source.as_str(), line), ("Imported", "product", "model.cfg", 3));
    assert_eq!(phone.explain("SIP_SRC_PORT_2").1, "factory");
    assert!(!phone.logs().contains("quite secret"));
    visit.end().await;
}

async fn port_open(phone: &Phone) -> bool {
    phone.facts(WEB, WEB).await["PortOpen"] == true
}

async fn until_port(phone: &Phone, open: bool) {
    let what = if open { "the web port is open" } else { "the web port is closed" };
    phone.until(what, async |phone| (port_open(phone).await == open).then_some(())).await;
}

async fn wish(phone: &Phone, method: &str) {
    let path = format!("/{}", WEB.replace('.', "/"));
    phone.bus.call_method(Some(WEB), path, Some(WEB), method, &()).await.expect(method);
}

/// B122 to B124, B126: the port closes and opens on a wish, closes after three wrong passwords, and its row always says which.
#[tokio::test]
async fn the_web_port_closes_and_opens() {
    let Some(visit) = Visit::start(&Setup::at_the_registrar(&["HTTPD_PORTOPEN_AUTO=\"N\""])).await else { return };
    let Visit { browser, phone, .. } = &visit;
    until_port(phone, true).await;

    wish(phone, "ClosePort").await;
    until_port(phone, false).await;
    phone.until("the row", async |phone| (phone.explain("EMBEDDED_WEB_ENABLE").0 == "N").then_some(())).await;
    wish(phone, "OpenPort").await;
    until_port(phone, true).await;
    assert_eq!(phone.explain("EMBEDDED_WEB_ENABLE").0, "Y");

    for _ in 0..3 {
        visit.open(STRANGER, "/").await;
    }
    until_port(phone, false).await;
    wish(phone, "OpenPort").await;
    until_port(phone, true).await;
    visit.open(ADMIN, "/").await;
    assert_eq!(browser.text("[data-fact=model]").await, "KX-UT670");
    assert_eq!(phone.facts(WEB, WEB).await["Session"], "admin");
    browser.click("a[href='/web-port-close']").await;
    browser.click("main button[type=submit]").await;
    until_port(phone, false).await;
    visit.end().await;
}

const PROVISIONING: &str = "org.deskphone.Provisioning1";

/// A call with sound; nobody ends it.
async fn talk(phone: &Phone, far: &mut FarPhone) {
    phone.registered().await;
    phone.run(&["call", FAR_ACCOUNT.0]);
    far.event("CALL_INCOMING").await;
    far.accept().await;
    phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
}

/// Waits until the value is the effective one, and the restart that brings it into effect waits for the call's end.
async fn saved_and_waits(phone: &Phone, interval: &str) {
    let waits = async |phone: &Phone| {
        let facts = phone.facts(PROVISIONING, PROVISIONING).await;
        (facts["RestartWaitsFor"] == "call" && phone.explain("LLDP_INTERVAL").0 == interval).then_some(())
    };
    phone.until(&format!("{interval} saved, and the restart waits for the call"), waits).await;
    assert_eq!(phone.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await["RestartPending"], "");
    phone.call_in("talking").await;
}

/// B158, C68: a row that comes into effect by a restart of the unit. A file or phonectl sets it: the restart waits for the end
/// of the call. It is saved on its network screen of the web page: "Complete", and the unit restarts though a call is up.
#[tokio::test]
async fn a_network_screen_restarts_the_unit_even_in_a_call() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let files = WebServer::start(&namespace);
    let put = |line: &str| files.put("phone.cfg", format!("{FIRST_LINE}\r\n\r\n{line}\r\n\r\n"));
    put("DISPLAY_NAME_1=\"Desk\"");
    let _registrar = Registrar::start(&namespace);
    let setup = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
    let mut far = FarPhone::start(&namespace, setup).await;
    let path = format!("CFG_STANDARD_FILE_PATH=\"{}\"", files.url("phone.cfg"));
    let visit = Visit::with(namespace, &Setup::at_the_registrar(&[&path])).await;
    let Visit { browser, phone, .. } = &visit;
    let read = async |phone: &Phone| (phone.facts(PROVISIONING, PROVISIONING).await["LastRun"] == 1).then_some(());
    phone.until("the first run", read).await;

    talk(phone, &mut far).await;
    put("LLDP_INTERVAL=\"25\"");
    phone.run(&["provision", "now"]);
    saved_and_waits(phone, "25").await;
    phone.run(&["settings", "set", "LLDP_INTERVAL=40"]);
    saved_and_waits(phone, "40").await;
    let before = phone.epochs().await;
    far.hangup().await;
    phone.restarted(before).await;

    talk(phone, &mut far).await;
    let before = phone.epochs().await;
    visit.open(ADMIN, "/network/ethernet-port-settings").await;
    assert_eq!(browser.value("#LLDP_INTERVAL").await, "40");
    browser.type_into("#LLDP_INTERVAL", "55").await;
    assert_eq!(visit.save().await, "Complete");
    // Nobody ends the call.
    phone.restarted(before).await;
    assert_eq!(phone.explain("LLDP_INTERVAL").0, "55");
    phone.registered().await;
    visit.end().await;
}
