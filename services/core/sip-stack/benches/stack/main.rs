//! What the stack alone costs: `cargo bench -p sip-stack`. Registrations, OPTIONS and whole calls per second, and how many
//! allocations a message costs when it is read, written, and in a whole call. Everything is in memory and in virtual time: no
//! socket, no media. Prints a table; asserts nothing about time.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench may end like a test")]

mod allocations;
#[allow(dead_code, reason = "the stories use more of it")]
#[path = "../../tests/stories/given.rs"]
mod given;
mod pair;

use std::hint::black_box;
use std::time::Instant;

use allocations::Counted;
use pair::{CALL_MESSAGES, Pair};
use sip_wire::{Message, StatusCode, parse_datagram};

/// Rounds that are timed, of each kind.
const ROUNDS: u32 = 5_000;
/// Rounds before those, so that every table has its size.
const WARM: u32 = 200;

fn main() {
    println!("{:<44} {:>12} {:>14} {:>14}", "", "per second", "allocations", "octets");
    let invite = Pair::new().invite();
    let Ok(Message::Request(request)) = parse_datagram(&invite) else { panic!("the stack's own INVITE") };
    line("read an INVITE", 1, || drop(black_box(parse_datagram(black_box(&invite)))));
    line("write an INVITE", 1, || drop(black_box(request.to_bytes())));
    line("make a 200 and write it", 1, || drop(black_box(request.response(StatusCode::OK).to_bytes())));
    let mut pair = Pair::new();
    line("OPTIONS and its answer", 1, || pair.options());
    let mut pair = Pair::new();
    line("REGISTER and its answer", 1, || pair.register());
    let mut pair = Pair::new();
    line("call: INVITE 100 180 200 ACK BYE 200", 1, || pair.call());
    let mut pair = Pair::new();
    line("the same, per message", CALL_MESSAGES, || pair.call());
}

/// One line of the table: how often per second, and what one costs.
fn line(what: &str, parts: u32, mut act: impl FnMut()) {
    (0..WARM).for_each(|_| act());
    let (before, begun) = (Counted::now(), Instant::now());
    (0..ROUNDS).for_each(|_| act());
    let (after, took) = (Counted::now(), begun.elapsed());
    let each = f64::from(ROUNDS) * f64::from(parts);
    let per = |before: u64, after: u64| (after - before) as f64 / each;
    let rate = each / took.as_secs_f64();
    println!("{what:<44} {rate:>12.0} {:>14.1} {:>14.0}", per(before.count, after.count), per(before.octets, after.octets));
}
