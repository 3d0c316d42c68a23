//! The power goes: not only the process ends, what the kernel had not yet put on the disk is lost too, and what is there need not
//! be the oldest of it. The writes of the real store are recorded and replayed up to every moment, with any part of what was not
//! flushed missing: nothing that was acknowledged is lost, and the store always opens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

#[path = "../commits/mod.rs"]
mod commits;
mod disk;
mod recording;

use std::path::Path;

use commits::{batch, checked, checked_or_erased, commit_in_a_child, is_rebuilt};
use disk::{Disk, Last, Survivors};
use store::{Alarm, FolderStore, Store};

/// Not a test of its own: what the tests below record.
#[test]
#[ignore = "the child of the tests of a power cut"]
fn child_makes_its_commits() {
    commit_in_a_child();
}

/// What is recorded on a folder.
#[derive(Clone, Copy)]
struct Story {
    /// Commits that it holds.
    before: u64,
    /// Commits that are recorded.
    commits: u64,
    /// Whether an erasure comes after them.
    erases: bool,
    /// Single steps left out, per moment.
    left_out: usize,
}

impl Story {
    fn last(self) -> u64 {
        self.before + self.commits + u64::from(self.erases)
    }
    /// No commit has the highest number.
    fn erasure(self) -> u64 {
        if self.erases { self.last() } else { u64::MAX }
    }
}

/// What came of all the cuts of one recording.
#[derive(Default)]
struct Tally {
    cuts: usize,
    from_the_copy: usize,
    one_ahead: usize,
}

/// Cuts the power at every moment of the recording.
fn cut_everywhere(folder: &Path, story: Story) -> Tally {
    let mut disk = Disk::of(folder);
    let record = if story.erases { recording::of_an_erasure } else { recording::of_commits };
    let calls = record(folder, story.commits);
    disk.follow(&calls);
    assert_eq!(disk.acknowledged(disk.moments() - 1), story.last(), "the recording is whole");
    let mut tally = Tally::default();
    for moment in 0..disk.moments() {
        for survivors in choices(&disk, moment, story.left_out) {
            start_after(&disk, moment, &survivors, story, &mut tally);
        }
    }
    println!(
        "{} calls, {} fsyncs, {} moments, {} cuts: {} starts from the copy, {} with the commit that was under way",
        calls.len(),
        disk::touches(&calls, folder, "fsync"),
        disk.moments(),
        tally.cuts,
        tally.from_the_copy,
        tally.one_ahead
    );
    tally
}

/// After a flush: nothing of what is still at risk is there. Otherwise: all of it, all but one, any part, the last write torn.
fn choices(disk: &Disk, moment: usize, left_out: usize) -> Vec<Survivors> {
    let nothing = disk.survivors(moment, |_| false, None);
    let at_risk = disk.unsafe_at(moment);
    if at_risk.is_empty() || disk.last(moment) == Last::Flush {
        return vec![nothing];
    }
    let mut choices = vec![nothing, disk.survivors(moment, |_| true, None)];
    for missing in at_risk.iter().rev().take(left_out) {
        choices.push(disk.survivors(moment, |step| step != *missing, None));
    }
    if let Some((step, length)) = at_risk.last().and_then(|step| Some((*step, disk.length(*step)?))) {
        choices.push(disk.survivors(moment, |_| true, Some((step, length / 2))));
    }
    let mut random = Random(moment as u64);
    choices.push(disk.survivors(moment, |_| random.next() & 1 == 1, None));
    choices
}

fn start_after(disk: &Disk, moment: usize, survivors: &Survivors, story: Story, tally: &mut Tally) {
    let acknowledged = disk.acknowledged(moment).max(story.before);
    let folder = in_memory();
    disk.lay_out(moment, survivors, folder.path());
    let mut store = FolderStore::open(folder.path(), 1).unwrap_or_else(|error| panic!("after moment {moment}: {error}"));
    let found = checked_or_erased(&store, story.erasure());
    let alarms = store.alarms();
    assert!(
        found == acknowledged || found == acknowledged + 1,
        "{found} found after {acknowledged} was acknowledged, at moment {moment}: {alarms:?}"
    );
    let lost = alarms.iter().any(|alarm| matches!(alarm, Alarm::Lost { .. }));
    assert!(!lost || acknowledged == 0, "at moment {moment}: {alarms:?}");
    tally.cuts += 1;
    tally.from_the_copy += usize::from(is_rebuilt(&alarms));
    tally.one_ahead += usize::from(found > acknowledged);
    if tally.cuts.is_multiple_of(8) && found != story.erasure() {
        store.commit(&batch(found + 1)).unwrap();
        drop(store);
        let store = FolderStore::open(folder.path(), 1).unwrap();
        assert_eq!(checked(&store), found + 1, "the start after the next commit, moment {moment}: {:?}", store.alarms());
    }
}

/// The cut has been made: where the start lies afterwards need not be a real disk.
fn in_memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[test]
fn a_new_store_whose_power_is_cut_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let tally = cut_everywhere(folder.path(), Story { before: 0, commits: 8, erases: false, left_out: 2 });
    assert!(tally.cuts > 300 && tally.one_ahead > 0, "only {} cuts", tally.cuts);
}

#[test]
fn a_store_started_again_whose_power_is_cut_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    recording::of_commits(folder.path(), 30);
    let tally = cut_everywhere(folder.path(), Story { before: 30, commits: 5, erases: false, left_out: 2 });
    assert!(tally.cuts > 200 && tally.one_ahead > 0, "only {} cuts", tally.cuts);
}

/// The database is damaged: the start that makes it again from the copy is cut, too.
#[test]
fn a_store_that_is_being_rebuilt_when_the_power_is_cut_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    recording::of_commits(folder.path(), 5);
    std::fs::remove_dir_all(folder.path().join("database")).unwrap();
    let tally = cut_everywhere(folder.path(), Story { before: 5, commits: 1, erases: false, left_out: 0 });
    assert!(tally.cuts > 60 && tally.from_the_copy > 0, "only {} cuts, {} from the copy", tally.cuts, tally.from_the_copy);
}

/// B265: cut short, an erasure leaves everything or nothing but what was to be kept, and the next start ends it.
#[test]
fn a_store_that_is_being_erased_when_the_power_is_cut_is_whole_or_empty() {
    let folder = tempfile::tempdir().unwrap();
    recording::of_commits(folder.path(), 5);
    let tally = cut_everywhere(folder.path(), Story { before: 5, commits: 1, erases: true, left_out: 0 });
    assert!(tally.cuts > 100 && tally.one_ahead > 0, "only {} cuts", tally.cuts);
}
