//! What a hand moves and an eye sees at the unit, by its words in org.deskphone.Hal1: the hook and the lamps. How a board does
//! it is hal-agent's affair, and when it shall the telephone's.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no word of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoardWordError {
    /// Not a position of the hook.
    #[error("\"{0}\" is no position of the hook: it is on or off")]
    Hook(String),
    /// Not a lamp pattern.
    #[error("\"{0}\" is no lamp pattern: it is off, on, flash-slow or flash-fast")]
    LampPattern(String),
}

/// Where the handset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hook {
    /// In the cradle.
    On,
    /// Lifted.
    Off,
}

impl Hook {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Hook::On => "on",
            Hook::Off => "off",
        }
    }
}

impl FromStr for Hook {
    type Err = BoardWordError;
    fn from_str(text: &str) -> Result<Hook, BoardWordError> {
        let all = [Hook::On, Hook::Off];
        all.into_iter().find(|hook| hook.as_str() == text).ok_or_else(|| BoardWordError::Hook(shortened(text)))
    }
}

/// How a lamp is lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LampPattern {
    /// Dark.
    Off,
    /// Lit.
    On,
    /// About one second on, one off: a held call.
    FlashSlow,
    /// About a quarter of a second on and off: a call that wants to be answered.
    FlashFast,
}

impl LampPattern {
    /// As on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            LampPattern::Off => "off",
            LampPattern::On => "on",
            LampPattern::FlashSlow => "flash-slow",
            LampPattern::FlashFast => "flash-fast",
        }
    }
}

impl FromStr for LampPattern {
    type Err = BoardWordError;
    fn from_str(text: &str) -> Result<LampPattern, BoardWordError> {
        let all = [LampPattern::Off, LampPattern::On, LampPattern::FlashSlow, LampPattern::FlashFast];
        all.into_iter().find(|pattern| pattern.as_str() == text).ok_or_else(|| BoardWordError::LampPattern(shortened(text)))
    }
}

/// Short enough for an error message, whoever sent it.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_they_are_written_and_others_do_not() {
        for hook in [Hook::On, Hook::Off] {
            assert_eq!(hook.as_str().parse(), Ok(hook));
        }
        for pattern in [LampPattern::Off, LampPattern::On, LampPattern::FlashSlow, LampPattern::FlashFast] {
            assert_eq!(pattern.as_str().parse(), Ok(pattern));
        }
        assert_eq!("ON".parse::<Hook>(), Err(BoardWordError::Hook("ON".into())));
        let error = "x".repeat(1_000).parse::<LampPattern>().unwrap_err().to_string();
        assert!(error.len() < 120 && error.contains("flash-slow"), "{error}");
    }
}
