//! The facts as they come from the bus, without the bus.

use std::collections::BTreeMap;

/// Who publishes facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// sip-agent: lines and calls.
    Sip,
    /// hal-agent: the board and the network.
    Hal,
    /// provisioning-agent: revisions and alarms.
    Settings,
    /// media-engine: sound.
    Media,
}

impl Peer {
    /// Every one.
    pub const ALL: [Peer; 4] = [Peer::Sip, Peer::Hal, Peer::Settings, Peer::Media];

    /// The service's name, as in `house.toml`.
    pub fn service(self) -> &'static str {
        match self {
            Peer::Sip => "sip-agent",
            Peer::Hal => "hal-agent",
            Peer::Settings => "provisioning-agent",
            Peer::Media => "media-engine",
        }
    }
}

/// The value of a property, of the few shapes that screens need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string or an object path.
    Text(String),
    /// Any unsigned number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// An array of strings.
    List(Vec<String>),
}

/// Property name to value.
pub type Properties = BTreeMap<String, Value>;
/// Object path to interface to properties.
pub type Objects = BTreeMap<String, BTreeMap<String, Properties>>;

/// One thing heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The peer owns its name; nothing is fetched yet.
    Up(Peer),
    /// The peer's name has no owner.
    Down(Peer),
    /// Everything the peer has, fetched after the subscription. It replaces what was known.
    Snapshot {
        /// Whose.
        peer: Peer,
        /// All of them.
        objects: Objects,
    },
    /// Properties have new values, or an interface has appeared with these.
    Changed {
        /// Whose.
        peer: Peer,
        /// Object path.
        path: String,
        /// Interface.
        interface: String,
        /// Only the changed ones.
        properties: Properties,
    },
    /// The object has gone.
    Removed {
        /// Whose.
        peer: Peer,
        /// Object path.
        path: String,
    },
}
