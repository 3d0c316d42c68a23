//! Changes that are not files: a save in the web interface or on the phone, removing values, resets.

use std::collections::BTreeSet;

use agreements::{Diagnosis, MASK, Severity, WallTime};

use super::plan::{Plan, Refused};
use super::record::{Layer, Origin, Stored};
use super::resolve;
use super::{Layers, checked};
use crate::catalogue::{self, Parameter};
use crate::finding::{Detail, error};
use crate::row::Stands;
use crate::rules::Clash;
use crate::value;

/// Most changes of one save: every parameter once fits.
const MOST: usize = 2000;

impl Layers {
    /// A save in the user layer: all changes or none (C2). `source` says who, for the history: "web admin", "phone".
    pub fn apply(&self, changes: &[(String, String)], origin: Origin, source: &str, time: WallTime) -> Result<Plan, Refused> {
        if changes.len() > MOST {
            return Err(Refused(vec![error("set.too-many", format!("{} changes at once", changes.len()))]));
        }
        let (legal, refused) = self.sort_out(changes, origin);
        if !refused.is_empty() {
            return Err(Refused(refused));
        }
        let mut values = self.values.clone();
        for (parameter, text) in &legal {
            let stored = Stored::new(&value::canonical(parameter, text), origin, source, 0, time);
            let place = (parameter.name, Layer::User);
            if !values.get(&place).is_some_and(|before| before.says_the_same_as(&stored)) {
                values.insert(place, stored);
            }
        }
        let clashes = self.clashes_of(&values, &legal);
        if !clashes.is_empty() {
            return Err(Refused(clashes));
        }
        let mut plan = self.plan_to(values);
        plan.diagnoses = legal.iter().flat_map(|(parameter, text)| value::advise(parameter, text)).collect();
        plan.diagnoses.extend(plan.next.warnings_about(&legal));
        Ok(plan)
    }

    /// Takes values out of one layer: the administrator's explicit command (C67).
    pub fn remove(&self, layer: Layer, names: &[String]) -> Result<Plan, Refused> {
        let unknown: Vec<_> = names.iter().filter(|name| catalogue::parameter(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(Refused(unknown.into_iter().map(|name| crate::suggest::unknown(name)).collect()));
        }
        if !layer.is_stored() {
            let reason = format!("values of the {} layer cannot be removed", layer.as_str());
            return Err(Refused(vec![error("set.read-only-layer", reason)]));
        }
        let named: BTreeSet<_> = names.iter().filter_map(|name| catalogue::parameter(name)).map(|found| found.name).collect();
        Ok(self.without(|name, of| of == layer && named.contains(name)))
    }

    /// Each change on its own: known, legal, and settable from there.
    fn sort_out<'c>(&self, changes: &'c [(String, String)], origin: Origin) -> (Vec<(Parameter, &'c str)>, Vec<Diagnosis>) {
        let (mut legal, mut refused, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (name, text) in changes.iter().filter(|(name, text)| !self.is_as_shown(name, text)) {
            let outcome = checked(name, text)
                .and_then(|parameter| self.settable(parameter, origin))
                .and_then(|parameter| not_the_mask(parameter, text));
            match outcome {
                Ok(parameter) if seen.insert(parameter.name) => legal.push((parameter, text.as_str())),
                Ok(parameter) => refused.push(error("set.twice", "the same parameter stands twice").named(parameter.name)),
                Err(diagnosis) => refused.push(diagnosis),
            }
        }
        (legal, refused)
    }

    /// A URL that came back as it was shown, with the mask in the place of its password: no change.
    fn is_as_shown(&self, name: &str, text: &str) -> bool {
        let Some(parameter) = catalogue::parameter(name).filter(|parameter| !parameter.row.secret) else { return false };
        let before = self.effective(name).unwrap_or("");
        text != before && text == parameter.row.shown(before)
    }

    fn settable(&self, parameter: Parameter, origin: Origin) -> Result<Parameter, Diagnosis> {
        let set_by = parameter.row.set_by;
        let here = match origin {
            Origin::Web => set_by.web,
            Origin::Phone => set_by.phone,
            Origin::File => set_by.file,
            Origin::Admin => true,
            Origin::Server => set_by.server,
        };
        if !here {
            let ways = set_by.names().join(", ");
            let ways = if ways.is_empty() { "a dealer preset".to_owned() } else { ways };
            let diagnosis = error("set.not-here", format!("{} cannot be set this way", parameter.name));
            return Err(diagnosis.named(parameter.name).suggest(format!("settable by: {ways}")));
        }
        // B4, B5: shown, but closed to people at the unit. Administrators at the bus are not meant.
        let closed = matches!(origin, Origin::Web | Origin::Phone) && self.effective("NW_SETTING_ENABLE") == Some("N");
        if closed && is_network_or_time(&parameter) {
            let diagnosis = error("set.network-closed", "network and time server settings are closed to the unit");
            return Err(diagnosis.named(parameter.name).suggest("NW_SETTING_ENABLE=Y allows it"));
        }
        Ok(parameter)
    }

    /// Clashes that the changes bring about, each told to the changed parameter. Lower layers' values do not make way for a
    /// person's: a form says what is wrong instead.
    fn clashes_of(&self, values: &resolve::Values, changed: &[(Parameter, &str)]) -> Vec<Diagnosis> {
        let effective = resolve::plain(values, &self.resolved.suppressed).effective;
        let errors = crate::rules::check(&effective).into_iter().filter(|clash| clash.severity == Severity::Error);
        let told = |clash: Clash| {
            let name = clash.parameters.iter().find(|name| changed.iter().any(|(parameter, _)| parameter.name == **name))?;
            Some(error(clash.code, clash.reason.clone()).named(name).suggest(clash.suggestion))
        };
        errors.filter_map(told).collect()
    }

    fn warnings_about(&self, changed: &[(Parameter, &str)]) -> Vec<Diagnosis> {
        let about =
            |clash: &&Clash| clash.parameters.iter().any(|name| changed.iter().any(|(parameter, _)| parameter.name == *name));
        let told = |clash: &Clash| {
            let name = clash.parameters.first().copied().unwrap_or("");
            crate::finding::warning(clash.code, clash.reason.clone()).named(name).suggest(clash.suggestion.clone())
        };
        self.resolved.warnings.iter().filter(about).map(told).collect()
    }
}

/// What is shown for a secret comes back when a form or a script sends everything that it has read.
fn not_the_mask(parameter: Parameter, text: &str) -> Result<Parameter, Diagnosis> {
    let masked = if parameter.row.secret { text == MASK } else { text.contains(&format!(":{MASK}@")) };
    if !masked {
        return Ok(parameter);
    }
    let reason = "this is what stands for a secret, not a value";
    Err(error("set.mask", reason).named(parameter.name).suggest("leave out a secret that is not changed, or give it in full"))
}

/// Basic Network Settings and the time server.
pub(super) fn is_network_or_time(parameter: &Parameter) -> bool {
    parameter.row.section == "4.4.1" || parameter.row.stands == Stands::BehindPhone("ntp")
}
