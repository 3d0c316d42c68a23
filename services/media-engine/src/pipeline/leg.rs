//! One session: its inbound half, and the udpsink that carries our packets on the port's socket. The pipeline lives as long as
//! the session: hold is a closed valve, a new codec or far end changes properties.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::inbound::Inbound;
use super::port::Port;
use super::{PipelineError, absolute_pipeline, pad, pads, plugins};
use crate::desired::Session;
use crate::lock;
use crate::sound::mixer::{Reports, Wire};

/// The pipeline of a session.
pub struct Leg {
    pipeline: gst::Pipeline,
    sink: gst::Element,
    remote_rtcp: Arc<Mutex<Option<SocketAddr>>>,
    /// What the far end says, and its counts.
    pub inbound: Inbound,
}

impl Leg {
    /// Sets a session up on its port.
    ///
    /// # Errors
    /// GStreamer cannot; nothing is left behind.
    pub fn new(session: &Session, port: &Port, reports: Reports) -> Result<Leg, PipelineError> {
        let pipeline = absolute_pipeline();
        let sink = udp_sink(port)?;
        pipeline.add(&sink)?;
        let inbound = Inbound::new(&pipeline, session, reports)?;
        let leg = Leg { pipeline, sink, remote_rtcp: Arc::default(), inbound };
        leg.change(session, port);
        leg.pipeline.set_state(gst::State::Playing)?;
        port.attach(&session.id, session.remote, leg.inbound.ingress());
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
        self.inbound.change(session);
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
