//! What the far end of a session says, on its way to the playout: splice, rtpjitterbuffer, decoder, spanplc. Arrival times are
//! handed in, so that a bad network can be tried in virtual time.

use std::sync::{Arc, Mutex};

use agreements::Tick;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::pads::{self, Taken};
use super::port::Ingress;
use super::{PipelineError, pad, plugins};
use crate::codec::{Codec, Decoder};
use crate::desired::Session;
use crate::lock;
use crate::rtp::Header;
use crate::rtp::digits::{DigitReceiver, Received};
use crate::rtp::reception::{Latency, LatencyLimits, Reception};
use crate::rtp::splice::{Splice, Spliced};
use crate::sound::mixer::{Incoming, Report, Reports};
use crate::sound::playout::Playout;
use crate::sound::{BLOCK_NS, RATE};

/// A loss that is longer is silence, not something to be guessed; a shorter one than a packet of 10 ms is none that a sender
/// makes, and spandsp's filler overruns its buffers when it is asked to fill less than it keeps.
const CONCEALED_NS: std::ops::RangeInclusive<u64> = 10_000_000..=100_000_000;

/// The elements between a port and the playout, in the session's pipeline.
pub struct Inbound {
    arrival: Arrival,
    after: Arc<Mutex<After>>,
    /// Keep the links alive: what the concealment gives, and what the jitter buffer gives.
    _concealed: gst::Pad,
    _ordered: gst::Pad,
}

/// Where packets come in.
#[derive(Clone)]
struct Arrival {
    before: Arc<Mutex<Before>>,
    incoming: Arc<Mutex<Incoming>>,
    jitter_buffer: gst::Element,
    feed: gst::Pad,
    playout: Arc<Mutex<Playout>>,
}

/// What a packet meets before the jitter buffer, in the port's thread.
struct Before {
    receives: bool,
    payload_types: Vec<u8>,
    telephone_event: Option<u8>,
    splice: Splice,
    limits: LatencyLimits,
    latency: Latency,
}

/// What a packet meets after it, in the jitter buffer's thread.
struct After {
    session: String,
    codecs: Vec<(Codec, u8)>,
    telephone_event: Option<u8>,
    decoder: Option<Decoder>,
    digits: DigitReceiver,
    concealment: gst::Pad,
    reports: Reports,
}

/// Sound is due one block after the jitter buffer has given a packet up, so that the concealment is in time.
fn playout_delay(latency_ms: u32) -> u64 {
    u64::from(latency_ms) * 1_000_000 + BLOCK_NS
}

impl Inbound {
    /// Puts the elements into the session's pipeline.
    ///
    /// # Errors
    /// GStreamer cannot.
    pub fn new(pipeline: &gst::Pipeline, session: &Session, reports: Reports) -> Result<Inbound, PipelineError> {
        let latency = Latency::new(session.jitter);
        let jitter_buffer = plugins::element("rtpmanager", "rtpjitterbuffer")?;
        jitter_buffer.set_property("do-lost", true);
        jitter_buffer.set_property("latency", latency.current_ms());
        let plc = plugins::element("spandsp", "spanplc")?;
        pipeline.add_many([&jitter_buffer, &plc])?;

        let playout = Arc::new(Mutex::new(Playout::new(playout_delay(latency.current_ms()))));
        let to_playout = Arc::clone(&playout);
        let concealed = pads::taking(&pad(&plc, "src")?, move |taken| play(&to_playout, &taken))?;
        let after = Arc::new(Mutex::new(After {
            session: session.id.clone(),
            codecs: Vec::new(),
            telephone_event: None,
            decoder: None,
            digits: DigitReceiver::default(),
            concealment: pads::feeding(&pad(&plc, "sink")?, &sound())?,
            reports,
        }));
        let in_order = Arc::clone(&after);
        let ordered = pads::taking(&pad(&jitter_buffer, "src")?, move |taken| lock(&in_order).take(taken))?;
        let packets = gst::Caps::builder("application/x-rtp").field("media", "audio").field("clock-rate", 8_000i32).build();
        let arrival = Arrival {
            before: Arc::new(Mutex::new(Before::new(session, latency))),
            incoming: Arc::new(Mutex::new(Incoming { reception: Reception::default(), last_report: None, round_trip_us: None })),
            feed: pads::feeding(&pad(&jitter_buffer, "sink")?, &packets)?,
            jitter_buffer,
            playout,
        };
        let inbound = Inbound { arrival, after, _concealed: concealed, _ordered: ordered };
        inbound.change(session);
        Ok(inbound)
    }

    /// Goes on in another way.
    pub fn change(&self, session: &Session) {
        lock(&self.after).change(session);
        if let Some(latency) = lock(&self.arrival.before).change(session) {
            self.arrival.delay_by(latency);
        }
    }

    /// Takes packets from the port.
    pub fn ingress(&self) -> Ingress {
        let arrival = self.arrival.clone();
        Arc::new(move |buffer| arrival.packet(buffer, service_kit::clock::now()))
    }

    /// Into the mixer.
    pub fn playout(&self) -> Arc<Mutex<Playout>> {
        Arc::clone(&self.arrival.playout)
    }

    /// Counts.
    pub fn incoming(&self) -> Arc<Mutex<Incoming>> {
        Arc::clone(&self.arrival.incoming)
    }
}

/// What the decoders give.
fn sound() -> gst::Caps {
    let caps = gst::Caps::builder("audio/x-raw").field("format", "S16LE").field("layout", "interleaved");
    caps.field("rate", i32::try_from(RATE).unwrap_or(0)).field("channels", 1i32).build()
}

