//! Credentials that a registrar refuses (RFC 3261 22, RFC 7616 3.3; B185, B211; decision 39).

use std::time::Duration;

use agreements::Secret;
use sip_stack::{Input, LineState};
use sip_wire::{HeaderName, Request};

use super::{Lab, REGISTRAR, authorization, digest, lab};
use crate::given::settings;

fn challenge(nonce: &str) -> String {
    format!("Digest realm=\"lab\", nonce=\"{nonce}\", qop=\"auth\"")
}

fn refuse(lab: &mut Lab, register: &Request, nonce: &str) {
    lab.refuse(register, 401, &[("WWW-Authenticate", &challenge(nonce))]);
}

fn quiet(lab: &mut Lab) -> bool {
    lab.net.titles(lab.registrar).is_empty()
}

fn is_refused(lab: &Lab) -> bool {
    matches!(lab.net.line(0), LineState::Failed { reason } if reason.contains("authentication failed") && !reason.contains("secret"))
}

/// Both REGISTERs of one attempt that fails.
fn fail(lab: &mut Lab) {
    let first = lab.register();
    assert!(!first.headers.has(HeaderName::AUTHORIZATION), "afresh");
    assert!(first.headers.cseq().unwrap().number < 3 || is_refused(lab), "people are not told that it is any better");
    refuse(lab, &first, "n1");
    let second = lab.register();
    assert!(second.headers.has(HeaderName::AUTHORIZATION));
    refuse(lab, &second, "n2");
    assert!(is_refused(lab), "{:?}", lab.net.line(0));
}

/// B185, B211: they are not sent again in answer to the refusal; the next attempt comes after REG_RTX_INTVL_n, and the others
/// ever more seldom.
#[test]
fn a_refused_password_is_an_authentication_failure_and_tried_afresh_ever_more_seldom() {
    let mut lab = lab();
    for wait in [10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800] {
        fail(&mut lab);
        let (begin, sent) = (lab.net.now, lab.net.log.len());
        lab.net.run_until("another attempt", |net| net.log.len() > sent);
        let waited = lab.net.now.since(begin).as_secs_f64();
        assert!(waited > f64::from(wait) - 0.2 && waited < f64::from(wait) * 1.25, "{waited} s for {wait}");
        lab.net.settle();
    }
    let at_last = lab.register();
    lab.grant(&at_last, 100);
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
    lab.net.run_for(Duration::from_secs(91));
    let refresh = lab.register();
    refuse(&mut lab, &refresh, "n1");
    let signed = lab.register();
    refuse(&mut lab, &signed, "n2");
    assert!(is_refused(&lab));
    lab.net.run_for(Duration::from_millis(12_600));
    assert!(!quiet(&mut lab), "the waits begin anew");
}

/// The database was away for a second.
#[test]
fn a_registrar_that_knows_the_password_again_binds_the_line() {
    let mut lab = lab();
    fail(&mut lab);
    lab.net.run_for(Duration::from_millis(12_500));
    let first = lab.register();
    refuse(&mut lab, &first, "n3");
    let second = lab.register();
    lab.grant(&second, 3600);
    assert!(matches!(lab.net.line(0), LineState::Registered { .. }));
}

#[test]
fn other_settings_are_tried_at_once() {
    let mut lab = lab();
    fail(&mut lab);
    let mut better = settings("10.0.0.1", "200", Some(REGISTRAR));
    better.lines[0].password = Secret::new("right");
    lab.net.input(0, Input::Settings(Box::new(better)));
    lab.net.settle();
    assert!(!lab.register().headers.has(HeaderName::AUTHORIZATION));
}

/// B211: a link that flaps is no person who asks for it.
#[test]
fn a_link_that_flaps_hastens_nothing() {
    let mut lab = lab();
    fail(&mut lab);
    lab.net.input(0, Input::LinkUp);
    lab.net.settle();
    assert!(quiet(&mut lab));
}

#[test]
fn without_a_password_nothing_is_tried_again_until_there_is_one() {
    let mut given = settings("10.0.0.1", "200", Some(REGISTRAR));
    given.lines[0].password = Secret::default();
    let mut lab = Lab::new(given.clone());
    let first = lab.register();
    lab.refuse(&first, 401, &[("WWW-Authenticate", &digest(""))]);
    assert!(matches!(lab.net.line(0), LineState::Failed { reason } if reason.contains("no password")));
    lab.net.run_for(Duration::from_secs(86_400));
    assert!(quiet(&mut lab));
    given.lines[0].password = Secret::new("right");
    lab.net.input(0, Input::Settings(Box::new(given)));
    lab.net.settle();
    lab.register();
}

/// RFC 7616 3.3 lets a refusal without `stale` mean the password; of a realm that has taken it before, another nonce means that
/// this server of it does not know the last one.
#[test]
fn a_realm_that_has_taken_the_password_may_forget_a_nonce_once() {
    let bound = || {
        let mut lab = lab();
        let first = lab.register();
        refuse(&mut lab, &first, "n1");
        let second = lab.register();
        lab.grant(&second, 10);
        lab.net.run_for(Duration::from_secs(9));
        let refresh = lab.register();
        refuse(&mut lab, &refresh, "n2");
        let third = lab.register();
        (lab, third)
    };
    let (mut forgetful, third) = bound();
    refuse(&mut forgetful, &third, "n3");
    let fourth = forgetful.register();
    assert_eq!((authorization(&fourth).get("nonce"), authorization(&fourth).get("nc")), (Some("n3"), Some("00000001")));
    refuse(&mut forgetful, &fourth, "n4");
    assert!(quiet(&mut forgetful) && is_refused(&forgetful), "once");
    let (mut sure, third) = bound();
    refuse(&mut sure, &third, "n2");
    assert!(quiet(&mut sure) && is_refused(&sure), "the same nonce: it is the password");
}
