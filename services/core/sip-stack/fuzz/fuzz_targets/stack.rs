//! See `tests/stories/script.rs`, which this plays.
#![no_main]

#[path = "../../tests/stories/given.rs"]
mod given;
#[path = "../../tests/stories/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| script::play(octets));
