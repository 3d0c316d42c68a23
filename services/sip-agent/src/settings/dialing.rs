//! The rows that say how numbers are dialed, and what two keys do (guide, 5.8.1).

use agreements::LineNumber;
use sip_stack::FlashHookForm;
use telephone::DialPlan;

use super::{Line, Rows};

impl Rows<'_> {
    pub(super) fn dial_plans(&self) -> [DialPlan; LineNumber::COUNT as usize] {
        self.of_lines(|line| line.dial_plan())
    }

    pub(super) fn mailbox_numbers(&self) -> [String; LineNumber::COUNT as usize] {
        self.of_lines(|line| line.text("VM_NUMBER_n").to_owned())
    }

    /// Decision 32.
    pub(super) fn flash_hook(&self) -> FlashHookForm {
        match self.view.text("FLASHHOOK_CONTENT_TYPE") {
            "flashhook" => FlashHookForm::BroadSoft,
            _ => FlashHookForm::DtmfRelay,
        }
    }

    fn of_lines<T>(&self, read: impl Fn(Line<'_, '_>) -> T) -> [T; LineNumber::COUNT as usize] {
        std::array::from_fn(|index| {
            let number = u32::try_from(index).unwrap_or(0) + 1;
            read(Line { view: &self.view, number })
        })
    }
}

impl Line<'_, '_> {
    /// A text that is no plan is not in effect (the settings refuse it), and then nothing is filtered.
    fn dial_plan(&self) -> DialPlan {
        let filters = self.flag("DIAL_PLAN_NOT_MATCH_ENABLE_n");
        DialPlan::parse(self.text("DIAL_PLAN_n"), filters).unwrap_or_default()
    }
}
