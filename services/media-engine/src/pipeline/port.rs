//! A pair of UDP ports: bound by us, so that a port that is taken is known before anything changes, and shared by the udpsrc here
//! and the sessions, which send from them. Forked legs share a port: a packet goes to the leg whose far end sent it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::prelude::*;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::pads::{self, Taken};
use super::{PipelineError, absolute_pipeline, plugins};
use crate::lock;

/// Takes the packets of one leg, in the port's thread.
pub type Ingress = Arc<dyn Fn(gst::Buffer) + Send + Sync>;

struct Route {
    session: String,
    remote: Option<SocketAddr>,
    /// Whether packets have come from there: then nobody else is listened to.
    met: bool,
    ingress: Ingress,
}

type Routes = Arc<Mutex<Vec<Route>>>;

/// The pair, and the thread that reads the RTP port.
pub struct Port {
    pipeline: gst::Pipeline,
    rtp: Arc<UdpSocket>,
    rtcp: Arc<UdpSocket>,
    routes: Routes,
    /// Keeps the link alive.
    _taking: gst::Pad,
}

/// Why a pair could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody has it.
    #[error("port {0} is taken")]
    Taken(u16),
    /// Otherwise.
    #[error("{address}: {source}")]
    Refused {
        /// Which.
        address: SocketAddr,
        /// By the system.
        source: io::Error,
    },
    /// GStreamer does not take it.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

fn bind(address: SocketAddr) -> Result<UdpSocket, BindError> {
    let bound = || -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    bound().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(address.port()),
        _ => BindError::Refused { address, source },
    })
}

impl Port {
    /// Binds the pair and begins to read.
    ///
    /// # Errors
    /// See [`BindError`]; nothing is left behind.
    pub fn bind(local: SocketAddr) -> Result<Port, BindError> {
        let rtp = bind(local)?;
        let rtcp = bind(SocketAddr::new(local.ip(), local.port().saturating_add(1)))?;
        Ok(Port::around(rtp, rtcp)?)
    }

