//! Where each parameter stands in the tree: the one description that reading warns by, and that writing and the schema follow.

use crate::catalogue::Parameter;
use crate::row::{Row, Scope};

/// The root element.
pub const ROOT: &str = "PANASipPhoneConfig";
/// Parameters that the guide's table has no element for, under one element of ours: an attribute counts wherever it stands (C56).
const BESIDE: (&[&str], &str) = (&["Dev"], "X_DESKPHONE");

/// The elements of a row below the root, outermost first, the one that carries the attribute last.
pub fn elements(row: &Row) -> Vec<&'static str> {
    let (path, last) = row.xml.map_or(BESIDE, |xml| (xml.path, xml.element));
    path.iter().copied().chain(std::iter::once(last)).collect()
}

/// The ID that an element of this name carries around a parameter (B99 to B101).
pub(super) fn id_of(element: &str, parameter: &Parameter) -> Option<u8> {
    match (element, parameter.row.scope) {
        ("Line", Scope::Line | Scope::CodecLine) | ("Button", Scope::Button) => Some(parameter.number),
        ("List", Scope::CodecLine) => Some(parameter.codec),
        _ => None,
    }
}

/// An element that has begun.
pub(super) struct Open<'t> {
    pub name: &'t str,
    id: Option<u8>,
}

impl<'t> Open<'t> {
    /// From the tag with its brackets.
    pub(super) fn of(tag: &'t str) -> Open<'t> {
        let inside = tag.trim_start_matches('<').trim_end_matches('>');
        let end = inside.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(inside.len());
        let (name, rest) = inside.split_at(end);
        Open { name, id: id(rest) }
    }
}

/// The number behind ID=.
fn id(attributes: &str) -> Option<u8> {
    let (_, value) = attributes.split_once("ID=")?;
    let value = value.strip_prefix(['"', '\''])?;
    value.get(..value.find(['"', '\''])?)?.trim().parse().ok()
}

/// The usual place of a parameter that stands elsewhere.
pub(super) fn misplacement(parameter: &Parameter, element: &str, around: &[Open<'_>]) -> Option<String> {
    let usual = elements(parameter.row);
    let last = numbered(usual.last()?, parameter);
    let parent = usual.len().checked_sub(2).and_then(|at| usual.get(at));
    let stands = around.last().map(|open| open.name);
    let wrong_id = around.iter().any(|open| match (id_of(open.name, parameter), open.id) {
        (Some(meant), Some(written)) => meant != written,
        _ => false,
    });
    if element == last && stands == parent.copied() && !wrong_id {
        return None;
    }
    let step = |name: &&'static str| match id_of(name, parameter) {
        Some(id) => format!("{name} ID=\"{id}\""),
        None => numbered(name, parameter),
    };
    Some(format!("<{}>", usual.iter().map(step).collect::<Vec<_>>().join("> <")))
}

/// `UserAgentPort[n]` of line 2: `UserAgentPort2`.
pub(super) fn numbered(element: &str, parameter: &Parameter) -> String {
    element.replace("[n]", &parameter.number.to_string())
}
