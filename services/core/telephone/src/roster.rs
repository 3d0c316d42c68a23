//! What a server says of those whom a line watches: who is on the list (RFC 4662) and what their calls do (RFC 4235), kept as far as
//! it is shown. It must not ask the server for anything: that is the phone's.
//!
//! NOTIFYs arrive in the order in which they were sent, because the stack refuses the others by their CSeq. So a version that is
//! lower than the last one is no older state but that of a server that counts anew, and is taken; a version that has been left out
//! is the loss that RFC 4662 5.6.2 and RFC 4235 4.3 speak of, and the caller is told.
//!
//! A list may have lists in it, each of which comes as a multipart of its own in the place of somebody's state (RFC 4662 5.5): who is on
//! them is shown as if all stood on one.
//!
//! Some servers split a full list over several NOTIFYs, each of which says that it is full. So those whom one does not name leave the
//! list only a moment later, unless one of the next NOTIFYs names them.

use std::time::Duration;

use agreements::Tick;
use serde::{Deserialize, Serialize};
use sip_wire::MediaType;
use sip_wire::body::{
    DialogDirection, DialogEntry, DialogInfo, DialogState, Instance, InstanceState, ListedResource, Part, ResourceList, parts,
};

use crate::interface::{Watched, WatchedState};

/// Of whom there is news: `type/subtype`.
pub(crate) const LIST: (&str, &str) = ("application", "rlmi+xml");
pub(crate) const WHOLE: (&str, &str) = ("multipart", "related");
pub(crate) const DIALOGS: (&str, &str) = ("application", "dialog-info+xml");

/// People on a list; more are not shown.
const PEOPLE_MAX: usize = 64;
/// Lists in lists; what is on a deeper one is not shown.
const DEPTH_MAX: u8 = 3;
/// Lists in lists that one NOTIFY may bring: each is read as often as it is named.
const LISTS_MAX: u8 = 64;
/// Subscriptions that the server has to one of them.
const INSTANCES_MAX: usize = 2;
/// Calls of one of them at a time.
const CALLS_MAX: usize = 8;
/// Octets of an address, of a name, and of the server's names for instances and dialogs.
const URI_MAX: usize = 255;
const NAME_MAX: usize = 64;
const ID_MAX: usize = 64;
/// Parts of one full list come within this time of each other.
const TOGETHER: Duration = Duration::from_secs(2);
/// A server whose versions never fit is not asked for the whole more often than this.
const ASKED_AGAIN: Duration = Duration::from_secs(60);

/// All that is known of one list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Roster {
    /// Of the last list.
    version: Option<u32>,
    people: Vec<Person>,
    /// When those leave whom no part of the full list has named.
    sweep: Option<Tick>,
    /// When something was lost.
    lost: Option<Tick>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Person {
    uri: String,
    name: String,
    /// The list in the list that names them; empty: the list itself.
    on: String,
    /// By the full list whose parts come.
    named: bool,
    watches: Vec<Watch>,
}

/// The server's own subscription to somebody ("instance").
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watch {
    id: String,
    /// Active; else what is shown instead.
    instead: Option<WatchedState>,
    /// Of the last document.
    version: Option<u32>,
    /// By the server's name; none: it has not said anything yet.
    calls: Option<Vec<(String, WatchedState)>>,
}

impl Roster {
    /// Takes the body of a NOTIFY; one that cannot be read says nothing. True: something before it was lost, so that the whole
    /// has to be asked for.
    pub fn take(&mut self, now: Tick, content_type: &str, body: &[u8]) -> bool {
        let lost = self.take_body(now, content_type, body) && self.lost.is_none_or(|at| now >= at + ASKED_AGAIN);
        if lost {
            self.lost = Some(now);
        }
        lost
    }

    fn take_body(&mut self, now: Tick, content_type: &str, body: &[u8]) -> bool {
        let Ok(kind) = content_type.parse::<MediaType>() else { return false };
        if kind.is(WHOLE.0, WHOLE.1) {
            let whole = whole(&kind, body);
            whole.is_some_and(|(list, parts)| self.take_list(now, &list, &parts))
        } else if kind.is(LIST.0, LIST.1) {
            ResourceList::parse(body).is_ok_and(|list| self.take_list(now, &list, &[]))
        } else if kind.is(DIALOGS.0, DIALOGS.1) {
            DialogInfo::parse(body).is_ok_and(|info| self.take_only(&info))
        } else {
            false
        }
    }

    /// Nothing is known any more of what they do: nobody holds a subscription.
    pub fn lose_sight(&mut self) {
        self.version = None;
        for person in &mut self.people {
            person.watches.clear();
        }
    }

