//! See `sip_wire::invariants::header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(broken) = sip_wire::invariants::header(octets) {
        panic!("{broken}");
    }
});
