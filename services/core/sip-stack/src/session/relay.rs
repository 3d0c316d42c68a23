//! Digits by INFO with application/dtmf-relay (B305) and flash hooks (B309, decision 32): the forms that gateways understand since
//! before RFC 6086, without an Info-Package. One INFO is out at a time, so that none overtakes another; the answer to it lets the
//! next one go.
//!
//! ```text
//!   Idle -- SendDigits,
//!    |      SendFlashHook: INFO --> Sent -- answered, more wait: INFO --> Sent
//!    ^                            |  401, 407: once more with credentials
//!    +----------------------------+  answered, none waits; refused or lost: those that wait go too
//! ```

use std::collections::VecDeque;

use agreements::CallIdentity;
use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Headers, Method, Request, StatusCode};

use super::{Call, State};
use crate::auth::is_challenge;
use crate::client::{Outcome, Told};
use crate::interface::{EndedBy, FlashHookForm, RelayedDigit};
use crate::registration::in_words;
use crate::stack::{Stack, line_of};
use crate::transaction::{Owner, TransactionId};

/// Of the body.
pub(crate) const CONTENT_TYPE: &str = "application/dtmf-relay";
/// Of BroadSoft's body.
const BROADSOFT: &str = "application/broadsoft;version=1.0";
/// Flash, among the events of RFC 2833 3.10.
const FLASH_EVENT: &str = "16";
/// Signals that wait.
const MOST_SIGNALS: usize = 64;

/// See the diagram.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Relay {
    waiting: VecDeque<Signal>,
    sent: Option<(TransactionId, Signal)>,
}

/// What one INFO tells.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Signal {
    Digit(RelayedDigit),
    FlashHook { form: FlashHookForm, duration_ms: u32 },
}

impl Signal {
    /// Content-Type and body.
    fn described(self) -> (&'static str, String) {
        let relayed = |signal: &str, duration_ms: u32| (CONTENT_TYPE, format!("Signal={signal}\r\nDuration={duration_ms}\r\n"));
        match self {
            Signal::Digit(RelayedDigit { digit, duration_ms }) => relayed(digit.encode_utf8(&mut [0; 4]), duration_ms),
            Signal::FlashHook { form: FlashHookForm::DtmfRelay, duration_ms } => relayed(FLASH_EVENT, duration_ms),
            Signal::FlashHook { form: FlashHookForm::BroadSoft, .. } => (BROADSOFT, "event flashhook\r\n".to_owned()),
        }
    }
}

/// Whether an INFO of theirs tells a digit.
pub(crate) fn is_digit(headers: &Headers) -> bool {
    headers.content_type().ok().flatten().is_some_and(|kind| kind.is("application", "dtmf-relay"))
}

impl Stack {
    /// `Command::SendDigits`, `Command::SendFlashHook`.
    pub(super) fn relay(&mut self, identity: CallIdentity, signals: impl Iterator<Item = Signal>) {
        let Some(mut call) = self.take_call(identity) else { return };
        if let State::Talking(talking) = &mut call.state {
            let room = MOST_SIGNALS.saturating_sub(talking.relay.waiting.len());
            talking.relay.waiting.extend(signals.take(room));
        }
        self.relay_next(call);
    }

    fn relay_next(&mut self, mut call: Call) {
        let next = match &mut call.state {
            State::Talking(talking) if talking.relay.sent.is_none() => talking.relay.waiting.pop_front(),
            State::Talking(_) | State::Leaving(_) | State::Offered(_) | State::Inviting(_) => None,
            State::Locating { .. } | State::Preparing { .. } => None,
        };
        if let Some(signal) = next {
            call.auth.begin();
            self.send_info(&mut call, signal);
        }
        self.put_call(call);
    }

    /// What cannot be sent takes those behind it along: half a number is worse than none.
    fn send_info(&mut self, call: &mut Call, signal: Signal) {
        let sent = self.start_info(call, signal);
        if let State::Talking(talking) = &mut call.state {
            if sent.is_none() {
                talking.relay.waiting.clear();
            }
            talking.relay.sent = sent.map(|transaction| (transaction, signal));
        }
    }

    fn start_info(&mut self, call: &mut Call, signal: Signal) -> Option<TransactionId> {
        let settings = self.settings()?;
        let own = line_of(&settings, call.line)?;
        let dialog = call.dialog_mut()?;
        let peer = dialog.peer;
        let mut request: Request = dialog.request(Method::INFO);
        self.declare(&mut request.headers, call.line, call.anonymous, peer);
        let (content_type, body) = signal.described();
        request.headers.push(HeaderName::CONTENT_TYPE, content_type);
        request.body = body.into_bytes();
        call.auth.sign(&mut request, own, &mut self.random);
        self.start_client(Owner::Info(call.identity), call.line, peer, request)
    }

    /// What became of an INFO.
    pub(crate) fn on_info_outcome(&mut self, identity: CallIdentity, told: &Told, outcome: Outcome<'_>) {
        let (Some(settings), Some(mut call)) = (self.settings(), self.take_call(identity)) else { return };
        let State::Talking(talking) = &mut call.state else { return self.put_call(call) };
        let Some((_, signal)) = talking.relay.sent.filter(|(transaction, _)| *transaction == told.id) else {
            return self.put_call(call);
        };
        match outcome {
            Outcome::Response(response) if response.status.is_provisional() => return self.put_call(call),
            Outcome::Response(response) if response.status.is_success() => talking.relay.sent = None,
            // The far end knows nothing of this call (RFC 5057 5.1).
            Outcome::Response(response) if response.status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST => {
                return self.leave(call, response.status.code(), &in_words(response), EndedBy::Network);
            }
            Outcome::Response(response) if is_challenge(response.status) => {
                talking.relay.sent = None;
                let own = line_of(&settings, call.line);
                let answered = own.is_some_and(|own| call.auth.on_challenge(response, own).is_ok());
                if answered {
                    self.send_info(&mut call, signal);
                    return self.put_call(call);
                }
                Stack::forget_signals(&mut call);
            }
            Outcome::Response(_) | Outcome::Lost(_) => Stack::forget_signals(&mut call),
        }
        self.relay_next(call);
    }

    fn forget_signals(call: &mut Call) {
        if let State::Talking(talking) = &mut call.state {
            talking.relay = Relay::default();
        }
    }
}
