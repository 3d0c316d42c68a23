//! The pure SIP room between bytes and messages: framing, normalising, URIs, headers with typed views, SDP text, and the bodies
//! of event packages.
//!
//! It knows nothing of transactions, dialogs, sockets or time, and judges only form: what a message means is sip-stack's.
//! It has its own code because the rsip 0.4 parsers reject valid messages and misread others; of rsip only the vocabulary
//! of methods is used. Everything that comes from outside is bounded by [`limits`], nothing in here panics on it.
//!
//! Text is `str` throughout. Octets that are no UTF-8 keep their identity through a private encoding (see [`text`]), so that
//! a tag or Call-ID in Latin-1 is echoed as it came.

pub mod body;
#[doc(hidden)]
pub mod invariants;
pub mod sdp;
pub mod text;

mod accept;
mod auth;
mod cursor;
mod date;
mod dialog_names;
mod error;
mod framer;
mod header_name;
mod headers;
mod history;
mod host;
mod info;
mod message;
mod method;
mod name_addr;
mod params;
mod parse;
mod refer;
mod session_values;
mod status;
mod uri;
mod values;
mod via;
mod views;

pub use auth::{Challenge, Credentials};
pub use date::{format_date, parse_date};
pub use dialog_names::{Replaces, TargetDialog};
pub use error::{Defect, HeaderError, ParseError, Syntax};
pub use framer::{Frame, FrameError, StreamFramer};
pub use header_name::HeaderName;
pub use headers::Headers;
pub use history::{HistoryCause, HistoryEntry};
pub use host::Host;
pub use info::{AppearanceIndex, AppearanceState, Info};
pub use message::{Message, Request, Response};
pub use method::Method;
pub use name_addr::{Contacts, NameAddr};
pub use params::{Param, Params};
pub use parse::parse_datagram;
pub use refer::{ReferTo, ReferredBy};
pub use session_values::{RAck, SessionExpires};
pub use status::StatusCode;
pub use uri::{Scheme, Uri, UriBuilder};
pub use values::{CSeq, EndReason, Event, MediaType, Reason, RetryAfter, SubscriptionState, Warning};
pub use via::{Via, ViaTransport};

/// Bounds on everything that comes from outside. RFC 4475's longest valid message stays far below them.
pub mod limits {
    /// Octets of one message, start line to body.
    pub const MESSAGE: usize = 65_536;
    /// Header lines of one message.
    pub const HEADERS: usize = 256;
    /// Octets of one header line after unfolding, and of the start line.
    pub const LINE: usize = 8_192;
    /// Elements of one list over all lines of its header.
    pub const LIST: usize = 64;
    /// Parameters of one value.
    pub const PARAMS: usize = 64;
    /// Octets of one URI.
    pub const URI: usize = 4_096;
    /// Octets of a Replaces or Target-Dialog: a Call-ID and two tags.
    pub const DIALOG_NAME: usize = 1_024;
}
