//! The corpora of the fuzz targets, replayed: what once was found stays found.
#![allow(clippy::disallowed_methods, reason = "the corpus is files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::path::Path;

use sip_wire::invariants;

/// Runs one target over its files; at least `least` of them.
fn replay(target: &str, check: impl Fn(&[u8]) -> Result<(), String>, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= least, "{} holds {} files", folder.display(), files.len());
    for file in files {
        let octets = std::fs::read(&file).unwrap();
        check(&octets).unwrap_or_else(|broken| panic!("{}: {broken}", file.display()));
    }
}

#[test]
fn messages_of_the_corpus_hold() {
    replay("message", invariants::message, 10);
}

#[test]
fn descriptions_of_the_corpus_hold() {
    replay("sdp", invariants::sdp, 4);
}

#[test]
fn streams_of_the_corpus_hold() {
    replay("framer", invariants::framer, 4);
}

#[test]
fn xml_bodies_of_the_corpus_hold() {
    replay("xml_bodies", invariants::xml_bodies, 8);
}

#[test]
fn summaries_of_the_corpus_hold() {
    replay("message_summary", invariants::message_summary, 4);
}

#[test]
fn multipart_bodies_of_the_corpus_hold() {
    replay("multipart", invariants::multipart, 4);
}

#[test]
fn fragments_of_the_corpus_hold() {
    replay("sip_fragment", invariants::sip_fragment, 5);
}

#[test]
fn headers_of_the_corpus_hold() {
    replay("header", invariants::header, 30);
}
