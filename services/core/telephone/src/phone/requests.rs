//! What is asked for over the bus. Each is done or refused at once; the outcome on the wire comes later as events.

use agreements::{CallIdentity, LineNumber, Tick};
use sip_stack::{Command, LineState, ReferTarget};

use super::{CALLS_MAX, Phone};
use crate::call::{Call, DIGITS_MAX, State};
use crate::desk::Desk;
use crate::interface::{Refusal, Request};

/// The longest number or URI that is dialed (SIP_URI_n and its like have at most 195 characters).
const TARGET_MAX: usize = 255;

impl Phone {
    pub(super) fn handle_request(&mut self, now: Tick, request: Request) -> Result<Option<CallIdentity>, Refusal> {
        match request {
            Request::Dial { line, target } => self.dial(now, line, target).map(Some),
            Request::CallMailbox { line } => self.call_mailbox(now, line).map(Some),
            Request::Answer(call) => self.answer(call).map(|()| None),
            Request::Reject(call) => self.reject(call).map(|()| None),
            Request::Hangup(call) => self.hang_up(call).map(|()| None),
            Request::Hold(call) => self.hold_asked(call).map(|()| None),
            Request::Resume(call) => self.resume_asked(call).map(|()| None),
            Request::SendDigits(call, digits) => self.send_digits(call, &digits).map(|()| None),
            Request::SendFlashHook(call) => self.flash_hook_asked(call).map(|()| None),
            Request::Transfer(call, target) => self.transfer(call, target).map(|()| None),
            Request::TransferTo { call, other } => self.transfer_to(call, other).map(|()| None),
            Request::Register(line) => self.register(line).map(|()| None),
        }
    }

    fn dial(&mut self, now: Tick, line: Option<LineNumber>, target: String) -> Result<CallIdentity, Refusal> {
        check_target(&target)?;
        let line = match line {
            Some(line) => line,
            None => self.line_out().ok_or_else(|| Refusal::LineUnavailable("no line is registered".into()))?,
        };
        let denied =
            || Refusal::NumberDenied(format!("the dial plan of line {line} does not let {target} be called (DIAL_PLAN_{line})"));
        let number = self.planned(line, &target).ok_or_else(denied)?;
        let call = self.call_asked(now, line, number)?;
        self.last_dialed = Some((line, target));
        Ok(call)
    }

    fn call_mailbox(&mut self, now: Tick, line: Option<LineNumber>) -> Result<CallIdentity, Refusal> {
        let line = line.unwrap_or_else(|| self.mailbox_line());
        let none = || Refusal::WrongState(format!("line {line} has no voice mail number (VM_NUMBER_{line})"));
        let number = self.mailbox_number(line).ok_or_else(none)?.to_owned();
        self.call_asked(now, line, number)
    }

    /// At the desk, which a conversation leaves for it.
    fn call_asked(&mut self, now: Tick, line: LineNumber, number: String) -> Result<CallIdentity, Refusal> {
        if !self.usable(line) {
            return Err(self.unavailable(line));
        }
        if self.calls_up() >= CALLS_MAX {
            return Err(Refusal::Busy(format!("{CALLS_MAX} calls are up")));
        }
        self.free_desk(None)?;
        Ok(self.place(now, self.default_near(), line, number))
    }

    fn answer(&mut self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !call.wants_answer() {
            return Err(wrong_state(call, "answered"));
        }
        self.free_desk(Some(identity))?;
        self.take(identity, self.default_near());
        Ok(())
    }

    /// B198, Click to Answer and Retrieve: as if it were asked for over the bus. What cannot be done now is not done later either.
    pub(super) fn handle_talk_requested(&mut self, identity: CallIdentity) {
        let waits = self.call(identity).is_some_and(Call::wants_answer);
        if waits { self.answer(identity) } else { self.resume_asked(identity) }.ok();
    }

    /// B198, Click to Hold.
    pub(super) fn handle_hold_requested(&mut self, identity: CallIdentity) {
        self.hold_asked(identity).ok();
    }

    fn reject(&mut self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !call.wants_answer() {
            return Err(wrong_state(call, "rejected"));
        }
        self.decide(identity, Command::Reject(identity, self.settings.reject_status));
        Ok(())
    }

    fn hang_up(&mut self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !call.is_up() {
            return Err(wrong_state(call, "hung up"));
        }
        self.end_call(identity);
        Ok(())
    }

    /// The person hears nothing of it any more.
    pub(super) fn end_call(&mut self, identity: CallIdentity) {
        if let Desk::Call { near, call } = self.desk
            && call == identity
        {
            self.rest(near);
        }
        self.leave(identity);
        self.end_call_before(identity);
    }

    fn hold_asked(&mut self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !call.is_open() {
            return Err(wrong_state(call, "held"));
        }
        self.hold(identity);
        Ok(())
    }

