//! Offer/answer (RFC 3264) and what it asks of media.

mod describe;
mod mismatch;
mod negotiate;
mod ports;
mod session;

pub(crate) use mismatch::MediaMismatch;
pub(crate) use negotiate::{hold_offer, no_playable_codec, sends};
pub(crate) use ports::PortRing;
pub(crate) use session::{MediaSession, Offer, usable_codecs};
