//! Sound as the mixer knows it, pure: one channel of 16-bit samples at 16 kHz in blocks of 20 ms. No GStreamer, no clock and no
//! socket in here, except that the simulated handset reads and writes WAV files (feed.rs, record.rs).

pub mod feed;
pub mod mixer;
pub mod playout;
pub mod record;
pub mod resample;
pub mod ringtone;
pub mod tone;

/// Samples per second inside the engine: what G.722 needs; G.711 is converted at its codec.
pub const RATE: u32 = 16_000;
/// Samples per millisecond.
pub const SAMPLES_PER_MS: u32 = RATE / 1_000;
/// Length of a block: the usual RTP packet time, and what the engine wakes up for.
pub const BLOCK_MS: u32 = 20;
/// Samples of a block.
pub const BLOCK: usize = 320;
/// Nanoseconds of a block.
pub const BLOCK_NS: u64 = 20_000_000;

/// A block of samples.
pub type Block = [i16; BLOCK];

/// A block being summed up.
pub type Sum = [i32; BLOCK];

/// The sum as samples; what is too loud is clipped.
pub fn clip(sum: &Sum) -> Block {
    let mut block = [0; BLOCK];
    for (sample, wide) in block.iter_mut().zip(sum) {
        *sample = i16::try_from((*wide).clamp(i32::from(i16::MIN), i32::from(i16::MAX))).unwrap_or(0);
    }
    block
}

/// Adds a block.
pub fn add(sum: &mut Sum, block: &Block) {
    for (wide, sample) in sum.iter_mut().zip(block) {
        *wide = wide.saturating_add(i32::from(*sample));
    }
}

/// A factor for a gain in decibels.
pub fn factor(decibels: f32) -> f32 {
    10f32.powf(decibels / 20.0)
}

/// Multiplies a sum, saturating.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
pub fn scale(sum: &mut Sum, factor: f32) {
    for wide in sum {
        // `as` from float to integer saturates, which is what is wanted here.
        *wide = (*wide as f32 * factor) as i32;
    }
}
