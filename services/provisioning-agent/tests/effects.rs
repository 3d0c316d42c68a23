//! What a web server is asked for, by the rows of provisioning: each with two values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use futures_util::StreamExt as _;
use phone_proto::dbus::ProvisioningProxy;
use support::{House, WebServer, board};

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
