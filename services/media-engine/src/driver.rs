//! The one loop: requests, reports of the audio, the end of the lease and the watchdog, each put where it belongs.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use agreements::Correlation;
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::media::event::Kind;
use phone_proto::media::{DesiredState, DigitReceived, DigitsSent, Event, FlowState, LeaseEnded, ReconcileReply, Statistics};
use service_kit::{clock, notify};
use tokio::sync::{mpsc, oneshot};

use crate::bus::{self, Served, Shown};
use crate::desired::Desired;
use crate::engine::{Engine, Outcome};
use crate::events::{Events, Reader};
use crate::grpc;
use crate::lease::Lease;
use crate::pipeline::PipelineError;
use crate::pipeline::device::Sound;
use crate::sound::mixer::{Gains, Report};

/// Our name among the services.
pub const SERVICE: &str = "media-engine";
/// At this volume sound is as loud as it came; each percent above or below is 0.3 dB.
const UNITY_PERCENT: u8 = 50;

/// What others want.
pub enum Wish {
    /// Make this state true.
    Reconcile {
        /// As it came.
        state: Box<DesiredState>,
        /// Of the cause.
        correlation: Correlation,
        /// Its reply.
        answer: oneshot::Sender<Result<ReconcileReply, HouseError>>,
    },
    /// Events from now on.
    Events {
        /// Where they come.
        answer: oneshot::Sender<Reader>,
    },
    /// A volume.
    Volume {
        /// handset | speaker | ringer
        route: String,
        /// 0..=100
        percent: u8,
        /// Whether it is so.
        answer: oneshot::Sender<Result<(), HouseError>>,
    },
}

/// Why media-engine ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bus is not there, refused the name, or went away.
    #[error("D-Bus: {0}")]
    Bus(#[from] zbus::Error),
    /// The socket could not be opened.
    #[error("{path}: {source}")]
    Socket {
        /// Where.
        path: String,
        /// By the system.
        source: std::io::Error,
    },
    /// GStreamer.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

struct Driver {
    engine: Engine,
    lease: Lease,
    events: Events,
    /// The newest flow state of each session, for a reader that comes later.
    flows: BTreeMap<String, Event>,
    served: Served,
    shown: Shown,
}

/// Serves until the process is told to stop.
///
/// # Errors
/// See [`RunError`].
pub async fn run(sound: Sound) -> Result<(), RunError> {
    let (wish_sender, mut wishes) = mpsc::channel(64);
    let (report_sender, mut reports) = mpsc::channel(1_024);
    let engine = Engine::new(sound, report_sender)?;
    serve_grpc(&wish_sender)?;
    let connection = service_kit::bus::connect().await?;
    let shown = first(&engine);
    let served = bus::serve(&connection, shown.clone(), wish_sender).await?;
    let mut driver = Driver { engine, lease: Lease::default(), events: Events::default(), flows: BTreeMap::new(), served, shown };
    notify::ready();
    let mut watchdog = notify::Watchdog::from_environment();
    let stop = service_kit::shutdown::signal();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(wish) = wishes.recv() => driver.on_wish(wish),
            Some(report) = reports.recv() => driver.on_report(report),
            () = lease_end(&driver.lease) => driver.on_lease_end(),
            () = watchdog.due() => notify::alive(),
        }
        driver.show().await?;
    }
    driver.engine.clear(clock::now());
    Ok(())
}

fn serve_grpc(wishes: &mpsc::Sender<Wish>) -> Result<(), RunError> {
    let incoming = service_kit::grpc::listen(SERVICE, grpc::SOCKET).map_err(|source| {
        let path = service_kit::environment::socket_path(SERVICE, grpc::SOCKET).display().to_string();
        RunError::Socket { path, source }
    })?;
    let server = service_kit::grpc::server().serve_with_incoming(grpc::service(wishes.clone()), incoming);
    tokio::spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the gRPC server ended");
        }
    });
    Ok(())
}

async fn lease_end(lease: &Lease) {
    match lease.deadline() {
        // A little later than sooner: the lease looks at its own clock.
        Some(deadline) => tokio::time::sleep(deadline.since(clock::now()) + Duration::from_millis(1)).await,
        None => pending().await,
    }
}

fn first(engine: &Engine) -> Shown {
    Shown {
        epoch: service_kit::epoch(),
        state: "ready",
        device: engine.device_name(),
        sessions: 0,
        tone: "none".to_owned(),
        ringing: false,
        volumes: ["handset", "speaker", "ringer"].map(|route| (route.to_owned(), UNITY_PERCENT)).into(),
    }
}

/// 0 is silence, 50 is as it came, 100 is 15 dB more.
fn gain(percent: u8) -> f32 {
    let steps = f32::from(percent) - f32::from(UNITY_PERCENT);
    if percent == 0 { 0.0 } else { crate::sound::factor(steps * 0.3) }
}

