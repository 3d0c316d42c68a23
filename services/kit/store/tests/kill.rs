//! SIGKILL in the middle of commits: nothing acknowledged is lost, and of what was not acknowledged at most the one batch that
//! was under way is there, whole. Each life of the child checks what the one before left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod commits;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use commits::{FOLDER, checked, commit_in_a_child};
use store::FolderStore;

const LIVES: u64 = 500;
const COMMITS_PER_LIFE: usize = 20;

/// Not a test of its own: what the test below starts and kills.
#[test]
#[ignore = "the child of a_store_killed_in_the_middle_of_commits_loses_nothing_acknowledged"]
fn child_commits_until_it_is_killed() {
    commit_in_a_child();
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

/// 10,000 commits, 500 kills in the middle of one and more while the store is being opened. A kill leaves the page cache whole, so
/// the folder may lie in memory, where as much takes a minute; every tenth life is on the disk, where a flush takes its time.
#[test]
fn a_store_killed_in_the_middle_of_commits_loses_nothing_acknowledged() {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() };
    let on_disk = tempfile::tempdir().unwrap();
    let (mut known, mut known_on_disk) = (Known::default(), Known::default());
    let begin = Instant::now();
    for life in 0..LIVES {
        let (folder, known) = if life % 10 == 9 { (on_disk.path(), &mut known_on_disk) } else { (folder.path(), &mut known) };
        // A commit takes up to a few milliseconds: the phases reach from its first moment into the one after.
        known.live(folder, COMMITS_PER_LIFE, Duration::from_micros(life * 331 % 9_000));
        if life % 10 == 0 {
            // While the database is being opened; now and then so often in a row that it is given up.
            let attempts = if life % 100 == 0 { 7 } else { 1 };
            (0..attempts).for_each(|attempt| known.live(folder, 0, Duration::from_micros((life * 977 + attempt * 3_100) % 30_000)));
        }
        if life % 50 == 49 {
            println!("{} lives, {:.0?}", life + 1, begin.elapsed());
        }
    }
    let (mut commits, mut kills) = (0, 0);
    for (folder, known) in [(&folder, &known), (&on_disk, &known_on_disk)] {
        let last = checked(&FolderStore::open(folder.path(), 1).unwrap());
        assert!(last == known.last || last == known.last + 1);
        println!("{last} commits, {} kills, {} alarms", known.kills, known.alarms);
        (commits, kills) = (commits + last, kills + known.kills);
    }
    assert!(commits >= 10_000 && kills >= 500, "{commits} commits, {kills} kills");
}
