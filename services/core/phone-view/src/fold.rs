//! The fold itself: facts in, state kept per peer.
//!
//! ```text
//!            Up                Snapshot
//!  unknown ------> unknown ----------------> current
//!     ^            (or stale)                   |
//!     |  Down        ^                          |  a new Epoch, or Up again
//!     +--------------+------------ stale <------+
//! ```
//! Level-triggered: only the newest value of a property is kept. Every table is bounded, so that a peer gone mad cannot fill the
//! memory of a screen.

use std::collections::BTreeMap;

use crate::facts::{Fact, Objects, Peer, Properties, Value};

/// Objects kept per peer: the root, six lines, and far more calls than the phone can have.
const MOST_OBJECTS: usize = 96;
/// Properties kept per interface.
const MOST_PROPERTIES: usize = 64;
/// The property that tells one start of a service from the next.
const EPOCH: &str = "Epoch";

/// How far what is shown may be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The peer is down, or has not been heard yet.
    #[default]
    Unknown,
    /// From an earlier start of the peer; the new facts are being fetched.
    Stale,
    /// As published.
    Current,
}

/// What a fact has brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// Nothing that a screen could show.
    Nothing,
    /// Something that a screen may show.
    Changed,
    /// The peer has started anew behind our back: fetch everything again.
    Refetch,
}

#[derive(Clone, Debug, Default)]
struct PeerFacts {
    trust: Trust,
    objects: Objects,
}

/// The phone as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct PhoneView {
    peers: BTreeMap<Peer, PeerFacts>,
}

impl PhoneView {
    /// Nothing is known yet.
    pub fn new() -> PhoneView {
        PhoneView::default()
    }

    /// Takes one fact in.
    pub fn fold(&mut self, fact: Fact) -> Folded {
        match fact {
            Fact::Up(peer) => self.up(peer),
            Fact::Down(peer) => self.down(peer),
            Fact::Snapshot { peer, objects } => self.snapshot(peer, objects),
            Fact::Changed { peer, path, interface, properties } => self.changed(peer, path, interface, properties),
            Fact::Removed { peer, path } => self.removed(peer, &path),
        }
    }

    /// How far the facts of this peer may be trusted.
    pub fn trust(&self, peer: Peer) -> Trust {
        self.peers.get(&peer).map_or(Trust::Unknown, |facts| facts.trust)
    }

    /// The revision of the settings that is in effect in this peer; none when it publishes none or is unknown. A stale one is
    /// not taken: it belongs to a process that has gone.
    pub fn applied_revision(&self, peer: Peer) -> Option<u64> {
        let facts = self.peers.get(&peer).filter(|facts| facts.trust == Trust::Current)?;
        facts.objects.values().flat_map(BTreeMap::values).find_map(|properties| match properties.get("AppliedRevision") {
            Some(Value::Number(revision)) => Some(*revision),
            _ => None,
        })
    }

    /// The alarms of the settings store, in words.
    pub fn alarms(&self) -> Vec<String> {
        match self.property(Peer::Settings, "org.deskphone.Settings1", "Alarms") {
            Some(Value::List(alarms)) => alarms.clone(),
            _ => Vec::new(),
        }
    }

    /// A property of the only object that has this interface.
    pub(crate) fn property(&self, peer: Peer, interface: &str, name: &str) -> Option<&Value> {
        let objects = &self.peers.get(&peer)?.objects;
        objects.values().find_map(|interfaces| interfaces.get(interface)?.get(name))
    }

