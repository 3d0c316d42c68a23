//! Whatever is done to the files, the store opens without a panic, with what was acknowledged, or says loudly that it could not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod commits;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use commits::copy_tree;
use store::{Alarm, Batch, FolderStore, Record, Store};

fn put(key: &str, text: &str) -> Batch {
    Batch::from([(key.to_owned(), Some(Record { format: 1, bytes: text.as_bytes().to_vec() }))])
}

fn text(store: &FolderStore, key: &str) -> Option<String> {
    store.read_all().get(key).map(|record| String::from_utf8(record.bytes.clone()).unwrap())
}

fn filled(folder: &Path) {
    let mut store = FolderStore::open(folder, 1).unwrap();
    for number in 1..=5 {
        store.commit(&put("number", &number.to_string())).unwrap();
        store.commit(&put(&format!("key {number}"), "value")).unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

fn is_rebuilt(alarms: &[Alarm]) -> bool {
    matches!(alarms, [Alarm::Rebuilt { commit: 10, .. }])
}

#[test]
fn a_database_with_one_damaged_file_still_gives_what_was_acknowledged() {
    let original = tempfile::tempdir().unwrap();
    filled(original.path());
    let mut rebuilt = 0;
    let damages: [fn(&mut Vec<u8>); 3] = [
        Vec::clear,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| {
            bytes.iter_mut().skip(9).step_by(7).for_each(|byte| *byte ^= 0x55);
        },
    ];
    let used: Vec<PathBuf> =
        files(&original.path().join("database")).into_iter().filter(|file| std::fs::metadata(file).unwrap().len() > 0).collect();
    assert!(used.len() >= 3, "{used:?}");
    for file in &used {
        for damage in damages {
            let work = tempfile::tempdir().unwrap();
            copy_tree(original.path(), work.path());
            let target = work.path().join(file.strip_prefix(original.path()).unwrap());
            let mut bytes = std::fs::read(&target).unwrap();
            damage(&mut bytes);
            std::fs::write(&target, bytes).unwrap();
            let mut store = FolderStore::open(work.path(), 1).unwrap();
            assert_eq!(text(&store, "number").as_deref(), Some("5"), "{}", target.display());
            assert_eq!(text(&store, "key 1").as_deref(), Some("value"), "{}", target.display());
            rebuilt += usize::from(is_rebuilt(&store.alarms()));
            store.commit(&put("number", "6")).unwrap();
            drop(store);
            let store = FolderStore::open(work.path(), 1).unwrap();
            assert_eq!((text(&store, "number").as_deref(), store.commits(), store.alarms().len()), (Some("6"), 11, 0));
        }
    }
    assert!(rebuilt >= 3, "only {rebuilt} of {} damages were noticed", used.len() * 3);
}

#[test]
fn a_database_that_has_vanished_is_rebuilt_with_an_alarm() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    std::fs::remove_dir_all(folder.path().join("database")).unwrap();
    let store = FolderStore::open(folder.path(), 1).unwrap();
    assert!(is_rebuilt(&store.alarms()), "{:?}", store.alarms());
    assert_eq!(text(&store, "number").as_deref(), Some("5"));
}

#[test]
fn a_database_older_than_its_copy_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let before = tempfile::tempdir().unwrap();
    copy_tree(&folder.path().join("database"), &before.path().join("database"));
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    store.commit(&put("number", "6")).unwrap();
    drop(store);
    std::fs::remove_dir_all(folder.path().join("database")).unwrap();
    copy_tree(&before.path().join("database"), &folder.path().join("database"));
    let store = FolderStore::open(folder.path(), 1).unwrap();
    assert!(matches!(&*store.alarms(), [Alarm::Rebuilt { commit: 11, .. }]), "{:?}", store.alarms());
    assert_eq!(text(&store, "number").as_deref(), Some("6"));
}

/// A commit that reached the database but not the copy, because the process died in between, is seen after the restart. From
/// then on it must not be lost with the database.
#[test]
fn a_commit_that_was_seen_after_a_restart_is_in_the_copy_too() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let copies = tempfile::tempdir().unwrap();
    for copy in ["copy-0", "copy-1"] {
        std::fs::copy(folder.path().join(copy), copies.path().join(copy)).unwrap();
    }
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    store.commit(&put("number", "6")).unwrap();
    drop(store);
    for copy in ["copy-0", "copy-1"] {
        std::fs::copy(copies.path().join(copy), folder.path().join(copy)).unwrap();
    }
    assert_eq!(text(&FolderStore::open(folder.path(), 1).unwrap(), "number").as_deref(), Some("6"));
    std::fs::remove_dir_all(folder.path().join("database")).unwrap();
    assert_eq!(text(&FolderStore::open(folder.path(), 1).unwrap(), "number").as_deref(), Some("6"));
}

