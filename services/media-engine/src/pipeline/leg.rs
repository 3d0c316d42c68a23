//! One session: what its far end says on its way to the playout (splice, rtpjitterbuffer, decoder, spanplc), and the udpsink that
//! carries our packets on the port's socket. The pipeline lives as long as the session: hold is a closed valve, a new codec or
//! far end changes properties.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::pads::{self, Taken};
use super::port::{Ingress, Port};
use super::{PipelineError, absolute_pipeline, plugins};
use crate::codec::{Codec, Decoder};
use crate::desired::Session;
use crate::lock;
use crate::rtp::Header;
use crate::rtp::digits::{DigitReceiver, Received};
use crate::rtp::reception::{Latency, LatencyLimits, Reception};
use crate::rtp::splice::{Splice, Spliced};
use crate::sound::mixer::{Incoming, Report, Reports, Wire};
use crate::sound::playout::Playout;
use crate::sound::{BLOCK_NS, RATE};

/// A loss that is longer is silence, not something to be guessed; a shorter one than a packet of 10 ms is none that a sender
/// makes, and spandsp's filler overruns its buffers when it is asked to fill less than it keeps.
const CONCEALED_NS: std::ops::RangeInclusive<u64> = 10_000_000..=100_000_000;

/// The pipeline of a session.
pub struct Leg {
    pipeline: gst::Pipeline,
    sink: gst::Element,
    before: Arc<Mutex<Before>>,
    after: Arc<Mutex<After>>,
    jitter_buffer: gst::Element,
    feed: gst::Pad,
    remote_rtcp: Arc<Mutex<Option<SocketAddr>>>,
    /// Into the mixer.
    pub playout: Arc<Mutex<Playout>>,
    /// Counts.
    pub incoming: Arc<Mutex<Incoming>>,
    /// Keep the links alive.
    _pads: [gst::Pad; 2],
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

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, PipelineError> {
    element.static_pad(name).ok_or_else(|| PipelineError::Failed(format!("{} has no pad {name}", element.name())))
}

impl Leg {
    /// Sets a session up on its port.
    ///
    /// # Errors
    /// GStreamer cannot; nothing is left behind.
    pub fn new(session: &Session, port: &Port, reports: Reports) -> Result<Leg, PipelineError> {
        let pipeline = absolute_pipeline();
        let latency = Latency::new(session.jitter);
        let jitter_buffer = plugins::element("rtpmanager", "rtpjitterbuffer")?;
        jitter_buffer.set_property("do-lost", true);
        jitter_buffer.set_property("latency", latency.current_ms());
        let plc = plugins::element("spandsp", "spanplc")?;
        let sink = udp_sink(port)?;
        pipeline.add_many([&jitter_buffer, &plc, &sink])?;

        let playout = Arc::new(Mutex::new(Playout::new(playout_delay(latency.current_ms()))));
        let to_playout = Arc::clone(&playout);
        let concealed = pads::taking(&pad(&plc, "src")?, move |taken| play(&to_playout, &taken))?;
        let sound = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", i32::try_from(RATE).unwrap_or(0))
            .field("channels", 1i32)
            .build();
        let after = Arc::new(Mutex::new(After {
            session: session.id.clone(),
            codecs: session.codecs.clone(),
            telephone_event: session.telephone_event,
            decoder: None,
            digits: DigitReceiver::default(),
            concealment: pads::feeding(&pad(&plc, "sink")?, &sound)?,
            reports,
        }));
        let in_order = Arc::clone(&after);
        let ordered = pads::taking(&pad(&jitter_buffer, "src")?, move |taken| lock(&in_order).take(taken))?;
        let packets = gst::Caps::builder("application/x-rtp").field("media", "audio").field("clock-rate", 8_000i32).build();
        let packets = pads::feeding(&pad(&jitter_buffer, "sink")?, &packets)?;
        let before = Before {
            receives: session.part.receive,
            payload_types: Vec::new(),
            telephone_event: session.telephone_event,
            splice: Splice::default(),
            limits: session.jitter,
            latency,
        };
        let leg = Leg {
            pipeline,
            sink,
            before: Arc::new(Mutex::new(before)),
            after,
            jitter_buffer,
            feed: packets,
            remote_rtcp: Arc::default(),
            playout,
            incoming: Arc::new(Mutex::new(Incoming { reception: Reception::default(), last_report: None, round_trip_us: None })),
            _pads: [concealed, ordered],
        };
        leg.change(session, port);
        leg.pipeline.set_state(gst::State::Playing)?;
        port.attach(&session.id, session.remote, leg.ingress());
        Ok(leg)
    }

