//! Decoded sound of one far end, waiting until it is due: what the jitter buffer lets through at once comes out of here in blocks,
//! a fixed time (the latency) after it would have arrived on a perfect network. Also evens out the difference between the two
//! ends' clocks: late sound is skipped, early sound waits. Times are nanoseconds of the pipelines' clock.

use std::collections::VecDeque;

use super::{BLOCK, Block, RATE};

/// Within this the sound flows without a cut, however its time stamps wobble.
const TOLERANCE_NS: i64 = 30_000_000;
/// Sound that begins may do so this much too early: half a block.
const BEGINS_EARLY_NS: i64 = 10_000_000;
/// More than this is never kept: half a second more than the longest jitter buffer.
const LONGEST: usize = RATE as usize * 3 / 2;

struct Chunk {
    time: u64,
    samples: VecDeque<i16>,
}

/// Sound by its time.
pub struct Playout {
    chunks: VecDeque<Chunk>,
    queued: usize,
    latency_ns: u64,
    flowing: bool,
}

fn length_ns(samples: usize) -> u64 {
    u64::try_from(samples).unwrap_or(0) * 1_000_000_000 / u64::from(RATE)
}

fn difference(later: u64, earlier: u64) -> i64 {
    i64::try_from(later).unwrap_or(i64::MAX).saturating_sub(i64::try_from(earlier).unwrap_or(i64::MAX))
}

/// Whether sound of this time goes on where other sound ended.
fn follows(ended: Option<u64>, time: u64) -> bool {
    ended.is_none_or(|ended| difference(time, ended).abs() <= TOLERANCE_NS)
}

impl Playout {
    /// Empty.
    pub fn new(latency_ns: u64) -> Playout {
        Playout { chunks: VecDeque::new(), queued: 0, latency_ns, flowing: false }
    }

    /// From now on sound is due this long after its time.
    pub fn delay_by(&mut self, latency_ns: u64) {
        self.latency_ns = latency_ns;
    }

