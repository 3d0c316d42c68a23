//! A diagnosis as text for people: place, reason, the quoted line with a caret, and what to do. Values of secrets are masked in
//! the quoted line, too.

use std::fmt::Write;

use agreements::{Diagnosis, MASK};

use super::line::is_secret;

/// Longest part of a line that is quoted, in characters.
const WIDTH: usize = 100;

/// The diagnosis as text. `file` are the bytes that were read, where they are at hand: then the line is quoted.
pub fn render(diagnosis: &Diagnosis, file: Option<&[u8]>) -> String {
    let mut text = String::new();
    let place = match (diagnosis.line, diagnosis.column) {
        (0, _) => diagnosis.file.clone(),
        (line, 0) => format!("{}:{line}", diagnosis.file),
        (line, column) => format!("{}:{line}:{column}", diagnosis.file),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{place}: {}: {} [{}]", diagnosis.severity.as_str(), diagnosis.reason, diagnosis.code);
    if let Some(line) = file.and_then(|bytes| line_of(bytes, diagnosis.line)) {
        quote(&mut text, &line, diagnosis.column);
    }
    if !diagnosis.suggestion.is_empty() {
        let _ = writeln!(text, "    help: {}", diagnosis.suggestion);
    }
    text
}

fn line_of(bytes: &[u8], number: u32) -> Option<String> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    let raw = bytes.split(|byte| *byte == b'\n').nth(at)?;
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    Some(masked(String::from_utf8_lossy(raw.get(..4096).unwrap_or(raw)).trim_end()))
}

/// Everything behind the = of a secret, and the password of a URL.
fn masked(line: &str) -> String {
    match line.split_once('=') {
        Some((name, _)) if is_secret(name.trim()) => format!("{name}={MASK}"),
        Some((name, value)) => format!("{name}={}", without_password(value)),
        // No setting: it may be the rest of one.
        None => line.to_owned(),
    }
}

fn without_password(value: &str) -> String {
    crate::template::without_password(value)
}

fn quote(text: &mut String, line: &str, column: u32) {
    let shown: String = line.chars().take(WIDTH).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(text, "    | {shown}");
    let column = usize::try_from(column).unwrap_or(0);
    if column > 0 && column <= shown.chars().count() + 1 {
        let _ = writeln!(text, "    | {}^", " ".repeat(column - 1));
    }
}
