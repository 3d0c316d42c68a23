//! A recording and the questions that tests have about it. Times are seconds from its beginning.

use std::ops::Range;
use std::path::Path;

use super::power;

/// Below this level, in dBFS, it is silent: G.711's smallest step and a codec's noise are well below.
const SILENCE_DBFS: f64 = -50.0;
/// Octets of a plain WAV header; its last four are the length of the samples.
const HEADER: usize = 44;
/// What can be told from silence within one step of the search for spans.
const STEP_SECONDS: f64 = 0.005;

/// As much as a tone must last to be found.
const HALF_SECOND: f64 = 0.5;

/// Sound in memory: one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    samples: Vec<i16>,
    rate: u32,
}

/// A stretch of sound between silences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Seconds.
    pub from: f64,
    /// Seconds.
    pub to: f64,
}

impl Span {
    /// Seconds.
    pub fn length(&self) -> f64 {
        self.to - self.from
    }
}

impl Recording {
    /// Of these samples.
    pub fn new(samples: Vec<i16>, rate: u32) -> Recording {
        Recording { samples, rate }
    }

    /// A WAV file of 16-bit samples; of several channels the first.
    ///
    /// # Errors
    /// What hound says about the file.
    pub fn read(path: &Path) -> Result<Recording, hound::Error> {
        Recording::of(hound::WavReader::open(path)?)
    }

    fn of(mut reader: hound::WavReader<impl std::io::Read>) -> Result<Recording, hound::Error> {
        let format = reader.spec();
        let channels = usize::from(format.channels.max(1));
        let samples = reader.samples::<i16>().step_by(channels).collect::<Result<_, _>>()?;
        Ok(Recording { samples, rate: format.sample_rate })
    }

    /// The same of a file that is being written, with a header of 44 octets whose lengths are put right only at the end, if then.
    ///
    /// # Errors
    /// What hound says about the file.
    pub fn read_growing(path: &Path) -> Result<Recording, hound::Error> {
        let mut wav = std::fs::read(path)?;
        // Whole samples of up to two channels.
        let length = u32::try_from(wav.len().saturating_sub(HEADER) & !3).unwrap_or(u32::MAX - 3);
        if let Some(field) = wav.get_mut(HEADER - 4..HEADER) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        Recording::of(hound::WavReader::new(wav.as_slice())?)
    }

    /// Seconds.
    pub fn length(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.max(1))
    }

    /// The samples of a stretch; what lies outside the recording is left out.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn part(&self, seconds: Range<f64>) -> &[i16] {
        // `as` saturates, which is what is wanted here.
        let at = |time: f64| ((time * f64::from(self.rate)).round() as usize).min(self.samples.len());
        self.samples.get(at(seconds.start)..at(seconds.end)).unwrap_or_default()
    }

    /// Level of a stretch in dBFS (a full-scale sine has -3); an empty one is as silent as can be.
    pub fn level(&self, seconds: Range<f64>) -> f64 {
        level(self.part(seconds))
    }

    /// Whether a stretch is silent. An empty one is not: nothing was proven.
    pub fn is_silent(&self, seconds: Range<f64>) -> bool {
        !self.part(seconds.clone()).is_empty() && self.level(seconds) < SILENCE_DBFS
    }

    /// The strongest frequency of a stretch, between 100 Hz and half the sampling rate, to 5 Hz; none: it is silent.
    pub fn frequency(&self, seconds: Range<f64>) -> Option<f64> {
        if self.part(seconds.clone()).is_empty() || self.is_silent(seconds.clone()) {
            return None;
        }
        let samples = self.part(seconds);
        let candidates = (20..self.rate / 10).map(|step| f64::from(step) * 5.0);
        let powers = candidates.map(|hertz| (hertz, power(samples, self.rate, hertz)));
        powers.max_by(|one, other| one.1.total_cmp(&other.1)).map(|strongest| strongest.0)
    }

    /// The part of a stretch's power, 0 to 1, that is at these frequencies together.
    pub fn share(&self, hertz: &[f64], seconds: Range<f64>) -> f64 {
        let samples = self.part(seconds);
        let all = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
        let tones: f64 = hertz.iter().map(|hertz| power(samples, self.rate, *hertz)).sum();
        // The window weighs the middle more, so that an even tone comes out as itself.
        if all > 0.0 { tones / all } else { 0.0 }
    }

    /// Whether a stretch is a tone of these frequencies and little else.
    pub fn is_tone(&self, hertz: &[f64], seconds: Range<f64>) -> bool {
        !self.part(seconds.clone()).is_empty() && !self.is_silent(seconds.clone()) && self.share(hertz, seconds) > 0.8
    }

    /// Whether any half second after `begin` is a tone of these frequencies and little else.
    pub fn has_tone(&self, hertz: &[f64], begin: f64) -> bool {
        let stretches = (0u32..).map(|n| begin + f64::from(n) * 0.1).map(|from| from..from + HALF_SECOND);
        stretches.take_while(|stretch| stretch.end <= self.length()).any(|stretch| self.is_tone(hertz, stretch))
    }

    /// The stretches of sound; silences shorter than `bridged` seconds are part of them.
    pub fn spans(&self, bridged: f64) -> Vec<Span> {
        let steps = (0u32..).map(|n| f64::from(n) * STEP_SECONDS).take_while(|from| *from < self.length());
        let loud = steps.filter(|from| self.level(*from..*from + STEP_SECONDS) >= SILENCE_DBFS);
        let mut spans: Vec<Span> = Vec::new();
        for from in loud {
            let to = from + STEP_SECONDS;
            match spans.last_mut() {
                Some(last) if from - last.to <= bridged + STEP_SECONDS / 2.0 => last.to = to,
                _ => spans.push(Span { from, to }),
            }
        }
        spans
    }
}

