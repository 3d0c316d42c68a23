//! Hook and keys: what a hand at the phone does.

use agreements::{CallIdentity, Hook, LineNumber, Tick};
use sip_stack::Command;

use super::{CALLS_MAX, Phone};
use crate::call::{Call, DIGITS_MAX, State};
use crate::desk::{Desk, KEYED_MAX};
use crate::interface::Near;

/// The keys that do something in this version.
enum Key {
    Digit(char),
    Line(LineNumber),
    Speaker,
    Headset,
    Mute,
    Hold,
    Redial,
    Message,
    Flash,
    Cancel,
    Enter,
}

impl Key {
    fn from_name(name: &str) -> Option<Key> {
        match name {
            "star" => Some(Key::Digit('*')),
            "pound" => Some(Key::Digit('#')),
            "speaker" => Some(Key::Speaker),
            "headset" => Some(Key::Headset),
            "mute" => Some(Key::Mute),
            "hold" => Some(Key::Hold),
            "redial" => Some(Key::Redial),
            "message" => Some(Key::Message),
            "flash" => Some(Key::Flash),
            "cancel" => Some(Key::Cancel),
            "enter" => Some(Key::Enter),
            _ => Key::from_number(name),
        }
    }

    fn from_number(name: &str) -> Option<Key> {
        if let Some(number) = name.strip_prefix("line-") {
            return number.parse().ok().and_then(|number| LineNumber::new(number).ok()).map(Key::Line);
        }
        let mut characters = name.chars();
        match (characters.next(), characters.next()) {
            (Some(digit @ '0'..='9'), None) => Some(Key::Digit(digit)),
            _ => None,
        }
    }
}

impl Phone {
    pub(super) fn handle_hook(&mut self, now: Tick, hook: Hook) {
        if self.hook == hook {
            return;
        }
        self.hook = hook;
        match hook {
            Hook::Off => self.open_desk(now, Near::Handset),
            Hook::On if self.desk.near() == Some(Near::Handset) => self.close_desk(),
            Hook::On => {}
        }
    }

    pub(super) fn handle_key(&mut self, now: Tick, name: &str) {
        match Key::from_name(name) {
            Some(Key::Digit(digit)) => self.handle_digit(now, digit),
            Some(Key::Line(line)) => self.handle_line_key(now, line),
            Some(Key::Speaker) => self.handle_handsfree_key(now, Near::Speaker),
            Some(Key::Headset) => self.handle_handsfree_key(now, Near::Headset),
            Some(Key::Mute) => self.muted = !self.muted && self.desk.call().is_some(),
            Some(Key::Hold) => self.handle_hold_key(),
            Some(Key::Redial) => self.handle_redial_key(now),
            Some(Key::Message) => self.handle_message_key(now),
            Some(Key::Flash) => self.handle_flash_key(now),
            Some(Key::Cancel) => self.handle_cancel_key(now),
            Some(Key::Enter) => self.handle_enter_key(now),
            None => {}
        }
    }

    /// Somebody comes to the phone: the call that rings is answered, keyed digits are dialed (B206), else there is dial tone.
    fn open_desk(&mut self, now: Tick, near: Near) {
        if !matches!(self.desk, Desk::Closed) {
            return self.desk.move_to(near);
        }
        if let Some(call) = self.first(Call::wants_answer) {
            return self.take(call, near);
        }
        let line = self.line_out();
        match line {
            Some(line) if !self.keyed_on_hook.is_empty() => {
                let digits = std::mem::take(&mut self.keyed_on_hook);
                self.dial_keyed(now, near, line, digits);
            }
            _ => self.offer_dial_tone(now, near, line),
        }
    }

    /// Somebody leaves the phone: the call in the ear ends, a held one stays, and so does one that is about to be joined with another.
    fn close_desk(&mut self) {
        let ends = self.desk_call().filter(|call| call.is_up() && !call.is_held()).map(|call| call.identity);
        self.desk = Desk::Closed;
        if let Some(call) = ends.filter(|call| self.partner(*call).is_none()) {
            self.leave(call);
            self.end_call_before(call);
        }
    }

    fn handle_digit(&mut self, now: Tick, digit: char) {
        match std::mem::take(&mut self.desk) {
            Desk::DialTone { near, line, .. } => self.collect(now, near, line, digit.into()),
            Desk::Collecting { near, line, digits, .. } if digit == '#' && self.settings.pound_ends_dialing => {
                self.dial_keyed(now, near, line, digits);
            }
            Desk::Collecting { near, line, mut digits, .. } => {
                push_keyed(&mut digits, digit);
                self.collect(now, near, line, digits);
            }
            Desk::Closed => push_keyed(&mut self.keyed_on_hook, digit),
            Desk::Call { near, call } => {
                self.desk = Desk::Call { near, call };
                self.send_keyed_digit(call, digit);
            }
            unchanged @ (Desk::Tone { .. } | Desk::Silent { .. }) => self.desk = unchanged,
        }
    }

