//! The grammar of a dial plan, read. The settings crate refuses with reasons what is none (value/dial_plan.rs); the two agree, as
//! tests/dial_plan_texts.rs shows.

use super::{Format, Position, Substitution, Timer, bit};

/// B219.
const CHARACTERS_MAX: usize = 500;
const FORMATS_MAX: usize = 40;
/// C26.
const POSITIONS_MAX: usize = 32;

/// Those that can match something. None: it is no plan.
pub(super) fn formats(text: &str) -> Option<Vec<Format>> {
    if text.len() > CHARACTERS_MAX || text.split('|').count() > FORMATS_MAX {
        return None;
    }
    text.split('|').filter(|text| !text.is_empty()).map(format).collect()
}

fn format(text: &str) -> Option<Format> {
    let (text, timer) = without_timer(text);
    let (mut text, rejects) = match text.strip_suffix('!') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut format = Format { rejects, timer, ..Format::default() };
    while let Some(first) = text.chars().next() {
        text = item(&mut format, first, text.get(first.len_utf8()..)?)?;
    }
    let count = format.positions.len();
    (1..=POSITIONS_MAX).contains(&count).then_some(format)
}

/// C23: S takes one digit.
fn without_timer(text: &str) -> (&str, Option<Timer>) {
    if let Some(text) = text.strip_suffix(['T', 't']) {
        return (text, Some(Timer::Macro));
    }
    let mut characters = text.chars();
    let seconds = characters.next_back().and_then(|last| last.to_digit(10)).and_then(|digit| u8::try_from(digit).ok());
    match (characters.next_back(), seconds) {
        (Some('S' | 's'), Some(seconds)) => (characters.as_str(), Some(Timer::Seconds(seconds))),
        _ => (text, None),
    }
}

/// Reads one item; the rest of the text.
fn item<'t>(format: &mut Format, first: char, rest: &'t str) -> Option<&'t str> {
    match first {
        '<' => {
            let (inner, rest) = rest.split_once('>')?;
            substitution(format, inner)?;
            Some(rest)
        }
        '[' => {
            let (inner, rest) = rest.split_once(']')?;
            Some(position(format, set(inner)?, rest))
        }
        one => Some(position(format, digit_or_any(one)?, rest)),
    }
}

fn position<'t>(format: &mut Format, digits: u16, rest: &'t str) -> &'t str {
    let repeated = rest.strip_prefix('.');
    format.positions.push(Position { digits, repeats: repeated.is_some() });
    repeated.unwrap_or(rest)
}

/// B221, B222.
fn digit_or_any(character: char) -> Option<u16> {
    match character {
        'x' | 'X' => range('0', '9'),
        digit => bit(digit),
    }
}

fn range(first: char, last: char) -> Option<u16> {
    (first..=last).try_fold(0, |set, digit| Some(set | bit(digit)?))
}

/// B223, B224: `2346-9`.
fn set(inner: &str) -> Option<u16> {
    let letters: Vec<char> = inner.chars().collect();
    let (mut digits, mut rest) = (0, letters.as_slice());
    while let [first, behind @ ..] = rest {
        rest = match behind {
            ['-', last, behind @ ..] if first.is_ascii_digit() && last.is_ascii_digit() && first <= last => {
                digits |= range(*first, *last)?;
                behind
            }
            _ => {
                digits |= bit(*first)?;
                behind
            }
        };
    }
    (digits != 0 && !is_range_of_numbers(inner)).then_some(digits)
}

/// B224: "12-21" reads as 1, 2-2, 1, but is meant as a range of numbers.
fn is_range_of_numbers(inner: &str) -> bool {
    let is_number = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    inner.split_once('-').is_some_and(|(first, last)| is_number(first) && is_number(last))
}

/// B226.
fn substitution(format: &mut Format, inner: &str) -> Option<()> {
    let (before, after) = inner.split_once(':')?;
    let from = format.positions.len();
    for character in before.chars() {
        format.positions.push(Position { digits: digit_or_any(character)?, repeats: false });
    }
    if !after.chars().all(|digit| bit(digit).is_some()) {
        return None;
    }
    format.substitutions.push(Substitution { from, to: format.positions.len(), after: after.to_owned() });
    Some(())
}
