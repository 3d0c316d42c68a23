//! The grammar of a dial plan (B219 to B230, C20 to C26), as far as a value can be refused for it: what a plan matches is
//! telephone's affair.
//!
//! ```text
//! plans = plan *("|" plan)            at most 40
//! plan  = *(position ["."]) ["!"] [("S" digit) / "T"]     at most 32 positions
//! position = digit / "*" / "#" / "+" / "x" / "[" set "]" / "<" digits ":" digits ">"
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
    value.split('|').try_for_each(plan)
}

fn wrong(reason: String, suggestion: impl Into<String>) -> Diagnosis {
    error("value.dial-plan", reason).suggest(suggestion)
}

fn plan(plan: &str) -> Result<(), Diagnosis> {
    let mut rest = plan.chars();
    let mut positions = 0_usize;
    while let Some(c) = rest.next() {
        positions = positions.saturating_add(match c {
            '[' => set(&mut rest, plan)?,
            '<' => substitution(&mut rest, plan)?,
            'S' | 's' => timer(&mut rest, plan)?,
            'T' | 't' | '!' => 0,
            '.' if positions == 0 => return Err(wrong(format!("nothing stands before the . in \"{plan}\""), "x. or 1.")),
            '.' => 0,
            c if dialled(c) || c == 'x' || c == 'X' => 1,
            c => return Err(wrong(format!("{c} stands where it has no meaning in \"{plan}\""), "see the dial plan's table")),
        });
    }
    if positions > POSITIONS {
        return Err(wrong(format!("{positions} positions in one plan"), format!("at most {POSITIONS} positions in a plan")));
    }
    Ok(())
}

fn dialled(c: char) -> bool {
    c.is_ascii_digit() || "*#+".contains(c)
}

/// `[2346-9]`: digits and ranges of single digits (B224).
fn set(rest: &mut std::str::Chars<'_>, plan: &str) -> Result<usize, Diagnosis> {
    let inner: String = rest.by_ref().take_while(|c| *c != ']').collect();
    let closed = plan.matches('[').count() == plan.matches(']').count();
    if !closed || inner.is_empty() {
        return Err(wrong(format!("a [ without its ] or without digits in \"{plan}\""), "[1-5] or [123]"));
    }
    let letters: Vec<char> = inner.chars().collect();
    let mut at = letters.as_slice();
    loop {
        at = match at {
            [] => return Ok(1),
            [first, '-', last, after @ ..] if first.is_ascii_digit() && last.is_ascii_digit() && first <= last => match after {
                [next, ..] if *next == '-' => return Err(bad_set(&inner)),
                _ => after,
            },
            [one, after @ ..] if dialled(*one) && !matches!(after, ['-', ..]) => after,
            _ => return Err(bad_set(&inner)),
        };
        if multi_digit_range(&inner) {
            return Err(bad_set(&inner));
        }
    }
}

/// "12-21" reads as 1, 2-2, 1, but is meant as a range of numbers: the guide calls it invalid.
fn multi_digit_range(inner: &str) -> bool {
    let is_number = |text: &str| text.len() > 1 && text.bytes().all(|b| b.is_ascii_digit());
    inner.matches('-').count() == 1 && inner.split_once('-').is_some_and(|(first, last)| is_number(first) && is_number(last))
}

fn bad_set(inner: &str) -> Diagnosis {
    wrong(format!("[{inner}] is no set of digits"), "single digits and ranges of single digits, like [1-59]")
}

/// `<101:9999>`: before and after.
fn substitution(rest: &mut std::str::Chars<'_>, plan: &str) -> Result<usize, Diagnosis> {
    let inner: String = rest.by_ref().take_while(|c| *c != '>').collect();
    let closed = plan.matches('<').count() == plan.matches('>').count();
    match inner.split_once(':') {
        Some((before, after)) if closed && before.chars().chain(after.chars()).all(|c| dialled(c) || "xX".contains(c)) => {
            Ok(before.chars().count())
        }
        _ => Err(wrong(format!("<{inner}> is no substitution"), "<before:after>, like <101:9999>")),
    }
}

/// C23: S takes one digit.
fn timer(rest: &mut std::str::Chars<'_>, plan: &str) -> Result<usize, Diagnosis> {
    match rest.next() {
        Some(c) if c.is_ascii_digit() => Ok(0),
        _ => Err(wrong(format!("S without its seconds in \"{plan}\""), "S and one digit, like S2")),
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
        assert!(check(&"x".repeat(32)).is_ok());
        assert!(check(&vec!["1"; 40].join("|")).is_ok());
    }
}
