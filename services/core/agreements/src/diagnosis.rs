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
