//! See `sip_wire::invariants::xml_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Err(broken) = sip_wire::invariants::xml_bodies(octets) {
        panic!("{broken}");
    }
});
