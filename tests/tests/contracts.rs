//! The contracts hold: the table of the house against itself, against the unit files and against the D-Bus descriptions, and the
//! objects of the running phone against their descriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use zbus_xml::Node;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn house() -> BTreeMap<String, toml::Table> {
    let house: toml::Table = phone_proto::HOUSE.parse().unwrap();
    let services = house["service"].as_table().unwrap();
    services.iter().map(|(name, row)| (name.clone(), row.as_table().unwrap().clone())).collect()
}

fn texts(row: &toml::Table, key: &str) -> Vec<String> {
    row.get(key).and_then(toml::Value::as_array).into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn text<'a>(row: &'a toml::Table, key: &str) -> &'a str {
    row.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

/// Who serves a bus name or a gRPC service.
fn server_of(house: &BTreeMap<String, toml::Table>, what: &str) -> String {
    let found = house.iter().find(|(_, row)| text(row, "grpc") == what || texts(row, "bus_names").iter().any(|name| name == what));
    found.unwrap_or_else(|| panic!("nobody serves {what}")).0.clone()
}

#[test]
fn nobody_calls_the_same_or_a_higher_rank() {
    let house = house();
    let rank = |service: &str| house[service]["rank"].as_integer().unwrap();
    for (service, row) in &house {
        for what in texts(row, "calls") {
            let server = server_of(&house, &what);
            assert!(
                rank(&server) < rank(service),
                "{service} (rank {}) calls {what} of {server} (rank {})",
                rank(service),
                rank(&server)
            );
        }
    }
}

#[test]
fn the_table_of_the_house_is_closed() {
    let house = house();
    for (service, row) in &house {
        for other in texts(row, "reads_facts_of").iter().chain(&texts(row, "grpc_clients")) {
            assert!(house.contains_key(other), "{service} names {other}, which is no service");
        }
        for client in texts(row, "grpc_clients") {
            assert!(
                texts(&house[&client], "calls").iter().any(|what| what == text(row, "grpc")),
                "{service} lists {client} as a client of {}, {client} does not call it",
                text(row, "grpc")
            );
        }
        for what in texts(row, "calls").into_iter().filter(|what| !what.contains('.')) {
            let server = &house[&server_of(&house, &what)];
            assert!(texts(server, "grpc_clients").contains(service), "{service} calls {what} and is not among its clients");
        }
        assert!(!text(row, "when_a_peer_dies").is_empty(), "{service}: when_a_peer_dies is missing");
    }
    let users: BTreeSet<_> = house.values().map(|row| text(row, "user").to_owned()).collect();
    assert_eq!(users.len(), house.len(), "every service has its own user");
}

/// The product code of a service in one text; its unit tests, which stand at the end of their files, are none.
fn code_of(service: &str) -> String {
    fn add(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(&path, text);
            } else if path.extension().is_some_and(|end| end == "rs") && path.file_name().is_some_and(|name| name != "tests.rs") {
                let source = std::fs::read_to_string(path).unwrap();
                text.push_str(source.split("#[cfg(test)]\nmod ").next().unwrap());
            }
        }
    }
    let folder = if service == "hal-agent" { "board-agent/src".to_owned() } else { format!("services/{service}/src") };
    let mut text = String::new();
    add(&root().join(folder), &mut text);
    text
}

/// What code has that calls a peer: the client or the proxies of its contract.
const CALLERS: &[(&str, &[&str])] = &[
    ("Settings", &["settings_client::start"]),
    ("Media", &["MediaClient"]),
    ("org.deskphone.Settings1", &["SettingsProxy"]),
    ("org.deskphone.Provisioning1", &["ProvisioningProxy"]),
    ("org.deskphone.Hal1", &["HalProxy"]),
    ("org.deskphone.Media1", &["MediaProxy"]),
    ("org.deskphone.Sip1", &["PhoneProxy", "LineProxy", "CallProxy"]),
    ("org.deskphone.Web1", &["WebProxy"]),
];

/// A right that nobody uses is a hole: the bus policy and the peer tables come from this table.
#[test]
fn the_table_of_the_house_says_who_calls_whom_as_the_code_does() {
    for (service, row) in house() {
        let code = code_of(&service);
        let called: BTreeSet<&str> =
            CALLERS.iter().filter(|(_, marks)| marks.iter().any(|mark| code.contains(mark))).map(|(what, _)| *what).collect();
        let listed = texts(&row, "calls");
        assert_eq!(called, listed.iter().map(String::as_str).collect(), "{service}");
    }
}

