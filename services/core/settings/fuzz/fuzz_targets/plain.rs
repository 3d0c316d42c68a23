//! Any bytes as a configuration file: no panic, no illegal value, bounded findings, and a state without clashes afterwards.
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none plain -- -max_total_time=600` in this folder; the corpus is replayed by tests/properties.rs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use settings::layers::{Layer, Layers};
use settings::{catalogue, file, plain, value};

fuzz_target!(|bytes: &[u8]| {
    let outcome = plain::parse(bytes, "fuzz.cfg");
    assert!(outcome.diagnoses.len() <= file::MAX_DIAGNOSES + file::LAST_WORDS);
    for setting in &outcome.accepted {
        let parameter = catalogue::parameter(&setting.name).unwrap();
        assert!(value::check(&parameter, &setting.value).is_ok());
    }
    for diagnosis in &outcome.diagnoses {
        file::render(diagnosis, Some(bytes));
    }
    // Dear: only where it can matter.
    if outcome.accepted.len() > 1 {
        Layers::new().merge_file(Layer::Standard, "http://host/fuzz.cfg", &outcome, agreements::WallTime::Unset);
    }
});
