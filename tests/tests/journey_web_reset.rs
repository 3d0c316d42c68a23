//! Journey: Reset Web Settings takes the administrator's password back, and whoever was logged in has to log in again.

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};

#[allow(dead_code, reason = "another journey types and clicks")]
#[path = "../lab/web/browser.rs"]
mod browser;
use browser::Browser;

const WEB: &str = "org.deskphone.Web1";

/// B272: the password had been changed, so the next access asks for the login, with the password of the factory.
#[tokio::test]
async fn after_a_reset_of_web_settings_the_browser_has_to_log_in_again() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.run(&["settings", "set", "ADMIN_PASS=quite-secret"]);
    let browser = Browser::start(&namespace).await;
    let web = phone.ready["web"].as_str().expect("the web address").trim_end_matches('/').to_owned();
    let page = |account: &str| format!("{}/status/version-information", web.replacen("http://", &format!("http://{account}"), 1));
    browser.open(&page("admin:quite-secret@")).await;
    assert_eq!(browser.text("[data-fact=model]").await, "KX-UT670");
    assert_eq!(phone.facts(WEB, WEB).await["Session"], "admin");

    let before = phone.epochs().await;
    phone.run(&["reset", "web", "--yes"]);
    phone.until("the session's end", async |phone| (phone.facts(WEB, WEB).await["Session"] == "").then_some(())).await;
    phone.restarted(before).await;
    phone.until("the web port is open", async |phone| (phone.facts(WEB, WEB).await["PortOpen"] == true).then_some(())).await;
    // The browser still knows the password of before.
    browser.open(&page("")).await;
    assert_eq!(browser.status().await, 401);
    browser.open(&page("admin:adminpass@")).await;
    assert_eq!(browser.text("[data-fact=model]").await, "KX-UT670");
    browser.stop().await;
    phone.stop().await;
}
