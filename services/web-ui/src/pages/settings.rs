//! A settings screen: the result of the last save, the sections, Save and Cancel.

use maud::{Markup, html};

use super::heading;
use crate::form::{Control, Field, Section, remove_name};
use crate::menu::Place;
use crate::saved::Progress;

/// Longest value that a narrow field shows whole.
const NARROW: usize = 12;

/// What became of a save, in the guide's words (4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultMessage {
    /// B149
    Complete,
    /// B150
    ParameterError,
    /// B151
    MemoryAccessFailure,
    /// B152
    TransferFailure,
    /// B153
    Busy,
}

impl ResultMessage {
    /// As it stands on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            ResultMessage::Complete => "Complete",
            ResultMessage::ParameterError => "Failed (Parameter Error)",
            ResultMessage::MemoryAccessFailure => "Failed (Memory Access Failure)",
            ResultMessage::TransferFailure => "Failed (Transfer Failure)",
            ResultMessage::Busy => "Failed (Busy)",
        }
    }
}

/// What stands in the upper left after a save (B154).
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The message.
    pub message: Option<ResultMessage>,
    /// What else is to be said about it.
    pub details: Vec<String>,
    /// How far the saved change has come: revision, progress, sentence.
    pub saved: Option<(u64, Progress, String)>,
}

/// What the form carries besides its fields.
pub struct Hidden<'a> {
    /// Proves that the form comes from this session's page.
    pub token: &'a str,
    /// The revision of the values in it.
    pub revision: u64,
}

/// The screen.
pub fn screen(place: &Place, sections: &[Section], outcome: &Outcome, hidden: &Hidden<'_>) -> Markup {
    let path = place.path();
    html! {
        (result(outcome, sections))
        (heading(&place.title(), None))
        form.settings method="post" action=(path) autocomplete="off" novalidate {
            input type="hidden" name="token" value=(hidden.token);
            input type="hidden" name="revision" value=(hidden.revision);
            @for section in sections { (section_of(section)) }
            div.actions {
                button.primary type="submit" { "Save" }
                a.button href=(path) { "Cancel" }
            }
        }
    }
}

/// The result message, what is wrong where, and the live line.
pub fn result(outcome: &Outcome, sections: &[Section]) -> Markup {
    let Some(message) = outcome.message else {
        return html! {};
    };
    let complete = message == ResultMessage::Complete;
    let wrong: Vec<&Field> = sections.iter().flat_map(|section| &section.fields).filter(|field| !field.error.is_empty()).collect();
    html! {
        div.result.complete[complete].failed[!complete] role=(if complete { "status" } else { "alert" }) {
            p.message #result { (message.as_str()) }
            @for detail in &outcome.details { p { (detail) } }
            @if !wrong.is_empty() {
                ul {
                    @for field in wrong { li { a href={ "#" (field.name) } { (field.label) } ": " (field.error) } }
                }
            }
            @if let Some((revision, progress, text)) = &outcome.saved {
                p.saved #saved data-revision=(revision) data-progress=(progress.as_str()) role="status" { (text) }
            }
        }
    }
}

fn section_of(section: &Section) -> Markup {
    html! {
        section.card {
            h2 { (section.title) }
            @for field in &section.fields { (field_of(field)) }
        }
    }
}

fn field_of(field: &Field) -> Markup {
    let wrong = !field.error.is_empty();
    let group = matches!(field.control, Control::Radio(_));
    html! {
        div.field.wrong[wrong] role=[group.then_some("radiogroup")] aria-labelledby=[group.then(|| label_id(field))] {
            @if group {
                span.label id=(label_id(field)) { (field.label) }
            } @else {
                label.label id=(label_id(field)) for=(field.name) { (field.label) }
            }
            div.control {
                (control(field, wrong))
                @if wrong { p.error id=(error_id(field)) { (field.error) } }
                div.meta {
                    @if field.pending { span.pending { "Stored, no effect in this version" } }
                    @if !field.hint.is_empty() { span.hint id=(hint_id(field)) { (field.hint) } }
                    @if !field.doc.is_empty() { details.doc { summary aria-label={ "About " (field.label) } { "About" } p { (field.doc) } } }
                }
            }
        }
    }
}

fn control(field: &Field, wrong: bool) -> Markup {
    let described = described_by(field, wrong);
    let invalid = wrong.then_some("true");
    match &field.control {
        Control::Radio(options) => radio(field, options),
        Control::Select(options) => html! {
            select id=(field.name) name=(field.name) aria-describedby=[described] aria-invalid=[invalid] {
                @for (value, label) in options { option value=(value) selected[*value == field.value] { (label) } }
            }
        },
        Control::Number => html! {
            input.number type="text" inputmode="numeric" id=(field.name) name=(field.name) value=(field.value)
                aria-describedby=[described] aria-invalid=[invalid];
        },
        Control::Text => html! {
            input type="text" id=(field.name) name=(field.name) value=(field.value) spellcheck="false"
                aria-describedby=[described] aria-invalid=[invalid];
        },
        Control::LongText => html! {
            textarea id=(field.name) name=(field.name) rows="4" spellcheck="false" aria-describedby=[described]
                aria-invalid=[invalid] { (field.value) }
        },
        Control::Secret { set, removable } => secret(field, *set, *removable, wrong),
    }
}

fn radio(field: &Field, options: &[(&'static str, &'static str)]) -> Markup {
    let side_by_side = options.iter().all(|(_, label)| label.len() <= NARROW);
    html! {
        div.choices.row[side_by_side] id=(field.name) tabindex="-1" {
            @for (value, label) in options {
                label.choice {
                    input type="radio" name=(field.name) value=(value) checked[*value == field.value];
                    span { (label) }
                }
            }
        }
    }
}

fn secret(field: &Field, set: bool, removable: bool, wrong: bool) -> Markup {
    html! {
        input type="password" id=(field.name) name=(field.name) value="" autocomplete="new-password"
            placeholder=(if set { "set" } else { "not set" })
            aria-describedby=[described_by(field, wrong)] aria-invalid=[wrong.then_some("true")];
        p.hint {
            @if set { "A password is set. Leave the field empty to keep it." } @else { "No password is set." }
        }
        @if set && removable {
            label.choice {
                input type="checkbox" name=(remove_name(field.name));
                span { "Remove the password" }
            }
        }
    }
}

fn label_id(field: &Field) -> String {
    format!("{}-label", field.name)
}

fn hint_id(field: &Field) -> String {
    format!("{}-hint", field.name)
}

fn error_id(field: &Field) -> String {
    format!("{}-error", field.name)
}

fn described_by(field: &Field, wrong: bool) -> Option<String> {
    let error = wrong.then(|| error_id(field));
    let hint = (!field.hint.is_empty()).then(|| hint_id(field));
    let ids: Vec<String> = error.into_iter().chain(hint).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}
