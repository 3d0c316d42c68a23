//! Identities that stay the same over restarts of any service.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

/// A text that is no identity of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not 26 characters of Crockford base 32.
    #[error("\"{0}\" is no call identity: 26 characters of 0-9 A-Z without I L O U are expected")]
    NotAnUlid(String),
    /// Not 1 to 6.
    #[error("there is no line {0}: the lines are 1 to 6")]
    NoSuchLine(u32),
}

/// Names a call: on the bus (last element of the object path), in logs, in media sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallIdentity(u128);

impl CallIdentity {
    /// From the time in milliseconds and 80 random bits, both given by the caller.
    pub fn from_parts(milliseconds: u64, random: u128) -> CallIdentity {
        CallIdentity(u128::from(Ulid::from_parts(milliseconds, random)))
    }
}

impl fmt::Display for CallIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Ulid::from(self.0))
    }
}

impl FromStr for CallIdentity {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<CallIdentity, IdentityError> {
        Ulid::from_string(text)
            .map(|ulid| CallIdentity(u128::from(ulid)))
            .map_err(|_| IdentityError::NotAnUlid(text.chars().take(40).collect()))
    }
}

/// One of the six lines (B88).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct LineNumber(u8);

impl LineNumber {
    /// How many lines the unit has.
    pub const COUNT: u8 = 6;
    /// Line 1.
    pub const FIRST: LineNumber = LineNumber(1);

    /// Line 1 to 6.
    pub fn new(number: u32) -> Result<LineNumber, IdentityError> {
        match u8::try_from(number) {
            Ok(n @ 1..=Self::COUNT) => Ok(LineNumber(n)),
            _ => Err(IdentityError::NoSuchLine(number)),
        }
    }
    /// 1 to 6.
    pub fn number(self) -> u8 {
        self.0
    }
    /// 0 to 5, for tables.
    pub fn index(self) -> usize {
        usize::from(self.0 - 1)
    }
    /// All six, in order.
    pub fn all() -> impl Iterator<Item = LineNumber> {
        (1..=Self::COUNT).map(LineNumber)
    }
}

impl TryFrom<u32> for LineNumber {
    type Error = IdentityError;
    fn try_from(number: u32) -> Result<LineNumber, IdentityError> {
        LineNumber::new(number)
    }
}

impl From<LineNumber> for u32 {
    fn from(line: LineNumber) -> u32 {
        u32::from(line.0)
    }
}

impl fmt::Display for LineNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One id that goes through tracing, gRPC metadata and bus signals with everything that one cause has brought about. At most 64
/// printable ASCII characters; longer or other ones from outside are cut and cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Correlation(String);

impl Correlation {
    /// The gRPC metadata key and the bus option that carry it.
    pub const KEY: &'static str = "correlation";

    /// Keeps what may stand in a header and a log.
    pub fn new(text: &str) -> Correlation {
        Correlation(text.chars().filter(char::is_ascii_graphic).take(64).collect())
    }
    /// The text; empty when none was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_identity_reads_back_what_it_shows() {
        let call = CallIdentity::from_parts(1_700_000_000_000, 42);
        assert_eq!(call.to_string().len(), 26);
        assert_eq!(call.to_string().parse(), Ok(call));
        assert!("not an identity".parse::<CallIdentity>().is_err());
    }

    #[test]
    fn there_are_six_lines() {
        assert_eq!(LineNumber::all().map(LineNumber::number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        for wrong in [0, 7, 257] {
            assert_eq!(LineNumber::new(wrong), Err(IdentityError::NoSuchLine(wrong)));
        }
    }

    #[test]
    fn a_correlation_from_outside_is_cut_and_cleaned() {
        assert_eq!(Correlation::new("a\r\nb c\u{e9}").as_str(), "abc");
        assert_eq!(Correlation::new(&"x".repeat(1000)).as_str().len(), 64);
    }
}
