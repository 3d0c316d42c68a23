//! See `sip_wire::invariants::message_summary`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(broken) = sip_wire::invariants::message_summary(octets) {
        panic!("{broken}");
    }
});
