//! Plain-text configuration files (5.2; B66 to B93; C47, C58, C62, C63): bytes in, values and diagnoses out. Bounded in size,
//! in findings and in what a finding quotes; no bytes make it panic. What is legal for a parameter is asked of [`crate::value`];
//! which layer it is for, and what clashes, is not known here.
//!
//! A bad line is skipped and reported, the rest applies. A wrong first line, a value over several lines or too many bytes reject
//! the whole file: then nothing of it is accepted.

mod first_line;
mod line;
mod write;

use agreements::Diagnosis;

use crate::file::{Form, Intake, Place, Size, Tally, too_large};
use crate::finding::{Detail, error, warning};
use line::Fault;

pub use crate::file::{FileOutcome, MAX_DIAGNOSES, Setting, render};
pub use write::write;

/// All plain files of one run together (B67, C47): 120 KB.
pub const MAX_BYTES: usize = 120 * 1024;
/// A line without its end: 537 bytes less CR LF (B69).
pub const MAX_LINE: usize = 535;

/// Reads a configuration file.
pub fn parse(bytes: &[u8], file_name: &str) -> FileOutcome {
    Reader::new(Intake::new(file_name, bytes.len())).read(bytes)
}

/// Reads a dealer preset: the same form, but any row of the catalogue may stand in it (C66).
pub fn parse_preset(bytes: &[u8], file_name: &str) -> FileOutcome {
    Reader::new(Intake::new(file_name, bytes.len()).of_preset()).read(bytes)
}

struct Reader {
    intake: Intake,
    bare_line_feeds: Tally,
    blanks_at_comments: Tally,
}

impl Reader {
    fn new(intake: Intake) -> Reader {
        Reader { intake, bare_line_feeds: Tally::default(), blanks_at_comments: Tally::default() }
    }

    fn read(mut self, bytes: &[u8]) -> FileOutcome {
        if bytes.len() > MAX_BYTES {
            return self.intake.rejected(too_large(Size { form: Form::Plain, bytes: bytes.len() }, "in one file"));
        }
        let bytes = self.without_mark(bytes);
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or(b"");
        if let Err(diagnosis) = first_line::check(bytes, first) {
            return self.intake.rejected(diagnosis);
        }
        let mut number = 0_u32;
        let mut rest = Some(bytes);
        while let Some(text) = rest {
            number = number.saturating_add(1);
            let (raw, after) = match text.iter().position(|byte| *byte == b'\n') {
                Some(end) => (text.get(..end).unwrap_or(b""), text.get(end.saturating_add(1)..)),
                None => (text, None),
            };
            let line = self.without_end(raw, number, after.is_none());
            if let Err(diagnosis) = self.line(line, number, after.unwrap_or(b"")) {
                self.intake.reject(diagnosis.at(number, 0));
                return self.finish();
            }
            rest = after;
        }
        if !bytes.ends_with(b"\n") {
            let reason = "the file does not end with an empty line";
            self.intake.tell(warning("file.no-final-line", reason).at(number, 0).suggest("end the last line with CR LF"));
        }
        self.finish()
    }

    fn without_mark<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") else { return bytes };
        let reason = "the file begins with a byte order mark";
        self.intake.tell(warning("file.byte-order-mark", reason).suggest("save it as UTF-8 without BOM"));
        rest
    }

    /// Strips the CR; notes a line end that is LF alone (C63).
    fn without_end<'b>(&mut self, raw: &'b [u8], number: u32, is_last: bool) -> &'b [u8] {
        match raw.strip_suffix(b"\r") {
            Some(text) if !is_last => text,
            _ => {
                if !is_last {
                    self.bare_line_feeds.add(number);
                }
                raw
            }
        }
    }

    /// One line. An error ends the file.
    fn line(&mut self, raw: &[u8], number: u32, after: &[u8]) -> Result<(), Diagnosis> {
        let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let is_comment = raw.iter().find(|byte| !blank(byte)) == Some(&b'#');
        if raw.iter().all(|byte| blank(byte) || *byte == b'\r') {
            return Ok(());
        }
        if is_comment {
            if raw.first().is_some_and(blank) || raw.last().is_some_and(blank) {
                self.blanks_at_comments.add(number);
            }
            return Ok(());
        }
        if raw.len() > MAX_LINE {
            let reason = format!("the line has {} bytes with its end, at most {} are allowed", raw.len() + 2, MAX_LINE + 2);
            self.intake.skip(error("line.too-long", reason).at(number, 0).suggest("shorten the value"));
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(raw) else {
            self.intake.skip(error("line.not-utf8", "the line is not UTF-8").at(number, 0).suggest("save the file as UTF-8"));
            return Ok(());
        };
        match line::parse(text) {
            Ok((name, value)) => {
                let column = u32::try_from(name.chars().count().saturating_add(3)).unwrap_or(0);
                self.intake.setting(name, value, Place { line: number, name: 1, value: column });
            }
            Err(fault) if fault.open && line::goes_on(after) => {
                return Err(error("file.value-over-lines", "a setting goes on over several lines")
                    .named(fault.name)
                    .suggest("write NAME=\"value\" on one line"));
            }
            Err(fault) => self.intake.skip(told(fault, number)),
        }
        Ok(())
    }

    fn finish(mut self) -> FileOutcome {
        if self.bare_line_feeds.count > 0 {
            let reason = format!("{} lines end with LF alone", self.bare_line_feeds.count);
            let line = self.bare_line_feeds.first;
            self.intake.last_word(warning("file.bare-line-feed", reason).at(line, 0).suggest("end every line with CR LF"));
        }
        if self.blanks_at_comments.count > 0 {
            let reason = format!("{} comments have blanks before or behind them", self.blanks_at_comments.count);
            let line = self.blanks_at_comments.first;
            self.intake
                .last_word(warning("file.blanks-at-comment", reason).at(line, 0).suggest("begin a comment with # in column 1"));
        }
        self.intake.finish()
    }
}

fn told(fault: Fault<'_>, number: u32) -> Diagnosis {
    error(fault.code, fault.reason).named(fault.name).at(number, fault.column).suggest(fault.suggestion)
}
