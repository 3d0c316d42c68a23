//! From the values of the settings to what a browser meets: each row of the web interface with two values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::House;
use support::browser::Browser;
use web_ui::http::router::router;
use web_ui::login::Output;
use web_ui::port::Port;

const VERSION: &str = "/status/version-information";

/// Who gets in with which of these.
async fn admitted(rows: &[(&str, &str)], accounts: &[(&str, &str)]) -> Vec<bool> {
    let mut admitted = Vec::new();
    for (id, password) in accounts {
        let house = House::new(rows);
        let port = house.serve().await;
        admitted.push(Browser::new(port.address).log_in(VERSION, id, password).await.status == 200);
    }
    admitted
}

/// B129.
#[tokio::test]
async fn account_names_and_passwords_are_those_of_the_rows() {
    let administrators = [("admin", "adminpass"), ("root-7", "adminpass"), ("admin", "opensesame")];
    assert_eq!(admitted(&[], &administrators).await, [true, false, false]);
    assert_eq!(admitted(&[("ADMIN_ID", "root-7")], &administrators).await, [false, true, false]);
    assert_eq!(admitted(&[("ADMIN_PASS", "opensesame")], &administrators).await, [false, false, true]);
    let users = [("user", "secret1"), ("guest-7", "secret1"), ("user", "secret2")];
    assert_eq!(admitted(&[("USER_PASS", "secret1")], &users).await, [true, false, false]);
    assert_eq!(admitted(&[("USER_PASS", "secret1"), ("USER_ID", "guest-7")], &users).await, [false, true, false]);
    assert_eq!(admitted(&[("USER_PASS", "secret2")], &users).await, [false, false, true]);
}

/// B121, C45: whether the User account has the screen, sees it in its menu, and may save it; the administrator always has it.
#[tokio::test]
async fn the_dealer_may_take_basic_network_settings_from_the_user() {
    let screen = "/network/basic-network-settings";
    for (row, status) in [("0", 200), ("1", 404)] {
        let rows = [("CUSTOM_WEB_PAGE", row), ("USER_PASS", "userpass1"), ("ADMIN_PASS", "opensesame")];
        for (id, password, status) in [("user", "userpass1", status), ("admin", "opensesame", 200)] {
            let house = House::new(&rows);
            let port = house.serve().await;
            let mut browser = Browser::new(port.address);
            let page = browser.log_in("/status/network-status", id, password).await;
            assert_eq!(page.status, 200, "{id}");
            let reply = browser.get(screen).await;
            assert_eq!(reply.status, status, "{id} {row}");
            let token = if status == 200 { reply.hidden("token") } else { String::new() };
            let fields = [("token", token.as_str()), ("revision", "1"), ("HOST_NAME", "desk")];
            assert_eq!(browser.post(screen, &fields).await.status == 404, status == 404, "{id} {row}");
            let menu = browser.get("/network").await;
            assert_eq!(menu.header("location") == screen, status == 200, "{id} {row}: {menu:?}");
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn closed(house: &House) -> bool {
    house.outputs.lock().unwrap().contains(&Output::PortWanted(false))
}

/// B125, B128.
#[tokio::test]
async fn the_port_closes_after_the_configured_minutes() {
    for (row, minutes) in [("1", 1), ("30", 30), ("1440", 1440)] {
        let house = House::new(&[("WEB_CLOSE_TIMER", row)]);
        house.later(minutes * MINUTE - Duration::from_secs(1));
        assert!(!closed(&house), "{row}");
        house.later(Duration::from_secs(1));
        assert!(closed(&house), "{row}");
    }
}

/// B127.
#[tokio::test]
async fn an_always_open_port_does_not_close() {
    for (row, closes) in [("N", true), ("Y", false)] {
        let house = House::new(&[("HTTPD_PORTOPEN_AUTO", row)]);
        house.later(60 * MINUTE);
        assert_eq!(closed(&house), closes, "{row}");
    }
}

/// B122, B123.
#[tokio::test]
async fn the_port_is_open_where_it_is_enabled() {
    let house = House::new(&[("EMBEDDED_WEB_ENABLE", "N")]);
    let wanted = |house: &House| house.outputs.lock().unwrap().contains(&Output::PortWanted(true));
    assert!(!wanted(&house));
    house.set("EMBEDDED_WEB_ENABLE", "Y");
    assert!(wanted(&house));
    house.set("EMBEDDED_WEB_ENABLE", "N");
    assert_eq!(house.outputs.lock().unwrap().last(), Some(&Output::PortWanted(false)));
}

/// Two ports that are free now and that the row takes.
fn free_ports() -> [u16; 2] {
    let mut kept = Vec::new();
    for port in 20_000..20_400 {
        if let Ok(listener) = std::net::TcpListener::bind(("127.0.0.1", port)) {
            kept.push(listener);
        }
        if let [one, other] = kept.as_slice() {
            return [one, other].map(|listener| listener.local_addr().unwrap().port());
        }
    }
    panic!("no free port");
}

/// B171: at once, and nowhere else any more.
#[tokio::test]
async fn the_port_is_the_configured_one() {
    let house = House::new(&[]);
    let mut port = Port::new(router(house.desk.clone()));
    port.address("127.0.0.1");
    port.want(true);
    let ports = free_ports();
    for number in ports {
        house.set("WEB_SERVER_PORT", &number.to_string());
        port.number(house.feeds.values.borrow().port());
        port.settle().await;
        for other in ports {
            let reached = tokio::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], other))).await.is_ok();
            assert_eq!(reached, other == number, "{other} with {number}");
        }
    }
}
