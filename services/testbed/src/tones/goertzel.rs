//! The power of one frequency in a stretch of sound (Goertzel's algorithm).

use std::f64::consts::PI;

/// Mean square amplitude of the part of `samples` that is at `hertz`: a sine of amplitude A gives A*A/2. Right for a stretch of
/// many periods; a stretch of `n` samples cannot tell frequencies apart that are closer than `rate/n`.
pub fn power(samples: &[i16], rate: u32, hertz: f64) -> f64 {
    let count = samples.len() as f64;
    if samples.is_empty() || rate == 0 {
        return 0.0;
    }
    let factor = 2.0 * (2.0 * PI * hertz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        // A Hann window, so that a strong tone does not leak over everything.
        let window = 1.0 - (2.0 * PI * index as f64 / count).cos();
        let next = f64::from(*sample) * window + factor * last - before;
        before = last;
        last = next;
    }
    let magnitude = last * last + before * before - factor * last * before;
    2.0 * magnitude / (count * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_has_half_its_squared_amplitude_at_its_frequency_and_little_elsewhere() {
        let samples: Vec<i16> = (0..8_000).map(|n| (10_000.0 * (2.0 * PI * 440.0 * f64::from(n) / 8_000.0).sin()) as i16).collect();
        let at = power(&samples, 8_000, 440.0);
        assert!((at / 5e7 - 1.0).abs() < 0.01, "{at}");
        assert!(power(&samples, 8_000, 480.0) < at / 10_000.0);
        assert!(power(&[], 8_000, 440.0) == 0.0);
    }
}
