//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::pipeline::device::Sound;
use crate::sound::feed::{Feed, FeedError};

/// What a person reads when the command line is wrong.
pub const USAGE: &str = "usage: media-engine [--audio-feed WAV|loop|silence] [--audio-record WAV]\n\
    \x20 --audio-feed    simulates the handset; its microphone hears this file over and over, or what the far end says, or nothing\n\
    \x20 --audio-record  simulates the handset; its earpiece goes into this file, the ringer into WAV.ringer.wav\n\
    without options the sound card is used, if there is one";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    feed: Option<OsString>,
    record: Option<PathBuf>,
}

/// A wrong command line, or a file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionError {
    /// Not an option, twice, or without its value.
    #[error("{0:?} is not expected here\n{USAGE}")]
    Unexpected(OsString),
    /// The microphone's file.
    #[error("--audio-feed: {0}")]
    Feed(#[from] FeedError),
}

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// [`OptionError::Unexpected`]
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Options, OptionError> {
        let mut options = Options::default();
        while let Some(name) = arguments.next() {
            let unexpected = || OptionError::Unexpected(name.clone());
            let value = arguments.next().ok_or_else(unexpected)?;
            let before = match name.to_str() {
                Some("--audio-feed") => options.feed.replace(value),
                Some("--audio-record") => options.record.replace(value.into()).map(OsString::from),
                _ => return Err(unexpected()),
            };
            if before.is_some() {
                return Err(unexpected());
            }
        }
        Ok(options)
    }

    /// Opens what was asked for.
    ///
    /// # Errors
    /// [`OptionError::Feed`]
    pub fn sound(self) -> Result<Sound, OptionError> {
        let feed = match self.feed.as_deref().map(|feed| (feed, feed.to_str())) {
            None if self.record.is_none() => return Ok(Sound::Card),
            None | Some((_, Some("silence"))) => Feed::Silence,
            Some((_, Some("loop"))) => Feed::Loop,
            Some((path, _)) => Feed::open(path.as_ref())?,
        };
        Ok(Sound::Simulated { feed, record: self.record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, OptionError> {
        Options::parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_handset_is_simulated_when_either_option_is_given() {
        assert!(matches!(parse(&[]).unwrap().sound(), Ok(Sound::Card)));
        assert!(matches!(
            parse(&["--audio-feed", "loop"]).unwrap().sound(),
            Ok(Sound::Simulated { feed: Feed::Loop, record: None })
        ));
        assert!(matches!(
            parse(&["--audio-record", "x.wav"]).unwrap().sound(),
            Ok(Sound::Simulated { feed: Feed::Silence, record: Some(_) })
        ));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [&["--audio-feed"][..], &["--loud", "x"], &["--audio-feed", "loop", "--audio-feed", "loop"]] {
            assert!(matches!(parse(wrong), Err(OptionError::Unexpected(_))), "{wrong:?}");
        }
        assert!(matches!(parse(&["--audio-feed", "/not/there.wav"]).unwrap().sound(), Err(OptionError::Feed(_))));
    }
}
