//! A second presence server (B214, RFC 3263 4.3), over UDP and TCP: it is asked where the first one does not answer, cannot be
//! reached or says 503 or 408; what stands there stays there.

use std::net::SocketAddr;

use sip_stack::{Command, StackSettings, SubscriptionState, Transport};
use sip_wire::Request;
use testbed::virtual_net::Net;
use testbed::virtual_net::peer::requests;

use super::{Lab, SERVER, SUMMARY, given, key, subscribe_command};
use crate::given::{over, server_of};
use crate::transports::BOTH;

const SECOND: &str = "10.0.0.8:5060";

fn two(transport: Transport) -> StackSettings {
    let mut given = over(transport, given());
    given.lines[0].presence = Some(server_of(SERVER));
    given.lines[0].second_presence = SECOND.parse().ok();
    given
}

/// The wish is said; the second server is there, too.
fn asked(transport: Transport) -> Lab {
    let mut net = Net::new();
    net.peer(SECOND);
    let mut lab = Lab::on(net, two(transport));
    lab.command(subscribe_command());
    lab
}

/// From now on the lab is the other server.
fn at(lab: &mut Lab, server: &str) {
    lab.server = server.parse::<SocketAddr>().unwrap();
}

/// Grants it and goes on at this server.
fn grant_here(lab: &mut Lab, subscribe: &Request, seconds: u32) {
    lab.grant(subscribe, seconds);
    lab.notify(subscribe, "active", SUMMARY);
    assert_eq!((lab.codes(), lab.state()), (vec![200], SubscriptionState::Active));
}

/// A whole life over both transports: asked, granted, told, renewed, ended; nothing is said twice.
#[test]
fn a_subscription_lives_over_both_transports() {
    for transport in BOTH {
        let mut lab = Lab::with(over(transport, given()));
        lab.command(subscribe_command());
        let got = lab.net.received(lab.server);
        assert_eq!(requests(&got, "SUBSCRIBE").len(), 1);
        let first = requests(&got, "SUBSCRIBE")[0].clone();
        assert_eq!(first.headers.top_via().unwrap().transport.as_str(), if transport == Transport::Tcp { "TCP" } else { "UDP" });
        grant_here(&mut lab, &first, 100);
        lab.seconds(91);
        let second = lab.subscribe();
        assert_eq!(second.headers.to().unwrap().tag(), Some("n1"));
        lab.grant(&second, 100);
        lab.notify(&second, "active", SUMMARY);
        lab.codes();
        lab.command(Command::Unsubscribe(key()));
        let last = lab.subscribe();
        assert_eq!(last.headers.expires().unwrap(), Some(0));
        lab.grant(&last, 0);
        lab.notify(&last, "terminated;reason=timeout", "");
        assert_eq!((lab.codes(), lab.state()), (vec![200], SubscriptionState::Ended));
        lab.seconds(200);
        lab.net.assert_quiet();
    }
}

#[test]
fn the_second_server_is_asked_at_once_after_503_and_408() {
    for transport in BOTH {
        for code in [503, 408] {
            let mut lab = asked(transport);
            let first = lab.subscribe();
            lab.refuse(&first, code, &[]);
            at(&mut lab, SECOND);
            let second = lab.subscribe();
            assert_eq!(second.headers.call_id(), first.headers.call_id());
            assert_eq!(second.headers.cseq().unwrap().number, first.headers.cseq().unwrap().number + 1);
            grant_here(&mut lab, &second, 100);
            lab.seconds(91);
            let renewed = lab.subscribe();
            assert_eq!(renewed.headers.to().unwrap().tag(), Some("n1"), "it stays where it stands");
            at(&mut lab, SERVER);
            assert!(lab.quiet());
        }
    }
}

/// Timer F; a connection that cannot be made is known at once.
#[test]
fn the_second_server_is_asked_after_silence() {
    for transport in BOTH {
        let mut lab = asked(transport);
        lab.subscribe();
        lab.seconds(31);
        at(&mut lab, SECOND);
        assert!(lab.quiet());
        lab.seconds(2);
        let second = lab.subscribe();
        grant_here(&mut lab, &second, 100);
    }
    let mut net = Net::new();
    net.peer(SECOND);
    net.refusing.insert(SERVER.parse().unwrap());
    let mut lab = Lab::on(net, two(Transport::Tcp));
    lab.command(subscribe_command());
    at(&mut lab, SECOND);
    let second = lab.subscribe();
    grant_here(&mut lab, &second, 100);
}

/// Where both cannot, both are asked again after the usual wait, the first one first.
#[test]
fn both_are_asked_again_after_the_wait() {
    for transport in BOTH {
        let mut lab = asked(transport);
        for _ in 0..2 {
            at(&mut lab, SERVER);
            let first = lab.subscribe();
            lab.refuse(&first, 503, &[]);
            at(&mut lab, SECOND);
            let second = lab.subscribe();
            lab.refuse(&second, 503, &[]);
            lab.seconds(9);
            assert!(lab.quiet());
            lab.seconds(2);
        }
        at(&mut lab, SERVER);
        lab.subscribe();
    }
}

/// A refresh that meets a server which cannot is tried there again; when its time is over, the subscription begins anew with the first.
#[test]
fn what_stands_does_not_move_until_its_time_is_over() {
    for transport in BOTH {
        for code in [503, 408] {
            let mut lab = asked(transport);
            let first = lab.subscribe();
            lab.refuse(&first, 503, &[]);
            at(&mut lab, SECOND);
            let second = lab.subscribe();
            grant_here(&mut lab, &second, 100);
            lab.seconds(91);
            let renewed = lab.subscribe();
            lab.refuse(&renewed, code, &[]);
            at(&mut lab, SERVER);
            assert!(lab.quiet() && lab.state() == SubscriptionState::Active, "{code}");
            lab.seconds(15);
            let anew = lab.subscribe();
            assert!(anew.headers.to().unwrap().tag().is_none(), "{code}");
            lab.tag = "n2".into();
            grant_here(&mut lab, &anew, 100);
        }
    }
}
