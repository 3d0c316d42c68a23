//! What a board is: one trait and one file in `boards/` per device. A board reports facts and events and takes outputs; it
//! decides nothing, and it knows nothing of the bus.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use agreements::{Hook, LampPattern};
use phone_proto::errors::{ErrorKind, HouseError};
use tokio::sync::mpsc;

use crate::dhcp::Asker;
use crate::pc_port::Vlan;

/// The facts of a board. An empty text means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Model name as macros and User-Agent show it (B39).
    pub model: String,
    /// Twelve upper-case hexadecimal digits (B56).
    pub mac_address: String,
    /// Form of FIRM_VERSION (B246).
    pub firmware_version: String,
    /// Of the operating system below.
    pub os_version: String,
    /// Guide 4.3.2.
    pub network: NetworkFacts,
    /// The wall clock is right (B44, B218).
    pub clock_set: bool,
    /// Where the SD card is mounted; none: no card is in.
    pub sd_card: Option<PathBuf>,
}

/// The network facts of guide 4.3.2. An empty text means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    /// connected | disconnected
    pub link_lan: String,
    /// connected | disconnected
    pub link_pc: String,
    /// dhcp | static
    pub connection_mode: String,
    /// The address of the LAN port.
    pub address: String,
    /// Its mask, dotted; for IPv6 the prefix length.
    pub subnet_mask: String,
    /// Default gateway.
    pub gateway: String,
    /// DNS1, DNS2.
    pub name_servers: Vec<String>,
    /// The VLAN of the PC port; none: its frames stay as they are.
    pub pc_vlan: Option<Vlan>,
}

/// What happens on a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardEvent {
    /// The hook switch moved.
    Hook(Hook),
    /// A key of the matrix went down or up.
    Key {
        /// One of [`Board::keys`].
        name: &'static str,
        /// Down.
        pressed: bool,
    },
    /// `facts()` are others now.
    Facts,
}

/// The events of a board on their way to the driver. Bounded: a board whose events are not taken waits.
pub type Events = mpsc::Sender<BoardEvent>;

/// A device.
pub trait Board: Send {
    /// Its name, as `--board` takes it.
    fn name(&self) -> &'static str;
    /// The keys, in the order of the key sheet.
    fn keys(&self) -> &'static [&'static str];
    /// The lamps.
    fn lamps(&self) -> &'static [&'static str];
    /// The facts as they are now.
    fn facts(&self) -> Facts;
    /// The hook as it is now.
    fn hook(&self) -> Hook;
    /// Takes the values of the rows whose consumer is hal-agent; the facts may change by it.
    fn apply_settings(&mut self, values: &BTreeMap<String, String>);
    /// On whose behalf the DHCP server is asked for what leads to configuration files; none while the address does not come from
    /// DHCP (B30).
    fn dhcp_asker(&self) -> Option<Asker>;
    /// Where the control socket of the lldpd is that hal-agent rules; none: it rules none.
    fn lldpd_socket(&self) -> Option<PathBuf>;
    /// Puts the frames of the PC port into this VLAN, or leaves them as they are. Level-triggered.
    fn tag_pc_port(&mut self, vlan: Option<Vlan>);
    /// Lights a lamp. Level-triggered. Errors: InvalidArgument.
    fn light(&mut self, lamp: &str, pattern: LampPattern) -> Result<(), HouseError>;
    /// Restarts the whole unit, as a reboot does; the caller is ended soon after. Errors: WrongState, where this board cannot.
    fn restart(&mut self) -> Result<(), HouseError>;
    /// What a hand does, where the board is simulated.
    fn hand(&mut self) -> Option<&mut dyn Hand>;
}

/// The hand at a simulated board. What it does comes back as [`BoardEvent`]s in the order given here.
pub trait Hand {
    /// Lifts or replaces the handset; nothing happens when it is there already.
    fn move_handset(&mut self, to: Hook) -> Vec<BoardEvent>;
    /// Puts a folder in as the SD card, or takes out what is in. Errors: InvalidArgument.
    fn move_card(&mut self, folder: Option<&Path>) -> Result<Vec<BoardEvent>, HouseError>;
    /// Puts the LAN port's cable in or takes it out; `address`: what the network there gives, if not what it gave before.
    fn move_cable(&mut self, inserted: bool, address: Option<IpAddr>) -> Vec<BoardEvent>;
    /// Presses and releases a key. Errors: InvalidArgument.
    fn press(&mut self, key: &str) -> Result<Vec<BoardEvent>, HouseError>;
}

/// An argument that this board does not know.
pub fn invalid(text: String) -> HouseError {
    HouseError::new(ErrorKind::InvalidArgument, text)
}

/// A piece of outside text that is short enough for an error message.
pub fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
