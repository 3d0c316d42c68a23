//! The schema of XML configuration files: one type per parameter family, one element per place. Children may stand in any order and
//! any number, as the phone reads them.

use std::fmt::Write;

use crate::catalogue::{self, CODECS, LINES, Parameter, ROWS};
use crate::row::{Charset, Format, Range, Row, Span};
use crate::xml::{ROOT, elements};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
<!-- Made from the catalogue by the example program \"generate\" of the crate settings. -->\n\
<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\n";

/// One element, with the parameters that stand on it.
struct Node {
    name: String,
    attributes: Vec<Parameter>,
    aliases: Vec<(String, &'static str)>,
    children: Vec<Node>,
}

impl Node {
    fn new(name: String) -> Node {
        Node { name, attributes: Vec::new(), aliases: Vec::new(), children: Vec::new() }
    }

    fn child(&mut self, name: &str) -> Option<&mut Node> {
        if let Some(at) = self.children.iter().position(|child| child.name == name) {
            return self.children.get_mut(at);
        }
        self.children.push(Node::new(name.to_owned()));
        self.children.last_mut()
    }

    fn add(&mut self, parameter: Parameter) {
        let mut node = self;
        for element in elements(parameter.row) {
            let Some(child) = node.child(&element.replace("[n]", &parameter.number.to_string())) else { return };
            node = child;
        }
        for alias in catalogue::aliases(&parameter) {
            node.aliases.push((alias.to_owned(), parameter.row.name));
        }
        node.attributes.push(parameter);
    }

    fn render(&self, depth: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{indent}<xs:element name=\"{}\">\n{indent}  <xs:complexType>", self.name);
        if !self.children.is_empty() {
            let _ = writeln!(text, "{indent}    <xs:choice minOccurs=\"0\" maxOccurs=\"unbounded\">");
            for child in &self.children {
                child.render(depth.saturating_add(3), text);
            }
            let _ = writeln!(text, "{indent}    </xs:choice>");
        }
        if let Some(kind) = id_type(&self.name) {
            let _ = writeln!(text, "{indent}    <xs:attribute name=\"ID\" type=\"{kind}\"/>");
        }
        let named = self.attributes.iter().map(|parameter| (parameter.name, parameter.row.name));
        for (name, kind) in named.chain(self.aliases.iter().map(|(name, kind)| (name.as_str(), *kind))) {
            let _ = writeln!(text, "{indent}    <xs:attribute name=\"{name}\" type=\"{kind}\"/>");
        }
        let _ = writeln!(text, "{indent}  </xs:complexType>\n{indent}</xs:element>");
    }
}

fn id_type(element: &str) -> Option<&'static str> {
    match element {
        "Line" => Some("LineID"),
        "Button" => Some("ButtonID"),
        "List" => Some("CodecID"),
        _ => None,
    }
}

pub(super) fn schema() -> String {
    let mut root = Node::new(ROOT.to_owned());
    let rows = || ROWS.iter().filter(|row| row.set_by.file);
    rows().flat_map(catalogue::members).for_each(|parameter| root.add(parameter));
    let mut text = HEAD.to_owned();
    root.render(1, &mut text);
    text.push_str(&integers("LineID", "", &[(1, i64::from(LINES))], 1));
    text.push_str(&integers("ButtonID", "", &[(1, 24)], 1));
    text.push_str(&integers("CodecID", "", &CODECS.map(|codec| (i64::from(codec), i64::from(codec))), 1));
    for row in rows() {
        text.push_str(&simple_type(row));
    }
    text.push_str("</xs:schema>\n");
    text
}

fn simple_type(row: &Row) -> String {
    match row.range {
        Range::Flag { .. } => choices(row, &["Y", "N"]),
        Range::Choices(legal) => {
            let values: Vec<&str> = legal.iter().map(|choice| choice.value).collect();
            choices(row, &values)
        }
        Range::Integers { spans, multiple_of } => integers(row.name, row.doc, spans, multiple_of),
        Range::List { max_count, .. } => {
            let more = max_count.saturating_sub(1);
            pattern(row, &format!("[0-9]+(,[0-9]+){{0,{more}}}"))
        }
        Range::Text { min, max, .. } => pattern(row, &text_pattern(row, min, max)),
    }
}

fn wrapped(name: &str, doc: &str, inner: &str) -> String {
    let doc = match doc {
        "" => String::new(),
        doc => format!("    <xs:annotation><xs:documentation>{}</xs:documentation></xs:annotation>\n", escaped(doc)),
    };
    format!("  <xs:simpleType name=\"{name}\">\n{doc}{inner}  </xs:simpleType>\n")
}

fn choices(row: &Row, values: &[&str]) -> String {
    let empty = row.empty_allowed.then_some("");
    let all = values.iter().copied().chain(row.value_aliases.iter().copied()).chain(empty);
    let lines: String = all.map(|value| format!("      <xs:enumeration value=\"{}\"/>\n", escaped(value))).collect();
    wrapped(row.name, row.doc, &format!("    <xs:restriction base=\"xs:string\">\n{lines}    </xs:restriction>\n"))
}

fn integers(name: &str, doc: &str, spans: &[Span], multiple_of: i64) -> String {
    let step = match multiple_of {
        2 => "<xs:pattern value=\"[0-9]*[02468]\"/>",
        5 => "<xs:pattern value=\"[0-9]*[05]\"/>",
        _ => "",
    };
    let one = |&(first, last): &Span| {
        format!(
            "<xs:restriction base=\"xs:integer\"><xs:minInclusive value=\"{first}\"/><xs:maxInclusive value=\"{last}\"/>{step}</xs:restriction>"
        )
    };
    let inner = match spans {
        [only] => format!("    {}\n", one(only)),
        many => {
            let members: String = many.iter().map(|span| format!("      <xs:simpleType>{}</xs:simpleType>\n", one(span))).collect();
            format!("    <xs:union>\n{members}    </xs:union>\n")
        }
    };
    wrapped(name, doc, &inner)
}

fn pattern(row: &Row, pattern: &str) -> String {
    let value = escaped(pattern);
    wrapped(
        row.name,
        row.doc,
        &format!("    <xs:restriction base=\"xs:string\"><xs:pattern value=\"{value}\"/></xs:restriction>\n"),
    )
}

fn text_pattern(row: &Row, min: u16, max: u16) -> String {
    let filled = match row.format {
        Format::TimeOfDay => "([01][0-9]|2[0-3]):[0-5][0-9]".to_owned(),
        Format::FirmwareVersion => "(0[0-9]|1[0-5])\\.[0-9]{3}".to_owned(),
        Format::SipUri => "sip:[^@]{1,63}@[^@]{1,127}".to_owned(),
        Format::Free | Format::Host | Format::IpAddress | Format::SubnetMask | Format::Url | Format::DialPlan => {
            format!("{}{{{},{max}}}", class(row.charset), min.max(1))
        }
    };
    if row.empty_allowed { format!("({filled})?") } else { filled }
}

/// The characters of [`Charset`] as a class of the schema's patterns.
fn class(charset: Charset) -> &'static str {
    match charset {
        Charset::Unicode => "[^\"]",
        Charset::Ascii => "[ !#-~]",
        Charset::Host => "[!#-%(-;=?-~]",
        Charset::Account => "[!#-%(-9;=?-~]",
        Charset::Uri => "[!#-%(-9:=?-~]",
        Charset::Digits => "[0-9]",
        Charset::Dial => "[0-9*#]",
        Charset::Hex => "[0-9a-fA-F]",
        Charset::DialPlan => "[0-9\\[\\]<>:*#!SsTtXx.|+\\-]",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