impl Arrival {
    fn packet(&self, buffer: gst::Buffer, now: Tick) {
        let Some((buffer, latency)) = lock(&self.before).packet(buffer, &self.incoming, now) else { return };
        if let Some(latency) = latency {
            self.delay_by(latency);
        }
        // A jitter buffer that is going down takes nothing any more.
        let _ = self.feed.push(buffer);
    }

    fn delay_by(&self, latency_ms: u32) {
        self.jitter_buffer.set_property("latency", latency_ms);
        lock(&self.playout).delay_by(playout_delay(latency_ms));
        tracing::debug!(latency_ms, "the jitter buffer has another length");
    }
}

impl Before {
    fn new(session: &Session, latency: Latency) -> Before {
        Before {
            receives: false,
            payload_types: Vec::new(),
            telephone_event: None,
            splice: Splice::default(),
            limits: session.jitter,
            latency,
        }
    }

    /// A latency, where it begins anew.
    fn change(&mut self, session: &Session) -> Option<u32> {
        self.receives = session.part.receive;
        self.payload_types = session.codecs.iter().map(|codec| codec.1).collect();
        self.telephone_event = session.telephone_event;
        if self.limits == session.jitter {
            return None;
        }
        self.limits = session.jitter;
        self.latency = Latency::new(session.jitter);
        Some(self.latency.current_ms())
    }

    /// The packet as the jitter buffer shall see it, and a new latency; none: it is not for us.
    fn packet(&mut self, mut buffer: gst::Buffer, incoming: &Mutex<Incoming>, now: Tick) -> Option<(gst::Buffer, Option<u32>)> {
        if !self.receives {
            return None;
        }
        let header = Header::parse(&buffer.map_readable().ok()?)?.0;
        let is_event = self.telephone_event == Some(header.payload_type);
        if !is_event && !self.payload_types.contains(&header.payload_type) {
            return None;
        }
        lock(incoming).reception.packet(&header, now, is_event);
        let Spliced::On { sequence, timestamp, .. } = self.splice.packet(&header, now, is_event) else { return None };
        let latency = if is_event { None } else { self.latency.packet(timestamp, now) };
        if (sequence, timestamp) != (header.sequence, header.timestamp) {
            let mut map = buffer.make_mut().map_writable().ok()?;
            map.get_mut(2..4)?.copy_from_slice(&sequence.to_be_bytes());
            map.get_mut(4..8)?.copy_from_slice(&timestamp.to_be_bytes());
        }
        Some((buffer, latency))
    }
}

impl After {
    fn change(&mut self, session: &Session) {
        if self.codecs != session.codecs {
            self.codecs.clone_from(&session.codecs);
            self.decoder = None;
        }
        self.telephone_event = session.telephone_event;
    }

    fn take(&mut self, taken: Taken) {
        match taken {
            Taken::Buffer(buffer) => self.packet(&buffer),
            Taken::Lost(time, length) if self.decoder.is_some() && CONCEALED_NS.contains(&length) => {
                let gap = gst::event::Gap::builder(gst::ClockTime::from_nseconds(time));
                self.concealment.push_event(gap.duration(gst::ClockTime::from_nseconds(length)).build());
            }
            Taken::Lost(..) | Taken::Gap(..) => {}
        }
    }

    fn packet(&mut self, buffer: &gst::Buffer) {
        let (Some(time), Ok(map)) = (buffer.pts(), buffer.map_readable()) else { return };
        let Some((header, payload)) = Header::parse(&map) else { return };
        let payload = map.get(payload).unwrap_or_default();
        if self.telephone_event == Some(header.payload_type) {
            let received = self.digits.packet(header.timestamp, payload);
            return received.into_iter().flatten().for_each(|digit| self.report(digit));
        }
        if let Some(digit) = self.digits.audio(header.timestamp) {
            self.report(digit);
        }
        self.sound(time, header.payload_type, payload);
    }

    fn sound(&mut self, time: gst::ClockTime, payload_type: u8, payload: &[u8]) {
        let Some(codec) = self.codecs.iter().find(|codec| codec.1 == payload_type).map(|codec| codec.0) else { return };
        if self.decoder.as_ref().map(Decoder::codec) != Some(codec) {
            self.decoder = Some(Decoder::new(codec));
        }
        let Some(decoder) = &mut self.decoder else { return };
        let mut samples = Vec::with_capacity(payload.len() * 2);
        decoder.decode(payload, &mut samples);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let length = u64::try_from(samples.len()).unwrap_or(0) * 1_000_000_000 / u64::from(RATE);
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time);
            buffer.set_duration(gst::ClockTime::from_nseconds(length));
        }
        // A pipeline that is going down takes nothing any more.
        let _ = self.concealment.push(buffer);
    }

    fn report(&self, received: Received) {
        let Received { digit, duration_ms } = received;
        let report = Report::DigitReceived { session: self.session.clone(), digit, duration_ms };
        if self.reports.try_send(report).is_err() {
            tracing::warn!("a digit that came in is lost: nobody takes reports");
        }
    }
}

/// Decoded sound, concealed where it was missing, waits for its time.
fn play(playout: &Mutex<Playout>, taken: &Taken) {
    let Taken::Buffer(buffer) = taken else { return };
    let (Some(time), Ok(map)) = (buffer.pts(), buffer.map_readable()) else { return };
    let pairs = map.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
    let samples: Vec<i16> = pairs.map(i16::from_le_bytes).collect();
    lock(playout).push(time.nseconds(), &samples);
}

#[cfg(test)]
mod tests;
