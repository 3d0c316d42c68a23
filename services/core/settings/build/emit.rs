//! Writes the tables: ROWS, one per family, and PARAMETERS, one per concrete name, sorted for look-up.

use std::fmt::Write;

use crate::source::{Range, Row, Scope, Web, Xml};

const CODECS: [u8; 4] = [0, 1, 3, 4];

pub fn tables(rows: &[Row]) -> String {
    let mut text = String::from("/// Every family, in the order of the guide.\npub static ROWS: &[Row] = &[\n");
    for row in rows {
        text.push_str(&one(row));
    }
    text.push_str("];\n\n");
    text.push_str(&parameters(rows));
    text
}

fn one(row: &Row) -> String {
    let range = range(&row.range);
    let mut text = String::new();
    let mut field = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "        {name}: {value},");
    };
    field("name", format!("{:?}", row.name));
    field("aliases", strings(&row.aliases));
    field("scope", format!("Scope::{}", scope(row.scope)));
    field("kind", format!("Kind::{}", kind(&row.kind)));
    field("range", range);
    field("value_aliases", strings(&row.value_aliases));
    field("charset", format!("Charset::{}", camel(&row.charset)));
    field("format", format!("Format::{}", camel(&row.format)));
    field("defaults", strings(&row.defaults));
    field("empty_allowed", row.empty.to_string());
    field("secret", row.secret.to_string());
    let (file, web, phone) = row.set_by;
    let server = row.set_by_server;
    field("set_by", format!("SetBy {{ file: {file}, web: {web}, phone: {phone}, server: {server} }}"));
    field("xml", option(&row.xml, xml_place));
    field("web", option(&row.web, web_field));
    field("consumers", strings(&row.consumers));
    field("effect", format!("Effect::{}", camel(&row.effect)));
    field("pending", option(&row.pending, |area| format!("{area:?}")));
    field("stands", stands(row));
    field("unit", option(&row.unit, |unit| format!("{unit:?}")));
    field("doc", format!("{:?}", row.doc));
    field("section", format!("{:?}", row.section));
    field("guide", row.guide.to_string());
    format!("    Row {{\n{text}    }},\n")
}

fn strings(list: &[String]) -> String {
    format!("&{list:?}")
}

fn option<T>(value: &Option<T>, show: impl Fn(&T) -> String) -> String {
    value.as_ref().map_or_else(|| "None".to_owned(), |inner| format!("Some({})", show(inner)))
}

fn xml_place(xml: &Xml) -> String {
    let Xml { path, element, attribute } = xml;
    format!("Xml {{ path: {}, element: {element:?}, attribute: {attribute:?} }}", strings(path))
}

fn web_field(web: &Web) -> String {
    let Web { tab, screen, section, label, access, inverted, guide } = web;
    let access = camel(access);
    format!(
        "Web {{ tab: {tab:?}, screen: {screen:?}, section: {section:?}, label: {label:?}, access: Access::{access}, inverted: {inverted}, guide: {guide} }}"
    )
}

fn stands(row: &Row) -> String {
    match (&row.behind_phone, row.when_network_closed) {
        (Some(group), _) => format!("Stands::BehindPhone({group:?})"),
        (None, true) => "Stands::WhenNetworkClosed".to_owned(),
        (None, false) => "Stands::Ordinary".to_owned(),
    }
}

fn range(range: &Range) -> String {
    match range {
        Range::Flag(yes, no) => format!("Range::Flag {{ yes: {yes:?}, no: {no:?} }}"),
        Range::Integers(spans, step) => format!("Range::Integers {{ spans: &{spans:?}, multiple_of: {step} }}"),
        Range::Choices(choices) => {
            let one = |(value, label): &(String, String)| format!("Choice {{ value: {value:?}, label: {label:?} }}");
            format!("Range::Choices(&[{}])", choices.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Range::Text { min, max, max_bytes } => format!("Range::Text {{ min: {min}, max: {max}, max_bytes: {max_bytes:?} }}"),
        Range::List(spans, count) => format!("Range::List {{ spans: &{spans:?}, max_count: {count} }}"),
    }
}

fn kind(kind: &str) -> &'static str {
    match kind {
        "integer" => "Integer",
        "boolean" => "Boolean",
        "comma-separated integer" => "IntegerList",
        _ => "String",
    }
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "Global",
        Scope::Line => "Line",
        Scope::CodecLine => "CodecLine",
        Scope::Button => "Button",
        Scope::Channel => "Channel",
        Scope::Entry => "Entry",
    }
}

/// "next call", "ip-address" -> NextCall, IpAddress
fn camel(text: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    text.split(['-', ' ']).map(word).collect()
}

/// Concrete names with (family, codec, number), aliases marked by their canonical name.
fn parameters(rows: &[Row]) -> String {
    let mut names: Vec<(String, String, usize, u8, u8)> = Vec::new();
    for (position, row) in rows.iter().enumerate() {
        for (codec, number) in indices(row.scope) {
            let canonical = concrete(&row.name, codec, number);
            for family in std::iter::once(&row.name).chain(&row.aliases) {
                names.push((concrete(family, codec, number), canonical.clone(), position, codec, number));
            }
        }
    }
    names.sort();
    let mut text = String::from("pub static PARAMETERS: &[Entry] = &[\n");
    for (name, canonical, row, codec, number) in names {
        let _ = writeln!(
            text,
            "    Entry {{ spelling: {name:?}, parameter: Parameter {{ name: {canonical:?}, row: &ROWS[{row}], codec: {codec}, number: {number} }} }},"
        );
    }
    text.push_str("];\n");
    text
}

fn indices(scope: Scope) -> Vec<(u8, u8)> {
    let numbered = |last: u8| (1..=last).map(|number| (0, number)).collect();
    match scope {
        Scope::Global => vec![(0, 0)],
        Scope::Line => numbered(6),
        Scope::Button => numbered(24),
        Scope::Channel => numbered(25),
        Scope::Entry => numbered(30),
        Scope::CodecLine => CODECS.iter().flat_map(|codec| (1..=6).map(|line| (*codec, line))).collect(),
    }
}

fn concrete(family: &str, codec: u8, number: u8) -> String {
    let first = if family.contains('n') { codec } else { number };
    family.replace('x', &first.to_string()).replace('n', &number.to_string())
}
