//! How a line registers.

use sip_stack::{Command, LineState, SubscriptionKey, SubscriptionWish};
use sip_wire::{HeaderName, Request};
use testbed::virtual_net::peer::answer;

use crate::configured::{Lab, Rowset, line, only};

/// B312.
#[test]
fn the_wanted_time_stands_in_expires() {
    for (seconds, expires) in [("1", 1), ("600", 600), ("86400", 86_400), ("4294967295", u32::MAX)] {
        let mut lab = Lab::registering(&[("REG_EXPIRE_TIME_1", seconds), ("REG_INTERVAL_RATE_1", "100")]);
        let register = lab.register();
        assert_eq!(register.headers.expires().unwrap(), Some(expires));
        lab.grant(&register, expires);
        assert!(matches!(lab.net.line(0), LineState::Registered { expires: granted, .. } if granted == expires));
    }
}

/// B312: percent of what was granted.
#[test]
fn the_rate_says_when_the_registration_is_renewed() {
    for (rate, seconds) in [("1", 1), ("50", 50), ("90", 90), ("100", 100)] {
        let mut lab = Lab::registering(&[("REG_INTERVAL_RATE_1", rate)]);
        let register = lab.register();
        lab.grant(&register, 100);
        lab.run_ms(1000 * seconds - 500);
        assert!(lab.titles().is_empty(), "{rate}");
        lab.seconds(1);
        assert!(!lab.titles().is_empty(), "{rate}");
    }
}

/// B211: after anything but 403, up to a quarter later.
#[test]
fn the_retry_interval_passes_after_a_failure() {
    for (interval, seconds) in [("10", 10), ("60", 60)] {
        let mut lab = Lab::registering(&[("REG_RTX_INTVL_1", interval)]);
        let register = lab.register();
        lab.say(answer(&register, 500, "r"));
        lab.run_ms(1000 * seconds - 500);
        assert!(lab.titles().is_empty(), "{interval}");
        lab.run_ms(250 * seconds + 500);
        assert!(!lab.titles().is_empty(), "{interval}");
    }
}

/// B318: the configuration changes, and what was registered under the old one is over.
#[test]
fn the_old_registration_is_cancelled_where_that_is_wanted() {
    let said = |cancels: &str| {
        let mut lab = Lab::registering(&[("USE_DEL_REG_CLOSE_1", cancels)]);
        let register = lab.register();
        lab.grant(&register, 100);
        lab.configure(&[("USE_DEL_REG_CLOSE_1", cancels), ("PHONE_NUMBER_1", "201")]);
        let mut got = lab.got();
        // The new one waits for the answer.
        lab.say(answer(only(&got), 200, "r"));
        got.extend(lab.got());
        let registers = testbed::virtual_net::peer::requests(&got, "REGISTER");
        let shown = |register: &&sip_wire::Request| {
            (register.headers.to().unwrap().uri.to_string(), register.headers.expires().unwrap().unwrap())
        };
        registers.iter().map(shown).collect::<Vec<_>>()
    };
    let (old, new) = (("sip:200@10.0.0.9".to_owned(), 0), ("sip:201@10.0.0.9".to_owned(), 3600));
    assert_eq!(said("Y"), [old, new.clone()]);
    assert_eq!(said("N"), [new]);
}

/// RFC 3581.
#[test]
fn rport_stands_in_via_where_it_is_wanted() {
    let via = |wanted: &str| {
        let register = Lab::registering(&[("SIP_ADD_RPORT_1", wanted)]).register();
        register.headers.get(HeaderName::VIA).unwrap().to_owned()
    };
    assert!(!via("N").contains(";rport"));
    assert!(via("Y").contains(";rport"));
}

/// The first REGISTER, INVITE and SUBSCRIBE of a line whose server is there at 10.0.0.9.
fn requests_of(rows: Rowset) -> [Request; 3] {
    let name = ("SIP_PRXY_ADDR_1", rows.iter().find(|(row, _)| *row == "SIP_RGSTR_ADDR_1").map_or("10.0.0.9", |(_, host)| *host));
    let mut lab = Lab::registering(&[("LINE_ENABLE_1", "Disabled")]);
    lab.net.nodes[0].names.insert("sip.example.com".into(), vec![lab.far]);
    lab.configure(&[rows, &[name]].concat());
    let register = lab.register();
    lab.grant(&register, 3600);
    let (_, invite) = lab.dial();
    let key = SubscriptionKey { line: line(1), event: "message-summary".into(), resource: String::new() };
    lab.command(Command::Subscribe { key, wish: SubscriptionWish::default(), body: None });
    [register, invite, lab.first("SUBSCRIBE")]
}