fn level(samples: &[i16]) -> f64 {
    let mean = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    10.0 * (mean / (32_768.0 * 32_768.0)).max(1e-12).log10()
}

/// Writes a WAV file with a sine at -10 dBFS, for a microphone that is not there.
///
/// # Errors
/// What hound says about the file.
#[allow(clippy::cast_possible_truncation)]
pub fn write_tone(path: &Path, rate: u32, hertz: f64, seconds: u32) -> Result<(), hound::Error> {
    let format = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, format)?;
    for n in 0..rate.saturating_mul(seconds) {
        let phase = 2.0 * std::f64::consts::PI * hertz * f64::from(n) / f64::from(rate);
        writer.write_sample((10_362.0 * phase.sin()) as i16)?;
    }
    writer.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0.5 s of silence, 1 s of 1000 Hz, 0.5 s of silence, 0.5 s of 350 and 440 Hz.
    fn recording() -> Recording {
        let rate = 16_000;
        let sine = |hertz: f64, n: u32| (2.0 * std::f64::consts::PI * hertz * f64::from(n) / f64::from(rate)).sin();
        let sample = |n: u32| match n * 10 / rate {
            5..15 => 8_000.0 * sine(1_000.0, n),
            20.. => 4_000.0 * (sine(350.0, n) + sine(440.0, n)),
            _ => 0.0,
        };
        Recording::new((0..rate * 5 / 2).map(|n| sample(n) as i16).collect(), rate)
    }

    #[test]
    fn it_says_which_frequency_is_where() {
        let recording = recording();
        assert_eq!(recording.frequency(0.6..1.4), Some(1_000.0));
        assert_eq!(recording.frequency(0.0..0.4), None);
        assert!(recording.is_tone(&[1_000.0], 0.6..1.4) && !recording.is_tone(&[1_040.0], 0.6..1.4));
        assert!(recording.is_tone(&[350.0, 440.0], 2.1..2.4) && !recording.is_tone(&[350.0], 2.1..2.4));
        assert!(recording.is_silent(1.6..1.9) && !recording.is_silent(1.4..1.6));
        assert!(!recording.is_silent(3.0..4.0), "what is not there is not silent");
    }

    #[test]
    fn it_finds_half_a_second_of_a_tone_wherever_it_begins() {
        let recording = recording();
        assert!(recording.has_tone(&[1_000.0], 0.0) && recording.has_tone(&[1_000.0], 0.9));
        assert!(!recording.has_tone(&[1_000.0], 1.3), "the rest of it is too short");
        assert!(!recording.has_tone(&[1_040.0], 0.0) && !recording.has_tone(&[350.0, 440.0], 2.3));
    }

    #[test]
    fn a_file_that_is_being_written_is_read_as_far_as_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing.wav");
        write_tone(&path, 8_000, 440.0, 1).unwrap();
        let mut wav = std::fs::read(&path).unwrap();
        assert!(Recording::read_growing(&folder.path().join("none.wav")).is_err());
        // Its writer has got so far, in the middle of a sample, and has not said so yet.
        wav.truncate(HEADER + 8_001);
        wav[HEADER - 4..HEADER].fill(0);
        std::fs::write(&path, &wav).unwrap();
        let recording = Recording::read_growing(&path).unwrap();
        assert_eq!((recording.length(), recording.frequency(0.0..0.5)), (0.5, Some(440.0)));
        std::fs::write(&path, &wav[..20]).unwrap();
        assert!(Recording::read_growing(&path).is_err());
    }

    #[test]
    fn it_finds_the_stretches_of_sound() {
        let spans = recording().spans(0.05);
        let close = |one: f64, other: f64| (one - other).abs() < 0.011;
        assert!(
            matches!(spans.as_slice(), [first, second] if close(first.from, 0.5) && close(first.to, 1.5)
            && close(second.from, 2.0) && close(second.length(), 0.5)),
            "{spans:?}"
        );
    }

    #[test]
    fn a_tone_that_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tone.wav");
        write_tone(&path, 8_000, 440.0, 1).unwrap();
        let recording = Recording::read(&path).unwrap();
        assert_eq!(recording.frequency(0.0..1.0), Some(440.0));
        assert!((recording.level(0.0..1.0) + 13.0).abs() < 0.1, "{}", recording.level(0.0..1.0));
    }
}
