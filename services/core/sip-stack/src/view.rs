//! What may be read from the stack beside its events: for a driver that has just restored a snapshot, and for tests. Projections
//! only: nothing here can change a call.

use agreements::{CallIdentity, Correlation, LineNumber};

use crate::interface::{CallMedia, Codec, Party};

/// How [`crate::Stack::new`] began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// There was no snapshot.
    Cold,
    /// The snapshot is in effect: calls and registrations go on, flows have been asked for again under the same ids, and the
    /// media of each call and the state of each line are among the first outputs.
    Restored,
    /// The snapshot could not be used, so that this is a cold start; in words.
    Discarded(String),
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStage {
    /// Ours; nothing rings yet.
    Dialing,
    /// Ours; the far end rings.
    Ringback,
    /// Theirs; not answered.
    Incoming,
    /// Answered.
    Talking,
}

/// One call that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// Its identity.
    pub call: CallIdentity,
    /// Its line.
    pub line: LineNumber,
    /// Whether we called.
    pub outgoing: bool,
    /// How far it is.
    pub stage: CallStage,
    /// We hold.
    pub held_by_us: bool,
    /// They hold.
    pub held_by_them: bool,
    /// The far end.
    pub remote: Party,
    /// The SIP Call-ID.
    pub sip_call_id: String,
    /// The codec that is sent.
    pub codec: Option<Codec>,
    /// The last media wish.
    pub media: CallMedia,
    /// Of the command that made the call; empty for an incoming one.
    pub correlation: Correlation,
}
