//! Ports for programs that want theirs to be named before they start. One that the kernel has chosen (port 0) may go to whoever
//! asks it next, once it is free again; these lie below those that it chooses from (`ip_local_port_range`), and every process
//! begins elsewhere.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;
/// Ports from where one process begins to where the next one does.
const STRIDE: u32 = 97;

/// A port of this address that nobody has over UDP and over TCP, and that this process has not been told before.
///
/// # Errors
/// There is none.
pub fn free_at(address: IpAddr) -> io::Result<u16> {
    static TURN: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
    let begin = u16::try_from(begin).unwrap_or_default();
    let next = |_| FIRST + (begin + TURN.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
    let free = |port: &u16| UdpSocket::bind((address, *port)).is_ok() && TcpListener::bind((address, *port)).is_ok();
    (0..COUNT).map(next).find(free).ok_or_else(|| io::Error::from(io::ErrorKind::AddrInUse))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_port_is_told_once_and_none_that_somebody_has() {
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let ports: Vec<u16> = (0..50).map(|_| free_at(address).unwrap()).collect();
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)), "{ports:?}");
        assert!(ports.iter().enumerate().all(|(at, port)| !ports[..at].contains(port)), "{ports:?}");
        let _tcp = TcpListener::bind((address, ports[49] + 1));
        let _udp = UdpSocket::bind((address, ports[49] + 2));
        assert!(![1, 2].map(|more| ports[49] + more).contains(&free_at(address).unwrap()));
    }
}
