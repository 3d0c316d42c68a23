//! What a user of a subscription says and is told. Plain data, as everything in `interface`.

use agreements::LineNumber;
use serde::{Deserialize, Serialize};

/// Which subscription. The same words always mean the same one, so that a user that starts again finds its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SubscriptionKey {
    /// The line that asks.
    pub line: LineNumber,
    /// The Event header of RFC 6665 8.2.1: the package, with its parameters where it has some.
    pub event: String,
    /// Whose state: a number of the line's domain or a SIP URI; empty: the line's own address of record.
    pub resource: String,
}

/// How it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionWish {
    /// Types of bodies that the user understands, for Accept; `application/rlmi+xml` among them: lists too (RFC 4662 4.1).
    pub accept: Vec<String>,
    /// Seconds to ask for; none: SIP_SUBS_EXPIRE_n.
    pub expires: Option<u32>,
    /// The appearance of a shared call that it is about, for Call-Info (line-seize).
    pub appearance: Option<u32>,
    /// For the moment only (line-seize): what is refused or ended is not asked for again by itself, and forgotten.
    pub once: bool,
}

/// A body that goes with one SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribeBody {
    /// Content-Type.
    pub content_type: String,
    /// The octets.
    pub bytes: Vec<u8>,
}

/// How far a subscription is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionState {
    /// Asked for, or the line's binding or the next try is waited for; why the last one failed.
    Asking {
        /// Empty at the first try.
        last_error: String,
    },
    /// The server holds it, and somebody has to allow it before it says anything.
    Pending,
    /// The server holds it.
    Active,
    /// Refused for good (403, B211; RFC 6665 4.1.3: rejected, noresource, invariant; no password): not asked for again until
    /// the line's settings or the wish change, or somebody has the line register.
    Refused {
        /// In words.
        reason: String,
    },
    /// Nobody wants it any more. The last thing that is said of it.
    Ended,
    /// Wished for once, and not to be had now (480): what it is about is in use; another one may not be. It is forgotten.
    InUse {
        /// In words.
        reason: String,
    },
}
