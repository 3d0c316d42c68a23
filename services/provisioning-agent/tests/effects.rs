//! What a web server is asked for, by the rows of provisioning: each with two values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use futures_util::StreamExt as _;
use phone_proto::dbus::ProvisioningProxy;
use support::{House, WebServer, board, board_with_clock, configuration};

/// The request lines and user agents of one run; `{}` in a row is the server.
async fn asked(rows: &[&str]) -> Vec<String> {
    let house = House::new();
    let server = WebServer::start(&house, "");
    let rows: Vec<String> = rows.iter().map(|row| row.replace("{}", &server.url(""))).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let preset = house.preset("dealer.cfg", &rows);
    let _agent = house.start(&[&preset]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board(&house, "0080F0111111").await;
    finished.next().await.unwrap();
    server.requests()
}

/// B37, B50, B53 to B55: each file where its path says.
#[tokio::test]
async fn each_path_says_where_its_file_is() {
    for name in ["CFG_STANDARD_FILE_PATH", "CFG_PRODUCT_FILE_PATH", "CFG_MASTER_FILE_PATH"] {
        for (path, file) in [("/one.cfg", "/one.cfg"), ("/two/{mac}.cfg", "/two/0080f0111111.cfg")] {
            let requests = asked(&[&format!("{name}=\"{{}}{path}\"")]).await;
            assert_eq!(requests.len(), 1, "{name}: {requests:?}");
            assert!(requests[0].starts_with(&format!("GET {file} HTTP/")), "{name}: {requests:?}");
        }
    }
}

/// B286.
#[tokio::test]
async fn the_http_version_is_the_configured_one() {
    for (value, version) in [("1", "HTTP/1.0"), ("0", "HTTP/1.1")] {
        let requests = asked(&["CFG_MASTER_FILE_PATH=\"{}/a.cfg\"", &format!("HTTP_VER=\"{value}\"")]).await;
        assert!(requests[0].starts_with(&format!("GET /a.cfg {version}|")), "{requests:?}");
    }
}

/// B311.
#[tokio::test]
async fn the_user_agent_is_the_configured_one() {
    for (value, shown) in [("Phone {mac}", "Phone 0080f0111111"), ("{MAC}/7", "0080F0111111/7")] {
        let requests = asked(&["CFG_MASTER_FILE_PATH=\"{}/a.cfg\"", &format!("HTTP_USER_AGENT=\"{value}\"")]).await;
        assert!(requests[0].contains(&format!("|{shown}|")), "{requests:?}");
    }
}

/// C28: each account opens its own server's files, and only those.
#[tokio::test]
async fn name_and_password_for_http_are_the_configured_ones() {
    let rows = |user: &str, password: &str| [format!("HTTP_AUTH_ID=\"{user}\""), format!("HTTP_AUTH_PASS=\"{password}\"")];
    for (user, password, opens) in [("joe", "one-secret", true), ("joe", "two-secret", false), ("ann", "two-secret", true)] {
        let house = House::new();
        let server = WebServer::start(&house, "auth_basic files; auth_basic_user_file users;");
        house.write("web/users", "joe:{PLAIN}one-secret\nann:{PLAIN}two-secret\n");
        server.serve("a.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]));
        let [user, password] = rows(user, password);
        let path = format!("CFG_MASTER_FILE_PATH=\"{}\"", server.url("/a.cfg"));
        let files = one_run(&house, &[&path, &user, &password], true).await;
        assert_eq!(files, [if opens { "applied" } else { "failed" }], "{user} {password}");
    }
}

/// B172, B173: through the proxy of these rows, or past it.
#[tokio::test]
async fn requests_go_through_the_configured_proxy() {
    let house = House::new();
    let server = WebServer::start(&house, "");
    server.serve("a.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    let proxies = ["one", "two"].map(|name| support::servers::proxy(&house.path(name)));
    let path = format!("CFG_MASTER_FILE_PATH=\"{}\"", server.url("/a.cfg"));
    let asked = || proxies.each_ref().map(|proxy| std::fs::read_to_string(proxy.root.join("log")).unwrap().matches("GET ").count());
    for (enabled, at, expected) in [("N", 0, [0, 0]), ("Y", 0, [1, 0]), ("Y", 1, [1, 1])] {
        let rows = [format!("HTTP_PROXY_ENABLE=\"{enabled}\""), format!("HTTP_PROXY_PORT=\"{}\"", proxies[at].port)];
        let again = House::new();
        one_run(&again, &[&path, &rows[0], "HTTP_PROXY_ADDR=\"127.0.0.2\"", &rows[1]], true).await;
        assert_eq!(asked(), expected, "{enabled} {at}");
    }
    let nowhere = ["HTTP_PROXY_ENABLE=\"Y\"", "HTTP_PROXY_ADDR=\"127.0.0.9\"", "HTTP_PROXY_PORT=\"1\""];
    assert_eq!(one_run(&House::new(), &[&[path.as_str()][..], &nowhere].concat(), true).await, ["failed"]);
}

/// B218: the level, the root certificate, and that nothing is checked while the clock is not set.
#[tokio::test]
async fn a_servers_certificate_is_checked_as_configured() {
    let house = House::new();
    let authority = support::servers::Authority::new(&house.path("ca"));
    let pair = authority.issue("other", "DNS:other.example", "20491231235959Z");
    let secure = WebServer::start_in(&house.path("secure"), &support::servers::tls(&pair, "TLSv1.3"));
    let plain = WebServer::start_in(&house.path("plain"), "");
    secure.serve("a.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]));
    plain.serve("root.pem", &authority.root());
    let path = format!("CFG_MASTER_FILE_PATH=\"{}\"", secure.url("/a.cfg").replace("http", "https"));
    let root = format!("CFG_ROOT_CERTIFICATE_PATH=\"{}\"", plain.url("/root.pem"));
    for (level, root, clock_set, outcome) in [
        ("0", "", true, "applied"),
        ("1", "", true, "failed"),
        ("1", root.as_str(), true, "applied"),
        ("2", root.as_str(), true, "failed"),
        ("2", root.as_str(), false, "applied"),
    ] {
        let level = format!("HTTP_SSL_VERIFY=\"{level}\"");
        let rows: Vec<&str> = [path.as_str(), &level, root].into_iter().filter(|row| !row.is_empty()).collect();
        assert_eq!(one_run(&House::new(), &rows, clock_set).await, [outcome], "{level} {root} {clock_set}");
    }
}

/// The outcomes of the files of one run.
async fn one_run(house: &House, rows: &[&str], clock_set: bool) -> Vec<String> {
    let preset = house.preset("dealer.cfg", rows);
    let _agent = house.start(&[&preset]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut finished = provisioning.receive_run_finished().await.unwrap();
    let _board = board_with_clock(house, "0080F0111111", clock_set).await;
    finished.next().await.unwrap();
    provisioning.files().await.unwrap().into_iter().map(|(_, _, outcome, _, _)| outcome).collect()
}
