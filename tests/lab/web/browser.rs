//! Chromium behind chromedriver, spoken to in plain WebDriver JSON. Headless, with a profile of its own, and nothing outlives it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use house_tests::LIMIT;
use house_tests::namespace::Namespace;
use serde_json::{Value, json};

/// How a browser on a build machine has to be started: no sandbox for root, no screen, nothing in the background.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
];
/// Where chromedriver listens inside the namespace.
const PORT: u16 = 9515;
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window. The test's thread must have entered the namespace.
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it in the namespace.
    pub async fn start(namespace: &Namespace) -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        let mut command: Command = namespace.command("chromedriver");
        command.arg(format!("--port={PORT}")).env("HOME", profile.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = command.spawn().expect("chromedriver, of the package chromium-driver");
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT * 2).build().expect("a client");
        let mut browser = Browser { driver, session: String::new(), client, _profile: profile };
        browser.ready().await;
        let profile = format!("--user-data-dir={}", browser._profile.path().join("profile").display());
        let flags: Vec<&str> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
        let options = json!({"binary": "/usr/bin/chromium", "args": flags});
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}});
        let session = browser.post("/session", &wanted).await;
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.ask("/url", &json!({ "url": url })).await;
    }

    /// The HTTP status of the page. Without a screen there is nobody to ask for a password, and of a 401 nothing else is seen.
    pub async fn status(&self) -> u64 {
        let status = self.script("return performance.getEntriesByType('navigation')[0].responseStatus").await;
        status.as_u64().unwrap_or_default()
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        self.script("return document.title").await.as_str().unwrap_or_default().to_owned()
    }

    /// The text of the first element of this selector; empty where there is none.
    pub async fn text(&self, selector: &str) -> String {
        let script = format!("const found = document.querySelector({}); return found ? found.innerText : ''", json!(selector));
        self.script(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// The value of a field.
    pub async fn value(&self, selector: &str) -> String {
        self.script(&format!("return document.querySelector({}).value", json!(selector)))
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Empties a field and types into it, key by key.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.ask(&format!("/element/{element}/clear"), &json!({})).await;
        self.ask(&format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    /// Chooses a file of this machine, as in the dialog that the field opens.
    pub async fn choose_file(&self, selector: &str, path: &std::path::Path) {
        let element = self.element(selector).await;
        self.ask(&format!("/element/{element}/value"), &json!({ "text": path.to_str().expect("a path") })).await;
    }

    /// Clicks, and waits for the page that follows. What lies at the edge of the window may be under a bar that stays there.
    pub async fn click(&self, selector: &str) {
        self.script(&format!("document.querySelector({})?.scrollIntoView({{block: 'center'}})", json!(selector))).await;
        let element = self.element(selector).await;
        self.ask(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// Clicks what sends a form, and waits until its answer is the page: the old one may look just like it, and is gone in a moment.
    pub async fn submit(&self, selector: &str) {
        self.script("document.leaves = true").await;
        self.click(selector).await;
        let begun = Instant::now();
        while self.script("return document.leaves === true").await == true {
            assert!(begun.elapsed() < LIMIT, "no page follows {selector}");
        }
    }

    /// Waits until the text of an element fits. The page is looked at as fast as WebDriver answers.
    pub async fn until(&self, selector: &str, fits: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text(selector).await;
            if fits(&text) {
                return text;
            }
            assert!(begun.elapsed() < LIMIT, "{selector} still says {text:?} on {:?}", self.text("body").await);
        }
    }

    /// Errors and warnings of the page: a blocked script or style would be among them.
    pub async fn complaints(&self) -> Vec<Value> {
        let log = self.ask("/se/log", &json!({"type": "browser"})).await;
        log.as_array().cloned().unwrap_or_default()
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.ask("/element", &json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no {selector}: {found}")).to_owned()
    }

    async fn script(&self, script: &str) -> Value {
        self.ask("/execute/sync", &json!({"script": script, "args": []})).await
    }

    async fn ask(&self, path: &str, body: &Value) -> Value {
        self.post(&format!("{}{path}", self.session), body).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{PORT}{path}");
        let reply = self.client.post(url).json(body).send().await.expect("chromedriver's answer");
        let (status, mut answer) = (reply.status(), reply.json::<Value>().await.expect("JSON"));
        assert!(status.is_success(), "{path} {body}: {answer}");
        answer["value"].take()
    }

    async fn ready(&self) {
        let begun = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while self.client.get(format!("http://127.0.0.1:{PORT}/status")).send().await.is_err() {
            assert!(begun.elapsed() < LIMIT, "chromedriver does not answer");
            tick.tick().await;
        }
    }

    /// Ends the browser before its driver, so that nothing is left.
    pub async fn stop(mut self) {
        let url = format!("http://127.0.0.1:{PORT}{}", self.session);
        let _gone = self.client.delete(url).send().await;
        let _killed = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _killed = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}