    /// Forgets what is queued.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.queued = 0;
        self.flowing = false;
    }

    /// Queues sound that belongs at `time`.
    pub fn push(&mut self, time: u64, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        self.queued += samples.len();
        self.chunks.push_back(Chunk { time, samples: samples.iter().copied().collect() });
        while self.queued > LONGEST {
            self.skip(BLOCK);
        }
    }

    /// The block that is due now; none: silence. What is missing at its end is silence too.
    pub fn pull(&mut self, now: u64) -> Option<Block> {
        self.align(now.saturating_sub(self.latency_ns))?;
        let mut block = [0; BLOCK];
        let mut filled = 0;
        let mut expected = None;
        while filled < BLOCK {
            let Some(chunk) = self.chunks.front().filter(|chunk| follows(expected, chunk.time)) else { break };
            let taken = chunk.samples.len().min(BLOCK - filled);
            for (place, sample) in block.iter_mut().skip(filled).zip(chunk.samples.iter().take(taken)) {
                *place = *sample;
            }
            expected = Some(chunk.time.saturating_add(length_ns(taken)));
            filled += taken;
            self.skip(taken);
        }
        self.flowing = filled == BLOCK;
        Some(block)
    }

    /// Skips what is too late; none: nothing is due yet.
    fn align(&mut self, due: u64) -> Option<()> {
        if difference(due, self.chunks.front()?.time) > TOLERANCE_NS {
            self.skip_until(due);
        }
        let late = difference(due, self.chunks.front()?.time);
        let earliest = if self.flowing { -TOLERANCE_NS } else { -BEGINS_EARLY_NS };
        self.flowing &= late >= earliest;
        (late >= earliest).then_some(())
    }

    fn skip_until(&mut self, due: u64) {
        while let Some(late) = self.chunks.front().and_then(|chunk| due.checked_sub(chunk.time)).filter(|late| *late > 0) {
            let samples = late.saturating_mul(u64::from(RATE)) / 1_000_000_000;
            self.skip(usize::try_from(samples).unwrap_or(usize::MAX).max(1));
        }
    }

    fn skip(&mut self, samples: usize) {
        let Some(chunk) = self.chunks.front_mut() else { return };
        let taken = samples.min(chunk.samples.len());
        chunk.samples.drain(..taken);
        chunk.time = chunk.time.saturating_add(length_ns(taken));
        self.queued -= taken;
        if chunk.samples.is_empty() {
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const LATENCY: u64 = 60 * MS;

    /// 20 ms of this value, as one packet brings them.
    fn packet(value: i16) -> [i16; BLOCK] {
        [value; BLOCK]
    }

    fn first(block: Option<Block>) -> Option<i16> {
        block.map(|block| block[0])
    }

    #[test]
    fn sound_comes_out_a_latency_after_its_time() {
        let mut playout = Playout::new(LATENCY);
        playout.push(1_000 * MS, &packet(7));
        assert_eq!(playout.pull(1_040 * MS), None);
        assert_eq!(first(playout.pull(1_060 * MS)), Some(7));
        assert_eq!(playout.pull(1_080 * MS), None);
    }

    #[test]
    fn time_stamps_that_wobble_do_not_cut_the_sound() {
        let mut playout = Playout::new(LATENCY);
        for (n, wobble) in (0..50u64).zip([0, 9, 3, 17, 1].into_iter().cycle()) {
            playout.push((1_000 + n * 20 + wobble) * MS, &packet(1));
        }
        let blocks = (0..50u64).map(|n| playout.pull((1_060 + n * 20) * MS));
        assert!(blocks.into_iter().all(|block| block.is_some_and(|block| block.iter().all(|sample| *sample == 1))));
    }

    #[test]
    fn sound_that_comes_too_late_is_skipped() {
        let mut playout = Playout::new(LATENCY);
        for n in 0..10i16 {
            playout.push((1_000 + u64::try_from(n).unwrap() * 20) * MS, &packet(n));
        }
        // 100 ms behind: the first five packets' time is over.
        assert_eq!(first(playout.pull(1_160 * MS)), Some(5));
    }

    #[test]
    fn a_gap_in_the_stream_is_silence_of_its_length() {
        let mut playout = Playout::new(LATENCY);
        playout.push(1_000 * MS, &packet(1));
        playout.push(1_100 * MS, &packet(2));
        let heard: Vec<_> = (0..6u64).map(|n| first(playout.pull((1_060 + n * 20) * MS))).collect();
        assert_eq!(heard, [Some(1), None, None, None, None, Some(2)]);
    }

    #[test]
    fn packets_of_thirty_milliseconds_make_whole_blocks() {
        let mut playout = Playout::new(LATENCY);
        for n in 0..4u64 {
            playout.push((1_000 + n * 30) * MS, &[3; 480]);
        }
        let whole = (0..6u64).filter_map(|n| playout.pull((1_060 + n * 20) * MS)).filter(|block| *block == packet(3));
        assert_eq!(whole.count(), 6);
    }

    #[test]
    fn a_clock_that_runs_fast_is_caught_up_with() {
        let mut playout = Playout::new(LATENCY);
        // The far end sends a packet each 19 ms of our time for ten seconds.
        let mut sent = 0;
        for now in 0..500u64 {
            while sent * 19 <= now * 20 {
                playout.push((1_000 + sent * 19) * MS, &packet(1));
                sent += 1;
            }
            playout.pull((1_060 + now * 20) * MS);
        }
        assert!(playout.queued <= 6 * BLOCK, "{} samples wait", playout.queued);
    }

    #[test]
    fn what_nobody_fetches_is_bounded() {
        let mut playout = Playout::new(LATENCY);
        for n in 0..1_000u64 {
            playout.push((1_000 + n * 20) * MS, &packet(1));
        }
        assert!(playout.queued <= LONGEST);
    }
}
