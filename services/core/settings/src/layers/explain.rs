//! For any parameter: every layer's value, the effective one, and why.

use agreements::WallTime;
use serde::{Deserialize, Serialize};

use super::Layers;
use super::record::{Layer, Stored};
use super::resolve::{self, order};
use crate::catalogue::{self, Parameter};
use crate::row::{Scope, Stands};

/// The answer of `settings explain`. Secrets are masked. Serialises to the pinned form {name, effective, layer, layers}.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Canonical name.
    pub name: String,
    /// The value in effect.
    pub effective: String,
    /// Whose it is.
    pub layer: String,
    /// Every layer that has a value, highest first for this parameter; the factory default is always the last.
    pub layers: Vec<LayerValue>,
    /// In words: what stands back and why, and whether the value has an effect in this version.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// One layer's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerValue {
    /// user standard product master pre-provisioning dealer factory
    pub layer: String,
    /// Masked where it is secret.
    pub value: String,
    /// URL, path, "web admin", "phone", "catalogue".
    pub source: String,
    /// Line in the source, 0 where it has none.
    pub line: u32,
    /// Unix seconds, 0 when the clock was not set.
    pub time: u64,
    /// Why it is in effect, or why not.
    #[serde(default)]
    pub reason: String,
}

impl Layers {
    /// Explains a parameter; none for an unknown name.
    pub fn explain(&self, name: &str) -> Option<Explanation> {
        let parameter = catalogue::parameter(name)?;
        let from = self.layer(name)?;
        let stored = order(&parameter).into_iter().filter_map(|layer| {
            let stored = self.values.get(&(parameter.name, layer))?;
            Some(shown(&parameter, layer, stored, self.reason(&parameter, layer, from)))
        });
        let factory = LayerValue {
            layer: Layer::Factory.as_str().to_owned(),
            value: parameter.row.shown(resolve::factory(&parameter, &self.values)),
            source: self.values.get(&(parameter.name, Layer::Factory)).map_or("catalogue", |_| "this unit").to_owned(),
            line: 0,
            time: 0,
            reason: self.reason(&parameter, Layer::Factory, from),
        };
        Some(Explanation {
            name: parameter.name.to_owned(),
            effective: parameter.row.shown(self.effective(name)?),
            layer: from.as_str().to_owned(),
            layers: stored.chain(std::iter::once(factory)).collect(),
            notes: self.notes(&parameter),
        })
    }

    /// Why the value of `layer` is in effect or not, where that of `from` is.
    fn reason(&self, parameter: &Parameter, layer: Layer, from: Layer) -> String {
        if let Some(reason) = resolve::stands_back(parameter, layer, &self.values, &self.resolved.suppressed) {
            return reason;
        }
        let buttons = layer == Layer::User && parameter.row.scope == Scope::Button;
        match from {
            _ if layer == from && layer == Layer::Factory => "in effect: no layer has another".to_owned(),
            _ if layer == from => "in effect: the highest layer that has one".to_owned(),
            _ if buttons => "for buttons configuration files come before the unit".to_owned(),
            Layer::User => "a value set on the web page, on the phone or by an administrator comes first".to_owned(),
            higher => format!("the {} layer comes first", higher.as_str()),
        }
    }

    fn notes(&self, parameter: &Parameter) -> Vec<String> {
        let mut notes = Vec::new();
        for one in self.resolved.suppressed.iter().filter(|one| one.name == parameter.name) {
            notes.push(format!("the {} value stands back: {}", one.layer.as_str(), one.clash.reason));
        }
        let hidden = Layer::FILES.iter().any(|layer| self.values.contains_key(&(parameter.name, *layer)));
        let from = self.layer(parameter.name);
        match parameter.row.stands {
            Stands::WhenNetworkClosed if hidden && !from.is_some_and(Layer::is_file) => {
                notes.push("file value stored, not applied: needs NW_SETTING_ENABLE=N".to_owned());
            }
            Stands::BehindPhone(_) if hidden && !from.is_some_and(Layer::is_file) => {
                notes.push("file value stored, not applied: set on the phone".to_owned());
            }
            _ => {}
        }
        if let Some(area) = parameter.row.pending {
            notes.push(format!("stored, no effect in this version (pending: {area})"));
        }
        notes
    }
}

fn shown(parameter: &Parameter, layer: Layer, stored: &Stored, reason: String) -> LayerValue {
    let time = match stored.time {
        WallTime::Unset => 0,
        WallTime::Unix(seconds) => seconds,
    };
    LayerValue {
        layer: layer.as_str().to_owned(),
        value: parameter.row.shown(&stored.value),
        source: stored.source.clone(),
        line: stored.line,
        time,
        reason,
    }
}
