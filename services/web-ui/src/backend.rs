//! Where settings are saved: the one request that a page waits for.

use std::collections::BTreeMap;
use std::pin::Pin;

use agreements::{Diagnosis, Severity};
use phone_proto::errors::ErrorKind;
use phone_proto::settings::Origin;
use service_kit::settings_client;

use crate::importing::{self, Importing, Upload};

/// The service's name, as provisioning-agent knows it.
pub const SERVICE: &str = "web-ui";

/// What shall be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// Parameter to value, in file notation.
    pub values: BTreeMap<String, String>,
    /// The revision that the person saw; 0 for any.
    pub expected_revision: u64,
    /// At the page, or for the phone (the port's switch).
    pub origin: Origin,
    /// For the history: "web admin".
    pub account: String,
}

/// Why nothing was saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// Values were refused.
    #[error("{} values were refused", .0.len())]
    Refused(Vec<Diagnosis>),
    /// Somebody changed one of the same parameters since.
    #[error("changed by somebody else meanwhile")]
    Conflict,
    /// The store could not write.
    #[error("the store could not write")]
    Store,
    /// Another operation is under way.
    #[error("busy")]
    Busy,
    /// provisioning-agent is away or did not answer in time.
    #[error("provisioning-agent does not answer: {0}")]
    Unavailable(String),
}

/// The answer to a save, later: the new revision.
pub type Saving<'a> = Pin<Box<dyn Future<Output = Result<u64, SaveError>> + Send + 'a>>;

/// Saves settings. A trait, so that the pages can be tested without the house around them.
pub trait SettingsBackend: Send + Sync {
    /// All values or none.
    fn save(&self, save: Save) -> Saving<'_>;
    /// A configuration file into the layer of its type, and what came of it.
    fn import(&self, upload: Upload) -> Importing<'_>;
}

/// provisioning-agent, over gRPC.
pub struct ProvisioningAgent;

impl SettingsBackend for ProvisioningAgent {
    fn import(&self, upload: Upload) -> Importing<'_> {
        Box::pin(importing::import(upload))
    }

    fn save(&self, save: Save) -> Saving<'_> {
        Box::pin(async move {
            let changes = settings_client::Changes {
                values: save.values,
                expected_revision: save.expected_revision,
                origin: save.origin,
                account: save.account,
                correlation: format!("web-{:016x}", service_kit::random()),
            };
            let reply = settings_client::apply(SERVICE, changes).await.map_err(|error| match error.kind {
                ErrorKind::RevisionConflict => SaveError::Conflict,
                ErrorKind::StoreFailed => SaveError::Store,
                ErrorKind::Busy => SaveError::Busy,
                ErrorKind::InvalidValue | ErrorKind::UnknownParameter | ErrorKind::AccessDenied | ErrorKind::InvalidArgument => {
                    SaveError::Refused(vec![about_everything(error.text)])
                }
                ErrorKind::NoSuchObject
                | ErrorKind::WrongState
                | ErrorKind::LineUnavailable
                | ErrorKind::NumberDenied
                | ErrorKind::NotReady
                | ErrorKind::ProvisioningDisabled
                | ErrorKind::ServiceUnavailable
                | ErrorKind::Internal => SaveError::Unavailable(error.text),
            })?;
            if reply.refused.is_empty() {
                Ok(reply.revision)
            } else {
                Err(SaveError::Refused(reply.refused.into_iter().map(diagnosis).collect()))
            }
        })
    }
}

/// A finding as the house has it; of a severity that is not known, an error.
pub fn diagnosis(told: phone_proto::settings::Diagnosis) -> Diagnosis {
    let severity = [Severity::Note, Severity::Warning].into_iter().find(|known| known.as_str() == told.severity);
    Diagnosis {
        file: told.file,
        line: told.line,
        column: told.column,
        code: told.code,
        name: told.name,
        severity: severity.unwrap_or(Severity::Error),
        reason: told.reason,
        suggestion: told.suggestion,
        arguments: told.arguments.into_iter().collect(),
    }
}

fn about_everything(reason: String) -> Diagnosis {
    Diagnosis {
        file: String::new(),
        line: 0,
        column: 0,
        code: "save.refused".into(),
        name: String::new(),
        severity: Severity::Error,
        reason,
        suggestion: String::new(),
        arguments: BTreeMap::new(),
    }
}