    /// When [`Roster::sweep`] is due.
    pub fn deadline(&self) -> Option<Tick> {
        self.sweep
    }

    /// The full list is complete: who is not on it leaves.
    pub fn sweep(&mut self, now: Tick) {
        if self.sweep.is_some_and(|at| at <= now) {
            self.sweep = None;
            self.people.retain(|person| person.named);
        }
    }

    /// As it is shown.
    pub fn people(&self) -> Vec<Watched> {
        let shown = |person: &Person| Watched { uri: person.uri.clone(), name: person.name.clone(), state: person.state() };
        self.people.iter().map(shown).collect()
    }

    fn take_list(&mut self, now: Tick, list: &ResourceList, parts: &[Part]) -> bool {
        let mut lost = is_gap(self.version, list.version) && !list.full;
        self.version = Some(list.version);
        if list.full {
            if self.sweep.is_none() {
                self.people.iter_mut().for_each(|person| person.named = false);
            }
            self.sweep = Some(now + TOGETHER);
        }
        let mut lists = LISTS_MAX;
        for resource in &list.resources {
            lost |= self.take_resource(now, resource, (list, ""), parts, (list.full, DEPTH_MAX), &mut lists);
        }
        lost
    }

    /// Somebody, or a list in the list. `within`: the list that names it, by its resource there. `whole`: the NOTIFY says all of the
    /// list that is watched; then a number of lists that may still be in each other. `lists`: so many may still be read.
    fn take_resource(
        &mut self,
        now: Tick,
        resource: &ListedResource,
        (list, within): (&ResourceList, &str),
        parts: &[Part],
        (whole_list, depth): (bool, u8),
        lists: &mut u8,
    ) -> bool {
        let depth = depth.checked_sub(1);
        let mut read = |instance| {
            let part = list_of(instance, parts)?;
            *lists = lists.checked_sub(1).filter(|_| depth.is_some())?;
            whole(&part.content_type()?, &part.body)
        };
        let nested: Vec<_> = resource.instances.iter().filter_map(&mut read).collect();
        if nested.is_empty() && resource.instances.iter().any(|instance| list_of(instance, parts).is_some()) {
            return false;
        }
        let uri = bounded(&resource.uri, URI_MAX);
        if nested.is_empty() && self.people.iter().any(|person| person.on == uri && !uri.is_empty()) {
            // A list of which nothing is said now, or any more.
            let lives = resource.instances.iter().any(|instance| instance.state == Some(InstanceState::Active));
            for person in self.people.iter_mut().filter(|person| person.on == uri) {
                person.named |= lives;
                person.watches.retain(|_| lives);
            }
            return false;
        }
        if nested.is_empty() {
            return self.person(&resource.uri, within).is_some_and(|person| person.take(resource, list.full, parts));
        }
        let mut lost = false;
        for (list, parts) in &nested {
            // All of a list that is whole have been marked with it.
            if list.full && !whole_list {
                self.people.iter_mut().filter(|person| person.on == uri).for_each(|person| person.named = false);
                self.sweep = Some(now + TOGETHER);
            }
            for resource in &list.resources {
                lost |= self.take_resource(now, resource, (list, &uri), parts, (whole_list, depth.unwrap_or(0)), lists);
            }
        }
        lost
    }

    /// The address that is watched is no list but somebody's own.
    fn take_only(&mut self, info: &DialogInfo) -> bool {
        let active = Instance { id: String::new(), state: Some(InstanceState::Active), reason: String::new(), cid: None };
        let Some(person) = self.person(&info.entity, "") else { return false };
        person.watch(&active).is_some_and(|watch| watch.take(info))
    }

    /// Whoever has this address, also for the first time; none: no address, or too many people. Who is about to leave makes room.
    fn person(&mut self, uri: &str, on: &str) -> Option<&mut Person> {
        let uri = Some(bounded(uri, URI_MAX)).filter(|uri| !uri.is_empty())?;
        let known = self.people.iter().position(|person| person.uri == uri);
        if let Some(known) = known {
            return self.people.get_mut(known);
        }
        if self.people.len() >= PEOPLE_MAX {
            let leaving = self.people.iter().position(|person| !person.named)?;
            self.people.remove(leaving);
        }
        let person = Person { uri, name: String::new(), on: on.to_owned(), named: true, watches: Vec::new() };
        self.people.push(person);
        self.people.last_mut()
    }
}

