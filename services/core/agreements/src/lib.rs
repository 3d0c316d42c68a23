//! What every service agrees on from the first day: time, identities, lines, hook and lamps, secrets, diagnoses.
//!
//! Pure: no clock, no randomness, no input or output. Whoever needs a fresh identity brings the time and the random bits.

mod board;
mod diagnosis;
mod identity;
mod secret;
mod tick;

pub use board::{BoardWordError, Hook, LampPattern};
pub use diagnosis::{Diagnosis, Severity};
pub use identity::{CallIdentity, Correlation, IdentityError, LineNumber};
pub use secret::{MASK, Secret};
pub use tick::{Tick, WallTime};
