//! How long a file takes to be read and checked: `cargo bench -p settings`. Prints one line per file: the middle and the worst of many
//! readings.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::time::{Duration, Instant};

use settings::catalogue;
use settings::file::{self, Entry};
use settings::{plain, xml};

const READINGS: usize = 200;

fn main() {
    let all = || catalogue::parameters().filter(|one| one.row.set_by.file).map(|one| Entry::new(one, one.default()));
    let (mut full, mut markup) = (plain::write(all()), xml::write(all()));
    let padding = "# a comment as long as they usually are, so that the file is as large as it may be\r\n";
    while full.len() + padding.len() <= plain::MAX_BYTES {
        full.push_str(padding);
    }
    while markup.len() + 80 <= plain::MAX_BYTES {
        markup.push_str("<!-- a comment as long as they usually are -->\r\n");
    }
    let wrong = format!("{}\r\n", file::MAGIC) + &"SIP_PSAS_1=\"x\"\r\n".repeat(7600);
    for (what, text) in [("plain, every parameter", full), ("XML, every parameter", markup), ("plain, only mistakes", wrong)] {
        let mut times: Vec<Duration> = (0..READINGS).map(|_| reading(text.as_bytes())).collect();
        times.sort();
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        println!("{what}: {} KB, {:?} (worst {:?})", text.len() / 1024, at(READINGS / 2), at(READINGS - 1));
    }
}

fn reading(bytes: &[u8]) -> Duration {
    let start = Instant::now();
    std::hint::black_box(file::parse(std::hint::black_box(bytes), "bench.cfg"));
    start.elapsed()
}
