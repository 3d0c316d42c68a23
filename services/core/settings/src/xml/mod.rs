//! XML configuration files (2.4.4; B94 to B103; C47, C48, C56, C58, C62): bytes in, values and diagnoses out, with the same model
//! as a plain file. A parameter is an attribute, wherever in the tree it stands; elements and nesting are looked at only to warn.
//!
//! A bad attribute is skipped and reported, the rest applies. A file that is not well-formed, that brings its own document type,
//! or that is neither marked nor rooted as a configuration file is rejected whole. There are no entities but the five of B102 and
//! character references, so nothing in a file can grow beyond its size. Elements are nested at most [`MAX_DEPTH`] deep, and each
//! byte is looked at a constant number of times.

mod attribute;
mod cursor;
mod place;
mod write;

use agreements::Diagnosis;
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesDecl, BytesStart, Event};

use crate::file::{FileOutcome, Form, Intake, MAGIC, Size, Tally, too_large};
use crate::finding::{Detail, error, excerpt, warning};
use cursor::Cursor;
use place::Open;

pub use place::{ROOT, elements};
pub use write::write;

/// One XML file (B94, C47): 240 KB.
pub const MAX_BYTES: usize = 240 * 1024;
/// Elements inside each other.
pub const MAX_DEPTH: usize = 32;
/// Attributes of one element; there are fewer parameters than that.
pub const MAX_ATTRIBUTES: usize = 4096;
/// Misplaced attributes that are told one by one; the rest is counted.
const MISPLACED: u32 = 20;

/// Reads an XML configuration file.
pub fn parse(bytes: &[u8], file_name: &str) -> FileOutcome {
    let intake = Intake::new(file_name, bytes.len());
    if bytes.len() > MAX_BYTES {
        return intake.rejected(too_large(Size { form: Form::Xml, bytes: bytes.len() }, "in one file"));
    }
    // A line in another encoding costs only what stands on it, and a comment nothing: as in a plain file.
    let text = String::from_utf8_lossy(bytes);
    Document::new(intake, &text).read()
}

/// The file as it is read.
struct Document<'t> {
    intake: Intake,
    text: &'t str,
    cursor: Cursor<'t>,
    open: Vec<Open<'t>>,
    marked: bool,
    rooted: bool,
    stray_text: Tally,
    misplaced: Tally,
}

/// Why the file is read no further.
type End = Diagnosis;

impl<'t> Document<'t> {
    fn new(intake: Intake, text: &'t str) -> Document<'t> {
        Document {
            intake,
            text,
            cursor: Cursor::new(text),
            open: Vec::new(),
            marked: false,
            rooted: false,
            stray_text: Tally::default(),
            misplaced: Tally::default(),
        }
    }

    fn read(mut self) -> FileOutcome {
        match self.events() {
            Ok(()) => self.finish(),
            Err(diagnosis) => {
                self.intake.reject(diagnosis);
                self.finish()
            }
        }
    }

    fn events(&mut self) -> Result<(), End> {
        let markup = self.without_preface();
        let base = self.text.len().saturating_sub(markup.len());
        let mut reader = Reader::from_str(markup);
        let config = reader.config_mut();
        config.check_end_names = true;
        config.allow_dangling_amp = true;
        loop {
            let start = base.saturating_add(offset(reader.buffer_position()));
            let event = reader.read_event();
            match event {
                Err(fault) => return Err(self.broken(&fault, base.saturating_add(offset(reader.error_position())))),
                Ok(Event::Eof) => return self.ended(),
                Ok(event) => self.event(event, start, base.saturating_add(offset(reader.buffer_position())))?,
            }
        }
    }

    /// Skips a byte order mark, and the designated text where it stands bare before the markup.
    fn without_preface(&mut self) -> &'t str {
        let mut rest = self.text;
        if let Some(after) = rest.strip_prefix('\u{feff}') {
            let reason = "the file begins with a byte order mark";
            self.intake.tell(warning("file.byte-order-mark", reason).suggest("save it as UTF-8 without BOM"));
            rest = after;
        }
        if rest.starts_with(MAGIC) {
            self.marked = true;
            let reason = "the designated text does not stand in a comment";
            self.intake.tell(warning("xml.bare-first-line", reason).at(1, 1).suggest(format!("<!-- {MAGIC} -->")));
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or("");
        }
        rest
    }

    fn event(&mut self, event: Event<'t>, start: usize, end: usize) -> Result<(), End> {
        match event {
            Event::Decl(declaration) => self.declaration(&declaration, start),
            Event::Comment(comment) => {
                self.marked |= !self.rooted && comment.contains(MAGIC);
                Ok(())
            }
            Event::Start(element) => {
                self.root(&element, start)?;
                self.element(start, end);
                if self.open.len() >= MAX_DEPTH {
                    let reason = format!("elements are nested more than {MAX_DEPTH} deep");
                    return Err(self.here("xml.too-deep", reason, start).suggest("see the template"));
                }
                self.open.push(Open::of(self.slice(start, end)));
                Ok(())
            }
            Event::Empty(element) => {
                self.root(&element, start)?;
                self.element(start, end);
                Ok(())
            }
            Event::End(_) => {
                self.open.pop();
                Ok(())
            }
            Event::DocType(_) => {
                let reason = "a document type is not read: it could define anything";
                Err(self.here("xml.document-type", reason.to_owned(), start).suggest("leave <!DOCTYPE ...> out"))
            }
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                if !self.slice(start, end).trim().is_empty() {
                    let (line, _) = self.cursor.at(start);
                    self.stray_text.add(line);
                }
                Ok(())
            }
            Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or("")
    }

