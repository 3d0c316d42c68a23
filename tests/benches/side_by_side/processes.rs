//! What processes cost, read from /proc: proportional memory, processor time, wake-ups.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// Clock ticks per second of /proc/PID/stat: USER_HZ, 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processes that are measured together.
#[derive(Clone)]
pub struct Processes(pub Vec<u32>);

impl Processes {
    /// These and all their descendants.
    pub fn with_descendants(roots: &[u32]) -> Processes {
        let parents: Vec<(u32, u32)> = all().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
        let mut found = roots.to_vec();
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        found.dedup();
        Processes(found)
    }

    /// Proportional set size of all together, in KiB.
    pub fn pss_kib(&self) -> u64 {
        self.0.iter().filter_map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum()
    }

    /// User and system time of all together so far.
    pub fn processor_time(&self) -> Duration {
        let ticks: u64 = self.0.iter().filter_map(|pid| ticks(*pid)).sum();
        Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND)
    }

    /// Times that each of their threads gave up the processor to wait, so far: each is one wake-up later.
    fn waits(&self) -> HashMap<String, u64> {
        let threads = self.0.iter().flat_map(|pid| threads(*pid));
        threads
            .filter_map(|status| Some((field(&status, "voluntary_ctxt_switches:")?, status)))
            .map(|(waits, of)| (of, waits))
            .collect()
    }

    /// Share of one core and wake-ups per second over a span of real time.
    pub fn load_over(&self, span: Duration, tick: impl Fn(Duration)) -> Load {
        let (time, before, begin) = (self.processor_time(), self.waits(), Instant::now());
        tick(span);
        let seconds = begin.elapsed().as_secs_f64();
        // A thread that ended meanwhile is not counted, one that began from its beginning.
        let wake_ups: u64 = self.waits().iter().map(|(thread, waits)| waits - before.get(thread).unwrap_or(&0)).sum();
        Load {
            core_percent: self.processor_time().saturating_sub(time).as_secs_f64() / seconds * 100.0,
            wake_ups_per_second: wake_ups as f64 / seconds,
        }
    }
}

/// See [`Processes::load_over`].
pub struct Load {
    /// Percent of one core.
    pub core_percent: f64,
    /// Of all threads together.
    pub wake_ups_per_second: f64,
}

fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn parent(pid: u32) -> Option<u32> {
    u32::try_from(field(&format!("/proc/{pid}/status"), "PPid:")?).ok()
}

fn threads(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.map(|entry| format!("{}/status", entry.path().display())).collect()
}

/// The number behind a name in a file of `name value` lines.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// utime and stime, the 14th and 15th field; the second is in parentheses and may hold blanks.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}
