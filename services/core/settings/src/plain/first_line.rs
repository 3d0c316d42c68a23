//! The first line, which says that this is a configuration file at all (B73 to B75), and what a file without it probably is.

use agreements::Diagnosis;

use crate::file::MAGIC;
use crate::finding::{Detail, error};

/// Whether the file may be read; otherwise why not.
pub(super) fn check(bytes: &[u8], first: &[u8]) -> Result<(), Diagnosis> {
    // C63: blanks before a comment are tolerated.
    if first.trim_ascii_start().starts_with(MAGIC.as_bytes()) && bytes.contains(&b'\n') {
        return Ok(());
    }
    if first.starts_with(MAGIC.as_bytes()) && !bytes.contains(&b'\r') {
        return Ok(());
    }
    let (code, reason, suggestion) = guess(bytes, first);
    let suggestion = if suggestion.is_empty() { format!("begin the file with \"{MAGIC}\"") } else { suggestion.to_owned() };
    Err(error(code, reason).at(1, 1).suggest(suggestion))
}

fn guess(bytes: &[u8], first: &[u8]) -> (&'static str, &'static str, &'static str) {
    let text = String::from_utf8_lossy(first.get(..200).unwrap_or(first));
    let start = text.trim_start().to_ascii_lowercase();
    let magic = MAGIC.to_ascii_lowercase();
    let squeezed: String = start.chars().filter(|c| !c.is_whitespace()).collect();
    let squeezed_magic: String = magic.chars().filter(|c| !c.is_whitespace()).collect();
    let later = bytes.windows(MAGIC.len()).take(4096).any(|window| window == MAGIC.as_bytes());
    match () {
        () if bytes.is_empty() => ("file.empty", "the file is empty", ""),
        () if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
            ("file.utf16", "the file is UTF-16", "save it as UTF-8 without BOM")
        }
        () if first.starts_with(MAGIC.as_bytes()) => {
            ("file.cr-line-ends", "the lines end with CR alone", "end every line with CR LF")
        }
        () if start.starts_with("<!doctype html") || start.starts_with("<html") => {
            ("file.is-html", "this is a web page, probably an error page of the server", "check the URL")
        }
        () if start.starts_with("<?xml") || start.starts_with("<panasipphoneconfig") => {
            ("file.is-xml", "this is an XML file, not a plain one", "an XML file is not read here")
        }
        () if bytes.starts_with(b"Salted__") => {
            ("file.is-encrypted", "the file is encrypted", "the extension must be .e1c, .e2c or .e3c")
        }
        () if squeezed.starts_with(&squeezed_magic) && !start.starts_with(&magic) => {
            ("file.magic-without-blanks", "the first line lacks the blanks of the designated text", "")
        }
        () if start.starts_with(&magic) => ("file.magic-case", "the first line is not written as designated", ""),
        () if later => {
            ("file.magic-not-first", "the designated text does not stand in the first line", "move it to the first line")
        }
        () => ("file.no-magic", "the first line lacks the designated text", ""),
    }
}
