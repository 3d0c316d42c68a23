//! The command line: `--preset FILE`, several times; the first file that names a value wins (C66).

use std::ffi::OsString;
use std::path::PathBuf;

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Dealer presets, the most important one first.
    pub presets: Vec<PathBuf>,
}

/// A command line that cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Not an option of ours.
    #[error("unknown argument {0:?}; usage: provisioning-agent [--preset FILE]...")]
    Unknown(OsString),
    /// `--preset` at the end.
    #[error("--preset needs a file")]
    Missing,
}

impl Arguments {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// See [`ArgumentError`].
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, ArgumentError> {
        let mut arguments = arguments.into_iter();
        let mut presets = Vec::new();
        while let Some(argument) = arguments.next() {
            if argument != "--preset" {
                return Err(ArgumentError::Unknown(argument));
            }
            presets.push(arguments.next().ok_or(ArgumentError::Missing)?.into());
        }
        Ok(Arguments { presets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_keep_their_order() {
        let parse = |line: &str| Arguments::parse(line.split_whitespace().map(OsString::from));
        assert_eq!(parse("--preset a --preset b"), Ok(Arguments { presets: vec!["a".into(), "b".into()] }));
        assert_eq!(parse(""), Ok(Arguments::default()));
        assert_eq!(parse("--preset"), Err(ArgumentError::Missing));
        assert_eq!(parse("--reset"), Err(ArgumentError::Unknown("--reset".into())));
    }
}
