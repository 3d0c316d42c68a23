//! Any bytes as an XML configuration file: no panic, no illegal value, bounded findings, and a state without clashes afterwards.
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none xml -- -max_total_time=600` in this folder; the corpus is replayed by tests/properties.rs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use settings::layers::{Layer, Layers};
use settings::{catalogue, file, value, xml};

fuzz_target!(|bytes: &[u8]| {
    let outcome = xml::parse(bytes, "fuzz.xml");
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
        Layers::new().merge_file(Layer::Standard, "http://host/fuzz.xml", &outcome, agreements::WallTime::Unset);
    }
});
