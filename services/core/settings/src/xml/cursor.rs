//! From a place in the text to line and column, going forward only, so that a whole file costs one pass.

pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    column: u32,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Cursor<'t> {
        Cursor { text, at: 0, line: 1, column: 1 }
    }

    /// Line and column, both from 1, columns in characters. A place before the last one asked for counts as that one.
    pub(super) fn at(&mut self, place: usize) -> (u32, u32) {
        let passed = self.text.get(self.at..place).unwrap_or("");
        for character in passed.chars() {
            if character == '\n' {
                (self.line, self.column) = (self.line.saturating_add(1), 1);
            } else if character != '\u{feff}' {
                self.column = self.column.saturating_add(1);
            }
        }
        self.at = self.at.saturating_add(passed.len());
        (self.line, self.column)
    }
}
