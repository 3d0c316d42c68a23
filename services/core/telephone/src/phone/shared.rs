//! Shared lines (SHARED_CALL_ENABLE_n): several units have one line, and its server deals out appearances, one for each call that the
//! line has at a time. What the server says of them is kept while the line subscribes to call-info. A call of ours needs one before its
//! INVITE leaves, and so does dial tone, because another unit shall see at once that the line is about to be used:
//!
//! ```text
//!   dial tone, or a number to call
//!     --> asked (SUBSCRIBE line-seize) -- NOTIFY active --> ours -- the INVITE has left --> the call's, until the server ends it
//!            | refused, ended, or nothing for PATIENCE        | nobody dials or calls any more: given back
//!            |   (in use: the next one is asked for first)    |
//!            +--> failure tone, no INVITE  <-- ended ---------+
//! ```
//!
//! What is needed is worked out anew after each input, so that nothing is kept that nobody uses.

use std::time::Duration;

use agreements::{CallIdentity, LampPattern, LineNumber, Tick};
use serde::{Deserialize, Serialize};
use sip_stack::{Appearances, Command, EndedBy, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::AppearanceState;

use super::Phone;
use crate::call::{Call, State};
use crate::interface::{CallEnd, Output, SharedLine, SubscriptionProgress, ToneName};

/// Event packages of BroadSoft's SIP access side extensions.
const CALL_INFO: &str = "call-info";
const LINE_SEIZE: &str = "line-seize";
/// Seconds that an appearance is asked for at a time: a unit that vanishes does not keep it for long.
const SEIZE_SECONDS: u32 = 15;
/// How long a person waits for one: the SUBSCRIBE has been sent four times then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Others that are asked for, one after the other, where one is in use.
const TRIES: u8 = 3;
/// The highest number that is asked for.
const HIGHEST: u32 = 64;

/// One per line.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Shared {
    /// What the server has said.
    said: Appearances,
    seized: Option<Seized>,
}

/// An appearance that is asked for or ours, until a call has it.
#[derive(Serialize, Deserialize)]
struct Seized {
    index: u32,
    /// No longer than this; none: it is ours.
    asked_until: Option<Tick>,
    /// So many others may be asked for where this one is in use.
    tries_left: u8,
}

/// The subscription to what the line's units do.
pub(super) fn watch_key(line: LineNumber) -> SubscriptionKey {
    SubscriptionKey { line, event: CALL_INFO.to_owned(), resource: String::new() }
}

/// The one that an appearance is ours for.
pub(super) fn seize_key(line: LineNumber) -> SubscriptionKey {
    SubscriptionKey { line, event: LINE_SEIZE.to_owned(), resource: String::new() }
}

fn is_free(state: Option<AppearanceState>) -> bool {
    matches!(state, None | Some(AppearanceState::Idle))
}

/// A call of ours that has got its appearance, and whose INVITE has not left.
pub(super) fn is_leaving(call: &Call) -> bool {
    matches!(call.state, State::Dialing) && call.appearance.is_some() && call.sip_call_id.is_empty()
}

impl Phone {
    pub(super) fn is_shared(&self, line: LineNumber) -> bool {
        self.settings.shared.get(line.index()).copied().unwrap_or_default()
    }

    /// Whether a person may dial on it: an appearance is ours where one is needed.
    pub(super) fn is_seized(&self, line: LineNumber) -> bool {
        let granted = self.seized(line).is_some_and(|seized| seized.asked_until.is_none());
        !self.is_shared(line) || granted && self.progress(&seize_key(line)) == SubscriptionProgress::Active
    }

    fn seized(&self, line: LineNumber) -> Option<&Seized> {
        self.shared.get(line.index())?.seized.as_ref()
    }

    fn set_seized(&mut self, line: LineNumber, seized: Option<Seized>) {
        if let Some(shared) = self.shared.get_mut(line.index()) {
            shared.seized = seized;
        }
    }

    /// What a shared line subscribes to now.
    pub(super) fn wanted_of_shared(&self, line: LineNumber) -> Vec<(SubscriptionKey, SubscriptionWish)> {
        let mut wanted = Vec::new();
        if self.is_shared(line) {
            wanted.push((watch_key(line), SubscriptionWish::default()));
        }
        if let Some(seized) = self.seized(line) {
            let (expires, appearance) = (Some(SEIZE_SECONDS), Some(seized.index));
            wanted.push((seize_key(line), SubscriptionWish { expires, appearance, once: true, ..SubscriptionWish::default() }));
        }
        wanted
    }

