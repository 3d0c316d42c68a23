//! The Flash key (FLASH_RECALL_TERMINATE, B309): it ends the conversation and offers the next one without the handset being put
//! down, or it tells the far end of a flash hook, so that a system behind it does what it does for its own telephones.

use agreements::{CallIdentity, Tick};
use sip_stack::Command;

use super::Phone;
use crate::interface::Near;

impl Phone {
    /// A call that is held has nobody in front of it: the key does nothing to it.
    pub(super) fn handle_flash_key(&mut self, now: Tick) {
        let Some(call) = self.desk_call().filter(|call| call.is_up() && !call.is_held()) else { return };
        let (identity, line, answered) = (call.identity, call.line, call.is_open());
        if self.settings.flash_ends_call {
            let near = self.desk.near().unwrap_or(Near::Handset);
            if self.partner(identity).is_none() {
                self.end_call(identity);
            } else if answered {
                // It is being joined with another one, which needs it until that is done.
                self.hold(identity);
            }
            self.offer_dial_tone(now, near, Some(line));
        } else if answered {
            self.send_flash_hook(identity);
        }
    }

    /// In the form of FLASHHOOK_CONTENT_TYPE. The call is answered.
    pub(super) fn send_flash_hook(&mut self, call: CallIdentity) {
        let (form, duration_ms) = (self.settings.flash_hook, self.settings.digit_length_ms);
        self.stack(Command::SendFlashHook { call, form, duration_ms });
    }
}
