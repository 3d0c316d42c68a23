//! sled, and nothing else of the project touches it. One tree: records under their keys, each as format u16 and bytes, and the
//! seal (format, commit number, checksum of all records), which changes in the same batch as the records. sled panics where it
//! meets what it does not expect; every call is fenced.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::contents::{CONTENTS_FORMAT, Contents};
use crate::{Batch, Record};

/// All records fit into one leaf of sled until there are this many; a commit then is one slot and one line of its log.
const LEAF: usize = 1024;
/// More than a store of settings ever needs; sled's default is 512 MB.
const CACHE: usize = 4 << 20;
/// No key of a record begins with this byte's value.
const SEAL: &[u8] = b"\0seal";

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Damaged(String),
    #[error("it has format {0} of a newer version")]
    Newer(u16),
}

/// An open database.
pub(super) struct Database {
    sled: sled::Db<LEAF>,
}

impl Database {
    /// Opens or makes it, reads all of it and checks the seal.
    pub fn open(path: &Path) -> Result<(Database, Contents), Trouble> {
        let sled = fenced(|| {
            settle(path)?;
            sled::Config::new().path(path).flush_every_ms(None).cache_capacity_bytes(CACHE).open::<LEAF>()
        });
        let sled = sled.map_err(Trouble::Damaged)?;
        let database = Database { sled };
        // What is read through now may have been written by a process that died before it was flushed.
        match fenced(|| super::only_for_owner(path, 0o700)).map_err(Trouble::Damaged).and_then(|()| database.read()) {
            Ok(contents) => Ok((database, contents)),
            Err(trouble) => {
                database.close();
                Err(trouble)
            }
        }
    }

    fn read(&self) -> Result<Contents, Trouble> {
        let entries = fenced(|| self.sled.iter().collect::<io::Result<Vec<_>>>()).map_err(Trouble::Damaged)?;
        let mut contents = Contents::default();
        let mut seal = None;
        for (key, value) in &entries {
            if key.as_ref() == SEAL {
                seal = Some(Seal::decode(value).ok_or_else(|| damaged("its seal cannot be read"))?);
                continue;
            }
            let key = std::str::from_utf8(key).map_err(|_| damaged("a key is no text"))?;
            contents.records.insert(key.to_owned(), decode(value).ok_or_else(|| damaged("a record is cut off"))?);
        }
        match seal {
            None if contents.records.is_empty() => Ok(contents),
            None => Err(damaged("its seal is missing")),
            Some(seal) if seal.format > CONTENTS_FORMAT => Err(Trouble::Newer(seal.format)),
            Some(seal) => {
                contents.commit = seal.commit;
                if contents.checksum() == seal.checksum { Ok(contents) } else { Err(damaged("its records do not match its seal")) }
            }
        }
    }

    /// One atomic batch with the seal of `next`, on the disk when this returns.
    pub fn write(&self, planned: &Batch, next: &Contents) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for (key, record) in planned {
            match record {
                Some(record) => batch.insert(key.as_bytes(), encode(record)),
                None => batch.remove(key.as_bytes()),
            }
        }
        batch.insert(SEAL, Seal::of(next).encode());
        fenced(|| {
            self.sled.apply_batch(batch)?;
            self.sled.flush().map(|_| ())
        })
    }

    /// Ends sled's threads and gives its lock back.
    pub fn close(self) {
        let closed = fenced(|| {
            drop(self.sled);
            Ok(())
        });
        if let Err(reason) = closed {
            tracing::warn!(reason, "the settings database did not close cleanly");
        }
    }
}

/// Flushes what a killed process may have left in the page cache: what is read from now on is what a power cut would leave.
/// (sled would call the program `sync` for that, which the service's sandbox need not have.)
fn settle(folder: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() { settle(&entry.path())? } else { File::open(entry.path())?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}

/// Runs a call into sled; its panics become words.
fn fenced<T>(call: impl FnOnce() -> io::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("sled stopped at \"{}\"", words.unwrap_or("something unsaid")))
        }
    }
}

fn damaged(reason: &str) -> Trouble {
    Trouble::Damaged(reason.to_owned())
}

fn encode(record: &Record) -> Vec<u8> {
    [&record.format.to_le_bytes(), record.bytes.as_slice()].concat()
}

fn decode(value: &[u8]) -> Option<Record> {
    let (format, bytes) = value.split_first_chunk::<2>()?;
    Some(Record { format: u16::from_le_bytes(*format), bytes: bytes.to_vec() })
}

struct Seal {
    format: u16,
    commit: u64,
    checksum: u32,
}

impl Seal {
    fn of(contents: &Contents) -> Seal {
        Seal { format: CONTENTS_FORMAT, commit: contents.commit, checksum: contents.checksum() }
    }
    fn encode(&self) -> Vec<u8> {
        let parts: [&[u8]; 3] = [&self.format.to_le_bytes(), &self.commit.to_le_bytes(), &self.checksum.to_le_bytes()];
        parts.concat()
    }
    fn decode(bytes: &[u8]) -> Option<Seal> {
        let (format, rest) = bytes.split_first_chunk::<2>()?;
        let (commit, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, _) = rest.split_first_chunk::<4>()?;
        Some(Seal {
            format: u16::from_le_bytes(*format),
            commit: u64::from_le_bytes(*commit),
            checksum: u32::from_le_bytes(*checksum),
        })
    }
}
