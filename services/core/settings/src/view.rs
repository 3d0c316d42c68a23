//! Typed reading for services: effective values as they come in a snapshot, with the catalogue's factory default where one is
//! missing or (from a newer or broken peer) not of its row's form.

use std::collections::BTreeMap;

use agreements::{LineNumber, Secret};

use crate::catalogue::{Parameter, parameter};
use crate::value;

/// Reads a map of effective values. A name that is in no catalogue is a defect of the caller: tests fail, a running phone reads
/// the empty value.
#[derive(Clone, Copy)]
pub struct View<'v> {
    values: &'v BTreeMap<String, String>,
}

impl<'v> View<'v> {
    /// Over a snapshot.
    pub fn new(values: &'v BTreeMap<String, String>) -> View<'v> {
        View { values }
    }

    /// The value as text.
    pub fn text(&self, name: &str) -> &'v str {
        let Some(parameter) = known(name) else { return "" };
        match self.values.get(parameter.name) {
            Some(value) if usable(&parameter, value) => value,
            _ => parameter.default(),
        }
    }

    /// An integer; 0 where the row holds none.
    pub fn integer(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// An integer of another type; the catalogue's range makes it fit, else the nearest end.
    pub fn number<T: TryFrom<i64>>(&self, name: &str, otherwise: T) -> T {
        T::try_from(self.integer(name)).unwrap_or(otherwise)
    }

    /// `Y`, or the choice `Enabled` (LINE_ENABLE_n, PROFILE_ENABLEn).
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), "Y" | "Enabled")
    }

    /// A list of integers: tones and timings.
    pub fn list(&self, name: &str) -> Vec<i64> {
        self.text(name).split(',').filter_map(|one| one.parse().ok()).collect()
    }

    /// A secret.
    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }

    /// The same for one line: `view.line("SIP_RGSTR_ADDR_n", line)` is the name to pass to the others.
    pub fn name_on(family: &str, line: LineNumber) -> String {
        family.replace('n', &line.number().to_string())
    }
}

fn known(name: &str) -> Option<Parameter> {
    let found = parameter(name);
    debug_assert!(found.is_some(), "{name} is in no catalogue");
    found
}

/// Factory defaults of accounts are empty where nobody may set the empty value again.
fn usable(parameter: &Parameter, value: &str) -> bool {
    value == parameter.default() || value::check(parameter, value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_broken_value_reads_as_the_factory_default() {
        let mut values = BTreeMap::new();
        values.insert("SIP_SRC_PORT_2".to_owned(), "not a port".to_owned());
        values.insert("SIP_TIMER_T1_1".to_owned(), "250".to_owned());
        values.insert("DIAL_TONE1_TIMING".to_owned(), "60,100,0".to_owned());
        let view = View::new(&values);
        assert_eq!(view.integer("SIP_SRC_PORT_2"), 5070);
        assert_eq!(view.integer("SIP_TIMER_T1_1"), 250);
        assert_eq!(view.list("DIAL_TONE1_TIMING"), [60, 100, 0]);
        assert!(view.flag("LINE_ENABLE_1") && view.flag("SIP_DNSSRV_ENA_6") && !view.flag("TALK_PACKAGE"));
        assert_eq!(view.text("SIP_USER_AGENT"), "Panasonic_{MODEL}/{fwver} ({mac})");
        assert_eq!(view.number::<u16>("RTP_PORT_MIN", 0), 16000);
    }

    #[test]
    fn a_family_becomes_the_name_of_a_line() -> Result<(), agreements::IdentityError> {
        assert_eq!(View::name_on("PROFILE_ENABLEn", LineNumber::new(3)?), "PROFILE_ENABLE3");
        assert_eq!(View::name_on("SIP_PASS_n", LineNumber::new(6)?), "SIP_PASS_6");
        Ok(())
    }
}
