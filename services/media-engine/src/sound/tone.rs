//! Tones of the earpiece and digits in the audio, exact to the sample: a set of frequencies and a table of times
//! (5.6.2; B204, B205).

use std::f32::consts::TAU;

use super::{RATE, SAMPLES_PER_MS, Sum, factor};

/// Amplitude of each frequency of a tone at a gain of 0 dB: -18 dBFS, so that two of them sound as loud as speech does.
const AMPLITUDE: f32 = 4_125.0;
/// A tone that begins or ends within one sample clicks; it takes this long (2 ms).
const RAMP_SAMPLES: f32 = 32.0;

/// A tone as it was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToneSpec {
    /// For people.
    pub name: String,
    /// Hertz; 0 is left out.
    pub frequencies: Vec<u32>,
    /// Milliseconds, alternating; 0 lasts for ever. Empty: on for ever.
    pub timing_ms: Vec<u32>,
    /// Whether the first time is ON; it is OFF otherwise.
    pub starts_with_on: bool,
    /// Decibels.
    pub gain_db: i32,
}

/// When to sound, sample by sample.
#[derive(Clone, Debug)]
struct Cadence {
    /// (sounds, samples; none: for ever)
    spans: Vec<(bool, Option<u32>)>,
    current: usize,
    left: Option<u32>,
}

impl Cadence {
    fn new(timing_ms: &[u32], starts_with_on: bool) -> Cadence {
        let mut on = !starts_with_on;
        let mut spans: Vec<(bool, Option<u32>)> = Vec::with_capacity(timing_ms.len());
        for time in timing_ms {
            on = !on;
            spans.push((on, (*time > 0).then(|| time.saturating_mul(SAMPLES_PER_MS))));
        }
        if spans.is_empty() {
            spans.push((true, None));
        }
        let left = spans.first().and_then(|span| span.1);
        Cadence { spans, current: 0, left }
    }

    /// Whether this sample sounds; goes on by one sample.
    fn step(&mut self) -> bool {
        if self.left == Some(0) {
            self.current = if self.current + 1 < self.spans.len() { self.current + 1 } else { 0 };
            self.left = self.spans.get(self.current).and_then(|span| span.1);
        }
        self.left = self.left.map(|left| left - 1);
        self.spans.get(self.current).is_some_and(|span| span.0)
    }
}

/// A sine by its phase.
#[derive(Clone, Debug)]
pub struct Oscillator {
    phase: f32,
    step: f32,
}

impl Oscillator {
    /// At a frequency in hertz, beginning at zero.
    #[allow(clippy::cast_precision_loss)]
    pub fn new(hertz: f32) -> Oscillator {
        Oscillator { phase: 0.0, step: TAU * hertz / RATE as f32 }
    }
    /// -1 to 1.
    pub fn step(&mut self) -> f32 {
        let value = self.phase.sin();
        self.phase += self.step;
        if self.phase > TAU {
            self.phase -= TAU;
        }
        value
    }
}

/// A tone that sounds.
#[derive(Clone, Debug)]
pub struct Tone {
    oscillators: Vec<Oscillator>,
    cadence: Cadence,
    amplitude: f32,
    envelope: f32,
}

impl Tone {
    /// From the beginning of its table.
    #[allow(clippy::cast_precision_loss)]
    pub fn new(spec: &ToneSpec) -> Tone {
        let heard = spec.frequencies.iter().filter(|hertz| **hertz > 0);
        Tone {
            oscillators: heard.map(|hertz| Oscillator::new(*hertz as f32)).collect(),
            cadence: Cadence::new(&spec.timing_ms, spec.starts_with_on),
            amplitude: AMPLITUDE * factor(spec.gain_db as f32),
            envelope: 0.0,
        }
    }

    /// Adds the next block.
    #[allow(clippy::cast_possible_truncation)]
    pub fn add_to(&mut self, sum: &mut Sum) {
        for wide in sum {
            let direction = if self.cadence.step() { 1.0 } else { -1.0 };
            self.envelope = (self.envelope + direction / RAMP_SAMPLES).clamp(0.0, 1.0);
            if self.envelope > 0.0 {
                let value: f32 = self.oscillators.iter_mut().map(Oscillator::step).sum();
                *wide = wide.saturating_add((value * self.amplitude * self.envelope) as i32);
            }
        }
    }
}

