//! What every service agrees on from the first day: time, identities, lines, secrets, diagnoses.
//!
//! Pure: no clock, no randomness, no input or output. Whoever needs a fresh identity brings the time and the random bits.

mod diagnosis;
mod identity;
mod secret;
mod tick;

pub use diagnosis::{Diagnosis, Severity};
pub use identity::{CallIdentity, Correlation, IdentityError, LineNumber};
pub use secret::{MASK, Secret};
pub use tick::{Tick, WallTime};
