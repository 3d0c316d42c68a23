//! gRPC Media: checks who asks and hands the request to the driver. Decides nothing else.

use phone_proto::CORRELATION_METADATA;
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::media::media_server::{Media, MediaServer};
use phone_proto::media::{DesiredState, Event, EventsRequest, ReconcileReply};
use service_kit::peers::PeerTable;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use crate::driver::Wish;
use crate::events::Reader;

/// The only one that is served.
const CLIENT: &str = "sip-agent";
/// The socket in our folder of `$DESKPHONE_RUN`.
pub const SOCKET: &str = "media.sock";

struct Desk {
    wishes: mpsc::Sender<Wish>,
    peers: PeerTable,
}

/// The service, to be served on the socket.
pub fn service(wishes: mpsc::Sender<Wish>) -> MediaServer<impl Media> {
    MediaServer::new(Desk { wishes, peers: PeerTable::from_environment() })
}

fn ending() -> Status {
    HouseError::new(ErrorKind::ServiceUnavailable, "media-engine is ending: try again in a second").into()
}

impl Desk {
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let uid = service_kit::grpc::peer_uid(request);
        if uid.and_then(|uid| self.peers.service_of(uid, CLIENT)) == Some(CLIENT) {
            return Ok(());
        }
        let text = format!("Media is for {CLIENT} alone, not for uid {uid:?}");
        Err(HouseError::new(ErrorKind::AccessDenied, text).into())
    }

    async fn ask<T>(&self, wish: impl FnOnce(oneshot::Sender<T>) -> Wish) -> Result<T, Status> {
        let (answer, answered) = oneshot::channel();
        self.wishes.send(wish(answer)).await.map_err(|_| ending())?;
        answered.await.map_err(|_| ending())
    }
}

#[tonic::async_trait]
impl Media for Desk {
    async fn reconcile(&self, request: Request<DesiredState>) -> Result<Response<ReconcileReply>, Status> {
        self.admit(&request)?;
        let correlation = request.metadata().get(CORRELATION_METADATA).and_then(|text| text.to_str().ok());
        let correlation = agreements::Correlation::new(correlation.unwrap_or_default());
        let state = Box::new(request.into_inner());
        let reply = self.ask(|answer| Wish::Reconcile { state, correlation, answer }).await?;
        Ok(Response::new(reply?))
    }

    type EventsStream = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<Event, Status>> + Send>>;

    async fn events(&self, request: Request<EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
        self.admit(&request)?;
        let reader = self.ask(|answer| Wish::Events { answer }).await?;
        Ok(Response::new(Box::pin(stream(reader))))
    }
}

/// Events until the reader is cut off, which the caller is told.
fn stream(reader: Reader) -> impl tokio_stream::Stream<Item = Result<Event, Status>> + Send {
    let cut_off = || HouseError::new(ErrorKind::Busy, "events were not read in time: subscribe again and reconcile").into();
    futures_util::stream::unfold(Some(reader), move |reader| async move {
        let reader = reader?;
        match reader.next().await {
            Some(event) => Some((Ok(event), Some(reader))),
            None => Some((Err(cut_off()), None)),
        }
    })
    .fuse()
}