impl Driver {
    fn on_wish(&mut self, wish: Wish) {
        // A caller that has gone away needs no answer.
        match wish {
            Wish::Reconcile { state, correlation, answer } => {
                let _ = answer.send(self.reconcile(*state, &correlation));
            }
            Wish::Events { answer } => {
                let sessions = &self.engine.actual().sessions;
                self.flows.retain(|session, _| sessions.contains_key(session));
                let _ = answer.send(self.events.subscribe(self.flows.values().cloned()));
            }
            Wish::Volume { route, percent, answer } => {
                let _ = answer.send(self.set_volume(&route, percent));
            }
        }
    }

    fn reconcile(&mut self, state: DesiredState, correlation: &Correlation) -> Result<ReconcileReply, HouseError> {
        let desired = Desired::read(state)?;
        let now = clock::now();
        let outcome = self.engine.reconcile(&desired, now).inspect_err(|error| {
            tracing::warn!(%error, correlation = correlation.as_str(), "a desired state was not made true");
        })?;
        let mut reply = ReconcileReply { epoch: self.shown.epoch, generation: desired.generation, port_taken: Vec::new() };
        match outcome {
            Outcome::Done => self.lease.renew(now, desired.lease_seconds, !self.is_idle()),
            Outcome::Taken(ports) => reply.port_taken = ports,
        }
        Ok(reply)
    }

    fn is_idle(&self) -> bool {
        let actual = self.engine.actual();
        actual.sessions.is_empty() && actual.tone.is_none() && actual.ring.is_none()
    }

    fn set_volume(&mut self, route: &str, percent: u8) -> Result<(), HouseError> {
        let invalid = |text: String| HouseError::new(ErrorKind::InvalidArgument, text);
        if percent > 100 {
            return Err(invalid(format!("a volume of {percent} percent: 0 to 100 can be")));
        }
        let volume = self.shown.volumes.get_mut(route);
        *volume.ok_or_else(|| invalid(format!("there is no route \"{route}\": handset, speaker or ringer")))? = percent;
        let of = |route: &str| gain(self.shown.volumes.get(route).copied().unwrap_or(UNITY_PERCENT));
        self.engine.gains(Gains { ear: of("handset"), ringer: of("ringer") });
        Ok(())
    }

    fn on_lease_end(&mut self) {
        let now = clock::now();
        if self.lease.ended(now) {
            tracing::warn!("nobody renewed the lease: everything is torn down");
            self.engine.clear(now);
            self.publish(Kind::LeaseEnded(LeaseEnded {}));
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::DigitReceived { session, digit, duration_ms } => {
                self.publish(Kind::Digit(DigitReceived { session, digit: digit.to_string(), duration_ms }));
            }
            Report::DigitSent { session, number } => self.publish(Kind::DigitsSent(DigitsSent { session, number })),
            Report::Flow { session, flowing } => {
                let state = if flowing { "flowing" } else { "silent" }.to_owned();
                let kind = Kind::Flow(FlowState { session: session.clone(), state });
                self.flows.insert(session, Event { epoch: self.shown.epoch, kind: Some(kind.clone()) });
                self.publish(kind);
            }
            Report::Statistics { session, sent, received, lost, jitter_us, round_trip_us } => {
                self.publish(Kind::Statistics(Statistics {
                    session,
                    packets_sent: sent,
                    packets_received: received,
                    packets_lost: lost,
                    jitter_us,
                    round_trip_us,
                }));
            }
            Report::DeviceFailed(_) => {
                self.shown.state = "failed";
                self.engine.device_failed();
            }
        }
    }

    fn publish(&mut self, kind: Kind) {
        self.events.publish(&Event { epoch: self.shown.epoch, kind: Some(kind) });
    }

    /// The bus shows what is so.
    async fn show(&mut self) -> zbus::Result<()> {
        let actual = self.engine.actual();
        let state = match (actual.device, self.shown.state) {
            (true, _) => "playing",
            (false, "failed") if !self.is_idle() => "failed",
            (false, _) => "ready",
        };
        let new = Shown {
            state,
            sessions: u32::try_from(actual.sessions.len()).unwrap_or(u32::MAX),
            tone: actual.tone.as_ref().map_or_else(|| "none".to_owned(), |tone| tone.name.clone()),
            ringing: actual.ring.is_some(),
            ..self.shown.clone()
        };
        self.shown = new.clone();
        self.served.show(new).await
    }
}

#[cfg(test)]
mod tests {
    use super::gain;

    #[test]
    fn the_volume_scale_goes_from_silence_over_unity_upwards() {
        assert!(gain(0) == 0.0 && (gain(50) - 1.0).abs() < 1e-6);
        assert!((gain(100) - 5.62).abs() < 0.01 && gain(1) > 0.0);
    }
}
