//! The dial plan of a line (guide, 6.6; DIAL_PLAN_n, DIAL_PLAN_NOT_MATCH_ENABLE_n): what is to be done with the digits so far, and
//! with a number that is whole. It must not know who keyed them, nor any time: how long to wait is said by name.
//!
//! The work per question is bounded: each of at most 40 formats goes once over the digits with a set of at most 33 states in one
//! word, so that no "." makes it grow.
//!
//! ```text
//! plan   = format *("|" format)                       at most 40 formats, 500 characters
//! format = *(item) ["!"] ["S" digit / "T"]            empty, or at least one and at most 32 positions
//! item   = position ["."] / "<" *before ":" *digit ">"
//! position = digit / "x" / "[" set "]"       before = digit / "x"       digit = 0-9 * # +
//! ```

mod parse;

use serde::{Deserialize, Serialize};

/// All formats of one line. Without any, every number is called when it is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialPlan {
    formats: Vec<Format>,
    filters: bool,
}

/// One of the plans between the bars (B219).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Format {
    positions: Vec<Position>,
    substitutions: Vec<Substitution>,
    /// `!` (B229).
    rejects: bool,
    timer: Option<Timer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// See [`bit`].
    digits: u16,
    /// `.`: once or more (C22).
    repeats: bool,
}

/// The digits at the positions from..to become others (B226); from = to: they are put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Substitution {
    from: usize,
    to: usize,
    after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Timer {
    /// `S` (B227).
    Seconds(u8),
    /// `T` (B228).
    Macro,
}

/// What is to be done with the digits so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Call this number at once.
    Call(String),
    /// It is not to be called, whatever follows.
    Deny,
    /// Wait for one more digit. If none comes the number is whole.
    Wait(Pause),
}

/// How long one more digit is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// INTDIGIT_TIM.
    InterDigit,
    /// MACRODIGIT_TIM (B228).
    Macro,
    /// So many seconds, 0 to 9 (B227).
    Seconds(u8),
}

/// How far a format is with some digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// They are not of its form, whatever follows.
    Dead,
    /// Digits are missing.
    Partial,
    /// They match, and more could follow.
    Open,
    /// They match, and nothing can follow.
    Exact,
}

/// The place of a digit in a set; none for what cannot be keyed.
fn bit(digit: char) -> Option<u16> {
    let place = match digit {
        '0'..='9' => digit.to_digit(10)?,
        '*' => 10,
        '#' => 11,
        '+' => 12,
        _ => return None,
    };
    1_u16.checked_shl(place)
}

impl DialPlan {
    /// From DIAL_PLAN_n, and whether DIAL_PLAN_NOT_MATCH_ENABLE_n has numbers that no format matches denied (B240, C3). None: the
    /// text is no plan.
    pub fn parse(text: &str, filters: bool) -> Option<DialPlan> {
        Some(DialPlan { formats: parse::formats(text)?, filters })
    }

    /// What is to be done when one more digit has been keyed; `digits` are all of them, at least one.
    pub fn while_keying(&self, digits: &str) -> Ruling {
        let grows = self.formats.iter().any(|format| matches!(format.progress(digits), Progress::Partial | Progress::Open));
        let Some((format, progress)) = self.matching(digits) else {
            // C24.
            return if self.denies_unmatched() && !grows { Ruling::Deny } else { Ruling::Wait(Pause::InterDigit) };
        };
        match format.timer {
            Some(Timer::Seconds(seconds)) => Ruling::Wait(Pause::Seconds(seconds)),
            Some(Timer::Macro) => Ruling::Wait(Pause::Macro),
            // A longer number may be one that is called.
            None if progress == Progress::Open || format.rejects && grows => Ruling::Wait(Pause::InterDigit),
            None => format.number(digits).map_or(Ruling::Deny, Ruling::Call),
        }
    }

