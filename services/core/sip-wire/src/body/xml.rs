//! XML as the packages use it: one small tree of elements, names without their prefixes, text without entities. Document types
//! and entities of a body's own are refused and ignored, so that nothing grows beyond the octets that came.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::limits;
use crate::Syntax;

/// An element with what stands in it.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// Without its prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// An attribute's value; prefixes do not count.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
    /// The text that stands directly in it, without blanks around.
    pub fn text(&self) -> &str {
        self.text.trim()
    }
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
    /// All children of that name.
    pub fn children<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element> {
        self.children.iter().filter(move |child| child.name == name)
    }
    /// The text of the first child of that name; "" where there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map(Element::text).unwrap_or_default()
    }
}

/// Reads a document: its root.
pub(super) fn read(octets: &[u8]) -> Result<Element, Syntax> {
    if octets.len() > limits::OCTETS {
        return Err(Syntax("XML too large"));
    }
    let text = String::from_utf8_lossy(octets);
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}').trim());
    reader.config_mut().allow_dangling_amp = true;
    let mut tree = Tree::default();
    loop {
        match reader.read_event() {
            Err(_) => return Err(Syntax("XML not well-formed")),
            Ok(Event::Eof) => return tree.root.ok_or(Syntax("XML without an end")),
            Ok(event) => tree.take(event)?,
        }
    }
}

/// A document as it is read.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    count: usize,
    root: Option<Element>,
}

impl Tree {
    fn take(&mut self, event: Event<'_>) -> Result<(), Syntax> {
        match event {
            Event::Start(start) => {
                let element = self.element(&start)?;
                if self.open.len() >= limits::DEPTH {
                    return Err(Syntax("XML too deep"));
                }
                self.open.push(element);
            }
            Event::Empty(start) => {
                let element = self.element(&start)?;
                self.close(element);
            }
            Event::End(_) => {
                if let Some(element) = self.open.pop() {
                    self.close(element);
                }
            }
            Event::Text(text) => self.say(&text),
            Event::CData(text) => self.say(&text),
            Event::GeneralRef(reference) => self.refer(&reference),
            Event::DocType(_) => return Err(Syntax("XML with a document type")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<Element, Syntax> {
        self.count = self.count.saturating_add(1);
        if self.count > limits::ELEMENTS {
            return Err(Syntax("too many XML elements"));
        }
        if self.root.is_some() {
            return Err(Syntax("XML with two roots"));
        }
        let mut attributes = start.attributes();
        let attributes = attributes.with_checks(false).take(limits::ATTRIBUTES).filter_map(|attribute| {
            let attribute = attribute.ok()?;
            let value = unescape(&attribute.value).ok()?.into_owned();
            Some((local(attribute.key.as_ref()).to_owned(), value))
        });
        let name = local(start.name().as_ref()).to_owned();
        Ok(Element { name, attributes: attributes.collect(), ..Element::default() })
    }

    fn close(&mut self, element: Element) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    /// One of the five entities or a character; others are not known and say nothing.
    fn refer(&mut self, reference: &BytesRef<'_>) {
        if let Ok(Some(character)) = reference.resolve_char_ref() {
            self.say(character.encode_utf8(&mut [0; 4]));
        } else if let Some(text) = resolve_predefined_entity(reference) {
            self.say(text);
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// true, 1, yes; false, 0, no.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// Appends `<name>text</name>`; what XML 1.0 cannot say is left out.
pub(super) fn write(out: &mut String, name: &str, text: &str) {
    let sayable: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    for piece in ["<", name, ">", &quick_xml::escape::escape(sayable), "</", name, ">"] {
        out.push_str(piece);
    }
}
