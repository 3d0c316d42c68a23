//! provisioning-agent's gRPC half: one snapshot, changes when the test makes them, and those that sip-agent has saved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use phone_proto::settings::settings_server::{Settings as Service, SettingsServer};
use phone_proto::settings::{
    ApplyReply, ApplyRequest, Change, DhcpOptions, DhcpOptionsTaken, ExplainReply, ExplainRequest, ImportReply, ImportRequest,
    ReportReply, ReportRequest, ResetReply, ResetRequest, SnapshotReply, SnapshotRequest, Value, WatchRequest,
};
use tokio::sync::{Notify, broadcast};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

use super::Served;

struct Rows {
    revision: u64,
    values: BTreeMap<String, String>,
    saves: Vec<ApplyRequest>,
}

impl Rows {
    fn commit(&mut self, values: Vec<Value>) -> Change {
        self.revision += 1;
        self.values.extend(values.iter().map(|value| (value.name.clone(), value.value.clone())));
        Change { revision: self.revision, values, correlation: String::new() }
    }
}

#[derive(Clone)]
struct Server {
    rows: Arc<Mutex<Rows>>,
    changes: broadcast::Sender<Change>,
    saved: Arc<Notify>,
}

pub struct Settings {
    server: Server,
    socket: PathBuf,
    served: Option<Served>,
}

impl Settings {
    pub fn new(folder: &Path, values: BTreeMap<String, String>) -> Settings {
        let server = Server {
            rows: Arc::new(Mutex::new(Rows { revision: 7, values, saves: Vec::new() })),
            changes: broadcast::channel(16).0,
            saved: Arc::default(),
        };
        let mut settings = Settings { server, socket: folder.join("provisioning-agent/settings.sock"), served: None };
        settings.start();
        settings
    }

    pub fn start(&mut self) {
        self.served = Some(Served::new(&self.socket, SettingsServer::new(self.server.clone())));
    }

    /// As if it were killed.
    pub fn stop(&mut self) {
        self.served.take().unwrap().kill();
    }

    /// One commit.
    pub fn change(&self, name: &str, value: &str) -> u64 {
        let mut rows = self.server.rows.lock().unwrap();
        let change = rows.commit(vec![Value { name: name.into(), value: value.into() }]);
        let _ = self.server.changes.send(change);
        rows.revision
    }

    /// The next save of sip-agent.
    pub async fn saved(&self) -> ApplyRequest {
        super::soon("a save", async {
            loop {
                let saved = self.server.saved.notified();
                if let Some(save) = self.saves().first().cloned() {
                    self.server.rows.lock().unwrap().saves.remove(0);
                    return save;
                }
                saved.await;
            }
        })
        .await
    }

    /// Those that nobody has taken yet.
    pub fn saves(&self) -> Vec<ApplyRequest> {
        self.server.rows.lock().unwrap().saves.clone()
    }
}

#[tonic::async_trait]
impl Service for Server {
    type WatchStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<Change, Status>> + Send>>;

    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Result<Response<SnapshotReply>, Status> {
        let rows = self.rows.lock().unwrap();
        let values = rows.values.iter().map(|(name, value)| Value { name: name.clone(), value: value.clone() }).collect();
        Ok(Response::new(SnapshotReply { epoch: 1, revision: rows.revision, values }))
    }
    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let changes = BroadcastStream::new(self.changes.subscribe());
        Ok(Response::new(Box::pin(changes.map(|change| change.map_err(|_| Status::out_of_range("too slow"))))))
    }
    async fn apply(&self, request: Request<ApplyRequest>) -> Result<Response<ApplyReply>, Status> {
        let save = request.into_inner();
        let mut rows = self.rows.lock().unwrap();
        let change = rows.commit(save.changes.clone());
        rows.saves.push(save);
        let _ = self.changes.send(change);
        self.saved.notify_one();
        Ok(Response::new(ApplyReply { revision: rows.revision, refused: Vec::new() }))
    }
    async fn reset(&self, _: Request<ResetRequest>) -> Result<Response<ResetReply>, Status> {
        Err(Status::unimplemented("sip-agent resets nothing"))
    }
    async fn tell_dhcp_options(&self, _: Request<DhcpOptions>) -> Result<Response<DhcpOptionsTaken>, Status> {
        Err(Status::unimplemented("sip-agent asks no DHCP server"))
    }
    async fn import(&self, _: Request<ImportRequest>) -> Result<Response<ImportReply>, Status> {
        Err(Status::unimplemented("sip-agent imports no files"))
    }
    async fn report(&self, _: Request<ReportRequest>) -> Result<Response<ReportReply>, Status> {
        Err(Status::unimplemented("sip-agent asks for no report"))
    }
    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainReply>, Status> {
        Err(Status::unimplemented("sip-agent explains no settings"))
    }
}
