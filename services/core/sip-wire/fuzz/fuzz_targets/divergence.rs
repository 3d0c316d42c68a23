//! See `tests/support/oracle.rs`: rsip beside us.
#![no_main]

#[path = "../../tests/support/oracle.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(
    // rsip may fall over: that is a difference, not an end.
    init: std::panic::set_hook(Box::new(|_| {})),
    |octets: &[u8]| {
        if let Err(unknown) = oracle::compare(octets) {
            eprintln!("{unknown}");
            std::process::abort();
        }
    }
);
