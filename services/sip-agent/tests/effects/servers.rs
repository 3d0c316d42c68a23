//! Who the line is and where its messages go.

use agreements::Tick;
use sip_stack::{Input, LineState, Output, Stack};
use testbed::virtual_net::peer::{Caller, response_with};

use crate::configured::{Lab, line, stack_settings, values};

fn to_of(rows: &[(&str, &str)]) -> String {
    Lab::registering(rows).register().headers.to().unwrap().uri.to_string()
}

/// B165.
#[test]
fn display_name_stands_in_from() {
    for name in ["Ada", "Zoë Müller"] {
        let invite = Lab::calling(&[("DISPLAY_NAME_1", name)]).dial().1;
        assert_eq!(invite.headers.from().unwrap().display_name.as_deref(), Some(name));
    }
    assert_eq!(Lab::calling(&[]).dial().1.headers.from().unwrap().display_name, None);
}

/// B311, C53.
#[test]
fn user_agent_is_the_template_with_the_facts_of_the_unit() {
    for (template, shown) in [("Phone/{fwver} {mac}", "Phone/01.070 0080f0abcdef"), ("{MODEL} {MAC}", "KX-UT670 0080F0ABCDEF")] {
        let mut lab = Lab::registering(&[("SIP_USER_AGENT", template)]);
        assert_eq!(lab.register().headers.get("User-Agent"), Some(shown));
        // What answers says it as well (RFC 3261 20.35).
        Caller::new(lab.far, lab.net.nodes[0].ip, "200").send(&mut lab.net, "OPTIONS", "o", "", "");
        assert_eq!(response_with(&lab.got(), 200).unwrap().headers.get("Server"), Some(shown));
    }
}

#[test]
fn phone_number_is_the_user_of_the_address_of_record() {
    assert_eq!(to_of(&[]), "sip:200@10.0.0.9");
    assert_eq!(to_of(&[("PHONE_NUMBER_1", "4711")]), "sip:4711@10.0.0.9");
}

#[test]
fn the_sip_uri_beats_number_and_domain() {
    assert_eq!(to_of(&[("SIP_SVCDOMAIN_1", "example.org")]), "sip:200@example.org");
    let uri = ("SIP_URI_1", "sip:ada@example.com");
    assert_eq!(to_of(&[("SIP_SVCDOMAIN_1", "example.org"), uri]), "sip:ada@example.com");
}

/// RFC 3261 19.1.2: an escape stands for a character. It goes out once, and calls to it are for this line however they write it.
#[test]
fn an_escape_in_the_sip_uri_is_one_character() {
    for (uri, user) in
        [("sip:%23100@example.com", "%23100"), ("sip:a%40b@example.com", "a%40b"), ("sip:a%zz@example.com", "a%25zz")]
    {
        let rows = [("SIP_URI_1", uri)];
        let mut lab = Lab::registering(&rows);
        let register = lab.register();
        assert_eq!(register.headers.to().unwrap().uri.to_string(), format!("sip:{user}@example.com"));
        let caller = Caller::new(lab.far, lab.net.nodes[0].ip, user);
        caller.send(&mut lab.net, "OPTIONS", "o", "", "");
        assert!(lab.titles().contains(&"200 OPTIONS".to_owned()), "{uri}");
    }
}

#[test]
fn the_service_domain_is_that_of_the_address_of_record() {
    assert_eq!(to_of(&[]), "sip:200@10.0.0.9", "the registrar's, where there is none");
    for domain in ["example.org", "example.net"] {
        assert_eq!(to_of(&[("SIP_SVCDOMAIN_1", domain)]), format!("sip:200@{domain}"));
    }
}

/// B215.
#[test]
fn a_line_that_is_off_sends_nothing() {
    for row in ["LINE_ENABLE_1", "PROFILE_ENABLE1"] {
        let mut lab = Lab::registering(&[(row, "Disabled")]);
        assert_eq!((lab.net.line(0), lab.titles()), (LineState::Disabled, vec![]), "{row}");
        lab.configure(&[(row, "Enabled")]);
        assert_eq!(lab.titles(), ["REGISTER"], "{row}");
    }
}

fn credentials(rows: &[(&str, &str)]) -> (String, String) {
    let mut lab = Lab::registering(rows);
    let register = lab.register();
    lab.challenge(&register);
    let credentials = lab.register().headers.authorization().unwrap().remove(0);
    let field = |name| credentials.get(name).unwrap_or_default().to_owned();
    (field("username"), field("response"))
}

