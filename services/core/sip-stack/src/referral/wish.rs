//! What a user of referrals says and is told. Plain data, as everything in `interface`.

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};

/// One REFER of theirs that has been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReferralId(pub u64);

/// Whom the far end of a call shall call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferTarget {
    /// A number of the line's domain, or a SIP URI (RFC 5589 section 6: without consultation).
    Address(String),
    /// The far end of another call of ours that is answered, in the place of that call (RFC 5589 section 7, RFC 3891).
    Call(CallIdentity),
}

/// What became of a REFER of ours. Nothing of it ends the call: that is the user's to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReferProgress {
    /// It cannot be asked: nothing was sent, or what was sent was challenged and cannot go again (the call has ended meanwhile, say).
    Unasked {
        /// In words.
        reason: String,
    },
    /// The far end will call.
    Accepted {
        /// It will say how that goes; otherwise this is the last word (RFC 4488).
        followed: bool,
    },
    /// How far its call is.
    Progress {
        /// 100 to 199.
        status: u16,
    },
    /// Its call is answered. The last word.
    Succeeded,
    /// It will not call, or its call has failed, or it does not say how it went. The last word.
    Failed {
        /// SIP status; 0: it has said none.
        status: u16,
        /// In words.
        reason: String,
    },
}
