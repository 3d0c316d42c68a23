//! The twin in memory: same promises, a disk that outlives the store, and faults on demand. For tests of what uses a store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::contents::Contents;
use crate::{Alarm, Batch, Record, Store, StoreError};

/// What would be on the disk. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    contents: Contents,
    failing: u32,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk::default()
    }

    /// Starts a store on it; the disk keeps what was committed.
    pub fn open(&self, newest_format: u16) -> MemoryStore {
        MemoryStore { disk: self.clone(), newest_format }
    }

    /// The next `count` commits fail.
    pub fn fail_commits(&self, count: u32) {
        self.lock().failing = count;
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store on a [`MemoryDisk`].
pub struct MemoryStore {
    disk: MemoryDisk,
    newest_format: u16,
}

impl MemoryStore {
    fn write(&mut self, planned: &Batch) -> Result<(), StoreError> {
        let mut disk = self.disk.lock();
        if disk.failing > 0 {
            disk.failing -= 1;
            return Err(StoreError::Write("told to fail".into()));
        }
        disk.contents = disk.contents.after(planned);
        Ok(())
    }
}

impl Store for MemoryStore {
    fn read_all(&self) -> BTreeMap<String, Record> {
        self.disk.lock().contents.visible(self.newest_format)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let planned = self.disk.lock().contents.plan(batch, self.newest_format)?;
        self.write(&planned)
    }

    fn erase(&mut self, kept: &Batch) -> Result<(), StoreError> {
        let planned = self.disk.lock().contents.plan_to_erase(kept)?;
        self.write(&planned)
    }

    fn commits(&self) -> u64 {
        self.disk.lock().contents.commit
    }

    fn alarms(&self) -> Vec<Alarm> {
        let count = self.disk.lock().contents.newer(self.newest_format);
        if count > 0 { vec![Alarm::Newer { count }] } else { Vec::new() }
    }
}
