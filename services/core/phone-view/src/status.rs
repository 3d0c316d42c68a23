//! The three screens of the Status tab: version, network, VoIP (guide 4.3).

use agreements::LineNumber;

use crate::facts::{Peer, Properties, Value};
use crate::fold::{PhoneView, Trust};

const HAL: &str = "org.deskphone.Hal1";
const LINE: &str = "org.deskphone.Sip1.Line";

/// Guide 4.3.1. An empty text is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionInformation {
    /// How far it may be trusted.
    pub trust: Trust,
    /// Model number.
    pub model: String,
    /// Version of the operating system.
    pub os_version: String,
    /// Version of the firmware, in the form of FIRM_VERSION.
    pub firmware_version: String,
}

/// Guide 4.3.2. An empty text is unknown or, for gateway and name servers, not specified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkStatus {
    /// How far it may be trusted.
    pub trust: Trust,
    /// In pairs with colons.
    pub mac_address: String,
    /// "Connected", "Not Connected" or empty.
    pub link_lan: String,
    /// As `link_lan`, of the PC port.
    pub link_pc: String,
    /// "DHCP", "Static" or empty.
    pub connection_mode: String,
    /// IP address.
    pub address: String,
    /// Subnet mask.
    pub subnet_mask: String,
    /// Default gateway.
    pub gateway: String,
    /// Primary name server.
    pub dns1: String,
    /// Secondary name server.
    pub dns2: String,
}

/// What 4.3.3 says about a line (B185).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VoipStatus {
    /// The line can be used.
    Registered,
    /// A REGISTER is under way or will be tried again.
    Registering,
    /// Not configured, disabled, refused (B185), or unknown.
    #[default]
    Blank,
}

impl VoipStatus {
    /// As it stands on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            VoipStatus::Registered => "Registered",
            VoipStatus::Registering => "Registering",
            VoipStatus::Blank => "",
        }
    }

    /// An unknown state of a newer sip-agent is blank.
    fn of(state: &str) -> VoipStatus {
        match state {
            "registered" => VoipStatus::Registered,
            "registering" => VoipStatus::Registering,
            _ => VoipStatus::Blank,
        }
    }
}

/// One line of the VoIP Status screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    /// Which.
    pub line: LineNumber,
    /// As shown to people; empty while the line is not configured.
    pub phone_number: String,
    /// The name that the far end sees; empty when none is set.
    pub display_name: String,
    /// Registered, Registering or blank.
    pub status: VoipStatus,
    /// Why the line is not registered, in words; empty when it is or when nobody knows.
    pub reason: String,
}

impl PhoneView {
    /// Guide 4.3.1.
    pub fn version_information(&self) -> VersionInformation {
        VersionInformation {
            trust: self.trust(Peer::Hal),
            model: self.hal_text("Model"),
            os_version: self.hal_text("OsVersion"),
            firmware_version: self.hal_text("FirmwareVersion"),
        }
    }

    /// Guide 4.3.2.
    pub fn network_status(&self) -> NetworkStatus {
        let mut servers = match self.property(Peer::Hal, HAL, "NameServers") {
            Some(Value::List(servers)) => servers.clone().into_iter(),
            _ => Vec::new().into_iter(),
        };
        NetworkStatus {
            trust: self.trust(Peer::Hal),
            mac_address: in_pairs(&self.hal_text("MacAddress")),
            link_lan: link(&self.hal_text("LinkLan")),
            link_pc: link(&self.hal_text("LinkPc")),
            connection_mode: mode(&self.hal_text("ConnectionMode")),
            address: self.hal_text("Address"),
            subnet_mask: self.hal_text("SubnetMask"),
            gateway: self.hal_text("Gateway"),
            dns1: servers.next().unwrap_or_default(),
            dns2: servers.next().unwrap_or_default(),
        }
    }

    /// Guide 4.3.3: always six lines, in order.
    pub fn lines(&self) -> Vec<LineView> {
        LineNumber::all().map(|line| self.line(line)).collect()
    }

