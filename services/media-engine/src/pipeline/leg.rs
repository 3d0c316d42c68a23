//! One session: its inbound half, and the way out for our packets, which leave from the port's socket. The pipeline lives as long
//! as the session: hold is a closed valve, a new codec or far end changes properties.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::inbound::Inbound;
use super::port::Port;
use super::{PipelineError, absolute_pipeline};
use crate::desired::Session;
use crate::lock;
use crate::sound::mixer::{Reports, Wire};

/// The pipeline of a session.
pub struct Leg {
    pipeline: gst::Pipeline,
    far_end: Arc<Mutex<FarEnd>>,
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
        let inbound = Inbound::new(&pipeline, session, reports)?;
        let leg = Leg { pipeline, far_end: Arc::default(), inbound };
        leg.change(session, port);
        leg.pipeline.set_state(gst::State::Playing)?;
        port.attach(&session.id, session.remote, leg.inbound.ingress());
        Ok(leg)
    }

    /// Goes on in another way.
    pub fn change(&self, session: &Session, port: &Port) {
        if let Err(error) = port.mark(session.dscp) {
            tracing::warn!(call = session.call, %error, dscp = ?session.dscp, "packets cannot be marked");
        }
        port.redirect(&session.id, session.remote);
        *lock(&self.far_end) = FarEnd { rtp: session.remote, rtcp: session.remote_rtcp };
        self.inbound.change(session);
    }

    /// Carries packets of the mixer.
    pub fn wire(&self, port: &Port) -> LegWire {
        LegWire { rtp: port.rtp(), rtcp: port.rtcp(), far_end: Arc::clone(&self.far_end) }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        // Going down cannot fail in a way that anybody could mend.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Where packets go; none: it is not known yet.
#[derive(Default)]
struct FarEnd {
    rtp: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
}

/// The way out of a session. Packets are sent from here, in the device's thread, and not by an udpsink: nothing is to be decided
/// or waited for on the way (proto/decisions/0024).
pub struct LegWire {
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
    far_end: Arc<Mutex<FarEnd>>,
}

impl Wire for LegWire {
    fn rtp(&mut self, packet: &[u8]) {
        let remote = lock(&self.far_end).rtp;
        if let Some(remote) = remote {
            // What cannot be sent is lost, as on the way: the far end is gone, or the network is.
            let _ = self.rtp.send_to(packet, remote);
        }
    }

    fn rtcp(&mut self, packet: &[u8]) {
        let remote = lock(&self.far_end).rtcp;
        if let Some(remote) = remote {
            let _ = self.rtcp.send_to(packet, remote);
        }
    }
}
