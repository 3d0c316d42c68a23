//! Makes the desired state true: carries out the steps of plan.rs on ports, legs, mixer and device. Decides nothing but what to do
//! when a step fails.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use agreements::Tick;
use phone_proto::errors::{ErrorKind, HouseError};
use phone_proto::media::PortTaken;

use crate::desired::{Desired, Ring, Session};
use crate::lock;
use crate::pipeline::PipelineError;
use crate::pipeline::device::{Device, Sound};
use crate::pipeline::leg::Leg;
use crate::pipeline::port::{BindError, Port};
use crate::plan::{Actual, Step, plan};
use crate::rtcp_reader::RtcpReader;
use crate::sound::mixer::{Gains, Mixer, Report, Reports, Voice};
use crate::sound::ringtone::Ringtone;
use crate::sound::tone::Tone;

/// What comes of a desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is so now.
    Done,
    /// Nothing was changed.
    Taken(Vec<PortTaken>),
}

/// The sound of the phone.
pub struct Engine {
    device: Device,
    mixer: Arc<Mutex<Mixer>>,
    reports: Reports,
    ports: HashMap<SocketAddr, Port>,
    legs: HashMap<String, Leg>,
    readers: HashMap<SocketAddr, RtcpReader>,
    actual: Actual,
    /// (session epoch, generation) of the last state that was made true.
    applied: Option<(u64, u64)>,
}

fn internal(error: &dyn std::fmt::Display) -> HouseError {
    HouseError::new(ErrorKind::Internal, format!("the sound cannot be set up: {error}"))
}

impl Engine {
    /// With the device at rest.
    ///
    /// # Errors
    /// GStreamer cannot, or a plugin is missing.
    pub fn new(sound: Sound, reports: Reports) -> Result<Engine, PipelineError> {
        let mixer = Arc::new(Mutex::new(Mixer::new(reports.clone())));
        let device = Device::open(sound, Arc::clone(&mixer), &reports)?;
        Ok(Engine {
            device,
            mixer,
            reports,
            ports: HashMap::new(),
            legs: HashMap::new(),
            readers: HashMap::new(),
            actual: Actual::default(),
            applied: None,
        })
    }

    /// What is so.
    pub fn actual(&self) -> &Actual {
        &self.actual
    }

