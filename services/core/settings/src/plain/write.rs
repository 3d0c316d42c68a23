//! Writes a plain configuration file.

use std::fmt::Write;

use crate::file::{Entry, MAGIC};

/// A file with these settings; a comment stands on lines of its own.
pub fn write<'v>(entries: impl IntoIterator<Item = Entry<'v>>) -> String {
    let mut text = format!("{MAGIC} DO NOT CHANGE THIS LINE!\r\n\r\n");
    for Entry { parameter, value, comment, active } in entries {
        if comment.is_some() {
            text.push_str("\r\n");
        }
        for line in comment.into_iter().flat_map(str::lines) {
            // Writing to a String cannot fail.
            let _ = write!(text, "## {line}\r\n");
        }
        let mark = if active { "" } else { "#" };
        let _ = write!(text, "{mark}{}=\"{value}\"\r\n", parameter.name);
    }
    text
}