    /// A call of ours that is not on its way yet.
    fn waiting_call(&self, line: LineNumber) -> Option<&Call> {
        self.calls.iter().find(|call| call.line == line && matches!(call.state, State::Seizing { .. }))
    }

    fn has_leaving_call(&self, line: LineNumber) -> bool {
        self.calls.iter().any(|call| call.line == line && is_leaving(call))
    }

    /// Asks for what is needed, gives back what is not, and sends on their way the calls that have got it.
    pub(super) fn settle_shared(&mut self, now: Tick) {
        self.end_calls_that_were_left(now);
        for line in LineNumber::all() {
            let dials = self.dialing_line() == Some(line) || self.waiting_call(line).is_some();
            let (asks, leaving) = (dials && self.is_shared(line), self.has_leaving_call(line));
            match self.seized(line) {
                None if asks => self.seize(now, line),
                None => {}
                Some(_) if !asks && !leaving => self.set_seized(line, None),
                Some(Seized { asked_until: Some(until), .. }) if *until <= now => {
                    self.seize_failed(now, line, "the server does not answer");
                }
                Some(_) => {}
            }
            if !leaving {
                self.place_waiting(line);
            }
        }
    }

    fn seize(&mut self, now: Tick, line: LineNumber) {
        match self.free_from(line, 1) {
            Some(index) => self.set_seized(line, Some(Seized { index, asked_until: Some(now + PATIENCE), tries_left: TRIES })),
            None => self.seize_failed(now, line, "all its appearances are in use"),
        }
    }

    /// Another unit was quicker, or the server holds it for one of ours that has just given it back: it has not said so yet.
    fn seize_another(&mut self, now: Tick, line: LineNumber, why: &str) {
        let next = self.seized(line).and_then(|seized| {
            let tries_left = seized.tries_left.checked_sub(1)?;
            let index = self.free_from(line, seized.index.saturating_add(1))?;
            Some(Seized { index, asked_until: Some(seized.asked_until.unwrap_or(now + PATIENCE)), tries_left })
        });
        match next {
            Some(next) => self.set_seized(line, Some(next)),
            None => self.seize_failed(now, line, why),
        }
    }

    /// The first appearance from this one on that nobody is known to use.
    fn free_from(&self, line: LineNumber, first: u32) -> Option<u32> {
        let ours = |index| self.calls.iter().any(|call| call.line == line && call.is_up() && call.appearance == Some(index));
        let said = self.shared.get(line.index()).map(|shared| &shared.said);
        (first..=HIGHEST).find(|index| is_free(said.and_then(|said| said.state(*index))) && !ours(*index))
    }

    /// No INVITE leaves; who waits for it hears that.
    fn seize_failed(&mut self, now: Tick, line: LineNumber, why: &str) {
        self.set_seized(line, None);
        if let Some(call) = self.waiting_call(line).map(|call| call.identity) {
            let reason = format!("the shared line cannot be seized: {why}");
            self.handle_ended(now, call, CallEnd { code: 0, reason, by: EndedBy::Network });
        }
        if self.dialing_line() == Some(line)
            && let Some(near) = self.desk.near()
        {
            self.desk = self.disconnect_tone(now, near);
        }
    }

    /// The call that waits has what it needs.
    fn place_waiting(&mut self, line: LineNumber) {
        let index = self.seized(line).map(|seized| seized.index);
        let Some(call) = self.waiting_call(line).filter(|_| self.is_seized(line)).map(|call| call.identity) else { return };
        let Some(call) = self.call_mut(call) else { return };
        let State::Seizing { target, .. } = std::mem::replace(&mut call.state, State::Dialing) else { return };
        call.appearance = index;
        let command = Command::Dial { call: call.identity, line, target, appearance: index };
        self.stack(command);
    }

    /// The INVITE has left: the appearance is the call's, and the server ends the seizing itself. Giving it back would free the
    /// appearance under the call.
    pub(super) fn hand_over_appearance(&mut self, call: CallIdentity) {
        let Some(line) = self.call(call).filter(|call| is_leaving(call)).map(|call| call.line) else { return };
        self.set_seized(line, None);
        if self.subscriptions.remove(&seize_key(line)).is_some() {
            self.stack(Command::LetLapse(seize_key(line)));
        }
    }

