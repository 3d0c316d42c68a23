//! The way to media-engine. `plan` says what shall be heard, whole; `engine` makes media-engine take it, keeps the lease and
//! brings its events back. Neither waits in the driver's loop.

pub(crate) mod engine;
pub mod plan;
