//! `application/dialog-info+xml` (RFC 4235; RFC 7463 for the appearances of shared lines): the dialogs of somebody who is watched.

use super::limits;
use super::xml::{self, Element};
use crate::Syntax;

/// What a notifier says of somebody's dialogs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogInfo {
    /// Grows by one with each document (4.1); 0 where it is no number.
    pub version: u32,
    /// All dialogs there are; else only those that have changed.
    pub full: bool,
    /// Whose they are.
    pub entity: String,
    /// Those with a state that is known.
    pub dialogs: Vec<DialogEntry>,
}

/// One dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogEntry {
    /// The notifier's name for it, the same over documents.
    pub id: String,
    /// For Replaces (RFC 3891) and directed pickup.
    pub call_id: Option<String>,
    /// The watched one's.
    pub local_tag: Option<String>,
    /// The far end's.
    pub remote_tag: Option<String>,
    /// Who called.
    pub direction: Option<DialogDirection>,
    /// How far it is.
    pub state: DialogState,
    /// The watched one.
    pub local: Participant,
    /// The far end.
    pub remote: Participant,
    /// Of a shared line (RFC 7463 5.1).
    pub appearance: Option<u32>,
    /// Nobody may join it (RFC 7463 5.2).
    pub exclusive: Option<bool>,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogDirection {
    /// The watched one called.
    Initiator,
    /// The watched one was called.
    Recipient,
}

/// The states of RFC 4235 3.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogState {
    /// An INVITE is out.
    Trying,
    /// Something came back, without a tag.
    Proceeding,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
    /// Over.
    Terminated,
}

/// One end of a dialog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Participant {
    /// The address; may be empty.
    pub identity: String,
    /// As people know them; may be empty.
    pub display: String,
    /// Where they are reached; may be empty.
    pub target: String,
    /// `+sip.rendering=no` of the target: this end holds (RFC 4235 5.2).
    pub holds: bool,
}

impl DialogInfo {
    /// Reads a body.
    ///
    /// # Errors
    /// No XML within the bounds, or another document.
    pub fn parse(octets: &[u8]) -> Result<DialogInfo, Syntax> {
        let root = xml::read(octets)?;
        if root.name != "dialog-info" {
            return Err(Syntax("no dialog-info"));
        }
        let text = |name: &str| root.attribute(name).unwrap_or_default().trim();
        Ok(DialogInfo {
            version: text("version").parse().unwrap_or(0),
            full: !text("state").eq_ignore_ascii_case("partial"),
            entity: text("entity").to_owned(),
            dialogs: root.children("dialog").filter_map(entry).take(limits::DIALOGS).collect(),
        })
    }
}

fn entry(dialog: &Element) -> Option<DialogEntry> {
    let text = |name: &str| dialog.attribute(name).filter(|value| !value.is_empty()).map(str::to_owned);
    Some(DialogEntry {
        id: text("id").unwrap_or_default(),
        call_id: text("call-id"),
        local_tag: text("local-tag"),
        remote_tag: text("remote-tag"),
        direction: dialog.attribute("direction").and_then(direction),
        state: state(dialog.text_of("state"))?,
        local: participant(dialog, "local"),
        remote: participant(dialog, "remote"),
        appearance: dialog.text_of("appearance").parse().ok(),
        exclusive: xml::boolean(dialog.text_of("exclusive")),
    })
}

fn direction(text: &str) -> Option<DialogDirection> {
    match text.to_ascii_lowercase().as_str() {
        "initiator" => Some(DialogDirection::Initiator),
        "recipient" => Some(DialogDirection::Recipient),
        _ => None,
    }
}

fn state(text: &str) -> Option<DialogState> {
    match text.to_ascii_lowercase().as_str() {
        "trying" => Some(DialogState::Trying),
        "proceeding" => Some(DialogState::Proceeding),
        "early" => Some(DialogState::Early),
        "confirmed" => Some(DialogState::Confirmed),
        "terminated" => Some(DialogState::Terminated),
        _ => None,
    }
}

fn participant(dialog: &Element, side: &str) -> Participant {
    let Some(side) = dialog.child(side) else { return Participant::default() };
    let identity = side.child("identity");
    let target = side.child("target");
    let param = |target: &Element| {
        let named = |param: &&Element| param.attribute("pname").is_some_and(|name| name.eq_ignore_ascii_case("+sip.rendering"));
        target.children("param").find(named).and_then(|param| param.attribute("pval").map(|value| value.trim_matches('"') == "no"))
    };
    Participant {
        identity: identity.map(Element::text).unwrap_or_default().to_owned(),
        display: identity.and_then(|identity| identity.attribute("display")).unwrap_or_default().to_owned(),
        target: target.and_then(|target| target.attribute("uri")).unwrap_or_default().to_owned(),
        holds: target.and_then(param).unwrap_or(false),
    }
}
