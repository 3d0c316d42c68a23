//! Messages that wait at a voice mail server (RFC 3842): one subscription per registered line while VM_SUBSCRIBE_ENABLE wants it,
//! what the server says of the mailbox, and what people see of it.
//!
//! The subscription begins when the line is registered for the first time, because a server may refuse a stranger for good
//! (B211); from then on the stack keeps it up. What was last said stays while the server is away, and over a restart.

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_stack::{Command, LineState, SubscriptionKey, SubscriptionState, SubscriptionWish};
use sip_wire::MediaType;
use sip_wire::body::MessageSummary;

use super::Phone;
use crate::interface::{MailboxState, Messages, Output};

const PACKAGE: &str = "message-summary";
const BODY: (&str, &str) = ("application", "simple-message-summary");

/// One line's mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mailbox {
    /// The stack has been told to subscribe.
    asked: bool,
    state: MailboxState,
    summary: Option<Summary>,
}

/// What the server last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Summary {
    waiting: bool,
    /// New and old ones, where it said so.
    voice: Option<(u32, u32)>,
}

impl Mailbox {
    /// B199: with `counted`, only a Voice-Message line makes a message of "Messages-Waiting: yes".
    fn messages(&self, counted: bool) -> Messages {
        let voice = self.summary.as_ref().and_then(|summary| summary.voice);
        let waiting = self.summary.as_ref().is_some_and(|summary| summary.waiting) && (voice.is_some() || !counted);
        let (new, old) = voice.unwrap_or_default();
        Messages { waiting, new, old, mailbox: self.state }
    }
}

fn key(line: LineNumber) -> SubscriptionKey {
    SubscriptionKey { line, event: PACKAGE.to_owned(), resource: String::new() }
}

/// The line whose mailbox a subscription is about.
fn line_of(key: &SubscriptionKey) -> Option<LineNumber> {
    (key.event == PACKAGE && key.resource.is_empty()).then_some(key.line)
}

impl Phone {
    /// Asks the stack for what the settings and the lines' states want.
    pub(super) fn settle_subscriptions(&mut self) {
        let enabled = self.settings.voice_mail;
        for line in LineNumber::all() {
            let Some(state) = self.lines.get(line.index()) else { continue };
            let (registered, in_use) = match state {
                LineState::Registered { .. } => (true, true),
                LineState::Registering { .. } | LineState::Failed { .. } => (false, true),
                LineState::Disabled | LineState::Unconfigured => (false, false),
            };
            let Some(mailbox) = self.mailboxes.get_mut(line.index()) else { continue };
            if mailbox.asked && !(enabled && in_use) {
                *mailbox = Mailbox::default();
                self.stack(Command::Unsubscribe(key(line)));
            } else if !mailbox.asked && enabled && registered {
                mailbox.asked = true;
                let accept = vec![format!("{}/{}", BODY.0, BODY.1)];
                self.stack(Command::Subscribe {
                    key: key(line),
                    wish: SubscriptionWish { accept, ..SubscriptionWish::default() },
                    body: None,
                });
            }
        }
    }

    pub(super) fn handle_subscription(&mut self, key: &SubscriptionKey, state: &SubscriptionState) {
        let Some(mailbox) = line_of(key).and_then(|line| self.mailboxes.get_mut(line.index())) else { return };
        // The end of one that nobody wants any more is no news of the next one.
        if !mailbox.asked {
            return;
        }
        mailbox.state = match state {
            SubscriptionState::Asking { .. } => MailboxState::Asking,
            SubscriptionState::Pending => MailboxState::Pending,
            SubscriptionState::Active => MailboxState::Active,
            SubscriptionState::Refused { .. } => MailboxState::Refused,
            SubscriptionState::Ended => MailboxState::Off,
        };
        if matches!(state, SubscriptionState::Refused { .. }) {
            mailbox.summary = None;
        }
    }

    /// A body that is no summary says nothing.
    pub(super) fn handle_notified(&mut self, key: &SubscriptionKey, content_type: &str, body: &[u8]) {
        let Some(mailbox) = line_of(key).and_then(|line| self.mailboxes.get_mut(line.index())) else { return };
        let is_summary = content_type.parse().is_ok_and(|kind: MediaType| kind.is(BODY.0, BODY.1));
        let Ok(summary) = MessageSummary::parse(body) else { return };
        if mailbox.asked && is_summary {
            let voice = summary.voice.map(|voice| (voice.new, voice.old));
            mailbox.summary = Some(Summary { waiting: summary.waiting, voice });
        }
    }

    /// A line's messages as people see them.
    fn messages(&self, line: LineNumber) -> Messages {
        let mailbox = self.mailboxes.get(line.index()).cloned().unwrap_or_default();
        mailbox.messages(self.settings.voice_message_counted)
    }

    /// Whether the message lamp is lit.
    pub(super) fn has_messages(&self) -> bool {
        LineNumber::all().any(|line| self.messages(line).waiting)
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
