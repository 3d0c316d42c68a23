//! The router over real sockets, with a fake owner of the settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use agreements::{Diagnosis, Severity};
use support::browser::{Browser, next_event, raw};
use support::{House, applied, board, lines};
use web_ui::backend::SaveError;
use web_ui::login::Output;

const VERSION: &str = "/status/version-information";
const CALL_CONTROL: &str = "/telephone/call-control-line/1";
const SIP_SETTINGS: &str = "/voip/sip-settings-line/1";
const USER_PASSWORD: &str = "/system/change-user-password";

async fn logged_in(house: &std::sync::Arc<House>, address: SocketAddr) -> Browser {
    let mut browser = Browser::new(address);
    let reply = browser.log_in(VERSION, "admin", "adminpass").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    house.settle();
    browser
}

/// B129, B137, B156: every request without a login is a question, and the Status tab comes after it.
#[tokio::test]
async fn the_status_tab_is_behind_the_login() {
    let house = House::new(&[]);
    let port = house.serve().await;
    house.fact(board());
    house.fact(lines("registered", 1));
    let asked = Browser::new(port.address).get(VERSION).await;
    assert_eq!(asked.status, 401);
    assert_eq!(asked.challenges().len(), 2);
    assert!(!asked.body.contains("KX-UT670"));
    let mut browser = logged_in(&house, port.address).await;
    for (path, texts) in [
        (VERSION, ["KX-UT670", "01.070", "Refresh"]),
        ("/status/network-status", ["00:80:F0:AB:CD:EF", "Not Connected", "Refresh"]),
        ("/status/voip-status", ["Registered", "403 Forbidden", "Refresh"]),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        assert!(texts.iter().all(|text| page.body.contains(text)), "{path}: {}", page.body);
    }
}

/// B137.
#[tokio::test]
async fn http_1_0_without_a_host_is_served() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let reply = raw(port.address, &format!("GET {VERSION} HTTP/1.0\r\n\r\n")).await;
    assert_eq!(reply.status, 401);
    let mut browser = logged_in(&house, port.address).await;
    let authorization = browser.answerer.as_mut().unwrap().answer("GET", VERSION);
    let request = format!("GET {VERSION} HTTP/1.0\r\nAuthorization: {authorization}\r\n\r\n");
    assert_eq!(raw(port.address, &request).await.status, 200);
}

/// B126.
#[tokio::test]
async fn three_wrong_passwords_close_the_port() {
    let house = House::new(&[]);
    let port = house.serve().await;
    for _ in 0..2 {
        let reply = Browser::new(port.address).log_in(VERSION, "admin", "wrong").await;
        assert_eq!((reply.status, reply.challenges().len()), (401, 2));
    }
    let last = Browser::new(port.address).log_in(VERSION, "admin", "wrong").await;
    assert_eq!((last.status, last.header("connection")), (401, "close"));
    assert!(last.challenges().iter().all(|challenge| !challenge.contains("Digest")), "the browser does not ask again");
    house.settle();
    assert!(house.outputs.lock().unwrap().contains(&Output::PortWanted(false)));
}

/// B132, B133.
#[tokio::test]
async fn a_second_login_is_refused() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut first = logged_in(&house, port.address).await;
    let second = Browser::new(port.address).log_in(VERSION, "admin", "adminpass").await;
    assert_eq!(second.status, 403);
    assert!(second.body.contains("only one can be at a time"));
    assert_eq!(first.get(VERSION).await.status, 200);
}

/// C36.
#[tokio::test]
async fn a_guesser_at_an_always_open_port_has_to_wait() {
    let house = House::new(&[("HTTPD_PORTOPEN_AUTO", "Y")]);
    let port = house.serve().await;
    for _ in 0..3 {
        Browser::new(port.address).log_in(VERSION, "admin", "wrong").await;
    }
    let reply = Browser::new(port.address).log_in(VERSION, "admin", "adminpass").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "3"));
    house.later(Duration::from_secs(2));
    logged_in(&house, port.address).await;
}

/// B149, B154: saved, and in effect when the service that needs it says so.
#[tokio::test]
async fn a_display_name_is_saved_and_comes_into_effect() {
    let house = House::new(&[]);
    let port = house.serve().await;
    house.fact(lines("registered", 1));
    let mut browser = logged_in(&house, port.address).await;
    let (head, mut live) = browser.live().await;
    assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    let reply = browser.save(CALL_CONTROL, &[("DISPLAY_NAME_1", "Zo\u{eb} & Co <1>")]).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains(">Complete<") && reply.body.contains("Saved as revision 2; sip-agent is taking it over"));
    assert!(reply.body.contains("Zo\u{eb} &amp; Co &lt;1&gt;"), "the new value, escaped");
    let save = house.owner.saves.lock().unwrap()[0].clone();
    assert_eq!(save.values.len(), 1);
    assert_eq!((save.account.as_str(), save.expected_revision), ("web admin", 1));
    house.fact(applied(2));
    let said = loop {
        let (name, data) = next_event(&mut live).await.unwrap();
        if name == "saved" && data.contains("in effect") {
            break data;
        }
    };
    assert!(said.contains("\"revision\":2") && said.contains("\"progress\":\"in-effect\""), "{said}");
    house.set("HTTPD_PORTOPEN_AUTO", "N");
    assert!(browser.get(CALL_CONTROL).await.body.contains("Zo\u{eb}"));
}

