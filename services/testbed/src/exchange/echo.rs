//! The media of one call: every RTP packet goes back to where it came from, telephone-events among them.
//!
//! Only the SSRC is ours, in every packet of the call the same: a phone that saw its own would take it for a loop (RFC 3550
//! section 8.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// RTP's fixed header (RFC 3550 section 5.1).
const HEADER: usize = 12;
/// More than any packet that a phone sends.
const LARGEST: usize = 2048;
/// RTP ports are even (RFC 3550 section 11): how often to ask for one.
const TRIES: usize = 32;

#[derive(Debug)]
pub(super) struct Echo {
    pub port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    sends: AtomicBool,
    /// No packet has come since the direction changed.
    fresh: AtomicBool,
    echoed: AtomicU64,
    swallowed: AtomicU64,
}

impl Echo {
    /// Starts on a free even port of that address. `news`: the first packet after a change of direction.
    pub fn start(address: IpAddr, ssrc: u32, news: Arc<Notify>) -> Option<Echo> {
        let socket = (0..TRIES).find_map(|_| even_socket(address))?;
        let port = socket.local_addr().ok()?.port();
        let shared = Arc::new(Shared {
            sends: AtomicBool::new(true),
            fresh: AtomicBool::new(true),
            echoed: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
        });
        let task = tokio::spawn(run(socket, ssrc, Arc::clone(&shared), news));
        Some(Echo { port, shared, task })
    }
    /// Whether packets go back; not while we are held.
    pub fn set_sending(&self, sends: bool) {
        self.shared.sends.store(sends, Ordering::Relaxed);
        self.shared.fresh.store(true, Ordering::Relaxed);
    }
    pub fn echoed(&self) -> u64 {
        self.shared.echoed.load(Ordering::Relaxed)
    }
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn even_socket(address: IpAddr) -> Option<UdpSocket> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(address, 0)).ok()?;
    if !socket.local_addr().ok()?.port().is_multiple_of(2) {
        return None;
    }
    socket.set_nonblocking(true).ok()?;
    UdpSocket::from_std(socket).ok()
}

async fn run(socket: UdpSocket, ssrc: u32, shared: Arc<Shared>, news: Arc<Notify>) {
    let mut buffer = [0_u8; LARGEST];
    loop {
        // An ICMP error of an earlier packet is no reason to stop.
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(packet) = buffer.get_mut(..length).filter(|packet| is_rtp(packet)) else { continue };
        if !shared.sends.load(Ordering::Relaxed) {
            shared.swallowed.fetch_add(1, Ordering::Relaxed);
        } else if send_back(&socket, packet, source, ssrc).await {
            shared.echoed.fetch_add(1, Ordering::Relaxed);
        }
        if shared.fresh.swap(false, Ordering::Relaxed) {
            news.notify_one();
        }
    }
}

async fn send_back(socket: &UdpSocket, packet: &mut [u8], source: SocketAddr, ssrc: u32) -> bool {
    if let Some(place) = packet.get_mut(8..HEADER) {
        place.copy_from_slice(&ssrc.to_be_bytes());
    }
    socket.send_to(packet, source).await.is_ok()
}

fn is_rtp(packet: &[u8]) -> bool {
    packet.len() >= HEADER && packet.first().is_some_and(|first| first >> 6 == 2)
}
