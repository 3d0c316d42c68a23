//! Where the settings stay: a few thousand small records, changed by atomic batches that are on the disk before they are
//! acknowledged. Two stores with one behaviour: [`FolderStore`] (sled and a checksummed copy) and [`MemoryStore`] (its twin for
//! tests). It must not know what the records mean. Why sled has a copy beside it: proto/decisions/0003-sled.md.

mod contents;
mod folder;
mod memory;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use folder::FolderStore;
pub use memory::{MemoryDisk, MemoryStore};

/// One stored value with the number of its format, so that an older program knows what it cannot read.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Counted up by the owner of the record when its bytes change their meaning.
    pub format: u16,
    /// The owner's business; may hold secrets.
    pub bytes: Vec<u8>,
}

/// Key to new record, or to none to remove it. All of it or nothing.
pub type Batch = BTreeMap<String, Option<Record>>;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 512;
/// The longest record, in bytes.
pub const LONGEST_RECORD: usize = 1 << 20;
/// The most records: a store is small, because every commit writes a copy of it.
pub const MOST_RECORDS: usize = 20_000;

/// Why a commit was not made. The records are as they were before.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be used at all.
    #[error("the state folder {} cannot be used: {source}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database did not take the batch.
    #[error("the database could not write: {0}")]
    Write(String),
    /// The batch is larger than a store may become.
    #[error("the batch breaks a limit of the store: {0}")]
    TooLarge(&'static str),
}

/// What an administrator should know about the store, although it works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// The database could not be read or was not whole; its contents come from the copy.
    #[error(
        "the settings database was damaged ({reason}); it was rebuilt from the copy of commit {commit}, the old one is kept in {aside}"
    )]
    Rebuilt {
        /// What was wrong.
        reason: String,
        /// The commit that the copy is of.
        commit: u64,
        /// Where the old database is.
        aside: String,
    },
    /// Neither the database nor a copy could be read: the phone starts with nothing stored.
    #[error(
        "the settings database was damaged ({reason}) and no copy could be read; the phone starts without stored settings, the old database is kept in {aside}"
    )]
    Lost {
        /// What was wrong.
        reason: String,
        /// Where the old database is.
        aside: String,
    },
    /// The commit is in the database, but the copy beside it could not be written.
    #[error("the copy of the settings database could not be written: {reason}")]
    CopyNotWritten {
        /// What the system said.
        reason: String,
    },
    /// Everything was erased, but what is left of the old bytes could not be removed yet.
    #[error("what was erased may still be readable on the disk ({reason}); the next start removes it")]
    NotErased {
        /// What the system said.
        reason: String,
    },
    /// Records, or whole files, were written by a newer version of this program and are left alone.
    #[error("{count} stored items were written by a newer version and are not used; they are kept")]
    Newer {
        /// How many.
        count: usize,
    },
}

/// A store. One owner, no sharing.
pub trait Store: Send {
    /// Every record of a known format.
    fn read_all(&self) -> BTreeMap<String, Record>;

    /// Makes the batch durable, then returns.
    ///
    /// # Errors
    /// Nothing was changed: not now, and not after a restart once a later commit was made.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// One commit after which there is nothing but `kept`: no other record, of whatever format, and nothing on the disk from which
    /// an old one could be read (what the flash itself keeps aside is out of reach). A power cut on the way leaves either everything
    /// or `kept`; the next start goes on with what is left to remove.
    ///
    /// # Errors
    /// Nothing was changed.
    fn erase(&mut self, kept: &Batch) -> Result<(), StoreError>;

    /// How many commits were ever made.
    fn commits(&self) -> u64;

    /// What an administrator should know.
    fn alarms(&self) -> Vec<Alarm>;
}
