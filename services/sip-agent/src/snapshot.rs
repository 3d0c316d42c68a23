//! What survives the process, in one memfd that the supervisor keeps (service-kit's two slots): the stack, the telephone, the
//! last settings and facts, the session epoch. Rewritten before the messages that make it true leave.
//!
//! A snapshot of another version is not read. A process that dies again right after it has come back twice may have been killed
//! by what it restored: the next start is cold.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use agreements::Tick;
use serde::{Deserialize, Serialize};
use service_kit::slots::Slots;
use telephone::Phone;

use crate::settings::BoardFacts;

/// Counts up with every change of what is written here or in the telephone; the stack has its own number inside.
const FORMAT: u16 = 5;
/// The name in the supervisor's store.
const NAME: &str = "sip-snapshot";
/// A life shorter than this ended quickly. Longer than the restart and the wait for the first retransmission of what killed it.
const QUICK: Duration = Duration::from_millis(500);
/// So many quick ends in a row, and the next start is cold.
const QUICK_MAX: u8 = 2;

/// What changes seldom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// When this life began.
    started: Tick,
    /// Lives before it, in a row, that ended quickly.
    quick_ends: u8,
    /// RTP goes on where it was as long as this is the same.
    pub session_epoch: u64,
    /// Of `values`; 0: there were none yet.
    pub revision: u64,
    /// The effective settings.
    pub values: BTreeMap<String, String>,
    /// The board's facts as last seen.
    pub board: BoardFacts,
}

/// What a life has left to the next.
pub struct Legacy {
    /// See there.
    pub head: Head,
    /// Not yet told that it was restored; none: a cold start.
    pub calls: Option<(Phone, Vec<u8>)>,
}

/// The memfd, or nothing where none can be had: then a restart is a cold start.
pub struct Keeper {
    slots: Option<Slots>,
    head: Vec<u8>,
}

impl Keeper {
    /// Takes the snapshot back from the supervisor and reads it.
    pub fn open(fds: &mut Vec<(String, OwnedFd)>, now: Tick) -> (Keeper, Option<Legacy>) {
        let slots = match Slots::open_or_create(NAME, fds) {
            Ok(slots) => Some(slots),
            Err(error) => {
                tracing::error!(%error, "calls will not survive a restart");
                None
            }
        };
        let legacy = slots.as_ref().and_then(|slots| legacy(slots, now));
        (Keeper { slots, head: Vec::new() }, legacy)
    }

    /// Writes the head anew with the next snapshot.
    pub fn replace_head(&mut self, head: &Head) {
        match postcard::to_stdvec(head) {
            Ok(bytes) => self.head = bytes,
            Err(error) => tracing::error!(%error, "the settings do not go into the snapshot"),
        }
    }

    /// Writes the snapshot; after this a restart goes on from here.
    pub fn write(&mut self, phone: &Phone, stack: &[u8]) {
        let Some(slots) = &mut self.slots else { return };
        let written = match postcard::to_stdvec(phone) {
            Ok(phone) => {
                slots.write(FORMAT, &[&length(&self.head), &self.head, &length(&phone), &phone, stack]).map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            tracing::error!(error, "the snapshot could not be written; a restart would lose what happens now");
        }
    }
}

/// Stands before a piece: 32 bits, little endian. A longer one is more than a snapshot takes.
fn length(piece: &[u8]) -> [u8; 4] {
    u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Head, telephone and stack; the first two with their lengths before them.
fn decode(bytes: &[u8]) -> Option<(Head, Phone, Vec<u8>)> {
    let (head, rest) = piece(bytes)?;
    let (phone, stack) = piece(rest)?;
    Some((postcard::from_bytes(head).ok()?, postcard::from_bytes(phone).ok()?, stack.to_vec()))
}

fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn legacy(slots: &Slots, now: Tick) -> Option<Legacy> {
    let (format, bytes) = slots.read()?;
    if format != FORMAT {
        tracing::warn!(format, "the snapshot is of another version: cold start");
        return None;
    }
    let Some((mut head, phone, stack)) = decode(&bytes) else {
        tracing::warn!("the snapshot cannot be read: cold start");
        return None;
    };
    let calls = head.begin_life(now).then_some((phone, stack));
    if calls.is_none() {
        tracing::error!("sip-agent ended twice right after its start: cold start, calls are lost");
    }
    Some(Legacy { head, calls })
}

impl Head {
    /// The first life.
    pub fn first(now: Tick, session_epoch: u64) -> Head {
        Head { started: now, session_epoch, ..Head::default() }
    }

    /// Counts how the last life ended. False: what it left is not to be trusted.
    fn begin_life(&mut self, now: Tick) -> bool {
        self.quick_ends = if now.since(self.started) < QUICK { self.quick_ends.saturating_add(1) } else { 0 };
        self.started = now;
        let trusted = self.quick_ends < QUICK_MAX;
        if !trusted {
            self.quick_ends = 0;
        }
        trusted
    }
}

#[cfg(test)]
mod tests {
    use agreements::LineNumber;
    use telephone::TelephoneSettings;

    use super::*;

    fn at(milliseconds: u64) -> Tick {
        Tick(milliseconds * 1_000_000)
    }
    fn phone() -> Phone {
        Phone::new(TelephoneSettings::factory(LineNumber::new(1).unwrap()), 1)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut keeper = Keeper { slots: Slots::create().ok(), head: Vec::new() };
        let mut head = Head::first(at(0), 99);
        head.values.insert("SIP_SRC_PORT_1".into(), "5080".into());
        keeper.replace_head(&head);
        keeper.write(&phone(), b"the stack");
        let legacy = legacy(keeper.slots.as_ref().unwrap(), at(60_000)).unwrap();
        assert_eq!((legacy.head.session_epoch, legacy.head.values), (99, head.values));
        assert_eq!(legacy.calls.unwrap().1, b"the stack");
    }

    #[test]
    fn another_version_and_broken_bytes_mean_a_cold_start() {
        let mut slots = Slots::create().unwrap();
        assert!(legacy(&slots, at(0)).is_none());
        slots.write(FORMAT + 1, &[b"from the future"]).unwrap();
        assert!(legacy(&slots, at(0)).is_none());
        slots.write(FORMAT, &[&[0xff; 100]]).unwrap();
        assert!(legacy(&slots, at(0)).is_none());
    }

    #[test]
    fn two_quick_ends_in_a_row_mean_one_cold_start() {
        let mut head = Head::first(at(0), 1);
        assert!(head.begin_life(at(100)));
        assert!(!head.begin_life(at(200)), "the second quick end");
        assert!(head.begin_life(at(300)), "counted anew after the cold start");
        assert!(head.begin_life(at(5_000)));
        assert!(head.begin_life(at(5_100)));
        assert!(head.begin_life(at(60_000)), "a long life is forgiven");
    }
}
