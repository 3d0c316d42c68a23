//! Configuration files of either form: which form one has, what it says, and how large the files of a run may be. The forms
//! themselves are read by [`crate::plain`] and [`crate::xml`]; what is the same for both is here, so that a value is taken or
//! refused for the same reasons whatever file it stands in.
//!
//! Bounded in size, in findings and in what a finding quotes; no bytes make it panic.

mod intake;
mod limit;
mod render;

use std::fmt;

use agreements::Diagnosis;
use serde::{Deserialize, Serialize};

use crate::catalogue::Parameter;
use crate::{plain, xml};

pub(crate) use intake::{Intake, Place, Tally, is_secret, shown};
pub(crate) use limit::too_large;
pub use limit::{MOST_BYTES, Size, over_the_limit, within_limit};
pub use render::render;

/// The 44 bytes that every file holds near its beginning (B73, B96).
pub const MAGIC: &str = "# Panasonic SIP Phone Standard Format File #";
/// Most findings of one file; the rest is counted.
pub const MAX_DIAGNOSES: usize = 200;
/// Findings about the whole file that are told beyond [`MAX_DIAGNOSES`].
pub const LAST_WORDS: usize = 5;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// One NAME="value" per line (5.2).
    Plain,
    /// Attributes of elements (2.4.4).
    Xml,
}

/// The form, by content alone: an XML file needs no extension of its own (B95).
pub fn form_of(bytes: &[u8]) -> Form {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if looks_like_markup(bytes) || looks_like_markup(behind_first_line(bytes)) { Form::Xml } else { Form::Plain }
}

/// Some files have the designated text as a bare first line before the declaration.
fn behind_first_line(bytes: &[u8]) -> &[u8] {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if bytes.starts_with(MAGIC.as_bytes()) => bytes.get(end..).unwrap_or(b""),
        _ => b"",
    }
}

/// A web page is markup, too, but no configuration file: the plain reader says what it is.
fn looks_like_markup(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    let begins = |text: &[u8]| start.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
    start.starts_with(b"<") && !begins(b"<html") && !begins(b"<!doctype html")
}

/// Reads a configuration file of either form.
pub fn parse(bytes: &[u8], file_name: &str) -> FileOutcome {
    match form_of(bytes) {
        Form::Plain => plain::parse(bytes, file_name),
        Form::Xml => xml::parse(bytes, file_name),
    }
}

/// One setting as it is to be written.
#[derive(Clone, Copy)]
pub struct Entry<'v> {
    /// Which.
    pub parameter: Parameter,
    /// Written as it is given: whether it is legal is asked of [`crate::value`].
    pub value: &'v str,
    /// Stands before it.
    pub comment: Option<&'v str>,
    /// Otherwise the setting itself is a comment.
    pub active: bool,
}

impl<'v> Entry<'v> {
    /// An active setting without a comment.
    pub fn new(parameter: Parameter, value: &'v str) -> Entry<'v> {
        Entry { parameter, value, comment: None, active: true }
    }
}

/// One accepted value.
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
    /// Settings that were not taken.
    pub skipped: u32,
    /// Its size.
    pub bytes: usize,
}
