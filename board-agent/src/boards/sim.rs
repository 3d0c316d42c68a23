//! The simulated board for a PC: a handset, keys and lamps that only the bus moves and shows, and the PC's own network.
//!
//! Its address and MAC come from the rows SIM_ADDRESS and SIM_MAC, which a dealer preset sets, until a hand puts its cable into another
//! network; it touches nothing of the PC. A
//! real handset and a real SD card stay where they are when a process dies, so what is simulated of them lies in files of the state
//! folder.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use agreements::{Hook, LampPattern};
use phone_proto::errors::{ErrorKind, HouseError};

use crate::board::{Board, BoardEvent, Facts, Hand, NetworkFacts, invalid, shortened};
use crate::dhcp::Asker;
use crate::pc_port::Vlan;

const KEYS: &[&str] = &[
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "star",
    "0",
    "pound",
    "speaker",
    "headset",
    "mute",
    "hold",
    "transfer",
    "conference",
    "redial",
    "flash",
    "message",
    "forward",
    "cancel",
    "enter",
    "up",
    "down",
    "left",
    "right",
    "volume-up",
    "volume-down",
    "line-1",
    "line-2",
    "line-3",
    "line-4",
    "line-5",
    "line-6",
];

const LAMPS: &[&str] =
    &["message", "ringer", "speaker", "headset", "mute", "line-1", "line-2", "line-3", "line-4", "line-5", "line-6"];

/// The model and firmware that the guide describes.
const MODEL: &str = "KX-UT670";
const FIRMWARE: &str = "01.070";

/// Files of the state folder.
const HANDSET: &str = "handset";
const CARD: &str = "sd-card";

/// See the module.
pub struct Sim {
    hook: Hook,
    /// The folder that outlives the process.
    state: Option<PathBuf>,
    /// The folder that is the SD card.
    sd_card: Option<PathBuf>,
    mac: String,
    address: Option<IpAddr>,
    /// What a hand has put the unit at; it wins.
    moved_to: Option<IpAddr>,
    cable: bool,
    /// The PC's link whose DHCP server is asked; empty: none is.
    dhcp_interface: String,
    /// The lldpd of this PC that may be ruled.
    lldpd_socket: Option<PathBuf>,
    pc_vlan: Option<Vlan>,
    /// CONNECTION_MODE.
    is_static: bool,
    lamps: BTreeMap<&'static str, LampPattern>,
    os_version: String,
    name_servers: Vec<String>,
}

impl Sim {
    /// A board with no address yet. `state` is the folder that outlives the process; without one the handset is in its cradle.
    pub fn new(state: Option<PathBuf>) -> Sim {
        let kept = |name: &str| std::fs::read_to_string(state.as_ref()?.join(name)).ok();
        let (lies, card) = (kept(HANDSET), kept(CARD).filter(|path| !path.is_empty()));
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        let resolv = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        Sim {
            hook: lies.and_then(|text| text.trim().parse().ok()).unwrap_or(Hook::On),
            sd_card: card.map(PathBuf::from),
            state,
            mac: String::new(),
            address: None,
            moved_to: None,
            cable: true,
            dhcp_interface: String::new(),
            lldpd_socket: None,
            pc_vlan: None,
            is_static: false,
            lamps: BTreeMap::new(),
            os_version: os_version(&release),
            name_servers: name_servers(&resolv),
        }
    }
}

impl Sim {
    fn address(&self) -> Option<IpAddr> {
        self.moved_to.or(self.address)
    }

    fn keep(&self, name: &str, text: &str) {
        let Some(folder) = &self.state else { return };
        if let Err(error) = std::fs::write(folder.join(name), text) {
            tracing::warn!(%error, name, folder = %folder.display(), "what is simulated will be forgotten with this process");
        }
    }
}

/// PRETTY_NAME of os-release(5), or empty.
fn os_version(release: &str) -> String {
    let line = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    line.unwrap_or_default().trim_matches('"').chars().take(80).collect()
}

