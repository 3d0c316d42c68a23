//! The conversation with media-engine: the newest state is asked for until it is in effect, again under its lease, and again
//! when media-engine has started anew. Replies and events come back to the driver as inputs.

use std::time::Duration;

use agreements::CallIdentity;
use phone_proto::media::event::Kind;
use phone_proto::media::media_client::MediaClient;
use phone_proto::media::{DesiredState, Event, EventsRequest, ReconcileReply};
use service_kit::backoff::Backoff;
use service_kit::outage::Outage;
use telephone::MediaState;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::plan::{Outcome, call_of};

const ENGINE: &str = "media-engine";
const SOCKET: &str = "media.sock";
/// A third of the lease.
const RENEW: Duration = Duration::from_secs(10);
/// How long a call that wants to begin waits for a media-engine that is starting again.
const PATIENCE: Duration = Duration::from_secs(3);
/// media-engine answers once its sockets are bound; that takes milliseconds.
const REPLY_WITHIN: Duration = Duration::from_secs(5);

/// What comes back.
pub enum MediaEvent {
    /// What became of the state of this generation.
    Outcome(u64, Outcome),
    /// A digit of the far end.
    Digit {
        /// In this call.
        call: CallIdentity,
        /// One of 0-9 A-D * #.
        digit: String,
        /// In milliseconds.
        duration_ms: u32,
    },
    /// Our digits up to this number are out.
    DigitsSent {
        /// In this call.
        call: CallIdentity,
        /// Of the digit.
        number: u64,
    },
    /// RTP comes in, or has stopped.
    Flow(CallIdentity, MediaState),
}

/// Starts both halves of the conversation; they end with the driver.
pub fn start(states: watch::Receiver<Option<DesiredState>>, events: mpsc::Sender<MediaEvent>) {
    let client = MediaClient::new(service_kit::grpc::channel(ENGINE, SOCKET));
    let (restarted, restarts) = watch::channel(0);
    tokio::spawn(reconcile(client.clone(), states, restarts, events.clone()));
    tokio::spawn(listen(client, restarted, events));
}

/// Nothing sounds and nothing is bound: media-engine may forget it.
fn is_quiet(state: &DesiredState) -> bool {
    state.sessions.is_empty() && state.tone.is_none() && state.ring.is_none()
}

async fn reconcile(
    mut client: MediaClient<Channel>,
    mut states: watch::Receiver<Option<DesiredState>>,
    mut restarts: watch::Receiver<u64>,
    events: mpsc::Sender<MediaEvent>,
) {
    let mut again: Option<Duration> = None;
    let mut trouble = Trouble::new();
    loop {
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            Ok(()) = restarts.changed() => {}
            () = after(again) => {}
        }
        let Some(state) = states.borrow_and_update().clone() else { continue };
        let (generation, quiet) = (state.generation, is_quiet(&state));
        let outcome = match ask(&mut client, state).await {
            Ok(reply) => {
                trouble.over();
                again = (!quiet).then_some(RENEW);
                Some(outcome_of(reply))
            }
            Err(status) => {
                let wait = trouble.wait(&status);
                again = Some(wait);
                let given_up = trouble.lasted() || !is_away(&status);
                given_up.then(|| Outcome::Failed(format!("media-engine: {}", status.message())))
            }
        };
        if let Some(outcome) = outcome
            && events.send(MediaEvent::Outcome(generation, outcome)).await.is_err()
        {
            return;
        }
    }
}

async fn ask(client: &mut MediaClient<Channel>, state: DesiredState) -> Result<ReconcileReply, tonic::Status> {
    let late = tonic::Status::deadline_exceeded("no answer in time");
    let reply = tokio::time::timeout(REPLY_WITHIN, client.reconcile(state)).await;
    reply.unwrap_or(Err(late)).map(tonic::Response::into_inner)
}

fn outcome_of(reply: ReconcileReply) -> Outcome {
    if reply.port_taken.is_empty() { Outcome::Done } else { Outcome::PortTaken(reply.port_taken) }
}

/// It may be starting again. Any other status is an answer.
fn is_away(status: &tonic::Status) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DeadlineExceeded | Unavailable | Unknown)
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// How long media-engine has not answered.
struct Trouble {
    since: Option<Instant>,
    backoff: Backoff,
}

impl Trouble {
    fn new() -> Trouble {
        Trouble { since: None, backoff: Backoff::new(Duration::from_millis(20), Duration::from_secs(1)) }
    }
    fn over(&mut self) {
        self.since = None;
        self.backoff.reset();
    }
    fn wait(&mut self, status: &tonic::Status) -> Duration {
        if self.since.is_none() {
            let (code, reason) = (status.code(), status.message());
            tracing::warn!(peer = ENGINE, ?code, reason, "the media state is not in effect; it is asked for again and again");
            self.since = Some(Instant::now());
        }
        self.backoff.delay()
    }
    fn lasted(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }
}

/// Listens to the events. A new stream, and the end of the lease, mean that media-engine has forgotten everything.
async fn listen(mut client: MediaClient<Channel>, restarted: watch::Sender<u64>, events: mpsc::Sender<MediaEvent>) {
    let mut outage = Outage::of(service_kit::environment::socket_path(ENGINE, SOCKET));
    while !events.is_closed() {
        if let Ok(stream) = client.events(EventsRequest {}).await {
            outage.ends();
            restarted.send_modify(|count| *count += 1);
            let mut stream = stream.into_inner();
            while let Ok(Some(event)) = stream.message().await {
                if matches!(event.kind, Some(Kind::LeaseEnded(_))) {
                    restarted.send_modify(|count| *count += 1);
                }
                if let Some(event) = translated(event)
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
            tracing::info!(peer = ENGINE, "the stream of media events has ended");
        }
        outage.next_try().await;
    }
}

/// Unknown kinds come from a newer peer; statistics have no reader yet.
fn translated(event: Event) -> Option<MediaEvent> {
    match event.kind? {
        Kind::Digit(heard) => {
            let call = call_of(&heard.session)?;
            Some(MediaEvent::Digit { call, digit: heard.digit, duration_ms: heard.duration_ms })
        }
        Kind::DigitsSent(sent) => Some(MediaEvent::DigitsSent { call: call_of(&sent.session)?, number: sent.number }),
        Kind::Flow(flow) => {
            let state = match flow.state.as_str() {
                "flowing" => MediaState::Flowing,
                "silent" => MediaState::Silent,
                _ => return None,
            };
            Some(MediaEvent::Flow(call_of(&flow.session)?, state))
        }
        Kind::Statistics(_) | Kind::LeaseEnded(_) => None,
    }
}
