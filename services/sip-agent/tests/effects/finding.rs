//! How the line's servers are found by their names.

use crate::configured::{Lab, Rowset};

const NAME: (&str, &str) = ("SIP_RGSTR_ADDR_1", "example.com");

fn asked(rows: Rowset) -> Vec<(String, Option<u16>, Option<String>)> {
    let rows: Vec<(&str, &str)> = [NAME].into_iter().chain(rows.iter().copied()).collect();
    Lab::registering(&rows).net.nodes[0].asked.clone()
}

/// B314; what the resolver makes of it is in tests/names.rs.
#[test]
fn servers_are_asked_for_by_srv_where_that_is_on() {
    let by_srv = ("example.com".to_owned(), None, Some("_sip._udp.".to_owned()));
    let by_address = ("example.com".to_owned(), Some(5060), None);
    assert_eq!(asked(&[("SIP_DNSSRV_ENA_1", "Y")]), [by_srv]);
    assert_eq!(asked(&[("SIP_DNSSRV_ENA_1", "N")]), [by_address]);
}

#[test]
fn the_prefix_for_udp_stands_before_the_name() {
    for prefix in ["_sip._udp.", "_lab._udp."] {
        assert_eq!(asked(&[("SIP_UDP_SRV_PREFIX_1", prefix)])[0].2.as_deref(), Some(prefix));
    }
}

/// B314: each kind of server that a line has.
#[test]
fn proxy_and_outbound_proxy_are_asked_for_by_srv_as_well() {
    let by_srv = |host: &str| (host.to_owned(), None, Some("_sip._udp.".to_owned()));
    let mut lab = Lab::calling(&[("SIP_PRXY_ADDR_1", "proxy.example.com")]);
    assert_eq!(lab.net.nodes[0].asked, [by_srv("proxy.example.com")], "who may call");
    lab.net.dial(0, "100");
    assert_eq!(lab.net.nodes[0].asked[1..], [by_srv("proxy.example.com")], "whom to call through");
    let all = asked(&[("SIP_OUTPROXY_ADDR_1", "out.example.com")]);
    assert_eq!(all, ["out.example.com", "example.com"].map(by_srv), "what the REGISTER waits for comes first");
}

#[test]
fn the_prefix_for_tcp_stands_before_the_name_where_sip_travels_over_tcp() {
    for prefix in ["_sip._tcp.", "_lab._tcp."] {
        let over_tcp = [("SIP_TRANSPORT_1", "1"), ("SIP_TCP_SRV_PREFIX_1", prefix)];
        assert_eq!(asked(&over_tcp)[0].2.as_deref(), Some(prefix));
        assert_eq!(asked(&over_tcp[1..])[0].2.as_deref(), Some("_sip._udp."));
    }
}

/// B325: what the socket, the connection and the messages say; real connections are in src/streams.rs.
#[test]
fn sip_travels_over_the_transport_that_is_set() {
    for (value, name, connections) in [("0", "UDP", 0), ("1", "TCP", 1)] {
        let mut lab = Lab::registering(&[("SIP_TRANSPORT_1", value)]);
        let register = lab.register();
        assert_eq!(register.headers.top_via().unwrap().transport.as_str(), name);
        assert_eq!(register.headers.get("Contact").unwrap().contains(";transport=tcp"), value == "1");
        let phone = &lab.net.nodes[0];
        assert_eq!((phone.listening.len(), phone.connections.len()), (connections, connections));
    }
}
