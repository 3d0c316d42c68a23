//! The web interface over a fake owner of the settings, for looking at pages: `cargo run -p web-ui --example preview [PORT]`, then
//! http://127.0.0.1:PORT/ (admin, adminpass).

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use support::{House, applied, board, lines};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    let house = House::new(&[("PHONE_NUMBER_1", "200"), ("SIP_RGSTR_ADDR_1", "127.0.0.2"), ("SIP_PASS_1", "secret")]);
    house.fact(board());
    house.fact(lines("registered", 1));
    let listener = house.serve_at(([127, 0, 0, 1], port).into()).await;
    println!("http://{}/", listener.address);
    loop {
        house.desk.moved.notified().await;
        house.settle();
        let revision = house.feeds.values.borrow().revision;
        tokio::time::sleep(Duration::from_secs(1)).await;
        house.fact(applied(revision));
    }
}
