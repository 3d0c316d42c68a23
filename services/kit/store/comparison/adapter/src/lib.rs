//! sled 0.34.7 with the face of sled 1.0.0-alpha.124, as far as the store looks at it. It must add nothing and hide nothing: what
//! is compared is the two databases.

use std::io;
use std::path::Path;

pub use old::Batch;

/// See sled.
pub struct Config(old::Config);

impl Config {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Config {
        Config(old::Config::new())
    }
    pub fn path(self, path: impl AsRef<Path>) -> Config {
        Config(self.0.path(path))
    }
    pub fn flush_every_ms(self, every: Option<usize>) -> Config {
        Config(self.0.flush_every_ms(every.map(|ms| ms as u64)))
    }
    pub fn cache_capacity_bytes(self, bytes: usize) -> Config {
        Config(self.0.cache_capacity(bytes as u64))
    }
    /// Leaves have no size of ours here.
    pub fn open<const LEAF: usize>(self) -> io::Result<Db<LEAF>> {
        Ok(Db(self.0.open()?))
    }
}

/// See sled.
pub struct Db<const LEAF: usize>(old::Db);

impl<const LEAF: usize> Db<LEAF> {
    pub fn iter(&self) -> impl Iterator<Item = io::Result<(old::IVec, old::IVec)>> {
        self.0.iter().map(|entry| Ok(entry?))
    }
    pub fn apply_batch(&self, batch: Batch) -> io::Result<()> {
        Ok(self.0.apply_batch(batch)?)
    }
    pub fn flush(&self) -> io::Result<usize> {
        Ok(self.0.flush()?)
    }
}
