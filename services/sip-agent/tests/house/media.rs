//! media-engine's gRPC half: takes every state, says what the test wants to be said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use phone_proto::media::event::Kind;
use phone_proto::media::media_server::{Media, MediaServer};
use phone_proto::media::{DesiredState, Event, EventsRequest, PortTaken, ReconcileReply};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

use super::{Served, soon};

#[derive(Clone)]
struct Server {
    states: mpsc::UnboundedSender<DesiredState>,
    events: broadcast::Sender<Event>,
    taken: Arc<Mutex<BTreeSet<u32>>>,
}

pub struct Engine {
    server: Server,
    states: mpsc::UnboundedReceiver<DesiredState>,
    socket: PathBuf,
    served: Option<Served>,
}

impl Engine {
    pub fn new(folder: &Path) -> Engine {
        let (states, received) = mpsc::unbounded_channel();
        let server = Server { states, events: broadcast::channel(16).0, taken: Arc::default() };
        let socket = folder.join("media-engine/media.sock");
        let mut engine = Engine { server, states: received, socket, served: None };
        engine.start();
        engine
    }

    pub fn start(&mut self) {
        self.served = Some(Served::new(&self.socket, MediaServer::new(self.server.clone())));
    }

    /// As if it were killed; what was asked of it before is forgotten.
    pub fn stop(&mut self) {
        self.served.take().unwrap().kill();
        self.server.events = broadcast::channel(16).0;
        while self.states.try_recv().is_ok() {}
    }

    /// This port belongs to somebody else.
    pub fn take_port(&self, port: u32) {
        self.server.taken.lock().unwrap().insert(port);
    }

    /// The next state that is like this.
    pub async fn state(&mut self, what: &str, like: impl Fn(&DesiredState) -> bool) -> DesiredState {
        soon(what, async {
            loop {
                let state = self.states.recv().await.unwrap();
                if like(&state) {
                    return state;
                }
            }
        })
        .await
    }

    pub fn say(&self, kind: Kind) {
        let _ = self.server.events.send(Event { epoch: 1, kind: Some(kind) });
    }
}

#[tonic::async_trait]
impl Media for Server {
    type EventsStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<Event, Status>> + Send>>;

    async fn reconcile(&self, request: Request<DesiredState>) -> Result<Response<ReconcileReply>, Status> {
        let state = request.into_inner();
        let generation = state.generation;
        let taken = self.taken.lock().unwrap().clone();
        let taken = state.sessions.iter().filter(|session| taken.contains(&session.local_port));
        let port_taken = taken.map(|session| PortTaken { session: session.id.clone(), port: session.local_port }).collect();
        let _ = self.states.send(state);
        Ok(Response::new(ReconcileReply { epoch: 1, generation, port_taken }))
    }
    async fn events(&self, _: Request<EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
        let events = BroadcastStream::new(self.events.subscribe());
        Ok(Response::new(Box::pin(events.map(|event| event.map_err(|_| Status::out_of_range("too slow"))))))
    }
}
