//! What a server says of a line's features, in the words of the rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sip_wire::MediaType;
use sip_wire::body::{FeatureEvent, FeatureRequest, ForwardingKind, parts};

use crate::forwarding::{Forward, LineFeatures};

/// The most characters of FWD_*_NUMBER_n.
const NUMBER_MAX: usize = 32;
/// The most rings of FWD_NOANSWER_RINGS_n.
const RINGS_MAX: u32 = 20;

/// One of those that a server may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Feature {
    DoNotDisturb,
    All,
    Busy,
    NoAnswer,
}

impl Feature {
    pub(super) const EACH: [Feature; 4] = [Feature::DoNotDisturb, Feature::All, Feature::Busy, Feature::NoAnswer];

    fn of(kind: ForwardingKind) -> Feature {
        match kind {
            ForwardingKind::Immediate => Feature::All,
            ForwardingKind::Busy => Feature::Busy,
            ForwardingKind::NoAnswer => Feature::NoAnswer,
        }
    }

    /// None: it forwards nothing.
    fn way(self, rows: &LineFeatures) -> Option<(ForwardingKind, &Forward)> {
        match self {
            Feature::DoNotDisturb => None,
            Feature::All => Some((ForwardingKind::Immediate, &rows.forwarding.all)),
            Feature::Busy => Some((ForwardingKind::Busy, &rows.forwarding.busy)),
            Feature::NoAnswer => Some((ForwardingKind::NoAnswer, &rows.forwarding.no_answer)),
        }
    }

    fn way_mut(self, rows: &mut LineFeatures) -> Option<&mut Forward> {
        match self {
            Feature::DoNotDisturb => None,
            Feature::All => Some(&mut rows.forwarding.all),
            Feature::Busy => Some(&mut rows.forwarding.busy),
            Feature::NoAnswer => Some(&mut rows.forwarding.no_answer),
        }
    }

    /// Only calls that nobody answers are counted in rings.
    fn rings(self, rows: &LineFeatures) -> Option<u32> {
        (self == Feature::NoAnswer).then_some(rows.forwarding.rings)
    }

    /// Whether two sets of rows say the same of it.
    pub(super) fn is_same(self, one: &LineFeatures, other: &LineFeatures) -> bool {
        match (self.way(one), self.way(other)) {
            (Some((_, of_one)), Some((_, of_other))) => of_one == of_other && self.rings(one) == self.rings(other),
            _ => one.do_not_disturb == other.do_not_disturb,
        }
    }

    pub(super) fn switch_off(self, rows: &mut LineFeatures) {
        match self.way_mut(rows) {
            Some(way) => way.enabled = false,
            None => rows.do_not_disturb = false,
        }
    }

    /// The server is to have it as the rows do. An empty device is the subscriber.
    pub(super) fn request(self, rows: &LineFeatures) -> FeatureRequest {
        let device = String::new();
        match self.way(rows) {
            Some((kind, way)) => {
                let (active, to, ring_count) = (way.enabled, way.to.clone(), self.rings(rows));
                FeatureRequest::SetForwarding { device, kind, active, to, ring_count }
            }
            None => FeatureRequest::SetDoNotDisturb { device, on: rows.do_not_disturb },
        }
    }
}

/// What was last said of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    do_not_disturb: Option<bool>,
    ways: BTreeMap<Feature, SaidForward>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SaidForward {
    active: bool,
    /// Empty where there is none, or none that the row can hold.
    to: String,
    rings: Option<u32>,
}

impl Said {
    /// Of what it speaks.
    pub(super) fn take(&mut self, event: FeatureEvent) -> Feature {
        match event {
            FeatureEvent::DoNotDisturb { on, .. } => {
                self.do_not_disturb = Some(on);
                Feature::DoNotDisturb
            }
            FeatureEvent::Forwarding { kind, active, to, ring_count, .. } => {
                let said = SaidForward { active, to: number(&to), rings: ring_count.map(legal_rings) };
                self.ways.insert(Feature::of(kind), said);
                Feature::of(kind)
            }
        }
    }

