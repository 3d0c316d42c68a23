//! A configuration file that a person brings through the page: what is handed to provisioning-agent and what came of it. The file's
//! bytes pass through and are kept nowhere.

use std::pin::Pin;

use agreements::Diagnosis;
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::{ReportReply, RunFile};
use service_kit::settings_client::{self, FileToImport};

use crate::backend::{SERVICE, diagnosis};

/// Into which layer a file goes (B105, C64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileType {
    /// Of this unit.
    #[default]
    Standard,
    /// Of its model.
    Product,
    /// Of all units.
    Master,
}

impl FileType {
    /// In the guide's order (2.4.3.3).
    pub const ALL: [FileType; 3] = [FileType::Standard, FileType::Product, FileType::Master];

    /// As provisioning-agent and the form name it.
    pub fn as_str(self) -> &'static str {
        match self {
            FileType::Standard => "standard",
            FileType::Product => "product",
            FileType::Master => "master",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<FileType> {
        FileType::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A file that was sent from the page. Not `Debug`: its content may hold passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// Chosen at the page.
    pub kind: FileType,
    /// As the browser tells it.
    pub name: String,
    /// As it is; bounded by `settings::file::MOST_BYTES`.
    pub content: Vec<u8>,
    /// For the log: "web admin".
    pub account: String,
}

/// What became of an import whose file was taken to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// What was done with each file.
    pub files: Vec<RunFile>,
    /// What was found in them.
    pub findings: Vec<Diagnosis>,
    /// Whether and when the unit restarts.
    pub restart: Restart,
}

/// Whether and when the unit restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Nobody wants it.
    #[default]
    None,
    /// By itself, at once.
    Soon,
    /// When the call has ended that has begun meanwhile.
    AfterCall,
}

/// Why nothing came of it, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The type, the name or the size is none that can be imported.
    #[error("refused: {0}")]
    Invalid(String),
    /// A call is up (B107).
    #[error("a call is up")]
    InCall,
    /// A provisioning run is under way, or another file of the page.
    #[error("busy")]
    Busy,
    /// provisioning-agent is away, did not answer in time, or does not know yet who the unit is.
    #[error("not possible at the moment: {0}")]
    Unavailable(String),
    /// The file was taken, but what it did is not known: it takes too long, or something newer has happened since.
    #[error("the report of run {0} is not there")]
    NoReport(u64),
}

/// The answer to an import, later.
pub type Importing<'a> = Pin<Box<dyn Future<Output = Result<ImportReport, ImportError>> + Send + 'a>>;

/// Hands a file to provisioning-agent and waits, with a bound, for what came of it.
///
/// # Errors
/// See [`ImportError`].
pub async fn import(upload: Upload) -> Result<ImportReport, ImportError> {
    let Upload { kind, name, content, account } = upload;
    let correlation = format!("web-{:016x}", service_kit::random());
    let file = FileToImport { kind: kind.as_str().to_owned(), name, content, account, correlation };
    let run = settings_client::import(SERVICE, file).await.map_err(refusal)?;
    match settings_client::report(SERVICE, run).await {
        Ok(reply) if reply.run == run => Ok(report(reply)),
        Ok(_) => Err(ImportError::NoReport(run)),
        Err(error) => {
            tracing::warn!(%error, run, "the report of an import cannot be had");
            Err(ImportError::NoReport(run))
        }
    }
}

fn refusal(error: HouseError) -> ImportError {
    match error.kind {
        ErrorKind::InvalidArgument | ErrorKind::InvalidValue => ImportError::Invalid(error.text),
        ErrorKind::WrongState => ImportError::InCall,
        ErrorKind::Busy => ImportError::Busy,
        ErrorKind::UnknownParameter
        | ErrorKind::RevisionConflict
        | ErrorKind::AccessDenied
        | ErrorKind::NoSuchObject
        | ErrorKind::LineUnavailable
        | ErrorKind::NumberDenied
        | ErrorKind::NotReady
        | ErrorKind::StoreFailed
        | ErrorKind::ProvisioningDisabled
        | ErrorKind::ServiceUnavailable
        | ErrorKind::Internal => ImportError::Unavailable(error.text),
    }
}

/// The worst first, and within the same severity as they stand in the files.
fn report(reply: ReportReply) -> ImportReport {
    let mut findings: Vec<Diagnosis> = reply.diagnoses.into_iter().map(diagnosis).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let restart = match (reply.restart_reason.as_str(), reply.restart_waits_for.as_str()) {
        ("", _) => Restart::None,
        (_, "") => Restart::Soon,
        (_, _) => Restart::AfterCall,
    };
    ImportReport { files: reply.files, findings, restart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_first_and_stand_in_the_order_of_their_lines() {
        let found = |line, severity: &str| phone_proto::settings::Diagnosis {
            line,
            severity: severity.into(),
            ..phone_proto::settings::Diagnosis::default()
        };
        let diagnoses = vec![found(1, "note"), found(2, "warning"), found(3, "error"), found(4, "note"), found(5, "error")];
        let report = report(ReportReply { diagnoses, ..ReportReply::default() });
        let lines: Vec<u32> = report.findings.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [3, 5, 2, 1, 4]);
    }

    #[test]
    fn a_restart_is_promised_only_when_it_is_wanted() {
        for (reason, waits_for, restart) in
            [("", "", Restart::None), ("a file", "", Restart::Soon), ("a file", "call", Restart::AfterCall)]
        {
            let reply =
                ReportReply { restart_reason: reason.into(), restart_waits_for: waits_for.into(), ..ReportReply::default() };
            assert_eq!(report(reply).restart, restart);
        }
    }

    /// B107: what is refused by the bus with a name of the house has its own words here.
    #[test]
    fn each_refusal_has_its_own_kind() {
        let refused = |kind| refusal(HouseError::new(kind, "why"));
        assert_eq!(refused(ErrorKind::WrongState), ImportError::InCall);
        assert_eq!(refused(ErrorKind::Busy), ImportError::Busy);
        assert_eq!(refused(ErrorKind::InvalidValue), ImportError::Invalid("why".into()));
        assert_eq!(refused(ErrorKind::ServiceUnavailable), ImportError::Unavailable("why".into()));
    }
}
