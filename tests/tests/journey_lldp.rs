//! Journey: LLDP as the settings have it (guide 4.4.2.2). A real lldpd at each end of the phone's link; hal-agent rules the phone's.

use house_tests::lldpd::{Lldpd, Neighbour};
use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};

/// The phone, with these lines in its preset, and the lldpd that it rules.
async fn phone(namespace: &Namespace, lldpd: &Lldpd, preset: &[&str]) -> Phone {
    let mut setup = Setup::at_the_registrar(preset);
    setup.environment.push(("PATH".to_owned(), lldpd.path()));
    setup.options = ["--lldpd".to_owned(), lldpd.socket().display().to_string()].into();
    Phone::start(namespace, &setup).await
}

/// Waits until the board shows this of LLDP, and gives the VLAN of the PC port.
async fn lldp_is(phone: &Phone, wanted: &str) -> (u64, u64) {
    let look = async |phone: &Phone| {
        let facts = phone.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await;
        let vlan = &facts["PcPortVlan"];
        (facts["LldpState"] == wanted).then(|| (vlan[0].as_u64().unwrap(), vlan[1].as_u64().unwrap()))
    };
    phone.until(&format!("LldpState {wanted}"), look).await
}

/// The phone, as a frame of each second shows it (IEEE 802.1AB: TTL is interval times hold).
fn is_the_phone(seen: &[Neighbour]) -> bool {
    let [phone] = seen else { return false };
    phone.name == "KX-UT670" && phone.ttl == 4 && phone.kind.contains("Class III") && phone.model == "KX-UT670"
}

fn is_the_switch(seen: &[Neighbour]) -> bool {
    matches!(seen, [switch] if switch.name == "switch")
}

/// B284, B285: nothing before the settings are known; on and off, for sending and reading; the interval; the VLAN of the PC port only while it is on. What is saved is in
/// effect after the restart of the unit.
#[tokio::test]
async fn lldpd_sends_and_reads_frames_as_the_settings_say() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let (mut near, switch) = (Lldpd::of_the_phone(&namespace), Lldpd::of_the_switch(&namespace));
    near.begin();
    near.is_in_status("disabled").await;
    let preset = ["LLDP_INTERVAL=\"1\"", "LLDP_VLAN_ID_PC=\"100\"", "LLDP_VLAN_PRI_PC=\"3\""];
    let phone = phone(&namespace, &near, &preset).await;
    assert_eq!(lldp_is(&phone, "on").await, (100, 3));
    switch.knows("the phone", is_the_phone).await;
    near.knows("the switch", is_the_switch).await;

    // An lldpd that starts anew is told again.
    near.end();
    switch.knows("nobody", <[_]>::is_empty).await;
    lldp_is(&phone, "absent").await;
    near.begin();
    switch.knows("the phone", is_the_phone).await;

    let before = phone.epochs().await;
    phone.run(&["settings", "set", "LLDP_ENABLE=N"]);
    phone.restarted(before).await;
    assert_eq!(lldp_is(&phone, "off").await, (0, 0));
    switch.knows("nobody", <[_]>::is_empty).await;
    // The switch goes on sending each second.
    near.knows("nobody", <[_]>::is_empty).await;

    let before = phone.epochs().await;
    phone.run(&["settings", "set", "LLDP_ENABLE=Y"]);
    phone.restarted(before).await;
    assert_eq!(lldp_is(&phone, "on").await, (100, 3));
    switch.knows("the phone", is_the_phone).await;
    near.knows("the switch", is_the_switch).await;
    phone.stop().await;
}

/// B7: [Use VLAN] beats LLDP.
#[tokio::test]
async fn a_phone_without_lldpd_works_and_rules_the_one_that_comes() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let (mut near, switch) = (Lldpd::of_the_phone(&namespace), Lldpd::of_the_switch(&namespace));
    let vlan = [
        "NW_SETTING_ENABLE=\"N\"",
        "VLAN_ENABLE=\"Y\"",
        "VLAN_ID_PC=\"20\"",
        "VLAN_PRI_PC=\"5\"",
        "LLDP_VLAN_ID_PC=\"100\"",
        "LLDP_INTERVAL=\"1\"",
    ];
    let phone = phone(&namespace, &near, &vlan).await;
    assert_eq!(lldp_is(&phone, "absent").await, (20, 5));
    let complaints = phone.logs().matches("lldpd does not do what the settings say").count();
    assert_eq!(complaints, 1, "{}", phone.logs());
    near.begin();
    lldp_is(&phone, "on").await;
    switch.knows("the phone", is_the_phone).await;
    phone.stop().await;
}
