//! Messages that wait at a voice mail server (RFC 3842): what it says of each line's mailbox, because VM_SUBSCRIBE_ENABLE wants to know or
//! of its own accord, and what people see of it. What was last said stays while the server is away, and over a restart.

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_stack::{SubscriptionKey, SubscriptionWish};
use sip_wire::MediaType;
use sip_wire::body::MessageSummary;

use super::Phone;
use crate::interface::{Messages, Output};

const PACKAGE: &str = "message-summary";
const BODY: (&str, &str) = ("application", "simple-message-summary");

/// What the server last said of one line's mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    waiting: bool,
    /// New and old ones, where it said so.
    voice: Option<(u32, u32)>,
    /// Because it was asked; of its own accord it tells once, whatever becomes of what is asked.
    asked: bool,
}

/// The subscription to the line's mailbox.
pub(super) fn key(line: LineNumber) -> SubscriptionKey {
    SubscriptionKey { line, event: PACKAGE.to_owned(), resource: String::new() }
}

/// How it is asked for.
pub(super) fn wish() -> SubscriptionWish {
    SubscriptionWish { accept: vec![format!("{}/{}", BODY.0, BODY.1)], ..SubscriptionWish::default() }
}

impl Phone {
    /// A body that is no summary says nothing. `asked`: it came because of our subscription.
    pub(super) fn handle_summary(&mut self, line: LineNumber, content_type: &str, body: &[u8], asked: bool) {
        let is_summary = content_type.parse().is_ok_and(|kind: MediaType| kind.is(BODY.0, BODY.1));
        let Ok(summary) = MessageSummary::parse(body) else { return };
        if let Some(said) = self.summaries.get_mut(line.index()).filter(|_| is_summary) {
            let voice = summary.voice.map(|voice| (voice.new, voice.old));
            *said = Some(Summary { waiting: summary.waiting, voice, asked });
        }
    }

    pub(super) fn forget_summary(&mut self, line: LineNumber) {
        if let Some(said) = self.summaries.get_mut(line.index()) {
            *said = None;
        }
    }

    /// Nothing more comes of what was asked.
    pub(super) fn forget_asked_summary(&mut self, line: LineNumber) {
        if let Some(said) = self.summaries.get_mut(line.index()) {
            said.take_if(|said| said.asked);
        }
    }

    /// A line's messages as people see them. B199: with VOICE_MESSAGE_AVAILABLE only a Voice-Message line makes a message of
    /// "Messages-Waiting: yes".
    fn messages(&self, line: LineNumber) -> Messages {
        let summary = self.summaries.get(line.index()).and_then(Option::as_ref);
        let voice = summary.and_then(|summary| summary.voice);
        let counts = voice.is_some() || !self.settings.voice_message_counted;
        let waiting = summary.is_some_and(|summary| summary.waiting) && counts;
        let (new, old) = voice.unwrap_or_default();
        Messages { waiting, new, old, mailbox: self.progress(&key(line)) }
    }

    /// Whether the message lamp is lit.
    pub(super) fn has_messages(&self) -> bool {
        LineNumber::all().any(|line| self.messages(line).waiting)
    }

    /// Whose mailbox is called when nobody says it: the default line's, unless messages wait at others only.
    pub(super) fn mailbox_line(&self) -> LineNumber {
        let default = self.settings.default_line;
        std::iter::once(default).chain(LineNumber::all()).find(|line| self.messages(*line).waiting).unwrap_or(default)
    }

    /// VM_NUMBER_n; none where it is empty. The dial plan does not apply to it.
    pub(super) fn mailbox_number(&self, line: LineNumber) -> Option<&str> {
        self.settings.mailbox_numbers.get(line.index()).map(String::as_str).filter(|number| !number.is_empty())
    }

    /// Gives out what has changed.
    pub(super) fn settle_messages(&mut self) {
        for line in LineNumber::all() {
            let messages = self.messages(line);
            if let Some(told) = self.told.messages.get_mut(line.index())
                && *told != Some(messages)
            {
                *told = Some(messages);
                self.outputs.push_back(Output::Messages(line, messages));
            }
        }
    }
}
