//! Builds diagnoses: a dotted code with arguments, the English text, and a way to mend it. Never holds a secret's value.

use std::collections::BTreeMap;

use agreements::{Diagnosis, MASK, Severity};

use crate::catalogue::Parameter;

/// Longest excerpt of input that a diagnosis quotes, in characters.
const QUOTED: usize = 60;

/// A diagnosis without a place yet.
pub(crate) fn finding(severity: Severity, code: &str, reason: impl Into<String>) -> Diagnosis {
    Diagnosis {
        file: String::new(),
        line: 0,
        column: 0,
        code: code.to_owned(),
        name: String::new(),
        severity,
        reason: reason.into(),
        suggestion: String::new(),
        arguments: BTreeMap::new(),
    }
}

pub(crate) fn error(code: &str, reason: impl Into<String>) -> Diagnosis {
    finding(Severity::Error, code, reason)
}

pub(crate) fn warning(code: &str, reason: impl Into<String>) -> Diagnosis {
    finding(Severity::Warning, code, reason)
}

/// Small steps that read as a sentence where a diagnosis is made.
pub(crate) trait Detail: Sized {
    fn named(self, name: &str) -> Self;
    fn at(self, line: u32, column: u32) -> Self;
    fn in_file(self, file: &str) -> Self;
    fn suggest(self, text: impl Into<String>) -> Self;
    fn with(self, key: &str, value: impl Into<String>) -> Self;
}

impl Detail for Diagnosis {
    fn named(mut self, name: &str) -> Self {
        self.name = excerpt(name);
        self
    }
    fn at(mut self, line: u32, column: u32) -> Self {
        (self.line, self.column) = (line, column);
        self
    }
    fn in_file(mut self, file: &str) -> Self {
        self.file = file.to_owned();
        self
    }
    fn suggest(mut self, text: impl Into<String>) -> Self {
        self.suggestion = text.into();
        self
    }
    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.arguments.insert(key.to_owned(), value.into());
        self
    }
}

/// A value as it may be quoted: cut, without control characters, and masked where the row is secret.
pub(crate) fn quotable(parameter: &Parameter, value: &str) -> String {
    if parameter.row.secret { MASK.to_owned() } else { excerpt(value) }
}

/// Cut and without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(QUOTED).is_some() {
        short.push('\u{2026}');
    }
    short
}
