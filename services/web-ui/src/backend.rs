//! Where settings are saved: the one request that a page waits for.

use std::collections::BTreeMap;
use std::pin::Pin;

use agreements::{Diagnosis, Severity};
use phone_proto::errors::ErrorKind;
use phone_proto::settings::Origin;
use service_kit::settings_client;

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
}

/// provisioning-agent, over gRPC.
pub struct ProvisioningAgent;

impl SettingsBackend for ProvisioningAgent {
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
                | ErrorKind::NotReady
                | ErrorKind::ProvisioningDisabled
                | ErrorKind::ServiceUnavailable
                | ErrorKind::Internal => SaveError::Unavailable(error.text),
            })?;
            if reply.refused.is_empty() { Ok(reply.revision) } else { Err(SaveError::Refused(refusals(reply.refused))) }
        })
    }
}

fn refusals(refused: Vec<phone_proto::settings::Diagnosis>) -> Vec<Diagnosis> {
    let one = |refused: phone_proto::settings::Diagnosis| Diagnosis {
        file: refused.file,
        line: refused.line,
        column: refused.column,
        code: refused.code,
        name: refused.name,
        severity: if refused.severity == Severity::Warning.as_str() { Severity::Warning } else { Severity::Error },
        reason: refused.reason,
        suggestion: refused.suggestion,
        arguments: refused.arguments.into_iter().collect(),
    };
    refused.into_iter().map(one).collect()
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