/// B150: which field, and why.
#[tokio::test]
async fn a_wrong_value_is_refused_beside_its_field() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let reply = browser.save(SIP_SETTINGS, &[("SIP_SRC_PORT_1", "80"), ("PHONE_NUMBER_1", "200")]).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("Failed (Parameter Error)"));
    assert!(reply.body.contains("id=\"SIP_SRC_PORT_1-error\"") && reply.body.contains("value=\"80\""));
    assert!(reply.body.contains("value=\"200\""), "what was typed elsewhere is not lost");
    assert!(house.owner.saves.lock().unwrap().is_empty());
}

/// B150 to B153, C2.
#[tokio::test]
async fn every_failure_of_the_owner_has_its_message() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let clash = Diagnosis {
        file: String::new(),
        line: 0,
        column: 0,
        code: "clash.port".into(),
        name: "SIP_SRC_PORT_1".into(),
        severity: Severity::Error,
        reason: "SIP_SRC_PORT_1 and SIP_SRC_PORT_2 both have the port 5070".into(),
        suggestion: String::new(),
        arguments: std::collections::BTreeMap::new(),
    };
    let failures = [
        (SaveError::Refused(vec![clash]), 422, "Failed (Parameter Error)", "Source Port [Line 2] both have the port 5070"),
        (SaveError::Conflict, 409, "Failed (Parameter Error)", "changed elsewhere"),
        (SaveError::Store, 500, "Failed (Memory Access Failure)", "Nothing was changed"),
        (SaveError::Busy, 503, "Failed (Busy)", "try again"),
        (SaveError::Unavailable("away".into()), 503, "Failed (Transfer Failure)", "nothing was saved"),
    ];
    for (failure, status, message, detail) in failures {
        *house.owner.fails.lock().unwrap() = Some(failure);
        let reply = browser.save(SIP_SETTINGS, &[("SIP_SRC_PORT_1", "5070")]).await;
        assert_eq!(reply.status, status, "{message}");
        assert!(reply.body.contains(message) && reply.body.contains(detail), "{message}: {}", reply.body);
        assert!(reply.body.contains("value=\"5070\""), "the typed value stays");
    }
}

/// provisioning-agent is down: the page says so and shows the last values.
#[tokio::test]
async fn settings_that_may_be_stale_are_marked() {
    let house = House::new(&[("DISPLAY_NAME_1", "Anna")]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    house.owner_is_away();
    let page = browser.get(CALL_CONTROL).await;
    assert!(page.body.contains("Settings are unavailable") && page.body.contains("value=\"Anna\""));
    let reply = browser.save(CALL_CONTROL, &[("DISPLAY_NAME_1", "Berta")]).await;
    assert!(reply.body.contains("Failed (Transfer Failure)"));
}

/// B148: a form without this session's token, or with another form's, does nothing.
#[tokio::test]
async fn a_form_without_its_token_is_forbidden() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let other = browser.get(SIP_SETTINGS).await.hidden("token");
    for token in ["", "0", other.as_str()] {
        let reply = browser.post(CALL_CONTROL, &[("token", token), ("revision", "1"), ("DISPLAY_NAME_1", "x")]).await;
        assert_eq!(reply.status, 403);
        assert!(reply.body.contains("403 Forbidden"));
    }
    let reply = browser.post("/web-port-close", &[("token", other.as_str())]).await;
    assert_eq!(reply.status, 403);
    assert!(house.owner.saves.lock().unwrap().is_empty());
    assert!(house.desk.door().session().is_some());
}

