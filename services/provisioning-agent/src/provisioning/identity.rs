//! What provisioning needs of hal-agent's facts. Unknown is legal for each of them.

use std::collections::HashMap;
use std::path::PathBuf;

use settings::template::Facts;
use zbus::OwnedVariant;

/// The unit as a server sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What macros stand for (B39, B56).
    pub facts: Facts,
    /// Whether certificates' dates can be checked (HTTP_SSL_VERIFY).
    pub clock_set: bool,
    /// Link, address, gateway and name servers: a change is a reason to try again.
    pub network: Vec<String>,
    /// Whether the DHCP server has been asked for pre-provisioning: Hal1.DhcpState.
    pub dhcp_state: String,
    /// Where the SD card is mounted; none: no card is in.
    pub sd_card: Option<PathBuf>,
}

impl Identity {
    /// From the properties of Hal1; all unknown when the board is not there.
    pub fn from_properties(properties: &HashMap<String, OwnedVariant>) -> Identity {
        let known =
            |name: &str| properties.get(name).and_then(|value| value.downcast_ref::<&str>().ok()).filter(|text| *text != "unknown");
        let text = |name: &str| known(name).unwrap_or_default().to_owned();
        let clock_set = properties.get("ClockSet").and_then(|value| value.downcast_ref::<bool>().ok()).unwrap_or(false);
        let servers = properties.get("NameServers").map(|servers| format!("{servers:?}")).unwrap_or_default();
        Identity {
            facts: Facts { mac: text("MacAddress"), model: text("Model"), firmware: text("FirmwareVersion") },
            clock_set,
            network: vec![text("LinkLan"), text("Address"), text("Gateway"), servers],
            dhcp_state: text("DhcpState"),
            sd_card: known("SdCard").filter(|path| !path.is_empty()).map(PathBuf::from),
        }
    }

    /// Whether every macro can be replaced.
    pub fn is_complete(&self) -> bool {
        let Facts { mac, model, firmware } = &self.facts;
        let mac_is_one = mac.len() == 12 && mac.bytes().all(|byte| byte.is_ascii_hexdigit());
        mac_is_one && !model.is_empty() && !firmware.is_empty()
    }
}
