//! application/x-as-feature-event+xml.
#![allow(clippy::unwrap_used)]

use sip_wire::body::{FeatureEvent, FeatureRequest, ForwardingKind};

const NAMESPACE: &str = "xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed3\"";

#[test]
fn what_the_server_says_is_read() {
    let dnd = FeatureEvent::parse(include_bytes!("../fuzz/corpus/xml_bodies/dnd")).unwrap();
    assert_eq!(dnd, FeatureEvent::DoNotDisturb { device: "200@example".into(), on: true });
    let forwarding = FeatureEvent::parse(include_bytes!("../fuzz/corpus/xml_bodies/forwarding")).unwrap();
    let expected = FeatureEvent::Forwarding {
        device: String::new(),
        kind: ForwardingKind::NoAnswer,
        active: true,
        to: "<300>".into(),
        ring_count: Some(3),
    };
    assert_eq!(forwarding, expected);
}

#[test]
fn an_event_that_lacks_what_it_is_about_is_refused() {
    for text in [
        "<DoNotDisturbEvent><device>1</device></DoNotDisturbEvent>",
        "<DoNotDisturbEvent><doNotDisturbOn>maybe</doNotDisturbOn></DoNotDisturbEvent>",
        "<ForwardingEvent><forwardStatus>true</forwardStatus></ForwardingEvent>",
        "<ForwardingEvent><forwardingType>forwardBusy</forwardingType></ForwardingEvent>",
        "<ForwardingEvent><forwardingType>forwardAll</forwardingType><forwardStatus>true</forwardStatus></ForwardingEvent>",
        "<AgentLoggedOnEvent/>",
        "",
    ] {
        assert!(FeatureEvent::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_the_phone_asks_for_is_written() {
    let request = FeatureRequest::SetDoNotDisturb { device: String::new(), on: false };
    let written = String::from_utf8(request.to_bytes()).unwrap();
    let expected =
        format!("<SetDoNotDisturb {NAMESPACE}><device></device><doNotDisturbOn>false</doNotDisturbOn></SetDoNotDisturb>");
    assert!(written.starts_with("<?xml version=\"1.0\"") && written.contains(&expected), "{written}");
    let request = FeatureRequest::SetForwarding {
        device: "a&b".into(),
        kind: ForwardingKind::Immediate,
        active: true,
        to: "30\u{0}0".into(),
        ring_count: None,
    };
    let written = String::from_utf8(request.to_bytes()).unwrap();
    let expected = format!(
        "<SetForwarding {NAMESPACE}><device>a&amp;b</device><activateForward>true</activateForward>\
         <forwardingType>forwardImmediate</forwardingType><forwardDN>300</forwardDN></SetForwarding>"
    );
    assert!(written.contains(&expected), "{written}");
}
