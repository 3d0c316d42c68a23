//! `application/simple-message-summary` (RFC 3842 section 5): whether messages wait, and how many.
//!
//! The RFC wants `Messages-Waiting` first; it is taken on any line, because servers put other lines before it. Of the message
//! classes only voice is kept: it is what a telephone lights its lamp for.

use crate::body::limits;
use crate::{Syntax, text};

/// What a mailbox holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSummary {
    /// `Messages-Waiting`.
    pub waiting: bool,
    /// `Message-Account`: whose mailbox, as written; may be empty.
    pub account: String,
    /// The `Voice-Message` line; none where there is none (VOICE_MESSAGE_AVAILABLE asks for that, B199).
    pub voice: Option<MessageCounts>,
}

/// `new/old (urgent new/urgent old)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Not heard yet.
    pub new: u32,
    /// Heard.
    pub old: u32,
    /// Of the new ones.
    pub urgent_new: u32,
    /// Of the old ones.
    pub urgent_old: u32,
}

impl MessageSummary {
    /// Reads a body.
    ///
    /// # Errors
    /// Too large, or without a usable `Messages-Waiting` line.
    pub fn parse(octets: &[u8]) -> Result<MessageSummary, Syntax> {
        if octets.len() > limits::OCTETS {
            return Err(Syntax("summary too large"));
        }
        let text = text::from_wire(octets);
        let mut waiting = None;
        let mut summary = MessageSummary { waiting: false, account: String::new(), voice: None };
        for line in text.lines().take(limits::LINES) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "messages-waiting" => waiting = waiting.or(yes_or_no(value)),
                "message-account" => value.clone_into(&mut summary.account),
                "voice-message" => summary.voice = summary.voice.or_else(|| counts(value)),
                _ => {}
            }
        }
        summary.waiting = waiting.ok_or(Syntax("no Messages-Waiting line"))?;
        Ok(summary)
    }
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// `2/8 (0/2)`, the part in parentheses optional; what is no number is none.
fn counts(value: &str) -> Option<MessageCounts> {
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, urgent.split(')').next().unwrap_or_default()),
        None => (value, "0/0"),
    };
    let (new, old) = pair(all)?;
    let (urgent_new, urgent_old) = pair(urgent).unwrap_or_default();
    Some(MessageCounts { new, old, urgent_new, urgent_old })
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (new, old) = text.split_once('/')?;
    Some((number(new)?, number(old)?))
}

/// More than fits is as many as fit.
fn number(text: &str) -> Option<u32> {
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}
