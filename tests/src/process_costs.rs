//! What a process costs, read from /proc.

use std::time::Duration;

/// Clock ticks per second of /proc/PID/stat: USER_HZ, 100 on every Linux that this runs on.
const TICKS_PER_SECOND: u32 = 100;

/// Resident memory in KiB.
pub fn resident_kib(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process that is there");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// User and system time so far: utime and stime, the 14th and 15th field; the second is in parentheses and may hold blanks.
pub fn processor_time(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process that is there");
    let (_, fields) = stat.rsplit_once(')').expect("the name");
    let ticks: u32 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("ticks")).sum();
    Duration::from_secs(1) * ticks / TICKS_PER_SECOND
}
