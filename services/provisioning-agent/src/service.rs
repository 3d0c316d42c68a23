//! gRPC Settings: who asks is told by the kernel (peer credentials) and by the table of the house; the rest is the driver's.

use agreements::Correlation;
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::settings::settings_server::{Settings, SettingsServer};
use phone_proto::settings::{
    ApplyReply, ApplyRequest, Change, DhcpOptions, DhcpOptionsTaken, Diagnosis, ExplainReply, ExplainRequest, ImportReply,
    ImportRequest, LayerValue, Origin, ReportReply, ReportRequest, ResetReply, ResetRequest, ResetScope, SnapshotReply,
    SnapshotRequest, Value, WatchRequest,
};
use service_kit::grpc;
use service_kit::peers::PeerTable;
use service_kit::settings_client::OWNER;
use settings::layers;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::bus::Published;
use crate::command::{Applied, Command, Commands, Wish};
use crate::runs;

/// The longest request of a peer: every parameter once.
const LONGEST_REQUEST: usize = 2 << 20;

/// Serves [`Settings`].
pub struct SettingsService {
    commands: Commands,
    peers: PeerTable,
    facts: watch::Receiver<Published>,
}

impl SettingsService {
    /// Answers from the driver behind `commands`, to the clients of the house; `facts` are what the driver publishes.
    pub fn new(commands: Commands, peers: PeerTable, facts: watch::Receiver<Published>) -> SettingsService {
        if !peers.isolated() {
            tracing::warn!("isolation off: several services share one user, so a peer's own claim counts");
        }
        SettingsService { commands, peers, facts }
    }

    /// With its limits.
    pub fn into_server(self) -> SettingsServer<SettingsService> {
        SettingsServer::new(self).max_decoding_message_size(LONGEST_REQUEST)
    }

    /// Which client of the house asks.
    fn client<T>(&self, request: &Request<T>, claimed: &str) -> Result<String, Status> {
        let uid = grpc::peer_uid(request).ok_or_else(|| Status::permission_denied("the peer has no credentials"))?;
        let service = self.peers.service_of(uid, claimed).filter(|service| self.peers.may_call(service, OWNER));
        service.map(str::to_owned).ok_or_else(|| {
            tracing::warn!(uid, peer = claimed, "a stranger asks for settings");
            Status::permission_denied(format!(
                "user {uid} is not {}",
                if claimed.is_empty() { "a service of this phone" } else { claimed }
            ))
        })
    }
}

#[tonic::async_trait]
impl Settings for SettingsService {
    async fn snapshot(&self, request: Request<SnapshotRequest>) -> Result<Response<SnapshotReply>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        let snapshot = self.commands.ask(|answer| Command::Snapshot { service, answer }).await?;
        let values = snapshot.values.into_iter().map(|(name, value)| Value { name, value }).collect();
        Ok(Response::new(SnapshotReply { epoch: snapshot.epoch, revision: snapshot.revision, values }))
    }

    type WatchStream = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Change, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        let WatchRequest { epoch, from_revision, .. } = request.into_inner();
        let changes = self.commands.ask(|answer| Command::Watch { service, epoch, from_revision, answer }).await?;
        let changes = changes.ok_or_else(|| Status::out_of_range("this revision is not kept: take a new snapshot"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(changes).map(Ok))))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Result<Response<ApplyReply>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        let wish = wish(service, request.into_inner())?;
        let applied = self.commands.ask(|answer| Command::Apply { wish, answer }).await??;
        Ok(Response::new(match applied {
            Applied::Done { revision } => ApplyReply { revision, refused: Vec::new() },
            Applied::Refused(refused) => ApplyReply { revision: 0, refused: refused.into_iter().map(diagnosis).collect() },
        }))
    }

    async fn reset(&self, request: Request<ResetRequest>) -> Result<Response<ResetReply>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        let request = request.into_inner();
        let reset = may_reset(&service, request.scope())?;
        let source = account(&request.account).unwrap_or(service);
        let correlation = Correlation::new(&request.correlation);
        let revision = self.commands.ask(|answer| Command::Reset { reset, source, correlation, answer }).await??;
        Ok(Response::new(ResetReply { revision }))
    }

    async fn tell_dhcp_options(&self, request: Request<DhcpOptions>) -> Result<Response<DhcpOptionsTaken>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        if service != "hal-agent" {
            return Err(Status::permission_denied(format!("{service} asks no DHCP server")));
        }
        let options = request.into_inner().options.into_iter();
        let options = options.filter_map(|option| Some((u8::try_from(option.code).ok()?, option.value))).collect();
        self.commands.ask(|answer| Command::DhcpOptions { options, answer }).await?;
        Ok(Response::new(DhcpOptionsTaken {}))
    }

    async fn import(&self, request: Request<ImportRequest>) -> Result<Response<ImportReply>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        runs::may_import(&service)?;
        let request = request.into_inner();
        let source = account(&request.account).unwrap_or(service);
        let run = runs::import(&self.commands, request, source).await?;
        Ok(Response::new(ImportReply { run }))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportReply>, Status> {
        let service = self.client(&request, &request.get_ref().service)?;
        runs::may_import(&service)?;
        let reply = runs::report(&self.commands, self.facts.clone(), request.get_ref().run).await?;
        Ok(Response::new(reply))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        let service = Some(self.client(&request, &request.get_ref().service)?);
        let name = request.into_inner().name;
        let explanation = self.commands.ask(|answer| Command::Explain { service, name, answer }).await??;
        let layers::Explanation { name, effective, layer, layers, notes } = explanation;
        let layers = layers.into_iter().map(layer_value).collect();
        Ok(Response::new(ExplainReply { name, effective, layer, layers, notes }))
    }
}

