//! The bus policy, generated from the table of the house: one file per service, named after its first bus name. Everything is
//! denied that no rule names. The lab writes the files with its own users, the device with those of `house.toml`.
//!
//! What the files say: only a service's user owns its names and sends signals; everybody may introspect, read properties and
//! call the methods that only read (none of them shows a secret); a service may call the names that its row lists, in the
//! interfaces for peers; root and the admin group may call everything.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::house::House;

/// What is served under a bus name, for the rules.
struct Served {
    bus_name: &'static str,
    /// Interfaces that the services listed in the table may call. What is missing here is for administrators.
    for_peers: &'static [&'static str],
    /// (interface, method) that everybody may call: they change nothing.
    for_everybody: &'static [(&'static str, &'static str)],
}

const SERVED: &[Served] = &[
    Served {
        bus_name: "org.deskphone.Settings1",
        for_peers: &["org.deskphone.Settings1"],
        for_everybody: &[
            ("org.deskphone.Settings1", "Get"),
            ("org.deskphone.Settings1", "List"),
            ("org.deskphone.Settings1", "Explain"),
            ("org.deskphone.Settings1", "Reasons"),
            ("org.deskphone.Settings1", "History"),
        ],
    },
    Served {
        bus_name: "org.deskphone.Provisioning1",
        for_peers: &["org.deskphone.Provisioning1"],
        for_everybody: &[("org.deskphone.Provisioning1", "Files"), ("org.deskphone.Provisioning1", "Diagnoses")],
    },
    Served { bus_name: "org.deskphone.Hal1", for_peers: &["org.deskphone.Hal1"], for_everybody: &[] },
    Served { bus_name: "org.deskphone.Media1", for_peers: &["org.deskphone.Media1"], for_everybody: &[] },
    Served {
        bus_name: "org.deskphone.Sip1",
        for_peers: &["org.deskphone.Sip1.Phone", "org.deskphone.Sip1.Line", "org.deskphone.Sip1.Call"],
        for_everybody: &[],
    },
    Served { bus_name: "org.deskphone.Web1", for_peers: &["org.deskphone.Web1"], for_everybody: &[] },
];

/// Standard interfaces by which everybody may look, and nothing can be changed.
const LOOKING: &[(&str, Option<&str>)] = &[
    ("org.freedesktop.DBus.Properties", Some("Get")),
    ("org.freedesktop.DBus.Properties", Some("GetAll")),
    ("org.freedesktop.DBus.ObjectManager", Some("GetManagedObjects")),
    ("org.freedesktop.DBus.Introspectable", Some("Introspect")),
    ("org.freedesktop.DBus.Peer", None),
];

const DOCTYPE: &str = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n \
                       \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n";

/// Which user each service runs as, and who is administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// Service to user name.
    pub of_service: BTreeMap<String, String>,
    /// The group whose members act as administrator; none: only root, and `admin_user`.
    pub admin_group: Option<String>,
    /// One more user who acts as administrator; the lab without isolation names its only user here.
    pub admin_user: Option<String>,
}

impl Users {
    /// Those of the device.
    pub fn of_device(house: &House) -> Users {
        Users {
            of_service: house.services().iter().map(|(name, row)| (name.to_string(), row.user.clone())).collect(),
            admin_group: Some(house.admin_group().to_owned()),
            admin_user: None,
        }
    }

    fn user_of(&self, service: &str) -> &str {
        // Nobody's rule rather than everybody's, should the table and the users ever disagree.
        self.of_service.get(service).map_or("nobody", String::as_str)
    }
}

/// File name and text of every policy file.
pub fn files(house: &House, users: &Users) -> Vec<(String, String)> {
    house
        .services()
        .iter()
        .filter_map(|(name, row)| {
            let first = row.bus_names.first()?;
            Some((format!("{first}.conf"), service_file(house, users, name, &row.bus_names)))
        })
        .collect()
}

fn service_file(house: &House, users: &Users, service: &str, bus_names: &[String]) -> String {
    let mut text = String::from(DOCTYPE);
    // Writing into a String cannot fail.
    let _ = writeln!(text, "<!-- {service}. Generated from house.toml: change it there. -->\n<busconfig>");
    owner_rules(&mut text, users.user_of(service), bus_names);
    for bus_name in bus_names {
        everybody_rules(&mut text, bus_name);
        peer_rules(&mut text, house, users, bus_name);
        admin_rules(&mut text, users, bus_name);
    }
    text.push_str("</busconfig>\n");
    text
}

fn owner_rules(text: &mut String, user: &str, bus_names: &[String]) {
    let _ = writeln!(text, "  <policy user=\"{user}\">");
    for bus_name in bus_names {
        let _ = writeln!(text, "    <allow own=\"{bus_name}\"/>");
    }
    text.push_str("    <allow send_type=\"signal\"/>\n  </policy>\n");
}

