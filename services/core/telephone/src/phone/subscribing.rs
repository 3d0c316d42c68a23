//! What the lines subscribe to (RFC 6665): which subscriptions the settings want, and how far each of them is.
//!
//! A subscription begins when its line is registered for the first time, because a server may refuse a stranger for good
//! (B211); from then on the stack keeps it up. It ends when nothing wants it any more. What the server says is for the file
//! that knows the package.

use std::collections::BTreeMap;

use agreements::{LineNumber, Tick};
use sip_stack::{Command, LineState, SubscriptionKey, SubscriptionState, SubscriptionWish};

use super::{Phone, features, mailbox, shared, watching};
use crate::interface::SubscriptionProgress;

impl Phone {
    /// Asks the stack for what the settings and the lines' states want.
    pub(super) fn settle_subscriptions(&mut self) {
        let wanted: BTreeMap<SubscriptionKey, SubscriptionWish> =
            LineNumber::all().filter(|line| self.is_line_used(*line)).flat_map(|line| self.wanted(line)).collect();
        let unwanted: Vec<SubscriptionKey> = self.subscriptions.keys().filter(|key| !wanted.contains_key(key)).cloned().collect();
        for key in unwanted {
            self.subscriptions.remove(&key);
            self.forget_notified(&key);
            self.stack(Command::Unsubscribe(key));
        }
        for (key, wish) in wanted {
            if !self.subscriptions.contains_key(&key) && self.usable(key.line) {
                self.subscriptions.insert(key.clone(), SubscriptionProgress::Off);
                self.stack(Command::Subscribe { key, wish, body: None });
            }
        }
    }

    /// What one line shall subscribe to.
    fn wanted(&self, line: LineNumber) -> Vec<(SubscriptionKey, SubscriptionWish)> {
        let mut wanted = Vec::new();
        if self.settings.voice_mail {
            wanted.push((mailbox::key(line), mailbox::wish()));
        }
        if self.settings.feature_sync.get(line.index()).copied().unwrap_or_default() {
            wanted.push((features::key(line), features::wish()));
        }
        wanted.extend(self.list_key(line).map(|key| (key, watching::wish())));
        wanted.extend(self.wanted_of_shared(line));
        wanted
    }

    pub(super) fn is_line_used(&self, line: LineNumber) -> bool {
        match self.line(line) {
            Some(LineState::Registering { .. } | LineState::Registered { .. } | LineState::Failed { .. }) => true,
            Some(LineState::Disabled | LineState::Unconfigured) | None => false,
        }
    }

    /// How far a subscription is.
    pub(super) fn progress(&self, key: &SubscriptionKey) -> SubscriptionProgress {
        self.subscriptions.get(key).copied().unwrap_or_default()
    }

    pub(super) fn handle_subscription(&mut self, now: Tick, key: &SubscriptionKey, state: &SubscriptionState) {
        // The end of one that nobody wants any more is no news of the next one.
        let Some(progress) = self.subscriptions.get_mut(key) else { return };
        *progress = match state {
            SubscriptionState::Asking { .. } => SubscriptionProgress::Asking,
            SubscriptionState::Pending => SubscriptionProgress::Pending,
            SubscriptionState::Active => SubscriptionProgress::Active,
            SubscriptionState::Refused { .. } => SubscriptionProgress::Refused,
            SubscriptionState::Ended | SubscriptionState::InUse { .. } => SubscriptionProgress::Off,
        };
        if *key == shared::seize_key(key.line) {
            return self.handle_seizing(now, key.line, state);
        }
        match state {
            SubscriptionState::Refused { .. } => self.forget_notified(key),
            SubscriptionState::Asking { .. } => self.lose_sight(key),
            SubscriptionState::Pending | SubscriptionState::Active => {}
            SubscriptionState::Ended | SubscriptionState::InUse { .. } => {}
        }
        if *key == features::key(key.line) {
            self.handle_feature_state(key.line, state);
        }
    }

    pub(super) fn handle_notified(&mut self, now: Tick, key: &SubscriptionKey, content_type: &str, body: &[u8]) {
        if !self.subscriptions.contains_key(key) {
            return;
        }
        if *key == mailbox::key(key.line) {
            self.handle_summary(key.line, content_type, body, true);
        } else if *key == features::key(key.line) {
            self.handle_features(key.line, content_type, body);
        } else if watching::is_about_dialogs(key) {
            self.handle_dialogs(now, key, content_type, body);
        }
    }

    /// What was said of it counts no more.
    fn forget_notified(&mut self, key: &SubscriptionKey) {
        if *key == mailbox::key(key.line) {
            self.forget_asked_summary(key.line);
        } else if *key == features::key(key.line) {
            self.forget_features(key.line);
        } else if *key == shared::watch_key(key.line) {
            self.forget_appearances(key.line);
        }
        self.forget_dialogs(key);
    }
}
