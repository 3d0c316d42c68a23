//! The wish of the supervisor, or of a person at a terminal, that the service ends.

use tokio::signal::unix;

/// Completes at the first SIGTERM or SIGINT. Where signals cannot be had it never completes and the supervisor kills.
pub async fn signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (unix::signal(unix::SignalKind::terminate()), unix::signal(unix::SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to end"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
    }
    crate::notify::stopping();
}
