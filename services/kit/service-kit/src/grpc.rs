//! gRPC over Unix sockets. The kernel says who the peer is; no TCP, no TLS, no names to look up. What a peer may do is the
//! service's business, with [`crate::peers::PeerTable`].

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::server::UdsConnectInfo;
use tonic::transport::{Channel, Endpoint, Server, Uri};

use crate::environment::socket_path;

/// A request that is not answered within this time has failed: every handler answers at once or says that it cannot.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A server with the limits that all services share: `grpc::server().serve_with_incoming(SettingsServer::new(..), stream)`.
pub fn server() -> Server {
    Server::builder().concurrency_limit_per_connection(32).max_concurrent_streams(64).http2_max_header_list_size(16 * 1024)
}

/// Opens `$DESKPHONE_RUN/<service>/<file>` in place of a stale one. Everybody may connect; the peer's uid decides what it gets.
///
/// # Errors
/// The folder is missing or not ours.
pub fn listen(service: &str, file: &str) -> io::Result<UnixListenerStream> {
    listen_at(&socket_path(service, file))
}

/// The socket gets its name when it is ready to be used: who waits for it connects in the moment in which it appears.
fn listen_at(path: &Path) -> io::Result<UnixListenerStream> {
    let unnamed = path.with_extension("new");
    match std::fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unnamed)?;
    std::fs::set_permissions(&unnamed, std::fs::Permissions::from_mode(0o666))?;
    std::fs::rename(&unnamed, path)?;
    Ok(UnixListenerStream::new(listener))
}

/// A channel to the socket that `service` serves. Connects when it is first used, and again after the peer was away; while it
/// is away requests fail at once with `Unavailable`. Streams have no time limit; wrap single requests in [`REQUEST_TIMEOUT`].
pub fn channel(service: &str, file: &str) -> Channel {
    channel_at(socket_path(service, file))
}

/// As [`channel`], to the socket at `path`.
pub fn channel_at(path: PathBuf) -> Channel {
    let endpoint = Endpoint::from_static("http://unix.invalid").connect_timeout(Duration::from_secs(2));
    endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    }))
}

/// The uid of the process at the other end, as the kernel saw it when it connected.
pub fn peer_uid<T>(request: &tonic::Request<T>) -> Option<u32> {
    let info = request.extensions().get::<UdsConnectInfo>()?;
    info.peer_cred.map(|credentials| credentials.uid())
}
