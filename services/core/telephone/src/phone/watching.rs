//! Whom a line watches: those on the resource list that RESOURCELIST_URI_n names (guide 5463), by the dialog package (RFC 4235) in one
//! subscription (RFC 4662). What their calls do is shown as long as a server holds the subscription; then only who they are.

use agreements::{LineNumber, Tick};
use sip_stack::{Command, SubscriptionKey, SubscriptionWish};

use super::Phone;
use crate::interface::{Output, SubscriptionProgress, Watching};
use crate::roster::{DIALOGS, LIST, Roster, WHOLE};

const PACKAGE: &str = "dialog";

/// The subscription to a list.
pub(super) fn key(line: LineNumber, list: &str) -> SubscriptionKey {
    SubscriptionKey { line, event: PACKAGE.to_owned(), resource: list.to_owned() }
}

/// Whether a subscription is one to dialogs.
pub(super) fn is_about_dialogs(key: &SubscriptionKey) -> bool {
    key.event == PACKAGE
}

/// How it is asked for.
pub(super) fn wish() -> SubscriptionWish {
    let accept = [LIST, WHOLE, DIALOGS].map(|(kind, subtype)| format!("{kind}/{subtype}")).into();
    SubscriptionWish { accept, ..SubscriptionWish::default() }
}

impl Phone {
    /// The subscription to the line's list, where it has one.
    pub(super) fn list_key(&self, line: LineNumber) -> Option<SubscriptionKey> {
        let list = self.settings.resource_lists.get(line.index()).filter(|list| !list.is_empty())?;
        Some(key(line, list))
    }

    pub(super) fn handle_dialogs(&mut self, now: Tick, key: &SubscriptionKey, content_type: &str, body: &[u8]) {
        if self.rosters.entry(key.clone()).or_default().take(now, content_type, body) {
            self.subscriptions.insert(key.clone(), SubscriptionProgress::Off);
            self.stack(Command::Unsubscribe(key.clone()));
            self.stack(Command::Subscribe { key: key.clone(), wish: wish(), body: None });
        }
    }

    /// Nobody holds the subscription at the moment.
    pub(super) fn lose_sight(&mut self, key: &SubscriptionKey) {
        if let Some(roster) = self.rosters.get_mut(key) {
            roster.lose_sight();
        }
    }

    pub(super) fn forget_dialogs(&mut self, key: &SubscriptionKey) {
        self.rosters.remove(key);
    }

    pub(super) fn sweep_rosters(&mut self, now: Tick) {
        self.rosters.values_mut().for_each(|roster| roster.sweep(now));
    }

    fn watching(&self, line: LineNumber) -> Watching {
        let Some(key) = self.list_key(line) else { return Watching::default() };
        let people = self.rosters.get(&key).map(Roster::people).unwrap_or_default();
        Watching { people, list: self.progress(&key) }
    }

    /// Gives out what has changed.
    pub(super) fn settle_watching(&mut self) {
        for line in LineNumber::all() {
            let watching = self.watching(line);
            if let Some(told) = self.told.watching.get_mut(line.index())
                && told.as_ref() != Some(&watching)
            {
                *told = Some(watching.clone());
                self.outputs.push_back(Output::Watching(line, watching));
            }
        }
    }
}
