//! Twice and half the sampling rate, for G.711 on a 16 kHz mixer: a half-band filter of 47 taps, of which every other is zero.
//! The pass band ends at 3.4 kHz, images and aliases are about 50 dB down.

use std::f32::consts::PI;

/// Taps on one side of the middle.
const SIDE: usize = 12;

/// Finds the point halfway between the two middle samples of the last 24.
#[derive(Clone)]
struct HalfBand {
    weights: [f32; SIDE],
    past: [f32; 2 * SIDE],
}

impl Default for HalfBand {
    fn default() -> HalfBand {
        let mut weights = [0.0; SIDE];
        for (index, weight) in (0u8..).zip(&mut weights) {
            let distance = f32::from(index) + 0.5;
            let window = 0.54 + 0.46 * (PI * distance / 12.0).cos();
            *weight = window * (PI * distance).sin() / (PI * distance);
        }
        let sum = 2.0 * weights.iter().sum::<f32>();
        HalfBand { weights: weights.map(|weight| weight / sum), past: [0.0; 2 * SIDE] }
    }
}

impl HalfBand {
    /// Takes in a sample; the point between the 12th and the 13th newest, and the 12th newest itself.
    fn push(&mut self, sample: f32) -> (f32, f32) {
        self.past.rotate_left(1);
        self.past[2 * SIDE - 1] = sample;
        let (older, newer) = self.past.split_at(SIDE);
        let pairs = older.iter().rev().zip(newer);
        let between = pairs.zip(self.weights).map(|((before, after), weight)| (before + after) * weight).sum();
        (between, self.past[SIDE])
    }
}

#[allow(clippy::cast_possible_truncation)]
fn to_sample(value: f32) -> i16 {
    // `as` from float to integer saturates, which is what is wanted here.
    value.round() as i16
}

/// 8 kHz to 16 kHz. Delays by 12 samples of 8 kHz.
#[derive(Clone, Default)]
pub struct Upsampler(HalfBand);

impl Upsampler {
    /// Two samples for one.
    pub fn push(&mut self, sample: i16) -> [i16; 2] {
        let (between, at) = self.0.push(f32::from(sample));
        [to_sample(between), to_sample(at)]
    }
}

/// 16 kHz to 8 kHz.
#[derive(Clone, Default)]
pub struct Downsampler {
    odd: HalfBand,
    even: [f32; SIDE],
}

impl Downsampler {
    /// One sample for two; an odd last one is dropped.
    pub fn process(&mut self, samples: &[i16], mut sink: impl FnMut(i16)) {
        for pair in samples.chunks_exact(2) {
            if let [even, odd] = pair {
                self.even.rotate_left(1);
                self.even[SIDE - 1] = f32::from(*even);
                let (between, _) = self.odd.push(f32::from(*odd));
                sink(to_sample(0.5 * (self.even[0] + between)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_possible_truncation)]
    fn sine(hertz: f32, rate: f32, samples: u16) -> Vec<i16> {
        (0..samples).map(|n| (10_000.0 * (2.0 * PI * hertz * f32::from(n) / rate).sin()) as i16).collect()
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().skip(100).map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / (samples.len() - 100) as f64
    }

    fn halved(samples: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        Downsampler::default().process(samples, |sample| out.push(sample));
        out
    }

    #[test]
    fn speech_frequencies_pass_both_ways_with_their_level() {
        for hertz in [200.0, 1_000.0, 3_000.0] {
            let narrow = halved(&sine(hertz, 16_000.0, 4_000));
            let mut filter = Upsampler::default();
            let wide: Vec<i16> = narrow.iter().flat_map(|sample| filter.push(*sample)).collect();
            for samples in [&narrow, &wide] {
                let decibels = 10.0 * (power(samples) / 5e7).log10();
                assert!(decibels.abs() < 0.3, "{hertz} Hz: {decibels} dB");
            }
        }
    }

    #[test]
    fn what_eight_kilohertz_cannot_hold_is_taken_out() {
        let decibels = 10.0 * (power(&halved(&sine(5_200.0, 16_000.0, 4_000))) / 5e7).log10();
        assert!(decibels < -40.0, "5200 Hz: {decibels} dB");
    }
}
