//! Numbered commits of which the store can be asked afterwards how many of them it holds, whole: every batch changes the counter
//! and one record of each of two rows of keys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, dead_code)] // a test may stop

use std::io::Write as _;
use std::path::Path;

use store::{Alarm, Batch, FolderStore, Record, Store};

/// Names the folder to the child of a test.
pub const FOLDER: &str = "STORE_TEST_FOLDER";
/// How many commits the child makes; without it as many as it can.
pub const COMMITS: &str = "STORE_TEST_COMMITS";
/// Ends with an erasure that keeps the batch of the next commit.
pub const ERASURE: &str = "STORE_TEST_ERASURE";
const ROW: u64 = 40;

fn record(number: u64) -> Option<Record> {
    // Sizes vary, so that sled moves records between its slots.
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + usize::try_from(number * 37 % 900).unwrap(), b'x');
    Some(Record { format: 1, bytes })
}

fn number(record: &Record) -> u64 {
    u64::from_le_bytes(record.bytes[..8].try_into().unwrap())
}

/// The batch of this commit.
pub fn batch(commit: u64) -> Batch {
    let row = commit % ROW;
    Batch::from([
        ("counter".to_owned(), record(commit)),
        (format!("left {row}"), record(commit)),
        (format!("right {row}"), record(commit)),
    ])
}

/// The last commit that is in the store; every record must be of it or of the right one before.
pub fn checked(store: &FolderStore) -> u64 {
    let records = store.read_all();
    let last = records.get("counter").map_or(0, number);
    assert_eq!(store.commits(), last);
    for row in 0..ROW {
        let expected = (0..ROW).map(|back| last.saturating_sub(back)).find(|commit| *commit > 0 && commit % ROW == row);
        for side in ["left", "right"] {
            assert_eq!(records.get(&format!("{side} {row}")).map(number), expected, "{side} {row} after {last}");
        }
    }
    last
}

/// The same, for a store that may have been erased by commit `erasure`: then nothing but its batch is there.
pub fn checked_or_erased(store: &FolderStore, erasure: u64) -> u64 {
    if store.commits() != erasure {
        return checked(store);
    }
    let there: Vec<(String, Option<Record>)> = store.read_all().into_iter().map(|(key, record)| (key, Some(record))).collect();
    assert!(there == batch(erasure).into_iter().collect::<Vec<_>>(), "{} records after the erasure", there.len());
    erasure
}

/// What a child does: it says what it found, how many alarms it has, and each commit once it is acknowledged.
pub fn commit_in_a_child() {
    let folder = std::env::var_os(FOLDER).expect("started by the test");
    let most = std::env::var(COMMITS).map_or(u64::MAX, |text| text.parse().unwrap());
    let mut store = FolderStore::open(Path::new(&folder), 1).unwrap();
    let found = checked(&store);
    let mut out = std::io::stdout();
    writeln!(out, "found {found} {}", store.alarms().len()).unwrap();
    store.alarms().iter().for_each(|alarm| eprintln!("{alarm}"));
    for commit in (found + 1..).take(usize::try_from(most).unwrap_or(usize::MAX)) {
        store.commit(&batch(commit)).unwrap();
        writeln!(out, "committed {commit}").unwrap();
    }
    if std::env::var_os(ERASURE).is_some() {
        let commit = store.commits() + 1;
        store.erase(&batch(commit)).unwrap();
        writeln!(out, "committed {commit}").unwrap();
    }
}

/// Whether the store had to be made again from its copy.
pub fn is_rebuilt(alarms: &[Alarm]) -> bool {
    alarms.iter().any(|alarm| matches!(alarm, Alarm::Rebuilt { .. }))
}

/// A folder with all that is in it, to another place.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
