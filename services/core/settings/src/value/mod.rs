//! Whether one value is legal for one parameter, and what to write instead. Looks at nothing but the row and the value: what
//! concerns several parameters at once is in [`crate::rules`].

mod advice;
mod dial_plan;
mod number;
mod text;
mod url;

use std::borrow::Cow;

use agreements::Diagnosis;

use crate::catalogue::Parameter;
use crate::finding::{Detail, error, quotable};
use crate::row::{Choice, Range};

pub use advice::advise;

/// Most characters of any value (B84).
pub const MAX_LENGTH: usize = 500;

/// Whether the value may stand there; otherwise why not and what may.
pub fn check(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    checked(parameter, value).map_err(|diagnosis| diagnosis.named(parameter.name))
}

/// The spelling that is stored: a misprinted value that is accepted becomes the right one (C10).
pub fn canonical<'v>(parameter: &Parameter, value: &'v str) -> Cow<'v, str> {
    let Range::Choices(choices) = parameter.row.range else { return Cow::Borrowed(value) };
    let alias = parameter.row.value_aliases.iter().position(|alias| *alias == value);
    match alias.and_then(|at| choices.get(at)) {
        Some(choice) => Cow::Borrowed(choice.value),
        None => Cow::Borrowed(value),
    }
}

fn checked(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    if value.is_empty() {
        return empty(parameter);
    }
    if value.chars().nth(MAX_LENGTH).is_some() {
        return Err(error("value.too-long", format!("a value has at most {MAX_LENGTH} characters")).suggest("shorten the value"));
    }
    match parameter.row.range {
        Range::Flag { .. } => flag(parameter, value),
        Range::Integers { spans, multiple_of } => number::integer(parameter, value, spans, multiple_of),
        Range::List { spans, max_count } => number::list(parameter, value, spans, usize::from(max_count)),
        Range::Choices(choices) => choice(parameter, value, choices),
        Range::Text { .. } => text::check(parameter, value),
    }
}

fn empty(parameter: &Parameter) -> Result<(), Diagnosis> {
    if parameter.row.empty_allowed {
        return Ok(());
    }
    Err(error("value.empty", format!("{} may not be empty", parameter.name))
        .suggest(format!("legal: {}", parameter.row.range_text())))
}

/// B90, C11.
fn flag(parameter: &Parameter, value: &str) -> Result<(), Diagnosis> {
    let right = match value {
        "Y" | "N" => return Ok(()),
        "y" | "n" => {
            let upper = value.to_ascii_uppercase();
            let reason = format!("\"{value}\" is lower case");
            return Err(error("value.lower-case-flag", reason).suggest(format!("use upper-case {upper}")).with("expected", upper));
        }
        _ => match value.to_ascii_lowercase().as_str() {
            "yes" | "1" | "true" | "on" | "enable" | "enabled" => "write Y",
            "no" | "0" | "false" | "off" | "disable" | "disabled" => "write N",
            _ => "write Y or N",
        },
    };
    Err(error("value.not-a-flag", format!("\"{}\" is neither Y nor N", quotable(parameter, value))).suggest(right))
}

fn choice(parameter: &Parameter, value: &str, choices: &[Choice]) -> Result<(), Diagnosis> {
    if choices.iter().any(|choice| choice.value == value) || parameter.row.value_aliases.contains(&value) {
        return Ok(());
    }
    let same = |choice: &&Choice| choice.value.eq_ignore_ascii_case(value) || choice.label.eq_ignore_ascii_case(value);
    let suggestion = match choices.iter().find(same) {
        Some(meant) => format!("write \"{}\"", meant.value),
        None if choices.len() > 12 => format!("one of the {} listed codes, for example {}", choices.len(), parameter.default()),
        None => format!("one of: {}", parameter.row.range_text()),
    };
    let reason = format!("\"{}\" is not one of the values of {}", quotable(parameter, value), parameter.name);
    Err(error("value.not-a-choice", reason).suggest(suggestion).with("range", parameter.row.range_text()))
}
