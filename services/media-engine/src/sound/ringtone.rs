//! The ringing tones 1 to 32 (B203): a warble of two notes in bursts. The data is here; how it sounds is tone.rs's oscillator.

use super::tone::Oscillator;
use super::{SAMPLES_PER_MS, Sum};

/// Amplitude at full volume: -10 dBFS.
const AMPLITUDE: f32 = 10_000.0;
/// How many there are.
pub const COUNT: u32 = 32;
/// Pairs of notes in hertz; a ringing tone is one of them in one of the rhythms.
const NOTES: [(f32, f32); 8] = [
    (660.0, 825.0),
    (440.0, 550.0),
    (784.0, 988.0),
    (523.0, 659.0),
    (880.0, 1_175.0),
    (587.0, 740.0),
    (698.0, 932.0),
    (494.0, 1_047.0),
];
/// (length of a note, notes in a burst, length of the pause after it) in milliseconds.
const RHYTHMS: [(u32, u32, u32); 4] = [(50, 20, 2_000), (100, 8, 1_600), (200, 6, 1_800), (400, 4, 1_400)];

/// A ringing tone that sounds.
pub struct Ringtone {
    notes: [Oscillator; 2],
    note: u32,
    burst: u32,
    cycle: u32,
    at: u32,
}

impl Ringtone {
    /// From its beginning; a number outside 1 to 32 rings as 1.
    pub fn new(number: u32) -> Ringtone {
        let index = if (1..=COUNT).contains(&number) { number - 1 } else { 0 };
        let notes = usize::try_from(index % 8).ok().and_then(|n| NOTES.get(n)).copied().unwrap_or((660.0, 825.0));
        let rhythm = usize::try_from(index / 8).ok().and_then(|n| RHYTHMS.get(n)).copied().unwrap_or((50, 20, 2_000));
        let burst = rhythm.0 * rhythm.1;
        Ringtone {
            notes: [Oscillator::new(notes.0), Oscillator::new(notes.1)],
            note: rhythm.0 * SAMPLES_PER_MS,
            burst: burst * SAMPLES_PER_MS,
            cycle: (burst + rhythm.2) * SAMPLES_PER_MS,
            at: 0,
        }
    }

    /// Adds the next block at a volume of 0 to 100 percent of the amplitude.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub fn add_to(&mut self, sum: &mut Sum, volume_percent: u32) {
        let amplitude = AMPLITUDE * volume_percent.min(100) as f32 / 100.0;
        for wide in sum {
            if self.at < self.burst {
                let [low, high] = &mut self.notes;
                let note = if (self.at / self.note).is_multiple_of(2) { low } else { high };
                *wide = wide.saturating_add((note.step() * amplitude) as i32);
            }
            self.at = if self.at + 1 < self.cycle { self.at + 1 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BLOCK;
    use super::*;

    fn second(number: u32, volume: u32) -> Vec<i32> {
        let mut tone = Ringtone::new(number);
        (0..50)
            .flat_map(|_| {
                let mut sum = [0; BLOCK];
                tone.add_to(&mut sum, volume);
                sum
            })
            .collect()
    }

    #[test]
    fn the_thirty_two_are_all_different_and_begin_at_once() {
        let all: std::collections::HashSet<Vec<i32>> = (1..=COUNT).map(|number| second(number, 100)).collect();
        assert_eq!(all.len(), 32);
        assert!(all.iter().all(|sound| sound.iter().take(320).any(|sample| *sample > 5_000)));
    }

    #[test]
    fn a_volume_of_zero_is_silent() {
        assert!(second(1, 0).iter().all(|sample| *sample == 0));
    }
}
