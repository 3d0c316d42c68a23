//! The phone's network under real systemd: hal-agent asks the DHCP server beside systemd-networkd, which holds the lease of the same
//! link at the same port, and rules the system's lldpd out of its sandbox.

use house_tests::dhcp_server::{DHCP, DhcpServer};
use house_tests::lldpd::Lldpd;
use house_tests::machine::{Machine, until};
use house_tests::may_make_namespaces;
use house_tests::namespace::{LINK, Namespace};
use house_tests::phone::FIRST_LINE;

/// What the server leases.
const ADDRESS: &str = "10.77.0.100";
const SOCKET: &str = "/run/deskphone/lldpd/lldpd.socket";

/// systemd-networkd, as on a device, and talkative.
const ETC: [(&str, &str); 2] = [
    ("systemd/network/10-lan.network", "[Match]\nName=v0\n[Network]\nDHCP=ipv4\n"),
    ("systemd/system/systemd-networkd.service.d/debug.conf", "[Service]\nEnvironment=SYSTEMD_LOG_LEVEL=debug\n"),
];

fn preset() -> Vec<String> {
    let rows = [
        "CFG_STANDARD_FILE_PATH=\"\"".to_owned(),
        "PROVISION_START_SPREAD=\"0\"".to_owned(),
        "LLDP_INTERVAL=\"1\"".to_owned(),
        format!("SIM_ADDRESS=\"{ADDRESS}\""),
        "SIM_MAC=\"0080F0ABCDEF\"".to_owned(),
        format!("SIM_DHCP_INTERFACE=\"{LINK}\""),
        format!("SIM_LLDPD_SOCKET=\"{SOCKET}\""),
    ];
    rows.into()
}

/// A property of the board.
fn board(machine: &Machine, name: &str) -> String {
    let path = ["org.deskphone.Hal1", "/org/deskphone/Hal1", "org.deskphone.Hal1"];
    let output = machine.run(&[&["busctl", "get-property"], &path[..], &[name]].concat());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn board_shows(machine: &Machine, name: &str, wanted: &str) {
    let shown = || (board(machine, name) == format!("s \"{wanted}\"")).then_some(());
    until(&format!("{name} {wanted}\n{}", machine.journal()), shown).await;
}

/// How many answers of the server systemd-networkd has taken.
fn leases_taken(machine: &Machine) -> usize {
    let journal = machine.does(&["journalctl", "--no-pager", "-u", "systemd-networkd"]);
    journal.matches("DHCPv4 client: ACK").count()
}

/// B27, decision 27: the answer to the board's question comes to the board, and systemd-networkd goes on renewing.
#[tokio::test]
async fn the_board_asks_the_dhcp_server_beside_the_client_that_holds_the_lease() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let dhcp = DhcpServer::with_one_address(&namespace, ADDRESS, &[&format!("66,{DHCP}")]);
    dhcp.put("KX-UT670.cfg", &format!("{FIRST_LINE}\r\n\r\nDISPLAY_NAME_1=\"Found\"\r\n\r\n"));
    let machine = Machine::boot(&preset(), &ETC).await;
    machine.take_link(&namespace);
    machine.does(&["ip", "link", "set", LINK, "address", "00:80:f0:ab:cd:ef"]);
    machine.does(&["systemctl", "start", "systemd-networkd"]);
    until("the lease", || machine.does(&["ip", "-4", "addr", "show", LINK]).contains(ADDRESS).then_some(())).await;
    assert_eq!(leases_taken(&machine), 1);

    machine.does(&["systemctl", "start", "deskphone.target"]);
    board_shows(&machine, "DhcpState", "answered").await;
    assert!(dhcp.log().contains("DHCPINFORM"), "{}", dhcp.log());
    let layer = || machine.phonectl(&["settings", "explain", "DISPLAY_NAME_1"])["layer"].clone();
    until("the file that option 66 leads to", || (layer() == "pre-provisioning").then_some(())).await;

    machine.does(&["networkctl", "renew", LINK]);
    until("the renewed lease", || (leases_taken(&machine) == 2).then_some(())).await;
    assert!(machine.does(&["ip", "-4", "addr", "show", LINK]).contains(ADDRESS));
}

/// B285: the unit of lldpd, its group, the sandbox of hal-agent, and the lock beside the socket fit together.
#[tokio::test]
async fn hal_agent_rules_the_systems_lldpd_out_of_its_sandbox() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let switch = Lldpd::of_the_switch(&namespace);
    let machine = Machine::boot(&preset(), &[]).await;
    machine.take_link(&namespace);
    machine.does(&["ip", "link", "set", LINK, "up"]);
    machine.does(&["systemctl", "start", "deskphone-hal-agent.service", "deskphone-provisioning-agent.service"]);
    board_shows(&machine, "LldpState", "on").await;
    let is_the_phone = |name: &str, ttl: u32| name == "KX-UT670" && ttl == 4;
    switch.knows("the phone", |seen| seen.iter().any(|one| is_the_phone(&one.name, one.ttl))).await;

    machine.does(&["systemctl", "stop", "lldpd.service"]);
    board_shows(&machine, "LldpState", "absent").await;
    switch.knows("nobody", <[_]>::is_empty).await;
    machine.does(&["systemctl", "start", "lldpd.service"]);
    board_shows(&machine, "LldpState", "on").await;
    switch.knows("the phone again", |seen| seen.iter().any(|one| is_the_phone(&one.name, one.ttl))).await;
}
