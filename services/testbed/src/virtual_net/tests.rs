//! The wire itself, between peers that are only addresses.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Faults, Net, PERFECT};

fn pair(net: &mut Net) -> (SocketAddr, SocketAddr) {
    (net.peer("10.0.0.1:5060"), net.peer("10.0.0.2:5060"))
}

/// Sends so many numbered packets in the same moment, and what has come once the wire is empty.
fn sent(net: &mut Net, packets: u64) -> Vec<String> {
    let (from, to) = pair(net);
    for number in 0..packets {
        net.send(from, to, number.to_string().into_bytes());
    }
    net.settle();
    net.first_lines(to)
}

fn numbers(to: u64) -> Vec<String> {
    (0..to).map(|number| number.to_string()).collect()
}

#[test]
fn a_packet_comes_after_its_delay_and_the_clock_jumps_there() {
    let mut net = Net::with_faults(1, Faults { delay: (30, 30), ..PERFECT });
    let (from, to) = pair(&mut net);
    let begun = net.now;
    net.send(from, to, b"there".to_vec());
    net.run_for(Duration::from_millis(29));
    assert!(net.first_lines(to).is_empty());
    net.run_for(Duration::from_secs(3_600));
    assert_eq!(net.first_lines(to), ["there"]);
    assert_eq!(net.now.since(begun), Duration::from_millis(3_600_029));
}

#[test]
fn a_perfect_wire_keeps_every_packet_and_their_order() {
    assert_eq!(sent(&mut Net::new(), 100), numbers(100));
}

#[test]
fn a_wire_with_loss_loses_about_as_many_as_asked_and_logs_all() {
    let mut net = Net::with_faults(7, Faults { loss: 25, ..PERFECT });
    let came = sent(&mut net, 1_000).len();
    assert!((700..800).contains(&came), "{came}");
    assert_eq!(net.log.len(), 1_000);
}

#[test]
fn a_wire_that_doubles_doubles_about_as_many_as_asked() {
    let came = sent(&mut Net::with_faults(7, Faults { twice: 10, ..PERFECT }), 1_000).len();
    assert!((1_070..1_130).contains(&came), "{came}");
}

#[test]
fn packets_overtake_each_other_where_delays_differ() {
    let mut came = sent(&mut Net::with_faults(7, Faults { delay: (1, 80), ..PERFECT }), 100);
    assert_ne!(came, numbers(100));
    came.sort_by_key(|number| number.parse::<u64>().unwrap());
    assert_eq!(came, numbers(100));
}

#[test]
fn the_same_seed_is_the_same_story_and_another_is_another() {
    let story = |seed| sent(&mut Net::with_faults(seed, Faults { loss: 10, twice: 10, delay: (1, 80) }), 100);
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(9));
}

#[test]
fn what_goes_to_nobody_is_gone() {
    let mut net = Net::new();
    let (from, to) = pair(&mut net);
    net.send(from, "10.0.0.3:5060".parse().unwrap(), b"hello".to_vec());
    net.settle();
    assert!(net.first_lines(to).is_empty() && net.first_lines(from).is_empty());
}
