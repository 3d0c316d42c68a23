//! What is said about input that is wrong or odd: a code with arguments, so that it can be translated, and the English text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; everything was taken.
    Note,
    /// Taken, but not as it should be written.
    Warning,
    /// Not taken.
    Error,
}

impl Severity {
    /// As it stands in JSON, on the bus and in text.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding in a file, a field or a request. Never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// File name or URL without password; empty for a single value.
    pub file: String,
    /// Counted from 1; 0 when it concerns the whole file.
    pub line: u32,
    /// Counted in characters from 1; 0 when it concerns the whole line.
    pub column: u32,
    /// Stable, dotted, lower case: `value.out-of-range`.
    pub code: String,
    /// The parameter, empty when it concerns none.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one English sentence without a full stop.
    pub reason: String,
    /// How to mend it; empty when nobody knows.
    pub suggestion: String,
    /// What a translation needs besides the code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub arguments: BTreeMap<String, String>,
}

impl Diagnosis {
    /// For people, in the way of a compiler: where, how bad, why, the line with a caret under the column, and how to mend it.
    /// `source` is the text of the line, where it is at hand and holds no secret. Ends without a line break.
    pub fn with_excerpt(&self, source: Option<&str>) -> String {
        let mut text = self.place();
        text.push_str(&format!("{}: {} [{}]", self.severity.as_str(), self.reason, self.code));
        if let Some(source) = source.filter(|_| self.line > 0) {
            text.push_str(&excerpt(source, self.line, self.column));
        }
        if !self.suggestion.is_empty() {
            text.push_str(&format!("\n  help: {}", self.suggestion));
        }
        text
    }

    fn place(&self) -> String {
        match (self.file.as_str(), self.line, self.column) {
            ("", _, _) => String::new(),
            (file, 0, _) => format!("{file}: "),
            (file, line, 0) => format!("{file}:{line}: "),
            (file, line, column) => format!("{file}:{line}:{column}: "),
        }
    }
}

/// A longer line is shown in part.
const WIDEST: usize = 120;

fn excerpt(source: &str, line: u32, column: u32) -> String {
    let at = usize::try_from(column).unwrap_or(0);
    let skipped = at.saturating_sub(WIDEST);
    // A control character must not move the caret, or the terminal's cursor.
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    let shown: String = source.trim_end().chars().skip(skipped).take(WIDEST + 20).map(visible).collect();
    let mut text = format!("\n{line:>5} | {shown}");
    if at > 0 {
        text.push_str(&format!("\n      | {}^", " ".repeat(at - 1 - skipped.min(at - 1))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(line: u32, column: u32) -> Diagnosis {
        Diagnosis {
            file: "phone.cfg".to_owned(),
            line,
            column,
            code: "value.out-of-range".to_owned(),
            name: "SIP_SRC_PORT_1".to_owned(),
            severity: Severity::Error,
            reason: "99999 is more than 49151".to_owned(),
            suggestion: "a port from 1024 to 49151".to_owned(),
            arguments: BTreeMap::new(),
        }
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        let shown = finding(7, 17).with_excerpt(Some("SIP_SRC_PORT_1=\"99999\"\r"));
        assert_eq!(
            shown,
            "phone.cfg:7:17: error: 99999 is more than 49151 [value.out-of-range]\n    7 | SIP_SRC_PORT_1=\"99999\"\n      \
             |                 ^\n  help: a port from 1024 to 49151"
        );
    }

    #[test]
    fn a_finding_about_the_whole_file_has_no_excerpt() {
        let shown = finding(0, 0).with_excerpt(None);
        assert_eq!(shown, "phone.cfg: error: 99999 is more than 49151 [value.out-of-range]\n  help: a port from 1024 to 49151");
    }

    #[test]
    fn a_control_character_does_not_reach_the_terminal() {
        assert!(!finding(1, 1).with_excerpt(Some("\u{1b}[31mred")).contains('\u{1b}'));
    }
}
