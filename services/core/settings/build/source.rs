//! The form of catalogue/*.toml, and the rows with the defaults of their group filled in.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    group: Vec<Group>,
}

/// Rows that share a section of the guide; what stands here holds for each row that says nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    section: String,
    consumers: Option<Vec<String>>,
    effect: Option<String>,
    pending: Option<String>,
    /// "Tab / Screen"
    screen: Option<String>,
    access: Option<String>,
    scope: Option<String>,
    /// Whether configuration files may set it; true where nothing is said.
    file: Option<bool>,
    phone: Option<bool>,
    row: Vec<SourceRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceRow {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    guide: u32,
    kind: String,
    scope: Option<String>,
    range: Option<String>,
    multiple_of: Option<i64>,
    count: Option<u8>,
    choices: Option<Vec<String>>,
    #[serde(default)]
    value_aliases: Vec<String>,
    labels: Option<(String, String)>,
    min: Option<u16>,
    max: Option<u16>,
    max_bytes: Option<u16>,
    charset: Option<String>,
    format: Option<String>,
    empty: Option<bool>,
    #[serde(default)]
    secret: bool,
    default: OneOrMany,
    phone: Option<bool>,
    /// Whether the line's SIP server may set it.
    #[serde(default)]
    server: bool,
    #[serde(default)]
    web_sets: bool,
    #[serde(default)]
    preset_only: bool,
    /// Elements below the root, with slashes between.
    xml: Option<String>,
    /// [section, label]
    web: Option<(String, String)>,
    web_guide: Option<u32>,
    screen: Option<String>,
    access: Option<String>,
    #[serde(default)]
    inverted: bool,
    consumers: Option<Vec<String>>,
    effect: Option<String>,
    pending: Option<String>,
    #[serde(default)]
    not_pending: bool,
    behind_phone: Option<String>,
    #[serde(default)]
    when_network_closed: bool,
    unit: Option<String>,
    doc: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Global,
    Line,
    CodecLine,
    Button,
    Channel,
    Entry,
}

pub enum Range {
    Flag(String, String),
    Integers(Vec<(i64, i64)>, i64),
    Choices(Vec<(String, String)>),
    Text { min: u16, max: u16, max_bytes: Option<u16> },
    List(Vec<(i64, i64)>, u8),
}

pub struct Web {
    pub tab: String,
    pub screen: String,
    pub section: String,
    pub label: String,
    pub access: String,
    pub inverted: bool,
    pub guide: u32,
}

/// Where it stands in XML files.
pub struct Xml {
    /// Elements from below the root down to the one that holds `element`.
    pub path: Vec<String>,
    pub element: String,
    pub attribute: String,
}

/// A complete row.
pub struct Row {
    pub name: String,
    pub aliases: Vec<String>,
    pub scope: Scope,
    pub kind: String,
    pub range: Range,
    pub value_aliases: Vec<String>,
    pub charset: String,
    pub format: String,
    pub defaults: Vec<String>,
    pub empty: bool,
    pub secret: bool,
    pub set_by: (bool, bool, bool),
    pub set_by_server: bool,
    pub xml: Option<Xml>,
    pub web: Option<Web>,
    pub consumers: Vec<String>,
    pub effect: String,
    pub pending: Option<String>,
    pub behind_phone: Option<String>,
    pub when_network_closed: bool,
    pub unit: Option<String>,
    pub doc: String,
    pub section: String,
    pub guide: u32,
}

impl File {
    pub fn rows(self) -> Result<Vec<Row>, String> {
        let mut rows = Vec::new();
        for group in self.group {
            let Group { section, consumers, effect, pending, screen, access, scope, file, phone, row } = group;
            let shared = Shared { section, consumers, effect, pending, screen, access, scope, file: file.unwrap_or(true), phone };
            for one in row {
                let name = one.name.clone();
                rows.push(complete(one, &shared).map_err(|error| format!("{name}: {error}"))?);
            }
        }
        Ok(rows)
    }
}

struct Shared {
    section: String,
    consumers: Option<Vec<String>>,
    effect: Option<String>,
    pending: Option<String>,
    screen: Option<String>,
    access: Option<String>,
    scope: Option<String>,
    file: bool,
    phone: Option<bool>,
}

