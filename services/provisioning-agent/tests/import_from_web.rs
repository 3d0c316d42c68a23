//! A configuration file that comes from the web page: gRPC Import and Report, for web-ui alone, by the rules of Provisioning1.Import.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use futures_util::StreamExt as _;
use phone_proto::dbus::{ProvisioningProxy, SettingsProxy};
use phone_proto::settings::{ImportRequest, ReportReply, ReportRequest};
use support::{Agent, House, board, configuration, phone, phone_shows, provisioning_changes};
use tonic::{Code, Status};

fn file(kind: &str, name: &str, text: &str) -> ImportRequest {
    ImportRequest {
        service: "web-ui".into(),
        kind: kind.into(),
        name: name.into(),
        content: text.into(),
        account: "web admin".into(),
        correlation: "web-7".into(),
    }
}

async fn import(agent: &Agent, request: ImportRequest) -> Result<u64, Status> {
    agent.client().import(request).await.map(|reply| reply.into_inner().run)
}

async fn report(agent: &Agent, service: &str, run: u64) -> Result<ReportReply, Status> {
    agent.client().report(ReportRequest { service: service.into(), run }).await.map(tonic::Response::into_inner)
}

/// The board may be a moment away: then the answer is NotReady, and the facts are asked for again.
async fn import_when_ready(agent: &Agent, request: ImportRequest) -> u64 {
    loop {
        match import(agent, request.clone()).await {
            Ok(run) => return run,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
}

/// B104, B105, C64: the report is there when it is asked for, and says the same as the bus.
#[tokio::test]
async fn a_file_from_the_web_page_goes_into_the_layer_of_its_type_and_is_reported() {
    let house = House::new();
    let agent = house.start(&[&house.preset("dealer.cfg", &["PROVISION_ENABLE=\"N\""])]);
    let connection = house.connect().await;
    let (provisioning, settings) =
        (ProvisioningProxy::new(&connection).await.unwrap(), SettingsProxy::new(&connection).await.unwrap());
    let _board = board(&house, "0080F0111111").await;
    let text = configuration(&["DISPLAY_NAME_2=\"product\"", "SIP_SRC_PORT_2=\"99999\"", "SIP_PASS_1=\"quite-secret\u{7}\""]);
    let run = import_when_ready(&agent, file("product", "model.cfg", &text)).await;
    let told = report(&agent, "web-ui", run).await.unwrap();

    assert_eq!((told.run, provisioning.last_run().await.unwrap()), (run, run));
    let files: Vec<_> = told.files.iter().map(|file| (file.kind.as_str(), file.file.as_str(), file.outcome.as_str())).collect();
    assert_eq!(files, [("product", "model.cfg", "applied")]);
    assert_eq!((told.files[0].applied, told.files[0].skipped), (1, 2), "{told:?}");
    let wrong = told.diagnoses.iter().find(|found| found.name == "SIP_SRC_PORT_2").unwrap();
    assert_eq!((wrong.file.as_str(), wrong.line, wrong.severity.as_str()), ("model.cfg", 4, "error"));
    assert!(wrong.column > 0 && !wrong.reason.is_empty() && !wrong.code.is_empty(), "{wrong:?}");
    assert!(told.diagnoses.iter().any(|found| found.name == "SIP_PASS_1"));
    assert!(!format!("{told:?}").contains("quite-secret"), "never a secret: {told:?}");
    assert_eq!((told.restart_reason.as_str(), told.restart_waits_for.as_str()), ("a configuration file was imported", ""));
    let (effective, layer, layers) = settings.explain("DISPLAY_NAME_2").await.unwrap();
    assert_eq!((effective.as_str(), layer.as_str(), layers[0].2.as_str()), ("product", "product", "model.cfg"));

    let bus = (provisioning.files().await.unwrap(), provisioning.diagnoses().await.unwrap());
    let same: Vec<_> = told
        .diagnoses
        .iter()
        .cloned()
        .map(|one| (one.file, one.line, one.column, one.code, one.name, one.severity, one.reason, one.suggestion))
        .collect();
    assert_eq!(bus.1, same);
    assert_eq!(bus.0.len(), told.files.len());
    assert_eq!(report(&agent, "web-ui", 0).await.unwrap(), told, "the newest one, without waiting");
}

/// B107, B108, C49, and a unit that does not know itself yet: the errors of the bus as statuses.
#[tokio::test]
async fn a_file_that_cannot_be_taken_now_is_refused_with_the_reason() {
    let house = House::new();
    let agent = house.start(&[]);
    let status = import(&agent, file("standard", "phone.cfg", "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("hal-agent has not told"), "{status}");
    for request in [file("dealer", "phone.cfg", ""), file("standard", "phone.txt", ""), file("standard", "../phone.cfg", "")] {
        let status = import(&agent, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    let large = file("standard", "phone.cfg", &"#".repeat(settings::file::MOST_BYTES + 1));
    assert_eq!(import(&agent, large).await.unwrap_err().code(), Code::InvalidArgument);

    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut waits = provisioning_changes(&connection).await;
    let _board = board(&house, "0080F0111111").await;
    let sip = phone(&house, 0).await;
    let run = import_when_ready(&agent, file("standard", "phone.cfg", &configuration(&["DISPLAY_NAME_1=\"Anna\""]))).await;
    assert_eq!(report(&agent, "web-ui", run).await.unwrap().restart_waits_for, "");
    phone_shows(&sip, |phone| phone.calls_up = 1).await;
    while provisioning.restart_waits_for().await.unwrap() != "call" {
        waits.next().await.unwrap().unwrap();
    }
    let status = import(&agent, file("standard", "phone.cfg", &configuration(&["DISPLAY_NAME_1=\"late\""]))).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("a call is up"), "{status}");
    assert_eq!(report(&agent, "web-ui", 0).await.unwrap().restart_waits_for, "call");
}

/// Another run is under way: a server that takes its time.
#[tokio::test]
async fn a_file_during_another_run_is_refused_as_busy() {
    let house = House::new();
    // Somebody who listens and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = format!("CFG_STANDARD_FILE_PATH=\"http://{}/phone.cfg\"", silent.local_addr().unwrap());
    let agent = house.start(&[&house.preset("dealer.cfg", &[&path])]);
    let connection = house.connect().await;
    let provisioning = ProvisioningProxy::new(&connection).await.unwrap();
    let mut changes = provisioning_changes(&connection).await;
    let _board = board(&house, "0080F0111111").await;
    while provisioning.state().await.unwrap() != "running" {
        changes.next().await.unwrap().unwrap();
    }
    let status = import(&agent, file("standard", "phone.cfg", &configuration(&[]))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
}

/// Files are brought by the web page alone; everybody else has the bus, where an administrator is asked for.
#[tokio::test]
async fn no_other_service_imports_a_file_or_reads_the_report() {
    let mut house = House::new();
    let own = rustix::process::getuid().as_raw();
    for service in ["sip-agent", "hal-agent"] {
        house.users = format!("{service}={own},web-ui=61004");
        let agent = house.start(&[]);
        for claimed in [service, "web-ui", ""] {
            let request = ImportRequest { service: claimed.into(), ..file("standard", "phone.cfg", &configuration(&[])) };
            assert_eq!(import(&agent, request).await.unwrap_err().code(), Code::PermissionDenied, "{service} as {claimed:?}");
            assert_eq!(report(&agent, claimed, 0).await.unwrap_err().code(), Code::PermissionDenied, "{service} as {claimed:?}");
        }
        assert!(agent.snapshot(service).await.is_ok(), "{service} has its settings all the same");
        agent.kill();
    }
}
