//! A diagnosis as text for people, in the way of a compiler: where, how bad, why, the line with a caret under the column, and how
//! to mend it. Values of secrets are masked in the quoted line, too.

use agreements::{Diagnosis, MASK};

use super::line::is_secret;

/// More of a line than this is not looked at, in bytes.
const LONGEST: usize = 4096;
/// Longest part of a line that is shown, in characters.
const WIDTH: usize = 120;

/// The diagnosis as text, without a line break at its end. `file` are the bytes that were read, where they are at hand: then the
/// line is quoted.
pub fn render(diagnosis: &Diagnosis, file: Option<&[u8]>) -> String {
    let mut text = format!("{}{}: {} [{}]", place(diagnosis), diagnosis.severity.as_str(), diagnosis.reason, diagnosis.code);
    if let Some(line) = file.and_then(|bytes| line_of(bytes, diagnosis.line)) {
        text.push_str(&excerpt(&line, diagnosis.line, diagnosis.column));
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

fn line_of(bytes: &[u8], number: u32) -> Option<String> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let raw = bytes.split(|byte| *byte == b'\n').nth(at)?;
    let text = String::from_utf8_lossy(raw.get(..LONGEST).unwrap_or(raw)).into_owned();
    Some(masked(text.trim_end()))
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