    /// B97. The bytes are read as UTF-8 whatever is written: what is not ASCII then shows by itself.
    fn declaration(&mut self, declaration: &BytesDecl<'_>, start: usize) -> Result<(), End> {
        let (line, column) = self.cursor.at(start);
        let version = declaration.version().map(|version| version.into_owned()).unwrap_or_default();
        if version != "1.0" {
            let reason = format!("the XML version is \"{}\"", excerpt(&version));
            self.intake.tell(warning("xml.version", reason).at(line, column).suggest("version=\"1.0\""));
        }
        let encoding = declaration.encoding().and_then(Result::ok).map(|name| name.into_owned()).unwrap_or_default();
        if !encoding.eq_ignore_ascii_case("utf-8") {
            let reason = match encoding.as_str() {
                "" => "no encoding is declared: the file is read as UTF-8".to_owned(),
                other => format!("the encoding is declared as {}: the file is read as UTF-8", excerpt(other)),
            };
            self.intake.tell(warning("xml.encoding", reason).at(line, column).suggest("encoding=\"utf-8\""));
        }
        Ok(())
    }

    /// C48: marked by the comment, or rooted as a configuration file.
    fn root(&mut self, element: &BytesStart<'_>, start: usize) -> Result<(), End> {
        if !self.open.is_empty() {
            return Ok(());
        }
        if self.rooted {
            let reason = "a second element stands beside the root".to_owned();
            return Err(self.here("xml.broken", reason, start).suggest(format!("everything stands inside <{ROOT}>")));
        }
        self.rooted = true;
        let name = excerpt(element.name().as_ref());
        match (self.marked, name == ROOT) {
            (true, true) => Ok(()),
            (false, true) => {
                let (line, column) = self.cursor.at(start);
                let reason = "the comment with the designated text is missing";
                let told = warning("xml.no-magic", reason).at(line, column);
                self.intake.tell(told.suggest(format!("begin the file with <!-- {MAGIC} -->")));
                Ok(())
            }
            (true, false) => {
                let (line, column) = self.cursor.at(start);
                let told = warning("xml.root", format!("the root is <{name}>")).at(line, column);
                self.intake.tell(told.suggest(format!("<{ROOT}>")));
                Ok(())
            }
            (false, false) => {
                let reason = format!("neither the designated text nor the root <{ROOT}> is there, but <{name}>");
                Err(self.here("file.no-magic", reason, start).suggest(format!("begin the file with <!-- {MAGIC} -->")))
            }
        }
    }

    fn ended(&mut self) -> Result<(), End> {
        let end = self.text.len();
        if let Some(open) = self.open.last() {
            let reason = format!("the file ends inside <{}>", excerpt(open.name));
            return Err(self.here("xml.broken", reason, end).suggest("it may have been cut off on its way"));
        }
        if !self.rooted {
            return Err(self.here("xml.broken", "there is no element in the file".to_owned(), end).suggest("see the template"));
        }
        Ok(())
    }

    /// Not well-formed: what follows could be anything.
    fn broken(&mut self, fault: &Error, at: usize) -> End {
        let reason = match fault {
            Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                format!("<{}> ends with </{}>", excerpt(expected), excerpt(found))
            }
            Error::IllFormed(IllFormedError::UnmatchedEndTag(name)) => {
                format!("</{}> ends nothing that has begun", excerpt(name))
            }
            Error::Syntax(syntax) => syntax.to_string(),
            other => excerpt(&other.to_string()),
        };
        self.here("xml.broken", reason, at).suggest("an XML editor, or xmllint, shows what is wrong")
    }

    fn here(&mut self, code: &str, reason: String, at: usize) -> Diagnosis {
        let (line, column) = self.cursor.at(at);
        error(code, reason).at(line, column)
    }

    fn finish(mut self) -> FileOutcome {
        if self.stray_text.count > 0 {
            let reason = format!("{} texts between elements are not read", self.stray_text.count);
            let told = warning("xml.text", reason).at(self.stray_text.first, 0);
            self.intake.last_word(told.suggest("a value is an attribute: <SyslogPort SYSLOG_PORT=\"514\"/>"));
        }
        if self.misplaced.count > MISPLACED {
            let reason = format!("{} attributes in all stand at unusual elements", self.misplaced.count);
            self.intake.last_word(warning("xml.misplaced", reason).at(self.misplaced.first, 0).suggest("see the template"));
        }
        self.intake.finish()
    }
}

fn offset(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
