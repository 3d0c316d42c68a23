//! The earpiece and the ringer of the simulated handset as WAV files, for tests and for people without a sound card.
//!
//! A file is a valid WAV at any moment, also after a kill: every 100 ms the samples are written, then the two lengths in the
//! header. An existing file is continued. While nothing plays the device sleeps and nothing is written; when it plays again, the
//! time in between is put in as silence, but never more than [`LONGEST_GAP_MS`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{BLOCK_NS, Block, RATE, SAMPLES_PER_MS};

/// The longest silence that is put in.
pub const LONGEST_GAP_MS: u64 = 10_000;
const HEADER: usize = 44;
/// Bytes in 100 ms.
const FLUSH_BYTES: usize = SAMPLES_PER_MS as usize * 100 * 2;
/// A WAV's lengths have 32 bits.
const LONGEST_BYTES: u64 = u32::MAX as u64 - 1_000;

/// A WAV file that grows.
pub struct Recording {
    file: File,
    path: PathBuf,
    /// Bytes of samples in the file.
    written: u64,
    unwritten: Vec<u8>,
    /// When the last block ended, by the device's clock in nanoseconds.
    ended: Option<u64>,
}

/// The ringer's file beside the earpiece's: `FILE.ringer.wav`.
pub fn ringer_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ringer.wav");
    PathBuf::from(name)
}

fn header(bytes: u64) -> [u8; HEADER] {
    let length = u32::try_from(bytes).unwrap_or(u32::MAX - 36);
    let mut header = Vec::with_capacity(HEADER);
    header.extend(b"RIFF");
    header.extend((length + 36).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16u32.to_le_bytes());
    // PCM, one channel
    header.extend([1, 0, 1, 0]);
    header.extend(RATE.to_le_bytes());
    header.extend((RATE * 2).to_le_bytes());
    // two bytes a frame, 16 bits a sample
    header.extend([2, 0, 16, 0]);
    header.extend(b"data");
    header.extend(length.to_le_bytes());
    header.try_into().unwrap_or([0; HEADER])
}

impl Recording {
    /// Continues the file, or begins it where there is none of our form.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub fn open(path: &Path) -> io::Result<Recording> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut begins = [0; HEADER];
        let ours = file.read_exact(&mut begins).is_ok() && begins.get(8..40) == header(0).get(8..40);
        let written = if ours { length.saturating_sub(HEADER as u64) & !1 } else { 0 };
        file.set_len(HEADER as u64 + written)?;
        file.write_all_at(&header(written), 0)?;
        Ok(Recording { file, path: path.to_owned(), written, unwritten: Vec::with_capacity(FLUSH_BYTES), ended: None })
    }

    /// Appends a block that plays at `time`, in nanoseconds of the device's clock.
    pub fn block(&mut self, time: u64, block: &Block) {
        let gap = self.ended.map_or(0, |ended| time.saturating_sub(ended));
        if gap > BLOCK_NS * 3 {
            self.silence(gap / 1_000_000);
        }
        self.ended = Some(time.saturating_add(BLOCK_NS));
        self.unwritten.extend(block.iter().flat_map(|sample| sample.to_le_bytes()));
        if self.unwritten.len() >= FLUSH_BYTES {
            self.flush();
        }
    }

    fn silence(&mut self, milliseconds: u64) {
        self.flush();
        // A hole in the file reads as silence.
        self.written += milliseconds.min(LONGEST_GAP_MS) * u64::from(SAMPLES_PER_MS) * 2;
    }

    /// Writes what is not in the file yet. A full disk ends the recording, not the phone.
    pub fn flush(&mut self) {
        if self.unwritten.is_empty() || self.written > LONGEST_BYTES {
            return self.unwritten.clear();
        }
        match self.write() {
            Ok(()) => self.unwritten.clear(),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the recording cannot be written and ends here");
                self.written = LONGEST_BYTES + 1;
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.unwritten, HEADER as u64 + self.written)?;
        self.written += u64::try_from(self.unwritten.len()).unwrap_or(0);
        self.file.write_all_at(&header(self.written), 0)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(path: &Path) -> Vec<i16> {
        hound::WavReader::open(path).unwrap().into_samples().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_file_is_valid_at_any_moment_and_at_most_a_tenth_of_a_second_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ear.wav");
        let mut recording = Recording::open(&path).unwrap();
        assert_eq!(samples(&path).len(), 0);
        for n in 0..7u64 {
            recording.block(n * BLOCK_NS, &[5; 320]);
        }
        // No drop, no flush: as after a kill.
        assert_eq!(samples(&path), [5; 320 * 5]);
        drop(recording);
        assert_eq!(samples(&path).len(), 320 * 7);
    }

    #[test]
    fn another_start_continues_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ear.wav");
        for value in [1, 2] {
            Recording::open(&path).unwrap().block(0, &[value; 320]);
        }
        let samples = samples(&path);
        assert_eq!((samples.len(), samples[0], samples[639]), (640, 1, 2));
    }

    #[test]
    fn a_sleep_of_the_device_is_silence_of_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ear.wav");
        let mut recording = Recording::open(&path).unwrap();
        recording.block(0, &[1; 320]);
        recording.block(1_020 * 1_000_000, &[2; 320]);
        drop(recording);
        let samples = samples(&path);
        assert_eq!((samples.len(), samples[320], samples[320 + 16_000]), (320 + 16_000 + 320, 0, 2));
    }

    #[test]
    fn a_file_that_is_no_recording_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ear.wav");
        std::fs::write(&path, "something else").unwrap();
        drop(Recording::open(&path).unwrap());
        assert_eq!(samples(&path).len(), 0);
        assert_eq!(ringer_path(&path).file_name().unwrap(), "ear.wav.ringer.wav");
    }
}
