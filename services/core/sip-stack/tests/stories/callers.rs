//! Who calls, and who is believed about it (RFC 3323, RFC 3325).

use std::time::Duration;

use sip_stack::{Event, Party};
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::{Caller, PCMU};

use crate::given::{direct, settings};

const SERVER: &str = "10.0.0.9:5060";
const STRANGER: &str = "10.0.0.66:5060";

/// The far end of a call from there with these header lines.
fn shown(from: &str, headers: &str) -> Party {
    let mut net = Net::new();
    net.peer(SERVER);
    net.peer(STRANGER);
    net.stack(direct("10.0.0.1", "200", SERVER));
    net.settle();
    let caller = Caller::new(from.parse().unwrap(), net.nodes[0].ip, "200");
    let sdp = caller.sdp(PCMU);
    caller.send(&mut net, "INVITE", "i1", headers, &sdp);
    let parties = net.nodes[0].events(|event| match event {
        Event::Incoming { remote, .. } => Some(remote.clone()),
        _ => None,
    });
    parties.into_iter().next().unwrap()
}

/// RFC 3325 9.1: whoever is no server of the line may have made it up.
#[test]
fn an_asserted_identity_is_believed_of_the_lines_servers_only() {
    let ada = "P-Asserted-Identity: \"Ada\" <sip:4711@example.com>\r\n";
    let party = shown(SERVER, ada);
    assert_eq!((party.number.as_str(), party.name.as_str(), party.uri.as_str()), ("4711", "Ada", "sip:4711@example.com"));
    assert_eq!(shown(STRANGER, ada).number, "far");
    assert_eq!(shown(SERVER, "").number, "far", "without it From counts");
    assert_eq!(shown(SERVER, "P-Asserted-Identity: <<<\r\n").number, "far", "so it does with a broken one");
}

#[test]
fn a_telephone_number_is_an_asserted_identity_too() {
    let party = shown(SERVER, "P-Asserted-Identity: <tel:+498912345>\r\n");
    assert_eq!((party.number.as_str(), party.is_anonymous()), ("+498912345", false));
}

/// RFC 3323 4.2, RFC 3325 9.3: not even what the server knows is shown of somebody who wants privacy.
#[test]
fn a_caller_who_wants_privacy_is_anonymous() {
    let asserted = "P-Asserted-Identity: \"Ada\" <sip:4711@example.com>\r\n";
    for privacy in ["id", "ID", "header;user;critical", "user", "session; id"] {
        for from in [SERVER, STRANGER] {
            let party = shown(from, &format!("{asserted}Privacy: {privacy}\r\n"));
            assert!(party.is_anonymous() && party.number == "anonymous", "{privacy}: {party:?}");
        }
    }
    for open in ["none", "session", "critical"] {
        assert_eq!(shown(SERVER, &format!("{asserted}Privacy: {open}\r\n")).number, "4711", "{open}");
    }
}

/// RFC 3323 4.1.1.3.
#[test]
fn an_anonymous_caller_shows_no_number() {
    let party = |uri: &str| Party { number: String::new(), name: String::new(), uri: uri.into() };
    for hidden in ["sip:anonymous@anonymous.invalid", "sip:ANONYMOUS@10.0.0.9", "sip:300@Anonymous.Invalid", "sip:10.0.0.9", ""] {
        assert!(party(hidden).is_anonymous(), "{hidden}");
    }
    for open in ["sip:300@10.0.0.9", "sip:anonymous.coward@example.com", "tel:112", "sip:300@invalid.example.com"] {
        assert!(!party(open).is_anonymous(), "{open}");
    }
}

/// A server behind a name is believed once its name has led there.
#[test]
fn a_server_is_known_by_its_resolved_address() {
    let mut net = Net::new();
    let server = net.peer(SERVER);
    net.stack(settings("10.0.0.1", "200", Some("sip.example.com")));
    net.nodes[0].names.insert("sip.example.com".into(), vec![server]);
    net.run_for(Duration::from_secs(13));
    assert!(net.titles(server).contains(&"REGISTER".to_owned()));
    let caller = Caller::new(server, net.nodes[0].ip, "200");
    let sdp = caller.sdp(PCMU);
    caller.send(&mut net, "INVITE", "i1", "P-Asserted-Identity: <sip:4711@example.com>\r\n", &sdp);
    let number = net.nodes[0].events(|event| match event {
        Event::Incoming { remote, .. } => Some(remote.number.clone()),
        _ => None,
    });
    assert_eq!(number, ["4711"]);
}
