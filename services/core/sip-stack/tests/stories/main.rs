//! Stories of the stack: two stacks against each other, and scripted peers, on a virtual net with a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod calls;
mod dialing;
mod given;
mod holding;
mod hostile;
mod incoming;
mod registration;
mod restoring;
mod servers;
mod serving;
mod storms;
mod streams;
