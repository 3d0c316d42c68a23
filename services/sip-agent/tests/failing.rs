//! A registrar whose host says by ICMP that nobody is there: the next one is asked long before timer F (32 s) has passed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;

use house::{House, soon};
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_server_that_is_not_there_is_followed_by_the_next_one_without_waiting_for_silence() {
    let second = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let gone = testbed::ports::free_at([127, 0, 0, 3].into()).unwrap().to_string();
    let port = second.local_addr().unwrap().port().to_string();
    let first = [("SIP_RGSTR_ADDR_1", "127.0.0.3"), ("SIP_RGSTR_PORT_1", gone.as_str())];
    let then = [("SIP_2NDRGSTR_ADDR_1", "127.0.0.2"), ("SIP_2NDRGSTR_PORT_1", port.as_str())];
    let _house = House::with(&[first, then].concat()).await;
    let mut message = [0; 4096];
    let (length, _) = soon("a REGISTER", second.recv_from(&mut message)).await.unwrap();
    assert!(message[..length].starts_with(b"REGISTER sip:127.0.0.3"), "{}", String::from_utf8_lossy(&message[..length]));
}
