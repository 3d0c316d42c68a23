//! What a commit costs and what an open store costs: latency, memory, threads, wake-ups at rest. Prints one line per figure and
//! asserts nothing. The same program is built on the other sled by ../comparison; the figures stand in
//! proto/decisions/0003-sled.md. `cargo run --release -p store --example figures -- FOLDER [COMMITS] [SECONDS AT REST]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a tool of the workshop

use std::path::Path;
use std::time::{Duration, Instant};

use store::{Batch, FolderStore, Record, Store};

/// As many settings as a phone that was provisioned with everything has.
const SETTINGS: u32 = 400;

fn batch(names: std::ops::Range<u32>, text: &str) -> Batch {
    let record = Record { format: 1, bytes: format!("{text} from http://provisioning.example.com/sip.cfg").into_bytes() };
    names.map(|name| (format!("standard/PARAMETER_{name}"), Some(record.clone()))).collect()
}

/// Of this process: resident memory in kB, its highest, and threads.
fn memory() -> (u64, u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (number("VmRSS:"), number("VmHWM:"), number("Threads:"))
}

/// How often any thread went to sleep of its own will.
fn sleeps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |path: &Path| {
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    tasks.map(|task| of(&task.unwrap().path())).sum()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("FOLDER");
    let number = |text: Option<String>, otherwise| text.map_or(otherwise, |text| text.parse::<u64>().unwrap());
    let (commits, rest) = (number(arguments.next(), 1_000), number(arguments.next(), 10));
    let (before, _, threads_before) = memory();
    let begin = Instant::now();
    let mut store = FolderStore::open(Path::new(&folder), 1).unwrap();
    println!("open             {:>9.2} ms", begin.elapsed().as_secs_f64() * 1e3);
    store.commit(&batch(0..SETTINGS, "first")).unwrap();
    let mut taken: Vec<Duration> = (0..commits)
        .map(|commit| {
            let name = u32::try_from(commit).unwrap() % SETTINGS;
            let begin = Instant::now();
            store.commit(&batch(name..name + 2, &format!("value {commit}"))).unwrap();
            begin.elapsed()
        })
        .collect();
    taken.sort();
    let at = |share: usize| taken[(taken.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("commit           {:>9.2} ms p50, {:.2} ms p99, {:.2} ms most", at(50), at(99), at(100));
    let (resident, highest, threads) = memory();
    println!("memory           {:>9} kB resident, {highest} kB at most, {before} kB before", resident);
    println!("threads          {threads:>9}, {threads_before} before");
    let slept = sleeps();
    let (_alive, nothing) = std::sync::mpsc::channel::<()>();
    let _ = nothing.recv_timeout(Duration::from_secs(rest));
    // One is our own.
    println!("wake-ups at rest {:>9.1} per second", (sleeps() - slept).saturating_sub(1) as f64 / rest.max(1) as f64);
}
