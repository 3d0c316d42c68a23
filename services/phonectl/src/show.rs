//! Text for people, JSON for scripts.

use std::io::{self, Write};

use serde_json::Value as Json;

use crate::failure::Failure;

/// Where results go, and in which form.
pub struct Output {
    json: bool,
    out: io::Stdout,
}

impl Output {
    /// JSON, or text.
    pub fn new(json: bool) -> Output {
        Output { json, out: io::stdout() }
    }

    /// One result in both forms.
    pub fn result(&mut self, json: &Json, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let line = if self.json { json.to_string() } else { text() };
        self.line(line.trim_end_matches('\n'))
    }

    /// The bytes of a file, as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(|_| Failure::ReaderGone)
    }

    fn line(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "{}", printable(text)).and_then(|()| self.out.flush()).map_err(|_| Failure::ReaderGone)
    }
}

/// What comes from the far end of a call must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() && character != '\n' { '\u{fffd}' } else { character }).collect()
}

/// Columns, each as wide as its widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|title| (*title).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{printable, table};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["1".to_owned(), "registered".to_owned()], vec!["2".to_owned(), String::new()]];
        assert_eq!(table(&["LINE", "STATE"], &rows), "LINE  STATE\n1     registered\n2\n");
    }

    #[test]
    fn a_caller_cannot_steer_the_terminal() {
        assert_eq!(printable("\u{1b}[2Jx\ny"), "\u{fffd}[2Jx\ny");
    }
}
