//! The rows that keep calls of others out (B182, B190).

use telephone::{LineScreening, Screening};

use super::{Line, Rows};

/// CALL_REJECT_NUMBERx (B182).
const NUMBERS: u32 = 30;

impl Rows<'_> {
    pub(super) fn screening(&self) -> Screening {
        let numbers = (1..=NUMBERS).map(|entry| self.view.text(&format!("CALL_REJECT_NUMBER{entry}")).to_owned());
        Screening {
            do_not_disturb_status: self.view.number("SIP_RESPONSE_CODE_DND", 403),
            numbers: numbers.filter(|number| !number.is_empty()).collect(),
            lines: std::array::from_fn(|index| {
                let number = u32::try_from(index).unwrap_or(0) + 1;
                Line { view: &self.view, number }.screening()
            }),
        }
    }
}

impl Line<'_, '_> {
    fn screening(&self) -> LineScreening {
        LineScreening { do_not_disturb: self.flag("DO_NOT_DISTURB_n"), block_anonymous: self.flag("BLOCK_ANONYMOUS_CALL_n") }
    }
}