/// The first two servers of resolv.conf(5).
fn name_servers(resolv: &str) -> Vec<String> {
    let servers = resolv.lines().filter_map(|line| line.strip_prefix("nameserver")).map(str::trim);
    servers.filter(|server| server.parse::<IpAddr>().is_ok()).take(2).map(str::to_owned).collect()
}

/// Loopback is a /8; elsewhere the mask is not known here.
fn mask(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => "255.0.0.0",
        IpAddr::V6(v6) if v6.is_loopback() => "128",
        IpAddr::V4(_) | IpAddr::V6(_) => "",
    }
}

/// Twelve hexadecimal digits.
fn bytes_of(mac: &str) -> Option<[u8; 6]> {
    let digits = u64::from_str_radix(mac, 16).ok().filter(|_| mac.len() == 12)?;
    digits.to_be_bytes().get(2..)?.try_into().ok()
}

impl Board for Sim {
    fn name(&self) -> &'static str {
        "sim"
    }
    fn keys(&self) -> &'static [&'static str] {
        KEYS
    }
    fn lamps(&self) -> &'static [&'static str] {
        LAMPS
    }
    fn facts(&self) -> Facts {
        Facts {
            model: MODEL.to_owned(),
            mac_address: self.mac.clone(),
            firmware_version: FIRMWARE.to_owned(),
            os_version: self.os_version.clone(),
            network: NetworkFacts {
                link_lan: if self.cable { "connected" } else { "disconnected" }.to_owned(),
                link_pc: "disconnected".to_owned(),
                connection_mode: if self.is_static { "static" } else { "dhcp" }.to_owned(),
                address: self.address().map(|address| address.to_string()).unwrap_or_default(),
                subnet_mask: self.address().map(mask).unwrap_or_default().to_owned(),
                gateway: String::new(),
                name_servers: self.name_servers.clone(),
                pc_vlan: self.pc_vlan,
            },
            // The clock of a PC is set by the PC.
            clock_set: true,
            sd_card: self.sd_card.clone(),
        }
    }
    fn hook(&self) -> Hook {
        self.hook
    }
    fn apply_settings(&mut self, values: &BTreeMap<String, String>) {
        if let Some(text) = values.get("SIM_ADDRESS") {
            self.address = text.parse().ok();
        }
        if let Some(mac) = values.get("SIM_MAC") {
            self.mac = mac.to_ascii_uppercase();
        }
        if let Some(interface) = values.get("SIM_DHCP_INTERFACE") {
            interface.clone_into(&mut self.dhcp_interface);
        }
        if let Some(path) = values.get("SIM_LLDPD_SOCKET") {
            self.lldpd_socket = Some(PathBuf::from(path)).filter(|path| path.is_absolute());
        }
        if let Some(mode) = values.get("CONNECTION_MODE") {
            self.is_static = mode == "STATIC";
        }
    }
    fn dhcp_asker(&self) -> Option<Asker> {
        let (IpAddr::V4(address), Some(mac)) = (self.address()?, bytes_of(&self.mac)) else { return None };
        let asks = !self.is_static && !self.dhcp_interface.is_empty();
        asks.then(|| Asker { interface: self.dhcp_interface.clone(), address, mac })
    }
    fn lldpd_socket(&self) -> Option<PathBuf> {
        self.lldpd_socket.clone()
    }
    fn tag_pc_port(&mut self, vlan: Option<Vlan>) {
        self.pc_vlan = vlan;
    }
    fn light(&mut self, lamp: &str, pattern: LampPattern) -> Result<(), HouseError> {
        let lamp = LAMPS.iter().find(|known| **known == lamp);
        let lamp = lamp.ok_or_else(|| invalid(format!("this board has no such lamp; it has {}", LAMPS.join(", "))))?;
        self.lamps.insert(lamp, pattern);
        Ok(())
    }
    fn restart(&mut self) -> Result<(), HouseError> {
        match service_kit::notify::restart_unit() {
            Ok(true) => Ok(()),
            Ok(false) => Err(HouseError::new(ErrorKind::WrongState, "the simulated unit has no supervisor that could restart it")),
            Err(error) => Err(HouseError::new(ErrorKind::WrongState, format!("the supervisor cannot be asked: {error}"))),
        }
    }
    fn hand(&mut self) -> Option<&mut dyn Hand> {
        Some(self)
    }
}

