//! A snapshot that survives the process: one memfd in the supervisor's store, put there once and rewritten in place. Two
//! slots, written in turn, so that a process killed in the middle of a write leaves the other one whole. It must not be used
//! for what has to survive a power cut: a memfd is memory.
//!
//! Layout, little endian: magic 8 bytes, then two slots of [`SLOT`] bytes: generation u64, format u16, length u32, CRC-32 of
//! all of these and the payload u32, payload.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::fdstore;

/// The longest snapshot. Pages that were never written take no memory.
pub const LONGEST: usize = 1 << 20;
const MAGIC: &[u8; 8] = b"DPslots1";
const HEADER: usize = 18;
const SLOT: u64 = (HEADER + LONGEST) as u64;

/// What went wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The memfd could not be made, written or handed to the supervisor.
    #[error("the snapshot memory cannot be used: {0}")]
    Io(#[from] io::Error),
    /// More than [`LONGEST`].
    #[error("a snapshot of {0} bytes is longer than {LONGEST}")]
    TooLong(usize),
}

/// The two slots.
#[derive(Debug)]
pub struct Slots {
    file: File,
    generation: u64,
}

struct Slot {
    generation: u64,
    format: u16,
    payload: Vec<u8>,
}

impl Slots {
    /// The slots that the supervisor kept under `name`, else new ones, handed to it. A kept descriptor that is not ours is
    /// dropped from the store. `fds` is what [`fdstore::take`] gave; the entry is taken out.
    ///
    /// # Errors
    /// No memfd can be made.
    pub fn open_or_create(name: &str, fds: &mut Vec<(String, OwnedFd)>) -> Result<Slots, SlotError> {
        if let Some(fd) = fdstore::pick(fds, name) {
            match Slots::open(fd) {
                Some(slots) => return Ok(slots),
                None => {
                    tracing::warn!(name, "the supervisor kept a snapshot of another layout; starting without it");
                    fdstore::remove(name)?;
                }
            }
        }
        let slots = Slots::create()?;
        fdstore::put(name, slots.file.as_fd(), false)?;
        Ok(slots)
    }

    /// New, empty slots that nobody keeps.
    ///
    /// # Errors
    /// No memfd can be made.
    pub fn create() -> Result<Slots, SlotError> {
        let file =
            File::from(memfd_create("deskphone-slots", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(io::Error::from)?);
        file.set_len(MAGIC.len() as u64 + 2 * SLOT)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).map_err(io::Error::from)?;
        file.write_all_at(MAGIC, 0)?;
        Ok(Slots { file, generation: 0 })
    }

    /// Slots in a descriptor that came back; none when it has not our layout.
    pub fn open(fd: OwnedFd) -> Option<Slots> {
        let file = File::from(fd);
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).ok()?;
        let length = file.metadata().ok()?.len();
        if &magic != MAGIC || length != MAGIC.len() as u64 + 2 * SLOT {
            return None;
        }
        let mut slots = Slots { file, generation: 0 };
        slots.generation = slots.newest().map_or(0, |slot| slot.generation);
        Some(slots)
    }

    /// The newest whole snapshot: its format number and bytes. None: there is none, or both slots are broken.
    pub fn read(&self) -> Option<(u16, Vec<u8>)> {
        self.newest().map(|slot| (slot.format, slot.payload))
    }

    /// Replaces the older snapshot with these pieces, one after the other; after it returns, a reader sees this one.
    ///
    /// # Errors
    /// `TooLong`, or the memory is exhausted.
    pub fn write(&mut self, format: u16, pieces: &[&[u8]]) -> Result<(), SlotError> {
        let sum = pieces.iter().map(|piece| piece.len()).fold(0, usize::saturating_add);
        let length = u32::try_from(sum).ok().filter(|_| sum <= LONGEST).ok_or(SlotError::TooLong(sum))?;
        let generation = self.generation.wrapping_add(1);
        let mut header = [0; HEADER];
        let fields = generation.to_le_bytes().into_iter().chain(format.to_le_bytes()).chain(length.to_le_bytes());
        let fields = fields.chain(checksum(generation, format, length, pieces).to_le_bytes());
        header.iter_mut().zip(fields).for_each(|(octet, field)| *octet = field);
        let mut at = offset(generation);
        for piece in std::iter::once(header.as_slice()).chain(pieces.iter().copied()) {
            self.file.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        self.generation = generation;
        Ok(())
    }

    /// Forgets both snapshots, for a cold start.
    ///
    /// # Errors
    /// The memfd cannot be written.
    pub fn clear(&mut self) -> Result<(), SlotError> {
        for generation in [0, 1] {
            self.file.write_all_at(&[0; HEADER], offset(generation))?;
        }
        Ok(())
    }

    fn newest(&self) -> Option<Slot> {
        let whole = [0, 1].into_iter().filter_map(|generation| self.slot(offset(generation)));
        whole.max_by_key(|slot| slot.generation)
    }

    fn slot(&self, at: u64) -> Option<Slot> {
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, at).ok()?;
        let (generation, rest) = header.split_first_chunk::<8>()?;
        let (format, rest) = rest.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (crc, _) = rest.split_first_chunk::<4>()?;
        let (generation, format) = (u64::from_le_bytes(*generation), u16::from_le_bytes(*format));
        let length = u32::from_le_bytes(*length);
        let mut payload = vec![0; usize::try_from(length).ok().filter(|length| *length <= LONGEST && generation != 0)?];
        self.file.read_exact_at(&mut payload, at + HEADER as u64).ok()?;
        let whole = checksum(generation, format, length, &[payload.as_slice()]) == u32::from_le_bytes(*crc);
        whole.then_some(Slot { generation, format, payload })
    }
}

