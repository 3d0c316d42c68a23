//! Everything once more, in two files written in turn: a copy is written beside, flushed, and renamed over the older of the two,
//! so that at every moment at least one is whole.
//!
//! Layout: magic 8 bytes, format u16, length u64, CRC-32 of these and the payload, payload (postcard of commit and records).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::aside::{self, Kind};
use crate::contents::{CONTENTS_FORMAT, Contents};
use crate::{MOST_RECORDS, Record};

const MAGIC: &[u8; 8] = b"DPstore\n";
const HEADER: usize = 22;
/// No store becomes as large; a larger length is damage.
const LONGEST: u64 = 256 << 20;

/// The two files.
pub(super) struct Copies {
    folder: PathBuf,
    /// The one to be replaced next.
    older: usize,
}

enum Found {
    Nothing,
    Damaged,
    Newer,
    Whole(Contents),
}

impl Copies {
    /// Looks at both: the newest whole contents, and how many are of a newer format (those are put aside).
    pub fn open(folder: &Path) -> io::Result<(Copies, Option<Contents>, usize)> {
        let mut newest: Option<(usize, Contents)> = None;
        let mut newer = 0;
        for number in [0, 1] {
            match look(&path(folder, number)) {
                Found::Whole(contents) if newest.as_ref().is_none_or(|(_, best)| contents.commit > best.commit) => {
                    newest = Some((number, contents));
                }
                Found::Newer => {
                    aside::put(folder, &path(folder, number), Kind::Newer)?;
                    newer += 1;
                }
                Found::Damaged => tracing::warn!(number, "a copy of the settings database is damaged"),
                Found::Whole(_) | Found::Nothing => {}
            }
        }
        let older = newest.as_ref().map_or(0, |(number, _)| 1 - number);
        Ok((Copies { folder: folder.to_owned(), older }, newest.map(|(_, contents)| contents), newer))
    }

    /// Replaces the older copy; it is on the disk when this returns.
    pub fn write(&mut self, contents: &Contents) -> io::Result<()> {
        let temporary = self.folder.join("copy.new");
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        super::only_for_owner(&temporary, 0o600)?;
        file.write_all(&encode(contents)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path(&self.folder, self.older))?;
        File::open(&self.folder)?.sync_all()?;
        self.older = 1 - self.older;
        Ok(())
    }
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("copy-{number}"))
}

fn encode(contents: &Contents) -> io::Result<Vec<u8>> {
    let records: Vec<(&str, &Record)> = contents.records.iter().map(|(key, record)| (key.as_str(), record)).collect();
    let payload = postcard::to_stdvec(&(contents.commit, records)).map_err(io::Error::other)?;
    let length = payload.len() as u64;
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&CONTENTS_FORMAT.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(CONTENTS_FORMAT, length, &payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

fn look(path: &Path) -> Found {
    match File::open(path) {
        Ok(file) => decode(file).unwrap_or(Found::Damaged),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        Err(_) => Found::Damaged,
    }
}

fn decode(mut file: File) -> Option<Found> {
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let (magic, rest) = header.split_first_chunk::<8>()?;
    let (format, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (crc, _) = rest.split_first_chunk::<4>()?;
    let (format, length) = (u16::from_le_bytes(*format), u64::from_le_bytes(*length));
    if magic != MAGIC || length > LONGEST {
        return None;
    }
    let mut payload = Vec::new();
    file.take(length).read_to_end(&mut payload).ok()?;
    if checksum(format, length, &payload) != u32::from_le_bytes(*crc) {
        return None;
    }
    if format > CONTENTS_FORMAT {
        return Some(Found::Newer);
    }
    let (commit, records): (u64, Vec<(String, Record)>) = postcard::from_bytes(&payload).ok()?;
    (records.len() <= MOST_RECORDS).then(|| Found::Whole(Contents { commit, records: records.into_iter().collect() }))
}

fn checksum(format: u16, length: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&format.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}
