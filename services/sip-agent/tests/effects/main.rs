//! From the values of a configuration to what is seen: messages of the stack in virtual time, wishes of the telephone, and what
//! media-engine is asked for. Each test sets one row to two values at least and shows the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod calls;
mod codecs;
mod configured;
mod failing;
mod finding;
mod media;
mod registration;
mod servers;
mod telephone;
mod timers;
mod tones;
