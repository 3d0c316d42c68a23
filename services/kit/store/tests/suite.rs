//! What every store promises, run on both: the one in a folder and its twin in memory (architecture: one suite on both).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::path::PathBuf;

use store::{Alarm, Batch, FolderStore, LONGEST_RECORD, MemoryDisk, Record, Store, StoreError};

/// Something that a store can be opened on again and again.
trait Disk {
    fn start(&self, newest_format: u16) -> Box<dyn Store>;
}

impl Disk for MemoryDisk {
    fn start(&self, newest_format: u16) -> Box<dyn Store> {
        Box::new(self.open(newest_format))
    }
}

struct Folder(PathBuf);

impl Disk for Folder {
    fn start(&self, newest_format: u16) -> Box<dyn Store> {
        Box::new(FolderStore::open(&self.0, newest_format).unwrap())
    }
}

fn record(format: u16, text: &str) -> Record {
    Record { format, bytes: text.as_bytes().to_vec() }
}

fn put(entries: &[(&str, &str)]) -> Batch {
    entries.iter().map(|(key, text)| ((*key).to_owned(), Some(record(1, text)))).collect()
}

fn texts(store: &dyn Store) -> Vec<(String, String)> {
    let all = store.read_all().into_iter();
    all.map(|(key, record)| (key, String::from_utf8(record.bytes).unwrap())).collect()
}

fn pairs(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

fn what_was_committed_is_there_after_a_restart(disk: &dyn Disk) {
    let mut store = disk.start(1);
    assert!(store.read_all().is_empty() && store.alarms().is_empty());
    store.commit(&put(&[("a", "1"), ("b", "2"), ("c", "3")])).unwrap();
    let mut second = put(&[("b", "two")]);
    second.insert("c".into(), None);
    store.commit(&second).unwrap();
    let expected = pairs(&[("a", "1"), ("b", "two")]);
    assert_eq!(texts(&*store), expected);
    drop(store);
    let store = disk.start(1);
    assert_eq!((texts(&*store), store.commits(), store.alarms()), (expected, 2, vec![]));
}

fn a_refused_batch_changes_nothing(disk: &dyn Disk) {
    let mut store = disk.start(1);
    store.commit(&put(&[("a", "1")])).unwrap();
    let mut batch = put(&[("a", "2")]);
    batch.insert("large".into(), Some(Record { format: 1, bytes: vec![0; LONGEST_RECORD + 1] }));
    assert!(matches!(store.commit(&batch), Err(StoreError::TooLarge(_))));
    assert!(matches!(store.commit(&put(&[("", "no key")])), Err(StoreError::TooLarge(_))));
    drop(store);
    let store = disk.start(1);
    assert_eq!((texts(&*store), store.commits()), (pairs(&[("a", "1")]), 1));
}

fn records_of_a_newer_version_are_put_aside_and_come_back(disk: &dyn Disk) {
    let mut newer = disk.start(2);
    let batch = [("kept", 1), ("new", 2), ("changed", 2)].map(|(key, format)| (key.to_owned(), Some(record(format, "newer"))));
    newer.commit(&Batch::from(batch)).unwrap();
    drop(newer);
    let mut older = disk.start(1);
    assert_eq!(texts(&*older), pairs(&[("kept", "newer")]));
    assert_eq!(older.alarms(), [Alarm::Newer { count: 2 }]);
    older.commit(&put(&[("changed", "older")])).unwrap();
    drop(older);
    assert_eq!(texts(&*disk.start(1)), pairs(&[("changed", "older"), ("kept", "newer")]));
    let newer = disk.start(2);
    assert_eq!(texts(&*newer), pairs(&[("changed", "older"), ("kept", "newer"), ("new", "newer")]));
    assert_eq!(newer.alarms(), [Alarm::Newer { count: 1 }], "the record that made room is still there");
}

fn many_small_and_some_large_records_survive(disk: &dyn Disk) {
    let mut store = disk.start(1);
    let large = "x".repeat(200_000);
    let batch: Batch = (0..3000).map(|number| (format!("{number:05}"), Some(record(1, &format!("value {number}"))))).collect();
    store.commit(&batch).unwrap();
    store.commit(&put(&[("large", &large)])).unwrap();
    drop(store);
    let store = disk.start(1);
    let all = store.read_all();
    assert_eq!((all.len(), store.alarms()), (3001, vec![]));
    assert_eq!(all["02999"].bytes, b"value 2999");
    assert_eq!(all["large"].bytes, large.as_bytes());
}

fn after_an_erasure_there_is_nothing_but_what_was_kept(disk: &dyn Disk) {
    let mut newer = disk.start(2);
    newer.commit(&Batch::from([("newer".to_owned(), Some(record(2, "newer")))])).unwrap();
    drop(newer);
    let mut store = disk.start(1);
    store.commit(&put(&[("a", "1"), ("b", "2")])).unwrap();
    store.erase(&put(&[("b", "kept"), ("c", "3")])).unwrap();
    let expected = pairs(&[("b", "kept"), ("c", "3")]);
    assert_eq!((texts(&*store), store.commits(), store.alarms()), (expected.clone(), 3, vec![]));
    drop(store);
    let mut store = disk.start(2);
    assert_eq!((texts(&*store), store.commits(), store.alarms()), (expected, 3, vec![]), "records of a newer version go too");
    store.commit(&put(&[("d", "4")])).unwrap();
    drop(store);
    assert_eq!(disk.start(2).commits(), 4);
}

macro_rules! on_both {
    ($($story:ident),*) => {
        mod in_memory {
            use store::MemoryDisk;
            $(#[test] fn $story() { super::$story(&MemoryDisk::new()); })*
        }
        mod in_a_folder {
            use super::Folder;
            $(#[test] fn $story() {
                let folder = tempfile::tempdir().unwrap();
                super::$story(&Folder(folder.path().join("state")));
            })*
        }
    };
}

on_both!(
    what_was_committed_is_there_after_a_restart,
    a_refused_batch_changes_nothing,
    records_of_a_newer_version_are_put_aside_and_come_back,
    many_small_and_some_large_records_survive,
    after_an_erasure_there_is_nothing_but_what_was_kept
);

#[test]
fn a_commit_that_fails_on_the_twin_changes_nothing() {
    let disk = MemoryDisk::new();
    let mut store = disk.open(1);
    disk.fail_commits(1);
    assert!(matches!(store.commit(&put(&[("a", "1")])), Err(StoreError::Write(_))));
    assert!(store.read_all().is_empty());
    store.commit(&put(&[("a", "2")])).unwrap();
    assert_eq!(texts(&store), pairs(&[("a", "2")]));
}
