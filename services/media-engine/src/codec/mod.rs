//! Speech codecs, pure: bytes of an RTP payload to and from blocks of the mixer's 16 kHz sound. All three speak 8 bytes per
//! millisecond and an RTP clock of 8000 Hz (G.722 too, by the historical mistake that RFC 3551 section 4.5.2 keeps). Own code,
//! because the elements for G.722 bring libavcodec with 170 libraries and 40 MB (proto/decisions/0020).

pub mod g711;
pub mod g722;

use crate::sound::resample::{Downsampler, Upsampler};

/// RTP clock ticks, and payload bytes, per millisecond of every codec here.
pub const UNITS_PER_MS: u32 = 8;

/// A codec that can be agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
}

impl Codec {
    /// By its name in SDP (RFC 3551 section 6), in any case.
    pub fn from_name(name: &str) -> Option<Codec> {
        [Codec::Pcmu, Codec::Pcma, Codec::G722].into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
    /// Its name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
        }
    }
}

/// Sound at 16 kHz to payload bytes.
pub struct Encoder {
    codec: Codec,
    narrow: Downsampler,
    wide: g722::Encoder,
}

impl Encoder {
    /// With a silent past.
    pub fn new(codec: Codec) -> Encoder {
        Encoder { codec, narrow: Downsampler::default(), wide: g722::Encoder::default() }
    }
    /// Which codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }
    /// Appends the bytes of these samples; their number should be even, an odd last one is dropped.
    pub fn encode(&mut self, samples: &[i16], bytes: &mut Vec<u8>) {
        match self.codec {
            Codec::Pcmu => self.narrow.process(samples, |sample| bytes.push(g711::mu_law(sample))),
            Codec::Pcma => self.narrow.process(samples, |sample| bytes.push(g711::a_law(sample))),
            Codec::G722 => self.wide.encode(samples, bytes),
        }
    }
}

/// Payload bytes to sound at 16 kHz.
pub struct Decoder {
    codec: Codec,
    wide: Upsampler,
    g722: g722::Decoder,
}

impl Decoder {
    /// With a silent past.
    pub fn new(codec: Codec) -> Decoder {
        Decoder { codec, wide: Upsampler::default(), g722: g722::Decoder::default() }
    }
    /// Which codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }
    /// Appends two samples for each byte.
    pub fn decode(&mut self, bytes: &[u8], samples: &mut Vec<i16>) {
        let expand: fn(u8) -> i16 = match self.codec {
            Codec::Pcmu => g711::from_mu_law,
            Codec::Pcma => g711::from_a_law,
            Codec::G722 => return self.g722.decode(bytes, samples),
        };
        for byte in bytes {
            samples.extend(self.wide.push(expand(*byte)));
        }
    }
}
