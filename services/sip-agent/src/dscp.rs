//! The mark that SIP's packets carry (DSCP_SIP_n).

use std::net::SocketAddr;

use socket2::SockRef;

/// DSCP_SIP_n stands in the upper six bits of the octet (RFC 2474). `address`: either end's, for its family. A socket that cannot be
/// marked is used without.
pub fn mark(socket: &SockRef<'_>, address: SocketAddr, dscp: u8) {
    let octet = u32::from(dscp & 0x3f) << 2;
    let marked = if address.is_ipv4() { socket.set_tos_v4(octet) } else { socket.set_tclass_v6(octet) };
    if let Err(error) = marked {
        tracing::warn!(%address, %error, "the DSCP could not be set");
    }
}
