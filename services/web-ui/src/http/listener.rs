//! The accept loop, with its limits: connections per source and in all, time to send a request's head, size of a head.
//!
//! axum's own server has none of these. When the listener is dropped the port closes at once, requests under way are answered, and
//! what is still open after a grace (live streams, slow readers) is cut.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::gate::Ends;

/// Connections at once; each costs at most about 50 KB.
const MOST_CONNECTIONS: usize = 48;
/// Connections at once from one address: a browser opens six, and a live stream per window.
const MOST_PER_SOURCE: u32 = 16;
/// Time to send the head of a request; also how long a silent connection is kept.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Largest head, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// Most header lines.
const MOST_HEADERS: usize = 64;
/// How long what we send may stay unacknowledged.
const SEND_LIMIT: Duration = Duration::from_secs(30);
/// What is still open so long after the port has closed is cut.
const GRACE: Duration = Duration::from_secs(3);
/// After a failed accept (no more file descriptors) the loop waits.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// An open web port. Dropping it closes the port.
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    _closing: watch::Sender<()>,
}

impl Listener {
    /// Opens the port.
    ///
    /// # Errors
    /// The address is not ours (yet), or the port is taken.
    pub async fn open(address: SocketAddr, router: Router) -> io::Result<Listener> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let (closing, closed) = watch::channel(());
        tokio::spawn(accept(socket, router, closed));
        Ok(Listener { address, _closing: closing })
    }
}

async fn accept(socket: TcpListener, router: Router, mut closed: watch::Receiver<()>) {
    let sources = Sources::default();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = closed.changed() => return,
        };
        match accepted {
            Ok((stream, source)) => {
                let (Some(seat), Ok(place)) = (sources.enter(source.ip().to_canonical()), places.clone().try_acquire_owned())
                else {
                    tracing::debug!(%source, "too many connections; this one is dropped");
                    continue;
                };
                let (router, closed) = (router.clone(), closed.clone());
                tokio::spawn(async move {
                    serve(stream, source, router, closed).await;
                    drop((seat, place));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, source: SocketAddr, router: Router, mut closed: watch::Receiver<()>) {
    let Ok(local) = stream.local_addr() else { return };
    let _without_delay = stream.set_nodelay(true);
    let _limit_kept_by_kernel =
        rustix::net::sockopt::set_tcp_user_timeout(&stream, u32::try_from(SEND_LIMIT.as_millis()).unwrap_or(0));
    let service = TowerToHyperService::new(router.layer(Extension(Ends { source, local })));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = closed.changed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%source, %error, "a connection has ended early");
    }
}

/// Connections per source.
#[derive(Clone, Default)]
struct Sources(Arc<Mutex<HashMap<IpAddr, u32>>>);

/// One connection's place among its source's.
struct Seat {
    sources: Sources,
    source: IpAddr,
}

impl Sources {
    fn enter(&self, source: IpAddr) -> Option<Seat> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = table.entry(source).or_insert(0);
        if *count >= MOST_PER_SOURCE {
            return None;
        }
        *count += 1;
        Some(Seat { sources: self.clone(), source })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = table.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                table.remove(&self.source);
            }
        }
    }
}
