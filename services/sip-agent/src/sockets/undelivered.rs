//! What the network says about datagrams that it could not deliver (ICMP; RFC 3261 18.4): a socket that is not connected hears of
//! it only through its error queue (ip(7), IP_RECVERR), which also says of which destination. It is looked at whenever the socket
//! gives an error, which is otherwise taken for one of the message at hand.

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
use tokio::net::UdpSocket;

/// Errors that are taken at a time; more are still there at the next look.
const ERRORS_MAX: usize = 32;
/// sock_extended_err and the address of who has complained.
const CONTROL: usize = 256;

/// From now on errors go into the socket's queue.
pub fn listen(socket: &UdpSocket, local: SocketAddr) {
    let asked = if local.is_ipv4() { setsockopt(socket, Ipv4RecvErr, &true) } else { setsockopt(socket, Ipv6RecvErr, &true) };
    if let Err(error) = asked {
        tracing::warn!(%local, %error, "unreachable servers are noticed only by their silence");
    }
}

/// The destinations that cannot be reached, as said since the last look.
pub fn take(socket: &UdpSocket) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for _ in 0..ERRORS_MAX {
        let (mut payload, mut control) = ([0; 1], [0; CONTROL]);
        let mut places = [IoSliceMut::new(&mut payload)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let Ok(said) = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut places, Some(&mut control), flags) else { break };
        let counts = said.cmsgs().is_ok_and(|mut messages| messages.any(|message| is_unreachable(&message)));
        if let Some(address) = said.address.as_ref().and_then(address).filter(|_| counts) {
            found.push(address);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Host, network, port or protocol unreachable; not a datagram that was too large for a link.
fn is_unreachable(message: &ControlMessageOwned) -> bool {
    let error = match message {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => error.ee_errno,
        _ => return false,
    };
    let unreachable = [Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::ENOPROTOOPT];
    unreachable.iter().any(|errno| u32::try_from(*errno as i32) == Ok(error))
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4(SocketAddrV4::from(*address)));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6(SocketAddrV6::from(*address))))
}
