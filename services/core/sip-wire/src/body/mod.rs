//! Bodies of event packages, each in a file of its own: octets in, plain values out. What they mean for lamps, buttons and calls
//! is others' affair. All of them are bounded by [`limits`], take what the field sends (other prefixes, other line ends, unknown
//! elements), and refuse only what cannot be read at all.

mod dialog_info;
mod feature_event;
mod message_summary;
mod multipart;
mod resource_list;
mod sip_fragment;
mod xml;

pub use dialog_info::{DialogDirection, DialogEntry, DialogInfo, DialogState, Participant};
pub use feature_event::{FeatureEvent, FeatureRequest, ForwardingKind};
pub use message_summary::{MessageCounts, MessageSummary};
pub use multipart::{Part, parts};
pub use resource_list::{Instance, InstanceState, ListedResource, ResourceList};
pub use sip_fragment::SipFragment;

/// Bounds on what one body may hold.
pub mod limits {
    /// Octets; a message is not larger either.
    pub const OCTETS: usize = crate::limits::MESSAGE;
    /// Lines of a message summary.
    pub const LINES: usize = 64;
    /// XML elements inside each other.
    pub const DEPTH: usize = 16;
    /// XML elements in all.
    pub const ELEMENTS: usize = 4_096;
    /// Attributes of one XML element.
    pub const ATTRIBUTES: usize = 32;
    /// Dialogs of one dialog-info.
    pub const DIALOGS: usize = 64;
    /// Resources of one list.
    pub const RESOURCES: usize = 256;
    /// Instances of one resource.
    pub const INSTANCES: usize = 16;
    /// Parts of one multipart body.
    pub const PARTS: usize = 256;
    /// Header lines of one part.
    pub const PART_HEADERS: usize = 32;
}
