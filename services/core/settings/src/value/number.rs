//! Integers and lists of them (B89, B91, C4 to C7).

use agreements::Diagnosis;

use crate::catalogue::Parameter;
use crate::finding::{Detail, error, quotable};
use crate::row::Span;

pub(super) fn integer(parameter: &Parameter, value: &str, spans: &[Span], multiple_of: i64) -> Result<(), Diagnosis> {
    let number = parse(parameter, value)?;
    within(parameter, number, spans)?;
    if number.rem_euclid(multiple_of) == 0 {
        return Ok(());
    }
    let below = number.saturating_sub(number.rem_euclid(multiple_of));
    let what = if multiple_of == 2 { "even".to_owned() } else { format!("a multiple of {multiple_of}") };
    Err(error("value.wrong-step", format!("{value} is not {what}"))
        .suggest(format!("{below} or {}", below.saturating_add(multiple_of))))
}

pub(super) fn list(parameter: &Parameter, value: &str, spans: &[Span], max_count: usize) -> Result<(), Diagnosis> {
    if let Some(mended) = other_separator(value) {
        let reason = "the values of a list are separated by commas, without spaces";
        return Err(error("value.list-separator", reason).suggest(format!("\"{mended}\"")));
    }
    let count = value.split(',').count();
    if count > max_count {
        let reason = format!("{count} values, but {} has at most {max_count}", parameter.name);
        return Err(error("value.too-many", reason).suggest(format!("leave out the last {}", count.saturating_sub(max_count))));
    }
    value.split(',').try_for_each(|one| within(parameter, parse(parameter, one)?, spans))
}

/// "500/500", "500;500" and "500, 500" mean a list with commas.
fn other_separator(value: &str) -> Option<String> {
    let others = ['/', ';', ' ', '|', ':', '+'];
    let digits_only = value.chars().all(|c| c.is_ascii_digit() || c == ',' || others.contains(&c));
    if !digits_only || !value.contains(others) {
        return None;
    }
    let parts: Vec<_> = value.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    Some(parts.join(","))
}

fn parse(parameter: &Parameter, value: &str) -> Result<i64, Diagnosis> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number(parameter, value));
    }
    // Too long for i64 is out of every range, too.
    value.parse().map_err(|_| out_of_range(parameter, value))
}

fn not_a_number(parameter: &Parameter, value: &str) -> Diagnosis {
    let reason = match value {
        "" => "a number is missing".to_owned(),
        _ => format!("\"{}\" is not a whole number: digits with an optional minus before them", quotable(parameter, value)),
    };
    let trimmed = value.trim();
    let suggestion = if trimmed != value && trimmed.parse::<i64>().is_ok() {
        format!("\"{trimmed}\", without the blanks")
    } else {
        format!("legal: {}", parameter.row.range_text())
    };
    error("value.not-a-number", reason).suggest(suggestion)
}

fn within(parameter: &Parameter, number: i64, spans: &[Span]) -> Result<(), Diagnosis> {
    let inside = spans.iter().any(|(first, last)| (*first..=*last).contains(&number));
    if inside { Ok(()) } else { Err(out_of_range(parameter, &number.to_string())) }
}

fn out_of_range(parameter: &Parameter, value: &str) -> Diagnosis {
    let range = parameter.row.range_text();
    let reason = format!("{} is outside the range of {}", quotable(parameter, value), parameter.name);
    error("value.out-of-range", reason).suggest(format!("legal: {range}")).with("range", range)
}
