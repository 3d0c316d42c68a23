//! What lldpd shall do, and how lldpcli is told. Values alone; nothing is run here.

use std::collections::BTreeMap;

use crate::board::Facts;

/// Its frames live this many intervals at those who see them (IEEE 802.1AB 9.2.5.6: msgTxHold): the TTL is the product.
const HOLD: u16 = 4;
/// Servers and switches know the family of phones by it (field notes).
const MAKER: &str = "Panasonic";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Neither send nor read frames.
    Off,
    /// Send and read them.
    On {
        /// Seconds between two frames.
        interval: u16,
        /// What they say of the unit: keyword of lldpcli to value.
        unit: Vec<(&'static str, String)>,
    },
}

impl Wish {
    /// B285, B284: LLDP_ENABLE and LLDP_INTERVAL. What nobody has set is off.
    pub fn of(values: &BTreeMap<String, String>, facts: &Facts) -> Wish {
        if values.get("LLDP_ENABLE").is_none_or(|value| value != "Y") {
            return Wish::Off;
        }
        let interval =
            values.get("LLDP_INTERVAL").and_then(|text| text.parse().ok()).filter(|seconds| (1..=3600).contains(seconds));
        Wish::On { interval: interval.unwrap_or(30), unit: said_of(facts) }
    }

    /// The commands of lldpcli, to be given in this order. What the frames say is said before the first of them leaves.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let configure = |words: &str, value: Option<&str>| {
            let words = ["configure"].into_iter().chain(words.split(' ')).chain(value);
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        match self {
            Wish::Off => vec![configure("lldp status disabled", None)],
            Wish::On { interval, unit } => {
                let (interval, hold) = (interval.to_string(), HOLD.to_string());
                let mut commands = vec![configure("lldp tx-interval", Some(&interval)), configure("lldp tx-hold", Some(&hold))];
                commands.extend(unit.iter().map(|(keyword, value)| configure(keyword, Some(value))));
                commands.push(configure("lldp status rx-and-tx", None));
                commands
            }
        }
    }
}

/// TLVs of IEEE 802.1AB 8.5 and of LLDP-MED (ANSI/TIA-1057 10.2): a telephone that does not know its voice VLAN. What is not known
/// is not said. The class of LLDP-MED is an argument of lldpd itself.
fn said_of(facts: &Facts) -> Vec<(&'static str, String)> {
    let whole = |facts: &Facts| format!("{} {}", facts.model, facts.firmware_version).trim().to_owned();
    let mut said = vec![
        ("system hostname", facts.model.clone()),
        ("system description", whole(facts)),
        ("system capabilities enabled", "telephone".to_owned()),
        ("med policy application voice", "unknown".to_owned()),
        ("inventory manufacturer", MAKER.to_owned()),
        ("inventory model", facts.model.clone()),
        ("inventory firmware-revision", facts.firmware_version.clone()),
        ("inventory software-revision", facts.os_version.clone()),
        ("inventory serial-number", facts.mac_address.clone()),
    ];
    // Fields of LLDP-MED hold 32 bytes.
    said.iter_mut().filter(|(keyword, _)| keyword.starts_with("inventory")).for_each(|(_, value)| {
        *value = value.chars().filter(char::is_ascii).take(32).collect();
    });
    said.retain(|(_, value)| !value.is_empty());
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(values: &[(&str, &str)]) -> Vec<String> {
        let facts = Facts { model: "KX-UT670".to_owned(), firmware_version: "01.070".to_owned(), ..Facts::default() };
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Wish::of(&values, &facts).commands().iter().map(|words| words.join(" ")).collect()
    }

    /// B285: off is off for sending and reading, and nothing else is said.
    #[test]
    fn off_is_one_command() {
        assert_eq!(commands(&[("LLDP_ENABLE", "N"), ("LLDP_INTERVAL", "5")]), ["configure lldp status disabled"]);
        assert_eq!(commands(&[]), ["configure lldp status disabled"]);
    }

    /// B284, B285.
    #[test]
    fn on_says_interval_and_unit_before_frames_leave() {
        let said = commands(&[("LLDP_ENABLE", "Y"), ("LLDP_INTERVAL", "5")]);
        assert_eq!(said.first().unwrap(), "configure lldp tx-interval 5");
        assert_eq!(said.last().unwrap(), "configure lldp status rx-and-tx");
        assert!(said.contains(&"configure system description KX-UT670 01.070".to_owned()), "{said:?}");
        assert!(!said.iter().any(|command| command.contains("serial-number")), "what is not known is not said: {said:?}");
    }
}
