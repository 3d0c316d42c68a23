//! How a line registers.

use sip_wire::HeaderName;
use testbed::virtual_net::peer::answer;

use crate::configured::{Lab, Rowset, only};

/// B312.
#[test]
fn the_wanted_time_stands_in_expires() {
    for (seconds, expires) in [("600", 600), ("86400", 86_400)] {
        let register = Lab::registering(&[("REG_EXPIRE_TIME_1", seconds)]).register();
        assert_eq!(register.headers.expires().unwrap(), Some(expires));
    }
}

/// B312: percent of what was granted.
#[test]
fn the_rate_says_when_the_registration_is_renewed() {
    for (rate, seconds) in [("50", 50), ("90", 90)] {
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

/// B319.
#[test]
fn the_request_uri_carries_the_port_where_it_is_wanted() {
    let uri = |wanted: &str| only(&Lab::registering(&[("SIP_REQURI_PORT_1", wanted)]).got()).uri.to_string();
    assert_eq!(uri("Y"), "sip:10.0.0.9:5060");
    assert_eq!(uri("N"), "sip:10.0.0.9");
}

/// B320.
#[test]
fn user_phone_follows_the_uri_where_it_is_wanted() {
    let to = |wanted: &str| Lab::registering(&[("ADD_USER_PHONE_1", wanted)]).register().headers.to().unwrap().uri.to_string();
    assert_eq!(to("N"), "sip:200@10.0.0.9");
    assert_eq!(to("Y"), "sip:200@10.0.0.9;user=phone");
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
