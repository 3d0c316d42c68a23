//! Writes a plain configuration file.

use std::fmt::Write;

use crate::catalogue::Parameter;
use crate::file::MAGIC;

/// A file with these values; a comment stands on lines of its own before its parameter. The values are written as they are given.
pub fn write<'v>(settings: impl IntoIterator<Item = (Parameter, &'v str, Option<&'v str>)>) -> String {
    let mut text = format!("{MAGIC} DO NOT CHANGE THIS LINE!\r\n\r\n");
    for (parameter, value, comment) in settings {
        for line in comment.into_iter().flat_map(str::lines) {
            // Writing to a String cannot fail.
            let _ = write!(text, "# {line}\r\n");
        }
        let _ = write!(text, "{}=\"{value}\"\r\n", parameter.name);
    }
    text
}
