//! Rows of a line that change one header or one decision each.

use sip_stack::{CallStage, Command, LineState};
use sip_wire::Request;
use testbed::virtual_net::peer::{Caller, PCMU, answer, response_with};

use crate::configured::{Lab, Rowset};

/// What an OPTIONS from there is answered with.
fn asked_from(lab: &mut Lab, address: &str) -> Vec<String> {
    let from = lab.net.peer(address);
    let caller = Caller::new(from, lab.net.nodes[0].ip, "200");
    caller.send(&mut lab.net, "OPTIONS", &format!("o{from}"), "", "");
    lab.net.titles(from)
}

/// B212: registrar, proxy, presence server, the secondaries of these, and outbound proxy; nobody else, not even for a refusal or with what is no SIP.
#[test]
fn only_the_lines_servers_are_listened_to_where_that_is_wanted() {
    let servers = [
        ("SIP_RGSTR_ADDR_1", "10.0.0.9"),
        ("SIP_PRXY_ADDR_1", "10.0.0.20"),
        ("SIP_PRSNC_ADDR_1", "10.0.0.21"),
        ("SIP_OUTPROXY_ADDR_1", "10.0.0.22"),
        ("SIP_2NDRGSTR_ADDR_1", "10.0.0.23"),
        ("SIP_2NDPROXY_ADDR_1", "10.0.0.24"),
        ("SIP_2NDPRSNC_ADDR_1", "10.0.0.25"),
    ];
    for (filtered, stranger) in [("N", vec!["200 OPTIONS"]), ("Y", vec![])] {
        let rows = [&servers[..], &[("SIP_DETECT_SSAF_1", filtered)]].concat();
        let mut lab = Lab::registering(&rows);
        lab.titles();
        for (_, address) in servers {
            assert_eq!(asked_from(&mut lab, &format!("{address}:5060")), ["200 OPTIONS"], "{address}");
        }
        assert_eq!(asked_from(&mut lab, "10.0.0.66:5060"), stranger);
        let from = lab.net.peer("10.0.0.67:5060");
        let caller = Caller::new(from, lab.net.nodes[0].ip, "200");
        let text = String::from_utf8(caller.request("OPTIONS", "broken", "", "")).unwrap();
        lab.net.send(from, caller.target, text.replace("Content-Length: 0", "Content-Length: 99").into_bytes());
        lab.net.settle();
        assert_eq!(lab.net.titles(from).is_empty(), filtered == "Y", "what is broken");
    }
}

/// B212: the outbound proxy only where there is one, and what a name has led to.
#[test]
fn a_server_behind_a_name_is_listened_to_once_it_is_found() {
    let mut lab = Lab::registering(&[("SIP_RGSTR_ADDR_1", "sip.example.com"), ("SIP_DETECT_SSAF_1", "Y")]);
    assert_eq!(asked_from(&mut lab, "10.0.0.30:5060"), Vec::<String>::new());
    let address = "10.0.0.30:5060".parse().unwrap();
    lab.net.nodes[0].names.insert("sip.example.com".into(), vec![address]);
    lab.seconds(11);
    assert!(lab.net.titles(address).contains(&"REGISTER".to_owned()));
    let caller = Caller::new(address, lab.net.nodes[0].ip, "200");
    caller.send(&mut lab.net, "OPTIONS", "again", "", "");
    assert_eq!(lab.net.titles(address), ["200 OPTIONS"]);
}

/// An INVITE for the line whose To names this user.
fn invited_as(rows: Rowset, user: &str) -> Vec<String> {
    let mut lab = Lab::calling(rows);
    let caller = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
    let text = String::from_utf8(caller.request("INVITE", "i1", "", &caller.sdp(PCMU))).unwrap();
    let bytes = text.replace("To: <sip:200@", &format!("To: <sip:{user}@")).into_bytes();
    lab.net.send(caller.address, caller.target, bytes);
    lab.net.settle();
    lab.titles()
}

/// B216.
#[test]
fn an_invite_to_another_user_is_refused_where_to_is_looked_at() {
    for (checked, other) in [("N", vec!["100 INVITE"]), ("Y", vec!["404 INVITE"])] {
        let rows = [("SIP_RCV_DET_HEADER_1", checked)];
        assert_eq!(invited_as(&rows, "200"), ["100 INVITE"]);
        assert_eq!(invited_as(&rows, "4711"), other);
    }
}