    fn send_keyed_digit(&mut self, call: CallIdentity, digit: char) {
        let talking = |call: &&Call| matches!(call.state, State::Talking { .. }) && call.digits.len() < DIGITS_MAX;
        if let Some(call) = self.call(call).filter(talking).map(|call| call.identity) {
            self.give_digits(call, std::iter::once(digit));
        }
    }

    /// A line key takes the call that waits or is held on that line; else it gets the line for a new call.
    fn handle_line_key(&mut self, now: Tick, line: LineNumber) {
        let near = self.default_near();
        if let Some(call) = self.desk_call().filter(|call| call.line == line && call.is_up()) {
            let (identity, held) = (call.identity, call.is_held());
            if held {
                self.resume(identity);
            }
            return;
        }
        let waits = self.first(|call| call.line == line && (call.wants_answer() || call.is_held()));
        self.leave_conversation();
        if let Some(call) = waits {
            return self.take(call, near);
        }
        let keyed = match std::mem::take(&mut self.desk) {
            Desk::Closed => std::mem::take(&mut self.keyed_on_hook),
            Desk::Collecting { digits, .. } if self.usable(line) => return self.collect(now, near, line, digits),
            Desk::DialTone { .. } | Desk::Collecting { .. } | Desk::Call { .. } | Desk::Tone { .. } | Desk::Silent { .. } => {
                String::new()
            }
        };
        if keyed.is_empty() { self.offer_dial_tone(now, near, Some(line)) } else { self.dial_keyed(now, near, line, keyed) }
    }

    /// B289: a line key pressed in a conversation on another line.
    fn leave_conversation(&mut self) {
        let Some(call) = self.desk_call().filter(|call| call.is_up() && !call.is_held()) else { return };
        let (identity, open) = (call.identity, call.is_open());
        if open && (self.settings.auto_call_hold || self.partner(identity).is_some()) {
            self.hold(identity);
        } else {
            self.leave(identity);
            self.end_call_before(identity);
        }
    }

    fn handle_handsfree_key(&mut self, now: Tick, near: Near) {
        match self.desk.near() {
            Some(current) if current == near && self.hook == Hook::Off => self.desk.move_to(Near::Handset),
            Some(current) if current == near => self.close_desk(),
            Some(_) if self.desk.is_idle() => self.offer_dial_tone(now, near, self.line_out()),
            Some(_) | None => self.open_desk(now, near),
        }
    }

    fn handle_hold_key(&mut self) {
        match self.desk_call() {
            Some(call) if call.is_open() => {
                let identity = call.identity;
                self.hold(identity);
            }
            Some(call) if call.is_held() => {
                let identity = call.identity;
                self.resume(identity);
            }
            Some(call) if call.is_up() => {}
            Some(_) | None => {
                let near = self.default_near();
                if let Some(call) = self.first(Call::is_held) {
                    self.take(call, near);
                }
            }
        }
    }

    fn handle_redial_key(&mut self, now: Tick) {
        let idle = matches!(self.desk, Desk::Closed | Desk::DialTone { .. });
        if let Some((line, number)) = self.last_dialed.clone().filter(|_| idle && self.calls_up() < CALLS_MAX) {
            let near = self.default_near();
            self.dial_keyed(now, near, line, number);
        }
    }

    /// Hands-free, or in what is in hand; a conversation is not left for it.
    fn handle_message_key(&mut self, now: Tick) {
        if self.desk.call().is_some() {
            return;
        }
        let (near, line) = (self.default_near(), self.mailbox_line());
        match self.mailbox_number(line).map(str::to_owned).filter(|_| self.can_call(line)) {
            Some(number) => drop(self.place(now, near, line, number)),
            None => self.desk = self.disconnect_tone(now, near),
        }
    }

    fn handle_cancel_key(&mut self, now: Tick) {
        match &self.desk {
            Desk::Closed => match self.first(Call::wants_answer) {
                Some(call) => self.decide(call, Command::Reject(call, self.settings.reject_status)),
                None => self.keyed_on_hook.clear(),
            },
            Desk::Collecting { near, line, .. } => self.offer_dial_tone(now, *near, Some(*line)),
            Desk::Call { call, .. } => self.end_call(*call),
            Desk::DialTone { near, .. } | Desk::Tone { near, .. } | Desk::Silent { near } => match near {
                Near::Handset => self.offer_dial_tone(now, Near::Handset, self.line_out()),
                Near::Speaker | Near::Headset => self.desk = Desk::Closed,
            },
        }
    }

    fn handle_enter_key(&mut self, now: Tick) {
        match std::mem::take(&mut self.desk) {
            Desk::Collecting { near, line, digits, .. } => self.dial_keyed(now, near, line, digits),
            Desk::Closed if !self.keyed_on_hook.is_empty() => self.open_desk(now, self.default_near()),
            unchanged => self.desk = unchanged,
        }
    }

    fn first(&self, what: impl Fn(&Call) -> bool) -> Option<CallIdentity> {
        self.calls.iter().find(|call| what(call)).map(|call| call.identity)
    }
}

fn push_keyed(digits: &mut String, digit: char) {
    if digits.len() < KEYED_MAX {
        digits.push(digit);
    }
}
