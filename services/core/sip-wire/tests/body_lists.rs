//! Dialogs of others and lists of them (RFC 4235, RFC 4662, RFC 7463).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use sip_wire::body::{DialogDirection, DialogInfo, DialogState, InstanceState, Participant, ResourceList, parts};
use sip_wire::{MediaType, Syntax};

fn dialogs(text: &str) -> Result<DialogInfo, Syntax> {
    DialogInfo::parse(text.as_bytes())
}

#[test]
fn a_dialog_is_read_with_both_ends() {
    let info = dialogs(include_str!("../fuzz/corpus/xml_bodies/dialog-full")).unwrap();
    assert_eq!((info.version, info.full, info.entity.as_str()), (1, true, "sip:alice@example.com"));
    let dialog = &info.dialogs[0];
    assert_eq!((dialog.id.as_str(), dialog.call_id.as_deref()), ("as7d900as8", Some("a84b4c76e66710")));
    assert_eq!((dialog.local_tag.as_deref(), dialog.remote_tag.as_deref()), (Some("1928301774"), Some("456887766")));
    assert_eq!((dialog.direction, dialog.state), (Some(DialogDirection::Initiator), DialogState::Confirmed));
    let local = Participant {
        identity: "sip:alice@example.com".into(),
        display: "Alice & co".into(),
        target: "sip:alice@pc33.example.com".into(),
        holds: true,
    };
    assert_eq!(dialog.local, local);
    assert_eq!((dialog.remote.display.as_str(), dialog.remote.holds), ("Bob", false));
}

/// Prefixes do not count; a dialog without a state that is known is left out; appearances are those of RFC 7463.
#[test]
fn prefixes_unknown_states_and_appearances() {
    let info = dialogs(include_str!("../fuzz/corpus/xml_bodies/dialog-prefixed")).unwrap();
    assert_eq!((info.version, info.full, info.dialogs.len()), (0, false, 1));
    let dialog = &info.dialogs[0];
    assert_eq!((dialog.state, dialog.appearance, dialog.exclusive), (DialogState::Early, Some(3), Some(true)));
    assert_eq!((dialog.call_id.as_deref(), dialog.direction, &dialog.remote), (None, None, &Participant::default()));
}

#[test]
fn nobody_talks_is_no_dialog() {
    let info = dialogs("\u{feff}\r\n<?xml version='1.0'?>\n<dialog-info version='3' state='full' entity='sip:a@b'/>\n").unwrap();
    assert_eq!((info.version, info.dialogs.len()), (3, 0));
}

#[test]
fn what_is_no_dialog_info_is_refused() {
    for text in ["", "x", "<presence/>", "<dialog-info>", "<dialog-info></dialog>", "<dialog-info/><dialog-info/>"] {
        assert!(dialogs(text).is_err(), "{text}");
    }
    assert_eq!(dialogs(include_str!("../fuzz/corpus/xml_bodies/document-type")), Err(Syntax("XML with a document type")));
}

#[test]
fn a_list_names_its_resources_and_where_their_states_are() {
    let list = ResourceList::parse(include_bytes!("../fuzz/corpus/xml_bodies/list")).unwrap();
    assert_eq!((list.uri.as_str(), list.version, list.full), ("sip:buttons@example.com", 7, true));
    let instance = |index: usize| list.resources[index].instances.first();
    assert_eq!((list.resources[0].name.as_str(), instance(0).unwrap().state), ("Bob Smith", Some(InstanceState::Active)));
    assert_eq!(instance(0).unwrap().cid.as_deref(), Some("bUZBsM@pres.example.com"));
    let gone = instance(1).unwrap();
    assert_eq!((gone.state, gone.reason.as_str(), gone.cid.as_deref()), (Some(InstanceState::Terminated), "noresource", None));
    assert_eq!((list.resources[2].uri.as_str(), instance(2)), ("sip:ed@example.org", None));
    assert!(ResourceList::parse(b"<dialog-info/>").is_err());
}

/// As in RFC 4662 section 6.
#[test]
fn a_multipart_body_is_read_by_content_ids() {
    let (boundary, body) = include_str!("../fuzz/corpus/multipart/rfc").split_once("\r\n").unwrap();
    let kind: MediaType = format!("multipart/related;type=\"application/rlmi+xml\";boundary=\"{boundary}\"").parse().unwrap();
    let parts = parts(&kind, body.as_bytes()).unwrap();
    let ids: Vec<_> = parts.iter().map(|part| part.content_id().unwrap()).collect();
    assert_eq!(ids, ["nXYxAE@pres.example.com", "bUZBsM@pres.example.com"]);
    let root = parts[0].content_type().unwrap();
    assert!(root.is("application", "rlmi+xml") && root.params.get("charset") == Some("UTF-8"), "{root}");
    assert_eq!((parts[0].body.as_slice(), parts[1].body.as_slice()), (&b"<list/>"[..], &b"<dialog-info/>\r\n"[..]));
}

#[test]
fn parts_with_line_feeds_without_headers_and_without_an_end_are_read() {
    let kind: MediaType = "multipart/mixed;boundary=b".parse().unwrap();
    let read = |text: &str| {
        parts(&kind, text.as_bytes())
            .map(|parts| parts.into_iter().map(|part| String::from_utf8(part.body).unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(read("preamble\n--b\n\none\n--b  \nX: y\n\n--b--\nepilogue"), Ok(vec!["one".into(), String::new()]));
    assert_eq!(read("--b\r\nX: y\r\n\r\ncut --b"), Ok(vec!["cut --b".into()]));
    assert_eq!(read("--bb\r\n\r\nx"), Err(Syntax("no part")));
    for kind in ["multipart/mixed", "application/sdp;boundary=b", "multipart/mixed;boundary=\"\""] {
        assert!(parts(&kind.parse().unwrap(), b"--b\r\n\r\nx\r\n--b--").is_err(), "{kind}");
    }
}
