//! Any bytes as a dial plan and digits: see `plans`. The corpus is replayed by tests/dial_plan_texts.rs.
#![no_main]

#[path = "../../tests/plans/mod.rs"]
mod plans;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(broken) = plans::octets_hold(octets) {
        panic!("{broken}");
    }
});
