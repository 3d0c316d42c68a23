//! Commented templates. Every setting stands in a comment: whoever uses one makes active what is to be set, and nothing else changes.

use super::{default_text, range_text};
use crate::catalogue::{self, Parameter, ROWS};
use crate::file::Entry;
use crate::{plain, xml};

pub use crate::file::Form;

pub(super) fn template(form: Form) -> String {
    let members = ROWS.iter().filter(|row| row.set_by.file).flat_map(|row| catalogue::members(row).enumerate());
    let listed: Vec<(Parameter, Option<String>)> =
        members.map(|(at, parameter)| (parameter, (at == 0).then(|| comment(&parameter)))).collect();
    let entries = listed.iter().map(|(parameter, comment)| Entry {
        comment: comment.as_deref(),
        active: false,
        ..Entry::new(*parameter, parameter.default())
    });
    match form {
        Form::Plain => plain::write(entries),
        Form::Xml => xml::write(entries),
    }
}

/// Before the first parameter of a family.
fn comment(parameter: &Parameter) -> String {
    let row = parameter.row;
    format!("{}: {}\n{}; default {}", row.name, row.doc, range_text(row), default_text(row))
}
