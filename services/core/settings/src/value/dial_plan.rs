//! The grammar of a dial plan (B219 to B230, C20 to C26), as far as a value can be refused for it: what a plan matches is
//! telephone's affair, whose reader takes the same texts.
//!
//! ```text
//! plan   = format *("|" format)                       at most 40 formats
//! format = *(item) ["!"] ["S" digit / "T"]            empty, or at least one and at most 32 positions
//! item   = position ["."] / "<" *before ":" *digit ">"
//! position = digit / "x" / "[" set "]"       before = digit / "x"       digit = 0-9 * # +
//! ```

use agreements::Diagnosis;

use crate::finding::{Detail, error};

pub(super) const CHARACTERS: &str = "0123456789[-]<:>*#!SsTtXx.|+";
const PLANS: usize = 40;
const POSITIONS: usize = 32;

pub(super) fn check(value: &str) -> Result<(), Diagnosis> {
    let count = value.split('|').count();
    if count > PLANS {
        return Err(wrong(format!("{count} plans"), format!("at most {PLANS} plans, separated by |")));
    }
    value.split('|').try_for_each(format)
}

fn wrong(reason: String, suggestion: impl Into<String>) -> Diagnosis {
    error("value.dial-plan", reason).suggest(suggestion)
}

fn format(format: &str) -> Result<(), Diagnosis> {
    let untimed = without_timer(format)?;
    let mut rest = untimed.strip_suffix('!').unwrap_or(untimed);
    let mut positions = 0_usize;
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        let (more, behind) = match first {
            '[' => (1, without_repeat(set(behind, format)?)),
            '<' => substitution(behind, format)?,
            c if is_digit_or_any(c) => (1, without_repeat(behind)),
            c => return Err(misplaced(c, format)),
        };
        positions = positions.saturating_add(more);
        rest = behind;
    }
    match positions {
        0 if !format.is_empty() => Err(wrong(format!("\"{format}\" has no digit to match"), "digits before ! S T, like 1x.T")),
        0..=POSITIONS => Ok(()),
        _ => Err(wrong(format!("{positions} positions in one plan"), format!("at most {POSITIONS} positions in a plan"))),
    }
}

/// C23: S takes one digit.
fn without_timer(format: &str) -> Result<&str, Diagnosis> {
    if let Some(untimed) = format.strip_suffix(['T', 't']) {
        return Ok(untimed);
    }
    let without_digit = format.strip_suffix(|c: char| c.is_ascii_digit());
    match without_digit.and_then(|format| format.strip_suffix(['S', 's'])) {
        Some(untimed) => Ok(untimed),
        None if format.ends_with(['S', 's']) => {
            Err(wrong(format!("S without its seconds in \"{format}\""), "S and one digit, like S2"))
        }
        None => Ok(format),
    }
}

fn misplaced(c: char, format: &str) -> Diagnosis {
    let suggestion = match c {
        '.' => "one . behind a digit, an x or a [ ], like x. or 1.",
        '!' => "! at the end of a plan, before S or T, like 123xxx!",
        'S' | 's' => "S and one digit at the end of a plan, like 1x.S2",
        'T' | 't' => "T at the end of a plan, like 1x.T",
        _ => "see the dial plan's table",
    };
    wrong(format!("{c} stands where it has no meaning in \"{format}\""), suggestion)
}

fn without_repeat(rest: &str) -> &str {
    rest.strip_prefix('.').unwrap_or(rest)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || "*#+".contains(c)
}

fn is_digit_or_any(c: char) -> bool {
    is_digit(c) || matches!(c, 'x' | 'X')
}

/// `2346-9]`: digits and ranges of single digits (B224); what stands behind it.
fn set<'f>(rest: &'f str, format: &str) -> Result<&'f str, Diagnosis> {
    let Some((inner, behind)) = rest.split_once(']').filter(|(inner, _)| !inner.is_empty()) else {
        return Err(wrong(format!("a [ without its ] or without digits in \"{format}\""), "[1-5] or [123]"));
    };
    let letters: Vec<char> = inner.chars().collect();
    let mut at = letters.as_slice();
    while let [first, after @ ..] = at {
        at = match after {
            ['-', last, after @ ..] if first.is_ascii_digit() && last.is_ascii_digit() && first <= last => after,
            _ if is_digit(*first) => after,
            _ => return Err(bad_set(inner)),
        };
    }
    if is_range_of_numbers(inner) { Err(bad_set(inner)) } else { Ok(behind) }
}

/// "12-21" reads as 1, 2-2, 1, but is meant as a range of numbers: the guide calls it invalid.
fn is_range_of_numbers(inner: &str) -> bool {
    let is_number = |text: &str| text.len() > 1 && text.bytes().all(|b| b.is_ascii_digit());
    inner.split_once('-').is_some_and(|(first, last)| is_number(first) && is_number(last))
}

fn bad_set(inner: &str) -> Diagnosis {
    wrong(format!("[{inner}] is no set of digits"), "single digits and ranges of single digits, like [1-59]")
}

/// `101:9999>`: before and after (B226); how many digits it takes, and what stands behind it.
fn substitution<'f>(rest: &'f str, format: &str) -> Result<(usize, &'f str), Diagnosis> {
    let (inner, behind) = rest.split_once('>').unwrap_or((rest, ""));
    match inner.split_once(':') {
        Some((before, after)) if rest.contains('>') && before.chars().all(is_digit_or_any) && after.chars().all(is_digit) => {
            Ok((before.chars().count(), behind))
        }
        _ => Err(wrong(format!("<{inner}> is no substitution in \"{format}\""), "<before:after>, like <101:9999>")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    /// B221 to B231, C20 to C23.
    #[test]
    fn plans_of_the_guide_are_legal() {
        for plan in ["123", "12xxxxx", "[123]", "[1-5]", "1.", "<101:9999>", "1x.S2", "1x.T", "123xxx!", "1xxxx|2xxx"] {
            assert!(check(plan).is_ok(), "{plan}");
        }
        assert!(check("[2346789]11|01[2-9]x.|[2-9]xxxxxxxxx").is_ok());
    }

    /// B224, C23, C26.
    #[test]
    fn broken_plans_are_refused() {
        let many = vec!["1"; 41].join("|");
        let long = "x".repeat(33);
        for plan in ["[12-21]", "[1-", "[]", "1xS", "1xSx", "<101>", "<1:2", ".1", "1]", many.as_str(), long.as_str()] {
            assert!(check(plan).is_err(), "{plan}");
        }
        for plan in ["1T2", "1S23", "1!2", "1T!", "1TT", "x..", "<1:2>.", "<1:x>", "<1:2", "T", "!", "S3", "<:9>", "[1-]", "[3-1]"]
        {
            assert!(check(plan).is_err(), "{plan}");
        }
        for plan in ["1!S2", "1|", "||", "<:9>x", "<9:>x.", "[*#+]", "[1-37-9]", "1x.t", "1x.s0"] {
            assert!(check(plan).is_ok(), "{plan}");
        }
        assert!(check(&"x".repeat(32)).is_ok());
        assert!(check(&vec!["1"; 40].join("|")).is_ok());
    }
}
