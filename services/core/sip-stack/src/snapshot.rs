//! The snapshot: a format number, then everything by postcard. A number that is not ours, or bytes that do not fit, is no error
//! of the program: the stack starts cold and says so. It holds the lines' passwords; whoever keeps it keeps it private.

use serde::{Deserialize, Serialize};

use crate::interface::{Output, StackSettings};
use crate::stack::{Core, Stack};

/// Grows whenever a type that is stored changes its shape.
pub const SNAPSHOT_FORMAT: u16 = 5;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("the snapshot has format {0}, this version knows {SNAPSHOT_FORMAT}")]
    Format(u16),
    #[error("the snapshot is too short to be one")]
    Short,
    #[error("the snapshot cannot be read: {0}")]
    Broken(#[from] postcard::Error),
}

/// What is read.
#[derive(Deserialize)]
pub(crate) struct Kept {
    pub(crate) carry: [u8; 32],
    pub(crate) settings: Option<StackSettings>,
    pub(crate) core: Core,
}

/// Two bytes of format, little endian, and the fields of [`Kept`] one after the other.
pub(crate) fn write(stack: &Stack) -> Vec<u8> {
    let core = encoded(&stack.core);
    let mut bytes = Vec::with_capacity(2 + 32 + stack.settings_kept.len() + core.len());
    bytes.extend_from_slice(&SNAPSHOT_FORMAT.to_le_bytes());
    bytes.extend_from_slice(&stack.random.carry());
    bytes.extend_from_slice(&stack.settings_kept);
    bytes.extend_from_slice(&core);
    bytes
}

/// The settings as they stand in it.
pub(crate) fn settings(settings: Option<&StackSettings>) -> Vec<u8> {
    encoded(&settings)
}

/// Only a type that refuses to be written could fail here, and none of ours does; an empty piece reads back as a cold start.
fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).unwrap_or_default()
}

pub(crate) fn read(bytes: &[u8]) -> Result<Kept, SnapshotError> {
    let (format, rest) = bytes.split_first_chunk::<2>().ok_or(SnapshotError::Short)?;
    match u16::from_le_bytes(*format) {
        SNAPSHOT_FORMAT => Ok(postcard::from_bytes(rest)?),
        other => Err(SnapshotError::Format(other)),
    }
}

impl Stack {
    /// After a restore: sockets are asked for again under the same ids, media and line states are said again, so that a driver
    /// that knows nothing knows everything.
    pub(crate) fn resume(&mut self) {
        self.core.stopping = false;
        let flows: Vec<_> = self.core.flows.iter().map(|(id, _)| id).collect();
        for flow in flows {
            self.ask_for_flow(flow);
        }
        self.resume_streams();
        let wishes: Vec<_> = self.calls().into_iter().map(|call| call.media).filter(|media| media.generation > 0).collect();
        for wish in wishes {
            self.put(Output::MediaDesired(wish));
        }
        self.forget_told_lines();
        self.tell_lines();
        self.forget_told_subscriptions();
        self.tell_subscriptions();
    }
}