#[tokio::test]
async fn requests_of_other_sites_are_forbidden() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let token = browser.get(CALL_CONTROL).await.hidden("token");
    for extra in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        browser.extra = extra.into();
        let reply = browser.post(CALL_CONTROL, &[("token", &token), ("DISPLAY_NAME_1", "x")]).await;
        assert_eq!(reply.status, 403, "{extra}");
    }
    let rebound = format!("GET {VERSION} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    let reply = raw(port.address, &rebound).await;
    assert_eq!((reply.status, reply.challenges().len()), (403, 0));
    let hostless = format!("GET {VERSION} HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(raw(port.address, &hostless).await.status, 403);
    assert!(house.owner.saves.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = Browser::new(port.address);
    let question = browser.get(VERSION).await;
    let page = browser.log_in(VERSION, "admin", "adminpass").await;
    let missing = browser.get("/no/such").await;
    for reply in [&question, &page, &missing] {
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
    }
    assert_eq!(missing.status, 404);
    assert!(!page.body.contains("<script>") && !page.body.contains(" style=") && !page.body.contains("onclick"));
}

/// The only things that strangers get.
#[tokio::test]
async fn the_style_sheet_needs_no_login_and_nothing_else_does_without() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut stranger = Browser::new(port.address);
    assert_eq!(stranger.get("/assets/style.css").await.status, 200);
    assert_eq!(stranger.get("/assets/live.js").await.status, 200);
    assert_eq!(stranger.get("/assets/../src/main.rs").await.status, 401);
    assert_eq!(stranger.get("/assets/passwords").await.status, 404);
    for path in ["/", "/status", "/voip/sip-settings-line/1", "/nonsense", "/web-port-close", "/live/"] {
        assert_eq!(stranger.get(path).await.status, 401, "{path}");
    }
    assert_eq!(stranger.post(CALL_CONTROL, &[("DISPLAY_NAME_1", "x")]).await.status, 401);
}

/// B138, B139.
#[tokio::test]
async fn tabs_and_menus_go_by_the_account() {
    let house = House::new(&[("USER_PASS", "userpass1")]);
    let port = house.serve().await;
    let mut user = Browser::new(port.address);
    let page = user.log_in("/status/voip-status", "user", "userpass1").await;
    let tabs = |body: &str| -> Vec<String> {
        let nav = body.split("aria-label=\"Tabs\"").nth(1).unwrap().split("</nav>").next().unwrap().to_owned();
        nav.split("</a>")
            .filter_map(|link| link.rsplit_once('>').map(|(_, text)| text.to_owned()))
            .filter(|text| !text.is_empty())
            .collect()
    };
    assert_eq!(tabs(&page.body), ["Status", "Network", "System", "Telephone"]);
    assert_eq!(user.get(SIP_SETTINGS).await.status, 404);
    let screen = user.get(CALL_CONTROL).await;
    assert!(screen.body.contains("Display Name") && !screen.body.contains("Voice Mail Access Number"));
    let refused = user.post(CALL_CONTROL, &[("token", &screen.hidden("token")), ("revision", "1"), ("VM_NUMBER_1", "1")]).await;
    assert!(refused.body.contains("Nothing was changed"));
    assert!(house.owner.saves.lock().unwrap().is_empty());
    let first = user.get("/telephone").await;
    assert_eq!((first.status, first.header("location")), (303, "/telephone/call-control"));
    house.later(Duration::from_secs(31 * 60));
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut admin = logged_in(&house, port.address).await;
    assert_eq!(tabs(&admin.get(VERSION).await.body), ["Status", "Network", "System", "VoIP", "Telephone", "Maintenance"]);
}

/// B134, B135, B166, C34: blank, then set, then authenticated anew.
#[tokio::test]
async fn the_first_login_as_user_has_to_set_a_password() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut user = Browser::new(port.address);
    let sent = user.log_in(VERSION, "user", "").await;
    assert_eq!((sent.status, sent.header("location")), (303, USER_PASSWORD));
    let page = user.get(USER_PASSWORD).await;
    assert!(page.body.contains("Set a password first") && !page.body.contains("aria-label=\"Tabs\""));
    let fields = |new, confirm| [("current-password", ""), ("new-password", new), ("confirm-new-password", confirm)];
    for (new, confirm, reason) in
        [("secret1", "secret2", "differs"), ("short", "short", "6"), ("with space", "with space", "space")]
    {
        let reply = user.save(USER_PASSWORD, &fields(new, confirm)).await;
        assert_eq!(reply.status, 422, "{new}");
        assert!(reply.body.contains("Failed (Parameter Error)") && reply.body.contains(reason), "{new}: {}", reply.body);
        assert!(!reply.body.contains(new), "no password comes back");
    }
    let reply = user.save(USER_PASSWORD, &fields("secret1", "secret1")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains(">Complete<"));
    assert_eq!(user.get(VERSION).await.status, 401, "authentication is done again");
    assert_eq!(user.log_in(VERSION, "user", "secret1").await.status, 200);
}