    fn around(rtp: UdpSocket, rtcp: UdpSocket) -> Result<Port, PipelineError> {
        let socket = gio::Socket::from_fd(OwnedFd::from(rtp.try_clone()?))?;
        let source = plugins::element("udp", "udpsrc")?;
        source.set_property("socket", &socket);
        source.set_property("close-socket", false);
        source.set_property("auto-multicast", false);
        let routes: Routes = Arc::default();
        let pipeline = absolute_pipeline();
        pipeline.add(&source)?;
        let pad = source.static_pad("src").ok_or_else(|| PipelineError::Failed("udpsrc has no src pad".into()))?;
        let for_packets = Arc::clone(&routes);
        let taking = pads::taking(&pad, move |taken| {
            if let Taken::Buffer(buffer) = taken {
                route(&for_packets, buffer);
            }
        })?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Port { pipeline, rtp: Arc::new(rtp), rtcp: Arc::new(rtcp), routes, _taking: taking })
    }

    /// For RTP.
    pub fn rtp(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.rtp)
    }

    /// For RTCP.
    pub fn rtcp(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.rtcp)
    }

    /// Marks the packets of both ports, RTP's and RTCP's.
    ///
    /// # Errors
    /// The system refuses.
    pub fn mark(&self, (rtp, rtcp): (u8, u8)) -> io::Result<()> {
        for (socket, dscp) in [(SockRef::from(&*self.rtp), rtp), (SockRef::from(&*self.rtcp), rtcp)] {
            let class = u32::from(dscp) << 2;
            if self.rtp.local_addr()?.is_ipv6() { socket.set_tclass_v6(class)? } else { socket.set_tos_v4(class)? }
        }
        Ok(())
    }

    /// Packets from `remote` go to this session from now on.
    pub fn attach(&self, session: &str, remote: Option<SocketAddr>, ingress: Ingress) {
        let mut routes = lock(&self.routes);
        routes.retain(|route| route.session != session);
        routes.push(Route { session: session.to_owned(), remote, met: false, ingress });
    }

    /// The session's far end is elsewhere now.
    pub fn redirect(&self, session: &str, remote: Option<SocketAddr>) {
        let mut routes = lock(&self.routes);
        for route in routes.iter_mut().filter(|route| route.session == session && route.remote != remote) {
            route.remote = remote;
            route.met = false;
        }
    }

    /// No packets to this session any more.
    pub fn detach(&self, session: &str) {
        lock(&self.routes).retain(|route| route.session != session);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The thread ends with it; that it is still reading is no error.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// To the leg with this far end; else to one at the same host; else, where there is only one leg, to that: media may come from
/// elsewhere than SDP said (a relay, a NAT). But a leg that has met its far end takes packets of nobody else.
fn route(routes: &Routes, buffer: gst::Buffer) {
    let ingress = {
        let mut routes = lock(routes);
        choose(&mut routes, sender(&buffer)).map(|route| Arc::clone(&route.ingress))
    };
    if let Some(ingress) = ingress {
        ingress(buffer);
    }
}

fn choose(routes: &mut [Route], from: Option<SocketAddr>) -> Option<&Route> {
    if let Some(exact) = routes.iter().position(|route| route.remote.is_some() && route.remote == from) {
        let route = routes.get_mut(exact)?;
        route.met = true;
        return Some(route);
    }
    let only = routes.len() == 1;
    let host = |route: &&Route| route.remote.map(|remote| remote.ip()) == from.map(|from| from.ip());
    let mut unmet = routes.iter().filter(|route| !route.met);
    unmet.clone().find(host).or_else(|| unmet.next().filter(|_| only))
}

fn sender(buffer: &gst::Buffer) -> Option<SocketAddr> {
    let address = buffer.meta::<gstreamer_net::NetAddressMeta>()?.addr();
    let address = address.downcast::<gio::InetSocketAddress>().ok()?;
    let ip: std::net::IpAddr = address.address().into();
    Some(SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(socket: &UdpSocket) -> u32 {
        let socket = SockRef::from(socket);
        if socket.domain().unwrap() == Domain::IPV6 { socket.tclass_v6().unwrap() } else { socket.tos_v4().unwrap() }
    }

    /// A pair that is free now, of either family.
    fn bind(host: &str) -> Port {
        plugins::start().unwrap();
        let even = (20_000..60_000).step_by(2).map(|port| SocketAddr::new(host.parse().unwrap(), port));
        even.take(1_000).find_map(|local| Port::bind(local).ok()).expect("a free pair")
    }

    /// RFC 2474: the code point is the upper six bits.
    #[test]
    fn each_port_carries_its_code_point() {
        for host in ["127.0.0.1", "::1"] {
            let port = bind(host);
            for (dscp, classes) in [((46, 26), (184, 104)), ((46, 0), (184, 0)), ((0, 46), (0, 184))] {
                port.mark(dscp).unwrap();
                assert_eq!((class(&port.rtp), class(&port.rtcp)), classes, "{host}");
            }
        }
    }

    fn address(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    fn legs(remotes: &[&str]) -> Vec<Route> {
        let leg =
            |remote: &&str| Route { session: (*remote).to_owned(), remote: address(remote), met: false, ingress: Arc::new(|_| ()) };
        remotes.iter().map(leg).collect()
    }

    fn chosen(routes: &mut [Route], from: &str) -> Option<String> {
        choose(routes, address(from)).map(|route| route.session.clone())
    }

    #[test]
    fn packets_go_to_the_leg_whose_far_end_sent_them() {
        let mut routes = legs(&["10.0.0.1:4000", "10.0.0.2:4000", "10.0.0.2:5000"]);
        assert_eq!(chosen(&mut routes, "10.0.0.2:5000").as_deref(), Some("10.0.0.2:5000"));
        assert_eq!(chosen(&mut routes, "10.0.0.1:9999").as_deref(), Some("10.0.0.1:4000"));
        assert_eq!(chosen(&mut routes, "10.0.0.9:4000"), None);
    }

    #[test]
    fn a_single_leg_takes_media_from_elsewhere_until_it_has_met_its_far_end() {
        let mut routes = legs(&["10.0.0.1:4000"]);
        assert!(chosen(&mut routes, "10.0.0.9:7000").is_some());
        assert!(chosen(&mut routes, "10.0.0.1:4000").is_some());
        assert_eq!(chosen(&mut routes, "10.0.0.9:7000"), None);
        assert_eq!(chosen(&mut routes, "10.0.0.1:4002"), None);
        assert!(chosen(&mut routes, "10.0.0.1:4000").is_some());
    }

    #[test]
    fn a_pair_is_taken_when_either_port_is() {
        let port = bind("127.0.0.1");
        let local = port.rtp.local_addr().unwrap();
        assert!(matches!(Port::bind(local), Err(BindError::Taken(taken)) if taken == local.port()));
        assert!(matches!(Port::bind("192.0.2.1:20000".parse().unwrap()), Err(BindError::Refused { .. })));
    }
}