fn request_uris(rows: Rowset) -> [String; 3] {
    requests_of(rows).map(|request| request.uri.to_string())
}

/// B319; behind a name that is looked up by SRV there is no port to name (decision 38).
#[test]
fn the_request_uri_carries_the_port_where_it_is_wanted() {
    let uri = |wanted: &str| only(&Lab::registering(&[("SIP_REQURI_PORT_1", wanted)]).got()).uri.to_string();
    assert_eq!(uri("Y"), "sip:10.0.0.9:5060");
    assert_eq!(uri("N"), "sip:10.0.0.9");
    let uris =
        |host: &str, port: &str| [format!("sip:{host}{port}"), format!("sip:100@{host}{port}"), format!("sip:200@{host}{port}")];
    let name = ("SIP_RGSTR_ADDR_1", "sip.example.com");
    for (wanted, port) in [("Y", ":5060"), ("N", "")] {
        let row = ("SIP_REQURI_PORT_1", wanted);
        assert_eq!(request_uris(&[row]), uris("10.0.0.9", port));
        assert_eq!(request_uris(&[row, name, ("SIP_DNSSRV_ENA_1", "N")]), uris("sip.example.com", port));
        assert_eq!(request_uris(&[row, name, ("SIP_DNSSRV_ENA_1", "Y")]), uris("sip.example.com", ""));
        let elsewhere = [("SIP_RGSTR_PORT_1", "5080"), ("SIP_PRXY_PORT_1", "5080"), ("SIP_DNSSRV_ENA_1", "Y")];
        let port = if wanted == "Y" { ":5080" } else { "" };
        assert_eq!(request_uris(&[&[row, name], &elsewhere[..]].concat()), uris("sip.example.com", port), "a port of its own");
    }
}

/// B320: who the line is and whom it calls by number, in every request; not where the phone is, and not what is dialled as a URI.
#[test]
fn user_phone_follows_the_uri_where_it_is_wanted() {
    for (wanted, phone) in [("N", ""), ("Y", ";user=phone")] {
        let rows = [("ADD_USER_PHONE_1", wanted), ("SIP_REQURI_PORT_1", "N"), ("SIP_P_PREFERRED_ID_1", "Y")];
        let [register, invite, subscribe] = requests_of(&rows);
        let own = format!("sip:200@10.0.0.9{phone}");
        let addresses = |request: &Request| {
            let headers = &request.headers;
            [request.uri.to_string(), headers.from().unwrap().uri.to_string(), headers.to().unwrap().uri.to_string()]
        };
        assert_eq!(addresses(&register), ["sip:10.0.0.9".to_owned(), own.clone(), own.clone()]);
        let called = format!("sip:100@10.0.0.9{phone}");
        assert_eq!(addresses(&invite), [called.clone(), own.clone(), called]);
        assert_eq!(addresses(&subscribe), [own.clone(), own.clone(), own.clone()]);
        assert_eq!(invite.headers.get("P-Preferred-Identity"), Some(format!("<{own}>").as_str()));
        for request in [register, invite, subscribe] {
            assert_eq!(request.headers.contact().unwrap().first().unwrap().uri.to_string(), "sip:200@10.0.0.1:5060");
        }
        let mut lab = Lab::calling(&rows);
        lab.net.dial(0, "sip:ada@example.com");
        lab.net.settle();
        assert_eq!(lab.first("INVITE").uri.to_string(), "sip:ada@example.com");
    }
}

/// B213, B326: to the registrar, from the socket that is registered, and with UDP alone.
#[test]
fn packets_that_keep_a_nat_open_come_at_the_interval() {
    let times = |rows: Rowset| {
        let mut lab = Lab::registering(rows);
        let register = lab.register();
        lab.grant(&register, 3600);
        lab.seconds(95);
        let empty = |sent: &&testbed::virtual_net::Sent| sent.to == lab.far && sent.bytes == b"\r\n\r\n";
        lab.net.log.iter().filter(empty).count()
    };
    assert_eq!(times(&[]), 0);
    assert_eq!(times(&[("PORT_PUNCH_INTVL_1", "10")]), 9);
    assert_eq!(times(&[("PORT_PUNCH_INTVL_1", "30")]), 3);
    assert_eq!(times(&[("PORT_PUNCH_INTVL_1", "10"), ("SIP_TRANSPORT_1", "1")]), 0);
}
