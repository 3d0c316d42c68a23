//! The attributes of one element: which are parameters, and what their values are without entities (B102).

use std::borrow::Cow;

use quick_xml::escape::{EscapeError, unescape};
use quick_xml::events::attributes::{AttrError, Attributes};

use agreements::Diagnosis;

use super::place::{Open, misplacement};
use super::{Document, MAX_ATTRIBUTES, MISPLACED};
use crate::file::{Place, shown};
use crate::finding::{Detail, error, excerpt, warning};

impl<'t> Document<'t> {
    /// Reads the attributes of the tag between `<` at `start` and behind its `>` at `end`.
    pub(super) fn element(&mut self, start: usize, end: usize) {
        let tag = self.slice(start, end);
        let name = Open::of(tag).name;
        let inside = tag.trim_start_matches('<').trim_end_matches('>');
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        let mut attributes = Attributes::new(inside, name.len());
        for (count, attribute) in attributes.with_checks(false).enumerate() {
            if count >= MAX_ATTRIBUTES {
                let (line, column) = self.cursor.at(start);
                let reason = format!("<{}> has more than {MAX_ATTRIBUTES} attributes", excerpt(name));
                self.intake.skip(error("xml.too-many-attributes", reason).at(line, column).suggest("one element per parameter"));
                return;
            }
            match attribute {
                Ok(attribute) => {
                    let Cow::Borrowed(raw) = attribute.value else { continue };
                    self.attribute(name, attribute.key.0, raw);
                }
                Err(fault) => self.fault(&fault, start),
            }
        }
    }

    fn attribute(&mut self, element: &str, name: &str, raw: &'t str) {
        if is_markup(name) {
            return;
        }
        let (line, name_column) = self.cursor.at(offset_in(self.text, name));
        let (_, value_column) = self.cursor.at(offset_in(self.text, raw));
        let place = Place { line, name: name_column, value: value_column };
        let value = match value_of(raw) {
            Ok(value) => value,
            Err(refused) => {
                let suggestion = refused.suggestion.replace(VALUE, &shown(name, raw.trim()));
                self.intake.skip(refused.named(name).suggest(suggestion).at(line, value_column));
                return;
            }
        };
        if raw.contains('<') {
            let reason = "the character < stands in a value";
            let told = warning("xml.bare-character", reason).named(name).at(line, value_column);
            self.intake.tell(told.suggest("write &lt; for < and &gt; for >"));
        }
        let Some(parameter) = self.intake.setting(name, &value, place) else { return };
        if let Some(usual) = misplacement(&parameter, element, &self.open) {
            self.misplaced.add(line);
            if self.misplaced.count <= MISPLACED {
                let told = warning("xml.misplaced", format!("{name} does not usually stand here")).named(name);
                self.intake.tell(told.at(line, name_column).suggest(format!("its place is {usual}")));
            }
        }
    }

    fn fault(&mut self, fault: &AttrError, start: usize) {
        let (at, code, reason) = match fault {
            AttrError::ExpectedEq(at) => (at, "xml.no-equals", "no = follows the name"),
            AttrError::ExpectedValue(at) => (at, "xml.no-quotes", "the value is missing"),
            AttrError::UnquotedValue(at) => (at, "xml.no-quotes", "the value is not in quotes"),
            AttrError::ExpectedQuote(at, _) => (at, "xml.missing-quote", "the closing quote is missing"),
            AttrError::Duplicated(at, _) => (at, "line.twice", "the attribute stands twice"),
        };
        // Positions count from behind the <.
        let (line, column) = self.cursor.at(start.saturating_add(1).saturating_add(*at));
        self.intake.skip(error(code, reason).at(line, column).suggest("an attribute is NAME=\"value\""));
    }
}

/// Where in a suggestion the value is to be repeated.
const VALUE: &str = "{value}";

/// Attributes that are no parameters: namespaces and schema places, and the numbers of lines, buttons and codecs.
fn is_markup(name: &str) -> bool {
    name == "ID" || name == "xmlns" || name.contains(':')
}

/// Where `part` lies in `whole`, of which it is a slice.
fn offset_in(whole: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr())
}

/// The value without entities.
fn value_of(raw: &str) -> Result<Cow<'_, str>, Diagnosis> {
    if raw.contains(['\n', '\r', '\t']) {
        let reason = "the value goes on over several lines, or holds a tabulator";
        return Err(error("xml.value-over-lines", reason).suggest("write the value on one line"));
    }
    if raw.contains('\u{fffd}') {
        return Err(error("line.not-utf8", "the value is not UTF-8").suggest("save the file as UTF-8"));
    }
    unescape(raw).map_err(|fault| {
        let (reason, suggestion) = match fault {
            EscapeError::UnterminatedEntity(_) => ("the character & stands alone".to_owned(), "write &amp; for &"),
            EscapeError::UnrecognizedEntity(_, name) => {
                (format!("there is no entity &{};", excerpt(&name)), "only &quot; &amp; &apos; &lt; &gt;; write &amp; for &")
            }
            EscapeError::InvalidCharRef(_) => ("a character reference is wrong".to_owned(), "write the character itself"),
            EscapeError::TooManyNestedEntities => ("too many entities".to_owned(), "write the characters themselves"),
        };
        error("xml.entity", reason).suggest(suggestion)
    })
}