/// The values of a key in a unit file; systemd allows a key several times.
fn unit_values(unit: &str, key: &str) -> Vec<String> {
    unit.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
        .collect()
}

#[test]
fn every_service_has_its_unit_with_its_own_user_watchdog_and_restart() {
    let house = house();
    let units = root().join("systemd/units");
    let target = std::fs::read_to_string(units.join("deskphone.target")).unwrap();
    for (service, row) in &house {
        let name = format!("deskphone-{service}.service");
        let unit = std::fs::read_to_string(units.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let one = |key: &str| -> String {
            let values = unit_values(&unit, key);
            assert_eq!(values.len(), 1, "{name}: {key}= should stand there once");
            values[0].clone()
        };
        assert!(unit_values(&target, "Wants").iter().any(|wants| wants.contains(&name)), "deskphone.target does not want {name}");
        assert_eq!(one("User"), text(row, "user"), "{name}");
        assert_eq!(one("Type"), "notify", "{name}");
        assert_eq!(one("Restart"), "always", "{name}");
        assert_eq!(one("StartLimitIntervalSec"), "0", "{name}: a start limit would leave the phone dead");
        assert_eq!(one("RuntimeDirectory"), format!("deskphone/{service}"), "{name}");
        assert_eq!(one("StateDirectory"), format!("deskphone/{service}"), "{name}");
        assert!(one("WatchdogSec").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{name}");
        assert!(one("ExecStart").starts_with(&format!("/usr/libexec/deskphone/{service}")), "{name}");
        for (key, value) in
            [("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("ProtectHome", "yes"), ("SystemCallArchitectures", "native")]
        {
            assert_eq!(one(key), value, "{name}: {key}");
        }
    }
    let files = std::fs::read_dir(&units)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "service"))
        .count();
    assert_eq!(files, house.len(), "a unit file without a service in the table of the house");
}

#[test]
fn sysusers_makes_the_users_of_the_house_and_the_admin_group() {
    let sysusers = std::fs::read_to_string(root().join("systemd/sysusers.d/deskphone.conf")).unwrap();
    let made: BTreeSet<&str> =
        sysusers.lines().filter(|line| line.starts_with("u ")).filter_map(|line| line.split_whitespace().nth(1)).collect();
    let house = house();
    let users: BTreeSet<&str> = house.values().map(|row| text(row, "user")).collect();
    assert_eq!(made, users);
    assert!(sysusers.lines().any(|line| line.starts_with("g deskphone-admin ")));
}

fn descriptions() -> Vec<(PathBuf, String)> {
    let folder = root().join("proto/dbus");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_description_is_one_interface_named_like_its_file_and_explained() {
    let house = house();
    for (path, text) in descriptions() {
        let node = Node::from_reader(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().unwrap().to_str().unwrap();
        // Sip1.xml describes the object that carries the bus name; its interface is Sip1.Phone.
        let interfaces: Vec<String> = node.interfaces().iter().map(|interface| interface.name().to_string()).collect();
        assert_eq!(interfaces.len(), 1, "{name}");
        assert!(interfaces[0] == name || interfaces[0] == format!("{name}.Phone"), "{name} describes {}", interfaces[0]);
        assert!(text.contains("<!--"), "{name} explains nothing");
        assert!(
            house.values().flat_map(|row| texts(row, "bus_names")).any(|bus_name| name.starts_with(&bus_name)),
            "{name}: no service owns such a name"
        );
    }
}

#[test]
fn every_bus_name_of_the_house_is_described() {
    let described: BTreeSet<String> =
        descriptions().iter().map(|(path, _)| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    for (service, row) in house() {
        for name in texts(&row, "bus_names") {
            assert!(described.contains(&name), "{service}: proto/dbus/{name}.xml is missing");
        }
    }
}

/// Parameters that are secret never stand in a D-Bus description.
#[test]
fn no_property_or_argument_sounds_like_a_secret() {
    for (path, text) in descriptions() {
        let node = Node::from_reader(text.as_bytes()).unwrap();
        for name in node
            .interfaces()
            .iter()
            .flat_map(|interface| interface.properties().map(|property| property.name().to_string()).collect::<Vec<_>>())
        {
            let lower = name.to_lowercase();
            assert!(
                !["password", "secret", "key1", "passphrase"].iter().any(|word| lower.contains(word)),
                "{}: {name}",
                path.display()
            );
        }
    }
}

/// The units in a folder, with programs that are there.
fn units_to_verify() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let lldpd = "lldpd.service.d/deskphone.conf";
    std::fs::create_dir(folder.path().join("lldpd.service.d")).unwrap();
    std::fs::copy(root().join("systemd/units").join(lldpd), folder.path().join(lldpd)).unwrap();
    let files = std::fs::read_dir(root().join("systemd/units")).unwrap().map(|file| file.unwrap().path());
    let copied = files.filter(|path| path.is_file()).map(|path| {
        let program = |line: &str| match line.strip_prefix("ExecStart=") {
            Some(command) => format!("ExecStart=/bin/true {}", command.split_once(' ').map_or("", |(_, arguments)| arguments)),
            None => line.to_owned(),
        };
        let text: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(program).collect();
        let copy = folder.path().join(path.file_name().unwrap());
        std::fs::write(&copy, text.join("\n")).unwrap();
        copy
    });
    let copies = copied.collect();
    (folder, copies)
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let (_folder, units) = units_to_verify();
    let output = std::process::Command::new("systemd-analyze").arg("verify").args(&units).output().expect("systemd-analyze");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    // Users of the device that this machine does not have are no fault; what else is said about our units is one.
    let faults: Vec<&str> = said.lines().filter(|line| line.contains("deskphone")).collect();
    assert!(output.status.success() && faults.is_empty(), "{said}");
}

/// The figures of systemd/README.md: 0 is no exposure, 10 is all.
#[test]
fn every_service_is_exposed_little() {
    let (_folder, units) = units_to_verify();
    for unit in units.iter().filter(|unit| unit.extension().is_some_and(|end| end == "service")) {
        let mut command = std::process::Command::new("systemd-analyze");
        let output = command.args(["security", "--offline=true", "--threshold=25"]).arg(unit).output().expect("systemd-analyze");
        assert!(output.status.success(), "{}: {}", unit.display(), String::from_utf8_lossy(&output.stdout));
    }
}

/// Methods, signals and properties of one interface, in the order of the alphabet; comments and annotations drop out.
fn contract(xml: &str, name: &str) -> Vec<String> {
    let node = Node::from_reader(xml.as_bytes()).unwrap();
    let found = node.interfaces().iter().find(|interface| interface.name().as_str() == name);
    let interface = found.unwrap_or_else(|| panic!("no interface {name} in {xml}"));
    let arguments = |arguments: &[zbus_xml::Arg], signal: bool| {
        // Arguments of a signal go out, whether that is written or not.
        let direction = |argument: &zbus_xml::Arg| if signal { None } else { argument.direction() };
        let one = |argument: &zbus_xml::Arg| format!("{:?} {} {:?}", argument.name(), argument.ty(), direction(argument));
        arguments.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let methods = interface.methods().map(|method| format!("method {}({})", method.name(), arguments(method.args(), false)));
    let signals = interface.signals().map(|signal| format!("signal {}({})", signal.name(), arguments(signal.args(), true)));
    let properties =
        interface.properties().map(|property| format!("property {} {} {:?}", property.name(), property.ty(), property.access()));
    let mut all: Vec<String> = methods.chain(signals).chain(properties).collect();
    all.sort();
    all
}

/// The bus name that an interface is found under, and its object.
fn place_of(description: &str, call: &str) -> (String, String) {
    let bus_name = description.split('.').take(3).collect::<Vec<_>>().join(".");
    let main = format!("/{}", bus_name.replace('.', "/"));
    match description {
        "org.deskphone.Sip1.Line" => (bus_name, format!("{main}/line/1")),
        "org.deskphone.Sip1.Call" => (bus_name, call.to_owned()),
        _ => (bus_name, main),
    }
}

#[tokio::test]
async fn every_running_object_is_as_described() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.registered().await;
    phone.run(&["call", "102"]);
    let call = phone.call_in("ringback").await;
    for (path, text) in descriptions() {
        let description = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (bus_name, object) = place_of(&description, &call.path);
        let interface = if description == "org.deskphone.Sip1" { "org.deskphone.Sip1.Phone" } else { description.as_str() };
        let standard = Some("org.freedesktop.DBus.Introspectable");
        let reply = phone.bus.call_method(Some(bus_name.as_str()), object.as_str(), standard, "Introspect", &()).await.unwrap();
        let served: String = reply.body().deserialize().unwrap();
        assert_eq!(contract(&served, interface), contract(&text, interface), "{interface}");
    }
    phone.stop().await;
}