    /// The number to call when nothing follows (B241); none: it is denied. What is no plain number, as a SIP URI, is not touched.
    pub fn when_whole(&self, digits: &str) -> Option<String> {
        if !digits.chars().all(|digit| bit(digit).is_some()) {
            return Some(digits.to_owned());
        }
        match self.matching(digits) {
            Some((format, _)) => format.number(digits),
            None => (!self.denies_unmatched()).then(|| digits.to_owned()),
        }
    }

    /// Where there is no plan there is nothing to filter by.
    fn denies_unmatched(&self) -> bool {
        self.filters && !self.formats.is_empty()
    }

    /// Whose word counts: one that can take no more digits before one that can, one that rejects before one that calls, and the
    /// one that stands first.
    fn matching(&self, digits: &str) -> Option<(&Format, Progress)> {
        let matching = self.formats.iter().map(|format| (format, format.progress(digits)));
        let matching = matching.filter(|(_, progress)| matches!(progress, Progress::Open | Progress::Exact));
        matching.min_by_key(|(format, progress)| (*progress == Progress::Open, !format.rejects))
    }
}

/// Bit i of a set of states: the position i may take the next digit; the bit behind the last position: all have been taken.
impl Format {
    fn progress(&self, digits: &str) -> Progress {
        let states = digits.chars().fold(1, |states, digit| self.step(states, digit));
        let whole = self.whole();
        match (states & whole != 0, states & !whole != 0) {
            (false, false) => Progress::Dead,
            (false, true) => Progress::Partial,
            (true, true) => Progress::Open,
            (true, false) => Progress::Exact,
        }
    }

    fn step(&self, states: u64, digit: char) -> u64 {
        let digit = bit(digit).unwrap_or_default();
        let (mut next, mut here) = (0, 1_u64);
        for position in &self.positions {
            let behind = here << 1;
            if states & here != 0 && position.digits & digit != 0 {
                next |= if position.repeats { here | behind } else { behind };
            }
            here = behind;
        }
        next
    }

    fn whole(&self) -> u64 {
        self.positions.iter().fold(1, |state, _| state << 1)
    }

    /// What is called instead of digits that match; none: nothing is.
    fn number(&self, digits: &str) -> Option<String> {
        let number = self.substituted(digits);
        (!self.rejects && !number.is_empty()).then_some(number)
    }

    fn substituted(&self, digits: &str) -> String {
        let mut number = String::new();
        let mut substitutions = self.substitutions.iter().peekable();
        for (digit, position) in digits.chars().zip(self.taken_by(digits)) {
            while let Some(put) = substitutions.next_if(|substitution| substitution.from <= position) {
                number.push_str(&put.after);
            }
            if !self.substitutions.iter().any(|one| (one.from..one.to).contains(&position)) {
                number.push(digit);
            }
        }
        substitutions.for_each(|put| number.push_str(&put.after));
        number
    }

    /// Which position has taken which digit. Where a "." leaves it open, the earlier position has taken as many as it can.
    fn taken_by(&self, digits: &str) -> Vec<usize> {
        // Each digit with the positions that might take it.
        let steps: Vec<(u64, char)> = digits
            .chars()
            .scan(1, |states, digit| {
                let before = *states;
                *states = self.step(before, digit);
                Some((before, digit))
            })
            .collect();
        let mut taken: Vec<usize> = Vec::with_capacity(steps.len());
        for (states, digit) in steps.into_iter().rev() {
            taken.push(self.taker(states, digit, taken.last().copied()));
        }
        taken.reverse();
        taken
    }

    /// Who has taken a digit, when the one behind it was taken by `next` (none: there is none behind it).
    fn taker(&self, states: u64, digit: char, next: Option<usize>) -> usize {
        let last = self.positions.len().saturating_sub(1);
        let Some(next) = next else { return last };
        let digit = bit(digit).unwrap_or_default();
        let before = next.checked_sub(1).filter(|before| {
            let reachable = u32::try_from(*before).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or_default();
            let takes = self.positions.get(*before).is_some_and(|position| position.digits & digit != 0);
            states & reachable != 0 && takes
        });
        before.unwrap_or(next)
    }
}
