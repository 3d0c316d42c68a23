//! Which VLAN the frames of the PC port belong to (guide 4.4.2.2 and 4.4.2.3). A rule alone: the board's switch does it.

use std::collections::BTreeMap;

/// A tag of IEEE 802.1Q.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// 1 to 4094.
    pub id: u16,
    /// 0 to 7.
    pub priority: u8,
}

/// The VLAN that these settings give the PC port; none: its frames stay as they are.
///
/// B285: the values of LLDP count only while it is on. B7: where both are on, those of [Use VLAN] count alone.
pub fn vlan(values: &BTreeMap<String, String>) -> Option<Vlan> {
    let is_on = |name: &str| values.get(name).is_some_and(|value| value == "Y");
    let (id, priority) = match (is_on("VLAN_ENABLE"), is_on("LLDP_ENABLE")) {
        (true, _) => ("VLAN_ID_PC", "VLAN_PRI_PC"),
        (false, true) => ("LLDP_VLAN_ID_PC", "LLDP_VLAN_PRI_PC"),
        (false, false) => return None,
    };
    let id = values.get(id)?.parse().ok().filter(|id| (1..=4094).contains(id))?;
    Some(Vlan { id, priority: values.get(priority)?.parse().ok().filter(|priority| *priority <= 7)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(lldp: &str, id: &str, vlan_enable: &str) -> Option<Vlan> {
        let values = [
            ("LLDP_ENABLE", lldp),
            ("LLDP_VLAN_ID_PC", id),
            ("LLDP_VLAN_PRI_PC", "3"),
            ("VLAN_ENABLE", vlan_enable),
            ("VLAN_ID_PC", "20"),
            ("VLAN_PRI_PC", "5"),
        ];
        vlan(&values.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// B285.
    #[test]
    fn the_values_of_lldp_count_while_it_is_on() {
        assert_eq!(with("Y", "10", "N"), Some(Vlan { id: 10, priority: 3 }));
        assert_eq!(with("N", "10", "N"), None);
    }

    /// B7.
    #[test]
    fn use_vlan_beats_lldp() {
        for lldp in ["Y", "N"] {
            assert_eq!(with(lldp, "10", "Y"), Some(Vlan { id: 20, priority: 5 }));
        }
    }

    #[test]
    fn no_vlan_means_that_frames_stay_as_they_are() {
        for id in ["0", "4095", "nonsense"] {
            assert_eq!(with("Y", id, "N"), None, "{id}");
        }
        assert_eq!(vlan(&BTreeMap::new()), None);
    }
}
