//! SIGKILL in the middle of commits: nothing acknowledged is lost, and of what was not acknowledged at most the one batch that
//! was under way is there, whole. Each life of the child checks what the one before left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use store::{Batch, FolderStore, Record, Store};

const FOLDER: &str = "STORE_KILL_TEST_FOLDER";
/// Every batch changes the counter and one record of each of these two rows of keys.
const ROW: u64 = 40;
const LIVES: u64 = 50;
const COMMITS_PER_LIFE: usize = 20;

fn record(number: u64) -> Option<Record> {
    // Sizes vary, so that sled moves records between its slots.
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(8 + usize::try_from(number * 37 % 900).unwrap(), b'x');
    Some(Record { format: 1, bytes })
}

fn number(record: &Record) -> u64 {
    u64::from_le_bytes(record.bytes[..8].try_into().unwrap())
}

fn batch(commit: u64) -> Batch {
    let row = commit % ROW;
    Batch::from([
        ("counter".to_owned(), record(commit)),
        (format!("left {row}"), record(commit)),
        (format!("right {row}"), record(commit)),
    ])
}

/// The last commit that is in the store; every record must be of it or of the right one before.
fn checked(store: &FolderStore) -> u64 {
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

/// Not a test of its own: what the test below starts and kills.
#[test]
#[ignore = "the child of a_store_killed_in_the_middle_of_commits_loses_nothing_acknowledged"]
fn child_commits_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("started by the test");
    let mut store = FolderStore::open(Path::new(&folder), 1).unwrap();
    let mut commit = checked(&store);
    let mut out = std::io::stdout();
    writeln!(out, "found {commit} {}", store.alarms().len()).unwrap();
    store.alarms().iter().for_each(|alarm| eprintln!("{alarm}"));
    loop {
        commit += 1;
        store.commit(&batch(commit)).unwrap();
        writeln!(out, "committed {commit}").unwrap();
    }
}

struct Life {
    child: Child,
    lines: Receiver<String>,
}

impl Life {
    fn begin(folder: &Path) -> Life {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_commits_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .env("PATH", "")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = follow(child.stdout.take().unwrap());
        Life { child, lines }
    }

    /// Kills after so many commits and at this phase of the next one, and returns what the child had found at its start (if it
    /// got that far), how many alarms it had, and the last commit it acknowledged.
    fn end(mut self, commits: usize, phase: Duration) -> (Option<(u64, u64)>, Option<u64>) {
        let mut lines = Vec::new();
        let of_commits = |lines: &[String]| lines.iter().filter(|line| line.starts_with("committed ")).count();
        while of_commits(&lines) < commits {
            lines.push(self.lines.recv().unwrap_or_else(|_| panic!("the child ended by itself: {lines:?}")));
        }
        let deadline = Instant::now() + phase;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("the child ended by itself: {lines:?}"),
            }
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        lines.extend(self.lines.iter());
        let words = |line: &String| line.split(' ').skip(1).map(|word| word.parse().unwrap()).collect::<Vec<u64>>();
        let found = lines.iter().find(|line| line.starts_with("found ")).map(words).map(|words| (words[0], words[1]));
        let committed = lines.iter().rfind(|line| line.starts_with("committed ")).map(words).map(|words| words[0]);
        (found, committed)
    }
}

fn follow(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// What is known to be in the store, over all lives.
#[derive(Default)]
struct Known {
    last: u64,
    kills: u64,
    alarms: u64,
}

impl Known {
    fn live(&mut self, folder: &Path, commits: usize, phase: Duration) {
        let (found, committed) = Life::begin(folder).end(commits, phase);
        self.kills += 1;
        if let Some((found, alarms)) = found {
            assert!(found == self.last || found == self.last + 1, "{found} found after {} was acknowledged", self.last);
            self.last = found;
            self.alarms += alarms;
        }
        self.last = committed.unwrap_or(self.last);
    }
}

#[test]
fn a_store_killed_in_the_middle_of_commits_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut known = Known::default();
    for life in 0..LIVES {
        // A commit takes a few milliseconds: the phases reach from its first moment into the one after.
        known.live(folder.path(), COMMITS_PER_LIFE, Duration::from_micros(life * 331 % 9_000));
        if life % 4 == 0 {
            // While the database is being opened; now and then so often in a row that it is given up.
            let attempts = if life % 20 == 0 { 7 } else { 1 };
            (0..attempts)
                .for_each(|attempt| known.live(folder.path(), 0, Duration::from_micros((life * 977 + attempt * 3_100) % 30_000)));
        }
    }
    let store = FolderStore::open(folder.path(), 1).unwrap();
    let last = checked(&store);
    assert!(last == known.last || last == known.last + 1);
    assert!(last >= 1_000 && known.kills >= 50);
    println!("{last} commits, {} kills, {} alarms", known.kills, known.alarms);
}
