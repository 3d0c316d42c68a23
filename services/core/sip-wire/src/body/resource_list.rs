//! `application/rlmi+xml` (RFC 4662 section 5): which resources a list has, and where in the multipart body each one's state is.

use super::limits;
use super::xml::{self, Element};
use crate::Syntax;

/// A list, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceList {
    /// Whose list.
    pub uri: String,
    /// Grows by one with each NOTIFY; 0 where it is no number.
    pub version: u32,
    /// All resources there are; else only those that have changed. Some servers split a full one over several NOTIFYs.
    pub full: bool,
    /// In the order of the list.
    pub resources: Vec<ListedResource>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedResource {
    /// Its address.
    pub uri: String,
    /// As people know it; may be empty.
    pub name: String,
    /// None while nothing is known of it.
    pub instances: Vec<Instance>,
}

/// The list server's own subscription to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The same over documents.
    pub id: String,
    /// How far it is; none: another state.
    pub state: Option<InstanceState>,
    /// Why it is over; may be empty.
    pub reason: String,
    /// Content-ID of the part with its state, without `<>`; none where there is no news.
    pub cid: Option<String>,
}

/// The states of RFC 6665.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// The server watches it.
    Active,
    /// Not allowed yet.
    Pending,
    /// Not watched: nothing is known of it, which is not the same as idle.
    Terminated,
}

impl ResourceList {
    /// Reads a body.
    ///
    /// # Errors
    /// No XML within the bounds, or another document.
    pub fn parse(octets: &[u8]) -> Result<ResourceList, Syntax> {
        let root = xml::read(octets)?;
        if root.name != "list" {
            return Err(Syntax("no resource list"));
        }
        let text = |name: &str| root.attribute(name).unwrap_or_default().trim();
        Ok(ResourceList {
            uri: text("uri").to_owned(),
            version: text("version").parse().unwrap_or(0),
            full: xml::boolean(text("fullState")).unwrap_or(false),
            resources: root.children("resource").take(limits::RESOURCES).map(resource).collect(),
        })
    }
}

fn resource(element: &Element) -> ListedResource {
    ListedResource {
        uri: element.attribute("uri").unwrap_or_default().trim().to_owned(),
        name: element.text_of("name").to_owned(),
        instances: element.children("instance").take(limits::INSTANCES).map(instance).collect(),
    }
}

fn instance(element: &Element) -> Instance {
    let text = |name: &str| element.attribute(name).unwrap_or_default().trim();
    let state = match text("state").to_ascii_lowercase().as_str() {
        "active" => Some(InstanceState::Active),
        "pending" => Some(InstanceState::Pending),
        "terminated" => Some(InstanceState::Terminated),
        _ => None,
    };
    let cid = text("cid").trim_start_matches('<').trim_end_matches('>');
    Instance { id: text("id").to_owned(), state, reason: text("reason").to_owned(), cid: (!cid.is_empty()).then(|| cid.to_owned()) }
}
