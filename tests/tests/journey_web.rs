//! Journey: a person with a browser. Chromium logs in with Digest, changes a line's display name and sees it saved, in effect, and the
//! far phone sees it in the next INVITE.

use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{FAR_ACCOUNT, Registrar};

#[path = "../lab/web/browser.rs"]
mod browser;
use browser::Browser;

const WEB: &str = "org.deskphone.Web1";
const CALL_CONTROL: &str = "/telephone/call-control-line/1";
const NAME: &str = "#DISPLAY_NAME_1";
const SAVE: &str = "form.settings button[type=submit]";

/// The page's address, with an account for Digest.
fn page(phone: &Phone, account: &str, path: &str) -> String {
    let web = phone.ready["web"].as_str().expect("the web address").trim_end_matches('/').to_owned();
    web.replacen("http://", &format!("http://{account}@"), 1) + path
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
    let phone = Phone::start(&namespace, &Setup::at_the_registrar(&[])).await;
    let browser = Browser::start(&namespace).await;

    browser.open(&page(&phone, "admin:adminpass", "/")).await;
    assert_eq!(browser.title().await, "Version Information \u{2013} Deskphone");
    assert_eq!(browser.text("[data-fact=model]").await, "KX-UT670");

    // The page follows the line without a reload.
    browser.open(&page(&phone, "admin:adminpass", "/status/voip-status")).await;
    browser.until("[data-fact=voip-1]", |text| text == "Registered").await;
    phone.run(&["settings", "set", "LINE_ENABLE_1=Disabled"]);
    browser.until("[data-fact=voip-1]", str::is_empty).await;
    phone.run(&["settings", "set", "LINE_ENABLE_1=Enabled"]);
    browser.until("[data-fact=voip-1]", |text| text == "Registered").await;

    browser.open(&page(&phone, "admin:adminpass", CALL_CONTROL)).await;
    assert_eq!(browser.value(NAME).await, "Desk");
    browser.type_into(NAME, "Front Office").await;
    browser.click(SAVE).await;
    assert_eq!(browser.until("#result", |text| !text.is_empty()).await, "Complete");
    let saved = browser.until("#saved", |text| text.contains("in effect")).await;
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
    browser.stop().await;
    phone.stop().await;
}

/// B150: a wrong value is refused beside its field, and nothing is saved.
#[tokio::test]
async fn a_wrong_value_is_explained_in_the_browser() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    let browser = Browser::start(&namespace).await;
    browser.open(&page(&phone, "admin:adminpass", "/voip/sip-settings-line/2")).await;
    browser.type_into("#SIP_SRC_PORT_2", "5060").await;
    browser.click(SAVE).await;
    assert_eq!(browser.until("#result", |text| !text.is_empty()).await, "Failed (Parameter Error)");
    let reason = browser.text("#SIP_SRC_PORT_2-error").await;
    assert!(reason.contains("Source Port [Line 1]"), "{reason}");
    assert_eq!(phone.explain("SIP_SRC_PORT_2").1, "factory");
    browser.stop().await;
    phone.stop().await;
}

/// B141: without the password there is nothing to see.
#[tokio::test]
async fn a_wrong_password_opens_nothing() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    let browser = Browser::start(&namespace).await;
    browser.open(&page(&phone, "admin:wrong", "/status/version-information")).await;
    assert_eq!(browser.status().await, 401);
    assert!(!browser.text("body").await.contains("KX-UT670"));
    assert_eq!(phone.facts(WEB, WEB).await["Session"], "");
    browser.stop().await;
    phone.stop().await;
}

/// The page outlives its process: the browser logs in again by itself and goes on.
#[tokio::test]
async fn a_restart_of_web_ui_is_not_noticed_in_the_browser() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    let browser = Browser::start(&namespace).await;
    browser.open(&page(&phone, "admin:adminpass", CALL_CONTROL)).await;
    let pid = rustix::process::Pid::from_raw(phone.pid("web-ui")).expect("a pid");
    let epoch = phone.facts(WEB, WEB).await["Epoch"].clone();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the kill");
    phone
        .until("web-ui is back", async |phone| {
            let facts = phone.facts(WEB, WEB).await;
            (facts["PortOpen"] == true && facts["Epoch"] != epoch).then_some(())
        })
        .await;
    browser.open(&page(&phone, "admin:adminpass", CALL_CONTROL)).await;
    browser.type_into(NAME, "After").await;
    browser.click(SAVE).await;
    assert_eq!(browser.until("#result", |text| !text.is_empty()).await, "Complete");
    browser.until("#saved", |text| text.contains("in effect")).await;
    browser.stop().await;
    phone.stop().await;
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
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let phone = Phone::start(&namespace, &Setup::at_the_registrar(&["HTTPD_PORTOPEN_AUTO=\"N\""])).await;
    let browser = Browser::start(&namespace).await;
    until_port(&phone, true).await;

    wish(&phone, "ClosePort").await;
    until_port(&phone, false).await;
    phone.until("the row", async |phone| (phone.explain("EMBEDDED_WEB_ENABLE").0 == "N").then_some(())).await;
    wish(&phone, "OpenPort").await;
    until_port(&phone, true).await;
    assert_eq!(phone.explain("EMBEDDED_WEB_ENABLE").0, "Y");

    for _ in 0..3 {
        browser.open(&page(&phone, "admin:wrong", "/")).await;
    }
    until_port(&phone, false).await;
    wish(&phone, "OpenPort").await;
    until_port(&phone, true).await;
    browser.open(&page(&phone, "admin:adminpass", "/")).await;
    assert_eq!(browser.text("[data-fact=model]").await, "KX-UT670");
    assert_eq!(phone.facts(WEB, WEB).await["Session"], "admin");
    browser.click("a[href='/web-port-close']").await;
    browser.click("main button[type=submit]").await;
    until_port(&phone, false).await;
    browser.stop().await;
    phone.stop().await;
}
