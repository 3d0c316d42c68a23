//! Stories of the stack: two stacks against each other, and scripted peers, on a virtual net with a virtual clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod announced;
mod callers;
mod calls;
mod crossings;
mod dialing;
mod digits;
mod diverted;
mod effort;
mod filtering;
mod forwarding;
mod fuzzed;
mod given;
mod holding;
mod hostile;
mod incoming;
mod moving;
mod reached;
mod reasons;
mod redirected;
mod referring;
mod registration;
mod reliable;
mod restoring;
mod routes;
mod script;
mod servers;
mod serving;
mod sessions;
mod shared;
mod storms;
mod streams;
mod subscribing;
mod transports;
mod updates;