    /// Goes on in another way.
    pub fn change(&self, session: &Session, port: &Port) {
        if let Some(remote) = session.remote {
            self.sink.set_property("host", remote.ip().to_string());
            self.sink.set_property("port", i32::from(remote.port()));
        }
        if let Err(error) = port.mark(session.dscp) {
            tracing::warn!(call = session.call, %error, dscp = session.dscp, "packets cannot be marked");
        }
        port.redirect(&session.id, session.remote);
        *lock(&self.remote_rtcp) = session.remote_rtcp;
        self.change_after(session);
        let mut before = lock(&self.before);
        before.receives = session.part.receive;
        before.payload_types = session.codecs.iter().map(|codec| codec.1).collect();
        before.telephone_event = session.telephone_event;
        if before.limits != session.jitter {
            before.limits = session.jitter;
            before.latency = Latency::new(session.jitter);
            self.delay_by(before.latency.current_ms());
        }
    }

    fn change_after(&self, session: &Session) {
        let mut after = lock(&self.after);
        if after.codecs != session.codecs {
            after.codecs.clone_from(&session.codecs);
            after.decoder = None;
        }
        after.telephone_event = session.telephone_event;
    }

    fn delay_by(&self, latency_ms: u32) {
        delay_by(&self.jitter_buffer, &self.playout, latency_ms);
    }

    fn ingress(&self) -> Ingress {
        let (before, incoming) = (Arc::clone(&self.before), Arc::clone(&self.incoming));
        let (feed, jitter_buffer, playout) = (self.feed.clone(), self.jitter_buffer.clone(), Arc::clone(&self.playout));
        Arc::new(move |buffer| {
            let Some((buffer, latency)) = lock(&before).packet(buffer, &incoming) else { return };
            if let Some(latency) = latency {
                delay_by(&jitter_buffer, &playout, latency);
            }
            // A jitter buffer that is going down takes nothing any more.
            let _ = feed.push(buffer);
        })
    }

    /// Carries packets of the mixer.
    ///
    /// # Errors
    /// GStreamer cannot.
    pub fn wire(&self, port: &Port) -> Result<LegWire, PipelineError> {
        let caps = gst::Caps::builder("application/x-rtp").build();
        let feed = pads::feeding(&pad(&self.sink, "sink")?, &caps)?;
        Ok(LegWire { feed, rtcp: port.rtcp(), remote_rtcp: Arc::clone(&self.remote_rtcp) })
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        // Going down cannot fail in a way that anybody could mend.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn udp_sink(port: &Port) -> Result<gst::Element, PipelineError> {
    let sink = plugins::element("udp", "udpsink")?;
    // A far end that is not known yet: the default is "localhost", which may be resolved to the other family and then refused.
    let (family, nobody) = match port.socket().family() {
        gio::SocketFamily::Ipv6 => ("socket-v6", "::1"),
        _ => ("socket", "127.0.0.1"),
    };
    sink.set_property(family, port.socket());
    sink.set_property("host", nobody);
    sink.set_property("close-socket", false);
    sink.set_property("auto-multicast", false);
    sink.set_property("sync", false);
    sink.set_property("async", false);
    Ok(sink)
}

fn delay_by(jitter_buffer: &gst::Element, playout: &Mutex<Playout>, latency_ms: u32) {
    jitter_buffer.set_property("latency", latency_ms);
    lock(playout).delay_by(playout_delay(latency_ms));
    tracing::debug!(latency_ms, "the jitter buffer has another length");
}

impl Before {
    /// The packet as the jitter buffer shall see it, and a new latency; none: it is not for us.
    fn packet(&mut self, mut buffer: gst::Buffer, incoming: &Mutex<Incoming>) -> Option<(gst::Buffer, Option<u32>)> {
        if !self.receives {
            return None;
        }
        let header = Header::parse(&buffer.map_readable().ok()?)?.0;
        let is_event = self.telephone_event == Some(header.payload_type);
        if !is_event && !self.payload_types.contains(&header.payload_type) {
            return None;
        }
        let now = service_kit::clock::now();
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

/// The way out of a session.
pub struct LegWire {
    feed: gst::Pad,
    rtcp: Arc<UdpSocket>,
    remote_rtcp: Arc<Mutex<Option<SocketAddr>>>,
}

impl Wire for LegWire {
    fn rtp(&mut self, packet: &[u8]) {
        // What cannot be sent is lost, as on the way: the far end is gone, or the network is.
        let _ = self.feed.push(gst::Buffer::from_slice(packet.to_vec()));
    }

    fn rtcp(&mut self, packet: &[u8]) {
        if let Some(remote) = *lock(&self.remote_rtcp) {
            let _ = self.rtcp.send_to(packet, remote);
        }
    }
}