/// The two frequencies of a digit (ITU-T Q.23), in hertz. None: there is no such digit.
pub fn digit_frequencies(digit: char) -> Option<[f32; 2]> {
    const ROWS: [(f32, &str); 4] = [(697.0, "123A"), (770.0, "456B"), (852.0, "789C"), (941.0, "*0#D")];
    const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
    ROWS.iter().find_map(|(row, digits)| Some([*row, *COLUMNS.get(digits.find(digit)?)?]))
}

#[cfg(test)]
mod tests {
    use super::super::BLOCK;
    use super::*;

    fn spec(frequencies: &[u32], timing_ms: &[u32], starts_with_on: bool) -> ToneSpec {
        ToneSpec {
            name: "test".into(),
            frequencies: frequencies.to_vec(),
            timing_ms: timing_ms.to_vec(),
            starts_with_on,
            gain_db: 0,
        }
    }

    /// Per millisecond: does it sound?
    fn heard(spec: &ToneSpec, milliseconds: usize) -> Vec<bool> {
        let mut tone = Tone::new(spec);
        let mut samples = Vec::new();
        while samples.len() < milliseconds * 16 {
            let mut sum = [0; BLOCK];
            tone.add_to(&mut sum);
            samples.extend(sum);
        }
        samples.chunks(16).take(milliseconds).map(|chunk| chunk.iter().any(|sample| sample.abs() > 100)).collect()
    }

    /// Times at which it begins and ends, in milliseconds.
    fn edges(heard: &[bool]) -> Vec<usize> {
        let mut edges = Vec::new();
        let mut last = false;
        for (index, now) in heard.iter().enumerate() {
            if *now != last {
                edges.push(index);
                last = *now;
            }
        }
        edges
    }

    /// B204, C6: the busy tone's table 60,500,440 begins with OFF.
    #[test]
    fn a_table_begins_with_off_and_repeats() {
        let edges = edges(&heard(&spec(&[480, 620], &[60, 500, 440], false), 2_100));
        let expected = [60, 560, 1_060, 1_560, 2_060];
        assert_eq!(edges.len(), expected.len(), "{edges:?}");
        for (edge, expected) in edges.iter().zip(expected) {
            // The ramp of 2 ms ends after the edge.
            assert!((expected..=expected + 2).contains(edge), "{edges:?}");
        }
    }

    /// B204, C7.
    #[test]
    fn a_table_that_starts_with_on_does() {
        let edges = edges(&heard(&spec(&[425], &[120, 880], true), 1_500));
        assert!(matches!(edges.as_slice(), [0..=1, 120..=122, 1_000..=1_001, 1_120..=1_122]), "{edges:?}");
    }

    /// B205, C5: the stutter tone, then dial tone for ever.
    #[test]
    fn a_zero_lasts_for_ever() {
        let mut timing = vec![560];
        timing.extend([100; 20]);
        timing.push(0);
        let heard = heard(&spec(&[350, 440], &timing, false), 8_000);
        assert!(heard.iter().skip(2_565).all(|on| *on));
        assert_eq!(edges(&heard).len(), 21);
    }

    #[test]
    fn a_zero_in_an_off_place_is_silence_for_ever() {
        let heard = heard(&spec(&[425], &[120, 0], true), 3_000);
        assert!(heard.iter().skip(125).all(|on| !*on));
    }

    /// C4: a frequency of 0 is no tone.
    #[test]
    fn a_frequency_of_zero_is_silent() {
        assert!(heard(&spec(&[0, 0], &[], false), 100).iter().all(|on| !*on));
    }

    #[test]
    fn gain_is_in_decibels() {
        let level = |gain_db| {
            let mut sum = [0; BLOCK];
            Tone::new(&ToneSpec { gain_db, ..spec(&[1_000], &[], true) }).add_to(&mut sum);
            f64::from(sum.iter().copied().max().unwrap_or(0))
        };
        assert!((level(6) / level(0) - 1.995).abs() < 0.02);
        assert!((level(-24) / level(0) - 0.063).abs() < 0.002);
    }

    #[test]
    fn digits_have_the_frequencies_of_q23() {
        assert_eq!(digit_frequencies('5'), Some([770.0, 1_336.0]));
        assert_eq!(digit_frequencies('#'), Some([941.0, 1_477.0]));
        assert_eq!(digit_frequencies('A'), Some([697.0, 1_633.0]));
        assert_eq!(digit_frequencies('x'), None);
    }
}
