//! The fields of a settings screen, generated from the catalogue, and what a submitted form says about them.
//!
//! It must not save anything, and it never holds the value of a secret: a secret's field is always empty, and an untouched one
//! keeps the value.

use std::collections::BTreeMap;

use agreements::{Diagnosis, MASK};
use settings::Parameter;
use settings::catalogue;
use settings::row::{Charset, Format, Kind, Range};
use settings::value;

use crate::login::Account;
use crate::menu::Place;

/// Prefix of the check box that removes a secret.
const REMOVE: &str = "remove:";

/// What the person sees and turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Exactly one of these: (value, label).
    Radio(Vec<(&'static str, &'static str)>),
    /// One of many.
    Select(Vec<(&'static str, &'static str)>),
    /// Digits.
    Number,
    /// One line of text.
    Text,
    /// Several lines' worth of text.
    LongText,
    /// A password: whether there is one now, and whether it may be removed.
    Secret {
        /// One is set.
        set: bool,
        /// The empty value is legal.
        removable: bool,
    },
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Canonical name; also the field's name in the form.
    pub name: &'static str,
    /// What it is called on the screen.
    pub label: String,
    /// How it is set.
    pub control: Control,
    /// What stands in it; empty for a secret.
    pub value: String,
    /// What may stand in it, for people.
    pub hint: String,
    /// What it is for, for people.
    pub doc: String,
    /// Why the value was refused; empty when it was not.
    pub error: String,
    /// It is stored, but nothing comes of it in this version.
    pub pending: bool,
}

/// Fields under one title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The guide's title.
    pub title: &'static str,
    /// In order.
    pub fields: Vec<Field>,
}

/// What a person has sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// New values only: parameter to value in file notation.
    pub changes: BTreeMap<&'static str, String>,
    /// Parameter to why it is refused.
    pub errors: BTreeMap<&'static str, String>,
    /// What was typed, to be shown again; no secrets.
    typed: BTreeMap<&'static str, String>,
}

/// The sections of a screen with the effective values, as this account sees them.
pub fn sections(place: &Place, account: Account, values: &BTreeMap<String, String>) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for parameter in place.parameters(account) {
        let Some(web) = parameter.row.web else { continue };
        let field = field(&parameter, effective(&parameter, values));
        match sections.iter_mut().find(|section| section.title == web.section) {
            Some(section) => section.fields.push(field),
            None => sections.push(Section { title: web.section, fields: vec![field] }),
        }
    }
    sections
}

/// The effective value, or the factory default where the snapshot has none.
pub fn effective<'v>(parameter: &Parameter, values: &'v BTreeMap<String, String>) -> &'v str {
    values.get(parameter.name).map_or_else(|| parameter.default(), String::as_str)
}

/// Reads a submitted form: only parameters of this screen that the account may see are looked at.
pub fn read(place: &Place, account: Account, values: &BTreeMap<String, String>, sent: &BTreeMap<String, String>) -> Submission {
    let mut submission = Submission::default();
    for parameter in place.parameters(account) {
        let Some(new) = sent_value(&parameter, sent) else { continue };
        if !parameter.row.secret {
            submission.typed.insert(parameter.name, new.clone());
            if new == effective(&parameter, values) {
                continue;
            }
        }
        match value::check(&parameter, &new) {
            Ok(()) => drop(submission.changes.insert(parameter.name, new)),
            Err(diagnosis) => drop(submission.errors.insert(parameter.name, in_words(&diagnosis))),
        }
    }
    submission
}

impl Submission {
    /// The sections again, as they were filled in, with what is wrong beside each field.
    pub fn show_in(&self, sections: &mut [Section]) {
        for field in sections.iter_mut().flat_map(|section| &mut section.fields) {
            if let Some(typed) = self.typed.get(field.name) {
                field.value.clone_from(typed);
            }
            if let Some(error) = self.errors.get(field.name) {
                field.error.clone_from(error);
            }
        }
    }

    /// Takes in what provisioning-agent refused. Returns what concerns no field of this screen.
    pub fn refuse(&mut self, diagnoses: &[Diagnosis], place: &Place, account: Account) -> Vec<String> {
        let here = place.parameters(account);
        let mut elsewhere = Vec::new();
        for diagnosis in diagnoses {
            match here.iter().find(|parameter| parameter.name == diagnosis.name) {
                Some(parameter) => drop(self.errors.insert(parameter.name, in_words(diagnosis))),
                None => elsewhere.push(in_words(diagnosis)),
            }
        }
        elsewhere
    }
}

/// Reason and suggestion as sentences, with the parameters called as the screens call them.
pub fn in_words(diagnosis: &Diagnosis) -> String {
    let mut text = sentence(&diagnosis.reason);
    if !diagnosis.suggestion.is_empty() {
        text.push(' ');
        text.push_str(&sentence(&diagnosis.suggestion));
    }
    with_labels(&text)
}

