//! Why a call has ended, in the words of the other side (RFC 3326).

use testbed::virtual_net::peer::{PCMU, answer};

use crate::dialing::Dialled;
use crate::incoming::Called;

fn reason_of(ended: Option<(u16, String, sip_stack::EndedBy)>) -> String {
    ended.unwrap().1
}

fn bye_with(headers: &str) -> String {
    let mut called = Called::talking();
    called.caller.cseq += 1;
    called.caller.send(&mut called.net, "BYE", "b", headers, "");
    reason_of(called.net.nodes[0].ended())
}

#[test]
fn a_bye_says_why() {
    assert_eq!(bye_with(""), "the far end has hung up");
    assert_eq!(bye_with("Reason: Q.850;cause=16\r\n"), "the far end has hung up");
    let maintenance = "Reason: Q.850;cause=41, SIP;cause=500;text=\"Trunk is down\"\r\n";
    assert_eq!(bye_with(maintenance), "the far end has hung up: Trunk is down");
    assert_eq!(bye_with("Reason: ;;;\r\n"), "the far end has hung up", "a broken one says nothing");
    let endless = format!("Reason: SIP;text=\"{}\"\r\n", "x".repeat(5000));
    assert!(bye_with(&endless).len() < 300);
}

fn cancel_with(headers: &str) -> String {
    let mut called = Called::new();
    called.invite(PCMU);
    let caller = &called.caller;
    caller.send(&mut called.net, "CANCEL", "i1", headers, "");
    reason_of(called.net.nodes[0].ended())
}

/// RFC 3326 2: a call that another phone of the person has taken was not missed.
#[test]
fn a_cancel_says_whether_the_call_was_answered_elsewhere() {
    assert_eq!(cancel_with(""), "the caller has hung up");
    assert_eq!(cancel_with("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"), "answered elsewhere");
    assert_eq!(cancel_with("Reason: SIP;cause=600;text=\"Busy Everywhere\"\r\n"), "the caller has hung up: Busy Everywhere");
    assert_eq!(cancel_with("Reason: Q.850;cause=200\r\n"), "the caller has hung up", "another protocol's 200");
}

/// RFC 6432.
#[test]
fn a_refusal_says_why_where_no_warning_does() {
    let refused = |headers: &[(&str, &str)]| {
        let mut dialled = Dialled::new();
        let mut response = answer(&dialled.invite, 480, "f");
        headers.iter().for_each(|(name, value)| response.headers.push(*name, *value));
        dialled.send(response);
        reason_of(dialled.net.nodes[0].ended())
    };
    assert_eq!(refused(&[]), "480 Temporarily Unavailable");
    let reason = ("Reason", "Q.850;cause=20;text=\"Subscriber absent\"");
    assert_eq!(refused(&[reason]), "480 Temporarily Unavailable: Subscriber absent");
    assert_eq!(refused(&[reason, ("Warning", "399 x \"gone out\"")]), "480 Temporarily Unavailable: gone out");
}
