//! The Status tab (guide 4.3): version, network, VoIP, each with Refresh (B156). Every value is a fact that the live stream keeps
//! up to date under the same key.

use std::collections::BTreeMap;

use maud::{Markup, html};
use phone_view::{Peer, PhoneView, Trust};

use super::heading;
use crate::menu::{Place, ScreenKind};

/// A row of a status table: key of the fact, label, value.
type Row = (&'static str, &'static str, String);

/// One of the three screens; nothing for a screen that is none.
pub fn screen(place: &Place, view: &PhoneView) -> Markup {
    let body = match place.screen.kind {
        ScreenKind::Version => table(&version(view)),
        ScreenKind::Network => table(&network(view)),
        ScreenKind::Voip => voip(view),
        ScreenKind::Password(_) | ScreenKind::Import | ScreenKind::Settings => html! {},
    };
    let peer = if place.screen.kind == ScreenKind::Voip { Peer::Sip } else { Peer::Hal };
    let refresh = html! { a.button href=(place.path()) { "Refresh" } };
    html! {
        (heading(place.screen.title, Some(&refresh)))
        (doubt(peer, view.trust(peer)))
        section.card { (body) }
    }
}

/// Everything that the live stream reports, by key.
pub fn facts(view: &PhoneView) -> BTreeMap<String, String> {
    let mut facts: BTreeMap<String, String> =
        version(view).into_iter().chain(network(view)).map(|(key, _, value)| (key.to_owned(), value)).collect();
    for line in view.lines() {
        facts.insert(format!("number-{}", line.line), line.phone_number.clone());
        facts.insert(format!("voip-{}", line.line), line.status.as_str().to_owned());
        facts.insert(format!("reason-{}", line.line), line.reason.clone());
    }
    for peer in [Peer::Hal, Peer::Sip] {
        facts.insert(format!("doubt-{}", peer.service()), doubt_text(peer, view.trust(peer)));
    }
    facts
}

fn version(view: &PhoneView) -> Vec<Row> {
    let version = view.version_information();
    vec![
        ("model", "Model", version.model),
        ("os-version", "OS Version", version.os_version),
        ("firmware-version", "Firmware Version", version.firmware_version),
    ]
}

fn network(view: &PhoneView) -> Vec<Row> {
    let network = view.network_status();
    vec![
        ("mac-address", "MAC Address", network.mac_address),
        ("link-lan", "Ethernet Link Status (LAN Port)", network.link_lan),
        ("link-pc", "Ethernet Link Status (PC Port)", network.link_pc),
        ("connection-mode", "Connection Mode", network.connection_mode),
        ("ip-address", "IP Address", network.address),
        ("subnet-mask", "Subnet Mask", network.subnet_mask),
        ("default-gateway", "Default Gateway", network.gateway),
        ("dns1", "DNS1", network.dns1),
        ("dns2", "DNS2", network.dns2),
    ]
}

fn table(rows: &[Row]) -> Markup {
    html! {
        table.facts {
            tbody {
                @for (key, label, value) in rows {
                    tr { th scope="row" { (label) } td data-fact=(key) { (value) } }
                }
            }
        }
    }
}

/// B185. Why a line is not registered stands beside it, so that a blank status stays blank.
fn voip(view: &PhoneView) -> Markup {
    html! {
        table.facts.lines {
            thead {
                tr {
                    th scope="col" { "Line No." }
                    th scope="col" { "Phone Number" }
                    th scope="col" { "VoIP Status" }
                    th scope="col" { "Note" }
                }
            }
            tbody {
                @for line in view.lines() {
                    tr {
                        th scope="row" { (line.line) }
                        td data-fact={ "number-" (line.line) } { (line.phone_number) }
                        td { span.state data-fact={ "voip-" (line.line) } data-state=(line.status.as_str()) { (line.status.as_str()) } }
                        td.reason data-fact={ "reason-" (line.line) } { (line.reason) }
                    }
                }
            }
        }
    }
}

/// Says so where the facts of this screen are not to be relied on; present but empty otherwise, for the live stream.
fn doubt(peer: Peer, trust: Trust) -> Markup {
    let key = format!("doubt-{}", peer.service());
    html! { p.banner.doubt role="status" data-fact=(key) { (doubt_text(peer, trust)) } }
}

fn doubt_text(peer: Peer, trust: Trust) -> String {
    match trust {
        Trust::Current => String::new(),
        Trust::Stale => format!("{} has just restarted; these values are being fetched again.", peer.service()),
        Trust::Unknown => format!("{} does not answer: these values are unknown at the moment.", peer.service()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_on_the_screens_has_its_live_fact() {
        let view = PhoneView::new();
        let facts = facts(&view);
        let admin = crate::menu::Onlooker { account: crate::login::Account::Administrator, without_basic_network: false };
        for slug in ["version-information", "network-status", "voip-status"] {
            let markup = screen(&Place::find("status", slug, None, admin).unwrap(), &view).into_string();
            let keys: Vec<&str> = markup.split("data-fact=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert!(keys.len() >= 4, "{slug}");
            assert!(keys.iter().all(|key| facts.contains_key(*key)), "{slug}: {keys:?}");
        }
    }

    /// An unknown fact says so instead of looking like a blank line.
    #[test]
    fn unknown_facts_are_called_unknown() {
        assert!(doubt_text(Peer::Sip, Trust::Unknown).contains("unknown"));
        assert_eq!(doubt_text(Peer::Sip, Trust::Current), "");
    }
}
