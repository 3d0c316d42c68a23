//! Headers of event packages (RFC 6665), Call-Info and Alert-Info.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use sip_wire::{AppearanceIndex, AppearanceState, EndReason, HeaderError, Headers, Info, SubscriptionState};

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.push(*name, value));
    headers
}

#[test]
fn a_subscription_state_says_how_it_goes_on() {
    let read = |text: &str| text.parse::<SubscriptionState>().unwrap();
    let pending = read("Pending;expires=60");
    assert!(pending.is_pending() && !pending.is_terminated() && pending.expires() == Some(60));
    let over = read("terminated;reason=GiveUp;retry-after=30");
    assert_eq!((over.is_terminated(), over.end_reason(), over.retry_after()), (true, Some(EndReason::GiveUp), Some(30)));
    for (text, reason) in [
        ("deactivated", Some(EndReason::Deactivated)),
        ("probation", Some(EndReason::Probation)),
        ("rejected", Some(EndReason::Rejected)),
        ("timeout", Some(EndReason::Timeout)),
        ("noresource", Some(EndReason::NoResource)),
        ("invariant", Some(EndReason::Invariant)),
        ("weather", None),
    ] {
        assert_eq!(read(&format!("terminated;reason={text}")).end_reason(), reason);
    }
    assert_eq!(read("terminated").end_reason(), None);
    assert!("".parse::<SubscriptionState>().is_err() && "active x".parse::<SubscriptionState>().is_err());
}

#[test]
fn allow_events_is_a_list_over_lines_and_in_compact_form() {
    let headers = headers(&[("Allow-Events", "talk, hold"), ("u", "dialog")]);
    assert_eq!(headers.allow_events().unwrap(), ["talk", "hold", "dialog"]);
}

/// The NOTIFYs of shared calls.
#[test]
fn appearances_of_a_shared_call_stand_in_call_info() {
    let headers = headers(&[(
        "Call-Info",
        "<sip:h>;appearance-index=1;appearance-state=held-private;appearance-uri=\"\\\"A, B\\\" <sip:300@h>\", <sip:h>;appearance-index=*;appearance-state=idle",
    )]);
    let infos = headers.call_info().unwrap();
    assert_eq!(infos.len(), 2);
    assert_eq!(
        (infos[0].appearance_index(), infos[0].appearance_state()),
        (Some(AppearanceIndex::One(1)), Some(AppearanceState::HeldPrivate))
    );
    assert_eq!(infos[0].appearance_uri(), Some("\"A, B\" <sip:300@h>"));
    assert_eq!(
        (infos[1].appearance_index(), infos[1].appearance_state()),
        (Some(AppearanceIndex::All), Some(AppearanceState::Idle))
    );
    let states = ["seized", "progressing", "alerting", "active", "held", "bridge-active", "bridge-held"];
    assert!(
        states.iter().all(|state| format!("<sip:h>;appearance-state={state}")
            .parse::<Info>()
            .unwrap()
            .appearance_state()
            .is_some())
    );
    let odd: Info = "<sip:h>;appearance-index=-1;appearance-state=asleep".parse().unwrap();
    assert_eq!((odd.appearance_index(), odd.appearance_state(), odd.purpose()), (None, None, None));
}

#[test]
fn alert_info_is_read_with_brackets_and_without() {
    let headers = headers(&[
        ("Alert-Info", "<http://h/ring.wav>;info=alert-autoanswer;delay=0"),
        ("Alert-Info", "Bellcore-dr2"),
        ("Alert-Info", "<>;info=x"),
    ]);
    let infos = headers.alert_info().unwrap();
    let shown: Vec<_> = infos.iter().map(|info| (info.uri.as_str(), info.info())).collect();
    assert_eq!(shown, [("http://h/ring.wav", Some("alert-autoanswer")), ("Bellcore-dr2", None), ("", Some("x"))]);
}

#[test]
fn broken_and_endless_lists_are_refused() {
    assert!(matches!(headers(&[("Alert-Info", "<http://h")]).alert_info(), Err(HeaderError::Malformed { .. })));
    let many = vec![("Call-Info", "<a>, <b>"); 40];
    assert!(matches!(headers(&many).call_info(), Err(HeaderError::TooMany(_))));
}
