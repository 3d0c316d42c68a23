//! Runs of provisioning as web-ui sees them over gRPC: a file that a person brings begins one, and its report is waited for. The rules
//! are the driver's, the same as on the bus.

use std::time::Duration;

use agreements::Correlation;
use phone_proto::dbus::DiagnosisTuple;
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::{Diagnosis, ImportRequest, ReportReply, RunFile};
use tokio::sync::watch;

use crate::bus::Published;
use crate::command::{Command, Commands, Report};
use crate::provisioning::import::Import;

/// How long the end of a run is waited for; whoever asks waits a little longer (`service_kit::grpc::REQUEST_TIMEOUT`).
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Only the web page brings files and reads reports this way; everybody else has Provisioning1.
///
/// # Errors
/// `AccessDenied`.
pub fn may_import(service: &str) -> Result<(), HouseError> {
    match service {
        "web-ui" => Ok(()),
        other => Err(HouseError::new(ErrorKind::AccessDenied, format!("{other} imports no files"))),
    }
}

/// Begins to read a file (B104, B105); the number of its run. `source`: who brings it.
///
/// # Errors
/// `InvalidArgument`, `WrongState` (B107), `Busy`, `NotReady`.
pub async fn import(commands: &Commands, request: ImportRequest, source: String) -> Result<u64, HouseError> {
    let ImportRequest { kind, name, content, correlation, .. } = request;
    let import = Import::new(&kind, &name, content)?;
    let correlation = Correlation::new(&correlation);
    tracing::info!(source, kind, name, correlation = correlation.as_str(), "a file is brought");
    commands.ask(|answer| Command::Import { import, correlation, answer }).await?
}

/// What the newest finished run did, once the run of this number has ended or that takes too long.
///
/// # Errors
/// `Busy`, `ServiceUnavailable`.
pub async fn report(commands: &Commands, mut facts: watch::Receiver<Published>, run: u64) -> Result<ReportReply, HouseError> {
    // Too late, or the driver has ended: either way there is nothing more to wait for.
    drop(tokio::time::timeout(LONGEST_WAIT, facts.wait_for(|shown| shown.last_run >= run)).await);
    let Report { run, files, diagnoses } = commands.ask(|answer| Command::Report { answer }).await?;
    let shown = facts.borrow();
    Ok(ReportReply {
        run,
        files: files.into_iter().map(run_file).collect(),
        diagnoses: diagnoses.into_iter().map(diagnosis).collect(),
        restart_reason: shown.restart_wanted.0.clone(),
        restart_waits_for: shown.restart_waits_for.to_owned(),
    })
}

fn run_file((kind, file, outcome, applied, skipped): (String, String, String, u32, u32)) -> RunFile {
    RunFile { kind, file, outcome, applied, skipped }
}

fn diagnosis((file, line, column, code, name, severity, reason, suggestion): DiagnosisTuple) -> Diagnosis {
    Diagnosis { code, arguments: Default::default(), name, file, line, column, severity, reason, suggestion }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    fn answer(run: u64, received: &mut tokio::sync::mpsc::Receiver<Command>) {
        match received.try_recv() {
            Ok(Command::Report { answer }) => drop(answer.send(Report { run, ..Report::default() })),
            Ok(_) | Err(_) => panic!("a report is asked for"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_answered_when_its_run_has_ended() {
        let (commands, mut received) = command::channel();
        let (published, facts) = watch::channel(Published { last_run: 4, ..Published::default() });
        let asked = tokio::spawn(async move { report(&commands, facts, 5).await });
        tokio::task::yield_now().await;
        assert!(received.try_recv().is_err(), "the run is under way");
        published.send_modify(|shown| (shown.last_run, shown.restart_wanted) = (5, ("a file".to_owned(), false)));
        while received.is_empty() {
            tokio::task::yield_now().await;
        }
        answer(5, &mut received);
        let reply = asked.await.unwrap().unwrap();
        assert_eq!((reply.run, reply.restart_reason.as_str(), reply.restart_waits_for.as_str()), (5, "a file", ""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_does_not_end_is_not_waited_for_without_end() {
        let (commands, mut received) = command::channel();
        let (_published, facts) = watch::channel(Published { last_run: 4, ..Published::default() });
        let begun = tokio::time::Instant::now();
        let asked = tokio::spawn(async move { report(&commands, facts, 5).await });
        tokio::time::timeout(service_kit::grpc::REQUEST_TIMEOUT, async {
            while received.is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .expect("before the caller gives up");
        answer(4, &mut received);
        assert_eq!(asked.await.unwrap().unwrap().run, 4, "whoever asked sees that it is another one");
        assert!(begun.elapsed() >= LONGEST_WAIT);
    }
}
