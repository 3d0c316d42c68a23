//! Digits for the far end of a conversation: with the sound, numbered, until media-engine has sent them, or as messages of the
//! stack, which repeats them itself (DTMF_RELAY_n, B305).

use agreements::CallIdentity;
use sip_stack::{Command, RelayedDigit};

use super::Phone;

impl Phone {
    pub(super) fn give_digits(&mut self, identity: CallIdentity, digits: impl Iterator<Item = char>) {
        let settings = self.settings.clone();
        let Some(call) = self.call_mut(identity) else { return };
        if settings.relay_digits.get(call.line.index()).copied().unwrap_or_default() {
            let duration_ms = settings.digit_length_ms;
            let relayed = digits.map(|digit| RelayedDigit { digit, duration_ms }).collect();
            return self.stack(Command::SendDigits(identity, relayed));
        }
        call.queue(digits, &settings);
    }
}
