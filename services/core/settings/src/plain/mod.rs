//! Plain-text configuration files (5.2; B66 to B93; C47, C58, C62, C63): bytes in, values and diagnoses out. Bounded in size,
//! in findings and in what a finding quotes; no bytes make it panic. What is legal for a parameter is asked of [`crate::value`];
//! which layer it is for, and what clashes, is not known here.
//!
//! A bad line is skipped and reported, the rest applies. A wrong first line, a value over several lines or too many bytes reject
//! the whole file: then nothing of it is accepted.

mod first_line;
mod line;
mod render;

use std::collections::BTreeMap;
use std::fmt;

use agreements::{Diagnosis, Severity};
use serde::{Deserialize, Serialize};

use crate::catalogue::{self, Parameter};
use crate::finding::{Detail, error, finding, warning};
use crate::layers::checked;
use crate::suggest;
use crate::value;
use line::Fault;

pub use render::render;

/// All plain files of one run together (B67, C47): 120 KB.
pub const MAX_BYTES: usize = 120 * 1024;
/// A line without its end: 537 bytes less CR LF (B69).
pub const MAX_LINE: usize = 535;
/// Most findings of one file; the rest is counted.
pub const MAX_DIAGNOSES: usize = 200;

/// One accepted line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Canonical name.
    pub name: String,
    /// Legal value.
    pub value: String,
    /// Counted from 1.
    pub line: u32,
}

// The value may be a secret.
impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({}, line {})", self.name, self.line)
    }
}

/// What a file says. Small enough to be sent by the process that read it to the one that applies it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOutcome {
    /// Name or URL, as given.
    pub file: String,
    /// In the order of the file; empty when it is rejected.
    pub accepted: Vec<Setting>,
    /// What was found, in the order of the lines.
    pub diagnoses: Vec<Diagnosis>,
    /// Nothing of it counts.
    pub rejected: bool,
    /// Setting lines that were not taken.
    pub skipped: u32,
    /// Its size.
    pub bytes: usize,
}

/// Reads a configuration file.
pub fn parse(bytes: &[u8], file_name: &str) -> FileOutcome {
    Reader::new(file_name, false).read(bytes)
}

/// Reads a dealer preset: the same form, but any row of the catalogue may stand in it (C66).
pub fn parse_preset(bytes: &[u8], file_name: &str) -> FileOutcome {
    Reader::new(file_name, true).read(bytes)
}

/// The outcome of a file that was not even read because the run's limit is reached (C47).
pub fn over_the_limit(bytes: usize, file_name: &str) -> FileOutcome {
    let mut reader = Reader::new(file_name, false);
    reader.outcome.bytes = bytes;
    reader.reject(too_large(bytes, "together with the other files of this run"))
}

/// Which files of a run fit into [`MAX_BYTES`] together, in the order given: the first ones go before the later ones (C47). Give
/// them highest layer first.
pub fn within_limit(sizes: &[usize]) -> Vec<bool> {
    let mut used = 0_usize;
    let fits = |size: &usize| {
        let total = used.saturating_add(*size);
        let fits = total <= MAX_BYTES;
        if fits {
            used = total;
        }
        fits
    };
    sizes.iter().map(fits).collect()
}

fn too_large(bytes: usize, how: &str) -> Diagnosis {
    let kilobytes = MAX_BYTES / 1024;
    error("file.too-large", format!("{bytes} bytes {how} are more than {kilobytes} KB"))
        .suggest("leave out comments and settings that have their default value")
        .with("limit", MAX_BYTES.to_string())
}

/// Oddities that are taken and told once per file, with the first line and how many there are.
#[derive(Default)]
struct Tally {
    first: u32,
    count: u32,
}

impl Tally {
    fn add(&mut self, line: u32) {
        if self.count == 0 {
            self.first = line;
        }
        self.count = self.count.saturating_add(1);
    }
}

struct Reader {
    outcome: FileOutcome,
    preset: bool,
    /// Line of the first accepted value of a parameter (B87).
    seen: BTreeMap<&'static str, u32>,
    untold: u32,
    bare_line_feeds: Tally,
    blanks_at_comments: Tally,
}

impl Reader {
    fn new(file_name: &str, preset: bool) -> Reader {
        let outcome = FileOutcome { file: crate::template::without_password(file_name), ..FileOutcome::default() };
        Reader {
            outcome,
            preset,
            seen: BTreeMap::new(),
            untold: 0,
            bare_line_feeds: Tally::default(),
            blanks_at_comments: Tally::default(),
        }
    }

    fn read(mut self, bytes: &[u8]) -> FileOutcome {
        self.outcome.bytes = bytes.len();
        if bytes.len() > MAX_BYTES {
            return self.reject(too_large(bytes.len(), "in one file"));
        }
        let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => {
                self.tell(
                    warning("file.byte-order-mark", "the file begins with a byte order mark")
                        .suggest("save it as UTF-8 without BOM"),
                );
                rest
            }
            None => bytes,
        };
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if let Err(diagnosis) = first_line::check(bytes, lines.first().copied().unwrap_or(b"")) {
            return self.reject(diagnosis);
        }
        for (at, raw) in lines.iter().enumerate() {
            let number = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
            let is_last = at + 1 == lines.len();
            let text = self.without_end(raw, number, is_last);
            let after = lines.get(at + 1..).unwrap_or(&[]);
            if let Err(diagnosis) = self.line(text, number, after) {
                return self.reject(diagnosis.at(number, 0));
            }
        }
        if lines.last().is_some_and(|last| !last.is_empty()) {
            let reason = "the file does not end with an empty line";
            self.tell(
                warning("file.no-final-line", reason)
                    .at(u32::try_from(lines.len()).unwrap_or(u32::MAX), 0)
                    .suggest("end the last line with CR LF"),
            );
        }
        self.finish()
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
    fn line(&mut self, raw: &[u8], number: u32, after: &[&[u8]]) -> Result<(), Diagnosis> {
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
            self.skip(error("line.too-long", reason).at(number, 0).suggest("shorten the value"));
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(raw) else {
            self.skip(error("line.not-utf8", "the line is not UTF-8").at(number, 0).suggest("save the file as UTF-8"));
            return Ok(());
        };
        match line::parse(text) {
            Ok((name, value)) => self.setting(name, value, number),
            Err(fault) if fault.open && line::goes_on(after) => {
                return Err(error("file.value-over-lines", "a setting goes on over several lines")
                    .named(fault.name)
                    .suggest("write NAME=\"value\" on one line"));
            }
            Err(fault) => self.skip(told(fault, number)),
        }
        Ok(())
    }

