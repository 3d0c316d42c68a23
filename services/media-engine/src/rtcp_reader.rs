//! Reads RTCP of one port, only where it was agreed. The round trip needs the moment of arrival, so it is read when it comes and
//! not with the next block.

use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

use tokio::task::AbortHandle;

use crate::lock;
use crate::rtp::rtcp;
use crate::sound::mixer::Incoming;

/// Longer than any sane compound packet.
const LONGEST: usize = 1_500;

struct Expected {
    session: String,
    ssrc: u32,
    incoming: Arc<Mutex<Incoming>>,
}

/// The reader of one port; ends when it is dropped.
pub struct RtcpReader {
    expected: Arc<Mutex<Vec<Expected>>>,
    task: AbortHandle,
}

impl RtcpReader {
    /// Begins to read.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub fn start(socket: &UdpSocket) -> io::Result<RtcpReader> {
        let socket = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
        let expected: Arc<Mutex<Vec<Expected>>> = Arc::default();
        let task = tokio::spawn(read(socket, Arc::clone(&expected))).abort_handle();
        Ok(RtcpReader { expected, task })
    }

    /// Reports about this stream of ours belong to this session.
    pub fn expect(&self, session: &str, ssrc: u32, incoming: Arc<Mutex<Incoming>>) {
        self.forget(session);
        lock(&self.expected).push(Expected { session: session.to_owned(), ssrc, incoming });
    }

    /// The session is gone.
    pub fn forget(&self, session: &str) {
        lock(&self.expected).retain(|expected| expected.session != session);
    }
}

impl Drop for RtcpReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(socket: tokio::net::UdpSocket, expected: Arc<Mutex<Vec<Expected>>>) {
    let mut packet = [0; LONGEST];
    loop {
        match socket.recv(&mut packet).await {
            Ok(length) => take(packet.get(..length).unwrap_or_default(), &expected),
            // The far end has closed its port; the socket goes on.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return tracing::warn!(%error, "RTCP is not read any more"),
        }
    }
}

fn take(packet: &[u8], expected: &Mutex<Vec<Expected>>) {
    let now = service_kit::clock::now();
    for expected in lock(expected).iter() {
        let read = rtcp::read(packet, expected.ssrc, now);
        let mut incoming = lock(&expected.incoming);
        incoming.last_report = read.sender.or(incoming.last_report);
        incoming.round_trip_us = read.round_trip_us.or(incoming.round_trip_us);
    }
}