    pub(super) fn knows(&self, feature: Feature) -> bool {
        match feature {
            Feature::DoNotDisturb => self.do_not_disturb.is_some(),
            Feature::All | Feature::Busy | Feature::NoAnswer => self.ways.contains_key(&feature),
        }
    }

    /// Makes the row say the same.
    pub(super) fn write_over(&self, feature: Feature, rows: &mut LineFeatures) {
        match (feature.way_mut(rows), self.ways.get(&feature)) {
            (None, _) => rows.do_not_disturb = self.do_not_disturb.unwrap_or(rows.do_not_disturb),
            (Some(way), Some(said)) => {
                said.write_over(way);
                rows.forwarding.rings = said.rings.filter(|_| feature == Feature::NoAnswer).unwrap_or(rows.forwarding.rings);
            }
            (Some(_), None) => {}
        }
    }

    /// Whether the server has it as the rows do.
    pub(super) fn agrees(&self, feature: Feature, rows: &LineFeatures) -> bool {
        match feature.way(rows) {
            Some((_, way)) => self.ways.get(&feature).is_some_and(|said| said.agrees(way, feature.rings(rows))),
            None => self.do_not_disturb == Some(rows.do_not_disturb),
        }
    }
}

impl SaidForward {
    /// The number of a forwarding that is off is not lost where the server has none. One that is on has a number (B179).
    fn write_over(&self, row: &mut Forward) {
        if !self.to.is_empty() {
            row.to.clone_from(&self.to);
        }
        row.enabled = self.active && !row.to.is_empty();
    }

    fn agrees(&self, row: &Forward, rings: Option<u32>) -> bool {
        let same_rings = self.rings.is_none() || rings.is_none() || self.rings == rings;
        self.active == row.enabled && self.to == row.to && same_rings
    }
}

/// What the row can hold of a destination: the number of a URI that has one, else the URI without its scheme; nothing where that
/// is too long or no printable ASCII (C58).
fn number(to: &str) -> String {
    let to = to.trim();
    let rest = |scheme: &str| {
        Some(to).filter(|to| to.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme)))?.get(scheme.len()..)
    };
    let bare = ["sip:", "sips:", "tel:"].into_iter().find_map(rest).map_or(to, |uri| uri.split([';', '?']).next().unwrap_or(uri));
    let user = bare.split('@').next().unwrap_or(bare);
    let is_number = !user.is_empty() && user.bytes().all(|octet| octet.is_ascii_digit() || b"+*#".contains(&octet));
    let number = if is_number { user } else { bare };
    let legal = number.len() <= NUMBER_MAX && number.bytes().all(|octet| matches!(octet, b' '..=b'~') && octet != b'"');
    if legal { number.to_owned() } else { String::new() }
}

/// The row knows 0 and 2 to 20.
fn legal_rings(count: u32) -> u32 {
    if count == 1 { 2 } else { count.min(RINGS_MAX) }
}

/// The documents of a NOTIFY: one, or several in a multipart. What is none says nothing.
pub(super) fn documents(content_type: &str, body: &[u8]) -> Vec<FeatureEvent> {
    let Ok(kind) = content_type.parse::<MediaType>() else { return Vec::new() };
    let is_document = |kind: &MediaType| FeatureRequest::CONTENT_TYPE.split_once('/').is_some_and(|(one, two)| kind.is(one, two));
    if is_document(&kind) {
        return FeatureEvent::parse(body).into_iter().collect();
    }
    let parts = parts(&kind, body).unwrap_or_default();
    let ours = parts.iter().filter(|part| part.content_type().is_some_and(|kind| is_document(&kind)));
    ours.filter_map(|part| FeatureEvent::parse(&part.body).ok()).collect()
}
