//! See `tests/support/oracle.rs`: rsip beside us.
#![no_main]

#[path = "../../tests/support/oracle.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(unknown) = oracle::compare(octets) {
        panic!("{unknown}");
    }
});
