//! What earlier versions have stored is read by every later one: tests/fixtures/format-N is a store as the version wrote it that
//! first had this format. A fixture is never made again; a new format gets a new folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod commits;

use std::path::{Path, PathBuf};

use commits::copy_tree;
use store::{Alarm, Batch, FolderStore, Record, Store};

/// The newest format of records when the fixture was written.
const RECORDS: u16 = 1;

fn fixture(format: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}"))
}

/// What is in the fixture: three commits, one of which changes and one of which removes a record; one is of a newer version.
fn content() -> [Batch; 3] {
    let record = |format, text: &str| Some(Record { format, bytes: text.as_bytes().to_vec() });
    [
        Batch::from([("user/DISPLAY_NAME_1".into(), record(1, "Anna")), ("user/DISPLAY_NAME_2".into(), record(1, "Berta"))]),
        Batch::from([("user/DISPLAY_NAME_1".into(), record(1, "Zo\u{eb}")), ("user/DISPLAY_NAME_2".into(), None)]),
        Batch::from([("standard/LATER".into(), record(2, "of a newer version"))]),
    ]
}

fn is_as_written(store: &FolderStore) {
    let records = store.read_all();
    let texts: Vec<(&str, &[u8])> = records.iter().map(|(key, record)| (key.as_str(), record.bytes.as_slice())).collect();
    assert_eq!(texts, [("user/DISPLAY_NAME_1", "Zo\u{eb}".as_bytes())]);
    assert_eq!(store.commits(), 3);
}

/// Only for a new format: STORE_WRITE_FIXTURE=N writes folder N with this program.
#[test]
#[ignore = "writes a fixture, once per format"]
fn write_a_fixture() {
    let format = std::env::var("STORE_WRITE_FIXTURE").unwrap().parse().unwrap();
    assert!(!fixture(format).exists(), "a fixture is never made again");
    let mut store = FolderStore::open(&fixture(format), 2).unwrap();
    content().iter().for_each(|batch| store.commit(batch).unwrap());
}

#[test]
fn a_store_of_format_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    copy_tree(&fixture(1), folder.path());
    let mut store = FolderStore::open(folder.path(), RECORDS).unwrap();
    is_as_written(&store);
    assert_eq!(store.alarms(), [Alarm::Newer { count: 1 }]);
    store.commit(&Batch::from([("user/DISPLAY_NAME_1".into(), None)])).unwrap();
    drop(store);
    let store = FolderStore::open(folder.path(), 2).unwrap();
    assert_eq!(store.read_all().keys().collect::<Vec<_>>(), ["standard/LATER"], "it is back for who can read it");
}

#[test]
fn each_copy_of_format_1_alone_is_read() {
    for (copy, commit) in [("copy-0", 3), ("copy-1", 2)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(fixture(1).join(copy), folder.path().join(copy)).unwrap();
        let store = FolderStore::open(folder.path(), RECORDS).unwrap();
        assert!(store.alarms().iter().any(|alarm| matches!(alarm, Alarm::Rebuilt { commit: of, .. } if *of == commit)));
        let name = &store.read_all()["user/DISPLAY_NAME_1"];
        assert_eq!((name.format, name.bytes.as_slice()), (1, "Zo\u{eb}".as_bytes()), "{copy}");
    }
}
