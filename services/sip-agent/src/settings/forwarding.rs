//! The rows that send calls of others elsewhere (guide, 4.7.2.4).

use agreements::LineNumber;
use telephone::{LineForwarding, NoAnswer};

use super::{Line, Rows};

impl Rows<'_> {
    pub(super) fn forwarding(&self) -> [LineForwarding; LineNumber::COUNT as usize] {
        std::array::from_fn(|index| {
            let number = u32::try_from(index).unwrap_or(0) + 1;
            Line { view: &self.view, number }.forwarding()
        })
    }
}

impl Line<'_, '_> {
    fn forwarding(&self) -> LineForwarding {
        let rings = self.number("FWD_NOANSWER_RINGS_n", 3);
        LineForwarding {
            all: self.forwarded_to("FWD_ALL_ENABLE_n", "FWD_ALL_NUMBER_n"),
            busy: self.forwarded_to("FWD_BUSY_ENABLE_n", "FWD_BUSY_NUMBER_n"),
            no_answer: self.forwarded_to("FWD_NOANSWER_ENABLE_n", "FWD_NOANSWER_NUMBER_n").map(|to| NoAnswer { to, rings }),
        }
    }

    /// A number is required (B179); whoever has none forwards nothing.
    fn forwarded_to(&self, enabled: &str, number: &str) -> Option<String> {
        Some(self.text(number)).filter(|number| self.flag(enabled) && !number.is_empty()).map(str::to_owned)
    }
}
