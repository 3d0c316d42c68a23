//! What the stack reports. The telephone follows; it decides only about calls that come in and about tones when one ends.

use agreements::{CallIdentity, LineNumber, Tick};
use sip_stack::{Codec, Command, Event, Party};

use super::{CALLS_MAX, Phone};
use crate::call::{Call, State};
use crate::desk::Desk;
use crate::interface::{CallDirection, CallEnd, HoldState, ToneName};

/// Busy Here.
pub(super) const BUSY: u16 = 486;

impl Phone {
    pub(super) fn handle_sip(&mut self, now: Tick, event: Event) {
        match event {
            Event::Line(line, state) => {
                if let Some(known) = self.lines.get_mut(line.index()) {
                    *known = state;
                }
                if !self.is_line_used(line) {
                    self.forget_summary(line);
                }
            }
            Event::Incoming { call, line, remote, sip_call_id, replaces } => {
                let replaces = replaces.filter(|old| self.call(*old).is_some_and(Call::is_up));
                match replaces {
                    Some(old) => self.handle_replacing(now, (call, old), line, remote, sip_call_id),
                    None => self.handle_incoming(now, call, line, remote, sip_call_id),
                }
            }
            Event::Announced { call, announcement } => {
                if let Some(call) = self.call_mut(call) {
                    call.announcement = announcement;
                }
            }
            Event::Appearance { call, index } => {
                if let Some(call) = self.call_mut(call) {
                    call.appearance = Some(index);
                }
            }
            Event::Dialing { call, sip_call_id } => {
                self.hand_over_appearance(call);
                if let Some(call) = self.call_mut(call) {
                    call.sip_call_id = sip_call_id;
                }
            }
            Event::Ringback { call, early_media } => self.handle_ringback(call, early_media),
            Event::Reached { call, remote } => {
                if let Some(call) = self.call_mut(call) {
                    call.remote = remote;
                }
            }
            Event::Established { call, remote, codec, held } => {
                self.handle_established(now, call, remote, (codec, HoldState { local: false, remote: held }));
            }
            Event::HoldChanged { call, local, remote, codec } => {
                self.settle_hold(call, Some((HoldState { local, remote }, codec)));
            }
            Event::HoldFailed { call, .. } => self.settle_hold(call, None),
            Event::Ended { call, code, reason, by } => self.handle_ended(now, call, CallEnd { code, reason, by }),
            Event::Subscription { key, state } => self.handle_subscription(now, &key, &state),
            Event::Notified { key, content_type, body } => self.handle_notified(now, &key, &content_type, &body),
            Event::MailboxTold { line, content_type, body } if self.is_line_used(line) => {
                self.handle_summary(line, &content_type, &body, false);
            }
            Event::MailboxTold { .. } => {}
            Event::Referred { referral, line, call, to, .. } => self.handle_referred(now, referral, line, call, to),
            Event::TalkRequested { call } => self.handle_talk_requested(call),
            Event::HoldRequested { call } => self.handle_hold_requested(call),
            Event::Refer { call, progress } => self.handle_transferred(call, &progress),
            Event::Appearances { key, appearances } => self.handle_appearances(&key, appearances),
            Event::Diverted { .. } | Event::ResyncRequested { .. } | Event::Stopped => {}
        }
    }

    pub(super) fn handle_incoming(
        &mut self,
        now: Tick,
        identity: CallIdentity,
        line: LineNumber,
        remote: Party,
        sip_call_id: String,
    ) {
        let do_not_disturb = self.acting(line).do_not_disturb;
        let screened = self.settings.screening.refusal(line, do_not_disturb, &remote, self.settings.reject_status);
        let elsewhere = self.forwarding(line).filter(|_| screened.is_none());
        let waits = self.settings.call_waiting.get(line.index()).is_none_or(|waits| *waits);
        let finds_busy = self.is_busy() || (!waits && self.is_in_use(line));
        let refused = screened.or_else(|| finds_busy.then_some(BUSY));
        let alone = self.calls.iter().all(|call| !call.wants_answer());
        let mut call = Call::new(identity, line, CallDirection::Incoming, remote, now);
        call.sip_call_id = sip_call_id;
        if let Some((to, why)) = elsewhere {
            self.keep(call);
            return self.decide(identity, Command::Forward { call: identity, to, why });
        }
        if let Some(status) = refused {
            self.keep(call);
            return self.decide(identity, Command::Reject(identity, status));
        }
        let answers_itself = self.settings.auto_answer && alone && self.desk.is_idle();
        let answer_at = answers_itself.then(|| now + self.settings.auto_answer_ring);
        let forward_at = self.patience(line).map(|patience| now + patience);
        call.state = State::Incoming { decided: false, answer_at, forward_at };
        self.keep(call);
        self.stack(Command::Ring(identity));
    }

    /// The line has a call.
    pub(super) fn is_in_use(&self, line: LineNumber) -> bool {
        self.calls.iter().any(|call| call.line == line && call.is_up())
    }

    /// All is in use: as many calls as there may be, or one waits already while another has the person's attention (the one
    /// in the ear, or the one that rings).
    pub(super) fn is_busy(&self) -> bool {
        let unanswered = self.calls.iter().filter(|call| call.wants_answer()).count();
        let waiting_max = if self.desk.call().is_some() { 1 } else { 2 };
        self.calls_up() >= CALLS_MAX || unanswered >= waiting_max
    }

    fn handle_ringback(&mut self, call: CallIdentity, early_media: bool) {
        let Some(call) = self.call_mut(call) else { return };
        if matches!(call.state, State::Dialing | State::Ringback { .. }) {
            call.state = State::Ringback { early_media };
        }
    }

    pub(super) fn handle_established(
        &mut self,
        now: Tick,
        identity: CallIdentity,
        remote: Party,
        (codec, hold): (Option<Codec>, HoldState),
    ) {
        let Some(call) = self.call_mut(identity).filter(|call| call.is_up()) else { return };
        call.state = State::Talking { hold, pending: None };
        call.answered = Some(now);
        call.codec = codec;
        if !remote.uri.is_empty() {
            call.remote = remote;
        }
        self.hold_unheard(identity);
    }

    fn settle_hold(&mut self, call: CallIdentity, changed: Option<(HoldState, Option<Codec>)>) {
        let Some(call) = self.call_mut(call) else { return };
        let State::Talking { hold, pending } = &mut call.state else { return };
        match changed {
            Some((now, codec)) => {
                // A re-INVITE of theirs may be answered while ours is still under way.
                if *pending == Some(now.local) {
                    *pending = None;
                }
                *hold = now;
                call.codec = codec;
            }
            None => *pending = None,
        }
    }

    /// A call that the person has left already ends in silence; one in the ear ends in a tone.
    pub(super) fn handle_ended(&mut self, now: Tick, identity: CallIdentity, end: CallEnd) {
        let Some(call) = self.call_mut(identity).filter(|call| call.is_up()) else { return };
        let was_answered = call.answered.is_some();
        let code = end.code;
        call.end(now, end);
        let Desk::Call { near, call } = self.desk else { return };
        if call != identity {
            return;
        }
        if let Some(before) = self.to_go_back_to(identity, was_answered) {
            self.desk = Desk::Call { near, call: before };
            return;
        }
        if self.move_to_partner(identity) {
            return;
        }
        self.desk = match self.disconnect_tone(now, near) {
            Desk::Tone { near, until, .. } if !was_answered && matches!(code, BUSY | 600) => {
                Desk::Tone { near, tone: ToneName::Busy, until }
            }
            other => other,
        };
    }
}