    /// What plays the sound.
    pub fn device_name(&self) -> &'static str {
        self.device.name()
    }

    /// Volumes from now on.
    pub fn gains(&self, gains: Gains) {
        lock(&self.mixer).gains(gains);
    }

    /// Makes a state true. An older one than the last of the same epoch is refused; another epoch is another life of the calls
    /// and begins to count anew.
    ///
    /// # Errors
    /// `RevisionConflict` (ABORTED) for an older generation; `Internal` when something failed half-way: what was done stays and
    /// the same state may be asked for again.
    pub fn reconcile(&mut self, desired: &Desired, now: Tick) -> Result<Outcome, HouseError> {
        if let Some((epoch, generation)) = self.applied
            && epoch == desired.session_epoch
            && desired.generation < generation
        {
            let text = format!("generation {} is older than {generation}, which is in effect", desired.generation);
            return Err(HouseError::new(ErrorKind::RevisionConflict, text));
        }
        let steps = plan(desired, &self.actual);
        let bound = match self.bind_all(&steps)? {
            Ok(bound) => bound,
            Err(taken) => return Ok(Outcome::Taken(taken)),
        };
        self.ports.extend(bound);
        self.applied = Some((desired.session_epoch, desired.generation));
        for step in steps {
            self.carry_out(&step, now).map_err(|error| internal(&error))?;
            self.actual.done(&step);
        }
        Ok(Outcome::Done)
    }

    /// The device has failed: the next state that needs it starts it again.
    pub fn device_failed(&mut self) {
        self.actual.device = false;
    }

    /// Everything is torn down, as at the end of the lease.
    pub fn clear(&mut self, now: Tick) {
        for step in plan(&Desired::nothing(), &self.actual) {
            if let Err(error) = self.carry_out(&step, now) {
                tracing::warn!(%error, "tearing down");
            }
            self.actual.done(&step);
        }
    }

    /// All or none. The outer error is none of a taken port.
    #[allow(clippy::type_complexity)]
    fn bind_all(&self, steps: &[Step]) -> Result<Result<Vec<(SocketAddr, Port)>, Vec<PortTaken>>, HouseError> {
        let (mut bound, mut taken) = (Vec::new(), Vec::new());
        for step in steps {
            let Step::Bind { session, local } = step else { continue };
            match Port::bind(*local) {
                Ok(port) => bound.push((*local, port)),
                Err(BindError::Taken(port)) => taken.push(PortTaken { session: session.clone(), port: u32::from(port) }),
                Err(error @ BindError::Refused { .. }) => {
                    return Err(HouseError::new(ErrorKind::NotReady, format!("session {session}: {error}")));
                }
                Err(BindError::Pipeline(error)) => return Err(internal(&error)),
            }
        }
        Ok(if taken.is_empty() { Ok(bound) } else { Err(taken) })
    }

    fn carry_out(&mut self, step: &Step, now: Tick) -> Result<(), PipelineError> {
        match step {
            // Bound before, all at once.
            Step::Bind { .. } => {}
            Step::Remove(id) => self.remove(id, now),
            Step::Release(local) => {
                self.readers.remove(local);
                self.ports.remove(local);
            }
            Step::Device(plays) => self.play(*plays),
            Step::Add(session) => self.add(session)?,
            Step::Change(session) => self.change(session),
            Step::Tone(tone) => lock(&self.mixer).tone(tone.as_ref().map(Tone::new)),
            Step::Ring(ring) => self.ring(*ring),
            // One earpiece so far: the route is kept for boards that have more.
            Step::Route(_) => {}
            Step::Digits { session, digits } => lock(&self.mixer).digits(session, digits.clone()),
        }
        Ok(())
    }

    fn add(&mut self, session: &Session) -> Result<(), PipelineError> {
        let port = self.ports.get(&session.local).ok_or_else(|| PipelineError::Failed("the port is gone".into()))?;
        let leg = Leg::new(session, port, self.reports.clone())?;
        let wire = Box::new(leg.wire(port));
        let (playout, incoming) = (leg.inbound.playout(), leg.inbound.incoming());
        let voice = Voice::new(session.id.clone(), session.part.clone(), playout, incoming, wire);
        self.begin_feed(session);
        lock(&self.mixer).enter(voice);
        self.legs.insert(session.id.clone(), leg);
        self.read_rtcp(session);
        Ok(())
    }

    /// The simulated microphone begins its file with the first session that has agreed on a codec. (Not under the mixer's
    /// lock: the device's thread takes its handset first and the mixer then.)
    fn begin_feed(&self, session: &Session) {
        let talks = |session: &Session| session.part.agreed.is_some();
        if talks(session) && !self.actual.sessions.values().any(talks) {
            self.device.restart_feed();
        }
    }

    /// A device that refuses is no reason to refuse a call: it is reported, and the next state tries again.
    fn play(&mut self, plays: bool) {
        if let Err(error) = self.device.play(plays) {
            tracing::error!(%error, plays, "the sound device");
            let _ = self.reports.try_send(Report::DeviceFailed(error.to_string()));
        }
    }

    fn change(&mut self, session: &Session) {
        self.begin_feed(session);
        if let (Some(leg), Some(port)) = (self.legs.get(&session.id), self.ports.get(&session.local)) {
            leg.change(session, port);
        }
        lock(&self.mixer).change(&session.id, session.part.clone());
        self.read_rtcp(session);
    }

    fn remove(&mut self, id: &str, now: Tick) {
        lock(&self.mixer).leave(id, now);
        let Some(session) = self.actual.sessions.get(id) else { return };
        if let Some(port) = self.ports.get(&session.local) {
            port.detach(id);
        }
        if let Some(reader) = self.readers.get(&session.local) {
            reader.forget(id);
        }
        self.legs.remove(id);
    }

    /// Begins to listen for RTCP where it was agreed.
    fn read_rtcp(&mut self, session: &Session) {
        let (Some(port), Some(leg)) = (self.ports.get(&session.local), self.legs.get(&session.id)) else { return };
        let Some(agreed) = session.part.agreed.filter(|_| session.part.rtcp_interval.is_some()) else { return };
        let reader = match self.readers.entry(session.local) {
            Entry::Occupied(reader) => reader.into_mut(),
            Entry::Vacant(place) => match RtcpReader::start(&port.rtcp()) {
                Ok(reader) => place.insert(reader),
                Err(error) => return tracing::warn!(%error, "RTCP cannot be read"),
            },
        };
        reader.expect(&session.id, agreed.ssrc, leg.inbound.incoming());
    }

    fn ring(&mut self, ring: Option<Ring>) {
        let mut mixer = lock(&self.mixer);
        match (ring, self.actual.ring) {
            // Louder or softer is no new beginning.
            (Some(ring), Some(before)) if ring.ringtone == before.ringtone => mixer.ring_volume(ring.volume_percent),
            (ring, _) => mixer.ring(ring.map(|ring| (Ringtone::new(ring.ringtone), ring.volume_percent))),
        }
    }
}