fn everybody_rules(text: &mut String, bus_name: &str) {
    text.push_str("  <policy context=\"default\">\n");
    for (interface, member) in LOOKING {
        allow_send(text, bus_name, interface, *member);
    }
    for (interface, member) in served(bus_name).map_or(&[][..], |row| row.for_everybody) {
        allow_send(text, bus_name, interface, Some(member));
    }
    text.push_str("  </policy>\n");
}

fn peer_rules(text: &mut String, house: &House, users: &Users, bus_name: &str) {
    for (peer, row) in house.services() {
        if !row.calls.iter().any(|called| called == bus_name) {
            continue;
        }
        let _ = writeln!(text, "  <!-- {peer} -->\n  <policy user=\"{}\">", users.user_of(peer));
        for interface in served(bus_name).map_or(&[][..], |row| row.for_peers) {
            allow_send(text, bus_name, interface, None);
        }
        text.push_str("  </policy>\n");
    }
}

fn admin_rules(text: &mut String, users: &Users, bus_name: &str) {
    let who = [
        Some(("user", "root")),
        users.admin_group.as_deref().map(|group| ("group", group)),
        users.admin_user.as_deref().map(|user| ("user", user)),
    ];
    for (kind, name) in who.into_iter().flatten() {
        let _ = writeln!(
            text,
            "  <policy {kind}=\"{name}\">\n    <allow send_destination=\"{bus_name}\" send_type=\"method_call\"/>\n  </policy>"
        );
    }
}

fn allow_send(text: &mut String, bus_name: &str, interface: &str, member: Option<&str>) {
    let member = member.map(|member| format!(" send_member=\"{member}\"")).unwrap_or_default();
    let _ = writeln!(
        text,
        "    <allow send_destination=\"{bus_name}\" send_type=\"method_call\" send_interface=\"{interface}\"{member}/>"
    );
}

fn served(bus_name: &str) -> Option<&'static Served> {
    SERVED.iter().find(|row| row.bus_name == bus_name)
}

/// The whole configuration of a private bus on the socket that it is given (as systemd gives it), which reads the policy files of `folder`. Nothing is allowed but to
/// connect, to talk to the bus itself, and to answer who asked; root, and `admin_user`, may watch.
pub fn bus_configuration(folder: &str, users: &Users) -> String {
    let watchers: String = ["root"]
        .into_iter()
        .chain(users.admin_user.as_deref())
        .map(|user| {
            format!(
                "  <policy user=\"{user}\">\n    <allow send_destination=\"org.freedesktop.DBus\" \
                 send_interface=\"org.freedesktop.DBus.Monitoring\"/>\n    <allow eavesdrop=\"true\"/>\n  </policy>\n"
            )
        })
        .collect();
    format!(
        r#"{DOCTYPE}<busconfig>
  <type>system</type>
  <listen>systemd:</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <deny send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Peer"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus" send_member="UpdateActivationEnvironment"/>
  </policy>
{watchers}  <includedir>{folder}</includedir>
  <limit name="max_match_rules_per_connection">4096</limit>
</busconfig>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device_file(name: &str) -> String {
        let house = House::built_in().unwrap();
        let files = files(&house, &Users::of_device(&house));
        files.into_iter().find(|(file, _)| file == name).unwrap().1
    }

    #[test]
    fn there_is_one_file_per_service_named_after_its_bus_name() {
        let house = House::built_in().unwrap();
        let names: Vec<_> = files(&house, &Users::of_device(&house)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "org.deskphone.Settings1.conf",
                "org.deskphone.Hal1.conf",
                "org.deskphone.Media1.conf",
                "org.deskphone.Sip1.conf",
                "org.deskphone.Web1.conf"
            ]
        );
    }

    #[test]
    fn only_the_owner_is_allowed_to_own() {
        let text = device_file("org.deskphone.Settings1.conf");
        let own: Vec<_> = text.lines().filter(|line| line.contains("own=")).map(str::trim).collect();
        assert_eq!(own, [r#"<allow own="org.deskphone.Settings1"/>"#, r#"<allow own="org.deskphone.Provisioning1"/>"#]);
        assert!(text.contains("<policy user=\"deskphone-prov\">\n    <allow own="));
    }

    #[test]
    fn the_simulator_is_no_interface_for_peers() {
        let text = device_file("org.deskphone.Hal1.conf");
        assert!(!text.contains("Simulator"));
        assert!(text.contains("<policy user=\"deskphone-sip\">"));
        assert!(!text.contains("<policy user=\"deskphone-web\">"));
    }

    /// A bus name that is served but missing in the table here would be callable by administrators alone, a new interface
    /// would be missing for peers: both must be a decision.
    #[test]
    fn every_interface_of_the_contract_is_for_peers_or_known_to_be_for_administrators() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/dbus");
        let mut contract: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            contract.extend(text.split("<interface name=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
        contract.sort();
        let mut known: Vec<_> = SERVED.iter().flat_map(|row| row.for_peers.iter().map(|name| name.to_string())).collect();
        known.push("org.deskphone.Hal1.Simulator".to_owned());
        known.sort();
        assert_eq!(contract, known);
    }
}
