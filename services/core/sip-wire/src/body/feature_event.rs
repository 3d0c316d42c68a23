//! `application/x-as-feature-event+xml`: do-not-disturb and forwarding kept the same at the phone and at the server (ECMA-323 in
//! the short form that servers of this event package speak). The server's NOTIFY is read, the phone's SUBSCRIBE is written.

use super::xml::{self, Element};
use crate::Syntax;

const NAMESPACE: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed3";

/// Which calls are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingKind {
    /// All.
    Immediate,
    /// Those that meet a busy line.
    Busy,
    /// Those that nobody answers.
    NoAnswer,
}

impl ForwardingKind {
    fn as_str(self) -> &'static str {
        match self {
            ForwardingKind::Immediate => "forwardImmediate",
            ForwardingKind::Busy => "forwardBusy",
            ForwardingKind::NoAnswer => "forwardNoAns",
        }
    }
    fn named(text: &str) -> Option<ForwardingKind> {
        let all = [ForwardingKind::Immediate, ForwardingKind::Busy, ForwardingKind::NoAnswer];
        all.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// What the server says. It also says what the phone itself has asked for: whoever acts on it must not ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureEvent {
    /// DoNotDisturbEvent.
    DoNotDisturb {
        /// Whose; may be empty.
        device: String,
        /// doNotDisturbOn.
        on: bool,
    },
    /// ForwardingEvent.
    Forwarding {
        /// Whose; may be empty.
        device: String,
        /// forwardingType.
        kind: ForwardingKind,
        /// forwardStatus.
        active: bool,
        /// forwardTo; may be empty.
        to: String,
        /// ringCount, where it is said.
        ring_count: Option<u32>,
    },
}

impl FeatureEvent {
    /// Reads a body.
    ///
    /// # Errors
    /// No XML within the bounds, another document, or one that lacks what it is about.
    pub fn parse(octets: &[u8]) -> Result<FeatureEvent, Syntax> {
        let root = xml::read(octets)?;
        let device = root.text_of("device").to_owned();
        match root.name.as_str() {
            "DoNotDisturbEvent" => {
                let on = said(&root, &["doNotDisturbOn", "doNotDisturb"]).ok_or(Syntax("no doNotDisturbOn"))?;
                Ok(FeatureEvent::DoNotDisturb { device, on })
            }
            "ForwardingEvent" => Ok(FeatureEvent::Forwarding {
                device,
                kind: ForwardingKind::named(root.text_of("forwardingType")).ok_or(Syntax("no forwardingType"))?,
                active: said(&root, &["forwardStatus"]).ok_or(Syntax("no forwardStatus"))?,
                to: first_text(&root, &["forwardTo", "forwardDN"]).to_owned(),
                ring_count: root.text_of("ringCount").parse().ok(),
            }),
            _ => Err(Syntax("no feature event")),
        }
    }
}

/// The first of these children that says yes or no.
fn said(root: &Element, names: &[&str]) -> Option<bool> {
    names.iter().find_map(|name| xml::boolean(root.text_of(name)))
}

fn first_text<'e>(root: &'e Element, names: &[&str]) -> &'e str {
    names.iter().map(|name| root.text_of(name)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// What the phone asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureRequest {
    /// SetDoNotDisturb.
    SetDoNotDisturb {
        /// Whose; may be empty.
        device: String,
        /// doNotDisturbOn.
        on: bool,
    },
    /// SetForwarding.
    SetForwarding {
        /// Whose; may be empty.
        device: String,
        /// forwardingType.
        kind: ForwardingKind,
        /// activateForward.
        active: bool,
        /// forwardDN; may be empty.
        to: String,
        /// ringCount.
        ring_count: Option<u32>,
    },
}

impl FeatureRequest {
    /// The body's type, for Content-Type and Accept.
    pub const CONTENT_TYPE: &str = "application/x-as-feature-event+xml";

    /// The body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (name, children) = match self {
            FeatureRequest::SetDoNotDisturb { device, on } => {
                ("SetDoNotDisturb", vec![("device", device.clone()), ("doNotDisturbOn", on.to_string())])
            }
            FeatureRequest::SetForwarding { device, kind, active, to, ring_count } => {
                let mut children = vec![
                    ("device", device.clone()),
                    ("activateForward", active.to_string()),
                    ("forwardingType", kind.as_str().to_owned()),
                    ("forwardDN", to.clone()),
                ];
                children.extend(ring_count.map(|count| ("ringCount", count.to_string())));
                ("SetForwarding", children)
            }
        };
        let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<{name} xmlns=\"{NAMESPACE}\">");
        for (name, text) in children {
            xml::write(&mut out, name, &text);
        }
        out.push_str(&format!("</{name}>\r\n"));
        out.into_bytes()
    }
}
