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
    missing: AtomicU64,
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
            missing: AtomicU64::new(0),
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
    /// Sequence numbers that were skipped, over a change of direction not counted.
    pub fn missing(&self) -> u64 {
        self.shared.missing.load(Ordering::Relaxed)
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
    let mut expected = None;
    loop {
        // An ICMP error of an earlier packet is no reason to stop.
        let Ok((length, source)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(packet) = buffer.get_mut(..length).filter(|packet| is_rtp(packet)) else { continue };
        if !shared.sends.load(Ordering::Relaxed) {
            shared.swallowed.fetch_add(1, Ordering::Relaxed);
        } else if send_back(&socket, packet, source, ssrc).await {
            shared.echoed.fetch_add(1, Ordering::Relaxed);
        }
        let fresh = shared.fresh.swap(false, Ordering::Relaxed);
        let sequence = sequence_number(packet);
        if let Some(expected) = expected.filter(|_| !fresh) {
            shared.missing.fetch_add(skipped(expected, sequence), Ordering::Relaxed);
        }
        expected = Some(sequence.wrapping_add(1));
        if fresh {
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

fn sequence_number(packet: &[u8]) -> u16 {
    packet.get(2..4).and_then(|octets| octets.try_into().ok()).map_or(0, u16::from_be_bytes)
}

/// How many numbers lie between; none for a packet that comes late (RFC 3550 appendix A.1: half of the space).
fn skipped(expected: u16, came: u16) -> u64 {
    let ahead = came.wrapping_sub(expected);
    if ahead < 0x8000 { u64::from(ahead) } else { 0 }
}

fn is_rtp(packet: &[u8]) -> bool {
    packet.len() >= HEADER && packet.first().is_some_and(|first| first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use super::skipped;

    #[test]
    fn skipped_packets_are_counted_over_the_wrap_and_late_ones_are_not() {
        assert_eq!((skipped(5, 5), skipped(5, 7), skipped(65_535, 1), skipped(5, 4)), (0, 2, 2, 0));
    }
}
