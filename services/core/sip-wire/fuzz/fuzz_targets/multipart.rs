//! See `sip_wire::invariants::multipart`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(broken) = sip_wire::invariants::multipart(octets) {
        panic!("{broken}");
    }
});
