//! The rows that send calls of others elsewhere (guide, 4.7.2.4), and those that a line's server may keep as well
//! (FWD_DND_SYNCHRO_ENABLE_n): read, and written.

use std::collections::BTreeMap;

use agreements::LineNumber;
use settings::View;
use telephone::{Forward, LineFeatures, LineForwarding};

use super::{Line, Rows};

impl Rows<'_> {
    pub(super) fn forwarding(&self) -> [LineForwarding; LineNumber::COUNT as usize] {
        std::array::from_fn(|index| {
            let number = u32::try_from(index).unwrap_or(0) + 1;
            Line { view: &self.view, number }.forwarding()
        })
    }

    pub(super) fn feature_sync(&self) -> [bool; LineNumber::COUNT as usize] {
        std::array::from_fn(|index| self.view.flag(&format!("FWD_DND_SYNCHRO_ENABLE_{}", index + 1)))
    }

    /// The rows of a line that do not say this yet, in file notation.
    pub fn features_to_write(&self, line: LineNumber, features: &LineFeatures) -> BTreeMap<String, String> {
        let wanted = in_file_notation(features).map(|(family, value)| (View::name_on(family, line), value));
        wanted.into_iter().filter(|(name, value)| self.view.text(name) != value).collect()
    }
}

fn in_file_notation(features: &LineFeatures) -> [(&'static str, String); 8] {
    let flag = |on: bool| if on { "Y" } else { "N" }.to_owned();
    let LineForwarding { all, busy, no_answer, rings } = &features.forwarding;
    [
        ("DO_NOT_DISTURB_n", flag(features.do_not_disturb)),
        ("FWD_ALL_ENABLE_n", flag(all.enabled)),
        ("FWD_ALL_NUMBER_n", all.to.clone()),
        ("FWD_BUSY_ENABLE_n", flag(busy.enabled)),
        ("FWD_BUSY_NUMBER_n", busy.to.clone()),
        ("FWD_NOANSWER_ENABLE_n", flag(no_answer.enabled)),
        ("FWD_NOANSWER_NUMBER_n", no_answer.to.clone()),
        ("FWD_NOANSWER_RINGS_n", rings.to_string()),
    ]
}

impl Line<'_, '_> {
    fn forwarding(&self) -> LineForwarding {
        LineForwarding {
            all: self.forward("FWD_ALL_ENABLE_n", "FWD_ALL_NUMBER_n"),
            busy: self.forward("FWD_BUSY_ENABLE_n", "FWD_BUSY_NUMBER_n"),
            no_answer: self.forward("FWD_NOANSWER_ENABLE_n", "FWD_NOANSWER_NUMBER_n"),
            rings: self.number("FWD_NOANSWER_RINGS_n", 3),
        }
    }

    fn forward(&self, enabled: &str, number: &str) -> Forward {
        Forward { enabled: self.flag(enabled), to: self.text(number).to_owned() }
    }
}