    /// Hung up before it was on its way: the stack knows nothing of it.
    fn end_calls_that_were_left(&mut self, now: Tick) {
        let left = |call: &&Call| matches!(call.state, State::Seizing { left: true, .. });
        let calls: Vec<CallIdentity> = self.calls.iter().filter(left).map(|call| call.identity).collect();
        for call in calls {
            self.handle_ended(now, call, CallEnd { code: 0, reason: "ended here".to_owned(), by: EndedBy::Local });
        }
    }

    /// How far the seizing is; the stack has forgotten it when it is refused or ended.
    pub(super) fn handle_seizing(&mut self, now: Tick, line: LineNumber, state: &SubscriptionState) {
        match state {
            // It may be asked anew, from another address: what was given before is not ours any more.
            SubscriptionState::Asking { .. } | SubscriptionState::Pending => {
                if let Some(seized) = self.shared.get_mut(line.index()).and_then(|shared| shared.seized.as_mut()) {
                    seized.asked_until.get_or_insert(now + PATIENCE);
                }
            }
            SubscriptionState::Active => {
                if let Some(seized) = self.shared.get_mut(line.index()).and_then(|shared| shared.seized.as_mut()) {
                    seized.asked_until = None;
                }
            }
            SubscriptionState::Refused { reason } => {
                self.subscriptions.remove(&seize_key(line));
                self.seize_failed(now, line, reason);
            }
            SubscriptionState::Ended => {
                self.subscriptions.remove(&seize_key(line));
                self.seize_failed(now, line, "the server has ended it");
            }
            SubscriptionState::InUse { reason } => {
                self.subscriptions.remove(&seize_key(line));
                self.seize_another(now, line, reason);
            }
        }
    }

    /// What the server says of the line's appearances, or which one it gives us.
    pub(super) fn handle_appearances(&mut self, key: &SubscriptionKey, appearances: Appearances) {
        let known = self.subscriptions.contains_key(key);
        let Some(shared) = self.shared.get_mut(key.line.index()).filter(|_| known) else { return };
        if *key == watch_key(key.line) {
            shared.said = appearances;
        } else if *key == seize_key(key.line)
            && let Some(seized) = &mut shared.seized
            && let Some(given) = appearances.named.iter().find(|one| !is_free(Some(one.state)))
        {
            seized.index = given.index;
        }
    }

    pub(super) fn forget_appearances(&mut self, line: LineNumber) {
        if let Some(shared) = self.shared.get_mut(line.index()) {
            shared.said = Appearances::default();
        }
    }

    /// When a person has waited long enough.
    pub(super) fn shared_deadline(&self) -> Option<Tick> {
        self.shared.iter().filter_map(|shared| shared.seized.as_ref()?.asked_until).min()
    }

    /// Dial tone says that the line may be used.
    pub(super) fn dial_tone(&self, line: LineNumber) -> Option<ToneName> {
        self.is_seized(line).then_some(ToneName::Dial)
    }

    /// What other units do with the line, for its lamp while this one does nothing with it. That it rings elsewhere is no use of it.
    pub(super) fn shared_lamp(&self, line: LineNumber) -> LampPattern {
        let states = || self.shared.get(line.index()).into_iter().flat_map(|shared| &shared.said.named).map(|one| one.state);
        let talks = |state: AppearanceState| match state {
            AppearanceState::Seized | AppearanceState::Progressing | AppearanceState::Active => true,
            AppearanceState::HeldPrivate | AppearanceState::BridgeActive => true,
            AppearanceState::Idle | AppearanceState::Alerting | AppearanceState::Held | AppearanceState::BridgeHeld => false,
        };
        let waits = |state: AppearanceState| matches!(state, AppearanceState::Held | AppearanceState::BridgeHeld);
        if states().any(talks) {
            LampPattern::On
        } else if states().any(waits) {
            LampPattern::FlashSlow
        } else {
            LampPattern::Off
        }
    }

    fn shared_line(&self, line: LineNumber) -> SharedLine {
        let said = self.shared.get(line.index()).map(|shared| shared.said.named.as_slice()).unwrap_or_default();
        let appearances = said.iter().filter(|one| !is_free(Some(one.state))).cloned().collect();
        SharedLine { appearances, watched: self.progress(&watch_key(line)) }
    }

    /// Gives out what has changed.
    pub(super) fn settle_shared_lines(&mut self) {
        for line in LineNumber::all() {
            let shared = self.shared_line(line);
            if let Some(told) = self.told.shared.get_mut(line.index())
                && told.as_ref() != Some(&shared)
            {
                *told = Some(shared.clone());
                self.outputs.push_back(Output::Shared(line, shared));
            }
        }
    }
}