/// B131, B140: the administrator's own password needs the current one, and logs out.
#[tokio::test]
async fn a_changed_administrator_password_asks_for_the_login() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut admin = logged_in(&house, port.address).await;
    let path = "/system/administrator-password";
    let fields = |current| [("current-password", current), ("new-password", "opensesame"), ("confirm-new-password", "opensesame")];
    let refused = admin.save(path, &fields("wrong")).await;
    assert!(refused.body.contains("not the current password"));
    assert!(admin.save(path, &fields("adminpass")).await.body.contains(">Complete<"));
    assert_eq!(admin.get(VERSION).await.status, 401);
    assert_eq!(admin.log_in(VERSION, "admin", "opensesame").await.status, 200);
}

/// B124.
#[tokio::test]
async fn web_port_close_asks_and_then_closes() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let asked = browser.get("/web-port-close").await;
    assert!(asked.body.contains(">OK<") && asked.body.contains(">Cancel<"));
    let token = asked.hidden("token");
    let reply = browser.post("/web-port-close", &[("token", &token)]).await;
    assert_eq!((reply.status, reply.header("connection")), (200, "close"));
    house.settle();
    assert!(house.outputs.lock().unwrap().contains(&Output::PortWanted(false)));
    assert!(house.outputs.lock().unwrap().contains(&Output::WriteEnabled(false)));
    assert_eq!(browser.get(VERSION).await.status, 503);
}

/// A secret's value never leaves the phone again.
#[tokio::test]
async fn a_password_is_shown_as_set_and_nothing_more() {
    let house = House::new(&[("SIP_PASS_1", "opensesame"), ("HTTP_AUTH_PASS", "********")]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let page = browser.get(SIP_SETTINGS).await;
    assert!(page.body.contains("A password is set") && page.body.contains("placeholder=\"set\""));
    assert!(!page.body.contains("opensesame") && !page.body.contains("********"));
    browser.save(SIP_SETTINGS, &[("SIP_PASS_1", ""), ("PHONE_NUMBER_1", "200")]).await;
    assert!(!house.owner.saves.lock().unwrap()[0].values.contains_key("SIP_PASS_1"));
}

/// The stream is no activity (B128) and ends with the session.
#[tokio::test]
async fn the_live_stream_ends_with_the_session_and_does_not_prolong_it() {
    let house = House::new(&[]);
    let port = house.serve().await;
    house.fact(lines("registering", 1));
    let mut browser = logged_in(&house, port.address).await;
    let (_, mut live) = browser.live().await;
    let (name, data) = next_event(&mut live).await.unwrap();
    assert_eq!(name, "facts");
    assert!(data.contains("\"voip-1\":\"Registering\""), "{data}");
    house.fact(lines("registered", 1));
    let (_, data) = next_event(&mut live).await.unwrap();
    assert_eq!(data, "{\"voip-1\":\"Registered\"}", "only what has changed");
    house.later(Duration::from_secs(30 * 60));
    assert_eq!(next_event(&mut live).await.unwrap().0, "end");
    assert_eq!(next_event(&mut live).await, None);
}

#[tokio::test]
async fn a_live_request_without_a_session_is_told_to_stop_asking() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let reply = Browser::new(port.address).log_in("/live", "admin", "adminpass").await;
    assert_eq!(reply.status, 204);
    assert!(house.desk.door().session().is_none());
}

#[tokio::test]
async fn there_are_only_so_many_live_streams() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let mut streams = Vec::new();
    for _ in 0..6 {
        let (head, stream) = browser.live().await;
        assert_eq!(head.status, 200);
        streams.push(stream);
    }
    assert_eq!(browser.get("/live").await.status, 204);
}

#[tokio::test]
async fn heads_and_bodies_are_bounded() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(20_000), port.address);
    assert!(matches!(raw(port.address, &long).await.status, 414 | 431));
    let reply = browser.post(CALL_CONTROL, &[("DISPLAY_NAME_1", &"x".repeat(40_000))]).await;
    assert_eq!(reply.status, 413);
}

/// A source that opens connections and says nothing takes no more than its share.
#[tokio::test]
async fn connections_per_source_are_bounded() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(tokio::net::TcpStream::connect(port.address).await.unwrap());
    }
    use tokio::io::AsyncReadExt as _;
    let mut one_more = tokio::net::TcpStream::connect(port.address).await.unwrap();
    assert_eq!(one_more.read(&mut [0; 16]).await.unwrap_or(0), 0, "dropped at once");
}

/// A closed port cuts nothing that is under way, refuses the next connection, and ends streams.
#[tokio::test]
async fn a_dropped_listener_closes_the_port() {
    let house = House::new(&[]);
    let port = house.serve().await;
    let mut browser = logged_in(&house, port.address).await;
    let address = port.address;
    let (_, mut live) = browser.live().await;
    drop(port);
    while next_event(&mut live).await.is_some() {}
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