/// A parameter as people know it: "Source Port [Line 2]".
pub fn label_of(parameter: &Parameter) -> String {
    let label = parameter.web_label().unwrap_or_else(|| parameter.name.to_owned());
    let per_line = parameter.row.web.is_some_and(|web| web.screen.ends_with("[Line n]"));
    if per_line { format!("{label} [Line {}]", parameter.number) } else { label }
}

fn with_labels(text: &str) -> String {
    let word = |word: &str| {
        let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        match catalogue::parameter(name).filter(|parameter| name.contains('_') && parameter.row.web.is_some()) {
            Some(parameter) => word.replacen(name, &label_of(&parameter), 1),
            None => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let looks_like_name = text.split(' ').next().is_some_and(|word| word.contains('_'));
    if looks_like_name { format!("{}.", text.trim_end_matches('.')) } else { format!("{first}{}.", letters.as_str()) }
}

/// What was sent for this parameter; none when nothing was, or when a secret was left alone.
fn sent_value(parameter: &Parameter, sent: &BTreeMap<String, String>) -> Option<String> {
    let typed = sent.get(parameter.name)?;
    if parameter.row.secret && typed.is_empty() {
        return sent.contains_key(&remove_name(parameter.name)).then(String::new);
    }
    Some(match (parameter.row.kind, parameter.row.format) {
        (Kind::Integer | Kind::IntegerList | Kind::Boolean, _) => typed.trim().to_owned(),
        (Kind::String, Format::DialPlan) => typed.split_whitespace().collect(),
        (Kind::String, _) => typed.clone(),
    })
}

/// Name of the check box that removes a secret.
pub fn remove_name(name: &str) -> String {
    format!("{REMOVE}{name}")
}

fn field(parameter: &Parameter, value: &str) -> Field {
    Field {
        name: parameter.name,
        label: parameter.web_label().unwrap_or_else(|| parameter.name.to_owned()),
        control: control(parameter, value),
        value: if parameter.row.secret { String::new() } else { value.to_owned() },
        hint: hint(parameter),
        doc: without_citations(parameter.row.doc),
        error: String::new(),
        pending: parameter.row.pending.is_some(),
    }
}

fn control(parameter: &Parameter, value: &str) -> Control {
    let row = parameter.row;
    if row.secret {
        debug_assert!(value.is_empty() || value == MASK || row.consumers.contains(&"web-ui"));
        return Control::Secret { set: !value.is_empty(), removable: row.empty_allowed };
    }
    match row.range {
        // The inverse of the flag is shown by swapping the values behind the labels (C3).
        Range::Flag { yes, no } if row.web.is_some_and(|web| web.inverted) => Control::Radio(vec![("N", yes), ("Y", no)]),
        Range::Flag { yes, no } => Control::Radio(vec![("Y", yes), ("N", no)]),
        Range::Choices(choices) => {
            let options: Vec<_> = choices.iter().map(|choice| (choice.value, choice.label)).collect();
            if options.len() <= 3 { Control::Radio(options) } else { Control::Select(options) }
        }
        Range::Integers { .. } => Control::Number,
        Range::Text { .. } if row.format == Format::DialPlan => Control::LongText,
        Range::Text { .. } | Range::List { .. } => Control::Text,
    }
}

fn hint(parameter: &Parameter) -> String {
    let row = parameter.row;
    let range = match row.range {
        Range::Flag { .. } => return String::new(),
        Range::Choices(_) => return row.unit.map(capital).unwrap_or_default(),
        Range::Integers { .. } | Range::List { .. } => row.range_text(),
        Range::Text { .. } => capital(&row.range_text()),
    };
    let with_unit = match row.unit {
        Some(unit) => format!("{range} {unit}"),
        None => range,
    };
    let characters = match row.charset {
        Charset::Unicode => ", Unicode allowed",
        Charset::Account => ", except \" & ' : < > and space",
        Charset::Uri => ", except \" & ' ; < > and space",
        Charset::Host => ", except \" & ' < > and space",
        Charset::Ascii | Charset::Digits | Charset::Dial | Charset::DialPlan | Charset::Hex => "",
    };
    format!("{with_unit}{characters}")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default() + letters.as_str()
}

/// The catalogue's description without its references to behaviours and decisions: `(B165, C3)`.
fn without_citations(doc: &str) -> String {
    let mut text = String::new();
    let mut rest = doc;
    while let Some((before, after)) = rest.split_once(" (") {
        let (inner, tail) = after.split_once(')').unwrap_or((after, ""));
        text.push_str(before);
        if !inner.split([',', ' ']).filter(|word| !word.is_empty()).all(is_citation) {
            text.push_str(&format!(" ({inner})"));
        }
        rest = tail;
    }
    text + rest
}

fn is_citation(word: &str) -> bool {
    let number = word.strip_prefix(['B', 'C']);
    word == "to"
        || word == "and"
        || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
