//! See `sip_wire::invariants::sip_fragment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(broken) = sip_wire::invariants::sip_fragment(octets) {
        panic!("{broken}");
    }
});
