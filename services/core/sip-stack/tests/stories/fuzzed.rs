//! The corpus of the fuzz target, replayed, and scripts of chance: see `script`.
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::path::Path;

use proptest::prelude::*;

use crate::script::play;

#[test]
fn scripts_of_the_corpus_are_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/stack");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 20, "{} scripts", files.len());
    for file in files {
        play(&std::fs::read(&file).unwrap());
    }
}

proptest! {
    #![proptest_config(crate::effort::cases(128))]

    #[test]
    fn scripts_of_chance_are_survived(script in proptest::collection::vec(any::<u8>(), 0..400)) {
        play(&script);
    }
}