/// sled 1.0.0-alpha.124: when a start was killed after the logs were folded into the snapshot and before the next log was made,
/// the next start writes the same snapshot again and then removes it as the old one; the start after that finds next to nothing.
#[test]
fn a_database_that_has_removed_its_own_snapshot_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    for file in files(&folder.path().join("database/metadata")) {
        if file.file_name().unwrap().to_string_lossy().starts_with("log_") {
            std::fs::remove_file(file).unwrap();
        }
    }
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    let rebuilt_before = store.alarms().len();
    store.commit(&put("number", "6")).unwrap();
    drop(store);
    let store = FolderStore::open(folder.path(), 1).unwrap();
    assert_eq!(rebuilt_before + store.alarms().len(), 1, "{:?}", store.alarms());
    assert_eq!((text(&store, "number").as_deref(), text(&store, "key 1").as_deref()), (Some("6"), Some("value")));
}

#[test]
fn one_damaged_copy_does_no_harm_and_both_do_none_while_the_database_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    for copy in ["copy-0", "copy-1"] {
        std::fs::write(folder.path().join(copy), b"DPstore\nbroken").unwrap();
        let store = FolderStore::open(folder.path(), 1).unwrap();
        assert_eq!((text(&store, "number").as_deref(), store.alarms().len()), (Some("5"), 0));
    }
}

#[test]
fn without_database_and_copies_the_loss_is_said() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    for copy in ["copy-0", "copy-1"] {
        std::fs::remove_file(folder.path().join(copy)).unwrap();
    }
    for file in files(&folder.path().join("database")) {
        std::fs::write(file, b"not a database").unwrap();
    }
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    assert!(matches!(&*store.alarms(), [Alarm::Lost { .. }]), "{:?}", store.alarms());
    assert!(store.read_all().is_empty());
    store.commit(&put("number", "again")).unwrap();
    assert!(folder.path().join("damaged-1").is_dir());
}

#[test]
fn a_database_that_takes_the_process_with_it_is_given_up_after_five_attempts() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    std::fs::write(folder.path().join("opening"), "5").unwrap();
    let store = FolderStore::open(folder.path(), 1).unwrap();
    assert!(is_rebuilt(&store.alarms()), "{:?}", store.alarms());
    assert_eq!(text(&store, "number").as_deref(), Some("5"));
    assert!(!folder.path().join("opening").exists());
}

#[test]
fn a_copy_of_a_newer_version_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let newer = [b"DPstore\n".as_slice(), &[9, 0], &0_u64.to_le_bytes(), &crc(9, 0).to_le_bytes()].concat();
    std::fs::write(folder.path().join("copy-0"), &newer).unwrap();
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    assert_eq!(store.alarms(), [Alarm::Newer { count: 1 }]);
    store.commit(&put("number", "6")).unwrap();
    store.commit(&put("number", "7")).unwrap();
    assert_eq!(std::fs::read(folder.path().join("newer-1")).unwrap(), newer);
}

fn crc(format: u16, length: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&format.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.finalize()
}

#[test]
fn damaged_databases_do_not_pile_up() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    for _ in 0..4 {
        std::fs::write(folder.path().join("opening"), "5").unwrap();
        drop(FolderStore::open(folder.path(), 1).unwrap());
    }
    let kept = std::fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("damaged-"));
    assert_eq!(kept.count(), 2);
}

#[test]
fn only_the_owner_can_read_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    filled(&state);
    let mode = |path: &str| std::fs::metadata(state.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("database"), mode("copy-0"), mode("copy-1")), (0o700, 0o700, 0o600, 0o600));
}

/// A password that was erased is in no file any more: not in the database, not in a copy, not in what was put aside.
#[test]
fn what_was_erased_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    for number in 0..5 {
        store.commit(&put("password", &format!("quite-secret-{number}"))).unwrap();
    }
    drop(store);
    std::fs::write(folder.path().join("opening"), "5").unwrap();
    let mut store = FolderStore::open(folder.path(), 1).unwrap();
    store.commit(&put("password", "quite-secret-5")).unwrap();
    let holding = |folder: &Path| {
        let holds = |path: &PathBuf| std::fs::read(path).unwrap().windows(12).any(|bytes| bytes == b"quite-secret");
        files(folder).into_iter().filter(holds).count()
    };
    assert!(holding(folder.path()) >= 4 && folder.path().join("damaged-1").is_dir());
    store.erase(&put("key of the unit", "kept")).unwrap();
    assert_eq!((holding(folder.path()), store.alarms()), (0, vec![]));
    drop(store);
    let store = FolderStore::open(folder.path(), 1).unwrap();
    assert_eq!((store.read_all().len(), store.alarms(), holding(folder.path())), (1, vec![], 0));
}