/// B185; the expected responses are RFC 2617's formula worked out elsewhere.
#[test]
fn account_and_password_answer_the_challenge() {
    let answered = |user: &str, response: &str| (user.to_owned(), response.to_owned());
    assert_eq!(credentials(&[("SIP_PASS_1", "first1")]), answered("200", "b86ea4c3445107e70273a3f7a13d6763"));
    assert_eq!(credentials(&[("SIP_PASS_1", "second2")]), answered("200", "7fb90269d072657b25845d4710da4d31"));
    assert_eq!(credentials(&[("SIP_AUTHID_1", "desk")]), answered("desk", "1a96817eca8d9d37b79454744e14a0fe"));
}

/// B170.
#[test]
fn the_source_port_is_that_of_socket_and_contact() {
    for port in ["5060", "5566"] {
        let mut lab = Lab::registering(&[("SIP_SRC_PORT_1", port)]);
        let register = lab.register();
        assert_eq!(lab.net.log[0].from.port().to_string(), port);
        let contact = register.headers.get("Contact").unwrap();
        assert!(contact.contains(&format!("@10.0.0.1:{port}")), "{contact}");
    }
}

#[test]
fn registrar_address_and_port_get_the_register() {
    for (address, port) in [("10.0.0.9", "5060"), ("10.0.0.8", "5060"), ("10.0.0.8", "5099")] {
        let rows = [("SIP_RGSTR_ADDR_1", address), ("SIP_RGSTR_PORT_1", port)];
        let register = Lab::registering_at(&rows, &format!("{address}:{port}")).register();
        assert_eq!(register.uri.to_string(), format!("sip:{address}:{port}"));
    }
}

#[test]
fn proxy_address_and_port_get_the_calls() {
    for (address, port) in [("10.0.0.9", "5060"), ("10.0.0.8", "5060"), ("10.0.0.8", "5099")] {
        let rows = [("SIP_PRXY_ADDR_1", address), ("SIP_PRXY_PORT_1", port)];
        let invite = Lab::calling_at(&rows, &format!("{address}:{port}")).dial().1;
        assert!(invite.headers.route().unwrap().is_empty());
    }
}

/// RFC 3261 8.1.2: it stands before registrar and proxy, as a preloaded loose route.
#[test]
fn outbound_proxy_address_and_port_get_everything_first() {
    assert!(Lab::registering(&[]).register().headers.route().unwrap().is_empty());
    for port in ["5060", "5099"] {
        let rows = [("SIP_OUTPROXY_ADDR_1", "10.0.0.8"), ("SIP_OUTPROXY_PORT_1", port)];
        let far = format!("10.0.0.8:{port}");
        let route = format!("sip:10.0.0.8:{port};lr");
        let register = Lab::registering_at(&rows, &far).register();
        assert_eq!(register.uri.to_string(), "sip:10.0.0.9:5060");
        assert_eq!(register.headers.route().unwrap()[0].uri.to_string(), route);
        let invite = Lab::calling_at(&rows, &far).dial().1;
        assert_eq!(invite.headers.route().unwrap()[0].uri.to_string(), route);
    }
}

/// RFC 2474; the socket's mark is shown beside the sockets.
#[test]
fn each_lines_socket_is_asked_for_with_its_dscp() {
    let values = values(&[
        &[("PHONE_NUMBER_1", "200"), ("SIP_RGSTR_ADDR_1", "10.0.0.9"), ("DSCP_SIP_1", "46")],
        &[("PHONE_NUMBER_2", "201"), ("SIP_RGSTR_ADDR_2", "10.0.0.9"), ("DSCP_SIP_2", "26")],
    ]);
    let (mut stack, _) = Stack::new(Tick(1), [7; 32], None);
    stack.handle(Tick(1), Input::Settings(Box::new(stack_settings(&values))));
    let mut marks = Vec::new();
    loop {
        match stack.poll() {
            Output::OpenFlow { line, dscp, .. } => marks.push((line, dscp)),
            Output::Wait(_) => break,
            _ => {}
        }
    }
    assert!(marks.contains(&(line(1), 46)) && marks.contains(&(line(2), 26)), "{marks:?}");
}

/// B45, B47: the configured event of the line's server is taken, another one is not known.
#[test]
fn the_resync_event_is_the_configured_one() {
    for (event, other) in [("check-sync", "resync"), ("resync", "check-sync")] {
        let mut lab = Lab::calling(&[("CFG_RESYNC_FROM_SIP", event)]);
        let mut server = Caller::new(lab.far, lab.net.nodes[0].ip, "200");
        lab.titles();
        for (sent, expected) in [(event, "200 NOTIFY"), (other, "489 NOTIFY")] {
            server.cseq += 1;
            server.send(&mut lab.net, "NOTIFY", sent, &format!("Event: {sent}\r\n"), "");
            assert_eq!(lab.titles(), [expected], "{event} {sent}");
        }
    }
}