    fn line(&self, line: LineNumber) -> LineView {
        let number = Value::Number(u64::from(line.number()));
        let properties = self.with_interface(Peer::Sip, LINE).map(|(_, properties)| properties);
        let found = properties.into_iter().find(|properties| properties.get("Number") == Some(&number));
        let text = |name: &str| found.map(|properties| text_of(properties, name)).unwrap_or_default();
        let status = VoipStatus::of(&text("State"));
        LineView { line, phone_number: text("PhoneNumber"), display_name: text("DisplayName"), status, reason: text("LastError") }
    }

    /// "unknown" is how the board says that it does not know; a screen leaves the field empty.
    fn hal_text(&self, name: &str) -> String {
        let text = self.text(Peer::Hal, HAL, name);
        if text == "unknown" { String::new() } else { text }
    }
}

/// The text of a property; empty when it is not there.
pub(crate) fn text_of(properties: &Properties, name: &str) -> String {
    match properties.get(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

fn link(state: &str) -> String {
    match state {
        "connected" => "Connected".into(),
        "disconnected" => "Not Connected".into(),
        _ => String::new(),
    }
}

fn mode(mode: &str) -> String {
    match mode {
        "dhcp" => "DHCP".into(),
        "static" => "Static".into(),
        _ => String::new(),
    }
}

/// 0080F0ABCDEF as 00:80:F0:AB:CD:EF; anything else as it is.
fn in_pairs(mac: &str) -> String {
    if mac.len() != 12 || !mac.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return mac.to_owned();
    }
    let pairs: Vec<String> = mac.chars().collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().collect()).collect();
    pairs.join(":")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Fact, Objects};

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn board() -> Objects {
        let properties = Properties::from([
            ("Model".into(), text("KX-UT670")),
            ("FirmwareVersion".into(), text("01.070")),
            ("OsVersion".into(), text("12")),
            ("MacAddress".into(), text("0080F0ABCDEF")),
            ("LinkLan".into(), text("connected")),
            ("LinkPc".into(), text("disconnected")),
            ("ConnectionMode".into(), text("static")),
            ("Address".into(), text("127.0.0.1")),
            ("Gateway".into(), text("unknown")),
            ("NameServers".into(), Value::List(vec!["192.168.0.1".into()])),
        ]);
        Objects::from([("/org/deskphone/Hal1".into(), BTreeMap::from([(HAL.into(), properties)]))])
    }

    fn line(number: u64, state: &str) -> (String, BTreeMap<String, Properties>) {
        let properties = Properties::from([
            ("Number".into(), Value::Number(number)),
            ("State".into(), text(state)),
            ("PhoneNumber".into(), text("200")),
        ]);
        (format!("/org/deskphone/Sip1/line/{number}"), BTreeMap::from([(LINE.into(), properties)]))
    }

    /// Guide 4.3.1 and 4.3.2.
    #[test]
    fn the_network_screen_speaks_as_the_guide_does() {
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Hal, objects: board() });
        let network = view.network_status();
        assert_eq!(network.mac_address, "00:80:F0:AB:CD:EF");
        assert_eq!((network.link_lan.as_str(), network.link_pc.as_str()), ("Connected", "Not Connected"));
        assert_eq!((network.connection_mode.as_str(), network.gateway.as_str()), ("Static", ""));
        assert_eq!((network.dns1.as_str(), network.dns2.as_str()), ("192.168.0.1", ""));
        assert_eq!(view.version_information().model, "KX-UT670");
    }

    /// B185: Registered, Registering, or blank, also after a refusal and for states of a newer peer.
    #[test]
    fn voip_status_is_registered_registering_or_blank() {
        let states = ["registered", "registering", "failed", "unconfigured", "disabled", "hibernating"];
        let objects = states.iter().zip(1..).map(|(state, number)| line(number, state)).collect();
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects });
        let shown: Vec<&str> = view.lines().iter().map(|line| line.status.as_str()).collect();
        assert_eq!(shown, ["Registered", "Registering", "", "", "", ""]);
    }

    #[test]
    fn six_blank_lines_stand_while_nothing_is_known() {
        let lines = PhoneView::new().lines();
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.status == VoipStatus::Blank && line.phone_number.is_empty()));
        assert_eq!(PhoneView::new().network_status(), NetworkStatus::default());
    }
}