impl Hand for Sim {
    fn move_handset(&mut self, to: Hook) -> Vec<BoardEvent> {
        if self.hook == to {
            return Vec::new();
        }
        self.hook = to;
        self.keep(HANDSET, to.as_str());
        vec![BoardEvent::Hook(to)]
    }
    fn move_card(&mut self, folder: Option<&Path>) -> Result<Vec<BoardEvent>, HouseError> {
        if let Some(folder) = folder.filter(|folder| !folder.is_absolute() || folder.to_str().is_none()) {
            return Err(invalid(format!("{} is no path of a folder from the root on", shortened(&folder.display().to_string()))));
        }
        self.sd_card = folder.map(Path::to_owned);
        self.keep(CARD, folder.and_then(Path::to_str).unwrap_or_default());
        Ok(vec![BoardEvent::Facts])
    }
    fn move_cable(&mut self, inserted: bool, address: Option<IpAddr>) -> Vec<BoardEvent> {
        self.cable = inserted;
        self.moved_to = address.or(self.moved_to);
        vec![BoardEvent::Facts]
    }
    fn press(&mut self, key: &str) -> Result<Vec<BoardEvent>, HouseError> {
        let known = KEYS.iter().find(|known| **known == key);
        let name =
            known.ok_or_else(|| invalid(format!("there is no key \"{}\"; the keys are {}", shortened(key), KEYS.join(", "))))?;
        Ok(vec![BoardEvent::Key { name, pressed: true }, BoardEvent::Key { name, pressed: false }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the facts are others with this value.
    fn differs(sim: &mut Sim, name: &str, value: &str) -> bool {
        let before = sim.facts();
        sim.apply_settings(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        sim.facts() != before
    }

    fn board(address: &str) -> Sim {
        let mut sim = Sim::new(None);
        let values = [("SIM_ADDRESS", address), ("SIM_MAC", "0080f0abcdef")];
        sim.apply_settings(&values.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        sim
    }

    #[test]
    fn facts_follow_the_rows() {
        let facts = board("127.0.0.1").facts();
        assert_eq!((facts.network.address.as_str(), facts.network.subnet_mask.as_str()), ("127.0.0.1", "255.0.0.0"));
        assert_eq!(facts.mac_address, "0080F0ABCDEF");
        assert_eq!(board("::1").facts().network.subnet_mask, "128");
    }

    #[test]
    fn the_mac_address_is_that_of_its_row() {
        let mut sim = board("127.0.0.1");
        assert!(differs(&mut sim, "SIM_MAC", "0080F0111111"));
        assert_eq!((sim.facts().mac_address.as_str(), sim.facts().network.address.as_str()), ("0080F0111111", "127.0.0.1"));
    }

    #[test]
    fn an_address_that_is_none_is_unknown() {
        assert_eq!(board("nonsense").facts().network.address, "");
    }

    #[test]
    fn the_same_settings_again_change_nothing() {
        let mut sim = board("127.0.0.1");
        assert!(!differs(&mut sim, "SIM_ADDRESS", "127.0.0.1"));
        assert!(differs(&mut sim, "SIM_ADDRESS", "127.0.0.3"));
    }

    /// B30: with a static address no DHCP server is asked.
    #[test]
    fn a_dhcp_server_is_asked_where_the_address_comes_from_one() {
        let mut sim = board("10.77.0.1");
        assert_eq!(sim.dhcp_asker(), None, "no link is named");
        assert!(!differs(&mut sim, "SIM_DHCP_INTERFACE", "v0"));
        let asker = sim.dhcp_asker().unwrap();
        assert_eq!((asker.interface.as_str(), asker.mac), ("v0", [0, 0x80, 0xf0, 0xab, 0xcd, 0xef]));
        assert!(differs(&mut sim, "CONNECTION_MODE", "STATIC"), "a fact of the network, too");
        assert_eq!(sim.dhcp_asker(), None);
    }

    /// The lldpd of a PC is the PC's own unless a preset says otherwise.
    #[test]
    fn an_lldpd_is_ruled_where_its_socket_is_named() {
        let mut sim = board("127.0.0.1");
        for (path, ruled) in [("", false), ("lldpd.socket", false), ("/run/lldpd.socket", true)] {
            sim.apply_settings(&BTreeMap::from([("SIM_LLDPD_SOCKET".to_owned(), path.to_owned())]));
            assert_eq!(sim.lldpd_socket(), ruled.then(|| path.into()), "{path}");
        }
    }

    #[test]
    fn the_hook_moves_once() {
        let mut sim = Sim::new(None);
        assert_eq!(sim.move_handset(Hook::Off), [BoardEvent::Hook(Hook::Off)]);
        assert_eq!(sim.move_handset(Hook::Off), []);
        assert_eq!(sim.hook(), Hook::Off);
    }

    #[test]
    fn the_handset_stays_where_it_is_when_the_process_dies() {
        let folder = tempfile::tempdir().unwrap();
        let board = || Sim::new(Some(folder.path().to_owned()));
        assert_eq!(board().hook(), Hook::On);
        board().move_handset(Hook::Off);
        assert_eq!(board().hook(), Hook::Off);
    }

    #[test]
    fn the_card_stays_in_until_it_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let board = || Sim::new(Some(folder.path().to_owned()));
        assert!(board().move_card(Some(Path::new("card"))).is_err());
        board().move_card(Some(Path::new("/media/card"))).unwrap();
        assert_eq!(board().facts().sd_card.as_deref(), Some(Path::new("/media/card")));
        board().move_card(None).unwrap();
        assert_eq!(board().facts().sd_card, None);
    }

    /// The preset says the address again whenever a setting changes.
    #[test]
    fn the_cable_goes_to_another_network_and_stays_there() {
        let mut sim = board("10.77.0.1");
        let seen = |sim: &Sim| (sim.facts().network.link_lan, sim.facts().network.address);
        let state = |link: &str, address: &str| (link.to_owned(), address.to_owned());
        assert_eq!(seen(&sim), state("connected", "10.77.0.1"));
        assert_eq!(sim.move_cable(false, None), [BoardEvent::Facts]);
        assert_eq!(seen(&sim), state("disconnected", "10.77.0.1"));
        sim.move_cable(true, Some("10.77.0.9".parse().unwrap()));
        sim.apply_settings(&BTreeMap::from([("SIM_ADDRESS".to_owned(), "10.77.0.1".to_owned())]));
        assert_eq!(seen(&sim), state("connected", "10.77.0.9"));
    }

    #[test]
    fn a_key_goes_down_and_up_and_an_unknown_one_is_named() {
        let mut sim = Sim::new(None);
        assert_eq!(sim.press("5").unwrap().len(), 2);
        let error = sim.press("no such key").unwrap_err();
        assert!(error.text.contains("no such key") && error.text.contains("star"), "{error}");
    }

    #[test]
    fn system_files_are_read_leniently() {
        assert_eq!(os_version("NAME=x\nPRETTY_NAME=\"Debian 12\"\n"), "Debian 12");
        assert_eq!(
            name_servers("# c\nnameserver 127.0.0.53\nnameserver bad\nnameserver ::1\nnameserver 127.0.0.9\n"),
            ["127.0.0.53", "::1"]
        );
    }
}
