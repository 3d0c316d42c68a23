//! Which layer's value is in effect. Ordinary order first, then its exceptions, then the cross-field rules: of values that clash
//! the one from the lower layer gives way, within a layer the later one, and the next valid layer's value applies (C2, C60).
//!
//! Exceptions: files beat the user for buttons (B112, C60); file values of time zone, clock, tones, formats and language stand
//! back once the phone has set one of their group (B114, B116 to B119); VLAN values of files need NW_SETTING_ENABLE=N (C32).

use std::collections::{BTreeMap, BTreeSet};

use agreements::{Severity, WallTime};

use super::record::{Layer, Origin, Stored};
use crate::catalogue::{self, Parameter};
use crate::row::{Scope, Stands};
use crate::rules::{self, Clash, Effective};

/// Every stored value, and in the factory layer what this one unit left the factory with.
pub(crate) type Values = BTreeMap<(&'static str, Layer), Stored>;

/// A value that is stored and stands back because of a clash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// The parameter.
    pub name: &'static str,
    /// Whose value.
    pub layer: Layer,
    /// Why.
    pub clash: Clash,
}

/// The outcome.
#[derive(Clone, Default)]
pub(crate) struct Resolved {
    pub effective: Effective,
    pub from: BTreeMap<&'static str, Layer>,
    pub suppressed: Vec<Suppressed>,
    /// Clashes that need no decision.
    pub warnings: Vec<Clash>,
}

/// What a choice among layers needs to know beside the values.
struct Context {
    network_closed: bool,
    phone_groups: BTreeSet<&'static str>,
    suppressed: BTreeSet<(&'static str, Layer)>,
}

/// The order for this parameter, highest first, factory left out.
pub(crate) fn order(parameter: &Parameter) -> [Layer; 6] {
    use Layer::{Dealer, Master, PreProvisioning, Product, Standard, User};
    match parameter.row.scope {
        Scope::Button => [Standard, Product, Master, PreProvisioning, User, Dealer],
        _ => [User, Standard, Product, Master, PreProvisioning, Dealer],
    }
}

/// Resolves without looking at the rules, but for values that are known to stand back.
pub(crate) fn plain(values: &Values, suppressed: &[Suppressed]) -> Resolved {
    let context = Context::new(values, suppressed);
    let mut resolved = Resolved::default();
    for parameter in catalogue::parameters() {
        resolved.set(&parameter, values, &context);
    }
    resolved
}

/// Resolves with the rules. `fresh` are values that have just come in: within a layer they give way to older ones.
pub(crate) fn with_rules(values: &Values, fresh: &BTreeSet<(&'static str, Layer)>) -> Resolved {
    let mut context = Context::new(values, &[]);
    let mut resolved = plain(values, &[]);
    // Each turn takes one stored value out of play, so there are no more turns than values.
    for _ in 0..=values.len() {
        let clashes = rules::check(&resolved.effective);
        let (errors, warnings): (Vec<_>, Vec<_>) = clashes.into_iter().partition(|clash| clash.severity == Severity::Error);
        resolved.warnings = warnings;
        let Some((loser, clash)) = errors.into_iter().find_map(|clash| Some((resolved.loser(&clash, values, fresh)?, clash)))
        else {
            break;
        };
        context.suppressed.insert(loser);
        let (name, layer) = loser;
        resolved.suppressed.push(Suppressed { name, layer, clash });
        if let Some(parameter) = catalogue::parameter(name) {
            resolved.set(&parameter, values, &context);
        }
    }
    resolved
}

/// What the unit left the factory with, else the catalogue's default.
pub(crate) fn factory<'v>(parameter: &Parameter, values: &'v Values) -> &'v str {
    values.get(&(parameter.name, Layer::Factory)).map_or(parameter.default(), |stored| stored.value.as_str())
}

/// Why the value of a layer may not be in effect, whatever the layers above it hold.
pub(crate) fn stands_back(parameter: &Parameter, layer: Layer, values: &Values, suppressed: &[Suppressed]) -> Option<String> {
    if let Some(one) = suppressed.iter().find(|one| (one.name, one.layer) == (parameter.name, layer)) {
        return Some(format!("stands back: {}", one.clash.reason));
    }
    if Context::new(values, &[]).stands(parameter, layer) {
        return None;
    }
    Some(match parameter.row.stands {
        Stands::WhenNetworkClosed => "stored, not applied: needs NW_SETTING_ENABLE=N".to_owned(),
        Stands::BehindPhone(group) => format!("stored, not applied: {} was set on the phone", group.replace('-', " ")),
        Stands::Ordinary => return None,
    })
}

impl Resolved {
    fn set(&mut self, parameter: &Parameter, values: &Values, context: &Context) {
        let found = order(parameter)
            .into_iter()
            .filter(|layer| context.stands(parameter, *layer))
            .find_map(|layer| values.get(&(parameter.name, layer)).map(|stored| (layer, stored.value.as_str())));
        let (layer, value) = found.unwrap_or((Layer::Factory, factory(parameter, values)));
        self.effective.insert(parameter.name, value.to_owned());
        self.from.insert(parameter.name, layer);
    }

    /// Lowest layer, then fresh, then latest, then the later line. Factory values cannot give way.
    fn loser(&self, clash: &Clash, values: &Values, fresh: &BTreeSet<(&'static str, Layer)>) -> Option<(&'static str, Layer)> {
        clash
            .parameters
            .iter()
            .filter_map(|name| self.from.get(name).map(|layer| (*name, *layer)))
            .filter(|(_, layer)| *layer != Layer::Factory)
            .filter_map(|place| values.get(&place).map(|stored| (place, stored)))
            .max_by_key(|((name, layer), stored)| {
                let time = match stored.time {
                    WallTime::Unset => 0,
                    WallTime::Unix(seconds) => seconds,
                };
                (*layer, fresh.contains(&(*name, *layer)), time, stored.line, *name)
            })
            .map(|(place, _)| place)
    }
}

impl Context {
    fn new(values: &Values, suppressed: &[Suppressed]) -> Context {
        let suppressed = suppressed.iter().map(|one| (one.name, one.layer)).collect();
        let mut context = Context { network_closed: false, phone_groups: BTreeSet::new(), suppressed };
        for ((name, layer), stored) in values {
            let group = catalogue::parameter(name).map(|parameter| parameter.row.stands);
            if let (Layer::User, Origin::Phone, Some(Stands::BehindPhone(group))) = (layer, stored.origin, group) {
                context.phone_groups.insert(group);
            }
        }
        if let Some(switch) = catalogue::parameter("NW_SETTING_ENABLE") {
            let mut only = Resolved::default();
            only.set(&switch, values, &context);
            context.network_closed = only.effective.get(switch.name).is_some_and(|value| value == "N");
        }
        context
    }

    /// Whether a value of this layer may be in effect.
    fn stands(&self, parameter: &Parameter, layer: Layer) -> bool {
        let back = match parameter.row.stands {
            Stands::Ordinary => false,
            Stands::BehindPhone(group) => layer.is_file() && self.phone_groups.contains(group),
            Stands::WhenNetworkClosed => layer.is_file() && !self.network_closed,
        };
        !back && !self.suppressed.contains(&(parameter.name, layer))
    }
}
