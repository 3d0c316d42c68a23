//! From the values of a configuration to what is seen: messages of the stack in virtual time, wishes of the telephone, and what
//! media-engine is asked for. Each test sets one row to two values at least and shows the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod calls;
mod changed;
mod changing;
mod codecs;
mod configured;
mod details;
mod dialing;
mod digits;
mod failing;
mod features;
mod finding;
mod forwarding;
mod identity;
mod media;
mod registration;
mod screening;
mod servers;
mod sessions;
mod shared;
mod subscriptions;
mod telephone;
mod timers;
mod tones;
