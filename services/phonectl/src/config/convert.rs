//! From one form to the other, and templates. Works without a phone.

use std::io::Write as _;
use std::path::Path;

use agreements::Severity;
use phone_proto::errors::ErrorKind;
use settings::catalogue;
use settings::document;
use settings::file::{self, Entry, Form};
use settings::{plain, xml};

use super::arguments::{FormName, OptionalKey, Target, TemplateName};
use super::{source, write_to};
use crate::failure::Failure;
use crate::show::Output;

/// `phonectl config convert`. What the phone would not take is told and not written.
pub fn convert(output: &mut Output, path: &Path, to: Option<FormName>, target: &Target, key: &OptionalKey) -> Result<(), Failure> {
    let source = source(path, key)?;
    for diagnosis in source.outcome.diagnoses.iter().filter(|one| one.severity == Severity::Error) {
        // The result may go to standard output.
        let _ = writeln!(std::io::stderr(), "{}", file::render(diagnosis, Some(&source.bytes)).trim_end());
    }
    if source.outcome.rejected {
        return Err(Failure::new(ErrorKind::InvalidValue, "the whole file is refused"));
    }
    let form = to.map_or_else(|| other(file::form_of(&source.bytes)), Form::from);
    let settings = &source.outcome.accepted;
    let entries = settings.iter().filter_map(|one| Some(Entry::new(catalogue::parameter(&one.name)?, &one.value)));
    write_to(output, target, written(form, entries).as_bytes())?;
    match source.outcome.skipped {
        0 => Ok(()),
        1 => Err(Failure::new(ErrorKind::InvalidValue, "1 setting was not taken")),
        more => Err(Failure::new(ErrorKind::InvalidValue, format!("{more} settings were not taken"))),
    }
}

/// A file of this form.
pub(super) fn written<'v>(form: Form, entries: impl IntoIterator<Item = Entry<'v>>) -> String {
    match form {
        Form::Plain => plain::write(entries),
        Form::Xml => xml::write(entries),
    }
}

fn other(form: Form) -> Form {
    match form {
        Form::Plain => Form::Xml,
        Form::Xml => Form::Plain,
    }
}

/// `phonectl config template`
pub fn template(output: &mut Output, form: TemplateName, target: &Target) -> Result<(), Failure> {
    let text = match form {
        TemplateName::Plain => document::template(Form::Plain),
        TemplateName::Xml => document::template(Form::Xml),
        TemplateName::Schema => document::schema(),
    };
    write_to(output, target, text.as_bytes())
}
