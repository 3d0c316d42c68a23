//! A diagnosis as text for people, in the way of a compiler: where, how bad, why, the line with a caret under the column, and how
//! to mend it. Values of secrets are masked in the quoted line, too.

use agreements::{Diagnosis, MASK};

use super::{Form, form_of, is_secret};
use crate::catalogue;

/// More of a line than this is not looked at, in bytes.
const LONGEST: usize = 4096;
/// Longest part of a line that is shown, in characters.
const WIDTH: usize = 120;

/// The diagnosis as text, without a line break at its end. `file` are the bytes that were read, where they are at hand: then the
/// line is quoted.
pub fn render(diagnosis: &Diagnosis, file: Option<&[u8]>) -> String {
    let mut text = format!("{}{}: {} [{}]", place(diagnosis), diagnosis.severity.as_str(), diagnosis.reason, diagnosis.code);
    if let Some((line, column)) = file.and_then(|bytes| line_of(bytes, diagnosis.line, diagnosis.column)) {
        text.push_str(&excerpt(&line, diagnosis.line, column));
    }
    if !diagnosis.suggestion.is_empty() {
        text.push_str(&format!("\n  help: {}", diagnosis.suggestion));
    }
    text
}

fn place(diagnosis: &Diagnosis) -> String {
    match (diagnosis.file.as_str(), diagnosis.line, diagnosis.column) {
        ("", ..) => String::new(),
        (file, 0, _) => format!("{file}: "),
        (file, line, 0) => format!("{file}:{line}: "),
        (file, line, column) => format!("{file}:{line}:{column}: "),
    }
}

/// The line as it may be shown, and the column in it.
fn line_of(bytes: &[u8], number: u32, column: u32) -> Option<(String, u32)> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    let form = form_of(bytes);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let raw = bytes.split(|byte| *byte == b'\n').nth(at)?;
    let text = String::from_utf8_lossy(raw.get(..LONGEST).unwrap_or(raw)).into_owned();
    match form {
        Form::Plain => Some((masked(text.trim_end()), column)),
        Form::Xml => Some(masked_markup(text.trim_end(), column)),
    }
}

/// Everything behind the = of a secret is masked, and the password of a URL. A line that is no setting may be the rest of one:
/// it is not quoted at all, its place says enough.
fn masked(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) if is_secret(name.trim()) => format!("{name}={MASK}"),
        Some((name, value)) => format!("{name}={}", crate::template::without_password(value)),
        None if line.trim_start().starts_with(['#', '<']) => line.to_owned(),
        None => "...".to_owned(),
    }
}

/// Markup with every value masked but those of parameters that are no secrets: a value may be that of a misspelt name. Text outside
/// of tags is left out.
fn masked_markup(line: &str, column: u32) -> (String, u32) {
    let mut out = String::new();
    let (mut place, mut shift) = (0_u32, 0_i64);
    let mut rest = line;
    // A line in the middle of a tag may begin with a value, or with the rest of one.
    let mut inside = !rest.trim_start().starts_with('<');
    if inside && !begins_with_attribute(rest) {
        return ("...".to_owned(), 0);
    }
    while !rest.is_empty() {
        let end = if inside { rest.find(['"', '\'', '>']) } else { rest.find('<') }.unwrap_or(rest.len());
        let (before, from) = rest.split_at(end);
        let kept = if inside { before } else { "" };
        let quoted = from.chars().next().filter(|c| inside && (*c == '"' || *c == '\''));
        let (value, after) = match quoted {
            Some(quote) => quoted_value(from, quote),
            None => from.split_at(from.chars().next().map_or(0, char::len_utf8)),
        };
        let shown = match quoted {
            Some(_) if is_open(before) => crate::template::without_password(value),
            Some(_) => mask(value),
            None => value.to_owned(),
        };
        if quoted.is_none() && !value.is_empty() {
            inside = value == "<";
        }
        out.push_str(kept);
        out.push_str(&shown);
        let (read, written) = (length(before) + length(value), length(kept) + length(&shown));
        place = place.saturating_add(u32::try_from(read).unwrap_or(0));
        if place < column {
            shift = shift.saturating_add(written).saturating_sub(read);
        }
        rest = after;
    }
    (out, u32::try_from(i64::from(column).saturating_add(shift)).unwrap_or(0))
}

fn begins_with_attribute(line: &str) -> bool {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
    end > 0 && line.get(end..).is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// The value with its quotes, and what follows.
fn quoted_value(from: &str, quote: char) -> (&str, &str) {
    let end = from.get(1..).and_then(|inner| inner.find(quote)).map_or(from.len(), |end| end.saturating_add(2));
    from.split_at(end)
}

/// Whether the value behind this text, which ends in NAME=, may be shown.
fn is_open(before: &str) -> bool {
    let name = before.trim_end().trim_end_matches('=').trim_end();
    let name = name.rsplit(|c: char| c.is_whitespace() || c == '<').next().unwrap_or("");
    match catalogue::parameter(name) {
        Some(parameter) => !parameter.row.secret,
        None => ["ID", "version", "encoding"].contains(&name),
    }
}

fn mask(value: &str) -> String {
    let quote = value.get(..1).unwrap_or("");
    format!("{quote}{MASK}{quote}")
}

fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(0)
}

fn excerpt(line: &str, number: u32, column: u32) -> String {
    let column = usize::try_from(column).unwrap_or(0);
    let skipped = column.saturating_sub(WIDTH);
    // A control character must not move the caret, or the terminal's cursor.
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    let shown: String = line.chars().skip(skipped).take(WIDTH).map(visible).collect();
    let mut text = format!("\n{number:>5} | {shown}");
    let caret = column.saturating_sub(skipped);
    if (1..=shown.chars().count() + 1).contains(&caret) {
        text.push_str(&format!("\n      | {}^", " ".repeat(caret - 1)));
    }
    text
}
