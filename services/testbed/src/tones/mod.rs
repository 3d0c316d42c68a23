//! Finds tones and silence in recordings: what a test asks about sound. Pure but for reading and writing WAV files; it must not
//! know the phone, so that it can judge it.

mod goertzel;
mod recording;

pub use goertzel::power;
pub use recording::{Recording, Span, write_tone};
