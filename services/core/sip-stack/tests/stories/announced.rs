//! What comes with a call of theirs: Alert-Info and Call-Info (RFC 3261 20.4, 20.9), read, and believed of the line's servers only.

use sip_stack::{Announcement, Event, InfoPurpose};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU};

use crate::given::direct;

const SERVER: &str = "10.0.0.9:5060";
const STRANGER: &str = "10.0.0.66:5060";

/// What a call from there with these header lines is told to come with.
fn announced_from(from: &str, headers: &str) -> Announcement {
    let mut net = Net::new();
    net.peer(SERVER);
    net.peer(STRANGER);
    net.stack(direct("10.0.0.1", "200", SERVER));
    let caller = Caller::new(from.parse().unwrap(), net.nodes[0].ip, "200");
    let sdp = caller.sdp(PCMU);
    caller.send(&mut net, "INVITE", "i1", headers, &sdp);
    assert!(net.nodes[0].has_incoming());
    let told = net.nodes[0].events(|event| match event {
        Event::Announced { call, announcement } if *call == net.nodes[0].incoming() => Some(announcement.clone()),
        _ => None,
    });
    assert!(told.len() <= 1);
    told.into_iter().next().unwrap_or_default()
}

fn alerts(headers: &str) -> Vec<String> {
    announced_from(SERVER, headers).alerts
}

/// RFC 3261 20.4, and the bare words of the field.
#[test]
fn alert_info_is_given_as_the_server_writes_it() {
    assert_eq!(alerts("Alert-Info: <http://10.0.0.9/ring.wav>\r\n"), ["<http://10.0.0.9/ring.wav>"]);
    let two = "Alert-Info: <urn:alert:source:internal>;info=ring2, <urn:alert:priority:high>\r\n";
    assert_eq!(alerts(two), ["<urn:alert:source:internal>;info=ring2", "<urn:alert:priority:high>"]);
    assert_eq!(alerts("Alert-Info: Bellcore-dr2\r\n"), ["Bellcore-dr2"]);
    assert_eq!(alerts("Alert-Info: <http://10.0.0.9/\u{1}a>\r\n"), ["<http://10.0.0.9/a>"]);
    assert!(alerts("").is_empty());
}

/// RFC 3261 20.9; appearances of shared lines stand in the same header and are none of this.
#[test]
fn call_info_says_where_more_is_to_be_found_of_the_caller() {
    let headers = "Call-Info: <http://a/photo.jpg>;purpose=icon, <http://a/>;PURPOSE=Info\r\nCall-Info: <sip:a>;appearance-index=1\r\n\
                   Call-Info: <http://a/ada.vcf>;purpose=card, <http://a/other>;purpose=other, <http://a/none>\r\n";
    let infos: Vec<_> = announced_from(SERVER, headers).infos.into_iter().map(|info| (info.purpose, info.uri)).collect();
    let expected =
        [(InfoPurpose::Icon, "http://a/photo.jpg"), (InfoPurpose::Info, "http://a/"), (InfoPurpose::Card, "http://a/ada.vcf")];
    assert_eq!(infos, expected.map(|(purpose, uri)| (purpose, uri.to_owned())));
}

#[test]
fn what_comes_with_a_call_is_bounded() {
    let many = "Alert-Info: <http://a/b>\r\nCall-Info: <http://a/b>;purpose=icon\r\n".repeat(20);
    let told = announced_from(SERVER, &many);
    assert_eq!((told.alerts.len(), told.infos.len()), (4, 4));
    let long = format!("<http://{}>", "a".repeat(300));
    let told = announced_from(SERVER, &format!("Alert-Info: {long}\r\nCall-Info: {long};purpose=card\r\n"));
    assert_eq!(told, Announcement::default());
}

/// Anybody may write them.
#[test]
fn what_a_stranger_announces_is_not_told() {
    assert_eq!(
        announced_from(STRANGER, "Alert-Info: <http://a/b>\r\nCall-Info: <http://a/b>;purpose=icon\r\n"),
        Announcement::default()
    );
}
