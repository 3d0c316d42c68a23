//! What holds for any body: nothing panics, nothing grows beyond its bounds, and what is written reads as the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;
use sip_wire::MediaType;
use sip_wire::body::{DialogInfo, FeatureEvent, FeatureRequest, ForwardingKind, ResourceList, parts};
use sip_wire::invariants;

const XML: [&str; 4] = [
    include_str!("../fuzz/corpus/xml_bodies/dialog-full"),
    include_str!("../fuzz/corpus/xml_bodies/dialog-prefixed"),
    include_str!("../fuzz/corpus/xml_bodies/list"),
    include_str!("../fuzz/corpus/xml_bodies/forwarding"),
];
const SUMMARY: &str = include_str!("../fuzz/corpus/message_summary/rfc");
const MULTIPART: &str = include_str!("../fuzz/corpus/multipart/rfc");

/// A source with stretches of it overwritten or doubled; octets that mean something are more likely to find a way through.
fn damaged(sources: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![any::<u8>(), proptest::sample::select(b"<>/&;=\"'!?[]-:\r\n \t0".to_vec())];
    let changes = proptest::collection::vec((any::<usize>(), octet, 0..12_usize), 0..10);
    (proptest::sample::select(sources.to_vec()), changes).prop_map(|(source, changes)| {
        let mut octets = source.as_bytes().to_vec();
        for (place, octet, length) in changes {
            let place = place % octets.len();
            let end = (place + length).min(octets.len());
            octets.splice(place..end, std::iter::repeat_n(octet, length % 3));
            if octets.is_empty() {
                octets.push(octet);
            }
        }
        octets
    })
}

fn kind() -> impl Strategy<Value = ForwardingKind> {
    proptest::sample::select(vec![ForwardingKind::Immediate, ForwardingKind::Busy, ForwardingKind::NoAnswer])
}

/// What XML can say, without blanks around it.
fn text() -> impl Strategy<Value = String> {
    "([^\\p{Cc}\\p{Z}\u{fffe}\u{ffff}]([^\\p{Cc}\u{fffe}\u{ffff}]{0,12}[^\\p{Cc}\\p{Z}\u{fffe}\u{ffff}])?)?"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_survived(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(invariants::xml_bodies(&octets), Ok(()));
        prop_assert_eq!(invariants::message_summary(&octets), Ok(()));
        prop_assert_eq!(invariants::multipart(&octets), Ok(()));
    }

    #[test]
    fn damaged_xml_is_survived(octets in damaged(&XML)) {
        prop_assert_eq!(invariants::xml_bodies(&octets), Ok(()));
    }

    #[test]
    fn damaged_summaries_are_survived(octets in damaged(&[SUMMARY])) {
        prop_assert_eq!(invariants::message_summary(&octets), Ok(()));
    }

    #[test]
    fn damaged_parts_are_survived(octets in damaged(&[MULTIPART])) {
        prop_assert_eq!(invariants::multipart(&octets), Ok(()));
    }

    #[test]
    fn parts_are_read_as_they_were_written(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..8)) {
        let mut octets = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            octets.extend_from_slice(format!("--a boundary of its own\r\nContent-ID: <{number}@h>\r\n\r\n").as_bytes());
            octets.extend_from_slice(body);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"--a boundary of its own--\r\n");
        let kind: MediaType = "multipart/mixed;boundary=\"a boundary of its own\"".parse().unwrap();
        let read = parts(&kind, &octets).unwrap();
        prop_assert_eq!(read.iter().map(|part| part.body.clone()).collect::<Vec<_>>(), bodies);
        let named = read.iter().enumerate().all(|(number, part)| part.content_id() == Some(format!("{number}@h").as_str()));
        prop_assert!(named);
    }

    /// A server that reads XML reads what we say, whatever a person has typed.
    #[test]
    fn what_is_asked_of_the_server_says_what_was_typed(device in text(), to in text(), kind in kind(), active: bool, ring_count in proptest::option::of(0..20_u32)) {
        let request = FeatureRequest::SetForwarding { device: device.clone(), kind, active, to: to.clone(), ring_count };
        let text = String::from_utf8(request.to_bytes()).unwrap();
        let echo = text.replace("<SetForwarding ", "<ForwardingEvent ").replace("</SetForwarding>", "</ForwardingEvent>");
        let echo = echo.replace("activateForward>", "forwardStatus>").replace("forwardDN>", "forwardTo>");
        let event = FeatureEvent::Forwarding { device, kind, active, to, ring_count };
        prop_assert_eq!(FeatureEvent::parse(echo.as_bytes()), Ok(event));
    }
}

/// As deep, as many and as large as nobody sends.
#[test]
fn depth_count_and_size_are_bounded() {
    let deep = |depth: usize| format!("<dialog-info>{}{}</dialog-info>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(DialogInfo::parse(deep(15).as_bytes()).is_ok());
    assert!(DialogInfo::parse(deep(16).as_bytes()).is_err());
    let many = |count: usize| format!("<list>{}</list>", "<r/>".repeat(count));
    assert!(ResourceList::parse(many(4095).as_bytes()).is_ok());
    assert!(ResourceList::parse(many(4096).as_bytes()).is_err());
    let resources = format!("<list>{}</list>", "<resource/>".repeat(1000));
    assert_eq!(ResourceList::parse(resources.as_bytes()).unwrap().resources.len(), 256);
    let large = format!("<dialog-info>{}</dialog-info>", " ".repeat(70_000));
    assert!(DialogInfo::parse(large.as_bytes()).is_err());
    let dialogs = format!("<dialog-info>{}</dialog-info>", "<dialog><state>early</state></dialog>".repeat(500));
    assert_eq!(DialogInfo::parse(dialogs.as_bytes()).unwrap().dialogs.len(), 64);
    let kind: MediaType = "multipart/mixed;boundary=b".parse().unwrap();
    assert_eq!(parts(&kind, "--b\r\n\r\nx\r\n".repeat(1000).as_bytes()).unwrap().len(), 256);
}
