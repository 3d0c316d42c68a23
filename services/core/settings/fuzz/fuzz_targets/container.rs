//! Any bytes as an encrypted file: no panic, and what it holds is a text.
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none container -- -max_total_time=600` in this folder; the corpus is replayed by tests/properties.rs.
#![no_main]

use agreements::Secret;
use libfuzzer_sys::fuzz_target;
use settings::container::{self, KeyLength};
use settings::file;

fuzz_target!(|bytes: &[u8]| {
    let key = Secret::new("k".repeat(32));
    if let Ok(content) = container::content(bytes.to_vec(), "fuzz.e1c", &key, KeyLength::Bits128) {
        assert!(content.len() < bytes.len());
        file::parse(&content, "fuzz.e1c");
    }
});