impl Person {
    fn take(&mut self, resource: &ListedResource, full: bool, parts: &[Part]) -> bool {
        self.named = true;
        if !resource.name.is_empty() {
            self.name = bounded(&resource.name, NAME_MAX);
        }
        if full {
            self.watches.retain(|watch| resource.instances.iter().any(|instance| bounded(&instance.id, ID_MAX) == watch.id));
        }
        let mut lost = false;
        for instance in &resource.instances {
            let info =
                part_of(instance, parts).filter(|part| is(part, DIALOGS)).and_then(|part| DialogInfo::parse(&part.body).ok());
            let Some(watch) = self.watch(instance) else { continue };
            lost |= info.is_some_and(|info| watch.take(&info));
        }
        lost
    }

    /// The server's subscription of this name, in the state that it has now.
    fn watch(&mut self, instance: &Instance) -> Option<&mut Watch> {
        let id = bounded(&instance.id, ID_MAX);
        let known = self.watches.iter().position(|watch| watch.id == id);
        let at = known.or_else(|| {
            // The server has begun another one instead.
            self.watches.retain(|watch| watch.instead != Some(WatchedState::Terminated));
            let room = self.watches.len() < INSTANCES_MAX;
            room.then(|| self.watches.push(Watch { id, instead: None, version: None, calls: None }))?;
            self.watches.len().checked_sub(1)
        })?;
        let watch = self.watches.get_mut(at)?;
        watch.instead = match instance.state {
            Some(InstanceState::Active) => None,
            Some(InstanceState::Pending) => Some(WatchedState::Pending),
            Some(InstanceState::Terminated) => Some(WatchedState::Terminated),
            None => Some(WatchedState::Unknown),
        };
        if watch.instead.is_some() {
            (watch.version, watch.calls) = (None, None);
        }
        Some(watch)
    }

    fn state(&self) -> WatchedState {
        self.watches.iter().map(Watch::state).max().unwrap_or(WatchedState::Unknown)
    }
}

impl Watch {
    fn take(&mut self, info: &DialogInfo) -> bool {
        let lost = is_gap(self.version, info.version) && !info.full;
        self.version = Some(info.version);
        let mut calls = self.calls.take().filter(|_| !info.full).unwrap_or_default();
        for dialog in &info.dialogs {
            let id = bounded(&dialog.id, ID_MAX);
            calls.retain(|(known, _)| *known != id);
            if let Some(doing) = doing(dialog).filter(|_| calls.len() < CALLS_MAX) {
                calls.push((id, doing));
            }
        }
        self.calls = Some(calls);
        lost
    }

    fn state(&self) -> WatchedState {
        match (self.instead, &self.calls) {
            (Some(instead), _) => instead,
            (None, None) => WatchedState::Unknown,
            (None, Some(calls)) => calls.iter().map(|(_, doing)| *doing).max().unwrap_or(WatchedState::Idle),
        }
    }
}

/// Whether something lies between them.
fn is_gap(last: Option<u32>, next: u32) -> bool {
    last.is_some_and(|last| next > last.saturating_add(1))
}

/// A list with what is said of those on it.
fn whole(kind: &MediaType, body: &[u8]) -> Option<(ResourceList, Vec<Part>)> {
    let parts = parts(kind, body).ok()?;
    let root = parts.iter().find(|part| is(part, LIST))?;
    Some((ResourceList::parse(&root.body).ok()?, parts))
}

/// What is said of an instance.
fn part_of<'a>(instance: &Instance, parts: &'a [Part]) -> Option<&'a Part> {
    parts.iter().find(|part| instance.cid.is_some() && part.content_id() == instance.cid.as_deref())
}

/// Where an instance is a list of its own.
fn list_of<'a>(instance: &Instance, parts: &'a [Part]) -> Option<&'a Part> {
    part_of(instance, parts).filter(|part| is(part, WHOLE))
}

fn is(part: &Part, kind: (&str, &str)) -> bool {
    part.content_type().is_some_and(|of| of.is(kind.0, kind.1))
}

/// What somebody does in a call; none: it is over.
fn doing(dialog: &DialogEntry) -> Option<WatchedState> {
    Some(match dialog.state {
        DialogState::Terminated => return None,
        DialogState::Confirmed if dialog.local.holds => WatchedState::Held,
        DialogState::Confirmed => WatchedState::Talking,
        DialogState::Trying | DialogState::Proceeding | DialogState::Early => match dialog.direction {
            Some(DialogDirection::Initiator) => WatchedState::Calling,
            Some(DialogDirection::Recipient) | None => WatchedState::Ringing,
        },
    })
}

/// As many whole characters as fit, none of which steers anything.
fn bounded(text: &str, octets: usize) -> String {
    let mut kept = String::new();
    for character in text.chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > octets {
            break;
        }
        kept.push(character);
    }
    kept
}
