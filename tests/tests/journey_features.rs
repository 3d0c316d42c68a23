//! Journey: a server keeps do-not-disturb and forwarding of line 1 as well. A change of either side is seen at the other, the server
//! acts on calls, and all of it goes on when sip-agent is killed. A person with a browser sees what the server has made of a change.

use house_tests::far_script::{FarScript, SCRIPT_PORT};
use house_tests::feature_server::{FeatureServer, Kept};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, Namespace, SECOND_FAR};
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::Registrar;

#[allow(dead_code, reason = "another journey types")]
#[path = "../lab/web/browser.rs"]
mod browser;
use browser::Browser;

struct Story {
    phone: Phone,
    server: FeatureServer,
    _registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        Story::begin_in(Namespace::new()).await
    }

    async fn begin_in(namespace: Namespace) -> Story {
        let registrar = Registrar::start(&namespace);
        let server = FeatureServer::start(&namespace);
        let presence = format!("SIP_PRSNC_ADDR_1=\"{FAR}\"");
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&["FWD_DND_SYNCHRO_ENABLE_1=\"Y\"", &presence])).await;
        phone.registered().await;
        let story = Story { phone, server, _registrar: registrar, namespace };
        story.shows("active").await;
        story
    }

    async fn shows(&self, sync: &str) {
        let what = format!("FeatureSync {sync}");
        self.phone.until(&what, async |phone| (phone.line(1, "FeatureSync").await == sync).then_some(())).await;
    }

    fn set(&self, values: &[&str]) {
        self.phone.run(&[&["settings", "set"], values].concat());
    }

    /// Waits until the setting is this, and tells whose it is.
    async fn becomes(&self, name: &str, value: &str) -> String {
        let what = format!("{name}={value}");
        let (_, layer, source, _) =
            self.phone.until(&what, async |phone| Some(phone.explain(name)).filter(|one| one.0 == value)).await;
        assert_eq!(layer, "user");
        source
    }

    /// A call to line 1 goes as the script says.
    async fn call(&self, script: &str) {
        FarScript::start_at(&self.namespace, (SECOND_FAR, SCRIPT_PORT), script).went_as_written().await;
    }
}

const SERVER: &str = "the SIP server of line 1";

/// B187, B188.
#[tokio::test]
async fn do_not_disturb_and_forwarding_are_the_same_at_the_phone_and_at_the_server() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    story.set(&["DO_NOT_DISTURB_1=Y"]);
    story.server.hears("<doNotDisturbOn>true</doNotDisturbOn>").await;
    assert!(story.server.kept().do_not_disturb);
    // It is the server's to refuse: what it lets through rings.
    story.call("attempt").await;

    let elsewhere = Kept { do_not_disturb: false, forwards: true, to: "300".to_owned() };
    story.server.change(|kept| kept.clone_from(&elsewhere)).await;
    assert_eq!(story.becomes("FWD_ALL_ENABLE_1", "Y").await, SERVER);
    assert_eq!(
        (story.becomes("FWD_ALL_NUMBER_1", "300").await, story.becomes("DO_NOT_DISTURB_1", "N").await),
        (SERVER.into(), SERVER.into())
    );
    let history = story.phone.json(&["settings", "history", "--limit", "1"]);
    assert_eq!((&history[0]["way"], &history[0]["source"]), (&"server".into(), &SERVER.into()));
    story.call("attempt").await;

    let killed = story.phone.pid("sip-agent");
    story.namespace.command("kill").args(["-9", &killed.to_string()]).status().expect("kill");
    story.phone.until("another sip-agent", async |phone| (phone.pid("sip-agent") != killed).then_some(())).await;
    story.shows("active").await;
    story.server.change(|kept| kept.forwards = false).await;
    assert_eq!(story.becomes("FWD_ALL_ENABLE_1", "N").await, SERVER);
    let heard = story.server.hears("<doNotDisturbOn>true</doNotDisturbOn>").await;
    assert_eq!(heard.len(), 2, "the first SUBSCRIBE and a person's change, and nothing of what the server said: {heard:?}");

    // Without it the phone is alone, and acts by itself.
    story.set(&["FWD_DND_SYNCHRO_ENABLE_1=N"]);
    story.server.hears("end").await;
    story.shows("off").await;
    story.set(&["DO_NOT_DISTURB_1=Y"]);
    let in_effect = async |phone: &Phone| {
        let told = phone.json(&["status"]);
        (told["phone"]["AppliedRevision"] == told["settings"]["Revision"]).then_some(())
    };
    story.phone.until("the setting in effect", in_effect).await;
    story.call("refused_call").await;
    assert!(!story.server.kept().do_not_disturb);
    story.phone.stop().await;
}

const DO_NOT_DISTURB: &str = "input[name=DO_NOT_DISTURB_1]:checked";

/// B189: the page says what was saved; what the server has made of it is there when the page is loaded again.
#[tokio::test]
async fn a_change_on_the_web_page_goes_to_the_server_and_its_answer_is_seen_after_a_reload() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    namespace.enter();
    let story = Story::begin_in(namespace).await;
    let browser = Browser::start(&story.namespace).await;
    let web = story.phone.ready["web"].as_str().expect("the web address").trim_end_matches('/');
    let page = format!("{}/telephone/call-control-line/1", web.replacen("http://", "http://admin:adminpass@", 1));
    let save = async || {
        browser.open(&page).await;
        assert_eq!(browser.value(DO_NOT_DISTURB).await, "N");
        browser.click("input[name=DO_NOT_DISTURB_1][value=Y]").await;
        browser.submit("form.settings button[type=submit]").await;
        assert_eq!(browser.until("#result", |text| !text.is_empty()).await, "Complete");
        assert_eq!(browser.value(DO_NOT_DISTURB).await, "Y");
    };

    story.server.be_silent(true);
    save().await;
    story.server.hears("<doNotDisturbOn>true</doNotDisturbOn>").await;
    story.server.be_silent(false);
    story.server.change(|_| {}).await;
    assert_eq!(story.becomes("DO_NOT_DISTURB_1", "N").await, SERVER, "it has not taken it");
    assert_eq!(browser.value(DO_NOT_DISTURB).await, "Y");

    save().await;
    story.server.keeps("do-not-disturb", |kept| kept.do_not_disturb).await;
    assert_eq!(story.becomes("DO_NOT_DISTURB_1", "Y").await, "web admin");
    browser.stop().await;
    story.phone.stop().await;
}
