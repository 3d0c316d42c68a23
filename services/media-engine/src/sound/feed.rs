//! What the simulated handset's microphone hears: a WAV file over and over, what the far end says, or nothing.

use std::f32::consts::PI;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader};

use super::{BLOCK, Block, RATE};

/// A longer file is cut: it is kept in memory.
const LONGEST_SECONDS: u32 = 300;

/// Why a WAV file cannot be the microphone.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Not there, not readable or no WAV.
    #[error("{path}: {source}: give a WAV file with PCM samples (8 to 32 bits, or float)")]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// What hound says.
        source: hound::Error,
    },
    /// No samples.
    #[error("{0}: there is no sound in it")]
    Empty(PathBuf),
}

/// A microphone that is not there.
pub enum Feed {
    /// These samples, over and over, from the beginning when the first session comes up.
    Samples {
        /// At the mixer's rate.
        samples: Vec<i16>,
        /// The next one.
        next: usize,
    },
    /// What the far ends say is sent back.
    Loop,
    /// Nothing.
    Silence,
}

impl Feed {
    /// From a file of any rate and number of channels.
    ///
    /// # Errors
    /// See [`FeedError`].
    pub fn open(path: &Path) -> Result<Feed, FeedError> {
        let unreadable = |source| FeedError::Unreadable { path: path.to_owned(), source };
        let mut reader = WavReader::open(path).map_err(unreadable)?;
        let format = reader.spec();
        let channels = usize::from(format.channels.max(1));
        let longest = usize::try_from(format.sample_rate.saturating_mul(LONGEST_SECONDS)).unwrap_or(usize::MAX);
        let scale = 1.0 / (1u64 << (format.bits_per_sample.clamp(1, 32) - 1)) as f32;
        let interleaved: Result<Vec<f32>, hound::Error> = match format.sample_format {
            SampleFormat::Float => reader.samples::<f32>().take(longest.saturating_mul(channels)).collect(),
            SampleFormat::Int => {
                let samples = reader.samples::<i32>().take(longest.saturating_mul(channels));
                samples.map(|sample| sample.map(|sample| sample as f32 * scale)).collect()
            }
        };
        let mono: Vec<f32> = interleaved
            .map_err(unreadable)?
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        if mono.is_empty() || format.sample_rate == 0 {
            return Err(FeedError::Empty(path.to_owned()));
        }
        Ok(Feed::Samples { samples: converted(&mono, format.sample_rate), next: 0 })
    }

    /// For people and the bus.
    pub fn name(&self) -> &'static str {
        match self {
            Feed::Samples { .. } => "wav",
            Feed::Loop => "loop",
            Feed::Silence => "silence",
        }
    }

    /// From the beginning.
    pub fn restart(&mut self) {
        if let Feed::Samples { next, .. } = self {
            *next = 0;
        }
    }

    /// The next block; `far` is what the far ends say in it.
    pub fn block(&mut self, far: &Block) -> Block {
        match self {
            Feed::Loop => *far,
            Feed::Silence => [0; BLOCK],
            Feed::Samples { samples, next } => {
                let mut block = [0; BLOCK];
                for (place, sample) in block.iter_mut().zip(samples.iter().cycle().skip(*next)) {
                    *place = *sample;
                }
                *next = (*next + BLOCK).checked_rem(samples.len()).unwrap_or(0);
                block
            }
        }
    }
}

/// To the mixer's rate, by a windowed sinc of 16 zero crossings. Done once, at start.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn converted(mono: &[f32], rate: u32) -> Vec<i16> {
    let to_sample = |value: f32| (value * 32_767.0).round() as i16;
    if rate == RATE {
        return mono.iter().map(|value| to_sample(*value)).collect();
    }
    let ratio = f64::from(rate) / f64::from(RATE);
    // Below the lower of both rates' halves.
    let cut = (1.0 / ratio).min(1.0) as f32;
    let reach = (8.0 / cut).ceil() as usize;
    let length = (mono.len() as f64 / ratio).ceil() as usize;
    let point = |index: usize| {
        let centre = index as f64 * ratio;
        let first = (centre as usize).saturating_sub(reach);
        let near = mono.iter().enumerate().skip(first).take(2 * reach + 2);
        near.map(|(n, value)| value * kernel((n as f64 - centre) as f32, cut, reach as f32)).sum::<f32>()
    };
    (0..length).map(|index| to_sample(point(index))).collect()
}

fn kernel(distance: f32, cut: f32, reach: f32) -> f32 {
    if distance.abs() >= reach {
        return 0.0;
    }
    let window = 0.5 + 0.5 * (PI * distance / reach).cos();
    let angle = PI * distance * cut;
    let sinc = if angle.abs() < 1e-6 { 1.0 } else { angle.sin() / angle };
    cut * sinc * window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(path: &Path, rate: u32, channels: u16, seconds: u32) {
        let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for n in 0..rate * seconds {
            let value = 10_000.0 * (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / f64::from(rate)).sin();
            for _ in 0..channels {
                writer.write_sample(value as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn a_file_of_any_rate_sounds_at_its_pitch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.wav");
        for (rate, channels) in [(8_000, 1), (16_000, 2), (44_100, 2), (48_000, 1)] {
            wav(&path, rate, channels, 1);
            let Feed::Samples { samples, .. } = Feed::open(&path).unwrap() else { panic!("no samples") };
            assert!(samples.len().abs_diff(16_000) <= 1);
            let zero_crossings = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!((438..=441).contains(&zero_crossings), "{rate}: {zero_crossings}");
            let loudest = samples.iter().skip(200).take(15_000).max().unwrap();
            assert!((9_800..=10_200).contains(loudest), "{rate}: {loudest}");
        }
    }

    #[test]
    fn the_file_goes_round_and_can_begin_anew() {
        let mut feed = Feed::Samples { samples: (0..500).collect(), next: 0 };
        let silent = [0; BLOCK];
        assert_eq!(feed.block(&silent)[319], 319);
        let second = feed.block(&silent);
        assert_eq!((second[0], second[179], second[180]), (320, 499, 0));
        feed.restart();
        assert_eq!(feed.block(&silent)[0], 0);
    }

    #[test]
    fn what_is_no_wav_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.wav");
        std::fs::write(&path, "hello").unwrap();
        let error = Feed::open(&path).err().unwrap().to_string();
        assert!(error.contains("feed.wav"), "{error}");
    }
}
