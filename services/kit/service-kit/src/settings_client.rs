//! A service's own settings: a snapshot, then every change, over restarts of provisioning-agent. The service keeps working from
//! the last snapshot meanwhile; a new one follows every reconnection, so a receiver only ever compares old values with new.

use std::collections::BTreeMap;
use std::path::PathBuf;

use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::settings_client::SettingsClient;
use phone_proto::settings::{
    ApplyReply, ApplyRequest, Change, DhcpOption, DhcpOptions, ExplainReply, ExplainRequest, ImportRequest, Origin, ReportReply,
    ReportRequest, SnapshotRequest, Value, WatchRequest,
};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use crate::environment::socket_path;
use crate::grpc;
use crate::outage::Outage;

/// The owner of the settings and its socket.
pub const OWNER: &str = "provisioning-agent";
/// See [`OWNER`].
pub const SOCKET: &str = "settings.sock";

/// What a service learns about its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsEvent {
    /// All effective values that name this service.
    Snapshot {
        /// The revision they belong to.
        revision: u64,
        /// Parameter to value, in file notation.
        values: BTreeMap<String, String>,
    },
    /// Only what has a new effective value.
    Changed {
        /// The revision that brought it.
        revision: u64,
        /// Parameter to value, in file notation.
        values: BTreeMap<String, String>,
    },
    /// Nobody answers; said once until the next snapshot. The last values go on counting.
    Unavailable,
}

/// Starts following the settings of `service`; ends when the receiver is dropped.
pub fn start(service: &'static str) -> mpsc::Receiver<SettingsEvent> {
    start_at(service, socket_path(OWNER, SOCKET))
}

/// As [`start`], from the owner whose socket is at this path.
pub fn start_at(service: &'static str, socket: PathBuf) -> mpsc::Receiver<SettingsEvent> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(follow(service, socket, sender));
    receiver
}

async fn follow(service: &'static str, socket: PathBuf, sender: mpsc::Sender<SettingsEvent>) {
    let mut client = client_over(grpc::channel_at(socket.clone()));
    let mut outage = Outage::of(socket);
    while !sender.is_closed() {
        let ended = tokio::select! {
            () = sender.closed() => return,
            ended = once(service, &mut client, &sender, || outage.ends()) => ended,
        };
        if outage.begins() {
            tracing::info!(peer = OWNER, status = %ended.code(), reason = ended.message(), "the settings are not followed at the moment");
            if sender.send(SettingsEvent::Unavailable).await.is_err() {
                return;
            }
        }
        outage.next_try().await;
    }
}

/// One snapshot and the changes after it, until the stream ends; says why.
async fn once(
    service: &str,
    client: &mut SettingsClient<Channel>,
    sender: &mpsc::Sender<SettingsEvent>,
    connected: impl FnOnce(),
) -> tonic::Status {
    let followed = async {
        let request = SnapshotRequest { service: service.to_owned() };
        let snapshot = limited(client.snapshot(request)).await?.into_inner();
        connected();
        let values = table(snapshot.values);
        let gone = |_| tonic::Status::cancelled("nobody wants to know any more");
        sender.send(SettingsEvent::Snapshot { revision: snapshot.revision, values }).await.map_err(gone)?;
        let request = WatchRequest { service: service.to_owned(), epoch: snapshot.epoch, from_revision: snapshot.revision };
        let mut stream = limited(client.watch(request)).await?.into_inner();
        while let Some(Change { revision, values, .. }) = stream.message().await? {
            sender.send(SettingsEvent::Changed { revision, values: table(values) }).await.map_err(gone)?;
        }
        Err::<(), _>(tonic::Status::unavailable("the stream has ended"))
    };
    followed.await.err().unwrap_or_else(|| tonic::Status::unavailable("the stream has ended"))
}

fn table(values: Vec<Value>) -> BTreeMap<String, String> {
    values.into_iter().map(|value| (value.name, value.value)).collect()
}

fn client() -> SettingsClient<Channel> {
    client_over(grpc::channel(OWNER, SOCKET))
}

fn client_over(channel: Channel) -> SettingsClient<Channel> {
    SettingsClient::new(channel).max_decoding_message_size(16 << 20)
}

