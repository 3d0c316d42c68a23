//! What is made from the catalogue for people and their editors: the schema of XML files, commented templates, and the reference of
//! all parameters. Made from the rows alone, so that none of it can say something else than the phone does. The committed copies
//! are in generated/; a test holds them against what is made here.

mod manual;
mod schema;
mod template;

use crate::row::Row;

pub use template::Form;

/// The documents: file name and text.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("UT670_config.xsd", schema()),
        ("template.cfg", template(Form::Plain)),
        ("template.xml", template(Form::Xml)),
        ("parameters.md", manual()),
    ]
}

/// The schema of XML configuration files (B98). It is never stricter than the phone, and in some places more lenient: it does not
/// know what several parameters must not be together.
pub fn schema() -> String {
    schema::schema()
}

/// A configuration file that names every parameter with its default and changes nothing until a line is made active.
pub fn template(form: Form) -> String {
    template::template(form)
}

/// The reference of all parameters, in Markdown.
pub fn manual() -> String {
    manual::manual()
}

/// The rows of one part of the guide after the other, each with its title.
fn by_section() -> Vec<(&'static str, Vec<&'static Row>)> {
    let mut sections: Vec<(&'static str, Vec<&'static Row>)> = Vec::new();
    for row in crate::catalogue::ROWS {
        let title = title(row.section);
        match sections.last_mut() {
            Some((last, rows)) if *last == title => rows.push(row),
            _ => sections.push((title, vec![row])),
        }
    }
    sections
}

/// What a part of the catalogue is about.
fn title(section: &str) -> &'static str {
    match section {
        "5.4.1" => "Accounts",
        "5.4.2" => "Time zone",
        "5.4.3" => "Syslog",
        "5.4.4" => "Firmware update",
        "5.4.5" => "Provisioning",
        "5.5.1" => "Ethernet ports",
        "5.5.2" => "HTTP",
        "5.5.3" => "Time server",
        "5.5.4" => "STUN",
        "5.5.5" => "Network access",
        "5.6.1" => "Calls",
        "5.6.2" => "Tones",
        "5.6.3" => "Telephone",
        "5.6.4" => "Flexible buttons",
        "5.7.1" => "Codecs",
        "5.7.2" => "RTP",
        "5.7.3" => "Further sound settings",
        "5.8.1" => "Calls of a line",
        "5.8.2" => "SIP of a line",
        "4.4.1" => "Basic network settings",
        "4.4.2" => "Link speed",
        "4.4.3" => "HTTP client",
        "4.4.4" => "Global address detection",
        "4.4.5" => "Static NAPT",
        "4.5.1" => "Web language",
        "4.5.4" => "Web server",
        "4.7.1.2" => "Call rejection",
        "4.7.2.3" => "Call features of a line",
        "board" => "Simulated board",
        _ => "On the phone alone",
    }
}

/// The default as people read it.
fn default_text(row: &Row) -> String {
    let quoted = |value: &&str| if value.is_empty() { "empty".to_owned() } else { format!("\"{value}\"") };
    match row.defaults {
        [one] => quoted(one),
        many => many.iter().map(quoted).collect::<Vec<_>>().join(", "),
    }
}

/// The range with its unit.
fn range_text(row: &Row) -> String {
    let unit = row.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let empty = if row.empty_allowed { ", or empty" } else { "" };
    format!("{}{unit}{empty}", row.range_text())
}
