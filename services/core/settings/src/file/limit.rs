//! How large files may be (B67, B94, C47): all plain files of one run together 120 KB, each XML file 240 KB.

use super::{FileOutcome, Form, Intake};
use crate::finding::{Detail, error};
use crate::{plain, xml};
use agreements::Diagnosis;

/// More than any file may have: the XML limit and the frame of an encrypted one. Whoever fetches may stop here.
pub const MOST_BYTES: usize = xml::MAX_BYTES + 64;

/// What a file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Which limit it falls under.
    pub form: Form,
    /// Unencrypted.
    pub bytes: usize,
}

/// Which files of a run may be read, in the order given: the first ones go before the later ones. Give them highest layer first.
pub fn within_limit(sizes: &[Size]) -> Vec<bool> {
    let mut plain_bytes = 0_usize;
    let fits = |size: &Size| match size.form {
        Form::Xml => size.bytes <= xml::MAX_BYTES,
        Form::Plain => {
            let total = plain_bytes.saturating_add(size.bytes);
            let fits = total <= plain::MAX_BYTES;
            if fits {
                plain_bytes = total;
            }
            fits
        }
    };
    sizes.iter().map(fits).collect()
}

/// The outcome of a file that was not even read because the run's limit is reached (C47).
pub fn over_the_limit(size: Size, file_name: &str) -> FileOutcome {
    let how = match size.form {
        Form::Plain => "together with the other files of this run",
        Form::Xml => "in one file",
    };
    Intake::new(file_name, size.bytes).rejected(too_large(size, how))
}

/// Why.
pub(crate) fn too_large(size: Size, how: &str) -> Diagnosis {
    let limit = match size.form {
        Form::Plain => plain::MAX_BYTES,
        Form::Xml => xml::MAX_BYTES,
    };
    error("file.too-large", format!("{} bytes {how} are more than {} KB", size.bytes, limit / 1024))
        .suggest("leave out comments and settings that have their default value")
        .with("limit", limit.to_string())
}