async fn limited<T>(request: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, tonic::Status> {
    let limit = tonic::Status::deadline_exceeded("no answer in time");
    tokio::time::timeout(grpc::REQUEST_TIMEOUT, request).await.unwrap_or(Err(limit))
}

/// What a person changes at the web page or the phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Parameter to value, in file notation.
    pub values: BTreeMap<String, String>,
    /// The revision the person saw; 0 for any.
    pub expected_revision: u64,
    /// Where.
    pub origin: Origin,
    /// Who, for the history.
    pub account: String,
    /// Goes through everything that this brings about.
    pub correlation: String,
}

/// Saves, all or nothing; returns after the flush. Refused values come back in the reply.
///
/// # Errors
/// `ServiceUnavailable`, `RevisionConflict`, `StoreFailed`, `AccessDenied`.
pub async fn apply(service: &str, changes: Changes) -> Result<ApplyReply, HouseError> {
    let request = ApplyRequest {
        service: service.to_owned(),
        changes: changes.values.into_iter().map(|(name, value)| Value { name, value }).collect(),
        expected_revision: changes.expected_revision,
        origin: changes.origin.into(),
        account: changes.account,
        correlation: changes.correlation,
    };
    limited(client().apply(request)).await.map(tonic::Response::into_inner).map_err(|status| house_error(&status))
}

/// Every layer's value of one parameter, secrets masked.
///
/// # Errors
/// `ServiceUnavailable`, `UnknownParameter`, `AccessDenied`.
pub async fn explain(service: &str, name: &str) -> Result<ExplainReply, HouseError> {
    let request = ExplainRequest { service: service.to_owned(), name: name.to_owned() };
    limited(client().explain(request)).await.map(tonic::Response::into_inner).map_err(|status| house_error(&status))
}

/// Tells what the DHCP server says about provisioning: option number to its bytes.
///
/// # Errors
/// `ServiceUnavailable`, `AccessDenied`.
pub async fn tell_dhcp_options(service: &str, options: BTreeMap<u8, Vec<u8>>) -> Result<(), HouseError> {
    let options = options.into_iter().map(|(code, value)| DhcpOption { code: code.into(), value }).collect();
    let request = DhcpOptions { service: service.to_owned(), options };
    limited(client().tell_dhcp_options(request)).await.map(drop).map_err(|status| house_error(&status))
}

/// A file that a person brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileToImport {
    /// standard, product or master.
    pub kind: String,
    /// Without a folder.
    pub name: String,
    /// As it is.
    pub content: Vec<u8>,
    /// Who, for the log.
    pub account: String,
    /// Goes through everything that this brings about.
    pub correlation: String,
}

/// Begins to import a file; the number of its run.
///
/// # Errors
/// `ServiceUnavailable` (also when the unit does not know itself yet), `InvalidValue`, `WrongState` (a call is up, B107), `Busy`,
/// `AccessDenied`.
pub async fn import(service: &str, file: FileToImport) -> Result<u64, HouseError> {
    let FileToImport { kind, name, content, account, correlation } = file;
    let request = ImportRequest { service: service.to_owned(), kind, name, content, account, correlation };
    limited(client().import(request)).await.map(|reply| reply.into_inner().run).map_err(|status| house_error(&status))
}

/// What the run of this number did, once it has ended; another run's report when it does not end in time.
///
/// # Errors
/// `ServiceUnavailable`, `Busy`, `AccessDenied`.
pub async fn report(service: &str, run: u64) -> Result<ReportReply, HouseError> {
    let request = ReportRequest { service: service.to_owned(), run };
    limited(client().report(request)).await.map(tonic::Response::into_inner).map_err(|status| house_error(&status))
}

/// A status of the Settings service as an error of the house.
fn house_error(status: &tonic::Status) -> HouseError {
    let kind = match status.code() {
        tonic::Code::NotFound => ErrorKind::UnknownParameter,
        tonic::Code::InvalidArgument => ErrorKind::InvalidValue,
        tonic::Code::Aborted => ErrorKind::RevisionConflict,
        tonic::Code::PermissionDenied => ErrorKind::AccessDenied,
        tonic::Code::FailedPrecondition => ErrorKind::WrongState,
        tonic::Code::DataLoss => ErrorKind::StoreFailed,
        tonic::Code::ResourceExhausted => ErrorKind::Busy,
        tonic::Code::Internal => ErrorKind::Internal,
        _ => ErrorKind::ServiceUnavailable,
    };
    HouseError::new(kind, format!("provisioning-agent: {}", status.message()))
}