fn complete(row: SourceRow, shared: &Shared) -> Result<Row, String> {
    let scope = scope(&row.name, row.scope.as_deref().or(shared.scope.as_deref()))?;
    let range = range(&row)?;
    let charset = row.charset.clone().unwrap_or_else(|| charset_of(row.format.as_deref()).to_owned());
    let web = web(&row, shared)?;
    let is_text = matches!(range, Range::Text { min: 0, .. });
    let phone = row.phone.or(shared.phone).unwrap_or(false);
    let set_by = if row.preset_only { (false, false, false) } else { (shared.file, web.is_some() || row.web_sets, phone) };
    let xml = row.xml.as_deref().map(|place| xml(place, attribute(&row.name, scope)));
    let pending = if row.not_pending { None } else { row.pending.or_else(|| shared.pending.clone()) };
    Ok(Row {
        aliases: row.aliases,
        scope,
        kind: row.kind,
        range,
        value_aliases: row.value_aliases,
        charset,
        format: row.format.unwrap_or_else(|| "free".to_owned()),
        defaults: match row.default {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        },
        empty: row.empty.unwrap_or(is_text),
        secret: row.secret,
        set_by,
        set_by_server: row.server,
        xml,
        web,
        consumers: row.consumers.or_else(|| shared.consumers.clone()).ok_or("no consumers")?,
        effect: row.effect.or_else(|| shared.effect.clone()).ok_or("no effect")?,
        pending,
        behind_phone: row.behind_phone,
        when_network_closed: row.when_network_closed,
        unit: row.unit,
        doc: row.doc,
        section: shared.section.clone(),
        guide: row.guide,
        name: row.name,
    })
}

/// The small letters of a name say how it is numbered; they must agree with a scope that is named.
fn scope(name: &str, named: Option<&str>) -> Result<Scope, String> {
    let small: String = name.chars().filter(char::is_ascii_lowercase).collect();
    let scope = match (small.as_str(), named) {
        ("", None) => Scope::Global,
        ("n", None) => Scope::Line,
        ("xn", Some("codec x line")) => Scope::CodecLine,
        ("x", Some("button")) => Scope::Button,
        ("x", Some("channel")) => Scope::Channel,
        ("x", Some("entry")) => Scope::Entry,
        _ => return Err(format!("the small letters \"{small}\" do not go with the scope {named:?}")),
    };
    Ok(scope)
}

fn range(row: &SourceRow) -> Result<Range, String> {
    if let Some(choices) = &row.choices {
        let pair = |text: &String| match text.split_once(':') {
            Some((value, label)) => (value.to_owned(), label.to_owned()),
            None => (text.clone(), text.clone()),
        };
        return Ok(Range::Choices(choices.iter().map(pair).collect()));
    }
    match row.kind.as_str() {
        "boolean" => {
            let (yes, no) = row.labels.clone().unwrap_or_else(|| ("Yes".to_owned(), "No".to_owned()));
            Ok(Range::Flag(yes, no))
        }
        "integer" => Ok(Range::Integers(spans(row.range.as_deref())?, row.multiple_of.unwrap_or(1))),
        "comma-separated integer" => Ok(Range::List(spans(row.range.as_deref())?, row.count.ok_or("no count")?)),
        "string" => Ok(Range::Text { min: row.min.unwrap_or(0), max: row.max.ok_or("no max")?, max_bytes: row.max_bytes }),
        other => Err(format!("no such kind: {other}")),
    }
}

/// "0, 60..65535"
fn spans(text: Option<&str>) -> Result<Vec<(i64, i64)>, String> {
    let number = |text: &str| text.trim().parse::<i64>().map_err(|error| format!("\"{text}\": {error}"));
    let one = |part: &str| match part.split_once("..") {
        Some((first, last)) => Ok((number(first)?, number(last)?)),
        None => number(part).map(|only| (only, only)),
    };
    text.ok_or("no range")?.split(',').map(one).collect()
}

fn charset_of(format: Option<&str>) -> &'static str {
    match format {
        Some("host" | "ip-address" | "subnet-mask") => "host",
        Some("sip-uri") => "uri",
        Some("dial-plan") => "dial-plan",
        _ => "ascii",
    }
}

fn web(row: &SourceRow, shared: &Shared) -> Result<Option<Web>, String> {
    let Some((section, label)) = row.web.clone() else {
        return if row.inverted { Err("inverted without a web field".to_owned()) } else { Ok(None) };
    };
    let screen = row.screen.clone().or_else(|| shared.screen.clone()).ok_or("a web field without a screen")?;
    let (tab, screen) = screen.split_once(" / ").ok_or("a screen is \"Tab / Screen\"")?;
    let guide = row.web_guide.ok_or("a web field without web_guide")?;
    let access = row.access.clone().or_else(|| shared.access.clone()).unwrap_or_else(|| "administrator".to_owned());
    Ok(Some(Web { tab: tab.to_owned(), screen: screen.to_owned(), section, label, access, inverted: row.inverted, guide }))
}

/// "Dev/Time/NTPServer1"
fn xml(place: &str, attribute: String) -> Xml {
    let mut path: Vec<String> = place.split('/').map(str::to_owned).collect();
    let element = path.pop().unwrap_or_default();
    Xml { path, element, attribute }
}

fn attribute(name: &str, scope: Scope) -> String {
    let codec = if scope == Scope::CodecLine { "[y]" } else { "[x]" };
    name.replace('n', "[n]").replace('x', codec)
}
