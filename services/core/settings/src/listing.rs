//! The catalogue and findings in the forms that scripts read: `phonectl settings list` and `phonectl config lint`. The field
//! names are a promise.

use agreements::{Diagnosis, MASK};
use serde::Serialize;

use crate::catalogue::ROWS;
use crate::row::Row;

/// One element of `settings list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Family {
    /// As in the guide's table of contents: `SIP_SRC_PORT_n`, `CODEC_ENABLEx_n`.
    pub name: &'static str,
    /// global, line, codec x line, button, channel, entry
    pub scope: &'static str,
    /// integer, boolean, string, comma-separated integer
    pub kind: &'static str,
    /// As people read it.
    pub range: String,
    /// A string, or a list where lines differ. Masked where it is secret and set.
    pub default: Default,
    /// Whether NAME="" is legal.
    pub empty_allowed: bool,
    /// Whether it is masked everywhere.
    pub secret: bool,
    /// file, web, phone
    pub set_by: Vec<&'static str>,
    /// In XML files, or null.
    pub xml: Option<XmlPlace>,
    /// In the web interface, or null.
    pub web: Option<WebPlace>,
    /// none, live, next call, re-register, restart service, restart unit
    pub effect: &'static str,
    /// The area that will give it its effect, or null.
    pub pending: Option<&'static str>,
    /// One or two sentences.
    pub doc: &'static str,
}

/// One default for all, or one per line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Default {
    /// The same everywhere.
    One(&'static str),
    /// By line.
    PerLine(Vec<&'static str>),
}

/// Where it stands in an XML file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct XmlPlace {
    /// Element.
    pub element: &'static str,
    /// Attribute.
    pub attribute: &'static str,
}

/// Where it stands in the web interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebPlace {
    /// Tab.
    pub tab: &'static str,
    /// Menu item.
    pub screen: &'static str,
    /// Section title.
    pub section: &'static str,
    /// Field label.
    pub label: &'static str,
    /// user (both accounts) or administrator
    pub access: &'static str,
}

/// One element of `config lint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// File name.
    pub file: String,
    /// From 1; 0: the whole file.
    pub line: u32,
    /// From 1; 0: the whole line.
    pub column: u32,
    /// Stable and dotted.
    pub code: String,
    /// Parameter, or empty.
    pub name: String,
    /// note, warning, error
    pub severity: &'static str,
    /// What is wrong.
    pub reason: String,
    /// How to mend it.
    pub suggestion: String,
}

/// `settings list`: every family, in the order of the catalogue.
pub fn families() -> Vec<Family> {
    ROWS.iter().map(family).collect()
}

/// `config lint`: the findings of files.
pub fn findings(diagnoses: &[Diagnosis]) -> Vec<Finding> {
    let one = |diagnosis: &Diagnosis| Finding {
        file: diagnosis.file.clone(),
        line: diagnosis.line,
        column: diagnosis.column,
        code: diagnosis.code.clone(),
        name: diagnosis.name.clone(),
        severity: diagnosis.severity.as_str(),
        reason: diagnosis.reason.clone(),
        suggestion: diagnosis.suggestion.clone(),
    };
    diagnoses.iter().map(one).collect()
}

fn family(row: &'static Row) -> Family {
    let shown = |value: &&'static str| if row.secret && !value.is_empty() { MASK } else { *value };
    let default = match row.defaults {
        [one] => Default::One(shown(one)),
        many => Default::PerLine(many.iter().map(shown).collect()),
    };
    Family {
        name: row.name,
        scope: row.scope.as_str(),
        kind: row.kind.as_str(),
        range: row.range_text(),
        default,
        empty_allowed: row.empty_allowed,
        secret: row.secret,
        set_by: row.set_by.names(),
        xml: row.xml.map(|xml| XmlPlace { element: xml.element, attribute: xml.attribute }),
        web: row.web.map(|web| WebPlace {
            tab: web.tab,
            screen: web.screen,
            section: web.section,
            label: web.label,
            access: web.access.as_str(),
        }),
        effect: row.effect.as_str(),
        pending: row.pending,
        doc: row.doc,
    }
}