    fn resume_asked(&mut self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !call.is_held() {
            return Err(wrong_state(call, "resumed"));
        }
        self.free_desk(Some(identity))?;
        self.take(identity, self.default_near());
        Ok(())
    }

    fn send_digits(&mut self, identity: CallIdentity, digits: &str) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !matches!(call.state, State::Talking { .. }) {
            return Err(wrong_state(call, "sent digits"));
        }
        if digits.is_empty() || !digits.chars().all(|digit| matches!(digit, '0'..='9' | 'A'..='D' | '*' | '#')) {
            return Err(Refusal::InvalidArgument("digits are 0-9 A-D * #, at least one".into()));
        }
        if call.digits.len() + digits.len() > DIGITS_MAX {
            return Err(Refusal::Busy(format!("at most {DIGITS_MAX} digits wait to be sent")));
        }
        self.give_digits(identity, digits.chars());
        Ok(())
    }

    fn flash_hook_asked(&mut self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !call.is_open() {
            return Err(wrong_state(call, "sent a flash hook"));
        }
        self.send_flash_hook(identity);
        Ok(())
    }

    fn transfer(&mut self, identity: CallIdentity, target: String) -> Result<(), Refusal> {
        check_target(&target)?;
        self.check_transferable(identity)?;
        self.refer(identity, ReferTarget::Address(target));
        Ok(())
    }

    fn transfer_to(&mut self, identity: CallIdentity, other: CallIdentity) -> Result<(), Refusal> {
        if identity == other {
            return Err(Refusal::InvalidArgument("a call cannot be transferred to itself".into()));
        }
        self.check_transferable(identity)?;
        self.check_transferable(other)?;
        self.refer(identity, ReferTarget::Call(other));
        if let Some(call) = self.call_mut(identity) {
            call.sent_to = Some(other);
        }
        Ok(())
    }

    fn check_transferable(&self, identity: CallIdentity) -> Result<(), Refusal> {
        let call = self.existing(identity)?;
        if !matches!(call.state, State::Talking { .. }) {
            return Err(wrong_state(call, "transferred"));
        }
        if self.partner(identity).is_some() {
            return Err(Refusal::WrongState(format!("call {identity} is being transferred already")));
        }
        Ok(())
    }

    /// The REFER waits for the hold in the stack.
    fn refer(&mut self, identity: CallIdentity, target: ReferTarget) {
        if self.call(identity).is_some_and(Call::is_open) {
            self.hold(identity);
        }
        self.stack(Command::Refer { call: identity, target });
    }

    fn register(&mut self, line: LineNumber) -> Result<(), Refusal> {
        match self.line(line) {
            Some(LineState::Registering { .. } | LineState::Registered { .. } | LineState::Failed { .. }) => {
                self.stack(Command::Register(line));
                Ok(())
            }
            Some(LineState::Disabled | LineState::Unconfigured) | None => Err(self.unavailable(line)),
        }
    }

    /// Makes room in the ear for another call than the one at the desk: a conversation is held; a call that is still being set
    /// up is not thrown away.
    pub(super) fn free_desk(&mut self, for_call: Option<CallIdentity>) -> Result<(), Refusal> {
        let Some(call) = self.desk_call().filter(|call| Some(call.identity) != for_call && call.is_up()) else { return Ok(()) };
        let identity = call.identity;
        if call.is_open() {
            self.hold(identity);
            Ok(())
        } else if call.is_held() {
            Ok(())
        } else {
            Err(Refusal::WrongState(format!("call {identity} is being set up: hang it up first")))
        }
    }

    fn existing(&self, identity: CallIdentity) -> Result<&Call, Refusal> {
        self.call(identity).ok_or(Refusal::NoSuchCall(identity))
    }

    fn unavailable(&self, line: LineNumber) -> Refusal {
        Refusal::LineUnavailable(match self.line(line) {
            Some(LineState::Disabled) => format!("line {line} is disabled"),
            Some(LineState::Unconfigured) | None => format!("line {line} has no user or no registrar"),
            Some(LineState::Registering { last_error }) if last_error.is_empty() => format!("line {line} is registering"),
            Some(LineState::Registering { last_error: why } | LineState::Failed { reason: why }) => {
                format!("line {line} is not registered: {why}")
            }
            Some(LineState::Registered { .. }) => format!("line {line} is in use"),
        })
    }
}

fn wrong_state(call: &Call, what: &str) -> Refusal {
    let hold = if call.is_held() { ", held" } else { "" };
    Refusal::WrongState(format!("a call that is {}{hold} cannot be {what}", call.shown_state().as_str()))
}

fn check_target(target: &str) -> Result<(), Refusal> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"');
    if target.is_empty() || target.len() > TARGET_MAX || target.contains(odd) {
        return Err(Refusal::InvalidArgument(format!(
            "a number or SIP URI of 1 to {TARGET_MAX} characters without blanks, quotes and angle brackets is expected"
        )));
    }
    Ok(())
}
