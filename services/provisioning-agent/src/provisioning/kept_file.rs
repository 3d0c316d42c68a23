//! A small file of ours in the state folder, written as a whole: after a power cut there is the old one or the new one. It must not
//! hold settings, which have their store.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What is in it, of `longest` bytes at the most.
///
/// # Errors
/// It is not there, or cannot be read as a `T`.
pub fn read<T: DeserializeOwned>(path: &Path, longest: u64) -> io::Result<T> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(longest).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Puts this into it, for nobody else to read.
///
/// # Errors
/// The disk says no.
pub fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
