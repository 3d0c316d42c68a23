//! The process environment that systemd and phonelab set alike; README.md lists the variables.

use std::path::PathBuf;

/// `DESKPHONE_RUN`, default `/run/deskphone`: each service has its own folder in it.
pub fn run_folder() -> PathBuf {
    std::env::var_os("DESKPHONE_RUN").map_or_else(|| PathBuf::from("/run/deskphone"), PathBuf::from)
}

/// The path of a socket that `service` serves.
pub fn socket_path(service: &str, file: &str) -> PathBuf {
    run_folder().join(service).join(file)
}

/// `STATE_DIRECTORY`: the service's own persistent folder. systemd may name several, separated by colons; the first is ours.
pub fn state_folder() -> Option<PathBuf> {
    let value = std::env::var_os("STATE_DIRECTORY")?;
    let first = value.to_string_lossy().split(':').next().unwrap_or_default().to_owned();
    (!first.is_empty()).then(|| PathBuf::from(first))
}