    /// The text of such a property; empty when it is unknown.
    pub(crate) fn text(&self, peer: Peer, interface: &str, name: &str) -> String {
        match self.property(peer, interface, name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    /// Every object of the peer with this interface, in the order of the paths.
    pub(crate) fn with_interface<'a>(&'a self, peer: Peer, interface: &'a str) -> impl Iterator<Item = (&'a str, &'a Properties)> {
        let objects = self.peers.get(&peer).map(|facts| &facts.objects);
        objects.into_iter().flatten().filter_map(move |(path, interfaces)| Some((path.as_str(), interfaces.get(interface)?)))
    }

    fn up(&mut self, peer: Peer) -> Folded {
        let facts = self.peers.entry(peer).or_default();
        if facts.trust == Trust::Current {
            facts.trust = Trust::Stale;
            return Folded::Changed;
        }
        Folded::Nothing
    }

    fn down(&mut self, peer: Peer) -> Folded {
        match self.peers.remove(&peer) {
            Some(facts) if facts.trust != Trust::Unknown => Folded::Changed,
            Some(_) | None => Folded::Nothing,
        }
    }

    fn snapshot(&mut self, peer: Peer, mut objects: Objects) -> Folded {
        while objects.len() > MOST_OBJECTS {
            objects.pop_last();
        }
        for properties in objects.values_mut().flat_map(BTreeMap::values_mut) {
            while properties.len() > MOST_PROPERTIES {
                properties.pop_last();
            }
        }
        self.peers.insert(peer, PeerFacts { trust: Trust::Current, objects });
        Folded::Changed
    }

    fn changed(&mut self, peer: Peer, path: String, interface: String, properties: Properties) -> Folded {
        let Some(facts) = self.peers.get_mut(&peer).filter(|facts| facts.trust == Trust::Current) else {
            return Folded::Nothing;
        };
        if facts.objects.len() >= MOST_OBJECTS && !facts.objects.contains_key(&path) {
            return Folded::Nothing;
        }
        let known = facts.objects.entry(path).or_default().entry(interface).or_default();
        if let (Some(new), Some(old)) = (properties.get(EPOCH), known.get(EPOCH))
            && new != old
        {
            facts.trust = Trust::Stale;
            return Folded::Refetch;
        }
        let mut news = Folded::Nothing;
        for (name, value) in properties {
            if known.get(&name) != Some(&value) && (known.contains_key(&name) || known.len() < MOST_PROPERTIES) {
                known.insert(name, value);
                news = Folded::Changed;
            }
        }
        news
    }

    fn removed(&mut self, peer: Peer, path: &str) -> Folded {
        match self.peers.get_mut(&peer).and_then(|facts| facts.objects.remove(path)) {
            Some(_) => Folded::Changed,
            None => Folded::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(epoch: u64, applied: u64) -> Objects {
        let properties =
            Properties::from([("Epoch".into(), Value::Number(epoch)), ("AppliedRevision".into(), Value::Number(applied))]);
        Objects::from([("/org/deskphone/Sip1".into(), BTreeMap::from([("org.deskphone.Sip1.Phone".into(), properties)]))])
    }

    fn changed(name: &str, value: u64) -> Fact {
        Fact::Changed {
            peer: Peer::Sip,
            path: "/org/deskphone/Sip1".into(),
            interface: "org.deskphone.Sip1.Phone".into(),
            properties: Properties::from([(name.into(), Value::Number(value))]),
        }
    }

    #[test]
    fn nothing_is_known_before_the_first_snapshot() {
        let mut view = PhoneView::new();
        assert_eq!(view.fold(Fact::Up(Peer::Sip)), Folded::Nothing);
        assert_eq!(view.fold(changed("AppliedRevision", 3)), Folded::Nothing);
        assert_eq!((view.trust(Peer::Sip), view.applied_revision(Peer::Sip)), (Trust::Unknown, None));
    }

    #[test]
    fn a_change_after_the_snapshot_is_seen_once() {
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects: root(7, 3) });
        assert_eq!(view.applied_revision(Peer::Sip), Some(3));
        assert_eq!(view.fold(changed("AppliedRevision", 4)), Folded::Changed);
        assert_eq!(view.fold(changed("AppliedRevision", 4)), Folded::Nothing);
        assert_eq!(view.applied_revision(Peer::Sip), Some(4));
    }

    #[test]
    fn a_new_epoch_makes_every_fact_of_the_peer_stale_until_it_is_fetched_again() {
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects: root(7, 3) });
        assert_eq!(view.fold(changed("Epoch", 8)), Folded::Refetch);
        assert_eq!((view.trust(Peer::Sip), view.applied_revision(Peer::Sip)), (Trust::Stale, None));
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects: root(8, 3) });
        assert_eq!(view.trust(Peer::Sip), Trust::Current);
    }

    #[test]
    fn a_peer_that_goes_takes_its_facts_with_it() {
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects: root(7, 3) });
        assert_eq!(view.fold(Fact::Down(Peer::Sip)), Folded::Changed);
        assert_eq!(view.fold(Fact::Down(Peer::Sip)), Folded::Nothing);
        assert_eq!((view.trust(Peer::Sip), view.applied_revision(Peer::Sip)), (Trust::Unknown, None));
    }

    #[test]
    fn a_peer_gone_mad_does_not_fill_the_memory() {
        let mut view = PhoneView::new();
        view.fold(Fact::Snapshot { peer: Peer::Sip, objects: root(7, 3) });
        for number in 0..1000 {
            view.fold(Fact::Changed {
                peer: Peer::Sip,
                path: format!("/mad/{number}"),
                interface: "x".into(),
                properties: Properties::new(),
            });
            view.fold(changed(&format!("Mad{number}"), 1));
        }
        let facts = &view.peers[&Peer::Sip];
        assert_eq!(facts.objects.len(), MOST_OBJECTS);
        assert!(facts.objects.values().flat_map(BTreeMap::values).all(|properties| properties.len() <= MOST_PROPERTIES));
    }
}
