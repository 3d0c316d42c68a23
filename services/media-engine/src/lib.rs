//! media-engine: what is heard. The pure parts (`plan`, `lease`, `codec`, `rtp`, `sound`) decide; `pipeline` is GStreamer;
//! `engine` carries out a plan; `driver`, `grpc` and `bus` connect it with the house. README.md says what it owns and serves.

pub mod bus;
pub mod codec;
pub mod desired;
pub mod driver;
pub mod engine;
pub mod events;
pub mod grpc;
pub mod lease;
pub mod options;
pub mod pipeline;
pub mod plan;
pub mod rtcp_reader;
pub mod rtp;
pub mod sound;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock that the audio threads share. None of them panics while it holds one; if one did, sound that is a block off is
/// better than none.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