/// B323.
#[test]
fn the_ack_of_an_answer_carries_contact_where_that_is_wanted() {
    for (wanted, expected) in [("N", None), ("Y", Some("<sip:200@10.0.0.1:5060>"))] {
        let mut lab = Lab::calling(&[("SIP_CONTACT_ON_ACK_1", wanted)]);
        let (_, invite) = lab.dial();
        lab.accept(&invite, PCMU);
        assert_eq!(lab.first("ACK").headers.get("Contact"), expected);
        let (_, refused) = lab.dial();
        lab.say(answer(&refused, 486, "f"));
        assert!(!lab.first("ACK").headers.has("Contact"), "that of a refusal goes no further than the next hop");
    }
}

fn uris(request: &Request) -> [Option<String>; 4] {
    let headers = &request.headers;
    let uri = |address: Option<&sip_wire::NameAddr>| address.map(|address| address.uri.to_string());
    let (route, contact) = (headers.route().unwrap(), headers.contact().unwrap());
    [uri(contact.first()), uri(route.first()), uri(headers.from().ok().as_ref()), uri(headers.to().ok().as_ref())]
}

/// B323; RFC 3261 19.1.1 table 1 forbids it in From and To.
#[test]
fn transport_udp_stands_in_contact_and_route_where_it_is_wanted() {
    for (wanted, said) in [("N", ""), ("Y", ";transport=udp")] {
        let rows = [("SIP_OUTPROXY_ADDR_1", "10.0.0.9"), ("ADD_TRANSPORT_UDP_1", wanted)];
        for request in [Lab::registering(&rows).register(), Lab::calling(&rows).dial().1] {
            let [contact, route, from, to] = uris(&request);
            assert_eq!(contact, Some(format!("sip:200@10.0.0.1:5060{said}")));
            assert_eq!(route, Some(format!("sip:10.0.0.9:5060;lr{said}")));
            assert!(![from, to].into_iter().flatten().any(|uri| uri.contains("transport")));
        }
    }
}

/// B323: the same time, said once or twice; a registration is cancelled either way.
#[test]
fn register_carries_expires_beside_the_contacts_where_that_is_wanted() {
    for (wanted, header) in [("Y", Some(600)), ("N", None)] {
        let rows = [("REG_EXPIRE_TIME_1", "600"), ("ADD_EXPIRES_HEADER_1", wanted), ("USE_DEL_REG_CLOSE_1", "Y")];
        let mut lab = Lab::registering(&rows);
        let register = lab.register();
        let of_contact = |register: &Request| register.headers.contact().unwrap().first().unwrap().expires();
        assert_eq!((register.headers.expires().unwrap(), of_contact(&register)), (header, Some(600)));
        lab.grant(&register, 600);
        assert!(matches!(lab.net.line(0), LineState::Registered { expires: 600, .. }));
        lab.command(Command::Stop);
        assert_eq!(of_contact(&lab.register()), Some(0));
    }
}

/// A re-INVITE of theirs in a call that we hold, and in one that we do not.
fn reinvited(rows: Rowset, held: bool) -> Vec<String> {
    let mut lab = Lab::calling(rows);
    let (call, mut caller) = lab.ringing();
    lab.command(Command::Answer(call));
    caller.learn_tag(&lab.got());
    caller.ack(&mut lab.net, "");
    if held {
        lab.command(Command::Hold(call));
        let hold = lab.first("INVITE");
        lab.accept(&hold, &format!("{PCMU}a=recvonly\r\n"));
        lab.titles();
    }
    let before = lab.net.calls(0);
    caller.cseq += 1;
    let sdp = caller.sdp(&format!("{PCMU}a=sendonly\r\n"));
    caller.send(&mut lab.net, "INVITE", "again", "", &sdp);
    let got = lab.got();
    if let Some(refusal) = response_with(&got, 488) {
        assert!(refusal.headers.get("Warning").unwrap().starts_with("399 "));
        assert_eq!(lab.net.calls(0), before, "nothing changes");
    }
    assert_eq!(lab.net.calls(0)[0].stage, CallStage::Talking);
    got.iter().map(testbed::virtual_net::title).collect()
}

#[test]
fn a_reinvite_is_taken_in_a_held_call_where_that_is_allowed() {
    let taken = ["100 INVITE", "200 INVITE"];
    for (allowed, held) in [("Y", taken), ("N", ["100 INVITE", "488 INVITE"])] {
        let rows = [("SIP_HOLD_HOLDRECEIVE_1", allowed)];
        assert_eq!(reinvited(&rows, false), taken);
        assert_eq!(reinvited(&rows, true), held);
    }
}
