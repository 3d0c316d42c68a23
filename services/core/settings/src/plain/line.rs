//! The form of one setting line, NAME="value" with nothing else on it (B77 to B81), and how people get it wrong.

use crate::file::shown;

/// Why a line is no setting.
#[derive(Debug)]
pub(super) struct Fault<'l> {
    pub code: &'static str,
    pub reason: &'static str,
    pub suggestion: String,
    /// In characters from 1.
    pub column: u32,
    pub name: &'l str,
    /// The value has no end on this line: it may go on in the next one (B78).
    pub open: bool,
}

/// Name and value.
pub(super) fn parse(line: &str) -> Result<(&str, &str), Fault<'_>> {
    let name_end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
    let (name, rest) = line.split_at(name_end);
    if name.is_empty() {
        return Err(no_name(line));
    }
    let Some(after_equals) = rest.strip_prefix('=') else { return Err(no_equals(line, name, rest)) };
    let Some(inside) = after_equals.strip_prefix('"') else { return Err(no_quote(line, name, after_equals)) };
    match inside.split_once('"') {
        None => {
            let suggestion = format!("put a \" at the end: {name}=\"{}\"", shown(name, inside));
            Err(fault("line.missing-quote", "the closing double quote is missing", suggestion, line, line.len(), name).opened())
        }
        Some((value, "")) => Ok((name, value)),
        Some((value, trailing)) => Err(trail(line, name, value, trailing)),
    }
}

/// Whether what follows an open value belongs to it: the next line that holds anything is neither comment nor setting (B78).
pub(super) fn goes_on(after: &[u8]) -> bool {
    let next = after.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find(|raw| !raw.is_empty());
    let Some(next) = next else { return false };
    let name_end = next.iter().position(|byte| !(byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_'));
    let is_setting = name_end.and_then(|end| next.get(end..)).is_some_and(|rest| rest.starts_with(b"=\"")) && name_end != Some(0);
    !next.starts_with(b"#") && !is_setting
}

impl Fault<'_> {
    fn opened(mut self) -> Self {
        self.open = true;
        self
    }
}

fn fault<'l>(code: &'static str, reason: &'static str, suggestion: String, line: &str, at: usize, name: &'l str) -> Fault<'l> {
    let before = line.get(..at).map_or(0, |text| text.chars().count());
    let column = u32::try_from(before).unwrap_or(0).saturating_add(1);
    Fault { code, reason, suggestion, column, name, open: false }
}

fn no_name(line: &str) -> Fault<'_> {
    let trimmed = line.trim_start();
    if trimmed.len() < line.len() && trimmed.contains('=') {
        let name = trimmed.split(['=', ' ']).next().unwrap_or("");
        return fault("line.inner-space", "a setting begins in column 1", "take the blanks away".to_owned(), line, 0, name);
    }
    let suggestion = "a line is NAME=\"value\", or a comment that begins with #".to_owned();
    fault("line.no-setting", "the line is neither a setting nor a comment", suggestion, line, 0, "")
}

fn no_equals<'l>(line: &str, name: &'l str, rest: &str) -> Fault<'l> {
    let at = line.len() - rest.len();
    let blank = rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('=');
    if blank {
        let value = rest.trim_start().trim_start_matches('=').trim().trim_matches('"');
        let suggestion = format!("{name}=\"{}\"", shown(name, value));
        return fault("line.inner-space", "no space may stand outside the value", suggestion, line, at, name);
    }
    let suggestion = "a line is NAME=\"value\", or a comment that begins with #".to_owned();
    fault("line.no-setting", "no = follows the name", suggestion, line, at, name)
}

fn no_quote<'l>(line: &str, name: &'l str, after_equals: &str) -> Fault<'l> {
    let at = line.len() - after_equals.len();
    let bare = after_equals.trim().trim_matches(['"', '\'', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}']);
    let suggestion = format!("{name}=\"{}\"", shown(name, bare));
    let trimmed = after_equals.trim_start();
    match trimmed.chars().next() {
        None => {
            fault("line.no-quotes", "the value is missing", format!("{name}=\"\" for the empty value"), line, at, name).opened()
        }
        Some('"') => fault("line.inner-space", "no space may stand outside the value", suggestion, line, at, name),
        Some('\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}') => {
            fault("line.curly-quotes", "the value stands in typographic quotes", suggestion, line, at, name)
        }
        Some(_) => fault("line.no-quotes", "the value is not in double quotes", suggestion, line, at, name),
    }
}

/// Something behind the closing quote.
fn trail<'l>(line: &str, name: &'l str, value: &str, trailing: &str) -> Fault<'l> {
    let content = trailing.trim_start();
    let at = line.len() - content.len();
    let suggestion = format!("{name}=\"{}\"", shown(name, value));
    match content.chars().next() {
        None => fault("line.inner-space", "blanks stand behind the value", suggestion, line, line.len() - trailing.len(), name),
        Some('#') => {
            let suggestion = "put the comment on a line of its own".to_owned();
            fault("line.inner-comment", "a comment begins in the middle of the line", suggestion, line, at, name)
        }
        Some(_) if content.len() == trailing.len() && content.contains('"') => {
            let suggestion = "a value cannot hold a double quote".to_owned();
            fault("value.quote-inside", "a double quote stands inside the value", suggestion, line, at.saturating_sub(1), name)
        }
        Some(_) => fault("line.text-after-value", "something stands behind the value", suggestion, line, at, name),
    }
}
