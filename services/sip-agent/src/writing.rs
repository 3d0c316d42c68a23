//! Writes down what lines' servers say of do-not-disturb and forwarding: rows to provisioning-agent, one save after the other, each
//! answered to the driver. Decides nothing; when to try again is the telephone's.

use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::{ApplyReply, Origin};
use service_kit::settings_client::{self, Changes};
use tokio::sync::mpsc;

use crate::agent::{FeatureWrite, WriteOutcome};

/// A save and what became of it.
pub type Answer = (agreements::LineNumber, WriteOutcome);

/// Until the driver is gone.
pub async fn write(mut wanted: mpsc::Receiver<FeatureWrite>, answers: mpsc::Sender<Answer>) {
    while let Some(FeatureWrite { line, values, expected_revision }) = wanted.recv().await {
        let account = format!("the SIP server of line {line}");
        let correlation = format!("sip-{:016x}", service_kit::random());
        let changes = Changes { values, expected_revision, origin: Origin::Server, account, correlation };
        let outcome = outcome_of(settings_client::apply("sip-agent", changes).await);
        if answers.send((line, outcome)).await.is_err() {
            return;
        }
    }
}

fn outcome_of(reply: Result<ApplyReply, HouseError>) -> WriteOutcome {
    match reply {
        Ok(reply) if reply.refused.is_empty() => WriteOutcome::Done { revision: reply.revision },
        Ok(reply) => {
            let reasons = reply.refused.iter().map(|diagnosis| format!("{}: {}", diagnosis.name, diagnosis.reason));
            WriteOutcome::Refused(reasons.collect::<Vec<_>>().join("; "))
        }
        Err(error) => match error.kind {
            ErrorKind::AccessDenied | ErrorKind::InvalidValue | ErrorKind::UnknownParameter => WriteOutcome::Refused(error.text),
            _ => WriteOutcome::Failed(error.text),
        },
    }
}
