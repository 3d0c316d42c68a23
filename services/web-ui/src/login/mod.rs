//! Who may come in: HTTP Digest, nonces, the one session, and what happens after wrong passwords.
//!
//! Pure: time is a Tick, randomness one seed, the settings a value. It must not know HTTP beyond the text of two headers, so
//! that a night of idle time and a thousand wrong passwords take a millisecond in a test.

pub mod digest;
pub mod door;
pub mod lockout;
pub mod nonce;
mod session;

pub use door::{Account, Credentials, Door, Knock, Output, Pass, RequestKind, Rules, Verdict};