fn offset(generation: u64) -> u64 {
    MAGIC.len() as u64 + (generation % 2) * SLOT
}

fn checksum(generation: u64, format: u16, length: u32, pieces: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&generation.to_le_bytes());
    hasher.update(&format.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(slots: &Slots) -> Slots {
        Slots::open(slots.file.try_clone().unwrap().into()).unwrap()
    }

    #[test]
    fn the_newest_snapshot_is_there_after_a_restart() {
        let mut slots = Slots::create().unwrap();
        assert_eq!(slots.read(), None);
        for number in 1..=9_u8 {
            slots.write(2, &[&[number], &vec![number; 1000 * usize::from(number) - 1]]).unwrap();
            assert_eq!(again(&slots).read(), Some((2, vec![number; 1000 * usize::from(number)])));
        }
        let mut restarted = again(&slots);
        restarted.write(3, &[b"after"]).unwrap();
        assert_eq!(slots.read(), Some((3, b"after".to_vec())));
    }

    #[test]
    fn a_write_that_was_cut_off_leaves_the_one_before() {
        let mut slots = Slots::create().unwrap();
        slots.write(1, &[b"whole"]).unwrap();
        slots.write(1, &[b"torn, and longer"]).unwrap();
        slots.file.write_all_at(b"X", offset(2) + HEADER as u64 + 3).unwrap();
        assert_eq!(again(&slots).read(), Some((1, b"whole".to_vec())));
    }

    #[test]
    fn foreign_memory_is_not_taken_for_ours() {
        let foreign = memfd_create("foreign", MemfdFlags::CLOEXEC).unwrap();
        assert!(Slots::open(foreign).is_none());
        let mut fds = vec![("snapshot".to_owned(), memfd_create("foreign", MemfdFlags::CLOEXEC).unwrap())];
        assert_eq!(Slots::open_or_create("snapshot", &mut fds).unwrap().read(), None);
        assert!(fds.is_empty());
    }

    #[test]
    fn a_length_from_a_broken_header_is_not_believed() {
        let slots = Slots::create().unwrap();
        slots.file.write_all_at(&[0xff; HEADER], offset(0)).unwrap();
        assert_eq!(slots.read(), None);
    }

    #[test]
    fn a_snapshot_is_bounded_and_can_be_forgotten() {
        let mut slots = Slots::create().unwrap();
        assert!(matches!(slots.write(1, &[&[0], &vec![0; LONGEST]]), Err(SlotError::TooLong(_))));
        slots.write(1, &[&vec![7; LONGEST]]).unwrap();
        slots.clear().unwrap();
        assert_eq!(slots.read(), None);
    }
}