    fn setting(&mut self, name: &str, text: &str, number: u32) {
        match self.legal(name, text) {
            Err(refused) => {
                let column = if refused.code.starts_with("name.") { 1 } else { name.chars().count().saturating_add(3) };
                self.skip(refused.at(number, u32::try_from(column).unwrap_or(0)));
            }
            Ok(parameter) => match self.seen.get(parameter.name) {
                Some(first) => {
                    let reason = format!("{} stands in line {first} already; the first one counts", parameter.name);
                    self.skip(
                        warning("line.twice", reason).named(parameter.name).at(number, 1).suggest("leave one of the two out"),
                    );
                }
                None => self.accept(&parameter, text, number),
            },
        }
    }

    fn accept(&mut self, parameter: &Parameter, text: &str, number: u32) {
        self.seen.insert(parameter.name, number);
        let column = u32::try_from(parameter.name.len()).unwrap_or(0).saturating_add(3);
        for advice in value::advise(parameter, text) {
            self.tell(advice.at(number, column));
        }
        let value = value::canonical(parameter, text).into_owned();
        self.outcome.accepted.push(Setting { name: parameter.name.to_owned(), value, line: number });
    }

    fn legal(&self, name: &str, text: &str) -> Result<Parameter, Diagnosis> {
        // The search for a near name is dear: no more often than there is room to tell.
        if catalogue::parameter(name).is_none() && self.outcome.diagnoses.len() >= MAX_DIAGNOSES {
            return Err(error("name.unknown", "there is no such parameter").named(name));
        }
        let parameter = checked(name, text).map_err(|diagnosis| better(diagnosis, name, text))?;
        if self.preset || parameter.row.set_by.file {
            return Ok(parameter);
        }
        let ways = parameter.row.set_by.names().join(" or ");
        let ways = if ways.is_empty() { "a dealer preset".to_owned() } else { ways };
        Err(error("name.not-in-files", format!("{name} cannot be set by a file"))
            .named(name)
            .suggest(format!("settable by: {ways}")))
    }

    fn skip(&mut self, diagnosis: Diagnosis) {
        self.outcome.skipped = self.outcome.skipped.saturating_add(1);
        self.tell(diagnosis);
    }

    fn tell(&mut self, diagnosis: Diagnosis) {
        if self.outcome.diagnoses.len() < MAX_DIAGNOSES {
            self.outcome.diagnoses.push(diagnosis.in_file(&self.outcome.file));
        } else {
            self.untold = self.untold.saturating_add(1);
        }
    }

    fn reject(mut self, diagnosis: Diagnosis) -> FileOutcome {
        self.outcome.accepted.clear();
        self.outcome.rejected = true;
        // Why it is rejected must be told, however much was found before.
        self.outcome.diagnoses.truncate(MAX_DIAGNOSES - 1);
        self.tell(diagnosis);
        self.finish()
    }

    fn finish(mut self) -> FileOutcome {
        if self.bare_line_feeds.count > 0 {
            let reason = format!("{} lines end with LF alone", self.bare_line_feeds.count);
            let line = self.bare_line_feeds.first;
            self.last_word(warning("file.bare-line-feed", reason).at(line, 0).suggest("end every line with CR LF"));
        }
        if self.blanks_at_comments.count > 0 {
            let reason = format!("{} comments have blanks before or behind them", self.blanks_at_comments.count);
            let line = self.blanks_at_comments.first;
            self.last_word(warning("file.blanks-at-comment", reason).at(line, 0).suggest("begin a comment with # in column 1"));
        }
        if self.untold > 0 {
            let reason = format!("{} more findings are not listed", self.untold);
            self.last_word(finding(Severity::Note, "file.more-findings", reason));
        }
        self.outcome.diagnoses.sort_by_key(|diagnosis| diagnosis.line);
        self.outcome
    }

    /// One of the few findings about the whole file: always listed.
    fn last_word(&mut self, diagnosis: Diagnosis) {
        self.outcome.diagnoses.push(diagnosis.in_file(&self.outcome.file));
    }
}

fn told(fault: Fault<'_>, number: u32) -> Diagnosis {
    error(fault.code, fault.reason).named(fault.name).at(number, fault.column).suggest(fault.suggestion)
}

/// Field mistakes whose mending needs the value: `TIME_ZONE="GMT +9:00"`.
fn better(diagnosis: Diagnosis, name: &str, text: &str) -> Diagnosis {
    match suggest::time_zone_code(text) {
        Some(code) if name == "TIME_ZONE" || name == "TIME_ZONE_COUNTRY" => {
            diagnosis.suggest(format!("TIME_ZONE_COUNTRY=\"{code}\""))
        }
        _ => diagnosis,
    }
}