/// Which service may save in whose name. The phone's own screens will be one more row.
fn may_save(service: &str, origin: Origin) -> Result<(layers::Origin, &'static str), HouseError> {
    match (service, origin) {
        ("web-ui", Origin::Web) => Ok((layers::Origin::Web, "web")),
        ("web-ui", Origin::Phone) => Ok((layers::Origin::Phone, "phone")),
        ("sip-agent", Origin::Server) => Ok((layers::Origin::Server, "server")),
        (_, Origin::Unspecified) => Err(HouseError::new(ErrorKind::InvalidArgument, "origin is missing: web, phone or server")),
        (service, _) => Err(HouseError::new(ErrorKind::AccessDenied, format!("{service} does not save in such a name"))),
    }
}

/// Which service may ask for which reset. The phone's own screens will be one more row.
fn may_reset(service: &str, scope: ResetScope) -> Result<layers::Reset, HouseError> {
    match (service, scope) {
        ("web-ui", ResetScope::WebSettings) => Ok(layers::Reset::WebSettings),
        (_, ResetScope::Unspecified) => Err(HouseError::new(ErrorKind::InvalidArgument, "the scope of the reset is missing")),
        (service, _) => Err(HouseError::new(ErrorKind::AccessDenied, format!("{service} does not ask for such a reset"))),
    }
}

fn wish(service: String, request: ApplyRequest) -> Result<Wish, HouseError> {
    let (origin, place) = may_save(&service, request.origin())?;
    let source = account(&request.account).unwrap_or_else(|| place.to_owned());
    Ok(Wish {
        service: Some(service),
        changes: request.changes.into_iter().map(|value| (value.name, value.value)).collect(),
        expected_revision: request.expected_revision,
        origin,
        source,
        correlation: Correlation::new(&request.correlation),
    })
}

/// For the history; none where nobody is named.
fn account(name: &str) -> Option<String> {
    let account: String = name.chars().filter(|character| !character.is_control()).take(60).collect();
    (!account.is_empty()).then_some(account)
}

fn layer_value(value: layers::LayerValue) -> LayerValue {
    let layers::LayerValue { layer, value, source, line, time, reason } = value;
    LayerValue { layer, value, source, line, time, reason }
}

fn diagnosis(diagnosis: agreements::Diagnosis) -> Diagnosis {
    Diagnosis {
        code: diagnosis.code,
        arguments: diagnosis.arguments.into_iter().collect(),
        name: diagnosis.name,
        file: diagnosis.file,
        line: diagnosis.line,
        column: diagnosis.column,
        severity: diagnosis.severity.as_str().to_owned(),
        reason: diagnosis.reason,
        suggestion: diagnosis.suggestion,
    }
}
